//! Finds the longest lines of a sample, by running the pipeline over it.
//!
//! In → out: a [`Config`] whose inputs are the sample; its totals and its longest lines
//! ([`Sample`]). Nothing is written.
//!
//! Invariants: **The lines are those that a run would write**, made by the same threads from any
//! form of input, in the same memory. For that every record is written, and each in its place, so
//! that line and record have the same number.
//!
//! Not here: what the lengths mean to a host (`hosts`).
//!
//! Failure: a source that cannot be read is logged and counted, as in a run; an [`Error`] is of the
//! system.

use std::io::{self, BufRead, BufReader};
use std::sync::Mutex;
use std::thread::scope;
use std::time::Duration;

use memchr::memmem;

use crate::config::{Config, DedupWindow, Input, OnReject, Select};
use crate::decode::EventDecoder;
use crate::metrics::{Counts, Metrics};
use crate::pipeline::{self, Outputs, Summary};
use crate::sink::{Sink, SinkError};
use crate::source::{Paths, stop_pair};

/// What a line begins with that holds a reject, of this run or of an earlier one.
const REJECT: &[u8] = br#"{"hsmtrail_reject":"#;

/// How the object that an event gains begins.
const OBJECT: &[u8] = br#","cloudhsm":{"version":"#;

/// How the objects begin that a record around several events gains.
const OBJECTS: &[u8] = br#","cloudhsm":[{"version":"#;

/// What a sample amounts to.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its totals.
    pub totals: Summary,
    /// The longest record, as one line without a `cloudhsm` object.
    pub before: Option<Longest>,
    /// The longest line of the output.
    pub after: Option<Longest>,
}

/// A line and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Longest {
    /// Its length without the line break.
    pub bytes: u64,
    /// The file, or `stdin`.
    pub source: String,
    /// The number of its record there, from 1.
    pub record: u64,
}

/// Why there is no sample.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pipeline could not run.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// The system gives no pipe.
    #[error("cannot look at the sample: {0}")]
    System(#[from] io::Error),
}

impl From<SinkError> for Error {
    fn from(error: SinkError) -> Self {
        Self::Pipeline(error.into())
    }
}

impl Sample {
    /// Whether there is something to measure.
    pub fn has_lines(&self) -> bool {
        self.before.is_some() || self.after.is_some()
    }

    /// Reads all inputs to their end; `None` when there are none but those that connect.
    ///
    /// # Errors
    ///
    /// [`Error`], when the system refuses what a run needs.
    pub fn read(config: &Config) -> Result<Option<Self>, Error> {
        let mut sample = Self {
            totals: Summary {
                counts: Counts::new(),
                input_bytes: 0,
                output_bytes: 0,
                unfinished_bytes: 0,
                failed_sources: 0,
            },
            before: None,
            after: None,
        };
        for input in &config.inputs {
            match input {
                Input::Listen(_) => return Ok(None),
                Input::Stdin => sample.add("stdin", Input::Stdin, config)?,
                Input::File(path) => {
                    for found in Paths::new(path, Vec::new()) {
                        match found {
                            Ok(found) => {
                                let name = found.path.display().to_string();
                                sample.add(&name, Input::File(found.path), config)?;
                            }
                            Err(error) => {
                                tracing::error!("{error}");
                                sample.totals.failed_sources += 1;
                            }
                        }
                    }
                }
            }
        }
        Ok(Some(sample))
    }

    /// Runs the pipeline over one source, and reads what it writes.
    fn add(&mut self, name: &str, input: Input, config: &Config) -> Result<(), Error> {
        let plan = Config {
            inputs: vec![input],
            output: None,
            select: Select::All,
            on_reject: OnReject::Emit,
            rejects: None,
            ack: None,
            lockstep: None,
            dedup: DedupWindow::default(),
            reorder: Duration::ZERO,
            ..config.clone()
        };
        let (trigger, signal) = stop_pair()?;
        let (lines, writer) = io::pipe()?;
        let outputs = Outputs {
            records: Sink::inherited("the sample's lines", writer.into(), &[])?,
            rejects: None,
            kept: None,
            replies: None,
        };
        let totals = scope(|scope| {
            let run = scope.spawn(|| {
                // Dropped at the end of the run, which ends the lines.
                let outputs = Mutex::new(outputs);
                let stop = (&trigger, &signal);
                pipeline::run(&plan, &outputs, &Metrics::off(), stop, &|_| ())
            });
            let read = self.take_lines(name, BufReader::new(lines), config);
            let totals = run.join().map_err(|_| pipeline::Error::Fault("pipeline"))?;
            read?;
            Ok::<_, Error>(totals?)
        })?;
        let all = &mut self.totals;
        all.counts.merge(&totals.counts);
        all.input_bytes += totals.input_bytes;
        all.output_bytes += totals.output_bytes;
        all.failed_sources += totals.failed_sources;
        Ok(())
    }

    fn take_lines(
        &mut self,
        name: &str,
        mut lines: impl BufRead,
        config: &Config,
    ) -> io::Result<()> {
        let mut decoder = EventDecoder::new();
        let mut line = Vec::new();
        for record in 1.. {
            line.clear();
            if lines.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            line.pop();
            let is_reject = line.starts_with(REJECT);
            let object = Object::of(&line, &mut decoder);
            let is_written = if is_reject {
                config.on_reject != OnReject::Drop && config.rejects.is_none()
            } else {
                config.select == Select::All || object != Object::Missing
            };
            let plain = match object {
                Object::Ours(at) => at + b"}".len(),
                Object::Missing | Object::Foreign => line.len(),
            };
            if !is_reject {
                keep_longer(&mut self.before, plain, name, record);
            }
            if is_written {
                keep_longer(&mut self.after, line.len(), name, record);
            }
        }
        Ok(())
    }
}

/// The `cloudhsm` member of a line's own object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Object {
    Missing,
    /// It begins at this byte, with a comma, and nothing but a brace comes after it.
    Ours(usize),
    /// Somebody else put it there.
    Foreign,
}

impl Object {
    fn of(line: &[u8], decoder: &mut EventDecoder) -> Self {
        let mut is_enriched = |record: &[u8]| Some(decoder.decode(record).ok()?.already_enriched);
        if is_enriched(line) != Some(true) {
            return Self::Missing;
        }
        // In the object that we write no string has a quotation mark without a backslash before it,
        // so the last one that looks like a beginning is the beginning.
        let starts = [OBJECT, OBJECTS].map(|start| memmem::rfind(line, start));
        let ours = starts.into_iter().flatten().max().filter(|&start| {
            // In the record's own braces, what is left without it is a record.
            let before = line.get(..start).unwrap_or_default();
            is_enriched(&[before, b"}"].concat()) == Some(false)
        });
        ours.map_or(Self::Foreign, Self::Ours)
    }
}

/// Of lines that are equally long the first stays.
fn keep_longer(longest: &mut Option<Longest>, bytes: usize, source: &str, record: u64) {
    let bytes = bytes as u64;
    if longest.as_ref().is_none_or(|longest| longest.bytes < bytes) {
        *longest = Some(Longest {
            bytes,
            source: source.to_owned(),
            record,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_ours_when_it_is_the_lines_own_and_begins_like_ours() {
        let mut decoder = EventDecoder::new();
        for (line, object) in [
            (r#"{"a":1}"#, Object::Missing),
            (
                r#"{"a":1,"cloudhsm":{"version":1,"known":true}}"#,
                Object::Ours(6),
            ),
            (
                r#"{"a":1,"cloudhsm":[{"version":1},{"version":1}]}"#,
                Object::Ours(6),
            ),
            (r#"{"a":{"b":1,"cloudhsm":{"version":1}}}"#, Object::Missing),
            (r#"{"cloudhsm":{"version":1}}"#, Object::Foreign),
            (r#"{"a":1,"cloudhsm":1,"b":{}}"#, Object::Foreign),
            (r#"{"a":1,"\u0063loudhsm":{"version":1}}"#, Object::Foreign),
            (
                r#"{"cloudhsm":1,"x":{"a":1,"cloudhsm":{"version":1}}}"#,
                Object::Foreign,
            ),
            (
                r#"{"a":",\"cloudhsm\":{","cloudhsm":{"version":1}}"#,
                Object::Ours(22),
            ),
        ] {
            assert_eq!(Object::of(line.as_bytes(), &mut decoder), object, "{line}");
        }
    }
}
