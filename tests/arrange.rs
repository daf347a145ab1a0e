//! `--dedup` and `--reorder` on the binary: what comes out, and what is counted, against the plain
//! rules, however the input comes and however many work on it.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use hsmtrail::enrich::time::Instant;
use serde_json::Value;

use crate::binary::{Done, Running, Signal, hsmtrail, run};
use crate::input::{ENRICHMENT, lines, log_file};
use crate::plain::{PlainOrder, PlainWindow};

#[path = "common/binary.rs"]
mod binary;
#[path = "common/input.rs"]
mod input;
#[path = "common/plain.rs"]
mod plain;

/// What the options say, for the model.
#[derive(Clone, Copy, Default)]
struct Rules {
    /// The most events that are remembered; nothing is when it is 0.
    dedup: usize,
    dedup_span_ms: Option<i64>,
    marks: bool,
    reorder_ms: Option<i64>,
    reorder_records: usize,
}

/// The ways to run, with what they mean.
fn ways() -> Vec<(Vec<&'static str>, Rules)> {
    let dedup = |dedup| Rules {
        dedup,
        reorder_records: 100_000,
        ..Rules::default()
    };
    let marked = |rules| Rules {
        marks: true,
        ..rules
    };
    let timed = |rules, span_ms| Rules {
        dedup_span_ms: Some(span_ms),
        ..rules
    };
    let ordered = |rules, span_ms| Rules {
        reorder_ms: Some(span_ms),
        ..rules
    };
    let few = |rules, reorder_records| Rules {
        reorder_records,
        ..rules
    };
    vec![
        (vec![], dedup(0)),
        (vec!["--dedup"], dedup(1_000_000)),
        (vec!["--dedup=20"], dedup(20)),
        (vec!["--dedup=30s"], timed(dedup(10_000_000), 30_000)),
        (vec!["--dedup", "--dedup-mark"], marked(dedup(1_000_000))),
        (vec!["--dedup-mark"], dedup(0)),
        (vec!["--reorder", "20s"], ordered(dedup(0), 20_000)),
        (
            vec!["--reorder", "20s", "--reorder-records", "7"],
            few(ordered(dedup(0), 20_000), 7),
        ),
        (vec!["--reorder", "9h"], ordered(dedup(0), 32_400_000)),
        (
            vec!["--dedup=300", "--reorder", "10s"],
            ordered(dedup(300), 10_000),
        ),
        (
            vec!["--dedup=300", "--dedup-mark", "--reorder", "10s"],
            marked(ordered(dedup(300), 10_000)),
        ),
    ]
}

/// Numbers that look like chance and are the same on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

/// Records of all kinds; some come again later, some are damaged if that is wanted.
fn records(count: usize, damaged: bool) -> Vec<String> {
    let mut numbers = Numbers(count as u64);
    let mut records: Vec<String> = Vec::new();
    for n in 0..count {
        let again = numbers.below(4) == 0;
        let back = usize::try_from(numbers.below(200)).unwrap();
        if let Some(at) = n.checked_sub(back + 1).filter(|_| again) {
            records.push(records[at].clone());
            continue;
        }
        // Some 10 s of disorder, now and then much more.
        let second =
            100 + (n as u64) / 4 + numbers.below(10) - if numbers.below(50) == 0 { 90 } else { 0 };
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let mut members = vec![
            format!(r#""eventTime":"2026-03-07T{hour:02}:{minute:02}:{second:02}Z""#),
            format!(r#""eventID":"3f0e0000-0000-4000-8000-{n:012x}""#),
            r#""recipientAccountId":"111122223333""#.to_owned(),
        ];
        let source = if numbers.below(3) == 0 {
            "cloudhsm"
        } else {
            "s3"
        };
        members.push(format!(
            r#""eventSource":"{source}.amazonaws.com","eventName":"DeleteHsm","n":{n}"#
        ));
        match numbers.below(30) {
            0 => members[0] = r#""eventTime":"yesterday""#.into(),
            1 => members.truncate(1),
            2 => members.push(r#""addendum":{"reason":"UPDATED_DATA"}"#.to_owned()),
            3 => members[1] = r#""eventID":"EXAMPLE-1""#.into(),
            4 => members[1] = r#""eventI\u0044":"EXAMPLE-2""#.into(),
            5 => members[2] = r#""recipientAccountId":"444455556666""#.into(),
            6 => members.push(format!(r#""pad":"{}""#, "x".repeat(9000))),
            7 if damaged => members.push("damaged".to_owned()),
            8 => members.push(r#""cloudhsm":{"version":1}"#.to_owned()),
            9 => members = vec![],
            _ => {}
        }
        records.push(format!("{{{}}}", members.join(",")));
    }
    records
}

/// What shall come out, made from what comes out without options, and the counts.
fn expected(plain: &[&str], rules: Rules) -> (Vec<String>, BTreeMap<&'static str, usize>) {
    let mut window = PlainWindow::new(rules.dedup, rules.dedup_span_ms);
    let mut order = PlainOrder::new(rules.reorder_ms.unwrap_or(0), rules.reorder_records);
    let (mut out, mut held) = (Vec::new(), Vec::new());
    let mut counts = BTreeMap::from([
        ("duplicate", 0),
        ("enriched", 0),
        ("late", 0),
        ("passed", 0),
    ]);
    for &line in plain {
        let record: Value = serde_json::from_str(line).unwrap();
        if record.get("hsmtrail_reject").is_some() {
            out.push(line.to_owned());
            continue;
        }
        let text = |name: &str| record[name].as_str().map(str::to_owned);
        let time = text("eventTime")
            .as_deref()
            .and_then(Instant::parse)
            .map(Instant::milliseconds);
        let mut line = line.to_owned();
        let mut outcome = if line.contains(ENRICHMENT) {
            "enriched"
        } else {
            "passed"
        };
        let id = text("eventID").filter(|_| record["addendum"].is_null() && rules.dedup > 0);
        if id.is_some_and(|id| window.is_repeat((id, text("recipientAccountId")), time)) {
            if outcome == "enriched" {
                line.truncate(line.len() - 2);
                line.push_str(",\"duplicate\":true}}");
            }
            outcome = "duplicate";
        }
        *counts.get_mut(outcome).unwrap() += 1;
        if outcome == "duplicate" && !rules.marks {
            continue;
        }
        if let (Some(time), true) = (time, rules.reorder_ms.is_some()) {
            let length = line.len() + 1;
            held.push(line);
            for (at, late) in order.push(time, length) {
                out.push(held[at].clone());
                *counts.get_mut("late").unwrap() += usize::from(late);
            }
        } else {
            out.push(line);
        }
    }
    out.extend(order.rest().into_iter().map(|(at, _)| held[at].clone()));
    (out, counts)
}

/// Runs with a metrics file; gives the counts too.
fn run_counted(args: &[&str], input: &str, piece: usize) -> (Done, BTreeMap<&'static str, usize>) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("m.prom");
    let mut command = hsmtrail(args);
    command.args(["--metrics-file", file.to_str().unwrap()]);
    let mut running = Running::start(command);
    let input = input.as_bytes().to_vec();
    running.feed_by(move |stdin| {
        for piece in input.chunks(piece) {
            crate::binary::write(stdin, piece);
        }
    });
    let done = running.finish();
    let metrics = fs::read_to_string(file).unwrap();
    let value = |series: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(series));
        line.unwrap().trim().parse().unwrap()
    };
    let outcome = |word| value(&format!("hsmtrail_records_total{{outcome=\"{word}\"}}"));
    let events: usize = metrics
        .lines()
        .filter(|line| line.starts_with("hsmtrail_cloudhsm_severity_events_total{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    let counts = BTreeMap::from([
        ("duplicate", outcome("duplicate")),
        ("enriched", outcome("enriched")),
        ("late", value("hsmtrail_late_events_total")),
        ("passed", outcome("passed")),
    ]);
    assert_eq!(events, counts["enriched"], "{args:?}");
    (done, counts)
}

#[test]
fn what_comes_out_is_what_the_plain_rules_say() {
    let whole = records(2500, false);
    for (input, code) in [(lines(&records(2500, true)), 1), (log_file(&whole), 0)] {
        let plain = run(&[], &input);
        let mut runs = [
            ("1", usize::MAX),
            ("3", 10_000),
            ("8", usize::MAX),
            ("2", 700),
        ]
        .into_iter()
        .cycle();
        for (args, rules) in ways() {
            let (lines, counts) = expected(&plain.lines(), rules);
            for (workers, piece) in runs.by_ref().take(2) {
                let args = [
                    &args[..],
                    &["--workers", workers, "--flush-interval", "1ms"],
                ]
                .concat();
                let (done, counted) = run_counted(&args, &input, piece);
                assert_eq!((done.code, done.err.as_str()), (Some(code), ""), "{args:?}");
                assert!(done.lines() == lines, "{args:?} in pieces of {piece}");
                assert_eq!(counted, counts, "{args:?} in pieces of {piece}");
            }
        }
    }
}

/// The model above is no good if the input does not bring its cases about.
#[test]
fn the_input_has_every_case() {
    let plain = run(&[], lines(&records(2500, true)));
    for (args, rules) in ways() {
        let (_, counts) = expected(&plain.lines(), rules);
        assert_eq!(counts["duplicate"] > 50, rules.dedup > 0, "{args:?}");
        let is_late = rules.reorder_ms.is_some_and(|span| span < 90_000);
        assert_eq!(counts["late"] > 10, is_late, "{args:?}");
        assert!(
            counts["enriched"] > 200 && counts["passed"] > 500,
            "{args:?}"
        );
    }
}

fn event(second: u32, n: u32) -> String {
    format!(
        r#"{{"eventTime":"2026-03-07T00:00:{second:02}Z","eventID":"{n}","eventSource":"s3.amazonaws.com"}}"#
    )
}

/// They stand where the record stood that came before them, or in their own file.
#[test]
fn rejects_are_not_held() {
    let input = lines(&[
        event(9, 1),
        "{\"a\":nul}".to_owned(),
        event(5, 2),
        "17".to_owned(),
        "{}".to_owned(),
        event(7, 3),
    ]);
    let held = [event(5, 2), event(7, 3), event(9, 1)];
    let done = run(&["--reorder", "1h"], &input);
    assert_eq!(done.code, Some(1));
    let out = done.lines();
    assert!(out[0].contains(r#""record":2,"#) && out[1].contains(r#""record":4,"#));
    assert_eq!(out[2], "{}");
    assert_eq!(out[3..], held);

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r");
    let args = ["--reorder", "1h", "--rejects", file.to_str().unwrap()];
    let apart = run(&args, &input);
    assert_eq!(apart.lines(), out[2..]);
    let rejects = fs::read_to_string(file).unwrap();
    assert_eq!(rejects.lines().collect::<Vec<_>>(), out[..2]);

    let dropped = run(&["--reorder", "1h", "--on-reject", "drop"], &input);
    assert_eq!(dropped.lines(), out[2..]);

    // What came before the first reject is written, though behind it.
    let stopped = run(&["--reorder", "1h", "--on-reject", "stop"], &input);
    assert_eq!(stopped.lines(), [out[0], &event(9, 1)]);
    assert_eq!(stopped.code, Some(1));
}

/// The time is the events' own: nothing but a later event, the end or a signal ends the waiting.
#[test]
fn what_is_held_waits_while_the_input_pauses_and_is_written_at_a_signal() {
    for signal in [None, Some(Signal::TERM), Some(Signal::INT)] {
        let mut running = Running::start(hsmtrail(["--reorder", "10s", "--flush-interval", "0"]));
        running.write(lines(&[event(20, 1), event(15, 2), event(30, 3)]));
        let mut out = lines(&[event(15, 2), event(20, 1)]);
        running.expect_out(&out);
        running.write(lines(&[event(25, 4)]) + "{}\n");
        out.push_str("{}\n");
        running.expect_out(&out);
        out.push_str(&lines(&[event(25, 4), event(30, 3)]));
        let done = match signal {
            Some(signal) => {
                sleep(Duration::from_millis(1));
                running.signal(signal);
                running.wait()
            }
            None => running.finish(),
        };
        assert_eq!(done.text(), out, "{signal:?}");
        let code = if signal == Some(Signal::INT) { 130 } else { 0 };
        assert_eq!((done.code, done.err.as_str()), (Some(code), ""));
    }
}

/// One window and one order for the whole run.
#[test]
fn repeats_and_order_go_over_files() {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        lines(&[event(9, 1), event(5, 2)]),
        log_file(&[event(5, 2), event(1, 3)]),
    ];
    let paths: Vec<_> = files
        .iter()
        .enumerate()
        .map(|(n, text)| {
            let path = dir.path().join(n.to_string());
            fs::write(&path, text).unwrap();
            path
        })
        .collect();
    for (args, out) in [
        (
            &["--dedup"][..],
            vec![event(9, 1), event(5, 2), event(1, 3)],
        ),
        (&["--dedup=1"], vec![event(9, 1), event(5, 2), event(1, 3)]),
        (
            &["--reorder", "1m"],
            vec![event(1, 3), event(5, 2), event(5, 2), event(9, 1)],
        ),
        (
            &["--dedup", "--reorder", "1m"],
            vec![event(1, 3), event(5, 2), event(9, 1)],
        ),
    ] {
        let mut command = hsmtrail(args);
        command.args(&paths);
        let done = crate::binary::run_command(command, "");
        assert_eq!(done.quiet(), lines(&out), "{args:?}");
    }
}

/// Of records that are not selected nothing is remembered; they stay filtered.
#[test]
fn what_is_not_selected_is_no_repeat() {
    let cloudhsm = event(1, 1).replace("s3", "cloudhsm");
    let input = lines(&[&event(1, 1), &event(1, 1), &cloudhsm, &cloudhsm]);
    let args = ["--dedup", "--select", "cloudhsm", "--summary"];
    let done = run(&args, input);
    assert_eq!(done.lines().len(), 1);
    assert!(
        done.err.starts_with(
            "hsmtrail: 4 records read: 1 enriched, 0 passed, 2 filtered, 0 rejected, 1 duplicate;"
        ),
        "{}",
        done.err
    );
}

/// Nothing is read from a damaged record that is not parsed.
#[test]
fn what_is_only_framed_and_damaged_is_no_repeat() {
    let damaged = r#"{"eventID":"1","a":nul}"#;
    let input = lines(&[damaged, damaged, &event(1, 1), &event(1, 1)]);
    let done = run(&["--dedup", "--validate", "matching"], input);
    assert_eq!(done.quiet(), lines(&[damaged, damaged, &event(1, 1)]));
}
