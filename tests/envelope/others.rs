//! What holds no event, or more than events: it passes as it is, or each in it has its fate.

use super::*;

#[test]
fn an_event_is_never_opened() {
    let inside = string(&cloudhsm(1));
    let records: Vec<String> = [
        format!(r#"{{"eventVersion":"1.08","eventSource":"s3.amazonaws.com","message":{inside}}}"#),
        format!(r#"{{"message":{inside},"eventSource":"s3.amazonaws.com"}}"#),
        format!(r#"{{"detail":{},"eventVersion":"1.08"}}"#, cloudhsm(1)),
        format!(r#"{{"log":{inside},"x":1,"event\u0053ource":"x"}}"#),
        format!(r#"{{"eventSource":"x","events":[{{"message":{inside}}}]}}"#),
        format!(r#"{{"requestParameters":{{"message":{inside}}},"message":{inside}}}"#),
        format!(r#"{{"userIdentity":{{}},"body":{inside}}}"#),
        format!(r#"{{"body":{inside},"cloudhsm":null}}"#),
    ]
    .into();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    check_unchanged(&records, &[]);
}

#[test]
fn something_else_passes_as_it_is() {
    let inside = string(&cloudhsm(1));
    let deeper = [
        format!(r#"{{"a":{{"message":{inside}}}}}"#),
        format!(r#"{{"Message ":{inside}}}"#),
        format!(r#"{{"MESSAGE":{inside}}}"#),
        format!(r#"{{"message":[{inside}]}}"#),
        format!(r#"{{"event":{{"text":{inside}}}}}"#),
        format!(r#"{{"awslogs":{inside}}}"#),
        format!(r#"{{"data":"{}"}}"#, STANDARD.encode(gzip(&cloudhsm(1)))),
    ];
    let plain = [
        r#"{"message":"GET /index.html 200"}"#,
        r#"{"message":""}"#,
        r#"{"message":null,"log":1,"detail":true,"event":[]}"#,
        r#"{"message":"{\"level\":\"info\",\"text\":\"eventVersion\"}"}"#,
        r#"{"message":"{\"a\":"}"#,
        r#"{"message":"{]"}"#,
        r#"{"message":"[1,2]","log":"\"x\"","body":"{}"}"#,
        r#"{"message":"{\"Records\":[]}"}"#,
        r#"{"message":"{\"Records\":[{\"a\":1}]}"}"#,
        r#"{"detail":{"instance-id":"i","state":"running"},"detail-type":"EC2 Instance State-change Notification"}"#,
        r#"{"Messages":[{"Body":"x"}],"Sns":{"Message":"y"},"Body":{}}"#,
        r#"{"Sns":"{}"}"#,
        r#"{"Events":[]}"#,
        r#"{"Events":[],"NextToken":"t"}"#,
        r#"{"events":[{"message":"no JSON"},{"message":"{\"a\":1}"}]}"#,
        r#"{"events":[1,"{}",null,[{}],{"a":{}}],"host":"h"}"#,
        r#"{"events":{"message":"x"}}"#,
        r#"{"events":[{"message":"{\"Records\":[{\"a\":1}]}"}],"nextToken":"t"}"#,
        r#"{"events":[{"message":"[{\"a\":1},{\"log\":\"x\"}]"}],"nextToken":"t"}"#,
        r#"{"logEvents":[{"id":"1","message":"Time: 02/21/19\nOpcode : CN_LOGIN (0xd)"}],"messageType":"DATA_MESSAGE"}"#,
        r#"{"QueryResultRows":[[{"eventName":"x"},{"n":"1"}],[]]}"#,
        r#"{"awslogs":{"data":"no base64"}}"#,
        r#"{"awslogs":{"data":""}}"#,
        r#"{"event":{"original":"<14>text"}}"#,
        r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#,
        "{}",
    ];
    let records: Vec<&str> = deeper.iter().map(String::as_str).chain(plain).collect();
    check_unchanged(&records, &[]);
    let gzipped = awslogs(r#"{"messageType":"DATA_MESSAGE","logEvents":[{"message":"text"}]}"#);
    check_unchanged(&[&gzipped, &awslogs("")], &[]);
}

#[test]
fn notices() {
    use Notice::{ControlMessage, Digest, S3Notification, SnsNotification};
    let sns = r#"{"s3Bucket":"b","s3ObjectKey":["AWSLogs/x.json.gz"]}"#;
    let s3 =
        r#"{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{}}"#;
    let s3_sorted = r#"{"awsRegion":"r","eventSource":"aws:s3","eventVersion":"2.1","s3":{}}"#;
    let control = r#"{"messageType":"CONTROL_MESSAGE","logGroup":"","logEvents":[{"id":"","message":"CWL CONTROL MESSAGE"}]}"#;
    let digest = r#"{"awsAccountId":"111122223333","digestEndTime":"t","digestS3Bucket":"b","logFiles":[{"s3Bucket":"b"}]}"#;
    let message = |text: &str| format!(r#"{{"Type":"Notification","Message":{}}}"#, string(text));
    for (record, kind) in [
        (sns.to_owned(), SnsNotification),
        (message(sns), SnsNotification),
        (
            format!(r#"{{"body":{}}}"#, string(&message(sns))),
            SnsNotification,
        ),
        (s3.to_owned(), S3Notification),
        (s3_sorted.to_owned(), S3Notification),
        (format!(r#"{{"Sns":{}}}"#, message(sns)), SnsNotification),
        (
            format!(r#"{{"Body":{}}}"#, string(&message(sns))),
            SnsNotification,
        ),
        (
            message(&format!(r#"{{"Records":[{s3},{s3}]}}"#)),
            S3Notification,
        ),
        (control.to_owned(), ControlMessage),
        (awslogs(control), ControlMessage),
        (digest.to_owned(), Digest),
    ] {
        check_unchanged(&[&record], &[kind]);
        let selected = run(
            &record,
            Limits {
                select: Select::CloudHsm,
                ..UNWRAP
            },
        );
        assert_eq!(selected.of(RecordOutcome::Filtered), 1);
        assert_eq!(selected.notices(), [kind]);
    }
    let elements = run_every_way(&format!(r#"{{"Records":[{s3},{s3_sorted}]}}"#), UNWRAP);
    assert_eq!(elements.lines(), [s3, s3_sorted]);
    assert_eq!(elements.notices(), [S3Notification, S3Notification]);

    // What a queue of CloudTrail's notifications gives.
    let body = format!(r#"{{"MessageId":"m","Body":{}}}"#, string(&message(sns)));
    let queue = format!(r#"{{"Messages":[{body},{{"Body":"text"}},{body}]}}"#);
    let elements = run_every_way(&queue, UNWRAP);
    assert_eq!(elements.lines(), [&body, r#"{"Body":"text"}"#, &body]);
    assert_eq!(elements.notices(), [SnsNotification, SnsNotification]);
}

/// What stands beside an event in its text or its array is a record as well, and nothing of it is
/// left out.
#[test]
fn events_among_other_things() {
    let (a, b) = (other(1), other(2));
    for (input, lines) in [
        (
            format!(
                r#"{{"events":[{{"message":"text"}},{{"message":{}}},{{"message":"{{}}"}}]}}"#,
                string(&a)
            ),
            &[r#"{"message":"text"}"#, &a, r#"{"message":"{}"}"#][..],
        ),
        (
            format!(
                r#"{{"message":{}}}"#,
                string(&format!("{{}}{a} {{\"x\":1}}"))
            ),
            &["{}", &a, "{\"x\":1}"],
        ),
        (
            format!(
                r#"{{"message":{}}}"#,
                string(&format!(r#"{{"Records":[{a},{{"log":{}}}]}}"#, string(&b)))
            ),
            &[&a, &b],
        ),
        // Every text counts, also under equal names; but not the same text twice.
        (
            format!(
                r#"{{"message":{0},"message":{1},"log":{0}}}"#,
                string(&a),
                string(&b)
            ),
            &[&a, &b],
        ),
        (
            format!(r#"{{"message":"text","log":{}}}"#, string(&a)),
            &[&a],
        ),
        (
            format!(r#"{{"Events":[{a}],"Events":[{b}],"NextToken":[{{}}]}}"#),
            &[&a, &b],
        ),
        (
            format!(r#"{{"Events":[],"events":[{{}},{a}],"Records":[{b}]}}"#),
            &["{}", &a, &b],
        ),
        // Arrays in the text of an element.
        (
            format!(
                r#"{{"Messages":[{{"Body":{}}},{{"Body":{}}}]}}"#,
                string(&format!(
                    r#"{{"messageType":"DATA_MESSAGE","logEvents":[{{"message":{}}}]}}"#,
                    string(&a)
                )),
                string(&format!("[{{}}, {b}]"))
            ),
            &[&a, "{}", &b],
        ),
    ] {
        let done = run_every_way(&input, UNWRAP);
        assert_eq!(done.lines(), lines, "{input}");
        assert_eq!(done.rejects, []);
    }
}

/// Damage to an event inside a record is a reject; its position is that of the record.
#[test]
fn damaged_events_are_rejects() {
    use Detail::{
        EndsInArray, EndsInRecord, LineBreakInString, NotAnObject, NotJson, StrayBracket,
    };
    use RejectReason::{Malformed, Truncated};
    let whole = other(1);
    let cut = r#"{"eventVersion":"1.08","eventSource":"clou"#;
    let bad = r#"{"eventVersion":"1.08","a":nul}"#;
    let torn = "{\"eventVersion\":\"1.08\n\"}";
    let array = format!(r#"{{"Records":[{whole},"#);
    let envelope = format!(r#"{{"Type":"Notification","Message":{}"#, string(cut));
    let malformed = format!(r#"{{"Message":{},}}"#, string(&whole));
    for (text, lines, rejects) in [
        (cut, &[][..], &[(Truncated, EndsInRecord, cut)][..]),
        (bad, &[], &[(Malformed, NotJson, bad)]),
        (torn, &[], &[(Malformed, LineBreakInString, torn)]),
        (&array, &[&*whole], &[(Truncated, EndsInArray, "")]),
        (&envelope, &[], &[(Truncated, EndsInRecord, &envelope)]),
        (&malformed, &[], &[(Malformed, NotJson, &malformed)]),
        (
            &format!("{whole}{cut}"),
            &[&whole],
            &[(Truncated, EndsInRecord, cut)],
        ),
        (
            &format!("{bad}{whole}"),
            &[&whole],
            &[(Malformed, NotJson, bad)],
        ),
        (
            &format!("{whole} 17"),
            &[&whole],
            &[(RejectReason::NotAnObject, NotAnObject, "17")],
        ),
        (
            &format!("{whole}}}"),
            &[&whole],
            &[(Malformed, StrayBracket, "}")],
        ),
    ] {
        let input = format!("{{}}\n{{\"message\":{}}}\n{{}}", string(text));
        let done = run_every_way(&input, UNWRAP);
        assert_eq!(done.lines(), [&["{}"], lines, &["{}"]].concat(), "{input}");
        let found: Vec<_> = done
            .rejects
            .iter()
            .map(|(reason, detail, _, offset, raw)| {
                assert_eq!(*offset, 3, "{input}");
                (*reason, *detail, raw.as_str())
            })
            .collect();
        assert_eq!(found, rejects, "{input}");
        let numbers: Vec<_> = done.rejects.iter().map(|reject| reject.2).collect();
        assert!(
            numbers.iter().all(|number| (2..=3).contains(number)),
            "{input}"
        );
        // Kept, it still holds its damage.
        assert_eq!(run(&input, KEEP).lines.len(), 3);
    }
}

/// As in a log file: an element that is damaged costs itself only.
#[test]
fn damage_in_an_array_stays_where_it_is() {
    let (a, b) = (other(1), other(2));
    let element = |event: &str| format!(r#"{{"CloudTrailEvent":{}}}"#, string(event));
    for damaged in [
        r#"{"CloudTrailEvent":nul}"#,
        "17",
        r#"{"CloudTrailEvent":"{\"eventVersion\":"}"#,
    ] {
        let input = format!(
            r#"{{"Events":[{},{damaged},{}]}}"#,
            element(&a),
            element(&b)
        );
        let done = run_every_way(&input, UNWRAP);
        assert_eq!(done.lines(), [&*a, &b], "{input}");
        assert_eq!(done.rejects.len(), 1);
        assert_eq!(done.rejects[0].2, 2);
        assert!(input[done.rejects[0].3 as usize..].starts_with(damaged));
    }
    // The first one too, and where a line break tears a string.
    let input = format!(
        "{{\n  \"Events\": [\n    {{\n      \"CloudTrailEvent\": \"{{\\\"eventVersion\n    }},\n    {}\n  ]\n}}\n",
        element(&a)
    );
    let done = run_every_way(&input, UNWRAP);
    assert_eq!(done.rejects.len(), 1, "{input}");
}

#[test]
fn the_run_stops_at_a_reject_inside() {
    let stop = Limits {
        stop_at_reject: true,
        ..UNWRAP
    };
    let text = format!("{} 17 {}", other(1), other(2));
    let done = run(&format!("{{\"message\":{}}}{{}}", string(&text)), stop);
    assert_eq!(done.lines(), [other(1)]);
    assert_eq!(done.rejects.len(), 1);
}
