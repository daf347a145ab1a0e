//! Reads a JSON text through a tape whose buffers are used again and again.
//!
//! In → out: a text that follows the grammar; whatever the caller reads from the tape, borrowing
//! strings from the copy that is kept here.
//!
//! Invariants: **Every object that [`super::grammar::check`] accepts can be read** (up to 4 GiB,
//! where the tape's offsets end). The caller's bytes are not changed: the parser unescapes strings
//! in place, in the copy.
//!
//! Not here: what is read ([`super::members`], [`super::policy`]).
//!
//! Failure: [`DecodeError`], only when the text was never checked or is too long.
//!
//! Cost: one copy of the text, two passes by the parser; no allocation once the buffers have grown
//! to the longest text. The few texts that the grammar allows and the parser refuses are
//! rewritten and parsed again.

use std::mem;

use simd_json::tape::{Tape, Value};
use simd_json::{Buffers, INPUT_PADDING, fill_tape_padded};

use super::DecodeError;
use super::repair::repair;

/// The buffers of one parser.
pub(super) struct TapeReader {
    /// The text as it came, with the padding that the parser may read.
    copy: Vec<u8>,
    /// The rewritten text, for a text that the parser refuses. A second buffer because what is
    /// read borrows from either.
    repaired: Vec<u8>,
    buffers: Buffers,
    /// Empty between two texts.
    tape: Tape<'static>,
}

impl TapeReader {
    pub(super) fn new() -> Self {
        Self {
            copy: Vec::new(),
            repaired: Vec::new(),
            buffers: Buffers::new(0),
            tape: Tape(Vec::new()),
        }
    }

    /// Parses `text` and lets `read` look at its root value.
    pub(super) fn read<'a, T>(
        &'a mut self,
        text: &[u8],
        read: impl FnOnce(Value<'_, 'a>) -> T,
    ) -> Result<T, DecodeError> {
        let mut tape = mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        self.copy.clear();
        self.copy.extend_from_slice(text);
        let mut parsed = parse(&mut self.copy, &mut self.buffers, &mut tape);
        if parsed.is_err() {
            repair(text, &mut self.repaired);
            parsed = parse(&mut self.repaired, &mut self.buffers, &mut tape);
        }
        let result = parsed.map(|()| read(tape.as_value()));
        self.tape = tape.reset();
        result
    }
}

fn parse<'a>(
    text: &'a mut Vec<u8>,
    buffers: &mut Buffers,
    tape: &mut Tape<'a>,
) -> Result<(), DecodeError> {
    let len = text.len();
    text.resize(len + INPUT_PADDING, b' ');
    fill_tape_padded(text, len, buffers, tape).map_err(|_| DecodeError::Refused)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use simd_json::StaticNode;
    use simd_json::prelude::{TypedScalarValue, ValueAsScalar};

    use super::super::members::{elements, members};
    use super::super::texts::{OBJECTS, blank, nested, object};
    use super::*;

    /// The tape's value as `serde_json`'s, with every number 0.
    fn value(of: Value<'_, '_>) -> serde_json::Value {
        if of.is_object() {
            let named = members(of).map(|(name, of)| (name.to_owned(), value(of)));
            serde_json::Value::Object(named.collect())
        } else if of.is_array() {
            elements(of).map(value).collect()
        } else if let Some(text) = of.as_str() {
            text.into()
        } else if let Some(bool) = of.as_bool() {
            bool.into()
        } else if of.is_null() {
            serde_json::Value::Null
        } else {
            0.into()
        }
    }

    #[test]
    fn every_object_of_the_table_is_read() {
        let mut reader = TapeReader::new();
        for (name, text) in OBJECTS {
            assert_eq!(
                reader.read(text, |root| root.is_object()),
                Ok(true),
                "{name}"
            );
        }
    }

    #[test]
    fn what_the_parser_refuses_is_read_after_repair() {
        let mut reader = TapeReader::new();
        let digits = "7".repeat(400);
        for (text, expected) in [
            (
                r#"{"a":"x\ud800"}"#.to_owned(),
                serde_json::json!({"a": "x\u{fffd}"}),
            ),
            (
                r#"{"a":1e400,"b":"\u00e9"}"#.to_owned(),
                serde_json::json!({"a": 0, "b": "é"}),
            ),
            (format!(r#"{{"a":{digits}}}"#), serde_json::json!({"a": 0})),
        ] {
            let mut copy = text.clone().into_bytes();
            assert!(
                simd_json::to_tape(&mut copy).is_err(),
                "no repair was needed: {text}"
            );
            assert_eq!(reader.read(text.as_bytes(), value), Ok(expected), "{text}");
        }
    }

    #[test]
    fn the_deepest_record_is_read() {
        let mut reader = TapeReader::new();
        for kinds in [&[("{\"a\":", "}")][..], &[("{\"a\":", "}"), ("[", "]")]] {
            let text = nested(kinds, super::super::grammar::MAX_DEPTH);
            assert_eq!(
                reader.read(text.as_bytes(), |root| root.is_object()),
                Ok(true)
            );
        }
    }

    #[test]
    fn a_refused_text_leaves_nothing_behind() {
        let mut reader = TapeReader::new();
        for text in [
            "",
            "{",
            "{\"a\":[1,",
            "{\"a\":\"\\x\"}",
            "nonsense",
            "[[[[[[[[",
        ] {
            let read = reader.read(text.as_bytes(), |_| ());
            assert_eq!(read, Err(DecodeError::Refused), "{text}");
            let after = reader.read(b"{\"b\":null}", value);
            assert_eq!(after, Ok(serde_json::json!({"b": null})), "after {text}");
        }
    }

    #[test]
    fn a_reader_keeps_its_tape_and_its_buffers() {
        let mut reader = TapeReader::new();
        reader.read(b"{\"a\":[1,2,3,\"x\"]}", |_| ()).unwrap();
        let capacities = (reader.tape.0.capacity(), reader.copy.capacity());
        reader.read(b"{\"a\":[1]}", |_| ()).unwrap();
        assert_eq!(
            (reader.tape.0.capacity(), reader.copy.capacity()),
            capacities
        );
        assert_eq!(reader.tape.0.as_slice(), &[] as &[simd_json::Node<'_>]);
        let literal = reader.read(b"true", |root| root.as_bool());
        assert_eq!(
            literal.map(|found| found.map(StaticNode::from)),
            Ok(Some(true.into()))
        );
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_the_model_means(
            objects in prop::collection::vec((object(), blank()), 1..4),
        ) {
            let mut reader = TapeReader::new();
            for (object, blank) in objects {
                let read = reader.read(object.print(blank).as_bytes(), value);
                prop_assert_eq!(read, Ok(object.value()));
            }
        }
    }
}
