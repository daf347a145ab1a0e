//! The generated data is what it says: the corpus of the benchmarks and the example data.
#![allow(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test that cannot go on stops"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use hsmtrail::decode::EventDecoder;
use hsmtrail::encode;
use hsmtrail::enrich::operation::LABELS;
use hsmtrail::enrich::{Outcome, Severity, enrich};
use serde_json::Value;

#[path = "../examples/make_data/actors.rs"]
mod actors;
#[path = "../benches/corpus/mod.rs"]
mod corpus;
#[path = "../examples/make_data/story.rs"]
mod story;

use corpus::text::hash;
use corpus::{Form, Share, corpus};

const MEGABYTE: usize = 1_000_000;

#[test]
fn the_corpus_is_the_same_for_ever() {
    for (share, form, seed, expected) in [
        (Share::Mixed, Form::Ndjson, 1, 0x1e83_11f6_dd64_0a51),
        (Share::Mixed, Form::Document, 1, 0x22e1_62f9_9f73_f1f9),
        (Share::Mixed, Form::LogFiles, 1, 0xa520_e0b9_3a69_96eb),
        (Share::All, Form::Ndjson, 1, 0x3cd3_88ca_ec0f_e165),
        (Share::All, Form::Ndjson, 2, 0x883b_a37f_e10c_a72a),
    ] {
        let corpus = corpus(share, form, seed, MEGABYTE);
        let found = hash(corpus.bytes.as_bytes());
        assert_eq!(found, expected, "{share:?} {form:?} {seed}: {found:#018x}");
    }
}

#[test]
fn a_mixed_corpus_is_of_real_size_and_share() {
    let corpus = corpus(Share::Mixed, Form::Ndjson, 7, MEGABYTE);
    let sizes: BTreeSet<_> = corpus.bytes.lines().map(str::len).collect();
    let mean = corpus.bytes.len() / corpus.records;
    assert!((1100..1400).contains(&mean), "{mean} bytes a record");
    assert!(
        sizes.first() < Some(&700) && sizes.last() > Some(&4000),
        "{sizes:?}"
    );
    assert_eq!(corpus.bytes.lines().count(), corpus.records);
    let events: Vec<Value> = corpus.bytes.lines().map(parse).collect();
    let cloudhsm = events.iter().filter(|event| is_cloudhsm(event)).count();
    assert_eq!(cloudhsm, corpus.cloudhsm);
    assert!(
        (corpus.records / 30..corpus.records / 12).contains(&cloudhsm),
        "{cloudhsm}"
    );
    let named = corpus
        .bytes
        .lines()
        .filter(|line| line.contains("cloudhsm"))
        .count();
    assert!(
        named > cloudhsm,
        "some records of other services name CloudHSM"
    );
}

#[test]
fn documents_hold_the_records_of_the_lines() {
    let lines = corpus(Share::Mixed, Form::Ndjson, 7, MEGABYTE / 5);
    for (form, documents) in [(Form::Document, 1), (Form::LogFiles, lines.records / 50)] {
        let text = corpus(Share::Mixed, form, 7, MEGABYTE / 5).bytes;
        assert!(!text.contains('\n'));
        let stream = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        let found: Vec<_> = stream.map(Result::unwrap).collect();
        assert!(
            found.len() >= documents,
            "{form:?}: {} documents",
            found.len()
        );
        let records = found
            .iter()
            .flat_map(|document| document["Records"].as_array().unwrap());
        for (line, record) in lines.bytes.lines().zip(records) {
            assert_eq!(&parse(line), record);
        }
    }
}

#[test]
fn a_cloudhsm_corpus_covers_operations_identities_and_errors() {
    let corpus = corpus(Share::All, Form::Ndjson, 3, 2 * MEGABYTE);
    assert_eq!(corpus.cloudhsm, corpus.records);
    let mut operations = BTreeSet::new();
    let mut identities = BTreeSet::new();
    let mut errors = BTreeSet::new();
    for event in corpus.bytes.lines().map(parse) {
        operations.insert(event["eventName"].as_str().unwrap().to_owned());
        identities.insert(
            event["userIdentity"]["type"]
                .as_str()
                .unwrap_or("none")
                .to_owned(),
        );
        errors.insert(event["errorCode"].as_str().unwrap_or("none").to_owned());
    }
    let mut labels: BTreeSet<_> = LABELS.iter().copied().map(str::to_owned).collect();
    labels.remove("other");
    assert_eq!(operations, labels);
    assert_eq!(identities.len(), 13, "{identities:?}");
    assert_eq!(
        errors.len(),
        1 + corpus::cloudhsm::ERRORS.len(),
        "{errors:?}"
    );
}

#[test]
fn no_placeholder_is_left() {
    for share in [Share::Mixed, Share::All] {
        let corpus = corpus(share, Form::Ndjson, 5, MEGABYTE);
        assert_eq!(corpus.bytes.find(['<', '>']), None);
    }
    for file in story::week().0 {
        assert_eq!(file.content.find(['<', '>']), None, "{}", file.path);
    }
}

#[test]
fn the_example_files_are_what_the_generator_writes() {
    let root = data();
    let (files, truth) = story::week();
    let written: BTreeSet<_> = files.iter().map(|file| root.join(&file.path)).collect();
    assert_eq!(
        files_below(&root.join("AWSLogs")),
        written,
        "cargo run --example make_data"
    );
    for file in &files {
        let archive = fs::File::open(root.join(&file.path)).unwrap();
        let text = io::read_to_string(MultiGzDecoder::new(archive)).unwrap();
        assert!(
            text == file.content,
            "{} is old: cargo run --example make_data",
            file.path
        );
    }
    let expected = fs::read_to_string(root.join("expected.json")).unwrap();
    assert!(expected == truth.json().unwrap(), "expected.json is old");
}

#[test]
fn the_example_records_are_in_their_place() {
    let mut ids = BTreeSet::new();
    for file in story::week().0 {
        assert!(!file.content.contains('\n'), "{}", file.path);
        let document = parse(&file.content);
        let (_, name) = file.path.rsplit_once('/').unwrap();
        let [account, _, region, delivered, _] =
            name.split('_').collect::<Vec<_>>().try_into().unwrap();
        for record in document["Records"].as_array().unwrap() {
            assert_eq!(record["recipientAccountId"], account, "{name}");
            assert_eq!(record["awsRegion"], region, "{name}");
            let minutes = minutes_of(delivered) - minutes_of(record["eventTime"].as_str().unwrap());
            assert!((0..=15).contains(&minutes), "{name}: {record}");
            assert!(
                ids.insert(record["eventID"].to_string()),
                "{name}: an id twice"
            );
        }
    }
}

#[test]
fn the_expected_answers_fit_the_records() {
    let (files, truth) = story::week();
    let truth: Value = parse(&truth.json().unwrap());
    let documents: Vec<_> = files.iter().map(|file| parse(&file.content)).collect();
    let records: Vec<_> = documents
        .iter()
        .flat_map(|document| document["Records"].as_array().unwrap())
        .collect();
    let cloudhsm: Vec<_> = records
        .iter()
        .filter(|record| is_cloudhsm(record))
        .collect();
    let events = truth["events"].as_array().unwrap();
    assert_eq!(truth["files"], files.len());
    assert_eq!(truth["records"], records.len());
    assert_eq!(truth["cloudhsm"], events.len());
    assert_eq!(cloudhsm.len(), events.len());
    for (record, event) in cloudhsm.iter().zip(events) {
        assert_eq!(record["eventID"], event["event_id"]);
        assert_eq!(record["eventName"], event["operation"]);
        assert_eq!(
            record.get("errorCode").is_none(),
            event["outcome"] == "success"
        );
    }
    for outcome in Outcome::ALL {
        assert!(
            events
                .iter()
                .any(|event| event["outcome"] == outcome.word()),
            "{outcome:?}"
        );
    }
    for severity in Severity::ALL {
        assert!(
            events
                .iter()
                .any(|event| event["severity"] == severity.word()),
            "{severity:?}"
        );
    }
    let severities: u64 = truth["severity"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(truth["cloudhsm"], severities);
}

/// The rules of the library against the verdicts that were written by hand.
#[test]
fn the_library_says_what_the_story_says() {
    let (files, truth) = story::week();
    let truth: Value = parse(&truth.json().unwrap());
    let mut decoder = EventDecoder::new();
    let mut events = truth["events"].as_array().unwrap().iter();
    for file in files {
        for record in parse(&file.content)["Records"].as_array().unwrap() {
            let mut line = record.to_string().into_bytes();
            let event_line = line.clone();
            let event = decoder.decode(&event_line).unwrap();
            let Some(enrichment) = enrich(&event) else {
                continue;
            };
            encode::splice(&enrichment, &mut line);
            let found = &parse(std::str::from_utf8(&line).unwrap())["cloudhsm"];
            let expected = events.next().unwrap();
            for key in ["operation", "outcome", "severity"] {
                assert_eq!(found[key], expected[key], "{key} of {record}");
            }
            let reasons = found
                .get("reasons")
                .cloned()
                .unwrap_or_else(|| Value::Array(vec![]));
            assert_eq!(reasons, expected["reasons"], "{record}");
        }
    }
    assert_eq!(events.next(), None);
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data")
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn is_cloudhsm(event: &Value) -> bool {
    event["eventSource"]
        .as_str()
        .unwrap()
        .starts_with("cloudhsm")
}

/// Minutes since the start of the month, of `20260302T0805Z` or `2026-03-02T08:05:11Z`.
fn minutes_of(time: &str) -> i64 {
    let digits: String = time.chars().filter(char::is_ascii_digit).collect();
    let part = |from: usize| digits[from..from + 2].parse::<i64>().unwrap();
    (part(6) * 24 + part(8)) * 60 + part(10)
}

fn files_below(path: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_below(&entry.path()));
        } else {
            files.insert(entry.path());
        }
    }
    files
}
