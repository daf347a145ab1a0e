//! Sinks on real pipes, devices and files: slow and lost readers, full disks, torn lines, rotation.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of tests may fail like the tests themselves"
)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use hsmtrail::sink::{Access, Sink, SinkError, Tail};
use hsmtrail::source::FileId;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

fn create(path: &Path) -> Sink {
    Sink::create(path, Access::Umask, &[]).unwrap()
}

fn on_pipe() -> (Sink, PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    (
        Sink::inherited("pipe", OwnedFd::from(writer), &[]).unwrap(),
        reader,
    )
}

fn lines(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|n| format!("{{\"n\":{n}}}\n").into_bytes())
        .collect()
}

fn file(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn mkfifo(dir: &Path) -> PathBuf {
    let path = dir.join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    path
}

#[test]
fn file_is_emptied_and_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "out", b"old and longer than what comes\n");
    let mut sink = create(&path);
    assert_eq!(fs::read(&path).unwrap(), b"");
    let progress = sink.progress();
    let data = lines(30_000);
    let mut given = 0;
    for part in [&data[..], b"", b"{\"a\":", b"1}\n"] {
        sink.write(part).unwrap();
        given += part.len() as u64;
        assert_eq!(progress.written(), given);
    }
    assert!(sink.blocked() > Duration::ZERO);
    sink.finish().unwrap();
    assert_eq!(
        fs::read(&path).unwrap(),
        [&data, &b"{\"a\":1}\n"[..]].concat()
    );
}

#[test]
fn mode_is_for_new_files() {
    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let like_any = mode(&file(dir.path(), "any", b""));
    let cases = [
        ("new", Access::Umask, like_any),
        ("secret", Access::Owner, 0o600),
    ];
    for (name, access, expected) in cases {
        let path = dir.path().join(name);
        let mut sink = Sink::create(&path, access, &[]).unwrap();
        assert_eq!(mode(&path), expected, "{name}");
        fs::rename(&path, dir.path().join("rotated")).unwrap();
        sink.reopen().unwrap();
        assert_eq!(mode(&path), expected, "{name} reopened");
    }
    let old = file(dir.path(), "old", b"");
    fs::set_permissions(&old, fs::Permissions::from_mode(0o640)).unwrap();
    Sink::create(&old, Access::Owner, &[]).unwrap();
    assert_eq!(mode(&old), 0o640);
}

/// The reader takes little at a time: all arrives, in order, through either kind of descriptor.
#[test]
fn slow_reader_gets_everything() {
    let data = lines(60_000);
    for non_blocking in [false, true] {
        let (reader, writer) = io::pipe().unwrap();
        if non_blocking {
            let flags = fcntl_getfl(&writer).unwrap();
            fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
        }
        let mut sink = Sink::inherited("pipe", OwnedFd::from(writer), &[]).unwrap();
        let taker = thread::spawn(move || {
            let (mut reader, mut all, mut piece) = (reader, Vec::new(), [0; 5000]);
            thread::sleep(Duration::from_millis(20));
            loop {
                match reader.read(&mut piece).unwrap() {
                    0 => return all,
                    count => all.extend_from_slice(&piece[..count]),
                }
            }
        });
        sink.write(&data).unwrap();
        sink.finish().unwrap();
        assert!(
            taker.join().unwrap() == data,
            "non-blocking: {non_blocking}"
        );
    }
}

/// A watcher sees each chunk as the reader makes room for it.
#[test]
fn progress_is_visible_while_a_write_waits() {
    let (mut sink, mut reader) = on_pipe();
    let progress = sink.progress();
    let data = vec![b'\n'; 1 << 20];
    let writer = thread::spawn(move || sink.write(&data));
    let mut taken = 0;
    let mut piece = vec![0; 64 * 1024];
    while taken < 1 << 20 {
        taken += reader.read(&mut piece).unwrap() as u64;
        // The pipe does not hold the other half.
        assert!(taken > 1 << 19 || progress.is_waiting());
        // What was taken was written, but for the chunk whose write(2) has not returned.
        assert!(progress.written() + 64 * 1024 >= taken);
    }
    writer.join().unwrap().unwrap();
    assert_eq!((progress.written(), progress.is_waiting()), (taken, false));
}

#[test]
fn lost_reader_is_told_quietly_and_for_ever() {
    let (mut sink, reader) = on_pipe();
    sink.write(b"{}\n").unwrap();
    drop(reader);
    for _ in 0..2 {
        let error = sink.write(b"{}\n").unwrap_err();
        assert!(matches!(error, SinkError::Closed { .. }), "{error:?}");
        assert_eq!(error.to_string(), "the reader of pipe is gone");
    }
    sink.finish().unwrap();

    // A reader that leaves while a write waits for it.
    let (mut sink, mut reader) = on_pipe();
    let writer = thread::spawn(move || (sink.write(&vec![b'x'; 1 << 20]), sink.finish()));
    reader.read_exact(&mut vec![0; 100_000]).unwrap();
    drop(reader);
    let (written, finished) = writer.join().unwrap();
    assert!(matches!(written, Err(SinkError::Closed { .. })));
    assert!(matches!(finished, Err(SinkError::Torn { .. })));
}

#[cfg(target_os = "linux")]
#[test]
fn full_device_is_an_error_that_stays() {
    let mut sink = create(Path::new("/dev/full"));
    assert_eq!(sink.id(), None);
    for _ in 0..2 {
        let error = sink.write(b"{}\n").unwrap_err();
        assert!(
            matches!(
                &error,
                SinkError::Write {
                    tail: Tail::Whole,
                    ..
                }
            ),
            "{error:?}"
        );
        assert_eq!(
            error.to_string(),
            "cannot write to /dev/full after 0 bytes: No space left on device (os error 28)"
        );
    }
    sink.finish().unwrap();
}

const LIMITED: &str = "SINK_TEST_LIMITED_FILE";
const LIMIT: usize = 100_003;

/// A limit on the size of files stands for a full disk: a write stops in the middle of a line.
/// The limit is for a process of its own, with the signal ignored that would end it.
#[test]
fn full_disk_leaves_whole_lines() {
    let dir = tempfile::tempdir().unwrap();
    for kind in ["ours", "pieces", "inherited"] {
        let path = dir.path().join(kind);
        let child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "write_to_limited_file", "--nocapture"])
            .env(LIMITED, &path)
            .output()
            .unwrap();
        assert!(
            child.status.success(),
            "{kind}: {}",
            String::from_utf8_lossy(&child.stderr)
        );
        let data = lines(100_000);
        let end = if kind == "inherited" {
            LIMIT
        } else {
            data[..LIMIT]
                .iter()
                .rposition(|&byte| byte == b'\n')
                .unwrap()
                + 1
        };
        assert!(fs::read(&path).unwrap() == data[..end], "{kind}");
    }
}

/// The other half of `full_disk_leaves_whole_lines`; on its own it has nothing to do.
#[test]
fn write_to_limited_file() {
    let Some(path) = std::env::var_os(LIMITED).map(PathBuf::from) else {
        return;
    };
    let limit = Some(LIMIT as u64);
    let limit = rustix::process::Rlimit {
        current: limit,
        maximum: limit,
    };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
    let inherited = path.ends_with("inherited");
    let mut sink = if inherited {
        Sink::inherited("file", File::create(&path).unwrap().into(), &[]).unwrap()
    } else {
        create(&path)
    };
    let piece = if path.ends_with("pieces") {
        7
    } else {
        usize::MAX
    };
    let data = lines(100_000);
    let error = data
        .chunks(piece)
        .find_map(|piece| sink.write(piece).err())
        .unwrap();
    let expected = if inherited { Tail::Torn } else { Tail::Whole };
    assert!(
        matches!(&error, SinkError::Write { tail, written, .. }
            if *tail == expected && *written == LIMIT as u64),
        "{error:?}"
    );
    // There is room again for a short line, but it would not be a prefix of the output any more.
    assert!(sink.write(b"\n").is_err());
    assert_eq!(sink.finish().is_err(), inherited);
}

#[test]
fn torn_tail_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&[&[u8]], &[u8]); 6] = [
        (&[], b""),
        (&[b"torn"], b""),
        (&[b"a\n"], b"a\n"),
        (&[b"a\nto", b"rn"], b"a\n"),
        (&[b"a\nb", b"c\n", b"to", b"rn"], b"a\nbc\n"),
        (&[b"a\nto", b"", b"rn", b"\n"], b"a\ntorn\n"),
    ];
    for (pieces, left) in cases {
        let path = dir.path().join("out");
        let mut sink = create(&path);
        for piece in pieces {
            sink.write(piece).unwrap();
        }
        sink.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), left, "{pieces:?}");
    }
}

#[test]
fn torn_tail_that_cannot_be_cut_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "inherited", b"");
    let inherited = OpenOptions::new().append(true).open(&path).unwrap();
    let mut sink = Sink::inherited("stdout", inherited.into(), &[]).unwrap();
    sink.write(b"a\nto").unwrap();
    assert_eq!(
        sink.finish().unwrap_err().to_string(),
        "the last line of stdout is cut short"
    );
    assert_eq!(fs::read(&path).unwrap(), b"a\nto");

    // Somebody else has appended, or truncated: then nothing is ours to cut.
    for (others, left) in [("append", "a\ntoother\n"), ("truncate", "")] {
        let path = dir.path().join("ours");
        let mut sink = create(&path);
        sink.write(b"a\nto").unwrap();
        match others {
            "append" => append(&path, b"other\n"),
            _ => fs::write(&path, b"").unwrap(),
        }
        assert!(
            matches!(sink.finish(), Err(SinkError::Torn { .. })),
            "{others}"
        );
        assert_eq!(fs::read(&path).unwrap(), left.as_bytes(), "{others}");
    }
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new()
        .append(true)
        .open(path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
}

#[test]
fn rotation_by_renaming_switches_between_lines() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("out"), dir.path().join("out.1"));
    let read = |path: &Path| String::from_utf8(fs::read(path).unwrap()).unwrap();
    let mut sink = create(&path);
    sink.write(b"1\n").unwrap();
    fs::rename(&path, &old).unwrap();
    sink.write(b"2\n").unwrap();
    sink.reopen().unwrap();
    sink.write(b"3\n").unwrap();
    assert_eq!((read(&old), read(&path)), ("1\n2\n".into(), "3\n".into()));

    // In the middle of a line the old file gets the rest of it.
    sink.write(b"4 to").unwrap();
    fs::rename(&path, &old).unwrap();
    sink.reopen().unwrap();
    sink.write(b"rn").unwrap();
    sink.write(b"\n").unwrap();
    sink.write(b"5\n6").unwrap();
    assert_eq!(
        (read(&old), read(&path)),
        ("3\n4 torn\n".into(), "5\n6".into())
    );

    // Without rotation nothing is lost, and the new file's tail can be cut like the first's.
    sink.write(b"\n").unwrap();
    sink.reopen().unwrap();
    sink.write(b"7\nto").unwrap();
    assert_eq!(sink.id(), FileId::of_path(&path));
    sink.finish().unwrap();
    assert_eq!(read(&path), "5\n6\n7\n");
}

#[test]
fn rotation_by_copying_and_truncating_leaves_no_hole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let mut sink = create(&path);
    sink.write(b"1\n").unwrap();
    fs::write(&path, b"").unwrap();
    sink.write(b"2\nto").unwrap();
    sink.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"2\n");
}

#[test]
fn failed_reopening_keeps_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let mut sink = create(&inner.join("out"));
    let moved = dir.path().join("moved");
    fs::rename(&inner, &moved).unwrap();
    let error = sink.reopen().unwrap_err().to_string();
    assert!(
        error.contains("inner/out for writing: No such file"),
        "{error}"
    );
    sink.write(b"1\n").unwrap();
    sink.finish().unwrap();
    assert_eq!(fs::read(moved.join("out")).unwrap(), b"1\n");
}

#[test]
fn reopening_a_pipe_does_nothing() {
    let (mut sink, mut reader) = on_pipe();
    sink.write(b"1\n").unwrap();
    sink.reopen().unwrap();
    sink.write(b"2\n").unwrap();
    sink.finish().unwrap();
    let mut all = String::new();
    reader.read_to_string(&mut all).unwrap();
    assert_eq!(all, "1\n2\n");
}

#[test]
fn output_that_is_an_input_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "in", b"precious\n");
    let link = dir.path().join("link");
    fs::hard_link(&path, &link).unwrap();
    let taken = [FileId::of_path(&path).unwrap()];
    for name in [&path, &link] {
        let error = Sink::create(name, Access::Umask, &taken).unwrap_err();
        assert!(matches!(error, SinkError::SameFile { .. }), "{error:?}");
        let inherited = OpenOptions::new().append(true).open(name).unwrap();
        let error = Sink::inherited("stdout", inherited.into(), &taken).unwrap_err();
        assert_eq!(
            error.to_string(),
            "stdout is also read or written by this run; name another file for the output"
        );
    }
    assert_eq!(fs::read(&path).unwrap(), b"precious\n");

    // Nor may two outputs be one.
    let first = create(&dir.path().join("out"));
    let second = Sink::create(
        &dir.path().join("out"),
        Access::Owner,
        &[first.id().unwrap()],
    );
    assert!(matches!(second, Err(SinkError::SameFile { .. })));
}

#[test]
fn what_cannot_be_opened_is_said_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().display();
    let directory = Sink::create(dir.path(), Access::Umask, &[])
        .unwrap_err()
        .to_string();
    assert_eq!(
        directory,
        format!("{here} is a directory; name a file in it for the output")
    );
    let missing = Sink::create(&dir.path().join("no/out"), Access::Umask, &[]).unwrap_err();
    assert!(
        missing
            .to_string()
            .starts_with(&format!("cannot open {here}/no/out for writing: No"))
    );
}

#[test]
fn devices_and_fifos_are_written_as_they_are() {
    let mut null = create(Path::new("/dev/null"));
    null.write(&lines(50_000)).unwrap();
    null.reopen().unwrap();
    null.finish().unwrap();

    let dir = tempfile::tempdir().unwrap();
    let path = mkfifo(dir.path());
    let reader = thread::spawn({
        let path = path.clone();
        move || fs::read(path).unwrap()
    });
    let mut sink = create(&path);
    sink.write(b"{}\n").unwrap();
    sink.reopen().unwrap();
    sink.finish().unwrap();
    assert_eq!(reader.join().unwrap(), b"{}\n");
}
