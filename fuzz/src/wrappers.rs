//! Records in records: what comes out of an envelope is what its text alone becomes, however many
//! envelopes there are, up to the bound.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use hsmtrail::config::{Envelope, Select, Validate};
use hsmtrail::decode::grammar;
use hsmtrail::envelope::{Content, MAX_LEVELS};
use hsmtrail::framing::{FrameKind, InputForm};
use hsmtrail::metrics::RecordOutcome;
use hsmtrail::pipeline::Limits;

use crate::filter::same_record;
use crate::frames;
use crate::input::{Choices, Cuts};
use crate::json;
use crate::outcome::{Item, Outcome};

/// Members whose string, or object, is looked into.
const NAMES: [&str; 10] = [
    "detail",
    "CloudTrailEvent",
    "message",
    "log",
    "event",
    "event.original",
    "eventJson",
    "eventjson",
    "Message",
    "body",
];

const MAX: usize = 1 << 20;

/// Checks one text in the envelopes that its first bytes choose.
pub fn check(data: &[u8]) {
    let mut choices = Choices::of(data);
    let shells = choices.bytes(6);
    let shells = &shells[..shells.len().min(usize::from(choices.byte() % 7))];
    let cuts = choices.bytes(2);
    let text = choices.text();
    let mut wrapped = Wrapped::new(text.clone());
    for shell in shells {
        wrapped.put_into(*shell);
    }
    if wrapped.text.len() > MAX / 2 {
        return;
    }
    for envelope in [Envelope::Unwrap, Envelope::Keep] {
        let whole = run(&wrapped.text, envelope, &[]);
        assert_eq!(run(&wrapped.text, envelope, cuts), whole, "law 4");
        for item in &whole.items {
            let Item::Line(line) = item else { continue };
            assert!(
                json::is_json(line),
                "law 10: {} is no JSON",
                line.escape_ascii()
            );
        }
        if envelope == Envelope::Unwrap {
            unwrapped(&text, &wrapped, &whole);
        } else {
            kept(&wrapped.text, &whole);
        }
    }
}

fn run(input: &[u8], envelope: Envelope, cuts: &[u8]) -> Outcome {
    let limits = Limits {
        select: Select::All,
        validate: Validate::All,
        envelope,
        max_record_bytes: MAX,
        stop_at_reject: false,
        keys: false,
        paranoid: true,
    };
    Outcome::of_pieces(Cuts::of(cuts).pieces(input), InputForm::Auto, limits)
}

/// A text in envelopes.
struct Wrapped {
    text: Vec<u8>,
    /// How many envelopes are around it.
    levels: usize,
    /// How many of them are compressed.
    packed: usize,
    /// Its bytes stand in a string somewhere, so they had to be UTF-8.
    in_string: bool,
    /// It stands as a value in JSON, so it has to be one object.
    in_json: bool,
    /// It is known to be in an array of records only if it shows that it is an event.
    is_shown: bool,
}

impl Wrapped {
    fn new(text: Vec<u8>) -> Self {
        Self {
            text,
            levels: 0,
            packed: 0,
            in_string: false,
            in_json: false,
            is_shown: false,
        }
    }

    /// Puts all that there is into one more envelope.
    fn put_into(&mut self, shell: u8) {
        let name = NAMES[usize::from(shell / 8) % NAMES.len()];
        self.levels += 1;
        self.text = match shell % 8 {
            0 | 1 => format!("{{\"{name}\":{}}}", self.string(shell)).into_bytes(),
            2 => format!("{{\"x\":[1],\"{name}\":{}}}\n", self.string(shell)).into_bytes(),
            3 => {
                self.in_json |= !self.in_string;
                [format!("{{\"{name}\":").as_bytes(), &self.text, b"}"].concat()
            }
            4 => self.string(shell).into_bytes(),
            5 => {
                self.packed += 1;
                self.in_string = true;
                let data = STANDARD.encode(gzip(&self.text));
                format!("{{\"awslogs\":{{\"data\":\"{data}\"}}}}").into_bytes()
            }
            6 => {
                let string = self.string(shell);
                self.is_shown |= self.levels == 1;
                let array = if self.levels == 1 {
                    "logEvents"
                } else {
                    "Records"
                };
                format!("{{\"{array}\":[{{\"{name}\":{string}}}]}}").into_bytes()
            }
            _ => {
                let string = self.string(shell);
                format!("{{\"event\":{{\"original\":{string}}}}}").into_bytes()
            }
        };
    }

    /// The text as a JSON string, with few escapes or with nothing but escapes.
    fn string(&mut self, shell: u8) -> String {
        self.in_string = true;
        let text = String::from_utf8_lossy(&self.text);
        if shell < 224 {
            return serde_json::to_string(&text).expect("a string");
        }
        let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
        format!("\"{}\"", units.collect::<String>())
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

/// What comes out is what the text alone becomes.
fn unwrapped(text: &[u8], wrapped: &Wrapped, whole: &Outcome) {
    // Of a text that is no UTF-8 something else is in the envelope.
    if wrapped.levels == 0 || grammar::utf8(text).is_none() {
        return;
    }
    let frames = frames::of_pieces(std::iter::once(text), InputForm::Auto, MAX, false);
    let is_record = |frame: &frames::Found| {
        matches!(frame.kind, FrameKind::Object { .. }) && json::verdict(&frame.bytes).is_ok()
    };
    let is_event = |frame: &frames::Found| Content::of(&frame.bytes) == Content::Event;
    let is_plain = |frame: &frames::Found| {
        is_event(frame) || Content::of(&frame.bytes) == Content::Texts(Vec::new())
    };
    let all_plain = frames
        .iter()
        .all(|frame| is_record(frame) && is_plain(frame));
    if !all_plain || !frames.iter().any(is_event) {
        return;
    }
    // As a value of a member, or to be seen in an array, it has to be an object and nothing else.
    let is_bare = frames.len() == 1 && frames[0].bytes == text && !text.contains(&b'\n');
    if (wrapped.in_json || wrapped.is_shown) && !is_bare {
        return;
    }
    if wrapped.levels <= MAX_LEVELS && wrapped.packed <= 1 {
        same_items(text, whole);
    } else {
        let enriched = whole.counts.records(RecordOutcome::Enriched);
        assert_eq!(enriched, 0, "so many envelopes stay closed");
    }
}

fn same_items(text: &[u8], whole: &Outcome) {
    let alone = run(text, Envelope::Unwrap, &[]);
    assert_eq!(
        whole.items, alone.items,
        "what comes out of an envelope is what was put in"
    );
    assert_eq!(
        whole.counts, alone.counts,
        "law 2: it is counted as what it is"
    );
}

/// Law 1: what is kept is the record, perhaps with one more member.
fn kept(wrapped: &[u8], whole: &Outcome) {
    let frames = frames::of_pieces(std::iter::once(wrapped), InputForm::Auto, MAX, false);
    let is_other =
        |frame: &frames::Found| frame.kind == FrameKind::Row || frame.bytes.starts_with(b"\"");
    if frames.iter().any(is_other) {
        return;
    }
    assert_eq!(
        frames.len(),
        whole.items.len(),
        "law 2: a record for each frame"
    );
    for (frame, item) in frames.iter().zip(&whole.items) {
        match item {
            Item::Line(line) => same_record(&frame.bytes, line),
            Item::Reject(.., raw) => {
                assert_eq!(raw, &frame.bytes, "law 2: a reject keeps its bytes");
            }
        }
    }
}
