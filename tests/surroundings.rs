//! What a host may give its children: several of them at once, no environment, signals that are
//! ignored, and a stderr that nobody reads or that is the journal.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

#[path = "common/binary.rs"]
mod binary;
#[path = "common/http.rs"]
mod http;
#[path = "common/input.rs"]
mod input;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use binary::{Running, Signal, hsmtrail, run_command, wait_until};
use input::{cloudhsm, lines, without_enrichment};

const BINARY: &str = env!("CARGO_BIN_EXE_hsmtrail");

// Several at once.

const INSTANCES: usize = 8;

/// A range for the loopback interface whose first port is taken.
fn range() -> (TcpListener, u16, u16) {
    loop {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let first = taken.local_addr().unwrap().port();
        // Where a system gives out the highest ports too.
        if let Some(last) = first.checked_add(200) {
            return (taken, first, last);
        }
    }
}

fn passed(text: &str) -> usize {
    let count = |line: &str| {
        let value = line.strip_prefix("hsmtrail_records_total{outcome=\"enriched\"} ")?;
        value.parse().ok()
    };
    text.lines().find_map(count).unwrap()
}

#[test]
fn many_instances_share_a_range_of_ports() {
    let (_taken, first, last) = range();
    let range = format!("127.0.0.1:{first}-{last}");
    let start = |n| {
        let mut running = Running::start(hsmtrail([
            "--workers=1",
            "-vinfo",
            "--metrics-listen",
            &range,
        ]));
        let records: Vec<_> = (0..=n).map(cloudhsm).collect();
        running.write(lines(&records));
        running
    };
    let instances: Vec<_> = (0..INSTANCES).map(start).collect();
    let mut ports = BTreeSet::new();
    for (n, running) in instances.iter().enumerate() {
        let said = running.wait_for_err("/metrics\n");
        let (_, address) = said.split_once("http://").unwrap();
        let address: SocketAddr = address.split_once('/').unwrap().0.parse().unwrap();
        assert!((first + 1..=last).contains(&address.port()), "{said}");
        assert!(ports.insert(address.port()), "{said}");
        // Each tells of itself.
        wait_until("the records", || {
            let response = http::request(address, "GET", "/metrics").unwrap();
            passed(&response.body) == n + 1
        });
    }
    for running in instances {
        assert_eq!(running.finish().code, Some(0));
    }
}

#[test]
fn a_range_that_is_taken_is_a_warning() {
    let (taken, first, _) = range();
    let listen = format!("127.0.0.1:{first}-{first}");
    for (level, told) in [
        (
            "warn",
            format!(
                "hsmtrail: warn: cannot listen on 127.0.0.1:{first} for metrics: Address already in use (os error 98); the filter works on without\n"
            ),
        ),
        ("error", String::new()),
    ] {
        let done = run_command(hsmtrail(["-v", level, "--metrics-listen", &listen]), "{}");
        assert_eq!(
            (done.code, done.text(), &*done.err),
            (Some(0), "{}\n", &*told)
        );
    }
    drop(taken);
}

#[test]
fn metrics_on_a_unix_socket() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("m.sock");
    let listen = format!("unix:{}", path.display());
    let args = ["-v", "info", "--metrics-listen", &listen];
    for signal in [None, Some(Signal::TERM)] {
        let running = Running::start(hsmtrail(args));
        assert_eq!(
            running.wait_for_err("\n"),
            format!("hsmtrail: info: metrics on {listen}\n")
        );
        let response = http::request_unix(&path, "/metrics").unwrap();
        assert_eq!((response.status, passed(&response.body)), (200, 0));
        let done = match signal {
            None => running.finish(),
            Some(signal) => {
                running.signal(signal);
                running.wait()
            }
        };
        assert_eq!(done.code, Some(0));
        assert!(!path.exists());
    }
    fs::write(&path, "precious").unwrap();
    let done = run_command(hsmtrail(args), "{}");
    let told = "for metrics: there is something else, which stays as it is; the filter works on";
    assert!(done.code == Some(0) && done.err.contains(told), "{done:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn files_by_process_do_not_clash() {
    let place = tempfile::tempdir().unwrap();
    let name = place.path().join("h-%p.prom");
    let start = |n| {
        let mut command = hsmtrail(["--workers=1", "--metrics-file"]);
        command.arg(&name);
        let mut running = Running::start(command);
        running.write(lines(&[cloudhsm(n)]));
        running
    };
    let instances: Vec<_> = (0..INSTANCES).map(start).collect();
    let pids: BTreeSet<_> = instances.iter().map(Running::pid).collect();
    for running in instances {
        assert_eq!(running.finish().code, Some(0));
    }
    let files = fs::read_dir(place.path()).unwrap();
    let files: BTreeSet<_> = files.map(|file| file.unwrap().file_name()).collect();
    let expected = pids.iter().map(|pid| format!("h-{pid}.prom").into());
    assert_eq!(files, expected.collect());
    for pid in pids {
        let text = fs::read_to_string(place.path().join(format!("h-{pid}.prom"))).unwrap();
        let series = format!("hsmtrail_records_total{{pid=\"{pid}\",outcome=\"enriched\"}} 1\n");
        assert!(text.contains(&series), "{text}");
    }
}

/// Said when it begins, and no reason to end or to end otherwise.
#[test]
fn a_metrics_file_that_cannot_be_written_is_told_once() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gone/m.prom");
    let mut command = hsmtrail(["--metrics-file"]);
    command.arg(&file);
    let done = run_command(command, "{}");
    let told = format!(
        "hsmtrail: cannot create the metrics file {}: No such file or directory",
        file.display()
    );
    assert_eq!((done.code, done.text()), (Some(0), "{}\n"));
    assert!(done.err.starts_with(&told), "{}", done.err);
    assert_eq!(done.err.lines().count(), 1, "{}", done.err);
}

// Nothing given.

/// As rsyslog's `mmexternal` and `omprog` start their children.
#[test]
fn no_environment_no_home_and_sigint_ignored() {
    let place = tempfile::tempdir().unwrap();
    let options = format!(
        "--metrics-file={}/%p.prom --rejects={}/rejects --metrics-listen=0",
        place.path().display(),
        place.path().display()
    );
    // The shell is only there to have the signal ignored.
    let script = format!("trap '' INT; cd /; exec env -i {BINARY} {options}");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).stdin(Stdio::piped());
    let mut running = Running::start(command);
    running.write(lines(&[cloudhsm(0)]));
    running.wait_for_out(|out| out.ends_with(b"\n"));
    // What came before the signal was passed on, so that it is no race who is faster.
    for n in 1..=3 {
        running.signal(Signal::INT);
        running.write(lines(&[cloudhsm(n)]));
        running.wait_for_out(|out| memchr::memchr_iter(b'\n', out).count() == n + 1);
    }
    let done = running.finish();
    assert_eq!(done.quiet().lines().count(), 4);
}

/// No shell, no /proc, no /dev and no other file than the binary and the libraries that it is linked
/// to.
#[test]
fn a_root_with_nothing_in_it() {
    const CHROOT: &str = "/usr/sbin/chroot";
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    let linked = Command::new("ldd").arg(BINARY).output().unwrap().stdout;
    let linked = String::from_utf8(linked).unwrap();
    // By another process: what a child of this one may hold open for writing cannot be run.
    let mut copy = Command::new("cp");
    copy.args(["-L", "--parents", BINARY]);
    copy.args(
        linked
            .split_whitespace()
            .filter(|word| word.starts_with('/')),
    );
    assert!(copy.arg(root).status().unwrap().success());
    let run = |args: &[&str], input: &str| {
        let mut command = Command::new(CHROOT);
        command.arg(root).arg(BINARY).args(args).env_clear();
        command.stdin(Stdio::piped());
        run_command(command, input)
    };
    if !Path::new(CHROOT).exists() || run(&["--version"], "").code == Some(125) {
        eprintln!("SKIPPED: only root can change the root directory");
        return;
    }
    fs::write(root.join("events"), lines(&[cloudhsm(1), "{]".to_owned()])).unwrap();
    let files = ["--rejects=/rejects", "--metrics-file=/m-%p.prom"];
    let done = run(
        &[&files[..], &["--metrics-listen=0", "events"]].concat(),
        "",
    );
    assert_eq!((done.code, done.err.as_str()), (Some(1), ""));
    assert_eq!(without_enrichment(done.text().trim_end()).0, cloudhsm(1));
    assert!(root.join("rejects").exists());
    let done = run(&["--metrics-listen=unix:/m.sock", "--lockstep"], "{}\n\n");
    assert_eq!(done.quiet(), "{}\n{}\n");
    let done = run(&["--ack=omprog", "--output=/kept"], "{}\n");
    assert_eq!(done.quiet(), "OK\nOK\n");
    let report = run(&["doctor"], "{}\n");
    assert!(report.text().starts_with("1 records read"), "{report:?}");
}

#[test]
fn sigint_ends_it_where_it_is_not_ignored() {
    let mut running = Running::start(hsmtrail(["-"]));
    running.write("{}\n");
    running.expect_out("{}\n");
    running.signal(Signal::INT);
    assert_eq!(running.wait().code, Some(130));
}

// stderr.

/// The pipe is full long before the end, and the host reads nothing but records.
#[test]
fn a_stderr_that_nobody_reads_stops_nothing() {
    // More than is kept of them, too.
    let rejects = 40_000;
    let (mut reader, stderr) = std::io::pipe().unwrap();
    let mut command = hsmtrail(["-v", "debug", "--summary"]);
    command.stdout(Stdio::piped()).stderr(stderr);
    let mut child = command.spawn().unwrap();
    // It keeps the writing end of the pipe.
    drop(command);
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        binary::write(&mut stdin, "{]\n".repeat(rejects).as_bytes());
    });
    let mut out = String::new();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut out).unwrap();
    feeder.join().unwrap();
    assert_eq!(out.lines().count(), rejects);
    assert_eq!(child.wait().unwrap().code(), Some(1));

    // What is in the pipe is whole lines, but for the one that was under way.
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    let lines: Vec<_> = said.split_inclusive('\n').collect();
    assert!((100..rejects).contains(&lines.len()), "{}", lines.len());
    for (n, line) in lines.iter().enumerate().take(lines.len() - 1) {
        let told = format!(
            "hsmtrail: debug: record {} of stdin, at byte {}, is rejected: malformed\n",
            n + 1,
            n * 3
        );
        assert_eq!(*line, told);
    }
}

/// Nothing is lost where stderr is read, also when more is said at once than a pipe holds.
#[test]
fn a_stderr_that_is_read_gets_everything() {
    let missing: Vec<_> = (0..5000).map(|n| format!("/no/such/file/{n}")).collect();
    let done = run_command(hsmtrail(&missing), "");
    assert_eq!(done.code, Some(3));
    let told: Vec<_> = done.err.lines().collect();
    assert_eq!(told.len(), missing.len());
    for (line, path) in told.iter().zip(&missing) {
        assert!(
            line.starts_with(&format!("hsmtrail: cannot open {path}: ")),
            "{line}"
        );
    }
}

#[test]
fn a_message_is_one_line_whatever_a_file_is_called() {
    let done = run_command(hsmtrail(["/no/such\n<0>hsmtrail: all is well"]), "");
    assert_eq!(
        (done.code, done.err.lines().count()),
        (Some(3), 1),
        "{}",
        done.err
    );
}

/// The journal's name for a file, as systemd puts it into the environment.
fn journal_stream(file: &Path) -> String {
    let file = fs::metadata(file).unwrap();
    format!("{}:{}", file.dev(), file.ino())
}

#[test]
fn messages_for_the_journal_have_its_levels() {
    let place = tempfile::tempdir().unwrap();
    let journal = place.path().join("journal");
    File::create(&journal).unwrap();
    let other = place.path().join("other");
    File::create(&other).unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let run = |stream: String, args: &[&str]| {
        let stderr = File::create(&journal).unwrap();
        let mut command = hsmtrail(["-v", "debug", "--summary", "--metrics-listen"]);
        command.arg(port.to_string()).args(args);
        command
            .env("JOURNAL_STREAM", stream)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(stderr);
        let mut child = command.spawn().unwrap();
        binary::write(&mut child.stdin.take().unwrap(), b"{]\n");
        child.wait().unwrap();
        let said = fs::read_to_string(&journal).unwrap();
        said.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let begins = |lines: &[String], words: &[&str]| {
        assert_eq!(lines.len(), words.len(), "{lines:#?}");
        // The warning comes from another thread than the others.
        for word in words {
            assert!(
                lines.iter().any(|line| line.starts_with(word)),
                "{word}: {lines:#?}"
            );
        }
    };
    begins(
        &run(journal_stream(&journal), &["/no/such", "-"]),
        &[
            "<4>cannot listen on ",
            "<3>cannot open /no/such",
            "<7>record 1 of stdin",
            "<6>1 records read",
        ],
    );
    // Usage errors too.
    begins(
        &run(journal_stream(&journal), &["--state=s"]),
        &["<3>--state needs --follow"],
    );
    // stderr was led elsewhere: it is a file as any other.
    for stream in [journal_stream(&other), "1:2".to_owned(), String::new()] {
        begins(
            &run(stream, &["/no/such", "-"]),
            &[
                "hsmtrail: warn: cannot listen",
                "hsmtrail: cannot open",
                "hsmtrail: debug: record 1",
                "hsmtrail: 1 records read",
            ],
        );
    }
    // Objects have a level of their own.
    let lines = run(journal_stream(&journal), &["--log-format=json", "/no/such"]);
    assert!(lines[0].starts_with("{\"timestamp\":"), "{lines:#?}");
}
