# For jq and jaq: CloudHSM's events, each with a reduced `cloudhsm`.
def code: .errorCode // "" | ascii_downcase;
def outcome:
  if .errorCode == null and .errorMessage == null then "success"
  elif code | contains("accessdenied") or contains("unauthorized") or contains("notauthorized") then "denied"
  else "failure" end;
select(.eventSource | . == "cloudhsm.amazonaws.com" or . == "cloudhsmv2.amazonaws.com"
  or . == "cloudhsm.amazonaws.com.cn" or . == "cloudhsmv2.amazonaws.com.cn")
| .cloudhsm = {
    operation: .eventName,
    outcome: outcome,
    actor: .userIdentity.arn,
    cluster: (.requestParameters.clusterId // .responseElements.hsm.clusterId
      // .responseElements.cluster.clusterId // .responseElements.backup.clusterId)
  }
