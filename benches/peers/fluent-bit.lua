-- The reduced `cloudhsm` of a record of CloudHSM, for fluent-bit.conf.

local function outcome(record)
    if record.errorCode == nil and record.errorMessage == nil then
        return "success"
    end
    local code = string.lower(record.errorCode or "")
    for _, word in ipairs({ "accessdenied", "unauthorized", "notauthorized" }) do
        if string.find(code, word, 1, true) then
            return "denied"
        end
    end
    return "failure"
end

local function cluster(record)
    local requested, answered = record.requestParameters or {}, record.responseElements or {}
    if requested.clusterId then
        return requested.clusterId
    end
    for _, key in ipairs({ "hsm", "cluster", "backup" }) do
        if answered[key] and answered[key].clusterId then
            return answered[key].clusterId
        end
    end
end

-- 2: the record has changed, its time has not.
function enrich(tag, timestamp, record)
    record.cloudhsm = {
        operation = record.eventName,
        outcome = outcome(record),
        actor = record.userIdentity.arn,
        cluster = cluster(record),
    }
    return 2, timestamp, record
end
