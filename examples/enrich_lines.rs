//! Enriches one line at a time, with nothing but the pure stages: no threads, no files.
//!
//! ```text
//! jq -c '.Records[]' trail.json | cargo run --example enrich_lines
//! ```
//!
//! For a program that has its events line by line already, as a Lambda function has.

use std::io::{self, BufRead, Write};

use hsmtrail::decode::{EventDecoder, grammar};
use hsmtrail::encode::{copy, splice};
use hsmtrail::enrich::enrich;

fn main() -> io::Result<()> {
    enrich_lines(io::stdin().lock(), io::stdout().lock())
}

/// Copies each line that is a JSON object, with a `cloudhsm` object when it is a CloudHSM event.
pub(crate) fn enrich_lines(input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut decoder = EventDecoder::new();
    let mut line = Vec::new();
    for record in input.split(b'\n') {
        let record = record?;
        // `splice` wants the record's own brace at the end.
        let record = record.trim_ascii();
        if let Err(defect) = grammar::check(record) {
            writeln!(io::stderr(), "a line is no record: {defect}")?;
            continue;
        }
        line.clear();
        copy(record, &mut line);
        // What has passed the check is decoded; nothing else can be wrong with a line.
        let event = decoder.decode(record).map_err(io::Error::other)?;
        if let Some(enrichment) = enrich(&event) {
            splice(&enrichment, &mut line);
        }
        line.push(b'\n');
        output.write_all(&line)?;
    }
    Ok(())
}
