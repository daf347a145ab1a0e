//! Memory: bounded, whatever the input. The peak is the kernel's own figure.

#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use crate::binary::{Running, hsmtrail, wait_until, write};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::input::{gzip, other};

const MB: usize = 1 << 20;

/// More than the bound, and as much as a build without optimisation gets through in seconds.
const STREAM: usize = if cfg!(debug_assertions) {
    48 * MB
} else {
    400 * MB
};

/// Enough to be noticed against [`SHORT`], should it be held.
const LONG: usize = 16 * MB;

/// Enough for every buffer that can be under way to be so: after 2 MB a third of them were not.
const SHORT: usize = 4 * MB;

/// How much more the longer input may take: less than itself, more than the buffers that happen to
/// be in use at a time.
const SLACK: usize = 8 * MB;

/// What a run with [`WORKERS`] may take.
const BOUND: usize = 40 * MB;

/// The same on every machine.
const WORKERS: [&str; 2] = ["--workers", "2"];

/// The most memory that `running` has had so far.
fn peak(running: &Running) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// Streams `start`, then `unit` until `length` bytes, then `end`; gives the peak.
fn stream(args: &[&str], [start, unit, end]: [&str; 3], length: usize, code: i32) -> usize {
    let mut running =
        Running::start_with_stdout(hsmtrail(args.iter().chain(&WORKERS)), Stdio::null());
    let piece = unit.repeat(MB.div_ceil(unit.len()));
    running.write(start);
    for _ in 0..length.div_ceil(piece.len()) {
        running.write(&piece);
    }
    running.write(end);
    let peak = peak(&running);
    let done = running.finish();
    assert_eq!(
        (done.code, done.err.as_str()),
        (Some(code), ""),
        "{args:?}, {start}{unit:.40}…"
    );
    peak
}

/// Checks that four times the input takes hardly more memory, and not too much.
fn check(args: &[&str], input: [&str; 3], code: i32) {
    let [short, long] = [SHORT, LONG].map(|length| stream(args, input, length, code));
    assert!(
        long < short + SLACK && long < BOUND,
        "{args:?}, {:.60}… takes {} MiB, and if long {} MiB",
        input.concat(),
        short / MB,
        long / MB
    );
}

#[test]
fn a_document_on_one_line_is_streamed() {
    let record = other(1).replace('{', &format!("{{\"pad\":\"{}\",", "x".repeat(1000))) + ",";
    let peak = stream(&[], ["{\"Records\":[", &record, "{}]}"], STREAM, 0);
    assert!(peak < BOUND, "{} MiB", peak / MB);
}

#[test]
fn a_record_that_is_too_long_is_not_held() {
    let peak = stream(&[], ["{\"a\":\"", "xxxxxxxx", "\"}\n"], STREAM, 1);
    assert!(peak < BOUND, "{} MiB", peak / MB);
    for args in [["--on-reject", "drop"], ["--rejects", "/dev/null"]] {
        check(&args, ["{\"a\":\"", "xxxxxxxx", "\"}\n"], 1);
    }
    check(&[], ["{\"Records\":[[", "{},", "{}]]}"], 1);
    check(&[], ["{\"", "xxxxxxxx", "\":1}"], 1);
    check(&[], ["{}\n{\"never\":\"closed ", "\\\"", ""], 1);
}

#[test]
fn deep_nesting_is_not_held() {
    for unit in ["[", "{\"a\":", "{\"Records\":[["] {
        check(&[], ["", unit, ""], 1);
    }
    check(&[], ["{}\n", "[", "\n{}"], 1);
}

#[test]
fn what_is_no_record_is_not_held() {
    for (start, end) in [("", ""), ("{}\n", "{}"), ("{\"Records\":[", "]}")] {
        check(&[], [start, " ", end], 0);
    }
    check(&[], ["", "\n\r\n", "{}"], 0);
    check(
        &[],
        ["{\"Records\":[{}],\"skipped\":[", "\"text\",", "0]}"],
        0,
    );
    check(&[], ["{\"a\":\n", " ", "1}"], 1);
}

/// The results of the AWS commands, on one line.
#[test]
fn arrays_of_other_names_are_streamed() {
    let event = format!(
        "{:?}",
        other(1).replace('{', &format!("{{\"pad\":\"{}\",", "x".repeat(1000)))
    );
    for [start, unit, end] in [
        [
            "{\"Events\":[",
            &format!("{{\"CloudTrailEvent\":{event}}},"),
            "{}]}",
        ],
        [
            "{\"QueryResultRows\":[",
            &format!("[{{\"eventJson\":{event}}}],"),
            "[]]}",
        ],
        ["[", &format!("{event},"), "{}]"],
        [
            "{\"events\":[{\"message\":\"text\"},",
            &format!("{{\"message\":{event}}},"),
            "{}]}",
        ],
    ] {
        check(&[], [start, unit, end], 0);
    }
}

/// Gzip inside records makes much of little: what comes of it is handed on in parts.
#[test]
fn what_unfolds_from_records_is_not_held() {
    let pad = format!("{{\"pad\":\"{}\",", "x".repeat(2_000));
    let messages = format!("{{\"message\":{:?}}},", other(1).replace('{', &pad)).repeat(200);
    let text = format!("{{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[{messages}{{}}]}}");
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(text.as_bytes()).unwrap();
    let packed = STANDARD.encode(packed.finish().unwrap());
    let line = format!("{{\"awslogs\":{{\"data\":\"{packed}\"}}}}\n");
    // One batch, whose lines come out as more than may be held.
    let count = BOUND * 5 / 4 / text.len();
    assert!(
        count * line.len() < 256 * 1024,
        "{} bytes a line",
        line.len()
    );
    let mut running = Running::start(hsmtrail(WORKERS));
    running.write(line.repeat(count));
    running.write("{\"last\":0}\n");
    running.wait_for_out(|out| out.ends_with(b"{\"last\":0}\n"));
    let peak = peak(&running);
    assert_eq!(running.finish().code, Some(0));
    assert!(peak < BOUND, "{} MiB", peak / MB);
}

/// The worst in bytes out for bytes in: each value of one byte is a reject.
#[test]
fn many_rejects_are_not_held() {
    // What is kept of each beside its bytes is many times its length.
    let bound = 3 * BOUND;
    for (args, input) in [
        (&["--on-reject", "drop"][..], ["[", "1,", "1]"]),
        (&["--on-reject", "drop"], ["[", "[],", "1]"]),
        (&[], ["[", "1,", "1]"]),
        (&[], ["", "1\n", ""]),
        (
            &["--lockstep", "--max-record-bytes=2MiB"],
            ["[", "1,", "1]\n"],
        ),
    ] {
        let peak = stream(args, input, MB, 1);
        assert!(peak < bound, "{args:?}, {input:?}: {} MiB", peak / MB);
    }
}

/// What is held for its order, and what is remembered to find repeats.
#[test]
fn what_is_held_and_remembered_is_bounded() {
    let record = |length| {
        let pad = "x".repeat(length);
        format!("{{\"eventTime\":\"2026-03-07T00:00:00Z\",\"eventID\":\"1\",\"pad\":\"{pad}\"}}\n")
    };
    let reorder = ["--reorder", "8760h", "--reorder-records", "300"];
    check(&reorder, ["", &record(1), ""], 0);
    check(&reorder, ["", &record(300_000), ""], 0);
    check(&["--dedup=1000", "--dedup-mark"], ["", &record(1), ""], 0);
}

/// Buffers that many small files have used took turns, until each was as large as the largest batch;
/// and one read filled all the room that a long record had been given.
#[test]
fn small_files_before_long_records_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: String, text: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let event = other(1).replace('{', &format!("{{\"pad\":\"{}\",", "x".repeat(1000)));
    let long = format!("{{\"pad\":\"{}\"}}\n", "x".repeat(MB - 20)).repeat(24);
    let mut files: Vec<_> = (0..64)
        .map(|n| file(format!("{n:02}.json"), event.as_bytes()))
        .collect();
    files.push(file("long.json".to_owned(), long.as_bytes()));
    let out = file("out".to_owned(), b"");
    // Behind the files it waits for stdin, so that its peak can be read.
    let passes = std::iter::repeat_n(&files, 5)
        .flatten()
        .map(PathBuf::as_path);
    let args = passes.chain([Path::new("-")]);
    let command = hsmtrail(WORKERS.iter().map(Path::new).chain(args));
    let running = Running::start_with_stdout(command, File::create(&out).unwrap().into());
    let length = 5 * (long.len() + 64 * (event.len() + 1));
    wait_until("the last line", || {
        fs::metadata(&out).unwrap().len() == length as u64
    });
    let peak = peak(&running);
    assert_eq!(running.finish().code, Some(0));
    // Two threads have lots of their own, beside the one in turn.
    assert!(peak < BOUND * 3 / 2, "{} MiB", peak / MB);
}

/// A line of a host, and the many short ones that wait together.
#[test]
fn what_is_answered_is_bounded() {
    let record = other(1).replace('{', &format!("{{\"pad\":\"{}\",", "x".repeat(1000))) + "\n";
    for form in ["--lockstep", "--lockstep=mmexternal"] {
        check(&[form], ["", &record, ""], 0);
    }
    check(&["--lockstep"], ["{\"a\":\"", "xxxxxxxx", "\"}\n"], 1);
    let blank = stream(&["--lockstep"], ["", "\n", ""], 1, 0);
    assert!(blank < BOUND, "{} MiB", blank / MB);
    let kept = tempfile::NamedTempFile::new().unwrap();
    let output = ["--ack=omprog", "--output", kept.path().to_str().unwrap()];
    check(&output, ["", &record, ""], 0);
}

/// Twelve times the data, out of hardly more bytes, takes no more memory.
#[test]
fn a_gzip_bomb_is_streamed() {
    let [small, large] = [1, 12].map(|size| {
        let mut running = Running::start_with_stdout(hsmtrail(WORKERS), Stdio::null());
        running.write(gzip(vec![b' '; size * MB]));
        let peak = peak(&running);
        assert_eq!(running.finish().code, Some(0));
        peak
    });
    assert!(
        large < small + SLACK,
        "{} and {} MiB",
        small / MB,
        large / MB
    );
}

/// A reader that takes nothing makes the filter take nothing more.
#[test]
fn a_slow_reader_holds_the_input_back() {
    let (_reader, writer) = std::io::pipe().unwrap();
    let mut running = Running::start_with_stdout(hsmtrail(WORKERS), writer.into());
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let piece = format!("{}\n", other(1)).repeat(1000);
    running.feed_by(move |stdin| {
        while write(stdin, piece.as_bytes()) {
            counter.fetch_add(piece.len(), Ordering::Relaxed);
        }
    });
    let mut before = usize::MAX;
    while taken.load(Ordering::Relaxed) != before {
        before = taken.load(Ordering::Relaxed);
        sleep(Duration::from_millis(300));
    }
    let peak = peak(&running);
    assert!(
        before < BOUND && peak < BOUND,
        "{} and {} MiB",
        before / MB,
        peak / MB
    );
}
