//! What one batch amounts to, in plain integers.
//!
//! In → out: a worker calls one method a record; [`super::Metrics::record`] reads the fields once a
//! batch, and the run's totals come from [`Counts::merge`].
//!
//! Invariants: **Every record is counted once, under one [`RecordOutcome`]**, so their sum is what
//! was read; rejects by reason sum up to `rejected`, and events by operation, by severity and by
//! actor each to `enriched`, unless a record that holds several of them is kept as it is.
//!
//! Not here: names and labels (`metrics`), what an outcome means (`enrich`), the clock (the caller
//! brings the time).
//!
//! Failure: none.
//!
//! Cost: an increment or two a record; after the first batches nothing is allocated.

use std::time::Duration;

use crate::enrich::actor::{ActorKind, Credential};
use crate::enrich::operation::LABELS;
use crate::enrich::{Outcome, Severity};
use crate::envelope::Notice;
use crate::framing::RejectReason;

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordOutcome {
    /// A CloudHSM event, written with its `cloudhsm` object.
    Enriched,
    /// Written as it came.
    Passed,
    /// Left out, because the user selected other records.
    Filtered,
    /// Not a JSON object within the limits.
    Rejected,
    /// A repeat of an earlier event, left out or, when the user wants it, written with a mark.
    Duplicate,
}

impl RecordOutcome {
    /// Every outcome, in order of its number.
    pub const ALL: [Self; 5] = [
        Self::Enriched,
        Self::Passed,
        Self::Filtered,
        Self::Rejected,
        Self::Duplicate,
    ];

    /// The word in the metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Enriched => "enriched",
            Self::Passed => "passed",
            Self::Filtered => "filtered",
            Self::Rejected => "rejected",
            Self::Duplicate => "duplicate",
        }
    }
}

/// The closed facts of one enriched event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enriched {
    /// Index into [`LABELS`]; an index past its end counts as `other`.
    pub operation: usize,
    /// Did the call work.
    pub outcome: Outcome,
    /// How much it matters.
    pub severity: Severity,
    /// Who called.
    pub kind: ActorKind,
    /// With which kind of credentials.
    pub credential: Credential,
    /// `eventTime` in milliseconds since the epoch, when it can be read.
    pub event_time_ms: Option<i64>,
}

/// The tally of one batch, or of a whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    pub(super) records: [u64; RecordOutcome::ALL.len()],
    pub(super) rejects: [u64; RejectReason::ALL.len()],
    pub(super) notices: [u64; Notice::ALL.len()],
    pub(super) late: u64,
    pub(super) events: [[u64; Outcome::ALL.len()]; LABELS.len()],
    pub(super) severities: [u64; Severity::ALL.len()],
    pub(super) actors: [[u64; Credential::ALL.len()]; ActorKind::ALL.len()],
    /// Seconds from each event to its enrichment, never below 0.
    pub(super) delays: Vec<f64>,
    /// Milliseconds since the epoch, 0 for none.
    pub(super) newest_event_ms: u64,
}

#[expect(
    clippy::indexing_slicing,
    reason = "each array is as long as the enum's ALL or LABELS"
)]
impl Counts {
    /// Nothing counted yet.
    pub const fn new() -> Self {
        Self {
            records: [0; RecordOutcome::ALL.len()],
            rejects: [0; RejectReason::ALL.len()],
            notices: [0; Notice::ALL.len()],
            late: 0,
            events: [[0; Outcome::ALL.len()]; LABELS.len()],
            severities: [0; Severity::ALL.len()],
            actors: [[0; Credential::ALL.len()]; ActorKind::ALL.len()],
            delays: Vec::new(),
            newest_event_ms: 0,
        }
    }

    /// Counts a record that was written as it came.
    pub const fn passed(&mut self) {
        self.records[RecordOutcome::Passed as usize] += 1;
    }

    /// Counts a record that was left out.
    pub const fn filtered(&mut self) {
        self.records[RecordOutcome::Filtered as usize] += 1;
    }

    /// Counts a reject.
    pub const fn rejected(&mut self, reason: RejectReason) {
        self.records[RecordOutcome::Rejected as usize] += 1;
        self.rejects[reason as usize] += 1;
    }

    /// Counts a notice among the records that passed or were filtered.
    pub const fn notice(&mut self, kind: Notice) {
        self.notices[kind as usize] += 1;
    }

    /// Counts a repeat of an earlier event.
    pub const fn duplicate(&mut self) {
        self.records[RecordOutcome::Duplicate as usize] += 1;
    }

    /// Counts an event that came too late to be put in order, besides as what it became.
    pub const fn late(&mut self) {
        self.late += 1;
    }

    /// Counts an enriched event; `now_ms` is the time of enrichment in milliseconds since the
    /// epoch. An event from the future counts as of now: one wrong `eventTime` must not make the
    /// newest event look fresh for years.
    pub fn enriched(&mut self, event: Enriched, now_ms: i64) {
        self.records[RecordOutcome::Enriched as usize] += 1;
        self.event(event, now_ms);
    }

    /// Counts one more event of a record that [`Self::enriched`] has counted.
    pub fn event(&mut self, event: Enriched, now_ms: i64) {
        self.events[event.operation.min(LABELS.len() - 1)][event.outcome as usize] += 1;
        self.severities[event.severity as usize] += 1;
        self.actors[event.kind as usize][event.credential as usize] += 1;
        if let Some(event_ms) = event.event_time_ms {
            let delay_ms = u64::try_from(now_ms.saturating_sub(event_ms)).unwrap_or(0);
            self.delays
                .push(Duration::from_millis(delay_ms).as_secs_f64());
            let event_ms = u64::try_from(event_ms.min(now_ms)).unwrap_or(0);
            self.newest_event_ms = self.newest_event_ms.max(event_ms);
        }
    }

    /// Back to nothing; the room for delays is kept.
    pub fn clear(&mut self) {
        let mut delays = std::mem::take(&mut self.delays);
        delays.clear();
        *self = Self {
            delays,
            ..Self::new()
        };
    }

    /// Adds another tally to this one, as for a run's totals. **The delays stay behind**: they are
    /// for [`super::Metrics::record`] once a batch, and here they would grow with the input.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.records, &other.records);
        add(&mut self.rejects, &other.rejects);
        add(&mut self.notices, &other.notices);
        self.late += other.late;
        add(self.events.as_flattened_mut(), other.events.as_flattened());
        add(&mut self.severities, &other.severities);
        add(self.actors.as_flattened_mut(), other.actors.as_flattened());
        self.newest_event_ms = self.newest_event_ms.max(other.newest_event_ms);
    }

    /// All records counted.
    pub fn read(&self) -> u64 {
        self.records.iter().sum()
    }

    /// Records with that outcome.
    pub const fn records(&self, outcome: RecordOutcome) -> u64 {
        self.records[outcome as usize]
    }

    /// Rejects for that reason.
    pub const fn rejects(&self, reason: RejectReason) -> u64 {
        self.rejects[reason as usize]
    }

    /// Notices of that kind.
    pub const fn notices(&self, kind: Notice) -> u64 {
        self.notices[kind as usize]
    }

    /// Events that came too late to be put in order.
    pub const fn late_events(&self) -> u64 {
        self.late
    }

    /// Enriched events of that severity.
    pub const fn severities(&self, severity: Severity) -> u64 {
        self.severities[severity as usize]
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self::new()
    }
}

fn add(totals: &mut [u64], counts: &[u64]) {
    for (total, count) in totals.iter_mut().zip(counts) {
        *total += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arrays are indexed by an enum's number and labelled in the order of its `ALL`.
    #[test]
    fn all_is_in_order_of_numbers() {
        fn numbers<const N: usize>(numbers: [usize; N]) {
            assert!(numbers.into_iter().eq(0..N), "{numbers:?}");
        }
        numbers(RecordOutcome::ALL.map(|value| value as usize));
        numbers(RejectReason::ALL.map(|value| value as usize));
        numbers(Notice::ALL.map(|value| value as usize));
        numbers(Outcome::ALL.map(|value| value as usize));
        numbers(Severity::ALL.map(|value| value as usize));
        numbers(ActorKind::ALL.map(|value| value as usize));
        numbers(Credential::ALL.map(|value| value as usize));
    }

    #[test]
    fn times_at_their_edges() {
        // (event, now, delay in seconds, newest in milliseconds)
        let cases = [
            (Some(1_000), 1_250, Some(0.25), 1_000),
            (Some(1_000), 1_000, Some(0.0), 1_000),
            (Some(9_000), 1_000, Some(0.0), 1_000),
            (Some(-5_000), 1_000, Some(6.0), 0),
            (Some(0), 86_400_000, Some(86_400.0), 0),
            (Some(i64::MIN), 0, Some(9_223_372_036_854_775.807), 0),
            (Some(i64::MAX), i64::MIN, Some(0.0), 0),
            (None, 1_000, None, 0),
        ];
        for (event_time_ms, now_ms, delay, newest) in cases {
            let mut counts = Counts::new();
            let event = Enriched {
                operation: 0,
                outcome: Outcome::Success,
                severity: Severity::Low,
                kind: ActorKind::Root,
                credential: Credential::None,
                event_time_ms,
            };
            counts.enriched(event, now_ms);
            assert_eq!(
                counts.delays,
                Vec::from_iter(delay),
                "{event_time_ms:?} at {now_ms}"
            );
            assert_eq!(
                counts.newest_event_ms, newest,
                "{event_time_ms:?} at {now_ms}"
            );
        }
    }
}
