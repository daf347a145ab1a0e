//! Reads what CloudTrail said: the only room that parses JSON on the way in.
//!
//! In → out: frames from `framing`; a verdict on each ([`grammar`]), whether it can concern
//! CloudHSM at all ([`prefilter`]), and for those that can an [`Event`] ([`EventDecoder`]), which
//! `enrich` reads.
//!
//! Invariants: **The grammar check alone decides whether a frame is a record.** The tape's parser
//! is not asked: it refuses some JSON (unpaired surrogates, numbers of 400 digits, `1e400`), and
//! such a frame is read in a slower way with the same result. **A frame's bytes are never
//! changed.** Names compare after unescaping, and the last of equal names counts, at every level.
//!
//! Not here: which events are CloudHSM's and what they mean (`enrich`).
//!
//! Failure: [`grammar::Defect`], a record error. [`DecodeError`] only for a frame that was not
//! checked, or is longer than 4 GiB.
//!
//! Cost: nothing is allocated per record once the buffers have grown, a policy and lists of more
//! than eight strings aside.

pub mod grammar;
pub mod key;
mod members;
mod policy;
pub mod prefilter;
mod repair;
mod tape;
#[cfg(test)]
mod texts;

use thiserror::Error;

use self::tape::TapeReader;
use crate::event::Event;

/// Decodes frames one after the other, in buffers of its own.
pub struct EventDecoder {
    record: TapeReader,
    policy: TapeReader,
}

/// Why a frame could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The frame is no JSON, or longer than the 4 GiB that a tape can address.
    #[error("not a JSON text of at most 4 GiB")]
    Refused,
}

impl EventDecoder {
    /// A decoder whose buffers grow with the frames that it meets.
    pub fn new() -> Self {
        Self {
            record: TapeReader::new(),
            policy: TapeReader::new(),
        }
    }

    /// Decodes a frame that has passed the grammar check. The event borrows the decoder.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Refused`], never for a frame of at most 4 GiB that has passed the check.
    pub fn decode(&mut self, frame: &[u8]) -> Result<Event<'_>, DecodeError> {
        let (mut event, policy) = self.record.read(frame, members::event)?;
        if let (Some("PutResourcePolicy"), Some(json)) = (event.event_name, policy) {
            event.request.policy = policy::decode(json, &mut self.policy);
        }
        Ok(event)
    }
}

impl Default for EventDecoder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::texts::{OBJECTS, blank, damaged, object};
    use super::*;
    use crate::event::Policy;

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
        fn damage_that_passes_the_check_is_decoded(
            frame in damaged((object(), blank()).prop_map(|(object, blank)| object.print(blank))),
        ) {
            let decoded = EventDecoder::new().decode(&frame).is_ok();
            prop_assert!(decoded || grammar::check(&frame).is_err());
        }
    }
}
