//! Events inside other records: every form that they travel in, through the framing and a worker.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

#[path = "../common/binary.rs"]
mod binary;
#[path = "../../benches/corpus/mod.rs"]
mod corpus;
mod forms;
mod hostile;
mod others;
mod run;

use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use flate2::Compression;
use flate2::write::GzEncoder;
use hsmtrail::config::{Envelope, Select, Validate};
use hsmtrail::encode::reject::Detail;
use hsmtrail::envelope::Notice;
use hsmtrail::framing::{InputForm, RecordDecoder, RejectReason};
use hsmtrail::metrics::{Counts, RecordOutcome};
use hsmtrail::pipeline::Limits;
use hsmtrail::pipeline::output::Output;
use hsmtrail::pipeline::worker::Worker;
use tokio_util::codec::Decoder as _;

/// Later than every event.
const NOW_MS: i64 = 4_000_000_000_000;

const UNWRAP: Limits = Limits {
    select: Select::All,
    validate: Validate::All,
    envelope: Envelope::Unwrap,
    max_record_bytes: 1 << 20,
    paranoid: false,
    stop_at_reject: false,
    keys: false,
};

const KEEP: Limits = Limits {
    envelope: Envelope::Keep,
    ..UNWRAP
};

/// One reject: why, its number, its offset, its bytes.
type Reject = (RejectReason, Detail, u64, u64, String);

/// What became of an input.
#[derive(Debug, PartialEq)]
struct Outcome {
    lines: Vec<String>,
    rejects: Vec<Reject>,
    counts: Counts,
}

impl Outcome {
    fn of(&self, outcome: RecordOutcome) -> u64 {
        self.counts.records(outcome)
    }

    fn notices(&self) -> Vec<Notice> {
        let counted = |kind: &Notice| vec![*kind; self.counts.notices(*kind) as usize];
        Notice::ALL.iter().flat_map(counted).collect()
    }

    fn lines(&self) -> Vec<&str> {
        self.lines.iter().map(String::as_str).collect()
    }
}

/// Reads `input` in pieces of `chunk` bytes.
fn run_in(chunk: usize, input: &str, limits: Limits) -> Outcome {
    let mut decoder = RecordDecoder::new(InputForm::Auto, limits.max_record_bytes);
    let mut worker = Worker::new(limits);
    let mut output = Output::default();
    let mut done = Outcome {
        lines: Vec::new(),
        rejects: Vec::new(),
        counts: Counts::new(),
    };
    let mut take = |batch| {
        worker.process(&batch, NOW_MS, &mut output);
        assert!(output.oversize.is_none());
        let lines = std::str::from_utf8(&output.lines).unwrap().lines();
        done.lines.extend(lines.map(str::to_owned));
        let mut raw = &output.raw[..];
        for reject in &output.rejects {
            let (own, others) = raw.split_at(reject.length);
            raw = others;
            done.rejects.push((
                reject.reason,
                reject.detail,
                done.counts.read() + reject.record,
                reject.offset,
                String::from_utf8(own.to_vec()).unwrap(),
            ));
        }
        done.counts.merge(&output.counts);
    };
    let mut buffer = BytesMut::new();
    for piece in input.as_bytes().chunks(chunk) {
        buffer.extend_from_slice(piece);
        while let Some(batch) = decoder.decode(&mut buffer).unwrap() {
            take(batch);
        }
    }
    while let Some(batch) = decoder.decode_eof(&mut buffer).unwrap() {
        take(batch);
    }
    let written = done.of(RecordOutcome::Enriched) + done.of(RecordOutcome::Passed);
    assert_eq!(written, done.lines.len() as u64);
    assert_eq!(done.of(RecordOutcome::Rejected), done.rejects.len() as u64);
    done
}

fn run(input: &str, limits: Limits) -> Outcome {
    run_in(usize::MAX, input, limits)
}

/// What becomes of `input`, which has to be the same for pieces of any size.
fn run_every_way(input: &str, limits: Limits) -> Outcome {
    let whole = run(input, limits);
    for chunk in [1, 2, 3, 7, 63, 64, 65, 1000] {
        assert_eq!(run_in(chunk, input, limits), whole, "by {chunk}: {input}");
    }
    whole
}

/// `text` as a JSON string.
fn string(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// `json`, which has no white space between its tokens, over many lines.
fn pretty(json: &str) -> String {
    let mut out = String::new();
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    for character in json.chars() {
        if in_string {
            out.push(character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        match character {
            '{' | '[' => depth += 1,
            '}' | ']' => {
                depth -= 1;
                write!(out, "\n{}", "  ".repeat(depth)).unwrap();
            }
            _ => in_string = character == '"',
        }
        out.push(character);
        if matches!(character, '{' | '[' | ',') {
            write!(out, "\n{}", "  ".repeat(depth)).unwrap();
        }
    }
    out
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A Lambda event of CloudWatch Logs around `text`.
fn awslogs(text: &str) -> String {
    format!(
        r#"{{"awslogs":{{"data":"{}"}}}}"#,
        STANDARD.encode(gzip(text))
    )
}

/// An event of CloudHSM.
fn cloudhsm(n: usize) -> String {
    format!(
        r#"{{"eventVersion":"1.08","eventSource":"cloudhsm.amazonaws.com","eventName":"DeleteHsm","n":{n}}}"#
    )
}

/// An event of another service, which does not begin like one.
fn other(n: usize) -> String {
    format!(r#"{{"n":{n},"eventSource":"s3.amazonaws.com","eventVersion":"1.08"}}"#)
}

/// Checks that each record passes as it is, and is a notice or none.
fn check_unchanged(records: &[&str], notices: &[Notice]) {
    for limits in [UNWRAP, KEEP] {
        let done = run(&records.join("\n"), limits);
        assert_eq!(done.lines(), records);
        assert_eq!(done.notices(), notices);
        assert_eq!(done.of(RecordOutcome::Passed), records.len() as u64);
    }
}
