//! The recipes of `config/syslog-ng`, run by the real syslog-ng.
//!
//! It is looked for on the PATH and in /usr/sbin, or where `HSMTRAIL_TEST_SYSLOG_NG` says. Debian's
//! package is `syslog-ng-core`.

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
#[path = "common/port.rs"]
mod port;

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use host::{Host, check_all_in_order, installed, number, recipe, traffic};
use port::Port;
use tempfile::TempDir;

const RECORDS: usize = 10_000;

const BINARY: &str = "/usr/local/bin/hsmtrail";
const LOGS: &str = "/var/log/hsmtrail";
const STATE: &str = "/var/lib/syslog-ng";

/// syslog-ng over one of the recipes.
struct SyslogNg {
    host: Host,
    folder: TempDir,
}

impl SyslogNg {
    /// Starts it; `None` when it is not installed.
    fn start(name: &str, folder: TempDir, change: (&str, String)) -> Option<Self> {
        let daemon = installed("syslog-ng", "HSMTRAIL_TEST_SYSLOG_NG")?;
        let here = folder.path().display().to_string();
        let path = |name: &str| format!("{here}/{name}");
        let binary = env!("CARGO_BIN_EXE_hsmtrail").to_owned();
        let changes = [
            (BINARY, binary),
            (LOGS, here.clone()),
            (STATE, here.clone()),
            change,
        ];
        let text = recipe(&format!("syslog-ng/{name}"), &changes);
        fs::write(path("conf"), format!("@version: 3.35\n{text}")).unwrap();
        let mut command = Command::new(daemon);
        command.args(["--foreground", "--no-caps", "--cfgfile", &path("conf")]);
        command.args([
            "--persist-file",
            &path("persist"),
            "--pidfile",
            &path("pid"),
        ]);
        command.args(["--control", &path("control")]);
        let host = Host::start(command, folder.path());
        Some(Self { host, folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn the_destination_loses_alters_and_reorders_nothing() {
    let port = Port::free();
    let change = ("port(5514)", format!("port({})", port.number()));
    let Some(mut syslog_ng) = SyslogNg::start("destination.conf", folder(), change) else {
        return;
    };
    let mut connection = syslog_ng.host.wait_for("the port", || {
        TcpStream::connect(port.address).map_err(|_| 0)
    });
    let sending = thread::spawn(move || {
        for record in traffic(RECORDS) {
            let header = "<13>1 2026-03-07T23:24:10Z relay.example cloudtrail - - -";
            connection
                .write_all(format!("{header} {record}\n").as_bytes())
                .unwrap();
        }
    });
    let output = syslog_ng.path("cloudtrail.ndjson");
    let lines = syslog_ng.host.wait_for_lines(&output, RECORDS);
    sending.join().unwrap();
    check_all_in_order(&lines, RECORDS);
    let log = syslog_ng.path("hsmtrail.log");
    syslog_ng.host.stop();
    assert_eq!(fs::read_to_string(log).unwrap(), "");
    // Nothing comes at the end, and nothing goes.
    assert_eq!(fs::read_to_string(output).unwrap().lines().count(), RECORDS);
}

/// A folder with a file of records to follow.
fn with_trail(records: &[String]) -> (TempDir, (&'static str, String)) {
    let folder = folder();
    let trail = folder.path().join("trail");
    fs::write(&trail, input::lines(records)).unwrap();
    let change = ("/var/log/cloudtrail.ndjson", trail.display().to_string());
    (folder, change)
}

#[test]
fn the_source_loses_alters_and_reorders_nothing() {
    let records = traffic(RECORDS);
    let (folder, change) = with_trail(&records[..RECORDS / 2]);
    let Some(mut syslog_ng) = SyslogNg::start("source.conf", folder, change) else {
        return;
    };
    let output = syslog_ng.path("cloudhsm.ndjson");
    syslog_ng.host.wait_for_count(&output, RECORDS / 2);
    let mut trail = fs::File::options()
        .append(true)
        .open(syslog_ng.path("trail"))
        .unwrap();
    trail
        .write_all(input::lines(&records[RECORDS / 2..]).as_bytes())
        .unwrap();
    let lines = syslog_ng.host.wait_for_lines(&output, RECORDS);
    check_all_in_order(&lines, RECORDS);
    syslog_ng.host.stop();
}

/// syslog-ng starts it again, and it goes on where its state says: what it had written last comes
/// once more, and the line that it was writing may stand there cut short.
#[test]
fn the_source_loses_nothing_when_hsmtrail_is_killed() {
    let records = traffic(RECORDS);
    let (folder, change) = with_trail(&records);
    let Some(mut syslog_ng) = SyslogNg::start("source.conf", folder, change) else {
        return;
    };
    let output = syslog_ng.path("cloudhsm.ndjson");
    syslog_ng.host.wait_for_count(&output, 500);
    let killed = syslog_ng.host.kill_filters();
    let last = format!("\"n\":{}}}\n", RECORDS - 1);
    syslog_ng.host.wait_for_end(&output, &last);
    syslog_ng.host.stop();
    let text = fs::read_to_string(output).unwrap();
    let (mut next, mut cut) = (0, 0);
    for line in text.lines() {
        if !line.ends_with('}') || serde_json::from_str::<serde_json::Value>(line).is_err() {
            cut += 1;
            continue;
        }
        let n = number(line);
        assert!(n <= next, "{n} came before {next}");
        next = next.max(n + 1);
    }
    assert_eq!(next, RECORDS);
    assert!(cut <= killed, "{cut} lines are cut");
}
