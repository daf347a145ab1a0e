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
//! outside, of which most blocks have none or one, are looked at one by one.

use wide::u8x16;

/// Bytes in one step.
const BLOCK: usize = 64;

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

/// The state of a scan between two pieces of input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Scanner {
    /// Brackets open so far. Zero only before the value's own opening bracket.
    depth: u64,
    /// The next byte is inside a string.
    in_string: bool,
    /// The next byte is escaped by the byte before it.
    escaped: bool,
}

impl Scanner {
    /// A scan whose next byte stands inside `depth` open brackets, outside every string.
    pub(super) fn at_depth(depth: u64) -> Self {
        Self {
            depth,
            in_string: false,
            escaped: false,
        }
    }

    /// Looks at `bytes` up to the value's end or a line break. Returns how many bytes were looked
    /// at, the closing bracket included and the line break excluded, and why it stopped.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> (usize, Stop) {
        let (blocks, tail) = bytes.as_chunks::<BLOCK>();
        let mut looked_at = 0;
        for block in blocks {
            if let Some((n, stop)) = self.block(block, BLOCK) {
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
        match self.block(&padded, tail.len()) {
            Some((n, stop)) => (looked_at + n, stop),
            None => (bytes.len(), Stop::NeedMore),
        }
    }

    /// Looks at the first `len` bytes of a block, the rest being blank.
    #[inline]
    fn block(&mut self, block: &[u8; BLOCK], len: usize) -> Option<(usize, Stop)> {
        let masks = Masks::of(block);
        let mut escaped = u64::from(self.escaped);
        let mut escapes_next = false;
        let mut line_break = BLOCK;
        if masks.odd != 0 {
            let odd = Odd::of(block);
            (escaped, escapes_next) = escaped_by(odd.backslash, self.escaped);
            line_break = odd.line_break.trailing_zeros() as usize;
        }
        let carried = if self.in_string { u64::MAX } else { 0 };
        let in_string = running_xor(masks.quote & !escaped) ^ carried;

        let mut brackets = masks.bracket & !in_string;
        while brackets != 0 {
            let at = brackets.trailing_zeros() as usize;
            if at > line_break {
                break;
            }
            brackets &= brackets - 1;
            if block.get(at).is_some_and(|&byte| opens(byte)) {
                self.depth += 1;
            } else {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    *self = Self::default();
                    return Some((at + 1, Stop::Closed));
                }
            }
        }

        if line_break < BLOCK {
            let stop = if in_string >> line_break & 1 == 1 {
                Stop::LineBreakInString
            } else {
                Stop::LineBreak
            };
            (self.in_string, self.escaped) = (false, false);
            return Some((line_break, stop));
        }
        self.in_string = in_string >> (BLOCK - 1) == 1;
        self.escaped = if len == BLOCK {
            escapes_next
        } else {
            escaped >> len & 1 == 1
        };
        None
    }
}

/// Whether a bracket is `[` or `{`: this bit tells them from `]` and `}`.
fn opens(bracket: u8) -> bool {
    bracket & 0b10 != 0
}

/// One bit a byte: where the bytes that matter stand in a block.
struct Masks {
    quote: u64,
    bracket: u64,
    /// Backslashes and control characters, most of which are line breaks: rare.
    odd: u64,
}

impl Masks {
    #[inline]
    fn of(block: &[u8; BLOCK]) -> Self {
        let (mut quote, mut bracket, mut odd) = (0, 0, 0);
        let (vectors, _) = block.as_chunks();
        for (n, vector) in vectors.iter().enumerate() {
            let bytes = u8x16::from(*vector);
            // `[` and `{`, and `]` and `}`, differ in this bit only; no other byte becomes a
            // bracket by it.
            let folded = bytes | u8x16::splat(0x20);
            let brackets = is(folded, b'{') | is(folded, b'}');
            let control = bytes.min(u8x16::splat(0x1f)).simd_eq(bytes);
            let mask = |vector: u8x16| u64::from(vector.to_bitmask()) << (16 * n);
            quote |= mask(is(bytes, b'"'));
            bracket |= mask(brackets);
            odd |= mask(is(bytes, b'\\') | control);
        }
        Self {
            quote,
            bracket,
            odd,
        }
    }
}

/// One bit a byte: where the rare bytes that matter stand in a block.
struct Odd {
    backslash: u64,
    line_break: u64,
}

impl Odd {
    fn of(block: &[u8; BLOCK]) -> Self {
        let (mut backslash, mut line_break) = (0, 0);
        let (vectors, _) = block.as_chunks();
        for (n, vector) in vectors.iter().enumerate() {
            let bytes = u8x16::from(*vector);
            let mask = |vector: u8x16| u64::from(vector.to_bitmask()) << (16 * n);
            backslash |= mask(is(bytes, b'\\'));
            line_break |= mask(is(bytes, b'\n') | is(bytes, b'\r'));
        }
        Self {
            backslash,
            line_break,
        }
    }
}

#[inline]
fn is(bytes: u8x16, byte: u8) -> u8x16 {
    bytes.simd_eq(u8x16::splat(byte))
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
#[inline]
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

    /// The plain algorithm, a byte at a time.
    fn plain(bytes: &[u8], mut depth: u64) -> (usize, Stop) {
        let (mut in_string, mut escaped) = (false, false);
        for (at, &byte) in bytes.iter().enumerate() {
            if byte == b'\n' || byte == b'\r' {
                let stop = if in_string {
                    Stop::LineBreakInString
                } else {
                    Stop::LineBreak
                };
                return (at, stop);
            }
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
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return (at + 1, Stop::Closed);
                    }
                }
                _ => {}
            }
        }
        (bytes.len(), Stop::NeedMore)
    }

    fn in_pieces(bytes: &[u8], depth: u64, piece: usize) -> (usize, Stop) {
        let mut scanner = Scanner::at_depth(depth);
        let mut looked_at = 0;
        for chunk in bytes.chunks(piece) {
            let (n, stop) = scanner.advance(chunk);
            looked_at += n;
            if stop != Stop::NeedMore {
                return (looked_at, stop);
            }
        }
        (looked_at, Stop::NeedMore)
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
            assert_eq!(plain(text.as_bytes(), depth), expected, "{text}, plain");
        }
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
