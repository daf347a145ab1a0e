//! Makes bundles of what was read.
//!
//! In → out: the batches of one lot, or of one input that lasts; bundles of them.
//!
//! Invariants: **Each batch has its place in its source with it.**
//!
//! Not here: when it is time for a bundle (`reader`, `open_lot`), order (`turns`), the work (`bundle`).
//!
//! Failure: none; when nobody takes bundles any more, the reader is told to stop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio_util::codec::Decoder;

use super::Mark;
use super::bundle::{Bundle, Dealt, Job};
use super::reader::{BATCH_BYTES, Flow, Reading, Start};
use super::turns::{Outbox, Turn};
use crate::ack::Promise;
use crate::framing::{Batch, BatchContent, OversizePart, RecordDecoder};
use crate::source::{Place, Source, SourceError};

/// Where the batches of one lot, or of one input that lasts, go.
pub(super) struct Target<'a> {
    pub(super) outbox: Outbox<'a>,
    /// The next bundle.
    pub(super) bundle: Bundle,
    pub(super) unsent: Unsent,
    common: &'a Reading<'a>,
    /// Whose record numbers these are, of sources whose records come in any order.
    lane: usize,
    source: Arc<str>,
    first: bool,
    /// How far the source was looked at, when that is to be kept.
    pub(super) mark: Option<Mark>,
    /// So many frames are still to be left out.
    left_out: u64,
}

impl<'a> Target<'a> {
    pub(super) fn new(turn: Turn<'a>, common: &'a Reading<'a>) -> Self {
        Self {
            outbox: Outbox::new(turn, common.metrics),
            bundle: Bundle::new(),
            unsent: Unsent::default(),
            common,
            lane: 0,
            source: Arc::from(""),
            first: true,
            mark: None,
            left_out: 0,
        }
    }

    /// The same target for one of several sources whose records come in any order.
    pub(super) fn in_lane(self, lane: usize) -> Self {
        Self { lane, ..self }
    }

    /// From now on what is pushed belongs to this source.
    pub(super) fn begin(&mut self, source: &Source, start: Start) {
        self.source = Arc::from(source.name());
        self.first = start.records.is_some();
        self.left_out = start.done;
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
    pub(super) fn identify(&mut self, source: &Source) {
        if let (Some(mark), Some((_, head))) = (&mut self.mark, source.identity()) {
            mark.place.head = head;
        }
    }

    /// So many bytes were read.
    pub(super) fn came(&mut self, count: usize) {
        self.unsent.add(count);
        self.outbox.came(count);
    }

    /// Takes what is complete by its line.
    pub(super) fn push_ready(&mut self, decoder: &mut RecordDecoder, buffer: &mut BytesMut) {
        while let Ok(Some(batch)) = decoder.decode(buffer) {
            self.push_batch(batch, decoder);
        }
    }

    /// Takes what is complete, be it in a line that goes on.
    pub(super) fn push_flushed(&mut self, decoder: &mut RecordDecoder, buffer: &mut BytesMut) {
        self.push_ready(decoder, buffer);
        while let Some(batch) = decoder.flush(buffer) {
            self.push_batch(batch, decoder);
        }
    }

    /// Takes everything: the source has ended.
    pub(super) fn push_last(&mut self, decoder: &mut RecordDecoder, buffer: &mut BytesMut) {
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
        frame(&mut batch, self.common.max_record_bytes);
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
    pub(super) fn promise(&mut self, promise: Promise) {
        if let Some(job) = self.bundle.last_mut() {
            job.promise = Some(promise);
        }
    }

    /// Whether it is time to send what there is: it is enough, or the first of it has waited long
    /// enough.
    pub(super) fn is_due(&self) -> bool {
        self.unsent.bytes >= BATCH_BYTES || self.unsent.is_due(self.common.flush_interval)
    }

    /// Takes what there is, to be sent by its taker.
    pub(super) fn take_bundle(&mut self) -> Bundle {
        self.unsent = Unsent::default();
        std::mem::take(&mut self.bundle)
    }

    /// Sends what there is to the workers.
    pub(super) fn send(&mut self) -> Flow {
        let bundle = self.take_bundle();
        if bundle.is_empty() {
            Flow::GoOn
        } else {
            self.outbox.put(Dealt::Bundle(bundle))
        }
    }
}

/// Bytes that were read since the last bundle was sent.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    pub(super) bytes: usize,
    /// When the first of them came.
    since: Option<Instant>,
}

impl Unsent {
    fn add(&mut self, count: usize) {
        self.bytes += count;
        self.since.get_or_insert_with(Instant::now);
    }

    /// How long more bytes may be waited for; for ever, when nothing is held.
    pub(super) fn wait(&self, flush_interval: Duration) -> Option<Duration> {
        self.since
            .map(|since| flush_interval.saturating_sub(since.elapsed()))
    }

    pub(super) fn is_due(&self, flush_interval: Duration) -> bool {
        self.since
            .is_some_and(|since| since.elapsed() >= flush_interval)
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

/// Frames a batch that is not looked into yet.
fn frame(batch: &mut Batch, max_record_bytes: usize) {
    if let BatchContent::Lines | BatchContent::Document = batch.content {
        let mut frames = Vec::new();
        batch.frame(max_record_bytes, &mut frames);
        batch.content = BatchContent::Frames(frames);
    }
}
