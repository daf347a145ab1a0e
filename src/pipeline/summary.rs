//! Says in one paragraph what a run amounted to.
//!
//! In → out: the totals of the reader and of the writer; a text for a person.
//!
//! Invariants: **The numbers add up**: read = enriched + passed + filtered + rejected, and
//! duplicate when there is one. Nothing of the input's text is in it.
//!
//! Not here: when it is printed (`main`).
//!
//! Failure: none.

use std::fmt;

use crate::enrich::Severity;
use crate::framing::RejectReason;
use crate::metrics::{Counts, RecordOutcome};

/// What one run amounts to.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Records, by what became of them.
    pub counts: Counts,
    /// Bytes read, after decompression.
    pub input_bytes: u64,
    /// Bytes written to the output.
    pub output_bytes: u64,
    /// Bytes of a record that was under way when the run was stopped.
    pub unfinished_bytes: u64,
    /// Sources that could not be read, or not to their end.
    pub failed_sources: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        write!(f, "{} records read:", counts.read())?;
        let is_told = |outcome: &RecordOutcome| {
            *outcome != RecordOutcome::Duplicate || counts.records(*outcome) > 0
        };
        let outcomes: Vec<_> = RecordOutcome::ALL
            .into_iter()
            .filter(is_told)
            .map(|outcome| (counts.records(outcome), outcome.word()))
            .collect();
        list(f, &outcomes)?;
        write!(
            f,
            "; {} bytes in, {} bytes out.",
            self.input_bytes, self.output_bytes
        )?;
        if counts.records(RecordOutcome::Enriched) > 0 {
            write!(f, " CloudHSM events by severity:")?;
            list(
                f,
                &Severity::ALL.map(|severity| (counts.severities(severity), severity.word())),
            )?;
            write!(f, ".")?;
        }
        if counts.records(RecordOutcome::Rejected) > 0 {
            write!(f, " Rejects by reason:")?;
            list(
                f,
                &RejectReason::ALL.map(|reason| (counts.rejects(reason), reason.word())),
            )?;
            write!(f, ".")?;
        }
        if counts.late_events() > 0 {
            write!(f, " Too late to be put in order: {}.", counts.late_events())?;
        }
        if self.failed_sources > 0 {
            write!(f, " Inputs that failed: {}.", self.failed_sources)?;
        }
        if self.unfinished_bytes > 0 {
            write!(
                f,
                " Stopped inside a record, of which {} bytes had come; they were not written.",
                self.unfinished_bytes
            )?;
        }
        Ok(())
    }
}

/// ` 1 word, 0 word`.
fn list(f: &mut fmt::Formatter<'_>, numbers: &[(u64, &str)]) -> fmt::Result {
    let mut comma = "";
    for (number, word) in numbers {
        write!(f, "{comma} {number} {word}")?;
        comma = ",";
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_happened() {
        let mut summary = Summary {
            counts: Counts::new(),
            input_bytes: 100,
            output_bytes: 90,
            unfinished_bytes: 0,
            failed_sources: 0,
        };
        summary.counts.passed();
        assert_eq!(
            summary.to_string(),
            "1 records read: 0 enriched, 1 passed, 0 filtered, 0 rejected; 100 bytes in, 90 bytes \
             out."
        );
        summary.counts.rejected(RejectReason::Malformed);
        summary.counts.duplicate();
        summary.counts.late();
        summary.unfinished_bytes = 7;
        summary.failed_sources = 2;
        assert_eq!(
            summary.to_string(),
            "3 records read: 0 enriched, 1 passed, 0 filtered, 1 rejected, 1 duplicate; 100 bytes \
             in, 90 bytes out. Rejects by reason: 0 oversize, 0 not_utf8, 0 too_deep, 1 malformed, \
             0 not_an_object, 0 truncated, 0 decoder_disagreement. Too late to be put in order: 1. Inputs that failed: 2. \
             Stopped inside a record, of which 7 bytes had come; they were not written."
        );
    }
}
