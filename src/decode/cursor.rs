//! Walks over a JSON text once, and checks its grammar on the way.
//!
//! In → out: the text that a value stands at the front of; out comes what the caller asks for:
//! nothing ([`Cursor::skip`]), a string, the members of an object, and in the end how long the
//! value is.
//!
//! Invariants: **Whatever is gone over follows RFC 8259**, whether it was read or skipped, and is
//! nested at most [`MAX_DEPTH`] levels deep. **Strings are unescaped**, and an unpaired surrogate
//! escape reads as U+FFFD; the size of a number does not matter. Each method goes over exactly one
//! value, of whatever type it is, so that a caller can neither miss one nor read it twice.
//!
//! Not here: why a text was refused ([`super::grammar`]), what the members mean
//! ([`super::members`], [`super::policy`]).
//!
//! Failure: [`Cursor::finish`] has nothing to give. Until then a walk that was refused stands at an
//! end: what is asked of it reads as absent, so that readers need not look after each value.
//!
//! Cost: each byte is looked at once, inside strings 64 at a step. Nothing is allocated: a string
//! without escapes is a piece of the text, another one is written into the caller's scratch, which
//! is never longer than the text. What is skipped is walked over in one loop with all of its state
//! in registers, hence the forced inlining: with calls between its parts it took 1.7 times as long.
//! Masks are made by what every processor of the kind has: wider vectors saved a twentieth of the
//! instructions and no time, as the walk waits for where the next string ends.

use std::mem;

use crate::blocks::{BLOCK, Block, Level, Simd, SimdMask as _, dispatch};

/// How deep a record may be nested, its own braces included.
pub const MAX_DEPTH: usize = 128;

/// The text does not follow the grammar, or is nested too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

/// What a line break between tokens is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineBreaks {
    /// White space.
    Blank,
    /// The end of the text.
    End,
}

/// A walk over a JSON text.
pub(crate) struct Cursor<'t> {
    text: &'t str,
    place: Place<'t>,
    /// How many brackets are open.
    depth: usize,
    /// Room for strings that have to be unescaped.
    scratch: &'t mut [u8],
    /// The text did not follow the grammar.
    is_refused: bool,
}

/// What a walk has gone over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// Its length in bytes.
    pub len: usize,
    /// It holds `\u` escapes.
    pub has_unicode_escapes: bool,
}

impl<'t> Cursor<'t> {
    /// A cursor at the front of `text`. What is to be read, not only gone over, needs a `scratch`
    /// as long as the text.
    pub(crate) fn new(text: &'t str, line_breaks: LineBreaks, scratch: &'t mut [u8]) -> Self {
        Self {
            text,
            place: Place::front(text.as_bytes(), line_breaks),
            depth: 0,
            scratch,
            is_refused: false,
        }
    }

    /// What was gone over; `None` when it did not follow the grammar. Only then is what was read of
    /// any use.
    pub(crate) fn finish(self) -> Option<Walked> {
        let walked = Walked {
            len: self.place.at,
            has_unicode_escapes: self.place.unicode_escapes,
        };
        (!self.is_refused).then_some(walked)
    }

    /// The same, and what the strings have left of the scratch.
    pub(crate) fn finish_reading(mut self) -> (Option<Walked>, &'t mut [u8]) {
        let scratch = mem::take(&mut self.scratch);
        (self.finish(), scratch)
    }

    /// Whether the whole text was gone over, but for white space.
    pub(crate) fn reached_end(mut self) -> bool {
        self.peek().is_none() && self.finish().is_some()
    }

    /// Ends the walk: nothing is left to be gone over.
    pub(crate) fn refuse(&mut self) {
        self.is_refused = true;
        self.place.text = &[];
    }

    /// The first byte of the next value or bracket; white space is gone over.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        self.place.peek()
    }

    /// Goes over a value.
    pub(crate) fn skip(&mut self) {
        match skipped(self.place, MAX_DEPTH - self.depth) {
            Ok(place) => self.place = place,
            Err(Refused) => self.refuse(),
        }
    }

    /// The text of a string; `None` for an empty one and for another value.
    pub(crate) fn text(&mut self) -> Option<&'t str> {
        if self.peek() == Some(b'"') {
            return self.string().filter(|text| !text.is_empty());
        }
        self.skip();
        None
    }

    /// The value of `true` or `false`; `None` for another value.
    pub(crate) fn bool(&mut self) -> Option<bool> {
        let first = self.peek();
        self.skip();
        match first {
            Some(b't') => Some(true),
            Some(b'f') => Some(false),
            _ => None,
        }
    }

    /// Whether a value is there for the rules that say "has": whether it is not null.
    pub(crate) fn is_present(&mut self) -> bool {
        let first = self.peek();
        self.skip();
        first != Some(b'n')
    }

    /// Goes over a value; when it is an object, `member` is called with the name of each member,
    /// and goes over its value. Returns whether it is one.
    pub(crate) fn members(&mut self, mut member: impl FnMut(&mut Self, &'t [u8])) -> bool {
        if self.peek() != Some(b'{') {
            self.skip();
            return false;
        }
        self.open();
        let mut next = self.peek();
        while next == Some(b'"') {
            let Some(name) = self.name() else { break };
            if self.place.colon().is_err() {
                break;
            }
            member(self, name);
            next = self.after_value(b'}');
        }
        self.close(next == Some(b'}'));
        true
    }

    /// Goes over a value; when it is an array, `element` is called at each element, and goes over
    /// it. Returns whether it is one.
    pub(crate) fn elements(&mut self, mut element: impl FnMut(&mut Self)) -> bool {
        if self.peek() != Some(b'[') {
            self.skip();
            return false;
        }
        self.open();
        let mut next = self.peek();
        while next.is_some() && next != Some(b']') {
            element(self);
            next = self.after_value(b']');
        }
        self.close(next == Some(b']'));
        true
    }

    /// Goes over the opening bracket that the cursor stands at.
    fn open(&mut self) {
        if self.depth == MAX_DEPTH {
            self.refuse();
        }
        self.depth += 1;
        self.place.at += 1;
    }

    /// Goes over the closing bracket that the cursor stands at, when it does.
    fn close(&mut self, stands_there: bool) {
        if !stands_there {
            self.refuse();
        }
        self.depth -= 1;
        self.place.at += 1;
    }

    /// The first byte of what follows a member or an element: `closing`, or, when a comma was gone
    /// over, what must not be that; `None` when neither is there.
    fn after_value(&mut self, closing: u8) -> Option<u8> {
        let next = self.peek();
        if next != Some(b',') {
            return next.filter(|&byte| byte == closing);
        }
        self.place.at += 1;
        self.peek().filter(|&byte| byte != closing)
    }

    /// The name that the cursor stands at, as bytes: names are only compared, and bytes need no look
    /// at where characters begin.
    #[expect(clippy::inline_always, reason = "the top of this file says why")]
    #[inline(always)]
    fn name(&mut self) -> Option<&'t [u8]> {
        let begin = self.place.at + 1;
        match self.place.string() {
            Ok(false) => self.text.as_bytes().get(begin..self.place.at - 1),
            Ok(true) => self.unescaped(begin).map(str::as_bytes),
            Err(Refused) => None,
        }
    }

    /// The text of the string that the cursor stands at.
    #[expect(clippy::inline_always, reason = "the top of this file says why")]
    #[inline(always)]
    fn string(&mut self) -> Option<&'t str> {
        let begin = self.place.at + 1;
        let text = match self.place.string() {
            // Both ends stand at quotes.
            Ok(false) => self.text.get(begin..self.place.at - 1),
            Ok(true) => self.unescaped(begin),
            Err(Refused) => None,
        };
        if text.is_none() {
            self.refuse();
        }
        text
    }

    /// Writes the meaning of the string with escapes that begins at `begin` into the scratch.
    #[cold]
    fn unescaped(&mut self, begin: usize) -> Option<&'t str> {
        let raw = self.text.get(begin..self.place.at - 1)?;
        let scratch = mem::take(&mut self.scratch);
        let len = unescape(raw, scratch)?;
        let (text, rest) = scratch.split_at_mut_checked(len)?;
        self.scratch = rest;
        str::from_utf8(text).ok()
    }
}

/// A place in a text, and what stands in the block around it.
#[derive(Clone, Copy)]
struct Place<'t> {
    text: &'t [u8],
    at: usize,
    /// Where the block begins.
    block: usize,
    /// One bit a byte of the block: the bytes that a string cannot simply hold.
    specials: u64,
    line_breaks: LineBreaks,
    /// A `\u` escape was gone over.
    unicode_escapes: bool,
}

/// Where members were gone over to.
enum Ahead {
    /// Before a value that begins with this byte.
    Value(Option<u8>),
    /// Behind a value.
    EndOfValue,
}

#[expect(clippy::inline_always, reason = "the top of this file says why")]
impl<'t> Place<'t> {
    fn front(text: &'t [u8], line_breaks: LineBreaks) -> Self {
        Self {
            text,
            line_breaks,
            unicode_escapes: false,
            at: 0,
            block: 0,
            specials: specials_from(text, 0),
        }
    }

    #[inline(always)]
    fn byte(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline(always)]
    fn peek(&mut self) -> Option<u8> {
        match self.byte() {
            Some(byte) if byte > b' ' => Some(byte),
            _ => {
                self.at = after_blanks(self.text, self.at, self.line_breaks);
                self.byte()
            }
        }
    }

    #[inline(always)]
    fn colon(&mut self) -> Result<(), Refused> {
        if self.peek() != Some(b':') {
            return Err(Refused);
        }
        self.at += 1;
        Ok(())
    }

    /// Goes over a member's name and its colon, and, as long as there are no blanks between, over
    /// values that are strings and the names behind them: nine members in ten are like that.
    #[inline(always)]
    fn names_and_strings(&mut self) -> Result<Ahead, Refused> {
        if self.peek() != Some(b'"') {
            return Err(Refused);
        }
        loop {
            self.string()?;
            if !self.stands(*b":\"") {
                self.colon()?;
                return Ok(Ahead::Value(self.peek()));
            }
            self.at += 1;
            self.string()?;
            if !self.stands(*b",\"") {
                return Ok(Ahead::EndOfValue);
            }
            self.at += 1;
        }
    }

    /// Whether these are the next bytes.
    #[inline(always)]
    fn stands(&self, bytes: [u8; 2]) -> bool {
        let ahead = self.text.get(self.at..).and_then(|rest| rest.first_chunk());
        ahead == Some(&bytes)
    }

    /// Goes over the string that begins here. Returns whether it holds escapes.
    #[inline(always)]
    fn string(&mut self) -> Result<bool, Refused> {
        let mut is_escaped = false;
        self.at += 1;
        loop {
            self.seek_special();
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(is_escaped);
                }
                Some(b'\\') => {
                    is_escaped = true;
                    let end = after_escape(self.text, self.at)?;
                    self.unicode_escapes |= end - self.at > 2;
                    self.at = end;
                }
                _ => return Err(Refused),
            }
        }
    }

    /// Goes on to the next byte that a string cannot simply hold, or to the end of the text or
    /// behind it.
    #[inline(always)]
    fn seek_special(&mut self) {
        // The place is never before its block, and an escape takes it at most over a whole one.
        let mut offset = self.at - self.block;
        loop {
            if offset < BLOCK {
                let ahead = self.specials >> offset;
                if ahead != 0 {
                    self.at = self.block + offset + ahead.trailing_zeros() as usize;
                    return;
                }
                offset = BLOCK;
            }
            self.block += BLOCK;
            self.specials = specials_from(self.text, self.block);
            offset -= BLOCK;
        }
    }
}

/// The place behind the value that begins at `place`, in which `room` more brackets may be open at
/// once. Walks without recursion.
fn skipped(mut place: Place<'_>, room: usize) -> Result<Place<'_>, Refused> {
    let mut levels = Levels::default();
    let mut next = place.peek();
    loop {
        // A value begins here.
        match next {
            Some(b'"') => {
                place.string()?;
            }
            Some(b'{') => {
                levels.open(true, room)?;
                place.at += 1;
                if place.peek() == Some(b'}') {
                    levels.close();
                    place.at += 1;
                } else if let Ahead::Value(first) = place.names_and_strings()? {
                    next = first;
                    continue;
                }
            }
            Some(b'[') => {
                levels.open(false, room)?;
                place.at += 1;
                next = place.peek();
                if next != Some(b']') {
                    continue;
                }
                levels.close();
                place.at += 1;
            }
            _ => place.at = after_plain(place.text, place.at)?,
        }
        // A value has ended here.
        loop {
            if levels.depth == 0 {
                return Ok(place);
            }
            match (place.peek(), levels.in_object()) {
                (Some(b','), true) => {
                    place.at += 1;
                    if let Ahead::Value(first) = place.names_and_strings()? {
                        next = first;
                        break;
                    }
                }
                (Some(b','), false) => {
                    place.at += 1;
                    next = place.peek();
                    break;
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    levels.close();
                    place.at += 1;
                }
                _ => return Err(Refused),
            }
        }
    }
}

/// The brackets that are open in what is skipped.
#[derive(Default)]
struct Levels {
    depth: usize,
    /// The lowest bit stands for the innermost: 1 is an object's.
    objects: u128,
}

#[expect(clippy::inline_always, reason = "the top of this file says why")]
impl Levels {
    #[inline(always)]
    fn open(&mut self, object: bool, room: usize) -> Result<(), Refused> {
        if self.depth == room {
            return Err(Refused);
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        Ok(())
    }

    #[inline(always)]
    fn close(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    #[inline(always)]
    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

/// The mask of the block that begins at `block`. Behind the end of the text every bit is set.
#[expect(clippy::inline_always, reason = "the top of this file says why")]
#[inline(always)]
fn specials_from(text: &[u8], block: usize) -> u64 {
    match text.get(block..).and_then(|rest| rest.first_chunk()) {
        Some(chunk) => specials(chunk),
        None => last_specials(text, block),
    }
}

#[cold]
#[inline(never)]
fn last_specials(text: &[u8], block: usize) -> u64 {
    let mut padded = [b'"'; BLOCK];
    let rest = text.get(block..).unwrap_or_default();
    for (to, from) in padded.iter_mut().zip(rest) {
        *to = *from;
    }
    specials(&padded)
}

/// Which bytes are a quote, a backslash or a control character.
#[expect(clippy::inline_always, reason = "the top of this file says why")]
#[inline(always)]
fn specials(block: &[u8; BLOCK]) -> u64 {
    dispatch!(Level::baseline(), simd => specials_by(simd, block))
}

#[expect(clippy::inline_always, reason = "src/blocks.rs says why")]
#[inline(always)]
fn specials_by<S: Simd>(simd: S, block: &[u8; BLOCK]) -> u64 {
    let block = Block::of(simd, block);
    (block.is(b'"') | block.is(b'\\') | block.is_control()).to_bitmask()
}

/// The place behind the white space at `at`.
#[cold]
#[inline(never)]
fn after_blanks(text: &[u8], mut at: usize, line_breaks: LineBreaks) -> usize {
    while let Some(byte) = text.get(at) {
        match byte {
            b' ' | b'\t' => {}
            b'\n' | b'\r' if line_breaks == LineBreaks::Blank => {}
            _ => break,
        }
        at += 1;
    }
    at
}

/// The place behind the escape at `at`; behind the end of the text, when that cuts it.
#[cold]
#[inline(never)]
fn after_escape(text: &[u8], at: usize) -> Result<usize, Refused> {
    match text.get(at + 1..).unwrap_or_default() {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Ok(at + 2),
        [b'u', digits @ ..] if digits.iter().take(4).all(u8::is_ascii_hexdigit) => Ok(at + 6),
        _ => Err(Refused),
    }
}

/// The place behind the number, `true`, `false` or `null` at `at`.
fn after_plain(text: &[u8], at: usize) -> Result<usize, Refused> {
    match text.get(at..).unwrap_or_default() {
        [b'-' | b'0'..=b'9', ..] => after_number(text, at),
        [b't', b'r', b'u', b'e', ..] | [b'n', b'u', b'l', b'l', ..] => Ok(at + 4),
        [b'f', b'a', b'l', b's', b'e', ..] => Ok(at + 5),
        _ => Err(Refused),
    }
}

fn after_number(text: &[u8], mut at: usize) -> Result<usize, Refused> {
    let is = |at, bytes: &[u8]| text.get(at).is_some_and(|byte| bytes.contains(byte));
    at += usize::from(is(at, b"-"));
    at = if is(at, b"0") {
        at + 1
    } else {
        after_digits(text, at)?
    };
    if is(at, b".") {
        at = after_digits(text, at + 1)?;
    }
    if is(at, b"eE") {
        at += 1;
        at = after_digits(text, at + usize::from(is(at, b"+-")))?;
    }
    Ok(at)
}

/// The place behind one digit or more.
fn after_digits(text: &[u8], at: usize) -> Result<usize, Refused> {
    let rest = text.get(at..).unwrap_or_default();
    match rest.iter().take_while(|byte| byte.is_ascii_digit()).count() {
        0 => Err(Refused),
        digits => Ok(at + digits),
    }
}

/// Writes what `raw`, a string whose escapes are well formed, means to the front of `out`. Returns
/// its length, which is at most that of `raw`; `None` when `out` is too short.
fn unescape(raw: &str, out: &mut [u8]) -> Option<usize> {
    let mut len = 0;
    let mut put = |bytes: &[u8]| {
        out.get_mut(len..len + bytes.len())?.copy_from_slice(bytes);
        len += bytes.len();
        Some(())
    };
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        put(plain.as_bytes())?;
        let (meaning, tail) = meaning(escape)?;
        put(meaning.encode_utf8(&mut [0; 4]).as_bytes())?;
        rest = tail;
    }
    put(rest.as_bytes())?;
    Some(len)
}

/// The character that an escape means, and what follows it; `escape` begins behind the backslash.
fn meaning(escape: &str) -> Option<(char, &str)> {
    let mut chars = escape.chars();
    let character = match chars.next()? {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => return unicode(chars.as_str()),
        itself => itself,
    };
    Some((character, chars.as_str()))
}

/// The same for an escape with four hex digits, which `digits` begins with.
fn unicode(digits: &str) -> Option<(char, &str)> {
    let (high, rest) = code_unit(digits)?;
    let pair = rest.strip_prefix("\\u").and_then(code_unit);
    if let Some((low @ 0xdc00..=0xdfff, behind)) = pair
        && let 0xd800..=0xdbff = high
    {
        let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        return Some((char::from_u32(code)?, behind));
    }
    let character = char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER);
    Some((character, rest))
}

/// The UTF-16 unit of four hex digits, and what follows them.
fn code_unit(digits: &str) -> Option<(u32, &str)> {
    let (digits, rest) = digits.split_at_checked(4)?;
    let unit = u32::from_str_radix(digits, 16).ok()?;
    Some((unit, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::texts::{MALFORMED, OBJECTS, blank, json, nested, object};
    use super::*;

    /// The value at the cursor as `serde_json`'s, with every number 0.
    fn value(cursor: &mut Cursor<'_>) -> Value {
        match cursor.peek() {
            Some(b'{') => {
                let mut members = serde_json::Map::new();
                cursor.members(|member, name| {
                    let name = str::from_utf8(name).unwrap().to_owned();
                    members.insert(name, value(member));
                });
                members.into()
            }
            Some(b'[') => {
                let mut elements = Vec::new();
                cursor.elements(|element| elements.push(value(element)));
                elements.into()
            }
            Some(b'"') => cursor.text().unwrap_or_default().into(),
            Some(b't' | b'f') => cursor.bool().into(),
            Some(b'n') => {
                cursor.skip();
                Value::Null
            }
            _ => {
                cursor.skip();
                0.into()
            }
        }
    }

    fn read(text: &str) -> Option<Value> {
        let mut scratch = vec![0; text.len()];
        let mut cursor = Cursor::new(text, LineBreaks::Blank, &mut scratch);
        let read = value(&mut cursor);
        cursor.reached_end().then_some(read)
    }

    fn skip(text: &str) -> Option<usize> {
        skip_by(text, LineBreaks::Blank)
    }

    fn skip_by(text: &str, line_breaks: LineBreaks) -> Option<usize> {
        let mut cursor = Cursor::new(text, line_breaks, &mut []);
        cursor.skip();
        cursor.finish().map(|walked| walked.len)
    }

    #[test]
    fn strings_are_unescaped_and_halves_become_the_replacement() {
        for (raw, text) in [
            ("", ""),
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r"\u0000\ud7ff\ue000\uFFFF", "\0\u{d7ff}\u{e000}\u{ffff}"),
            (r"\ud800", "\u{fffd}"),
            (r"x\uDBFFy", "x\u{fffd}y"),
            (r"\udfff", "\u{fffd}"),
            (r"\ud83d\ude00", "\u{1f600}"),
            (r"\uD83D\uDE00\uDE00", "\u{1f600}\u{fffd}"),
            (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}"),
            (r"\ud83d\\ude00", "\u{fffd}\\ude00"),
            (r"\\ud800", "\\ud800"),
            (r"\ud83d\n\ude00", "\u{fffd}\n\u{fffd}"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            ("\u{e9}\u{10ffff}\u{7f}", "\u{e9}\u{10ffff}\u{7f}"),
        ] {
            let quoted = format!("\"{raw}\"");
            assert_eq!(read(&quoted), Some(text.into()), "{raw}");
        }
    }

    #[test]
    fn the_size_of_a_number_does_not_matter() {
        for text in ["1e400", "-0.0E-999", &"7".repeat(400)] {
            assert_eq!(read(text), Some(0.into()));
        }
    }

    /// Wherever a string begins and ends, and whatever stands in the blocks around it.
    #[test]
    fn strings_at_every_place_of_a_block() {
        for before in 0..BLOCK {
            for len in (0..8).chain(BLOCK - 4..BLOCK + 4).chain([3 * BLOCK]) {
                for inside in ["a", "\u{e9}", r"\n", r#"\""#, r"\\", r"\u0041"] {
                    let text = format!("{}\"{}\",1", " ".repeat(before), inside.repeat(len));
                    assert_eq!(skip(&text), Some(text.len() - 2), "{text}");
                }
                for wrong in ["\n", "\0", "\u{1f}", r"\x", r"\u00g0"] {
                    let text = format!("{}\"{}{wrong}\",1", " ".repeat(before), "a".repeat(len));
                    assert_eq!(skip(&text), None, "{text}");
                }
            }
        }
    }

    /// What stands behind the wrong byte would do behind the end of the string.
    #[test]
    fn a_string_with_a_wrong_byte_is_refused_by_whoever_reads_it() {
        for wrong in ["\t", "\n", "\r", "\0", "\u{1f}", r"\x", r"\u00g0"] {
            for text in [
                format!("{{\"a\":\"b{wrong},\"c\":1}}"),
                format!("{{\"a\":\"b{wrong}}}"),
                format!("{{\"a{wrong}:1}}"),
                format!("[\"b{wrong},1]"),
                format!("[\"b{wrong}]"),
            ] {
                assert_eq!(read(&text), None, "{text:?}");
                assert_eq!(skip(&text), None, "{text:?}");
            }
        }
    }

    #[test]
    fn a_text_that_is_cut_anywhere_is_refused() {
        let text = r#"{"a":["b\u0041\"",-1.5e+3,true,{"c":null}],"d":"\ud83d\ude00","e":{}}"#;
        assert_eq!(skip(text), Some(text.len()));
        for cut in 0..text.len() {
            let (text, _) = text.split_at(cut);
            assert_eq!(skip(text), None, "{text}");
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_line_break_may_end_the_text() {
        for blank in ["\n", "\r", " \t\r\n"] {
            for text in [
                "{|}",
                "[1|,2]",
                "[1,|2]",
                "{\"a\"|:1}",
                "{\"a\":|1}",
                "{\"a\":1|}",
            ] {
                let text = text.replace('|', blank);
                assert_eq!(
                    skip_by(&text, LineBreaks::Blank),
                    Some(text.len()),
                    "{text:?}"
                );
                assert_eq!(skip_by(&text, LineBreaks::End), None, "{text:?}");
            }
        }
        assert_eq!(skip_by("{ \t}\n{}", LineBreaks::End), Some(4));
    }

    #[test]
    fn the_deepest_record_is_read() {
        for kinds in [&[("{\"a\":", "}")][..], &[("[", "]"), ("{\"a\":", "}")]] {
            let deepest = nested(kinds, MAX_DEPTH);
            assert_eq!(skip(&deepest), Some(deepest.len()));
            assert!(read(&deepest).is_some());
            let deeper = nested(kinds, MAX_DEPTH + 1);
            assert_eq!(skip(&deeper), None);
            assert_eq!(read(&deeper), None);
            // Half of it opened by reading, half by skipping.
            let both = |depth| {
                let text = nested(&[("[", "]")], depth);
                let mut cursor = Cursor::new(&text, LineBreaks::Blank, &mut []);
                cursor.elements(|half| {
                    half.elements(Cursor::skip);
                });
                cursor.finish().is_some()
            };
            assert!(both(MAX_DEPTH));
            assert!(!both(MAX_DEPTH + 1));
        }
    }

    #[test]
    fn what_is_malformed_in_the_table_is_refused_by_whoever_reads_it() {
        for (name, text) in MALFORMED {
            let text = str::from_utf8(text).unwrap();
            assert_eq!(read(text), None, "{name}");
        }
    }

    #[test]
    fn every_object_of_the_table_is_gone_over() {
        for (name, text) in OBJECTS {
            let text = str::from_utf8(text).unwrap();
            assert_eq!(skip(text), Some(text.trim_end().len()), "{name}");
            assert!(read(text).is_some(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_the_model_means(object in object(), blank in blank()) {
            prop_assert_eq!(read(&object.print(blank)), Some(object.value()));
        }

        #[test]
        fn what_is_read_is_what_serde_json_reads(
            text in prop_oneof![
                "[\\[{}\\]\",: \\\\0-9eE+.\\-a-fn]{0,40}",
                (json(), blank()).prop_map(|(json, blank)| json.print(blank)),
            ],
        ) {
            if let Ok(mut tree) = serde_json::from_str::<Value>(&text) {
                zero_numbers(&mut tree);
                prop_assert_eq!(read(&text), Some(tree));
            }
        }

        #[test]
        fn reading_and_skipping_refuse_the_same(text in "[\\[{}\\]\",: \\\\0-9eE+.\\-a-fn\n]{0,40}") {
            let skipped = skip(&text) == Some(text.trim_ascii_end().len());
            prop_assert_eq!(read(&text).is_some(), skipped);
        }
    }

    fn zero_numbers(tree: &mut Value) {
        match tree {
            Value::Number(_) => *tree = 0.into(),
            Value::Array(elements) => elements.iter_mut().for_each(zero_numbers),
            Value::Object(members) => members.values_mut().for_each(zero_numbers),
            _ => {}
        }
    }
}
