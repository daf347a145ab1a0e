//! Nothing is allocated per record once the buffers have grown.

use allocation_counter::measure;
use hsmtrail::decode::EventDecoder;
use hsmtrail::decode::grammar::RunCheck;
use hsmtrail::decode::prefilter::Prefilter;

/// An invented record with nesting, escapes and every list that an event borrows.
const RECORD: &str = concat!(
    r#"{"eventVersion":"1.08","eventSource":"cloudhsm.amazonaws.com","eventName":"CreateHsm","#,
    r#""userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role\/a\/b","#,
    r#""sessionContext":{"attributes":{"mfaAuthenticated":"true","creationDate":"2017-07-11T03:48:44Z"}}},"#,
    r#""requestParameters":{"clusterId":"cluster-1234","subnetIds":["a","b","c","d"],"tagKeyList":["\u006b"],"#,
    r#""tagList":[{"key":"one","value":"x"},{"key":"two","value":"y"}],"policy":"{\"Statement\":[]}"},"#,
    r#""responseElements":{"hsm":{"eniId":"eni-1"},"cluster":{"hsms":[{},{}]}},"n":[[[[[[[[[[[[0]]]]]]]]]]]]}"#,
);

/// A record that the tape's parser refuses and the grammar allows.
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
fn checking_allocates_per_run_not_per_record() {
    let count = |records| {
        let bytes = run(records);
        let allocations = measure(|| {
            let mut check = RunCheck::new(bytes.as_bytes());
            assert!(frames(&bytes).all(|frame| check.check(frame).is_ok()));
        });
        allocations.count_total
    };
    assert_eq!(count(1000), count(10));
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
