//! The whole filter beside the floor: `cargo bench --bench floor`.
//!
//! Makes a corpus of 100 MB, and then, in turn and several times over, parses every line of it in
//! this process (see `tape`) and runs `hsmtrail --validate all` on it with one and with two
//! workers, stdin a file and stdout `/dev/null`. Prints the medians and the ratios: 1.00 is as
//! fast as the floor, more is faster. `cargo bench --bench floor -- PROGRAM` measures another
//! build of `hsmtrail`.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it found")]

use std::fs::File;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use memchr::memmem;

mod corpus;
mod tape;

use corpus::{Corpus, Form, Share};

const SIZE: usize = 100_000_000;
const ROUNDS: usize = 9;

/// What is timed, in turn.
const KINDS: [(&str, &[&str]); 3] = [
    ("floor: simd-json tape per line", &[]),
    (
        "hsmtrail --workers 1",
        &["--workers", "1", "--validate", "all"],
    ),
    (
        "hsmtrail --workers 2",
        &["--workers", "2", "--validate", "all"],
    ),
];

fn main() -> io::Result<()> {
    let other = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    let program = other.as_deref().unwrap_or(env!("CARGO_BIN_EXE_hsmtrail"));
    for share in [Share::Mixed, Share::All] {
        let corpus = corpus::corpus(share, Form::Ndjson, 1, SIZE);
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(corpus.bytes.as_bytes())?;
        let input = || File::open(file.path());
        check(program, KINDS[1].1, input()?, &corpus)?;
        let mut times = KINDS.map(|_| Vec::new());
        let mut floor = tape::Floor::default();
        for _ in 0..ROUNDS {
            for ((_, arguments), times) in KINDS.iter().zip(&mut times) {
                let start = Instant::now();
                if arguments.is_empty() {
                    same("lines of the floor", floor.run(input()?)?, corpus.records)?;
                } else {
                    run(program, arguments, input()?)?;
                }
                times.push(start.elapsed());
            }
        }
        report(share, &corpus, &mut times);
    }
    Ok(())
}

/// What the filter counts is right, before anything is timed.
fn check(program: &str, arguments: &[&str], input: File, corpus: &Corpus) -> io::Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(input)
        .output()?;
    let enriched = memmem::find_iter(&output.stdout, b",\"cloudhsm\":{\"version\":1,").count();
    same(
        "records",
        memchr::memchr_iter(b'\n', &output.stdout).count(),
        corpus.records,
    )?;
    same("enriched records", enriched, corpus.cloudhsm)
}

fn run(program: &str, arguments: &[&str], input: File) -> io::Result<()> {
    let status = Command::new(program)
        .args(arguments)
        .stdin(input)
        .stdout(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("{program}: {status}")))
    }
}

fn same(what: &str, found: usize, expected: usize) -> io::Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(io::Error::other(format!("{what}: {found}, not {expected}")))
}

fn report(share: Share, corpus: &Corpus, times: &mut [Vec<Duration>]) {
    let Corpus {
        bytes,
        records,
        cloudhsm,
    } = corpus;
    println!(
        "{share:?}: {} bytes, {records} records, {cloudhsm} of CloudHSM",
        bytes.len()
    );
    let mut floor = None;
    for ((name, _), times) in KINDS.iter().zip(times) {
        times.sort_unstable();
        let [least, .., most] = times.as_slice() else {
            return;
        };
        let median = times.get(times.len() / 2).unwrap_or(least);
        let ratio = floor.get_or_insert(*median).as_secs_f64() / median.as_secs_f64();
        let rate = BytesPerSecond(bytes.len(), *median);
        println!("  {name:32} {median:>9.1?} ({least:.1?} … {most:.1?})  {rate}  ratio {ratio:.2}");
    }
}

/// Bytes in a time, as MB/s.
struct BytesPerSecond(usize, Duration);

impl std::fmt::Display for BytesPerSecond {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = self.1.as_micros().max(1);
        write!(f, "{:5} MB/s", self.0 as u128 / micros)
    }
}
