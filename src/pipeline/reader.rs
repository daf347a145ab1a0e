//! Reads one source and makes batches of it.
//!
//! In → out: a source that is open; batches of it, to its [`Target`].
//!
//! Invariants: **What was read is to be sent** when it is large enough, when the input has paused for the
//! flush interval, or when it has ended: then [`Reader::read_on`] returns.
//!
//! Not here: which sources there are (`lots`, `follow`, `listen`), opening and decompressing them
//! (`source`), cutting (`framing`), what becomes of batches (`target`).
//!
//! Failure: a source that fails ends there, as if the input ended; the failure is sent in its place
//! among the batches, and the next source goes on. On a stop the unfinished record is left behind, and
//! its bytes are counted.

mod exchange;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;

use super::buffers::{Buffers, has_room};
use super::target::Target;
use crate::config::{self, Config, Validate};
use crate::framing::{InputForm, RecordDecoder};
use crate::metrics::Metrics;
use crate::source::{Read, Source, SourceError, StopSignal};

/// A buffer with so many unsent bytes is worth a bundle: a worker needs some 100 µs for it, a
/// channel's cost is then nothing, and it stays in the second-level cache. The usual buffer has hardly
/// room for more, as one read(2) of a file fills it.
pub(super) const BATCH_BYTES: usize = 256 * 1024;

/// A source begins in the buffer of the one before when there is so much room.
const LEAST_ROOM: usize = 64 * 1024;

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
    /// Bytes of records that were under way when the run was stopped.
    unfinished_bytes: AtomicU64,
}

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    GoOn,
    Stop,
}

impl<'a> Reading<'a> {
    /// `progress` is told how many raw bytes came.
    pub(super) fn new(
        config: &Config,
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
            unfinished_bytes: AtomicU64::new(0),
        }
    }

    /// What workers give back and readers fill again.
    pub(super) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// A stop has left behind so many bytes of a record.
    pub(super) fn left_unfinished(&self, bytes: usize) {
        self.unfinished_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes of all records that a stop has left behind.
    pub(super) fn unfinished_bytes(&self) -> u64 {
        self.unfinished_bytes.load(Ordering::Relaxed)
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
}

/// One reader, with what it takes from source to source.
pub(super) struct Reader<'a> {
    common: &'a Reading<'a>,
    buffer: BytesMut,
    /// A source that sends nothing for so long is at its end; zero is never.
    idle_timeout: Duration,
}

/// A source that is being read.
pub(super) struct OpenSource {
    pub(super) source: Source,
    pub(super) decoder: RecordDecoder,
    /// So much room is wanted for what comes next.
    room: usize,
    told: Told,
}

/// Why no more is read for now.
pub(super) enum Due {
    /// What was pushed is to be sent.
    Batches,
    /// The source has ended, with what was pushed last.
    End,
    /// The run is stopped, and has left behind so many bytes of a record.
    Stop(usize),
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
            idle_timeout: Duration::ZERO,
        }
    }

    pub(super) fn with_idle_timeout(self, idle_timeout: Duration) -> Self {
        Self {
            idle_timeout,
            ..self
        }
    }

    /// Begins to read a source.
    pub(super) fn begin(
        &mut self,
        mut source: Source,
        start: Start,
        target: &mut Target<'_>,
    ) -> OpenSource {
        target.begin(&source, start);
        source.limit_growth(self.common.max_inflate_ratio);
        self.buffer.clear();
        OpenSource {
            source,
            decoder: self.common.decoder(start, target),
            room: LEAST_ROOM,
            told: Told::default(),
        }
    }

    /// Reads a source to its end, and sends what it gives.
    pub(super) fn read(&mut self, open: &mut OpenSource, target: &mut Target<'_>) -> Flow {
        loop {
            match self.read_on(open, target) {
                Due::Batches => {
                    if target.send() == Flow::Stop {
                        return Flow::Stop;
                    }
                }
                Due::End => return target.send(),
                Due::Stop(unfinished_bytes) => {
                    self.common.left_unfinished(unfinished_bytes);
                    target.send();
                    return Flow::Stop;
                }
            }
        }
    }

    /// Reads until there is something to send, and pushes it.
    pub(super) fn read_on(&mut self, open: &mut OpenSource, target: &mut Target<'_>) -> Due {
        let common = self.common;
        let OpenSource {
            source,
            decoder,
            room,
            told,
        } = open;
        let may_fill = self.make_room(std::mem::replace(room, BATCH_BYTES));
        loop {
            let idle_timeout = Some(self.idle_timeout).filter(|time| !time.is_zero());
            let unsent = target.unsent.wait(common.flush_interval);
            let read = self.read_more(source, may_fill, unsent.or(idle_timeout));
            told.tell(source, common);
            target.identify(source);
            match read {
                Ok(Read::Bytes(count)) => {
                    target.came(count);
                    if target.unsent.is_due(common.flush_interval) {
                        target.push_flushed(decoder, &mut self.buffer);
                    } else if target.unsent.bytes >= BATCH_BYTES {
                        target.push_ready(decoder, &mut self.buffer);
                    } else {
                        continue;
                    }
                    return Due::Batches;
                }
                Ok(Read::Idle) if unsent.is_none() => {
                    target.push_last(decoder, &mut self.buffer);
                    return Due::End;
                }
                Ok(Read::Idle) => {
                    target.push_flushed(decoder, &mut self.buffer);
                    return Due::Batches;
                }
                Ok(Read::Stopped) => {
                    target.push_flushed(decoder, &mut self.buffer);
                    return Due::Stop(decoder.unfinished_bytes(&self.buffer));
                }
                Ok(Read::End) if source.was_truncated() => {
                    target.push_flushed(decoder, &mut self.buffer);
                    return Due::End;
                }
                ended @ (Ok(Read::End) | Err(_)) => {
                    target.push_last(decoder, &mut self.buffer);
                    if let Err(error) = ended {
                        target.push(Err(error));
                    }
                    return Due::End;
                }
            }
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

    /// Takes what a source has left unfinished that was truncated, as nothing goes on with it.
    pub(super) fn finish(&mut self, mut decoder: RecordDecoder, target: &mut Target<'_>) {
        target.push_last(&mut decoder, &mut self.buffer);
    }

    /// Whether another source may begin behind what was read.
    pub(super) fn has_room(&self) -> bool {
        has_room(&self.buffer, LEAST_ROOM)
    }

    /// Has its buffer filled again as soon as what it read is done with.
    pub(super) fn give_back(&mut self) {
        self.common.buffers.put(std::mem::take(&mut self.buffer));
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
