//! What there is to read: the inputs, in lots.
//!
//! In → out: the inputs of the configuration, in order; [`Lot`]s of them, numbered from 0: a stream, one
//! large file or several small ones.
//!
//! Invariants: **Lots are in input order. Nothing behind a stream is touched until it ends**: to look at
//! it too early could harm.
//!
//! Not here: finding and opening files (`source`), who reads which lot (`crew`) and how (`open_lot`).
//!
//! Failure: what cannot be found is a [`Next::Failed`] in its place.

use std::{iter, vec};

use crate::config::Input;
use crate::source::{FileId, Found, Paths, SourceError};

/// A lot has so many bytes as they lie on disk, or is one file: enough to make the turn's cost
/// nothing, and as much as is held when it has grown tenfold.
const LOT_BYTES: u64 = 64 * 1024;

/// A lot of empty files ends too.
const LOT_FILES: usize = 64;

/// The lots that nobody has taken yet.
pub(super) struct Lots {
    sources: iter::Peekable<Sources>,
    /// So many were taken.
    taken: u64,
    /// The last of them is a stream.
    behind_stream: bool,
}

/// Consecutive sources: a stream, or files.
pub(super) struct Lot {
    pub(super) sources: Vec<Next>,
    pub(super) number: u64,
    pub(super) is_stream: bool,
}

/// What comes next.
pub(super) enum NextLot {
    Lot(Lot),
    /// What lies behind a stream, when that has ended.
    Later,
    /// There is no more; so many there were.
    None(u64),
}

/// A source that is to be opened.
pub(super) enum Next {
    Stdin,
    File(Found),
    Failed(SourceError),
}

impl Next {
    /// Whether it is something else than a file.
    fn is_stream(&self) -> bool {
        match self {
            Self::Stdin => true,
            Self::File(found) => found.size.is_none(),
            Self::Failed(_) => false,
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::File(found) => found.size.unwrap_or(0),
            Self::Stdin | Self::Failed(_) => 0,
        }
    }
}

impl Lots {
    /// `outputs` are the files that this run writes.
    pub(super) fn new(inputs: Vec<Input>, outputs: Vec<FileId>) -> Self {
        let sources = Sources {
            inputs: inputs.into_iter(),
            paths: None,
            outputs,
        };
        Self {
            sources: sources.peekable(),
            taken: 0,
            behind_stream: false,
        }
    }

    /// Takes the next lot. `ended` says how many have ended, all of them before any other.
    pub(super) fn take(&mut self, ended: u64) -> NextLot {
        if self.behind_stream && ended < self.taken {
            return NextLot::Later;
        }
        let Some(first) = self.sources.next() else {
            return NextLot::None(self.taken);
        };
        let mut bytes = first.size();
        let is_stream = first.is_stream();
        let mut sources = vec![first];
        while !is_stream
            && sources.len() < LOT_FILES
            && let Some(next) = self
                .sources
                .next_if(|next| !next.is_stream() && bytes.saturating_add(next.size()) <= LOT_BYTES)
        {
            bytes += next.size();
            sources.push(next);
        }
        let number = self.taken;
        self.taken += 1;
        self.behind_stream = is_stream;
        NextLot::Lot(Lot {
            sources,
            number,
            is_stream,
        })
    }
}

/// The sources of all inputs, found one after the other.
struct Sources {
    inputs: vec::IntoIter<Input>,
    /// Those of the input under way.
    paths: Option<Paths>,
    outputs: Vec<FileId>,
}

impl Iterator for Sources {
    type Item = Next;

    fn next(&mut self) -> Option<Next> {
        loop {
            match self.paths.as_mut().and_then(Iterator::next) {
                Some(Ok(found)) => return Some(Next::File(found)),
                Some(Err(error)) => return Some(Next::Failed(error)),
                None => match self.inputs.next()? {
                    Input::Stdin => return Some(Next::Stdin),
                    // It is the only input, and read in another way.
                    Input::Listen(_) => {}
                    Input::File(path) => self.paths = Some(Paths::new(&path, self.outputs.clone())),
                },
            }
        }
    }
}
