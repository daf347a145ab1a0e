//! Tells what a run has counted in the words of Hadoop Streaming.
//!
//! In → out: [`Totals`], now and then; lines for stderr, of which Hadoop takes
//! `reporter:counter:GROUP,COUNTER,AMOUNT` as an addition to a counter of the job and
//! `reporter:status:TEXT` as a sign of life and the task's state. All other lines it copies.
//!
//! Invariants: **The amounts of a counter add up to its total**, however often it was told, so a
//! job's counters are the sum over its tasks. **A counter is a metric of [`super::METRICS`]
//! without `hsmtrail_` and `_total`, and then the word of its label**: a closed set, without text
//! of the input, and without the comma that would end a name.
//!
//! Not here: when it is told and the writing (`supervisor`). Not every metric either: a job has
//! 120 counters by default, of all tasks' programs together, so events are told by severity alone.
//!
//! Failure: none.

use std::fmt::Write as _;

use super::{Counts, Metric, RecordOutcome};
use crate::enrich::Severity;
use crate::envelope::Notice;
use crate::framing::RejectReason;

/// All that a process has counted so far, without times.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// Records and events; no delays.
    pub counts: Counts,
    /// Bytes read, after decompression.
    pub input_bytes: u64,
    /// Bytes written to the output.
    pub output_bytes: u64,
}

/// What one process has told its host.
#[derive(Debug, Default)]
pub struct HadoopReport {
    /// In the order of [`counters`]; empty before the first time.
    told: Vec<u64>,
}

impl HadoopReport {
    /// What was counted since the last time, and how far the run is. The status is there even when
    /// nothing was counted: it keeps the task from being taken for dead.
    pub fn next(&mut self, totals: &Totals) -> String {
        let mut lines = self.added(totals, |amount| amount > 0);
        let counts = &totals.counts;
        let (read, rejected) = (counts.read(), counts.records(RecordOutcome::Rejected));
        // Writing to a string cannot fail.
        let (Ok(()) | Err(_)) = writeln!(
            lines,
            "reporter:status:hsmtrail: {read} records read, {rejected} rejected"
        );
        lines
    }

    /// What was counted since the last time, at the end of the run: every counter, so that one
    /// that is 0 can be told from one that is missing.
    pub fn last(&mut self, totals: &Totals) -> String {
        self.added(totals, |_| true)
    }

    fn added(&mut self, totals: &Totals, is_told: impl Fn(u64) -> bool) -> String {
        let counters = counters(totals);
        self.told.resize(counters.len(), 0);
        let mut lines = String::new();
        for ((metric, word, total), told) in counters.into_iter().zip(&mut self.told) {
            let amount = total.saturating_sub(*told);
            *told = total;
            if is_told(amount) {
                let name = name(metric);
                let dash = if word.is_empty() { "" } else { "_" };
                // Writing to a string cannot fail.
                let (Ok(()) | Err(_)) = writeln!(
                    lines,
                    "reporter:counter:hsmtrail,{name}{dash}{word},{amount}"
                );
            }
        }
        lines
    }
}

/// Every counter: its metric, the word of its label, its value.
fn counters(totals: &Totals) -> Vec<(Metric, &'static str, u64)> {
    let counts = &totals.counts;
    let outcomes = RecordOutcome::ALL.map(|outcome| {
        let records = counts.records(outcome);
        (super::RECORDS, outcome.word(), records)
    });
    let rejects = RejectReason::ALL.map(|reason| {
        let records = counts.rejects(reason);
        (super::REJECTED_RECORDS, reason.word(), records)
    });
    let notices = Notice::ALL.map(|kind| (super::NOTICES, kind.word(), counts.notices(kind)));
    let severities = Severity::ALL.map(|severity| {
        let events = counts.severities(severity);
        (super::SEVERITY_EVENTS, severity.word(), events)
    });
    let alone = [
        (super::LATE_EVENTS, "", counts.late_events()),
        (super::INPUT_BYTES, "", totals.input_bytes),
        (super::OUTPUT_BYTES, "", totals.output_bytes),
    ];
    outcomes
        .into_iter()
        .chain(rejects)
        .chain(notices)
        .chain(severities)
        .chain(alone)
        .collect()
}

/// The name of a metric without what Prometheus wants around it.
fn name(metric: Metric) -> &'static str {
    let name = metric.name.strip_prefix("hsmtrail_").unwrap_or(metric.name);
    name.strip_suffix("_total").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Adds up the counters of these lines.
    fn add(lines: &str, sums: &mut BTreeMap<String, u64>) {
        for line in lines.lines() {
            if let Some(counter) = line.strip_prefix("reporter:counter:hsmtrail,") {
                let (name, amount) = counter.split_once(',').unwrap();
                *sums.entry(name.to_owned()).or_default() += amount.parse::<u64>().unwrap();
            }
        }
    }

    #[test]
    fn the_amounts_add_up_to_the_totals() {
        let mut totals = Totals::default();
        let (mut report, mut sums) = (HadoopReport::default(), BTreeMap::new());
        add(&report.next(&totals), &mut sums);
        assert!(sums.is_empty(), "{sums:?}");
        for round in 1..=3 {
            totals.counts.passed();
            totals.counts.rejected(RejectReason::TooDeep);
            totals.input_bytes += 100;
            let lines = report.next(&totals);
            add(&lines, &mut sums);
            let status = format!(
                "reporter:status:hsmtrail: {} records read, {round} rejected",
                2 * round
            );
            assert_eq!(lines.lines().last(), Some(status.as_str()));
            assert_eq!(lines.lines().count(), 5);
        }
        totals.output_bytes = 7;
        add(&report.last(&totals), &mut sums);
        let all = sums.iter().map(|(name, sum)| (name.as_str(), *sum));
        let counted: Vec<_> = all.filter(|(_, sum)| *sum > 0).collect();
        let expected = [
            ("input_bytes", 300),
            ("output_bytes", 7),
            ("records_passed", 3),
            ("records_rejected", 3),
            ("rejected_records_too_deep", 3),
        ];
        assert_eq!(counted, expected);
        assert_eq!(sums.len(), counters(&totals).len(), "every one is told");
    }

    /// Hadoop cuts a counter's name at 64 characters, and splits its line at commas.
    #[test]
    fn every_name_is_one_that_hadoop_takes() {
        let lines = HadoopReport::default().last(&Totals::default());
        let mut sums = BTreeMap::new();
        add(&lines, &mut sums);
        assert_eq!(sums.len(), lines.lines().count(), "a name stands twice");
        for name in sums.keys() {
            let is_plain = name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            assert!(name.len() <= 64 && is_plain, "{name}");
        }
    }
}
