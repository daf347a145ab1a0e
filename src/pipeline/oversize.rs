//! A record that is too long to be held, whose parts come one by one.
//!
//! In → out: its parts, in order; the line of its reject, in pieces that are written as they come.
//!
//! Invariants: **No more than its beginning is held.** **Its line is whole**: where sources take
//! turns, others write lines before it has ended, so it waits in a file without a name.
//!
//! Not here: the form of the line (`encode::reject`), and where it goes (`writer`).
//!
//! Failure: [`SinkError`], that of who writes the pieces, or [`SinkError::Aside`].

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::PathBuf;

use crate::encode::reject::{self, Reject, Streamed};
use crate::sink::SinkError;

/// So many bytes of a line that was put aside are written at once.
const PIECE: usize = 64 * 1024;

/// How much is kept of a record that is too long.
pub(super) enum Keep {
    /// Its beginning; the others are counted.
    Beginning,
    /// All of it. Where a folder is named, it first waits in a file there.
    All(Option<PathBuf>),
}

/// A record that is too long, under way.
pub(super) enum OpenOversize {
    Cut {
        offset: u64,
        raw: Vec<u8>,
        length: u64,
    },
    Whole {
        line: Streamed,
        /// Holds the line until its end.
        aside: Option<File>,
    },
}

/// Writes a piece of a line.
pub(super) type Write<'w> = &'w mut dyn FnMut(&[u8]) -> Result<(), SinkError>;

impl OpenOversize {
    /// Begins the line of `reject`, whose length is not known yet.
    pub(super) fn begin(
        reject: &Reject<'_>,
        keep: Keep,
        write: Write<'_>,
    ) -> Result<Self, SinkError> {
        let folder = match keep {
            Keep::Beginning => {
                return Ok(Self::Cut {
                    offset: reject.offset,
                    raw: Vec::new(),
                    length: 0,
                });
            }
            Keep::All(folder) => folder,
        };
        // A device may stand where no file can be made.
        let file_in = |folder| tempfile::tempfile_in(folder).or_else(|_| tempfile::tempfile());
        let aside = folder.map(file_in).transpose();
        let mut aside = aside.map_err(SinkError::Aside)?;
        let mut piece = Vec::new();
        let line = Streamed::begin(reject, &mut piece);
        put(&piece, aside.as_mut(), write)?;
        Ok(Self::Whole { line, aside })
    }

    /// Takes the next part. Of one of which only the beginning is kept, so many bytes at most.
    pub(super) fn take(
        &mut self,
        part: &[u8],
        limit: usize,
        write: Write<'_>,
    ) -> Result<(), SinkError> {
        match self {
            Self::Cut { raw, length, .. } => {
                let room = limit.saturating_sub(raw.len());
                raw.extend_from_slice(part.get(..room).unwrap_or(part));
                *length = length.saturating_add(part.len() as u64);
                Ok(())
            }
            Self::Whole { line, aside } => {
                let mut piece = Vec::new();
                line.raw(part, &mut piece);
                put(&piece, aside.as_mut(), write)
            }
        }
    }

    /// Ends the line of `reject`; what that says of the record's place and length is not read.
    pub(super) fn end(
        self,
        reject: Reject<'_>,
        limit: usize,
        write: Write<'_>,
    ) -> Result<(), SinkError> {
        let mut piece = Vec::new();
        match self {
            Self::Cut {
                offset,
                raw,
                length,
            } => {
                let reject = Reject {
                    offset,
                    length,
                    ..reject
                };
                reject::cut(&reject, &raw, limit, &mut piece);
                write(&piece)
            }
            Self::Whole { line, mut aside } => {
                line.end(&mut piece);
                put(&piece, aside.as_mut(), write)?;
                aside.map_or(Ok(()), |file| write_all_of(file, write))
            }
        }
    }
}

/// Puts a piece of a line aside, or writes it.
fn put(piece: &[u8], aside: Option<&mut File>, write: Write<'_>) -> Result<(), SinkError> {
    match aside {
        Some(file) => file.write_all(piece).map_err(SinkError::Aside),
        None => write(piece),
    }
}

/// Writes the line that was put aside.
fn write_all_of(mut file: File, write: Write<'_>) -> Result<(), SinkError> {
    file.rewind().map_err(SinkError::Aside)?;
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece).map_err(SinkError::Aside)?;
        match piece.get(..read) {
            None | Some([]) => return Ok(()),
            Some(read) => write(read)?,
        }
    }
}
