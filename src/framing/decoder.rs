//! Cuts a byte stream into batches: the framing seam.
//!
//! In → out: a [`RecordDecoder`] is a [`Decoder`]: a read loop, or `tokio_util`'s `FramedRead`,
//! appends what it reads of one source to a buffer; out come [`Batch`]es, split off that buffer
//! without a copy.
//!
//! Invariants: **The records in the batches do not depend on how the input was cut into reads.** In
//! lines a batch is cut at line breaks and not looked into, so that workers do the scanning in
//! parallel; records on a line that is not whole are given when the input pauses
//! ([`RecordDecoder::flush`]), or when the line is longer than [`LONG_LINE`]. In documents the scan
//! happens here, unless a small one is wanted as it is, and a batch holds all complete records of the
//! buffer. What stays in the buffer is less than such a line, or one unfinished record; one that is
//! too long is given away in parts.
//!
//! Not here: the input grammar (`framer`), what becomes of a batch (`pipeline`).
//!
//! Failure: none of its own. [`FrameError::Io`] exists because the trait asks for it.
//!
//! Cost: one search for line breaks per byte in lines, one structure scan per byte in documents.

use super::framer::{Framer, Layout};
use super::{Batch, BatchContent, Frame, FrameError, LOG_FILE_START, OversizePart};
use bytes::{Buf, BytesMut};
use tokio_util::codec::Decoder;

/// A line longer than this is framed as it comes, like a document.
const LONG_LINE: usize = 256 * 1024;

/// How the records of a source are laid out, if that is known beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InputForm {
    /// The first line break decides.
    #[default]
    Auto,
    /// One or more records a line.
    Lines,
    /// Records may span lines.
    Document,
}

/// Cuts one source into batches.
#[derive(Debug)]
pub struct RecordDecoder {
    framer: Framer,
    max_record_bytes: usize,
    /// How much of the buffer the framer has looked at.
    looked_at: usize,
    /// How much of the buffer was searched for a line break.
    searched: usize,
    /// Where the buffer starts in the source.
    offset: u64,
    /// Frames that are complete, but not yet in a batch.
    frames: Vec<Frame>,
    /// The open record is being given away in parts.
    in_oversize: bool,
    /// When the source ends now, a log file is given as it is: nothing of it was looked at.
    leaves_document: bool,
    finished: bool,
}

impl RecordDecoder {
    /// A decoder for one source. A record of more than `max_record_bytes` is given away in parts.
    pub fn new(form: InputForm, max_record_bytes: usize) -> Self {
        let layout = match form {
            InputForm::Auto => Layout::Undecided,
            InputForm::Lines => Layout::Lines,
            InputForm::Document => Layout::Document,
        };
        Self {
            framer: Framer::new(layout, max_record_bytes),
            max_record_bytes,
            looked_at: 0,
            searched: 0,
            offset: 0,
            frames: Vec::new(),
            in_oversize: false,
            leaves_document: false,
            finished: false,
        }
    }

    /// The same decoder, which gives a log file as it is ([`BatchContent::Document`]) when its source
    /// ends before anything was decoded: for those who keep small sources until they end, and walk
    /// over the records anyway.
    #[must_use]
    pub fn leaving_documents(self) -> Self {
        Self {
            leaves_document: true,
            ..self
        }
    }

    /// The same decoder for a source of which the first `offset` bytes are left out.
    #[must_use]
    pub fn from_byte(self, offset: u64) -> Self {
        Self { offset, ..self }
    }

    /// How the source is laid out, as far as that is known.
    pub fn form(&self) -> InputForm {
        match self.framer.layout() {
            Layout::Undecided => InputForm::Auto,
            Layout::Lines => InputForm::Lines,
            Layout::Document => InputForm::Document,
        }
    }

    /// Whether what comes behind `batch`, the last one, could be framed by another decoder of the
    /// same form.
    pub fn could_begin_behind(&self, batch: &Batch) -> bool {
        match batch.content {
            BatchContent::Lines => true,
            // In lines the rest of the line could look like one that opens a document.
            BatchContent::Frames(_) => {
                let is_at_start = self.framer.layout() == Layout::Document
                    || self.framer.is_at_line_start(self.looked_at);
                is_at_start && self.framer.is_at_top()
            }
            BatchContent::Document | BatchContent::Oversize(_) => false,
        }
    }

    /// The records that are complete though their line is not: for when the input pauses or stops.
    pub fn flush(&mut self, buffer: &mut BytesMut) -> Option<Batch> {
        self.leaves_document = false;
        self.look_at(buffer, false);
        self.next_batch(buffer)
    }

    /// Bytes of a record that was begun and not finished, which are in `buffer` or were given
    /// away in parts.
    pub fn unfinished_bytes(&self, buffer: &BytesMut) -> usize {
        match self.framer.open_record() {
            Some((start, given_away)) => buffer.len() - start + given_away,
            None => buffer.len() - self.looked_at,
        }
    }

    /// The lines at the front of the buffer, when framing stands at a line start.
    fn lines(&mut self, buffer: &mut BytesMut) -> Lines {
        let fresh = buffer.get(self.searched..).unwrap_or_default();
        let Some(last) = memchr::memrchr2(b'\n', b'\r', fresh) else {
            self.searched = buffer.len();
            return Lines::NotWhole;
        };
        let lines = buffer.get(..=self.searched + last).unwrap_or_default();
        let end = first_opening_line(lines).unwrap_or(lines.len());
        if end == 0 {
            return Lines::MayOpenDocument;
        }
        // The framer has seen none of these bytes: it still stands at a line start.
        let batch = self.batch(buffer.split_to(end), BatchContent::Lines);
        self.searched = self.searched.saturating_sub(end);
        Lines::Whole(batch)
    }

    /// Lets the framer look at what is new in the buffer. Returns whether it came further.
    fn look_at(&mut self, buffer: &BytesMut, leave_lines: bool) -> bool {
        let before = self.looked_at;
        self.looked_at = self
            .framer
            .advance(buffer, before, leave_lines, &mut self.frames);
        self.looked_at > before
    }

    /// What the framer's findings give: frames, or a part of a record that is too long.
    fn next_batch(&mut self, buffer: &mut BytesMut) -> Option<Batch> {
        if self.in_oversize {
            return self.next_part(buffer);
        }
        if let Some(last) = self.frames.last() {
            let end = self
                .framer
                .open_record()
                .map_or(self.looked_at, |(start, _)| start);
            let end = end.max(last.range.end);
            let frames = std::mem::take(&mut self.frames);
            return Some(self.split(buffer, end, BatchContent::Frames(frames)));
        }
        let Some((start, _)) = self.framer.open_record() else {
            // Blanks, commas and brackets between records.
            self.drop_front(buffer, self.looked_at);
            return None;
        };
        if self.framer.sure_end(self.looked_at) - start > self.max_record_bytes {
            self.drop_front(buffer, start);
            self.in_oversize = true;
            let end = self.framer.sure_end(self.looked_at);
            return Some(self.split(buffer, end, BatchContent::Oversize(OversizePart::First)));
        }
        None
    }

    /// The next part of a record that is too long to hold: its end, when it was found.
    fn next_part(&mut self, buffer: &mut BytesMut) -> Option<Batch> {
        if self.frames.is_empty() {
            let end = self.framer.sure_end(self.looked_at);
            if end == 0 {
                return None;
            }
            return Some(self.split(buffer, end, BatchContent::Oversize(OversizePart::Next)));
        }
        self.in_oversize = false;
        let end = self.frames.remove(0).range.end;
        for frame in &mut self.frames {
            frame.range = frame.range.start - end..frame.range.end - end;
        }
        Some(self.split(buffer, end, BatchContent::Oversize(OversizePart::Last)))
    }

    /// Splits the first `end` bytes, which the framer has seen, off as a batch.
    fn split(&mut self, buffer: &mut BytesMut, end: usize, content: BatchContent) -> Batch {
        self.leave_behind(end);
        self.batch(buffer.split_to(end), content)
    }

    /// A batch of the bytes at the front of the source.
    fn batch(&mut self, bytes: BytesMut, content: BatchContent) -> Batch {
        let offset = self.offset;
        self.offset = self.offset.saturating_add(bytes.len() as u64);
        Batch {
            bytes,
            offset,
            content,
        }
    }

    /// The framer's first `n` bytes leave the buffer.
    fn leave_behind(&mut self, n: usize) {
        self.framer.give_away(n);
        self.looked_at = self.looked_at.saturating_sub(n);
        self.searched = self.searched.saturating_sub(n);
    }

    /// Drops the first `n` bytes, which belong to no record.
    fn drop_front(&mut self, buffer: &mut BytesMut, n: usize) {
        buffer.advance(n);
        self.leave_behind(n);
        self.offset = self.offset.saturating_add(n as u64);
    }
}

impl Decoder for RecordDecoder {
    type Item = Batch;
    type Error = FrameError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Batch>, FrameError> {
        self.leaves_document = false;
        loop {
            if let Some(batch) = self.next_batch(buffer) {
                return Ok(Some(batch));
            }
            let mut leave_lines = true;
            if self.framer.is_at_line_start(self.looked_at) {
                match self.lines(buffer) {
                    Lines::Whole(batch) => return Ok(Some(batch)),
                    Lines::NotWhole if buffer.len() < LONG_LINE => return Ok(None),
                    Lines::NotWhole => {}
                    // Where one line does, the next ones do too: a batch for each would be slow.
                    Lines::MayOpenDocument => leave_lines = false,
                }
            }
            if !self.look_at(buffer, leave_lines) {
                return Ok(self.next_batch(buffer));
            }
        }
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Batch>, FrameError> {
        let leaves = self.leaves_document && self.framer.layout() == Layout::Undecided;
        if leaves && buffer.starts_with(LOG_FILE_START) {
            (self.leaves_document, self.finished) = (false, true);
            return Ok(Some(self.batch(buffer.split(), BatchContent::Document)));
        }
        if let Some(batch) = self.decode(buffer)? {
            return Ok(Some(batch));
        }
        if let Some(batch) = self.flush(buffer) {
            return Ok(Some(batch));
        }
        if self.finished {
            return Ok(None);
        }
        self.finished = true;
        self.framer.finish(buffer, self.looked_at, &mut self.frames);
        self.looked_at = buffer.len();
        Ok(self.next_batch(buffer))
    }
}

/// What stands at the front of the buffer at the start of a line.
enum Lines {
    /// Lines that can be framed elsewhere, split off.
    Whole(Batch),
    /// Less than a line.
    NotWhole,
    /// A line that may open a document, so that it and what follows has to be framed here.
    MayOpenDocument,
}

/// Where the first line starts that may open a document. Not every such line does: the framer
/// decides; but every line that does is one.
fn first_opening_line(lines: &[u8]) -> Option<usize> {
    let line_starts = memchr::memchr2_iter(b'\n', b'\r', lines).map(|at| at + 1);
    std::iter::once(0)
        .chain(line_starts)
        .find(|&start| lines.get(start..).is_some_and(may_open_document))
}

/// Whether the line at the front of `lines` begins like `{`, `[` or `{"Records":[`.
fn may_open_document(lines: &[u8]) -> bool {
    let mut line = lines;
    while let Some(rest) = line.strip_prefix(b"\xEF\xBB\xBF") {
        line = rest;
    }
    let line = skip_blanks(line);
    match line {
        [b'[', rest @ ..] => matches!(skip_blanks(rest), [b'\n' | b'\r', ..] | []),
        [b'{', rest @ ..] => {
            matches!(
                skip_blanks(rest),
                [b'\n' | b'\r', ..] | [] | [b'"', b'R' | b'\\', ..]
            )
        }
        _ => false,
    }
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    text.get(blanks..).unwrap_or_default()
}
