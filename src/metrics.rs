//! Every metric of hsmtrail: its name, its help, its labels, and the text that Prometheus reads.
//!
//! In → out: a worker tallies a batch in [`Counts`] and hands them to [`Metrics::record`]; the
//! stages that move bytes or wait say so to their own methods. [`Endpoint`] serves the text over
//! HTTP, [`Metrics::write_file`] leaves it where `node_exporter`'s textfile collector finds it.
//! [`HadoopReport`] says the totals in other words.
//!
//! Invariants: **[`METRICS`] is the list: what is not in it is not exported.** **Every series
//! exists from the start, at 0**, so that `increase()` sees the first CloudHSM event after months
//! of none. **No label holds text of an event**; the values are our own fixed words. There is no
//! global recorder: two [`Metrics`] know nothing of each other.
//!
//! Not here: what is counted and when (`pipeline`), the totals on stderr (`pipeline`, from
//! [`Counts`]), logs.
//!
//! Failure: counting cannot fail. A port that is taken and a file that cannot be written are
//! [`Error`]s that name them, and no reason to stop filtering.
//!
//! Cost: `record` is two passes over some 400 integers a batch, and one addition to a shared
//! counter for each that is not 0. The delays of some 4000 events are held until
//! they are folded into the histogram, whether anyone reads it or not.

mod counts;
mod endpoint;
mod file;
mod hadoop;
mod handles;
mod text;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{NoopRecorder, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

pub use self::counts::{Counts, Enriched, RecordOutcome};
pub use self::endpoint::{Address, Endpoint};
pub use self::file::TextFile;
pub use self::hadoop::{HadoopReport, Totals};
use self::handles::Handles;
use crate::socket::SocketError;

/// The media type of [`Metrics::render`]; Prometheus 3 refuses a scrape without one.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the delivery delay's buckets, in seconds. CloudTrail delivers a log
/// file within 5 to 15 minutes as a rule, a stream within seconds, an archive after days or years.
pub const DELIVERY_DELAY_BUCKETS: [f64; 11] = [
    1.0, 10.0, 60.0, 180.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 21_600.0, 86_400.0,
];

/// Every metric, in the order of the README.
pub const METRICS: &[Metric] = &[
    BUILD_INFO,
    INPUT_BYTES,
    OUTPUT_BYTES,
    RECORDS,
    REJECTED_RECORDS,
    NOTICES,
    LATE_EVENTS,
    CLOUDHSM_EVENTS,
    SEVERITY_EVENTS,
    ACTOR_EVENTS,
    DELIVERY_DELAY,
    NEWEST_EVENT,
    INPUT_BLOCKED,
    OUTPUT_BLOCKED,
    WORKER_BUSY,
    PROCESS_CPU,
    PROCESS_OPEN_FDS,
    PROCESS_MAX_FDS,
    PROCESS_VIRTUAL_MEMORY,
    PROCESS_RESIDENT_MEMORY,
    PROCESS_START_TIME,
    PROCESS_THREADS,
];

const BUILD_INFO: Metric = Metric {
    name: "hsmtrail_build_info",
    kind: Kind::Gauge,
    help: "Always 1; the labels say which build runs.",
    labels: &["version", "revision"],
};
const INPUT_BYTES: Metric = Metric {
    name: "hsmtrail_input_bytes_total",
    kind: Kind::Counter,
    help: "Bytes read, after decompression.",
    labels: &[],
};
const OUTPUT_BYTES: Metric = Metric {
    name: "hsmtrail_output_bytes_total",
    kind: Kind::Counter,
    help: "Bytes written to the output.",
    labels: &[],
};
const RECORDS: Metric = Metric {
    name: "hsmtrail_records_total",
    kind: Kind::Counter,
    help: "Records read, by what became of them.",
    labels: &["outcome"],
};
const REJECTED_RECORDS: Metric = Metric {
    name: "hsmtrail_rejected_records_total",
    kind: Kind::Counter,
    help: "Records that were rejected, by reason.",
    labels: &["reason"],
};
const NOTICES: Metric = Metric {
    name: "hsmtrail_notices_total",
    kind: Kind::Counter,
    help: "Messages of AWS about events, without any, that passed or were filtered, by kind.",
    labels: &["kind"],
};
const LATE_EVENTS: Metric = Metric {
    name: "hsmtrail_late_events_total",
    kind: Kind::Counter,
    help: "Events that came too late to be put in order of time, and were written at once.",
    labels: &[],
};
const CLOUDHSM_EVENTS: Metric = Metric {
    name: "hsmtrail_cloudhsm_events_total",
    kind: Kind::Counter,
    help: "CloudHSM events that were enriched, by operation and by the call's outcome.",
    labels: &["operation", "outcome"],
};
const SEVERITY_EVENTS: Metric = Metric {
    name: "hsmtrail_cloudhsm_severity_events_total",
    kind: Kind::Counter,
    help: "CloudHSM events that were enriched, by severity.",
    labels: &["severity"],
};
const ACTOR_EVENTS: Metric = Metric {
    name: "hsmtrail_cloudhsm_actor_events_total",
    kind: Kind::Counter,
    help: "CloudHSM events that were enriched, by kind of actor and of credential.",
    labels: &["kind", "credential"],
};
const DELIVERY_DELAY: Metric = Metric {
    name: "hsmtrail_cloudhsm_delivery_delay_seconds",
    kind: Kind::Histogram,
    help: "Time from a CloudHSM event to its enrichment here.",
    labels: &[],
};
// 0 and not absent before the first event: an absent series makes an alert on it silent.
const NEWEST_EVENT: Metric = Metric {
    name: "hsmtrail_cloudhsm_newest_event_timestamp_seconds",
    kind: Kind::Gauge,
    help: "Time of the newest CloudHSM event since the start, never in the future; 0 before one.",
    labels: &[],
};
const INPUT_BLOCKED: Metric = Metric {
    name: "hsmtrail_input_blocked_seconds_total",
    kind: Kind::Counter,
    help: "Time that the reader waited for input.",
    labels: &[],
};
const OUTPUT_BLOCKED: Metric = Metric {
    name: "hsmtrail_output_blocked_seconds_total",
    kind: Kind::Counter,
    help: "Time that the writer waited for the output to take bytes.",
    labels: &[],
};
const WORKER_BUSY: Metric = Metric {
    name: "hsmtrail_worker_busy_seconds_total",
    kind: Kind::Counter,
    help: "Time that all workers together spent on batches.",
    labels: &[],
};
const PROCESS_CPU: Metric = Metric {
    name: "process_cpu_seconds_total",
    kind: Kind::Counter,
    help: "CPU time of the process, user and system.",
    labels: &[],
};
const PROCESS_OPEN_FDS: Metric = Metric {
    name: "process_open_fds",
    kind: Kind::Gauge,
    help: "Open file descriptors.",
    labels: &[],
};
const PROCESS_MAX_FDS: Metric = Metric {
    name: "process_max_fds",
    kind: Kind::Gauge,
    help: "Limit on open file descriptors; absent when there is none.",
    labels: &[],
};
const PROCESS_VIRTUAL_MEMORY: Metric = Metric {
    name: "process_virtual_memory_bytes",
    kind: Kind::Gauge,
    help: "Virtual memory of the process.",
    labels: &[],
};
const PROCESS_RESIDENT_MEMORY: Metric = Metric {
    name: "process_resident_memory_bytes",
    kind: Kind::Gauge,
    help: "Resident memory of the process.",
    labels: &[],
};
const PROCESS_START_TIME: Metric = Metric {
    name: "process_start_time_seconds",
    kind: Kind::Gauge,
    help: "Start of the process, in seconds since the epoch.",
    labels: &[],
};
const PROCESS_THREADS: Metric = Metric {
    name: "process_threads",
    kind: Kind::Gauge,
    help: "Threads of the process.",
    labels: &[],
};

/// One metric, as exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The whole name, with prefix, unit and `_total`.
    pub name: &'static str,
    /// Prometheus's type.
    pub kind: Kind,
    /// The `HELP` line.
    pub help: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
}

/// A metric's type in Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises, until the process ends.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Samples counted in buckets.
    Histogram,
}

impl Kind {
    /// The word of the `TYPE` line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Why metrics cannot be read where the user asked for them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint's address is taken, with all of its ports, or not ours.
    #[error("cannot listen on {address} for metrics")]
    Listen {
        /// The address as asked for.
        address: Address,
        /// What is there, or the system's reason.
        source: SocketError,
    },
    /// The textfile could not be written.
    #[error("cannot {action} the metrics file {}", path.display())]
    File {
        /// The step that failed, a verb.
        action: &'static str,
        /// The file as named by the user.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// How many delays may wait before they are folded into the histogram. The exporter keeps each
/// sample (16 bytes) until its upkeep runs, and without an endpoint nothing else would run it.
const PENDING_DELAYS: usize = 4096;

/// What this process has counted since it started; shared by all threads.
pub struct Metrics {
    /// None when nobody can ask for the text.
    exporter: Option<PrometheusHandle>,
    handles: Handles,
    /// The same counts, as nothing can be read back from the handles.
    totals: Mutex<Totals>,
    /// Milliseconds since the epoch, 0 for none. No gauge of the exporter: that can only be set,
    /// and a worker that lost a race would turn it back.
    newest_event_ms: AtomicU64,
    /// Delays that are not folded into the histogram. Held while they are added, and while they are
    /// folded: the exporter's own store of them loses one now and then to a sample that comes at the
    /// same time.
    pending_delays: Mutex<usize>,
    input_blocked: Nanoseconds,
    output_blocked: Nanoseconds,
    worker_busy: Nanoseconds,
}

impl Metrics {
    /// Registers every series, at 0.
    pub fn new() -> Self {
        let recorder = recorder();
        Self::with(&recorder, Some(recorder.handle()))
    }

    /// For a run whose metrics nobody can ask for: nothing is kept. Making an exporter takes some
    /// milliseconds, because the crate below it calibrates a clock.
    pub fn off() -> Self {
        Self::with(&NoopRecorder, None)
    }

    fn with(recorder: &impl Recorder, exporter: Option<PrometheusHandle>) -> Self {
        Self {
            exporter,
            handles: Handles::register(recorder),
            totals: Mutex::default(),
            newest_event_ms: AtomicU64::new(0),
            pending_delays: Mutex::new(0),
            input_blocked: Nanoseconds::default(),
            output_blocked: Nanoseconds::default(),
            worker_busy: Nanoseconds::default(),
        }
    }

    /// Adds the counts of one batch.
    pub fn record(&self, counts: &Counts) {
        if counts.delays.is_empty() {
            self.handles.add(counts);
        } else {
            self.add_with_delays(counts);
        }
        self.newest_event_ms
            .fetch_max(counts.newest_event_ms, Ordering::Relaxed);
        self.locked_totals().counts.merge(counts);
    }

    /// What was counted so far.
    pub fn totals(&self) -> Totals {
        self.locked_totals().clone()
    }

    /// Counts bytes that were read, after decompression.
    pub fn input_bytes(&self, bytes: u64) {
        self.handles.input_bytes.increment(bytes);
        self.locked_totals().input_bytes += bytes;
    }

    /// Counts bytes that were written to the output.
    pub fn output_bytes(&self, bytes: u64) {
        self.handles.output_bytes.increment(bytes);
        self.locked_totals().output_bytes += bytes;
    }

    /// Counts time that the reader waited for input.
    pub fn input_blocked(&self, time: Duration) {
        self.input_blocked.add(time);
    }

    /// Counts time that the writer waited for the output.
    pub fn output_blocked(&self, time: Duration) {
        self.output_blocked.add(time);
    }

    /// Counts time that one worker spent on a batch.
    pub fn worker_busy(&self, time: Duration) {
        self.worker_busy.add(time);
    }

    /// All metrics in Prometheus's text format 0.0.4, families and series in a fixed order.
    pub fn render(&self) -> String {
        let mut text = self.render_own();
        text::push_process(&mut text);
        text
    }

    /// Leaves the metrics in `file` for the textfile collector, replacing what is there in one
    /// step. Blocks on the file system. In a file for this process alone the series have its id as
    /// the label `pid`.
    ///
    /// `process_*` stays out: `node_exporter` exports its own process under these names, and the
    /// same series from two sources fails its whole scrape.
    ///
    /// # Errors
    ///
    /// [`Error::File`]; the file is then as it was before, and nothing is left beside it.
    pub fn write_file(&self, file: &TextFile) -> Result<(), Error> {
        let mut text = self.render_own();
        if let Some(pid) = file.pid {
            text = text::labelled(&text, "pid", &pid.to_string());
        }
        file::replace(file.path(), text.as_bytes())
    }

    /// The metrics that start with `hsmtrail_`.
    fn render_own(&self) -> String {
        let newest = Duration::from_millis(self.newest_event_ms.load(Ordering::Relaxed));
        let folded = self.pending_delays();
        let mut text = self
            .exporter
            .as_ref()
            .map(PrometheusHandle::render)
            .unwrap_or_default();
        drop(folded);
        for (metric, time) in [
            (NEWEST_EVENT, newest),
            (INPUT_BLOCKED, self.input_blocked.total()),
            (OUTPUT_BLOCKED, self.output_blocked.total()),
            (WORKER_BUSY, self.worker_busy.total()),
        ] {
            text::push(&mut text, metric, &time.as_secs_f64().to_string());
            text.push('\n');
        }
        text::sorted(&text)
    }

    fn add_with_delays(&self, counts: &Counts) {
        let mut pending = self.pending_delays();
        self.handles.add(counts);
        *pending += counts.delays.len();
        if *pending >= PENDING_DELAYS {
            *pending = 0;
            if let Some(exporter) = &self.exporter {
                exporter.run_upkeep();
            }
        }
    }

    fn locked_totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pending_delays(&self) -> MutexGuard<'_, usize> {
        self.pending_delays
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// A recorder of our own, not the process's global one.
#[expect(clippy::expect_used, reason = "the builder refuses an empty list only")]
fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new()
        .set_buckets(&DELIVERY_DELAY_BUCKETS)
        .expect("the list of buckets is not empty")
        .build_recorder()
}

/// A time that several threads add to; 584 years fit. A counter of the `metrics` crate is a whole
/// number, and seconds need fractions.
#[derive(Default)]
struct Nanoseconds(AtomicU64);

impl Nanoseconds {
    fn add(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    fn total(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}
