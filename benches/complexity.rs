//! Counts the filter's instructions a byte on every kind of hard input, short and long.
//!
//! `cargo bench --bench complexity` runs the binary under valgrind on each kind of
//! `tests/generators`, at 1 MiB and at 64 MiB. **The instructions a byte at 64 MiB are at most twice
//! those at 1 MiB**, where the instructions of a run over nothing are taken off both: what takes
//! more than linear time takes some 64 times as many. Names of kinds, after `--`, choose among them.
//!
//! Instructions are counted, not time, so it does not matter how busy the machine is. One worker,
//! two runs at once.
#![expect(clippy::print_stdout, reason = "what was counted is its output")]

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

#[path = "../tests/generators/mod.rs"]
mod generators;

use generators::{ALL, Generator, Noise};

const SHORT: usize = 1 << 20;
const LONG: usize = 64 << 20;

/// How many times as many instructions a byte may take in a long input.
const FACTOR: f64 = 2.0;

/// How many runs at once.
const RUNS: usize = 2;

fn main() -> io::Result<ExitCode> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("SKIPPED: valgrind is not installed");
        return Ok(ExitCode::SUCCESS);
    }
    let names: Vec<_> = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with("--"))
        .collect();
    let is_wanted =
        |one: &&Generator| names.is_empty() || names.iter().any(|name| name == one.name);
    let wanted: Vec<_> = ALL.iter().filter(is_wanted).collect();
    println!("instructions a byte at 1 MiB, at 64 MiB, and how many times as many:");
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let runs: Vec<_> = (0..RUNS)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(generator) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if !is_linear(generator)? {
                            failed.store(true, Ordering::Relaxed);
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        runs.into_iter().try_for_each(|run| {
            run.join()
                .unwrap_or_else(|_| Err(io::Error::other("a run has panicked")))
        })
    })?;
    Ok(if failed.into_inner() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Counts one kind of input, and prints what it found.
fn is_linear(generator: &Generator) -> io::Result<bool> {
    let nothing = counted(generator.args, b"")?;
    let per_byte = |size| {
        let input = (generator.make)(size, &mut Noise::new(1));
        let count = counted(generator.args, &input)?.saturating_sub(nothing);
        #[expect(clippy::cast_precision_loss, reason = "three digits are enough")]
        io::Result::Ok(count as f64 / input.len() as f64)
    };
    let (short, long) = (per_byte(SHORT)?, per_byte(LONG)?);
    let times = long / short;
    let word = if times > FACTOR { "  TOO MANY" } else { "" };
    println!(
        "{:26} {short:9.1} {long:9.1} {times:6.2}{word}",
        generator.name
    );
    Ok(times <= FACTOR)
}

/// The instructions of a whole run over `input`.
fn counted(args: &[&str], input: &[u8]) -> io::Result<u64> {
    let mut file: File = tempfile::tempfile()?;
    file.write_all(input)?;
    file.rewind()?;
    let mut command = Command::new("valgrind");
    command
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(env!("CARGO_BIN_EXE_hsmtrail"))
        .args(["--workers", "1"])
        .args(args)
        .stdin(file)
        .stdout(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HSMTRAIL_") {
            command.env_remove(name);
        }
    }
    let done = command.output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    // Rejects make the status 1.
    let count = said
        .split_once(" refs:")
        .and_then(|(_, rest)| rest.lines().next()?.trim().replace(',', "").parse().ok())
        .filter(|_| matches!(done.status.code(), Some(0 | 1)));
    count.ok_or_else(|| io::Error::other(format!("{}: {said}", done.status)))
}
