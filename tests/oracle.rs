//! The program against the oracle in `tests/oracle`: the field reference and the input grammar,
//! worked out a second time in Python and compared byte for byte.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests"
)]

use std::fs;
use std::io;
use std::process::Command;

use hsmtrail::schema;
use serde_json::Value;

/// Another seed for each form, so that together they see more records.
const FORMS: [(&str, &str); 21] = [
    ("ndjson", "101"),
    ("records", "102"),
    ("pretty", "103"),
    ("array", "104"),
    ("concat", "105"),
    ("lookup", "106"),
    ("query", "107"),
    ("logs", "108"),
    ("subscription", "109"),
    ("function", "110"),
    ("bridge", "111"),
    ("lake", "112"),
    ("vector", "113"),
    ("vector-files", "114"),
    ("fluent-bit", "115"),
    ("splunk", "116"),
    ("elastic", "117"),
    ("sns", "118"),
    ("sqs", "119"),
    ("receive", "120"),
    ("lambda-sns", "121"),
];

#[test]
fn every_record_of_every_form_is_enriched_as_the_oracle_says() {
    if !python_is_there() {
        return;
    }
    for (at, (form, seed)) in FORMS.into_iter().enumerate() {
        // The forms of a log file see every kind of record, the others what is around them.
        let count = if at < 5 { "2000" } else { "300" };
        compare(&["--form", form, "--seed", seed, "--count", count]);
    }
}

/// Differences that touch a doubtful reading of the input grammar are told, but do not count.
#[test]
fn damaged_input_is_cut_as_the_oracle_says() {
    if !python_is_there() {
        return;
    }
    for limit in [
        &["--seed", "201"][..],
        &["--seed", "202", "--max-record-bytes", "1024"],
    ] {
        let framing = ["--framing", "--count", "500", "--only-clear"];
        compare(&[&framing, limit].concat());
    }
}

/// The oracle's records are odd in every way; what they gain keeps to the schema all the same.
#[test]
fn every_object_keeps_to_the_schema() {
    if !python_is_there() {
        return;
    }
    let records = python(&[
        "tests/oracle/generate.py",
        "--seed",
        "302",
        "--count",
        "3000",
    ])
    .output()
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.ndjson");
    fs::write(&path, records.stdout).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_hsmtrail"))
        .args(["--select", "cloudhsm"])
        .arg(&path)
        .output()
        .unwrap();
    let schema = serde_json::from_str(schema::TEXT).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let mut objects = 0;
    for line in done.stdout.split(|&byte| byte == b'\n') {
        // The member stands at the end; what is before it need not be to serde_json's liking.
        let mark = br#","cloudhsm":{"version":1,"#;
        let Some(at) = memchr::memmem::rfind(line, mark) else {
            continue;
        };
        let object = line.split_at(at + br#","cloudhsm":"#.len()).1;
        let Some(object) = object.strip_suffix(b"}") else {
            continue;
        };
        let object: Value = serde_json::from_slice(object).unwrap();
        if let Err(error) = validator.validate(&object) {
            panic!("{object} is not of the schema: {error}");
        }
        objects += 1;
    }
    assert!(objects > 1000, "only {objects} objects");
}

#[test]
fn the_oracle_is_sound() {
    if !python_is_there() {
        return;
    }
    run(&[
        "-m",
        "unittest",
        "discover",
        "--start-directory",
        "tests/oracle",
    ]);
}

/// Runs the comparison with the binary of this build.
fn compare(arguments: &[&str]) {
    let binary = [
        "tests/oracle/run",
        "--binary",
        env!("CARGO_BIN_EXE_hsmtrail"),
    ];
    run(&[&binary, arguments].concat());
}

fn run(arguments: &[&str]) {
    let output = python(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "python3 {}:\n{}{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn python(arguments: &[&str]) -> Command {
    let mut python = Command::new("python3");
    python
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // Compiled modules would be left in the source tree.
        .env("PYTHONDONTWRITEBYTECODE", "1");
    python
}

/// Whether the oracle can run here; a message when not.
fn python_is_there() -> bool {
    let asked = python(&["-c", "import sys; sys.exit(sys.version_info < (3, 11))"]).status();
    match asked {
        Ok(status) if status.success() => return true,
        Ok(_) => eprintln!("SKIPPED: the oracle needs Python 3.11 or newer"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            eprintln!("SKIPPED: python3 is not installed (Debian package python3)");
        }
        Err(error) => panic!("python3 cannot be started: {error}"),
    }
    false
}
