//! Order: output order is input order, for any number of workers.

use crate::binary::run;
use crate::input::{cloudhsm, gzip, lines, log_file, other, without_enrichment};

/// Enough for many batches for each of eight workers, whose sizes differ.
const RECORDS: usize = 30_000;

/// Every third of CloudHSM, every seventh much longer than the others.
fn records() -> Vec<String> {
    let record = |n: usize| {
        let record = if n.is_multiple_of(3) {
            cloudhsm(n)
        } else {
            other(n)
        };
        let pad = if n.is_multiple_of(7) {
            "x".repeat(n % 500)
        } else {
            String::new()
        };
        record.replacen('{', &format!("{{\"pad\":\"{pad}\","), 1)
    };
    (0..RECORDS).map(record).collect()
}

#[test]
fn output_order_is_input_order() {
    let records = records();
    let in_lines = lines(&records);
    let forms = [
        in_lines.clone().into_bytes(),
        log_file(&records).into_bytes(),
        gzip(&in_lines),
    ];
    for (form, workers) in forms
        .iter()
        .zip([["1", "3"], ["2", "8"], ["8", "1"]])
        .flat_map(|(form, workers)| workers.map(|workers| (form, workers)))
    {
        let done = run(&["--workers", workers], form);
        let passed: Vec<_> = done
            .quiet()
            .lines()
            .map(|line| without_enrichment(line).0)
            .collect();
        assert!(passed == records, "{workers} workers");
    }
}

/// Rejects stand where their records stood, also those that come in parts.
#[test]
fn rejects_keep_their_place() {
    let mut records = records();
    records.truncate(6_000);
    for n in (0..records.len()).step_by(500) {
        records[n] = format!("{{\"n\":{n},}}");
    }
    records[2_750] = format!("{{\"n\":2750,\"pad\":\"{}\"}}", "x".repeat(600_000));
    for workers in ["1", "2", "8"] {
        let done = run(
            &["--workers", workers, "--max-record-bytes", "4KiB"],
            lines(&records),
        );
        assert_eq!((done.code, done.lines().len()), (Some(1), records.len()));
        for (n, (line, record)) in done.lines().into_iter().zip(&records).enumerate() {
            if line.starts_with("{\"hsmtrail_reject\":") {
                let number = format!("\"record\":{},", n + 1);
                assert!(n % 500 == 0 || n == 2_750, "{n}: {line}");
                assert!(line.contains(&number), "{n}: {line}");
            } else {
                assert_eq!(without_enrichment(line).0, *record);
            }
        }
    }
}
