//! Locality of damage: one damaged record among five, in every form.

use serde_json::Value;

use crate::binary::run;

/// How the records stand in the input.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// One a line.
    Ndjson,
    /// `{"Records":[…]}` on one line.
    LogFile,
    /// Several of those, a line each, with one record each.
    LogFiles,
    /// `{"Records":[…]}`, a token a line.
    PrettyLogFile,
    /// `[…]` on one line.
    Array,
    /// `[…]`, a record a line.
    ArrayOfLines,
    /// `[…]`, a token a line.
    PrettyArray,
    /// Nothing between them, on one line.
    BackToBack,
    /// Nothing around them, a token a line.
    PrettyBackToBack,
}

use Form::{
    Array, ArrayOfLines, BackToBack, LogFile, LogFiles, Ndjson, PrettyArray, PrettyBackToBack,
    PrettyLogFile,
};

const FORMS: [Form; 9] = [
    Ndjson,
    LogFile,
    LogFiles,
    PrettyLogFile,
    Array,
    ArrayOfLines,
    PrettyArray,
    BackToBack,
    PrettyBackToBack,
];

impl Form {
    /// The input whose records, of which each token stands on a line of its own, these are.
    fn of(self, records: &[Vec<u8>]) -> Vec<u8> {
        let on_one_line = |record: &Vec<u8>| -> Vec<u8> {
            record
                .iter()
                .copied()
                .filter(|byte| !b"\n\t".contains(byte))
                .collect()
        };
        let flat: Vec<_> = records.iter().map(on_one_line).collect();
        let indented: Vec<_> = records
            .iter()
            .map(|record| [b"\t", &record.join_lines(b"\n\t")[..]].concat())
            .collect();
        let enclosed = |open: &str, inner: Vec<u8>, close: &str| {
            [open.as_bytes(), &inner, close.as_bytes()].concat()
        };
        match self {
            Ndjson => [flat.join(&b'\n'), b"\n".to_vec()].concat(),
            LogFile => enclosed("{\"Records\":[", flat.join(&b','), "]}\n"),
            LogFiles => flat
                .into_iter()
                .flat_map(|record| enclosed("{\"Records\":[", record, "]}\n"))
                .collect(),
            PrettyLogFile => enclosed(
                "{\n\"Records\": [\n",
                indented.join(&b",\n"[..]),
                "\n]\n}\n",
            ),
            Array => enclosed("[", flat.join(&b','), "]"),
            ArrayOfLines => enclosed("[\n", flat.join(&b",\n"[..]), "\n]\n"),
            PrettyArray => enclosed("[\n", indented.join(&b",\n"[..]), "\n]\n"),
            BackToBack => flat.concat(),
            PrettyBackToBack => [records.join(&b'\n'), b"\n".to_vec()].concat(),
        }
    }
}

trait JoinLines {
    fn join_lines(&self, line_break: &[u8]) -> Vec<u8>;
}

impl JoinLines for Vec<u8> {
    fn join_lines(&self, line_break: &[u8]) -> Vec<u8> {
        self.split(|&byte| byte == b'\n')
            .collect::<Vec<_>>()
            .join(line_break)
    }
}

fn record(n: usize) -> Vec<u8> {
    format!(
        "{{\n\t\"n\":{n},\n\t\"s\":\"x\",\n\t\"o\":\n\t{{\n\t\t\"a\":[\n\t\t\t{{}}\n\t\t]\n\t}}\n}}"
    )
    .into()
}

/// What came out: the numbers of the records that passed, `!` and the reason of each reject.
///
/// Checks that every record came out somewhere, if only inside a reject.
fn came_out(form: Form, damaged: &[u8]) -> String {
    let mut records: Vec<_> = (0..5).map(record).collect();
    records[2] = damaged.to_vec();
    let done = run(&[], form.of(&records));
    let (mut outcomes, mut kept) = (Vec::new(), String::new());
    for line in done.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        let reject = &value["hsmtrail_reject"];
        kept += reject["raw"].as_str().unwrap_or(line);
        outcomes.push(match reject["reason"].as_str() {
            Some(reason) => format!("!{reason}"),
            None => value["n"].to_string(),
        });
    }
    for n in [0, 1, 3, 4] {
        assert!(
            kept.contains(&format!("\"n\":{n},")),
            "{form:?} with {} lost record {n}",
            damaged.escape_ascii()
        );
    }
    outcomes.join(" ")
}

fn check(form: Form, damaged: &[u8], expected: &str) {
    let out = came_out(form, damaged);
    assert_eq!(out, expected, "{form:?} with {}", damaged.escape_ascii());
}

/// Damage that leaves quotes and brackets balanced costs its record only.
#[test]
fn balanced_damage_costs_its_record() {
    let damages: [(&[u8], &str); 13] = [
        (b"{\n\"n\":2,\n,\"m\":3\n}", "malformed"),
        (b"{\n\"n\":2\n\"m\":3\n}", "malformed"),
        (b"{\n\"n\":2,\n}", "malformed"),
        (b"{\n\"n\":nul\n}", "malformed"),
        (b"{\n\"n\":02\n}", "malformed"),
        (b"{\nn:2\n}", "malformed"),
        (b"{\n'n':2\n}", "malformed"),
        (b"{\n\"n\":[2}\n}", "malformed"),
        (b"{\n\"n\":\"\\x\"\n}", "malformed"),
        (b"{\n\"n\":\"\x01\"\n}", "malformed"),
        (b"{\n\"n\":\"\xE9\"\n}", "not_utf8"),
        (b"{\n\"n\":2,\n\xFF\"m\":3\n}", "not_utf8"),
        (b"{\n\"Records\":[\n]\n\"n\"\n}", "malformed"),
    ];
    for form in FORMS {
        // The last one is a log file of its own where a record may be one.
        let damages = &damages[..if matches!(form, Ndjson | BackToBack | PrettyBackToBack) {
            12
        } else {
            13
        }];
        for (damaged, reason) in damages {
            check(form, damaged, &format!("0 1 !{reason} 3 4"));
        }
        let deep = [
            "{\n\"n\":".to_owned(),
            "[".repeat(128),
            "]".repeat(128),
            "}".to_owned(),
        ];
        check(form, deep.concat().as_bytes(), "0 1 !too_deep 3 4");
    }
}

/// A value that is no object is a reject of its own in every form.
#[test]
fn values_that_are_no_objects_cost_themselves() {
    for form in FORMS {
        for value in ["17", "-0.5e3", "true", "null", "\"a\\\"{[\""] {
            check(form, value.as_bytes(), "0 1 !not_an_object 3 4");
        }
    }
    for form in [
        LogFile,
        LogFiles,
        PrettyLogFile,
        Array,
        ArrayOfLines,
        PrettyArray,
    ] {
        check(form, b"[{},[2],\"]\"]", "0 1 !not_an_object 3 4");
        check(form, b"[nul]", "0 1 !malformed 3 4");
    }
}

/// The forms that come to the same when a bracket or a quote is missing.
const COLUMNS: [&[Form]; 6] = [
    &[Ndjson, PrettyBackToBack],
    &[PrettyLogFile, PrettyArray, ArrayOfLines],
    &[LogFiles],
    &[LogFile],
    &[Array],
    &[BackToBack],
];

const LOST: &str = "0 1 !malformed 3 4";
const LOST_TWICE: &str = "0 1 !malformed !malformed 3 4";
const LOST_BY_WORD: &str = "0 1 !malformed !malformed !malformed 3 4";

/// Closing brackets are counted, not paired: where one is missing, the next one takes its place.
const CLOSER_MISSING: [&str; 6] = [
    LOST,
    LOST,
    LOST_TWICE,
    "0 1 !malformed !malformed",
    "0 1 !malformed !truncated",
    "0 1 !truncated",
];

const STRING_OPEN: [&str; 6] = [
    LOST,
    LOST,
    LOST,
    "0 1 !malformed",
    "0 1 !truncated",
    "0 1 !truncated",
];

const CLOSED_TWICE: [&str; 6] = [
    "0 1 2 !malformed 3 4",
    "0 1 2 !malformed 3 4",
    "0 1 2 !malformed 3 4",
    "0 1 2 !malformed",
    "0 1 2 !malformed",
    "0 1 2 !malformed",
];

const NOT_OPENED: [&str; 6] = [
    "0 1 !not_an_object !malformed 3 4",
    "0 1 !not_an_object !malformed 3 4",
    "0 1 !not_an_object !malformed 3 4",
    "0 1 !not_an_object !malformed",
    "0 1 !not_an_object !malformed",
    "0 1 !not_an_object !malformed",
];

/// In an array each word is a value of its own.
const WORDS: [&str; 6] = [
    LOST,
    LOST_BY_WORD,
    LOST_BY_WORD,
    LOST_BY_WORD,
    LOST_BY_WORD,
    "0 1 !malformed",
];

/// Damage that leaves something open or closes too much costs up to where framing resumes.
#[test]
fn other_damage_costs_up_to_where_framing_resumes() {
    let cases: [(&[u8], [&str; 6]); 10] = [
        (
            b"{\n\t\"n\":2,\n\t\"o\":{\n\t\t\"a\":1\n\t}",
            CLOSER_MISSING,
        ),
        (b"{\n\t\"o\":{\n\t\t\"a\":1,\n\t\"n\":2\n}", CLOSER_MISSING),
        (b"{\n\t\"n\":2,\n\t\"a\":[\n\t\t{}\n}", CLOSER_MISSING),
        (b"{", CLOSER_MISSING),
        (b"{\n\t\"n\":2,\n\t\"a", STRING_OPEN),
        (b"{\n\t\"n\":2,\n\t\"a\":\"\\", STRING_OPEN),
        (b"{\n\t\"n\":2,\n\t\"a:\"x\"\n}", STRING_OPEN),
        (b"{\n\t\"n\":2\n}}", CLOSED_TWICE),
        (b"\n\t\"n\":2\n}", NOT_OPENED),
        (b"<134>host app: hello", WORDS),
    ];
    for (damaged, columns) in cases {
        for (forms, expected) in COLUMNS.into_iter().zip(columns) {
            for &form in forms {
                check(form, damaged, expected);
            }
        }
    }
}

/// A bracket too many ends the array of records: what follows is no member of the log file, so it
/// is not skipped like one.
#[test]
fn an_array_that_is_closed_too_early_costs_up_to_where_framing_resumes() {
    let damaged = b"{\n\t\"n\":2\n}]";
    for form in [
        Ndjson,
        LogFiles,
        PrettyBackToBack,
        PrettyArray,
        ArrayOfLines,
    ] {
        check(form, damaged, "0 1 2 !malformed 3 4");
    }
    check(PrettyLogFile, damaged, "0 1 2 !malformed 4");
    for form in [LogFile, Array, BackToBack] {
        check(form, damaged, "0 1 2 !malformed");
    }
}

/// Damage in one log file costs no other file, nor another source.
#[test]
fn damage_ends_with_its_source() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("a"), "{\"Records\":[{\"n\":0},{\"n\":\"").unwrap();
    std::fs::write(path("b"), "{\"n\":1}\n{\"n\":").unwrap();
    std::fs::write(path("c"), "{\n\"n\":2}").unwrap();
    let done = run(
        &["--on-reject", "drop", &path("a"), &path("b"), &path("c")],
        "",
    );
    assert_eq!(
        (done.code, done.text()),
        (Some(1), "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n")
    );
}

/// Whatever is done to one byte of one line costs no other line: in lines, only that line's own
/// bytes are at stake.
#[test]
fn one_byte_costs_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let line = r#"{"n":2,"s":"\"x","o":[{},1]}"#;
    let mut files = Vec::new();
    for at in 0..line.len() {
        for byte in *b"\"\\{}[]:, x\x00\xff\n" {
            let mut damaged = line.as_bytes().to_vec();
            damaged[at] = byte;
            let path = dir.path().join(format!("{at}-{byte}"));
            let whole = [b"{\"n\":1}\n", &damaged[..], b"\n{\"n\":3}\n"].concat();
            std::fs::write(&path, whole).unwrap();
            files.push(path.to_str().unwrap().to_owned());
        }
    }
    let mut args = vec!["--on-reject", "drop"];
    args.extend(files.iter().map(String::as_str));
    let done = run(&args, "");
    for neighbour in ["{\"n\":1}", "{\"n\":3}"] {
        let passed = done
            .lines()
            .iter()
            .filter(|line| **line == neighbour)
            .count();
        assert_eq!(passed, files.len(), "{neighbour}");
    }
}
