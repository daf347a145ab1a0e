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
    NoMore(u64),
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
            return NextLot::NoMore(self.taken);
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Names and sizes of the sources of a lot.
    fn sources(lot: &Lot) -> Vec<String> {
        let name = |next: &Next| match next {
            Next::Stdin => "-".to_owned(),
            Next::File(found) => {
                let name = found.path.file_name().unwrap_or_default();
                name.to_string_lossy().into_owned()
            }
            Next::Failed(_) => "failed".to_owned(),
        };
        lot.sources.iter().map(name).collect()
    }

    fn lots(folder: &Path, inputs: &[&str]) -> Lots {
        let input = |name: &&str| match *name {
            "-" => Input::Stdin,
            name => Input::File(folder.join(name)),
        };
        Lots::new(inputs.iter().map(input).collect(), Vec::new())
    }

    /// Everything, each stream read to its end before the next lot is asked for.
    fn all(mut lots: Lots) -> Vec<Vec<String>> {
        let mut all = Vec::new();
        loop {
            match lots.take(all.len() as u64) {
                NextLot::Lot(lot) => {
                    assert_eq!(lot.number, all.len() as u64);
                    all.push(sources(&lot));
                }
                NextLot::Later => panic!("what came before has ended"),
                NextLot::NoMore(count) => {
                    assert_eq!(count, all.len() as u64);
                    assert!(matches!(lots.take(count), NextLot::NoMore(_)));
                    return all;
                }
            }
        }
    }

    #[test]
    fn small_files_come_together_and_streams_alone() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let limit = usize::try_from(LOT_BYTES).unwrap_or(0);
        for (name, size) in [
            ("a", limit / 2),
            ("b", limit / 2),
            ("c", 1),
            ("large", limit + 1),
        ] {
            fs::write(folder.path().join(name), "\n".repeat(size))?;
        }
        fs::create_dir(folder.path().join("empty"))?;
        // What is not there may be a stream when its turn has come.
        let inputs = [
            "a", "b", "c", "large", "empty", "c", "gone", "c", "-", "c", "c",
        ];
        let expected: [&[&str]; 8] = [
            &["a", "b"],
            &["c"],
            &["large"],
            &["failed", "c"],
            &["gone"],
            &["c"],
            &["-"],
            &["c", "c"],
        ];
        assert_eq!(all(lots(folder.path(), &inputs)), expected);
        let many = all(lots(folder.path(), &["c"; LOT_FILES + 1]));
        assert!(many.iter().map(Vec::len).eq([LOT_FILES, 1]));
        assert!(all(lots(folder.path(), &[])).is_empty());
        Ok(())
    }

    #[test]
    fn nothing_behind_a_stream_is_found_before_it_ends() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut lots = lots(folder.path(), &["-", "later"]);
        assert!(matches!(lots.take(0), NextLot::Lot(_)));
        assert!(matches!(lots.take(0), NextLot::Later));
        fs::write(folder.path().join("later"), "\n")?;
        assert!(matches!(lots.take(1), NextLot::Lot(lot) if sources(&lot) == ["later"]));
        assert!(matches!(lots.take(1), NextLot::NoMore(2)));
        Ok(())
    }
}
