//! The units of `config/systemd`, as far as they can be tried without being root of a machine:
//! systemd checks them, their commands run, and sockets are passed on as it passes them on.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking and says what it left out"
)]

#[path = "common/binary.rs"]
mod binary;
#[path = "common/host.rs"]
mod host;
#[path = "common/http.rs"]
mod http;
#[path = "common/input.rs"]
mod input;
#[path = "common/port.rs"]
mod port;

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use binary::{Done, Running, Signal, hsmtrail, run_command, wait_until};
use input::{cloudhsm, lines, other};
use port::Port;

const RECORDS: usize = 10_000;

const BINARY: &str = env!("CARGO_BIN_EXE_hsmtrail");
const PROXY: &str = "/lib/systemd/systemd-socket-proxyd";

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/systemd")
}

fn unit(name: &str) -> String {
    fs::read_to_string(units().join(name)).unwrap()
}

/// The names of all units.
fn names() -> Vec<String> {
    let files = fs::read_dir(units()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let is_unit = |name: &String| {
        let kinds = [".service", ".socket", ".timer"];
        kinds.iter().any(|kind| name.ends_with(kind))
    };
    let mut names: Vec<_> = names.filter(is_unit).collect();
    names.sort_unstable();
    assert_eq!(names.len(), 7);
    names
}

/// What a program of systemd's says; nothing when it is not installed.
fn asked(command: &mut Command) -> Option<Output> {
    match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let program = command.get_program().display();
            eprintln!("SKIPPED: {program} is not installed (Debian package systemd)");
            None
        }
        output => Some(output.unwrap()),
    }
}

/// The arguments of a unit's command, with `changes` made to it.
fn command_of(unit_name: &str, changes: &[(&str, &str)]) -> Vec<String> {
    let text = unit(unit_name).replace("\\\n", " ");
    let command = text
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let mut command = command.unwrap().to_owned();
    for (from, to) in changes {
        assert!(command.contains(from), "{unit_name}: {command}");
        command = command.replace(from, to);
    }
    let mut words = command.split_whitespace().map(str::to_owned);
    assert_eq!(words.next().unwrap(), "/usr/local/bin/hsmtrail");
    words.collect()
}

// The units.

#[test]
fn systemd_accepts_the_units() {
    let place = tempfile::tempdir().unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]);
    for name in names() {
        // It wants to see the programs.
        let text = unit(&name).replace("/usr/local/bin/hsmtrail", BINARY);
        let path = place.path().join(&name);
        fs::write(&path, text).unwrap();
        verify.arg(path);
    }
    let Some(output) = asked(&mut verify) else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    for name in names().iter().filter(|name| name.ends_with(".service")) {
        let mut rate = Command::new("systemd-analyze");
        // 0 is closed, 10 is open.
        rate.args(["security", "--offline=true", "--threshold=15", "--no-pager"]);
        let output = rate.arg(place.path().join(name)).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&said)
        );
    }
}

/// What a service may use at most is what the README says that it may need.
#[test]
fn memory_is_that_of_the_formula() {
    for (name, inputs) in [
        ("hsmtrail.service", 1),
        ("hsmtrail-batch.service", 3),
        ("hsmtrail-input.service", 16),
    ] {
        let text = unit(name);
        let limit = text
            .lines()
            .find_map(|line| line.strip_prefix("MemoryMax=")?.strip_suffix('M'));
        let limit: u32 = limit.unwrap().parse().unwrap();
        assert!(
            command_of(name, &[]).join(" ").contains("--workers 2 "),
            "{name}"
        );
        let most = 16 + 2 * (48 + 32) + inputs * (12 + 3 + 8);
        assert!(
            (most..2 * most).contains(&limit),
            "{name}: {most} of {limit} MiB"
        );
    }
}

#[test]
fn the_service_that_follows_goes_on_where_it_ended() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("events.ndjson");
    let directory = place.path().to_str().unwrap();
    let args = command_of(
        "hsmtrail.service",
        &[
            ("${STATE_DIRECTORY}", directory),
            ("${RUNTIME_DIRECTORY}", directory),
            ("/var/log/cloudtrail/events.ndjson", file.to_str().unwrap()),
        ],
    );
    let output = place.path().join("cloudhsm.ndjson");
    let mut fed = String::new();
    for round in 1..=2 {
        fed += &lines(&[other(round), cloudhsm(round)]);
        fs::write(&file, &fed).unwrap();
        let running = Running::start(hsmtrail(&args));
        let written = || fs::read_to_string(&output).unwrap_or_default();
        wait_until("the event", || written().lines().count() == round);
        let socket = place.path().join("metrics.sock");
        // A record is counted when it was written, so the file may have it first.
        let one = "\nhsmtrail_records_total{outcome=\"enriched\"} 1\n";
        wait_until("the count", || {
            let scraped = http::request_unix(&socket, "/metrics");
            scraped.is_ok_and(|scraped| scraped.body.contains(one))
        });
        running.signal(Signal::HUP);
        running.signal(Signal::TERM);
        running.wait().quiet();
    }
}

#[test]
fn the_batch_run_leaves_its_metrics() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().to_str().unwrap();
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/AWSLogs");
    let args = command_of(
        "hsmtrail-batch.service",
        &[
            ("${STATE_DIRECTORY}", directory),
            ("/var/lib/prometheus/node-exporter", directory),
            ("/srv/cloudtrail/AWSLogs", archive),
        ],
    );
    let done = run_command(hsmtrail(args), "");
    assert_eq!((done.code, done.text()), (Some(0), ""));
    assert!(
        done.err.starts_with("hsmtrail: 1284 records read"),
        "{}",
        done.err
    );
    let events = fs::read_to_string(place.path().join("cloudhsm.ndjson")).unwrap();
    assert_eq!(events.lines().count(), 108);
    assert!(place.path().join("hsmtrail.prom").exists());
}

/// systemd ends a process at the first call that `SystemCallFilter=` does not name.
#[test]
fn the_filter_of_system_calls_lets_through_what_it_needs() {
    let set = |name: &str| {
        let mut sets = vec![name.to_owned()];
        let mut calls = BTreeSet::new();
        while let Some(name) = sets.pop() {
            let output = asked(Command::new("systemd-analyze").args(["syscall-filter", &name]))?;
            let text = String::from_utf8(output.stdout).unwrap();
            for word in text.lines().skip(1).map(str::trim) {
                if word.starts_with('@') {
                    sets.push(word.to_owned());
                } else if !word.is_empty() && !word.starts_with('#') {
                    calls.insert(word.to_owned());
                }
            }
        }
        Some(calls)
    };
    let Some(mut allowed) = set("@system-service") else {
        return;
    };
    for denied in ["@privileged", "@resources"] {
        let denied = set(denied).unwrap();
        allowed.retain(|call| !denied.contains(call));
    }
    let place = tempfile::tempdir().unwrap();
    let [trace, metrics, output] =
        ["trace", "m.prom", "out"].map(|name| place.path().join(name).display().to_string());
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", &trace, BINARY, "--summary"]);
    command.args([
        "--metrics-listen=0",
        "--metrics-file",
        &metrics,
        "--output",
        &output,
    ]);
    command.args([
        concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/AWSLogs"),
        "/no/such",
    ]);
    match command.stdin(Stdio::null()).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("SKIPPED: strace is not installed (Debian package strace)");
            return;
        }
        output => assert_eq!(output.unwrap().status.code(), Some(3)),
    }
    let trace = fs::read_to_string(trace).unwrap();
    let calls = trace.lines().filter_map(|line| {
        let (before, _) = line.split_once('(')?;
        before.split_whitespace().nth(1)
    });
    // Not what resumes, nor the call of a thread that was gone before strace could ask which it was.
    let calls: BTreeSet<_> = calls
        .filter(|call| call.starts_with(|first: char| first.is_ascii_alphabetic()))
        .collect();
    assert!(calls.len() > 30, "{calls:?}");
    let denied: Vec<_> = calls
        .iter()
        .filter(|call| !allowed.contains(**call))
        .collect();
    assert!(denied.is_empty(), "{denied:?}");
}

// Sockets that are passed on.

/// Becomes hsmtrail with sockets from descriptor 3 on, as systemd starts it. The first argument says
/// for whom they are, the second what they are.
const PASS_ON: &str = r#"
import os, socket, sys

whose, kinds, path, program, *arguments = sys.argv[1:]
passed = []
for kind in kinds.split():
    family = socket.AF_INET if kind == "tcp" else socket.AF_UNIX
    made = socket.socket(family, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM)
    if kind == "tcp":
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", int(path)))
    else:
        made.bind(path + str(len(passed)))
    if kind in ("tcp", "unix"):
        made.listen()
    passed.append(os.dup(made.fileno()))
    made.close()
# Out of the way of one another.
high = [os.dup2(descriptor, 100 + n) for n, descriptor in enumerate(passed)]
for n, descriptor in enumerate(high):
    os.dup2(descriptor, 3 + n, inheritable=True)
    os.close(descriptor)
environment = {"LISTEN_FDS": str(len(high)), "LISTEN_PID": str(os.getpid() if whose == "ours" else 1)}
os.execve(program, [program, *arguments], environment)
"#;

fn passed_on<S: AsRef<str>>(whose: &str, kinds: &str, at: &str, args: &[S]) -> Option<Command> {
    if asked(Command::new("python3").arg("--version")).is_none() {
        eprintln!("SKIPPED: python3 passes the sockets on");
        return None;
    }
    let mut command = Command::new("python3");
    command.args(["-c", PASS_ON, whose, kinds, at, BINARY]);
    command
        .args(args.iter().map(AsRef::as_ref))
        .stdin(Stdio::null());
    Some(command)
}

fn stop(running: Running) -> Done {
    running.signal(Signal::TERM);
    running.wait()
}

#[test]
fn the_service_reads_from_a_socket_that_is_passed_on() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().to_str().unwrap();
    let changes = [
        ("${STATE_DIRECTORY}", directory),
        ("127.0.0.1:9464-9471", "0"),
    ];
    let args = command_of("hsmtrail-input.service", &changes);
    let socket = place.path().join("socket");
    let Some(command) = passed_on("ours", "unix", socket.to_str().unwrap(), &args) else {
        return;
    };
    let running = Running::start(command);
    let socket = place.path().join("socket0");
    wait_until("the socket", || UnixStream::connect(&socket).is_ok());
    for n in 0..3 {
        let mut client = UnixStream::connect(&socket).unwrap();
        client.write_all(cloudhsm(n).as_bytes()).unwrap();
    }
    let output = place.path().join("cloudhsm.ndjson");
    let written = || fs::read_to_string(&output).unwrap_or_default();
    wait_until("the events", || written().lines().count() == 3);
    stop(running).quiet();
    // It is systemd's.
    assert!(socket.exists());
}

#[test]
fn a_port_is_passed_on_too() {
    let reserved = Port::free();
    let (address, port) = (reserved.address, reserved.number().to_string());
    let args = [
        "--listen",
        "systemd",
        "--log-level",
        "info",
        "--flush-interval",
        "1ms",
    ];
    let Some(command) = passed_on("ours", "tcp", &port, &args) else {
        return;
    };
    let running = Running::start(command);
    running.wait_for_err(&format!("listening on tcp:{address}\n"));
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"{\"a\":1}\n{]").unwrap();
    drop(client);
    // A reject names it as a socket of our own.
    let out = running.wait_for_out(|out| memchr::memchr_iter(b'\n', out).count() == 2);
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.contains(&format!("\"source\":\"tcp:{address}#")),
        "{out}"
    );
    assert_eq!(stop(running).code, Some(1));
}

#[test]
fn what_is_not_one_socket_that_listens_is_told() {
    let none = "systemd has to pass on one socket, and it was 0 (LISTEN_FDS)";
    let two = "systemd has to pass on one socket, and it was 2 (LISTEN_FDS)";
    let wrong = "what systemd passed on is no stream socket that listens; Accept=no is needed";
    for (whose, kinds, told) in [
        ("ours", "", none),
        ("another's", "unix", none),
        ("ours", "unix unix", two),
        ("ours", "datagram", wrong),
        ("ours", "silent", wrong),
    ] {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("s").display().to_string();
        let Some(command) = passed_on(whose, kinds, &path, &["--listen", "systemd"]) else {
            return;
        };
        let done = run_command(command, "");
        let told = format!("hsmtrail: {told}\n");
        assert_eq!(
            (done.code, &*done.err),
            (Some(3), &*told),
            "{whose} {kinds}"
        );
    }
    // Not started by systemd at all.
    let done = run_command(hsmtrail(["--listen", "systemd"]), "");
    assert_eq!(
        (done.code, done.err),
        (Some(3), format!("hsmtrail: {none}\n"))
    );
}

/// systemd's own program for trying a service out starts it with the first client, and all that
/// another one sends comes through.
#[test]
fn systemd_starts_it_with_the_first_client() {
    if asked(Command::new("systemd-socket-activate").arg("--version")).is_none() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("socket");
    let mut command = Command::new("systemd-socket-activate");
    command
        .arg("--listen")
        .arg(&socket)
        .args([BINARY, "--listen", "systemd"]);
    let running = Running::start({
        command.stdin(Stdio::null());
        command
    });
    // The first one says nothing and goes.
    wait_until("the socket", || UnixStream::connect(&socket).is_ok());
    let mut client = UnixStream::connect(&socket).unwrap();
    let sending = thread::spawn(move || {
        let records = lines(&host::traffic(RECORDS));
        client.write_all(records.as_bytes()).unwrap();
    });
    let last = format!("\"n\":{}}}\n", RECORDS - 1);
    running.wait_for_out(|out| out.ends_with(last.as_bytes()));
    sending.join().unwrap();
    let done = stop(running);
    assert_eq!(done.code, Some(0));
    let written: Vec<String> = done.text().lines().map(str::to_owned).collect();
    host::check_all_in_order(&written, RECORDS);
}

/// The way from a port to the metrics on a Unix socket.
#[test]
fn the_proxy_leads_to_the_metrics() {
    let is_there = Path::new(PROXY).exists();
    if !is_there || asked(Command::new("systemd-socket-activate").arg("--version")).is_none() {
        eprintln!("SKIPPED: {PROXY} is not installed (Debian package systemd)");
        return;
    }
    assert!(unit("hsmtrail-metrics.service").contains(&format!("ExecStart={PROXY} ")));
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("metrics.sock");
    let listen = format!("unix:{}", socket.display());
    let filter = Running::start(hsmtrail(["--metrics-listen", &listen]));
    wait_until("the socket", || socket.exists());
    let port = Port::free();
    let address = port.address;
    let mut command = Command::new("systemd-socket-activate");
    command
        .args(["--listen", &address.to_string(), PROXY])
        .arg(&socket);
    command.stdin(Stdio::null());
    let proxy = Running::start(command);
    wait_until("the metrics", || {
        let response = http::request(address, "GET", "/metrics");
        response.is_ok_and(|response| response.body.contains("\nhsmtrail_build_info{"))
    });
    stop(proxy);
    assert_eq!(filter.finish().code, Some(0));
}
