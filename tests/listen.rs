//! `--listen` through the binary: many clients at once, their framing, limits, and the socket file.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[path = "common/binary.rs"]
mod binary;
#[path = "common/input.rs"]
mod input;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use binary::{Done, Running, Signal, hsmtrail, run, wait_until};
use input::{cloudhsm, gzip, lines, log_file, other, without_enrichment};

fn listen(args: &[&str]) -> Running {
    let all = ["--flush-interval", "10ms", "--workers", "2"];
    Running::start(hsmtrail(all.iter().chain(args)))
}

/// Listens on a free port of the loopback interface.
fn on_tcp(args: &[&str]) -> (Running, SocketAddr) {
    let mut all = vec!["--listen", "tcp:0", "-v", "info"];
    all.extend(args);
    let running = listen(&all);
    let said = running.wait_for_err("\n");
    let (_, address) = said.split_once("listening on tcp:").unwrap();
    let address: SocketAddr = address.trim().parse().unwrap();
    assert!(address.ip().is_loopback());
    (running, address)
}

fn on_unix(path: &Path, args: &[&str]) -> Running {
    let socket = format!("unix:{}", path.display());
    let mut all = vec!["--listen", &socket];
    all.extend(args);
    let running = listen(&all);
    wait_until("the socket", || UnixStream::connect(path).is_ok());
    running
}

fn stop(running: Running) -> Done {
    running.signal(Signal::TERM);
    running.wait()
}

fn wait_for_lines(running: &Running, count: usize) {
    running.wait_for_out(|out| memchr::memchr_iter(b'\n', out).count() >= count);
}

/// The numbers of the records, by what client sent them.
fn by_client(done: &Done) -> BTreeMap<usize, Vec<usize>> {
    let mut clients: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for line in done.lines() {
        let (record, _) = without_enrichment(line);
        let digits = record.rsplit_once(':').unwrap().1;
        let number: usize = digits.strip_suffix('}').unwrap().parse().unwrap();
        clients
            .entry(number / 1000)
            .or_default()
            .push(number % 1000);
    }
    clients
}

/// Each of them sends in pieces that end anywhere, in a form of its own.
#[test]
fn fifty_clients_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let (tcp, address) = on_tcp(&[]);
    let unix = on_unix(&path, &[]);
    let (clients, records) = (50, 200);
    thread::scope(|scope| {
        for client in 0..clients {
            let path = &path;
            scope.spawn(move || {
                let record = |n: usize| match n % 10 {
                    0 => cloudhsm(client * 1000 + n),
                    _ => other(client * 1000 + n),
                };
                let sent: Vec<_> = (0..records).map(record).collect();
                let sent = match client % 4 {
                    0 => lines(&sent).into_bytes(),
                    1 => sent.concat().into_bytes(),
                    2 => log_file(&sent).into_bytes(),
                    _ => gzip(lines(&sent)),
                };
                let mut tcp = TcpStream::connect(address).unwrap();
                let mut unix = UnixStream::connect(path).unwrap();
                for piece in sent.chunks(37 + client * 11) {
                    tcp.write_all(piece).unwrap();
                    unix.write_all(piece).unwrap();
                }
            });
        }
    });
    for running in [tcp, unix] {
        wait_for_lines(&running, clients * records);
        let done = stop(running);
        assert_eq!(done.code, Some(0), "{}", done.err);
        let by_client = by_client(&done);
        assert_eq!(by_client.len(), clients);
        assert!(by_client.values().all(|n| n.iter().copied().eq(0..records)));
    }
}

#[test]
fn each_connection_is_a_source_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let running = on_unix(&path, &["--summary"]);
    let connect = || UnixStream::connect(&path).unwrap();
    let (mut one, mut other) = (connect(), connect());
    one.write_all(b"{\"n\":1}\n{\"n\":").unwrap();
    wait_for_lines(&running, 1);
    other.write_all(b"{\"n\":2}\n{\"n\":3}\n{\"n\":4").unwrap();
    wait_for_lines(&running, 3);
    one.write_all(b"5}\n").unwrap();
    wait_for_lines(&running, 4);
    // What it has begun is a reject when it goes, with the numbers of its own records.
    drop(other);
    wait_for_lines(&running, 5);
    one.write_all(b"{\"n\":6}\n{\"n\":7").unwrap();
    wait_for_lines(&running, 6);
    let done = stop(running);
    assert_eq!(done.code, Some(1), "{}", done.err);
    let lines = done.lines();
    assert_eq!(
        lines[..4],
        ["{\"n\":1}", "{\"n\":2}", "{\"n\":3}", "{\"n\":5}"]
    );
    assert!(
        lines[4].contains("\"reason\":\"truncated\""),
        "{}",
        lines[4]
    );
    assert!(
        lines[4].contains("\",\"record\":3,\"offset\":16,"),
        "{}",
        lines[4]
    );
    assert_eq!(lines[5], "{\"n\":6}");
    // The client that was there when it was stopped may go on elsewhere.
    assert!(
        done.err
            .contains(" Stopped inside a record, of which 6 bytes"),
        "{}",
        done.err
    );
    assert!(!path.exists());
}

#[test]
fn connections_are_limited_and_others_wait() {
    let (running, address) = on_tcp(&["--max-connections", "2"]);
    let connect = || TcpStream::connect(address).unwrap();
    let mut clients: Vec<_> = (0..3).map(|_| connect()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client
            .write_all(format!("{{\"n\":{n}}}\n").as_bytes())
            .unwrap();
    }
    wait_for_lines(&running, 2);
    drop(clients.remove(0));
    wait_for_lines(&running, 3);
    drop(clients);
    let mut last = connect();
    last.write_all(b"{\"n\":3}").unwrap();
    wait_for_lines(&running, 4);
    let done = stop(running);
    assert_eq!((done.code, done.lines().len()), (Some(0), 4));
}

#[test]
fn an_idle_connection_is_ended() {
    let (running, address) = on_tcp(&["--idle-timeout", "50ms", "--max-connections", "1"]);
    let mut silent = TcpStream::connect(address).unwrap();
    silent.write_all(b"{\"n\":1}\n{\"n\":").unwrap();
    wait_for_lines(&running, 2);
    // It is closed from the other side, and the next one is read.
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    let mut next = TcpStream::connect(address).unwrap();
    next.write_all(b"{\"n\":2}").unwrap();
    wait_for_lines(&running, 3);
    let done = stop(running);
    assert_eq!(done.code, Some(1));
    assert!(done.lines()[1].contains("\"reason\":\"truncated\""));
}

#[test]
fn the_socket_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let socket = format!("unix:{}", path.display());
    let args = ["--listen", &*socket];

    // It is its owner's only, whatever the umask, and gone at the end.
    let running = on_unix(&path, &[]);
    let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    wait_until("no other name of it is left", || {
        fs::read_dir(dir.path()).unwrap().count() == 1
    });
    // Nobody else can have it.
    let done = run(&args, "");
    assert_eq!(done.code, Some(3));
    assert!(done.err.contains("another process does"), "{}", done.err);
    stop(running).quiet();
    assert!(!path.exists());

    // One that nobody listens on is replaced.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    stop(on_unix(&path, &[])).quiet();

    // Anything else stays.
    fs::write(&path, "precious").unwrap();
    let done = run(&args, "");
    assert_eq!(done.code, Some(3));
    let told = "there is something else, which stays as it is";
    assert!(done.err.contains(told), "{}", done.err);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

    let done = run(&["--listen", "unix:/no/such/socket"], "");
    assert_eq!(done.code, Some(3));
    assert!(
        done.err
            .contains("cannot listen on unix:/no/such/socket: No such file")
    );
}

/// The rejects of others stood inside the line of a record that was too long to be held.
#[test]
fn a_record_that_is_too_long_leaves_the_rejects_of_others_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (path, rejects) = (dir.path().join("socket"), dir.path().join("rejects"));
    let args = ["--max-record-bytes=1KiB", "--rejects"];
    let running = on_unix(&path, &[&args[..], &[rejects.to_str().unwrap()]].concat());
    let kept = || std::fs::read(&rejects).unwrap();
    let mut long = UnixStream::connect(&path).unwrap();
    let mut other = UnixStream::connect(&path).unwrap();
    let mut sent = b"{\"a\":\"".to_vec();
    long.write_all(&sent).unwrap();
    other.write_all(b"{}\n").unwrap();
    let (rounds, piece) = (10, vec![b'x'; 40_000]);
    for round in 1..=rounds {
        long.write_all(&piece).unwrap();
        sent.extend_from_slice(&piece);
        other.write_all(b"{bad\n").unwrap();
        wait_until("the short reject", || {
            memchr::memmem::find_iter(&kept(), "\"raw\":\"{bad\"").count() == round
        });
    }
    long.write_all(b"\"}\n").unwrap();
    sent.extend_from_slice(b"\"}");
    drop((long, other));
    wait_until("all lines", || {
        memchr::memchr_iter(b'\n', &kept()).count() == rounds + 1
    });
    assert_eq!(stop(running).code, Some(1));
    let mut found = Vec::new();
    for line in kept()
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let reject: serde_json::Value = serde_json::from_slice(line).unwrap();
        let reject = &reject["hsmtrail_reject"];
        if reject["reason"] == "oversize" {
            let raw = STANDARD.decode(reject["raw_base64"].as_str().unwrap());
            assert_eq!(reject["length"], sent.len());
            found.push(raw.unwrap());
        }
    }
    assert!(found == [sent], "{} records", found.len());
    // What it waited in is gone.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
