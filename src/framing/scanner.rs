//! Finds where one JSON value ends by its quotes and brackets, 64 bytes at a step.
//!
//! In → out: bytes of a value in pieces of any size; out comes how many of them were looked at and
//! why the scan stopped ([`Stop`]).
//!
//! Invariants: **Brackets inside strings do not count, and a `"` after an odd run of backslashes
//! does not end a string.** **The state carries over any cut**, also between a backslash and what
//! it escapes. Brackets of both kinds count alike; whether they pair up is the grammar's business.
//! A line break always stops the scan, because JSON strings cannot hold one and the input grammar
//! gives it a meaning outside strings.
//!
//! Not here: what a value means, where records stand in a document (`framer`); JSON's grammar
//! (`decode`).
//!
//! Failure: none.
//!
//! Cost: one pass. The plain algorithm is the byte-at-a-time loop in this file's tests, which is
//! also the oracle. Quotes, brackets, and what is rare (backslashes and line breaks) become one bit
//! mask each of a block; a running XOR over the quotes marks the inside of strings; the brackets
//! outside are counted, and looked at one by one only where they may close the value.

use super::Seen;
use crate::blocks::{BLOCK, Block, Level, Simd, SimdMask as _, dispatch};

/// Why [`Scanner::advance`] stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Every byte was looked at, and the value is still open.
    NeedMore,
    /// The last byte looked at closed the value.
    Closed,
    /// The next byte is a line break, outside every string.
    LineBreak,
    /// The next byte is a line break, inside a string.
    LineBreakInString,
}

/// The state of the scan of one value between two pieces of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scanner {
    /// Brackets open so far. Zero only before the value's own opening bracket.
    depth: u64,
    /// All ones when the next byte is inside a string, else zero.
    in_string: u64,
    /// The next byte is escaped by the byte before it.
    escaped: bool,
    /// How many brackets were opened, or more, when the scan began inside the value.
    brackets: u64,
    /// There was a backslash, or the scan began inside the value.
    backslash: bool,
}

impl Scanner {
    /// A scan whose next byte stands inside `depth` open brackets, outside every string.
    pub(super) fn at_depth(depth: u64) -> Self {
        let before = if depth == 0 {
            Seen::NOTHING
        } else {
            Seen::ANYTHING
        };
        Self {
            depth,
            in_string: 0,
            escaped: false,
            brackets: before.brackets.into(),
            backslash: before.backslash,
        }
    }

    /// What is in the value up to here.
    pub(super) fn seen(&self) -> Seen {
        Seen {
            brackets: u8::try_from(self.brackets).unwrap_or(u8::MAX),
            backslash: self.backslash,
        }
    }

    /// Looks at `bytes` up to the value's end or a line break. Returns how many bytes were looked
    /// at, the closing bracket included and the line break excluded, and why it stopped.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> (usize, Stop) {
        dispatch!(Level::new(), simd => self.advance_by(simd, bytes))
    }

    #[expect(clippy::inline_always, reason = "src/blocks.rs says why")]
    #[inline(always)]
    fn advance_by<S: Simd>(&mut self, simd: S, bytes: &[u8]) -> (usize, Stop) {
        let (blocks, tail) = bytes.as_chunks::<BLOCK>();
        let mut looked_at = 0;
        for block in blocks {
            if let Some((n, stop)) = self.block(simd, block, BLOCK) {
                return (looked_at + n, stop);
            }
            looked_at += BLOCK;
        }
        if tail.is_empty() {
            return (looked_at, Stop::NeedMore);
        }
        let mut padded = [b' '; BLOCK];
        for (to, from) in padded.iter_mut().zip(tail) {
            *to = *from;
        }
        match self.block(simd, &padded, tail.len()) {
            Some((n, stop)) => (looked_at + n, stop),
            None => (bytes.len(), Stop::NeedMore),
        }
    }

    /// Looks at the first `len` bytes of a block, the rest being blank.
    #[expect(clippy::inline_always, reason = "src/blocks.rs says why")]
    #[inline(always)]
    fn block<S: Simd>(
        &mut self,
        simd: S,
        bytes: &[u8; BLOCK],
        len: usize,
    ) -> Option<(usize, Stop)> {
        let block = Block::of(simd, bytes);
        let is_rare = block.is(b'\\') | block.is_control();
        // Two copies of the code: in the first nothing is left of what is rare.
        if is_rare.to_bitmask() == 0 && !self.escaped {
            self.take(block, len, Rare::NOTHING)
        } else {
            self.take(block, len, Rare::of(block, self.escaped))
        }
    }

    /// Takes a block in which these are the rare bytes.
    #[expect(clippy::inline_always, reason = "src/blocks.rs says why")]
    #[inline(always)]
    fn take<S: Simd>(&mut self, block: Block<S>, len: usize, rare: Rare) -> Option<(usize, Stop)> {
        let Rare {
            backslash,
            escaped,
            escapes_next,
            line_break,
        } = rare;
        let in_string = running_xor(block.is(b'"').to_bitmask() & !escaped) ^ self.in_string;

        // Line breaks outside strings end the scan, and behind one nothing is looked at.
        let looked_at = !in_string & before(line_break);
        let opening = block.is_opening().to_bitmask() & looked_at;
        let closing = block.is_closing().to_bitmask() & looked_at;
        if u64::from(closing.count_ones()) < self.depth {
            let opened = u64::from(opening.count_ones());
            self.brackets += opened;
            self.depth += opened;
            self.depth -= u64::from(closing.count_ones());
        } else if let Some(end) = self.end_of_value(opening, closing) {
            self.backslash |= backslash & before(end) != 0;
            (self.in_string, self.escaped) = (0, false);
            return Some((end as usize, Stop::Closed));
        }
        self.backslash |= backslash & before(line_break) != 0;

        if line_break < u64::BITS {
            let stop = if in_string >> line_break & 1 == 1 {
                Stop::LineBreakInString
            } else {
                Stop::LineBreak
            };
            (self.in_string, self.escaped) = (0, false);
            return Some((line_break as usize, stop));
        }
        self.in_string = (in_string >> (BLOCK - 1)).wrapping_neg();
        self.escaped = if len == BLOCK {
            escapes_next
        } else {
            escaped >> len & 1 == 1
        };
        None
    }

    /// The place behind the bracket that closes the value, when it is among these of a block.
    fn end_of_value(&mut self, opening: u64, closing: u64) -> Option<u32> {
        let mut brackets = opening | closing;
        while brackets != 0 {
            let bit = brackets & brackets.wrapping_neg();
            brackets ^= bit;
            if opening & bit != 0 {
                self.brackets += 1;
                self.depth += 1;
                continue;
            }
            self.depth = self.depth.saturating_sub(1);
            if self.depth == 0 {
                return Some(bit.trailing_zeros() + 1);
            }
        }
        None
    }
}

/// The first `n` bytes of a block.
#[expect(clippy::inline_always, reason = "src/blocks.rs says why")]
#[inline(always)]
fn before(n: u32) -> u64 {
    !u64::MAX.checked_shl(n).unwrap_or_default()
}

/// What few blocks have.
#[derive(Clone, Copy)]
struct Rare {
    backslash: u64,
    /// Which bytes are escaped.
    escaped: u64,
    /// The last byte escapes the next block's first.
    escapes_next: bool,
    /// Where the first line break is; at the block's end, when there is none.
    line_break: u32,
}

impl Rare {
    const NOTHING: Self = Self {
        backslash: 0,
        escaped: 0,
        escapes_next: false,
        line_break: u64::BITS,
    };

    #[expect(clippy::inline_always, reason = "src/blocks.rs says why")]
    #[inline(always)]
    fn of<S: Simd>(block: Block<S>, first_is_escaped: bool) -> Self {
        let backslash = block.is(b'\\').to_bitmask();
        let (escaped, escapes_next) = escaped_by(backslash, first_is_escaped);
        let line_breaks = (block.is(b'\n') | block.is(b'\r')).to_bitmask();
        Self {
            backslash,
            escaped,
            escapes_next,
            line_break: line_breaks.trailing_zeros(),
        }
    }
}

/// Which bytes of a block are escaped, and whether the block's last byte escapes the next block's
/// first. Real records hold few backslashes, so they are walked one by one.
#[inline]
fn escaped_by(backslash: u64, first_is_escaped: bool) -> (u64, bool) {
    let mut escaped = u64::from(first_is_escaped);
    let mut escapes_next = false;
    let mut rest = backslash;
    while rest != 0 {
        let at = rest.trailing_zeros();
        rest &= rest - 1;
        if escaped >> at & 1 == 0 {
            escaped |= (1_u64 << at) << 1;
            escapes_next = at == 63;
        }
    }
    (escaped, escapes_next)
}

/// Bit `i` of the result is the parity of bits `0..=i`: from an opening quote up to, but not
/// including, its closing quote.
#[expect(clippy::inline_always, reason = "src/blocks.rs says why")]
#[inline(always)]
fn running_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The plain algorithm, a byte at a time. What was seen is that from the first byte on.
    fn plain(bytes: &[u8], mut depth: u64) -> (usize, Stop, Seen) {
        let (mut in_string, mut escaped) = (false, false);
        let mut seen = Scanner::at_depth(depth).seen();
        for (at, &byte) in bytes.iter().enumerate() {
            if byte == b'\n' || byte == b'\r' {
                let stop = if in_string {
                    Stop::LineBreakInString
                } else {
                    Stop::LineBreak
                };
                return (at, stop, seen);
            }
            seen.backslash |= byte == b'\\';
            if escaped {
                escaped = false;
                // An escaped bracket outside a string is still a bracket.
                if byte == b'\\' || byte == b'"' {
                    continue;
                }
            } else if byte == b'\\' {
                escaped = true;
                continue;
            }
            match byte {
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => {
                    depth += 1;
                    seen.brackets = seen.brackets.saturating_add(1);
                }
                b'}' | b']' if !in_string => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return (at + 1, Stop::Closed, seen);
                    }
                }
                _ => {}
            }
        }
        (bytes.len(), Stop::NeedMore, seen)
    }

    fn in_pieces(bytes: &[u8], depth: u64, piece: usize) -> (usize, Stop, Seen) {
        let mut scanner = Scanner::at_depth(depth);
        let mut looked_at = 0;
        for chunk in bytes.chunks(piece) {
            let (n, stop) = scanner.advance(chunk);
            looked_at += n;
            if stop != Stop::NeedMore {
                return (looked_at, stop, scanner.seen());
            }
        }
        (looked_at, Stop::NeedMore, scanner.seen())
    }

    #[test]
    fn finds_the_end_of_a_value() {
        for (text, depth, expected) in [
            (r#"{"a":1} tail"#, 0, (7, Stop::Closed)),
            (r#"{"a":"}"}"#, 0, (9, Stop::Closed)),
            (r#"{"a":"\"}"}"#, 0, (11, Stop::Closed)),
            (r#"{"a":"\\"}"#, 0, (10, Stop::Closed)),
            ("[[{}]]", 0, (6, Stop::Closed)),
            ("\"a\":1}x", 1, (6, Stop::Closed)),
            ("{\"a\":\n1}", 0, (5, Stop::LineBreak)),
            ("{\"a\r\":1}", 0, (3, Stop::LineBreakInString)),
            ("{\"a\\\n\":1}", 0, (4, Stop::LineBreakInString)),
            (r#"{"a":1"#, 0, (6, Stop::NeedMore)),
            ("", 1, (0, Stop::NeedMore)),
        ] {
            assert_eq!(
                Scanner::at_depth(depth).advance(text.as_bytes()),
                expected,
                "{text}"
            );
            let (looked_at, stop, _) = plain(text.as_bytes(), depth);
            assert_eq!((looked_at, stop), expected, "{text}, plain");
        }
    }

    #[test]
    fn tells_what_is_in_a_value_and_in_nothing_else() {
        let seen = |brackets, backslash| Seen {
            brackets,
            backslash,
        };
        for (text, depth, expected) in [
            (r#"{"a":[1,{}]}[\"#, 0, seen(3, false)),
            (r#"{"a":"[{[\n"}{"#, 0, seen(1, true)),
            ("{[\n\\[", 0, seen(2, false)),
            (r#""a":1}"#, 1, Seen::ANYTHING),
        ] {
            let (.., seen) = in_pieces(text.as_bytes(), depth, text.len());
            assert_eq!(seen, expected, "{text}");
        }
        let deep = "[".repeat(1000);
        assert_eq!(in_pieces(deep.as_bytes(), 0, 1000).2.brackets, u8::MAX);
    }

    #[test]
    fn every_offset_of_the_hard_bytes_at_block_borders() {
        for hard in [
            "\"}",
            "\\\"}",
            "\\\\\"}",
            "\\\\\\\"}\"}",
            "\"\n",
            "]",
            "{\"}\"}",
        ] {
            for before in 0..200 {
                let text = format!("{{\"{}{hard}}}}}", "x".repeat(before));
                let expected = plain(text.as_bytes(), 0);
                for piece in [1, 2, 3, 63, 64, 65, 1000] {
                    assert_eq!(
                        in_pieces(text.as_bytes(), 0, piece),
                        expected,
                        "{text} by {piece}"
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn equals_the_plain_algorithm(
            text in proptest::collection::vec(
                prop::sample::select(b"{}[]\"\"\\\\\\ax \n".to_vec()), 0..400),
            depth in 0_u64..4,
            piece in 1_usize..130,
        ) {
            prop_assert_eq!(in_pieces(&text, depth, piece), plain(&text, depth));
        }

        #[test]
        fn equals_the_plain_algorithm_on_long_strings(
            text in proptest::collection::vec(
                prop::sample::select(b"{}[]xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"\\".to_vec()),
                0..2000),
            piece in 1_usize..300,
        ) {
            prop_assert_eq!(in_pieces(&text, 1, piece), plain(&text, 1));
        }
    }
}
