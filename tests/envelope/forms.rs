//! Each form around events of all kinds: they come out of it as they are, or it is kept.

use std::fs;
use std::path::Path;

use super::corpus::{Records, Share};
use super::*;

/// Where an event is, and how many of them: the record that is kept around them.
struct Form {
    /// The records around events.
    outer: fn(&[String]) -> Vec<Outer>,
    /// The document around those records.
    document: fn(&[String]) -> String,
}

/// A record around so many events.
type Outer = (String, usize);

/// One record around each event.
fn each(events: &[String], around: impl Fn(&str) -> String) -> Vec<Outer> {
    events.iter().map(|event| (around(event), 1)).collect()
}

fn lines(records: &[String]) -> String {
    records.join("\n")
}

fn log_file(events: &[String]) -> String {
    format!("{{\"Records\":[{}]}}", events.join(","))
}

/// Invented events: the corpus, and texts that a careless reader would change.
fn events() -> Vec<String> {
    let mut events = Vec::new();
    for (share, count) in [(Share::Mixed, 6), (Share::All, 8)] {
        let mut corpus = Records::new(share, 11);
        for _ in 0..count {
            let mut event = String::new();
            corpus.write(&mut event);
            events.push(event);
        }
    }
    for members in [
        r#""eventName":"a\"\\\/\b\f\n\r\t\u0041\u00e9 é 😀 \ud83d\ude00 \u2028""#,
        r#""eventName":"\ud800 \\ud800 \udc00\ud800","n":[1.0,1e400,-0,12345678901234567890]"#,
        r#""a":1,"a":2,"":{},"message":"{\"eventSource\":\"x\"}","detail":{"eventVersion":"1"}"#,
        r#""requestParameters":{"message":"{\"eventVersion\":\"1.08\"}","Records":[{}],"body":"[]"}"#,
    ] {
        for service in ["cloudhsm", "kms"] {
            events.push(format!(
                r#"{{{members},"eventSource":"{service}.amazonaws.com"}}"#
            ));
        }
    }
    events
}

fn check(form: &Form) {
    let events = events();
    for events in [&events[..], &events[..1], &events[6..7]] {
        let plain = run(&lines(events), UNWRAP);
        assert_eq!(plain.lines.len(), events.len());
        let outer = (form.outer)(events);
        let records: Vec<String> = outer.iter().map(|(record, _)| record.clone()).collect();
        let input = (form.document)(&records);
        assert_eq!(run_every_way(&input, UNWRAP), plain, "{input}");
        assert_eq!(run(&pretty(&input), UNWRAP).lines, plain.lines);
        for limits in [
            Limits {
                select: Select::CloudHsm,
                ..UNWRAP
            },
            Limits {
                validate: Validate::Matching,
                ..UNWRAP
            },
        ] {
            assert_eq!(run(&input, limits), run(&lines(events), limits), "{input}");
        }
        check_kept(&input, &outer, events, &plain);
        check_cut(&input, &plain);
    }
}

/// What is kept is the record, and at its end what its events have gained.
fn check_kept(input: &str, outer: &[Outer], events: &[String], plain: &Outcome) {
    let mut gains = plain.lines.iter().zip(events).map(|(line, event)| {
        let event = event.strip_suffix('}').unwrap();
        let gained = line.strip_prefix(event).unwrap().strip_suffix('}').unwrap();
        gained.strip_prefix(",\"cloudhsm\":")
    });
    let mut expected = Vec::new();
    for (record, count) in outer {
        let gained: Vec<&str> = gains.by_ref().take(*count).flatten().collect();
        let record = record.strip_suffix('}').unwrap();
        expected.push(match &gained[..] {
            [] => format!("{record}}}"),
            [one] => format!("{record},\"cloudhsm\":{one}}}"),
            several => format!("{record},\"cloudhsm\":[{}]}}", several.join(",")),
        });
    }
    let kept = run_every_way(input, KEEP);
    assert_eq!(kept.lines, expected, "{input}");
    assert_eq!(run(&pretty(input), KEEP).lines, expected, "{input}");
    let again = run(&lines(&kept.lines), KEEP);
    assert_eq!(again.lines, expected, "once more");
    assert_eq!(again.of(RecordOutcome::Enriched), 0, "once more");

    let selected = run(
        input,
        Limits {
            select: Select::CloudHsm,
            ..KEEP
        },
    );
    expected.retain(|line| {
        line.contains(",\"cloudhsm\":{\"version\":1,")
            || line.contains(",\"cloudhsm\":[{\"version\":1,")
    });
    assert_eq!(selected.lines, expected, "{input}");
    assert_eq!(selected.counts.read(), outer.len() as u64);
}

/// Of an input that is cut, the events before the cut pass, and the rest is a reject or passes.
fn check_cut(input: &str, plain: &Outcome) {
    let step = input.len() / 20 + 1;
    for cut in (1..input.len()).step_by(step) {
        let Some(input) = input.get(..cut) else {
            continue;
        };
        let done = run(input, UNWRAP);
        let whole = done.lines.len() - usize::from(done.rejects.is_empty());
        let whole = whole.min(plain.lines.len());
        assert_eq!(done.lines[..whole], plain.lines[..whole], "{input}");
        assert!(done.rejects.len() <= 1, "{input}");
    }
}

/// A named test for each form.
macro_rules! forms {
    ($($name:ident: $outer:expr, $document:expr;)*) => { $(
        #[test]
        fn $name() {
            check(&Form { outer: $outer, document: $document });
        }
    )* };
}

forms! {
    lookup_events:
        |events| each(events, |event| format!(r#"{{"EventId":"e","ReadOnly":"true","Resources":[],"CloudTrailEvent":{}}}"#, string(event))),
        |records| format!(r#"{{"Events":[{}],"NextToken":"t"}}"#, records.join(","));
    lookup_events_element_by_element:
        |events| each(events, |event| format!(r#"{{"CloudTrailEvent":{},"EventTime":1.5e9}}"#, string(event))),
        |records| records.concat();
    filter_log_events:
        |events| each(events, |event| format!(r#"{{"logStreamName":"s","timestamp":1,"message":{},"eventId":"1"}}"#, string(event))),
        |records| format!(r#"{{"events":[{}],"searchedLogStreams":[]}}"#, records.join(","));
    get_log_events:
        |events| each(events, |event| format!(r#"{{"timestamp":1,"message":{},"ingestionTime":2}}"#, string(event))),
        |records| format!(r#"{{"nextForwardToken":"f","events":[{}],"nextBackwardToken":"b"}}"#, records.join(","));
    subscription:
        |events| each(events, |event| format!(r#"{{"id":"1","timestamp":1,"message":{}}}"#, string(event))),
        |records| format!(r#"{{"messageType":"DATA_MESSAGE","owner":"111122223333","subscriptionFilters":["f"],"logEvents":[{}]}}"#, records.join(","));
    subscription_in_a_lambda_event:
        |events| {
            let messages: Vec<_> = events.iter().map(|event| format!(r#"{{"id":"1","timestamp":1,"message":{}}}"#, string(event))).collect();
            let text = format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{}]}}"#, messages.join(","));
            vec![(awslogs(&text), events.len())]
        },
        lines;
    event_bridge:
        |events| each(events, |event| format!(r#"{{"version":"0","id":"i","detail-type":"AWS API Call via CloudTrail","source":"aws.x","resources":[],"detail":{event}}}"#)),
        lines;
    event_bridge_back_to_back:
        |events| each(events, |event| format!(r#"{{"version":"0","detail":{event},"id":"i"}}"#)),
        |records| records.concat();
    event_bridge_in_a_log_group:
        |events| each(events, |event| format!(r#"{{"timestamp":1,"message":{}}}"#, string(&format!(r#"{{"detail":{event}}}"#)))),
        |records| format!(r#"{{"events":[{}]}}"#, records.join(","));
    lake:
        |events| each(events, |event| format!(r#"{{"eventJson":{}}}"#, string(event))),
        |records| format!(r#"{{"QueryStatus":"FINISHED","QueryResultRows":[[{}]],"NextToken":"t"}}"#, records.join("],["));
    lake_in_lower_case:
        |events| each(events, |event| format!(r#"{{"eventjson":{}}}"#, string(event))),
        |records| format!(r#"{{"QueryResultRows":[[{}]]}}"#, records.join("],["));
    vector:
        |events| each(events, |event| format!(r#"{{"bucket":"b","message":{},"source_type":"aws_s3"}}"#, string(event))),
        lines;
    vector_with_log_files:
        |events| vec![(format!(r#"{{"bucket":"b","message":{},"source_type":"aws_s3"}}"#, string(&log_file(events))), events.len())],
        lines;
    vector_with_decoded_log_files:
        |events| vec![(format!(r#"{{"bucket":"b","message":{}}}"#, log_file(events)), events.len())],
        lines;
    fluent_bit:
        |events| each(events, |event| format!(r#"{{"date":1.5,"log":{}}}"#, string(event))),
        lines;
    fluent_bit_with_log_files:
        |events| vec![(format!(r#"{{"date":1.5,"log":{}}}"#, string(&log_file(events))), events.len())],
        lines;
    splunk_with_objects:
        |events| each(events, |event| format!(r#"{{"time":1,"event":{event},"sourcetype":"aws:cloudtrail"}}"#)),
        |records| records.concat();
    splunk_with_strings:
        |events| each(events, |event| format!(r#"{{"time":1,"event":{}}}"#, string(event))),
        lines;
    elastic:
        |events| each(events, |event| format!(r#"{{"@timestamp":"t","event":{{"action":"a","original":{}}},"tags":[]}}"#, string(event))),
        lines;
    elastic_with_a_dot:
        |events| each(events, |event| format!(r#"{{"event.action":"a","event.original":{}}}"#, string(event))),
        lines;
    elastic_that_has_it_twice:
        |events| each(events, |event| format!(r#"{{"message":{0},"event":{{"original":{0}}}}}"#, string(event))),
        lines;
    sns:
        |events| each(events, |event| format!(r#"{{"Type":"Notification","Message":{},"Signature":"s"}}"#, string(event))),
        lines;
    sqs:
        |events| each(events, |event| format!(r#"{{"messageId":"m","body":{},"eventSource":"aws:sqs"}}"#, string(event))),
        |records| format!(r#"{{"Records":[{}]}}"#, records.join(","));
    sqs_receive_message:
        |events| each(events, |event| format!(r#"{{"MessageId":"m","ReceiptHandle":"r","Body":{}}}"#, string(event))),
        |records| format!(r#"{{"Messages":[{}]}}"#, records.join(","));
    sns_in_a_lambda_event:
        |events| each(events, |event| format!(r#"{{"EventSource":"aws:sns","EventVersion":"1.0","Sns":{{"Type":"Notification","Message":{},"MessageAttributes":{{}}}}}}"#, string(event))),
        |records| format!(r#"{{"Records":[{}]}}"#, records.join(","));
    event_bridge_by_sns_and_sqs:
        |events| each(events, |event| {
            let bridge = format!(r#"{{"version":"0","detail":{event}}}"#);
            let sns = format!(r#"{{"Type":"Notification","Message":{}}}"#, string(&bridge));
            format!(r#"{{"body":{}}}"#, string(&sns))
        }),
        lines;
    values_over_many_lines_in_a_string:
        |events| {
            let text: Vec<_> = events.iter().map(|event| pretty(event)).collect();
            vec![(format!(r#"{{"message":{}}}"#, string(&text.join("\n"))), events.len())]
        },
        lines;
    lines_in_a_string:
        |events| vec![(format!(r#"{{"message":{}}}"#, string(&format!("\u{feff}\n{}\r\n", events.join("\r\n")))), events.len())],
        lines;
}

/// Strings are no records to keep: what they hold comes out of them anyway.
#[test]
fn strings() {
    let events = events();
    let plain = run(&lines(&events), UNWRAP);
    let strings: Vec<_> = events.iter().map(|event| string(event)).collect();
    for input in [
        format!("[{}]", strings.join(",")),
        pretty(&format!("[{}]", strings.join(","))),
        lines(&strings),
        format!("{{\"Records\":[{}]}}", strings.join(",")),
    ] {
        for limits in [UNWRAP, KEEP] {
            assert_eq!(run_every_way(&input, limits), plain, "{input}");
        }
    }
}

/// A row is one record: its other columns are part of the envelope, unless that is kept.
#[test]
fn a_row_of_several_columns() {
    let (a, b) = (cloudhsm(1), other(2));
    let input = format!(
        r#"{{"QueryResultRows":[[{{"eventID":"1"}},{{"eventJson":{}}}],[{{"eventID":"2"}},{{"eventJson":""}}],[{{"eventJson":{}}},{{"x":"y"}}]]}}"#,
        string(&a),
        string(&b)
    );
    let done = run_every_way(&input, UNWRAP);
    assert!(done.lines[0].starts_with(&a[..a.len() - 1]));
    assert_eq!(
        done.lines()[1..],
        [r#"{"eventID":"2"}"#, r#"{"eventJson":""}"#, &b]
    );
    let kept = run_every_way(&input, KEEP);
    assert_eq!(kept.lines.len(), 6);
    assert_eq!(kept.lines[0], r#"{"eventID":"1"}"#);
    assert!(kept.lines[1].contains(",\"cloudhsm\":{\"version\":1,"));
    assert_eq!(kept.lines[5], r#"{"x":"y"}"#);
}

/// Every sample of a delivery: its events are those of the two that it was made of.
#[test]
fn samples() {
    let Ok(samples) = fs::read_dir(Path::new("../shared/samples/delivery")) else {
        return;
    };
    let events: Vec<String> = ["create-hsm-docs-2017", "create-cluster-console-2022"]
        .iter()
        .map(|name| {
            let path = format!("../shared/samples/cloudhsm/{name}.json");
            canonical(&fs::read_to_string(path).unwrap())
        })
        .collect();
    for sample in samples {
        let path = sample.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let done = run_every_way(&fs::read_to_string(&path).unwrap(), UNWRAP);
        let notice = match name {
            "cwl-control-message" => Some(Notice::ControlMessage),
            "s3-event-notification" => Some(Notice::S3Notification),
            "sns-notification-in-sqs" => Some(Notice::SnsNotification),
            _ => None,
        };
        assert_eq!(done.notices(), Vec::from_iter(notice), "{name}");
        assert_eq!(done.rejects, [], "{name}");
        if notice.is_some() {
            assert_eq!(done.lines.len(), 1, "{name}");
            continue;
        }
        assert!(!done.lines.is_empty(), "{name}");
        for (line, event) in done.lines.iter().zip(&events) {
            let (record, _) = line.split_once(",\"cloudhsm\":{\"version\":1,").unwrap();
            assert_eq!(&canonical(&format!("{record}}}")), event, "{name}");
        }
    }
}

/// The same text for the same JSON.
fn canonical(json: &str) -> String {
    serde_json::from_str::<serde_json::Value>(json)
        .unwrap()
        .to_string()
}
