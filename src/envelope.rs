//! Knows what CloudTrail's events travel in: which members of a record hold the text of others.
//!
//! In → out: the bytes of one JSON object; out comes what it is ([`Content`]): an event, a notice,
//! or something that may hold events, with the texts in it.
//!
//! Invariants: **Only the members of the object itself count**, never those of what is in them.
//! **An event is never searched**: an object with CloudTrail's own `eventVersion` or `eventSource`
//! holds no other event, whatever its request parameters say. **A text in a string is unescaped
//! once**; nothing else of it changes. A string's escape that stands for no character (an unpaired
//! surrogate) is left as it was written: it then says the same inside the text.
//!
//! Not here: JSON's grammar, which the caller checks (damaged bytes do no harm, and are looked at
//! up to the damage); cutting a text into records (`framing`); base64, gzip, and how deep envelopes
//! may be nested (`pipeline`).
//!
//! Failure: none; what is not understood is [`Content::Texts`] of nothing.
//!
//! Cost: of a record that begins like an event, one comparison. Else one pass over its members.

mod members;

use std::borrow::Cow;

pub use members::{Elements, Members};

/// How many envelopes may stand around one event.
pub const MAX_LEVELS: usize = 4;

/// The members that hold one or more events, as JSON in a string or as an object: CloudWatch Logs
/// and Vector (`message`), Fluent Bit (`log`), Splunk and Elastic (`event`), EventBridge (`detail`),
/// `lookup-events`, CloudTrail Lake (whose columns may come in lower case), SNS, and SQS (`body` in
/// what Lambda gets, `Body` in what `receive-message` prints).
const NAMES: [&[u8]; 11] = [
    b"detail",
    b"CloudTrailEvent",
    b"message",
    b"log",
    b"event",
    b"event.original",
    b"eventJson",
    b"eventjson",
    b"Message",
    b"body",
    b"Body",
];

/// The member whose array holds the records of a log file.
pub const RECORDS: &str = "Records";

/// The arrays, beside `Records`, whose elements may hold events: of `lookup-events`,
/// `filter-log-events` and `get-log-events`, a CloudWatch Logs subscription, and SQS's
/// `receive-message`.
pub const CARRIED: [&[u8]; 4] = [b"Events", b"events", b"logEvents", b"Messages"];

/// Members without which there is no notice.
const OF_NOTICES: [&[u8]; 4] = [b"messageType", b"digestS3Bucket", b"s3Bucket", b"s3"];

/// Members that CloudTrail writes and no record of another kind begins with.
const OF_EVENTS: [&[u8]; 12] = [
    b"eventVersion",
    b"userIdentity",
    b"additionalEventData",
    b"addendum",
    b"apiVersion",
    b"errorCode",
    b"eventCategory",
    b"eventContext",
    b"insightDetails",
    b"managementEvent",
    b"recipientAccountId",
    b"requestParameters",
];

/// What an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'a> {
    /// A CloudTrail event, or a record that already has a member `cloudhsm`.
    Event,
    /// A message of AWS about events, without any.
    Notice(Notice),
    /// Anything else, with the texts that may hold events, in order.
    Texts(Vec<Inside<'a>>),
}

/// A text inside a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inside<'a> {
    /// JSON, perhaps.
    Text(Cow<'a, [u8]>),
    /// The base64 of gzipped JSON.
    Gzip(Cow<'a, [u8]>),
}

/// A message of AWS that holds no events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Notice {
    /// CloudTrail says by SNS that it has delivered log files.
    SnsNotification,
    /// S3 says that something happened to an object.
    S3Notification,
    /// CloudTrail's digest of log files, by which they can be validated.
    Digest,
    /// CloudWatch Logs asks whether a subscription is alive.
    ControlMessage,
}

impl Notice {
    /// Every kind, in order of its number.
    pub const ALL: [Self; 4] = [
        Self::SnsNotification,
        Self::S3Notification,
        Self::Digest,
        Self::ControlMessage,
    ];

    /// The word in the metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::SnsNotification => "sns_notification",
            Self::S3Notification => "s3_notification",
            Self::Digest => "digest",
            Self::ControlMessage => "control_message",
        }
    }
}

impl<'a> Content<'a> {
    /// What `record` is.
    pub fn of(record: &'a [u8]) -> Self {
        if begins_like_an_event(record) {
            return Self::Event;
        }
        let mut seen = Seen::default();
        for (name, value) in Members::of(record) {
            seen.member(&name, value);
        }
        seen.content()
    }

    /// Whether this is an event, or holds one at most `levels` envelopes deep, as far as can be
    /// told without cutting and decompressing texts.
    pub fn leads_to_event(&self, levels: usize) -> bool {
        self.leads_to(|content| matches!(content, Content::Event), levels)
    }

    /// The same for anything else. Arrays are looked into where they stand in a text of their own,
    /// so that no byte is looked at more than a few times a level.
    fn leads_to(&self, is_sought: fn(&Content<'_>) -> bool, levels: usize) -> bool {
        if is_sought(self) {
            return true;
        }
        let (Self::Texts(texts), Some(levels)) = (self, levels.checked_sub(1)) else {
            return false;
        };
        let leads = |record| Content::of(record).leads_to(is_sought, levels);
        texts.iter().any(|inside| match inside {
            Inside::Text(text) => leads(text) || elements_in(text).any(leads),
            Inside::Gzip(_) => false,
        })
    }
}

/// An element of an array that is not known to hold records.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a>(pub &'a [u8]);

impl Element<'_> {
    /// Whether it is or holds an event, or a notice, which is to be counted: an object, or an array
    /// of objects (a row of CloudTrail Lake).
    pub fn is_record(self) -> bool {
        let leads = |content: Content<'_>| {
            content.leads_to(|content| !matches!(content, Content::Texts(_)), MAX_LEVELS)
        };
        if self.0.starts_with(b"{") {
            return leads(Content::of(self.0));
        }
        objects_of(self.0)
            .map(Content::of)
            .any(|column| column != Content::Event && leads(column))
    }
}

/// The text in `value`, when that is a JSON string.
pub fn unescaped(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    members::unescaped(value)
}

/// Whether a member of this name can show that an object is no event, and must be looked at.
pub fn may_name(name: &[u8]) -> bool {
    name == b"awslogs" || name == b"Sns" || NAMES.contains(&name) || OF_NOTICES.contains(&name)
}

/// Whether the first member is one that only events begin with. CloudTrail's versions begin with
/// 1; the records of S3's notifications have version 2.
fn begins_like_an_event(record: &[u8]) -> bool {
    if record.starts_with(b"{\"eventVersion\":\"1") {
        return true;
    }
    let Some((name, value)) = Members::of(record).first_as_written() else {
        return false;
    };
    OF_EVENTS.contains(&name) && !(name == OF_EVENTS[0] && value.starts_with(b"\"2"))
}

/// The objects in an array that is all of a text, or in the arrays that may hold records.
fn elements_in(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let arrays = Members::of(text)
        .filter(|(name, _)| **name == *RECORDS.as_bytes() || CARRIED.contains(&&**name));
    objects_of(text).chain(arrays.flat_map(|(_, array)| objects_of(array)))
}

fn objects_of(array: &[u8]) -> impl Iterator<Item = &[u8]> {
    Elements::of(array).filter(|element| element.starts_with(b"{"))
}

/// What the members of an object have shown so far. The last `eventSource` counts, as it does to
/// whoever reads the event; but of equal names all texts do, as none may vanish.
#[derive(Default)]
struct Seen<'a> {
    /// One bit for each [`Mark`].
    marks: u8,
    source: Option<Cow<'a, [u8]>>,
    texts: Vec<Inside<'a>>,
}

/// A member by which an object is known.
#[derive(Clone, Copy)]
enum Mark {
    Enriched,
    Version,
    S3,
    Control,
    Digest,
    Bucket,
    ObjectKey,
}

impl<'a> Seen<'a> {
    fn member(&mut self, name: &[u8], value: &'a [u8]) {
        match name {
            b"cloudhsm" => self.mark(Mark::Enriched),
            b"eventVersion" => self.mark(Mark::Version),
            b"eventSource" => self.source = unescaped(value),
            b"s3" => self.mark(Mark::S3),
            b"messageType" if value == b"\"CONTROL_MESSAGE\"" => self.mark(Mark::Control),
            b"digestS3Bucket" => self.mark(Mark::Digest),
            b"s3Bucket" => self.mark(Mark::Bucket),
            b"s3ObjectKey" => self.mark(Mark::ObjectKey),
            b"awslogs" => self.texts.extend(member(value, b"data").map(Inside::Gzip)),
            // SNS in what Lambda gets.
            b"Sns" => self
                .texts
                .extend(member(value, b"Message").map(Inside::Text)),
            b"event" if value.starts_with(b"{") => {
                let original = member(value, b"original");
                let text = original.unwrap_or(Cow::Borrowed(value));
                self.texts.push(Inside::Text(text));
            }
            name if NAMES.contains(&name) => {
                let text = match value.first() {
                    Some(b'{') => Some(Cow::Borrowed(value)),
                    _ => unescaped(value).filter(|text| may_be_json(text)),
                };
                self.texts.extend(text.map(Inside::Text));
            }
            _ => {}
        }
    }

    fn mark(&mut self, mark: Mark) {
        self.marks |= 1 << mark as u8;
    }

    fn has(&self, mark: Mark) -> bool {
        self.marks >> mark as u8 & 1 == 1
    }

    fn content(self) -> Content<'a> {
        // CloudTrail's sources are host names; `aws:s3`, `aws:sqs` and the like are records that
        // services hand to functions.
        let is_event = match &self.source {
            Some(source) => !source.starts_with(b"aws:"),
            None => self.has(Mark::Version),
        };
        let from_s3 = self.source.as_deref() == Some(b"aws:s3");
        if self.has(Mark::Enriched) || is_event {
            Content::Event
        } else if self.has(Mark::Control) {
            Content::Notice(Notice::ControlMessage)
        } else if from_s3 && self.has(Mark::S3) {
            Content::Notice(Notice::S3Notification)
        } else if self.has(Mark::Digest) {
            Content::Notice(Notice::Digest)
        } else if self.has(Mark::Bucket) && self.has(Mark::ObjectKey) {
            Content::Notice(Notice::SnsNotification)
        } else {
            Content::Texts(self.texts)
        }
    }
}

/// The last member of that name that is a string, of an object.
fn member<'a>(object: &'a [u8], name: &[u8]) -> Option<Cow<'a, [u8]>> {
    Members::of(object)
        .filter(|(of_member, _)| **of_member == *name)
        .filter_map(|(_, value)| unescaped(value))
        .last()
}

/// Whether a text begins like something that can be cut into records.
fn may_be_json(text: &[u8]) -> bool {
    let first = text
        .iter()
        .find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    // 0xEF begins a byte order mark.
    matches!(first, Some(b'{' | b'[' | b'"' | 0xEF))
}
