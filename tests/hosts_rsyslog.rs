//! The recipes of `config/rsyslog`, run by the real rsyslogd.
//!
//! It is looked for on the PATH, in /usr/sbin, and where `HSMTRAIL_TEST_RSYSLOGD` says. Debian's
//! package cannot be installed beside syslog-ng, but it can be unpacked, and is found there too:
//!
//! ```text
//! apt-get download rsyslog && dpkg-deb -x rsyslog_*.deb target/hosts
//! ```
//!
//! Its modules are taken from beside it. The libraries libestr0 and libfastjson4 have to be there.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

#[path = "common/host.rs"]
mod host;
#[path = "common/input.rs"]
mod input;

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, JoinHandle};

use host::{Host, check_all_in_order, installed, number, recipe, traffic};
use tempfile::TempDir;

const RECORDS: usize = 10_000;

const BINARY: &str = "/usr/local/bin/hsmtrail";
const LOGS: &str = "/var/log/hsmtrail";
const SPOOL: &str = "/var/spool/rsyslog";
const PORT: &str = "port=\"5514\"";

/// rsyslogd over one of the recipes.
struct Rsyslog {
    host: Host,
    folder: TempDir,
}

impl Rsyslog {
    /// Starts it and waits until it listens; `None` when it is not installed.
    fn start(name: &str) -> Option<Self> {
        let daemon = installed("rsyslogd", "HSMTRAIL_TEST_RSYSLOGD")?;
        let daemon = fs::canonicalize(daemon).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let port = format!("port=\"0\" listenPortFileName=\"{}\"", path("port"));
        let conf = recipe(
            &format!("rsyslog/{name}"),
            &[
                (BINARY, env!("CARGO_BIN_EXE_hsmtrail").to_owned()),
                (LOGS, folder.path().display().to_string()),
                (SPOOL, folder.path().display().to_string()),
                (PORT, port),
            ],
        );
        fs::write(path("conf"), conf).unwrap();
        let mut command = Command::new(&daemon);
        command.args(["-n", "-f", &path("conf"), "-i", &path("pid")]);
        if let Some(modules) = modules_beside(&daemon) {
            command.arg("-M").arg(modules);
        }
        let host = Host::start(command, folder.path());
        Some(Self { host, folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends records from a thread, as a relay does, over a connection that is then closed.
    fn send(&mut self, records: Vec<String>) -> JoinHandle<()> {
        let port_file = self.path("port");
        let port: u16 = self.host.wait_for("the port", || {
            let text = fs::read_to_string(&port_file).unwrap_or_default();
            text.trim().parse().map_err(|_| 0)
        });
        thread::spawn(move || {
            let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
            for record in records {
                let header = "<13>1 2026-03-07T23:24:10Z relay.example cloudtrail - - -";
                connection
                    .write_all(format!("{header} {record}\n").as_bytes())
                    .unwrap();
            }
        })
    }
}

/// The modules of a package that was unpacked somewhere.
fn modules_beside(daemon: &Path) -> Option<PathBuf> {
    let root = daemon.parent()?.parent()?;
    let folders = fs::read_dir(root.join("lib")).ok()?.flatten();
    let mut modules = folders.map(|folder| folder.path().join("rsyslog"));
    modules.find(|modules| modules.join("omprog.so").is_file())
}

#[test]
fn omprog_loses_alters_and_reorders_nothing() {
    let Some(mut rsyslog) = Rsyslog::start("omprog.conf") else {
        return;
    };
    let sending = rsyslog.send(traffic(RECORDS));
    let output = rsyslog.path("cloudtrail.ndjson");
    let lines = rsyslog.host.wait_for_lines(&output, RECORDS);
    sending.join().unwrap();
    check_all_in_order(&lines, RECORDS);
    let log = rsyslog.path("hsmtrail.log");
    rsyslog.host.stop();
    assert_eq!(fs::read_to_string(log).unwrap_or_default(), "");
    let lines = fs::read_to_string(output).unwrap();
    assert_eq!(lines.lines().count(), RECORDS);
}

/// At least once: each record is there, in order of its first appearance. What had no answer when the
/// process was killed comes again.
#[test]
fn omprog_loses_nothing_when_hsmtrail_is_killed() {
    let Some(mut rsyslog) = Rsyslog::start("omprog.conf") else {
        return;
    };
    let sending = rsyslog.send(traffic(RECORDS));
    let output = rsyslog.path("cloudtrail.ndjson");
    for at in [100, RECORDS / 3, RECORDS * 2 / 3] {
        rsyslog.host.wait_for_count(&output, at);
        rsyslog.host.kill_filters();
    }
    // Repeats may come before what is missing.
    let last = format!("\"n\":{}}}\n", RECORDS - 1);
    rsyslog.host.wait_for_end(&output, &last);
    sending.join().unwrap();
    rsyslog.host.stop();
    let text = fs::read_to_string(output).unwrap();
    let mut next = 0;
    for line in text.lines() {
        let n = number(line);
        assert!(n <= next, "{n} came before {next}");
        next = next.max(n + 1);
    }
    assert_eq!(next, RECORDS);
}

#[test]
fn mmexternal_enriches_in_place() {
    let Some(mut rsyslog) = Rsyslog::start("mmexternal.conf") else {
        return;
    };
    let sending = rsyslog.send(traffic(RECORDS));
    let output = rsyslog.path("cloudtrail.ndjson");
    let lines = rsyslog.host.wait_for_lines(&output, RECORDS);
    sending.join().unwrap();
    check_all_in_order(&lines, RECORDS);
    // The variable steers: each DeleteHsm is grave, and nothing else is.
    let grave = rsyslog.path("grave.ndjson");
    let grave = rsyslog.host.wait_for_lines(&grave, RECORDS / 20);
    let enriched: Vec<&String> = lines.iter().filter(|line| number(line) % 20 == 3).collect();
    assert!(grave.iter().eq(enriched));
    let said = rsyslog.host.said();
    rsyslog.host.stop();
    assert_eq!(said, "");
}

/// What is asked at that moment passes as it came; no message is lost.
#[test]
fn mmexternal_passes_messages_when_hsmtrail_is_killed() {
    let Some(mut rsyslog) = Rsyslog::start("mmexternal.conf") else {
        return;
    };
    let sending = rsyslog.send(traffic(RECORDS));
    let output = rsyslog.path("cloudtrail.ndjson");
    rsyslog.host.wait_for_count(&output, 100);
    rsyslog.host.kill_filters();
    let lines = rsyslog.host.wait_for_lines(&output, RECORDS);
    sending.join().unwrap();
    let sent = traffic(RECORDS);
    let bare = lines
        .iter()
        .zip(&sent)
        .filter(|(line, sent)| line == sent)
        .count();
    let plain = (0..RECORDS).filter(|n| n % 20 != 3).count();
    assert!((plain..=plain + 1).contains(&bare), "{bare} of {plain}");
    assert!(lines.iter().zip(&sent).all(|(line, sent)| {
        line == sent || input::without_enrichment(line) == (sent.clone(), true)
    }));
    rsyslog.host.stop();
}
