//! What the framing makes of an input that comes in pieces, as a plain list.

use bytes::BytesMut;
use hsmtrail::framing::{
    Batch, BatchContent, FrameKind, InputForm, OversizePart, RecordDecoder, Seen,
};
use tokio_util::codec::Decoder as _;

/// What came out: its kind, where it started, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: FrameKind,
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Collects batches; oversize parts are joined.
#[derive(Default)]
struct Collector {
    found: Vec<Found>,
    oversize: Option<Found>,
}

/// The kind of a frame that is too long, which has the same verdict whatever it is.
pub(crate) const OVERSIZE: FrameKind = FrameKind::NoObject;

impl Collector {
    fn take(&mut self, batch: Batch, max: usize) {
        let frames = match batch.content {
            BatchContent::Lines | BatchContent::Document => {
                let mut frames = Vec::new();
                batch.frame(max, &mut frames);
                frames
            }
            BatchContent::Frames(frames) => frames,
            BatchContent::Oversize(part) => {
                if part == OversizePart::First {
                    assert!(self.oversize.is_none());
                    self.oversize = Some(Found {
                        kind: OVERSIZE,
                        offset: batch.offset,
                        bytes: Vec::new(),
                    });
                }
                let oversize = self.oversize.as_mut().expect("a first part");
                assert_eq!(oversize.offset + oversize.bytes.len() as u64, batch.offset);
                oversize.bytes.extend_from_slice(&batch.bytes);
                if part == OversizePart::Last {
                    assert!(oversize.bytes.len() > max, "not oversize");
                    self.found.extend(self.oversize.take());
                }
                return;
            }
        };
        assert!(self.oversize.is_none());
        for frame in frames {
            let bytes = batch.bytes[frame.range.clone()].to_vec();
            // A frame that is too long has the same verdict whatever it is.
            let kind = if bytes.len() > max {
                OVERSIZE
            } else {
                without_seen(frame.kind, &bytes)
            };
            self.found.push(Found {
                kind,
                offset: batch.offset + frame.range.start as u64,
                bytes,
            });
        }
    }
}

/// The kind without what the scan came by: that depends on how much of the record was at hand when it
/// began, but is never less than there is.
fn without_seen(kind: FrameKind, record: &[u8]) -> FrameKind {
    let FrameKind::Object { spans_lines, seen } = kind else {
        return kind;
    };
    if !seen.backslash {
        assert!(!record.contains(&b'\\'), "a backslash was not seen");
        // Without one every quote begins or ends a string.
        let outside = record.split(|byte| *byte == b'"').step_by(2).flatten();
        let brackets = outside.filter(|byte| b"[{".contains(byte)).count();
        assert!(
            usize::from(seen.brackets) >= brackets.min(255),
            "{brackets} brackets"
        );
    }
    let seen = Seen {
        brackets: 0,
        backslash: false,
    };
    FrameKind::Object { spans_lines, seen }
}

/// Frames an input that comes in pieces; with `idle`, it pauses after each.
pub(crate) fn of_pieces<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    form: InputForm,
    max: usize,
    idle: bool,
) -> Vec<Found> {
    let mut decoder = RecordDecoder::new(form, max);
    let mut buffer = BytesMut::new();
    let mut collector = Collector::default();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some(batch) = decoder.decode(&mut buffer).unwrap() {
            collector.take(batch, max);
        }
        if idle {
            while let Some(batch) = decoder.flush(&mut buffer) {
                collector.take(batch, max);
            }
        }
    }
    while let Some(batch) = decoder.decode_eof(&mut buffer).unwrap() {
        collector.take(batch, max);
    }
    assert!(collector.oversize.is_none());
    collector.found
}
