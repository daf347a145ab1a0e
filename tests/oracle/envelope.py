"""What events travel in, made a second time from the documents of the services alone.

`wrapped(records, form, rng)` is an input in which every record is inside something else. The filter must make of it
what it makes of the records by themselves.
"""

import base64
import gzip
import json


def is_event(event):
    """Whether a decoded record is CloudTrail's, so that it comes out of what it is in."""
    if not isinstance(event, dict):
        return False
    source = event.get("eventSource")
    if isinstance(source, str):
        return not source.startswith("aws:")
    return "eventVersion" in event or "cloudhsm" in event


def string(rng, text):
    """The text as a JSON string, escaped in one of the ways that writers have."""
    way = rng.randrange(3)
    if way == 0:
        return json.dumps(text, ensure_ascii=False)
    if way == 1:
        return json.dumps(text).replace("/", "\\/")
    units = text.encode("utf-16-be")
    return '"' + "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2)) + '"'


def spread(rng, members):
    """An object of these members, in any order, with blanks between."""
    members = list(members)
    rng.shuffle(members)
    blank = rng.choice(("", " ", "\t"))
    return "{" + blank + f",{blank}".join(f"{json.dumps(name)}{blank}:{blank}{value}" for name, value in members) + blank + "}"


def messages(rng, texts):
    return "[" + ",".join(spread(rng, [("timestamp", "1499745045000"), ("message", string(rng, text)), ("eventId", '"1"')]) for text in texts) + "]"


def lookup(rng, texts):
    elements = [spread(rng, [("EventId", '"e"'), ("ReadOnly", '"false"'), ("Resources", "[]"), ("CloudTrailEvent", string(rng, text))]) for text in texts]
    return spread(rng, [("Events", "[" + ",".join(elements) + "]"), ("NextToken", '"t"')])


def query(rng, texts):
    return "[" + ", ".join(string(rng, text) for text in texts) + "]"


def logs(rng, texts):
    return spread(rng, [("events", messages(rng, texts)), ("searchedLogStreams", "[]"), ("nextToken", '"t"')])


def subscription(rng, texts):
    return spread(rng, [("messageType", '"DATA_MESSAGE"'), ("owner", '"111122223333"'), ("logGroup", '"g"'), ("logEvents", messages(rng, texts))])


def parts(rng, texts):
    while texts:
        size = rng.randrange(1, 6)
        part, texts = texts[:size], texts[size:]
        yield part


def function(rng, texts):
    def event(part):
        data = base64.b64encode(gzip.compress(subscription(rng, part).encode("utf-8"), mtime=0)).decode()
        return spread(rng, [("awslogs", spread(rng, [("data", json.dumps(data))]))])
    return "\n".join(event(part) for part in parts(rng, texts))


def bridge(rng, texts):
    join = rng.choice(("", "\n", " "))
    return join.join(spread(rng, [("version", '"0"'), ("id", '"i"'), ("resources", "[]"), ("detail", text)]) for text in texts)


def lake(rng, texts):
    rows = ",".join("[" + spread(rng, [("eventJson", string(rng, text))]) + "]" for text in texts)
    return spread(rng, [("QueryStatus", '"FINISHED"'), ("QueryResultRows", f"[{rows}]")])


def shipper(name):
    def lines(rng, texts):
        return "\n".join(spread(rng, [("host", '"h"'), (name, string(rng, text)), ("n", "1.0")]) for text in texts)
    return lines


def files(rng, texts):
    """Whole log files in strings, a few events each."""
    return "\n".join(spread(rng, [("bucket", '"b"'), ("message", string(rng, '{"Records":[' + ",".join(part) + "]}"))]) for part in parts(rng, texts))


def splunk(rng, texts):
    return "".join(spread(rng, [("time", "1"), ("event", text if rng.random() < 0.5 else string(rng, text))]) for text in texts)


def elastic(rng, texts):
    return "\n".join(spread(rng, [("event", spread(rng, [("action", '"a"'), ("original", string(rng, text))])), ("tags", "[]")]) for text in texts)


def queue(rng, texts):
    """EventBridge to SNS to SQS."""
    topics = [spread(rng, [("Type", '"Notification"'), ("Message", string(rng, bridge(rng, [text])))]) for text in texts]
    return "\n".join(spread(rng, [("messageId", '"m"'), ("body", string(rng, topic)), ("eventSource", '"aws:sqs"')]) for topic in topics)


def receive(rng, texts):
    """What `aws sqs receive-message` prints."""
    return spread(rng, [("Messages", "[" + ",".join(spread(rng, [("MessageId", '"m"'), ("Body", string(rng, text))]) for text in texts) + "]")])


def notified(rng, texts):
    """SNS in the events that Lambda gets."""
    def event(part):
        records = [spread(rng, [("EventSource", '"aws:sns"'), ("Sns", spread(rng, [("Message", string(rng, text))]))]) for text in part]
        return '{"Records":[' + ",".join(records) + "]}"
    return "\n".join(event(part) for part in parts(rng, texts))


FORMS = {
    "lookup": lookup, "query": query, "logs": logs, "subscription": subscription, "function": function, "bridge": bridge, "lake": lake, "vector": shipper("message"), "vector-files": files,
    "fluent-bit": shipper("log"), "splunk": splunk, "elastic": elastic, "sns": shipper("Message"), "sqs": queue,
    "receive": receive, "lambda-sns": notified,
}


def wrapped(records, form, rng):
    return FORMS[form](rng, [record.decode("utf-8") for record in records]).encode("utf-8")
