//! Runs the stages on threads: readers, workers, one writer.
//!
//! In → out: a [`Config`], the shared [`Metrics`] and a stop signal; a [`Summary`] at the end.
//!
//! ```text
//! readers ── batches, in turn ──▶ worker 0 … n ── outputs ──▶ writer, which asks them in turn
//! ```
//!
//! Invariants: **Output order is input order**: batches are dealt out in turn and the writer
//! collects in the same turn. Of inputs that are followed, and of connections, that is the order in
//! which they came. **Memory is bounded**: each channel holds `IN_FLIGHT` bundles,
//! each of about a batch's bytes, and a full channel makes its sender wait, back to the source. **A complete record is
//! passed on at the latest when the input has paused for the flush interval**, unless the user wants
//! events in order of time. On a stop, what was read is written, and the unfinished record is left out.
//!
//! Not here: signals and the metrics endpoint (`supervisor`), exit statuses (`main`); what happens
//! to one batch ([`worker`]), how outputs and rejects are written (`writer`), repeats
//! and order of time ([`arranger`]).
//!
//! Failure: [`Error`] when nothing can be written any more; a source that fails is logged and
//! counted in the [`Summary`], and the next one goes on.

mod answers;
pub mod arranger;
mod buffers;
mod follow;
mod listen;
mod opener;
pub mod output;
mod oversize;
mod reader;
mod summary;
pub mod worker;
mod writer;

pub use summary::Summary;
pub use writer::{Kept, Outputs};

use std::cell::{Cell, RefCell};
use std::sync::mpsc::{Receiver, SendError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, Scope, ScopedJoinHandle, scope};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::ack::{Omprog, Promise};
use crate::config::{Ack, Config, DedupWindow, Envelope, Input, OnReject, Select, Validate};
use crate::framing::{Batch, InputForm};
use crate::metrics::Metrics;
use crate::sink::SinkError;
use crate::source::{ListenError, Listener, Place, SourceError, StopSignal, StopTrigger};
use crate::state::{Position, StateError};
use buffers::Buffers;
use listen::Bounds;
use output::{Output, Returned};
use reader::{Dealer, ReadTotals, Reading};
use worker::Worker;
use writer::Writer;

/// Bundles that wait in one channel. One is enough to keep both sides busy; a second evens out those
/// that take longer.
const IN_FLIGHT: usize = 2;

/// What a worker has to know of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Which records are passed on.
    pub select: Select,
    /// Which records are parsed in full.
    pub validate: Validate,
    /// What becomes of records that hold others.
    pub envelope: Envelope,
    /// The longest record that is no reject, in bytes.
    pub max_record_bytes: usize,
    /// What is decoded is decoded a second time, by another decoder, and compared.
    pub paranoid: bool,
    /// The run ends with the first reject.
    pub stop_at_reject: bool,
    /// What tells repeats and what puts events in order is read from each record.
    pub keys: bool,
}

/// Why a run ended before its input.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An output cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Nobody can be listened to.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// How far the input is done with cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// The system gives no more threads.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
    /// A fault of ours; what was not written by then is lost to this run.
    #[error("the {0} thread failed, which is a fault in hsmtrail; the output ends early")]
    Fault(&'static str),
}

/// What goes to a worker at once: a batch, or several of small sources.
type Bundle = Vec<Job>;

/// A batch on its way to a worker, or, in its place among the batches, why its source ends.
struct Job {
    source: Arc<str>,
    /// Whose record numbers these are, of sources that are read side by side.
    lane: usize,
    /// The first of its source: record numbers begin anew.
    first: bool,
    mark: Option<Mark>,
    /// The host is told when this holds of the job and everything before it.
    promise: Option<Promise>,
    work: Result<Batch, SourceError>,
}

/// How far a followed source is done with, once what came before was written.
#[derive(Debug, Clone, Copy)]
struct Mark {
    /// The byte from which it can be framed anew.
    place: Place,
    /// How it is laid out.
    form: InputForm,
    /// Records that an earlier run was done with.
    records: u64,
    /// So many frames behind that byte are done with too.
    done: u64,
}

/// What became of a [`Bundle`], or of a part of it.
struct Finished {
    done: Vec<Done>,
    /// No more of this bundle follows.
    last: bool,
}

/// What became of a [`Job`], or of a part of it.
struct Done {
    source: Arc<str>,
    lane: usize,
    first: bool,
    mark: Option<Mark>,
    promise: Option<Promise>,
    /// No more of this job follows.
    last: bool,
    result: Result<Output, SourceError>,
}

/// A worker as its writer sees it: what it has done, and the way back for used buffers.
type FromWorker = (Receiver<Finished>, Sender<Output>);

/// Runs until the input ends, the run is stopped, or nothing can be written.
///
/// `outputs` is shared so that a signal can have its files reopened. `stop` ends the reader; the
/// run itself does that when the writer cannot go on. `progress` is told of raw bytes that were
/// read, from several threads.
///
/// # Errors
///
/// [`Error`]; what was written until then is whole lines, except where the error says otherwise.
pub fn run(
    config: &Config,
    outputs: &Mutex<Outputs>,
    metrics: &Metrics,
    stop: (&StopTrigger, &StopSignal),
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Summary, Error> {
    let (trigger, signal) = stop;
    let (ids, positions) = {
        let outputs = writer::lock(outputs);
        (outputs.ids(), outputs.positions(config))
    };
    let reading = Reading::new(config, ids, signal.clone(), metrics, progress);
    let listener = match config.inputs.as_slice() {
        [Input::Listen(address)] => Some(Listener::bind(address, signal.clone())?),
        _ => None,
    };
    scope(|scope| {
        let mut to_workers = Vec::new();
        let mut from_workers = Vec::new();
        let mut working = Vec::new();
        for _ in 0..config.workers.get() {
            let (jobs, done, thread) = start_worker(scope, config, metrics, reading.buffers())?;
            to_workers.push(jobs);
            from_workers.push(done);
            working.push(thread);
        }
        let dealer = Dealer::new(to_workers, config);
        let readers = match &listener {
            Some(listener) => start_listening(scope, config, &reading, dealer, listener)
                .map(|reader| vec![reader]),
            None if config.ack.is_some() || config.lockstep.is_some() => {
                start_exchange(scope, config, &reading, dealer).map(|reader| vec![reader])
            }
            None => start_readers(scope, config, &reading, dealer, positions),
        };
        // Those that have started must not go on, nor the workers wait for the others.
        let readers = readers.inspect_err(|_| reading.give_up(trigger))?;
        let written = Writer::new(config, outputs, metrics).write_all(from_workers);
        // The reader may wait for input that nobody will write any more.
        trigger.stop();
        let mut read = ReadTotals::default();
        for reader in readers {
            read.add(&reader.join().map_err(|_| Error::Fault("reader"))?);
        }
        for thread in working {
            thread.join().map_err(|_| Error::Fault("worker"))?;
        }
        let written = written?;
        Ok(Summary {
            counts: written.counts,
            input_bytes: read.bytes,
            output_bytes: written.bytes,
            unfinished_bytes: read.unfinished_bytes,
            failed_sources: written.failed_sources,
        })
    })
}

type Reader<'scope> = ScopedJoinHandle<'scope, ReadTotals>;

/// Starts what reads: several readers in order, or one for each input that is followed, from these
/// positions on.
fn start_readers<'scope>(
    scope: &'scope Scope<'scope, '_>,
    config: &'scope Config,
    reading: &'scope Reading<'_>,
    dealer: Dealer,
    positions: Vec<Option<Position>>,
) -> Result<Vec<Reader<'scope>>, Error> {
    let thread = || Builder::new().name("reader".to_owned());
    if !config.follow {
        reading.begin_with(dealer);
        let readers = (0..reader_threads(config))
            .map(|_| thread().spawn_scoped(scope, || reading.read_lots()));
        return readers.collect::<Result<_, _>>().map_err(Error::Thread);
    }
    let dealer = Arc::new(Mutex::new(dealer));
    let paths = config.inputs.iter().filter_map(Input::path);
    let readers = paths.enumerate().zip(positions).map(|(input, position)| {
        let dealer = Arc::clone(&dealer);
        thread().spawn_scoped(scope, move || reading.follow(input, position, dealer))
    });
    readers.collect::<Result<_, _>>().map_err(Error::Thread)
}

/// Starts the thread that takes connections; each is read on one of its own.
fn start_listening<'scope>(
    scope: &'scope Scope<'scope, '_>,
    config: &Config,
    reading: &'scope Reading<'_>,
    dealer: Dealer,
    listener: &'scope Listener,
) -> Result<Reader<'scope>, Error> {
    let bounds = Bounds {
        connections: config.max_connections.get(),
        idle: config.idle_timeout,
    };
    tracing::info!("listening on {}", listener.address());
    let dealer = Arc::new(Mutex::new(dealer));
    Builder::new()
        .name("listener".to_owned())
        .spawn_scoped(scope, move || {
            reading.listen(scope, listener, bounds, &dealer)
        })
        .map_err(Error::Thread)
}

/// Starts the reader of a host that waits for answers.
fn start_exchange<'scope>(
    scope: &'scope Scope<'scope, '_>,
    config: &Config,
    reading: &'scope Reading<'_>,
    dealer: Dealer,
) -> Result<Reader<'scope>, Error> {
    let session = config.ack.map(|Ack::Omprog| Omprog::default());
    let exchange = move || reading.exchange(session, dealer);
    let thread = Builder::new().name("reader".to_owned());
    thread.spawn_scoped(scope, exchange).map_err(Error::Thread)
}

/// One more than there are workers, so that one is ahead when all others wait for their turn. A
/// lone stream has one, as nothing can be read beside it.
fn reader_threads(config: &Config) -> usize {
    match config.inputs.as_slice() {
        [Input::Stdin] => 1,
        _ => config.workers.get() + 1,
    }
}

/// A running worker: where its jobs go, what comes back, and its thread.
type Started<'scope> = (SyncSender<Bundle>, FromWorker, ScopedJoinHandle<'scope, ()>);

fn start_worker<'scope>(
    scope: &'scope Scope<'scope, '_>,
    config: &Config,
    metrics: &'scope Metrics,
    buffers: &'scope Buffers,
) -> Result<Started<'scope>, Error> {
    let limits = Limits {
        select: config.select,
        validate: config.validate,
        envelope: config.envelope,
        max_record_bytes: config.max_record_bytes,
        paranoid: config.paranoid,
        stop_at_reject: config.on_reject == OnReject::Stop,
        keys: config.dedup != DedupWindow::Events(0) || !config.reorder.is_zero(),
    };
    let (jobs, todo) = sync_channel(IN_FLIGHT);
    let (done, outputs) = sync_channel(IN_FLIGHT);
    let (reusable, used) = channel();
    let thread = Builder::new()
        .name("worker".to_owned())
        .spawn_scoped(scope, move || {
            let mut worker = Worker::new(limits);
            let mut returned = Returned::new(used);
            while let Ok(bundle) = todo.recv() {
                let begun = Instant::now();
                let (finished, waited) =
                    work_on(bundle, &mut worker, &done, &mut returned, buffers);
                metrics.worker_busy(begun.elapsed().saturating_sub(waited));
                if done.send(finished).is_err() {
                    return;
                }
            }
        })
        .map_err(Error::Thread)?;
    Ok((jobs, (outputs, reusable), thread))
}

/// Works on one bundle. Hands on the parts of an output that gets long, and returns the last of it,
/// and how long it waited for the writer.
fn work_on(
    bundle: Bundle,
    worker: &mut Worker,
    done: &SyncSender<Finished>,
    returned: &mut Returned,
    buffers: &Buffers,
) -> (Finished, Duration) {
    returned.get_ready(bundle.len());
    let returned = RefCell::new(returned);
    let ready = RefCell::new(Vec::with_capacity(bundle.len()));
    let waited = Cell::new(Duration::ZERO);
    let mut last = None;
    for Job {
        source,
        lane,
        first,
        mark,
        promise,
        work,
    } in bundle
    {
        let first = Cell::new(first);
        let put = |result, last| {
            ready.borrow_mut().push(Done {
                source: Arc::clone(&source),
                lane,
                first: first.take(),
                mark,
                promise,
                last,
                result,
            });
        };
        let spill = |output: &mut Output| {
            let fresh = returned.borrow_mut().next();
            put(Ok(std::mem::replace(output, fresh)), false);
            let part = Finished {
                done: ready.take(),
                last: false,
            };
            let since = Instant::now();
            // When nobody takes it, nobody takes the last part either.
            let (Ok(()) | Err(SendError(_))) = done.send(part);
            waited.set(waited.get() + since.elapsed());
        };
        let result = work.map(|batch| {
            let mut output = returned.borrow_mut().for_batch(batch.bytes.len());
            worker.process_in_parts(&batch, now_ms(), &mut output, Some(&spill));
            last = Some(batch.bytes);
            output
        });
        put(result, true);
    }
    // The batches of a bundle are usually parts of one buffer, which is free with the last of them.
    if let Some(part) = last {
        buffers.put(part);
    }
    let finished = Finished {
        done: ready.into_inner(),
        last: true,
    };
    (finished, waited.get())
}

/// The time in milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
