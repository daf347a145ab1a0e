//! Many inputs through the binary: files, directories, patterns and streams, compressed in every
//! way, damaged or not, come out in their order for any number of workers.

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

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use binary::{Done, Running, Signal, hsmtrail, run, run_command};
use flate2::Compression;
use flate2::write::GzEncoder;
use input::{cloudhsm, gzip, lines, log_file, other, without_enrichment};
use tempfile::TempDir;

fn place(files: &[(&str, &[u8])]) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = place.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    place
}

/// Runs in that directory, with nothing on stdin.
fn run_in(place: &Path, args: &[&str]) -> Done {
    let mut command = hsmtrail(args);
    command.current_dir(place);
    run_command(command, "")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0; zstd_safe::compress_bound(bytes.len())];
    let length = zstd_safe::compress(&mut out[..], bytes, 3).unwrap();
    out.truncate(length);
    out
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// gzip of `text`, 17 MiB of blanks and a last record.
fn bomb(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.write_all(&vec![b' '; 17 << 20]).unwrap();
    encoder.write_all(b"{\"n\":99}").unwrap();
    encoder.finish().unwrap()
}

/// The numbers of the records in an output.
fn numbers(out: &str) -> Vec<usize> {
    let number = |line: &str| {
        let (record, _) = without_enrichment(line);
        let digits = record.rsplit_once(':').unwrap().1;
        digits.strip_suffix('}').unwrap().parse().unwrap()
    };
    out.lines().map(number).collect()
}

#[test]
fn every_compression_comes_from_files_and_from_stdin() {
    let text = lines(&[other(1), cloudhsm(2), other(3)]);
    let expected = run(&[], &text);
    for raw in [
        text.clone().into_bytes(),
        gzip(&text),
        zstd(text.as_bytes()),
        bzip2(text.as_bytes()),
    ] {
        let place = place(&[("in", &raw)]);
        assert_eq!(run_in(place.path(), &["in"]).quiet(), expected.text());
        assert_eq!(run(&[], &raw).quiet(), expected.text());
    }
}

/// Files of very different lengths, so that whoever reads the short ones is ahead of the others.
#[test]
fn many_files_come_out_in_their_order() {
    let place = tempfile::tempdir().unwrap();
    let mut count = 0;
    for file in 0..150_usize {
        let length = match file % 10 {
            3 => 0,
            7 => 1_000,
            9 => 4_000,
            short => short,
        };
        let records: Vec<_> = (count..count + length)
            .map(|n| if n % 50 == 0 { cloudhsm(n) } else { other(n) })
            .collect();
        count += length;
        let text = if file % 2 == 0 {
            lines(&records)
        } else {
            log_file(&records)
        };
        let raw = match file % 7 {
            1 => zstd(text.as_bytes()),
            2 | 3 => text.into_bytes(),
            4 if length < 10 => bzip2(text.as_bytes()),
            _ => gzip(text),
        };
        fs::write(place.path().join(format!("{file:03}.json")), raw).unwrap();
    }
    let all: Vec<_> = (0..count).collect();
    let first = run_in(place.path(), &["--workers", "1", "."]);
    assert!(numbers(first.quiet()) == all);
    for args in [
        &["--workers", "2", "*.json"][..],
        &["--workers", "8", "."],
        &["--workers", "3", "--flush-interval", "0", "."],
    ] {
        let done = run_in(place.path(), args);
        assert!(done.quiet() == first.text(), "{args:?}");
    }
    let done = run_in(
        place.path(),
        &["--workers", "2", "--select", "cloudhsm", "."],
    );
    assert_eq!(numbers(done.quiet()).len(), count.div_ceil(50));
}

/// Each failure is told once, in order, and costs only what it has damaged.
#[test]
fn failures_are_told_in_order_and_the_others_go_on() {
    let text = lines(&[other(1), other(2)]);
    let cut = |raw: &[u8]| raw[..raw.len() - 3].to_vec();
    let bomb = bomb(text.as_bytes());
    let place = place(&[
        ("a.json", text.as_bytes()),
        ("b.json.gz", &cut(&gzip(&text))),
        ("c.json.zst", b"\x28\xb5\x2f\xfd"),
        ("d.json.bz2", &cut(&bzip2(text.as_bytes()))),
        ("e.json.gz", &bomb),
        ("f.json.gz", b""),
        ("g.json", text.as_bytes()),
    ]);
    for workers in ["1", "5"] {
        let done = run_in(
            place.path(),
            &["--workers", workers, ".", "none*", "g.json"],
        );
        assert_eq!(done.code, Some(3));
        assert_eq!(numbers(done.text()), [1, 2].repeat(6));
        let told: Vec<_> = done.err.lines().collect();
        let expected = [
            "cannot decompress ./b.json.gz beyond byte",
            "cannot decompress ./c.json.zst beyond byte 4 of its zstd: it is cut off;",
            "cannot decompress ./d.json.bz2 beyond byte",
            "cannot decompress ./e.json.gz beyond byte",
            "cannot decompress ./f.json.gz beyond byte 0 of its gzip: it is cut off;",
            "no file fits the pattern none*",
        ];
        assert_eq!(told.len(), expected.len(), "{}", done.err);
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.contains(expected), "{told}");
        }
        assert!(
            told[3].contains("more than 200 times longer"),
            "{}",
            told[3]
        );
    }
    let done = run_in(
        place.path(),
        &["--max-inflate-ratio", "2000", "--summary", "."],
    );
    assert!(done.text().contains("{\"n\":99}\n"));
    assert!(done.err.contains(" Inputs that failed: 4."), "{}", done.err);
}

/// Several are read ahead, so the messages come in any order.
#[test]
fn files_that_are_read_are_told_when_asked() {
    let place = place(&[("a/1.json", b"{}"), ("a/b/2.json", b"{}"), ("3", b"{}")]);
    let done = run_in(place.path(), &["-v", "info", "a", "gone", "3"]);
    let mut told: Vec<_> = done.err.lines().collect();
    told.sort_unstable();
    assert_eq!(told.len(), 4, "{}", done.err);
    assert!(told[0].contains("cannot open gone"));
    let read =
        ["3", "a/1.json", "a/b/2.json"].map(|name| format!("hsmtrail: info: reading {name}"));
    assert_eq!(told[1..], read);
    assert_eq!(done.lines(), ["{}"; 3]);
}

/// The output of this run lies where the input is taken from.
#[test]
fn a_run_does_not_read_what_it_writes() {
    let place = place(&[
        ("a.json", b"{\"n\":1}"),
        ("z/b.json", b"{\"n\":2}\n{\"n\":"),
    ]);
    let path = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
    for _ in 0..2 {
        let args = ["-o", "m.json", "--rejects", "z/bad.json", "."];
        assert_eq!(run_in(place.path(), &args).code, Some(1));
        assert_eq!(path("m.json"), "{\"n\":1}\n{\"n\":2}\n");
        assert!(path("z/bad.json").contains("\"source\":\"./z/b.json\",\"record\":2,"));
    }
}

/// What comes of a bundle in many parts has to wait for its turn, as it is too much to be held.
#[test]
fn files_that_become_much_longer_come_out_in_their_order() {
    let place = tempfile::tempdir().unwrap();
    for file in 0..8 {
        let text = match file % 4 {
            0 => lines(&[other(file), cloudhsm(file)]),
            1 => lines(&(0..400).map(other).collect::<Vec<_>>()),
            // Each digit is a reject.
            _ => format!("{file} ").repeat(40_000) + "\n",
        };
        let raw = if file % 3 == 0 {
            gzip(text)
        } else {
            text.into_bytes()
        };
        fs::write(place.path().join(format!("{file:02}.json")), raw).unwrap();
    }
    let first = run_in(place.path(), &["--workers", "1", "."]);
    assert_eq!(first.code, Some(1));
    for workers in ["2", "8"] {
        let done = run_in(place.path(), &["--workers", workers, "."]);
        assert!(done.text() == first.text(), "{workers} workers");
        assert_eq!(done.code, Some(1));
    }
}

fn fifo(place: &Path) -> PathBuf {
    let path = place.join("fifo");
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    path
}

/// What stands behind a stream is not touched before the stream ends, and what stands before it does not
/// wait for it.
#[test]
fn nothing_is_read_ahead_of_a_stream() {
    let place = place(&[("a", lines(&[other(1)]).as_bytes())]);
    let path = fifo(place.path());
    for options in [
        &["--workers", "1"][..],
        &["--workers", "1", "--validate", "matching"],
        &["--workers", "2"],
        &["--workers", "8"],
    ] {
        let mut command = hsmtrail([options, &["a", "fifo", "b"]].concat());
        command.current_dir(place.path());
        let running = Running::start(command);
        running.expect_out(&lines(&[other(1)]));
        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(lines(&[other(2)]).as_bytes()).unwrap();
        running.expect_out(&lines(&[other(1), other(2)]));
        fs::write(place.path().join("b"), lines(&[other(3)])).unwrap();
        drop(writer);
        let done = running.finish();
        assert_eq!(done.quiet(), lines(&[other(1), other(2), other(3)]));
        fs::remove_file(place.path().join("b")).unwrap();
    }
}

#[test]
fn a_signal_leaves_the_files_behind_a_stream_unread() {
    let place = place(&[
        ("a", lines(&[other(1)]).as_bytes()),
        ("b", lines(&[other(3)]).as_bytes()),
    ]);
    let path = fifo(place.path());
    let mut command = hsmtrail(["--workers", "2", "a", "fifo", "b"]);
    command.current_dir(place.path());
    let running = Running::start(command);
    let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
    writer.write_all(lines(&[other(2)]).as_bytes()).unwrap();
    running.expect_out(&lines(&[other(1), other(2)]));
    writer.write_all(b"{\"begun\":").unwrap();
    running.signal(Signal::TERM);
    let done = running.wait();
    assert_eq!(done.quiet(), lines(&[other(1), other(2)]));
}

/// However far the readers are ahead, what is written is a prefix of the whole.
#[test]
fn a_signal_amid_many_files_leaves_a_prefix() {
    let place = tempfile::tempdir().unwrap();
    let (files, each) = (40, 3_000);
    for file in 0..files {
        let records: Vec<_> = (file * each..(file + 1) * each).map(other).collect();
        let path = place.path().join(format!("{file:02}.json.gz"));
        fs::write(path, gzip(lines(&records))).unwrap();
    }
    for wanted in [1, 500_000, 2_000_000] {
        let mut command = hsmtrail(["--workers", "3", "."]);
        command.current_dir(place.path());
        let running = Running::start(command);
        running.wait_for_out(|out| out.len() >= wanted);
        running.signal(Signal::TERM);
        let done = running.wait();
        let numbers = numbers(done.quiet());
        assert!(numbers.into_iter().eq(0..done.lines().len()));
    }
}
