//! Reads what CloudTrail said: the only room that judges JSON on the way in.
//!
//! In → out: frames from `framing`; a verdict on each ([`grammar`]), whether it can concern
//! CloudHSM at all ([`prefilter`]), and for those that can an [`Event`] ([`EventDecoder`]), which
//! `enrich` reads.
//!
//! Invariants: **Verdict and event come from one walk** (`cursor`), for records that are only checked
//! and for those that are read, so that both get the same verdict. **A frame's bytes are never
//! changed.** Names compare after unescaping, and the last of equal names counts, at every level.
//!
//! Not here: which events are CloudHSM's and what they mean (`enrich`); which members hold other
//! records (`envelope`), where records begin and end (`framing`): both look at JSON, and judge none.
//!
//! Failure: [`grammar::Defect`], a record error; [`DecodeError`] for a text that has one.
//!
//! Cost: one pass over a record. Nothing is allocated per record once the buffers have grown, a
//! policy and lists of more than eight strings aside.

pub(crate) mod cursor;
pub mod grammar;
pub mod key;
mod members;
mod policy;
pub mod prefilter;
pub mod second;
#[cfg(test)]
mod texts;

use std::mem;

use thiserror::Error;

use self::cursor::{Cursor, LineBreaks};
use crate::event::Event;

/// Decodes records one after the other, in buffers of its own.
#[derive(Debug, Default)]
pub struct EventDecoder {
    /// Room for the strings of a record that have to be unescaped.
    record: Vec<u8>,
    /// The same for its policy.
    policy: Vec<u8>,
}

/// The text is no record: [`grammar::check`] says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a JSON object in UTF-8 of at most 128 levels")]
pub struct DecodeError;

impl EventDecoder {
    /// A decoder whose buffers grow with the records that it meets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes a record. The event borrows it, and the decoder.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], exactly when [`grammar::check`] finds a defect.
    pub fn decode<'a>(&'a mut self, record: &'a [u8]) -> Result<Event<'a>, DecodeError> {
        let blank = |text: char| matches!(text, ' ' | '\t' | '\n' | '\r');
        let text = grammar::utf8(record)
            .ok_or(DecodeError)?
            .trim_matches(blank);
        let mut event = Event::default();
        let len = self.decode_front(text, LineBreaks::Blank, &mut event)?;
        if len == text.len() {
            Ok(event)
        } else {
            Err(DecodeError)
        }
    }

    /// Decodes the record that `text` begins with into `event`, which is empty, and tells the
    /// record's length. What follows it has no influence. (An event is large: where it is made, it
    /// need not be moved.)
    ///
    /// # Errors
    ///
    /// [`DecodeError`], when no object is there, or one with a defect.
    pub fn decode_front<'a>(
        &'a mut self,
        text: &'a str,
        line_breaks: LineBreaks,
        event: &mut Event<'a>,
    ) -> Result<usize, DecodeError> {
        self.group(text.len())
            .decode_front(text, line_breaks, event)
    }

    /// The decoder for records whose events are needed at the same time, and which stand one behind
    /// the other in a text of so many bytes.
    pub fn group(&mut self, bytes: usize) -> GroupDecoder<'_> {
        GroupDecoder {
            scratch: room(&mut self.record, bytes),
            policy: &mut self.policy,
        }
    }
}

/// Decodes one record after the other, once each, of a text that is no longer than was said.
#[derive(Debug)]
pub struct GroupDecoder<'a> {
    /// What the strings so far have left. No string becomes longer by unescaping, so it is as long as
    /// the rest of the text at least.
    scratch: &'a mut [u8],
    policy: &'a mut Vec<u8>,
}

impl<'a> GroupDecoder<'a> {
    /// The same as [`EventDecoder::decode_front`], for the next record of the text.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], when no object is there, or one with a defect; then it is the last record.
    pub fn decode_front(
        &mut self,
        text: &'a str,
        line_breaks: LineBreaks,
        event: &mut Event<'a>,
    ) -> Result<usize, DecodeError> {
        if !text.starts_with('{') {
            return Err(DecodeError);
        }
        let mut cursor = Cursor::new(text, line_breaks, mem::take(&mut self.scratch));
        let policy = members::event(&mut cursor, event);
        let (walked, scratch) = cursor.finish_reading();
        self.scratch = scratch;
        let walked = walked.ok_or(DecodeError)?;
        if let (Some("PutResourcePolicy"), Some(json)) = (event.event_name, policy) {
            event.request.policy = policy::decode(json, room(self.policy, json.len()));
        }
        Ok(walked.len)
    }
}

/// At least `len` bytes of `buffer`, which keeps its size for the next record.
fn room(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    buffer
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::texts::{self, OBJECTS, blank, damaged, object};
    use super::*;
    use crate::event::Policy;

    /// Members whose texts are read.
    const NAMES: [&str; 4] = ["eventSource", "eventTime", "userAgent", "errorMessage"];

    #[test]
    fn whatever_passes_the_check_is_decoded() {
        let mut decoder = EventDecoder::new();
        for (name, text) in OBJECTS {
            assert_eq!(grammar::check(text), Ok(()), "{name}");
            assert_eq!(decoder.decode(text), Ok(Event::default()), "{name}");
        }
    }

    #[test]
    fn a_policy_is_read_for_its_own_operation_only() {
        let mut decoder = EventDecoder::new();
        let policy = r#""{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"\ud800\"}}""#;
        let request = format!("\"requestParameters\":{{\"policy\":{policy}}}");
        let allows = Policy::Allows(vec!["\u{fffd}".to_owned()]);
        for (record, expected) in [
            (
                format!("{{\"eventName\":\"PutResourcePolicy\",{request}}}"),
                &allows,
            ),
            (
                format!("{{{request},\"eventName\":\"PutResourcePolicy\"}}"),
                &allows,
            ),
            (
                format!("{{{request},\"eventName\":\"GetResourcePolicy\"}}"),
                &Policy::Unreadable,
            ),
            (format!("{{{request}}}"), &Policy::Unreadable),
            (
                format!(
                    "{{\"eventName\":\"PutResourcePolicy\",{request},\"requestParameters\":{{}}}}"
                ),
                &Policy::Unreadable,
            ),
            (
                r#"{"eventName":"PutResourcePolicy"}"#.to_owned(),
                &Policy::Unreadable,
            ),
        ] {
            let event = decoder.decode(record.as_bytes()).unwrap();
            assert_eq!(&event.request.policy, expected, "{record}");
        }
    }

    #[test]
    fn the_frame_is_left_as_it_is() {
        let frame = br#"{"eventName":"a\n\u0041","b":"\ud800"}"#.to_vec();
        let before = frame.clone();
        let mut decoder = EventDecoder::default();
        assert_eq!(decoder.decode(&frame).unwrap().event_name, Some("a\nA"));
        assert_eq!(frame, before);
    }

    proptest! {
        #[test]
        fn a_group_is_decoded_as_its_records_are_alone(
            records in vec((object(), blank()), 0..6),
            names in vec(select(&NAMES[..]), 6),
            policy in any::<bool>(),
        ) {
            let name = if policy { "PutResource\\u0050olicy" } else { "\\u0044eleteHsm" };
            let record = |object: &texts::Json, blank: &str, member: &str| {
                let value = object.print(blank);
                format!(
                    concat!(
                        r#"{{"eventName":"{}","\u0061":{},"{}":"\n\ud800","#,
                        r#""requestParameters":{{"policy":"{{\"a\\n\":1}}"}}}}"#,
                    ),
                    name, value, member
                )
            };
            let records: Vec<String> = records
                .iter()
                .zip(&names)
                .map(|((object, blank), member)| record(object, blank, member))
                .collect();
            let text = records.join("\n");
            let mut decoder = EventDecoder::new();
            let mut group = decoder.group(text.len());
            let mut events = Vec::new();
            let mut at = 0;
            for record in &records {
                let mut event = Event::default();
                let rest = text.get(at..).unwrap_or_default();
                let len = group.decode_front(rest, LineBreaks::Blank, &mut event);
                prop_assert_eq!(len, Ok(record.len()));
                events.push(event);
                at += record.len() + 1;
            }
            // Events of two decoders cannot be compared: each would have to live as long as the other.
            for (record, event) in records.iter().zip(&events) {
                let mut decoder = EventDecoder::new();
                let alone = decoder.decode(record.as_bytes()).unwrap();
                prop_assert_eq!(format!("{event:?}"), format!("{alone:?}"));
            }
        }

        #[test]
        fn damage_that_passes_the_check_is_decoded(
            frame in damaged((object(), blank()).prop_map(|(object, blank)| object.print(blank))),
        ) {
            let decoded = EventDecoder::new().decode(&frame).is_ok();
            prop_assert!(decoded || grammar::check(&frame).is_err());
        }
    }
}
