//! Writes the lines that keep rejects: `{"hsmtrail_reject":{…}}`.
//!
//! In → out: what is known of a reject ([`Reject`]) and its bytes; appended to a buffer.
//!
//! Invariants: **The raw bytes can be had back**: as a JSON string when they are UTF-8, else as
//! base64. **`detail` is a sentence of ours** ([`Detail`]), never a library's. Raw bytes that must
//! be cut are cut at a character's border.
//!
//! Not here: why a record is rejected and where the line goes (`pipeline`).
//!
//! Failure: none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{integer, string};
use crate::framing::RejectReason;

/// What is known of a reject beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reject<'a> {
    /// Why.
    pub reason: RejectReason,
    /// Why, in words.
    pub detail: Detail,
    /// The name of its source.
    pub source: &'a str,
    /// Its number in the source, from 1, over all records.
    pub record: u64,
    /// Where it starts in the decompressed source.
    pub offset: u64,
    /// How many bytes it has there, without a line break at its end.
    pub length: u64,
}

/// Why, in words: the closed set of `detail` sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Detail {
    /// Longer than the limit.
    TooLong,
    /// Not UTF-8.
    NotUtf8,
    /// Looks like UTF-16.
    Utf16,
    /// Nested too deep.
    TooDeep,
    /// Balanced, but not JSON.
    NotJson,
    /// A line break inside a string.
    LineBreakInString,
    /// The line ends inside a value.
    LineEnds,
    /// Another record begins inside.
    NotClosed,
    /// A closing bracket that closes nothing.
    StrayBracket,
    /// Begins no JSON value.
    NoValue,
    /// JSON, but no object.
    NotAnObject,
    /// The input ended inside the record.
    EndsInRecord,
    /// The input ended inside an array of records.
    EndsInArray,
    /// What a record holds is more than may be held at once.
    HoldsTooMuch,
    /// What a record holds cannot be unpacked.
    BadPayload,
    /// Two decoders read it differently.
    DecodersDisagree,
}

impl Detail {
    /// Every detail, in order of its number.
    pub const ALL: [Self; 16] = [
        Self::TooLong,
        Self::NotUtf8,
        Self::Utf16,
        Self::TooDeep,
        Self::NotJson,
        Self::LineBreakInString,
        Self::LineEnds,
        Self::NotClosed,
        Self::StrayBracket,
        Self::NoValue,
        Self::NotAnObject,
        Self::EndsInRecord,
        Self::EndsInArray,
        Self::HoldsTooMuch,
        Self::BadPayload,
        Self::DecodersDisagree,
    ];

    /// The sentence in the reject line.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::TooLong => "the record is longer than --max-record-bytes allows",
            Self::NotUtf8 => "the record is not UTF-8",
            Self::Utf16 => "the input looks like UTF-16; convert it to UTF-8 first",
            Self::TooDeep => "the record is nested deeper than 128 levels",
            Self::NotJson => "the record is not JSON",
            Self::LineBreakInString => "a line break stands inside a string",
            Self::LineEnds => "the line ends inside a value",
            Self::NotClosed => "another record begins before this one is closed",
            Self::StrayBracket => "a closing bracket closes nothing",
            Self::NoValue => "no JSON value begins here",
            Self::NotAnObject => "the value is JSON, but no object",
            Self::EndsInRecord => "the input ends inside the record",
            Self::EndsInArray => "the input ends inside an array of records",
            Self::HoldsTooMuch => {
                "the record holds more than 16 times --max-record-bytes, or a record for 32 bytes of it"
            }
            Self::BadPayload => "the base64 or gzip data in the record is damaged",
            Self::DecodersDisagree => {
                "the second decoder of --paranoid reads the record differently"
            }
        }
    }
}

/// Appends the line, newline included, of a reject whose bytes are all at hand.
pub fn whole(reject: &Reject<'_>, raw: &[u8], out: &mut Vec<u8>) {
    open(reject, out);
    length(reject.length, out);
    raw_member(raw, out);
    out.extend_from_slice(b"}}\n");
}

/// Appends the line, newline included, of a reject of which only the first bytes are kept:
/// `raw`, which may hold some more, up to `limit`.
pub fn cut(reject: &Reject<'_>, raw: &[u8], limit: usize, out: &mut Vec<u8>) {
    open(reject, out);
    length(reject.length, out);
    raw_member(cut_at_character(raw, limit), out);
    out.extend_from_slice(b",\"cut\":true}}\n");
}

/// The line of a reject that is written as its bytes come: `raw_base64`, then `length`.
#[derive(Debug, Default)]
pub struct Streamed {
    length: u64,
    /// Bytes that do not make up a whole group of base64 yet.
    carried: Vec<u8>,
}

impl Streamed {
    /// Appends the line up to the first of the raw bytes; `reject.length` is not read.
    pub fn begin(reject: &Reject<'_>, out: &mut Vec<u8>) -> Self {
        open(reject, out);
        out.extend_from_slice(b",\"raw_base64\":\"");
        Self::default()
    }

    /// Appends the next raw bytes.
    pub fn raw(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        self.length = self.length.saturating_add(raw.len() as u64);
        self.carried.extend_from_slice(raw);
        let whole = self.carried.len() / 3 * 3;
        base64(self.carried.get(..whole).unwrap_or_default(), out);
        self.carried.drain(..whole);
    }

    /// Appends the rest of the line, newline included.
    pub fn end(self, out: &mut Vec<u8>) {
        base64(&self.carried, out);
        out.push(b'"');
        length(self.length, out);
        out.extend_from_slice(b"}}\n");
    }
}

/// The longest prefix of `bytes` of at most `limit` bytes that does not end inside a character;
/// any prefix of bytes that are not UTF-8.
fn cut_at_character(bytes: &[u8], limit: usize) -> &[u8] {
    let prefix = bytes.get(..limit).unwrap_or(bytes);
    match std::str::from_utf8(prefix) {
        // `None`: the bytes so far are the beginning of a character.
        Err(error) if error.error_len().is_none() => {
            prefix.get(..error.valid_up_to()).unwrap_or_default()
        }
        _ => prefix,
    }
}

fn open(reject: &Reject<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"hsmtrail_reject\":{\"reason\":");
    string(reject.reason.word(), out);
    out.extend_from_slice(b",\"detail\":");
    string(reject.detail.sentence(), out);
    out.extend_from_slice(b",\"source\":");
    string(reject.source, out);
    out.extend_from_slice(b",\"record\":");
    number(reject.record, out);
    out.extend_from_slice(b",\"offset\":");
    number(reject.offset, out);
}

fn length(length: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"length\":");
    number(length, out);
}

fn raw_member(raw: &[u8], out: &mut Vec<u8>) {
    if let Ok(text) = std::str::from_utf8(raw) {
        out.extend_from_slice(b",\"raw\":");
        string(text, out);
    } else {
        out.extend_from_slice(b",\"raw_base64\":\"");
        base64(raw, out);
        out.push(b'"');
    }
}

fn base64(raw: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(STANDARD.encode(raw).as_bytes());
}

fn number(number: u64, out: &mut Vec<u8>) {
    integer(i64::try_from(number).unwrap_or(i64::MAX), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    const REJECT: Reject<'_> = Reject {
        reason: RejectReason::Malformed,
        detail: Detail::NotJson,
        source: "a \"b\".json",
        record: 7,
        offset: 1000,
        length: 5,
    };
    const HEAD: &str = "{\"hsmtrail_reject\":{\"reason\":\"malformed\",\"detail\":\"the record is not \
                        JSON\",\"source\":\"a \\\"b\\\".json\",\"record\":7,\"offset\":1000";

    fn line(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_whole_reject() {
        for (raw, member) in [
            (
                &b"{\"a\"\x01\xC3\xA9"[..],
                "\"raw\":\"{\\\"a\\\"\\u0001\u{e9}\"",
            ),
            (b"a\r\nb", "\"raw\":\"a\\r\\nb\""),
            (b"", "\"raw\":\"\""),
            (b"\xFF\xFE{", "\"raw_base64\":\"//57\""),
        ] {
            let expected = format!("{HEAD},\"length\":5,{member}}}}}\n");
            assert_eq!(line(|out| whole(&REJECT, raw, out)), expected);
        }
    }

    #[test]
    fn a_cut_reject_ends_with_a_character() {
        for (limit, raw) in [
            (4, "\u{e9}\u{e9}"),
            (3, "\u{e9}"),
            (2, "\u{e9}"),
            (1, ""),
            (0, ""),
        ] {
            let expected = format!("{HEAD},\"length\":5,\"raw\":\"{raw}\",\"cut\":true}}}}\n");
            let bytes = "\u{e9}\u{e9}\u{e9}".as_bytes();
            assert_eq!(
                line(|out| cut(&REJECT, bytes, limit, out)),
                expected,
                "{limit}"
            );
        }
        let expected = format!("{HEAD},\"length\":5,\"raw_base64\":\"//4=\",\"cut\":true}}}}\n");
        assert_eq!(line(|out| cut(&REJECT, b"\xFF\xFE{", 2, out)), expected);
    }

    #[test]
    fn a_streamed_reject_is_the_same_at_every_cut() {
        let raw: Vec<u8> = (0..=255).collect();
        let expected = format!(
            "{HEAD},\"raw_base64\":\"{}\",\"length\":256}}}}\n",
            STANDARD.encode(&raw)
        );
        for piece in 1..=raw.len() {
            let streamed = line(|out| {
                let mut reject = Streamed::begin(&REJECT, out);
                raw.chunks(piece).for_each(|raw| reject.raw(raw, out));
                reject.end(out);
            });
            assert_eq!(streamed, expected, "pieces of {piece}");
        }
    }

    #[test]
    fn every_detail_is_another_sentence() {
        let sentences: std::collections::BTreeSet<_> =
            Detail::ALL.iter().map(|detail| detail.sentence()).collect();
        assert_eq!(sentences.len(), Detail::ALL.len());
        for (number, detail) in Detail::ALL.into_iter().enumerate() {
            assert_eq!(detail as usize, number);
        }
    }
}
