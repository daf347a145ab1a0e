//! Tells a CloudTrail log file, `{"Records":[…]}`, from other objects.
//!
//! In → out: the bytes after the object's `{`, in pieces of any size; out comes what was found
//! ([`Found`]).
//!
//! Invariants: **Member names compare unescaped.** Nothing is held but one short key. What stands
//! inside other members is skipped by its quotes and brackets.
//!
//! Not here: what the caller does with the finding (`framer`).
//!
//! Failure: none; whatever cannot be the beginning of a log file is [`Found::Ordinary`].
//!
//! Cost: a byte at a time, but only up to the first of `Records`, `eventSource` and
//! `eventVersion`, and over the few bytes around the `Records` arrays of a log file.

use super::scanner::{Scanner, Stop};

/// The member whose array holds the records of a log file.
pub(super) const RECORDS: &str = "Records";

/// The longest spelling of a name that matters: `eventVersion`, each letter as `\u00xx`.
const KEY_BYTES: usize = 72;

/// What a walk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Every byte was looked at; nothing is decided.
    NeedMore,
    /// The next byte is a line break, outside every string.
    LineBreak,
    /// The next byte is a line break, inside a string.
    LineBreakInString,
    /// The byte before opened the array of a member `Records`.
    RecordsArray,
    /// This object is no log file. The next byte stands outside strings, one bracket deep.
    Ordinary,
    /// The byte before closed the object.
    Closed,
    /// The next byte is a bracket that closes nothing.
    StrayBracket,
    /// The next byte begins a value that is no member's: the log file before it was not closed.
    NextValue,
}

/// A walk over the members of one object.
#[derive(Debug, Clone)]
pub(super) struct Members {
    state: State,
    key: Key,
    /// The object is a log file: other members are skipped, and nothing makes it ordinary.
    log_file: bool,
    /// Keys and commas so far, to tell an object that has only begun.
    tokens: u32,
}

#[derive(Debug, Clone)]
enum State {
    /// Before a key, a comma or the closing brace.
    Between,
    InKey {
        escaped: bool,
    },
    AfterKey,
    BeforeValue,
    InText {
        escaped: bool,
    },
    InNested(Scanner),
    InBare,
}

impl Members {
    /// A walk that begins after the `{` of an object that may be a log file.
    pub(super) fn of_candidate() -> Self {
        Self {
            state: State::Between,
            key: Key::default(),
            log_file: false,
            tokens: 0,
        }
    }

    /// A walk that goes on after a `Records` array.
    pub(super) fn of_log_file() -> Self {
        Self {
            log_file: true,
            ..Self::of_candidate()
        }
    }

    /// How many keys and commas were seen.
    pub(super) fn tokens(&self) -> u32 {
        self.tokens
    }

    /// Looks at `bytes` until something is found. Returns how many bytes were looked at.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> (usize, Found) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let step = match &mut self.state {
                State::Between => self.between(byte),
                State::InKey { escaped } => {
                    if *escaped || byte != b'"' {
                        *escaped = !*escaped && byte == b'\\';
                        self.key.push(byte);
                        in_string(byte)
                    } else {
                        self.state = State::AfterKey;
                        Step::Next
                    }
                }
                State::AfterKey => self.after_key(byte),
                State::BeforeValue => self.before_value(byte),
                State::InText { escaped } => {
                    if *escaped || byte != b'"' {
                        *escaped = !*escaped && byte == b'\\';
                        in_string(byte)
                    } else {
                        self.state = State::Between;
                        Step::Next
                    }
                }
                State::InNested(scanner) => {
                    let (n, stop) = scanner.advance(bytes.get(at..).unwrap_or_default());
                    at += n;
                    match stop {
                        Stop::NeedMore => return (at, Found::NeedMore),
                        Stop::LineBreak => return (at, Found::LineBreak),
                        Stop::LineBreakInString => return (at, Found::LineBreakInString),
                        Stop::Closed => self.state = State::Between,
                    }
                    Step::Again
                }
                State::InBare => match byte {
                    b',' | b'}' | b']' | b'{' | b'[' | b'"' | b' ' | b'\t' | b'\n' | b'\r' => {
                        self.state = State::Between;
                        Step::Again
                    }
                    _ => Step::Next,
                },
            };
            match step {
                Step::Again => {}
                Step::Next => at += 1,
                Step::FoundAfter(found) => return (at + 1, found),
                Step::FoundBefore(found) => return (at, found),
            }
        }
        (at, Found::NeedMore)
    }

    fn between(&mut self, byte: u8) -> Step {
        match byte {
            b' ' | b'\t' => Step::Next,
            b'\n' | b'\r' => Step::FoundBefore(Found::LineBreak),
            b',' => {
                self.tokens = self.tokens.saturating_add(1);
                Step::Next
            }
            b'"' => {
                self.tokens = self.tokens.saturating_add(1);
                self.key = Key::default();
                self.state = State::InKey { escaped: false };
                Step::Next
            }
            b'}' => Step::FoundAfter(Found::Closed),
            _ if !self.log_file => Step::FoundBefore(Found::Ordinary),
            b']' => Step::FoundBefore(Found::StrayBracket),
            b'{' | b'[' => Step::FoundBefore(Found::NextValue),
            _ => self.skip_value(byte),
        }
    }

    fn after_key(&mut self, byte: u8) -> Step {
        match byte {
            b' ' | b'\t' => Step::Next,
            b'\n' | b'\r' => Step::FoundBefore(Found::LineBreak),
            b':' if !self.log_file && self.key.is_of_an_event() => {
                Step::FoundAfter(Found::Ordinary)
            }
            b':' => {
                self.state = State::BeforeValue;
                Step::Next
            }
            _ if !self.log_file => Step::FoundBefore(Found::Ordinary),
            _ => {
                self.state = State::Between;
                Step::Again
            }
        }
    }

    fn before_value(&mut self, byte: u8) -> Step {
        match byte {
            b' ' | b'\t' => return Step::Next,
            b'\n' | b'\r' => return Step::FoundBefore(Found::LineBreak),
            _ => {}
        }
        if self.key.is(RECORDS.as_bytes()) {
            if byte == b'[' {
                self.state = State::Between;
                return Step::FoundAfter(Found::RecordsArray);
            }
            if byte == b'{' && !self.log_file {
                return Step::FoundBefore(Found::Ordinary);
            }
        }
        self.skip_value(byte)
    }

    /// Begins to skip the value that starts with `byte`.
    fn skip_value(&mut self, byte: u8) -> Step {
        match byte {
            b'{' | b'[' => {
                self.state = State::InNested(Scanner::at_depth(0));
                Step::Again
            }
            b'"' => {
                self.state = State::InText { escaped: false };
                Step::Next
            }
            b',' | b'}' | b']' => {
                self.state = State::Between;
                Step::Again
            }
            _ => {
                self.state = State::InBare;
                Step::Next
            }
        }
    }
}

/// What one byte did.
enum Step {
    /// The state changed; the same byte is looked at again.
    Again,
    Next,
    FoundAfter(Found),
    FoundBefore(Found),
}

fn in_string(byte: u8) -> Step {
    if byte == b'\n' || byte == b'\r' {
        Step::FoundBefore(Found::LineBreakInString)
    } else {
        Step::Next
    }
}

/// A member name as written, as far as it can be one that matters.
#[derive(Debug, Clone)]
struct Key {
    bytes: [u8; KEY_BYTES],
    /// May exceed `KEY_BYTES`: then the name is none that matters.
    len: usize,
}

impl Default for Key {
    fn default() -> Self {
        Self {
            bytes: [0; KEY_BYTES],
            len: 0,
        }
    }
}

impl Key {
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
        }
        self.len = self.len.saturating_add(1);
    }

    fn is_of_an_event(&self) -> bool {
        self.is(b"eventVersion") || self.is(b"eventSource")
    }

    fn is(&self, name: &[u8]) -> bool {
        let Some(mut written) = self.bytes.get(..self.len) else {
            return false;
        };
        if written == name {
            return true;
        }
        for &letter in name {
            let Some(rest) = strip_letter(written, letter) else {
                return false;
            };
            written = rest;
        }
        written.is_empty()
    }
}

/// `written` without its first character, when that is the ASCII `letter`, plain or as `\u00xx`.
fn strip_letter(written: &[u8], letter: u8) -> Option<&[u8]> {
    match written {
        [b'\\', b'u', a, b, c, d, rest @ ..] => {
            let digits = [*a, *b, *c, *d];
            let digits = std::str::from_utf8(&digits).ok()?;
            let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            let code = u16::from_str_radix(digits, 16).ok()?;
            (is_hex && code == u16::from(letter)).then_some(rest)
        }
        [first, rest @ ..] if *first == letter => Some(rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The finding for the text after a `{`, and what is left of it, at every chunk size.
    fn check(text: &str, expected: Found, left: &str) {
        for piece in 1..=text.len().max(1) {
            let mut members = Members::of_candidate();
            let (mut at, mut found) = (0, Found::NeedMore);
            for chunk in text.as_bytes().chunks(piece) {
                let n;
                (n, found) = members.advance(chunk);
                at += n;
                if found != Found::NeedMore {
                    break;
                }
            }
            assert_eq!(
                (found, text.get(at..).unwrap()),
                (expected, left),
                "{text:?} by {piece}"
            );
        }
    }

    #[test]
    fn tells_a_log_file_from_other_objects() {
        for (text, found, left) in [
            (r#""Records":[{}]}"#, Found::RecordsArray, "{}]}"),
            (r#" "Records" : [ ]}"#, Found::RecordsArray, " ]}"),
            (r#""\u0052ecord\u0073":[1"#, Found::RecordsArray, "1"),
            (
                r#""a":{"Records":[]},"Records":[1"#,
                Found::RecordsArray,
                "1",
            ),
            (
                r#""a":"Records","b":[[]],"c":1.5e3,"d":null,"Records":[1"#,
                Found::RecordsArray,
                "1",
            ),
            (r#""a":"x\"y\\","Records":[1"#, Found::RecordsArray, "1"),
            (r#""records":[1]}"#, Found::Closed, ""),
            (r#""Records ":[1]}"#, Found::Closed, ""),
            (r#""Record\u0173":[1]}"#, Found::Closed, ""),
            (r#""Record\u+073":[1]}"#, Found::Closed, ""),
            (r#""Records":{}}"#, Found::Ordinary, "{}}"),
            (r#""Records":null,"Records":[]}"#, Found::RecordsArray, "]}"),
            (
                r#""eventVersion":"1.08","Records":[]}"#,
                Found::Ordinary,
                r#""1.08","Records":[]}"#,
            ),
            (r#""event\u0053ource":1}"#, Found::Ordinary, "1}"),
            (r#""a" 1}"#, Found::Ordinary, "1}"),
            ("1}", Found::Ordinary, "1}"),
            ("]", Found::Ordinary, "]"),
            ("}", Found::Closed, ""),
            ("\n}", Found::LineBreak, "\n}"),
            ("\"a\n", Found::LineBreakInString, "\n"),
            ("\"a\":\"\\\r", Found::LineBreakInString, "\r"),
            ("\"a\":[\"\n", Found::LineBreakInString, "\n"),
            (r#""a":[1,{"#, Found::NeedMore, ""),
        ] {
            check(text, found, left);
        }
    }

    #[test]
    fn a_log_file_stays_one() {
        let mut members = Members::of_log_file();
        let rest = br#","Records":{},"eventSource":1,2 :"b","Records":[{"#;
        assert_eq!(members.advance(rest), (rest.len() - 1, Found::RecordsArray));
        assert_eq!(members.advance(b"]}"), (0, Found::StrayBracket));
        for rest in [r#",{"a":1}"#, " [{}]", "3{}"] {
            assert_eq!(members.advance(rest.as_bytes()), (1, Found::NextValue));
        }
    }

    #[test]
    fn a_key_without_end_is_not_held() {
        let mut members = Members::of_candidate();
        members.advance(b"\"Records");
        for _ in 0..10_000 {
            assert_eq!(members.advance(&[b'x'; 1000]).1, Found::NeedMore);
        }
        assert_eq!(members.advance(b"\":[1]}").1, Found::Closed);
    }
}
