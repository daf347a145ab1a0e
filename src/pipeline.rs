//! Runs the stages on threads: readers, workers, one writer.
//!
//! In → out: a [`Config`], the shared [`Metrics`] and a stop signal; a [`Summary`] at the end.
//!
//! ```text
//! crew, of whom each reads and works ───────────────────── outputs ──▶ sequence ──▶ writer
//! readers ── bundles, numbered ──▶ whichever worker is free ── outputs ──▶ sequence ──▶ writer
//! ```
//!
//! Invariants: **Output order is input order**: the numbers of the bundles are, and the writer gets
//! them in order. Of inputs that are followed, and of connections, that is the order in
//! which they came. **Memory is bounded**: so many bundles wait for workers, and so many bytes for the
//! writer, and then their sender waits, back to the source. **A complete record is
//! passed on at the latest when the input has paused for the flush interval**, unless the user wants
//! events in order of time. On a stop, what was read is written, of files that are read side by side up
//! to the one whose turn it is, and the unfinished record is left out.
//! **Whoever can work does**: of files and stdin whoever is free reads the next bundle and works on it;
//! beside a lone worker, and when the input lasts, readers only read (`readers_work`).
//!
//! Not here: signals and the metrics endpoint (`supervisor`), exit statuses (`main`); what happens
//! to one batch ([`worker`]) and to a bundle (`bundle`), who reads what (`crew`), the order of files that
//! are read side by side (`turns`) and of what is done (`sequence`), how outputs and rejects are written
//! (`writer`), repeats and order of time ([`arranger`]).
//!
//! Failure: [`Error`] when nothing can be written any more; a source that fails is logged and
//! counted in the [`Summary`], and the next one goes on.

mod answers;
pub mod arranger;
mod buffers;
mod bundle;
mod crew;
mod dealer;
mod follow;
mod listen;
mod lots;
mod open_lot;
mod opener;
pub mod output;
mod oversize;
mod reader;
mod sequence;
mod summary;
mod target;
mod turns;
pub mod worker;
mod writer;

pub use summary::Summary;
pub use writer::{Kept, Outputs};

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle, scope};

use crate::ack::Omprog;
use crate::config::{Ack, Config, DedupWindow, Envelope, Input, OnReject, Select, Validate};
use crate::framing::InputForm;
use crate::metrics::Metrics;
use crate::sink::SinkError;
use crate::source::{ListenError, Listener, Place, StopSignal, StopTrigger};
use crate::state::{Position, StateError};
use bundle::{Bundle, BundleWorker, Hand};
use crew::Crew;
use dealer::Dealer;
use listen::Bounds;
use lots::Lots;
use reader::{Flow, Reading};
use sequence::{Wake, sequence};
use turns::Turns;
use writer::Writer;

/// Bundles that wait for any worker, for each that there is: one keeps it busy, a second evens out those
/// that take longer.
const WAITING_PER_WORKER: usize = 2;

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

impl Limits {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            select: config.select,
            validate: config.validate,
            envelope: config.envelope,
            max_record_bytes: config.max_record_bytes,
            paranoid: config.paranoid,
            stop_at_reject: config.on_reject == OnReject::Stop,
            keys: config.dedup != DedupWindow::Events(0) || !config.reorder.is_zero(),
        }
    }
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

/// Runs until the input ends, the run is stopped, or nothing can be written.
///
/// `metrics` are of this run alone. `outputs` is shared so that a signal can have its files reopened.
/// `stop` ends the readers; the run itself does that when the writer cannot go on. `progress` is told of
/// raw bytes that were read, from several threads.
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
    let reading = Reading::new(config, signal.clone(), metrics, progress);
    let turns = Turns::default();
    let crew = Crew::new(&reading, &turns, Lots::new(config.inputs.clone(), ids));
    let listener = match config.inputs.as_slice() {
        [Input::Listen(address)] => Some(Listener::bind(address, signal.clone())?),
        _ => None,
    };
    let written = scope(|scope| {
        let (bundles, waiting) = sync_channel(WAITING_PER_WORKER * worker_threads(config));
        let waiting = Arc::new(Mutex::new(waiting));
        let (done, finished) = sequence();
        let mut working = Vec::new();
        for _ in 0..worker_threads(config) {
            let hand = hand(config, &reading, &done);
            working.push(start_worker(scope, hand, Arc::clone(&waiting))?);
        }
        // When no worker is left, who deals out has to see it.
        drop(waiting);
        let dealer = Dealer::new(bundles, done.clone());
        let readers = match &listener {
            Some(listener) => start_listening(scope, config, &reading, dealer, listener)
                .map(|reader| vec![reader]),
            None if config.ack.is_some() || config.lockstep.is_some() => {
                start_exchange(scope, config, &reading, dealer).map(|reader| vec![reader])
            }
            None if config.follow => start_following(scope, config, &reading, dealer, positions),
            None => start_crew(scope, config, (&crew, &reading), dealer, &done),
        };
        drop(done);
        // Those that have started must not go on, nor the workers wait for the others.
        let readers = readers.inspect_err(|_| {
            trigger.stop();
            crew.end();
        })?;
        let written = Writer::new(config, outputs, metrics).write_all(finished);
        // The reader may wait for input that nobody will write any more.
        trigger.stop();
        for reader in readers {
            reader.join().map_err(|_| Error::Fault("reader"))?;
        }
        for thread in working {
            thread.join().map_err(|_| Error::Fault("worker"))?;
        }
        written
    })?;
    Ok(Summary {
        counts: written.counts,
        input_bytes: metrics.totals().input_bytes,
        output_bytes: written.bytes,
        unfinished_bytes: reading.unfinished_bytes(),
        failed_sources: written.failed_sources,
    })
}

type Reader<'scope> = ScopedJoinHandle<'scope, ()>;

/// Starts the threads that read the inputs in order, and work on them.
fn start_crew<'scope, 'run: 'scope>(
    scope: &'scope Scope<'scope, '_>,
    config: &Config,
    (crew, reading): (&'scope Crew<'run>, &'run Reading<'_>),
    dealer: Dealer,
    done: &sequence::Sender,
) -> Result<Vec<Reader<'scope>>, Error> {
    crew.begin(dealer);
    let readers = (0..reader_threads(config)).map(|_| {
        let hand = readers_work(config).then(|| hand(config, reading, done));
        let thread = Builder::new().name("reader".to_owned());
        thread.spawn_scoped(scope, || crew.work(hand))
    });
    readers.collect::<Result<_, _>>().map_err(Error::Thread)
}

/// Starts a reader for each input that is followed, from these positions on.
fn start_following<'scope>(
    scope: &'scope Scope<'scope, '_>,
    config: &'scope Config,
    reading: &'scope Reading<'_>,
    dealer: Dealer,
    positions: Vec<Option<Position>>,
) -> Result<Vec<Reader<'scope>>, Error> {
    let dealer = Arc::new(Mutex::new(dealer));
    let paths = config.inputs.iter().filter_map(Input::path);
    let readers = paths.enumerate().zip(positions).map(|(input, position)| {
        let dealer = Arc::clone(&dealer);
        let thread = Builder::new().name("reader".to_owned());
        thread.spawn_scoped(scope, move || reading.follow(input, position, dealer))
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
            reading.listen(scope, listener, bounds, &dealer);
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

/// Whether those who read work on what they have read: then each core finds something to do whatever
/// the system lets run, and what was read is still in its cache. A lone worker has others to read for it;
/// only with `Validate::Matching` reading is most of what there is to do. What comes at its own time is
/// left to workers, so that its readers only wait.
fn readers_work(config: &Config) -> bool {
    let is_lasting = matches!(config.inputs.as_slice(), [Input::Listen(_)])
        || config.follow
        || config.ack.is_some()
        || config.lockstep.is_some();
    !is_lasting && (config.workers.get() > 1 || config.validate == Validate::Matching)
}

/// As many as are to work, or two. Of those that only read for a lone worker, a lone stream has one.
fn reader_threads(config: &Config) -> usize {
    match config.inputs.as_slice() {
        _ if readers_work(config) => config.workers.get().max(2),
        [Input::Stdin] => 1,
        _ => 2,
    }
}

/// None when the readers work.
fn worker_threads(config: &Config) -> usize {
    if readers_work(config) {
        0
    } else {
        config.workers.get()
    }
}

/// Bundles with their numbers, for whichever worker is free: one waits for the next, and the others for
/// its lock.
type Waiting = Arc<Mutex<Receiver<(u64, Bundle)>>>;

fn start_worker<'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut hand: Hand<'scope>,
    waiting: Waiting,
) -> Result<ScopedJoinHandle<'scope, ()>, Error> {
    let next = move || {
        let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.recv()
    };
    Builder::new()
        .name("worker".to_owned())
        .spawn_scoped(scope, move || {
            while let Ok((number, bundle)) = next() {
                if hand.work_on(number, bundle, Wake::AtOnce) == Flow::Stop {
                    return;
                }
            }
        })
        .map_err(Error::Thread)
}

fn hand<'a>(config: &Config, reading: &'a Reading<'_>, done: &sequence::Sender) -> Hand<'a> {
    let limits = Limits::of(config);
    Hand {
        worker: BundleWorker::new(limits, reading.metrics, reading.buffers()),
        done: done.clone(),
    }
}
