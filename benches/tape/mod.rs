//! The floor: what it costs to parse every line, and nothing else.
//!
//! In → out: NDJSON; the number of its lines, each of which has been a simd-json tape. Buffers and
//! tape are used again, the input is read in pieces that stay in the cache, and lines are parsed
//! where they lie: a filter that parses all records with simd-json cannot do less.

use std::io::{self, Read};

use simd_json::{Buffers, INPUT_PADDING, Tape, fill_tape_padded};

/// Bytes read at a time, as many as a batch of the filter has.
const PIECE: usize = 256 << 10;

/// What is kept from line to line and from run to run.
#[derive(Default)]
pub(crate) struct Floor {
    bytes: Vec<u8>,
    buffers: Buffers,
}

impl Floor {
    /// Parses every line of `input`, whose last one must be complete.
    pub(crate) fn run(&mut self, mut input: impl Read) -> io::Result<usize> {
        let mut lines = 0;
        let mut kept = 0;
        loop {
            self.bytes
                .resize(self.bytes.len().max(kept + PIECE + INPUT_PADDING), 0);
            let space = self.bytes.get_mut(kept..kept + PIECE).unwrap_or_default();
            let filled = kept + input.read(space)?;
            if filled == kept {
                return if kept == 0 {
                    Ok(lines)
                } else {
                    Err(incomplete())
                };
            }
            let read = self.bytes.get(..filled).unwrap_or_default();
            let end = memchr::memrchr(b'\n', read).map_or(0, |at| at + 1);
            lines += self.parse(end)?;
            self.bytes.copy_within(end..filled, 0);
            kept = filled - end;
        }
    }

    /// Parses the lines that the first `end` bytes are.
    fn parse(&mut self, end: usize) -> io::Result<usize> {
        let mut lines = 0;
        let mut start = 0;
        let mut tape = Tape::null();
        while let Some(length) =
            memchr::memchr(b'\n', self.bytes.get(start..end).unwrap_or_default())
        {
            let line = self
                .bytes
                .get_mut(start..start + length + INPUT_PADDING)
                .unwrap_or_default();
            let mut filled = tape.reset();
            fill_tape_padded(line, length, &mut self.buffers, &mut filled)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            tape = filled.reset();
            start += length + 1;
            lines += 1;
        }
        Ok(lines)
    }
}

fn incomplete() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the last line has no line break",
    )
}
