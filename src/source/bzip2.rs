//! Decompresses one bzip2 stream.
//!
//! **In → out:** compressed bytes in any pieces; out goes what they decompress to, a block of at
//! most 900 kB at a time, because that is how bzip2 works.
//!
//! **Invariants.** Those of [`Codec`]. The checksums of blocks and stream are checked.
//!
//! **Not here:** several streams (`unpack`).
//!
//! **Failure:** [`Damage::Data`].

use std::fmt;

use bzip2::{Decompress, Status};

use super::unpack::{Codec, Damage, Progress, difference};

/// The first bytes of every stream; the size of its blocks follows, a digit.
pub(super) const MAGIC: [u8; 3] = *b"BZh";

/// One stream.
pub(super) struct Bunzip2(Decompress);

impl Bunzip2 {
    pub(super) fn new() -> Self {
        Self(Decompress::new(false))
    }
}

impl Codec for Bunzip2 {
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        let (read, written) = (self.0.total_in(), self.0.total_out());
        let status = self.0.decompress(input, output);
        Progress {
            read: difference(read, self.0.total_in()),
            written: difference(written, self.0.total_out()),
            ended: match status {
                Ok(Status::StreamEnd) => Ok(true),
                Ok(Status::Ok | Status::FlushOk | Status::RunOk | Status::FinishOk) => Ok(false),
                Ok(Status::MemNeeded) | Err(_) => Err(Damage::Data),
            },
        }
    }

    fn reset(&mut self) {
        *self = Self::new();
    }
}

impl fmt::Debug for Bunzip2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bunzip2").finish_non_exhaustive()
    }
}
