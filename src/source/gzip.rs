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

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::Decompressor;
use memchr::memmem;

use super::unpack::{Codec, Damage, Progress, difference};

/// The first bytes of every member (RFC 1952, section 2.3.1).
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The same with the number of deflate, which all members have.
const MAGIC_OF_DEFLATE: [u8; 3] = [0x1f, 0x8b, 8];

/// Where the header says what else is in it, and the bit for a checksum of the header.
const FLAGS: usize = 3;
const HEADER_CHECKSUM: u8 = 2;

/// The largest window of deflate, as base-2 logarithm.
const WINDOW_BITS: u8 = 15;

/// Header, deflate blocks and trailer of one member.
pub(super) struct Gunzip {
    stream: Decompress,
    at_once: Decompressor,
}

impl Gunzip {
    pub(super) fn new() -> Self {
        Self {
            stream: Decompress::new_gzip(WINDOW_BITS),
            at_once: Decompressor::new(),
        }
    }

    /// Decompresses a member that is all of `input`, as a log file is, to all of `output`: in 0.8 of
    /// the time that the stream takes. False when it is not certain that this is all there is; then
    /// the stream says what it is.
    ///
    /// The library does not tell how much it read. But where no other member begins, none is left out;
    /// and what is no member has to end in the length of the one before to be passed over, as no text
    /// does: two of the four bytes are zeros.
    fn decompress_at_once(&mut self, input: &[u8], output: &mut [u8]) -> bool {
        // The library passes over a header's checksum.
        let is_checked = |flags: &u8| flags & HEADER_CHECKSUM == 0;
        let others = input.get(1..).unwrap_or_default();
        input.get(FLAGS).is_some_and(is_checked)
            && memmem::find(others, &MAGIC_OF_DEFLATE).is_none()
            && self.at_once.gzip_decompress(input, output) == Ok(output.len())
    }
}

/// How long a member becomes that ends where `input` does, as its last bytes say.
fn length_at_end(input: &[u8]) -> Option<usize> {
    let length = input.last_chunk().copied().map(u32::from_le_bytes)?;
    usize::try_from(length).ok()
}

impl Codec for Gunzip {
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        let (read, written) = (self.stream.total_in(), self.stream.total_out());
        if read == 0
            && let Some(output) = length_at_end(input).and_then(|length| output.get_mut(..length))
            && self.decompress_at_once(input, output)
        {
            return Progress {
                read: input.len(),
                written: output.len(),
                ended: Ok(true),
            };
        }
        let status = self.stream.decompress(input, output, FlushDecompress::None);
        Progress {
            read: difference(read, self.stream.total_in()),
            written: difference(written, self.stream.total_out()),
            ended: match status {
                Ok(Status::StreamEnd) => Ok(true),
                Ok(Status::Ok | Status::BufError) => Ok(false),
                Err(_) => Err(Damage::Data),
            },
        }
    }

    fn reset(&mut self) {
        self.stream.reset(true);
    }

    fn room(&self, input: &[u8]) -> Option<usize> {
        length_at_end(input).filter(|_| self.stream.total_in() == 0)
    }
}

impl fmt::Debug for Gunzip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gunzip")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, GzBuilder};

    use super::*;

    fn member(level: u32, data: &[u8]) -> Vec<u8> {
        let builder = GzBuilder::new().filename("a.json");
        let mut encoder = builder.write(Vec::new(), Compression::new(level));
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_member_is_decompressed_at_once_only_when_it_is_all_there_is() {
        let data = br#"{"a":"b"}"#.repeat(100);
        let raw = member(6, &data);
        let behind = |rest: &[u8]| [&raw[..], rest].concat();
        let mut with_header_checksum = raw.clone();
        with_header_checksum[FLAGS] |= HEADER_CHECKSUM;
        let mut altered = raw.clone();
        altered[raw.len() - 8] ^= 1;
        let mut longer = raw.clone();
        longer[raw.len() - 4] -= 1;
        for (what, input, room, at_once) in [
            ("member", raw.clone(), data.len(), true),
            ("room", raw.clone(), 1 << 16, true),
            ("empty", member(6, b""), 8, true),
            ("a magic number in it", member(0, &raw), 1 << 16, false),
            ("too little room", raw.clone(), data.len() - 1, false),
            ("cut", raw[..raw.len() - 1].to_vec(), 1 << 16, false),
            ("zeros behind it", behind(&[0; 8]), 1 << 16, false),
            ("text behind it", behind(&data), 1 << 16, false),
            ("another one", behind(&raw), 1 << 16, false),
            ("checksum", altered, 1 << 16, false),
            ("length", longer, 1 << 16, false),
            ("header checksum", with_header_checksum, 1 << 16, false),
        ] {
            let (mut gunzip, mut output) = (Gunzip::new(), vec![0; room]);
            let progress = gunzip.run(&input, &mut output);
            assert_eq!(gunzip.stream.total_in() == 0, at_once, "{what}");
            if at_once {
                assert_eq!(progress.read, input.len(), "{what}");
                assert_eq!(progress.ended, Ok(true), "{what}");
                assert!(data.starts_with(&output[..progress.written]), "{what}");
            }
        }
    }

    #[test]
    fn a_small_file_is_given_the_room_that_it_takes() {
        let data = b"[]".repeat(50_000);
        let raw = member(6, &data);
        let mut gunzip = Gunzip::new();
        assert_eq!(gunzip.room(&raw), Some(data.len()));
        assert_eq!(gunzip.room(b"\x1f\x8b"), None);
        gunzip.run(&raw[..20], &mut [0; 100]);
        assert_eq!(gunzip.room(&raw[20..]), None);
    }
}
