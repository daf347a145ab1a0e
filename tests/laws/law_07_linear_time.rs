//! Linear time: hostile inputs that would take a quadratic program hours.
//!
//! Nothing is timed but by the bound on every wait.

use std::process::Stdio;

use crate::binary::{Running, hsmtrail};

/// A program that looks at each of these bytes again for each of them does not end in time.
const LENGTH: usize = 500_000;

/// Runs to its end and checks that the input was bad or good, not the program.
fn check(args: &[&str], input: &str) {
    let mut running = Running::start_with_stdout(hsmtrail(args), Stdio::null());
    running.feed(input.as_bytes().to_vec());
    let done = running.finish();
    assert!(
        matches!(done.code, Some(0 | 1)),
        "{args:?} {input:.60}…: {done:?}"
    );
    assert_eq!(done.err, "", "{args:?} {input:.60}…");
}

/// Everything that repeats, as lines, in an array of records, and in a document of many lines.
#[test]
fn what_repeats_takes_linear_time() {
    let units = [
        "[",
        "{",
        "]",
        "}",
        "[]",
        "{}",
        "\"",
        "\\",
        "\\\"",
        "\"\\",
        ",",
        ":",
        " ",
        "\t",
        "\n",
        "\r",
        "\r\n",
        " \n",
        "1",
        "1 ",
        "1,",
        "\u{feff}",
        "\0",
        "é",
        "{\"a\":",
        "[{",
        "{\"",
        "{\n",
        "[\n",
        "\"\n",
        "{\"a\":1\n",
        "{\"a\":1}",
        "{\"Records\":[",
        "{\"Records\":[]}",
        "{\"Records\":[\n",
        "{\"events\":[{",
        "{\"events\":[{\"message\":\"{}\"},",
        "{\"message\":",
        "{\"message\":\"{",
        "{\"cloudhsm",
        "\\u",
        "{\n\"a\":{\n",
    ];
    for unit in units {
        let run = unit.repeat(LENGTH / 10 / unit.len());
        for start in [
            "",
            "{}\n",
            "{\"Records\":[",
            "{\n\"Records\":[\n\t{\n\"a\":1\n",
            "{\"a\":\"",
        ] {
            check(
                &["--max-record-bytes", "1GiB", "--on-reject", "drop"],
                &format!("{start}{run}"),
            );
        }
    }
}

/// Long runs inside a record that may hold others, in an element that may be the first of them.
#[test]
fn what_is_long_in_an_envelope_takes_linear_time() {
    let times = |unit: &str| unit.repeat(LENGTH / unit.len());
    for inside in [
        format!("\"message\":\"{}\"", times("{\\\"message\\\":")),
        format!("\"message\":\"{}\"", times("{}")),
        format!("\"message\":\"{{\\\"eventVersion\\\":1}}{}\"", times("1,")),
        format!("\"message\":\"[{}\"", times("\\\"{\\\",")),
        format!("{}\"a\":1", times("\"message\":\"{}\",")),
        format!("{}\"a\":1", times("\"detail\":{\"eventVersion\":1},")),
        format!("\"detail\":{}", times("{\"detail\":")),
        format!("\"event\":{{{}\"a\":1}}", times("\"original\":\"{}\",")),
        format!("\"awslogs\":{{\"data\":\"{}\"}}", times("H4sI")),
        format!("\"events\":[{}1]", times("{\"message\":\"{}\"},")),
        format!("\"events\":[{}1]", times("{\"eventVersion\":1},")),
        format!(
            "\"QueryResultRows\":[{}1]",
            times("[{\"eventJson\":\"{}\"}],")
        ),
    ] {
        for input in [
            format!("{{{inside}}}"),
            format!("{{\"events\":[{{{inside}}}]}}"),
            format!("{{\n{inside}\n}}"),
        ] {
            check(
                &["--max-record-bytes", "8MiB", "--on-reject", "drop"],
                &input,
            );
        }
    }
}

/// Long runs inside one record that is held, parsed and enriched.
#[test]
fn what_is_long_in_a_record_takes_linear_time() {
    let event = |member: &str| format!("{{\"eventSource\":\"cloudhsm.amazonaws.com\",{member}}}");
    let times = |unit: &str| unit.repeat(LENGTH / unit.len());
    let members = [
        format!("\"a\":\"{}\"", times("\\\"")),
        format!("\"a\":\"{}\"", times("\\u0041\\ud800")),
        format!("\"{}\":1", times("k")),
        format!("\"eventName\":\"{}\"", times("Delete")),
        format!("\"eventTime\":\"{}\"", times("2")),
        format!("\"userAgent\":\"{}\"", times("aws-cli/")),
        format!(
            "{}\"a\":1",
            times("\"eventSource\":\"cloudhsm.amazonaws.com\",")
        ),
        format!("{}\"a\":1", times("\"userIdentity\":{\"type\":\"Root\"},")),
        format!("\"a\":[{}1]", times("1,")),
        format!("\"a\":[{}1]", times("[[]],")),
        format!(
            "\"resources\":[{}1]",
            times("{\"ARN\":\"arn:aws:cloudhsm:::x\"},")
        ),
        format!("\"userIdentity\":{{\"arn\":\"{}\"}}", times("arn:/")),
        format!(
            "\"requestParameters\":{{\"tagList\":[{}1]}}",
            times("{\"key\":\"a\"},")
        ),
        format!(
            "\"eventName\":\"PutResourcePolicy\",\"requestParameters\":{{\"policy\":\"{{\\\"Statement\\\":[{}1]}}\"}}",
            times("{\\\"Effect\\\":\\\"Allow\\\",\\\"Principal\\\":{\\\"AWS\\\":\\\"*\\\"}},")
        ),
    ];
    for member in members {
        check(&["--max-record-bytes", "8MiB"], &event(&member));
        check(
            &["--max-record-bytes", "8MiB"],
            &event(&member).replace(",\"", ",\n\""),
        );
        check(&["--max-record-bytes", "64KiB"], &event(&member));
    }
}
