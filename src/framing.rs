//! Cuts a byte stream into batches of frames.
//!
//! In → out: the decompressed bytes of one source, from `source`; out come [`Batch`]es, to the
//! workers. A batch owns a piece of the input and says where it stood; a [`Frame`] is a range of
//! it.
//!
//! Invariants: **A frame of kind [`FrameKind::Object`] starts at `{` and ends where its brackets
//! balance.** **Every byte of the input that belongs to a record is in exactly one frame**; what
//! is left out are blanks, line breaks, commas, byte order marks, and the objects and arrays
//! around the records of a log file. **The frames of a source do not depend on how it was cut into
//! reads or batches**, but for what was [`Seen`], which may then be more than there is.
//!
//! Not here: whether a frame is JSON, UTF-8 or nested too deep (`decode`); the bytes of the reject
//! lines (`encode`).
//!
//! Failure: damage is a frame of kind [`FrameKind::Damaged`] or [`FrameKind::Truncated`], a record
//! that is too long is a frame longer than the limit or comes in parts
//! ([`BatchContent::Oversize`]); neither ends the source.
//!
//! Cost: no byte is copied. Those of lines, and of a log file that is at hand as a whole, are looked at
//! here only where a worker's walk did not take them; the others once, in 64-byte blocks, and in an
//! array that turns out to carry records once more.

mod decoder;
mod framer;
mod line;
mod members;
mod pairing;
mod scanner;

pub use decoder::{InputForm, RecordDecoder};
pub use line::LineDecoder;
pub use members::may_name_records;

use bytes::BytesMut;
use framer::{Framer, Layout};
use memchr::memmem::Finder;
use std::ops::Range;
use std::sync::LazyLock;

/// How a log file begins, as CloudTrail writes it.
pub const LOG_FILE_START: &[u8] = b"{\"Records\":[";

/// How many bytes of a text are framed before their frames are counted.
const STEP: usize = 64 * 1024;

/// A piece of one source: the unit of work and of backpressure.
#[derive(Debug)]
pub struct Batch {
    /// The bytes, as they were read.
    pub bytes: BytesMut,
    /// Where the first of them stands in the decompressed source.
    pub offset: u64,
    /// What the bytes are.
    pub content: BatchContent,
}

impl Batch {
    /// Appends the frames of bytes that are not looked into yet; there are none to append of others.
    pub fn frame(&self, max_record_bytes: usize, frames: &mut Vec<Frame>) {
        match self.content {
            BatchContent::Lines => frame_lines(&self.bytes, max_record_bytes, frames),
            BatchContent::Document => frame_text(&self.bytes, max_record_bytes, frames),
            BatchContent::Frames(_) | BatchContent::Oversize(_) => {}
        }
    }
}

/// What the bytes of a [`Batch`] are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchContent {
    /// Whole lines, not yet looked into: [`frame_lines`] does that.
    Lines,
    /// All of a source that begins as a log file does ([`LOG_FILE_START`]), not yet looked into:
    /// [`frame_text`] does that.
    Document,
    /// Records, and what stands between them.
    Frames(Vec<Frame>),
    /// A part of one record that is too long to be held.
    Oversize(OversizePart),
}

/// Which part of an oversize record a batch holds. There is one `First` and, unless the input is
/// given up before, one `Last`, which may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OversizePart {
    /// Its first bytes.
    First,
    /// Bytes that follow.
    Next,
    /// Its last bytes.
    Last,
}

/// The bytes of one record, or of damage where one should stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where they stand in their batch.
    pub range: Range<usize>,
    /// What they are, as far as quotes and brackets tell.
    pub kind: FrameKind,
}

impl Frame {
    fn new(range: Range<usize>, kind: FrameKind) -> Self {
        Self { range, kind }
    }
}

/// What a frame is, as far as quotes and brackets tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// `{…}` whose brackets balance.
    Object {
        /// It holds a line break, so it has to be parsed as it is, and copied without.
        spans_lines: bool,
        /// What its quotes and brackets tell besides.
        seen: Seen,
    },
    /// Something else where a record should stand: another JSON value, or no JSON.
    NoObject,
    /// `[…]` whose brackets balance: a row of CloudTrail Lake, whose columns are objects.
    Row,
    /// Bytes from which no whole value could be cut.
    Damaged(Damage),
    /// What was open when the input ended; empty when that was an array of records.
    Truncated,
}

/// What the scan for an object's end came by, so that others need not look for it. Without a scan from
/// its first byte on, anything may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Opening brackets outside strings, counted up to 255. With a backslash that is outside strings
    /// too, which is no JSON, others may see strings elsewhere, and more brackets outside them.
    pub brackets: u8,
    /// There is a backslash, wherever it stands.
    pub backslash: bool,
}

impl Seen {
    /// Of an object that is not looked into yet.
    const NOTHING: Self = Self {
        brackets: 0,
        backslash: false,
    };

    /// Of an object that was not scanned from its first byte on.
    const ANYTHING: Self = Self {
        brackets: u8::MAX,
        backslash: true,
    };
}

/// Why no whole value could be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Damage {
    /// A line break inside a string.
    LineBreakInString,
    /// In lines: the line ended before the value.
    LineEnds,
    /// In a document: another record begins before this one ended.
    NotClosed,
    /// A closing bracket that closes nothing.
    StrayBracket,
    /// Something that begins no JSON value.
    NoValue,
}

/// Appends the frames of a batch of whole lines.
pub fn frame_lines(lines: &[u8], max_record_bytes: usize, frames: &mut Vec<Frame>) {
    frame_whole(Layout::Lines, lines, max_record_bytes, frames);
}

/// Appends the frames of a text that is all at hand, a source of its own.
pub fn frame_text(text: &[u8], max_record_bytes: usize, frames: &mut Vec<Frame>) {
    frame_whole(Layout::Undecided, text, max_record_bytes, frames);
}

fn frame_whole(layout: Layout, text: &[u8], max_record_bytes: usize, frames: &mut Vec<Frame>) {
    let mut whole_framer = Framer::new(layout, max_record_bytes);
    let looked_at = whole_framer.advance(text, 0, false, frames);
    whole_framer.finish(text, looked_at, frames);
}

/// The same as [`frame_text`], but no more than `most` frames and those found in one step with the last of them.
/// Returns whether these are all.
#[must_use]
pub fn frame_text_up_to(
    text: &[u8],
    max_record_bytes: usize,
    most: usize,
    frames: &mut Vec<Frame>,
) -> bool {
    let mut text_framer = Framer::new(Layout::Undecided, max_record_bytes);
    let mut looked_at = 0;
    for step in (STEP..text.len()).step_by(STEP).chain([text.len()]) {
        let bytes = text.get(..step).unwrap_or(text);
        looked_at = text_framer.advance(bytes, looked_at, false, frames);
        if frames.len() > most {
            return false;
        }
    }
    text_framer.finish(text, looked_at, frames);
    true
}

/// Appends the frames of the line at the front of a batch of whole lines, of which the last may lack
/// its line break. Returns where the next line starts.
pub fn frame_line(lines: &[u8], max_record_bytes: usize, frames: &mut Vec<Frame>) -> usize {
    let mut line_framer = Framer::new(Layout::Lines, max_record_bytes);
    let looked_at = line_framer.advance(lines, 0, true, frames);
    // It stands at the start of this line still before half a byte order mark.
    if looked_at > 0 && line_framer.is_at_line_start(looked_at) {
        return looked_at;
    }
    line_framer.finish(lines, looked_at, frames);
    lines.len()
}

/// Whether an object starts as nearly every event does, so that it is no log file whatever its
/// other members are. (The records of S3's notifications have version 2.)
pub fn starts_like_event(object: &[u8]) -> bool {
    object.starts_with(EVENT_START)
}

/// Whether a line ends in `lines`.
pub fn holds_line_break(lines: &[u8]) -> bool {
    memchr::memchr2(b'\n', b'\r', lines).is_some()
}

/// Whether another object that starts so begins behind the first byte of `records`.
pub fn holds_next_event(records: &[u8]) -> bool {
    let rest = records.get(1..).unwrap_or_default();
    EVENT_FINDER.find(rest).is_some()
}

const EVENT_START: &[u8] = b"{\"eventVersion\":\"1.";

// A constant in all but the type system: what a search prepares is not a `const fn`.
static EVENT_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(EVENT_START));

/// An error of the framing seam.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The reader that feeds the decoder failed; the decoder itself never makes this.
    #[error("reading failed")]
    Io(#[from] std::io::Error),
}

/// Why a record was rejected: the closed set of `reason` words, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// Longer than the limit on a record's bytes.
    Oversize,
    /// Not UTF-8.
    NotUtf8,
    /// Nested deeper than 128 levels.
    TooDeep,
    /// Not JSON by RFC 8259.
    Malformed,
    /// A JSON value, but not an object.
    NotAnObject,
    /// Cut by the end of the input.
    Truncated,
    /// Read differently by a second decoder, when there is one.
    DecoderDisagreement,
}

impl RejectReason {
    /// Every reason, in order of its number.
    pub const ALL: [Self; 7] = [
        Self::Oversize,
        Self::NotUtf8,
        Self::TooDeep,
        Self::Malformed,
        Self::NotAnObject,
        Self::Truncated,
        Self::DecoderDisagreement,
    ];

    /// The word in the reject line and in the metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Oversize => "oversize",
            Self::NotUtf8 => "not_utf8",
            Self::TooDeep => "too_deep",
            Self::Malformed => "malformed",
            Self::NotAnObject => "not_an_object",
            Self::Truncated => "truncated",
            Self::DecoderDisagreement => "decoder_disagreement",
        }
    }
}
