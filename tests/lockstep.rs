//! `--lockstep` through the binary: one line for each line, at once, whatever the line is.

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

use std::fs;
use std::process::Stdio;

use binary::{Done, Running, Signal, hsmtrail, run};
use hsmtrail::framing::frame_text;
use input::{cloudhsm, lines, log_file, other, without_enrichment};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What a line is answered with.
#[derive(Debug, Clone)]
enum Answer {
    /// `{}`.
    Nothing,
    /// This record, as it came.
    Record(String),
    /// This record with a `cloudhsm` object.
    Enriched(String),
    /// A reject for this reason.
    Reject(&'static str),
    /// An array of these.
    Several(Vec<Answer>),
}

use Answer::{Enriched, Nothing, Record, Reject, Several};

fn check(answer: &str, expected: &Answer) {
    match expected {
        Nothing => assert_eq!(answer, "{}"),
        Record(record) => assert_eq!(answer, record),
        Enriched(record) => assert_eq!(without_enrichment(answer), (record.clone(), true)),
        Reject(reason) => {
            let line: Value = serde_json::from_str(answer).unwrap();
            assert_eq!(line["hsmtrail_reject"]["reason"], *reason, "{answer}");
        }
        Several(expected) => {
            assert!(answer.starts_with('['), "{answer}");
            let records = records_of(answer);
            assert_eq!(records.len(), expected.len(), "{answer}");
            for (record, expected) in records.iter().zip(expected) {
                check(record, expected);
            }
        }
    }
}

/// The records of an answer, byte for byte.
fn records_of(answer: &str) -> Vec<String> {
    let mut frames = Vec::new();
    frame_text(answer.as_bytes(), 1 << 30, &mut frames);
    let texts = frames
        .into_iter()
        .map(|frame| answer[frame.range].to_owned());
    texts.filter(|text| text != "{}").collect()
}

/// Gives `input` in pieces of that many bytes, which are read one by one unless they are many.
fn run_in_pieces(args: &[&str], input: &[u8], size: usize) -> Done {
    let mut running = Running::start(hsmtrail(args));
    for piece in input.chunks(size) {
        running.write(piece);
        if input.len() / size < 50 {
            running.wait_until_read();
        }
    }
    running.finish()
}

/// An event in an envelope of EventBridge.
fn wrapped(event: &str) -> String {
    format!(r#"{{"version":"0","detail":{event}}}"#)
}

/// An event that has an id.
fn with_id(record: &str) -> String {
    record.replacen('{', r#"{"eventID":"1f6b","#, 1)
}

/// The table of the README: options, a line, and its answer.
fn table() -> Vec<(&'static [&'static str], String, Answer)> {
    let (hsm, s3) = (cloudhsm(1), other(2));
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(2000));
    let select = &["--select", "cloudhsm"][..];
    let keep = &["--envelope", "keep"][..];
    let none = &[][..];
    vec![
        (none, s3.clone(), Record(s3.clone())),
        (none, format!("{s3}\r"), Record(s3.clone())),
        (none, format!(" {s3} "), Record(s3.clone())),
        (none, format!("\u{feff}{s3}"), Record(s3.clone())),
        (none, hsm.clone(), Enriched(hsm.clone())),
        (none, String::new(), Nothing),
        (none, " \t\r".to_owned(), Nothing),
        (none, "{}".to_owned(), Record("{}".to_owned())),
        (none, log_file::<&str>(&[]), Nothing),
        (none, log_file(&[&hsm]), Enriched(hsm.clone())),
        (
            none,
            log_file(&[&hsm, &s3]),
            Several(vec![Enriched(hsm.clone()), Record(s3.clone())]),
        ),
        (
            none,
            format!("{s3}{hsm}"),
            Several(vec![Record(s3.clone()), Enriched(hsm.clone())]),
        ),
        (
            none,
            format!("{s3}\r{s3}"),
            Several(vec![Record(s3.clone()), Record(s3.clone())]),
        ),
        (none, wrapped(&hsm), Enriched(hsm.clone())),
        (keep, wrapped(&hsm), Enriched(wrapped(&hsm))),
        (none, wrapped(&s3), Record(s3.clone())),
        (none, "junk".to_owned(), Reject("malformed")),
        (none, r#"{"a":"#.to_owned(), Reject("malformed")),
        (none, "5".to_owned(), Reject("not_an_object")),
        // These would open a document, and the next line would be in it.
        (none, "{".to_owned(), Reject("truncated")),
        (none, r#"{"Records":["#.to_owned(), Reject("truncated")),
        (none, "]".to_owned(), Reject("malformed")),
        (
            none,
            format!("[{s3},7]"),
            Several(vec![Record(s3.clone()), Reject("not_an_object")]),
        ),
        (&["--on-reject", "drop"], "junk".to_owned(), Nothing),
        (
            &["--max-record-bytes", "1KiB"],
            long.clone(),
            Reject("oversize"),
        ),
        (
            &["--max-record-bytes", "1KiB", "--on-reject", "drop"],
            long,
            Nothing,
        ),
        (select, s3.clone(), Nothing),
        (select, hsm.clone(), Enriched(hsm.clone())),
        (select, log_file(&[&s3, &hsm, &s3]), Enriched(hsm)),
    ]
}

#[test]
fn every_kind_of_line_has_one_answer_at_every_chunk_size() {
    for (options, line, expected) in table() {
        let args = [&["--lockstep"], options].concat();
        // Before and behind it stands a line whose answer is known.
        let input = format!("{}\n{line}\n{}", other(7), other(8));
        for size in [1, 7, 61, input.len()] {
            let done = run_in_pieces(&args, input.as_bytes(), size);
            let answers = done.lines();
            assert_eq!(answers.len(), 3, "{args:?} {line:?} by {size}: {answers:?}");
            let is_filtered = options.contains(&"cloudhsm");
            let around = |n| {
                if is_filtered {
                    Nothing
                } else {
                    Record(other(n))
                }
            };
            check(answers[0], &around(7));
            check(answers[1], &expected);
            check(answers[2], &around(8));
        }
    }
}

#[test]
fn a_repeat_is_answered_with_nothing_or_marked() {
    let (hsm, s3) = (
        with_id(&cloudhsm(1)),
        with_id(&other(1)).replace("1f6b", "2"),
    );
    let input = lines(&[&hsm, &hsm, &s3, &s3]);
    let dropped = run(&["--lockstep", "--dedup"], &input);
    let answers = dropped.lines();
    for (answer, expected) in
        answers
            .iter()
            .zip([Enriched(hsm), Nothing, Record(s3.clone()), Nothing])
    {
        check(answer, &expected);
    }
    let marked = run(&["--lockstep", "--dedup", "--dedup-mark"], &input);
    let answers = marked.lines();
    assert_eq!(answers.len(), 4);
    assert!(answers[1].ends_with(r#","duplicate":true}}"#) && !answers[0].contains("duplicate"));
    assert_eq!(answers[3], s3);
}

/// Rejects that have a file of their own are no part of an answer.
#[test]
fn rejects_can_be_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rejects");
    let long = "x".repeat(3000);
    let input = format!("junk\n{}\n{long}\n", other(1));
    let rejects = format!("--rejects={}", file.display());
    let done = run(&["--lockstep", "--max-record-bytes=1KiB", &rejects], input);
    assert_eq!(done.lines(), ["{}", &other(1), "{}"]);
    assert_eq!(done.code, Some(1));
    assert_eq!(fs::read_to_string(file).unwrap().lines().count(), 2);
}

/// The first line does not decide how the others are read, whatever it begins with.
#[test]
fn a_line_that_begins_like_compressed_data_is_a_line() {
    for first in [
        &b"BZh9 text"[..],
        b"\x1f\x8b",
        b"\x28\xb5\x2f\xfd",
        b"P*M\x18",
    ] {
        let mut running = Running::start(hsmtrail(["--lockstep"]));
        running.write([first, b"\n"].concat());
        running.wait_for_out(|out| out.ends_with(b"\n"));
        running.write("{\"n\":1}\n");
        let done = running.finish();
        assert_eq!(done.code, Some(1));
        let answers = done.lines();
        assert!(answers[0].contains("\"reason\":"), "{}", answers[0]);
        assert_eq!(answers[1..], ["{\"n\":1}"]);
    }
}

/// It was framed for ever, and no signal ended that.
#[test]
fn r_a_last_line_that_is_a_cut_byte_order_mark_is_a_reject() {
    for line in [&b"\xEF"[..], b"\xEF\xBB", b"\xEF\xBB\xBF\xEF"] {
        for validate in ["all", "matching"] {
            let args = ["--lockstep", "--validate", validate];
            let done = run_in_pieces(&args, &[b"{}\n", line].concat(), usize::MAX);
            let answers: Vec<_> = done.text().lines().collect();
            assert_eq!(answers.len(), 2, "{line:?}");
            check(answers[1], &Reject("not_utf8"));
        }
    }
}

/// The host sends a line only when it has the answer to the one before, so nothing may wait for more,
/// not even for the flush interval.
#[test]
fn an_answer_waits_for_its_line_and_for_nothing_else() {
    let mut running = Running::start(hsmtrail(["--lockstep", "--flush-interval", "1h"]));
    let mut expected = String::new();
    for n in 0..200 {
        let line = other(n);
        let (start, end) = line.split_at(20);
        running.write(start);
        if n < 3 {
            running.wait_until_read();
        }
        // Nothing of a line that has not ended, though its record may be complete.
        assert_eq!(running.out_so_far(), expected.as_bytes());
        running.write(end);
        running.write("\n");
        expected.extend([&line, "\n"]);
        running.expect_out(&expected);
    }
    assert_eq!(running.finish().quiet(), expected);
}

#[test]
fn a_stop_leaves_whole_answers() {
    let mut running = Running::start(hsmtrail(["--lockstep", "--summary"]));
    running.write(lines(&[other(1), other(2)]));
    running.write("{\"a\":");
    running.wait_until_read();
    running.wait_for_out(|out| out.ends_with(format!("{}\n", other(2)).as_bytes()));
    running.signal(Signal::TERM);
    let done = running.wait();
    assert_eq!(done.code, Some(0));
    assert_eq!(done.lines(), [other(1), other(2)]);
    assert!(
        done.err.contains("of which 5 bytes had come"),
        "{}",
        done.err
    );
}

#[test]
fn the_first_reject_is_answered_before_it_ends_the_run() {
    let input = lines(&[&*other(1), "junk", &other(2)]);
    let done = run(&["--lockstep", "--on-reject=stop", "--workers=1"], input);
    let answers = done.lines();
    assert_eq!((answers.len(), done.code), (2, Some(1)));
    check(answers[1], &Reject("malformed"));
}

#[test]
fn a_host_that_is_gone_ends_it_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut running = Running::start_with_stdout(hsmtrail(["--lockstep"]), Stdio::from(writer));
    drop(reader);
    running.write("{}\n");
    let done = running.wait();
    assert_eq!((done.code, &*done.err), (Some(141), ""));
}

/// What mmexternal changes: the text, and the variable `$!cloudhsm`.
#[test]
fn mmexternal_is_told_what_changes() {
    let (hsm, s3) = (cloudhsm(1), other(2));
    let (one, two) = (1, 2);
    let long = format!("{}\n", "x".repeat(2 << 20));
    // A line, and the number of objects in its answer if that changes anything.
    let cases = [
        (hsm.clone(), Some(one)),
        (format!(" {hsm}"), Some(one)),
        (wrapped(&hsm), Some(one)),
        (log_file(&[&hsm, &s3]), Some(one)),
        (log_file(&[&hsm, &hsm]), Some(two)),
        (s3.clone(), None),
        (wrapped(&s3), None),
        (String::new(), None),
        ("sshd[7]: not JSON".to_owned(), None),
        (r#"{"Records":["#.to_owned(), None),
        (long, None),
    ];
    let input: String = cases
        .iter()
        .flat_map(|(line, _)| [line.trim_end(), "\n"])
        .collect();
    let done = run(&["--lockstep=mmexternal"], &input);
    assert_eq!(done.err, "");
    let replies = done.lines();
    assert_eq!(replies.len(), cases.len());
    for (reply, (line, objects)) in replies.iter().zip(&cases) {
        let Some(objects) = objects else {
            assert_eq!(*reply, "{}", "{line}");
            continue;
        };
        let reply: Value = serde_json::from_str(reply).unwrap();
        let text = reply["msg"].as_str().unwrap();
        let records = records_of(text);
        let inside: Vec<Value> = records
            .iter()
            .map(|record| serde_json::from_str::<Value>(record).unwrap()["cloudhsm"].clone())
            .collect();
        let expected = match objects {
            1 => inside[0].clone(),
            _ => json!(inside),
        };
        assert_eq!(
            reply,
            json!({"msg": text, "$!": {"cloudhsm": expected}}),
            "{line}"
        );
        let (record, is_enriched) = without_enrichment(&records[0]);
        assert!(is_enriched);
        assert_eq!(record, hsm);
    }
}

/// rsyslog takes no reply that is much longer than its messages.
#[test]
fn mmexternal_is_told_nothing_that_is_too_long() {
    let events: Vec<String> = (0..12).map(cloudhsm).collect();
    let input = format!("{}\n{}\n", log_file(&events), log_file(&events[..1]));
    let done = run(&["--lockstep=mmexternal", "--max-record-bytes=2KiB"], input);
    let replies = done.lines();
    assert_eq!((replies.len(), replies[0], done.code), (2, "{}", Some(0)));
    assert!(replies[1].starts_with(r#"{"msg":"#));
}

/// The answer is sent as it comes, so it may be of any length.
#[test]
fn an_answer_may_hold_many_records() {
    let many = vec!["1"; 200_000].join(",");
    let input = format!("[{many}]\n{}\n", other(2));
    let done = run(&["--lockstep"], input);
    let answers = done.lines();
    assert_eq!(answers.len(), 2);
    assert_eq!(records_of(answers[0]).len(), 200_000);
    assert_eq!(answers[1], other(2));
}

#[test]
fn mmexternal_keeps_what_is_around_an_event_if_it_shall() {
    let envelope = wrapped(&cloudhsm(1));
    let done = run(
        &["--lockstep=mmexternal", "--envelope=keep"],
        format!("{envelope}\n"),
    );
    let reply: Value = serde_json::from_str(done.quiet()).unwrap();
    let text = reply["msg"].as_str().unwrap();
    assert_eq!(without_enrichment(text), (envelope, true));
    let record: Value = serde_json::from_str(text).unwrap();
    assert_eq!(reply["$!"], json!({"cloudhsm": record["cloudhsm"]}));
}

/// A line that says the same in lines and by itself.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let record = prop_oneof![
        (0..9_usize).prop_map(other),
        (0..9_usize).prop_map(cloudhsm),
        (0..9_usize).prop_map(|n| wrapped(&cloudhsm(n))),
        Just(log_file(&[other(1), cloudhsm(2)])),
        Just("junk".to_owned()),
        Just(r#"{"a":1}}"#.to_owned()),
        Just("  ".to_owned()),
    ];
    prop_oneof![
        proptest::collection::vec(record, 0..4).prop_map(|records| records.concat().into_bytes()),
        proptest::collection::vec(
            any::<u8>().prop_filter("one line", |byte| { !b"\n\r{}[]".contains(byte) }),
            0..40
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// The answers hold what is written without them, no more and no less.
    #[test]
    fn answers_are_the_output_cut_at_the_lines_of_the_input(
        input in proptest::collection::vec(any_line(), 0..40),
        size in 1_usize..5000,
    ) {
        let text: Vec<u8> = input.iter().flat_map(|line| [&line[..], b"\n"]).flatten().copied().collect();
        let plain = run(&["--input", "lines"], &text);
        let mut running = Running::start(hsmtrail(["--lockstep"]));
        running.feed_by(move |stdin| {
            text.chunks(size).all(|piece| binary::write(stdin, piece));
        });
        let answered = running.finish();
        prop_assert_eq!(answered.code, plain.code);
        prop_assert_eq!(answered.lines().len(), input.len());
        let records: Vec<String> = answered.lines().into_iter().flat_map(records_of).collect();
        prop_assert_eq!(records, plain.lines());
    }
}
