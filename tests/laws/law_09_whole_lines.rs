//! Whole lines: however the process ends, what was written is whole lines and a prefix of the full
//! output.

use std::fs;
use std::io::{PipeReader, Read as _, pipe};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use rustix::io::ioctl_fionread;

use crate::binary::{
    PATIENCE, Running, Signal, hsmtrail, run, run_command, wait_until, whole_lines, write,
};
use crate::input::other;

/// What a busy machine may need for what the contract wants within 200 ms.
const FAST: Duration = Duration::from_secs(3);

/// Less than a reader may take nothing after a signal.
const GIVEN_UP: Duration = Duration::from_millis(150);

/// What a reject line begins with.
const REJECT: &str = "{\"hsmtrail_reject\":{";

/// The input or output of `count` records; for `n` see [`endless`].
fn records(count: usize) -> String {
    (0..count).map(|n| other(n) + "\n").collect()
}

/// Writes records with rising numbers for as long as they are taken, after `start`.
fn endless(running: &mut Running, start: &'static str) {
    running.feed_by(move |stdin| {
        let mut numbers = 0..;
        let mut going_on = write(stdin, start.as_bytes());
        while going_on {
            let piece: String = numbers
                .by_ref()
                .take(500)
                .map(|n| other(n) + ",\n")
                .collect();
            let piece = if start.is_empty() {
                piece.replace(",\n", "\n")
            } else {
                piece
            };
            going_on = write(stdin, piece.as_bytes());
        }
    });
}

/// Whether `out` is what comes out of [`endless`] first.
fn is_prefix(out: &str) -> bool {
    out.lines().enumerate().all(|(n, line)| line == other(n))
}

/// A process whose stdout is a pipe that the test reads, or does not.
fn with_reader(args: &[&str]) -> (Running, PipeReader) {
    let (reader, writer) = pipe().unwrap();
    (
        Running::start_with_stdout(hsmtrail(args), writer.into()),
        reader,
    )
}

/// Takes a little at a time. Gives what it took, and the longest time in which it took nothing.
fn slowly(mut reader: PipeReader) -> JoinHandle<(String, Duration)> {
    thread::spawn(move || {
        let (mut out, mut piece) = (Vec::new(), vec![0; 60_000]);
        let (mut longest, mut last) = (Duration::ZERO, None::<Instant>);
        loop {
            let count = reader.read(&mut piece).unwrap();
            let since = last.replace(Instant::now());
            longest = longest.max(since.map_or(Duration::ZERO, |since| since.elapsed()));
            if count == 0 {
                return (String::from_utf8(out).unwrap(), longest);
            }
            out.extend_from_slice(&piece[..count]);
            sleep(Duration::from_micros(500));
        }
    })
}

/// Lets the process run until its output takes no more.
fn wait_until_full(reader: &PipeReader) {
    wait_until("a full pipe", || ioctl_fionread(reader).unwrap() >= 60_000);
}

#[test]
fn a_signal_in_the_middle_drains_what_was_read() {
    for (signal, start, code) in [
        (Signal::TERM, "", 0),
        (Signal::INT, "", 130),
        (Signal::TERM, "{\"Records\":[", 0),
        (Signal::INT, "[\n", 130),
    ] {
        for workers in ["1", "3"] {
            let begun = Instant::now();
            while !drains(signal, start, code, workers) {
                assert!(
                    begun.elapsed() < PATIENCE,
                    "no reader that takes the output"
                );
            }
        }
    }
}

/// Sends the signal at some moment. False: this machine was so busy that the reader took nothing for
/// as long as it takes to be given up, so that the end says nothing.
fn drains(signal: Signal, start: &'static str, code: i32, workers: &str) -> bool {
    let (mut running, reader) = with_reader(&["--workers", workers]);
    endless(&mut running, start);
    let reader = slowly(reader);
    sleep(Duration::from_millis(60)); // Any moment is good.
    running.signal(signal);
    let done = running.wait();
    let (out, pause) = reader.join().unwrap();
    if pause > GIVEN_UP && done.err.contains("nobody took the output") {
        return false;
    }
    assert_eq!(
        (done.code, done.err.as_str()),
        (Some(code), ""),
        "{start:?}, {pause:?}"
    );
    whole_lines(&out);
    assert!(is_prefix(&out), "{start:?}");
    true
}

#[test]
fn a_signal_during_a_pause_ends_it_fast() {
    for (signal, input, out, code) in [
        (Signal::TERM, "{\"n\":1}\n", "{\"n\":1}\n", 0),
        (Signal::INT, "{\"n\":1}\n", "{\"n\":1}\n", 130),
        (Signal::TERM, "{\"n\":1}\n{\"n\":", "{\"n\":1}\n", 0),
        (
            Signal::TERM,
            "{\"n\":1} {\"n\":2}",
            "{\"n\":1}\n{\"n\":2}\n",
            0,
        ),
        (Signal::TERM, "{\"n\":1}\n12", "{\"n\":1}\n", 0),
        (Signal::TERM, "{\"n\":1}\n{\"n\":\"\n", "{\"n\":1}\n", 1),
        (Signal::TERM, "[{\"n\":1},{\"n\":2", "{\"n\":1}\n", 0),
        (Signal::TERM, "{\"n\":\n1}\n{\n \"a\":1,", "{\"n\":1}\n", 0),
    ] {
        let mut running = Running::start(hsmtrail(["--flush-interval", "1ms"]));
        running.write(input);
        running.wait_for_out(|so_far| so_far.starts_with(out.as_bytes()));
        running.wait_until_read();
        let begun = Instant::now();
        running.signal(signal);
        let done = running.wait();
        assert!(
            begun.elapsed() < FAST,
            "{input:?} took {:?}",
            begun.elapsed()
        );
        assert_eq!(done.code, Some(code), "{input:?}");
        let passed = done
            .lines()
            .into_iter()
            .filter(|line| !line.starts_with(REJECT));
        assert!(passed.eq(out.lines()), "{input:?}: {}", done.text());
    }
}

/// What was complete when the signal came is read out of the pipe, or not, but never half of it.
#[test]
fn an_unfinished_record_is_counted_by_its_bytes_only() {
    for (args, input, bytes) in [
        (&[][..], "{\"n\":1}\n{\"n\":2".to_owned(), 6),
        (&[], "{\"n\":1}{\"Records\":[{\"x\"".to_owned(), 4),
        (
            &["--max-record-bytes", "1KiB"],
            format!("{{}}{{\"a\":\"{}", "x".repeat(500_000)),
            500_006,
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let rejects = dir.path().join("rejects");
        for rejects in [None, Some(rejects.as_path())] {
            let mut command = hsmtrail(args);
            command.arg("--summary");
            if let Some(path) = rejects {
                command.arg("--rejects").arg(path);
            }
            let mut running = Running::start(command);
            running.write(&input);
            running.wait_for_out(|out| out.ends_with(b"\n"));
            running.wait_until_read();
            running.signal(Signal::TERM);
            let done = running.wait();
            assert_eq!((done.code, done.lines().len()), (Some(0), 1));
            let sentence = format!(
                "1 records read: 0 enriched, 1 passed, 0 filtered, 0 rejected; {} bytes in, {} \
                 bytes out. Stopped inside a record, of which {bytes} bytes had come; they were \
                 not written.\n",
                input.len(),
                done.out.len()
            );
            assert!(done.err.contains(&sentence), "{}\n{sentence}", done.err);
            assert_eq!(
                rejects.map_or(0, |path| fs::metadata(path).unwrap().len()),
                0
            );
        }
    }
}

#[test]
fn a_reader_that_takes_nothing_is_given_up() {
    for (signal, code) in [(Signal::TERM, 3), (Signal::INT, 130)] {
        let (mut running, mut reader) = with_reader(&[]);
        endless(&mut running, "");
        wait_until_full(&reader);
        let begun = Instant::now();
        running.signal(signal);
        let status = running.wait_for_end();
        let took = begun.elapsed();
        assert!(took > GIVEN_UP && took < FAST, "{took:?}");
        let done = running.wait();
        assert_eq!(status.code(), Some(code));
        assert!(done.err.contains("nobody took the output"), "{}", done.err);
        // The last line may be torn, and then the status has said so.
        let mut out = String::new();
        reader.read_to_string(&mut out).unwrap();
        let whole = out.rfind('\n').map_or("", |end| &out[..=end]);
        assert!(!whole.is_empty() && is_prefix(whole));
        assert!(records(whole.lines().count() + 1).starts_with(&out));
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (mut running, reader) = with_reader(&[]);
    endless(&mut running, "");
    wait_until_full(&reader);
    // Two of one kind may be taken for one.
    running.signal(Signal::TERM);
    running.signal(Signal::INT);
    let done = running.wait();
    assert!(matches!(done.code, Some(3 | 130)), "{:?}", done.code);
    assert!(done.err.contains("second signal"), "{}", done.err);
}

#[test]
fn a_lost_reader_ends_it_quietly() {
    for args in [&[][..], &["--summary"], &["explain"], &["schema"], &["man"]] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut running = Running::start_with_stdout(hsmtrail(args), writer.into());
        running.feed(records(10).into());
        let done = running.wait();
        assert_eq!((done.code, done.err.as_str()), (Some(141), ""), "{args:?}");
    }
    // It goes while there is more to come.
    let (mut running, mut reader) = with_reader(&[]);
    endless(&mut running, "");
    let mut out = vec![0; 100_000];
    reader.read_exact(&mut out).unwrap();
    drop(reader);
    let done = running.wait();
    assert_eq!((done.code, done.err.as_str()), (Some(141), ""));
    assert!(records(2_000).as_bytes().starts_with(&out));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let full = || {
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    for args in [
        &[][..],
        &["--output", "/dev/full"],
        &["--rejects", "/dev/full"],
        &["schema"],
    ] {
        let stdout = if args.contains(&"--rejects") {
            Stdio::piped()
        } else {
            full().into()
        };
        let mut running = Running::start_with_stdout(hsmtrail(args), stdout);
        running.feed("{bad\n{}\n".into());
        let done = running.wait();
        assert_eq!(done.code, Some(3), "{args:?}: {}", done.err);
        let name = args.get(1).unwrap_or(&"stdout");
        let sentence = format!("hsmtrail: cannot write to {name}");
        assert!(done.err.starts_with(&sentence), "{args:?}: {}", done.err);
        assert_eq!(done.err.lines().count(), 1, "{args:?}: {}", done.err);
    }
}

/// The limit falls into a line, which is then cut off.
#[test]
fn a_file_that_may_not_grow_ends_with_a_whole_line() {
    for (option, unit) in [("-o", other(1)), ("--rejects", "{bad".to_owned())] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("limited");
        let mut command = std::process::Command::new("sh");
        command
            .args([
                "-c",
                "ulimit -f 8; exec \"$0\" \"$@\"",
                env!("CARGO_BIN_EXE_hsmtrail"),
            ])
            .args([option, path.to_str().unwrap()])
            .stdin(Stdio::piped());
        let done = run_command(command, (unit + "\n").repeat(5_000));
        assert_eq!(done.code, Some(3), "{option}: {}", done.err);
        assert!(
            done.err
                .contains(&format!("cannot write to {}", path.display())),
            "{}",
            done.err
        );
        let kept = fs::read_to_string(&path).unwrap();
        assert!(
            !whole_lines(&kept).is_empty() && kept.len() <= 8 * 1024,
            "{option}"
        );
    }
}

/// A line of the rejects file that is under way when the run ends is cut off.
#[test]
fn a_reject_that_is_not_whole_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rejects");
    let mut running = Running::start(hsmtrail([
        "--max-record-bytes",
        "1KiB",
        "--rejects",
        path.to_str().unwrap(),
    ]));
    running.write("{bad}\n{\"long\":\"");
    running.write("x".repeat(1_000_000));
    let length = || fs::metadata(&path).map_or(0, |file| file.len());
    wait_until("the reject", || length() > 100_000);
    running.signal(Signal::TERM);
    let done = running.wait();
    assert_eq!(
        (done.code, done.text(), done.err.as_str()),
        (Some(1), "", "")
    );
    assert_eq!(whole_lines(&fs::read_to_string(&path).unwrap()).len(), 1);
}

/// Moves `path` away under the next of `names`.
fn rotate(path: &Path, number: usize) -> PathBuf {
    let old = path.with_extension(number.to_string());
    fs::rename(path, &old).unwrap();
    old
}

#[test]
fn files_are_reopened_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let [output, rejects] = ["output", "rejects"].map(|name| dir.path().join(name));
    let mut command = hsmtrail(["--flush-interval", "0", "--workers", "3"]);
    command
        .arg("-o")
        .arg(&output)
        .arg("--rejects")
        .arg(&rejects);
    let mut running = Running::start(command);
    let enough = Arc::new(AtomicBool::new(false));
    let feeder_stops = Arc::clone(&enough);
    let (send, fed) = std::sync::mpsc::channel();
    running.feed_by(move |stdin| {
        let mut count = 0;
        while !feeder_stops.load(Ordering::Relaxed) {
            let piece: String = (count..count + 20)
                .flat_map(|n| [other(n), format!("\n{{bad {n}\n")])
                .collect();
            write(stdin, piece.as_bytes());
            count += 20;
            sleep(Duration::from_micros(100));
        }
        send.send(count).unwrap();
    });
    let holds_lines = |path: &Path| fs::metadata(path).is_ok_and(|file| file.len() > 0);
    let (mut outputs, mut reject_files) = (Vec::new(), Vec::new());
    for number in 0..5 {
        wait_until("the files", || {
            holds_lines(&output) && holds_lines(&rejects)
        });
        outputs.push(rotate(&output, number));
        reject_files.push(rotate(&rejects, number));
        running.signal(Signal::HUP);
    }
    wait_until("the files", || {
        holds_lines(&output) && holds_lines(&rejects)
    });
    enough.store(true, Ordering::Relaxed);
    let done = running.wait();
    assert_eq!((done.code, done.err.as_str()), (Some(1), ""));
    let count = fed.recv().unwrap();
    outputs.push(output);
    reject_files.push(rejects);
    let read = |paths: &[PathBuf]| -> String {
        let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
        texts
            .inspect(|text| assert!(text.ends_with('\n')))
            .collect()
    };
    assert!(read(&outputs) == records(count));
    for (n, line) in read(&reject_files).lines().enumerate() {
        let raw = format!("\"raw\":\"{{bad {n}\"");
        assert!(line.contains(&raw) && line.contains(&format!("\"record\":{},", 2 * n + 2)));
    }
}

/// Rotation by copying and truncating: what is written after it begins at the file's start.
#[test]
fn a_file_that_is_truncated_goes_on_from_its_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("output");
    let mut command = hsmtrail(["-o"]);
    command.arg(&path);
    let mut running = Running::start(command);
    for text in ["{\"n\":1}\n", "{\"n\":2}\n"] {
        running.write(text);
        wait_until("the record", || {
            fs::read_to_string(&path).unwrap_or_default() == text
        });
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(0)
            .unwrap();
    }
    running.write("{\"n\":3}\n");
    assert_eq!(running.finish().code, Some(0));
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"n\":3}\n");
}

#[test]
fn a_hangup_ends_nothing() {
    let mut running = Running::start(hsmtrail::<&str>([]));
    for n in 0..3 {
        running.write(other(n) + "\n");
        running.expect_out(&records(n + 1));
        running.signal(Signal::HUP);
    }
    assert_eq!(running.finish().quiet(), records(3));
}

/// A FIFO that nobody writes to is waited for, and the wait can be ended.
#[test]
fn a_signal_ends_the_wait_for_a_writer() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    let made = std::process::Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .unwrap();
    assert!(made.success());
    let mut command = hsmtrail(["-"]);
    command.arg(&fifo);
    let mut running = Running::start(command);
    running.write(other(0) + "\n");
    running.expect_out(&records(1));
    running.close();
    running.signal(Signal::TERM);
    assert_eq!(running.wait().quiet(), records(1));
}

/// The output of a run that is stopped is the beginning of the output of one that is not.
#[test]
fn what_was_written_is_a_prefix_of_the_full_output() {
    let input: String = (0..3_000)
        .map(|n| match n % 10 {
            3 => format!("{{\"bad\":{n}\n"),
            7 => format!("{{\"long\":\"{}\"}}\n", "x".repeat(2_000)),
            _ => other(n) + "\n",
        })
        .collect();
    let args = [
        "--max-record-bytes",
        "1KiB",
        "--workers",
        "2",
        "--flush-interval",
        "0",
    ];
    let full = run(&args, &input);
    for pause in [0, 1, 3, 10] {
        let mut running = Running::start(hsmtrail(args));
        let pieces = input.clone();
        running.feed_by(move |stdin| {
            for piece in pieces.as_bytes().chunks(777) {
                write(stdin, piece);
                sleep(Duration::from_micros(30));
            }
        });
        running.wait_for_out(|out| !out.is_empty());
        sleep(Duration::from_millis(pause)); // Any moment is good.
        running.signal(Signal::TERM);
        let done = running.wait();
        whole_lines(done.text());
        assert!(full.out.starts_with(&done.out));
        assert_eq!(done.code, Some(i32::from(done.text().contains(REJECT))));
    }
}
