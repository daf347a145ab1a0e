//! Tells objects with an array of records, such as a log file's `{"Records":[…]}`, from others.
//!
//! In → out: the bytes after the object's `{`, in pieces of any size; out comes what was found
//! ([`Found`]).
//!
//! Invariants: **Member names compare unescaped.** Nothing is held but one short key. What stands
//! inside other members is skipped by its quotes and brackets.
//!
//! Not here: what the caller does with the finding (`framer`); whether an element is or holds an
//! event (`envelope`).
//!
//! Failure: none; whatever cannot be the beginning of a log file is [`Found::Ordinary`].
//!
//! Cost: a byte at a time, but only up to the first of `Records`, `eventSource` and
//! `eventVersion`, and over the few bytes around the `Records` arrays of a log file; elements are
//! scanned 64 bytes at a step.

use super::scanner::{Scanner, Stop};
use crate::envelope::{CARRIED, RECORDS};

/// The array of rows of CloudTrail Lake's `get-query-results`.
const ROWS: &[u8] = b"QueryResultRows";

/// Whether an array of that name may hold records: an object with such a member may be a document,
/// whose records are elsewhere.
pub fn may_name_records(name: &[u8]) -> bool {
    name == RECORDS.as_bytes() || name == ROWS || CARRIED.contains(&name)
}

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
    /// The byte before opened an array of records.
    RecordsArray,
    /// The byte before opened an array of rows of records.
    RowsArray,
    /// The byte before opened an array of records, or of rows of them, if its elements say so.
    MaybeRecords {
        /// Its elements are rows.
        rows: bool,
    },
    /// The next byte opens an object or array in such an array.
    ElementOpens,
    /// The byte before closed it.
    ElementCloses,
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
    /// What the object is known to be: other members are then skipped, and nothing makes it
    /// ordinary.
    document: Option<Document>,
    /// Keys and commas so far, to tell an object that has only begun.
    tokens: u32,
}

/// An object whose records are in an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    /// Its `Records` are records.
    LogFile,
    /// Arrays of the other names are too.
    Carrier,
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
    /// A value that is neither string nor nested. A backslash escapes here too, as in a [`Scanner`],
    /// so that the same damage costs the same in every object.
    InBare {
        escaped: bool,
    },
    /// In an array that may hold events, before an element, a comma or the closing bracket.
    BetweenElements,
    InElement(Scanner),
}

impl Members {
    /// A walk that begins after the `{` of an object that may be a document.
    pub(super) fn of_candidate() -> Self {
        Self {
            state: State::Between,
            key: Key::default(),
            document: None,
            tokens: 0,
        }
    }

    /// A walk that goes on after an array of records.
    pub(super) fn of(document: Document) -> Self {
        Self {
            document: Some(document),
            ..Self::of_candidate()
        }
    }

    /// What the object is known to be; a log file, if nothing else is known.
    pub(super) fn document(&self) -> Document {
        self.document.unwrap_or(Document::LogFile)
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
                    if stop != Stop::Closed {
                        return (at, of_stop(stop));
                    }
                    self.state = State::Between;
                    Step::Again
                }
                State::InBare { escaped } => {
                    if ends_bare(byte, escaped) {
                        self.state = State::Between;
                        Step::Again
                    } else {
                        Step::Next
                    }
                }
                State::BetweenElements => self.between_elements(byte),
                State::InElement(scanner) => {
                    let (n, stop) = scanner.advance(bytes.get(at..).unwrap_or_default());
                    at += n;
                    if stop == Stop::Closed {
                        self.state = State::BetweenElements;
                    }
                    return (at, of_stop(stop));
                }
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
            _ if self.document.is_none() => Step::FoundBefore(Found::Ordinary),
            b']' => Step::FoundBefore(Found::StrayBracket),
            b'{' | b'[' => Step::FoundBefore(Found::NextValue),
            _ => self.skip_value(byte),
        }
    }

    fn after_key(&mut self, byte: u8) -> Step {
        match byte {
            b' ' | b'\t' => Step::Next,
            b'\n' | b'\r' => Step::FoundBefore(Found::LineBreak),
            b':' if self.document.is_none() && self.key.is_of_an_event() => {
                Step::FoundAfter(Found::Ordinary)
            }
            b':' => {
                self.state = State::BeforeValue;
                Step::Next
            }
            _ if self.document.is_none() => Step::FoundBefore(Found::Ordinary),
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
            if byte == b'{' && self.document.is_none() {
                return Step::FoundBefore(Found::Ordinary);
            }
        } else if byte == b'[' && self.document != Some(Document::LogFile) {
            let rows = self.key.is(ROWS);
            if rows || CARRIED.iter().any(|name| self.key.is(name)) {
                return self.array_that_may_carry(rows);
            }
        }
        self.skip_value(byte)
    }

    /// Opens an array of one of the names that are not used for events only.
    fn array_that_may_carry(&mut self, rows: bool) -> Step {
        if self.document.is_none() {
            self.state = State::BetweenElements;
            return Step::FoundAfter(Found::MaybeRecords { rows });
        }
        self.state = State::Between;
        Step::FoundAfter(if rows {
            Found::RowsArray
        } else {
            Found::RecordsArray
        })
    }

    fn between_elements(&mut self, byte: u8) -> Step {
        match byte {
            b' ' | b'\t' | b',' => Step::Next,
            b'\n' | b'\r' => Step::FoundBefore(Found::LineBreak),
            b']' => {
                self.state = State::Between;
                Step::Next
            }
            b'{' | b'[' => {
                self.state = State::InElement(Scanner::at_depth(0));
                Step::FoundBefore(Found::ElementOpens)
            }
            // No array of records: the rest of it is skipped.
            _ => {
                self.state = State::InNested(Scanner::at_depth(1));
                Step::Again
            }
        }
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
                let escaped = byte == b'\\';
                self.state = State::InBare { escaped };
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

/// What the end of a scan means to the caller; that of an element, when it closed.
const fn of_stop(stop: Stop) -> Found {
    match stop {
        Stop::NeedMore => Found::NeedMore,
        Stop::LineBreak => Found::LineBreak,
        Stop::LineBreakInString => Found::LineBreakInString,
        Stop::Closed => Found::ElementCloses,
    }
}

/// Whether a value that is neither string nor bracket ends before this byte; a quote behind a
/// backslash does not end it, as in every other object.
fn ends_bare(byte: u8, escaped: &mut bool) -> bool {
    let was_escaped = std::mem::replace(escaped, byte == b'\\' && !*escaped);
    match byte {
        b'"' => !was_escaped,
        b',' | b'}' | b']' | b'{' | b'[' | b' ' | b'\t' | b'\n' | b'\r' => true,
        _ => false,
    }
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
        let mut members = Members::of(Document::LogFile);
        let rest = br#","events":[1],"Records":{},"eventSource":1,2 :"b","Records":[{"#;
        assert_eq!(members.advance(rest), (rest.len() - 1, Found::RecordsArray));
        assert_eq!(members.advance(b"]}"), (0, Found::StrayBracket));
        for rest in [r#",{"a":1}"#, " [{}]", "3{}"] {
            assert_eq!(members.advance(rest.as_bytes()), (1, Found::NextValue));
        }
    }

    #[test]
    fn arrays_of_other_names_are_looked_into() {
        let maybe = |rows| Found::MaybeRecords { rows };
        for (text, found, left) in [
            (r#""Events":[{}]}"#, maybe(false), "{}]}"),
            (r#""events" : [ ]}"#, maybe(false), " ]}"),
            (r#""a":1,"\u006cogEvents":[1"#, maybe(false), "1"),
            (r#""QueryResultRows":[[1"#, maybe(true), "[1"),
            (r#""Events":{}}"#, Found::Closed, ""),
            (
                r#""eventSource":1,"events":[]"#,
                Found::Ordinary,
                r#"1,"events":[]"#,
            ),
        ] {
            check(text, found, left);
        }
        let mut members = Members::of_candidate();
        let text = br#""events":[ {"]":1},[],1,{}]} "#;
        let mut at = 0;
        for (found, next) in [
            (maybe(false), 10),
            (Found::ElementOpens, 11),
            (Found::ElementCloses, 18),
            (Found::ElementOpens, 19),
            (Found::ElementCloses, 21),
            (Found::Closed, 28),
        ] {
            let (n, got) = members.advance(&text[at..]);
            at += n;
            assert_eq!((got, at), (found, next));
        }
        let mut members = Members::of(Document::Carrier);
        let text = br#","nextToken":[1],"QueryResultRows":["#;
        assert_eq!(members.advance(text), (text.len(), Found::RowsArray));
        assert_eq!(members.advance(b",\"events\":["), (11, Found::RecordsArray));
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
