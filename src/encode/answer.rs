//! Answers a line of a host with one line.
//!
//! In → out: the lines that became of a line of the input, and the `cloudhsm` objects in them; the
//! one line that the host gets.
//!
//! Invariants: **One line, whatever became of the other.** The records in it are, byte for byte,
//! the lines that are written otherwise. `{}` is the answer when there is nothing to say.
//!
//! Not here: what is collected for an answer, and when it is sent (`pipeline`).
//!
//! Failure: none.

use super::rest_of_string;

/// Appends the line that takes the place of the host's: the one that became of it, or an array of
/// several.
pub fn line(lines: &[u8], out: &mut Vec<u8>) {
    records(lines, out);
    out.push(b'\n');
}

/// Appends what rsyslog's `mmexternal` changes of its message: the text, and a variable `cloudhsm`
/// with the `objects` in it, between which commas stand, as an array when they are `several`.
pub fn properties(lines: &[u8], objects: &[u8], several: bool, out: &mut Vec<u8>) {
    if lines.is_empty() {
        out.extend_from_slice(b"{}\n");
        return;
    }
    let mut text = Vec::with_capacity(lines.len() + 2);
    records(lines, &mut text);
    out.extend_from_slice(b"{\"msg\":\"");
    rest_of_string(&text, out);
    if !objects.is_empty() {
        let (open, close): (&[u8], &[u8]) = if several { (b"[", b"]") } else { (b"", b"") };
        for part in [b",\"$!\":{\"cloudhsm\":", open, objects, close, b"}"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"}\n");
}

/// Appends the records of `lines` as one JSON value.
fn records(lines: &[u8], out: &mut Vec<u8>) {
    let Some(records) = lines.strip_suffix(b"\n") else {
        out.extend_from_slice(b"{}");
        return;
    };
    if !records.contains(&b'\n') {
        out.extend_from_slice(records);
        return;
    }
    let mut before = b'[';
    for record in records.split(|&byte| byte == b'\n') {
        out.push(before);
        out.extend_from_slice(record);
        before = b',';
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_line_for_any_number() {
        for (lines, answer) in [
            ("", "{}\n"),
            ("{\"a\":1.0}\n", "{\"a\":1.0}\n"),
            ("{\"a\":1}\n{\"b\": 2}\n", "[{\"a\":1},{\"b\": 2}]\n"),
        ] {
            assert_eq!(text(|out| line(lines.as_bytes(), out)), answer);
        }
    }

    #[test]
    fn properties_are_only_those_that_change() {
        for (lines, objects, several, answer) in [
            ("", "", false, "{}\n"),
            (
                "{\"a\":\"\\n\"}\n",
                "",
                false,
                r#"{"msg":"{\"a\":\"\\n\"}"}"#,
            ),
            (
                "{\"a\":1}\n",
                "{\"v\":1}",
                false,
                r#"{"msg":"{\"a\":1}","$!":{"cloudhsm":{"v":1}}}"#,
            ),
            (
                "{}\n{}\n",
                "{\"v\":1},{\"v\":2}",
                true,
                r#"{"msg":"[{},{}]","$!":{"cloudhsm":[{"v":1},{"v":2}]}}"#,
            ),
        ] {
            let reply = text(|out| properties(lines.as_bytes(), objects.as_bytes(), several, out));
            assert_eq!(reply.trim_end(), answer.trim_end());
            let reply: serde_json::Value = serde_json::from_str(&reply).unwrap();
            assert_eq!(reply.get("msg").is_none(), lines.is_empty());
        }
    }
}
