//! What becomes of one batch: the lines to write, the rejects between them, and the counts.
//!
//! In → out: ranges of a batch's bytes, each with what is to become of it (`Lines`); an
//! [`Output`], which the writer takes.
//!
//! Invariants: **Lines are in the order in which they were put.** Every record that is put is
//! counted, or has a [`Place`] and is counted when it leaves.
//!
//! Not here: what is to become of a record (`worker`), the lines of rejects (`encode::reject`),
//! what a place is for (`arranger`).
//!
//! Failure: none.
//!
//! Cost: a run of records that stand in the batch as they are to be written is one copy.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::mpsc::Receiver;

use super::arranger::{Arrival, Fate, Place};
use crate::config::Select;
use crate::decode::key::KeyReader;
use crate::encode::reject::Detail;
use crate::encode::{MEMBER, copy, splice, splice_objects};
use crate::enrich::Enrichment;
use crate::framing::{OversizePart, RejectReason};
use crate::metrics::{Counts, Enriched};

/// What became of one batch.
#[derive(Debug, Default)]
pub struct Output {
    /// The records to write, a line each.
    pub lines: Vec<u8>,
    /// Where in the lines the `cloudhsm` objects are that were put there.
    pub objects: Vec<Range<usize>>,
    /// The rejects, in order.
    pub rejects: Vec<PendingReject>,
    /// The bytes of all rejects, one after the other: an allocation for each would take many times
    /// the memory of a batch of nothing but short ones.
    pub raw: Vec<u8>,
    /// The records whose place the writer decides, in order; those that are not here leave where
    /// they stand. Empty unless keys are read.
    pub places: VecDeque<Place>,
    /// What happened to all but the places.
    pub counts: Counts,
    /// The batch is a part of a record that is too long to be held.
    pub oversize: Option<Oversize>,
}

/// A reject that waits for its record number.
#[derive(Debug, PartialEq, Eq)]
pub struct PendingReject {
    /// Its place: so many bytes of [`Output::lines`] stand before it.
    pub after: usize,
    /// Its number in the batch, from 1.
    pub record: u64,
    /// Where it starts in the source.
    pub offset: u64,
    /// Why.
    pub reason: RejectReason,
    /// Why, in words.
    pub detail: Detail,
    /// How many bytes of [`Output::raw`] are its own.
    pub length: usize,
}

/// A part of a record that is too long to be held.
#[derive(Debug, PartialEq, Eq)]
pub struct Oversize {
    /// Which part.
    pub part: OversizePart,
    /// Where the part starts in the source.
    pub offset: u64,
    /// Its bytes.
    pub raw: Vec<u8>,
}

impl Output {
    /// How many records of the batch were taken so far, whatever became of them.
    pub fn read(&self) -> u64 {
        self.counts.read() + self.places.len() as u64
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.objects.clear();
        self.rejects.clear();
        self.raw.clear();
        self.places.clear();
        self.counts.clear();
        self.oversize = None;
    }

    /// Makes room for the lines of a batch of so many bytes.
    pub(super) fn make_room(&mut self, bytes: usize) {
        self.lines.reserve_exact(room(bytes));
    }

    /// Whether its buffers are not much too large for a batch of so many bytes: each of many small
    /// batches in a bundle would otherwise keep as much as the largest batch there was.
    fn fits(&self, bytes: usize) -> bool {
        self.lines.capacity().max(self.raw.capacity()) <= 2 * room(bytes)
    }

    /// About how much memory it takes, filled or not.
    fn kept_bytes(&self) -> usize {
        memory_of(
            self.lines.capacity() + self.raw.capacity(),
            self.rejects.capacity(),
            self.places.capacity(),
            self.objects.capacity(),
        )
    }

    /// About how much memory it holds.
    pub(super) fn held_bytes(&self) -> usize {
        memory_of(
            self.lines.len() + self.raw.len(),
            self.rejects.len(),
            self.places.len(),
            self.objects.len(),
        )
    }
}

/// The memory of an output with so many of each. Of a short line that has an output of its own the
/// counts are the most.
const fn memory_of(bytes: usize, rejects: usize, places: usize, objects: usize) -> usize {
    size_of::<Output>()
        + bytes
        + rejects * size_of::<PendingReject>()
        + places * size_of::<Place>()
        + objects * size_of::<Range<usize>>()
}

/// Outputs that wait to be filled again have room for about so much at most, unless the next bundle has
/// more batches: what may be under way.
const KEPT_BYTES: usize = 4 << 20;

/// Outputs that were written, for their worker to fill again.
pub(super) struct Returned {
    back: Receiver<Output>,
    waiting: Vec<Output>,
    /// Each batch of the bundle needs one for itself.
    are_shared_out: bool,
}

impl Returned {
    /// Those that come `back`.
    pub(super) fn new(back: Receiver<Output>) -> Self {
        Self {
            back,
            waiting: Vec::new(),
            are_shared_out: false,
        }
    }

    /// Takes those that came back, for a bundle of so many batches, and gives all but a few to the
    /// system: more would take turns, until each is as large as the largest batch.
    pub(super) fn get_ready(&mut self, batches: usize) {
        self.waiting.extend(self.back.try_iter());
        let mut bytes = 0;
        let kept = self.waiting.iter().take_while(|output| {
            bytes += output.kept_bytes();
            bytes <= KEPT_BYTES
        });
        let kept = kept.count().max(batches);
        self.waiting.truncate(kept);
        self.are_shared_out = batches > 1;
    }

    /// One for a batch of so many bytes. A batch that is alone takes whichever came back: what comes
    /// and goes in several sizes leaves gaps, and memory grows for hours.
    pub(super) fn for_batch(&mut self, bytes: usize) -> Output {
        if !self.are_shared_out {
            return self.next();
        }
        let fitting = self.waiting.iter().position(|output| output.fits(bytes));
        let fitting = fitting.map(|place| self.waiting.swap_remove(place));
        fitting.unwrap_or_default()
    }

    /// Whichever came back, also since, or a new one.
    pub(super) fn next(&mut self) -> Output {
        let waiting = self.waiting.pop();
        waiting
            .or_else(|| self.back.try_recv().ok())
            .unwrap_or_default()
    }
}

/// The usual room for the lines of a batch of so many bytes. It comes in few sizes, so that what one
/// buffer gives back fits the next: gaps of all sizes would make memory grow for hours.
fn room(bytes: usize) -> usize {
    let enriched = bytes.saturating_add(bytes / 4);
    enriched.checked_next_power_of_two().unwrap_or(enriched)
}

/// What the events in one record gain.
#[derive(Default)]
pub(super) struct Held<'t> {
    /// The `cloudhsm` objects, with commas between.
    pub(super) objects: Vec<u8>,
    /// What is counted of each.
    pub(super) facts: Vec<Enriched>,
    /// The only record inside.
    pub(super) only_event: Option<&'t [u8]>,
}

/// What is counted of an event.
pub(super) fn facts(enrichment: &Enrichment<'_>) -> Enriched {
    Enriched {
        operation: enrichment.call.label,
        outcome: enrichment.outcome,
        severity: enrichment.severity,
        kind: enrichment.actor.kind,
        credential: enrichment.actor.credential,
        event_time_ms: enrichment.time_ms,
    }
}

/// Puts the records of one batch, or of a text in one of them, into its [`Output`].
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    /// Lines to pass on that stand in `bytes` as they are to be written, and are not copied yet.
    untouched: Range<usize>,
    select: Select,
    /// Reads what decides a record's place; none when no record has one.
    keys: Option<&'a mut KeyReader>,
    output: &'a mut Output,
}

impl<'a> Lines<'a> {
    /// Nothing of a batch's `bytes` is put yet.
    pub(super) fn of(
        bytes: &'a [u8],
        select: Select,
        keys: Option<&'a mut KeyReader>,
        output: &'a mut Output,
    ) -> Self {
        Self {
            bytes,
            untouched: 0..0,
            select,
            keys,
            output,
        }
    }

    /// Puts a record that stays as it is.
    pub(super) fn passed(&mut self, record: Range<usize>, spans_lines: bool) {
        if let Some(arrival) = self.arrival(&record) {
            let start = self.line(record, spans_lines);
            self.output.lines.push(b'\n');
            self.place(start, Fate::Passed, arrival);
            return;
        }
        self.output.counts.passed();
        if spans_lines || self.bytes.get(record.end) != Some(&b'\n') {
            self.line(record, spans_lines);
            self.output.lines.push(b'\n');
            return;
        }
        if self.untouched.end != record.start {
            self.copy_untouched();
            self.untouched.start = record.start;
        }
        self.untouched.end = record.end + 1;
    }

    /// Puts a record with its enrichment. `now_ms` is the time in milliseconds since 1970.
    pub(super) fn enriched(
        &mut self,
        record: Range<usize>,
        spans_lines: bool,
        enrichment: &Enrichment<'_>,
        now_ms: i64,
    ) {
        let arrival = self.arrival(&record);
        let start = self.line(record, spans_lines);
        let record_end = self.output.lines.len();
        splice(enrichment, &mut self.output.lines);
        self.note_object(record_end);
        self.output.lines.push(b'\n');
        let fate = Fate::Enriched(facts(enrichment), now_ms);
        match arrival {
            Some(arrival) => self.place(start, fate, arrival),
            None => fate.count(&mut self.output.counts),
        }
    }

    /// Puts a record with what the events in it gain, at the time `now_ms`. If there is only one,
    /// the record is a repeat when that is, and as old.
    pub(super) fn holding(
        &mut self,
        record: Range<usize>,
        spans_lines: bool,
        held: &Held<'_>,
        now_ms: i64,
    ) {
        let arrival = held.only_event.zip(self.keys.as_mut());
        let arrival = arrival.and_then(|(event, keys)| Arrival::of(event, keys));
        let start = self.line(record, spans_lines);
        if !held.facts.is_empty() {
            let record_end = self.output.lines.len();
            splice_objects(&held.objects, held.facts.len() > 1, &mut self.output.lines);
            self.note_object(record_end);
        }
        self.output.lines.push(b'\n');
        let (fate, others) = match held.facts.split_first() {
            Some((first, others)) => (Fate::Enriched(*first, now_ms), others),
            None => (Fate::Passed, &[][..]),
        };
        for event in others {
            self.output.counts.event(*event, now_ms);
        }
        match arrival {
            Some(arrival) => self.place(start, fate, arrival),
            None => fate.count(&mut self.output.counts),
        }
    }

    /// Puts a record that is no CloudHSM event, or only counts it.
    pub(super) fn other(&mut self, record: Range<usize>, spans_lines: bool) {
        match self.select {
            Select::All => self.passed(record, spans_lines),
            Select::CloudHsm => self.output.counts.filtered(),
        }
    }

    /// Puts a reject. `offset` is where it starts in its source.
    pub(super) fn rejected(
        &mut self,
        range: Range<usize>,
        offset: u64,
        reason: RejectReason,
        detail: Detail,
    ) {
        self.copy_untouched();
        let output = &mut *self.output;
        output.counts.rejected(reason);
        let raw = self.bytes.get(range).unwrap_or_default();
        output.raw.extend_from_slice(raw);
        output.rejects.push(PendingReject {
            after: output.lines.len(),
            record: output.read(),
            offset,
            reason,
            detail,
            length: raw.len(),
        });
    }

    /// Puts a part of a record that is too long to be held, which is all of the batch.
    pub(super) fn oversize(&mut self, part: OversizePart, offset: u64) {
        if part == OversizePart::Last {
            self.output.counts.rejected(RejectReason::Oversize);
        }
        self.output.oversize = Some(Oversize {
            part,
            offset,
            raw: self.bytes.to_vec(),
        });
    }

    /// How many records of the batch were put so far.
    pub(super) fn read(&self) -> u64 {
        self.output.read()
    }

    /// The counts, for what is counted without being put.
    pub(super) fn counts(&mut self) -> &mut Counts {
        &mut self.output.counts
    }

    /// Where the records that are in one of these go, in its place, and what reads their keys.
    pub(super) fn inside(&mut self) -> (Option<&mut KeyReader>, &mut Output) {
        self.copy_untouched();
        (self.keys.as_deref_mut(), self.output)
    }

    /// Has everything that was put in the output.
    pub(super) fn finish(mut self) {
        self.copy_untouched();
    }

    /// Notes the object that was put into the record at the end of the lines, which ended here.
    fn note_object(&mut self, record_end: usize) {
        let brace = 1;
        let start = record_end - brace + MEMBER.len();
        let end = self.output.lines.len() - brace;
        self.output.objects.push(start..end);
    }

    fn arrival(&mut self, record: &Range<usize>) -> Option<Arrival> {
        let keys = self.keys.as_mut()?;
        Arrival::of(self.bytes.get(record.clone())?, keys)
    }

    /// Leaves the record whose line begins at `start`, and is the last one, to the writer.
    fn place(&mut self, start: usize, fate: Fate, arrival: Arrival) {
        self.output.places.push_back(Place {
            line: start..self.output.lines.len(),
            fate,
            arrival,
        });
    }

    /// Copies a record, and returns where it begins in the output.
    fn line(&mut self, record: Range<usize>, spans_lines: bool) -> usize {
        self.copy_untouched();
        let start = self.output.lines.len();
        let record = self.bytes.get(record).unwrap_or_default();
        if spans_lines {
            copy(record, &mut self.output.lines);
        } else {
            self.output.lines.extend_from_slice(record);
        }
        start
    }

    fn copy_untouched(&mut self) {
        let untouched = std::mem::take(&mut self.untouched);
        let lines = self.bytes.get(untouched).unwrap_or_default();
        self.output.lines.extend_from_slice(lines);
    }
}
