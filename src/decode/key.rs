//! Reads from any record what tells its event from others, and when it was.
//!
//! In → out: a frame; the few members that order and repeats depend on.
//!
//! Invariants: **What cannot be read is absent**, so that no record is taken for another because of
//! a member that is odd. Names compare after unescaping, and the last of equal names counts.
//!
//! Not here: what makes a repeat (`order::dedup`), what is a time (`enrich::time`).
//!
//! Failure: none. Of a frame that is no JSON, or in which one of these members is a text with an
//! unpaired surrogate or a number beyond all floats, nothing is read.
//!
//! Cost: one pass over the frame by `serde_json`, and an allocation for each of these texts that
//! has escapes. Nothing of it is done unless the user wants repeats found or events in order.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What tells an event from others, and when it was. A text is never empty.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RecordKey<'a> {
    /// `eventID`.
    pub event_id: Option<Cow<'a, str>>,
    /// `recipientAccountId`.
    pub recipient_account_id: Option<Cow<'a, str>>,
    /// `eventTime`.
    pub event_time: Option<Cow<'a, str>>,
    /// `addendum` is there and not null: the event corrects or completes another.
    pub has_addendum: bool,
}

/// Reads the key of a frame.
pub fn key(frame: &[u8]) -> RecordKey<'_> {
    serde_json::Deserializer::from_slice(frame)
        .deserialize_map(Members)
        .unwrap_or_default()
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = RecordKey<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut key = RecordKey::default();
        while let Some(name) = members.next_key_seed(NameSeed)? {
            match name {
                Name::EventId => key.event_id = members.next_value_seed(Text)?,
                Name::Account => key.recipient_account_id = members.next_value_seed(Text)?,
                Name::EventTime => key.event_time = members.next_value_seed(Text)?,
                Name::Addendum => {
                    key.has_addendum = members.next_value::<Option<IgnoredAny>>()?.is_some();
                }
                Name::Other => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(key)
    }
}

enum Name {
    EventId,
    Account,
    EventTime,
    Addendum,
    Other,
}

/// Reads a name as bytes: as a text, one with an unpaired surrogate would be an error.
struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Name, D::Error> {
        name.deserialize_bytes(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Name, E> {
        Ok(match name {
            b"eventID" => Name::EventId,
            b"recipientAccountId" => Name::Account,
            b"eventTime" => Name::EventTime,
            b"addendum" => Name::Addendum,
            _ => Name::Other,
        })
    }
}

/// Reads a text that is not empty; a value of another type is none.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok((!text.is_empty()).then_some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok((!text.is_empty()).then(|| Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
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
            // What cannot be read takes all with it.
            (
                r#"{"eventTime":"t","eventID":"\ud800"}"#,
                ["", "", ""],
                false,
            ),
            (r#"{"eventTime":"t","eventID":1e400}"#, ["", "", ""], false),
            (r#"{"eventID":"i",}"#, ["", "", ""], false),
            (r#"{"eventID":"i""#, ["", "", ""], false),
            (r#"["eventID","i"]"#, ["", "", ""], false),
        ] {
            let text = |text: &'static str| (!text.is_empty()).then_some(Cow::Borrowed(text));
            let expected = RecordKey {
                event_id: text(id),
                recipient_account_id: text(account),
                event_time: text(time),
                has_addendum: addendum,
            };
            assert_eq!(key(record.as_bytes()), expected, "{record}");
        }
    }

    /// The deepest record that is no reject, with an id behind the depth.
    #[test]
    fn the_depth_of_other_members_does_not_matter() {
        for name in ["x", "eventTime", "addendum"] {
            let deep = format!("{}{}", "[".repeat(127), "]".repeat(127));
            let record = format!("{{\"{name}\":{deep},\"eventID\":\"i\"}}");
            assert_eq!(key(record.as_bytes()).event_id.as_deref(), Some("i"));
        }
    }
}
