//! `--follow` and `--state` through the binary: files that grow and rotate in every way, FIFOs, runs
//! that end by a signal or are killed, and what the next run makes of it.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[path = "common/binary.rs"]
mod binary;
#[path = "common/input.rs"]
mod input;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use binary::{Running, Signal, hsmtrail, wait_until};
use bytes::BytesMut;
use hsmtrail::source::{Followed, Follower, Place as PlaceInFile, Read, Source, stop_pair};
use input::{cloudhsm, gzip, lines, log_file, other, without_enrichment};
use tempfile::TempDir;

/// A directory with a followed file `in`, perhaps.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn length(&self, name: &str) -> usize {
        fs::metadata(self.path(name)).map_or(0, |file| usize::try_from(file.len()).unwrap())
    }

    /// As logrotate does for a writer that keeps its file open.
    fn copy_and_truncate(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
        let file = OpenOptions::new().write(true).open(self.path(from));
        file.unwrap().set_len(0).unwrap();
    }

    /// As logrotate does with `compress`.
    fn compress(&self, name: &str) {
        let packed = gzip(fs::read(self.path(name)).unwrap());
        fs::write(self.path(&format!("{name}.gz")), packed).unwrap();
        fs::remove_file(self.path(name)).unwrap();
    }

    fn follow(&self, args: &[&str]) -> Running {
        let all = ["--follow", "--flush-interval", "10ms", "--workers", "2"];
        let mut command = hsmtrail(all.iter().chain(args));
        command.current_dir(self.0.path());
        Running::start(command)
    }
}

/// Records of these numbers, one a line, each long enough to tell a file by its first ones.
fn records(numbers: std::ops::Range<usize>) -> String {
    let record = |n: usize| {
        let record = if n.is_multiple_of(5) {
            cloudhsm(n)
        } else {
            other(n)
        };
        record.replacen('{', &format!("{{\"eventID\":\"{n:0200}\","), 1)
    };
    lines(&numbers.map(record).collect::<Vec<_>>())
}

/// The numbers of the records of an output.
fn numbers(out: &str) -> Vec<usize> {
    let number = |line: &str| {
        let (record, _) = without_enrichment(line);
        let digits = record.rsplit_once(':').unwrap().1;
        digits.strip_suffix('}').unwrap().parse().unwrap()
    };
    binary::whole_lines(out).into_iter().map(number).collect()
}

/// Waits until the output of `running` holds so many lines.
fn wait_for_lines(running: &Running, count: usize) {
    running.wait_for_out(|out| memchr::memchr_iter(b'\n', out).count() >= count);
}

/// Ends it, checks that it said nothing, and gives the numbers of its output.
fn stop(running: Running) -> Vec<usize> {
    running.signal(Signal::TERM);
    numbers(running.wait().quiet())
}

fn up_to(count: usize) -> Vec<usize> {
    (0..count).collect()
}

#[test]
fn a_file_is_read_as_it_grows() {
    let place = Place::new();
    // It may come later, and be empty at first.
    let running = place.follow(&["in"]);
    place.append("in", "");
    place.append("in", &records(0..3));
    wait_for_lines(&running, 3);
    let fourth = records(3..4);
    place.append("in", &fourth[..50]);
    place.append("in", &fourth[50..]);
    wait_for_lines(&running, 4);
    // A record whose line has not ended is whole all the same.
    place.append("in", records(4..5).trim_end());
    wait_for_lines(&running, 5);
    place.append("in", "\n");
    place.append("in", &records(5..1000));
    wait_for_lines(&running, 1000);
    // What is left unfinished is no reject.
    place.append("in", "{\"n\":");
    assert_eq!(stop(running), up_to(1000));
}

#[test]
fn rotation_by_renaming() {
    let place = Place::new();
    place.append("in", &records(0..10));
    let running = place.follow(&["in"]);
    wait_for_lines(&running, 10);
    place.rename("in", "in.1");
    // Its writer goes on with the old file until it has opened the new one.
    place.append("in.1", &records(10..20));
    place.append("in", "");
    place.append("in.1", &records(20..30));
    wait_for_lines(&running, 30);
    place.append("in", &records(30..40));
    wait_for_lines(&running, 40);
    // More than once between two looks: the one between is found by its name.
    place.append("in", &records(40..50));
    for (from, to) in [("in.1", "in.2"), ("in", "in.1")] {
        place.rename(from, to);
    }
    place.append("in", &records(50..60));
    for (from, to) in [("in.2", "in.3"), ("in.1", "in.2"), ("in", "in.1")] {
        place.rename(from, to);
    }
    place.append("in", &records(60..70));
    wait_for_lines(&running, 70);
    // And without anything in the new file.
    place.append("in", &records(70..80));
    for (from, to) in [("in.1", "in.2"), ("in", "in.1")] {
        place.rename(from, to);
    }
    place.append("in", &records(80..90));
    for (from, to) in [("in.2", "in.3"), ("in.1", "in.2"), ("in", "in.1")] {
        place.rename(from, to);
    }
    place.append("in", "");
    wait_for_lines(&running, 90);
    assert_eq!(stop(running), up_to(90));
}

#[test]
fn rotation_by_copying_and_truncating() {
    let place = Place::new();
    place.append("in", &records(0..10));
    let running = place.follow(&["in"]);
    wait_for_lines(&running, 10);
    for n in 1..4 {
        // What comes right before is in the copy only.
        place.append("in", &records(n * 20 - 10..n * 20));
        fs::remove_file(place.path("in.1")).ok();
        place.copy_and_truncate("in", "in.1");
        place.append("in", &records(n * 20..n * 20 + 10));
        wait_for_lines(&running, n * 20 + 10);
    }
    assert_eq!(stop(running), up_to(70));
}

#[test]
fn a_record_that_a_copy_completes_is_no_reject() {
    let place = Place::new();
    place.append("in", &records(0..10));
    let running = place.follow(&["in"]);
    let (one, next) = (records(10..11), records(11..12));
    let (begun, rest) = next.split_at(50);
    place.append("in", &(one + begun));
    wait_for_lines(&running, 11);
    place.append("in", rest);
    place.copy_and_truncate("in", "in.1");
    place.append("in", &records(12..14));
    wait_for_lines(&running, 14);
    assert_eq!(stop(running), up_to(14));
}

#[test]
fn several_files_at_once() {
    let place = Place::new();
    let running = place.follow(&["a", "b", "--summary"]);
    for round in 0..20 {
        for (name, first) in [("a", 0), ("b", 1000)] {
            place.append(name, &records(first + round * 10..first + round * 10 + 10));
        }
        wait_for_lines(&running, (round + 1) * 20);
    }
    place.append("b", "{\"n\":}\n");
    running.wait_for_out(|out| out.windows(9).any(|bytes| bytes == b"\"record\":"));
    running.signal(Signal::TERM);
    let done = running.wait();
    assert_eq!(done.code, Some(1));
    // The numbers of records are those of each input.
    assert!(done.text().contains("\"source\":\"b\",\"record\":201,"));
    let kept: String = done
        .text()
        .split_inclusive('\n')
        .filter(|line| !line.contains("hsmtrail_reject"))
        .collect();
    let (of_a, of_b): (Vec<_>, Vec<_>) = numbers(&kept).into_iter().partition(|n| *n < 1000);
    assert_eq!(of_a, up_to(200));
    assert!(of_b.into_iter().eq(1000..1200));
}

#[cfg(target_os = "linux")]
#[test]
fn a_fifo_is_opened_again_for_each_writer() {
    let place = Place::new();
    let made = Command::new("mkfifo").arg(place.path("in")).status();
    assert!(made.unwrap().success());
    let running = place.follow(&["in", "--state", "state"]);
    for n in 0..20 {
        place.append("in", &records(n * 3..n * 3 + 3));
        if n % 3 == 0 {
            wait_for_lines(&running, n * 3 + 3);
        }
    }
    wait_for_lines(&running, 60);
    assert_eq!(stop(running), up_to(60));
}

/// What may happen to a file between two runs.
type Change = fn(&Place);

fn changes() -> [(&'static str, Change); 9] {
    [
        ("nothing", |_| {}),
        ("more", |place| place.append("in", &records(10..20))),
        ("renamed", |place| {
            place.append("in", &records(10..15));
            place.rename("in", "in.1");
            place.append("in", &records(15..20));
        }),
        ("renamed, and none there yet", |place| {
            place.append("in", &records(10..20));
            place.rename("in", "in.1");
        }),
        ("renamed thrice, by dates", |place| {
            place.append("in", &records(10..12));
            place.rename("in", "in-20260307");
            place.append("in", &records(12..15));
            place.rename("in", "in-20260308");
            place.append("in", &records(15..18));
            place.rename("in", "in-20260309");
            place.append("in", &records(18..20));
        }),
        ("renamed and compressed, ten old ones beside it", |place| {
            for old in 3..13 {
                place.append(&format!("in.{old}"), &records(900..910));
            }
            place.append("in", &records(10..13));
            place.rename("in", "in.2");
            place.compress("in.2");
            place.append("in.1", &records(13..17));
            place.compress("in.1");
            place.append("in", &records(17..20));
        }),
        ("copied and truncated", |place| {
            place.append("in", &records(10..15));
            place.copy_and_truncate("in", "in.1");
            place.append("in", &records(15..20));
        }),
        ("copied, truncated and compressed", |place| {
            place.append("in", &records(10..15));
            place.copy_and_truncate("in", "in.1");
            place.compress("in.1");
            place.append("in", &records(15..20));
        }),
        ("copied and truncated, and longer than before", |place| {
            place.copy_and_truncate("in", "in.1");
            place.append("in", &records(10..40));
        }),
    ]
}

#[test]
fn the_next_run_goes_on_where_one_was_stopped() {
    for (what, change) in changes() {
        let place = Place::new();
        place.append("in", &records(0..10));
        let running = place.follow(&["--state", "state", "in"]);
        wait_for_lines(&running, 10);
        // A record under way is left to the next run.
        assert_eq!(stop(running), up_to(10), "{what}");
        change(&place);
        let running = place.follow(&["--state", "state", "in"]);
        place.append("in", &records(90..91));
        running.wait_for_out(|out| out.ends_with(b":90}\n") || out.ends_with(b"}}\n"));
        let last = match what {
            "nothing" => 10,
            "copied and truncated, and longer than before" => 40,
            _ => 20,
        };
        wait_for_lines(&running, last - 10 + 1);
        let expected: Vec<_> = (10..last).chain([90]).collect();
        assert_eq!(stop(running), expected, "{what}");
    }
}

#[test]
fn a_record_under_way_is_left_to_the_next_run() {
    let place = Place::new();
    let all = records(0..20);
    // In the middle of a record, right behind one, and behind two of a line.
    for cut in [500, 2000, all.len() - 1] {
        let place_of = Place::new();
        place_of.append("in", &all[..cut]);
        let running = place_of.follow(&["--state", "state", "in"]);
        let whole = all[..cut].matches("}\n").count() + usize::from(all[..cut].ends_with('}'));
        wait_for_lines(&running, whole);
        assert_eq!(stop(running), up_to(whole));
        let running = place_of.follow(&["--state", "state", "in"]);
        place_of.append("in", &all[cut..]);
        place_of.append("in", &records(20..21));
        wait_for_lines(&running, 21 - whole);
        assert!(stop(running).into_iter().eq(whole..21), "cut at {cut}");
    }
    let two = "{\"n\":0}{\"n\":1}";
    place.append("in", two);
    let running = place.follow(&["--state", "state", "in"]);
    wait_for_lines(&running, 2);
    assert_eq!(stop(running), [0, 1]);
    let running = place.follow(&["--state", "state", "in"]);
    place.append("in", "{\"n\":2}\n{\"n\":3}\n{\"n\":\n");
    wait_for_lines(&running, 3);
    running.signal(Signal::TERM);
    let done = running.wait();
    assert!(done.text().starts_with("{\"n\":2}\n{\"n\":3}\n"));
    // Records and bytes are counted on.
    assert!(
        done.text().contains("\"record\":5,\"offset\":30,"),
        "{}",
        done.text()
    );
}

/// Documents have no place to begin anew but between them, so their records are counted.
#[test]
fn the_next_run_goes_on_inside_a_document() {
    let documents: String = (0..4)
        .map(|n| {
            let records: Vec<_> = (n * 10..n * 10 + 10).map(other).collect();
            log_file(&records).replace(",{", ",\n  {")
        })
        .collect();
    for cut in (100..documents.len()).step_by(documents.len() / 13) {
        let place = Place::new();
        let first = &documents[..cut];
        place.append("in", first);
        let running = place.follow(&["--state", "state", "in"]);
        let whole = first.matches("\"n\":").count() - usize::from(is_inside(first));
        wait_for_lines(&running, whole);
        assert_eq!(stop(running), up_to(whole), "cut at {cut}");
        let running = place.follow(&["--state", "state", "in"]);
        place.append("in", &documents[cut..]);
        wait_for_lines(&running, 40 - whole);
        assert!(stop(running).into_iter().eq(whole..40), "cut at {cut}");
    }
}

/// Whether a part of a document ends inside a record, behind its `"n":`.
fn is_inside(part: &str) -> bool {
    let last = part.rfind("\"n\":");
    last.is_some_and(|at| !part[at..].contains('}'))
}

/// It waited for what came next, and a stop forgot it.
#[test]
fn r_what_a_truncated_file_has_left_unfinished_is_a_reject_at_once() {
    let place = Place::new();
    place.append("in", &records(0..2));
    place.append("in", "{\"n\":");
    let running = place.follow(&["in"]);
    wait_for_lines(&running, 2);
    let file = OpenOptions::new().write(true).open(place.path("in"));
    file.unwrap().set_len(0).unwrap();
    wait_for_lines(&running, 3);
    running.signal(Signal::TERM);
    let done = running.wait();
    assert_eq!(done.code, Some(1));
    let reject = "{\"hsmtrail_reject\":{\"reason\":\"truncated\"";
    assert!(done.lines()[2].starts_with(reject), "{}", done.text());
}

#[test]
fn a_file_that_is_gone_is_said() {
    let place = Place::new();
    place.append("in", &records(0..10));
    let running = place.follow(&["--state", "state", "in"]);
    wait_for_lines(&running, 10);
    stop(running);
    fs::remove_file(place.path("in")).unwrap();
    place.append("in", &records(20..30));
    let running = place.follow(&["--state", "state", "in"]);
    wait_for_lines(&running, 10);
    running.signal(Signal::TERM);
    let done = running.wait();
    assert_eq!(done.code, Some(3));
    assert!(numbers(done.text()).into_iter().eq(20..30));
    let told = "the file that was read as in up to byte ";
    assert!(done.err.contains(told), "{}", done.err);

    fs::write(place.path("state"), "hsmtrail state 2\n").unwrap();
    let done = place.follow(&["--state", "state", "in"]).wait();
    assert_eq!((done.code, done.text()), (Some(3), ""));
    let told = "state is no state file of hsmtrail in line 1";
    assert!(done.err.contains(told), "{}", done.err);
}

/// It was begun anew for ever, and its records were written each time.
#[test]
fn r_a_damaged_file_is_read_once_and_then_what_takes_its_place() {
    let place = Place::new();
    let damaged = [gzip(records(0..10)), b"junk".to_vec()].concat();
    fs::write(place.path("in"), &damaged).unwrap();
    let running = place.follow(&["in"]);
    wait_for_lines(&running, 10);
    place.rename("in", "in.2");
    place.append("in.1", &records(10..20));
    place.append("in", &records(20..30));
    wait_for_lines(&running, 30);
    running.signal(Signal::TERM);
    let done = running.wait();
    assert_eq!(done.code, Some(3));
    assert_eq!(numbers(done.text()), up_to(30));
    assert_eq!(done.err.matches("something else follows").count(), 1);
}

/// The next source of a follower.
fn next_of(follower: &mut Follower) -> Source {
    match follower.next_source().unwrap() {
        Followed::Source(source) => *source,
        other => panic!("{other:?}"),
    }
}

/// What there is to read now, and whether that was all.
fn read_now(source: &mut Source) -> (String, bool) {
    let mut bytes = BytesMut::new();
    loop {
        match source.read(&mut bytes, Some(Duration::ZERO)).unwrap() {
            Read::Bytes(_) => {}
            end => return (String::from_utf8(bytes.to_vec()).unwrap(), end == Read::End),
        }
    }
}

/// A follower of `in` that has read what is there, and that source.
fn follower_of(place: &Place) -> (Follower, Source) {
    let stop = stop_pair().unwrap().1;
    let mut follower = Follower::new(&place.path("in"), None, Duration::from_millis(1), stop);
    let mut source = next_of(&mut follower);
    read_now(&mut source);
    (follower, source)
}

/// It was lined up while it was empty, so that nothing tells it from what came after it.
#[test]
fn a_file_that_rotates_while_older_ones_are_read_is_not_skipped() {
    let place = Place::new();
    place.append("in", &records(0..2));
    let (mut follower, mut first) = follower_of(&place);
    place.append("in", &records(2..4));
    place.copy_and_truncate("in", "in.1");
    assert_eq!(read_now(&mut first), (String::new(), true));
    assert!(first.was_truncated());
    assert!(follower.ended(first, Some(records(0..2).len() as u64)));
    let mut copy = next_of(&mut follower);
    place.append("in", &records(4..6));
    place.rename("in.1", "in.2");
    place.copy_and_truncate("in", "in.1");
    place.append("in", &records(6..8));
    assert_eq!(read_now(&mut copy), (records(2..4), true));
    assert!(!follower.ended(copy, None));
    let mut between = next_of(&mut follower);
    assert_eq!(read_now(&mut between), (records(4..6), true));
    assert!(!follower.ended(between, None));
    let mut last = next_of(&mut follower);
    assert_eq!(read_now(&mut last), (records(6..8), false));
}

/// The bytes behind the place that was reached belong to another file, and do not stay.
#[test]
fn what_was_truncated_and_is_longer_again_has_ended() {
    for read in [Source::read, Source::read_whole] {
        let place = Place::new();
        place.append("in", &records(0..2));
        let (_, mut source) = follower_of(&place);
        place.copy_and_truncate("in", "in.1");
        place.append("in", &records(2..9));
        let mut buf = BytesMut::from("before");
        assert_eq!(read(&mut source, &mut buf, None).unwrap(), Read::End);
        assert_eq!(buf, "before");
    }
}

#[test]
fn a_rotated_file_is_read_until_its_writer_has_left_it() {
    let place = Place::new();
    place.append("in", &records(0..2));
    let (mut follower, mut first) = follower_of(&place);
    place.rename("in", "in.2");
    place.append("in", &records(2..4));
    place.rename("in", "in.1");
    assert_eq!(read_now(&mut first), (String::new(), true));
    assert!(!follower.ended(first, None));
    let mut newest = next_of(&mut follower);
    assert_eq!(read_now(&mut newest), (records(2..4), false));
    place.append("in.1", &records(4..6));
    place.append("in", &records(6..8));
    assert_eq!(read_now(&mut newest), (records(4..6), true));
    assert!(!follower.ended(newest, None));
    let mut last = next_of(&mut follower);
    assert_eq!(read_now(&mut last), (records(6..8), false));
}

/// While all of them get other names, a look at the directory sees some of them only.
#[test]
fn rotated_files_are_found_while_they_are_renamed() {
    let place = Place::new();
    place.append("in", &records(0..2));
    let (_, source) = follower_of(&place);
    let (file, head) = source.identity().unwrap();
    let offset = records(0..2).len() as u64;
    place.rename("in", "in.1");
    place.append("in", &records(90..91));
    for n in 2..20 {
        place.append(&format!("in.{n}"), "{}");
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let rename = |from: usize, to: usize| {
                place.rename(&format!("in.{from}"), &format!("in.{to}"));
            };
            while !is_over.load(Ordering::Relaxed) {
                (1..20).rev().for_each(|n| rename(n, n + 1));
                thread::sleep(Duration::from_millis(10));
                (1..20).for_each(|n| rename(n + 1, n));
                thread::sleep(Duration::from_millis(10));
            }
        });
        let were_found = (0..100).all(|_| {
            let at = Some(PlaceInFile { file, head, offset });
            let stop = stop_pair().unwrap().1;
            let mut follower = Follower::new(&place.path("in"), at, Duration::from_millis(1), stop);
            matches!(follower.next_source(), Ok(Followed::Source(_)))
        });
        is_over.store(true, Ordering::Relaxed);
        assert!(were_found);
    });
}

/// Where the next run goes on, once that is known: the byte, and the number of frames behind it.
fn position(place: &Place) -> Option<(u64, u64)> {
    let state = fs::read_to_string(place.path("state")).ok()?;
    let input = state.lines().find(|line| line.starts_with("input "))?;
    let fields: Vec<_> = input.split(' ').collect();
    Some((fields[5].parse().unwrap(), fields[7].parse().unwrap()))
}

/// Killed while it leaves out what an earlier run has written, it would write that once more.
#[test]
fn what_is_done_stays_done_while_it_is_left_out() {
    let place = Place::new();
    let all: Vec<_> = (0..30_000).map(other).collect();
    let document = log_file(&all);
    let unfinished = document.strip_suffix("]}").unwrap();
    let args = ["--state", "state", "-o", "out", "in"];
    place.append("in", unfinished);
    let running = place.follow(&args);
    wait_until("all records", || {
        position(&place) == Some((0, all.len() as u64))
    });
    running.signal(Signal::KILL);
    running.wait();
    let running = place.follow(&args);
    place.append("in", "]}\n{}\n");
    let end = document.len() as u64 + 1;
    wait_until("the last record", || {
        let (offset, done) = position(&place).unwrap();
        assert!(offset > 0 || done >= all.len() as u64, "{offset} {done}");
        offset >= end
    });
    running.signal(Signal::KILL);
    running.wait();
    let out = fs::read_to_string(place.path("out")).unwrap();
    assert_eq!(out.lines().count(), all.len() + 1);
}

#[test]
fn lines_of_log_files_are_not_read_again() {
    let place = Place::new();
    let line = log_file(&[other(1), other(2)]) + "\n";
    place.append("in", &line.repeat(3));
    let running = place.follow(&["--state", "state", "in"]);
    wait_for_lines(&running, 6);
    stop(running);
    assert_eq!(position(&place), Some((3 * line.len() as u64, 0)));
}

/// Numbers that look random and are the same in every run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

/// What was written to a followed file so far.
#[derive(Default)]
struct Grown {
    records: usize,
    rejects: usize,
}

impl Grown {
    fn write(&mut self, place: &Place, count: usize) {
        place.append("in", &records(self.records..self.records + count));
        self.records += count;
    }

    /// Some records, perhaps a reject, and now and then a rotation.
    fn go_on(&mut self, place: &Place, random: &mut Seeded) {
        self.write(place, random.below(40));
        if random.below(4) == 0 {
            let bad = format!("{{\"pad\":\"{:0300}\",\"bad\":{},}}\n", 0, self.rejects);
            place.append("in", &bad);
            self.rejects += 1;
        }
        if random.below(12) == 0 {
            for n in (1..150).rev() {
                let (from, to) = (format!("in.{n}"), format!("in.{}", n + 1));
                fs::rename(place.path(&from), place.path(&to)).ok();
            }
            if random.below(2) == 0 {
                place.rename("in", "in.1");
            } else {
                place.copy_and_truncate("in", "in.1");
            }
        }
    }
}

/// Killed at moments that depend on how far it has come, while its input grows and rotates, it
/// leaves each record in the output once and in order, and each reject in its file.
#[test]
fn killed_at_any_moment_it_neither_skips_nor_repeats() {
    let mut random = Seeded(0x9e37_79b9_7f4a_7c15);
    let place = Place::new();
    let args = ["--state", "state", "-o", "out", "--rejects", "bad", "in"];
    let mut input = Grown::default();
    for round in 0..12 {
        let running = place.follow(&args);
        if round == 0 {
            // What was rotated away before the first run is not read.
            input.write(&place, 1);
            wait_until("the first record", || place.length("out") > 0);
        }
        let enough = place.length("out") + random.below(60_000);
        for _ in 0..random.below(30) + 5 {
            input.go_on(&place, &mut random);
        }
        let all = records(0..input.records).len();
        wait_until("the output", || place.length("out") >= enough.min(all));
        running.signal(Signal::KILL);
        assert_eq!(running.wait().code, None, "round {round}");
    }
    let running = place.follow(&args);
    input.write(&place, 1);
    let (written, rejects) = (input.records, input.rejects);
    let is_last =
        |text: &str| text.ends_with(&format!(":{}}}\n", written - 1)) || text.ends_with("}}\n");
    wait_until("the last record", || {
        let out = fs::read_to_string(place.path("out")).unwrap();
        is_last(&out) && out.lines().count() >= written
    });
    running.signal(Signal::TERM);
    // Whether the last run met a reject depends on when the one before was killed.
    let done = running.wait();
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.err);
    assert_eq!(done.err, "");
    let out = fs::read_to_string(place.path("out")).unwrap();
    assert!(numbers(&out) == up_to(written));
    let bad = fs::read_to_string(place.path("bad")).unwrap();
    let expected: Vec<_> = (0..rejects)
        .map(|n| format!("\\\"bad\\\":{n},}}\"}}}}"))
        .collect();
    assert_eq!(bad.lines().count(), rejects);
    assert!(
        bad.lines()
            .zip(&expected)
            .all(|(line, raw)| line.ends_with(raw))
    );
}
