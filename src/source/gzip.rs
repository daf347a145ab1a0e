//! Decompresses gzip, member after member, from input that may pause at any byte.
//!
//! **In → out:** raw bytes as they come, in any pieces; out goes what they decompress to.
//!
//! **Invariants.** **No I/O**: a pause is just the time between two calls, in a header, a body, a
//! trailer or between members. **Everything that the bytes so far decompress to comes out at once**,
//! also what stands right before a damage. What the pieces are changes nothing.
//!
//! After the last member zero bytes are ignored, as by gzip(1) (tape blocks); anything else there is
//! [`Damage::Trailing`].
//!
//! flate2's reader `MultiGzDecoder` would not do: it drops output that was decoded in the same call
//! as an error, and takes zero padding for a broken member.
//!
//! **Not here:** reading, waiting, names (`super`).
//!
//! **Failure:** [`Damage`], after which the decompressor is of no more use.

use flate2::{Decompress, FlushDecompress, Status};

/// The first bytes of every member (RFC 1952, section 2.3.1).
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The buffer of [`gunzip`].
const ROOM: usize = 32 * 1024;

/// The largest window of deflate, as base-2 logarithm.
const WINDOW_BITS: u8 = 15;

/// What is wrong with compressed data, and what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It ends inside a member.
    #[error("it is cut off; copy it again from where it came")]
    Truncated,
    /// A header, a block, a checksum or a length is wrong.
    #[error("its data or a checksum is wrong; copy it again from where it came")]
    Data,
    /// After a whole member comes something that is neither a member nor zeros.
    #[error("something else follows the gzip data; pass that on its own")]
    Trailing,
}

/// What one [`Gunzip::push`] did.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) consumed: usize,
    pub(super) written: usize,
    /// Comes after what was written.
    pub(super) damage: Option<Damage>,
}

/// Why a piece of compressed data cannot be had whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GunzipError {
    /// It is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// It decompresses to more than may be held.
    #[error("it decompresses to more than the limit")]
    TooLong,
}

/// Decompresses data that is all at hand, to at most `limit` bytes. No more than that is held, and
/// a buffer's length.
///
/// # Errors
///
/// [`GunzipError`]; then nothing of it is given.
pub fn gunzip(mut data: &[u8], limit: usize) -> Result<Vec<u8>, GunzipError> {
    let mut gunzip = Gunzip::new();
    let mut text = Vec::new();
    let mut room = vec![0; ROOM];
    loop {
        let step = gunzip.push(data, &mut room);
        data = data.get(step.consumed..).unwrap_or_default();
        text.extend_from_slice(room.get(..step.written).unwrap_or_default());
        if text.len() > limit {
            return Err(GunzipError::TooLong);
        }
        if let Some(damage) = step.damage {
            return Err(damage.into());
        }
        if data.is_empty() && !gunzip.holds_output() {
            gunzip.finish()?;
            return Ok(text);
        }
    }
}

/// A decompressor at some byte of a gzip stream.
#[derive(Debug)]
pub(super) struct Gunzip {
    /// Header, deflate blocks and trailer of one member.
    inflate: Decompress,
    place: Place,
    /// Compressed bytes consumed.
    offset: u64,
    /// The last output was filled to the brim, so there may be more without any input.
    brimful: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a member, or at the start of the first.
    Member,
    /// Right after a member.
    After,
    /// In the zeros after the last member.
    Padding,
}

impl Gunzip {
    pub(super) fn new() -> Self {
        Self {
            inflate: Decompress::new_gzip(WINDOW_BITS),
            place: Place::Member,
            offset: 0,
            brimful: false,
        }
    }

    /// Compressed bytes consumed so far; after a damage, where it showed.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether `push` may have output even without input.
    pub(super) fn holds_output(&self) -> bool {
        self.brimful
    }

    /// Decompresses `input` into `output`, until one of them is used up or a damage shows.
    pub(super) fn push(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        let mut step = Step::default();
        while step.damage.is_none() {
            let input = input.get(step.consumed..).unwrap_or_default();
            let output = output.get_mut(step.written..).unwrap_or_default();
            self.brimful = output.is_empty();
            if self.brimful || !self.advance(input, output, &mut step) {
                break;
            }
        }
        self.offset += step.consumed as u64;
        step
    }

    /// Whether the raw input may end here.
    pub(super) fn finish(&self) -> Result<(), Damage> {
        match self.place {
            Place::Member => Err(Damage::Truncated),
            Place::After | Place::Padding => Ok(()),
        }
    }

    /// One step of [`Gunzip::push`]; false when more needs more input.
    fn advance(&mut self, input: &[u8], output: &mut [u8], step: &mut Step) -> bool {
        match (self.place, input.first()) {
            (Place::Member, _) => return self.inflate(input, output, step),
            (_, None) => return false,
            (_, Some(0)) => {
                self.place = Place::Padding;
                step.consumed += input.iter().take_while(|&&byte| byte == 0).count();
            }
            (Place::After, Some(&first)) if first == MAGIC[0] => {
                self.place = Place::Member;
                self.inflate.reset(true);
            }
            (_, Some(_)) => step.damage = Some(Damage::Trailing),
        }
        true
    }

    fn inflate(&mut self, input: &[u8], output: &mut [u8], step: &mut Step) -> bool {
        let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(input, output, FlushDecompress::None);
        let read = as_len(self.inflate.total_in() - read);
        let written = as_len(self.inflate.total_out() - written);
        step.consumed += read;
        step.written += written;
        match status {
            Ok(Status::StreamEnd) => self.place = Place::After,
            // The output is not full and the input was not touched: that would be for ever.
            Ok(Status::Ok | Status::BufError) if read == 0 && written == 0 && !input.is_empty() => {
                step.damage = Some(Damage::Data);
            }
            Ok(Status::Ok | Status::BufError) => return read > 0 || written > 0,
            Err(_) => step.damage = Some(Damage::Data),
        }
        true
    }
}

/// A difference of two totals, which is at most the length of a slice.
fn as_len(difference: u64) -> usize {
    usize::try_from(difference).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;
    use flate2::{Compression, Crc, GzBuilder};

    use super::*;

    /// What a stream came to, and how it ended.
    type Outcome = (Vec<u8>, Result<(), Damage>);

    /// Feeds `raw` in pieces of `input` bytes, takes output in pieces of `output` bytes.
    fn gunzip(raw: &[u8], input: usize, output: usize) -> Outcome {
        let mut gunzip = Gunzip::new();
        let mut out = Vec::new();
        let mut room = vec![0; output];
        for piece in raw.chunks(input) {
            let mut rest = piece;
            while !rest.is_empty() || gunzip.holds_output() {
                let step = gunzip.push(rest, &mut room);
                out.extend_from_slice(&room[..step.written]);
                rest = &rest[step.consumed..];
                if let Some(damage) = step.damage {
                    assert!(gunzip.offset() <= raw.len() as u64);
                    return (out, Err(damage));
                }
            }
        }
        assert_eq!(gunzip.offset(), raw.len() as u64);
        (out, gunzip.finish())
    }

    /// The outcome, which has to be the same for pieces of any size.
    fn check(what: &str, raw: &[u8]) -> Outcome {
        let whole = gunzip(raw, usize::MAX, 1 << 16);
        for (input, output) in [
            (1, 1),
            (1, 1 << 16),
            (2, 3),
            (7, 5),
            (31, 300),
            (usize::MAX, 1),
        ] {
            assert_eq!(
                gunzip(raw, input, output),
                whole,
                "{what}: {input} in, {output} out"
            );
        }
        whole
    }

    fn member(data: &[u8]) -> Vec<u8> {
        member_at(Compression::default(), data)
    }

    fn member_at(level: Compression, data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), level);
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn member_with_all_fields(data: &[u8]) -> Vec<u8> {
        let builder = GzBuilder::new()
            .filename("a.json")
            .comment("none")
            .extra(vec![9; 300]);
        let mut encoder = builder.mtime(1).write(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn member_with_header_checksum(data: &[u8]) -> Vec<u8> {
        let mut raw = member(data);
        raw[3] = 2;
        let mut crc = Crc::new();
        crc.update(&raw[..10]);
        let sum = crc.sum().to_le_bytes();
        raw.splice(10..10, [sum[0], sum[1]]);
        raw
    }

    /// Lines that compress, but not to nothing.
    fn lines(count: u32) -> Vec<u8> {
        (0..count)
            .flat_map(|n| format!("{{\"n\":{}}}\n", n.wrapping_mul(2_654_435_761)).into_bytes())
            .collect()
    }

    fn joined(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn intact_streams_come_out_whole() {
        let (a, b) = (lines(200), lines(3));
        let (ga, gb, none) = (member(&a), member(&b), member(b""));
        let ab = joined(&[&a, &b]);
        let cases: [(&str, Vec<u8>, &[u8]); 9] = [
            ("one", ga.clone(), &a),
            ("empty member", none.clone(), b""),
            ("two", joined(&[&ga, &gb]), &ab),
            (
                "empty ones between",
                joined(&[&none, &ga, &none, &none, &gb, &none]),
                &ab,
            ),
            ("all header fields", member_with_all_fields(&a), &a),
            ("header checksum", member_with_header_checksum(&a), &a),
            ("stored", member_at(Compression::none(), &a), &a),
            ("a zero after", joined(&[&ga, &[0]]), &a),
            ("many zeros after", joined(&[&ga, &[0; 1000]]), &a),
        ];
        for (what, raw, out) in cases {
            assert_eq!(check(what, &raw), (out.to_vec(), Ok(())), "{what}");
        }
    }

    #[test]
    fn data_at_hand_comes_out_whole_or_not_at_all() {
        let data = lines(20_000);
        let packed = member(&data);
        let twice = joined(&[&packed, &packed]);
        let cut = &packed[..packed.len() - 9];
        for (raw, limit, expected) in [
            (&packed[..], data.len(), Ok(data.clone())),
            (&packed, data.len() - 1, Err(GunzipError::TooLong)),
            (&twice, usize::MAX, Ok(joined(&[&data, &data]))),
            (cut, usize::MAX, Err(Damage::Truncated.into())),
            (b"", usize::MAX, Err(Damage::Truncated.into())),
            (b"\x1f\x8b{}", usize::MAX, Err(Damage::Data.into())),
        ] {
            assert!(super::gunzip(raw, limit) == expected, "{} bytes", raw.len());
        }
        let bomb = member(&vec![b' '; 64 << 20]);
        assert_eq!(super::gunzip(&bomb, 1 << 20), Err(GunzipError::TooLong));
    }

    #[test]
    fn damage_is_told_after_what_stands_before_it() {
        let data = lines(200);
        let packed = member(&data);
        let after = |rest: &[u8]| joined(&[&packed, rest]);
        let cases: [(&str, Vec<u8>, Damage); 5] = [
            ("text after", after(b"{}"), Damage::Trailing),
            ("zeros, text", after(b"\0\0\0x"), Damage::Trailing),
            (
                "zeros, member",
                after(&joined(&[&[0; 9], &packed])),
                Damage::Trailing,
            ),
            ("half a magic after", after(&[0x1f]), Damage::Truncated),
            ("wrong magic after", after(b"\x1fx"), Damage::Data),
        ];
        for (what, raw, damage) in cases {
            assert_eq!(check(what, &raw), (data.clone(), Err(damage)), "{what}");
        }
        let nothing: [(&str, &[u8]); 4] = [
            ("not deflate", b"\x1f\x8b\x07\0\0\0\0\0\0\0xyz"),
            ("reserved flag", b"\x1f\x8b\x08\xe0\0\0\0\0\0\0xyz"),
            ("header checksum", b"\x1f\x8b\x08\x02\0\0\0\0\0\0xyz"),
            ("no such block", b"\x1f\x8b\x08\0\0\0\0\0\0\0\x07"),
        ];
        for (what, raw) in nothing {
            assert_eq!(check(what, raw), (vec![], Err(Damage::Data)), "{what}");
        }
    }

    #[test]
    fn wrong_trailer_comes_after_all_data() {
        let data = lines(100);
        let raw = member(&data);
        for at in raw.len() - 8..raw.len() {
            let mut raw = raw.clone();
            raw[at] ^= 0x10;
            assert_eq!(
                check("trailer", &raw),
                (data.clone(), Err(Damage::Data)),
                "byte {at}"
            );
        }
    }

    #[test]
    fn cut_anywhere_it_gives_what_it_can() {
        let (a, b) = (lines(40), lines(2));
        let first = member_with_all_fields(&a);
        let raw = joined(&[&first, &member(&b)]);
        let all = joined(&[&a, &b]);
        let mut before = 0;
        for cut in 1..raw.len() {
            let (out, end) = check("cut", &raw[..cut]);
            assert!(all.starts_with(&out) && out.len() >= before, "cut at {cut}");
            assert_eq!(end.is_ok(), cut == first.len(), "cut at {cut}");
            before = out.len();
        }
        assert_eq!(before, all.len());
    }

    #[test]
    fn flipped_bits_end_the_same_way_for_all_pieces() {
        let data = lines(8);
        let raw = member(&data);
        for bit in 0..raw.len() * 8 {
            let mut raw = raw.clone();
            raw[bit / 8] ^= 1 << (bit % 8);
            let (out, end) = check("flip", &raw);
            assert!(end.is_err() || out == data, "bit {bit} unnoticed");
        }
    }

    #[test]
    fn flushed_data_comes_out_before_the_member_ends() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let mut gunzip = Gunzip::new();
        let mut room = vec![0; 1 << 16];
        let mut fed = 0;
        for line in lines(50).split_inclusive(|&byte| byte == b'\n') {
            encoder.write_all(line).unwrap();
            encoder.flush().unwrap();
            let step = gunzip.push(&encoder.get_ref()[fed..], &mut room);
            fed += step.consumed;
            assert_eq!(&room[..step.written], line);
        }
        assert_eq!(gunzip.finish(), Err(Damage::Truncated));
    }
}
