//! The reject lines, byte for byte: every reason, every sentence, every position.

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

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hsmtrail::encode::reject::Detail::{
    self, EndsInArray, EndsInRecord, LineBreakInString, LineEnds, NoValue, NotClosed, NotJson,
    StrayBracket, TooLong, Utf16,
};
use hsmtrail::framing::RejectReason::{
    self, Malformed, NotAnObject, NotUtf8, Oversize, TooDeep, Truncated,
};

use binary::{Done, hsmtrail, run, run_command, wait_until};
use input::{gzip, other};

const REJECT: &str = "{\"hsmtrail_reject\":{";

/// One reject: why, its number among all records, where it starts, and its bytes.
type Expected<'a> = (RejectReason, Detail, usize, usize, &'a [u8]);

/// One input, the records that pass, and the rejects.
type Case<'a> = (&'a [u8], &'a [&'a str], &'a [Expected<'a>]);

/// The line of a reject up to its offset, included.
fn head(source: &str, (reason, detail, record, offset, _): Expected<'_>) -> String {
    format!(
        "{REJECT}\"reason\":\"{}\",\"detail\":\"{}\",\"source\":{},\"record\":{record},\
         \"offset\":{offset}",
        reason.word(),
        detail.sentence(),
        serde_json::to_string(source).unwrap(),
    )
}

/// The whole line.
fn line(source: &str, reject: Expected<'_>) -> String {
    let raw = reject.4;
    let member = match std::str::from_utf8(raw) {
        Ok(text) => format!("\"raw\":{}", serde_json::to_string(text).unwrap()),
        Err(_) => format!("\"raw_base64\":\"{}\"", STANDARD.encode(raw)),
    };
    format!(
        "{},\"length\":{},{member}}}}}",
        head(source, reject),
        raw.len()
    )
}

/// The records and the rejects of an output.
fn sorted(done: &Done) -> (Vec<&str>, Vec<&str>) {
    done.lines()
        .into_iter()
        .partition(|line| !line.starts_with(REJECT))
}

/// Checks what comes of an input: from a pipe, compressed, and in a file that follows another one,
/// with a file for the rejects.
fn check(args: &[&str], &(input, passed, rejects): &Case<'_>) {
    let context = format!("{args:?} {}", input.escape_ascii());
    for (_, _, _, offset, raw) in rejects {
        assert!(input[*offset..].starts_with(raw), "the table: {context}");
    }
    let lines = |source| {
        rejects
            .iter()
            .map(|reject| line(source, *reject))
            .collect::<Vec<_>>()
    };
    for input in [input.to_vec(), gzip(input)] {
        let done = run(args, input);
        assert_eq!(
            sorted(&done),
            (passed.to_vec(), strs(&lines("stdin"))),
            "{context}"
        );
        assert_eq!((done.code, done.err.as_str()), (Some(1), ""), "{context}");
    }

    let dir = tempfile::tempdir().unwrap();
    let name = "a \"b\" \u{e9}\t.gz";
    fs::write(dir.path().join("first"), "{}\n17\n{bad").unwrap();
    fs::write(dir.path().join(name), gzip(input)).unwrap();
    let mut command = hsmtrail(args);
    command
        .args(["first", name, "--rejects", "rejects"])
        .current_dir(dir.path());
    let done = run_command(command, "");
    let kept = fs::read_to_string(dir.path().join("rejects")).unwrap();
    // One record and two rejects are those of the first file.
    assert_eq!(
        kept.lines().skip(2).collect::<Vec<_>>(),
        lines(name),
        "{context}"
    );
    assert_eq!(done.lines()[1..], *passed, "{context}");
}

fn strs(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

const IN_LINES: &[Case<'_>] = &[
    (
        b"{}\n{\"a\":\n{}",
        &["{}", "{}"],
        &[(Malformed, LineEnds, 2, 3, b"{\"a\":")],
    ),
    (
        b"{}\n  {\"a\":[1 \r\n{}",
        &["{}", "{}"],
        &[(Malformed, LineEnds, 2, 5, b"{\"a\":[1 ")],
    ),
    (
        b"{}\n{\"Records\":[{},\n{}",
        &["{}", "{}", "{}"],
        &[(Malformed, LineEnds, 3, 18, b"")],
    ),
    (
        b"{}\n\r\n\n{\"a\":\"x\n{}",
        &["{}", "{}"],
        &[(Malformed, LineBreakInString, 2, 6, b"{\"a\":\"x")],
    ),
    (
        b"{}\n{\"a\":\"x\\\n{}",
        &["{}", "{}"],
        &[(Malformed, LineBreakInString, 2, 3, b"{\"a\":\"x\\")],
    ),
    (
        b"{}\n{\"b\":1} {\"a\n",
        &["{}", "{\"b\":1}"],
        &[(Malformed, LineBreakInString, 3, 11, b"{\"a")],
    ),
    (
        b"{}\n{}}\t\n{}",
        &["{}", "{}", "{}"],
        &[(Malformed, StrayBracket, 3, 5, b"}\t")],
    ),
    (
        b"{}\n{} ] {}\n",
        &["{}", "{}"],
        &[(Malformed, StrayBracket, 3, 6, b"] {}")],
    ),
    (
        b"{}\n[{}}]\n",
        &["{}", "{}"],
        &[(Malformed, StrayBracket, 3, 6, b"}]")],
    ),
    (
        b"{}\nMar  3 host: {}\n",
        &["{}"],
        &[(Malformed, NoValue, 2, 3, b"Mar  3 host: {}")],
    ),
    (
        b"{}\n{},{}\n",
        &["{}", "{}"],
        &[(Malformed, NoValue, 3, 5, b",{}")],
    ),
    (
        b"{}\n\t:\n{}",
        &["{}", "{}"],
        &[(Malformed, NoValue, 2, 4, b":")],
    ),
    (
        b"17\n{}\n",
        &["{}"],
        &[(NotAnObject, Detail::NotAnObject, 1, 0, b"17")],
    ),
    (
        b"null \"a\\n\" -1e9\n{}",
        &["{}"],
        &[
            (NotAnObject, Detail::NotAnObject, 1, 0, b"null"),
            (NotAnObject, Detail::NotAnObject, 2, 5, b"\"a\\n\""),
            (NotAnObject, Detail::NotAnObject, 3, 11, b"-1e9"),
        ],
    ),
    (
        b"{}\n[[{}],{}]\n",
        &["{}", "{}"],
        &[(NotAnObject, Detail::NotAnObject, 2, 4, b"[{}]")],
    ),
    (
        b"\xEF\xBB\xBF{}\n{\"a\":",
        &["{}"],
        &[(Truncated, EndsInRecord, 2, 6, b"{\"a\":")],
    ),
    (
        b"{}\n{\"a\":\"\xFF",
        &["{}"],
        &[(Truncated, EndsInRecord, 2, 3, b"{\"a\":\"\xFF")],
    ),
    (
        b"{}\n{\"Records\":[{},",
        &["{}", "{}"],
        &[(Truncated, EndsInArray, 3, 18, b"")],
    ),
    (
        b"\xFF\xFE{\0}\0",
        &[],
        &[(NotUtf8, Utf16, 1, 0, b"\xFF\xFE{\0}\0")],
    ),
    (
        b"\xFE\xFF\0{\0}",
        &[],
        &[(NotUtf8, Utf16, 1, 0, b"\xFE\xFF\0{\0}")],
    ),
    (
        b"\0{\0\"\0a",
        &[],
        &[(Malformed, Utf16, 1, 0, b"\0{\0\"\0a")],
    ),
];

const IN_DOCUMENTS: &[Case<'_>] = &[
    (
        b"[\n{\"a\":tru},\n{}]",
        &["{}"],
        &[(Malformed, NotJson, 1, 2, b"{\"a\":tru}")],
    ),
    (
        b"{\"Records\":[{\"a\":\n1\n2}]}",
        &[],
        &[(Malformed, NotJson, 1, 12, b"{\"a\":\n1\n2}")],
    ),
    (
        b"{\n\"n\": 0\xFF\n}",
        &[],
        &[(NotUtf8, Detail::NotUtf8, 1, 0, b"{\n\"n\": 0\xFF\n}")],
    ),
    (
        b"[\n  {\"a\":\"x\r\n  },\r\n  {}\n]",
        &["{}"],
        &[(Malformed, LineBreakInString, 1, 4, b"{\"a\":\"x\r\n  },")],
    ),
    (
        b"{\n\"a\": 1,\n{\n\"b\": 2\n}\n",
        &["{\"b\": 2}"],
        &[(Malformed, NotClosed, 1, 0, b"{\n\"a\": 1,")],
    ),
    (
        b"[\n {\"a\":1}},\n {\"b\":2}\n]\n",
        &["{\"a\":1}", "{\"b\":2}"],
        &[(Malformed, StrayBracket, 2, 10, b"},")],
    ),
    (
        b"{\"Records\":[\n{}],\n{\"a\":1},\n{}]}",
        &["{}", "{\"a\":1}", "{}"],
        &[(Malformed, NoValue, 3, 25, b",")],
    ),
    (
        b"{\n\"a\":1}\nnul\n",
        &["{\"a\":1}"],
        &[(Malformed, NoValue, 2, 9, b"nul")],
    ),
    (
        b"[\n1,{},\"x\"\n,nul,[{}]\n]",
        &["{}"],
        &[
            (NotAnObject, Detail::NotAnObject, 1, 2, b"1"),
            (NotAnObject, Detail::NotAnObject, 3, 7, b"\"x\""),
            (Malformed, NotJson, 4, 12, b"nul"),
            (NotAnObject, Detail::NotAnObject, 5, 16, b"[{}]"),
        ],
    ),
    (
        b"{\"Records\":[\n{},\n{\"a\":\n[",
        &["{}"],
        &[(Truncated, EndsInRecord, 2, 17, b"{\"a\":\n[")],
    ),
    (
        b"{\"Records\":[{}]}[{}\n",
        &["{}", "{}"],
        &[(Truncated, EndsInArray, 3, 20, b"")],
    ),
    (b"[", &[], &[(Truncated, EndsInArray, 1, 1, b"")]),
    (b"{", &[], &[(Truncated, EndsInRecord, 1, 0, b"{")]),
    (
        b"{\"a\":1\n\n",
        &[],
        &[(Truncated, EndsInRecord, 1, 0, b"{\"a\":1\n")],
    ),
];

/// Every reason and every sentence, but those of length, of depth, of what is inside records and of
/// two decoders, which have tests of their own.
#[test]
fn reasons_sentences_and_places() {
    let mut seen = BTreeSet::new();
    for case in IN_LINES.iter().chain(IN_DOCUMENTS) {
        check(&[], case);
        check(&["--workers", "1", "--flush-interval", "0"], case);
        seen.extend(case.2.iter().map(|(_, detail, ..)| detail.sentence()));
    }
    // None of these is balanced, so that they have not to be parsed to be found.
    for case in IN_LINES {
        check(&["--validate", "matching"], case);
    }
    let others = [
        TooLong,
        Detail::TooDeep,
        Detail::HoldsTooMuch,
        Detail::BadPayload,
        Detail::DecodersDisagree,
    ]
    .map(Detail::sentence);
    let all = Detail::ALL.map(Detail::sentence);
    assert!(
        all.iter()
            .all(|sentence| seen.contains(sentence) != others.contains(sentence))
    );
}

/// `{}` with arrays in it, so deep as a whole.
fn nested(depth: usize) -> String {
    format!(
        "{{\"a\":{}{}}}",
        "[".repeat(depth - 1),
        "]".repeat(depth - 1)
    )
}

#[test]
fn depth() {
    let (good, bad) = (nested(128), nested(129));
    let lines = format!("{good}\n{bad}\n");
    let reject = |record, offset| (TooDeep, Detail::TooDeep, record, offset, bad.as_bytes());
    check(
        &[],
        &(lines.as_bytes(), &[&good], &[reject(2, good.len() + 1)]),
    );
    check(
        &["--validate", "matching"],
        &(lines.as_bytes(), &[&good], &[reject(2, good.len() + 1)]),
    );
    for open in ["{\"Records\":[", "[\n"] {
        let document = format!("{open}{good},{bad}");
        let at = open.len() + good.len() + 1;
        let cut = (Truncated, EndsInArray, 3, document.len(), &b""[..]);
        check(&[], &(document.as_bytes(), &[&good], &[reject(2, at), cut]));
    }
    // An element that is an array is too deep before it is no object.
    let element = nested(129).replace("{\"a\":", "[").replace('}', "]");
    let array = format!("[{element},{{}}]");
    let too_deep = (TooDeep, Detail::TooDeep, 1, 1, element.as_bytes());
    check(&[], &(array.as_bytes(), &["{}"], &[too_deep]));
}

/// The first reason that fits is told.
#[test]
fn the_first_reason_that_fits() {
    let deep = nested(129);
    for (bad, reason, detail) in [
        (
            format!("{}\u{1}", &deep[..deep.len() - 1]) + "}",
            TooDeep,
            Detail::TooDeep,
        ),
        (deep.replace('a', "\u{1}"), TooDeep, Detail::TooDeep),
    ] {
        let lines = format!("{{}}\n{bad}");
        check(
            &[],
            &(
                lines.as_bytes(),
                &["{}"],
                &[(reason, detail, 2, 3, bad.as_bytes())],
            ),
        );
    }
    let not_utf8 = [deep.as_bytes(), b"\n"].concat().replace_byte(b'a', 0xFF);
    let not_utf8 = not_utf8.trim_ascii_end();
    check(
        &[],
        &(not_utf8, &[], &[(NotUtf8, Detail::NotUtf8, 1, 0, not_utf8)]),
    );
}

trait ReplaceByte {
    fn replace_byte(self, from: u8, to: u8) -> Self;
}

impl ReplaceByte for Vec<u8> {
    fn replace_byte(mut self, from: u8, to: u8) -> Self {
        self.iter_mut()
            .filter(|byte| **byte == from)
            .for_each(|byte| *byte = to);
        self
    }
}

/// A record of so many bytes, all but the frame being `fill`, whose length is 1, 2 or 3.
fn sized(length: usize, fill: &str) -> String {
    let room = length - "{\"a\":\"\"}".len();
    let ones = room % fill.len();
    format!(
        "{{\"a\":\"{}{}\"}}",
        "x".repeat(ones),
        fill.repeat(room / fill.len())
    )
}

/// The limit counts raw bytes from `{` to `}` in every form, and however the record comes.
#[test]
fn a_record_that_is_too_long() {
    let limit = 1024;
    for length in [limit, limit + 1, 5 * limit, 700_000] {
        for (before, after) in [
            ("{}\n", "\n{}"),
            ("{}\n  ", " {}"),
            ("[{},", ",{}]"),
            ("{\"Records\":[\n{},", "\n,{}]}"),
            ("{\n}", "{}"),
        ] {
            for fill in ["x", "\u{e9}", "\u{20ac}"] {
                let record = sized(length, fill);
                let input = format!("{before}{record}{after}");
                let args = ["--max-record-bytes", "1KiB", "--workers", "2"];
                let done = run(&args, &input);
                if length == limit {
                    assert_eq!(done.lines(), ["{}", &record, "{}"], "{before}{fill}");
                    continue;
                }
                // What is kept ends with a character.
                let cut = (0..=limit)
                    .rfind(|&at| record.is_char_boundary(at))
                    .unwrap();
                let raw = &record.as_bytes()[..cut];
                let expected = format!(
                    "{},\"length\":{length},\"raw\":{},\"cut\":true}}}}",
                    head("stdin", (Oversize, TooLong, 2, before.len(), raw)),
                    serde_json::to_string(&record[..cut]).unwrap(),
                );
                assert_eq!(
                    done.lines(),
                    ["{}", &expected, "{}"],
                    "{before}{fill} {length}"
                );
            }
        }
    }
}

/// In a file of its own it is kept in full, as base64 that was written before the length was known.
#[test]
fn a_record_that_is_too_long_is_kept_in_full_in_the_rejects_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rejects");
    let args = [
        "--max-record-bytes",
        "1KiB",
        "--rejects",
        path.to_str().unwrap(),
    ];
    for length in [1025, 1026, 1027, 40_000, 700_000] {
        for (before, after) in [("{}\n", "\n{bad}"), ("[{}\n,", ",{bad}]")] {
            let record = sized(length, "\u{e9}");
            let done = run(&args, format!("{before}{record}{after}"));
            assert_eq!(
                (done.code, done.text(), done.err.as_str()),
                (Some(1), "{}\n", "")
            );
            let expected = format!(
                "{},\"raw_base64\":\"{}\",\"length\":{length}}}}}\n{}\n",
                head("stdin", (Oversize, TooLong, 2, before.len(), b"")),
                STANDARD.encode(&record),
                line(
                    "stdin",
                    (Malformed, NotJson, 3, before.len() + length + 1, b"{bad}")
                ),
            );
            assert!(
                fs::read_to_string(&path).unwrap() == expected,
                "{length} {before}"
            );
        }
    }
}

/// Bytes that are no UTF-8 are cut at the limit, and too long before they are not UTF-8.
#[test]
fn a_record_that_is_too_long_and_not_utf8() {
    let record = [b"{\"a\":\"", &[0xFF; 5000][..], b"\"}"].concat();
    let done = run(&["--max-record-bytes", "1KiB"], &record);
    let expected = format!(
        "{},\"length\":{},\"raw_base64\":\"{}\",\"cut\":true}}}}\n",
        head("stdin", (Oversize, TooLong, 1, 0, b"")),
        record.len(),
        STANDARD.encode(&record[..1024]),
    );
    assert_eq!(done.text(), expected);
}

/// What never ends is too long as well, and ends with its line or its source.
#[test]
fn what_is_too_long_and_damaged() {
    let args = ["--max-record-bytes", "1KiB"];
    let open = format!("{{\"a\":\"{}", "x".repeat(500_000));
    let lines = |rejected: &str, before: &str| {
        format!(
            "{},\"length\":{},\"raw\":{},\"cut\":true}}}}",
            head("stdin", (Oversize, TooLong, 2, before.len(), b"")),
            rejected.len(),
            serde_json::to_string(&rejected[..1024]).unwrap(),
        )
    };
    for (before, after, rest) in [
        ("{}\n", "\n{}\n", &["{}"][..]),
        ("{}\n", "", &[]),
        ("[{},", "", &[]),
    ] {
        let done = run(&args, format!("{before}{open}{after}"));
        assert_eq!(
            done.lines()[..2],
            ["{}", &lines(&open, before)],
            "{before:?} {after:?}"
        );
        assert!(done.lines()[2..].starts_with(rest), "{before:?} {after:?}");
    }
}

/// Numbers, offsets and names over several sources, each of which begins anew.
#[test]
fn places_are_those_of_each_source() {
    let dir = tempfile::tempdir().unwrap();
    let long: String = (0..9_000).map(|n| other(n) + "\n").collect();
    fs::write(dir.path().join("a"), format!("{long}{{bad}}\n{long}17\n")).unwrap();
    fs::write(
        dir.path().join("b"),
        gzip("{\"Records\":[{},{bad},{}]}\n17"),
    )
    .unwrap();
    fs::write(
        dir.path().join("c"),
        [gzip("{}\n{}\n17"), gzip("8 {}\n{bad}")].concat(),
    )
    .unwrap();
    let not_an_object = Detail::NotAnObject;
    let expected = [
        line("a", (Malformed, NotJson, 9_001, long.len(), b"{bad}")),
        line(
            "a",
            (
                NotAnObject,
                not_an_object,
                18_002,
                2 * long.len() + 6,
                b"17",
            ),
        ),
        line("b", (Malformed, NotJson, 2, 15, b"{bad}")),
        line("b", (NotAnObject, not_an_object, 4, 26, b"17")),
        line("stdin", (Malformed, NotJson, 2, 3, b"{bad}")),
        line("c", (NotAnObject, not_an_object, 3, 6, b"178")),
        line("c", (Malformed, NotJson, 5, 13, b"{bad}")),
    ];
    for workers in ["1", "2", "8"] {
        let mut command = hsmtrail(["--workers", workers, "a", "b", "-", "c"]);
        command.current_dir(dir.path());
        let done = run_command(command, "{}\n{bad}");
        let (passed, rejects) = sorted(&done);
        assert_eq!(
            (passed.len(), rejects),
            (18_006, strs(&expected)),
            "{workers}"
        );
    }
}

/// The file holds what others may not see, from its first byte on.
#[test]
fn the_rejects_file_is_for_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rejects");
    let mut command = hsmtrail(["--rejects", path.to_str().unwrap()]);
    command.current_dir(dir.path());
    let mut running = binary::Running::start(command);
    running.write("{}\n{bad\n");
    wait_until("the reject", || {
        fs::metadata(&path).is_ok_and(|file| file.len() > 0)
    });
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    assert_eq!(running.finish().code, Some(1));
}

/// What is rejected can be had back, and put in again once it is mended.
#[test]
fn nothing_of_a_reject_is_lost() {
    let bad: Vec<u8> = (0..=255).filter(|byte| !b"\r\n".contains(byte)).collect();
    let input = [
        b"{\"a\":\"",
        &bad[..],
        b"\"}\n{\"b\":\"\x01\x7F\xE2\x80\xA8\"}\n",
    ]
    .concat();
    let done = run(&[], &input);
    let raws = done.lines().into_iter().map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let reject = &value["hsmtrail_reject"];
        match reject["raw"].as_str() {
            Some(raw) => raw.as_bytes().to_vec(),
            None => STANDARD
                .decode(reject["raw_base64"].as_str().unwrap())
                .unwrap(),
        }
    });
    assert_eq!(
        raws.collect::<Vec<_>>().join(&b'\n'),
        input.trim_ascii_end()
    );
}
