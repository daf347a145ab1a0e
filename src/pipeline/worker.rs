//! Takes one batch through decode → enrich → encode.
//!
//! In → out: a [`Batch`] of frames, of whole lines or of a log file; an [`Output`]: the lines to
//! write, the rejects that stand between them, and the counts.
//!
//! Invariants: **Every frame is counted once and is in the output once**, unless the user selected
//! others or drops rejects. **What a record's verdict is depends on its own bytes alone.**
//!
//! Not here: the order of batches, and the numbers of records, which need that order (`pipeline`);
//! the lines of rejects (`encode::reject`).
//!
//! Failure: none; a bad record is a reject.
//!
//! Cost: a record is searched for `cloudhsm`, walked once by JSON's grammar, and copied once,
//! together with the records around it that stay as they are. Only where a line holds something
//! else than one record, or a log file something else than records, and with `Validate::Matching`,
//! quotes and brackets are scanned before, by this thread.
//! Nothing is allocated in the steady state, rejects, policies and what is opened aside;
//! `tests/allocations.rs` counts.

mod opened;

use std::ops::Range;

use super::Limits;
use super::opener::{Opener, check_around};
use super::output::{Lines, Output};
use crate::config::{Envelope, Validate};
use crate::decode::EventDecoder;
use crate::decode::grammar::{self, Defect, LineBreaks, MAX_DEPTH};
use crate::decode::key::KeyReader;
use crate::decode::prefilter::Prefilter;
use crate::decode::second::{self, Reading};
use crate::encode::reject::Detail;
use crate::enrich::enrich;
use crate::envelope;
use crate::event::Event;
use crate::framing::{
    Batch, BatchContent, Damage, Frame, FrameKind, LOG_FILE_START, RejectReason, Seen, frame_line,
    frame_text, holds_line_break, holds_next_event, may_name_records, starts_like_event,
};

/// One worker: its limits and its reusable buffers.
pub struct Worker {
    limits: Limits,
    decoder: EventDecoder,
    second: Option<SecondDecoder>,
    /// Only with [`Limits::keys`].
    keys: Option<KeyReader>,
    frames: Vec<Frame>,
}

impl Worker {
    /// A worker that keeps to `limits`.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            decoder: EventDecoder::new(),
            second: limits.paranoid.then_some(second::read),
            keys: limits.keys.then(KeyReader::default),
            frames: Vec::new(),
        }
    }

    /// Fills `output`, whose buffers are reused, with what becomes of `batch`. `now_ms` is the time
    /// in milliseconds since 1970, for the delivery delay, which goes into the counts only.
    pub fn process(&mut self, batch: &Batch, now_ms: i64, output: &mut Output) {
        self.process_in_parts(batch, now_ms, output, None);
    }

    /// The same, but when the output gets long, because records unfold to many times their length,
    /// `spill` takes what there is so far, and may leave other buffers. What is in `output` at the
    /// end comes after that.
    pub fn process_in_parts(
        &mut self,
        batch: &Batch,
        now_ms: i64,
        output: &mut Output,
        spill: Option<&dyn Fn(&mut Output)>,
    ) {
        output.clear();
        let bytes = &batch.bytes[..];
        output.make_room(bytes.len());
        let mut run = Run {
            limits: self.limits,
            decoder: &mut self.decoder,
            second: self.second,
            bytes,
            text: match self.limits.validate {
                Validate::All => grammar::utf8(bytes),
                Validate::Matching => None,
            },
            offset: batch.offset,
            opener: Some(Opener::new(self.limits.max_record_bytes)),
            spill,
            now_ms,
            prefilter: Prefilter::new(bytes),
            lines: Lines::of(bytes, self.limits.select, self.keys.as_mut(), output),
        };
        self.frames.clear();
        match &batch.content {
            BatchContent::Lines if self.limits.validate == Validate::All => {
                run.take_lines(&mut self.frames);
            }
            BatchContent::Document if self.limits.validate == Validate::All => {
                run.take_document(&mut self.frames);
            }
            BatchContent::Lines | BatchContent::Document => {
                batch.frame(self.limits.max_record_bytes, &mut self.frames);
                run.take_frames(&self.frames);
            }
            BatchContent::Frames(frames) => {
                run.take_frames(frames);
            }
            BatchContent::Oversize(part) => run.lines.oversize(*part, batch.offset),
        }
        run.lines.finish();
    }
}

/// How far behind a record's start the name may stand for the record to be decoded at once. It is said
/// first by the member `eventSource`, which seldom stands further behind.
const NEAR: usize = 4096;

/// Events that are decoded before the first of them is enriched and written. The code for both is more
/// than a first-level cache of 32 KiB holds, and one after the other, each event fetched nearly all of
/// it anew: 589 misses, of which 225 are left in groups of eight (cachegrind). Four are as fast.
const GROUP: usize = 4;

/// Whether there is more of a batch to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoOn,
    Stop,
}

// A frame's brackets are counted far enough to tell.
const _: () = assert!(MAX_DEPTH < u8::MAX as usize);

/// Why a record is rejected.
type Rejected = (RejectReason, Detail);

/// Reads a record in another way than [`EventDecoder`]; `None` when it takes it for no JSON.
type SecondDecoder = fn(&str) -> Option<Reading<'_>>;

/// One batch, or a text in one of its records, under way.
struct Run<'a> {
    limits: Limits,
    decoder: &'a mut EventDecoder,
    /// Has to read every record that is decoded as the decoder does.
    second: Option<SecondDecoder>,
    bytes: &'a [u8],
    /// `bytes`, when they are all UTF-8; not asked when few of them are to be read.
    text: Option<&'a str>,
    offset: u64,
    /// Nothing for the bytes of a record that was opened: all of them stand at `offset`, and what
    /// is in them is not opened again.
    opener: Option<Opener>,
    /// Takes the output so far.
    spill: Option<&'a dyn Fn(&mut Output)>,
    now_ms: i64,
    prefilter: Prefilter<'a>,
    lines: Lines<'a>,
}

impl<'a> Run<'a> {
    /// Takes whole lines, of which every record is to be checked: the check finds where a record
    /// ends, so a line that holds one and nothing else needs no framing before it.
    fn take_lines(&mut self, frames: &mut Vec<Frame>) {
        let mut at = 0;
        while at < self.bytes.len() {
            if let Some(next) = self.take_record_lines(at) {
                at = next;
                continue;
            }
            let lines = self.bytes.get(at..).unwrap_or_default();
            frames.clear();
            let next = at + frame_line(lines, self.limits.max_record_bytes, frames);
            for Frame { range, .. } in &mut *frames {
                *range = range.start + at..range.end + at;
            }
            if self.take_frames(frames) == Flow::Stop {
                return;
            }
            at = next;
        }
    }

    /// Takes a log file as CloudTrail writes it, of which every record is to be checked: up to what
    /// is not as usual no record needs framing before it, as in lines.
    fn take_document(&mut self, frames: &mut Vec<Frame>) {
        let mut at = LOG_FILE_START.len();
        let mut is_closed = false;
        while !is_closed && let Some(end) = self.take_records(at, Around::LogFile) {
            is_closed = self.bytes.get(end) == Some(&b']');
            at = end + 1;
        }
        let rest = self.bytes.get(at..).unwrap_or_default();
        if is_closed && matches!(rest, b"}" | b"}\n") {
            return;
        }
        // The framer looks at all of it once more. What was taken are its first frames: elements
        // without a defect, each behind the comma of the one before.
        frames.clear();
        let limit = self.limits.max_record_bytes;
        frame_text(self.bytes, limit, frames);
        let taken = usize::try_from(self.lines.read()).unwrap_or(usize::MAX);
        self.take_frames(frames.get(taken..).unwrap_or_default());
    }

    /// Takes the line at `start` if a record without a defect is all that it holds, and perhaps more
    /// such lines, and returns where the next one starts. `None`: nothing was taken.
    fn take_record_lines(&mut self, start: usize) -> Option<usize> {
        match self.bytes.get(start) {
            Some(b'\n' | b'\r') => Some(start + 1),
            _ => self.take_records(start, Around::Lines),
        }
    }

    /// Takes the record at `start` if it has no defect, is on one line and has `around` it what it
    /// should, and perhaps more such records, and returns where the last one ends. `None`: nothing was
    /// taken.
    fn take_records(&mut self, start: usize, around: Around) -> Option<usize> {
        let text = self.text?.get(start..)?;
        let rest = text.as_bytes();
        if rest.first() != Some(&b'{') {
            return None;
        }
        let limit = self.limits.max_record_bytes;
        let is_whole = |len| len <= limit && around.may_follow(rest.get(len).copied());
        let is_event = starts_like_event(rest);
        if is_event && is_named_soon(&mut self.prefilter, start, around) {
            // What a second decoder reads is compared before it is needed.
            return match self.second {
                None => self.take_group(start, around),
                Some(_) => self.take_decoded(start, text, false, is_whole),
            };
        }
        let walked = if is_event {
            grammar::walk_object(text, LineBreaks::End)?
        } else {
            let declined = |name: &[u8]| may_name_records(name) || envelope::may_name(name);
            grammar::walk_object_without(declined, text)?
        };
        if !is_whole(walked.len) {
            return None;
        }
        let record = start..start + walked.len;
        let escapes = walked.has_unicode_escapes;
        if self.prefilter.may_match_walked(record.clone(), escapes) {
            return self.take_decoded(start, text, false, is_whole);
        }
        self.lines.other(record.clone(), false);
        Some(record.end)
    }

    /// Decodes the record at `start`, and those behind it that are likely events too, as many as are a
    /// group, and takes them: up to the first that has a defect or something else `around` it.
    /// Returns where the last one ends.
    fn take_group(&mut self, start: usize, around: Around) -> Option<usize> {
        let text = self.text?;
        let limit = self.limits.max_record_bytes;
        let mut decoder = self.decoder.group(text.len() - start);
        let mut group: [(Range<usize>, Event<'_>); GROUP] = Default::default();
        let mut taken = 0;
        let mut at = start;
        for (record, event) in &mut group {
            let rest = text.get(at..).unwrap_or_default();
            let Ok(len) = decoder.decode_front(rest, LineBreaks::End, event) else {
                break;
            };
            let next = rest.as_bytes().get(len).copied();
            if len > limit || !around.may_follow(next) {
                break;
            }
            *record = at..at + len;
            taken += 1;
            at = record.end + 1;
            let is_last = next != Some(around.separator())
                || !self.bytes.get(at..).is_some_and(starts_like_event)
                || !is_named_soon(&mut self.prefilter, at, around);
            if is_last {
                break;
            }
        }
        let group = group.get(..taken)?;
        for (record, event) in group {
            put(&mut self.lines, record.clone(), false, event, self.now_ms);
        }
        group.last().map(|(record, _)| record.end)
    }

    fn take_frames(&mut self, frames: &[Frame]) -> Flow {
        for frame in frames {
            let range = frame.range.clone();
            let taken = match frame.kind {
                _ if range.len() > self.limits.max_record_bytes => {
                    Err((RejectReason::Oversize, Detail::TooLong))
                }
                FrameKind::Object { spans_lines, seen } => {
                    self.take_object(range.clone(), spans_lines, seen)
                }
                FrameKind::NoObject | FrameKind::Row => self.take_other(range.clone(), frame.kind),
                kind => Err(self.verdict(kind, range.clone())),
            };
            match taken {
                Ok(Flow::GoOn) => {}
                Ok(Flow::Stop) => return Flow::Stop,
                Err(rejected) => {
                    if self.reject(range, rejected) == Flow::Stop {
                        return Flow::Stop;
                    }
                }
            }
        }
        Flow::GoOn
    }

    fn reject(&mut self, range: Range<usize>, (reason, detail): Rejected) -> Flow {
        let offset = self.offset_of(range.start);
        self.lines.rejected(range, offset, reason, detail);
        if self.limits.stop_at_reject {
            Flow::Stop
        } else {
            Flow::GoOn
        }
    }

    /// Where in the source the byte at `start` stands.
    fn offset_of(&self, start: usize) -> u64 {
        match self.opener {
            Some(_) => self.offset.saturating_add(start as u64),
            None => self.offset,
        }
    }

    /// Takes an object whose brackets balance.
    fn take_object(
        &mut self,
        range: Range<usize>,
        spans_lines: bool,
        seen: Seen,
    ) -> Result<Flow, Rejected> {
        let frame = self.bytes.get(range.clone()).unwrap_or_default();
        if let Some(opened) = self.opened(frame) {
            let check = match self.limits.envelope {
                Envelope::Unwrap => check_around,
                Envelope::Keep => grammar::check,
            };
            check(frame).map_err(|defect| of_defect(defect, frame))?;
            return self.take_opened(range, spans_lines, opened);
        }
        let is_frame = |len| len == frame.len();
        let defect = |frame| match grammar::check(frame) {
            Err(defect) => of_defect(defect, frame),
            // What is a record is not refused by the one decoder.
            Ok(()) => DISAGREEMENT,
        };
        let may_match = if seen.backslash {
            self.prefilter.may_match(range.clone())
        } else {
            self.prefilter.may_match_walked(range.clone(), false)
        };
        if may_match {
            let text = self.text_at(range.start, frame);
            let taken =
                text.and_then(|text| self.take_decoded(range.start, text, spans_lines, is_frame));
            return taken.map(|_| Flow::GoOn).ok_or_else(|| defect(frame));
        }
        if self.limits.validate == Validate::All || spans_lines {
            let text = self.text_at(range.start, frame);
            let walked = text.and_then(|text| grammar::walk_object(text, line_breaks(spans_lines)));
            if !walked.is_some_and(|walked| is_frame(walked.len)) {
                grammar::check(frame).map_err(|defect| of_defect(defect, frame))?;
            }
        } else if may_be_too_deep(seen) && grammar::is_too_deep(frame) {
            return Err(of_defect(Defect::TooDeep, frame));
        }
        self.lines.other(range, spans_lines);
        Ok(Flow::GoOn)
    }

    /// Decodes the record at `start`, which `text` begins with, and takes it, if its length is as
    /// it should be, and a second decoder reads the same. Returns where it ends.
    fn take_decoded(
        &mut self,
        start: usize,
        text: &'a str,
        spans_lines: bool,
        is_whole: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        // It lends the second event its texts, so it has to be there for as long as the first.
        let reading;
        let mut event = Event::default();
        let line_breaks = line_breaks(spans_lines);
        let len = self
            .decoder
            .decode_front(text, line_breaks, &mut event)
            .ok()?;
        if !is_whole(len) {
            return None;
        }
        if let Some(read) = self.second {
            reading = read(text.get(..len)?)?;
            if event != reading.event() {
                return None;
            }
        }
        let record = start..start + len;
        put(&mut self.lines, record, spans_lines, &event, self.now_ms);
        Some(start + len)
    }

    /// The text from `start` on; in a batch that is not UTF-8, only that of the `frame` there.
    fn text_at(&self, start: usize, frame: &'a [u8]) -> Option<&'a str> {
        match self.text {
            Some(text) => text.get(start..),
            None => grammar::utf8(frame),
        }
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
}

/// What stands around records that need no framing.
#[derive(Debug, Clone, Copy)]
enum Around {
    /// Each is on a line of its own.
    Lines,
    /// They are the elements of a log file's `Records`, without white space between.
    LogFile,
}

impl Around {
    /// What stands between two of them.
    const fn separator(self) -> u8 {
        match self {
            Self::Lines => b'\n',
            Self::LogFile => b',',
        }
    }

    /// Whether another one likely begins in these bytes, which begin with one.
    fn holds_next(self, bytes: &[u8]) -> bool {
        match self {
            Self::Lines => holds_line_break(bytes),
            Self::LogFile => holds_next_event(bytes),
        }
    }

    /// Whether that may stand behind one; `None` is the end of the batch.
    const fn may_follow(self, byte: Option<u8>) -> bool {
        match self {
            Self::Lines => matches!(byte, Some(b'\n' | b'\r') | None),
            Self::LogFile => matches!(byte, Some(b',' | b']')),
        }
    }
}

/// Whether the prefilter's next hit is likely in the record at `start`. It does not have to be, as the
/// decoder takes exactly what the walk does, and reads whatever it takes.
fn is_named_soon(prefilter: &mut Prefilter<'_>, start: usize, around: Around) -> bool {
    let before = prefilter.before_name(start);
    before.is_some_and(|before| before.len() <= NEAR && !around.holds_next(before))
}

/// Puts a record that was decoded.
fn put(
    lines: &mut Lines<'_>,
    record: Range<usize>,
    spans_lines: bool,
    event: &Event<'_>,
    now_ms: i64,
) {
    // An enrichment is large: a reference to it saves moving it.
    if let Some(enrichment) = &enrich(event) {
        lines.enriched(record, spans_lines, enrichment, now_ms);
    } else if event.already_enriched {
        lines.passed(record, spans_lines);
    } else {
        lines.other(record, spans_lines);
    }
}

/// Whether a frame has so many brackets, or a backslash, by which they may have been counted otherwise.
fn may_be_too_deep(seen: Seen) -> bool {
    seen.backslash || usize::from(seen.brackets) > MAX_DEPTH
}

const DISAGREEMENT: Rejected = (RejectReason::DecoderDisagreement, Detail::DecodersDisagree);

/// What a line break may be in a record that spans lines, or does not.
const fn line_breaks(spans_lines: bool) -> LineBreaks {
    if spans_lines {
        LineBreaks::Blank
    } else {
        LineBreaks::End
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

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::config::Select;
    use crate::metrics::RecordOutcome;

    const EVENT: &str = r#"{"eventVersion":"1.08","eventSource":"cloudhsm.amazonaws.com"}"#;
    const OTHER: &str = r#"{"eventVersion":"1.08","eventSource":"s3.amazonaws.com"}"#;

    fn process(second: SecondDecoder, envelope: Envelope, text: &str) -> Output {
        let mut worker = Worker::new(Limits {
            select: Select::All,
            validate: Validate::All,
            envelope,
            max_record_bytes: 1 << 20,
            paranoid: true,
            stop_at_reject: false,
            keys: false,
        });
        worker.second = Some(second);
        let mut frames = Vec::new();
        frame_text(text.as_bytes(), 1 << 20, &mut frames);
        let mut outputs = [
            (Validate::All, BatchContent::Lines),
            (Validate::Matching, BatchContent::Frames(frames)),
        ]
        .map(|(validate, content)| {
            let mut output = Output::default();
            worker.limits.validate = validate;
            let bytes = BytesMut::from(text);
            let batch = Batch {
                bytes,
                offset: 0,
                content,
            };
            worker.process(&batch, 0, &mut output);
            output
        });
        let [lines, frames] = &mut outputs;
        assert_eq!(
            (&lines.lines, &lines.rejects),
            (&frames.lines, &frames.rejects)
        );
        std::mem::take(frames)
    }

    /// The ways of an event through the worker, each with another record before it.
    #[test]
    fn what_two_decoders_read_differently_is_a_reject() {
        let escaped = EVENT.replace('c', "\\u0063");
        let bridge = format!(r#"{{"detail":{EVENT}}}"#);
        for (envelope, record, rejected) in [
            (Envelope::Unwrap, EVENT, EVENT),
            (Envelope::Unwrap, &escaped, &escaped),
            (Envelope::Unwrap, &bridge, EVENT),
            (Envelope::Keep, &bridge, &bridge),
        ] {
            let text = format!("{OTHER}\n{record}\n");
            let well = process(second::read, envelope, &text);
            assert_eq!(well.counts.records(RecordOutcome::Enriched), 1, "{record}");
            assert_eq!(well.rejects, [], "{record}");
            for second in [(|_| None) as SecondDecoder, |_| second::read("{}")] {
                let output = process(second, envelope, &text);
                assert_eq!(output.lines, format!("{OTHER}\n").as_bytes(), "{record}");
                assert_eq!(output.counts.rejects(RejectReason::DecoderDisagreement), 1);
                assert_eq!(output.counts.read(), 2);
                assert_eq!(output.rejects.len(), 1);
                assert_eq!(output.rejects[0].detail, Detail::DecodersDisagree);
                assert_eq!(output.raw, rejected.as_bytes());
            }
        }
    }
}
