//! Reads from any record what tells its event from others, and when it was.
//!
//! In → out: a record; the few members that order and repeats depend on.
//!
//! Invariants: **Of what is no JSON object nothing is read.** Names compare after unescaping, and
//! the last of equal names counts.
//!
//! Not here: what makes a repeat (`order::dedup`), what is a time (`enrich::time`).
//!
//! Failure: none.
//!
//! Cost: one pass over the record, which is not made unless the user wants repeats found or events
//! in order; no allocation once the buffer has grown.

use super::cursor::{Cursor, LineBreaks};
use super::{grammar, room};

/// What tells an event from others, and when it was. A text is never empty; one of another type is
/// absent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct RecordKey<'a> {
    /// `eventID`.
    pub event_id: Option<&'a str>,
    /// `recipientAccountId`.
    pub recipient_account_id: Option<&'a str>,
    /// `eventTime`.
    pub event_time: Option<&'a str>,
    /// `addendum` is there and not null: the event corrects or completes another.
    pub has_addendum: bool,
}

/// Reads keys one after the other, in a buffer of its own.
#[derive(Debug, Default)]
pub struct KeyReader {
    /// Room for the strings that have to be unescaped.
    scratch: Vec<u8>,
}

impl KeyReader {
    /// Reads the key of a record. An unpaired surrogate reads as U+FFFD.
    pub fn read<'a>(&'a mut self, record: &'a [u8]) -> RecordKey<'a> {
        let mut key = RecordKey::default();
        let Some(text) = grammar::utf8(record) else {
            return key;
        };
        let scratch = room(&mut self.scratch, text.len());
        let mut cursor = Cursor::new(text, LineBreaks::Blank, scratch);
        let is_object = cursor.members(|cursor, name| match name {
            b"eventID" => key.event_id = cursor.text(),
            b"recipientAccountId" => key.recipient_account_id = cursor.text(),
            b"eventTime" => key.event_time = cursor.text(),
            b"addendum" => key.has_addendum = cursor.is_present(),
            _ => cursor.skip(),
        });
        if is_object && cursor.finish().is_some() {
            key
        } else {
            RecordKey::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read() {
        const ALL: &str =
            r#"{"eventID":"i","recipientAccountId":"a","eventTime":"t","addendum":{}}"#;
        const ESCAPED: &str =
            "{\"x\":[1e400,\"\\ud800\"],\"\\ud800\":{},\r\n \"event\\u0049D\" : \n\"\\u0069\"}";
        let mut keys = KeyReader::default();
        // (record, eventID, recipientAccountId and eventTime, addendum)
        for (record, [id, account, time], addendum) in [
            ("{}", ["", "", ""], false),
            (ALL, ["i", "a", "t"], true),
            (ESCAPED, ["i", "", ""], false),
            // Only members of the record itself.
            (
                r#"{"a":{"eventID":"i"},"eventId":"i"}"#,
                ["", "", ""],
                false,
            ),
            // The last of equal names, of whatever type.
            (r#"{"eventID":"i","eventID":"j"}"#, ["j", "", ""], false),
            (r#"{"eventID":"i","eventID":5}"#, ["", "", ""], false),
            (r#"{"addendum":{},"addendum":null}"#, ["", "", ""], false),
            // Other types.
            (r#"{"eventID":"","eventTime":null}"#, ["", "", ""], false),
            (
                r#"{"eventID":{"a":[]},"eventTime":-1.5}"#,
                ["", "", ""],
                false,
            ),
            (r#"{"eventID":[{}],"eventTime":1}"#, ["", "", ""], false),
            (r#"{"eventTime":-1,"addendum":false}"#, ["", "", ""], true),
            (r#"{"eventTime":1e400,"eventID":"i"}"#, ["i", "", ""], false),
            (r#"{"eventID":"\ud800"}"#, ["\u{fffd}", "", ""], false),
            // Of what is no record nothing is read.
            (r#"{"eventID":"i",}"#, ["", "", ""], false),
            (r#"{"eventID":"i""#, ["", "", ""], false),
            (r#"["eventID","i"]"#, ["", "", ""], false),
        ] {
            let text = |text: &'static str| (!text.is_empty()).then_some(text);
            let expected = RecordKey {
                event_id: text(id),
                recipient_account_id: text(account),
                event_time: text(time),
                has_addendum: addendum,
            };
            assert_eq!(keys.read(record.as_bytes()), expected, "{record}");
        }
    }

    /// The deepest record that is no reject, with an id behind the depth.
    #[test]
    fn the_depth_of_other_members_does_not_matter() {
        for name in ["x", "eventTime", "addendum"] {
            let deep = format!("{}{}", "[".repeat(127), "]".repeat(127));
            let record = format!("{{\"{name}\":{deep},\"eventID\":\"i\"}}");
            let mut keys = KeyReader::default();
            assert_eq!(keys.read(record.as_bytes()).event_id, Some("i"));
        }
    }
}
