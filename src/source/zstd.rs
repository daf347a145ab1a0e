//! Decompresses one zstd frame.
//!
//! **In → out:** compressed bytes in any pieces; out goes what they decompress to.
//!
//! **Invariants.** Those of [`Codec`]. A checksum is checked where there is one. Skippable frames
//! give nothing. **A window takes at most 128 MiB**, which is as much as zstd(1) takes unasked.
//!
//! **Not here:** several frames (`unpack`).
//!
//! **Failure:** [`Damage::Data`], and [`Damage::Window`] for a frame that asks for more memory.

use std::fmt;

use zstd_safe::{DCtx, InBuffer, OutBuffer, ResetDirective, get_error_name};

use super::unpack::{Codec, Damage, Progress};

/// The first bytes of every frame (RFC 8878, section 3.1.1).
pub(super) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The first bytes of a skippable frame, but for the low half of the first (section 3.1.2);
/// parallel compressors begin with one.
pub(super) const SKIPPABLE: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// What the library says of a frame whose window is larger than it may be.
const TOO_LARGE: &str = "Frame requires too much memory for decoding";

/// The bytes of a block's header, which the library would like to have with the block before it.
const BLOCK_HEADER: usize = 3;

/// One frame, given to the library block by block: of a call that fails it does not say what it has
/// written, and a whole frame at once is a case of its own there.
pub(super) struct Unzstd {
    context: DCtx<'static>,
    /// The library would like to have so many bytes next.
    wanted: usize,
    /// The last output was filled to the brim, so the library may hold more of the last block.
    brimful: bool,
}

impl Unzstd {
    pub(super) fn new() -> Self {
        Self {
            context: DCtx::create(),
            wanted: 1,
            brimful: false,
        }
    }

    /// Decompresses at most one block; returns whether that was possible.
    fn step(&mut self, input: &[u8], output: &mut [u8], done: &mut Progress) -> bool {
        let input = input.get(done.read..).unwrap_or_default();
        let output = output.get_mut(done.written..).unwrap_or_default();
        let length = match self.wanted.saturating_sub(BLOCK_HEADER).max(1) {
            _ if self.brimful => 0,
            length => length.min(input.len()),
        };
        if output.is_empty() || (length == 0 && !self.brimful) {
            return false;
        }
        let mut block = InBuffer::around(input.get(..length).unwrap_or_default());
        let room = output.len();
        let mut output = OutBuffer::around(output);
        match self.context.decompress_stream(&mut output, &mut block) {
            Ok(wanted) => {
                done.ended = Ok(wanted == 0);
                self.wanted = wanted;
            }
            Err(code) if get_error_name(code) == TOO_LARGE => done.ended = Err(Damage::Window),
            Err(_) => done.ended = Err(Damage::Data),
        }
        done.read += block.pos();
        done.written += output.pos();
        self.brimful = output.pos() == room;
        matches!(done.ended, Ok(false))
    }
}

impl Codec for Unzstd {
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        let mut done = Progress {
            read: 0,
            written: 0,
            ended: Ok(false),
        };
        while self.step(input, output, &mut done) {}
        done
    }

    fn reset(&mut self) {
        // It cannot fail: only the parameters may not be changed at any time.
        let (Ok(_) | Err(_)) = self.context.reset(ResetDirective::SessionOnly);
        self.wanted = 1;
        self.brimful = false;
    }
}

impl fmt::Debug for Unzstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unzstd").finish_non_exhaustive()
    }
}
