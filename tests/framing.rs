//! The input grammar: what is cut out of an input, through every entrance and at every chunk size.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "common/frames.rs"]
mod frames;

use bytes::BytesMut;
use frames::{Found, OVERSIZE};
use hsmtrail::framing::{
    BatchContent, Damage, FrameKind, InputForm, RecordDecoder, frame_line, frame_lines,
};
use proptest::prelude::*;
use tokio_util::codec::Decoder;

/// Frames `input` in chunks; with `idle`, the input pauses after each chunk.
fn frame(input: &[u8], form: InputForm, max: usize, chunk: usize, idle: bool) -> Vec<Found> {
    frames::of_pieces(input.chunks(chunk.max(1)), form, max, idle)
}

/// Frames `input` in every way and returns what all of them found.
fn frame_every_way(input: &[u8], form: InputForm, max: usize) -> Vec<Found> {
    let whole = frame(input, form, max, input.len(), false);
    let sizes = (1..=input.len().min(70)).chain([100, 1000]);
    for chunk in sizes {
        for idle in [false, true] {
            let found = frame(input, form, max, chunk, idle);
            assert_eq!(
                found,
                whole,
                "chunks of {chunk}, idle {idle}: {:?}",
                String::from_utf8_lossy(input)
            );
        }
    }
    whole
}

fn short(found: &Found) -> String {
    let text = String::from_utf8_lossy(&found.bytes).into_owned();
    match found.kind {
        FrameKind::Object {
            spans_lines: false, ..
        } => text,
        FrameKind::Object {
            spans_lines: true, ..
        } => format!("multi {text}"),
        FrameKind::NoObject => format!("value {text}"),
        FrameKind::Row => format!("row {text}"),
        FrameKind::Truncated => format!("cut {text}"),
        FrameKind::Damaged(damage) => format!(
            "{} {text}",
            match damage {
                Damage::LineBreakInString => "string",
                Damage::LineEnds => "line",
                Damage::NotClosed => "open",
                Damage::StrayBracket => "stray",
                Damage::NoValue => "junk",
            }
        ),
    }
}

/// Checks what is found in `input`, at every chunk size, with the form recognised by itself.
fn check(input: &str, expected: &[&str]) {
    check_as(input, InputForm::Auto, expected);
}

fn check_as(input: &str, form: InputForm, expected: &[&str]) {
    let found = frame_every_way(input.as_bytes(), form, 1 << 20);
    let texts: Vec<_> = found.iter().map(short).collect();
    assert_eq!(texts, expected, "{input:?}");
    for found in found {
        let at = usize::try_from(found.offset).unwrap();
        assert_eq!(
            &input.as_bytes()[at..at + found.bytes.len()],
            found.bytes,
            "offset in {input:?}"
        );
    }
}

#[test]
fn lines() {
    check("", &[]);
    check(" \t\r\n\n", &[]);
    check("{\"a\":1}\n{\"b\":2}\n", &["{\"a\":1}", "{\"b\":2}"]);
    check("{\"a\":1}\r\n\r\n{\"b\":2}", &["{\"a\":1}", "{\"b\":2}"]);
    check("{\"a\":1}\r{\"b\":2}\r", &["{\"a\":1}", "{\"b\":2}"]);
    check("\n  {\"a\":1}  \n\n", &["{\"a\":1}"]);
    check(
        "\u{feff}{\"a\":1}\n\u{feff}{\"b\":2}\n",
        &["{\"a\":1}", "{\"b\":2}"],
    );
    check("{}{}\n{} {}", &["{}", "{}", "{}", "{}"]);
    check("\n[{\"a\":1},{\"b\":2}]\n[]\n", &["{\"a\":1}", "{\"b\":2}"]);
    check(
        "1 \"x\" null\n{}\n",
        &["value 1", "value \"x\"", "value null", "{}"],
    );
    check("{\"a\":\"{\\\"[\"}\n{}\n", &["{\"a\":\"{\\\"[\"}", "{}"]);
}

#[test]
fn log_files_in_lines() {
    check(
        "{\"Records\":[{\"a\":1},{\"b\":2}]}\n{\"c\":3}\n",
        &["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"],
    );
    check(
        "{}\n{\"Records\":[{\"a\":1}]} {\"Records\":[{\"b\":2}]}\n",
        &["{}", "{\"a\":1}", "{\"b\":2}"],
    );
    check(
        "{}\n{\"x\":[{}],\"Records\":[{\"a\":1}],\"y\":{},\"Records\":[{\"b\":2}]}\n{}",
        &["{}", "{\"a\":1}", "{\"b\":2}", "{}"],
    );
    check(
        "{}\n{\"eventVersion\":1,\"Records\":[{}]}\n",
        &["{}", "{\"eventVersion\":1,\"Records\":[{}]}"],
    );
    check(
        "{}\n{\"Records\":{\"a\":[{}]}}\n",
        &["{}", "{\"Records\":{\"a\":[{}]}}"],
    );
}

#[test]
fn log_files() {
    check(
        "{\"Records\":[{\"a\":1},{\"b\":2}]}",
        &["{\"a\":1}", "{\"b\":2}"],
    );
    check("{\"Records\":[]}", &[]);
    check(
        "{\"Records\":[{}]}{\"Records\":[{}]}[{}]{}",
        &["{}", "{}", "{}", "{}"],
    );
    check(
        "{\"Records\" : [ {} , {} ] , \"x\" : [ 1 ] }",
        &["{}", "{}"],
    );
    check("{\"Rec\\u006frds\":[{}]}", &["{}"]);
    check(
        "{\"Records\":[{\"Records\":[{}]}]}",
        &["{\"Records\":[{}]}"],
    );
    check(
        "{\"Records\":[1,[{}],\"s\",{},null]}",
        &["value 1", "value [{}]", "value \"s\"", "{}", "value null"],
    );
    check("[[{}]]", &["value [{}]"]);
    check("[1,2]", &["value 1", "value 2"]);
    check("{\"Records\":{}}", &["{\"Records\":{}}"]);
    check(
        "{\"eventSource\":\"x\",\"Records\":[{}]}",
        &["{\"eventSource\":\"x\",\"Records\":[{}]}"],
    );
}

#[test]
fn documents() {
    let pretty = "{\n  \"Records\": [\n    {\n      \"a\": {\n        \"b\": 1\n      }\n    },\n    {\n      \"c\": 2\n    }\n  ]\n}\n";
    let first = "multi {\n      \"a\": {\n        \"b\": 1\n      }\n    }";
    check(pretty, &[first, "multi {\n      \"c\": 2\n    }"]);
    let twice = format!("{pretty}{pretty}");
    check(
        &twice,
        &[
            first,
            "multi {\n      \"c\": 2\n    }",
            first,
            "multi {\n      \"c\": 2\n    }",
        ],
    );
    check(
        "{\n\"a\":\n{\n\"b\":1\n},\n\"c\":[\n{\n},\n{\n}\n]\n}\n",
        &["multi {\n\"a\":\n{\n\"b\":1\n},\n\"c\":[\n{\n},\n{\n}\n]\n}"],
    );
    check(
        "[\r\n  {\"a\":1},\r\n  {\"b\":2}\r\n]\r\n",
        &["{\"a\":1}", "{\"b\":2}"],
    );
    check("{\"a\":1\n2}", &["multi {\"a\":1\n2}"]);
}

/// Arrays of other names are arrays of records once an element shows an event.
#[test]
fn arrays_that_carry_events() {
    let event = r#"{"CloudTrailEvent":"{\"eventVersion\":\"1.08\"}"}"#;
    let whole = r#"{"events":[1,{"message":"{}"},[]],"Events":[]}"#;
    for (input, expected) in [
        (
            format!(r#"{{"Events":[{event},{{"x":1}},2],"N":[{{}}]}}{{}}"#),
            vec![event, r#"{"x":1}"#, "value 2", "{}"],
        ),
        (
            format!(r#"{{"x":[{{}}], "events" : [{{"x":1}} , {event}]}}"#),
            vec![r#"{"x":1}"#, event],
        ),
        (
            format!(r#"{{"logEvents":[],"\u006cogEvents":[{event}],"Events":[7]}}"#),
            vec![event, "value 7"],
        ),
        (
            format!(r#"{{"events":[{{}},{event}],"Records":[{{}}]}}"#),
            vec!["{}", event, "{}"],
        ),
        (
            format!(r#"{{"Records":[{{}}],"Events":[{event}]}}"#),
            vec!["{}"],
        ),
        (
            format!(r#"{{"a":{{"Events":[{event}]}}}}"#),
            vec![r#"{"a":{"Events":[{"CloudTrailEvent":"{\"eventVersion\":\"1.08\"}"}]}}"#],
        ),
        (whole.to_owned(), vec![whole]),
        (
            format!("{{}}\n{whole}\n{{\"events\":[{event},{event}]}}\n{{}}"),
            vec!["{}", whole, event, event, "{}"],
        ),
    ] {
        check(&input, &expected);
    }
}

#[test]
fn damage_in_arrays_that_carry_events() {
    let event = r#"{"message":"{\"eventVersion\":\"1.08\"}"}"#;
    for (input, expected) in [
        (
            format!("{{}}\n{{\"events\":[{event},{{\"a\"\n{{}}"),
            vec!["{}", event, "line {\"a\"", "{}"],
        ),
        (format!("{{\"events\":[{event},"), vec![event, "cut "]),
        (
            format!("{{\"events\":[{event},{{\"a\":"),
            vec![event, "cut {\"a\":"],
        ),
        (format!(r#"{{"events":[{event}"#), vec![event, "cut "]),
        (
            format!(r#"{{"events":[{event}}},{event}"#),
            vec![
                event,
                "stray },{\"message\":\"{\\\"eventVersion\\\":\\\"1.08\\\"}\"}",
            ],
        ),
        (
            format!(
                "{{\n  \"Events\": [\n    {event},\n    {{\n      \"a\": \"x\n    }},\n    {event}\n  ]\n}}\n"
            ),
            vec![event, "string {\n      \"a\": \"x\n    },", event],
        ),
        (
            format!("{{}}\n{{\n  \"Events\": [\n    {{}},\n    {event}\n  ]\n}}\n{{}}"),
            vec!["{}", "{}", event, "{}"],
        ),
    ] {
        check(&input, &expected);
    }
}

#[test]
fn rows_that_carry_events() {
    let row = r#"[{"eventJson":"{\"eventVersion\":\"1.08\"}"},{}]"#;
    let rows = format!("row {row}");
    check(
        &format!(r#"{{"QueryResultRows":[{row},{row},[],{{}}],"x":[[]]}}"#),
        &[&rows, &rows, "row []", "{}"],
    );
    check(
        &format!(r#"{{"QueryResultRows":[[{{"n":"1"}}],{row}]}}"#),
        &[r#"row [{"n":"1"}]"#, &rows],
    );
    check(&format!("[{row}]"), &[&format!("value {row}")]);
}

#[test]
fn a_document_inside_lines() {
    check(
        "{\"a\":1}\n{\n  \"Records\": [\n    {\n      \"b\": 2\n    }\n  ]\n}\n{\"c\":3}\n",
        &["{\"a\":1}", "multi {\n      \"b\": 2\n    }", "{\"c\":3}"],
    );
    check(
        "{\"a\":1}\n[\n{\"b\":2},\n{\"c\":3}\n]\n{\"d\":4}\n{\"e\":\n",
        &[
            "{\"a\":1}",
            "{\"b\":2}",
            "{\"c\":3}",
            "{\"d\":4}",
            "line {\"e\":",
        ],
    );
    check(
        "{\"a\":1}\n {\"Records\" : [ \n{\"b\":2}\n]}\n{\"d\":\n{}",
        &["{\"a\":1}", "{\"b\":2}", "line {\"d\":", "{}"],
    );
    check(
        "{\"a\":1}\n{\"\\u0052ecords\":[\n{\"b\":2},\n{\"c\":3}\n]}\n{\"d\":4}\n",
        &["{\"a\":1}", "{\"b\":2}", "{\"c\":3}", "{\"d\":4}"],
    );
    check(
        "{}\n\u{feff}{\n\"a\":1}\n{}",
        &["{}", "multi {\n\"a\":1}", "{}"],
    );
    check("{}\n\u{feff}{\n{\"b\":2}\n", &["{}", "open {", "{\"b\":2}"]);
    // A cut record that looks like an opened document costs itself.
    check(
        "{\"a\":1}\n{\n{\"b\":2}\n{\"c\":3}\n",
        &["{\"a\":1}", "open {", "{\"b\":2}", "{\"c\":3}"],
    );
}

#[test]
fn damage_in_lines_ends_with_the_line() {
    check("{}\n{\"a\":\"x\n{}\n", &["{}", "string {\"a\":\"x", "{}"]);
    check(
        "{}\n{\"a\":\"x\\\n{}\n",
        &["{}", "string {\"a\":\"x\\", "{}"],
    );
    check("{}\n{\"a\":[1\r\n{}\n", &["{}", "line {\"a\":[1", "{}"]);
    check(
        "{}\n{\"a\":1}}\n{}\n",
        &["{}", "{\"a\":1}", "stray }", "{}"],
    );
    check(
        "{}\n{\"a\":1} x {} y\n{}\n",
        &["{}", "{\"a\":1}", "junk x {} y", "{}"],
    );
    check(
        "{}\n2023-07-10 {\"a\":1}\n{}\n",
        &["{}", "junk 2023-07-10 {\"a\":1}", "{}"],
    );
    check("{}\n{\"a\":1},\n{}\n", &["{}", "{\"a\":1}", "junk ,", "{}"]);
    check(
        "{}\n{\"Records\":[{\"a\":1},{\"b\"\n{}\n",
        &["{}", "{\"a\":1}", "line {\"b\"", "{}"],
    );
    check(
        "{}\n{\"Records\":[{\"a\":1},\n{}\n",
        &["{}", "{\"a\":1}", "line ", "{}"],
    );
    check(
        "{}\n{\"Records\":[{\"a\":1}},{\"b\":2}]}\n{}\n",
        &["{}", "{\"a\":1}", "stray },{\"b\":2}]}", "{}"],
    );
    check(
        "{}\n{\"Records\":[{}],\"x\":\"\n{}\n",
        &["{}", "{}", "string ", "{}"],
    );
    check("x\n{}\n", &["junk x", "{}"]);
    check(
        "{}\n{\"a\":tru}{\"b\":2}\n",
        &["{}", "{\"a\":tru}", "{\"b\":2}"],
    );
    check("{}\n{\"a\":[1}\n{}\n", &["{}", "line {\"a\":[1}", "{}"]);
}

#[test]
fn the_first_line_of_lines_is_damaged() {
    check(
        "{\"a\":\"x\n{\"b\":2}\n{\"c\":3}\n",
        &["string {\"a\":\"x", "{\"b\":2}", "{\"c\":3}"],
    );
    check(
        "{\"a\":1,\n{\"b\":2}\n{\"c\":3}\n",
        &["open {\"a\":1,", "{\"b\":2}", "{\"c\":3}"],
    );
    check(
        "{\"a\":\n{\"b\":2}\n{\"c\":3}\n{\"d\":4}\n",
        &["open {\"a\":\n{\"b\":2}", "{\"c\":3}", "{\"d\":4}"],
    );
    check(
        "{\"Records\":[{\"a\":1}},{\"b\":2}]}\n{\"Records\":[{\"c\":3}]}\n",
        &["{\"a\":1}", "stray },{\"b\":2}]}", "{\"c\":3}"],
    );
}

#[test]
fn damage_in_a_document_ends_at_the_column_of_its_record() {
    let document = |first: &str| {
        format!(
            "{{\n  \"Records\": [\n    {{\n{first}\n    }},\n    {{\n      \"b\": 2\n    }}\n  ]\n}}\n"
        )
    };
    let second = "multi {\n      \"b\": 2\n    }";
    check(
        &document("      \"a\": \"x"),
        &["string {\n      \"a\": \"x\n    },", second],
    );
    check(
        &document("      \"a\": {\n        \"n\": 1"),
        &["open {\n      \"a\": {\n        \"n\": 1\n    },", second],
    );
    check(
        &document("      \"a\": [\n        1"),
        &["open {\n      \"a\": [\n        1\n    },", second],
    );
    check(
        &document("      \"a\": 1\n    }"),
        &[
            "multi {\n      \"a\": 1\n    }",
            "stray }\n    },".trim(),
            second,
        ]
        .map(|text| {
            if text.starts_with("stray") {
                "stray },"
            } else {
                text
            }
        }),
    );
    // Nested objects, and records in other columns, are not taken for records.
    check(
        "{\"Records\":[\n  {\"a\":\"x\n{\"n\":1}\n    {\"n\":2}\n  {\"b\":2}\n]}",
        &["string {\"a\":\"x\n{\"n\":1}\n    {\"n\":2}", "{\"b\":2}"],
    );
    // The skipped bytes hold the end of one log file and the start of the next.
    check(
        "{\"Records\":[\n {\"a\":\"x\n]}\n{\"Records\":[\n {\"b\":2}\n]}{}",
        &["string {\"a\":\"x\n]}\n{\"Records\":[", "{\"b\":2}", "{}"],
    );
    // A log file begins in the column of the damaged record.
    check(
        "{\"Records\":[\n{\"a\":\"x\n]}\n{\"Records\":[\n{\"b\":2}\n]}\n",
        &["string {\"a\":\"x\n]}", "{\"b\":2}"],
    );
    check(
        "[\n{\"a\":\"x\n\n\n{\"b\":2}\n]",
        &["string {\"a\":\"x\n\n", "{\"b\":2}"],
    );
    check(
        "[\r\n{\"a\":\"x\r\n{\"b\":2}\r\n]",
        &["string {\"a\":\"x", "{\"b\":2}"],
    );
}

#[test]
fn a_cut_log_file_before_a_whole_one() {
    check(
        "{\"Records\":[{\"a\":1}{\"Records\":[{\"b\":2}]}",
        &["{\"a\":1}", "{\"b\":2}"],
    );
}

#[test]
fn the_end_of_the_input() {
    check("{\"a\":1", &["cut {\"a\":1"]);
    check("{\"a\":1\n", &["cut {\"a\":1"]);
    check("{\"a\":\"x", &["cut {\"a\":\"x"]);
    check("{}\n{\"a\":[", &["{}", "cut {\"a\":["]);
    check("{\"Records\":[{\"a\":1},", &["{\"a\":1}", "cut "]);
    check("{\"Records\":[", &["cut "]);
    check("[\n", &["cut "]);
    check("[1", &["cut 1"]);
    check("{\"Records\":[{}]", &["{}"]);
    check("{\"Records\":[{}],\"x\":{\"y\"", &["{}"]);
    check("{\"Records\"", &["cut {\"Records\""]);
    check("tru", &["junk tru"]);
    check("12", &["value 12"]);
    check("{}\n12", &["{}", "value 12"]);
    check("\"ab", &["cut \"ab"]);
    check("{}\u{feff}", &["{}"]);
}

/// It is known for an event by how it starts, but not when that is cut.
#[test]
fn an_event_that_is_cut_in_its_first_member() {
    let event = r#"{"eventVersion":"1.08","a":[{}],"b":"[\\n"}"#;
    for input in [event.to_owned(), format!("{event}\n{event}\n")] {
        let found = frame_every_way(input.as_bytes(), InputForm::Auto, 1 << 20);
        assert!(found.iter().all(|found| found.bytes == event.as_bytes()));
    }
}

#[test]
fn a_cut_byte_order_mark() {
    let found = frame_every_way(b"{}\n\xEF\xBB", InputForm::Auto, 1000);
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].bytes, b"\xEF\xBB");
    assert_eq!(found[1].kind, FrameKind::Damaged(Damage::NoValue));
}

/// Framing it came no further, for ever.
#[test]
fn r_a_last_line_that_is_a_cut_byte_order_mark_ends() {
    for line in [&b"\xEF"[..], b"\xEF\xBB"] {
        let mut frames = Vec::new();
        assert_eq!(frame_line(line, 1000, &mut frames), line.len());
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].kind, FrameKind::Damaged(Damage::NoValue));
    }
}

#[test]
fn the_form_can_be_given() {
    check_as(
        "{\"a\":\n1}\n{}\n",
        InputForm::Lines,
        &["line {\"a\":", "value 1", "stray }", "{}"],
    );
    check_as(
        "{}\n{\"a\":\n1}\n",
        InputForm::Document,
        &["{}", "multi {\"a\":\n1}"],
    );
}

#[test]
fn a_record_may_be_as_long_as_the_limit() {
    for (form, wrap) in [
        (InputForm::Auto, ("{}\n", "\n{}")),
        (InputForm::Auto, ("{\"Records\":[", ",{}]}")),
        (InputForm::Auto, ("[\r\n", "\r\n]{}")),
        (InputForm::Document, ("", "{}")),
    ] {
        for length in 9..40 {
            let record = format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
            assert_eq!(record.len(), length);
            let input = format!("{}{record}{}", wrap.0, wrap.1);
            let found = frame_every_way(input.as_bytes(), form, 20);
            let found = found
                .iter()
                .find(|found| found.bytes == record.as_bytes())
                .unwrap();
            assert_eq!(found.kind == OVERSIZE, length > 20, "{input}");
        }
    }
}

#[test]
fn oversize_damage_and_garbage() {
    let x = "x".repeat(100);
    for input in [
        format!("{{\"a\":\"{x}\n{{\"b\":2}}\n{{\"c\":3}}\n"),
        format!("[\n{{\"a\":\"{x}\n\n   \n{{\"b\":2}}\n{{\"c\":3}}\n"),
        format!("[\r\n {{\"a\":\"\r\n{x}\r\n{{\"b\":2}}\r\n {{\"c\":3}}\r\n"),
        format!("{{}}\n{x} {{}}\n{{}}"),
        format!("[{x},{{}},\"{x}\",[{x}],1{x}"),
        format!("{{\"{x}\":{{\"Records\":[1]}},\"Records\":[{{}}]}}{{}}"),
        format!("{{\"Records\":[{{\"{x}\":[{x}]}}{{}}]}}"),
        format!("[\n{{\"a\":[\n{x}\n{{\"b\":2}}\n{{\"c\":3}}\n"),
        format!(
            "[\n{}{{\"a\":\"\n{{\"b\":2}}\n{}{{\"c\":3}}\n",
            " ".repeat(100),
            " ".repeat(100)
        ),
    ] {
        frame_every_way(input.as_bytes(), InputForm::Auto, 20);
        frame_every_way(input.as_bytes(), InputForm::Lines, 20);
        frame_every_way(input.as_bytes(), InputForm::Document, 20);
    }
}

#[test]
fn a_long_line_gives_its_records_before_its_end() {
    let mut decoder = RecordDecoder::new(InputForm::Lines, 1 << 20);
    let mut buffer = BytesMut::new();
    let record = format!("{{\"a\":\"{}\"}},", "x".repeat(990));
    buffer.extend_from_slice(b"{\"Records\":[");
    let mut records = 0;
    let mut most_held = 0;
    for _ in 0..10_000 {
        buffer.extend_from_slice(record.as_bytes());
        while let Some(batch) = decoder.decode(&mut buffer).unwrap() {
            let BatchContent::Frames(frames) = batch.content else {
                panic!("frames")
            };
            records += frames.len();
        }
        most_held = most_held.max(buffer.len());
    }
    assert_eq!(records, 10_000);
    assert!(most_held < 300_000, "{most_held} bytes held");
}

#[test]
fn an_oversize_record_is_not_held() {
    for start in [
        "{\"a\":\"",
        "[",
        "[\n{\"a\n",
        "[\"",
        "[\n 1",
        "{\"Records\":[{}]}}\n",
        "\"",
        "{\"a",
    ] {
        let mut decoder = RecordDecoder::new(InputForm::Document, 1000);
        let mut buffer = BytesMut::from(start);
        for piece in [[b'x'; 500], [b' '; 500], [b'\n'; 500]]
            .iter()
            .cycle()
            .take(3000)
        {
            buffer.extend_from_slice(piece);
            while decoder.decode(&mut buffer).unwrap().is_some() {}
            assert!(
                buffer.len() <= 3000,
                "{start:?}: {} bytes held",
                buffer.len()
            );
        }
    }
}

#[test]
fn unfinished_bytes_are_known() {
    for (input, unfinished) in [
        ("{}\n{\"a\":1", 6),
        ("{}\n{}", 0),
        ("{\"Records\":[{}, {\"a", 3),
        ("{}  \n ", 0),
        ("tru", 3),
    ] {
        let mut decoder = RecordDecoder::new(InputForm::Auto, 1000);
        let mut buffer = BytesMut::from(input);
        while decoder.decode(&mut buffer).unwrap().is_some() {}
        while decoder.flush(&mut buffer).is_some() {}
        assert_eq!(decoder.unfinished_bytes(&buffer), unfinished, "{input:?}");
    }
    let mut decoder = RecordDecoder::new(InputForm::Auto, 10);
    let mut buffer = BytesMut::from(&b"[{\"a\":\"xxxxxxxxxxxxxxxxxxxx"[..]);
    while decoder.decode(&mut buffer).unwrap().is_some() {}
    assert_eq!(decoder.unfinished_bytes(&buffer), 26);
}

/// Pieces of which hard inputs are made.
fn hard_input() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ",",
        ":",
        "\n",
        "\n",
        "\r\n",
        "\r",
        " ",
        "  ",
        "\t",
        "1",
        "x",
        "null",
        "\u{feff}",
        "{\"a\":1}",
        "{\"b\":[{}]}",
        "{\"Records\":[",
        "]}",
        "\"Records\":",
        "\"eventSource\":",
        "{\"eventVersion\":\"1\"}",
        "\n{",
        "\n{\"c\":3}\n",
        "\n  {",
        "\\\"",
        "{\"long\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}",
    ];
    proptest::collection::vec(prop::sample::select(pieces.to_vec()), 0..30)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn cutting_the_input_changes_nothing(
        input in hard_input(),
        max in prop::sample::select(vec![10_usize, 25, 60, 1000]),
        form in prop::sample::select(vec![InputForm::Auto, InputForm::Lines, InputForm::Document]),
    ) {
        let whole = frame(&input, form, max, input.len(), false);
        for chunk in [1, 2, 3, 7, 16, 33] {
            for idle in [false, true] {
                prop_assert_eq!(&frame(&input, form, max, chunk, idle), &whole);
            }
        }
    }

    #[test]
    fn frames_are_in_order_and_do_not_overlap(input in hard_input()) {
        let mut end = 0;
        for found in frame(&input, InputForm::Auto, 1000, 5, false) {
            prop_assert!(found.offset >= end);
            end = found.offset + found.bytes.len() as u64;
        }
        prop_assert!(end <= input.len() as u64);
    }

    /// As a worker takes lines that it could not walk over. The last one may lack its line break.
    #[test]
    fn line_after_line_gives_the_frames_of_all(
        input in hard_input(),
        tail in prop::sample::select(vec![&b""[..], b"\xEF", b"\xEF\xBB", b"\n\xEF"]),
    ) {
        let lines = &[&input, tail].concat();
        let (mut all, mut one_by_one) = (Vec::new(), Vec::new());
        frame_lines(lines, 1000, &mut all);
        let mut at = 0;
        while at < lines.len() {
            let mut frames = Vec::new();
            let len = frame_line(&lines[at..], 1000, &mut frames);
            prop_assert!(len > 0);
            for mut frame in frames {
                frame.range = frame.range.start + at..frame.range.end + at;
                one_by_one.push(frame);
            }
            at += len;
        }
        prop_assert_eq!(one_by_one, all);
    }

    /// Damage costs one line: the objects on all other lines come out, whatever stands between.
    #[test]
    fn lines_keep_their_neighbours(damaged in hard_input()) {
        let damaged: Vec<u8> =
            damaged.into_iter().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
        // An indented `{` on a line of its own opens a document in that column.
        let text = String::from_utf8_lossy(&damaged);
        let line = text.trim_start_matches('\u{feff}');
        let is_bare = line.trim_matches([' ', '\t', '\u{feff}']) == "{";
        prop_assume!(!is_bare || line.starts_with('{'));
        let mut input = b"{\"first\":1}\n".to_vec();
        input.extend_from_slice(&damaged);
        input.extend_from_slice(b"\n{\"last\":1}\n{\"end\":1}\n");
        let found: Vec<_> = frame(&input, InputForm::Lines, 1000, 9, false)
            .into_iter().filter(|found| matches!(found.kind, FrameKind::Object { .. }))
            .map(|found| found.bytes).collect();
        let (first, end) = (b"{\"first\":1}".to_vec(), b"{\"end\":1}".to_vec());
        prop_assert!(found.contains(&first));
        prop_assert!(found.contains(&end));
    }
}
