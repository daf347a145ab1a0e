//! A run over every corpus that is here, decoded once, and decoded twice by `--paranoid`: the same
//! bytes, and no record on which the two decoders disagree.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "common/binary.rs"]
mod binary;
#[path = "../benches/corpus/mod.rs"]
mod corpus;

use binary::{Done, hsmtrail, run_command};
use corpus::{Form, Share, corpus};

/// Runs over files, or over `input`, in both ways.
fn check(what: &str, args: &[&str], files: &[PathBuf], input: &[u8]) {
    let run = |paranoid: &str| -> Done {
        let mut command = hsmtrail(args);
        command
            .args(["--summary", "--on-reject", "emit", paranoid])
            .args(files);
        run_command(command, input)
    };
    let (once, twice) = (run("--paranoid=false"), run("--paranoid"));
    assert!(once.code == twice.code && once.out == twice.out, "{what}");
    assert_eq!(once.err, twice.err, "{what}");
    assert!(!once.err.contains(" 0 enriched"), "{what}: {}", once.err);
    assert!(
        !String::from_utf8_lossy(&twice.out).contains("\"decoder_disagreement\""),
        "{what}"
    );
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_example_data_reads_the_same_twice() {
    let data = root().join("examples/data/AWSLogs");
    check("examples/data", &[], &[data], b"");
}

#[test]
fn the_corpora_of_the_benchmarks_read_the_same_twice() {
    for share in [Share::Mixed, Share::All] {
        for (form, seed) in [
            (Form::Ndjson, 11),
            (Form::Document, 12),
            (Form::LogFiles, 13),
        ] {
            let corpus = corpus(share, form, seed, 1_000_000);
            check(
                &format!("{share:?} {form:?}"),
                &[],
                &[],
                corpus.bytes.as_bytes(),
            );
            check(
                &format!("{share:?} {form:?}, matching"),
                &["--validate", "matching", "--select", "cloudhsm"],
                &[],
                corpus.bytes.as_bytes(),
            );
        }
    }
}

/// Records that are odd in every way, as the oracle of the derived fields makes them.
#[test]
fn the_records_of_the_oracle_read_the_same_twice() {
    for seed in ["401", "402"] {
        let made = Command::new("python3")
            .args([
                "tests/oracle/generate.py",
                "--count",
                "3000",
                "--seed",
                seed,
            ])
            .current_dir(root())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output();
        // Without Python there is no oracle, which says so itself.
        let Ok(made) = made else { return };
        if made.status.success() {
            check(seed, &[], &[], &made.stdout);
        }
    }
}

/// Samples that are kept beside the repository by those who have them.
#[test]
fn the_samples_read_the_same_twice() {
    let samples = root().join("../shared/samples");
    if samples.is_dir() {
        for envelope in ["unwrap", "keep"] {
            let of = |folder: &str| samples.join(folder);
            check(
                envelope,
                &["--envelope", envelope],
                &[of("cloudhsm"), of("delivery")],
                b"",
            );
        }
    }
}
