//! Examines where the filter is to run, and says what has to be set for it to run well.
//!
//! In → out: the [`Config`] of the run that is planned, with a sample for its input; a [`Report`]:
//! the sample's totals and longest lines, what to write into which host's file, and warnings.
//!
//! Invariants: **Nothing is written, created or listened on for longer than a look.** Without a
//! sample the settings are for the longest record that CloudTrail delivers. **A report is text**: of
//! names that others chose, what a terminal would obey is escaped, as in messages.
//!
//! Not here: the facts about hosts ([`hosts`]), the sample's lines ([`sample`]), the warnings'
//! grounds (`surroundings`), printing and exit statuses (`main`).
//!
//! Failure: [`sample::Error`]; a part of the sample that cannot be read is counted in the report.

pub mod hosts;
pub mod sample;
mod surroundings;

use std::fmt::{self, Display, Write as _};

use crate::config::{Config, Input};
use crate::logging::printable;
use crate::metrics::RecordOutcome;
use hosts::{Advice, HOSTS, LongestLines};
use sample::{Longest, Sample};

/// CloudTrail's limit on an event is 256 KB, unless the trail enriches events.
const LONGEST_RECORD: u64 = 256 * 1024;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Nothing when there is none.
    pub sample: Option<Sample>,
    /// What may go wrong, a sentence each.
    pub warnings: Vec<String>,
}

/// Reads the sample and looks around. `stdin_is_meant`: it is read, however it looks.
///
/// # Errors
///
/// When the system refuses what every run needs.
pub fn examine(config: &Config, stdin_is_meant: bool) -> Result<Report, sample::Error> {
    let mut warnings = Vec::new();
    if config.inputs == [Input::Stdin] && !stdin_is_meant {
        warnings.extend(surroundings::nothing_on_stdin());
    }
    let has_sample = warnings.is_empty();
    // Before the sample is read, for which a pipe is made larger where that is allowed.
    warnings.extend(surroundings::warnings(config.metrics_listen.as_ref()));
    let sample = if has_sample {
        Sample::read(config)?
    } else {
        None
    };
    let rejects = sample.as_ref().map_or(0, |sample| {
        sample.totals.counts.records(RecordOutcome::Rejected)
    });
    if rejects > 0 {
        warnings.push(format!(
            "rejects in the sample: {rejects}; a run over it ends with status 1"
        ));
    } else if sample.as_ref().is_some_and(|sample| !sample.has_lines()) {
        warnings.push("there is nothing in the sample".to_owned());
    }
    Ok(Report { sample, warnings })
}

impl Report {
    /// Whether a part of the sample could not be read.
    pub fn is_incomplete(&self) -> bool {
        let sample = self.sample.as_ref();
        sample.is_some_and(|sample| sample.totals.failed_sources > 0)
    }

    /// The longest lines, or the longest there may be.
    fn longest_lines(&self) -> LongestLines {
        let bytes = |longest: &Option<Longest>| longest.as_ref().map_or(0, |line| line.bytes);
        match self.sample.as_ref().filter(|sample| sample.has_lines()) {
            Some(sample) => LongestLines {
                before: bytes(&sample.before),
                after: bytes(&sample.after),
            },
            None => LongestLines {
                before: LONGEST_RECORD,
                after: LONGEST_RECORD,
            },
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sample {
            Some(sample) => write_sample(sample, f)?,
            None => writeln!(f, "There is no sample.")?,
        }
        if !self.sample.as_ref().is_some_and(Sample::has_lines) {
            writeln!(
                f,
                "The settings are for records of {LONGEST_RECORD} bytes, CloudTrail's own limit."
            )?;
        }
        let (mut to_write, mut enough) = (String::new(), String::new());
        for host in HOSTS {
            let who = format!("{}, {}", host.name, host.part);
            match host.advice(self.longest_lines()) {
                Advice::Write(setting) => writeln!(
                    to_write,
                    "  {who}\n      in {}: {setting}\n      a longer line is {}",
                    host.file, host.note
                )?,
                Advice::Enough(why) => writeln!(enough, "  {who}: {why}")?,
            }
        }
        write!(
            f,
            "\nTo be set in the hosts that you use, with room for lines twice as long:\n{}",
            or_nothing(&to_write)
        )?;
        write!(f, "\nTo be left as they are:\n{}", or_nothing(&enough))?;
        let mut warnings = String::new();
        for warning in &self.warnings {
            writeln!(warnings, "  {}", printable(warning))?;
        }
        write!(f, "\nWarnings:\n{}", or_nothing(&warnings))
    }
}

fn write_sample(sample: &Sample, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{}\n", sample.totals)?;
    for (when, longest) in [("before", &sample.before), ("after", &sample.after)] {
        match longest {
            Some(line) => writeln!(
                f,
                "Longest line {when} enrichment: {} bytes, record {} of {}",
                line.bytes,
                line.record,
                printable(&line.source)
            )?,
            None => writeln!(f, "Longest line {when} enrichment: there is none")?,
        }
    }
    Ok(())
}

fn or_nothing(lines: &str) -> &str {
    if lines.is_empty() {
        "  nothing\n"
    } else {
        lines
    }
}
