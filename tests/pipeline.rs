//! The worker, fed by the decoder as in a run but without threads: what becomes of each record,
//! that it depends on the record alone, and that the counts tell it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

#[path = "common/outcome.rs"]
mod outcome;

use bytes::BytesMut;
use hsmtrail::config::{Envelope, Select, Validate};
use hsmtrail::decode::grammar::is_too_deep;
use hsmtrail::decode::prefilter::Prefilter;
use hsmtrail::encode::reject::Detail;
use hsmtrail::framing::{
    Batch, BatchContent, FrameKind, InputForm, OversizePart, RejectReason, frame_lines,
};
use hsmtrail::metrics::RecordOutcome;
use hsmtrail::pipeline::Limits;
use hsmtrail::pipeline::output::Output;
use hsmtrail::pipeline::worker::Worker;
use outcome::{Item, NOW_MS, Outcome};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

const LIMITS: Limits = Limits {
    select: Select::All,
    validate: Validate::All,
    envelope: Envelope::Unwrap,
    max_record_bytes: 4096,
    paranoid: false,
    stop_at_reject: false,
    keys: false,
};

const MATCHING: Limits = Limits {
    validate: Validate::Matching,
    ..LIMITS
};

const KEEPING: Limits = Limits {
    envelope: Envelope::Keep,
    paranoid: true,
    ..LIMITS
};

const SHORT: Limits = Limits {
    max_record_bytes: 60,
    ..LIMITS
};

const STOPPING: Limits = Limits {
    stop_at_reject: true,
    ..LIMITS
};

/// Runs `input`, which is read in pieces of `chunk` bytes.
fn run_in(chunk: usize, input: &[u8], form: InputForm, limits: Limits) -> Outcome {
    Outcome::of_pieces(input.chunks(chunk), form, limits)
}

fn run(input: &[u8], form: InputForm, limits: Limits) -> Outcome {
    run_in(usize::MAX, input, form, limits)
}

/// What becomes of one line by itself.
fn alone(line: &[u8], limits: Limits) -> Vec<Item> {
    run(&[line, b"\n"].concat(), InputForm::Lines, limits).items
}

fn may_match(record: &[u8]) -> bool {
    Prefilter::new(record).may_match(0..record.len())
}

// Batches.

#[test]
fn rejects_stand_where_the_record_stood() {
    let event = br#"{"eventSource":"cloudhsm.amazonaws.com"}"#;
    let cloudhsm = [Item::Line(b"{}".to_vec()), bad(b"{]"), bad(b"{\"a\":}")];
    let input = [&b"{}\n{]\n{\"a\":}\n"[..], event, b"\n5\n{\"b\":1}"].concat();
    let outcome = run(&input, InputForm::Lines, LIMITS);
    assert_eq!(outcome.items[..3], cloudhsm);
    assert!(matches!(&outcome.items[3], Item::Line(line) if line.starts_with(&event[..39])));
    assert_eq!(
        outcome.items[4..],
        [
            Item::Reject(
                RejectReason::NotAnObject,
                Detail::NotAnObject,
                b"5".to_vec()
            ),
            Item::Line(br#"{"b":1}"#.to_vec()),
        ]
    );
    assert_eq!(outcome.offsets, [3, 6, 54]);
    assert_eq!(outcome.counts.records(RecordOutcome::Enriched), 1);
    assert_eq!(outcome.counts.records(RecordOutcome::Passed), 2);
}

#[test]
fn what_is_not_selected_is_counted_and_not_written() {
    let limits = Limits {
        select: Select::CloudHsm,
        ..LIMITS
    };
    let input = concat!(
        "{}\n",
        r#"{"eventSource":"s3.amazonaws.com","requestParameters":"cloudhsm.amazonaws.com"}"#,
        "\n",
        r#"{"eventSource":"s3.amazonaws.com","cloudhsm":null}"#,
        "\n",
        r#"{"eventSource":"cloudhsmv2.amazonaws.com.cn"}"#,
        "\n",
    );
    let outcome = run(input.as_bytes(), InputForm::Lines, limits);
    let of = |outcome_of: RecordOutcome| outcome.counts.records(outcome_of);
    assert_eq!(RecordOutcome::ALL.map(of), [1, 1, 2, 0, 0]);
    assert_eq!(outcome.items.len(), 2);
    assert_eq!(
        outcome.items[0],
        Item::Line(br#"{"eventSource":"s3.amazonaws.com","cloudhsm":null}"#.to_vec())
    );
}

/// In lines the worker finds it, in a document the decoder does, and one that outgrows the buffer
/// comes in parts: it is the same reject.
#[test]
fn an_oversize_record_is_one_reject_in_every_way() {
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(3 * LIMITS.max_record_bytes));
    let input = format!("{{}}\n{long}\n{{\"b\":1}}\n");
    let expected = [
        Item::Line(b"{}".to_vec()),
        Item::Reject(RejectReason::Oversize, Detail::TooLong, long.into_bytes()),
        Item::Line(br#"{"b":1}"#.to_vec()),
    ];
    for form in [InputForm::Lines, InputForm::Document] {
        for chunk in [1000, 5000, usize::MAX] {
            let outcome = run_in(chunk, input.as_bytes(), form, LIMITS);
            assert_eq!(outcome.items, expected, "{form:?} in pieces of {chunk}");
            assert_eq!(outcome.offsets, [3], "{form:?} in pieces of {chunk}");
        }
    }
}

/// Only its last part counts, so that a record whose rest is still to come is not counted twice.
#[test]
fn parts_of_a_record_are_handed_on_and_counted_at_the_last() {
    let mut worker = Worker::new(LIMITS);
    let mut output = Output::default();
    for (part, rejected) in [
        (OversizePart::First, 0),
        (OversizePart::Next, 0),
        (OversizePart::Last, 1),
    ] {
        let batch = Batch {
            bytes: BytesMut::from(&b"{\"eventSource\""[..]),
            offset: 7,
            content: BatchContent::Oversize(part),
        };
        worker.process(&batch, NOW_MS, &mut output);
        let piece = output.oversize.take().unwrap();
        assert_eq!(
            (piece.part, piece.offset, &piece.raw[..]),
            (part, 7, &b"{\"eventSource\""[..])
        );
        assert_eq!(output.counts.read(), rejected);
        assert_eq!(output.counts.rejects(RejectReason::Oversize), rejected);
        assert!(output.lines.is_empty() && output.rejects.is_empty());
    }
}

#[test]
fn a_batch_ends_with_its_first_reject_when_the_run_does() {
    let limits = Limits {
        stop_at_reject: true,
        ..LIMITS
    };
    let outcome = run(b"{}\n{]\n{}\n{]\n", InputForm::Lines, limits);
    assert_eq!(outcome.items, [Item::Line(b"{}".to_vec()), bad(b"{]")]);
    assert_eq!(outcome.counts.read(), 2);
}

fn bad(raw: &[u8]) -> Item {
    Item::Reject(RejectReason::Malformed, Detail::NotJson, raw.to_vec())
}

// Laws.

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_records_verdict_does_not_depend_on_its_neighbours(
        records in vec(record(), 1..8),
        chunk in 1_usize..2000,
        limits in select(vec![LIMITS, MATCHING]),
    ) {
        let records: Vec<Vec<u8>> = records.iter().map(|record| on_one_line(record)).collect();
        let apart: Vec<Item> =
            records.iter().flat_map(|record| alone(record, limits)).collect();

        let lines = records.join(&b'\n');
        let together = run(&lines, InputForm::Lines, limits);
        prop_assert_eq!(&together.items, &apart);
        prop_assert_eq!(&run_in(chunk, &lines, InputForm::Lines, limits), &together);

        let document = [b"{\"Records\":[", &records.join(&b',')[..], b"]}"].concat();
        let framed = run(&document, InputForm::Document, limits);
        prop_assert_eq!(&framed.items, &apart);
        prop_assert_eq!(&framed.counts, &together.counts);
        prop_assert_eq!(&run_in(chunk, &document, InputForm::Document, limits), &framed);
    }

    #[test]
    fn a_log_file_at_hand_as_a_whole_is_taken_as_in_pieces(
        log_file in log_file(),
        chunk in 1_usize..200,
        limits in select(vec![LIMITS, MATCHING, KEEPING, SHORT, STOPPING]),
    ) {
        let whole = run(&log_file, InputForm::Auto, limits);
        let in_pieces = run_in(chunk, &log_file, InputForm::Auto, limits);
        if limits.stop_at_reject {
            // What stands behind the reject is counted or not, as the batches are cut.
            prop_assert_eq!(whole.items, in_pieces.items);
        } else {
            prop_assert_eq!(whole, in_pieces);
        }
    }

    #[test]
    fn records_that_may_match_or_span_lines_are_checked_the_same_with_both_settings(
        record in record(),
    ) {
        let line = on_one_line(&record);
        let (all, matching) = (alone(&line, LIMITS), alone(&line, MATCHING));
        if may_match(&line) {
            prop_assert_eq!(all, matching);
        } else if all != matching {
            prop_assert_eq!(matching, vec![Item::Line(line)]);
            prop_assert!(matches!(
                all[..],
                [Item::Reject(RejectReason::Malformed | RejectReason::NotUtf8, ..)]
            ));
        }
        if record.contains(&b'\n') || record.contains(&b'\r') {
            prop_assert_eq!(
                run(&record, InputForm::Document, LIMITS),
                run(&record, InputForm::Document, MATCHING)
            );
        }
    }

    /// By `serde_json`'s reading of the record.
    #[test]
    fn what_the_prefilter_rules_out_is_no_cloudhsm_event(object in named_object()) {
        let read: Value = serde_json::from_str(&object).unwrap();
        let source = read["eventSource"].as_str().unwrap_or_default();
        let is_named = read.get("cloudhsm").is_some();
        if is_named || source.contains("cloudhsm") {
            prop_assert!(may_match(object.as_bytes()), "{}", object);
        }
        let is_event = SOURCES.contains(&source) && !is_named;
        for limits in [LIMITS, MATCHING] {
            let counts = run(object.as_bytes(), InputForm::Lines, limits).counts;
            prop_assert_eq!(counts.records(RecordOutcome::Enriched), u64::from(is_event));
            prop_assert_eq!(counts.records(RecordOutcome::Passed), u64::from(!is_event));
        }
    }

    #[test]
    fn without_its_new_member_an_enriched_record_is_what_came_in(event in event()) {
        let form = InputForm::Document;
        let outcome = run(event.as_bytes(), form, LIMITS);
        prop_assert_eq!(outcome.counts.records(RecordOutcome::Enriched), 1);
        let [Item::Line(line)] = &outcome.items[..] else {
            panic!("not one line: {outcome:?}");
        };
        let before = without_line_breaks(event.as_bytes());
        let (same, added) = line.split_at(before.len() - 1);
        prop_assert_eq!(same, &before[..before.len() - 1]);
        let member = added.strip_prefix(b",").unwrap();
        let member: Value = serde_json::from_slice(&[b"{", member].concat()).unwrap();
        prop_assert_eq!(member.as_object().unwrap().len(), 1);
        prop_assert_eq!(&member["cloudhsm"]["version"], &Value::from(1));

        let again = run(line, form, LIMITS);
        prop_assert_eq!(again.counts.records(RecordOutcome::Passed), 1);
        prop_assert_eq!(again.items, outcome.items);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// The scan counts brackets, and reads quotes in what is no JSON in its own way.
    #[test]
    fn what_is_too_deep_is_found_without_parsing(
        parts in vec(select(&["\"", "\"", "\\\"", "\\", "[]", "}", DEEP, DEEP, DEEP][..]), 0..12),
    ) {
        let line = format!("{{\"eventVersion\":\"1.08\",{}}}", parts.concat());
        let mut frames = Vec::new();
        frame_lines(line.as_bytes(), MATCHING.max_record_bytes, &mut frames);
        let items = alone(line.as_bytes(), MATCHING);
        prop_assert_eq!(items.len(), frames.len());
        for (item, frame) in items.iter().zip(&frames) {
            let bytes = &line.as_bytes()[frame.range.clone()];
            if matches!(frame.kind, FrameKind::Object { .. }) {
                let is_rejected = matches!(item, Item::Reject(RejectReason::TooDeep, ..));
                prop_assert_eq!(is_rejected, is_too_deep(bytes), "{}", line);
                prop_assert!(is_rejected || *item == Item::Line(bytes.to_vec()));
            }
        }
    }
}

// Generated records.

const SOURCES: [&str; 4] = [
    "cloudhsm.amazonaws.com",
    "cloudhsmv2.amazonaws.com",
    "cloudhsm.amazonaws.com.cn",
    "cloudhsmv2.amazonaws.com.cn",
];

/// A CloudHSM event, another object, or an object that is damaged inside its brackets; half of them
/// begin as events do.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let deep = |levels| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let name = prop_oneof![Just(""), Just("cloudhsm"), Just("\\u")];
    let damage: &[&[u8]] = &[
        b":", b"01", b"tru", b"\xff", b"\"\\x\"", b"1,", b"[1}", b"\x00",
    ];
    let damaged = (name, select(damage))
        .prop_map(|(name, damage)| [b"{\"", name.as_bytes(), b"\":", damage, b"}"].concat());
    let record = prop_oneof![
        3 => event().prop_map(String::into_bytes),
        2 => named_object().prop_map(String::into_bytes),
        1 => damaged,
        1 => (126_usize..130).prop_map(move |levels| deep(levels).into_bytes()),
    ];
    (record, any::<bool>()).prop_map(|(record, is_usual)| match record.strip_prefix(b"{\"") {
        Some(members) if is_usual => [b"{\"eventVersion\":\"1.08\",\"", members].concat(),
        _ => record,
    })
}

/// Half of the brackets that may be open.
const DEEP: &str = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[";

/// A log file as CloudTrail writes it, or nearly so.
fn log_file() -> impl Strategy<Value = Vec<u8>> {
    let between: &[&[u8]] = &[
        b",", b",", b",", b",", b",", b",\n", b", ", b"", b",,", b"}", b"]", b",1,",
    ];
    let end: &[&[u8]] = &[
        b"]}",
        b"]}",
        b"]}\n",
        b"]}\r\n",
        b"]",
        b"",
        b",]}",
        b"],\"a\":[1]}",
        b"]} \n{\"a\":1}\n",
        b"]}{\"a\":1}",
        b"]}]",
        b",{\"a",
        b"],\"Records\":[{}]}",
    ];
    (vec((record(), select(between)), 0..8), select(end)).prop_map(|(records, end)| {
        let mut log_file = b"{\"Records\":[".to_vec();
        let last = records.len().saturating_sub(1);
        for (at, (record, between)) in records.iter().enumerate() {
            log_file.extend_from_slice(record);
            if at < last {
                log_file.extend_from_slice(between);
            }
        }
        log_file.extend_from_slice(end);
        log_file
    })
}

/// A CloudHSM event: its members in any order, some of them twice, in odd spellings.
fn event() -> impl Strategy<Value = String> {
    let source = (
        spelled("eventSource"),
        select(&SOURCES[..]).prop_flat_map(spelled),
    );
    let other = (select(&NAMES[..]).prop_flat_map(spelled), value());
    (
        vec(other, 0..10),
        source,
        any::<prop::sample::Index>(),
        blank(),
    )
        .prop_map(|(mut members, source, at, blank)| {
            members.insert(at.index(members.len() + 1), source);
            object(&members, blank)
        })
}

/// Members that are read, and one that is not.
const NAMES: [&str; 11] = [
    "eventName",
    "eventTime",
    "userIdentity",
    "requestParameters",
    "responseElements",
    "errorCode",
    "sourceIPAddress",
    "userAgent",
    "recipientAccountId",
    "readOnly",
    "additionalEventData",
];

/// A value of any type, and what `serde_json` or simd-json would write in another way or refuse.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(
            &[
                "null",
                "true",
                "1.0",
                "-0",
                "1E+2",
                "12345678901234567890123",
                "1e400"
            ][..]
        )
        .prop_map(str::to_owned),
        select(
            &[
                "\"\\ud800\"",
                "\"\\/\\b\"",
                "\"\u{2028}é😀\"",
                "\"2017-07-11T03:50:45Z\""
            ][..]
        )
        .prop_map(str::to_owned),
        select(&["DeleteHsm", "PutResourcePolicy", "Root", "a\"b\\c\n", ""][..])
            .prop_flat_map(spelled),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let name = select(&["type", "clusterId", "policy", "tagList", "key", "\u{0}"][..]);
        prop_oneof![
            (vec(inner.clone(), 0..4), blank())
                .prop_map(|(values, blank)| format!("[{blank}{}]", values.join(","))),
            (vec((name.prop_flat_map(spelled), inner), 0..4), blank())
                .prop_map(|(members, blank)| object(&members, blank)),
        ]
    })
}

/// An object in which the names that matter, and texts like them, stand anywhere.
fn named_object() -> impl Strategy<Value = String> {
    let text = || {
        let near = [
            "cloudhsm",
            "CloudHSM",
            "s3.amazonaws.com",
            "eventSource",
            "x",
        ];
        select([&SOURCES[..], &near].concat()).prop_flat_map(spelled)
    };
    let name = || select(&["eventSource", "cloudhsm", "x"][..]).prop_flat_map(spelled);
    let nested = vec((name(), text()), 0..2).prop_map(|members| object(&members, ""));
    let member = prop_oneof![4 => (name(), text()), 1 => (name(), nested)];
    vec(member, 0..4).prop_map(|members| object(&members, " "))
}

fn object(members: &[(String, String)], blank: &str) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("{blank}{name}{blank}:{value}"))
        .collect();
    format!("{{{}{blank}}}", members.join(","))
}

/// White space between tokens.
fn blank() -> impl Strategy<Value = &'static str> {
    select(&["", " ", "\t", "\n", "\r\n  ", " \r\t"][..])
}

/// `text` as a JSON string, each character as itself or as an escape.
fn spelled(text: &'static str) -> impl Strategy<Value = String> {
    vec(0..6, text.len()).prop_map(move |ways| {
        let spell = |(character, way): (char, i32)| {
            let code = u32::from(character);
            match way {
                0 => format!("\\u{code:04x}"),
                1 => format!("\\u{code:04X}"),
                _ if matches!(character, '"' | '\\') => format!("\\{character}"),
                _ if character < ' ' => format!("\\u{code:04x}"),
                _ => character.to_string(),
            }
        };
        let spelled: String = text.chars().zip(ways).map(spell).collect();
        format!("\"{spelled}\"")
    })
}

/// The same record with a blank for each line break.
fn on_one_line(record: &[u8]) -> Vec<u8> {
    let blank = |&byte: &u8| {
        if matches!(byte, b'\n' | b'\r') {
            b' '
        } else {
            byte
        }
    };
    record.iter().map(blank).collect()
}

/// Without line breaks and the blanks behind them, byte by byte.
fn without_line_breaks(record: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut behind_break = false;
    for &byte in record {
        behind_break =
            matches!(byte, b'\n' | b'\r') || (behind_break && matches!(byte, b' ' | b'\t'));
        if !behind_break {
            kept.push(byte);
        }
    }
    kept
}
