//! Reads the inputs, several files at once, and makes batches of them.
//!
//! In → out: the inputs of the configuration; batches of each, to its [`Target`].
//!
//! Invariants: **Batches go out in input order.** A bundle of them is sent when it is large enough,
//! when the input has paused for the flush interval, or when its lot ends. **Only regular files are
//! read ahead**: any other source is opened when everything before it was dealt out, and nothing
//! behind it is touched until it ends.
//!
//! A reader takes a [`Lot`], one large file or several small ones, and reads it whether or not it is
//! its turn.
//!
//! Not here: finding, opening and decompressing files (`source`), cutting (`framing`), whose turn it is
//! (`turns`), what becomes of batches (`target`).
//!
//! Failure: a source that fails ends there, as if the input ended; the failure is sent in its place
//! among the batches, and the next source goes on. On a stop the unfinished record is left behind,
//! its bytes are counted, and what later files gave is dropped: the output is a prefix.

mod exchange;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{iter, vec};

use bytes::BytesMut;

use super::buffers::{Buffers, has_room};
use super::bundle::BundleWorker;
use super::dealer::Dealer;
use super::target::Target;
use super::turns::{LotTurn, Turn, Turns};
use crate::config::{self, Config, Input, Validate};
use crate::framing::{InputForm, RecordDecoder};
use crate::metrics::Metrics;
use crate::source::{
    FileId, Found, Paths, Read, Source, SourceError, Spare, StopSignal, StopTrigger,
};

/// A buffer with so many unsent bytes is worth a bundle: a worker needs some 100 µs for it, a
/// channel's cost is then nothing, and it stays in the second-level cache. The usual buffer has hardly
/// room for more, as one read(2) of a file fills it.
pub(super) const BATCH_BYTES: usize = 256 * 1024;

/// A source begins in the buffer of the one before when there is so much room.
const LEAST_ROOM: usize = 64 * 1024;

/// A lot has so many bytes as they lie on disk, or is one file: enough to make the turn's cost
/// nothing, and as much as is held when it has grown tenfold.
const LOT_BYTES: u64 = 64 * 1024;

/// A lot of empty files ends too.
const LOT_FILES: usize = 64;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct ReadTotals {
    /// Bytes, after decompression.
    pub(super) bytes: u64,
    /// Bytes of a record that was under way when the run was stopped.
    pub(super) unfinished_bytes: u64,
}

impl ReadTotals {
    /// Adds what another reader read.
    pub(super) fn add(&mut self, other: &Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.unfinished_bytes = self.unfinished_bytes.saturating_add(other.unfinished_bytes);
    }
}

/// What all readers of a run share.
pub(super) struct Reading<'a> {
    pub(super) form: InputForm,
    pub(super) max_record_bytes: usize,
    max_inflate_ratio: u64,
    /// Workers walk over records that nobody has framed.
    workers_walk: bool,
    pub(super) flush_interval: Duration,
    pub(super) stop: StopSignal,
    pub(super) metrics: &'a Metrics,
    progress: &'a (dyn Fn(u64) + Sync),
    buffers: Buffers,
    queue: Mutex<Queue>,
    turns: Turns,
    workers: usize,
}

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    GoOn,
    Stop,
}

impl<'a> Reading<'a> {
    /// `outputs` are the files that this run writes; `progress` is told how many raw bytes came.
    pub(super) fn new(
        config: &Config,
        outputs: Vec<FileId>,
        stop: StopSignal,
        metrics: &'a Metrics,
        progress: &'a (dyn Fn(u64) + Sync),
    ) -> Self {
        Self {
            form: match config.input {
                config::InputForm::Auto => InputForm::Auto,
                config::InputForm::Lines => InputForm::Lines,
                config::InputForm::Document => InputForm::Document,
            },
            max_record_bytes: config.max_record_bytes,
            max_inflate_ratio: config.max_inflate_ratio,
            workers_walk: config.validate == Validate::All,
            flush_interval: config.flush_interval,
            stop,
            metrics,
            progress,
            buffers: Buffers::new(BATCH_BYTES),
            turns: Turns::default(),
            workers: config.workers.get(),
            queue: Mutex::new(Queue::new(config.inputs.clone(), outputs)),
        }
    }

    /// What workers give back and readers fill again.
    pub(super) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Gives the first lot its turn.
    pub(super) fn begin_with(&self, dealer: Dealer) {
        self.turns.begin(dealer);
    }

    /// Ends the readers, and the workers that wait for them, when no more readers can be started.
    pub(super) fn give_up(&self, trigger: &StopTrigger) {
        trigger.stop();
        self.turns.end();
    }

    /// Reads lot after lot, until there is none, the stop signal comes, or nobody takes batches.
    pub(super) fn read_lots(&self, worker: Option<BundleWorker>) -> ReadTotals {
        let mut reader = Reader {
            worker,
            ..Reader::new(self)
        };
        loop {
            let mut queue = self.queue();
            let Some(lot) = queue.next_lot() else {
                self.turns.end_after(queue.taken);
                break;
            };
            // Held while it is read: nobody reads ahead of a stream.
            let alone = match lot.sources.as_slice() {
                [source] if source.is_stream() => Some(queue),
                _ => {
                    drop(queue);
                    None
                }
            };
            let flow = reader.read_lot(lot);
            drop(alone);
            if flow == Flow::Stop {
                break;
            }
        }
        reader.totals
    }

    /// Cuts a source that is begun there.
    fn decoder(&self, start: Start, target: &Target<'_>) -> RecordDecoder {
        let decoder = RecordDecoder::new(start.form, self.max_record_bytes).from_byte(start.offset);
        // How far a source is done with is known only of a document that is framed here.
        if self.workers_walk && target.mark.is_none() {
            decoder.leaving_documents()
        } else {
            decoder
        }
    }

    /// Whether there are as many readers under way as threads are to work, and not one alone: each has
    /// enough to do with what it reads itself, which is still in its cache.
    pub(super) fn readers_suffice(&self) -> bool {
        self.turns.under_way() >= self.workers.max(2)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The inputs that nobody reads yet.
struct Queue {
    sources: iter::Peekable<Sources>,
    /// So many lots were taken.
    taken: u64,
}

/// Consecutive sources that one reader reads: a stream, or files.
struct Lot {
    sources: Vec<Next>,
    number: u64,
}

/// A source that is to be opened.
enum Next {
    Stdin,
    File(Found),
    Failed(SourceError),
}

impl Next {
    /// Whether it is something else than a file: reading it too early could harm.
    fn is_stream(&self) -> bool {
        match self {
            Self::Stdin => true,
            Self::File(found) => found.size.is_none(),
            Self::Failed(_) => false,
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::File(found) => found.size.unwrap_or(0),
            Self::Stdin | Self::Failed(_) => 0,
        }
    }
}

impl Queue {
    fn new(inputs: Vec<Input>, outputs: Vec<FileId>) -> Self {
        let sources = Sources {
            inputs: inputs.into_iter(),
            paths: None,
            outputs,
        };
        Self {
            sources: sources.peekable(),
            taken: 0,
        }
    }

    fn next_lot(&mut self) -> Option<Lot> {
        let mut sources = vec![self.sources.next()?];
        let mut bytes = sources.iter().map(Next::size).sum::<u64>();
        let is_stream = sources.iter().any(Next::is_stream);
        while !is_stream
            && sources.len() < LOT_FILES
            && let Some(next) = self
                .sources
                .next_if(|next| !next.is_stream() && bytes.saturating_add(next.size()) <= LOT_BYTES)
        {
            bytes += next.size();
            sources.push(next);
        }
        let number = self.taken;
        self.taken += 1;
        Some(Lot { sources, number })
    }
}

/// The sources of all inputs, found one after the other.
struct Sources {
    inputs: vec::IntoIter<Input>,
    /// Those of the input under way.
    paths: Option<Paths>,
    outputs: Vec<FileId>,
}

impl Iterator for Sources {
    type Item = Next;

    fn next(&mut self) -> Option<Next> {
        loop {
            match self.paths.as_mut().and_then(Iterator::next) {
                Some(Ok(found)) => return Some(Next::File(found)),
                Some(Err(error)) => return Some(Next::Failed(error)),
                None => match self.inputs.next()? {
                    Input::Stdin => return Some(Next::Stdin),
                    // It is the only input, and read in another way.
                    Input::Listen(_) => {}
                    Input::File(path) => self.paths = Some(Paths::new(&path, self.outputs.clone())),
                },
            }
        }
    }
}

/// One reader, with what it takes from source to source.
pub(super) struct Reader<'a> {
    common: &'a Reading<'a>,
    buffer: BytesMut,
    spare: Spare,
    /// A source that sends nothing for so long is at its end; zero is never.
    idle_timeout: Duration,
    /// Has cut a source that was truncated; what it left unfinished is in `buffer`.
    unfinished: Option<RecordDecoder>,
    pub(super) totals: ReadTotals,
    /// Works on what it reads when nobody else does.
    worker: Option<BundleWorker>,
}

/// Where a source is begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// How it is laid out.
    pub(super) form: InputForm,
    /// So many bytes are left out.
    pub(super) offset: u64,
    /// So many records of the source were counted before; without it they are counted on.
    pub(super) records: Option<u64>,
    /// So many of the frames behind `offset` are among them.
    pub(super) done: u64,
}

impl Start {
    /// The beginning of a source.
    pub(super) const fn of(form: InputForm) -> Self {
        Self {
            form,
            offset: 0,
            records: Some(0),
            done: 0,
        }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(common: &'a Reading<'a>) -> Self {
        Self {
            common,
            buffer: BytesMut::new(),
            spare: Spare::default(),
            idle_timeout: Duration::ZERO,
            unfinished: None,
            totals: ReadTotals::default(),
            worker: None,
        }
    }

    pub(super) fn with_idle_timeout(self, idle_timeout: Duration) -> Self {
        Self {
            idle_timeout,
            ..self
        }
    }

    fn read_lot(&mut self, lot: Lot) -> Flow {
        let turn = Turn::Lot(LotTurn::new(&self.common.turns, lot.number));
        let mut target = Target::new(turn, self.common).with_worker(self.worker.take());
        let read = self.read_sources(lot.sources, &mut target);
        let (outbox, worker) = target.into_outbox();
        self.worker = worker;
        let (flow, counted) = match read {
            Flow::GoOn => outbox.finish(),
            Flow::Stop => (Flow::Stop, outbox.counted()),
        };
        self.totals.bytes = self.totals.bytes.saturating_add(counted);
        flow
    }

    fn read_sources(&mut self, sources: Vec<Next>, target: &mut Target<'_>) -> Flow {
        for next in sources {
            if next.is_stream() && target.take_turn() == Flow::Stop {
                return Flow::Stop;
            }
            let stop = self.common.stop.clone();
            let opened = match next {
                Next::Stdin => Source::stdin(stop),
                Next::File(found) => Source::open(&found.path, stop)
                    .inspect(|source| tracing::info!("reading {}", source.name())),
                Next::Failed(error) => Err(error),
            };
            let flow = match opened {
                Ok(mut source) => {
                    let start = Start::of(self.common.form);
                    source = source.with_spare(std::mem::take(&mut self.spare));
                    let flow = self.read(&mut source, start, target);
                    self.spare = source.take_spare();
                    flow
                }
                Err(error) => {
                    target.push(Err(error));
                    Flow::GoOn
                }
            };
            if flow == Flow::Stop {
                return Flow::Stop;
            }
        }
        // The turn of this lot may come much later.
        self.give_back();
        target.send()
    }

    /// Reads a source to its end.
    pub(super) fn read(
        &mut self,
        source: &mut Source,
        start: Start,
        target: &mut Target<'_>,
    ) -> Flow {
        let common = self.common;
        target.begin(source, start);
        source.limit_growth(common.max_inflate_ratio);
        let mut decoder = common.decoder(start, target);
        // A copy may go on with what was unfinished.
        self.unfinished = None;
        self.buffer.clear();
        let mut may_fill = self.make_room(LEAST_ROOM);
        let mut told = Told::default();
        loop {
            let idle_timeout = Some(self.idle_timeout).filter(|time| !time.is_zero());
            let unsent = target.unsent.wait(common.flush_interval);
            let read = self.read_more(source, may_fill, unsent.or(idle_timeout));
            told.tell(source, common);
            target.identify(source);
            let flow = match read {
                Ok(Read::Bytes(count)) => {
                    target.came(count);
                    if target.unsent.is_due(common.flush_interval) {
                        target.push_flushed(&mut decoder, &mut self.buffer);
                    } else if target.unsent.bytes >= BATCH_BYTES {
                        target.push_ready(&mut decoder, &mut self.buffer);
                    } else {
                        continue;
                    }
                    target.send()
                }
                Ok(Read::Idle) if unsent.is_none() => {
                    target.push_last(&mut decoder, &mut self.buffer);
                    return target.send();
                }
                Ok(Read::Idle) => {
                    target.push_flushed(&mut decoder, &mut self.buffer);
                    target.send()
                }
                Ok(Read::Stopped) => {
                    target.push_flushed(&mut decoder, &mut self.buffer);
                    self.stopped(target, decoder.unfinished_bytes(&self.buffer));
                    Flow::Stop
                }
                Ok(Read::End) if source.was_truncated() => {
                    target.push_flushed(&mut decoder, &mut self.buffer);
                    self.unfinished = Some(decoder);
                    return target.send();
                }
                ended @ (Ok(Read::End) | Err(_)) => {
                    target.push_last(&mut decoder, &mut self.buffer);
                    if let Err(error) = ended {
                        target.push(Err(error));
                    }
                    return target.send_if_due(has_room(&self.buffer, LEAST_ROOM));
                }
            };
            if flow == Flow::Stop {
                return Flow::Stop;
            }
            may_fill = self.make_room(BATCH_BYTES);
        }
    }

    /// Reads into the buffer, all of it at once when it `may_fill` it.
    fn read_more(
        &mut self,
        source: &mut Source,
        may_fill: bool,
        wait: Option<Duration>,
    ) -> Result<Read, SourceError> {
        if may_fill {
            source.read_whole(&mut self.buffer, wait)
        } else {
            source.read(&mut self.buffer, wait)
        }
    }

    /// Takes what a truncated source has left unfinished, as nothing goes on with it.
    pub(super) fn finish(&mut self, target: &mut Target<'_>) {
        if let Some(mut decoder) = self.unfinished.take() {
            target.push_last(&mut decoder, &mut self.buffer);
        }
    }

    /// Has its buffer filled again as soon as what it read is done with.
    pub(super) fn give_back(&mut self) {
        self.common.buffers.put(std::mem::take(&mut self.buffer));
    }

    /// What a stop leaves behind belongs to the run only when it is this reader's turn.
    fn stopped(&mut self, target: &mut Target<'_>, unfinished_bytes: usize) {
        if target.send() == Flow::GoOn && target.take_turn() == Flow::GoOn {
            self.totals.unfinished_bytes = unfinished_bytes as u64;
        }
    }

    /// Gives what comes a buffer of its own, unless there is room for so much behind the last bytes.
    /// Returns whether one read(2) may fill it: what a long record has made larger would make much
    /// larger batches.
    fn make_room(&mut self, bytes: usize) -> bool {
        let is_new = self.common.buffers.make_room(&mut self.buffer, bytes);
        is_new && !has_room(&self.buffer, 2 * BATCH_BYTES)
    }
}

/// What was told of a source so far.
#[derive(Debug, Default)]
struct Told {
    blocked: Duration,
    raw_bytes: u64,
}

impl Told {
    /// Tells the metrics and the progress bar what is new.
    fn tell(&mut self, source: &Source, common: &Reading<'_>) {
        let blocked = source.blocked().saturating_sub(self.blocked);
        common.metrics.input_blocked(blocked);
        (common.progress)(source.raw_bytes() - self.raw_bytes);
        self.blocked = source.blocked();
        self.raw_bytes = source.raw_bytes();
    }
}
