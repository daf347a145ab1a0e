//! Which of 64 bytes are what, as the bits of a number: the lowest bit is the first byte's.
//!
//! In → out: a block of text; out come masks of it.
//!
//! Invariants: **Every level of the processor gives the same masks.**
//!
//! Not here: what the bytes mean (`framing`, `decode`).
//!
//! Failure: none.
//!
//! Cost: which instructions the processor has is asked once; [`dispatch`] picks the code that was
//! made for them. For that code to be one piece, each function on its way is inlined by force:
//! across a call a vector would go through memory.

pub(crate) use fearless_simd::{Level, Simd, SimdMask, dispatch};

use fearless_simd::prelude::SimdBase as _;
use fearless_simd::{mask8x64, u8x64};

/// Bytes in a block.
pub(crate) const BLOCK: usize = 64;

/// A block, to be asked which of its bytes are what.
#[derive(Clone, Copy)]
pub(crate) struct Block<S: Simd> {
    simd: S,
    bytes: u8x64<S>,
}

#[expect(clippy::inline_always, reason = "the top of this file says why")]
impl<S: Simd> Block<S> {
    #[inline(always)]
    pub(crate) fn of(simd: S, bytes: &[u8; BLOCK]) -> Self {
        let bytes = u8x64::from_slice(simd, bytes);
        Self { simd, bytes }
    }

    /// The bytes that are this one.
    #[inline(always)]
    pub(crate) fn is(self, byte: u8) -> mask8x64<S> {
        self.bytes.simd_eq(u8x64::splat(self.simd, byte))
    }

    /// Control characters of ASCII but for DEL: what a JSON string cannot hold.
    #[inline(always)]
    pub(crate) fn is_control(self) -> mask8x64<S> {
        let least = self.bytes.min(u8x64::splat(self.simd, 0x1f));
        least.simd_eq(self.bytes)
    }

    /// `[` and `{`.
    #[inline(always)]
    pub(crate) fn is_opening(self) -> mask8x64<S> {
        self.folded().is(b'{')
    }

    /// `]` and `}`.
    #[inline(always)]
    pub(crate) fn is_closing(self) -> mask8x64<S> {
        self.folded().is(b'}')
    }

    /// Brackets of both kinds as braces: they differ in one bit only, and no other byte becomes a
    /// brace by it.
    #[inline(always)]
    fn folded(self) -> Self {
        let bytes = self.bytes | u8x64::splat(self.simd, b'{' ^ b'[');
        Self { bytes, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What code may be made for, as far as this processor goes.
    fn levels() -> Vec<Level> {
        let best = Level::new();
        let mut levels = vec![Level::baseline(), best];
        #[cfg(target_arch = "x86_64")]
        {
            levels.extend(best.as_sse4_2().map(Level::Sse4_2));
            levels.extend(best.as_avx2().map(Level::Avx2));
        }
        levels
    }

    #[expect(clippy::inline_always, reason = "the top of this file says why")]
    #[inline(always)]
    fn masks<S: Simd>(simd: S, bytes: &[u8; BLOCK]) -> [u64; 4] {
        let block = Block::of(simd, bytes);
        [
            block.is(b'"').to_bitmask(),
            block.is_control().to_bitmask(),
            block.is_opening().to_bitmask(),
            block.is_closing().to_bitmask(),
        ]
    }

    fn mask(bytes: &[u8], is: impl Fn(u8) -> bool) -> u64 {
        let bits = bytes.iter().enumerate();
        bits.map(|(at, &byte)| u64::from(is(byte)) << at).sum()
    }

    #[test]
    fn every_byte_is_told_at_every_level() {
        for first in (0..=u8::MAX).step_by(BLOCK) {
            let bytes: [u8; BLOCK] = std::array::from_fn(|at| first + u8::try_from(at).unwrap());
            let expected = [
                mask(&bytes, |byte| byte == b'"'),
                mask(&bytes, |byte| byte < 0x20),
                mask(&bytes, |byte| matches!(byte, b'[' | b'{')),
                mask(&bytes, |byte| matches!(byte, b']' | b'}')),
            ];
            for level in levels() {
                let found = dispatch!(level, simd => masks(simd, &bytes));
                assert_eq!(found, expected, "from {first} by {level:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_place_is_told_at_every_level(bytes in any::<[u8; 32]>(), place in 0_usize..32) {
            let mut block = [b'x'; BLOCK];
            block[place..place + 32].copy_from_slice(&bytes);
            let expected = dispatch!(Level::baseline(), simd => masks(simd, &block));
            prop_assert_eq!(expected[0], mask(&block, |byte| byte == b'"'));
            for level in levels() {
                prop_assert_eq!(dispatch!(level, simd => masks(simd, &block)), expected);
            }
        }
    }
}
