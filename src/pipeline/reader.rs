//! Reads the inputs, several files at once, and deals their batches out to the workers.
//!
//! In → out: the inputs of the configuration; bundles of batches, each to the next worker in turn.
//!
//! Invariants: **Batches go out in input order, in turn.** A bundle is sent when it is large enough,
//! when the input has paused for the flush interval, or when its lot ends. **Only regular files are
//! read ahead**: any other source is opened when everything before it was dealt out, and nothing
//! behind it is touched until it ends.
//!
//! A reader takes a [`Lot`], one large file or several small ones, and reads it whether or not it is
//! its turn. What it reads ahead it holds, up to [`HELD_BYTES`]. The turn is the one [`Dealer`]: who
//! holds it sends to the workers directly, and hands it to the reader of the next lot at the end. So
//! there is neither a thread that only passes batches on nor a place where they are put in order.
//!
//! Not here: finding, opening and decompressing files (`source`), cutting (`framing`).
//!
//! Failure: a source that fails ends there, as if the input ended; the failure is sent in its place
//! among the batches, and the next source goes on. On a stop the unfinished record is left behind,
//! its bytes are counted, and what later files gave is dropped: the output is a prefix.

mod exchange;

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{iter, vec};

use bytes::BytesMut;
use tokio_util::codec::Decoder;

use super::buffers::{Buffers, has_room};
use super::{Bundle, Job, Mark};
use crate::ack::Promise;
use crate::config::{self, Config, Input, Validate};
use crate::framing::{Batch, BatchContent, Frame, InputForm, OversizePart, RecordDecoder};
use crate::metrics::Metrics;
use crate::source::{
    FileId, Found, Paths, Place, Read, Source, SourceError, Spare, StopSignal, StopTrigger,
};

/// A buffer with so many unsent bytes is worth a bundle: a worker needs some 100 µs for it, a
/// channel's cost is then nothing, and it stays in the second-level cache. The usual buffer has hardly
/// room for more, as one read(2) of a file fills it.
const BATCH_BYTES: usize = 256 * 1024;

/// A source begins in the buffer of the one before when there is so much room.
const LEAST_ROOM: usize = 64 * 1024;

/// A lot has so many bytes as they lie on disk, or is one file: enough to make the turn's cost
/// nothing, and as much as is held when it has grown tenfold.
const LOT_BYTES: u64 = 64 * 1024;

/// A lot of empty files ends too.
const LOT_FILES: usize = 64;

/// What a reader holds of a lot before its turn.
const HELD_BYTES: usize = 1 << 20;

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
    max_record_bytes: usize,
    max_inflate_ratio: u64,
    /// Workers walk over records that nobody has framed.
    workers_walk: bool,
    pub(super) flush_interval: Duration,
    pub(super) stop: StopSignal,
    pub(super) metrics: &'a Metrics,
    progress: &'a (dyn Fn(u64) + Sync),
    buffers: Buffers,
    queue: Mutex<Queue>,
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
            queue: Mutex::new(Queue::new(config.inputs.clone(), outputs)),
        }
    }

    /// What workers give back and readers fill again.
    pub(super) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Gives the first reader its turn.
    pub(super) fn begin_with(&self, dealer: Dealer) {
        let (turn, first) = channel();
        self.queue().turn = first;
        // The receiver is still there.
        let (Ok(()) | Err(_)) = turn.send(dealer);
    }

    /// Ends the readers, and the workers that wait for them, when no more readers can be started.
    pub(super) fn give_up(&self, trigger: &StopTrigger) {
        trigger.stop();
        self.queue().turn = channel().1;
    }

    /// Reads lot after lot, until there is none, the stop signal comes, or nobody takes batches.
    pub(super) fn read_lots(&self) -> ReadTotals {
        let mut reader = Reader::new(self);
        loop {
            let mut queue = self.queue();
            let Some(lot) = queue.next_lot() else { break };
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

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The inputs that nobody reads yet.
struct Queue {
    sources: iter::Peekable<Sources>,
    /// Where the turn comes to the next lot.
    turn: Receiver<Dealer>,
}

/// Consecutive sources that one reader reads: a stream, or files.
struct Lot {
    sources: Vec<Next>,
    /// Gives the dealer when everything before was dealt out.
    turn: Receiver<Dealer>,
    /// Takes it when everything of this lot was.
    next_turn: Sender<Dealer>,
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
            turn: channel().1,
        }
    }

    fn next_lot(&mut self) -> Option<Lot> {
        let Some(first) = self.sources.next() else {
            // When the turn comes here, it is the end of the input.
            self.turn = channel().1;
            return None;
        };
        let mut sources = vec![first];
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
        let (next_turn, turn) = channel();
        Some(Lot {
            sources,
            turn: std::mem::replace(&mut self.turn, turn),
            next_turn,
        })
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

impl<'a> Reader<'a> {
    pub(super) fn new(common: &'a Reading<'a>) -> Self {
        Self {
            common,
            buffer: BytesMut::new(),
            spare: Spare::default(),
            idle_timeout: Duration::ZERO,
            unfinished: None,
            totals: ReadTotals::default(),
        }
    }

    pub(super) fn with_idle_timeout(self, idle_timeout: Duration) -> Self {
        Self {
            idle_timeout,
            ..self
        }
    }

    fn read_lot(&mut self, lot: Lot) -> Flow {
        let turn = Turn::Next {
            turn: lot.turn,
            dealer: None,
        };
        let mut target = Target::new(turn, self.common.metrics);
        let flow = self.read_sources(lot.sources, &mut target);
        self.totals.bytes = self.totals.bytes.saturating_add(target.counted);
        if flow == Flow::GoOn {
            target.pass_on(&lot.next_turn);
        }
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
                    let start = Start {
                        form: self.common.form,
                        offset: 0,
                        records: Some(0),
                        done: 0,
                    };
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
        match target.send() {
            Flow::GoOn => target.take_turn(),
            Flow::Stop => Flow::Stop,
        }
    }

    /// Reads a source to its end.
    pub(super) fn read(
        &mut self,
        source: &mut Source,
        start: Start,
        target: &mut Target<'_>,
    ) -> Flow {
        let common = self.common;
        target.begin(source, start, common.max_record_bytes);
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
                    return target
                        .send_if_due(common.flush_interval, has_room(&self.buffer, LEAST_ROOM));
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

/// Bytes that were read since the last bundle was sent.
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

/// Gives each worker its bundle in turn.
pub(super) struct Dealer {
    workers: Vec<SyncSender<Bundle>>,
    next: usize,
    /// What a record may be long, when workers frame the lines that they get: rather than wait for
    /// room in a worker's queue, the reader does it for them.
    frames_for_workers: Option<usize>,
}

impl Dealer {
    pub(super) fn new(workers: Vec<SyncSender<Bundle>>, config: &Config) -> Self {
        Self {
            workers,
            next: 0,
            frames_for_workers: match config.validate {
                Validate::All => None,
                Validate::Matching => Some(config.max_record_bytes),
            },
        }
    }

    fn send(&mut self, bundle: Bundle) -> Flow {
        let Some(worker) = self.workers.get(self.next) else {
            return Flow::Stop;
        };
        self.next = (self.next + 1) % self.workers.len();
        let sent = match worker.try_send(bundle) {
            Err(TrySendError::Full(mut bundle)) => {
                if let Some(max_record_bytes) = self.frames_for_workers {
                    let batches = bundle.iter_mut().flat_map(|job| &mut job.work);
                    batches.for_each(|batch| frame(batch, max_record_bytes));
                }
                worker.send(bundle).is_ok()
            }
            Ok(()) => true,
            Err(TrySendError::Disconnected(_)) => false,
        };
        if sent { Flow::GoOn } else { Flow::Stop }
    }
}

/// Frames a batch that is not looked into yet, as a worker does that needs frames.
fn frame(batch: &mut Batch, max_record_bytes: usize) {
    if let BatchContent::Lines | BatchContent::Document = batch.content {
        let mut frames = Vec::new();
        batch.frame(max_record_bytes, &mut frames);
        batch.content = BatchContent::Frames(frames);
    }
}

/// When the batches of a target may be dealt out.
pub(super) enum Turn {
    /// In the order of the inputs.
    Next {
        turn: Receiver<Dealer>,
        /// Only when it is this lot's turn.
        dealer: Option<Dealer>,
    },
    /// At any time, as the input came at any time.
    Any(Arc<Mutex<Dealer>>),
}

/// Where the batches of one lot, or of one input that lasts, go.
pub(super) struct Target<'a> {
    turn: Turn,
    /// What is to be dealt out when the turn comes.
    held: VecDeque<Bundle>,
    held_bytes: usize,
    /// The next bundle.
    bundle: Bundle,
    unsent: Unsent,
    /// Bytes read of this lot.
    bytes: u64,
    /// How many of them the metrics know of: those of which it is the turn.
    pub(super) counted: u64,
    metrics: &'a Metrics,
    /// Whose record numbers these are, of sources that are read side by side.
    lane: usize,
    source: Arc<str>,
    first: bool,
    /// How far the source was looked at, when that is to be kept.
    mark: Option<Mark>,
    /// So many frames are still to be left out.
    left_out: u64,
    max_record_bytes: usize,
}

impl<'a> Target<'a> {
    pub(super) fn new(turn: Turn, metrics: &'a Metrics) -> Self {
        Self {
            turn,
            held: VecDeque::new(),
            held_bytes: 0,
            bundle: Bundle::new(),
            unsent: Unsent::default(),
            bytes: 0,
            counted: 0,
            metrics,
            lane: 0,
            source: Arc::from(""),
            first: true,
            mark: None,
            left_out: 0,
            max_record_bytes: 0,
        }
    }

    /// The same target for one of several sources that are read side by side.
    pub(super) fn in_lane(self, lane: usize) -> Self {
        Self { lane, ..self }
    }

    /// From now on what is pushed belongs to this source.
    fn begin(&mut self, source: &Source, start: Start, max_record_bytes: usize) {
        self.source = Arc::from(source.name());
        self.first = start.records.is_some();
        self.left_out = start.done;
        self.max_record_bytes = max_record_bytes;
        self.mark = source.identity().map(|(file, head)| Mark {
            place: Place {
                file,
                head,
                offset: start.offset,
            },
            form: start.form,
            records: start.records.unwrap_or(0),
            done: 0,
        });
    }

    /// Where another source with the same bytes would go on.
    pub(super) fn next_start(&self) -> Option<Start> {
        self.position().map(|mark| Start {
            form: mark.form,
            offset: mark.place.offset,
            records: None,
            done: mark.done,
        })
    }

    /// How far the source is done with once everything pushed so far was written. What an earlier
    /// run did and this one has yet to leave out is done too.
    fn position(&self) -> Option<Mark> {
        self.mark.map(|mark| Mark {
            done: mark.done.saturating_add(self.left_out),
            ..mark
        })
    }

    /// A file that grows is told from others by more and more bytes.
    fn identify(&mut self, source: &Source) {
        if let (Some(mark), Some((_, head))) = (&mut self.mark, source.identity()) {
            mark.place.head = head;
        }
    }

    /// So many bytes were read.
    fn came(&mut self, count: usize) {
        self.unsent.add(count);
        self.bytes = self.bytes.saturating_add(count as u64);
        self.count();
    }

    /// Tells the metrics of what was read, once it is this lot's turn.
    fn count(&mut self) {
        if !matches!(self.turn, Turn::Next { dealer: None, .. }) {
            self.metrics.input_bytes(self.bytes - self.counted);
            self.counted = self.bytes;
        }
    }

    /// Takes what is complete by its line.
    fn push_ready(&mut self, decoder: &mut RecordDecoder, buffer: &mut BytesMut) {
        while let Ok(Some(batch)) = decoder.decode(buffer) {
            self.push_batch(batch, decoder);
        }
    }

    /// Takes what is complete, be it in a line that goes on.
    fn push_flushed(&mut self, decoder: &mut RecordDecoder, buffer: &mut BytesMut) {
        self.push_ready(decoder, buffer);
        while let Some(batch) = decoder.flush(buffer) {
            self.push_batch(batch, decoder);
        }
    }

    /// Takes everything: the source has ended.
    fn push_last(&mut self, decoder: &mut RecordDecoder, buffer: &mut BytesMut) {
        while let Ok(Some(batch)) = decoder.decode_eof(buffer) {
            self.push_batch(batch, decoder);
        }
    }

    fn push_batch(&mut self, batch: Batch, decoder: &RecordDecoder) {
        if let Some(mark) = &mut self.mark {
            mark.form = decoder.form();
            if decoder.could_begin_behind(&batch) {
                mark.place.offset = batch.offset.saturating_add(batch.bytes.len() as u64);
                mark.done = 0;
            } else {
                mark.done = mark.done.saturating_add(frames_in(&batch));
            }
        }
        if let Some(batch) = self.leave_out(batch) {
            self.push(Ok(batch));
        }
    }

    /// Takes the frames from a batch that an earlier run is done with.
    fn leave_out(&mut self, mut batch: Batch) -> Option<Batch> {
        if self.left_out == 0 {
            return Some(batch);
        }
        frame(&mut batch, self.max_record_bytes);
        let out = self.left_out.min(frames_in(&batch));
        self.left_out -= out;
        match &mut batch.content {
            BatchContent::Frames(frames) => {
                frames.drain(..usize::try_from(out).unwrap_or(usize::MAX).min(frames.len()));
                Some(batch)
            }
            BatchContent::Lines | BatchContent::Document | BatchContent::Oversize(_) => None,
        }
    }

    /// Takes a batch, or the failure that ends its source.
    pub(super) fn push(&mut self, work: Result<Batch, SourceError>) {
        let first = std::mem::take(&mut self.first);
        self.bundle.push(Job {
            source: Arc::clone(&self.source),
            lane: self.lane,
            first,
            mark: self.position(),
            promise: None,
            work,
        });
    }

    /// The host gets an answer to what was pushed last, once this holds.
    fn promise(&mut self, promise: Promise) {
        if let Some(job) = self.bundle.last_mut() {
            job.promise = Some(promise);
        }
    }

    /// Sends the bundle if it is large enough, or the first of it has waited long enough, or the next
    /// source begins in another buffer: a bundle has no more than one.
    fn send_if_due(&mut self, flush_interval: Duration, has_room: bool) -> Flow {
        let is_large = self.unsent.bytes >= BATCH_BYTES;
        if is_large || self.unsent.is_due(flush_interval) || !has_room {
            self.send()
        } else {
            Flow::GoOn
        }
    }

    /// Deals the bundle out, or holds it as long as it is another lot's turn.
    pub(super) fn send(&mut self) -> Flow {
        self.unsent = Unsent::default();
        let bundle = std::mem::take(&mut self.bundle);
        if !bundle.is_empty() {
            self.held_bytes += bundle.iter().map(weight).sum::<usize>();
            self.held.push_back(bundle);
        }
        if let Turn::Next { turn, dealer } = &mut self.turn
            && dealer.is_none()
        {
            if self.held_bytes >= HELD_BYTES {
                return self.take_turn();
            }
            *dealer = turn.try_recv().ok();
        }
        self.deal()
    }

    /// Waits until everything before this lot was dealt out, and deals out what is held.
    fn take_turn(&mut self) -> Flow {
        if let Turn::Next { turn, dealer } = &mut self.turn
            && dealer.is_none()
        {
            *dealer = turn.recv().ok();
            if dealer.is_none() {
                return Flow::Stop;
            }
        }
        self.deal()
    }

    fn deal(&mut self) -> Flow {
        self.count();
        let mut shared;
        let dealer = match &mut self.turn {
            Turn::Next { dealer: None, .. } => return Flow::GoOn,
            Turn::Next {
                dealer: Some(dealer),
                ..
            } => dealer,
            Turn::Any(dealer) => {
                shared = dealer.lock().unwrap_or_else(PoisonError::into_inner);
                &mut *shared
            }
        };
        self.held_bytes = 0;
        while let Some(bundle) = self.held.pop_front() {
            if dealer.send(bundle) == Flow::Stop {
                return Flow::Stop;
            }
        }
        Flow::GoOn
    }

    /// It is the next lot's turn. When there is none, the workers see the end of the input.
    fn pass_on(self, next_turn: &Sender<Dealer>) {
        if let Turn::Next {
            dealer: Some(dealer),
            ..
        } = self.turn
        {
            let (Ok(()) | Err(_)) = next_turn.send(dealer);
        }
    }
}

/// How many frames are whole with this batch; those of lines are not known.
fn frames_in(batch: &Batch) -> u64 {
    match &batch.content {
        BatchContent::Frames(frames) => frames.len() as u64,
        BatchContent::Oversize(OversizePart::Last) => 1,
        BatchContent::Oversize(_) | BatchContent::Lines | BatchContent::Document => 0,
    }
}

/// About how much memory a job takes.
fn weight(job: &Job) -> usize {
    job.work.as_ref().map_or(0, |batch| {
        let frames = match &batch.content {
            BatchContent::Frames(frames) => frames.len(),
            BatchContent::Lines | BatchContent::Document | BatchContent::Oversize(_) => 0,
        };
        batch.bytes.len() + frames * size_of::<Frame>()
    })
}
