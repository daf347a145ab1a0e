//! Decompresses gzip, zstd and bzip2, part after part, from input that may pause at any byte.
//!
//! **In → out:** raw bytes as they come, in any pieces; out goes what they decompress to. A part is
//! a member (gzip), a frame (zstd) or a stream (bzip2).
//!
//! **Invariants.** **No I/O**: a pause is just the time between two calls, in a header, a body, a
//! trailer or between parts. **Everything that the bytes so far decompress to comes out at once**,
//! also what stands right before a damage. What the pieces are changes nothing.
//!
//! After the last part zero bytes are ignored, as by gzip(1) (tape blocks); anything else there is
//! [`Damage::Trailing`].
//!
//! **Not here:** one part (`gzip`, `zstd`, `bzip2`); reading, waiting, names (`super`).
//!
//! **Failure:** [`Damage`], after which the decompressor is of no more use.

use std::fmt;
use std::path::Path;

use super::bzip2::{self, Bunzip2};
use super::gzip::{self, Gunzip};
use super::zstd::{self, Unzstd};

/// The buffer of [`gunzip`].
const ROOM: usize = 32 * 1024;

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// bzip2.
    Bzip2,
}

/// What is wrong with compressed data, and what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It ends inside a part.
    #[error("it is cut off; copy it again from where it came")]
    Truncated,
    /// A header, a block, a checksum or a length is wrong.
    #[error(
        "its data or a checksum is wrong, so the last that was read may be altered; copy it again from where it came"
    )]
    Data,
    /// After a whole part comes something that is neither a part nor zeros.
    #[error("something else follows the compressed data; pass that on its own")]
    Trailing,
    /// Decompressing it takes more memory than any default of zstd(1) gives.
    #[error("it needs a window of more than 128 MiB; compress it again without --long")]
    Window,
    /// It became so many times longer, or more.
    #[error("it becomes more than {0} times longer; if that is right, raise --max-inflate-ratio")]
    Growth(u64),
}

impl Packing {
    const ALL: [Self; 3] = [Self::Gzip, Self::Zstd, Self::Bzip2];

    /// The packing that the first bytes of a source tell, nothing when they are plain; `Err` when
    /// more bytes could tell.
    pub(super) fn of(first: &[u8]) -> Result<Option<Self>, TooFew> {
        let mut too_few = false;
        for packing in Self::ALL {
            match packing.begins(first) {
                Some(true) => return Ok(Some(packing)),
                Some(false) => {}
                None => too_few = true,
            }
        }
        if too_few { Err(TooFew) } else { Ok(None) }
    }

    /// The packing of a source that has ended inside its magic number, as no JSON begins. A skippable
    /// frame of zstd may begin like an array, and is not meant here.
    pub(super) fn cut_in_magic(whole: &[u8]) -> Option<Self> {
        let begins = |packing: &Self| packing.magic().starts_with(whole);
        Self::ALL
            .into_iter()
            .find(|packing| !whole.is_empty() && begins(packing))
    }

    /// Whether these are the first bytes of a part; nothing when they are too few to tell.
    fn begins(self, bytes: &[u8]) -> Option<bool> {
        let starts = |magic: &[u8]| {
            let first = bytes.get(..magic.len()).unwrap_or(bytes);
            (!magic.starts_with(first) || first.len() == magic.len()).then(|| first == magic)
        };
        match self {
            Self::Gzip | Self::Bzip2 => starts(self.magic()),
            Self::Zstd => {
                let mut skippable = zstd::SKIPPABLE;
                if let (Some(magic), Some(first)) = (skippable.first_mut(), bytes.first()) {
                    *magic |= first & 0x0f;
                }
                match (starts(self.magic()), starts(&skippable)) {
                    (Some(frame), Some(skippable)) => Some(frame || skippable),
                    _ => None,
                }
            }
        }
    }

    /// What every part begins with; zstd has skippable frames too.
    fn magic(self) -> &'static [u8] {
        match self {
            Self::Gzip => &gzip::MAGIC,
            Self::Zstd => &zstd::MAGIC,
            Self::Bzip2 => &bzip2::MAGIC,
        }
    }

    /// The packing that the ending of a file's name promises.
    pub(super) fn of_name(name: &Path) -> Option<Self> {
        let ending = name.extension()?;
        let is_of = |packing: &Self| ending.eq_ignore_ascii_case(packing.ending());
        Self::ALL.into_iter().find(is_of)
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Zstd => "zst",
            Self::Bzip2 => "bz2",
        }
    }

    fn codec(self) -> Box<dyn Codec> {
        match self {
            Self::Gzip => Box::new(Gunzip::new()),
            Self::Zstd => Box::new(Unzstd::new()),
            Self::Bzip2 => Box::new(Bunzip2::new()),
        }
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
        })
    }
}

/// More bytes are needed to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooFew;

/// The decompressor of one part.
pub(super) trait Codec: fmt::Debug + Send {
    /// Decompresses as much of `input` into `output` as there is, or fits, or belongs to the part.
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Progress;

    /// Makes it as new, for the next part.
    fn reset(&mut self);
}

/// What one [`Codec::run`] did.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) read: usize,
    pub(super) written: usize,
    /// Whether the part is at its end; a damage comes after what was written.
    pub(super) ended: Result<bool, Damage>,
}

/// What one [`Unpacker::push`] did.
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

/// Decompresses gzip that is all at hand, to at most `limit` bytes. No more than that is held, and
/// a buffer's length.
///
/// # Errors
///
/// [`GunzipError`]; then nothing of it is given.
pub fn gunzip(mut data: &[u8], limit: usize) -> Result<Vec<u8>, GunzipError> {
    let mut unpacker = Unpacker::new(Packing::Gzip);
    let mut text = Vec::new();
    let mut room = vec![0; ROOM];
    loop {
        let step = unpacker.push(data, &mut room);
        data = data.get(step.consumed..).unwrap_or_default();
        text.extend_from_slice(room.get(..step.written).unwrap_or_default());
        if text.len() > limit {
            return Err(GunzipError::TooLong);
        }
        if let Some(damage) = step.damage {
            return Err(damage.into());
        }
        if data.is_empty() && !unpacker.holds_output() {
            unpacker.finish()?;
            return Ok(text);
        }
    }
}

/// A decompressor at some byte of a compressed stream.
#[derive(Debug)]
pub(super) struct Unpacker {
    packing: Packing,
    codec: Box<dyn Codec>,
    place: Place,
    /// Compressed bytes consumed.
    consumed: u64,
    /// Bytes that came out.
    written: u64,
    /// The last output was filled to the brim, so there may be more without any input.
    brimful: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a part, or at the start of the first.
    Part,
    /// Right after a part.
    After,
    /// In the zeros after the last part.
    Padding,
}

impl Unpacker {
    pub(super) fn new(packing: Packing) -> Self {
        Self {
            packing,
            codec: packing.codec(),
            place: Place::Part,
            consumed: 0,
            written: 0,
            brimful: false,
        }
    }

    /// Makes it as new, for another stream of the same packing.
    pub(super) fn reset(&mut self) {
        self.codec.reset();
        self.place = Place::Part;
        (self.consumed, self.written) = (0, 0);
        self.brimful = false;
    }

    pub(super) fn packing(&self) -> Packing {
        self.packing
    }

    /// Compressed bytes consumed so far; after a damage, where it showed.
    pub(super) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Bytes that came out so far.
    pub(super) fn written(&self) -> u64 {
        self.written
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
        self.consumed += step.consumed as u64;
        self.written += step.written as u64;
        step
    }

    /// Whether the raw input may end here.
    pub(super) fn finish(&self) -> Result<(), Damage> {
        match self.place {
            Place::Part => Err(Damage::Truncated),
            Place::After | Place::Padding => Ok(()),
        }
    }

    /// One step of [`Unpacker::push`]; false when more needs more input.
    fn advance(&mut self, input: &[u8], output: &mut [u8], step: &mut Step) -> bool {
        match (self.place, input.first()) {
            (Place::Part, _) => return self.unpack(input, output, step),
            (_, None) => return false,
            (_, Some(0)) => {
                self.place = Place::Padding;
                step.consumed += input.iter().take_while(|&&byte| byte == 0).count();
            }
            (Place::After, Some(&first)) if self.packing.begins(&[first]) != Some(false) => {
                self.place = Place::Part;
                self.codec.reset();
            }
            (_, Some(_)) => step.damage = Some(Damage::Trailing),
        }
        true
    }

    fn unpack(&mut self, input: &[u8], output: &mut [u8], step: &mut Step) -> bool {
        let Progress {
            read,
            written,
            ended,
        } = self.codec.run(input, output);
        step.consumed += read;
        step.written += written;
        match ended {
            Ok(true) => self.place = Place::After,
            // The output is not full and the input was not touched: that would be for ever.
            Ok(false) if read == 0 && written == 0 && !input.is_empty() => {
                step.damage = Some(Damage::Data);
            }
            Ok(false) => return read > 0 || written > 0,
            Err(damage) => step.damage = Some(damage),
        }
        true
    }
}

/// How much two totals differ, which is at most the length of a slice.
pub(super) fn difference(before: u64, after: u64) -> usize {
    usize::try_from(after - before).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ::bzip2::write::BzEncoder;
    use flate2::write::GzEncoder;
    use flate2::{Compression, Crc, GzBuilder};

    use super::*;

    /// What a stream came to, and how it ended.
    type Outcome = (Vec<u8>, Result<(), Damage>);

    /// Feeds `raw` in pieces of `input` bytes, takes output in pieces of `output` bytes.
    fn unpack(packing: Packing, raw: &[u8], input: usize, output: usize) -> Outcome {
        let mut unpacker = Unpacker::new(packing);
        let mut out = Vec::new();
        let mut room = vec![0; output];
        for piece in raw.chunks(input) {
            let mut rest = piece;
            while !rest.is_empty() || unpacker.holds_output() {
                let step = unpacker.push(rest, &mut room);
                out.extend_from_slice(&room[..step.written]);
                rest = &rest[step.consumed..];
                if let Some(damage) = step.damage {
                    assert!(unpacker.consumed() <= raw.len() as u64);
                    return (out, Err(damage));
                }
            }
        }
        assert_eq!(unpacker.consumed(), raw.len() as u64);
        assert_eq!(unpacker.written(), out.len() as u64);
        (out, unpacker.finish())
    }

    /// The outcome, which has to be the same for pieces of any size.
    fn check(what: &str, packing: Packing, raw: &[u8]) -> Outcome {
        let whole = unpack(packing, raw, usize::MAX, 1 << 16);
        for (input, output) in [
            (1, 1),
            (1, 1 << 16),
            (2, 3),
            (7, 5),
            (31, 300),
            (usize::MAX, 1),
        ] {
            assert_eq!(
                unpack(packing, raw, input, output),
                whole,
                "{what} of {packing}: {input} in, {output} out"
            );
        }
        whole
    }

    fn part(packing: Packing, data: &[u8]) -> Vec<u8> {
        match packing {
            Packing::Gzip => member_at(Compression::default(), data),
            Packing::Zstd => {
                let mut context = zstd_safe::CCtx::create();
                context
                    .set_parameter(zstd_safe::CParameter::ChecksumFlag(true))
                    .unwrap();
                let mut out = vec![0; zstd_safe::compress_bound(data.len())];
                let length = context.compress2(&mut out[..], data).unwrap();
                out.truncate(length);
                out
            }
            Packing::Bzip2 => {
                let mut encoder = BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
                encoder.write_all(data).unwrap();
                encoder.finish().unwrap()
            }
        }
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
        let mut raw = member_at(Compression::default(), data);
        raw[3] = 2;
        let mut crc = Crc::new();
        crc.update(&raw[..10]);
        let sum = crc.sum().to_le_bytes();
        raw.splice(10..10, [sum[0], sum[1]]);
        raw
    }

    fn skippable(data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_le_bytes();
        [&[0x5a, 0x2a, 0x4d, 0x18], &length[..], data].concat()
    }

    /// Lines that compress, but not to nothing.
    fn lines(count: u32) -> Vec<u8> {
        (0..count)
            .flat_map(|n| format!("{{\"n\":{}}}\n", n.wrapping_mul(2_654_435_761)).into_bytes())
            .collect()
    }

    #[test]
    fn gzip_at_hand_comes_out_whole_or_not_at_all() {
        let data = lines(20_000);
        let packed = member_at(Compression::default(), &data);
        let twice = packed.repeat(2);
        let cut = &packed[..packed.len() - 9];
        for (raw, limit, expected) in [
            (&packed[..], data.len(), Ok(data.clone())),
            (&packed, data.len() - 1, Err(GunzipError::TooLong)),
            (&twice, usize::MAX, Ok(data.repeat(2))),
            (cut, usize::MAX, Err(Damage::Truncated.into())),
            (b"", usize::MAX, Err(Damage::Truncated.into())),
            (b"\x1f\x8b{}", usize::MAX, Err(Damage::Data.into())),
        ] {
            assert!(gunzip(raw, limit) == expected, "{} bytes", raw.len());
        }
        let bomb = member_at(Compression::best(), &vec![b' '; 64 << 20]);
        assert_eq!(gunzip(&bomb, 1 << 20), Err(GunzipError::TooLong));
    }

    #[test]
    fn the_first_bytes_tell() {
        let gzip = Ok(Some(Packing::Gzip));
        let zstd = Ok(Some(Packing::Zstd));
        let bzip2 = Ok(Some(Packing::Bzip2));
        for (first, told) in [
            (&b""[..], Err(TooFew)),
            (b"{", Ok(None)),
            (b"\x1f", Err(TooFew)),
            (b"\x1f{", Ok(None)),
            (b"\x8b\x1f", Ok(None)),
            (b"\x1f\x8b", gzip),
            (b"\x1f\x8b\x08", gzip),
            (b"B", Err(TooFew)),
            (b"BZ", Err(TooFew)),
            (b"BZh", bzip2),
            (b"BZh9", bzip2),
            (b"BZi", Ok(None)),
            (b"\x28", Err(TooFew)),
            (b"\x28\xb5\x2f", Err(TooFew)),
            (b"\x28\xb5\x2f\xfd", zstd),
            (b"\x28\xb5\x2f\xfe", Ok(None)),
            (b"\x50\x2a\x4d", Err(TooFew)),
            (b"\x50\x2a\x4d\x18", zstd),
            (b"\x5f\x2a\x4d\x18\0", zstd),
            (b"\x60\x2a\x4d\x18", Ok(None)),
            (b"\x51\x2a\x4d\x19", Ok(None)),
        ] {
            assert_eq!(Packing::of(first), told, "{first:?}");
        }
    }

    #[test]
    fn a_source_of_a_piece_of_a_magic_number_is_a_cut_file() {
        for (whole, cut) in [
            (&b""[..], None),
            (b"\x1f", Some(Packing::Gzip)),
            (b"B", Some(Packing::Bzip2)),
            (b"BZ", Some(Packing::Bzip2)),
            (b"\x28", Some(Packing::Zstd)),
            (b"\x28\xb5\x2f", Some(Packing::Zstd)),
            (b"[", None),
            (b"P*M", None),
            (b"{", None),
        ] {
            assert_eq!(Packing::cut_in_magic(whole), cut, "{whole:?}");
        }
    }

    #[test]
    fn intact_streams_come_out_whole() {
        let (a, b) = (lines(200), lines(3));
        let ab = [&a[..], &b].concat();
        for packing in Packing::ALL {
            let (pa, pb, none) = (part(packing, &a), part(packing, &b), part(packing, b""));
            for (what, raw, out) in [
                ("one", pa.clone(), &a[..]),
                ("empty part", none.clone(), b""),
                ("two", [&pa[..], &pb].concat(), &ab),
                (
                    "empty ones between",
                    [&none[..], &pa, &none, &none, &pb, &none].concat(),
                    &ab,
                ),
                ("a zero after", [&pa[..], &[0]].concat(), &a),
                ("many zeros after", [&pa[..], &[0; 1000]].concat(), &a),
            ] {
                let whole = (out.to_vec(), Ok(()));
                assert_eq!(check(what, packing, &raw), whole, "{what} of {packing}");
            }
        }
        for (what, raw) in [
            ("all header fields", member_with_all_fields(&a)),
            ("header checksum", member_with_header_checksum(&a)),
            ("stored", member_at(Compression::none(), &a)),
        ] {
            let whole = (a.clone(), Ok(()));
            assert_eq!(check(what, Packing::Gzip, &raw), whole, "{what}");
        }
        let raw = [
            skippable(b"x"),
            part(Packing::Zstd, &a),
            skippable(b""),
            part(Packing::Zstd, &b),
        ];
        assert_eq!(
            check("skippable", Packing::Zstd, &raw.concat()),
            (ab, Ok(()))
        );
    }

    #[test]
    fn a_reset_unpacker_is_as_new() {
        for packing in Packing::ALL {
            let (data, mut room) = (lines(50), vec![0; 1 << 16]);
            let raw = part(packing, &data);
            let mut unpacker = Unpacker::new(packing);
            for end in [raw.len(), raw.len() / 2, raw.len()] {
                unpacker.reset();
                let step = unpacker.push(&raw[..end], &mut room);
                assert_eq!(step.consumed, end);
                assert!(data.starts_with(&room[..step.written]));
                assert_eq!(unpacker.finish().is_ok(), end == raw.len(), "{packing}");
                assert_eq!(unpacker.written(), step.written as u64);
            }
        }
    }

    #[test]
    fn damage_is_told_after_what_stands_before_it() {
        let data = lines(200);
        for packing in Packing::ALL {
            let packed = part(packing, &data);
            let after = |rest: &[u8]| [&packed[..], rest].concat();
            let one = &packed[..1];
            for (what, raw, damage) in [
                ("text after", after(b"{}"), Damage::Trailing),
                ("zeros, text", after(b"\0\0\0x"), Damage::Trailing),
                (
                    "zeros, part",
                    after(&[&[0; 9], &packed[..]].concat()),
                    Damage::Trailing,
                ),
                ("half a magic after", after(one), Damage::Truncated),
                (
                    "wrong magic after",
                    after(&[one, b"xxxxxxxxx"].concat()),
                    Damage::Data,
                ),
            ] {
                let outcome = (data.clone(), Err(damage));
                assert_eq!(check(what, packing, &raw), outcome, "{what} of {packing}");
            }
        }
        let nothing: [(&str, Packing, &[u8]); 7] = [
            (
                "not deflate",
                Packing::Gzip,
                b"\x1f\x8b\x07\0\0\0\0\0\0\0xyz",
            ),
            (
                "reserved flag",
                Packing::Gzip,
                b"\x1f\x8b\x08\xe0\0\0\0\0\0\0xyz",
            ),
            (
                "header checksum",
                Packing::Gzip,
                b"\x1f\x8b\x08\x02\0\0\0\0\0\0xyz",
            ),
            (
                "no such block",
                Packing::Gzip,
                b"\x1f\x8b\x08\0\0\0\0\0\0\0\x07",
            ),
            ("no such size", Packing::Bzip2, b"BZh0xxxxxxxx"),
            ("no block", Packing::Bzip2, b"BZh9xxxxxxxx"),
            (
                "reserved bit",
                Packing::Zstd,
                b"\x28\xb5\x2f\xfd\x08\0\0\0\0\0\0",
            ),
        ];
        for (what, packing, raw) in nothing {
            let outcome = (vec![], Err(Damage::Data));
            assert_eq!(check(what, packing, raw), outcome, "{what}");
        }
        // Frame header: a window of 2 GiB (exponent 21), no checksum, no content size.
        let wide = b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00";
        let outcome = (vec![], Err(Damage::Window));
        assert_eq!(check("window", Packing::Zstd, wide), outcome);
    }

    #[test]
    fn wrong_trailer_comes_after_all_data() {
        let data = lines(100);
        for (packing, trailer) in [(Packing::Gzip, 8), (Packing::Zstd, 4)] {
            let raw = part(packing, &data);
            for at in raw.len() - trailer..raw.len() {
                let mut raw = raw.clone();
                raw[at] ^= 0x10;
                let outcome = (data.clone(), Err(Damage::Data));
                assert_eq!(check("trailer", packing, &raw), outcome, "byte {at}");
            }
        }
    }

    #[test]
    fn cut_anywhere_it_gives_what_it_can() {
        let (a, b) = (lines(20), lines(2));
        let all = [&a[..], &b].concat();
        for packing in Packing::ALL {
            let first = match packing {
                Packing::Gzip => member_with_all_fields(&a),
                Packing::Zstd | Packing::Bzip2 => part(packing, &a),
            };
            let raw = [&first[..], &part(packing, &b)].concat();
            let mut before = 0;
            for cut in 1..raw.len() {
                let (out, end) = check("cut", packing, &raw[..cut]);
                assert!(all.starts_with(&out) && out.len() >= before, "cut at {cut}");
                assert_eq!(end.is_ok(), cut == first.len(), "cut at {cut}");
                before = out.len();
            }
            // The last bytes hold checksums only, but bzip2 gives nothing before them.
            assert!(before == all.len() || packing == Packing::Bzip2);
        }
    }

    #[test]
    fn flipped_bits_end_the_same_way_for_all_pieces() {
        let data = lines(4);
        for packing in Packing::ALL {
            let raw = part(packing, &data);
            for bit in 0..raw.len() * 8 {
                let mut raw = raw.clone();
                raw[bit / 8] ^= 1 << (bit % 8);
                let (out, end) = check("flip", packing, &raw);
                assert!(
                    end.is_err() || out == data,
                    "{packing}: bit {bit} unnoticed"
                );
            }
        }
    }

    #[test]
    fn flushed_data_comes_out_before_its_part_ends() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        let mut zstd = zstd_safe::CCtx::create();
        let (mut packed, mut line_room) = (Vec::new(), vec![0; 1 << 16]);
        let mut unpackers = [Packing::Gzip, Packing::Zstd].map(Unpacker::new);
        let mut room = vec![0; 1 << 16];
        for line in lines(50).split_inclusive(|&byte| byte == b'\n') {
            let before = packed.len();
            gzip.write_all(line).unwrap();
            gzip.flush().unwrap();
            packed.extend_from_slice(&gzip.get_ref()[before..]);
            let step = unpackers[0].push(&packed[before..], &mut room);
            assert_eq!(&room[..step.written], line);

            let mut out = zstd_safe::OutBuffer::around(&mut line_room[..]);
            let mut line_in = zstd_safe::InBuffer::around(line);
            zstd.compress_stream(&mut out, &mut line_in).unwrap();
            assert_eq!(zstd.flush_stream(&mut out).unwrap(), 0);
            let flushed = out.as_slice().to_vec();
            let step = unpackers[1].push(&flushed, &mut room);
            assert_eq!(&room[..step.written], line);
        }
        for unpacker in unpackers {
            assert_eq!(unpacker.finish(), Err(Damage::Truncated));
        }
    }
}
