//! Opens a record that holds others: down to the texts in which the events stand.
//!
//! In → out: the bytes of one record; out comes what is in it ([`Opened`]): nothing, a notice, or
//! texts, each cut into records as a source of its own would be.
//!
//! Invariants: **A record is opened only when an event is in it**, whole or damaged; else it stays
//! closed, and passes as it is. **Nothing of a text with an event is left out**: what stands beside
//! the event is a record too. At most [`MAX_LEVELS`] envelopes are opened one inside the other, and
//! one of them may be compressed. What is held is bounded: [`GROWTH`], [`SHORT_RECORD`].
//!
//! Not here: which members hold texts (`envelope`), cutting (`framing`), gzip (`source`), and what
//! becomes of the records (`worker`).
//!
//! Failure: [`Opened::Refused`], a record error: what a record holds is compressed and damaged, or
//! is too much.
//!
//! Cost: each byte is unescaped and framed once a level.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::decode::grammar::{self, Defect};
use crate::encode::reject::Detail;
use crate::envelope::{Content, Elements, Inside, MAX_LEVELS, Notice, unescaped};
use crate::framing::{Frame, FrameKind, RejectReason, frame_text_up_to};
use crate::source::{GunzipError, gunzip};

/// What is in a record may be so many times as long as a record may be. CloudTrail's JSON shrinks
/// to a tenth, so that a record of the full length still opens.
const GROWTH: usize = 16;

/// As many records may be in one as have this length, were they all as long as a record may be
/// together. CloudTrail's own are ten times as long, and may take [`GROWTH`] times as much.
const SHORT_RECORD: usize = 32;

/// How base64 of gzip begins.
const GZIP: &[u8] = b"H4sI";

/// What a record is, seen from its inside.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// An event itself.
    Event,
    /// Something else that holds no event.
    Closed,
    /// A message of AWS, perhaps in envelopes of its own.
    Notice(Notice),
    /// Texts with at least one event among them.
    Texts(Vec<Text>),
    /// What it holds cannot be had.
    Refused(RejectReason, Detail),
}

/// A text that was inside a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// As it was before it was put into a string.
    pub(super) bytes: Vec<u8>,
    /// What is in it, in order.
    pub(super) parts: Vec<Part>,
}

/// What stands in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A record, or damage.
    Frame(Frame),
    /// The texts of a record that is an envelope again.
    Texts(Vec<Text>),
    /// A record whose inside cannot be had.
    Refused(Frame, RejectReason, Detail),
}

/// Opens records, within these bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opener {
    max_record_bytes: usize,
    levels: usize,
    may_inflate: bool,
}

impl Opener {
    /// An opener of records that may be so long.
    pub(super) fn new(max_record_bytes: usize) -> Self {
        Self {
            max_record_bytes,
            levels: MAX_LEVELS,
            may_inflate: true,
        }
    }

    /// What is in a balanced value that stands as a record: an object, or a string or a row of
    /// objects where one should be.
    pub(super) fn open(self, record: &[u8]) -> Opened {
        match record.first() {
            Some(b'{') => match Content::of(record) {
                Content::Event => Opened::Event,
                Content::Notice(notice) => Opened::Notice(notice),
                Content::Texts(texts) => self.open_all(texts),
            },
            Some(b'"') => {
                let text = unescaped(record).map(Inside::Text);
                self.open_all(text.into_iter().collect())
            }
            Some(b'[') => {
                let columns = Elements::of(record).filter(|column| column.starts_with(b"{"));
                let texts = columns.flat_map(|column| match Content::of(column) {
                    Content::Texts(texts) => texts,
                    Content::Event | Content::Notice(_) => Vec::new(),
                });
                self.open_all(texts.collect())
            }
            _ => Opened::Closed,
        }
    }

    fn open_all(self, texts: Vec<Inside<'_>>) -> Opened {
        let Some(levels) = self.levels.checked_sub(1) else {
            return Opened::Closed;
        };
        let mut opened: Vec<Text> = Vec::new();
        let mut notice = None;
        for text in texts {
            let mut inner = Self { levels, ..self };
            let bytes = match text {
                Inside::Text(bytes) => bytes.into_owned(),
                Inside::Gzip(base64) if self.may_inflate && base64.starts_with(GZIP) => {
                    inner.may_inflate = false;
                    match inner.inflate(&base64) {
                        Ok(bytes) => bytes,
                        Err((reason, detail)) => return Opened::Refused(reason, detail),
                    }
                }
                Inside::Gzip(_) => continue,
            };
            // Shippers keep the same text under two names.
            if opened.first().is_some_and(|first| first.bytes == bytes) {
                continue;
            }
            match inner.cut(bytes) {
                Ok(Cut::Text(text)) => opened.push(text),
                Ok(Cut::NoEvent(found)) => notice = notice.or(found),
                Err((reason, detail)) => return Opened::Refused(reason, detail),
            }
        }
        match notice {
            _ if !opened.is_empty() => Opened::Texts(opened),
            Some(notice) => Opened::Notice(notice),
            None => Opened::Closed,
        }
    }

    fn inflate(self, base64: &[u8]) -> Result<Vec<u8>, (RejectReason, Detail)> {
        let bad = (RejectReason::Malformed, Detail::BadPayload);
        let packed = STANDARD.decode(base64).map_err(|_| bad)?;
        let limit = self.max_record_bytes.saturating_mul(GROWTH);
        gunzip(&packed, limit).map_err(|error| match error {
            GunzipError::TooLong => TOO_MUCH,
            GunzipError::Damaged(_) => bad,
        })
    }

    /// Cuts a text into records, and opens those.
    fn cut(self, bytes: Vec<u8>) -> Result<Cut, (RejectReason, Detail)> {
        let mut frames = Vec::new();
        let most = self.max_record_bytes / SHORT_RECORD;
        let complete = frame_text_up_to(&bytes, self.max_record_bytes, most, &mut frames);
        let mut parts = Vec::with_capacity(frames.len());
        let (mut holds_event, mut notice) = (false, None);
        for frame in frames {
            let record = bytes.get(frame.range.clone()).unwrap_or_default();
            let part = match self.look_at(record, frame.kind) {
                Opened::Event => {
                    holds_event = true;
                    Part::Frame(frame)
                }
                Opened::Texts(texts) => {
                    holds_event = true;
                    Part::Texts(texts)
                }
                Opened::Refused(reason, detail) => {
                    holds_event = true;
                    Part::Refused(frame, reason, detail)
                }
                Opened::Notice(found) => {
                    notice = notice.or(Some(found));
                    Part::Frame(frame)
                }
                Opened::Closed => Part::Frame(frame),
            };
            parts.push(part);
        }
        if !holds_event {
            return Ok(Cut::NoEvent(notice));
        }
        if complete {
            Ok(Cut::Text(Text { bytes, parts }))
        } else {
            Err(TOO_MUCH)
        }
    }

    /// What one frame of a text is. Damage to an event is an event here: a reject must come of it.
    fn look_at(self, record: &[u8], kind: FrameKind) -> Opened {
        match kind {
            FrameKind::Damaged(_) | FrameKind::Truncated => {
                if Content::of(record).leads_to_event(self.levels) {
                    Opened::Event
                } else {
                    Opened::Closed
                }
            }
            FrameKind::Object { .. } | FrameKind::NoObject | FrameKind::Row => {
                match self.open(record) {
                    // An envelope that is no JSON is a reject as a whole, as outside.
                    Opened::Texts(_) if !is_json(record) => Opened::Event,
                    opened => opened,
                }
            }
        }
    }
}

/// Whether a value, which need not be an object, passes the grammar check.
pub(super) fn is_json(value: &[u8]) -> bool {
    matches!(check_around(value), Ok(()) | Err(Defect::NotAnObject))
}

/// Checks a record whose inside is checked by itself: that may be as deep as any record, however
/// deep it stands in this one.
///
/// # Errors
///
/// What the grammar check says.
pub(super) fn check_around(record: &[u8]) -> Result<(), Defect> {
    match grammar::check(record) {
        Err(Defect::TooDeep) => grammar::check(&hollow(record)).map_err(|_| Defect::TooDeep),
        checked => checked,
    }
}

/// A record without what is in the objects that it holds.
fn hollow(record: &[u8]) -> Vec<u8> {
    let Content::Texts(texts) = Content::of(record) else {
        return record.to_vec();
    };
    let mut hollow = Vec::new();
    let mut at = 0;
    for text in texts {
        if let Inside::Text(Cow::Borrowed(object)) = text {
            let start = object.as_ptr().addr() - record.as_ptr().addr();
            hollow.extend_from_slice(record.get(at..start).unwrap_or_default());
            hollow.extend_from_slice(b"{}");
            at = start + object.len();
        }
    }
    hollow.extend_from_slice(record.get(at..).unwrap_or_default());
    hollow
}

/// What became of a text.
enum Cut {
    Text(Text),
    NoEvent(Option<Notice>),
}

const TOO_MUCH: (RejectReason, Detail) = (RejectReason::Oversize, Detail::HoldsTooMuch);
