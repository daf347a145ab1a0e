//! Takes one batch through copy → decode → enrich → splice.
//!
//! In → out: a [`Batch`] of frames or of whole lines; an [`Output`]: the lines to write, the
//! rejects that stand between them, and the counts.
//!
//! Invariants: **Every frame is counted once and is in the output once**, unless the user selected
//! others or drops rejects. **What a record's verdict is depends on its own bytes alone.**
//!
//! Not here: the order of batches, and the numbers of records, which need that order (`pipeline`);
//! the lines of rejects (`encode::reject`).
//!
//! Failure: none; a bad record is a reject.
//!
//! Cost: a record that cannot concern CloudHSM is scanned once for its structure, once for
//! `cloudhsm`, once for JSON's grammar, and copied once. Nothing is allocated for a record in the
//! steady state, rejects and policies aside, and with `Validate::Matching` a stack of at most 128
//! bytes for a record behind unchecked ones; `tests/allocations.rs` counts.

mod opened;

use std::ops::Range;

use super::Limits;
use super::opener::Opener;
use crate::config::{Select, Validate};
use crate::decode::grammar::{self, Defect, RunCheck};
use crate::decode::prefilter::Prefilter;
use crate::decode::{DecodeError, EventDecoder};
use crate::encode::reject::Detail;
use crate::encode::{copy, splice};
use crate::enrich::{Enrichment, enrich, operation};
use crate::framing::{
    Batch, BatchContent, Damage, Frame, FrameKind, OversizePart, RejectReason, frame_lines,
};
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
    fn clear(&mut self) {
        self.lines.clear();
        self.rejects.clear();
        self.raw.clear();
        self.counts.clear();
        self.oversize = None;
    }

    fn passed(&mut self, frame: &[u8]) {
        copy(frame, &mut self.lines);
        self.lines.push(b'\n');
        self.counts.passed();
    }

    fn enriched(&mut self, frame: &[u8], enrichment: &Enrichment<'_>, now_ms: i64) {
        copy(frame, &mut self.lines);
        splice(enrichment, &mut self.lines);
        self.lines.push(b'\n');
        self.counts.enriched(facts(enrichment), now_ms);
    }
}

/// What is counted of an event.
fn facts(enrichment: &Enrichment<'_>) -> Enriched {
    Enriched {
        operation: operation::label_index(enrichment.call.operation),
        outcome: enrichment.outcome,
        severity: enrichment.severity,
        kind: enrichment.actor.kind,
        credential: enrichment.actor.credential,
        event_time_ms: enrichment.time_ms,
    }
}

/// One worker: its limits and its reusable buffers.
pub struct Worker {
    limits: Limits,
    decoder: EventDecoder,
    frames: Vec<Frame>,
}

impl Worker {
    /// A worker that keeps to `limits`.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            decoder: EventDecoder::new(),
            frames: Vec::new(),
        }
    }

    /// Fills `output`, whose buffers are reused, with what becomes of `batch`. `now_ms` is the time
    /// in milliseconds since 1970, for the delivery delay, which goes into the counts only.
    pub fn process(&mut self, batch: Batch, now_ms: i64, output: &mut Output) {
        output.clear();
        let Batch {
            mut bytes,
            offset,
            content,
        } = batch;
        let mut frames = std::mem::take(&mut self.frames);
        match content {
            BatchContent::Lines => {
                frames.clear();
                frame_lines(&bytes, self.limits.max_record_bytes, &mut frames);
            }
            BatchContent::Frames(found) => {
                frames = found;
                blank_gaps(&mut bytes, &frames);
            }
            BatchContent::Oversize(part) => {
                if part == OversizePart::Last {
                    output.counts.rejected(RejectReason::Oversize);
                }
                output.oversize = Some(Oversize {
                    part,
                    offset,
                    raw: bytes.to_vec(),
                });
                frames.clear();
            }
        }
        let mut run = Run {
            limits: self.limits,
            decoder: &mut self.decoder,
            bytes: &bytes,
            offset,
            opener: Some(Opener::new(self.limits.max_record_bytes)),
            now_ms,
            prefilter: Prefilter::new(&bytes),
            grammar: RunCheck::new(&bytes),
            output,
        };
        for frame in &frames {
            run.take(frame);
            if run.is_stopped() {
                break;
            }
        }
        self.frames = frames;
    }
}

/// Makes what stands between the frames of a document white space, so that the grammar check can
/// go on from frame to frame instead of beginning anew.
fn blank_gaps(bytes: &mut [u8], frames: &[Frame]) {
    for pair in frames.windows(2) {
        if let [before, after] = pair
            && let Some(gap) = bytes.get_mut(before.range.end..after.range.start)
        {
            gap.fill(b' ');
        }
    }
}

/// Why a record is rejected.
type Rejected = (RejectReason, Detail);

/// One batch under way.
struct Run<'a> {
    limits: Limits,
    decoder: &'a mut EventDecoder,
    bytes: &'a [u8],
    offset: u64,
    /// Nothing for the bytes of a record that was opened: they stand at `offset` as a whole, and
    /// what is in them is not opened again.
    opener: Option<Opener>,
    now_ms: i64,
    prefilter: Prefilter<'a>,
    grammar: RunCheck<'a>,
    output: &'a mut Output,
}

impl Run<'_> {
    /// Does what is to be done with one frame.
    fn take(&mut self, frame: &Frame) {
        let range = frame.range.clone();
        let taken = match frame.kind {
            _ if range.len() > self.limits.max_record_bytes => {
                Err((RejectReason::Oversize, Detail::TooLong))
            }
            FrameKind::Object { spans_lines } => self.object(range.clone(), spans_lines),
            FrameKind::Row | FrameKind::NoObject => self.no_object(range.clone(), frame.kind),
            kind => Err(self.verdict(kind, range.clone())),
        };
        if let Err((reason, detail)) = taken {
            self.reject(range, reason, detail);
        }
    }

    /// Where in the source the byte at `start` stands.
    fn offset_of(&self, start: usize) -> u64 {
        match self.opener {
            Some(_) => self.offset.saturating_add(start as u64),
            None => self.offset,
        }
    }

    /// The run ends with the reject that was the last thing taken.
    fn is_stopped(&self) -> bool {
        self.limits.stop_at_reject && !self.output.rejects.is_empty()
    }

    /// An object whose brackets balance.
    fn object(&mut self, range: Range<usize>, spans_lines: bool) -> Result<(), Rejected> {
        let frame = self.bytes.get(range.clone()).unwrap_or_default();
        let may_match = self.prefilter.may_match(range.clone());
        let opened = self.opened(frame);
        let parse = may_match || spans_lines || opened.is_some();
        if self.limits.validate == Validate::All || parse {
            self.grammar
                .check(range.clone())
                .map_err(|defect| of_defect(defect, frame))?;
        } else if grammar::is_too_deep(frame) {
            return Err(of_defect(Defect::TooDeep, frame));
        }
        if let Some(opened) = opened
            && self.take_opened(range, opened)?
        {
            return Ok(());
        }
        if may_match {
            let event = self
                .decoder
                .decode(frame)
                .map_err(|DecodeError::Refused| of_defect(Defect::Malformed, frame))?;
            if let Some(enrichment) = enrich(&event) {
                self.output.enriched(frame, &enrichment, self.now_ms);
                return Ok(());
            }
            if event.already_enriched {
                self.output.passed(frame);
                return Ok(());
            }
        }
        match self.limits.select {
            Select::All => self.output.passed(frame),
            Select::CloudHsm => self.output.counts.filtered(),
        }
        Ok(())
    }

    /// Why a frame that is no balanced object is rejected: the first reason that fits.
    fn verdict(&self, kind: FrameKind, range: Range<usize>) -> Rejected {
        let raw = self.bytes.get(range).unwrap_or_default();
        let damage = match kind {
            FrameKind::Truncated if raw.is_empty() => {
                return (RejectReason::Truncated, Detail::EndsInArray);
            }
            FrameKind::Truncated => return (RejectReason::Truncated, Detail::EndsInRecord),
            FrameKind::Damaged(damage) => Some(damage),
            FrameKind::NoObject | FrameKind::Row | FrameKind::Object { .. } => None,
        };
        match (grammar::check(raw), damage) {
            (Ok(()) | Err(Defect::Malformed | Defect::NotAnObject), Some(damage)) => {
                match of_defect(Defect::Malformed, raw) {
                    (reason, Detail::NotJson) => (reason, of_damage(damage)),
                    utf16 => utf16,
                }
            }
            (Err(defect), _) => of_defect(defect, raw),
            (Ok(()), None) => of_defect(Defect::NotAnObject, raw),
        }
    }

    fn reject(&mut self, range: Range<usize>, reason: RejectReason, detail: Detail) {
        let offset = self.offset_of(range.start);
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
}

fn of_defect(defect: Defect, raw: &[u8]) -> Rejected {
    match defect {
        Defect::NotUtf8 | Defect::Malformed if looks_like_utf16(raw) => (
            if defect == Defect::NotUtf8 {
                RejectReason::NotUtf8
            } else {
                RejectReason::Malformed
            },
            Detail::Utf16,
        ),
        Defect::NotUtf8 => (RejectReason::NotUtf8, Detail::NotUtf8),
        Defect::TooDeep => (RejectReason::TooDeep, Detail::TooDeep),
        Defect::Malformed => (RejectReason::Malformed, Detail::NotJson),
        Defect::NotAnObject => (RejectReason::NotAnObject, Detail::NotAnObject),
    }
}

const fn of_damage(damage: Damage) -> Detail {
    match damage {
        Damage::LineBreakInString => Detail::LineBreakInString,
        Damage::LineEnds => Detail::LineEnds,
        Damage::NotClosed => Detail::NotClosed,
        Damage::StrayBracket => Detail::StrayBracket,
        Damage::NoValue => Detail::NoValue,
    }
}

/// A byte order mark of UTF-16, or ASCII with every second byte zero.
fn looks_like_utf16(raw: &[u8]) -> bool {
    let zeros = |from: usize| {
        raw.iter()
            .skip(from)
            .step_by(2)
            .take(2)
            .filter(|&&byte| byte == 0)
    };
    raw.starts_with(b"\xFF\xFE")
        || raw.starts_with(b"\xFE\xFF")
        || (raw.len() >= 4 && zeros(0).count() + zeros(1).count() == 2 && zeros(0).count() != 1)
}
