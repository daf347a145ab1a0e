//! Counts CloudHSM events by actor and severity: what the derived fields are good for.
//!
//! ```text
//! cargo run --example severity_report -- examples/data/AWSLogs/*/CloudTrail/*/*/*/*/*.json.gz
//! ```
//!
//! Files are read as `hsmtrail` reads them, gzip and every form of the input included, but on one
//! thread.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use bytes::BytesMut;
use hsmtrail::decode::{EventDecoder, grammar};
use hsmtrail::enrich::{Severity, enrich};
use hsmtrail::framing::{Batch, BatchContent, InputForm, RecordDecoder};
use hsmtrail::source::{Read, Source, stop_pair};
use tokio_util::codec::Decoder as _;

/// Longer records are left out.
const MAX_RECORD_BYTES: usize = 1 << 20;

/// How many events of each severity an actor has.
pub(crate) type Report = BTreeMap<String, [u64; Severity::ALL.len()]>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut report = Report::new();
    for path in std::env::args_os().skip(1) {
        add_file(Path::new(&path), &mut report)?;
    }
    print(&report, io::stdout().lock())?;
    Ok(())
}

/// Adds the CloudHSM events of a file.
pub(crate) fn add_file(path: &Path, report: &mut Report) -> Result<(), Box<dyn Error>> {
    // Nobody stops this program but the file's end.
    let (_trigger, stop) = stop_pair()?;
    let mut source = Source::open(path, stop)?;
    let mut records = RecordDecoder::new(InputForm::Auto, MAX_RECORD_BYTES);
    let mut events = EventDecoder::new();
    let mut bytes = BytesMut::new();
    while let Read::Bytes(_) = source.read(&mut bytes, None)? {
        while let Some(batch) = records.decode(&mut bytes)? {
            add_batch(batch, &mut events, report)?;
        }
    }
    while let Some(batch) = records.decode_eof(&mut bytes)? {
        add_batch(batch, &mut events, report)?;
    }
    Ok(())
}

fn add_batch(
    batch: Batch,
    events: &mut EventDecoder,
    report: &mut Report,
) -> Result<(), Box<dyn Error>> {
    let mut frames = Vec::new();
    if let BatchContent::Frames(found) = batch.content {
        frames = found;
    } else {
        batch.frame(MAX_RECORD_BYTES, &mut frames);
    }
    for frame in frames {
        let record = batch.bytes.get(frame.range).unwrap_or_default();
        if grammar::check(record).is_err() {
            continue;
        }
        let event = events.decode(record)?;
        if let Some(enrichment) = enrich(&event) {
            let actor = enrichment.actor.name.unwrap_or("(no name)");
            let counts = report.entry(actor.to_owned()).or_default();
            if let Some(count) = counts.get_mut(enrichment.severity as usize) {
                *count += 1;
            }
        }
    }
    Ok(())
}

/// Prints one row an actor, the gravest severity first.
pub(crate) fn print(report: &Report, mut output: impl Write) -> io::Result<()> {
    for severity in Severity::ALL.iter().rev() {
        write!(output, "{:>14}", severity.word())?;
    }
    writeln!(output, "  actor")?;
    for (actor, counts) in report {
        for count in counts.iter().rev() {
            write!(output, "{count:>14}")?;
        }
        writeln!(output, "  {actor}")?;
    }
    Ok(())
}
