//! What becomes of one batch: the lines to write, the rejects between them, and the counts.
//!
//! In → out: ranges of a batch's bytes, each with what is to become of it ([`Lines`]); an
//! [`Output`], which the writer takes.
//!
//! Invariants: **Lines are in the order in which they were put.** Every record that is put is
//! counted.
//!
//! Not here: what is to become of a record (`worker`), the lines of rejects (`encode::reject`).
//!
//! Failure: none.
//!
//! Cost: a run of records that stand in the batch as they are to be written is one copy.

use std::ops::Range;

use crate::config::Select;
use crate::encode::reject::Detail;
use crate::encode::{copy, splice, splice_objects};
use crate::enrich::{Enrichment, operation};
use crate::framing::{OversizePart, RejectReason};
use crate::metrics::{Counts, Enriched};

/// What became of one batch.
#[derive(Debug, Default)]
pub struct Output {
    /// The records to write, a line each.
    pub lines: Vec<u8>,
    /// The rejects, in order.
    pub rejects: Vec<PendingReject>,
    /// The bytes of all rejects, one after the other: an allocation for each would take many times
    /// the memory of a batch of nothing but short ones.
    pub raw: Vec<u8>,
    /// What happened.
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
    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.rejects.clear();
        self.raw.clear();
        self.counts.clear();
        self.oversize = None;
    }

    /// About how much memory it holds.
    pub(super) fn held_bytes(&self) -> usize {
        let rejects = self.rejects.len() * size_of::<PendingReject>();
        self.lines.len() + self.raw.len() + rejects
    }
}

/// What is counted of an event.
pub(super) fn facts(enrichment: &Enrichment<'_>) -> Enriched {
    Enriched {
        operation: operation::label_index(enrichment.call.operation),
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
    output: &'a mut Output,
}

impl<'a> Lines<'a> {
    /// Nothing of a batch's `bytes` is put yet.
    pub(super) fn of(bytes: &'a [u8], select: Select, output: &'a mut Output) -> Self {
        Self {
            bytes,
            untouched: 0..0,
            select,
            output,
        }
    }

    /// Puts a record that stays as it is.
    pub(super) fn passed(&mut self, record: Range<usize>, spans_lines: bool) {
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
        self.line(record, spans_lines);
        splice(enrichment, &mut self.output.lines);
        self.output.lines.push(b'\n');
        self.output.counts.enriched(facts(enrichment), now_ms);
    }

    /// Puts a record with the objects of `events` in it, which are counted already.
    pub(super) fn holding(
        &mut self,
        record: Range<usize>,
        spans_lines: bool,
        (objects, events): (&[u8], usize),
    ) {
        self.line(record, spans_lines);
        splice_objects(objects, events > 1, &mut self.output.lines);
        self.output.lines.push(b'\n');
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
            record: output.counts.read(),
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

    /// The counts, for what is counted without being put.
    pub(super) fn counts(&mut self) -> &mut Counts {
        &mut self.output.counts
    }

    /// Where the records that are in one of these go, in its place.
    pub(super) fn output(&mut self) -> &mut Output {
        self.copy_untouched();
        self.output
    }

    /// Has everything that was put in the output.
    pub(super) fn finish(mut self) {
        self.copy_untouched();
    }

    fn line(&mut self, record: Range<usize>, spans_lines: bool) {
        self.copy_untouched();
        let record = self.bytes.get(record).unwrap_or_default();
        if spans_lines {
            copy(record, &mut self.output.lines);
        } else {
            self.output.lines.extend_from_slice(record);
        }
    }

    fn copy_untouched(&mut self) {
        let untouched = std::mem::take(&mut self.untouched);
        let lines = self.bytes.get(untouched).unwrap_or_default();
        self.output.lines.extend_from_slice(lines);
    }
}
