//! `hsmtrail doctor` through the binary: what it measures is what the filter writes, what it warns
//! of, and that it touches nothing.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

#[path = "common/binary.rs"]
mod binary;
#[path = "common/input.rs"]
mod input;

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use binary::{Done, Running, hsmtrail, run, run_command};
use hsmtrail::doctor::hosts::{Advice, HOSTS, LongestLines};
use input::{cloudhsm, gzip, lines, log_file, other, without_enrichment};

/// A free port, so that what else runs on the machine is no warning.
const FREE_PORT: [&str; 2] = ["--metrics-listen", "127.0.0.1:0"];

fn doctor(args: &[&str], input: impl AsRef<[u8]>) -> Done {
    let all = ["doctor"].iter().chain(&FREE_PORT).chain(args);
    run_command(hsmtrail(all), input)
}

/// The two lengths and record numbers that a report tells.
fn told(report: &str) -> [(u64, u64); 2] {
    ["before", "after"].map(|when| {
        let (_, rest) = report
            .split_once(&format!("Longest line {when} enrichment: "))
            .unwrap();
        let line = rest.lines().next().unwrap();
        let mut numbers = line.split(' ').filter_map(|word| word.parse().ok());
        (numbers.next().unwrap(), numbers.next().unwrap())
    })
}

/// The same of a run's own output: the first of the longest, by line numbers.
fn longest(output: &str) -> [(u64, u64); 2] {
    let first_longest = |lengths: Vec<usize>| {
        let longest = *lengths.iter().max().unwrap();
        let at = lengths.iter().position(|&length| length == longest);
        (longest as u64, at.unwrap() as u64 + 1)
    };
    let plain = |line: &str| without_enrichment(line).0.len();
    [
        first_longest(output.lines().map(plain).collect()),
        first_longest(output.lines().map(str::len).collect()),
    ]
}

/// The warnings of a report.
fn warnings(report: &str) -> &str {
    report.split_once("\nWarnings:\n").unwrap().1
}

#[test]
fn what_it_measures_is_what_the_filter_writes() {
    let long = |n: usize, text: &str| {
        let mut record = other(n);
        record.insert_str(1, &format!("\"text\":\"{text}\","));
        record
    };
    let records = [
        other(1),
        cloudhsm(20),
        long(3, &"x".repeat(70)),
        cloudhsm(4),
        // Of two lines that are equally long the first is told.
        long(5, &"y".repeat(70)),
        long(6, r#",\"cloudhsm\":{\"version\":1}"#),
    ];
    let pretty: Vec<_> = records
        .iter()
        .map(|record| {
            let value: serde_json::Value = serde_json::from_str(record).unwrap();
            serde_json::to_string_pretty(&value).unwrap()
        })
        .collect();
    let message = |record: &String| format!("{{\"message\":{}}}", serde_json::json!(record));
    let messages: Vec<_> = records.iter().map(message).collect();
    let subscription = format!(
        r#"{{"awslogs":{{"data":"{}"}}}}"#,
        BASE64_STANDARD.encode(gzip(format!(
            r#"{{"messageType":"DATA_MESSAGE","logEvents":[{}]}}"#,
            messages.join(",")
        )))
    );
    for (form, input) in [
        ("lines", lines(&records).into_bytes()),
        ("log file", log_file(&records).into_bytes()),
        ("back to back", records.concat().into_bytes()),
        ("pretty", log_file(&pretty).into_bytes()),
        ("gzip", gzip(log_file(&records))),
        ("a subscription", subscription.into_bytes()),
        ("messages", lines(&messages).into_bytes()),
    ] {
        let output = run(&[], &input).quiet().to_owned();
        let done = doctor(&[], &input);
        let report = done.text();
        assert_eq!(told(report), longest(&output), "{form}: {report}");
        assert!(report.contains(" of stdin\n"), "{form}");
        let totals = format!("{} records read: 2 enriched, 4 passed,", records.len());
        assert!(report.starts_with(&totals), "{form}: {report}");

        // What came out is measured alike when it comes in again.
        let again = doctor(&[], &output);
        assert_eq!(told(again.text()), longest(&output), "{form} again");
    }
}

#[test]
fn options_of_the_run_decide_which_lines_are_written() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(900));
    let reject = format!("{{\"a\":\"{}\"", "x".repeat(2000));
    let input = format!("{}\n{long}\n{reject}\n", cloudhsm(1));
    for args in [
        &[][..],
        &["--select", "cloudhsm"],
        &["--on-reject", "drop"],
        &["--on-reject", "drop", "--select", "cloudhsm"],
        &["--rejects", "/dev/null"],
    ] {
        let output = run(args, &input);
        let done = doctor(args, &input);
        let [before, after] = told(done.text());
        let written = output.lines().iter().map(|line| line.len() as u64).max();
        assert_eq!(Some(after.0), written, "{args:?}: {}", done.text());
        // A reject is no record that could come as a line of its own.
        assert_eq!(before, (long.len() as u64, 2), "{args:?}");
        assert_eq!(done.code, Some(1));
        let told = "rejects in the sample: 1; a run over it ends with status 1";
        assert!(warnings(done.text()).contains(told), "{args:?}");
    }
}

/// It was also said to be empty.
#[test]
fn r_a_sample_of_dropped_rejects_is_not_empty() {
    let done = doctor(&["--on-reject", "drop"], "junk\n");
    let warnings = warnings(done.text());
    assert!(warnings.contains("rejects in the sample: 1"), "{warnings}");
    assert!(!warnings.contains("there is nothing in the sample"));
}

#[test]
fn each_host_is_told_what_it_needs() {
    let record = format!("{{\"a\":\"{}\"}}\n", "x".repeat(200_000));
    let done = doctor(&[], &record);
    let length = record.len() as u64 - 1;
    let longest = LongestLines {
        before: length,
        after: length,
    };
    let (to_set, rest) = done.text().split_once("\nTo be left").unwrap();
    for host in HOSTS {
        let (text, part) = match host.advice(longest) {
            Advice::Write(text) => (text, to_set),
            Advice::Enough(text) => (text, rest),
        };
        let who = format!("  {}, {}", host.name, host.part);
        assert!(part.contains(&who) && part.contains(&text), "{who}: {text}");
    }
    assert!(to_set.contains("in fluent-bit.yaml: buf_size: 524288\n"));
    assert!(to_set.contains("in journald.conf: LineMax=524288\n"));
}

#[test]
fn files_are_named_and_one_that_cannot_be_read_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::create_dir(path("day")).unwrap();
    fs::write(path("day/1.json"), lines(&[other(1), other(22)])).unwrap();
    fs::write(path("day/2.json.gz"), gzip(lines(&[other(3), cloudhsm(4)]))).unwrap();
    let done = doctor(&[&path("day"), &path("missing")], "");
    assert_eq!(done.code, Some(3));
    assert!(done.err.contains("missing: No such file"), "{}", done.err);
    let longest = |when, length: usize, record, file| {
        let file = path(file);
        format!("Longest line {when} enrichment: {length} bytes, record {record} of {file}\n")
    };
    let of_event = run(&[&path("day")], "")
        .quiet()
        .lines()
        .nth(3)
        .unwrap()
        .len();
    for told in [
        longest("before", cloudhsm(4).len(), 2, "day/2.json.gz"),
        longest("after", of_event, 2, "day/2.json.gz"),
    ] {
        assert!(done.text().contains(&told), "{told} {}", done.text());
    }
    assert!(done.text().contains("Inputs that failed: 1."));
}

#[test]
fn it_touches_nothing_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::write(path("in"), lines(&[other(1)])).unwrap();
    fs::write(path("out"), "precious").unwrap();
    let config = format!(
        "output = {:?}\nrejects = {:?}\nmetrics_file = {:?}\nfollow = true\nstate = {:?}\n\
         select = \"cloudhsm\"\n",
        path("out"),
        path("rejects"),
        path("m.prom"),
        path("state")
    );
    fs::write(path("hsmtrail.toml"), config).unwrap();
    let done = doctor(&["--config", &path("hsmtrail.toml"), &path("in")], "");
    assert!(
        done.text().contains("1 passed"),
        "{} {}",
        done.text(),
        done.err
    );
    assert!(done.text().contains("after enrichment: there is none\n"));
    // With a socket to listen on there is no sample, and stdin is nobody's concern.
    let socket = format!("unix:{}", path("socket"));
    let mut command = hsmtrail(["doctor", "--listen", &socket]);
    command.args(FREE_PORT).stdin(Stdio::null());
    let done = run_command(command, "");
    assert!(done.text().starts_with("There is no sample."));
    assert!(!warnings(done.text()).contains("stdin"));
    // With a FILE beside it there is one.
    let done = doctor(&["--listen", &socket, &path("in")], "");
    assert!(done.text().starts_with("1 records read"));

    assert_eq!(fs::read_to_string(path("out")).unwrap(), "precious");
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["hsmtrail.toml", "in", "out"]);
}

#[test]
fn an_empty_stdin_is_a_warning_only_when_it_is_to_be_read() {
    for (args, is_told) in [(&[][..], true), (&["-"], false), (&["/dev/null"], false)] {
        let mut command = hsmtrail(["doctor"].iter().chain(&FREE_PORT).chain(args));
        command.stdin(Stdio::null());
        let done = run_command(command, "");
        let told = warnings(done.text()).contains("stdin is /dev/null, or was closed:");
        assert_eq!(told, is_told, "{args:?}");
        assert_eq!(done.text().starts_with("There is no sample."), is_told);
        assert!(!is_told || done.code == Some(1));
    }
}

#[test]
fn a_metrics_address_that_is_taken_is_a_warning() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let done = run(&["doctor", "--metrics-listen", &address], "{}\n");
    let told = format!("metrics cannot be served on {address}: Address already in use");
    assert!(warnings(done.text()).contains(&told), "{}", done.text());
    assert_eq!(done.code, Some(1));
}

#[test]
fn a_small_pipe_is_a_warning() {
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&reader, 4096).unwrap();
    drop(writer);
    let mut command = hsmtrail(["doctor"].iter().chain(&FREE_PORT));
    command.stdin(reader);
    let done = Running::start(command).wait();
    let told = "stdin is a pipe of 4096 bytes";
    assert!(warnings(done.text()).contains(told), "{}", done.text());
    assert_eq!(done.code, Some(1));
}

/// The sandbox of this test is also that of its children.
#[test]
fn a_missing_sandbox_is_a_warning() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let is_missing = status.contains("NoNewPrivs:\t0\n") && status.contains("Seccomp:\t0\n");
    let done = doctor(&[], "{}\n");
    let told = warnings(done.text()).contains("there is no sandbox here");
    assert_eq!(told, is_missing, "{}", done.text());
    assert_eq!(done.code, Some(i32::from(is_missing)));

    // And with one all is well.
    let mut command = Command::new("setpriv");
    command.args(["--no-new-privs", env!("CARGO_BIN_EXE_hsmtrail"), "doctor"]);
    command.args(FREE_PORT).stdin(Stdio::piped());
    if Command::new("setpriv").arg("--version").output().is_err() {
        eprintln!("SKIPPED: setpriv is not installed");
        return;
    }
    let done = run_command(command, "{}\n");
    assert_eq!((done.code, warnings(done.text())), (Some(0), "  nothing\n"));
}

#[test]
fn wrong_usage_is_told_as_by_the_filter() {
    for (args, told) in [
        (&["doctor", "--selct", "all"][..], "--select"),
        (
            &["doctor", "--config", "/no/such/file"],
            "cannot read the config file",
        ),
        (
            &["doctor", "--rejects", "r", "--on-reject", "drop"],
            "--rejects keeps",
        ),
    ] {
        let done = run(args, "");
        assert_eq!(done.code, Some(2), "{args:?}");
        assert!(
            done.err.contains(told) && done.out.is_empty(),
            "{}",
            done.err
        );
    }
    let mut command = hsmtrail(["doctor"]);
    command.env("HSMTRAIL_SELECTED", "all");
    assert_eq!(run_command(command, "").code, Some(2));
}

#[test]
fn the_readme_shows_what_is_printed() {
    let Ok(readme) = fs::read_to_string("README.md") else {
        return;
    };
    let (_, shown) = readme.split_once("```console\n$ hsmtrail doctor ").unwrap();
    let (command, shown) = shown.split_once('\n').unwrap();
    let (shown, _) = shown.split_once("\n```").unwrap();
    let args: Vec<&str> = command.split(' ').collect();
    let done = doctor(&args, "");
    let mut rest = done.text();
    for part in shown.split('…') {
        let at = rest
            .find(part)
            .unwrap_or_else(|| panic!("{part:?} is not in {rest}"));
        rest = &rest[at + part.len()..];
    }
}
