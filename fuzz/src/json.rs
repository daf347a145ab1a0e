//! What JSON is by `serde_json`'s reading and plain counting.

use hsmtrail::decode::grammar::{Defect, MAX_DEPTH};
use serde::Deserialize as _;
use serde::de::IgnoredAny;
use serde_json::Value;

/// The verdict on a record that `grammar::check` has to come to.
pub(crate) fn verdict(record: &[u8]) -> Result<(), Defect> {
    let text = std::str::from_utf8(record).map_err(|_| Defect::NotUtf8)?;
    // Of `IgnoredAny` only the grammar is checked: neither depth, numbers nor surrogates.
    let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
    let is_object = text
        .trim_start_matches([' ', '\t', '\n', '\r'])
        .starts_with('{');
    if depth(record) > MAX_DEPTH {
        Err(Defect::TooDeep)
    } else if !is_json {
        Err(Defect::Malformed)
    } else if !is_object {
        Err(Defect::NotAnObject)
    } else {
        Ok(())
    }
}

/// Whether the bytes are one JSON text, of any depth.
pub(crate) fn is_json(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// How many brackets are open at once at most; a closing one of either kind closes one.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The tree of a JSON text, with every number 0 and U+FFFD for each unpaired surrogate: what
/// `serde_json` would refuse of both it need not read.
pub(crate) fn tree(json: &str) -> Value {
    let plain = plain(json);
    let mut reader = serde_json::Deserializer::from_str(&plain);
    reader.disable_recursion_limit();
    Value::deserialize(&mut reader).expect("the grammar accepts it")
}

fn plain(json: &str) -> String {
    let mut out = String::new();
    let mut rest = json;
    let mut in_string = false;
    while let Some(first) = rest.chars().next() {
        let (length, written) = match first {
            '"' => {
                in_string = !in_string;
                (1, "\"")
            }
            '\\' => escape(rest),
            '-' | '0'..='9' if !in_string => {
                let digits = |c: char| !matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9');
                (rest.find(digits).unwrap_or(rest.len()), "0")
            }
            _ => (first.len_utf8(), &rest[..first.len_utf8()]),
        };
        out.push_str(written);
        rest = &rest[length..];
    }
    out
}

/// The length of the escape that `text` begins with, and what to write for it.
fn escape(text: &str) -> (usize, &str) {
    let unit = |at: usize| {
        let hex = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(hex, 16).ok()
    };
    match (unit(0), unit(6)) {
        (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) => (12, &text[..12]),
        (Some(0xD800..0xE000), _) => (6, "\u{fffd}"),
        (Some(_), _) => (6, &text[..6]),
        (None, _) => (2, &text[..2]),
    }
}
