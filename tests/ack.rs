//! `--ack omprog` through the binary: the conversation, and that what was confirmed is kept.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "common/binary.rs"]
mod binary;
#[path = "common/input.rs"]
mod input;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use binary::{Done, Running, Signal, hsmtrail, wait_until, whole_lines};
use input::{cloudhsm, lines, log_file, other, without_enrichment};
use tempfile::TempDir;

const BEGIN: &str = "BEGIN TRANSACTION";
const COMMIT: &str = "COMMIT TRANSACTION";
const OK: &str = "OK";

/// A host that sends a line when it has the answer to the one before.
struct Host {
    running: Running,
    /// What it has heard.
    heard: String,
}

impl Host {
    /// Waits until it may send.
    fn start(output: &Path, options: &[&str]) -> Self {
        let args = ["--ack", "omprog", "--flush-interval", "1h", "--output"];
        let args = args
            .into_iter()
            .map(Into::into)
            .chain([output.as_os_str().to_owned()]);
        Self::of(hsmtrail(args.chain(options.iter().map(Into::into))))
    }

    /// Starts a command, and waits until it may send.
    fn of(command: Command) -> Self {
        let mut host = Self {
            running: Running::start(command),
            heard: String::new(),
        };
        host.hear();
        host
    }

    fn hear(&mut self) {
        self.heard.push_str("OK\n");
        self.running.expect_out(&self.heard);
    }

    fn say(&mut self, line: &str) {
        self.running.write(line);
        self.running.write("\n");
        self.hear();
    }

    /// Says that there is no more, and checks that nothing more is heard.
    fn end(self) -> Done {
        let done = self.running.finish();
        assert_eq!(done.text(), self.heard);
        done
    }
}

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records");
    (folder, path)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// The records of a file without what was added to them.
fn records(path: &Path) -> Vec<String> {
    let text = read(path);
    let records = whole_lines(&text)
        .into_iter()
        .map(|line| without_enrichment(line).0);
    records.collect()
}

/// Each line, and how many records are in the file when it is answered.
#[test]
fn conversations() {
    let (one, two) = (other(1), cloudhsm(2));
    let both = log_file(&[&one, &two]);
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 21));
    let conversations: [&[(&str, usize)]; 5] = [
        &[],
        &[(&one, 1), (&two, 2), ("", 2), ("junk", 3), (&both, 5)],
        &[
            (BEGIN, 0),
            (&one, 1),
            ("", 1),
            ("junk", 2),
            (&both, 4),
            (COMMIT, 4),
            (&one, 5),
            (BEGIN, 5),
            (COMMIT, 5),
            (BEGIN, 5),
            (&two, 6),
            (COMMIT, 6),
        ],
        // What would open a document in a pipe, and what is too long.
        &[
            (BEGIN, 0),
            ("{", 1),
            ("[", 2),
            (r#"{"Records":["#, 3),
            (&one, 4),
            (COMMIT, 4),
            (&long, 5),
            (&one, 6),
        ],
        // A mark that is not one; a transaction that begins anew.
        &[
            ("BEGIN TRANSACTION ", 1),
            (BEGIN, 1),
            (&one, 2),
            (BEGIN, 2),
            (&two, 3),
            (COMMIT, 3),
            (COMMIT, 3),
        ],
    ];
    for conversation in conversations {
        let (_folder, path) = file();
        let mut host = Host::start(&path, &[]);
        for (line, kept) in conversation {
            host.say(line);
            assert_eq!(records(&path).len(), *kept, "{conversation:?}");
        }
        host.end();
    }
}

/// The pipe may cut anywhere, and the host need not wait.
#[test]
fn the_same_at_every_chunk_size() {
    let sent = [other(1), cloudhsm(2), "junk".to_owned(), other(3), other(4)];
    let [one, two, junk, three, four] = &sent;
    let text = lines(&[BEGIN, one, two, junk, COMMIT, three, BEGIN, four, COMMIT]);
    let heard = lines(&[OK; 10]);
    let mut files = Vec::new();
    for size in [1, 5, 19, 64, text.len()] {
        let (_folder, path) = file();
        let args = ["--ack=omprog", "--output", path.to_str().unwrap()];
        let mut running = Running::start(hsmtrail(args));
        for piece in text.as_bytes().chunks(size) {
            running.write(piece);
            if text.len() / size < 50 {
                running.wait_until_read();
            }
        }
        let done = running.finish();
        assert_eq!((done.text(), done.code), (&*heard, Some(1)), "by {size}");
        files.push(read(&path));
    }
    assert!(files.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(files[0].lines().count(), sent.len());
}

/// Far more than one batch, from a host that does not wait: all is kept in order, and answered.
#[test]
fn a_long_transaction() {
    let (_folder, path) = file();
    let mut host = Host::start(&path, &["--workers", "2"]);
    let sent: Vec<String> = (0..3000)
        .map(|n| match n % 500 {
            7 => format!(r#"{{"n":{n},"a":"{}"}}"#, "x".repeat(250_000)),
            n if n % 20 == 0 => cloudhsm(n),
            n => other(n),
        })
        .collect();
    let text = lines(&[&[BEGIN.to_owned()], &sent[..], &[COMMIT.to_owned()]].concat());
    host.running.feed(text.into_bytes());
    host.heard.push_str(&"OK\n".repeat(sent.len() + 2));
    host.running.expect_out(&host.heard);
    assert_eq!(records(&path), sent);
    assert_eq!(host.end().code, Some(0));
}

/// A line without its end was cut; the host sends it again.
#[test]
fn what_has_not_ended_is_no_message() {
    for ends_by_signal in [false, true] {
        let (_folder, path) = file();
        let mut host = Host::start(&path, &["--summary"]);
        host.say(&other(1));
        host.say(BEGIN);
        host.say(&other(2));
        host.running.write(other(3));
        host.running.wait_until_read();
        let done = if ends_by_signal {
            host.running.signal(Signal::TERM);
            host.running.wait()
        } else {
            host.end()
        };
        assert_eq!(records(&path), [other(1), other(2)]);
        assert_eq!(done.code, Some(0));
        let left = format!("of which {} bytes had come", other(3).len());
        assert!(done.err.contains(&left), "{}", done.err);
    }
}

#[test]
fn nothing_is_confirmed_that_cannot_be_written() {
    for said in [&[][..], &[BEGIN]] {
        let (_folder, path) = file();
        let mut command = Command::new("sh");
        // No file may hold a byte.
        command.args(["-c", "ulimit -f 0; exec \"$0\" --ack=omprog -o \"$1\""]);
        command.args([env!("CARGO_BIN_EXE_hsmtrail"), path.to_str().unwrap()]);
        command.stdin(Stdio::piped());
        let mut host = Host::of(command);
        for line in said {
            host.say(line);
        }
        host.running.write(lines(&[&*other(1), COMMIT]));
        let done = host.running.wait();
        assert_eq!((done.code, done.text()), (Some(3), &*host.heard));
        let told = format!("cannot write to {}", path.display());
        assert!(done.err.contains(&told), "{}", done.err);
        assert_eq!(read(&path), "");
    }
    let mut running = Running::start(hsmtrail(["--ack=omprog", "--output=/no/such/folder/file"]));
    let status = running.wait_for_end();
    assert_eq!(status.code(), Some(3));
    assert_eq!(running.wait().text(), "", "it was not ready");
}

#[test]
fn a_host_that_is_gone_ends_it_quietly() {
    let (_folder, path) = file();
    let (reader, writer) = std::io::pipe().unwrap();
    let args = ["--ack=omprog", "--output", path.to_str().unwrap()];
    let mut running = Running::start_with_stdout(hsmtrail(args), Stdio::from(writer));
    drop(reader);
    // It may have ended before it is spoken to.
    running.feed(lines(&[other(1)]).into_bytes());
    let done = running.wait();
    assert_eq!(done.err, "");
}

/// What goes into a device or to the next program is not kept.
#[test]
fn only_a_regular_file_keeps_records() {
    for nothing in ["/dev/null", "/dev/stdout", "/dev/full"] {
        let done = Running::start(hsmtrail(["--ack=omprog", "-o", nothing])).wait();
        assert_eq!((done.code, done.text()), (Some(3), ""), "{nothing}");
        let told = format!("{nothing} is no regular file");
        assert!(done.err.contains(&told), "{}", done.err);
    }
}

/// The host starts it again and again over the same file.
#[test]
fn the_output_is_continued_behind_its_last_whole_line() {
    let (_folder, path) = file();
    fs::write(&path, "{\"old\":1}\n{\"torn\":").unwrap();
    let done = Host::start(&path, &["-v", "warn"]).end();
    assert_eq!(read(&path), "{\"old\":1}\n");
    assert!(done.err.contains("8 bytes"), "{}", done.err);
    // Also when what is torn is long, and when it is all there is.
    for (text, whole) in [
        (format!("{{}}\n{}", "x".repeat(200_000)), "{}\n"),
        ("x".repeat(70_000), ""),
    ] {
        fs::write(&path, text).unwrap();
        let mut host = Host::start(&path, &[]);
        host.say(&other(1));
        host.end();
        assert_eq!(read(&path), format!("{whole}{}\n", other(1)));
    }
}

#[test]
fn nobody_else_writes_the_file() {
    let (_folder, path) = file();
    let mut host = Host::start(&path, &[]);
    host.say(&other(1));
    let args = ["--ack=omprog", "--output", path.to_str().unwrap()];
    let second = Running::start(hsmtrail(args)).wait();
    assert_eq!((second.code, second.text()), (Some(3), ""));
    let told = "is also written by another run";
    assert!(second.err.contains(told), "{}", second.err);
    // Nor does one that would begin with emptying it.
    let plain = ["-o", path.to_str().unwrap()];
    let third = binary::run(&plain, "{}\n");
    assert_eq!(third.code, Some(3));
    assert!(third.err.contains(told), "{}", third.err);
    host.say(&other(2));
    host.end();
    assert_eq!(records(&path), [other(1), other(2)]);
}

#[test]
fn files_rotate_and_rejects_are_kept() {
    let (folder, path) = file();
    let old = folder.path().join("records.1");
    let rejects = folder.path().join("rejects");
    fs::write(&rejects, "{\"old\":1}\n{\"to").unwrap();
    let option = format!("--rejects={}", rejects.display());
    let mut host = Host::start(&path, &[&option]);
    host.say(&other(1));
    // Nothing has moved yet.
    host.running.signal(Signal::HUP);
    host.say(&other(2));
    fs::rename(&path, &old).unwrap();
    host.running.signal(Signal::HUP);
    wait_until("the new file", || path.exists());
    let mut n = 3;
    // The signal makes the file some moments before it is used.
    while fs::metadata(&path).unwrap().len() == 0 {
        host.say(&other(n));
        n += 1;
    }
    host.say("junk");
    assert_eq!(host.end().code, Some(1));
    let sent: Vec<String> = (1..n).map(other).collect();
    assert_eq!([records(&old), records(&path)].concat(), sent);
    let rejects = read(&rejects);
    assert_eq!(rejects.lines().count(), 2);
    assert!(rejects.starts_with("{\"old\":1}\n{\"hsmtrail_reject\""));
}

/// At least once: what was confirmed is there after any `kill -9`, in order, and each line is whole;
/// what was not may be there as well.
#[test]
fn a_kill_loses_nothing_that_was_confirmed() {
    let (_folder, path) = file();
    let long = "x".repeat(200_000);
    let record = |n: usize| match n % 4 {
        3 => format!(r#"{{"n":{n},"a":"{long}"}}"#),
        _ => other(n),
    };
    let mut confirmed = 0;
    for round in 0..8 {
        let mut host = Host::start(&path, &[]);
        let mut text = String::new();
        for n in confirmed..confirmed + 40 {
            text.push_str(&lines(&[record(n)]));
        }
        // It is killed somewhere in the middle of this, when it has confirmed that many.
        host.running.feed(text.into_bytes());
        let least = "OK\n".len() * (2 + round * 3);
        host.running.wait_for_out(|out| out.len() >= least);
        host.running.signal(Signal::KILL);
        let done = host.running.wait();
        confirmed += done.text().matches("OK\n").count() - 1;
    }
    // One more run cuts a torn line off.
    Host::start(&path, &[]).end();
    let there = records(&path);
    let mut expected = 0;
    for line in there {
        let n: usize = (0..=expected)
            .rev()
            .find(|n| line == record(*n))
            .expect("a whole record");
        expected = expected.max(n + 1);
    }
    assert!(expected >= confirmed, "{expected} of {confirmed}");
}
