//! Decompression: whatever the bytes, pieces change nothing, growth is bounded, what was packed
//! comes out, and of a part comes a part.

use std::io::{PipeWriter, Write as _};
use std::os::fd::OwnedFd;
use std::time::Duration;

use bytes::BytesMut;
use bzip2::write::BzEncoder;
use flate2::write::GzEncoder;
use hsmtrail::source::{Damage, Packing, Read, Source, SourceError, gunzip, stop_pair};

use crate::input::{Choices, Cuts};

/// The most that one read adds.
const READ_SIZE: usize = 128 * 1024;

/// So much may come of anything, and how much more before it is looked again.
const FLOOR: u64 = (16 << 20) + (1 << 20);

/// What is packed is about as long at most.
const LONG: usize = 64 * 1024;

/// How many times longer a source may become here.
const RATIO: u64 = 50;

/// Checks one source.
pub fn check(data: &[u8]) {
    let mut choices = Choices::of(data);
    let packing = choices.below(4);
    let flaws = choices.byte();
    let cuts = choices.bytes(3);
    let flaw = flaws % 4;
    let places = choices.bytes(if flaw == 0 { 0 } else { 8 });
    let (repeat, text) = (choices.byte(), choices.rest());
    let (raw, expected) = if packing == 0 {
        (text.to_vec(), None)
    } else {
        let plain = text.repeat(1 + (LONG >> (repeat % 17)) / text.len().max(1));
        let raw = [pack(packing, &plain), pack(packing, text)].concat();
        damaged(raw, [plain, text.to_vec()].concat(), flaw, places)
    };
    if raw.len() > 256 * 1024 {
        return;
    }
    let whole = read(&raw, &[]);
    assert_eq!(read(&raw, cuts), whole, "law 4: cut into {cuts:?}");
    bounded(&raw, &whole);
    match expected {
        Some(Expected::All(plain)) => assert!(whole.is_whole(&plain), "what was packed comes out"),
        Some(Expected::Part(plain)) => {
            assert!(plain.starts_with(&whole.bytes), "of a part comes a part");
        }
        None => {}
    }
    let part = raw.len() * usize::from(repeat) / 255;
    let of_part = read(&raw[..part], &[]);
    let is_plain = |outcome: &Outcome| outcome.error.is_none() && raw.starts_with(&outcome.bytes);
    assert!(
        whole.bytes.starts_with(&of_part.bytes) || is_plain(&of_part),
        "law 9: of the first {part} bytes comes something else"
    );
    let at_hand = gunzip(&raw, 1 << 20);
    if let Ok(text) = at_hand {
        assert_eq!(whole.bytes, text, "gzip at hand comes to the same");
    }
}

/// What must come of a source.
enum Expected {
    /// All of this.
    All(Vec<u8>),
    /// The first bytes of this.
    Part(Vec<u8>),
}

fn pack(packing: usize, plain: &[u8]) -> Vec<u8> {
    match packing {
        1 => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(plain).expect("memory");
            encoder.finish().expect("memory")
        }
        2 => {
            let mut out = vec![0; zstd_safe::compress_bound(plain.len())];
            let length = zstd_safe::compress(&mut out[..], plain, 1).expect("room");
            out.truncate(length);
            out
        }
        _ => {
            let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(plain).expect("memory");
            encoder.finish().expect("memory")
        }
    }
}

/// The packed bytes with none of these flaws, cut, with something behind, or with wrong bytes.
fn damaged(
    mut raw: Vec<u8>,
    plain: Vec<u8>,
    flaw: u8,
    places: &[u8],
) -> (Vec<u8>, Option<Expected>) {
    let at = |place: &[u8], length: usize| {
        let part = place
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        part % length
    };
    match flaw {
        0 => (raw, Some(Expected::All(plain))),
        1 => {
            raw.truncate(at(places, raw.len()));
            // What is cut inside its first bytes may be no packed data to anybody.
            let expected = (raw.len() >= 4).then_some(Expected::Part(plain));
            (raw, expected)
        }
        2 => {
            raw.extend_from_slice(places);
            (raw, Some(Expected::Part(plain)))
        }
        _ => {
            for place in places.chunks_exact(4) {
                let length = raw.len();
                raw[at(&place[..3], length)] ^= place[3];
            }
            (raw, None)
        }
    }
}

/// What came of a source.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    bytes: Vec<u8>,
    /// Where the damage shows depends on the pieces; what it is does not.
    error: Option<(Packing, Damage)>,
}

impl Outcome {
    fn is_whole(&self, plain: &[u8]) -> bool {
        self.error.is_none() && self.bytes == plain
    }
}

/// Reads a source that comes in pieces through a pipe.
fn read(raw: &[u8], cuts: &[u8]) -> Outcome {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    // Nothing stops it.
    let (_trigger, signal) = stop_pair().expect("a pipe");
    let mut source = Source::inherited("it", OwnedFd::from(reader), signal).expect("a pipe");
    source.limit_growth(RATIO);
    let mut pipe = Some(writer);
    let mut pieces = Cuts::of(cuts)
        .pieces(raw)
        .flat_map(|piece| piece.chunks(32 * 1024));
    let mut bytes = BytesMut::new();
    loop {
        let before = bytes.len();
        let came = source.read(&mut bytes, Some(Duration::ZERO));
        assert!(
            bytes.len() - before <= READ_SIZE,
            "law 6: one read adds at most 128 KiB"
        );
        match came {
            Ok(Read::Bytes(count)) => assert_eq!(bytes.len() - before, count),
            Ok(Read::Idle) => feed(&mut pipe, pieces.next()),
            Ok(Read::End) => {
                return Outcome {
                    bytes: bytes.into(),
                    error: None,
                };
            }
            Ok(Read::Stopped) => panic!("nothing stops it"),
            Err(SourceError::Corrupt {
                packing,
                damage,
                offset,
                ..
            }) => {
                assert!(offset <= raw.len() as u64, "byte {offset}");
                assert!(matches!(source.read(&mut bytes, None), Ok(Read::End)));
                let error = Some((packing, damage));
                return Outcome {
                    bytes: bytes.into(),
                    error,
                };
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Writes the next piece, which the pipe has room for, or closes the pipe.
fn feed(pipe: &mut Option<PipeWriter>, piece: Option<&[u8]>) {
    match (pipe.as_mut(), piece) {
        (Some(open), Some(piece)) => open.write_all(piece).expect("the reader is there"),
        _ => *pipe = None,
    }
}

/// Law 6: so much of so few bytes at most.
fn bounded(raw: &[u8], outcome: &Outcome) {
    let most = RATIO.saturating_mul(raw.len() as u64).max(FLOOR) + (1 << 20);
    assert!(
        outcome.bytes.len() as u64 <= most,
        "law 6: {} bytes",
        outcome.bytes.len()
    );
}
