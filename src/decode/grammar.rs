//! Checks that a record is JSON: RFC 8259 in UTF-8, at most 128 levels deep, an object.
//!
//! In → out: the bytes of one JSON text ([`check`]), or the text that an object stands at the front
//! of ([`walk_object`]); a [`Defect`] when they are refused.
//!
//! Invariants: **A verdict depends on the record's own bytes alone.** **The first that fits is
//! the verdict**, in the order of [`Defect`]'s variants. The size of a number and unpaired
//! surrogate escapes are no defect.
//!
//! Not here: the walk itself (`cursor`), where a record starts and ends (`framing`), what
//! it says ([`super::EventDecoder`]).
//!
//! Failure: [`Defect`], a record error.
//!
//! Cost: [`walk_object`] is one walk. So is [`check`] for a record, after a look at its UTF-8; a
//! refused text is walked once more for its depth. Every part is linear in the bytes.

use memchr::memchr2;
use thiserror::Error;

use super::cursor::Cursor;
use crate::blocks::{BLOCK, Block, Level, Simd, SimdMask as _, dispatch};

pub use super::cursor::{LineBreaks, MAX_DEPTH, Walked};

/// Why a text is no record, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Defect {
    /// The bytes are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// More than [`MAX_DEPTH`] brackets are open at once, well-formed or not.
    #[error("nested deeper than 128 levels")]
    TooDeep,
    /// The text does not follow the grammar of RFC 8259.
    #[error("not JSON")]
    Malformed,
    /// A JSON value, but not an object.
    #[error("not an object")]
    NotAnObject,
}

/// Checks one JSON text; white space around it is allowed.
///
/// # Errors
///
/// The first [`Defect`] that fits. Of damaged bytes too: for their depth a quote outside a string
/// opens one, a backslash counts inside strings only, and a closing bracket of either kind closes
/// one level.
pub fn check(value: &[u8]) -> Result<(), Defect> {
    let text = utf8(value).ok_or(Defect::NotUtf8)?;
    let mut cursor = Cursor::new(text, LineBreaks::Blank, &mut []);
    let first = cursor.peek();
    cursor.skip();
    let is_whole = cursor.reached_end();
    match first {
        Some(b'{') if is_whole => Ok(()),
        _ if is_too_deep(value) => Err(Defect::TooDeep),
        _ if is_whole => Err(Defect::NotAnObject),
        _ => Err(Defect::Malformed),
    }
}

/// Walks over the object that `text` begins with; `None` when there is none, or one that [`check`]
/// refuses. What follows it has no influence.
pub fn walk_object(text: &str, line_breaks: LineBreaks) -> Option<Walked> {
    if !text.starts_with('{') {
        return None;
    }
    let mut cursor = Cursor::new(text, line_breaks, &mut []);
    cursor.skip();
    cursor.finish()
}

/// The same for an object on one line that has no member of its own whose name `declines` answers
/// to; `None` also for one with a name that has escapes.
pub fn walk_object_without(declines: impl Fn(&[u8]) -> bool, line: &str) -> Option<Walked> {
    if !line.starts_with('{') {
        return None;
    }
    let mut cursor = Cursor::new(line, LineBreaks::End, &mut []);
    cursor.members(|cursor, name| {
        if declines(name) {
            cursor.refuse();
        } else {
            cursor.skip();
        }
    });
    cursor.finish()
}

/// The text of `bytes`, when they are UTF-8.
pub fn utf8(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

/// Whether more than [`MAX_DEPTH`] brackets outside strings are open at once.
pub fn is_too_deep(value: &[u8]) -> bool {
    // Strings may hold brackets, so the plain count is an upper bound of the depth, and nearly
    // always enough.
    opening_brackets(value) > MAX_DEPTH && walks_too_deep(value)
}

fn opening_brackets(value: &[u8]) -> usize {
    dispatch!(Level::new(), simd => opening_brackets_by(simd, value))
}

#[expect(clippy::inline_always, reason = "src/blocks.rs says why")]
#[inline(always)]
fn opening_brackets_by<S: Simd>(simd: S, value: &[u8]) -> usize {
    let (blocks, rest) = value.as_chunks::<BLOCK>();
    let in_block = |block| {
        Block::of(simd, block)
            .is_opening()
            .to_bitmask()
            .count_ones() as usize
    };
    let in_rest = rest
        .iter()
        .filter(|&&byte| matches!(byte, b'[' | b'{'))
        .count();
    blocks.iter().map(in_block).sum::<usize>() + in_rest
}

fn walks_too_deep(value: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut rest = value;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'"' => rest = after_string(tail),
            b'[' | b'{' if depth == MAX_DEPTH => return true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// What follows the closing quote of the string that `text` begins inside of.
fn after_string(mut text: &[u8]) -> &[u8] {
    while let Some(at) = memchr2(b'"', b'\\', text) {
        if text.get(at) == Some(&b'"') {
            return text.get(at + 1..).unwrap_or_default();
        }
        text = text.get(at + 2..).unwrap_or_default();
    }
    &[]
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::texts::{
        MALFORMED, NOT_UTF8, OBJECTS, OTHERS, blank, damaged, is_json, json, nested, object,
    };
    use super::*;

    fn object_len(text: &str, line_breaks: LineBreaks) -> Option<usize> {
        walk_object(text, line_breaks).map(|walked| walked.len)
    }

    fn object_len_without(declines: impl Fn(&[u8]) -> bool, line: &str) -> Option<usize> {
        walk_object_without(declines, line).map(|walked| walked.len)
    }

    const ARRAY: (&str, &str) = ("[", "]");
    const OBJECT: (&str, &str) = ("{\"a\":", "}");

    fn table() -> impl Iterator<Item = (&'static str, &'static [u8], Result<(), Defect>)> {
        let rows = |rows: &'static [(&'static str, &'static [u8])], verdict| {
            rows.iter().map(move |&(name, text)| (name, text, verdict))
        };
        rows(OBJECTS, Ok(()))
            .chain(rows(OTHERS, Err(Defect::NotAnObject)))
            .chain(rows(MALFORMED, Err(Defect::Malformed)))
            .chain(rows(NOT_UTF8, Err(Defect::NotUtf8)))
    }

    /// The verdict by rule: one look for each defect.
    fn plain_check(value: &[u8]) -> Result<(), Defect> {
        if str::from_utf8(value).is_err() {
            Err(Defect::NotUtf8)
        } else if plain_depth(value) > MAX_DEPTH {
            Err(Defect::TooDeep)
        } else if !is_json(value) {
            Err(Defect::Malformed)
        } else if !value.trim_ascii().starts_with(b"{") {
            Err(Defect::NotAnObject)
        } else {
            Ok(())
        }
    }

    fn plain_depth(value: &[u8]) -> usize {
        let (mut in_string, mut escaped, mut depth, mut deepest) = (false, false, 0_usize, 0);
        for &byte in value {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = in_string,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        deepest
    }

    #[test]
    fn every_text_of_the_tables() {
        for (name, text, verdict) in table() {
            assert_eq!(check(text), verdict, "{name}");
            assert_eq!(plain_check(text), verdict, "{name}, by rule");
        }
    }

    #[test]
    fn long_numbers_and_strings() {
        for text in [
            format!("{{\"a\":{}}}", "7".repeat(400)),
            format!("{{\"a\":-0.{}e-{}}}", "0".repeat(400), "9".repeat(400)),
            format!("{{\"a\":\"{}\"}}", "[".repeat(100_000)),
        ] {
            assert_eq!(check(text.as_bytes()), Ok(()));
        }
    }

    #[test]
    fn depth_counts_brackets_of_both_kinds() {
        for (kinds, is_object) in [
            (&[ARRAY][..], false),
            (&[OBJECT], true),
            (&[ARRAY, OBJECT], false),
            (&[OBJECT, ARRAY], true),
            (&[OBJECT, ARRAY, ARRAY], true),
        ] {
            let fits = if is_object {
                Ok(())
            } else {
                Err(Defect::NotAnObject)
            };
            for (depth, verdict) in [(127, fits), (128, fits), (129, Err(Defect::TooDeep))] {
                let text = nested(kinds, depth);
                assert_eq!(check(text.as_bytes()), verdict, "{depth} of {kinds:?}");
            }
        }
    }

    #[test]
    fn depth_looks_at_brackets_outside_strings_only() {
        let braces = "{[".repeat(500);
        let wide = format!("{{\"a\":[{}[]]}}", "[],{},".repeat(500));
        let quotes = format!("{{\"\\\"{braces}\":\"\\\\\",\"b\":\"{braces}\\\\\\\"\"}}");
        for text in [format!("{{\"a\":\"{braces}\"}}"), wide, quotes] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
        let after = format!("{{\"a\":\"\\\\\",\"b\":{}}}", nested(&[ARRAY], 128));
        assert_eq!(check(after.as_bytes()), Err(Defect::TooDeep));
    }

    #[test]
    fn the_first_defect_that_fits() {
        let deep = nested(&[OBJECT], 129);
        let open = "[".repeat(129);
        for (name, text, verdict) in [
            (
                "deep and no object",
                nested(&[ARRAY], 129).into_bytes(),
                Defect::TooDeep,
            ),
            (
                "deep and malformed",
                deep.replace(":0", ":x").into_bytes(),
                Defect::TooDeep,
            ),
            ("deep and never closed", open.into_bytes(), Defect::TooDeep),
            (
                "malformed before deep",
                format!("x{deep}").into_bytes(),
                Defect::TooDeep,
            ),
            (
                "deep after the end",
                format!("{{}}{deep}").into_bytes(),
                Defect::TooDeep,
            ),
            (
                "not UTF-8 and deep",
                [deep.as_bytes(), b"\xff"].concat(),
                Defect::NotUtf8,
            ),
            (
                "not UTF-8 and malformed",
                b"{\xff".to_vec(),
                Defect::NotUtf8,
            ),
            (
                "malformed and no object",
                b"[1,]".to_vec(),
                Defect::Malformed,
            ),
        ] {
            assert_eq!(check(&text), Err(verdict), "{name}");
        }
    }

    #[test]
    fn depth_far_past_the_limit_does_not_overflow_the_stack() {
        for text in ["[".repeat(1_000_000), nested(&[OBJECT], 300_000)] {
            assert_eq!(check(text.as_bytes()), Err(Defect::TooDeep));
        }
    }

    #[test]
    fn the_length_of_every_object_of_the_table() {
        for (name, text, verdict) in table() {
            let Ok(text) = str::from_utf8(text) else {
                continue;
            };
            if verdict != Ok(()) {
                assert_ne!(
                    object_len(text, LineBreaks::Blank),
                    Some(text.len()),
                    "{name}"
                );
            } else if text.starts_with('{') {
                for tail in ["", "\n", ",", "}", "]", "\"", "{", "x"] {
                    let len = object_len(&format!("{text}{tail}"), LineBreaks::Blank);
                    assert_eq!(len, Some(text.trim_end().len()), "{name} before {tail:?}");
                }
            }
        }
    }

    #[test]
    fn an_object_without_some_names() {
        let len = |text: &str| object_len_without(|name| name == b"no", text);
        for text in [
            "{}",
            r#"{"yes":{"no":1},"No":["no"]}"#,
            r#"{"n":1,"noo":2}"#,
        ] {
            assert_eq!(len(&format!("{text}tail")), Some(text.len()), "{text}");
        }
        for text in [
            "[]",
            " {}",
            "{",
            r#"{"no":1}"#,
            r#"{"yes":1,"no":1}"#,
            r#"{"n\u006f":1}"#,
            r#"{"a\n":1}"#,
        ] {
            assert_eq!(len(text), None, "{text}");
        }
    }

    #[test]
    fn unicode_escapes_are_seen_anywhere() {
        for (text, has) in [
            (r#"{"a":"b"}"#, false),
            (r#"{"a":"\\u0041\n\/","b":[]}"#, false),
            (r#"{"a":"\u0041"}"#, true),
            (r#"{"\u0041":1}"#, true),
            (r#"{"a":{"b":["\n",{"\ud800":"c"}]}}"#, true),
        ] {
            let walked = walk_object(text, LineBreaks::End).unwrap();
            assert_eq!(walked.has_unicode_escapes, has, "{text}");
            if let Some(walked) = walk_object_without(|_| false, text) {
                assert_eq!(walked.has_unicode_escapes, has, "{text}");
            }
        }
    }

    #[test]
    fn an_object_is_as_deep_as_it_may_be() {
        for (depth, is_one) in [(127, true), (128, true), (129, false)] {
            let text = nested(&[OBJECT, ARRAY], depth);
            let expected = is_one.then_some(text.len());
            assert_eq!(object_len(&text, LineBreaks::Blank), expected);
            assert_eq!(object_len_without(|_| false, &text), expected);
        }
    }

    proptest! {
        #[test]
        fn what_the_model_prints_is_json(json in json(), blank in blank()) {
            let text = json.print(blank);
            let is_object = text.trim().starts_with('{');
            let verdict = if is_object { Ok(()) } else { Err(Defect::NotAnObject) };
            prop_assert_eq!(check(text.as_bytes()), verdict);
        }

        #[test]
        fn damage_is_judged_by_rule(
            text in damaged((json(), blank()).prop_map(|(json, blank)| json.print(blank))),
        ) {
            prop_assert_eq!(check(&text), plain_check(&text));
            if serde_json::from_slice::<serde_json::Value>(&text).is_ok_and(|v| v.is_object()) {
                prop_assert_eq!(check(&text), Ok(()));
            }
        }

        #[test]
        fn brackets_are_judged_by_rule(text in "[\\[{}\\]\"\\\\,:]{0,400}") {
            prop_assert_eq!(check(text.as_bytes()), plain_check(text.as_bytes()));
        }

        #[test]
        fn deep_brackets_are_judged_by_rule(
            pieces in vec(prop::sample::select(vec!["[", "{", "[[[[", "]", "\"", "\\", "0"]), 0..300),
        ) {
            let text = pieces.concat();
            prop_assert_eq!(check(text.as_bytes()), plain_check(text.as_bytes()));
        }

        #[test]
        fn opening_brackets_are_counted(bytes in vec(any::<u8>(), 0..600)) {
            let count = bytes.iter().filter(|&&byte| byte == b'[' || byte == b'{').count();
            prop_assert_eq!(opening_brackets(&bytes), count);
        }

        #[test]
        fn the_length_of_an_object_is_its_own(
            object in (object(), blank()).prop_map(|(object, blank)| object.print(blank)),
            tail in "[\\[{}\\]\"\\\\,: x\n]{0,80}",
        ) {
            let object = object.trim();
            let text = format!("{object}{tail}");
            prop_assert_eq!(object_len(&text, LineBreaks::Blank), Some(object.len()));
            let len = object_len_without(|_| false, &text);
            prop_assert!(len.is_none_or(|len| len == object.len()));
        }

        #[test]
        fn a_damaged_object_has_the_length_of_no_record(
            text in damaged((object(), blank()).prop_map(|(object, blank)| object.print(blank))),
        ) {
            if let Ok(text) = str::from_utf8(&text)
                && let Some(len) = object_len(text, LineBreaks::Blank)
            {
                prop_assert_eq!(plain_check(&text.as_bytes()[..len]), Ok(()));
            }
        }
    }
}
