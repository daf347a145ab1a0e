//! Walks over the members of one JSON object, or the elements of one array, without judging them.
//!
//! In → out: the bytes of an object or an array; names (unescaped) and values (as they are written).
//!
//! Invariants: **What is well-formed is walked right; what is damaged is walked up to the damage**,
//! where a value that is cut is the rest of the bytes. Nothing is looked at twice.
//!
//! Not here: JSON's grammar (`decode`); what names mean ([`super::Content`]).
//!
//! Failure: none.

use std::borrow::Cow;

use memchr::memchr2;

/// The members of an object, in order.
#[derive(Debug, Clone)]
pub struct Members<'a> {
    rest: &'a [u8],
}

/// The elements of an array, in order.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Members<'a> {
    /// The members of `object`; none of bytes that do not begin with `{`, blanks and a byte order
    /// mark aside.
    pub fn of(object: &'a [u8]) -> Self {
        Self {
            rest: inside(object, b"{"),
        }
    }

    /// The first member, its name as it is written.
    pub(super) fn first_as_written(mut self) -> Option<(&'a [u8], &'a [u8])> {
        self.rest = skip_blanks(self.rest);
        let (name, value) = self.name()?;
        Some((name, value))
    }

    /// The next name, and what follows its colon.
    fn name(&self) -> Option<(&'a [u8], &'a [u8])> {
        let (name, rest) = self.rest.split_at_checked(value_len(self.rest))?;
        let name = name.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        let rest = skip_blanks(rest).strip_prefix(b":")?;
        Some((name, skip_blanks(rest)))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, [u8]>, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = skip_between(self.rest);
        let (name, rest) = self.name()?;
        let (value, rest) = rest.split_at_checked(value_len(rest))?;
        self.rest = rest;
        Some((unescape(name), value))
    }
}

impl<'a> Elements<'a> {
    /// The elements of `array`; none of bytes that do not begin with `[`, blanks and a byte order
    /// mark aside.
    pub fn of(array: &'a [u8]) -> Self {
        Self {
            rest: inside(array, b"["),
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = skip_between(self.rest);
        let (value, rest) = self.rest.split_at_checked(value_len(self.rest))?;
        self.rest = rest;
        (!value.is_empty()).then_some(value)
    }
}

/// What stands behind the bracket of a value that begins with it.
fn inside<'a>(value: &'a [u8], bracket: &[u8]) -> &'a [u8] {
    let value = skip_blanks(value);
    let value = skip_blanks(value.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(value));
    value.strip_prefix(bracket).unwrap_or_default()
}

/// The text in `value`, when that is a string; of one that is cut, what there is.
pub(super) fn unescaped(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let text = value.strip_prefix(b"\"")?;
    let end = closing_quote(text).unwrap_or(text.len());
    text.get(..end).map(unescape)
}

/// What the inside of a string says.
fn unescape(written: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'\\', written) else {
        return Cow::Borrowed(written);
    };
    let mut text = Vec::with_capacity(written.len());
    let (clean, mut rest) = written.split_at_checked(first).unwrap_or((written, &[]));
    text.extend_from_slice(clean);
    while !rest.is_empty() {
        let escape_len = escape(rest, &mut text);
        rest = rest.get(escape_len..).unwrap_or_default();
        let clean_len = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
        text.extend_from_slice(rest.get(..clean_len).unwrap_or_default());
        rest = rest.get(clean_len..).unwrap_or_default();
    }
    Cow::Owned(text)
}

/// Appends what the escape at the front of `written` stands for, or the escape itself when it
/// stands for nothing. Returns its length.
fn escape(written: &[u8], text: &mut Vec<u8>) -> usize {
    let byte = match written.get(1) {
        Some(b'u') => {
            if let Some((character, len)) = unicode(written) {
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return len;
            }
            let escape = written.get(..6).unwrap_or(written);
            text.extend_from_slice(escape);
            return escape.len();
        }
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'r') => b'\r',
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(&itself) => itself,
        None => b'\\',
    };
    text.push(byte);
    2
}

/// The character of `\u` and four digits, or of two of them that are a surrogate pair, and the bytes of both.
fn unicode(written: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = written.get(at..at + 6)?.strip_prefix(b"\\u")?;
        let all_hex = digits.iter().all(u8::is_ascii_hexdigit);
        let digits = std::str::from_utf8(digits).ok().filter(|_| all_hex)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(0)?;
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Some((character, 6));
    }
    let mut pair = char::decode_utf16([first, unit(6)?]);
    Some((pair.next()?.ok()?, 12))
}

/// How many of the bytes are the value that they begin with: all, when it is cut.
fn value_len(bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(b'"') => string_len(bytes),
        Some(b'{' | b'[') => nested_len(bytes),
        _ => bytes
            .iter()
            .position(|byte| b",]}{[\":\t\n\r ".contains(byte))
            .unwrap_or(bytes.len()),
    }
}

fn nested_len(bytes: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += string_len(bytes.get(at..).unwrap_or_default());
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The length of the string that the bytes begin with, quotes included.
fn string_len(bytes: &[u8]) -> usize {
    let inside = bytes.get(1..).unwrap_or_default();
    closing_quote(inside).map_or(bytes.len(), |at| at + 2)
}

/// Where the string ends that the bytes begin inside of.
fn closing_quote(inside: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let found = at + memchr2(b'"', b'\\', inside.get(at..)?)?;
        if inside.get(found) == Some(&b'"') {
            return Some(found);
        }
        at = found + 2;
    }
}

fn skip_between(bytes: &[u8]) -> &[u8] {
    skip(bytes, |byte| is_blank(byte) || byte == b',')
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    skip(bytes, is_blank)
}

fn skip(bytes: &[u8], skipped: impl Fn(u8) -> bool) -> &[u8] {
    let count = bytes.iter().take_while(|&&byte| skipped(byte)).count();
    bytes.get(count..).unwrap_or_default()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn members_as_far_as_they_go() {
        for (object, members) in [
            ("{}", &[][..]),
            (r#"{"a":1}"#, &[("a", "1")]),
            (
                "{ \"a\" : \"x\\\"y\" ,\n\t\"b\":{\"c\":[\"}\"]} , \"d\":null }",
                &[("a", r#""x\"y""#), ("b", r#"{"c":["}"]}"#), ("d", "null")],
            ),
            (r#"{"\u0061\n":true}"#, &[("a\n", "true")]),
            (r#"{"a":1,"a":2}"#, &[("a", "1"), ("a", "2")]),
            ("\u{feff}{\"a\":1}", &[("a", "1")]),
            (r#"{"a":1,"b"#, &[("a", "1")]),
            (r#"{"a":1,"b":"#, &[("a", "1"), ("b", "")]),
            (r#"{"a":"cut \"#, &[("a", r#""cut \"#)]),
            (r#"{"a":{"b":[1"#, &[("a", r#"{"b":[1"#)]),
            (r#"{"a" 1,"b":2}"#, &[]),
            (r#"{"a":1 2,"b":3}"#, &[("a", "1")]),
            (r#"["a",1]"#, &[]),
            ("", &[]),
        ] {
            let found: Vec<_> = Members::of(object.as_bytes())
                .map(|(name, value)| (text(&name), text(value)))
                .collect();
            let expected: Vec<_> = members
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            assert_eq!(found, expected, "{object}");
        }
    }

    #[test]
    fn elements_as_far_as_they_go() {
        for (array, elements) in [
            ("[]", &[][..]),
            (r#"[{"a":1}, {} ]"#, &[r#"{"a":1}"#, "{}"]),
            (r#"[1,"]",[[2]]]"#, &["1", r#""]""#, "[[2]]"]),
            ("[{}", &["{}"]),
            ("\n\u{feff} [1]", &["1"]),
            ("[{", &["{"]),
            ("{}", &[]),
        ] {
            let found: Vec<_> = Elements::of(array.as_bytes()).map(text).collect();
            assert_eq!(found, elements, "{array}");
        }
    }

    #[test]
    fn what_strings_say() {
        for (value, said) in [
            (r#""""#, Some("")),
            (r#""plain é""#, Some("plain é")),
            (r#""\"\\\/\b\f\n\r\t""#, Some("\"\\/\u{8}\u{c}\n\r\t")),
            (r#""\u00e9\u20AC\u0000""#, Some("é€\0")),
            (r#""\ud83d\ude00""#, Some("😀")),
            (r#""\ud83d""#, Some(r"\ud83d")),
            (r#""\ud83dx\ude00""#, Some(r"\ud83dx\ude00")),
            (r#""\ud83d\ud83d\ude00""#, Some(r"\ud83d😀")),
            (r#""\ud83d\n""#, Some("\\ud83d\n")),
            (r#""\\ud83d""#, Some(r"\ud83d")),
            (r#""\\\\n""#, Some(r"\\n")),
            (r#""cut \"#, Some(r"cut \")),
            (r#""cut \u00"#, Some(r"cut \u00")),
            ("1", None),
            ("{}", None),
            ("", None),
        ] {
            let found = unescaped(value.as_bytes()).map(|found| text(&found));
            assert_eq!(found.as_deref(), said, "{value}");
        }
    }

    proptest! {
        #[test]
        fn strings_say_what_serde_json_says(said in any::<String>(), escape_all in any::<bool>()) {
            let written = if escape_all {
                let units = said.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
                format!("\"{}\"", units.collect::<String>())
            } else {
                serde_json::to_string(&said).unwrap()
            };
            prop_assert_eq!(unescaped(written.as_bytes()), Some(said.into_bytes().into()));
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in vec(prop::sample::select(b"{}[]\"\\:, au0\n\xff".to_vec()), 0..40)) {
            let mut length = 0;
            for (_, value) in Members::of(&bytes) {
                length += value.len() + 1;
            }
            for value in Elements::of(&bytes) {
                length += value.len();
            }
            prop_assert!(length <= bytes.len() + 1);
            let _ = super::super::Content::of(&bytes);
            unescaped(&bytes);
        }
    }
}
