//! Bugs that were found once, each by a test named after what went wrong.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of tests may fail like the tests themselves"
)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use hsmtrail::framing::{InputForm, RecordDecoder};
use rustix::io::ioctl_fionread;
use rustix::process::{Pid, Signal, kill_process};
use tokio_util::codec::Decoder as _;

fn hsmtrail(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_hsmtrail"))
        .args(args)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the filter makes of `input`: its output and its exit status.
fn filtered(input: &str) -> (String, Option<i32>) {
    filtered_with(&[], input)
}

fn filtered_with(args: &[&str], input: &str) -> (String, Option<i32>) {
    let mut child = hsmtrail(args);
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    (
        String::from_utf8(output.stdout).unwrap(),
        output.status.code(),
    )
}

fn terminate(child: &Child) {
    kill_process(Pid::from_child(child), Signal::TERM).unwrap();
}

fn wait_until_filled(path: &Path) {
    while fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        thread::sleep(Duration::from_millis(1));
    }
}

/// The file was left with a torn line when the thread of the run had not yet let go of it.
#[test]
fn r_rejects_are_whole_lines_after_a_signal_in_an_oversize_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rejects");
    for _ in 0..200 {
        let rejects = path.to_str().unwrap();
        let mut child = hsmtrail(&[
            "--rejects",
            rejects,
            "--max-record-bytes",
            "1KiB",
            "--flush-interval",
            "1ms",
        ]);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"{\"a\":\"").unwrap();
        stdin.write_all(&[b'x'; 5000]).unwrap();
        wait_until_filled(&path);
        terminate(&child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        fs::remove_file(&path).unwrap();
    }
}

/// The signals were handled only some time after the first byte had been written.
#[test]
fn r_a_signal_right_after_the_first_line_does_not_kill() {
    for _ in 0..20 {
        let mut child = hsmtrail(&["--flush-interval", "0ms"]);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"{}\n").unwrap();
        let mut line = [0; 3];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut line)
            .unwrap();
        terminate(&child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(output.stdout, b"");
    }
}

/// Each was a batch of its own, and before each the rest of the buffer was searched for its last
/// line break.
#[test]
fn r_documents_in_lines_share_a_batch() {
    for input in ["{\n\"a\":1}\n", "[\n{}]\n", "{}\n[\n{}]\n"] {
        let mut decoder = RecordDecoder::new(InputForm::Auto, 1024);
        let mut buffer = BytesMut::from(format!("{{}}\n{}", input.repeat(1000)).as_bytes());
        let mut batches = 0;
        while decoder.decode_eof(&mut buffer).unwrap().is_some() {
            batches += 1;
        }
        assert!(batches <= 3, "{batches} of {input:?}");
    }
}

/// Everything behind a log file that lacks its last brace was skipped as if it were a member of
/// it, uncounted.
#[test]
fn r_what_follows_an_unclosed_log_file_is_read() {
    for (input, rest) in [
        (r#"{"b":2}"#, "{\"b\":2}\n"),
        ("\n{\"b\":2}\n", "{\"b\":2}\n"),
        (r#"{"Records":[{"b":2}]}{"c":3}"#, "{\"b\":2}\n{\"c\":3}\n"),
        ("\n[\n{\"b\":2}]", "{\"b\":2}\n"),
        (",\n{\"b\":2}", "{\"b\":2}\n"),
        ("\"x\"\n{\"b\":2}", "{\"b\":2}\n"),
        (r#","x":{"b":2},"y":[{}]}{"c":3}"#, "{\"c\":3}\n"),
    ] {
        // As the whole source, and as a document in lines.
        for (before, passed) in [
            ("{\"Records\":[{\"a\":1}]", "{\"a\":1}\n"),
            ("{}\n{\n\"Records\":[{\"a\":1}]\n", "{}\n{\"a\":1}\n"),
        ] {
            assert_eq!(
                filtered(&format!("{before}{input}")),
                (format!("{passed}{rest}"), Some(0)),
                "{before}{input}"
            );
        }
    }
    let pretty = "{}\n{\n\"Records\":[]\n{\n\"Records\":[\n{\n}]}\n{\"c\":3}\n";
    assert_eq!(filtered(pretty).0, "{}\n{}\n{\"c\":3}\n");
}

/// The reader ran ahead of the reject that ends the run, so a file behind it that could not be read
/// made the status 3 in some runs and 1 in others.
#[test]
fn r4_a_failure_behind_the_reject_that_stops_does_not_count() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("bad"), "{\"n\":1}\n{\"n\":\n").unwrap();
    fs::write(path("cut.gz"), b"\x1f\x8b\x08\0\0").unwrap();
    for _ in 0..20 {
        for (files, code) in [
            (["bad", "missing", "cut.gz"], 1),
            (["missing", "bad", "cut.gz"], 3),
        ] {
            let files = files.map(path);
            let mut args = vec!["--on-reject", "stop"];
            args.extend(files.iter().map(String::as_str));
            let output = hsmtrail(&args).wait_with_output().unwrap();
            let errors = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{errors}");
            assert_eq!(errors.lines().count(), usize::from(code == 3), "{errors}");
        }
    }
}

/// In lines, an object that was too long when its `Records` began was taken for the beginning of a
/// document, and the lines behind it for a part of it.
#[test]
fn r5_a_log_file_that_begins_too_late_costs_its_line() {
    for end in ["]}", "]", ""] {
        let blanks = " ".repeat(2000);
        let input =
            format!("{{}}\n{{{blanks}\"Records\":[{{\"a\":1}}{end}\n{{\"n\":2}}\n{{\"n\":3}}\n");
        let (output, code) = filtered_with(&["--max-record-bytes", "1KiB"], &input);
        let lines: Vec<_> = output.lines().collect();
        assert_eq!(lines.len(), 4, "{output}");
        assert!(lines[1].contains("\"reason\":\"oversize\""), "{output}");
        assert_eq!(lines[2..], ["{\"n\":2}", "{\"n\":3}"]);
        assert_eq!(code, Some(1));
    }
}

/// In an object that could still become a log file, a quote behind a backslash outside strings
/// began a string, in any other object it did not, so the same damage cost more in some forms.
#[test]
fn r5_an_escaped_quote_outside_strings_costs_its_record_in_every_form() {
    let damaged = ["{\"n\":1\\\"a}", "{\"n\":\\\"1}", "{\"n\":1\\\\\"}\"}"];
    for damaged in damaged {
        for (open, between, close) in [
            ("", "\n", "\n"),
            ("", "", ""),
            ("{\"Records\":[", ",", "]}"),
            ("[\n", ",\n", "\n]\n"),
        ] {
            let records = ["{\"n\":0}", damaged, "{\"n\":2}"].join(between);
            let (output, _) = filtered(&format!("{open}{records}{close}"));
            let lines: Vec<_> = output.lines().collect();
            assert_eq!(lines.len(), 3, "{output}");
            assert_eq!((lines[0], lines[2]), ("{\"n\":0}", "{\"n\":2}"));
        }
    }
}

/// With too few file descriptors left, the runtime panicked.
#[test]
fn r_too_few_descriptors_are_said() {
    for limit in 6..24 {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -n {limit}; exec \"$0\"")])
            .arg(env!("CARGO_BIN_EXE_hsmtrail"))
            .env_clear();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"{}\n").unwrap_or(());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        match output.status.code() {
            Some(0) => assert_eq!((output.stdout.as_slice(), err.as_str()), (&b"{}\n"[..], "")),
            Some(3) => assert!(
                err.starts_with("hsmtrail: cannot start: "),
                "{limit}: {err}"
            ),
            other => panic!("{limit}: {other:?}, {err}"),
        }
    }
}

/// When there was no memory for the stack of a reader, the workers waited for it for ever.
#[cfg(target_os = "linux")]
#[test]
fn r_too_few_threads_end_the_run() {
    for mib in 8..200 {
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -v $1; exec \"$0\" --workers 2"])
            .arg(env!("CARGO_BIN_EXE_hsmtrail"))
            .arg((mib * 1024).to_string())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"{}\n").unwrap_or(());
        // The pipe of stdout is at its end when the process is, however long that takes.
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!err.contains("panicked"), "{mib} MiB: {err}");
        if output.status.success() {
            assert_eq!(output.stdout, b"{}\n", "{mib} MiB");
            return;
        }
        // What fails may do so behind the record, but not within it.
        let whole: [&[u8]; 2] = [b"", b"{}\n"];
        assert!(
            whole.contains(&output.stdout.as_slice()),
            "{mib} MiB: {:?}",
            output.status
        );
    }
    panic!("200 MiB are too little");
}

/// A reader of a socket that left while a write waited for it was an error, and not a closed pipe.
#[test]
fn r_a_reader_of_a_socket_that_leaves_is_a_closed_pipe() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let writer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (reader, _) = listener.accept().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_hsmtrail"))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(OwnedFd::from(writer))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeder = thread::spawn(move || while stdin.write_all(b"{\"n\":1}\n").is_ok() {});
    // Nothing more comes when a write waits.
    let mut there = 0;
    loop {
        thread::sleep(Duration::from_millis(50));
        let now = ioctl_fionread(&reader).unwrap();
        if now > 0 && now == there {
            break;
        }
        there = now;
    }
    drop(reader);
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(141));
}

/// The scan of the framer takes a quote behind a backslash for none, also outside strings, and so saw
/// one bracket where the check for depth sees 129. The record passed with `--validate matching`.
#[test]
fn r_a_backslash_outside_strings_hides_no_bracket() {
    let record = format!(r#"{{"eventVersion":"1.08",\" "{}" }}"#, "[".repeat(128));
    for input in [
        format!("{record}\n"),
        format!(r#"{{"Records":[{record}]}}"#),
    ] {
        for validate in ["all", "matching"] {
            let (output, status) = filtered_with(&["--validate", validate], &input);
            assert_eq!(status, Some(1), "{validate}");
            assert!(output.contains(r#""reason":"too_deep""#), "{output}");
        }
    }
}
