"""CloudHSM's events from stdin, one a line, each with a reduced `cloudhsm`."""
import json, sys, simdjson  # noqa: E401
SOURCES = {f"{name}.amazonaws.com{end}" for name in ("cloudhsm", "cloudhsmv2") for end in ("", ".cn")}
def enriched(line, parser):
    event = parser.parse(line)
    if event.get("eventSource") not in SOURCES: return b""
    code, requested, answered = event.get("errorCode"), event.get("requestParameters") or {}, event.get("responseElements") or {}
    denied = any(word in (code or "").lower() for word in ("accessdenied", "unauthorized", "notauthorized"))
    outcome = "denied" if denied else "failure" if code or event.get("errorMessage") else "success"
    cluster = requested.get("clusterId") or next(filter(None, ((answered.get(key) or {}).get("clusterId") for key in ("hsm", "cluster", "backup"))), None)
    added = {"operation": event.get("eventName"), "outcome": outcome, "actor": event["userIdentity"].get("arn"), "cluster": cluster}
    return line.rstrip()[:-1] + b',"cloudhsm":' + json.dumps(added).encode() + b"}\n"
sys.stdout.buffer.writelines(enriched(line, parser) for parser in [simdjson.Parser()] for line in sys.stdin.buffer)
