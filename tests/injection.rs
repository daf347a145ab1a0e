//! Nothing that others write reaches the terminal, the log or the metrics as more than text: not of
//! records, of names of files, of options or of what the environment holds.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[path = "common/binary.rs"]
mod binary;

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use binary::{Done, Running, hsmtrail, run_command, wait_until};
use serde_json::Value;

/// Colours, a title, a cleared screen, a bell, a forged line, eight-bit controls, an overwritten
/// line, a turned direction, a separator of lines, a deleted character, bytes that are no text.
const HOSTILE: [&[u8]; 10] = [
    b"\x1b[31mred\x1b[0m",
    b"\x1b]0;owned\x07",
    b"\x1b[2J\x1b[H",
    b"\nhsmtrail: all is well\n",
    b"\xc2\x9b31m\xc2\x9d0;x\xc2\x9c",
    b"over\rwritten\x08\x08",
    "\u{202e}nosj.\u{2066}\u{2028}\u{2029}\u{61c}".as_bytes(),
    b"tab\tdel\x7fvt\x0b",
    b"\xff\xfe\x80\x9b31m",
    b"quote\" back\\slash {\"level\":\"ERROR\"} %s {} $(id)",
];

/// What a hostile text would do if it were printed as it is.
fn acts(character: char) -> bool {
    character.is_control()
        || "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}".contains(character)
        || ('\u{202a}'..='\u{202e}').contains(&character)
        || ('\u{2066}'..='\u{2069}').contains(&character)
}

/// Checks that every character of a text stands for itself, and that no line was put in.
fn check_text(text: &str, what: &str) {
    let acting: Vec<_> = text
        .chars()
        .filter(|one| *one != '\n' && acts(*one))
        .collect();
    assert!(acting.is_empty(), "{what}: {acting:?} in {text:?}");
    let forged = text.lines().any(|line| line == "hsmtrail: all is well");
    assert!(!forged, "{what}: {text:?}");
}

/// Checks what a run said, in text or in lines of JSON.
fn check_messages(done: &Done, is_json: bool, what: &str) {
    check_text(&done.err, what);
    for line in done.err.lines() {
        // The summary is for people in any case.
        if is_json && !line.starts_with("hsmtrail: ") {
            let message: Value = serde_json::from_str(line).unwrap();
            assert!(message["level"].is_string(), "{what}: {line}");
        } else {
            assert!(line.starts_with("hsmtrail: "), "{what}: {line}");
        }
    }
}

fn path(place: &Path, name: &[u8]) -> PathBuf {
    place.join(OsStr::from_bytes(name))
}

/// Events and rejects that hold hostile text wherever text can stand, plain and escaped.
fn records() -> Vec<u8> {
    let mut records = Vec::new();
    for text in HOSTILE {
        let escaped: String = String::from_utf8_lossy(text)
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect();
        for text in [text, escaped.as_bytes()] {
            let event = br#"{"eventVersion":"1.08","eventSource":"cloudhsm.amazonaws.com","eventName":"@","errorCode":"@","eventTime":"@","eventID":"@","userAgent":"@","awsRegion":"@","@":"@","userIdentity":{"type":"@","userName":"@","arn":"@"},"requestParameters":{"backupId":"@","policy":"@"}}"#;
            for &byte in event {
                if byte == b'@' {
                    records.extend_from_slice(text);
                } else {
                    records.push(byte);
                }
            }
            records.push(b'\n');
            records.extend_from_slice(text);
            records.push(b'\n');
        }
    }
    records
}

/// The metrics but for their numbers.
fn metrics_without_values(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(_) => line,
        None => line.rsplit_once(' ').unwrap().0,
    });
    lines
        .filter(|line| !line.contains("le="))
        .flat_map(|line| [line, "\n"])
        .collect()
}

#[test]
fn records_reach_neither_messages_nor_metrics() {
    let place = tempfile::tempdir().unwrap();
    let prom = place.path().join("run.prom");
    let of = |input: &[u8], format: &str| {
        let mut command = hsmtrail([
            "-v",
            "trace",
            "--summary",
            "--paranoid",
            "--dedup",
            "--log-format",
            format,
        ]);
        command.arg("--metrics-file").arg(&prom);
        let done = run_command(command, input);
        check_messages(&done, format == "json", "records");
        (done, metrics_without_values(&prom))
    };
    for format in ["text", "json"] {
        let (nothing, quiet) = of(b"", format);
        let (done, metrics) = of(&records(), format);
        assert_eq!(done.code, Some(1));
        // The same series and, but for one for each reject, as many messages, whatever the records say.
        assert_eq!(metrics, quiet);
        check_text(&fs::read_to_string(&prom).unwrap(), "metrics");
        let others = done
            .err
            .lines()
            .filter(|line| !line.contains(" is rejected: "));
        assert_eq!(others.count(), nothing.err.lines().count());
        assert!(!done.err.contains("owned") && !metrics.contains("owned"));
    }
}

/// Files that are read, cannot be read, are damaged, are missing, or are directories and patterns.
#[test]
fn names_of_files_are_printed_as_text() {
    for name in HOSTILE {
        let what = name.escape_ascii().to_string();
        let place = tempfile::tempdir().unwrap();
        let good = path(place.path(), name);
        fs::write(&good, records()).unwrap();
        let cut = path(place.path(), &[b"cut", name, b".gz"].concat());
        fs::write(&cut, b"\x1f\x8b\x08\0\0").unwrap();
        let folder = path(place.path(), &[b"folder", name].concat());
        fs::create_dir(&folder).unwrap();
        let missing = path(place.path(), &[b"missing", name].concat());
        let pattern = path(place.path(), &[b"none*", name].concat());
        for format in ["text", "json"] {
            let command = || {
                let mut command = hsmtrail(["-v", "trace", "--summary", "--log-format", format]);
                command.current_dir(place.path());
                command
            };
            let mut reading = command();
            reading.args([&good, &cut, &folder, &missing, &pattern]);
            let done = run_command(reading, "");
            assert_eq!(done.code, Some(3), "{what}");
            assert!(done.err.lines().count() >= 5, "{what}: {}", done.err);
            check_messages(&done, format == "json", &what);
            // Options that name files, which cannot be opened or must not be.
            for option in [
                "--output",
                "--rejects",
                "--metrics-file",
                "--config",
                "--state",
            ] {
                for value in [
                    folder.as_os_str(),
                    missing.join("x").as_os_str(),
                    good.as_os_str(),
                ] {
                    let mut writing = command();
                    writing
                        .arg(option)
                        .arg(value)
                        .arg("--follow=false")
                        .arg(&good);
                    let done = run_command(writing, "");
                    check_text(&done.err, &format!("{what} {option}"));
                }
            }
        }
    }
}

/// What the doctor reports on stdout is for people too.
#[test]
fn a_report_is_text() {
    for name in HOSTILE {
        let what = name.escape_ascii().to_string();
        let place = tempfile::tempdir().unwrap();
        let sample = path(place.path(), name);
        fs::write(&sample, "{}\n").unwrap();
        // An address has to be UTF-8.
        let listen = format!("unix:{}/no/such/place", String::from_utf8_lossy(name));
        let mut command = hsmtrail(["doctor", "--metrics-listen"]);
        command.arg(listen).arg(&sample).current_dir(place.path());
        let done = run_command(command, "");
        assert_eq!(done.code, Some(1), "{what}: {}", done.err);
        let report = String::from_utf8(done.out).unwrap();
        assert!(
            report.contains(": 2 bytes, record 1 of "),
            "{what}: {report}"
        );
        check_text(&report, &what);
        check_text(&done.err, &what);
    }
}

/// What a parent has put in the place of the program's name.
#[test]
fn help_does_not_repeat_another_name() {
    for args in [
        &["--help"][..],
        &["-h"],
        &["doctor", "--help"],
        &["--version"],
    ] {
        let of = |name: &[u8]| {
            let mut command = hsmtrail(args);
            command.arg0(OsStr::from_bytes(name));
            run_command(command, "").out
        };
        for name in HOSTILE {
            assert_eq!(of(name), of(b"hsmtrail"), "{}", name.escape_ascii());
        }
    }
}

/// What clients of the metrics endpoint send is neither said nor answered, at the loudest level.
#[test]
fn requests_reach_neither_messages_nor_answers() {
    for format in ["text", "json"] {
        let mut command = hsmtrail(["-v", "trace", "--log-format", format]);
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("socket");
        command
            .arg("--metrics-listen")
            .arg([OsStr::new("unix:"), socket.as_os_str()].join(OsStr::new("")));
        let run = Running::start(command);
        wait_until("the socket", || socket.exists());
        for text in HOSTILE {
            let requests = [
                [b"GET /", text, b" HTTP/1.1\r\nHost: x\r\n\r\n"].concat(),
                [text, b" /metrics HTTP/1.1\r\nHost: x\r\n\r\n"].concat(),
                [
                    b"GET /metrics HTTP/1.1\r\nHost: ",
                    text,
                    b"\r\nX: ",
                    text,
                    b"\r\n\r\n",
                ]
                .concat(),
                [b"GET /metrics HTTP/1.", text, b"\r\n\r\n"].concat(),
                text.repeat(2000),
            ];
            for request in requests {
                let mut client = UnixStream::connect(&socket).unwrap();
                // It may have been answered and closed before all of it was sent.
                drop(client.write_all(&request));
                drop(client.shutdown(Shutdown::Write));
                let mut answer = Vec::new();
                drop(client.read_to_end(&mut answer));
                let answer = String::from_utf8(answer).unwrap().replace("\r\n", "\n");
                check_text(&answer, &text.escape_ascii().to_string());
                assert!(!answer.contains("owned") && !answer.contains("all is well"));
            }
        }
        let done = run.finish();
        check_messages(&done, format == "json", "requests");
        assert!(!done.err.contains("owned"), "{}", done.err);
    }
}

/// What was typed, what the config file says and what the environment holds.
#[test]
fn options_are_printed_as_text() {
    for hostile in HOSTILE {
        let what = hostile.escape_ascii().to_string();
        let text = OsStr::from_bytes(hostile);
        let with = |prefix: &str| {
            let mut word = prefix.as_bytes().to_vec();
            word.extend_from_slice(hostile);
            OsStr::from_bytes(&word).to_owned()
        };
        for words in [
            vec![with("--")],
            vec![with("-Z")],
            vec![with("--select=")],
            vec![OsStr::new("--select").to_owned(), text.to_owned()],
            vec![with("--workers=")],
            vec![with("--metrics-listen=")],
            vec![with("--listen=unix:/nowhere/")],
            vec![with("--listen=")],
            vec![with("--config=")],
            vec![OsStr::new("explain").to_owned(), text.to_owned()],
            vec![OsStr::new("completions").to_owned(), text.to_owned()],
        ] {
            let done = run_command(hsmtrail(&words), "");
            assert_ne!(done.code, Some(0), "{what} {words:?}");
            assert_ne!(done.err, "", "{what} {words:?}");
            check_text(&done.err, &format!("{what} {words:?}"));
        }
        for name in [
            "HSMTRAIL_SELECT",
            "HSMTRAIL_WORKERS",
            "HSMTRAIL_LISTEN",
            "HSMTRAIL_CONFIG",
        ] {
            let mut command = hsmtrail::<&str>([]);
            command.env(name, text);
            let done = run_command(command, "");
            assert_eq!(done.code, Some(2), "{what} {name}");
            check_text(&done.err, &format!("{what} {name}"));
        }
        let mut command = hsmtrail::<&str>([]);
        command.env(with("HSMTRAIL_").to_str().unwrap_or("HSMTRAIL_\u{1b}"), "x");
        check_text(&run_command(command, "").err, &what);
        let quoted = Value::from(String::from_utf8_lossy(hostile)).to_string();
        let quoted = quoted.replace('\u{7f}', "\\u007f");
        let place = tempfile::tempdir().unwrap();
        let config = path(place.path(), hostile);
        for line in [
            format!("{quoted} = 1\n"),
            format!("select = {quoted}\n"),
            format!("workers = [{quoted}]\n"),
            format!("output = 'a\n{}", String::from_utf8_lossy(hostile)),
            format!("{} = 1\n", String::from_utf8_lossy(hostile)),
        ] {
            fs::write(&config, &line).unwrap();
            let mut command = hsmtrail(["--config"]);
            command.arg(&config);
            let done = run_command(command, "");
            assert_eq!(done.code, Some(2), "{what}: {line}");
            check_text(&done.err, &format!("{what}: {line}"));
        }
    }
}
