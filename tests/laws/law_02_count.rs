//! Count: records read = enriched + passed + filtered + rejected, everywhere. (Of duplicates see
//! `tests/arrange.rs`.)

use std::fs;

use crate::binary::{Done, run, whole_lines};
use crate::input::{ENRICHMENT, cloudhsm, log_file, other};

/// How many records of each kind are put in: enriched, others, and rejects by reason.
const ENRICHED: usize = 7;
const OTHER: usize = 11;
const REJECTED: [(&str, usize); 6] = [
    ("oversize", 2),
    ("not_utf8", 1),
    ("too_deep", 1),
    ("malformed", 3),
    ("not_an_object", 2),
    ("truncated", 1),
];
const REJECTS: usize = 10;
const ALL: usize = ENRICHED + OTHER + REJECTS;

/// What is longer than the limit of these runs; the second one is not held, but comes in parts.
const LIMIT: &str = "2KiB";
const LONG: [usize; 2] = [3_000, 700_000];

/// All records, of all kinds, mixed.
fn input() -> Vec<u8> {
    let mut records: Vec<Vec<u8>> = (0..ENRICHED + OTHER)
        .map(|n| if n < ENRICHED { cloudhsm(n) } else { other(n) }.into_bytes())
        .collect();
    let mut rejects: Vec<Vec<u8>> = ["{\"a\":nul}", "\"text\"", "{\"a\":\"", "{\"a\":01}", "17"]
        .map(|text| text.as_bytes().to_vec())
        .into();
    rejects.push(b"{\"a\":\"\xff\"}".to_vec());
    rejects.push(format!("{{\"a\":{}{}}}", "[".repeat(128), "]".repeat(128)).into_bytes());
    rejects.extend(LONG.map(|length| format!("{{\"a\":\"{}\"}}", "x".repeat(length)).into_bytes()));
    // One reject after every other record.
    for (n, reject) in rejects.into_iter().enumerate() {
        records.insert(2 * n + 1, reject);
    }
    let mut input = records.join(&b'\n');
    input.extend_from_slice(b"\n{\"cut\":");
    input
}

/// One way to run, and what has to be where afterwards.
struct Case {
    args: &'static [&'static str],
    rejects_file: bool,
    passed: usize,
    filtered: usize,
    /// Reject lines in the output, and in the file of rejects.
    rejects: (usize, usize),
}

const CASES: &[Case] = &[
    Case {
        args: &[],
        rejects_file: false,
        passed: OTHER,
        filtered: 0,
        rejects: (REJECTS, 0),
    },
    Case {
        args: &["--on-reject", "drop"],
        rejects_file: false,
        passed: OTHER,
        filtered: 0,
        rejects: (0, 0),
    },
    Case {
        args: &[],
        rejects_file: true,
        passed: OTHER,
        filtered: 0,
        rejects: (0, REJECTS),
    },
    Case {
        args: &["--select", "cloudhsm"],
        rejects_file: false,
        passed: 0,
        filtered: OTHER,
        rejects: (REJECTS, 0),
    },
    Case {
        args: &["--select", "cloudhsm", "--on-reject", "drop"],
        rejects_file: false,
        passed: 0,
        filtered: OTHER,
        rejects: (0, 0),
    },
    Case {
        args: &["--select", "cloudhsm"],
        rejects_file: true,
        passed: 0,
        filtered: OTHER,
        rejects: (0, REJECTS),
    },
];

fn is_reject(line: &str) -> bool {
    line.starts_with("{\"hsmtrail_reject\":{")
}

fn count(lines: &[&str], is: impl Fn(&str) -> bool) -> usize {
    lines.iter().filter(|line| is(line)).count()
}

/// Runs with everything that counts turned on: the run, the rejects file and the metrics file.
fn run_counted(args: &[&str], rejects_file: bool, input: &[u8]) -> (Done, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let (rejects, metrics) = (dir.path().join("r.ndjson"), dir.path().join("m.prom"));
    let mut args = args.to_vec();
    args.extend(["--summary", "--max-record-bytes", LIMIT]);
    args.extend(["--metrics-file", metrics.to_str().unwrap()]);
    if rejects_file {
        args.extend(["--rejects", rejects.to_str().unwrap()]);
    }
    let done = run(&args, input);
    let rejects = fs::read_to_string(&rejects).unwrap_or_default();
    (done, rejects, fs::read_to_string(&metrics).unwrap())
}

fn metric(metrics: &str, series: &str) -> usize {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series));
    line.unwrap_or_else(|| panic!("no {series}"))
        .trim()
        .parse()
        .unwrap()
}

#[test]
fn summary_metrics_and_files_agree() {
    let input = input();
    for case in CASES {
        for workers in ["1", "3"] {
            let args = [case.args, &["--workers", workers]].concat();
            let (done, rejects, metrics) = run_counted(&args, case.rejects_file, &input);
            let context = format!("{args:?}, rejects file: {}", case.rejects_file);
            assert_eq!(done.code, Some(1), "{context}");

            let lines = done.lines();
            let enriched = count(&lines, |line| line.contains(ENRICHMENT));
            let in_output = count(&lines, is_reject);
            assert_eq!(
                (enriched, in_output),
                (ENRICHED, case.rejects.0),
                "{context}"
            );
            assert_eq!(
                lines.len(),
                ENRICHED + case.passed + case.rejects.0,
                "{context}"
            );
            let rejects = whole_lines(&rejects);
            assert_eq!(rejects.len(), case.rejects.1, "{context}");
            assert_eq!(count(&rejects, is_reject), rejects.len(), "{context}");

            let outcomes = [
                ("enriched", ENRICHED),
                ("passed", case.passed),
                ("filtered", case.filtered),
                ("rejected", REJECTS),
            ];
            let sentence = format!(
                "hsmtrail: {ALL} records read: {}; {} bytes in, {} bytes out.",
                outcomes
                    .map(|(word, number)| format!("{number} {word}"))
                    .join(", "),
                input.len(),
                done.out.len(),
            );
            assert!(done.err.starts_with(&sentence), "{context}: {}", done.err);
            for (word, number) in outcomes {
                let series = format!("hsmtrail_records_total{{outcome=\"{word}\"}}");
                assert_eq!(metric(&metrics, &series), number, "{context}: {series}");
            }
            for (word, number) in REJECTED {
                let series = format!("hsmtrail_rejected_records_total{{reason=\"{word}\"}}");
                assert_eq!(metric(&metrics, &series), number, "{context}: {series}");
                assert!(
                    done.err.contains(&format!(" {number} {word}")),
                    "{context}: {word}"
                );
            }
            for (name, number) in [("input", input.len()), ("output", done.out.len())] {
                let series = format!("hsmtrail_{name}_bytes_total");
                assert_eq!(metric(&metrics, &series), number, "{context}: {series}");
            }
        }
    }
}

/// What came before the first reject, the reject, and nothing of what follows.
#[test]
fn a_stop_counts_up_to_the_reject() {
    // Far more than one batch behind the reject, which is in a batch of its own at times.
    let after = (0..20_000).map(other).collect::<Vec<_>>().join("\n");
    for before in [0, 1, 5_000] {
        for workers in ["1", "2", "5"] {
            for rejects_file in [false, true] {
                let records: Vec<_> = (0..before).map(cloudhsm).collect();
                let input = format!("{}\n{{bad\n{after}", records.join("\n"));
                let args = ["--on-reject", "stop", "--workers", workers];
                let (done, rejects, metrics) = run_counted(&args, rejects_file, input.as_bytes());
                let in_output = usize::from(!rejects_file);
                assert_eq!(done.code, Some(1));
                let lines = done.lines();
                assert_eq!(lines.len(), before + in_output);
                assert_eq!(
                    lines.last().is_some_and(|line| is_reject(line)),
                    !rejects_file
                );
                assert_eq!(whole_lines(&rejects).len(), 1 - in_output);
                let sentence = format!(
                    "{} records read: {before} enriched, 0 passed, 0 filtered, 1 rejected",
                    before + 1
                );
                assert!(done.err.contains(&sentence), "{}", done.err);
                let of = |outcome| format!("hsmtrail_records_total{{outcome=\"{outcome}\"}}");
                assert_eq!(metric(&metrics, &of("enriched")), before);
                assert_eq!(metric(&metrics, &of("passed")), 0);
                assert_eq!(metric(&metrics, &of("rejected")), 1);
            }
        }
    }
}

/// A file that fails takes nothing away from the others.
#[test]
fn sources_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let records: Vec<_> = (0..9).map(cloudhsm).collect();
    fs::write(path("a"), records.join("\n")).unwrap();
    fs::write(path("b"), log_file(&records)).unwrap();
    fs::write(path("c"), "").unwrap();
    let args = [
        "--summary",
        &path("a"),
        &path("missing"),
        &path("c"),
        "-",
        &path("b"),
    ];
    let done = run(&args, other(1));
    assert_eq!((done.code, done.lines().len()), (Some(3), 19));
    assert!(
        done.err
            .contains("19 records read: 18 enriched, 1 passed, 0 filtered, 0 rejected"),
        "{}",
        done.err
    );
    assert!(done.err.contains("Inputs that failed: 1."), "{}", done.err);
}
