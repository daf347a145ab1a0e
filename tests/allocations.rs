//! Nothing is allocated per record once the buffers have grown: the worker as a whole, then the
//! parts of it that read.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use allocation_counter::measure;
use bytes::BytesMut;
use hsmtrail::config::{Envelope, Select, Validate};
use hsmtrail::decode::EventDecoder;
use hsmtrail::decode::grammar;
use hsmtrail::decode::key::KeyReader;
use hsmtrail::decode::prefilter::Prefilter;
use hsmtrail::framing::{Batch, BatchContent, InputForm, RecordDecoder};
use hsmtrail::metrics::RecordOutcome;
use hsmtrail::pipeline::Limits;
use hsmtrail::pipeline::output::Output;
use hsmtrail::pipeline::worker::Worker;

use crate::corpus::{Records, Share};

#[path = "../benches/corpus/mod.rs"]
mod corpus;

/// Records of a small batch; a large one holds twice as many.
const RECORDS: usize = 300;

/// Later than every event of the corpus.
const NOW_MS: i64 = 4_000_000_000_000;

/// An invented record with nesting, escapes and every list that an event borrows.
const RECORD: &str = concat!(
    r#"{"eventVersion":"1.08","eventSource":"cloudhsm.amazonaws.com","eventName":"CreateHsm","#,
    r#""userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role\/a\/b","#,
    r#""sessionContext":{"attributes":{"mfaAuthenticated":"true","creationDate":"2017-07-11T03:48:44Z"}}},"#,
    r#""requestParameters":{"clusterId":"cluster-1234","subnetIds":["a","b","c","d"],"tagKeyList":["\u006b"],"#,
    r#""tagList":[{"key":"one","value":"x"},{"key":"two","value":"y"}],"policy":"{\"Statement\":[]}"},"#,
    r#""responseElements":{"hsm":{"eniId":"eni-1"},"cluster":{"hsms":[{},{}]}},"n":[[[[[[[[[[[[0]]]]]]]]]]]]}"#,
);

/// A record with an unpaired surrogate and a number that no float holds.
const ODD: &str = r#"{"eventName":"a\ud800","requestParameters":{"x":[1e400,{"y":-0}]}}"#;

fn run(records: usize) -> String {
    let mut bytes = String::new();
    for at in 0..records {
        bytes.push_str(if at % 3 == 0 { ODD } else { RECORD });
        bytes.push_str(if at % 2 == 0 { "\n" } else { "\r\n" });
    }
    bytes
}

/// Where the records of a run are.
fn frames(bytes: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    bytes.lines().map(|line| {
        let start = line.as_ptr().addr() - bytes.as_ptr().addr();
        start..start + line.len()
    })
}

#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(Box::new(0_u8))).count_total, 1);
}

/// Every way of looking at records and choosing among them, on both forms of batches.
#[test]
fn a_worker_that_is_used_to_its_input_allocates_nothing() {
    for case in cases() {
        for records in [RECORDS, 2 * RECORDS] {
            assert_eq!(of_worker(case, records), 0, "{case:?}, {records} records");
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Case {
    share: Share,
    form: InputForm,
    validate: Validate,
    select: Select,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for share in [Share::Mixed, Share::All] {
        for form in [InputForm::Lines, InputForm::Document] {
            for validate in [Validate::All, Validate::Matching] {
                for select in [Select::All, Select::CloudHsm] {
                    cases.push(Case {
                        share,
                        form,
                        validate,
                        select,
                    });
                }
            }
        }
    }
    cases
}

/// The allocations for a batch, by a worker that has seen a larger one of other records.
fn of_worker(case: Case, records: usize) -> u64 {
    let mut worker = Worker::new(Limits {
        select: case.select,
        validate: case.validate,
        envelope: Envelope::Unwrap,
        max_record_bytes: 1 << 20,
        paranoid: false,
        stop_at_reject: false,
        keys: false,
    });
    let mut output = Output::default();
    let (share, form) = (case.share, case.form);
    worker.process(&batch(share, form, 3 * RECORDS, 1), NOW_MS, &mut output);
    let batch = batch(share, form, records, 2);
    let allocations = measure(|| worker.process(&batch, NOW_MS, &mut output)).count_total;
    let counted = |outcome| output.counts.records(outcome);
    let others = match case.select {
        Select::All => RecordOutcome::Passed,
        Select::CloudHsm => RecordOutcome::Filtered,
    };
    assert!(counted(RecordOutcome::Enriched) > 0);
    assert_eq!(counted(others) == 0, share == Share::All);
    assert_eq!(
        counted(RecordOutcome::Enriched) + counted(others),
        records as u64
    );
    allocations
}

/// One batch of so many records of the corpus, without the policies, whose decoding allocates.
fn batch(share: Share, form: InputForm, count: usize, seed: u64) -> Batch {
    let mut corpus = Records::new(share, seed);
    let mut records = Vec::new();
    while records.len() < count {
        let mut record = String::new();
        corpus.write(&mut record);
        if !record.contains("PutResourcePolicy") {
            records.push(record);
        }
    }
    if form == InputForm::Lines {
        return Batch {
            bytes: BytesMut::from((records.join("\n") + "\n").as_bytes()),
            offset: 0,
            content: BatchContent::Lines,
        };
    }
    let mut document = BytesMut::from(format!("{{\"Records\":[{}", records.join(",\n")).as_bytes());
    let batch = RecordDecoder::new(form, 1 << 20)
        .flush(&mut document)
        .unwrap();
    assert!(matches!(&batch.content, BatchContent::Frames(frames) if frames.len() == count));
    batch
}

#[test]
fn decoding_allocates_for_the_first_record_only() {
    let mut decoder = EventDecoder::new();
    for record in [RECORD, ODD] {
        assert!(decoder.decode(record.as_bytes()).is_ok());
    }
    for record in [RECORD, ODD, "{}", RECORD] {
        let allocations = measure(|| assert!(decoder.decode(record.as_bytes()).is_ok()));
        assert_eq!(allocations.count_total, 0, "{record}");
    }
}

#[test]
fn checking_allocates_nothing() {
    let bytes = run(100);
    let allocations = measure(|| {
        assert!(frames(&bytes).all(|frame| grammar::check(&bytes.as_bytes()[frame]) == Ok(())));
    });
    assert_eq!(allocations.count_total, 0);
}

#[test]
fn reading_keys_allocates_for_the_longest_record_only() {
    let mut keys = KeyReader::default();
    for record in [RECORD, ODD] {
        assert_eq!(keys.read(record.as_bytes()).event_id, None);
    }
    for record in [RECORD, ODD, "{\"eventI\\u0044\":\"\\u0069\"}"] {
        let is_named = record.len() < ODD.len();
        let allocations = measure(|| {
            assert_eq!(keys.read(record.as_bytes()).event_id.is_some(), is_named);
        });
        assert_eq!(allocations.count_total, 0, "{record}");
    }
}

#[test]
fn filtering_allocates_nothing() {
    let bytes = run(100);
    // The searches are prepared once per process.
    assert!(Prefilter::new(RECORD.as_bytes()).may_match(0..RECORD.len()));
    let allocations = measure(|| {
        let mut filter = Prefilter::new(bytes.as_bytes());
        assert!(frames(&bytes).all(|frame| filter.may_match(frame)));
    });
    assert_eq!(allocations.count_total, 0);
}
