//! Reads one source after the other and deals their batches out to the workers.
//!
//! In → out: the inputs of the configuration; batches, each to the next worker in turn.
//!
//! Invariants: **Batches go out in input order, in turn.** A batch is sent when it is large enough,
//! when the input has paused for the flush interval, or when its source ends.
//!
//! Not here: opening and decompressing (`source`), cutting (`framing`).
//!
//! Failure: a source that fails is logged, counted, and ends there, as if the input ended; the
//! next one goes on. On a stop the unfinished record is left behind, and its bytes are counted.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio_util::codec::Decoder;

use super::Job;
use crate::config::{self, Config, Input};
use crate::framing::{Batch, InputForm, RecordDecoder};
use crate::metrics::Metrics;
use crate::source::{Read, Source, SourceError, StopSignal};

/// A buffer with so many unsent bytes is worth a batch: a worker needs some 100 µs for it, a
/// channel's cost is then nothing, and it stays in the second-level cache.
const BATCH_BYTES: usize = 256 * 1024;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct ReadTotals {
    /// Bytes, after decompression.
    pub(super) bytes: u64,
    /// Bytes of a record that was under way when the run was stopped.
    pub(super) unfinished_bytes: u64,
    /// Sources that could not be read, or not to their end.
    pub(super) failed_sources: u64,
}

/// The reader's view of a run.
pub(super) struct Reader<'a> {
    inputs: Vec<Input>,
    form: InputForm,
    max_record_bytes: usize,
    flush_interval: Duration,
    stop: StopSignal,
    metrics: &'a Metrics,
    totals: ReadTotals,
}

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoOn,
    Stop,
}

impl<'a> Reader<'a> {
    pub(super) fn new(config: &Config, stop: StopSignal, metrics: &'a Metrics) -> Self {
        Self {
            inputs: config.inputs.clone(),
            form: match config.input {
                config::InputForm::Auto => InputForm::Auto,
                config::InputForm::Lines => InputForm::Lines,
                config::InputForm::Document => InputForm::Document,
            },
            max_record_bytes: config.max_record_bytes,
            flush_interval: config.flush_interval,
            stop,
            metrics,
            totals: ReadTotals::default(),
        }
    }

    /// Reads all inputs, until they end, the stop signal comes, or nobody takes batches.
    pub(super) fn read_all(
        mut self,
        workers: Vec<SyncSender<Job>>,
        progress: &mut dyn FnMut(u64),
    ) -> ReadTotals {
        let mut dealer = Dealer { workers, next: 0 };
        let mut raw_bytes = 0;
        for input in std::mem::take(&mut self.inputs) {
            let opened = match &input {
                Input::Stdin => Source::stdin(self.stop.clone()),
                Input::File(path) => Source::open(path, self.stop.clone()),
            };
            match opened {
                Ok(mut source) => {
                    let flow = self.read(&mut source, &mut dealer, &mut |of_source| {
                        progress(raw_bytes + of_source);
                    });
                    raw_bytes += source.raw_bytes();
                    if flow == Flow::Stop {
                        break;
                    }
                }
                Err(error) => self.failed(&error),
            }
        }
        self.totals
    }

    fn read(
        &mut self,
        source: &mut Source,
        dealer: &mut Dealer,
        progress: &mut dyn FnMut(u64),
    ) -> Flow {
        let mut decoder = RecordDecoder::new(self.form, self.max_record_bytes);
        let mut buffer = BytesMut::with_capacity(2 * BATCH_BYTES);
        let mut target = dealer.of_source(source.name());
        let mut unsent = Unsent::default();
        let mut blocked = Duration::ZERO;
        loop {
            let read = source.read(&mut buffer, unsent.wait(self.flush_interval));
            self.metrics
                .input_blocked(source.blocked().saturating_sub(blocked));
            blocked = source.blocked();
            let sent = match read {
                Ok(Read::Bytes(count)) => {
                    self.totals.bytes = self.totals.bytes.saturating_add(count as u64);
                    self.metrics.input_bytes(count as u64);
                    progress(source.raw_bytes());
                    unsent.add(count);
                    if unsent.is_due(self.flush_interval) {
                        target.send_paused(&mut decoder, &mut buffer)
                    } else if unsent.bytes >= BATCH_BYTES {
                        target.send_ready(&mut decoder, &mut buffer)
                    } else {
                        continue;
                    }
                }
                Ok(Read::Idle) => target.send_paused(&mut decoder, &mut buffer),
                Ok(Read::Stopped) => {
                    target.send_paused(&mut decoder, &mut buffer);
                    self.totals.unfinished_bytes = decoder.unfinished_bytes(&buffer) as u64;
                    return Flow::Stop;
                }
                Ok(Read::End) => return target.send_last(&mut decoder, &mut buffer),
                Err(error) => {
                    self.failed(&error);
                    return target.send_last(&mut decoder, &mut buffer);
                }
            };
            if sent == Flow::Stop {
                return Flow::Stop;
            }
            unsent = Unsent::default();
        }
    }

    fn failed(&mut self, error: &SourceError) {
        tracing::error!("{error}");
        self.totals.failed_sources += 1;
    }
}

/// Bytes that were read since the last batch was sent.
#[derive(Debug, Default)]
struct Unsent {
    bytes: usize,
    /// When the first of them came.
    since: Option<Instant>,
}

impl Unsent {
    fn add(&mut self, count: usize) {
        self.bytes += count;
        self.since.get_or_insert_with(Instant::now);
    }

    /// How long more bytes may be waited for; for ever, when nothing is held.
    fn wait(&self, flush_interval: Duration) -> Option<Duration> {
        self.since
            .map(|since| flush_interval.saturating_sub(since.elapsed()))
    }

    fn is_due(&self, flush_interval: Duration) -> bool {
        self.since
            .is_some_and(|since| since.elapsed() >= flush_interval)
    }
}

/// Gives each worker its batch in turn.
struct Dealer {
    workers: Vec<SyncSender<Job>>,
    next: usize,
}

impl Dealer {
    fn of_source(&mut self, name: &str) -> Target<'_> {
        Target {
            dealer: self,
            source: Arc::from(name),
            first: true,
        }
    }

    fn send(&mut self, job: Job) -> Flow {
        let Some(worker) = self.workers.get(self.next) else {
            return Flow::Stop;
        };
        self.next = (self.next + 1) % self.workers.len();
        match worker.send(job) {
            Ok(()) => Flow::GoOn,
            Err(_) => Flow::Stop,
        }
    }
}

/// Where the batches of one source go.
struct Target<'a> {
    dealer: &'a mut Dealer,
    source: Arc<str>,
    first: bool,
}

impl Target<'_> {
    /// Sends what is complete by its line.
    fn send_ready(&mut self, decoder: &mut RecordDecoder, buffer: &mut BytesMut) -> Flow {
        self.send_each(|| decoder.decode(buffer).ok().flatten())
    }

    /// Sends what is complete, be it in a line that goes on.
    fn send_paused(&mut self, decoder: &mut RecordDecoder, buffer: &mut BytesMut) -> Flow {
        match self.send_ready(decoder, buffer) {
            Flow::GoOn => self.send_each(|| decoder.flush(buffer)),
            Flow::Stop => Flow::Stop,
        }
    }

    /// Sends everything: the source has ended.
    fn send_last(&mut self, decoder: &mut RecordDecoder, buffer: &mut BytesMut) -> Flow {
        self.send_each(|| decoder.decode_eof(buffer).ok().flatten())
    }

    fn send_each(&mut self, mut next: impl FnMut() -> Option<Batch>) -> Flow {
        while let Some(batch) = next() {
            let first = std::mem::take(&mut self.first);
            let job = Job {
                source: Arc::clone(&self.source),
                first,
                batch,
            };
            if self.dealer.send(job) == Flow::Stop {
                return Flow::Stop;
            }
        }
        Flow::GoOn
    }
}
