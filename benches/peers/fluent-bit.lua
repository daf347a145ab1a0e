-- The reduced `cloudhsm` of a record of CloudHSM, for fluent-bit.conf. A null of JSON is no nil here.

local function text(value)
    return type(value) == "string" and value or nil
end

local function members(value)
    return type(value) == "table" and value or {}
end

local function outcome(record)
    local code = string.lower(text(record.errorCode) or "")
    for _, word in ipairs({ "accessdenied", "unauthorized", "notauthorized" }) do
        if string.find(code, word, 1, true) then
            return "denied"
        end
    end
    return (code ~= "" or text(record.errorMessage)) and "failure" or "success"
end

local function cluster(record)
    local answered = members(record.responseElements)
    return text(members(record.requestParameters).clusterId)
        or text(members(answered.hsm).clusterId)
        or text(members(answered.cluster).clusterId)
        or text(members(answered.backup).clusterId)
end

-- 2: the record has changed, its time has not.
function enrich(tag, timestamp, record)
    record.cloudhsm = {
        operation = record.eventName,
        outcome = outcome(record),
        actor = text(members(record.userIdentity).arn),
        cluster = cluster(record),
    }
    return 2, timestamp, record
end
