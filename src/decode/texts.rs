//! JSON texts for the tests of this room: a model that prints itself in odd ways, tables of good
//! and bad texts, and a plain recogniser.
//!
//! In → out: strategies and constants.
//!
//! Invariants: **The model is the oracle**: what a text must read as is known before it is
//! printed, so no parser is needed to say it.
//!
//! Not here: the rules that are tested.
//!
//! Failure: none.

use std::fmt::Write;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

/// A JSON value as it is written: names may repeat, strings may be no Unicode.
#[derive(Debug, Clone)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(Text),
    Array(Vec<Json>),
    Object(Vec<(Text, Json)>),
}

/// A string as UTF-16 units, each written as itself or as an escape.
pub(super) type Text = Vec<(u16, bool)>;

/// A string written plainly.
pub(super) fn plain(text: &str) -> Text {
    text.encode_utf16().map(|unit| (unit, false)).collect()
}

fn meaning(text: &Text) -> String {
    String::from_utf16_lossy(&text.iter().map(|&(unit, _)| unit).collect::<Vec<_>>())
}

impl Json {
    /// The text of the value, with `blank` wherever white space may stand.
    pub(super) fn print(&self, blank: &str) -> String {
        let mut out = String::new();
        self.write(blank, &mut out);
        out
    }

    fn write(&self, blank: &str, out: &mut String) {
        out.push_str(blank);
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => write!(out, "{value}").unwrap(),
            Self::Number(digits) => out.push_str(digits),
            Self::Text(text) => write_text(text, out),
            Self::Array(values) => {
                out.push('[');
                for (at, value) in values.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    value.write(blank, out);
                }
                out.push_str(blank);
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    out.push_str(blank);
                    write_text(name, out);
                    out.push_str(blank);
                    out.push(':');
                    value.write(blank, out);
                }
                out.push_str(blank);
                out.push('}');
            }
        }
        out.push_str(blank);
    }

    /// What the value means: the last of equal names, U+FFFD for an unpaired surrogate, and every
    /// number 0.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(_) => Value::from(0),
            Self::Text(text) => Value::String(meaning(text)),
            Self::Array(values) => values.iter().map(Self::value).collect(),
            Self::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, value)| (meaning(name), value.value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }
}

fn write_text(text: &Text, out: &mut String) {
    out.push('"');
    let units: Vec<u16> = text.iter().map(|&(unit, _)| unit).collect();
    let mut at = 0;
    for read in char::decode_utf16(units) {
        let len = read.as_ref().map_or(1, |character| character.len_utf16());
        let escaped = text[at..at + len].iter().any(|&(_, escaped)| escaped);
        match read {
            Ok(character @ ('"' | '\\')) => write!(out, "\\{character}").unwrap(),
            Ok('/') if escaped => out.push_str("\\/"),
            Ok('\n') => out.push_str("\\n"),
            Ok('\t') => out.push_str("\\t"),
            Ok('\r') => out.push_str("\\r"),
            Ok('\u{8}') => out.push_str("\\b"),
            Ok('\u{c}') => out.push_str("\\f"),
            Ok(character) if character >= ' ' && !escaped => out.push(character),
            _ => {
                for (nth, (unit, _)) in text[at..at + len].iter().enumerate() {
                    // Both cases of hexadecimal digits.
                    if nth == 0 {
                        write!(out, "\\u{unit:04x}").unwrap();
                    } else {
                        write!(out, "\\u{unit:04X}").unwrap();
                    }
                }
            }
        }
        at += len;
    }
    out.push('"');
}

/// White space as a text may have it.
pub(super) fn blank() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just(""), 1 => Just(" "), 1 => Just("\r\n\t "), 1 => Just("\n")]
}

/// A string of letters, quotes, brackets, controls, pairs and halves of pairs.
pub(super) fn text() -> impl Strategy<Value = Text> {
    let unit = prop_oneof![
        6 => (0x20_u16..0x7f, prop::bool::weighted(0.1)),
        1 => (0_u16..0x20, any::<bool>()),
        1 => (prop::sample::select(vec![b'"', b'\\', b'/', b'{', b'}', b'[', b']', b','])
            .prop_map(u16::from), any::<bool>()),
        1 => (0x80_u16..0xd800, any::<bool>()),
    ];
    let piece = prop_oneof![
        20 => unit.prop_map(|unit| vec![unit]),
        1 => (0xd800_u16..0xdc00, 0xdc00_u16..0xe000, any::<bool>())
            .prop_map(|(high, low, escaped)| vec![(high, escaped), (low, escaped)]),
        1 => (0xd800_u16..0xe000).prop_map(|half| vec![(half, true)]),
        1 => Just(plain("cloudhsm")),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// A number of any form and size.
pub(super) fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "-?(0|[1-9][0-9]{0,8})(\\.[0-9]{1,4})?([eE][-+]?[0-9]{1,2})?",
        1 => "-?[1-9][0-9]{18,24}",
        1 => "-?[1-9][0-9]{400}",
        1 => prop::sample::select(vec!["1e400", "-1E+400", "1e-400", "-0", "-0.0e-0"])
            .prop_map(str::to_owned),
    ]
}

/// Any value.
pub(super) fn json() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        1 => Just(Json::Null),
        1 => any::<bool>().prop_map(Json::Bool),
        2 => number().prop_map(Json::Number),
        4 => text().prop_map(Json::Text),
    ];
    scalar.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::Array),
            vec((text(), inner), 0..4).prop_map(Json::Object),
        ]
    })
}

/// An object of any members.
pub(super) fn object() -> impl Strategy<Value = Json> {
    vec((text(), json()), 0..5).prop_map(Json::Object)
}

/// A text with a few of its bytes changed, put in, taken out or cut off.
pub(super) fn damaged(text: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        prop::sample::select(b"{}[]\",:\\u0-+.eEtfn \n\x00\x1f\x7f\xc0\xed\xa0\xff".to_vec()),
        any::<u8>(),
    ];
    let change = (0_u8..4, any::<prop::sample::Index>(), byte);
    (text, vec(change, 0..4)).prop_map(|(text, changes)| {
        let mut bytes = text.into_bytes();
        for (kind, at, byte) in changes {
            let at = at.index(bytes.len() + 1);
            match kind {
                0 => bytes.insert(at, byte),
                1 => bytes.truncate(at),
                _ if at == bytes.len() => {}
                2 => drop(bytes.remove(at)),
                _ => bytes[at] = byte,
            }
        }
        bytes
    })
}

/// `depth` nested values, opened and closed in turn by each of `kinds`.
pub(super) fn nested(kinds: &[(&str, &str)], depth: usize) -> String {
    let mut text = String::new();
    let turn = || kinds.iter().cycle().take(depth);
    turn().for_each(|(open, _)| text.push_str(open));
    if text.ends_with(':') {
        text.push('0');
    }
    turn()
        .collect::<Vec<_>>()
        .iter()
        .rev()
        .for_each(|(_, close)| text.push_str(close));
    text
}

/// Whether bytes are one JSON text, by the productions of RFC 8259 one after the other.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    let mut grammar = Productions { rest: bytes };
    str::from_utf8(bytes).is_ok() && grammar.value() && grammar.rest.is_empty()
}

struct Productions<'a> {
    rest: &'a [u8],
}

impl Productions<'_> {
    fn value(&mut self) -> bool {
        self.blanks();
        let found = match self.rest.first() {
            Some(b'{') => self.list(b'}', |one| {
                one.blanks();
                let named = one.string();
                one.blanks();
                named && one.eat(b":") && one.value()
            }),
            Some(b'[') => self.list(b']', Self::value),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.eat(b"true") || self.eat(b"false") || self.eat(b"null"),
        };
        self.blanks();
        found
    }

    fn list(&mut self, close: u8, mut element: impl FnMut(&mut Self) -> bool) -> bool {
        self.rest = &self.rest[1..];
        self.blanks();
        if self.eat(&[close]) {
            return true;
        }
        while element(self) {
            if self.eat(&[close]) {
                return true;
            }
            if !self.eat(b",") {
                return false;
            }
        }
        false
    }

    fn string(&mut self) -> bool {
        if !self.eat(b"\"") {
            return false;
        }
        while let Some((&byte, tail)) = self.rest.split_first() {
            self.rest = tail;
            match byte {
                b'"' => return true,
                0..0x20 => return false,
                b'\\' if self.eat(b"u") => {
                    let digits = self.rest.iter().take(4);
                    if digits.filter(|digit| digit.is_ascii_hexdigit()).count() < 4 {
                        return false;
                    }
                    self.rest = &self.rest[4..];
                }
                b'\\' => match self.rest.split_first() {
                    Some((b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', tail)) => {
                        self.rest = tail;
                    }
                    _ => return false,
                },
                _ => {}
            }
        }
        false
    }

    fn number(&mut self) -> bool {
        self.eat(b"-");
        if !self.eat(b"0") && self.digits() == 0 {
            return false;
        }
        if self.eat(b".") && self.digits() == 0 {
            return false;
        }
        if self.eat(b"e") || self.eat(b"E") {
            let _signed = self.eat(b"+") || self.eat(b"-");
            return self.digits() > 0;
        }
        true
    }

    fn digits(&mut self) -> usize {
        let count = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.rest = &self.rest[count..];
        count
    }

    fn blanks(&mut self) {
        while self.eat(b" ") || self.eat(b"\t") || self.eat(b"\n") || self.eat(b"\r") {}
    }

    fn eat(&mut self, token: &[u8]) -> bool {
        let tail = self.rest.strip_prefix(token);
        self.rest = tail.unwrap_or(self.rest);
        tail.is_some()
    }
}

/// Objects, each with a name for what it shows.
pub(super) const OBJECTS: &[(&str, &[u8])] = &[
    ("empty", b"{}"),
    (
        "blank all over",
        b" \t\r\n{ \n\"a\"\t:\r[ ] , \"b\" : { } } \n",
    ),
    ("one member", b"{\"a\":1}"),
    ("equal names", b"{\"a\":1,\"a\":2}"),
    ("empty name", b"{\"\":0}"),
    ("literals", b"{\"a\":[true,false,null]}"),
    ("brackets in a string", b"{\"a\":\"}]{[\"}"),
    ("quote in a string", b"{\"a\\\"b\":\"\\\\\"}"),
    (
        "every short escape",
        b"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}",
    ),
    (
        "escapes in both cases",
        b"{\"a\":\"\\u00e9\\u00E9\\uABCD\\uabcd\"}",
    ),
    ("escaped NUL", b"{\"a\":\"\\u0000\"}"),
    ("surrogate pair", b"{\"a\":\"\\ud83d\\ude00\"}"),
    ("high half alone", b"{\"a\":\"\\ud800\"}"),
    ("low half alone", b"{\"a\":\"\\udc00\"}"),
    ("halves the wrong way round", b"{\"a\":\"\\udc00\\ud800\"}"),
    ("high half twice", b"{\"a\":\"\\ud800\\ud800\\udc00\"}"),
    ("high half, then a letter", b"{\"a\":\"\\ud800\\u0041\"}"),
    ("half in a name", b"{\"\\ud800\":1}"),
    (
        "UTF-8 of two, three, four bytes",
        "{\"é\":\"€😀\"}".as_bytes(),
    ),
    ("noncharacter", b"{\"a\":\"\xef\xbf\xbf\"}"),
    ("U+2028 in a string", b"{\"a\":\"\xe2\x80\xa8\"}"),
    ("DEL in a string", b"{\"a\":\"\x7f\"}"),
    ("BOM in a string", b"{\"a\":\"\xef\xbb\xbf\"}"),
    ("minus zero", b"{\"a\":[-0,-0.0,0e0,0E+1,-0e-1]}"),
    (
        "numbers",
        b"{\"a\":[0,1,-1,1.5,1e5,1E5,1e+5,1e-5,123.456e78]}",
    ),
    ("too large for a float", b"{\"a\":1e400,\"b\":-1e400}"),
    ("too small for a float", b"{\"a\":1e-400}"),
    ("21 digits", b"{\"a\":123456789012345678901}"),
    ("long exponent", b"{\"a\":1e99999999999999999999}"),
];

/// Values that are no object.
pub(super) const OTHERS: &[(&str, &[u8])] = &[
    ("array", b"[]"),
    ("array of objects", b" [{},{}]"),
    ("string", b"\"{}\""),
    ("number", b"0"),
    ("number with blanks", b"\n-1.5e3 "),
    ("literal", b"null"),
];

/// UTF-8 that is no JSON.
pub(super) const MALFORMED: &[(&str, &[u8])] = &[
    ("nothing", b""),
    ("blank", b" \n"),
    ("BOM in front", b"\xef\xbb\xbf{}"),
    ("BOM inside", b"{\xef\xbb\xbf\"a\":1}"),
    ("no-break space", b"{\xc2\xa0}"),
    ("form feed as a blank", b"{\x0c}"),
    ("vertical tab as a blank", b"{\x0b}"),
    ("NUL between tokens", b"{\0}"),
    ("NUL after the end", b"{}\0"),
    ("NUL in a string", b"{\"a\":\"\0\"}"),
    ("line break in a string", b"{\"a\":\"\n\"}"),
    ("escaped line break", b"{\"a\":\"\\\n\"}"),
    ("tab in a string", b"{\"a\":\"\t\"}"),
    ("unit separator in a name", b"{\"\x1f\":1}"),
    ("two values", b"{}{}"),
    ("value and word", b"{} x"),
    ("closed twice", b"{}}"),
    ("never closed", b"{\"a\":1"),
    ("only opened", b"{"),
    ("only closed", b"}"),
    ("wrong bracket", b"{]"),
    ("crossed brackets", b"{\"a\":[}]"),
    ("array closed as an object", b"{\"a\":[1}}"),
    ("object closed as an array", b"{\"a\":{\"b\":1]}"),
    ("record closed as an array", b"{\"a\":1]"),
    ("array of an object closed as one", b"{\"a\":[{}}}"),
    ("object of an array closed as one", b"{\"a\":{\"b\":[]]}"),
    ("comma first", b"{,\"a\":1}"),
    ("comma last", b"{\"a\":1,}"),
    ("comma last in an array", b"{\"a\":[1,]}"),
    ("comma first in an array", b"{\"a\":[,1]}"),
    ("two commas", b"{\"a\":1,,\"b\":2}"),
    ("no comma", b"{\"a\":1 \"b\":2}"),
    ("no comma in an array", b"{\"a\":[1 2]}"),
    ("no colon", b"{\"a\" 1}"),
    ("comma in place of a colon", b"{\"a\",1}"),
    ("colon in place of a comma", b"{\"a\":1:\"b\":2}"),
    ("colon in an array", b"{\"a\":[1:2]}"),
    ("two colons", b"{\"a\"::1}"),
    ("no value", b"{\"a\":}"),
    ("no name", b"{:1}"),
    ("name only", b"{\"a\"}"),
    ("name no string", b"{1:1}"),
    ("name unquoted", b"{a:1}"),
    ("single quotes", b"{'a':1}"),
    ("value in place of a member", b"{[]}"),
    ("member in an array", b"{\"a\":[\"b\":1]}"),
    ("leading zero", b"{\"a\":01}"),
    ("minus and leading zero", b"{\"a\":-01}"),
    ("minus alone", b"{\"a\":-}"),
    ("plus", b"{\"a\":+1}"),
    ("point first", b"{\"a\":.5}"),
    ("point last", b"{\"a\":1.}"),
    ("point and exponent", b"{\"a\":1.e1}"),
    ("exponent alone", b"{\"a\":1e}"),
    ("exponent and sign", b"{\"a\":1e+}"),
    ("two signs", b"{\"a\":1e+-1}"),
    ("exponent first", b"{\"a\":e1}"),
    ("hexadecimal", b"{\"a\":0x1}"),
    ("not a number", b"{\"a\":NaN}"),
    ("infinity", b"{\"a\":-Infinity}"),
    ("letter after a number", b"{\"a\":1a}"),
    ("blank in a number", b"{\"a\":1 .5}"),
    ("line break in a number", b"{\"a\":1\n2}"),
    ("literal in capitals", b"{\"a\":True}"),
    ("literal cut", b"{\"a\":nul}"),
    ("literal too long", b"{\"a\":nulll}"),
    ("undefined", b"{\"a\":undefined}"),
    ("escape unknown", b"{\"a\":\"\\x41\"}"),
    ("escape of a single quote", b"{\"a\":\"\\'\"}"),
    ("escape in capitals", b"{\"a\":\"\\U0041\"}"),
    ("escape of three digits", b"{\"a\":\"\\u041\"}"),
    ("escape of no hexadecimal digit", b"{\"a\":\"\\u00g1\"}"),
    ("escape with a sign", b"{\"a\":\"\\u+041\"}"),
    ("escape cut by the end", b"{\"a\":\"\\u00"),
    ("backslash at the end", b"{\"a\":\"\\"),
    ("escape outside a string", b"{\\\"a\\\":1}"),
    ("string never closed", b"{\"a\":\"}"),
    ("comment", b"{/**/}"),
    ("line comment", b"{}//"),
];

/// Bytes that are not UTF-8, all in a place where a string could have them.
pub(super) const NOT_UTF8: &[(&str, &[u8])] = &[
    ("lone continuation", b"{\"a\":\"\x80\"}"),
    ("overlong slash", b"{\"a\":\"\xc0\xaf\"}"),
    ("overlong NUL", b"{\"a\":\"\xc0\x80\"}"),
    ("overlong in three", b"{\"a\":\"\xe0\x80\xaf\"}"),
    ("overlong in four", b"{\"a\":\"\xf0\x80\x80\xaf\"}"),
    ("encoded surrogate", b"{\"a\":\"\xed\xa0\x80\"}"),
    (
        "encoded surrogate pair",
        b"{\"a\":\"\xed\xa0\xbd\xed\xb8\x80\"}",
    ),
    ("past U+10FFFF", b"{\"a\":\"\xf4\x90\x80\x80\"}"),
    ("never a byte", b"{\"a\":\"\xff\"}"),
    ("two bytes cut", b"{\"a\":\"\xc3\"}"),
    ("three bytes cut", b"{\"a\":\"\xe2\x82\"}"),
    ("four bytes cut", b"{\"a\":\"\xf0\x9f\x98\"}"),
    ("Latin-1", b"{\"a\":\"\xe9\"}"),
    ("outside a string", b"{\xff}"),
    ("after the end", b"{}\xff"),
    ("UTF-16", b"{\0\"\0a\0\"\0:\0\"\0\xe9\0\"\0}\0"),
];
