//! Writes a corpus of CloudTrail records to stdout.
//!
//! ```text
//! cargo run --release --example make_corpus -- SHARE FORM SIZE [SEED] > FILE
//! cargo run --release --example make_corpus -- mixed ndjson 100MB > corpus.ndjson
//! ```
//!
//! `SHARE`: `mixed` (five CloudHSM events in a hundred records) or `all`. `FORM`: `ndjson`,
//! `document` (one line, `{"Records":[…]}`), or `files` (many of them, back to back). `SIZE`: bytes, or with `kB`, `MB` or `GB`; it is held
//! in memory. The same words give the same bytes for ever, for any `SEED` (1 when none is given).

use std::io::{self, Write as _};
use std::process::ExitCode;

#[path = "../benches/corpus/mod.rs"]
mod corpus;

use corpus::{Form, Share};

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let Some((share, form, size, seed)) = read(&words) else {
        writeln!(
            io::stderr(),
            "usage: make_corpus mixed|all ndjson|document|files SIZE [SEED]"
        )?;
        return Ok(ExitCode::from(2));
    };
    io::stdout().write_all(corpus::corpus(share, form, seed, size).bytes.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn read(words: &[&str]) -> Option<(Share, Form, usize, u64)> {
    let (share, form, size, seed) = match *words {
        [share, form, size] => (share, form, size, "1"),
        [share, form, size, seed] => (share, form, size, seed),
        _ => return None,
    };
    let share = match share {
        "mixed" => Share::Mixed,
        "all" => Share::All,
        _ => return None,
    };
    let form = match form {
        "ndjson" => Form::Ndjson,
        "document" => Form::Document,
        "files" => Form::LogFiles,
        _ => return None,
    };
    Some((share, form, bytes(size)?, seed.parse().ok()?))
}

/// `100MB` in bytes.
fn bytes(size: &str) -> Option<usize> {
    let units = [
        ("kB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("", 1),
    ];
    let (digits, unit) = units
        .iter()
        .find_map(|(name, unit)| Some((size.strip_suffix(name)?, *unit)))?;
    digits.parse::<usize>().ok()?.checked_mul(unit)
}
