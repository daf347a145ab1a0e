//! Tells whether a `{` may stand where it stands inside a record, by the grammar of brackets.
//!
//! In → out: the bytes of an open record up to a line that starts with `{`; out comes whether JSON
//! allows a value there.
//!
//! Invariants: **Each byte is looked at once**, because the state goes on from line to line.
//! **Only structure counts**: brackets of the wrong kind, and a `{` after something else than
//! `:` (in an object) or `[` and `,` (in an array). A wrong literal or number does not.
//!
//! Not here: when the question is asked (`framer`); the full grammar (`decode`).
//!
//! Failure: none. Records nested deeper than the stack holds are not doubted.

/// The brackets of one open record.
#[derive(Debug, Clone, Default)]
pub(super) struct Pairing {
    /// How many bytes of the record were looked at.
    looked_at: usize,
    /// The kinds of the open brackets, the innermost in the lowest bit: 1 for `{`, 0 for `[`.
    kinds: u128,
    depth: u32,
    /// The record was deeper than the stack holds, so its kinds are no longer known.
    too_deep: bool,
    string: Option<Escape>,
    /// The last byte that is neither blank nor part of a string.
    before: u8,
    /// A bracket was closed by the other kind.
    mismatched: bool,
}

/// Inside a string: whether the next byte is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    No,
    Next,
}

impl Pairing {
    /// Whether a value may follow `record`, the bytes of an open record so far.
    pub(super) fn allows_value_after(&mut self, record: &[u8]) -> bool {
        for &byte in record.get(self.looked_at..).unwrap_or_default() {
            self.look_at(byte);
        }
        self.looked_at = record.len();
        if self.too_deep {
            return true;
        }
        let in_object = self.kinds & 1 == 1;
        let fits = if in_object {
            self.before == b':'
        } else {
            matches!(self.before, b'[' | b',')
        };
        fits && !self.mismatched
    }

    fn look_at(&mut self, byte: u8) {
        if let Some(escape) = self.string {
            self.string = match (escape, byte) {
                (Escape::No, b'"') => None,
                (Escape::No, b'\\') => Some(Escape::Next),
                _ => Some(Escape::No),
            };
            return;
        }
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => return,
            b'"' => self.string = Some(Escape::No),
            b'{' | b'[' => {
                self.kinds = self.kinds << 1 | u128::from(byte == b'{');
                self.depth = self.depth.saturating_add(1);
                self.too_deep |= self.depth > u128::BITS;
            }
            b'}' | b']' => {
                self.mismatched |= (self.kinds & 1 == 1) != (byte == b'}');
                self.kinds >>= 1;
                self.depth = self.depth.saturating_sub(1);
            }
            _ => {}
        }
        self.before = byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_follow_only_where_the_brackets_allow_it() {
        for (record, allowed) in [
            (r#"{"a":"#, true),
            (r#"{"a": [ "#, true),
            (r#"{"a":[1, "#, true),
            (r#"{"a":[{}, "#, true),
            (r#"{"a":tru,"b":"#, true),
            ("{", false),
            (r#"{"a""#, false),
            (r#"{"a":1"#, false),
            (r#"{"a":1,"#, false),
            (r#"{"a":"x:""#, false),
            (r#"{"a":{"b":1},"#, false),
            (r#"{"a":[1"#, false),
            (r#"{"a":[{}"#, false),
            (r#"{"a":[1},"b":"#, false),
            (r#"{"a":{"b":1],"c":"#, false),
            (r#"{"a":"[1}","b":"#, true),
            (r#"{"a":"\"[1}","b":"#, true),
        ] {
            let mut whole = Pairing::default();
            assert_eq!(
                whole.allows_value_after(record.as_bytes()),
                allowed,
                "{record}"
            );
            let mut stepwise = Pairing::default();
            for end in 1..record.len() {
                stepwise.allows_value_after(&record.as_bytes()[..end]);
            }
            assert_eq!(
                stepwise.allows_value_after(record.as_bytes()),
                allowed,
                "{record}"
            );
        }
    }
}
