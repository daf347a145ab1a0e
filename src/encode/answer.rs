//! Answers a line of a host with one line.
//!
//! In → out: the lines that became of a line of the input, and the `cloudhsm` objects in them; the
//! one line that the host gets.
//!
//! Invariants: **One line, whatever became of the other.** The records in it are, byte for byte,
//! the lines that are written otherwise. `{}` is the answer when there is nothing to say. No more
//! than the first record is held until it is known whether another follows.
//!
//! Not here: what is collected for an answer, and when it is sent (`pipeline`).
//!
//! Failure: none.

use super::rest_of_string;

/// Makes one JSON value of any number of records.
#[derive(Debug, Default)]
pub struct Joined {
    /// The first record, as long as it is the only one.
    first: Vec<u8>,
    count: usize,
}

impl Joined {
    /// Takes records, a whole line each, and appends what can be said by now.
    pub fn add(&mut self, lines: &[u8], out: &mut Vec<u8>) {
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            let record = line.strip_suffix(b"\n").unwrap_or(line);
            if self.count == 0 {
                self.first.extend_from_slice(record);
            } else {
                if self.count == 1 {
                    out.push(b'[');
                    out.append(&mut self.first);
                }
                out.push(b',');
                out.extend_from_slice(record);
            }
            self.count += 1;
        }
    }

    /// Appends the rest of the value: the record that was the only one, or the end of the array. The
    /// next record begins another value.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        match std::mem::take(&mut self.count) {
            0 => out.extend_from_slice(b"{}"),
            1 => out.append(&mut self.first),
            _ => out.push(b']'),
        }
    }

    /// Whether no record came.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Appends what rsyslog's `mmexternal` is to change of its message: the text, and a variable
/// `cloudhsm` with the `objects` in it, between which commas stand, as an array when they are
/// `several`.
pub fn properties(text: &[u8], objects: &[u8], several: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"msg\":\"");
    rest_of_string(text, out);
    if !objects.is_empty() {
        let (open, close): (&[u8], &[u8]) = if several { (b"[", b"]") } else { (b"", b"") };
        for part in [b",\"$!\":{\"cloudhsm\":", open, objects, close, b"}"] {
            out.extend_from_slice(part);
        }
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_for_any_number() {
        let mut joined = Joined::default();
        for (parts, value) in [
            (&[][..], "{}"),
            (&[""], "{}"),
            (&["{\"a\":1.0}\n"], "{\"a\":1.0}"),
            (&["{\"a\":1}\n{\"b\": 2}\n"], "[{\"a\":1},{\"b\": 2}]"),
            (&["1\n", "", "2\n3\n", "4\n"], "[1,2,3,4]"),
        ] {
            let mut out = Vec::new();
            for part in parts {
                joined.add(part.as_bytes(), &mut out);
            }
            joined.end(&mut out);
            assert!(joined.is_empty());
            assert_eq!(String::from_utf8(out).unwrap(), value);
        }
    }

    #[test]
    fn properties_are_only_those_that_change() {
        for (text, objects, several, answer) in [
            (r#"{"a":"\n"}"#, "", false, r#"{"msg":"{\"a\":\"\\n\"}"}"#),
            (
                r#"{"a":1}"#,
                r#"{"v":1}"#,
                false,
                r#"{"msg":"{\"a\":1}","$!":{"cloudhsm":{"v":1}}}"#,
            ),
            (
                "[{},{}]",
                r#"{"v":1},{"v":2}"#,
                true,
                r#"{"msg":"[{},{}]","$!":{"cloudhsm":[{"v":1},{"v":2}]}}"#,
            ),
        ] {
            let mut out = Vec::new();
            properties(text.as_bytes(), objects.as_bytes(), several, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), answer);
        }
    }
}
