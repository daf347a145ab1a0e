//! Under Hadoop Streaming: what it reads from our stderr is what the run has counted.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends there"
)]

#[path = "common/binary.rs"]
mod binary;
#[path = "common/input.rs"]
mod input;

use std::collections::BTreeMap;

use binary::{Done, Running, Signal, hsmtrail, run};
use input::{cloudhsm, gzip, lines, log_file, other};

/// What Hadoop makes of a task's stderr.
#[derive(Debug, Default, PartialEq)]
struct Task {
    counters: BTreeMap<String, usize>,
    status: Option<String>,
    /// What it copies to the task's log.
    log: Vec<String>,
}

impl Task {
    /// Reads as Hadoop's `PipeMapRed.MRErrorThread` does: by prefix, trimmed, split at each comma.
    /// It drops a line that it cannot take; here that fails the test.
    fn read(stderr: &str) -> Self {
        let mut task = Self::default();
        for line in stderr.lines() {
            if let Some(counter) = line.strip_prefix("reporter:counter:") {
                let columns: Vec<&str> = counter.trim().split(',').collect();
                assert_eq!(columns.len(), 3, "{line}");
                assert_eq!(columns[0], "hsmtrail", "{line}");
                // A long of Java.
                let amount: i64 = columns[2].parse().unwrap();
                *task.counters.entry(columns[1].to_owned()).or_default() +=
                    usize::try_from(amount).unwrap();
            } else if let Some(status) = line.strip_prefix("reporter:status:") {
                task.status = Some(status.trim().to_owned());
            } else if line.starts_with("reporter:") {
                panic!("Hadoop takes no such line: {line}");
            } else {
                task.log.push(line.to_owned());
            }
        }
        task
    }

    fn counter(&self, name: &str) -> usize {
        let counter = self.counters.get(name);
        *counter.unwrap_or_else(|| panic!("{name} is not told: {self:?}"))
    }

    /// The counters whose name begins so, added up.
    fn sum(&self, prefix: &str) -> usize {
        let named = self.counters.iter();
        named
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(_, amount)| amount)
            .sum()
    }
}

/// Arguments, the exit status, and counters with their values.
type Case = (
    &'static [&'static str],
    i32,
    &'static [(&'static str, usize)],
);

const PROTOCOL: &str = "--stderr-protocol=hadoop";

fn task(args: &[&str], input: impl AsRef<[u8]>) -> (Done, Task) {
    let done = run(&[&[PROTOCOL], args].concat(), input);
    let task = Task::read(&done.err);
    (done, task)
}

#[test]
fn the_counters_are_what_the_run_came_to() {
    let records = lines(&[cloudhsm(1), other(2), other(3), cloudhsm(4), "{]".into()]);
    let notice = r#"{"s3Bucket":"b","s3ObjectKey":["AWSLogs/k.json.gz"]}"#;
    let input = format!("{records}{notice}\n{}", other(5));
    let cases: [Case; 4] = [
        (
            &[],
            1,
            &[
                ("records_enriched", 2),
                ("records_passed", 4),
                ("records_filtered", 0),
                ("records_rejected", 1),
                ("records_duplicate", 0),
                ("rejected_records_malformed", 1),
                ("rejected_records_oversize", 0),
                ("notices_sns_notification", 1),
                ("cloudhsm_severity_events_critical", 0),
                ("late_events", 0),
            ],
        ),
        (
            &["--select", "cloudhsm"],
            1,
            &[
                ("records_enriched", 2),
                ("records_passed", 0),
                ("records_filtered", 4),
            ],
        ),
        (
            &["--on-reject", "drop", "--workers", "3"],
            1,
            &[("records_enriched", 2), ("records_rejected", 1)],
        ),
        (
            &["--on-reject", "stop"],
            1,
            &[("records_enriched", 2), ("records_passed", 2)],
        ),
    ];
    for (args, status, expected) in cases {
        let (done, task) = task(args, &input);
        assert_eq!(done.code, Some(status), "{args:?}");
        for (name, value) in expected {
            assert_eq!(task.counter(name), *value, "{args:?}: {name}");
        }
        assert_eq!(task.counter("input_bytes"), input.len(), "{args:?}");
        assert_eq!(task.counter("output_bytes"), done.out.len(), "{args:?}");
        let enriched = task.counter("records_enriched");
        assert_eq!(task.sum("cloudhsm_severity_events_"), enriched, "{args:?}");
        let rejected = task.counter("records_rejected");
        assert_eq!(task.sum("rejected_records_"), rejected, "{args:?}");
        // Every line is one that Hadoop takes.
        assert_eq!(task.log, <[String; 0]>::default(), "{args:?}");
    }
}

#[test]
fn a_run_over_nothing_tells_every_counter_at_zero() {
    let (done, task) = task(&[], "");
    assert_eq!(done.code, Some(0));
    assert!(task.counters.len() > 20, "{task:?}");
    assert!(task.counters.values().all(|value| *value == 0), "{task:?}");
}

/// The output is the same with and without, and stderr else what it was.
#[test]
fn nothing_else_changes() {
    let input = lines(&[cloudhsm(1), "[".into(), other(2)]);
    let plain = run(&["--summary"], &input);
    let (done, task) = task(&["--summary"], &input);
    assert_eq!((done.code, &done.out), (plain.code, &plain.out));
    assert_eq!(task.log, plain.err.lines().collect::<Vec<_>>());
    let off = run(&["--summary", "--stderr-protocol=none"], &input);
    assert_eq!(off.err, plain.err);
}

#[test]
fn an_input_that_fails_is_told_beside_the_counters() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("cut.json.gz");
    let mut file = gzip(log_file(&[cloudhsm(1), other(2)]));
    file.truncate(file.len() - 9);
    std::fs::write(&path, file).unwrap();
    let (done, task) = task(&[path.to_str().unwrap()], "");
    assert_eq!(done.code, Some(3));
    assert_eq!(task.log.len(), 1, "{task:?}");
    assert!(task.log[0].contains("cut.json.gz"), "{task:?}");
    let passed = task.counter("records_enriched") + task.counter("records_passed");
    assert_eq!(
        passed,
        done.lines().len() - task.counter("records_rejected")
    );
}

/// Hadoop ends a task that is silent for 600 s, as one is that waits for its input.
#[test]
fn a_task_that_waits_gives_signs_of_life() {
    let mut running = Running::start(hsmtrail([PROTOCOL]));
    running.write(lines(&[cloudhsm(1), other(2)]));
    let err = running.wait_for_err("reporter:status:hsmtrail: 2 records read, 0 rejected\n");
    let told = Task::read(&err);
    assert_eq!(told.counter("records_enriched"), 1);
    assert!(!told.counters.contains_key("records_rejected"), "{told:?}");

    running.write(lines(&[other(3)]));
    running.wait_for_out(|out| out.ends_with(format!("{}\n", other(3)).as_bytes()));
    running.signal(Signal::TERM);
    let done = running.wait();
    let task = Task::read(&done.err);
    assert_eq!(done.code, Some(0));
    assert_eq!(task.counter("records_enriched"), 1);
    assert_eq!(task.counter("records_passed"), 2);
    assert_eq!(task.counter("output_bytes"), done.out.len());
}
