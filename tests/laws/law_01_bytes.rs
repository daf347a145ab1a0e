//! Bytes: a record that is passed on is the record that came in.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::binary::run;
use crate::input::{lines, without_enrichment};

/// Records that a careless program would write in another way.
const ODD: &[&str] = &[
    "{}",
    "{ }",
    r#"{"n":1.0,"n":1.00,"n":100e-2}"#,
    r#"{"n":12345678901234567890,"m":-98765432109876543210.50}"#,
    r#"{"n":1e400,"m":-1E+400,"o":5e-999}"#,
    r#"{"z":1,"a":2,"Z":3,"a":4}"#,
    r#"{"":{"":[]},"a":[ ],"b":{ }}"#,
    r#"{"s":"\u0041\/\b\f\n\r\t\"\\\u00e9é"}"#,
    r#"{"s":"\ud83d\ude00 \ud800 \udc00\ud800 😀"}"#,
    "{\"s\":\"\u{7f} \u{2028} \u{feff} \u{fffd}\"}",
    "{\t\"a\"  :\t[ 1 , 2 ]  , \"b\"\t:null }",
    r#"{"cloudhsm":null}"#,
    r#"{"eventSource":"s3.amazonaws.com","cloudhsm":{"version":1}}"#,
    r#"{"text":"},{]\"{","more":["\\","\\\"",",\"cloudhsm\":{"]}"#,
    r#"{"eventSource":"cloudhsm.amazonaws.com","n":1.0,"n":1.0, "s":"\u0041" }"#,
    r#"{"\u0065ventSource":"\u0063loudhsm.amazonaws.com","eventTime":1e2,"x":"😀\ud800"	}"#,
    r#"{"eventSource":"s3.amazonaws.com","eventSource":"cloudhsm.amazonaws.com"}"#,
    r#"{"Records":{},"a":[{"Records":[1]}]}"#,
];

/// Several ways to the same bytes.
const WAYS: &[&[&str]] = &[
    &[],
    &["--workers", "1", "--validate", "matching"],
    &["--flush-interval", "0", "--input", "lines"],
];

/// What comes out for these inputs, with the enrichments taken away.
fn check(args: &[&str], input: &str, expected: &[String]) {
    let done = run(args, input);
    let records: Vec<_> = done
        .quiet()
        .lines()
        .map(|line| without_enrichment(line).0)
        .collect();
    assert_eq!(records, expected, "{args:?}");
}

#[test]
fn odd_records_stay_as_they_are() {
    let expected: Vec<_> = ODD.iter().map(|&record| record.to_owned()).collect();
    for args in WAYS {
        check(args, &lines(ODD), &expected);
        check(args, &lines(ODD).replace('\n', "\r\n"), &expected);
    }
    let back_to_back = ODD.concat();
    check(&[], &back_to_back, &expected);
    check(&[], &format!("[{}]", ODD.join(" , ")), &expected);
    check(
        &["--input", "document"],
        &format!("\u{feff}{{\"Records\":\n[{}]}}", ODD.join(",\n")),
        &expected,
    );
}

#[test]
fn only_line_breaks_and_the_blanks_after_them_go() {
    for (record, expected) in [
        ("{\n  \"a\": 1\n}", "{\"a\": 1}"),
        ("{\r\n\t\"a\" \t:\r\n 1 }", "{\"a\" \t:1 }"),
        ("{\r\"a\":[1 ,\r \r\n 2]\n\n\n}", "{\"a\":[1 ,2]}"),
        ("{ \n }", "{ }"),
        (
            "{\n\"s\":\"\\n \\r\\n \\\\\"}",
            "{\"s\":\"\\n \\r\\n \\\\\"}",
        ),
    ] {
        for count in [1, 3] {
            let expected = vec![expected.to_owned(); count];
            check(&[], &vec![record; count].concat(), &expected);
            check(&[], &vec![record; count].join("\n\n"), &expected);
            let records = vec![record; count].join("\n,");
            check(&[], &format!("{{\"Records\":[\n{records}\n]}}"), &expected);
        }
    }
}

#[test]
fn an_enrichment_is_the_last_member() {
    let record = r#"{"eventSource":"cloudhsm.amazonaws.com","eventName":"DeleteHsm" }"#;
    let done = run(&[], record);
    let line = done.quiet();
    assert!(line.starts_with(&record[..record.len() - 1]), "{line}");
    assert_eq!(
        without_enrichment(line.trim_end()),
        (record.to_owned(), true)
    );
    // A second pass finds nothing to add.
    assert_eq!(run(&[], line).quiet(), line);
}

/// The tokens of a JSON value, none of them printed as a serialiser would.
fn value() -> impl Strategy<Value = Vec<String>> {
    let scalar = select(vec![
        "0",
        "-0",
        "1.0",
        "1.50",
        "0e-0",
        "1E+2",
        "100000000000000000001",
        "-1e400",
        "true",
        "false",
        "null",
        "\"\"",
        "\"\\u0041\"",
        "\"\\/ /\"",
        "\"\\ud800\"",
        "\"é\\u00e9\"",
        "\"\\u0000\"",
        "\"{\\\"a\\\":[}\"",
        "\"\\\\\"",
        "\"😀\\ud83d\\ude00\"",
        "\"cloudhsm\"",
        "\"2026-03-03T02:20:00Z\"",
        "\"arn:aws:iam::111122223333:user/a\"",
    ])
    .prop_map(|token| vec![token.to_owned()]);
    scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| enclosed("[", items, "]")),
            vec(member(inner), 0..4).prop_map(|members| enclosed("{", members, "}")),
        ]
    })
}

fn member(value: impl Strategy<Value = Vec<String>>) -> impl Strategy<Value = Vec<String>> {
    // Names that are read, and others; few enough to come twice in an object.
    let name = select(vec![
        "eventName",
        "eventTime",
        "errorCode",
        "userIdentity",
        "type",
        "arn",
        "requestParameters",
        "clusterId",
        "responseElements",
        "sourceIPAddress",
        "userAgent",
        "",
        "\\u0061",
        "a",
    ]);
    (name, value).prop_map(|(name, value)| {
        let mut tokens = vec![format!("\"{name}\""), ":".to_owned()];
        tokens.extend(value);
        tokens
    })
}

fn enclosed(open: &str, items: Vec<Vec<String>>, close: &str) -> Vec<String> {
    let mut tokens = vec![open.to_owned()];
    for (n, item) in items.into_iter().enumerate() {
        tokens.extend((n > 0).then(|| ",".to_owned()));
        tokens.extend(item);
    }
    tokens.push(close.to_owned());
    tokens
}

/// The tokens of a record, every other one of CloudHSM.
fn record() -> impl Strategy<Value = Vec<String>> {
    (vec(member(value()), 0..6), any::<bool>()).prop_map(|(mut members, is_cloudhsm)| {
        if is_cloudhsm {
            let source = ["\"eventSource\"", ":", "\"cloudhsm.amazonaws.com\""];
            members.insert(members.len() / 2, source.map(str::to_owned).to_vec());
        }
        enclosed("{", members, "}")
    })
}

/// The record with `gaps` between its tokens, and what it has to look like as one line.
fn printed(tokens: &[String], gaps: &[&str]) -> (String, String) {
    let (mut text, mut line) = (String::new(), String::new());
    for (n, token) in tokens.iter().enumerate() {
        if n > 0 {
            let gap = gaps[(n - 1) % gaps.len()];
            text.push_str(gap);
            line.extend(gap.split(['\n', '\r']).next());
        }
        text.push_str(token);
        line.push_str(token);
    }
    (text, line)
}

const BLANKS: &[&str] = &["", "", " ", "\t", "  \t"];
const BREAKS: &[&str] = &[
    "",
    " ",
    "\n",
    "\r\n",
    "\r",
    "\n    ",
    " \n\t",
    "\n\n",
    "\t\r\n \n ",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn output_minus_the_enrichments_is_the_input(
        records in vec((record(), vec(select(BLANKS), 1..5)), 1..40),
    ) {
        let records: Vec<_> = records.iter().map(|(tokens, gaps)| printed(tokens, gaps).0).collect();
        check(&[], &lines(&records), &records);
    }

    #[test]
    fn a_record_over_many_lines_comes_out_as_one(
        records in vec((record(), vec(select(BREAKS), 1..5)), 1..40),
    ) {
        let (texts, expected): (Vec<_>, Vec<_>) =
            records.iter().map(|(tokens, gaps)| printed(tokens, gaps)).unzip();
        check(&["--input", "document"], &texts.concat(), &expected);
        check(&["--input", "document"], &format!("[\n{}\n]", texts.join(",\n")), &expected);
    }
}
