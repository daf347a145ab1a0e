//! Cuts a byte stream into batches of one line each, for hosts to whom a line is a message.
//!
//! In → out: a [`LineDecoder`] takes what a read loop appends to its buffer; out comes a [`Batch`]
//! for each line, split off that buffer without a copy.
//!
//! Invariants: **Each line is a batch, and nothing goes on in the next one**: a line of `{` opens
//! no document. A line ends at LF alone, as the host has it; a CR before that belongs to the line
//! break. A line that is longer than a record may be comes in parts
//! ([`BatchContent::Oversize`]), of which only the last ends it. **The parts together do not depend
//! on how the input was cut into reads.**
//!
//! Not here: what is in a line (`framer`, on the worker), what the host is told (`ack`, `encode`).
//!
//! Failure: none.

use bytes::{Buf, BytesMut};

use super::{Batch, BatchContent, OversizePart};

/// Cuts one source into lines.
#[derive(Debug)]
pub struct LineDecoder {
    max_record_bytes: usize,
    /// How much of the buffer was searched for a line break.
    searched: usize,
    /// Where the buffer starts in the source.
    offset: u64,
    /// So much of the line under way was given away in parts.
    given_away: usize,
}

impl LineDecoder {
    /// A decoder for one source. A line of more than `max_record_bytes` is given away in parts.
    pub fn new(max_record_bytes: usize) -> Self {
        Self {
            max_record_bytes,
            searched: 0,
            offset: 0,
            given_away: 0,
        }
    }

    /// The next line, with its line break, or the next part of one that is too long, without.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Option<Batch> {
        let fresh = buffer.get(self.searched..).unwrap_or_default();
        let Some(end) = memchr::memchr(b'\n', fresh).map(|at| self.searched + at) else {
            self.searched = buffer.len();
            // What looks like the end of a part may be the first half of the line break.
            let line = without_return(buffer);
            return (self.given_away > 0 && line > 0 || line > self.max_record_bytes)
                .then(|| self.part(buffer, line));
        };
        let line = without_return(buffer.get(..end).unwrap_or_default());
        if self.given_away > 0 {
            let last = self.batch(buffer, line, BatchContent::Oversize(OversizePart::Last));
            self.drop_front(buffer, end + 1 - line);
            self.given_away = 0;
            return Some(last);
        }
        if line > self.max_record_bytes {
            return Some(self.part(buffer, line));
        }
        Some(self.batch(buffer, end + 1, BatchContent::Lines))
    }

    /// The last line, when the source ended without a line break.
    pub fn decode_eof(&mut self, buffer: &mut BytesMut) -> Option<Batch> {
        if let Some(batch) = self.decode(buffer) {
            return Some(batch);
        }
        if self.given_away > 0 {
            let line = without_return(buffer);
            let last = self.batch(buffer, line, BatchContent::Oversize(OversizePart::Last));
            self.drop_front(buffer, buffer.len());
            self.given_away = 0;
            return Some(last);
        }
        (!buffer.is_empty()).then(|| self.batch(buffer, buffer.len(), BatchContent::Lines))
    }

    /// Bytes of a line that was begun and not ended, which are in `buffer` or were given away in
    /// parts.
    pub fn unfinished_bytes(&self, buffer: &BytesMut) -> usize {
        self.given_away + buffer.len()
    }

    fn part(&mut self, buffer: &mut BytesMut, length: usize) -> Batch {
        let part = match self.given_away {
            0 => OversizePart::First,
            _ => OversizePart::Next,
        };
        self.given_away = self.given_away.saturating_add(length);
        self.batch(buffer, length, BatchContent::Oversize(part))
    }

    fn batch(&mut self, buffer: &mut BytesMut, length: usize, content: BatchContent) -> Batch {
        let offset = self.offset;
        let bytes = buffer.split_to(length);
        self.leave_behind(length);
        Batch {
            bytes,
            offset,
            content,
        }
    }

    fn drop_front(&mut self, buffer: &mut BytesMut, length: usize) {
        buffer.advance(length);
        self.leave_behind(length);
    }

    fn leave_behind(&mut self, length: usize) {
        self.searched = self.searched.saturating_sub(length);
        self.offset = self.offset.saturating_add(length as u64);
    }
}

/// The length of a line without the CR at its end.
fn without_return(line: &[u8]) -> usize {
    line.strip_suffix(b"\r").unwrap_or(line).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What became of one line.
    #[derive(Debug, PartialEq, Eq)]
    enum Line {
        Whole(String, u64),
        Oversize(String, u64),
    }

    fn lines(input: &[u8], chunk: usize) -> Vec<Line> {
        let mut decoder = LineDecoder::new(4);
        let mut buffer = BytesMut::new();
        let mut lines = Vec::new();
        let mut open: Option<(String, u64)> = None;
        let mut take = |batch: Batch| {
            let text = String::from_utf8(batch.bytes.to_vec()).unwrap();
            match batch.content {
                BatchContent::Lines => lines.push(Line::Whole(text, batch.offset)),
                BatchContent::Oversize(part) => {
                    assert_eq!(open.is_none(), part == OversizePart::First);
                    let (line, offset) = open.get_or_insert((String::new(), batch.offset));
                    assert_eq!(*offset + line.len() as u64, batch.offset);
                    line.push_str(&text);
                    if part == OversizePart::Last {
                        let (line, offset) = open.take().unwrap();
                        lines.push(Line::Oversize(line, offset));
                    }
                }
                BatchContent::Document | BatchContent::Frames(_) => {
                    panic!("nothing is framed here")
                }
            }
        };
        for piece in input.chunks(chunk) {
            buffer.extend_from_slice(piece);
            while let Some(batch) = decoder.decode(&mut buffer) {
                take(batch);
            }
            // The line under way is all that is held, and only while it may be a whole one.
            assert!(buffer.len() <= 5 && !buffer.contains(&b'\n'), "{buffer:?}");
        }
        while let Some(batch) = decoder.decode_eof(&mut buffer) {
            take(batch);
        }
        assert!(open.is_none());
        assert_eq!(decoder.unfinished_bytes(&buffer), 0);
        lines
    }

    #[test]
    fn the_same_lines_at_every_chunk_size() {
        let whole = |text: &str, offset| Line::Whole(text.to_owned(), offset);
        let oversize = |text: &str, offset| Line::Oversize(text.to_owned(), offset);
        for (input, expected) in [
            ("", vec![]),
            ("\n", vec![whole("\n", 0)]),
            (
                "\n\r\na",
                vec![whole("\n", 0), whole("\r\n", 1), whole("a", 3)],
            ),
            ("{\n}\n", vec![whole("{\n", 0), whole("}\n", 2)]),
            (
                "abcd\nabcd\r\n",
                vec![whole("abcd\n", 0), whole("abcd\r\n", 5)],
            ),
            ("a\rb\nc", vec![whole("a\rb\n", 0), whole("c", 4)]),
            ("abcd\r", vec![whole("abcd\r", 0)]),
            ("abcde\na\n", vec![oversize("abcde", 0), whole("a\n", 6)]),
            (
                "a\nabcdefghijkl\r\na",
                vec![whole("a\n", 0), oversize("abcdefghijkl", 2), whole("a", 16)],
            ),
            ("abcd\r\r\nb", vec![oversize("abcd\r", 0), whole("b", 7)]),
            ("abcdefg", vec![oversize("abcdefg", 0)]),
            ("abcdefg\r", vec![oversize("abcdefg", 0)]),
        ] {
            for chunk in 1..=input.len().max(1) {
                assert_eq!(
                    lines(input.as_bytes(), chunk),
                    expected,
                    "{input:?} by {chunk}"
                );
            }
        }
    }
}
