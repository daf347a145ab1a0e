//! The library under hard input, of which `tests/generators` has the kinds: against `serde_json`, and
//! against itself in other pieces, with other limits and with other numbers of workers.
//!
//! `PROPTEST_CASES=100000 cargo test --test hostile` runs longer.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::format_push_string,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[path = "common/binary.rs"]
mod binary;
mod generators;

use binary::run;
use bytes::BytesMut;
use generators::{ALL, Generator, Noise};
use hsmtrail::config::{Envelope, Select, Validate};
use hsmtrail::framing::{
    Batch, BatchContent, FrameKind, InputForm, OversizePart, RecordDecoder, RejectReason,
};
use hsmtrail::metrics::{Counts, RecordOutcome};
use hsmtrail::pipeline::Limits;
use hsmtrail::pipeline::output::Output;
use hsmtrail::pipeline::worker::Worker;
use memchr::memmem;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::value::RawValue;
use tokio_util::codec::Decoder as _;

/// So many cases, unless `PROPTEST_CASES` says otherwise.
fn cases(quick: u32) -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = quick;
    }
    config
}

// Framing, against serde_json.

/// Everything that is cut out of an input: whether it is an object, and its bytes.
fn framed(input: &str, form: InputForm, chunk: usize) -> Vec<(bool, String)> {
    let mut decoder = RecordDecoder::new(form, 1 << 20);
    let mut buffer = BytesMut::new();
    let mut found = Vec::new();
    let mut take = |batch: Batch| {
        let mut frames = Vec::new();
        match batch.content {
            BatchContent::Frames(found) => frames = found,
            BatchContent::Lines => batch.frame(1 << 20, &mut frames),
            BatchContent::Document | BatchContent::Oversize(_) => {
                panic!("no such batch is asked for")
            }
        }
        for frame in frames {
            let bytes = batch.bytes[frame.range].to_vec();
            let is_object = matches!(frame.kind, FrameKind::Object { .. });
            found.push((is_object, String::from_utf8(bytes).unwrap()));
        }
    };
    for piece in input.as_bytes().chunks(chunk) {
        buffer.extend_from_slice(piece);
        while let Some(batch) = decoder.decode(&mut buffer).unwrap() {
            take(batch);
        }
    }
    while let Some(batch) = decoder.decode_eof(&mut buffer).unwrap() {
        take(batch);
    }
    found
}

/// The values of an input, as `StreamDeserializer` cuts them, up to the first that is damaged.
fn values(input: &str) -> Vec<&str> {
    let stream = serde_json::Deserializer::from_str(input).into_iter::<&RawValue>();
    stream.map_while(Result::ok).map(RawValue::get).collect()
}

/// The records of a value by the rule: the elements of each `Records`, of a root array, or itself.
fn records(value: &str) -> Vec<(bool, String)> {
    if value.starts_with('[') {
        let elements: Vec<&RawValue> = serde_json::from_str(value).unwrap();
        let elements = elements.into_iter().map(RawValue::get);
        return elements
            .map(|element| (element.starts_with('{'), element.to_owned()))
            .collect();
    }
    if !value.starts_with('{') {
        return vec![(false, value.to_owned())];
    }
    let itself = vec![(true, value.to_owned())];
    let mut found: Option<Vec<_>> = None;
    for (name, member) in members(value) {
        match (&*name, member.as_bytes()[0]) {
            ("eventSource" | "eventVersion", _) | ("Records", b'{') if found.is_none() => {
                return itself;
            }
            ("Records", b'[') => found.get_or_insert_default().extend(records(member)),
            _ => {}
        }
    }
    found.unwrap_or(itself)
}

/// The members of an object in order, with all of equal names.
fn members(object: &str) -> Vec<(String, &str)> {
    struct Members;
    impl<'t> serde::de::Visitor<'t> for Members {
        type Value = Vec<(String, &'t str)>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<M: serde::de::MapAccess<'t>>(
            self,
            mut map: M,
        ) -> Result<Self::Value, M::Error> {
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                members.push((name, value.get()));
            }
            Ok(members)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(object);
    serde::Deserializer::deserialize_map(&mut deserializer, Members).unwrap()
}

const BLANKS: &[&str] = &["", "", "", " ", "\t", "\n", "\r\n", "\r", "\n  ", " \n\n\t"];

/// A value as text, with blanks between its tokens.
fn value(blanks: &'static [&'static str]) -> impl Strategy<Value = String> {
    let scalar = select(vec![
        "0",
        "-1.5e300",
        "1e400",
        "99999999999999999999999",
        "true",
        "null",
        "\"\"",
        "\"}]\\\"{[\"",
        "\"\\\\\"",
        "\"\\ud83d\\ude00\\u0000\"",
        "\"\\ud800\"",
        "\"é\u{2028}😀\"",
        "\"0123456789012345678901234567890123456789012345678901\\\\\"",
        "\"{\\\"Records\\\":[{}]}\"",
    ])
    .prop_map(str::to_owned);
    scalar.prop_recursive(4, 30, 5, move |inner| {
        let blank = || select(blanks);
        let name = select(vec![
            "Records",
            "\\u0052ecords",
            "Rec\\u006frds",
            "records",
            "a",
            "",
            "eventSource",
            "x\\\"",
            "eventTime",
        ]);
        let element =
            (blank(), inner.clone(), blank()).prop_map(|(a, value, b)| format!("{a}{value}{b}"));
        let member = (blank(), name, blank(), blank(), inner, blank())
            .prop_map(|(a, name, b, c, value, d)| format!("{a}\"{name}\"{b}:{c}{value}{d}"));
        prop_oneof![
            (vec(element, 0..5), blank())
                .prop_map(|(elements, blank)| enclosed("[", &elements, "]", blank)),
            (vec(member, 0..5), blank())
                .prop_map(|(members, blank)| enclosed("{", &members, "}", blank)),
        ]
    })
}

fn enclosed(open: &str, parts: &[String], close: &str, blank: &str) -> String {
    let blank = if parts.is_empty() { blank } else { "" };
    format!("{open}{blank}{}{close}", parts.join(","))
}

/// A value that is an object; what is none is put in one.
fn object(blanks: &'static [&'static str]) -> impl Strategy<Value = String> {
    value(blanks).prop_map(|value| {
        if value.starts_with('{') {
            value
        } else {
            format!("{{\"Records\":{value}}}")
        }
    })
}

proptest! {
    #![proptest_config(cases(300))]

    /// Values of any kind in a document, back to back or with blanks between.
    #[test]
    fn a_document_is_cut_as_serde_json_cuts_it(
        parts in vec((value(BLANKS), select(BLANKS)), 1..8),
        chunk in 1_usize..200,
    ) {
        let mut input = String::new();
        for (value, blank) in &parts {
            // Two numbers or words in a row would be one.
            let blank = if value.ends_with(['}', ']', '"']) { blank } else { "\n" };
            input += &format!( "{value}{blank}");
        }
        let expected: Vec<_> = values(&input).into_iter().flat_map(records).collect();
        prop_assert_eq!(&framed(&input, InputForm::Document, chunk), &expected, "{}", input);
        prop_assert_eq!(&framed(&input, InputForm::Document, usize::MAX), &expected, "{}", input);
    }

    /// Lines of several objects, some of them damaged: what is before the damage, and nothing of
    /// the lines around it.
    #[test]
    fn lines_are_cut_as_serde_json_cuts_them(
        lines in vec((vec(object(&["", " "]), 0..4), select(vec!["", "", "{\"a\":\"", "x", "{\"b\":[1", "\"", "]"])), 1..8),
        line_break in select(vec!["\n", "\r\n", "\r"]),
        chunk in 1_usize..200,
    ) {
        let lines: Vec<_> = lines.iter().map(|(objects, damage)| objects.concat() + damage).collect();
        let input = lines.join(line_break);
        let whole = |found: Vec<(bool, String)>| -> Vec<String> {
            found.into_iter().filter(|(is_object, _)| *is_object).map(|(_, text)| text).collect()
        };
        let expected: Vec<_> = lines
            .iter()
            .flat_map(|line| values(line))
            .flat_map(|value| whole(records(value)))
            .collect();
        prop_assert_eq!(whole(framed(&input, InputForm::Lines, chunk)), expected, "{}", input);
    }
}

// Every kind of hard input, through framing and a worker.

const NOW_MS: i64 = 4_000_000_000_000;

/// A line, or the raw bytes of a reject and where and why it is one.
type Item = (Vec<u8>, Option<(u64, RejectReason)>);

/// What becomes of an input: lines, rejects with their place and reason, and the counts.
#[derive(Debug, PartialEq)]
struct Outcome {
    items: Vec<Item>,
    counts: Counts,
}

fn outcome(input: &[u8], form: InputForm, limits: Limits, chunk: usize) -> Outcome {
    let mut decoder = RecordDecoder::new(form, limits.max_record_bytes);
    let mut worker = Worker::new(limits);
    let mut output = Output::default();
    let (mut items, mut counts) = (Vec::new(), Counts::new());
    let mut take = |batch: Batch| {
        worker.process(&batch, NOW_MS, &mut output);
        add(&output, &mut items);
        counts.merge(&output.counts);
    };
    let mut buffer = BytesMut::new();
    for piece in input.chunks(chunk) {
        buffer.extend_from_slice(piece);
        while let Some(batch) = decoder.decode(&mut buffer).unwrap() {
            take(batch);
        }
    }
    while let Some(batch) = decoder.decode_eof(&mut buffer).unwrap() {
        take(batch);
    }
    Outcome { items, counts }
}

fn add(output: &Output, items: &mut Vec<Item>) {
    let add_lines = |lines: &[u8], items: &mut Vec<Item>| {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").expect("a whole line");
            items.push((line.to_vec(), None));
        }
    };
    let (mut at, mut raw) = (0, &output.raw[..]);
    for reject in &output.rejects {
        add_lines(&output.lines[at..reject.after], items);
        at = reject.after;
        let (own, rest) = raw.split_at(reject.length);
        raw = rest;
        items.push((own.to_vec(), Some((reject.offset, reject.reason))));
    }
    add_lines(&output.lines[at..], items);
    match &output.oversize {
        Some(part) if part.part == OversizePart::First => {
            items.push((
                part.raw.clone(),
                Some((part.offset, RejectReason::Oversize)),
            ));
        }
        Some(part) => items
            .last_mut()
            .expect("a first part")
            .0
            .extend_from_slice(&part.raw),
        None => {}
    }
}

/// Kinds of input whose records may hold others, which have no bytes of their own in it.
const HOLDING: [&str; 7] = [
    "escaped_keys",
    "wrappers_in_wrappers",
    "kept_wrappers",
    "arrays_without_events",
    "giant_array_without_events",
    "giant_texts",
    "unfolding",
];

/// What has to be true of every outcome, whatever came in.
fn check_laws(generator: &Generator, input: &[u8], limits: Limits, done: &Outcome) {
    let counts = &done.counts;
    let is_reject = |item: &&Item| item.1.is_some();
    let rejects = done.items.iter().filter(is_reject).count() as u64;
    let lines = done.items.len() as u64 - rejects;
    let of = |outcome| counts.records(outcome);
    assert_eq!(
        of(RecordOutcome::Enriched) + of(RecordOutcome::Passed),
        lines
    );
    assert_eq!(of(RecordOutcome::Rejected), rejects);
    assert_eq!(counts.read(), lines + rejects + of(RecordOutcome::Filtered));
    assert_eq!(counts.rejects(RejectReason::DecoderDisagreement), 0);
    if HOLDING.contains(&generator.name) {
        return;
    }
    // Blanks between tokens may go, so those in strings go here too.
    let (packed, mut at) = (without_blanks(input), 0);
    for (bytes, reject) in &done.items {
        if let Some((offset, reason)) = reject {
            let start = usize::try_from(*offset).unwrap();
            assert_eq!(&input[start..start + bytes.len()], bytes);
            let is_long = bytes.len() > limits.max_record_bytes;
            assert_eq!(*reason == RejectReason::Oversize, is_long);
        }
        let bytes = without_blanks(&without_member(bytes));
        let found = memmem::find(&packed[at..], &bytes).expect("what came in, in its order");
        at += found + bytes.len();
    }
}

fn without_blanks(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect()
}

/// A line without what an enriched record gains.
fn without_member(line: &[u8]) -> Vec<u8> {
    match memmem::rfind(line, b",\"cloudhsm\":{\"version\":1,") {
        Some(at) => [&line[..at], b"}"].concat(),
        None => line.to_vec(),
    }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn the_laws_hold_of_hard_input_in_any_pieces(
        generator in select(ALL),
        size in 1_usize..4000,
        seed: u64,
        chunk in 1_usize..300,
        form in select(vec![InputForm::Auto, InputForm::Auto, InputForm::Lines, InputForm::Document]),
        max_record_bytes in select(vec![1 << 20, 1 << 20, 1024, 100]),
        validate in select(vec![Validate::All, Validate::Matching]),
        select in select(vec![Select::All, Select::All, Select::CloudHsm]),
    ) {
        let input = (generator.make)(size, &mut Noise::new(seed));
        let limits = Limits {
            select,
            validate,
            envelope: if generator.args.contains(&"keep") { Envelope::Keep } else { Envelope::Unwrap },
            max_record_bytes,
            paranoid: false,
            stop_at_reject: false,
            keys: false,
        };
        let whole = outcome(&input, form, limits, usize::MAX);
        check_laws(&generator, &input, limits, &whole);
        prop_assert_eq!(&outcome(&input, form, limits, chunk), &whole);
        let paranoid = Limits { paranoid: true, ..limits };
        prop_assert_eq!(&outcome(&input, form, paranoid, usize::MAX), &whole);
    }
}

/// Longer than batches, and some of them longer than records may be: those of the properties are not.
#[test]
fn the_laws_hold_of_megabyte_strings_in_any_pieces() {
    for name in ["megabyte_strings", "giant_string"] {
        let generator = ALL.iter().find(|one| one.name == name).unwrap();
        let input = (generator.make)(2 << 20, &mut Noise::new(5));
        for max_record_bytes in [700_000, 1 << 22] {
            let limits = Limits {
                select: Select::All,
                validate: Validate::All,
                envelope: Envelope::Unwrap,
                max_record_bytes,
                paranoid: false,
                stop_at_reject: false,
                keys: false,
            };
            let whole = outcome(&input, InputForm::Auto, limits, usize::MAX);
            assert!(!whole.items.is_empty(), "{name}");
            check_laws(generator, &input, limits, &whole);
            let twice = Limits {
                paranoid: true,
                ..limits
            };
            let in_pieces = outcome(&input, InputForm::Auto, twice, 100_003);
            assert!(in_pieces == whole, "{name}, {max_record_bytes}");
        }
    }
}

/// Long enough for two batches and more, so that each worker has one. That no decoder disagrees
/// with the other shows in the same bytes.
#[test]
fn hard_input_gives_the_same_for_any_number_of_workers() {
    for generator in ALL {
        let input = (generator.make)(300_000, &mut Noise::new(1));
        let with = |args: &[&str]| {
            let done = run(&[generator.args, args].concat(), &input);
            assert_eq!(done.err, "", "{}", generator.name);
            assert!(matches!(done.code, Some(0 | 1)), "{}", generator.name);
            (done.code, done.out)
        };
        let paranoid = ["--workers", "3", "--paranoid=true"];
        let is_paranoid = generator.args.contains(&"--paranoid");
        let several = &paranoid[..if is_paranoid { 2 } else { 3 }];
        assert!(
            with(&["--workers", "1"]) == with(several),
            "{}",
            generator.name
        );
    }
}
