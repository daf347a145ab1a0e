//! The command line, through the binary: every option and command, messages, exit statuses.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

#[path = "common/binary.rs"]
mod binary;
#[path = "common/http.rs"]
mod http;
#[path = "common/input.rs"]
mod input;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::CommandFactory as _;
use hsmtrail::cli::Args;
use tempfile::TempDir;

use binary::{Done, Running, hsmtrail, run, run_command, wait_until};
use input::{ENRICHMENT, cloudhsm, gzip, lines, log_file, other};

/// A directory to run in, and the files in it.
struct Place(TempDir);

impl Place {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for (name, bytes) in files {
            fs::write(place.path(name), bytes).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs in this directory.
    fn run(&self, args: &[&str], input: &str) -> Done {
        let mut command = hsmtrail(args);
        command.current_dir(self.0.path());
        run_command(command, input)
    }
}

/// What a run comes to: exit status, output, and a part of stderr; nothing is all of it.
fn check(done: &Done, code: i32, out: &str, err: &str) {
    assert_eq!((done.code, done.text()), (Some(code), out), "{}", done.err);
    if err.is_empty() {
        assert_eq!(done.err, "");
    } else {
        assert!(done.err.contains(err), "{err} is not in {}", done.err);
    }
}

// What is read.

#[test]
fn files_are_read_one_after_the_other() {
    let place = Place::with(&[
        ("a", b"{\"n\":1}"),
        ("b.gz", &gzip("{\"n\":2}\n")),
        ("empty", b""),
        ("c", b"\xEF\xBB\xBF{\"Records\":[{\"n\":3}]}"),
    ]);
    for (args, input, out) in [
        (
            &["a", "b.gz", "empty", "c"][..],
            "",
            "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n",
        ),
        (&["c", "a"], "{\"n\":9}", "{\"n\":3}\n{\"n\":1}\n"),
        (
            &["a", "-", "b.gz"],
            "{\"n\":9}",
            "{\"n\":1}\n{\"n\":9}\n{\"n\":2}\n",
        ),
        (&["-", "-", "a"], "{\"n\":9}", "{\"n\":9}\n{\"n\":1}\n"),
        (&["empty"], "{\"n\":9}", ""),
        (&["a", "a"], "", "{\"n\":1}\n{\"n\":1}\n"),
        (&[], "", ""),
        (&[], " \r\n\t", ""),
    ] {
        check(&place.run(args, input), 0, out, "");
    }
}

#[test]
fn a_source_that_fails_ends_alone() {
    let whole = gzip("{\"n\":2}\n{\"n\":3}\n");
    let mut wrong = whole.clone();
    let last = wrong.len() - 1;
    wrong[last] ^= 1;
    let place = Place::with(&[
        ("a", b"{\"n\":1}"),
        ("cut.gz", &whole[..whole.len() - 4]),
        ("wrong.gz", &wrong),
        ("bad", b"{\"n\":"),
    ]);
    fs::create_dir(place.path("dir")).unwrap();
    let two = "{\"n\":2}\n{\"n\":3}\n{\"n\":1}\n";
    for (args, out, err) in [
        (
            ["missing", "a"],
            "{\"n\":1}\n",
            "hsmtrail: cannot open missing: No such file",
        ),
        (
            ["dir", "a"],
            "{\"n\":1}\n",
            "hsmtrail: dir holds no file of a name that ends in .json",
        ),
        (
            ["cut.gz", "a"],
            two,
            "hsmtrail: cannot decompress cut.gz beyond byte",
        ),
        (
            ["wrong.gz", "a"],
            two,
            "hsmtrail: cannot decompress wrong.gz beyond byte",
        ),
    ] {
        let done = place.run(&args, "");
        check(&done, 3, out, err);
        assert_eq!(done.err.lines().count(), 1, "{}", done.err);
    }
    // 3 beats 1, and a message is not a reject.
    let done = place.run(&["bad", "missing", "--on-reject", "drop"], "");
    check(&done, 3, "", "cannot open missing");
    let done = place.run(&["--on-reject", "drop", "bad"], "");
    check(&done, 1, "", "");
    // What nobody may read.
    fs::set_permissions(place.path("a"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(place.path("a")).is_err() {
        check(
            &place.run(&["a"], ""),
            3,
            "",
            "cannot open a: Permission denied",
        );
    }
}

/// A directory as stdin, and a file name that is no UTF-8.
#[test]
fn odd_sources() {
    let place = Place::with(&[]);
    let mut command = hsmtrail::<&str>([]);
    command.stdin(fs::File::open(place.0.path()).unwrap());
    check(&run_command(command, ""), 3, "", "stdin is a directory");

    let name = std::ffi::OsStr::from_bytes(b"\xFF.json");
    if fs::write(place.0.path().join(name), "17").is_ok() {
        let mut command = hsmtrail([name]);
        command.current_dir(place.0.path());
        let done = run_command(command, "");
        assert_eq!(done.code, Some(1));
        assert!(
            done.text().contains("\"source\":\"\u{fffd}.json\""),
            "{}",
            done.text()
        );
    }
}

/// Some hosts start their children so. With a FILE, or `-` for who means it, it is no concern.
#[test]
fn nothing_to_read_is_said() {
    let place = Place::with(&[("a", b"{\"n\":1}"), ("empty", b"")]);
    let told = "hsmtrail: stdin is /dev/null, or was closed, and no FILE is given";
    for stdin in ["</dev/null", "<&-"] {
        for (args, code, out, err) in [
            ("", 2, "", told),
            ("--summary=false --workers 1", 2, "", told),
            ("a", 0, "{\"n\":1}\n", ""),
            ("a -", 0, "{\"n\":1}\n", ""),
            ("-", 0, "", ""),
            ("empty", 0, "", ""),
            ("explain DeleteHsm >/dev/null", 0, "", ""),
        ] {
            let mut command = Command::new("sh");
            let line = format!("exec \"$0\" {args} {stdin}");
            command.args(["-c", &line, env!("CARGO_BIN_EXE_hsmtrail")]);
            command.current_dir(place.0.path());
            check(&run_command(command, ""), code, out, err);
        }
        // An empty file and a pipe that ends are an empty input.
        let mut command = hsmtrail::<&str>([]);
        command.stdin(fs::File::open(place.path("empty")).unwrap());
        check(&run_command(command, ""), 0, "", "");
    }
}

/// Needs a terminal, which `script` makes.
#[test]
fn a_terminal_gets_a_short_usage() {
    let help = Command::new("script").arg("--version").output();
    if !help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("util-linux")) {
        eprintln!("SKIPPED: no `script` of util-linux here");
        return;
    }
    for (args, code, told) in [
        ("", 2, "Usage: hsmtrail [OPTIONS] [FILE]..."),
        ("--select cloudhsm", 2, "gzip -dc *.json.gz | hsmtrail"),
        ("explain DeleteHsm", 0, "DeleteHsm"),
        ("/dev/null", 0, ""),
    ] {
        let mut command = Command::new("script");
        let inner = format!("{} {args} 2>&1", env!("CARGO_BIN_EXE_hsmtrail"));
        command.args(["--quiet", "--return", "--command", &inner, "/dev/null"]);
        command.stdin(Stdio::null());
        let done = run_command(command, "");
        assert_eq!(done.code, Some(code), "{args}: {}", done.text());
        assert!(done.text().contains(told), "{args}: {}", done.text());
    }
}

#[test]
fn input_decides_how_a_source_is_laid_out() {
    // A cut first line, and a record over two lines among others.
    let cut_first = "{\"a\":\n{\"n\":1}\n";
    let broken_up = "{\"n\":1}\n{\"n\":\n2}\n";
    for (form, input, passed, rejected) in [
        ("auto", cut_first, 0, 1),
        ("lines", cut_first, 1, 1),
        ("auto", broken_up, 1, 3),
        ("lines", broken_up, 1, 3),
        ("document", broken_up, 2, 0),
    ] {
        let done = run(&["--input", form], input);
        let lines = done.lines();
        let rejects = lines
            .iter()
            .filter(|line| line.contains("hsmtrail_reject"))
            .count();
        assert_eq!(
            (lines.len() - rejects, rejects),
            (passed, rejected),
            "{form} {input:?}"
        );
    }
}

// What is written.

#[test]
fn output_goes_to_a_file() {
    let place = Place::with(&[("out", b"old and longer than what comes\n")]);
    for args in [["-o", "out"], ["--output", "out"]] {
        check(&place.run(&args, "{\"n\":1}"), 0, "", "");
        assert_eq!(place.read("out"), "{\"n\":1}\n");
    }
    check(&place.run(&["-o", "-"], "{\"n\":1}"), 0, "{\"n\":1}\n", "");
    for (path, told) in [
        (".", "hsmtrail: . is a directory"),
        (
            "no/such",
            "hsmtrail: cannot open no/such for writing: No such file",
        ),
    ] {
        check(&place.run(&["-o", path], "{}"), 3, "", told);
        check(&place.run(&["--rejects", path], "{}"), 3, "", told);
    }
}

#[test]
fn an_output_that_is_an_input_is_refused_and_left_as_it_is() {
    let place = Place::with(&[("a", b"{\"n\":1}\n"), ("b", b"{\"n\":2}\n")]);
    std::os::unix::fs::symlink(place.path("a"), place.path("link")).unwrap();
    fs::hard_link(place.path("a"), place.path("hard")).unwrap();
    for args in [
        &["a", "-o", "a"][..],
        &["b", "./a", "-o", "link"],
        &["hard", "--output", "a"],
        &["a", "--rejects", "a"],
        &["-o", "b", "--rejects", "b"],
        &["-o", "new", "--rejects", "./new"],
    ] {
        check(
            &place.run(args, ""),
            2,
            "",
            "is also read or written by this run",
        );
        assert_eq!(place.read("a"), "{\"n\":1}\n", "{args:?}");
    }
    // Also by way of the shell.
    for script in [
        "exec \"$0\" <a >>a",
        "exec \"$0\" a >>a",
        "exec \"$0\" -o a <a",
    ] {
        let mut command = Command::new("sh");
        command
            .args(["-c", script, env!("CARGO_BIN_EXE_hsmtrail")])
            .current_dir(place.0.path());
        check(
            &run_command(command, ""),
            2,
            "",
            "is also read or written by this run",
        );
        assert_eq!(place.read("a"), "{\"n\":1}\n", "{script}");
    }
}

#[test]
fn select_passes_enriched_records_only() {
    let input = [other(1), cloudhsm(2), other(3), cloudhsm(4)].join("\n");
    let all = run(&["--select", "all"], &input);
    assert_eq!(run(&[], &input).quiet(), all.quiet());
    let some = run(&["--select", "cloudhsm"], &input);
    let enriched: Vec<_> = all
        .lines()
        .into_iter()
        .filter(|line| line.contains(ENRICHMENT))
        .collect();
    assert_eq!((some.lines(), enriched.len()), (enriched, 2));
    // What carries the object from an earlier pass is passed on as well.
    assert_eq!(
        run(&["--select", "cloudhsm"], some.text()).quiet(),
        some.text()
    );
}

#[test]
fn validate_decides_what_is_parsed() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(128), "]".repeat(128));
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(2_000));
    let broken_up = "{\"a\":\n1\n2}";
    let rows = [
        // Framed only: quotes and brackets balance.
        ("{\"a\":tru,}", false),
        ("{\"a\":\"\u{1}\"}", false),
        // Looked at in full, because of what stands in it.
        ("{\"a\":tru,\"b\":\"cloudhsm\"}", true),
        ("{\"a\":tru,\"b\":\"\\u0063\"}", true),
        (broken_up, true),
        // Found without parsing.
        ("{\"a\":1}}", true),
        ("17", true),
        (&deep, true),
        (&long, true),
    ];
    for (record, is_reject) in rows {
        let form = if record == broken_up {
            "document"
        } else {
            "lines"
        };
        let args = [
            "--max-record-bytes",
            "1KiB",
            "--on-reject",
            "drop",
            "--input",
            form,
        ];
        let input = format!("{record}\n");
        let all = run(&[&args[..], &["--validate", "all"]].concat(), &input);
        assert_eq!(all.code, Some(1), "{record}");
        let matching = run(&[&args[..], &["--validate", "matching"]].concat(), &input);
        assert_eq!(matching.code, Some(i32::from(is_reject)), "{record}");
        assert!(is_reject || matching.text() == input, "{record}");
    }
}

/// A reader that would have to wait for the worker frames the lines itself. One batch it never does.
#[test]
fn lines_are_framed_the_same_by_reader_and_worker() {
    let deep = |levels| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let block = lines(&[
        cloudhsm(1),
        other(2),
        deep(127),
        deep(128),
        format!("{{\"a\":\"{}\"}}", "[".repeat(300)),
        format!("{{\"a\":[{}1]}}", "[],".repeat(300)),
        "{\"a\":tru,\"b\":\"\\u0063\"}".to_owned(),
        "{\"a\":tru,\"b\":\"\\n\"}".to_owned(),
        format!("{} {}", cloudhsm(3), cloudhsm(4)),
        "{\"a\":1}}".to_owned(),
        "{\"a\":\"".to_owned(),
        format!("{{\"Records\":[{},5]}}", cloudhsm(6)),
        format!("{{\"a\":\"{}\"}}", "x".repeat(2_000)),
    ])
    .repeat(10);
    let args = [
        "--validate",
        "matching",
        "--workers",
        "1",
        "--paranoid",
        "--max-record-bytes",
        "1500",
        "--on-reject",
        "drop",
    ];
    let once = run(&args, &block);
    assert_eq!(once.code, Some(1));
    assert_eq!(once.text().matches(ENRICHMENT).count(), 40);
    let times = 60;
    let many = run(&args, block.repeat(times));
    assert_eq!(many.code, Some(1));
    assert!(many.out == once.out.repeat(times));
}

#[test]
fn on_reject_decides_what_becomes_of_a_reject() {
    let input = "{\"n\":1}\n{bad}\n{\"n\":2}\n17\n";
    let is_reject = |line: &&str| line.starts_with("{\"hsmtrail_reject\":{");
    for (args, lines, rejects, kept) in [
        (&["--on-reject", "emit"][..], 4, 2, 0),
        (&["--on-reject", "drop"], 2, 0, 0),
        (&["--on-reject", "stop"], 2, 1, 0),
        (&["--on-reject", "emit", "--rejects", "r"], 2, 0, 2),
        (&["--on-reject", "stop", "--rejects", "r"], 1, 0, 1),
    ] {
        let place = Place::with(&[("r", b"")]);
        let done = place.run(args, input);
        assert_eq!((done.code, done.err.as_str()), (Some(1), ""), "{args:?}");
        let found = done.lines().into_iter().filter(is_reject).count();
        assert_eq!((done.lines().len(), found), (lines, rejects), "{args:?}");
        assert_eq!(
            place.read("r").lines().filter(is_reject).count(),
            kept,
            "{args:?}"
        );
    }
    // A stop does not wait for the end of the input.
    let mut running = Running::start(hsmtrail(["--on-reject", "stop"]));
    running.write("{\"n\":1}\n{bad}\n");
    let done = running.wait();
    assert_eq!((done.code, done.lines().len()), (Some(1), 2));

    let done = run(&["--on-reject", "drop", "--rejects", "r"], "");
    check(
        &done,
        2,
        "",
        "--rejects keeps rejected records and --on-reject drop throws them away",
    );
}

#[test]
fn sizes_have_units() {
    let record = format!("{{\"a\":\"{}\"}}", "x".repeat(1_992)); // 2000 bytes
    for (size, code) in [
        ("2000", 0),
        ("1999", 1),
        ("2KB", 0),
        ("2KiB", 0),
        ("1KiB", 1),
    ] {
        assert_eq!(
            run(&["--max-record-bytes", size], &record).code,
            Some(code),
            "{size}"
        );
    }
    // The default is 1 MiB, and a record may be just as long.
    let record = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
    assert_eq!(run(&[], record(1 << 20)).code, Some(0));
    assert_eq!(run(&[], record((1 << 20) + 1)).code, Some(1));
}

// What is told.

#[test]
fn a_summary_is_asked_for() {
    for (args, told) in [
        (
            &["--summary"][..],
            "hsmtrail: 1 records read: 0 enriched, 1 passed, 0 filtered, 0 rejected; 2 bytes in, \
             3 bytes out.\n",
        ),
        (&["--summary=false"], ""),
        (&[], ""),
    ] {
        let done = run(args, "{}");
        assert_eq!(
            (done.quiet_code(), done.err.as_str()),
            (0, told),
            "{args:?}"
        );
    }
}

impl Done {
    fn quiet_code(&self) -> i32 {
        self.code.unwrap()
    }
}

/// The address in the message of a run that listens.
fn listening(running: &Running) -> SocketAddr {
    let err = running.wait_for_err("/metrics\n");
    let (_, rest) = err.split_once("metrics on http://").unwrap();
    rest.split_once('/').unwrap().0.parse().unwrap()
}

#[test]
fn metrics_are_served_while_it_runs() {
    let mut running = Running::start(hsmtrail([
        "--metrics-listen",
        "127.0.0.1:0",
        "--log-level",
        "info",
    ]));
    let address = listening(&running);
    let series = |name: &str| {
        let response = http::request(address, "GET", "/metrics").unwrap();
        assert_eq!(response.status, 200);
        assert_eq!(
            response.header("content-type"),
            Some(hsmtrail::metrics::CONTENT_TYPE)
        );
        let line = response
            .body
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .trim();
        line.parse::<u64>().unwrap()
    };
    let enriched = "hsmtrail_records_total{outcome=\"enriched\"}";
    assert_eq!(series(enriched), 0);
    running.write(cloudhsm(1) + "\n");
    running.wait_for_out(|out| out.ends_with(b"\n"));
    // It is counted right after it was written.
    wait_until("the count", || series(enriched) > 0);
    assert_eq!(series(enriched), 1);
    assert_eq!(
        http::request(address, "GET", "/healthz").unwrap().status,
        200
    );
    assert_eq!(http::request(address, "GET", "/x").unwrap().status, 404);
    assert_eq!(running.finish().code, Some(0));
    assert!(http::request(address, "GET", "/metrics").is_err());
}

#[test]
fn a_metrics_port_that_is_taken_is_a_warning() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    // A port alone is on the loopback interface.
    for listen in [address.as_str(), address.rsplit_once(':').unwrap().1] {
        let args = ["--metrics-listen", listen];
        check(&run(&args, "{}"), 0, "{}\n", "");
        let done = run(&[&args[..], &["-v", "warn"]].concat(), "{}");
        check(
            &done,
            0,
            "{}\n",
            &format!("hsmtrail: warn: cannot listen on {address}"),
        );
    }
}

#[test]
fn a_metrics_file_is_replaced() {
    let place = Place::with(&[("m.prom", b"old")]);
    check(
        &place.run(&["--metrics-file", "m.prom"], "{}\n{}"),
        0,
        "{}\n{}\n",
        "",
    );
    let text = place.read("m.prom");
    assert!(
        text.contains("\nhsmtrail_records_total{outcome=\"passed\"} 2\n"),
        "{text}"
    );
    assert!(text.ends_with('\n'));
    let mode = fs::metadata(place.path("m.prom"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(
        (mode & 0o777, names(&place)),
        (0o644, vec!["m.prom".to_owned()])
    );
    // It is there before the end, and that it cannot be written is no reason to stop.
    let mut command = hsmtrail(["--metrics-file"]);
    command.arg(place.path("early.prom"));
    let running = Running::start(command);
    wait_until("the file", || place.path("early.prom").exists());
    assert_eq!(running.finish().code, Some(0));
    let done = place.run(&["--metrics-file", "no/such.prom"], "{}");
    check(&done, 0, "{}\n", "no/such.prom");
    // Never in the place of what else is read or written.
    let place = Place::with(&[("a.prom", b"{}")]);
    for args in [
        &["a.prom", "--output", "b"][..],
        &["./a.prom", "--output", "b"],
        &["-", "--output", "a.prom"],
        &["-", "--output", "new.prom", "--metrics-file", "./new.prom"],
        &["-", "--rejects", "./new.prom", "--metrics-file", "new.prom"],
    ] {
        let metrics: &[&str] = if args.contains(&"--metrics-file") {
            &[]
        } else {
            &["--metrics-file", "a.prom"]
        };
        check(
            &place.run(&[args, metrics].concat(), ""),
            2,
            "",
            ".prom is also ",
        );
        assert_eq!(place.read("a.prom"), "{}", "{args:?}");
    }
}

fn names(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.0.path()).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn messages_have_levels_and_formats() {
    for (args, told) in [
        (
            &[][..],
            "hsmtrail: cannot open /no/such: No such file or directory (os error 2)\n",
        ),
        (&["-v", "off"], ""),
        (
            &["--log-level", "error"],
            "hsmtrail: cannot open /no/such: No such file or directory (os error 2)\n",
        ),
    ] {
        let done = run(&[args, &["/no/such"]].concat(), "");
        assert_eq!((done.code, done.err.as_str()), (Some(3), told), "{args:?}");
    }
    let done = run(&["--log-format", "json", "/no/such"], "");
    let message: serde_json::Value = serde_json::from_str(&done.err).unwrap();
    assert_eq!(message["level"], "ERROR");
    assert_eq!(
        message["message"],
        "cannot open /no/such: No such file or directory (os error 2)"
    );
}

/// What a line on stderr would do to its host is in no proportion to a good run.
#[test]
fn stderr_is_silent_when_all_is_well() {
    let place = Place::with(&[("a", cloudhsm(1).as_bytes())]);
    let args = [
        "-o",
        "out",
        "--rejects",
        "rejects",
        "--metrics-listen",
        "0",
        "--metrics-file",
        "m.prom",
        "--workers",
        "3",
        "--flush-interval",
        "1ms",
        "--validate",
        "matching",
        "a",
        "-",
    ];
    check(
        &place.run(&args, &log_file(&[cloudhsm(2), other(3)])),
        0,
        "",
        "",
    );
    assert_eq!(
        (
            place.read("out").lines().count(),
            place.read("rejects").as_str()
        ),
        (3, "")
    );
}

// Where options come from.

/// How many lines come out of four records of which the second is rejected.
const EMIT: usize = 4;
const DROP: usize = 3;
const STOP: usize = 2;

/// What is typed, what is in the environment, and what comes of it.
type Given<'a> = (&'a [&'a str], Option<(&'a str, &'a str)>, usize);

const PRECEDENCE: [Given<'_>; 7] = [
    (&[], None, EMIT),
    (&["-c", "drop.toml"], None, DROP),
    (
        &["--config", "drop.toml"],
        Some(("ON_REJECT", "stop")),
        STOP,
    ),
    (&[], Some(("ON_REJECT", "drop")), DROP),
    (&[], Some(("CONFIG", "drop.toml")), DROP),
    (
        &["-c", "drop.toml", "--on-reject", "emit"],
        Some(("ON_REJECT", "stop")),
        EMIT,
    ),
    (
        &["-c", "stop.toml", "-o", "-"],
        Some(("SELECT", "all")),
        STOP,
    ),
];

#[test]
fn options_come_from_the_command_line_the_environment_and_a_file() {
    let place = Place::with(&[
        ("drop.toml", b"on_reject = \"drop\"\n"),
        (
            "stop.toml",
            b"# a comment\non_reject = \"stop\"\noutput = \"from-file\"\n",
        ),
    ]);
    for (args, variable, lines) in PRECEDENCE {
        let mut command = hsmtrail(args);
        command.current_dir(place.0.path());
        command.envs(variable.map(|(name, value)| (format!("HSMTRAIL_{name}"), value)));
        let done = run_command(command, "{}\n{bad}\n{}\n{}\n");
        assert_eq!(
            (done.code, done.lines().len()),
            (Some(1), lines),
            "{args:?} {variable:?}"
        );
    }
    assert!(!place.path("from-file").exists());
}

/// What is typed, and a part of what is told about it.
const MISTAKES: [(&[&str], &str); 14] = [
    (&["--ouput", "x"], "--output"),
    (&["--on-reject", "emitt"], "emit"),
    (&["--select", "hsm"], "[possible values: all, cloudhsm]"),
    (
        &["--workers", "0"],
        "it takes a whole number from 1 to 1024",
    ),
    (
        &["--workers", "two"],
        "it takes a whole number from 1 to 1024",
    ),
    (
        &["--max-record-bytes", "1"],
        "it takes a size from 1KiB to 1GiB",
    ),
    (
        &["--flush-interval", "2h"],
        "it takes a duration from 0 to 1h",
    ),
    (
        &["--metrics-listen", "x"],
        "it takes an address to listen on",
    ),
    (&["--metrics-file", "m.txt"], "`.prom`"),
    (
        &["-c", "typo.toml"],
        "typo.toml:3: `worker` is no option; did you mean `workers`?",
    ),
    (
        &["-c", "value.toml"],
        "value.toml:1: workers is `0`, but takes a whole number",
    ),
    (&["-c", "broken.toml"], "broken.toml:1: not valid TOML"),
    (
        &["-c", "missing.toml"],
        "cannot read the config file missing.toml",
    ),
    (&["explain", "DeleteHms"], "did you mean DeleteHsm?"),
];

/// Each is told on one line or with clap's hint, with exit status 2, before anything is touched.
#[test]
fn mistakes_are_usage_errors() {
    let place = Place::with(&[
        ("out", b"kept"),
        ("typo.toml", b"workers = 2\n\nworker = 3\n"),
        ("value.toml", b"workers = 0\n"),
        ("broken.toml", b"workers = \n"),
    ]);
    for (args, told) in MISTAKES {
        let output: &[&str] = if args[0] == "explain" {
            &[]
        } else {
            &["--output", "out"]
        };
        let done = place.run(&[args, output].concat(), "{}");
        check(&done, 2, "", told);
        assert_eq!(place.read("out"), "kept", "{args:?}");
    }
    for (name, value, told) in [
        (
            "HSMTRAIL_WORKER",
            "2",
            "HSMTRAIL_WORKER is no option; did you mean HSMTRAIL_WORKERS?",
        ),
        (
            "HSMTRAIL_SELECT",
            "some",
            "HSMTRAIL_SELECT is `some`, but takes `all` or `cloudhsm`",
        ),
    ] {
        let mut command = hsmtrail(["-o", "out"]);
        command.env(name, value).current_dir(place.0.path());
        check(&run_command(command, "{}"), 2, "", told);
        assert_eq!(place.read("out"), "kept", "{name}");
    }
}

/// As rsyslog starts it: no environment, no home, the root as working directory.
#[test]
fn nothing_is_needed_from_the_environment() {
    for args in [&[][..], &["--workers", "2"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hsmtrail"));
        command
            .args(args)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped());
        let done = run_command(command, cloudhsm(1));
        assert_eq!(done.quiet(), run(&[], cloudhsm(1)).quiet());
    }
    let mut command = Command::new("sh");
    let script = "trap '' INT HUP PIPE; exec \"$0\"";
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_hsmtrail")])
        .stdin(Stdio::piped());
    assert_eq!(run_command(command, "{}").quiet(), "{}\n");
}

// What is printed instead of filtering.

#[test]
fn help_tells_of_every_option() {
    let (short, long) = (run(&["-h"], ""), run(&["--help"], ""));
    for option in Args::command().get_opts() {
        let flag = format!("--{}", option.get_long().unwrap());
        assert!(short.quiet().contains(&flag), "-h lacks {flag}");
        assert!(long.quiet().contains(&flag), "--help lacks {flag}");
    }
    for word in [
        "explain",
        "schema",
        "completions",
        "man",
        "Exit status:",
        "Examples:",
    ] {
        assert!(long.quiet().contains(word), "--help lacks {word}");
    }
    let version = run(&["--version"], "");
    assert_eq!(
        version.quiet(),
        concat!("hsmtrail ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn commands_print_and_end() {
    for (args, told) in [
        (&["explain"][..], "DeleteBackup"),
        (&["explain", "deletebackup"], "DeleteBackup"),
        (&["schema"], "https://json-schema.org/draft/2020-12/schema"),
        (&["completions", "bash"], "--max-record-bytes"),
        (&["completions", "zsh"], "#compdef hsmtrail"),
        (&["completions", "fish"], "complete -c hsmtrail"),
        (&["man"], ".TH hsmtrail 1"),
        (&["man", "doctor"], ".TH hsmtrail-doctor 1"),
    ] {
        // Stdin is not read: a process that did would wait for this one for ever.
        let running = Running::start(hsmtrail(args));
        let done = running.wait();
        assert!(done.quiet().contains(told), "{args:?}: {}", done.text());
        assert!(done.text().ends_with('\n'), "{args:?}");
    }
    let schema = run(&["schema"], "");
    serde_json::from_str::<serde_json::Value>(schema.quiet()).unwrap();
}

/// The scripts are what their shells take, where those are installed.
#[test]
fn completions_are_scripts() {
    let place = Place::with(&[]);
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell], "");
        let path: &Path = &place.path(shell);
        fs::write(path, script.quiet()).unwrap();
        match Command::new(shell).arg("-n").arg(path).output() {
            Ok(checked) => assert!(checked.status.success(), "{shell}: {checked:?}"),
            Err(_) => eprintln!("SKIPPED: no {shell} here"),
        }
    }
}
