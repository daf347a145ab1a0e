//! Rewrites a JSON text so that the tape's parser takes it.
//!
//! In → out: a text that follows the grammar; the same text with every number as `0` and every
//! unpaired surrogate escape as `\ufffd`.
//!
//! Invariants: **The result has the same members, the same types and, unpaired surrogates aside,
//! the same strings.** No number is ever read from a record, so none needs its value. The result
//! is never longer than the text.
//!
//! Not here: when this is needed ([`super::tape`]).
//!
//! Failure: none; of a text that does not follow the grammar the result means nothing.

use memchr::memchr2;

/// Replaces what `out` held by the rewritten `text`.
pub(super) fn repair(text: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match byte {
            b'"' => {
                out.push(byte);
                repair_string(tail, out)
            }
            b'-' | b'0'..=b'9' => {
                out.push(b'0');
                after_number(tail)
            }
            _ => {
                out.push(byte);
                tail
            }
        };
    }
}

fn after_number(text: &[u8]) -> &[u8] {
    let is_part = |&byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    let len = text.iter().take_while(|&byte| is_part(byte)).count();
    text.get(len..).unwrap_or_default()
}

/// Rewrites the string that `text` begins inside of, and returns what follows its closing quote.
fn repair_string<'t>(mut text: &'t [u8], out: &mut Vec<u8>) -> &'t [u8] {
    while let Some(at) = memchr2(b'"', b'\\', text) {
        let (plain, rest) = text.split_at(at);
        out.extend_from_slice(plain);
        if let Some(after) = rest.strip_prefix(b"\"") {
            out.push(b'"');
            return after;
        }
        let (escape, len) = repaired_escape(rest);
        out.extend_from_slice(escape);
        text = rest.get(len..).unwrap_or_default();
    }
    out.extend_from_slice(text);
    &[]
}

/// What to write for the escape at the start of `text`, and how many bytes it replaces.
fn repaired_escape(text: &[u8]) -> (&[u8], usize) {
    let len = match code_unit(text) {
        None => 2,
        Some(0xd800..=0xdbff) if is_low_surrogate(text.get(6..).unwrap_or_default()) => 12,
        Some(0xd800..=0xdfff) => return (b"\\ufffd", 6),
        Some(_) => 6,
    };
    (text.get(..len).unwrap_or(text), len)
}

fn is_low_surrogate(text: &[u8]) -> bool {
    matches!(code_unit(text), Some(0xdc00..=0xdfff))
}

/// The UTF-16 unit of the `\u` escape at the start of `text`, when one is there.
fn code_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::texts::{blank, json};
    use super::*;

    fn repaired(text: &str) -> String {
        let mut out = b"left from before".to_vec();
        repair(text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_become_zero_and_halves_become_the_replacement() {
        for (text, expected) in [
            ("", ""),
            ("{}", "{}"),
            (" [ -1.5e+3 ,2,1e400]\n", " [ 0 ,0,0]\n"),
            (r#"{"1":"-2e3"}"#, r#"{"1":"-2e3"}"#),
            (r#"["a\"1\\",1]"#, r#"["a\"1\\",0]"#),
            (r#""\ud800""#, r#""\ufffd""#),
            (r#""\uDBFF""#, r#""\ufffd""#),
            (r#""\udfff""#, r#""\ufffd""#),
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\uD83D\uDE00\uDE00""#, r#""\uD83D\uDE00\ufffd""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ud83d\\ude00""#, r#""\ufffd\\ude00""#),
            (r#""\\ud800""#, r#""\\ud800""#),
            (r#""\ud83d\n\ude00""#, r#""\ufffd\n\ufffd""#),
            (r#""\u0000\ud7ff\ue000""#, r#""\u0000\ud7ff\ue000""#),
            (r#"{"\ud800":"\/\b"}"#, r#"{"\ufffd":"\/\b"}"#),
        ] {
            assert_eq!(repaired(text), expected, "{text}");
        }
    }

    #[test]
    fn a_damaged_text_only_has_no_meaning() {
        for text in [
            "\"",
            "\"\\",
            "\"\\u",
            "\"\\u00",
            "\"\\ud800\\",
            "\"\\ud800\\udc0",
            "-",
            "\\",
        ] {
            repaired(text);
        }
    }

    proptest! {
        #[test]
        fn the_result_means_what_the_model_means(json in json(), blank in blank()) {
            let text = json.print(blank);
            let repaired = repaired(&text);
            prop_assert!(repaired.len() <= text.len());
            prop_assert_eq!(serde_json::from_str::<Value>(&repaired).unwrap(), json.value());
        }
    }
}
