//! Sources on real pipes, FIFOs and files: pauses, ends, the stop, compression told by its first
//! bytes, and files that grow too much.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of tests may fail like the tests themselves"
)]

use std::fs;
use std::io::{self, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use flate2::Compression;
use flate2::write::GzEncoder;
use hsmtrail::source::{
    Damage, FileId, Packing, Read, Source, SourceError, Spare, StopSignal, StopTrigger, stop_pair,
};

/// Longer than any of these tests takes: a wait that must end by something else.
const LONG: Option<Duration> = Some(Duration::from_mins(1));
/// What is there now.
const NOW: Option<Duration> = Some(Duration::ZERO);

fn never() -> StopSignal {
    stop_pair().unwrap().1
}

fn on_pipe() -> (Source, PipeWriter, StopTrigger) {
    let (trigger, signal) = stop_pair().unwrap();
    let (reader, writer) = io::pipe().unwrap();
    (
        Source::inherited("pipe", OwnedFd::from(reader), signal).unwrap(),
        writer,
        trigger,
    )
}

/// Both ways to read: into a buffer that others may hold parts of, and into one of one's own.
const WAYS: [Way; 2] = [Source::read, Source::read_whole];

type Way = fn(&mut Source, &mut BytesMut, Option<Duration>) -> Result<Read, SourceError>;

/// Everything up to the end or the error, and that, by either way.
fn drain(source: &mut Source, way: usize) -> (Vec<u8>, Result<(), SourceError>) {
    let read = WAYS[way];
    let mut buf = BytesMut::new();
    loop {
        let before = buf.len();
        match read(source, &mut buf, LONG) {
            Ok(Read::Bytes(count)) => {
                assert!(count > 0 && buf.len() == before + count);
                assert!(count <= 128 * 1024 || way == 1);
            }
            Ok(Read::End) => return (buf.to_vec(), Ok(())),
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                let after = read(source, &mut buf, LONG).unwrap();
                assert_eq!(after, Read::End, "after an error");
                return (buf.to_vec(), Err(error));
            }
        }
    }
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0; zstd_safe::compress_bound(data.len())];
    let length = zstd_safe::compress(&mut out[..], data, 3).unwrap();
    out.truncate(length);
    out
}

fn bzip2(data: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn lines(count: u32) -> Vec<u8> {
    (0..count)
        .flat_map(|n| format!("{{\"n\":{}}}\n", n.wrapping_mul(2_654_435_761)).into_bytes())
        .collect()
}

fn file(dir: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// A name, raw bytes, what comes out, and the damage after that.
type Case = (&'static str, Vec<u8>, Vec<u8>, Option<Damage>);

fn forms() -> Vec<Case> {
    [gzip_forms(), other_forms()].concat()
}

/// Plain bytes and gzip.
fn gzip_forms() -> Vec<Case> {
    let big = lines(40_000);
    let packed = gzip(&big);
    let mut wrong = packed.clone();
    let at = wrong.len() - 8;
    wrong[at] ^= 1;
    vec![
        ("empty", vec![], vec![], None),
        ("one byte", b"{".to_vec(), b"{".to_vec(), None),
        ("half a magic", vec![0x1f], vec![], Some(Damage::Truncated)),
        ("lone bracket", b"[".to_vec(), b"[".to_vec(), None),
        (
            "not quite a magic",
            b"\x1f\x8a{}".to_vec(),
            b"\x1f\x8a{}".to_vec(),
            None,
        ),
        ("plain", big.clone(), big.clone(), None),
        ("gzip", packed.clone(), big.clone(), None),
        ("gzip of nothing", gzip(b""), vec![], None),
        (
            "members",
            [gzip(b"a\n"), gzip(b""), packed.clone()].concat(),
            [b"a\n", &*big].concat(),
            None,
        ),
        (
            "padded",
            [gzip(b"a\n"), vec![0; 300_000]].concat(),
            b"a\n".to_vec(),
            None,
        ),
        (
            "only the magic",
            vec![0x1f, 0x8b],
            vec![],
            Some(Damage::Truncated),
        ),
        (
            "cut",
            packed[..packed.len() - 1].to_vec(),
            big.clone(),
            Some(Damage::Truncated),
        ),
        ("checksum", wrong, big.clone(), Some(Damage::Data)),
        (
            "text after",
            [packed, b"{}".to_vec()].concat(),
            big,
            Some(Damage::Trailing),
        ),
    ]
}

/// The other two ways to compress, by the same cases.
fn other_forms() -> Vec<Case> {
    let big = lines(40_000);
    vec![
        ("zstd", zstd(&big), big.clone(), None),
        ("bzip2", bzip2(&big), big.clone(), None),
        (
            "zstd frames",
            [zstd(b"a\n"), zstd(b""), zstd(&big)].concat(),
            [b"a\n", &*big].concat(),
            None,
        ),
        (
            "bzip2 streams",
            [bzip2(b"a\n"), bzip2(b""), bzip2(&big)].concat(),
            [b"a\n", &*big].concat(),
            None,
        ),
        (
            "half a magic of zstd",
            vec![0x28, 0xb5],
            vec![],
            Some(Damage::Truncated),
        ),
        (
            "half a magic of bzip2",
            b"BZ".to_vec(),
            vec![],
            Some(Damage::Truncated),
        ),
        (
            "cut zstd",
            zstd(&big)[..9].to_vec(),
            vec![],
            Some(Damage::Truncated),
        ),
        (
            "cut bzip2",
            bzip2(b"a\n")[..20].to_vec(),
            vec![],
            Some(Damage::Truncated),
        ),
    ]
}

fn forms_both_ways() -> impl Iterator<Item = (Case, usize)> {
    let ways = (0..WAYS.len()).cycle();
    let twice = forms().into_iter().flat_map(|form| [form.clone(), form]);
    twice.zip(ways)
}

fn check_end(what: &str, end: Result<(), SourceError>, damage: Option<Damage>) {
    match (end, damage) {
        (Ok(()), None) => {}
        (Err(SourceError::Corrupt { damage: told, .. }), Some(damage)) => {
            assert_eq!(told, damage, "{what}");
        }
        (end, damage) => panic!("{what}: {end:?}, not {damage:?}"),
    }
}

#[test]
fn files_of_every_form() {
    let dir = tempfile::tempdir().unwrap();
    for ((what, raw, out, damage), way) in forms_both_ways() {
        let path = file(dir.path(), what, &raw);
        let mut source = Source::open(&path, never()).unwrap();
        let (got, end) = drain(&mut source, way);
        assert!(got == out, "{what}: {} bytes, not {}", got.len(), out.len());
        check_end(what, end, damage);
        assert_eq!(source.raw_bytes(), raw.len() as u64, "{what}");
        assert_eq!(source.blocked(), Duration::ZERO, "{what}");
        assert_eq!(source.id(), FileId::of_path(&path), "{what}");
        assert_eq!(source.name(), path.to_str().unwrap());
    }
}

#[test]
fn pipes_of_every_form() {
    for ((what, raw, out, damage), way) in forms_both_ways() {
        let (mut source, mut writer, _trigger) = on_pipe();
        let sender = thread::spawn(move || writer.write_all(&raw));
        let (got, end) = drain(&mut source, way);
        assert!(got == out, "{what}: {} bytes, not {}", got.len(), out.len());
        check_end(what, end, damage);
        assert_eq!(source.id(), None, "{what}");
        drop(source);
        // The source may have been given up before its last byte was taken.
        let sent = sender.join().unwrap();
        assert!(sent.is_ok() || damage.is_some(), "{what}: {sent:?}");
    }
}

/// One raw byte, a pause, the next: whatever is complete comes out, nothing is lost.
#[test]
fn every_byte_may_be_followed_by_a_pause() {
    let text = lines(30);
    let raw = [gzip(&text), gzip(b""), gzip(b"end\n"), vec![0; 3]].concat();
    let all = [&*text, b"end\n"].concat();
    for (raw, read) in [&raw, &all]
        .into_iter()
        .flat_map(|raw| WAYS.map(|way| (raw, way)))
    {
        let out = &all;
        let (mut source, mut writer, _trigger) = on_pipe();
        let mut buf = BytesMut::new();
        for byte in raw {
            assert_eq!(read(&mut source, &mut buf, NOW).unwrap(), Read::Idle);
            writer.write_all(&[*byte]).unwrap();
            while let Read::Bytes(_) = read(&mut source, &mut buf, NOW).unwrap() {}
            assert!(out.starts_with(&buf));
        }
        assert_eq!(buf, out[..], "all is out before the end is known");
        drop(writer);
        assert_eq!(read(&mut source, &mut buf, None).unwrap(), Read::End);
        assert_eq!(read(&mut source, &mut buf, None).unwrap(), Read::End);
        assert_eq!(source.raw_bytes(), raw.len() as u64);
    }
}

#[test]
fn flushed_gzip_record_is_not_held() {
    let (mut source, writer, _trigger) = on_pipe();
    let mut encoder = GzEncoder::new(writer, Compression::default());
    for line in lines(20).split_inclusive(|&byte| byte == b'\n') {
        encoder.write_all(line).unwrap();
        encoder.flush().unwrap();
        let mut buf = BytesMut::new();
        while buf.len() < line.len() {
            assert!(matches!(
                source.read(&mut buf, NOW).unwrap(),
                Read::Bytes(_)
            ));
        }
        assert_eq!(buf, line);
    }
}

/// 8 MiB of zeros are 8 KiB of gzip: what one read adds, and the buffer, stay small.
#[test]
fn output_that_dwarfs_its_input_comes_in_portions() {
    let dir = tempfile::tempdir().unwrap();
    let size = 8 << 20;
    let path = file(dir.path(), "zeros.gz", &gzip(&vec![b'0'; size]));
    let mut source = Source::open(&path, never()).unwrap();
    let mut buf = BytesMut::with_capacity(256 * 1024);
    let mut total = 0;
    while let Read::Bytes(count) = source.read(&mut buf, None).unwrap() {
        assert!(buf.len() == count && buf.first() == Some(&b'0'));
        assert!(buf.capacity() <= 512 * 1024, "{}", buf.capacity());
        total += count;
        buf.clear();
    }
    assert_eq!(total, size);
}

/// What grows too much ends at the same byte in every run, and not before it is long.
#[test]
fn a_bomb_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let size = 18 << 20;
    let zeros = vec![b'\n'; size];
    for (packing, raw) in [
        (Packing::Gzip, gzip(&zeros)),
        (Packing::Zstd, zstd(&zeros)),
        (Packing::Bzip2, bzip2(&zeros)),
    ] {
        let path = file(dir.path(), "bomb", &raw);
        let open = |ratio| {
            let mut source = Source::open(&path, never()).unwrap();
            source.limit_growth(ratio);
            source
        };
        let mut source = open(200);
        let (mut buf, mut total) = (BytesMut::new(), 0);
        let error = loop {
            match source.read(&mut buf, None) {
                Ok(Read::Bytes(count)) => total += count,
                Ok(other) => panic!("{packing}: {other:?}"),
                Err(error) => break error,
            }
            buf.clear();
        };
        assert_eq!(total, 16 << 20, "{packing}");
        let told = error.to_string();
        let reason = "it becomes more than 200 times longer; if that is right, raise \
                      --max-inflate-ratio; what came before was read";
        assert!(told.ends_with(reason), "{told}");
        assert!(told.contains(&format!(" of its {packing}: ")), "{told}");
        assert_eq!(source.read(&mut buf, None).unwrap(), Read::End);

        let mut source = open(u64::MAX);
        let mut total = 0;
        while let Read::Bytes(count) = source.read(&mut buf, None).unwrap() {
            total += count;
            buf.clear();
        }
        assert_eq!(total, size, "{packing}");
    }
}

/// The buffers of one source serve the next, whatever its form and however the one before ended.
#[test]
fn buffers_go_from_source_to_source() {
    let dir = tempfile::tempdir().unwrap();
    let mut spare = Spare::default();
    for (n, ((what, raw, out, damage), way)) in forms_both_ways().enumerate() {
        let path = file(dir.path(), &n.to_string(), &raw);
        let mut source = Source::open(&path, never()).unwrap().with_spare(spare);
        let (got, end) = drain(&mut source, way);
        assert!(got == out, "{what}: {} bytes, not {}", got.len(), out.len());
        check_end(what, end, damage);
        spare = source.take_spare();
    }
}

/// The whole rest of a buffer was held by two, so that it was copied, to where there was no room;
/// what was read into that looked like the end, and everything behind was lost.
#[test]
fn a_buffer_that_others_hold_parts_of_is_not_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let data = lines(100_000);
    let path = file(dir.path(), "in", &data);
    for read in WAYS {
        let mut source = Source::open(&path, never()).unwrap();
        let mut buf = BytesMut::with_capacity(512 * 1024);
        let mut parts = Vec::new();
        while let Read::Bytes(_) = read(&mut source, &mut buf, None).unwrap() {
            parts.push(buf.split_to(buf.len() / 2));
            parts.push(buf.split_to(buf.len() / 2));
        }
        parts.push(buf);
        assert!(parts.concat() == data);
    }
}

#[test]
fn caller_s_room_is_used_and_its_bytes_stay() {
    let data = lines(50_000);
    for (raw, read) in [data.clone(), gzip(&data)]
        .iter()
        .flat_map(|raw| WAYS.map(|way| (raw, way)))
    {
        let dir = tempfile::tempdir().unwrap();
        let mut source = Source::open(&file(dir.path(), "in", raw), never()).unwrap();
        let mut buf = BytesMut::with_capacity(240_000);
        buf.extend_from_slice(b"before");
        let place = buf.as_ptr();
        // The first read of plain bytes is not one to their place, the second is.
        for _ in 0..2 {
            assert!(matches!(
                read(&mut source, &mut buf, None).unwrap(),
                Read::Bytes(_)
            ));
        }
        assert_eq!(buf.as_ptr(), place, "no new allocation while there is room");
        assert!(buf.starts_with(b"before") && data.starts_with(&buf[6..]));
        while let Read::Bytes(_) = read(&mut source, &mut buf, None).unwrap() {}
        assert_eq!(&buf[6..], data);
    }
}

#[test]
fn idle_after_the_time_given() {
    let (mut source, mut writer, _trigger) = on_pipe();
    let mut buf = BytesMut::new();
    let wait = Duration::from_millis(30);
    let begun = Instant::now();
    assert_eq!(source.read(&mut buf, Some(wait)).unwrap(), Read::Idle);
    assert!(begun.elapsed() >= wait && source.blocked() >= wait / 2);
    writer.write_all(b"x").unwrap();
    assert_eq!(source.read(&mut buf, NOW).unwrap(), Read::Bytes(1));
    assert_eq!(source.read(&mut buf, NOW).unwrap(), Read::Idle);
    drop(writer);
    // A time that no clock can hold is no limit.
    assert_eq!(
        source.read(&mut buf, Some(Duration::MAX)).unwrap(),
        Read::End
    );
    assert_eq!(buf, "x");
}

#[test]
fn stop_ends_a_wait_at_once_and_for_ever() {
    for wait in [None, LONG] {
        let (mut source, mut writer, trigger) = on_pipe();
        let (has_read, was_read) = std::sync::mpsc::channel();
        let reader = thread::spawn(move || {
            let mut buf = BytesMut::new();
            assert_eq!(source.read(&mut buf, wait).unwrap(), Read::Bytes(4));
            has_read.send(()).unwrap();
            let read = source.read(&mut buf, wait).unwrap();
            (source, read)
        });
        writer.write_all(b"data").unwrap();
        was_read.recv().unwrap();
        // Before the wait or in it.
        thread::sleep(Duration::from_millis(20));
        trigger.stop();
        let (mut source, read) = reader.join().unwrap();
        assert_eq!(read, Read::Stopped);
        writer.write_all(b"more").unwrap();
        drop(writer);
        for wait in [NOW, LONG, None] {
            let mut buf = BytesMut::new();
            assert_eq!(source.read(&mut buf, wait).unwrap(), Read::Stopped);
            assert!(buf.is_empty());
        }
    }
}

#[test]
fn stop_holds_for_files_and_for_sources_opened_later() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "in", &lines(100_000));
    let (trigger, signal) = stop_pair().unwrap();
    let mut early = Source::open(&path, signal.clone()).unwrap();
    let mut buf = BytesMut::new();
    assert!(matches!(
        early.read(&mut buf, None).unwrap(),
        Read::Bytes(_)
    ));
    trigger.stop();
    let mut late = Source::open(&path, signal).unwrap();
    for source in [&mut early, &mut late] {
        assert_eq!(source.read(&mut buf, None).unwrap(), Read::Stopped);
    }
}

#[test]
fn non_blocking_pipe_is_waited_for() {
    let (trigger, signal) = stop_pair().unwrap();
    let (reader, mut writer) = io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&reader).unwrap();
    rustix::fs::fcntl_setfl(&reader, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    let mut source = Source::inherited("pipe", OwnedFd::from(reader), signal).unwrap();
    let mut buf = BytesMut::new();
    assert_eq!(source.read(&mut buf, NOW).unwrap(), Read::Idle);
    let sender = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        writer.write_all(b"late").unwrap();
        writer
    });
    assert_eq!(source.read(&mut buf, None).unwrap(), Read::Bytes(4));
    let writer = sender.join().unwrap();
    trigger.stop();
    assert_eq!(source.read(&mut buf, None).unwrap(), Read::Stopped);
    drop(writer);
}

#[cfg(target_os = "linux")]
#[test]
fn fifo_without_a_writer_can_be_stopped_and_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let (trigger, signal) = stop_pair().unwrap();
    let mut buf = BytesMut::new();

    let mut source = Source::open(&path, signal.clone()).unwrap();
    assert_eq!(source.read(&mut buf, NOW).unwrap(), Read::Idle);
    let mut writer = fs::OpenOptions::new().write(true).open(&path).unwrap();
    assert_eq!(source.read(&mut buf, NOW).unwrap(), Read::Idle);
    writer.write_all(b"a").unwrap();
    assert_eq!(source.read(&mut buf, None).unwrap(), Read::Bytes(1));
    drop(writer);
    assert_eq!(source.read(&mut buf, None).unwrap(), Read::End);

    let mut waiting = Source::open(&path, signal).unwrap();
    let reader = thread::spawn(move || waiting.read(&mut BytesMut::new(), None).unwrap());
    trigger.stop();
    assert_eq!(reader.join().unwrap(), Read::Stopped);
}

#[test]
fn what_cannot_be_read_is_said_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().display();
    let missing = Source::open(&dir.path().join("no.json"), never())
        .unwrap_err()
        .to_string();
    assert!(
        missing.starts_with(&format!("cannot open {here}/no.json: No such file")),
        "{missing}"
    );
    let directory = Source::open(dir.path(), never()).unwrap_err().to_string();
    assert_eq!(
        directory,
        format!("{here} is a directory; give its path as FILE to read the files in it")
    );

    let mut cut = gzip(b"text\n");
    cut.truncate(cut.len() - 3);
    let path = file(dir.path(), "cut.gz", &cut);
    let (_, end) = drain(&mut Source::open(&path, never()).unwrap(), 0);
    assert_eq!(
        end.unwrap_err().to_string(),
        format!(
            "cannot decompress {here}/cut.gz beyond byte {} of its gzip: it is cut off; copy it \
             again from where it came; what came before was read",
            cut.len()
        )
    );
}

#[test]
fn an_empty_file_that_is_called_compressed_was_cut() {
    let dir = tempfile::tempdir().unwrap();
    for (name, said) in [
        ("empty.json.gz", Some("byte 0 of its gzip")),
        ("empty.ZST", Some("byte 0 of its zstd")),
        ("empty.bz2", Some("byte 0 of its bzip2")),
        ("empty.json", None),
        ("gz", None),
    ] {
        let path = file(dir.path(), name, b"");
        let (bytes, end) = drain(&mut Source::open(&path, never()).unwrap(), 0);
        assert!(bytes.is_empty(), "{name}");
        assert_eq!(said.is_some(), end.is_err(), "{name}: {end:?}");
        if let (Some(said), Err(error)) = (said, end) {
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}

#[test]
fn identity_is_of_the_file_not_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "a", b"");
    let (link, hard) = (dir.path().join("b"), dir.path().join("c"));
    std::os::unix::fs::symlink(&path, &link).unwrap();
    fs::hard_link(&path, &hard).unwrap();
    let id = FileId::of_path(&path);
    assert!(id.is_some());
    assert_eq!(id, FileId::of_path(&link));
    assert_eq!(id, FileId::of_path(&hard));
    assert_ne!(id, FileId::of_path(&file(dir.path(), "d", b"")));
    for none in [dir.path(), Path::new("/dev/null"), &dir.path().join("none")] {
        assert_eq!(FileId::of_path(none), None);
    }
}

#[test]
fn dev_null_is_at_its_end() {
    let mut source = Source::open(Path::new("/dev/null"), never()).unwrap();
    assert_eq!(source.read(&mut BytesMut::new(), None).unwrap(), Read::End);
}
