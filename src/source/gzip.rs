//! Decompresses one gzip member.
//!
//! **In → out:** compressed bytes in any pieces; out goes what they decompress to.
//!
//! **Invariants.** Those of [`Codec`]. Header, checksum and length are checked.
//!
//! flate2's reader `MultiGzDecoder` would not do: it drops output that was decoded in the same call
//! as an error, and takes zero padding for a broken member.
//!
//! **Not here:** several members, padding (`unpack`).
//!
//! **Failure:** [`Damage::Data`].

use flate2::{Decompress, FlushDecompress, Status};

use super::unpack::{Codec, Damage, Progress, difference};

/// The first bytes of every member (RFC 1952, section 2.3.1).
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The largest window of deflate, as base-2 logarithm.
const WINDOW_BITS: u8 = 15;

/// Header, deflate blocks and trailer of one member.
#[derive(Debug)]
pub(super) struct Gunzip(Decompress);

impl Gunzip {
    pub(super) fn new() -> Self {
        Self(Decompress::new_gzip(WINDOW_BITS))
    }
}

impl Codec for Gunzip {
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        let (read, written) = (self.0.total_in(), self.0.total_out());
        let status = self.0.decompress(input, output, FlushDecompress::None);
        Progress {
            read: difference(read, self.0.total_in()),
            written: difference(written, self.0.total_out()),
            ended: match status {
                Ok(Status::StreamEnd) => Ok(true),
                Ok(Status::Ok | Status::BufError) => Ok(false),
                Err(_) => Err(Damage::Data),
            },
        }
    }

    fn reset(&mut self) {
        self.0.reset(true);
    }
}
