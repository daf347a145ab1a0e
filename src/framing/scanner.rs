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
//! also the oracle. Quotes, backslashes, brackets and line breaks of a block become one bit mask
//! each; a running XOR over the quotes marks the inside of strings; a population count moves the
//! depth, and brackets are looked at one by one only in a block in which the depth can return to
//! zero.

use wide::u8x64;

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
        let (escaped, escapes_next) = escaped(masks.backslash, self.escaped);
        let carried = if self.in_string { u64::MAX } else { 0 };
        let in_string = running_xor(masks.quote & !escaped) ^ carried;
        let line_break = masks.line_break.trailing_zeros();
        let before_break = 1_u64
            .checked_shl(line_break)
            .map_or(u64::MAX, |bit| bit - 1);
        let open = masks.open & !in_string & before_break;
        let close = masks.close & !in_string & before_break;

        if u64::from(close.count_ones()) >= self.depth {
            if let Some(at) = self.close_one_by_one(open, close) {
                *self = Self::default();
                return Some((at + 1, Stop::Closed));
            }
        } else {
            self.depth += u64::from(open.count_ones());
            self.depth -= u64::from(close.count_ones());
        }

        if masks.line_break != 0 {
            let stop = if in_string >> line_break & 1 == 1 {
                Stop::LineBreakInString
            } else {
                Stop::LineBreak
            };
            (self.in_string, self.escaped) = (false, false);
            return Some((line_break as usize, stop));
        }
        self.in_string = in_string >> (BLOCK - 1) == 1;
        self.escaped = if len == BLOCK {
            escapes_next
        } else {
            escaped >> len & 1 == 1
        };
        None
    }

    /// Walks the brackets of a block in order. Returns where the depth returned to zero.
    fn close_one_by_one(&mut self, open: u64, close: u64) -> Option<usize> {
        let mut brackets = open | close;
        while brackets != 0 {
            let at = brackets.trailing_zeros();
            brackets &= brackets - 1;
            if open >> at & 1 == 1 {
                self.depth += 1;
            } else {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    return Some(at as usize);
                }
            }
        }
        None
    }
}

/// One bit a byte: where the bytes that matter stand in a block.
struct Masks {
    quote: u64,
    backslash: u64,
    open: u64,
    close: u64,
    line_break: u64,
}

impl Masks {
    #[inline]
    fn of(block: &[u8; BLOCK]) -> Self {
        let bytes = u8x64::from(*block);
        // `[` and `{`, and `]` and `}`, differ in this bit only; no other byte becomes a bracket
        // by it.
        let folded = bytes | u8x64::splat(0x20);
        let is = |in_bytes: u8x64, byte: u8| in_bytes.simd_eq(u8x64::splat(byte));
        Self {
            quote: is(bytes, b'"').to_bitmask(),
            backslash: is(bytes, b'\\').to_bitmask(),
            open: is(folded, b'{').to_bitmask(),
            close: is(folded, b'}').to_bitmask(),
            line_break: (is(bytes, b'\n') | is(bytes, b'\r')).to_bitmask(),
        }
    }
}

/// Which bytes of a block are escaped, and whether the block's last byte escapes the next block's
/// first. Real records hold few backslashes, so they are walked one by one.
#[inline]
fn escaped(backslash: u64, first_is_escaped: bool) -> (u64, bool) {
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
