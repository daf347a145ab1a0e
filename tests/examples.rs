//! What is shown is true: the examples do what the program does, and the README's outputs are the
//! program's.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on stops"
)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

#[path = "../examples/enrich_lines.rs"]
#[expect(dead_code, reason = "`main` is for the example")]
mod enrich_lines;
#[path = "../examples/framed_read.rs"]
#[expect(dead_code, reason = "`main` is for the example")]
mod framed_read;
#[path = "../examples/severity_report.rs"]
#[expect(dead_code, reason = "`main` is for the example")]
mod severity_report;

#[test]
fn lines_are_enriched_as_the_program_does() {
    let log_files = hsmtrail(&[], example_data()).stdout;
    let lines = without_enrichment(&log_files);
    let mut enriched = Vec::new();
    enrich_lines::enrich_lines(lines.as_slice(), &mut enriched).unwrap();
    assert!(enriched == log_files, "the outputs differ");
}

#[test]
fn a_framed_reader_gives_what_the_program_gives() {
    let expected = hsmtrail(&["--select", "cloudhsm"], example_data()).stdout;
    let input = hsmtrail(&[], example_data()).stdout;
    let input = without_enrichment(&input);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut output = Vec::new();
    let rejected = runtime.block_on(framed_read::enrich(input.as_slice(), &mut output));
    assert_eq!(rejected.unwrap(), 0);
    assert!(output == expected, "the outputs differ");
}

#[test]
fn the_report_counts_every_event() {
    let mut report = severity_report::Report::new();
    for file in example_data() {
        severity_report::add_file(&file, &mut report).unwrap();
    }
    let mut printed = Vec::new();
    severity_report::print(&report, &mut printed).unwrap();
    let printed = String::from_utf8(printed).unwrap();
    let table: Vec<Vec<&str>> = printed
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let truth: Value = serde_json::from_slice(&read("examples/data/expected.json")).unwrap();
    for (severity, expected) in truth["severity"].as_object().unwrap() {
        let column = table[0].iter().position(|word| word == severity).unwrap();
        let counts = table[1..]
            .iter()
            .map(|row| row[column].parse::<u64>().unwrap());
        assert_eq!(
            counts.sum::<u64>(),
            expected.as_u64().unwrap(),
            "{severity}"
        );
    }
}

#[test]
fn the_readme_shows_what_an_event_becomes() {
    let readme = readme();
    let blocks = blocks(&readme, "json");
    let output = filter(blocks[0].as_bytes());
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        record["cloudhsm"],
        serde_json::from_str::<Value>(blocks[1]).unwrap()
    );
    // The keys stand in the order of the output, too.
    let shown: String = blocks[1].split_ascii_whitespace().collect();
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(output.contains(&shown), "{output}");
}

#[test]
fn the_readme_shows_the_grave_events_of_the_example_data() {
    let readme = readme();
    let command = blocks(&readme, "sh")[0];
    assert!(
        command.contains("--release --locked -- --select cloudhsm | grep -oE"),
        "the main command is another"
    );
    let output = hsmtrail(&["--select", "cloudhsm"], example_data());
    let output = String::from_utf8(output.stdout).unwrap();
    let grave: Vec<&str> = output
        .lines()
        .filter(|line| {
            ["high", "critical"]
                .iter()
                .any(|severity| line.contains(&format!("\"severity\":\"{severity}\"")))
        })
        .collect();
    assert!(readme.contains(&format!("The first prints {} lines.", grave.len())));
    let shown = blocks(&readme, "text")[0].trim_end();
    assert!(grave.iter().any(|line| line.ends_with(shown)), "{shown}");

    let denied = output.lines().filter_map(|line| {
        let cloudhsm = &serde_json::from_str::<Value>(line).unwrap()["cloudhsm"];
        (cloudhsm["outcome"] == "denied").then(|| {
            json!({
                "operation": cloudhsm["operation"], "actor": cloudhsm["actor"]["name"],
                "ip": cloudhsm["origin"]["ip"], "reasons": cloudhsm["reasons"],
            })
        })
    });
    let shown = blocks(&readme, "json")[2].lines();
    assert!(denied.eq(shown.map(|line| serde_json::from_str::<Value>(line).unwrap())));
}

#[test]
fn the_readme_shows_a_summary_and_a_reject() {
    let readme = readme();
    let output = hsmtrail(&["--select", "cloudhsm", "--summary"], example_data());
    let summary = String::from_utf8(output.stderr).unwrap();
    assert_eq!(blocks(&readme, "text")[1], summary);

    let (command, shown) = blocks(&readme, "console")[0].split_once('\n').unwrap();
    let (printf, input) = ("$ printf '", r#"{"a":1}\n{"a":2\n{"a":3}\n"#);
    assert_eq!(command, format!("{printf}{input}' | hsmtrail"));
    let output = filter(input.replace("\\n", "\n").as_bytes());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), shown);
    assert_eq!(output.status.code(), Some(1));
}

/// The insides of the README's blocks of one language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let opened = text.split(fence.as_str()).skip(1);
    opened
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

fn readme() -> String {
    String::from_utf8(read("README.md")).unwrap()
}

fn read(path: &str) -> Vec<u8> {
    fs::read(root().join(path)).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The log files of the example data, sorted.
fn example_data() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join("examples/data/AWSLogs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The records as they came: our object is always the last member.
fn without_enrichment(records: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(records).unwrap();
    let lines = text.lines().map(|line| {
        line.split_once(",\"cloudhsm\":{\"version\":1,")
            .map_or_else(
                || format!("{line}\n"),
                |(record, _)| format!("{record}}}\n"),
            )
    });
    lines.collect::<String>().into_bytes()
}

fn hsmtrail(options: &[&str], files: Vec<PathBuf>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hsmtrail"))
        .args(options)
        .args(files)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What the program makes of a short input.
fn filter(input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hsmtrail"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}
