//! A counter for every series, looked up once.
//!
//! In → out: registers each series of [`super::METRICS`] that the `metrics` crate can hold, and
//! adds [`Counts`] to them.
//!
//! Invariants: **A family is registered whole**: one series for each combination of its labels'
//! words. **After that nothing is registered**, so the set of series never changes.
//!
//! Not here: times, which have fractions, and `process_*` (`metrics` appends both); the order of
//! the output (`text`).
//!
//! Failure: none.

use metrics::{Counter, Histogram, Key, Label, Level, Metadata, Recorder};

use super::{Counts, Kind, METRICS, Metric, RecordOutcome};
use crate::enrich::actor::{ActorKind, Credential};
use crate::enrich::operation::LABELS;
use crate::enrich::{Outcome, Severity};
use crate::envelope::Notice;
use crate::framing::RejectReason;

/// Set at build time, as there is no repository where a package is built.
const REVISION: &str = match option_env!("BUILD_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// The registered series; arrays are indexed as in [`Counts`].
pub(super) struct Handles {
    pub(super) input_bytes: Counter,
    pub(super) output_bytes: Counter,
    records: [Counter; RecordOutcome::ALL.len()],
    rejects: [Counter; RejectReason::ALL.len()],
    notices: [Counter; Notice::ALL.len()],
    late: Counter,
    events: [[Counter; Outcome::ALL.len()]; LABELS.len()],
    severities: [Counter; Severity::ALL.len()],
    actors: [[Counter; Credential::ALL.len()]; ActorKind::ALL.len()],
    delivery_delay: Histogram,
}

impl Handles {
    /// Registers every series with `recorder`.
    pub(super) fn register(recorder: &impl Recorder) -> Self {
        describe(recorder);
        let build = key(super::BUILD_INFO, &[env!("CARGO_PKG_VERSION"), REVISION]);
        recorder.register_gauge(&build, &METADATA).set(1.0);
        let counter = |metric, words: &[&'static str]| counter(recorder, metric, words);
        Self {
            input_bytes: counter(super::INPUT_BYTES, &[]),
            output_bytes: counter(super::OUTPUT_BYTES, &[]),
            records: RecordOutcome::ALL.map(|outcome| counter(super::RECORDS, &[outcome.word()])),
            rejects: RejectReason::ALL
                .map(|reason| counter(super::REJECTED_RECORDS, &[reason.word()])),
            notices: Notice::ALL.map(|kind| counter(super::NOTICES, &[kind.word()])),
            late: counter(super::LATE_EVENTS, &[]),
            events: LABELS.map(|operation| {
                Outcome::ALL
                    .map(|outcome| counter(super::CLOUDHSM_EVENTS, &[operation, outcome.word()]))
            }),
            severities: Severity::ALL
                .map(|severity| counter(super::SEVERITY_EVENTS, &[severity.word()])),
            actors: ActorKind::ALL.map(|kind| {
                Credential::ALL.map(|credential| {
                    counter(super::ACTOR_EVENTS, &[kind.word(), credential.word()])
                })
            }),
            delivery_delay: recorder
                .register_histogram(&key(super::DELIVERY_DELAY, &[]), &METADATA),
        }
    }

    /// Adds what a batch counted.
    pub(super) fn add(&self, counts: &Counts) {
        add(&self.records, &counts.records);
        add(&self.rejects, &counts.rejects);
        add(&self.notices, &counts.notices);
        self.late.increment(counts.late);
        add(self.events.as_flattened(), counts.events.as_flattened());
        add(&self.severities, &counts.severities);
        add(self.actors.as_flattened(), counts.actors.as_flattened());
        for delay in &counts.delays {
            self.delivery_delay.record(*delay);
        }
    }
}

/// Asked for by [`Recorder`], unused by the exporter.
const METADATA: Metadata<'static> = Metadata::new("hsmtrail", Level::INFO, None);

fn describe(recorder: &impl Recorder) {
    for metric in METRICS {
        let (name, help) = (metric.name.into(), metric.help.into());
        match metric.kind {
            Kind::Counter => recorder.describe_counter(name, None, help),
            Kind::Gauge => recorder.describe_gauge(name, None, help),
            Kind::Histogram => recorder.describe_histogram(name, None, help),
        }
    }
}

fn counter(recorder: &impl Recorder, metric: Metric, words: &[&'static str]) -> Counter {
    recorder.register_counter(&key(metric, words), &METADATA)
}

fn key(metric: Metric, words: &[&'static str]) -> Key {
    let labels: Vec<Label> = metric
        .labels
        .iter()
        .zip(words)
        .map(|(name, word)| Label::new(*name, *word))
        .collect();
    Key::from_parts(metric.name, labels)
}

/// Most counts of a batch are 0, and reading one is cheaper than a shared counter's addition.
fn add(counters: &[Counter], counts: &[u64]) {
    for (counter, count) in counters.iter().zip(counts) {
        if *count > 0 {
            counter.increment(*count);
        }
    }
}
