//! Says which files a path stands for: itself, the files of a directory, or what fits a pattern.
//!
//! **In → out:** a path as it was typed; out come the files, one after the other.
//!
//! **Invariants.** **What exists is never taken for a pattern.** **Files come in order of their
//! names**, byte by byte and directory by directory, whatever order the system lists them in: for
//! CloudTrail's keys that is by account, Region and day. **An output of this run is taken neither
//! from a directory nor by a pattern.** No more than the names of one directory at each level are
//! held.
//!
//! Of a directory those files are taken whose name ends in `.json`, `.jsonl` or `.ndjson`, or in one
//! of these with `.gz`, `.zst` or `.bz2` behind it: an archive has other things in it (manifests,
//! downloads under way) that would be rejects. Hidden ones are left out, as the shell's `*` does.
//! Links are followed, except to a directory around them, and by a pattern's `**`. In CloudTrail's layout of keys
//! (`AWSLogs/[O-ID/]ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/FILE`) what stands beside `CloudTrail` in
//! an account is left out when its name does not begin like that, as other services log there; and
//! `CloudTrail-Digest` is left out everywhere, as it holds no events.
//!
//! **Not here:** opening (`super`), how many files are read at once (pipeline).
//!
//! **Failure:** [`SourceError`] for each part that cannot be walked, for a directory with nothing to
//! read in it, and for a pattern that nothing fits; the rest goes on.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern, PatternError};
use walkdir::{DirEntry, FilterEntry, WalkDir};

use super::unpack::Packing;
use super::{FileId, SourceError};

/// What the names of log files end in.
const ENDINGS: [&str; 3] = ["json", "jsonl", "ndjson"];

/// A pattern fits names as the shell's does.
const AS_THE_SHELL: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// What a path is called that stands for other files than itself.
pub fn kind_of_many(path: &Path) -> Option<&'static str> {
    if path.is_dir() {
        Some("directory")
    } else {
        pattern(path).map(|_| "pattern")
    }
}

/// The pattern that a path is: what exists is none.
fn pattern(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    let is_one = text.contains(['*', '?', '[']) && fs::symlink_metadata(path).is_err();
    is_one.then_some(text)
}

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes when it is a regular file, of which reading ahead does no harm.
    pub size: Option<u64>,
}

/// The files that a path stands for, in order.
#[derive(Debug)]
pub struct Paths {
    given: Given,
    directory: Option<Directory>,
    outputs: Vec<FileId>,
}

/// What was typed, as far as it is still to be looked at.
#[derive(Debug)]
enum Given {
    Path(PathBuf),
    Pattern {
        pattern: String,
        matches: Matches,
        fits_nothing: bool,
    },
    Failed(SourceError),
    Nothing,
}

/// A directory under way.
#[derive(Debug)]
struct Directory {
    root: PathBuf,
    entries: FilterEntry<walkdir::IntoIter, fn(&DirEntry) -> bool>,
    is_empty: bool,
}

impl Paths {
    /// The files of `path`, without `outputs` unless it is one of them itself.
    pub fn new(path: &Path, outputs: Vec<FileId>) -> Self {
        let given = match pattern(path) {
            Some(pattern) => Given::of_pattern(pattern),
            None => Given::Path(path.to_owned()),
        };
        Self {
            given,
            directory: None,
            outputs,
        }
    }

    /// A file, or nothing when `path` is a directory, which is walked next, or an output.
    fn found(&mut self, path: PathBuf, is_named: bool) -> Option<Found> {
        // What cannot be looked at cannot be opened either, and that tells why.
        let metadata = fs::metadata(&path).ok();
        if metadata.as_ref().is_some_and(fs::Metadata::is_dir) {
            self.directory = Some(Directory::new(path));
            return None;
        }
        let id = metadata.as_ref().and_then(FileId::of);
        let is_output = id.is_some_and(|id| self.outputs.contains(&id));
        (is_named || !is_output).then(|| Found {
            path,
            size: metadata
                .filter(fs::Metadata::is_file)
                .map(|metadata| metadata.len()),
        })
    }
}

impl Iterator for Paths {
    type Item = Result<Found, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(directory) = &mut self.directory {
                match directory.next(&self.outputs) {
                    None => self.directory = None,
                    some => return some,
                }
            }
            let found = match std::mem::replace(&mut self.given, Given::Nothing) {
                Given::Nothing => return None,
                Given::Failed(error) => return Some(Err(error)),
                Given::Path(path) => self.found(path, true),
                Given::Pattern {
                    pattern,
                    mut matches,
                    fits_nothing,
                } => match matches.next() {
                    None if fits_nothing => return Some(Err(SourceError::NoMatch { pattern })),
                    None => return None,
                    Some(entry) => {
                        self.given = Given::Pattern {
                            pattern,
                            matches,
                            fits_nothing: false,
                        };
                        match entry {
                            Ok(path) => self.found(path, false),
                            Err(error) => return Some(Err(error)),
                        }
                    }
                },
            };
            if let Some(found) = found {
                return Some(Ok(found));
            }
        }
    }
}

impl Given {
    fn of_pattern(text: &str) -> Self {
        let pattern = text.to_owned();
        match Matches::of(text) {
            Ok(matches) => Self::Pattern {
                pattern,
                matches,
                fits_nothing: true,
            },
            Err(error) => Self::Failed(SourceError::Pattern {
                pattern,
                detail: error.msg,
            }),
        }
    }
}

/// What fits a pattern, in order.
#[derive(Debug)]
enum Matches {
    Listed(Box<glob::Paths>),
    /// With `**`, for which the glob crate enters links, so that one that leads up is entered forty
    /// times and two are entered for ever. The shell's enters none.
    Walked {
        entries: Box<walkdir::IntoIter>,
        pattern: Pattern,
    },
}

impl Matches {
    fn of(text: &str) -> Result<Self, PatternError> {
        let pattern = Pattern::new(text)?;
        if !text.contains("**") {
            return Ok(Self::Listed(Box::new(glob::glob_with(text, AS_THE_SHELL)?)));
        }
        let is_plain = |part: &&str| !part.contains(['*', '?', '[']);
        let parts: Vec<_> = text.split('/').take_while(is_plain).collect();
        let root = match parts.as_slice() {
            [] => ".".to_owned(),
            [""] => "/".to_owned(),
            parts => parts.join("/"),
        };
        Ok(Self::Walked {
            entries: Box::new(WalkDir::new(root).sort_by_file_name().into_iter()),
            pattern,
        })
    }
}

impl Iterator for Matches {
    type Item = Result<PathBuf, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Listed(paths) => Some(paths.next()?.map_err(|error| {
                let path = error.path().to_owned();
                not_walked(&path, error.into())
            })),
            Self::Walked { entries, pattern } => loop {
                match entries.next()? {
                    Ok(entry) => {
                        let path = entry.path().strip_prefix(".").unwrap_or(entry.path());
                        if pattern.matches_path_with(path, AS_THE_SHELL) {
                            let path = path.to_owned();
                            // The log files in it are read, so none of them is to be found again.
                            if entry.file_type().is_dir() {
                                entries.skip_current_dir();
                            }
                            return Some(Ok(path));
                        }
                    }
                    // Where the search begins there is nothing.
                    Err(error) if error.depth() == 0 => return None,
                    Err(error) => return Some(Err(of_walk(error, Path::new("")))),
                }
            },
        }
    }
}

impl Directory {
    fn new(root: PathBuf) -> Self {
        let entries = WalkDir::new(&root)
            .follow_links(true)
            .sort_by_file_name()
            .into_iter();
        Self {
            root,
            entries: entries.filter_entry(is_taken),
            is_empty: true,
        }
    }

    fn next(&mut self, outputs: &[FileId]) -> Option<Result<Found, SourceError>> {
        loop {
            let Some(entry) = self.entries.next() else {
                let name = self.root.display().to_string();
                let is_empty = std::mem::replace(&mut self.is_empty, false);
                return is_empty.then_some(Err(SourceError::NothingIn { name }));
            };
            let found = match entry {
                Ok(entry) if entry.file_type().is_file() => match entry.metadata() {
                    Ok(metadata)
                        if FileId::of(&metadata).is_some_and(|id| outputs.contains(&id)) =>
                    {
                        continue;
                    }
                    Ok(metadata) => Ok(Found {
                        size: Some(metadata.len()),
                        path: entry.into_path(),
                    }),
                    Err(error) => Err(error),
                },
                Ok(_) => continue,
                Err(error) => Err(error),
            };
            match found {
                Err(error) if concerns_nothing(&error) => {}
                found => {
                    self.is_empty = false;
                    return Some(found.map_err(|error| of_walk(error, &self.root)));
                }
            }
        }
    }
}

fn of_walk(error: walkdir::Error, root: &Path) -> SourceError {
    let path = error.path().unwrap_or(root).to_owned();
    let error = error.into_io_error();
    match error.unwrap_or(io::ErrorKind::Other.into()) {
        // A link to nothing, or a file that was removed after its directory was read.
        error if error.kind() == io::ErrorKind::NotFound => SourceError::Open {
            name: path.display().to_string(),
            error,
        },
        error => not_walked(&path, error),
    }
}

fn not_walked(path: &Path, error: io::Error) -> SourceError {
    SourceError::Walk {
        name: path.display().to_string(),
        error,
    }
}

/// Whether an entry below a directory is entered or read.
fn is_taken(entry: &DirEntry) -> bool {
    if entry.depth() == 0 {
        return true;
    }
    let name = entry.file_name();
    if name.as_encoded_bytes().starts_with(b".") {
        return false;
    }
    if entry.file_type().is_dir() {
        let path = entry.path();
        !(is_of_another_log(path) || entry.path_is_symlink() && leads_up(path))
    } else {
        is_log_name(Path::new(name))
    }
}

/// Whether a link leads to a directory around it, also to one around the directory that is walked.
fn leads_up(link: &Path) -> bool {
    let place = link.parent().map(fs::canonicalize);
    match (place, fs::canonicalize(link)) {
        (Some(Ok(place)), Ok(target)) => place.starts_with(target),
        _ => false,
    }
}

/// Whether a directory of CloudTrail's layout holds something else than events.
fn is_of_another_log(directory: &Path) -> bool {
    let mut names = directory.iter().rev().map(OsStr::as_encoded_bytes);
    let Some(name) = names.next() else {
        return false;
    };
    if name == b"CloudTrail-Digest" {
        return true;
    }
    let is_account = names
        .next()
        .is_some_and(|name| name.len() == 12 && name.iter().all(u8::is_ascii_digit));
    let mut above = names.next();
    if above.is_some_and(|name| name.starts_with(b"o-")) {
        above = names.next();
    }
    is_account && above == Some(b"AWSLogs") && !name.starts_with(b"CloudTrail")
}

/// Whether a file is called like one of log records.
fn is_log_name(name: &Path) -> bool {
    let unpacked = match Packing::of_name(name) {
        Some(_) => name.file_stem().map(Path::new),
        None => Some(name),
    };
    let ending = unpacked.and_then(Path::extension);
    ending.is_some_and(|ending| ENDINGS.iter().any(|of| ending.eq_ignore_ascii_case(of)))
}

/// A link that leads round in a circle, to files that are taken anyway; a link to nothing under a
/// name that would not be read.
fn concerns_nothing(error: &walkdir::Error) -> bool {
    let is_missing = error
        .io_error()
        .is_some_and(|error| error.kind() == io::ErrorKind::NotFound);
    let is_other = error.path().is_some_and(|path| !is_log_name(path));
    error.loop_ancestor().is_some() || (error.depth() > 0 && is_missing && is_other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_log_files() {
        for (name, is_one) in [
            ("a.json", true),
            ("a.JSON.GZ", true),
            ("a.jsonl.zst", true),
            ("a.b.ndjson.bz2", true),
            (
                "111122223333_CloudTrail_eu-west-1_20260307T2320Z_x.json.gz",
                true,
            ),
            ("json", false),
            (".json", false),
            ("a.gz", false),
            ("a.json.gz.3c2A91", false),
            ("a.json.gz.gz", false),
            ("a.log", false),
            ("manifest.csv", false),
        ] {
            assert_eq!(is_log_name(Path::new(name)), is_one, "{name}");
        }
    }

    #[test]
    fn directories_of_other_logs() {
        for (directory, is_other) in [
            ("AWSLogs/111122223333/CloudTrail", false),
            ("AWSLogs/111122223333/CloudTrail-Insight", false),
            ("AWSLogs/111122223333/CloudTrail-Digest", true),
            ("AWSLogs/111122223333/elasticloadbalancing", true),
            ("b/AWSLogs/o-a1b2c3d4e5/111122223333/Config", true),
            ("b/AWSLogs/o-a1b2c3d4e5/111122223333/CloudTrail", false),
            ("b/AWSLogs/o-a1b2c3d4e5/111122223333", false),
            ("AWSLogs/111122223333/CloudTrail/eu-west-1", false),
            ("111122223333/Config", false),
            ("AWSLogs/11112222333x/Config", false),
            ("CloudTrail-Digest", true),
            ("CloudTrail-Digests", false),
        ] {
            assert_eq!(
                is_of_another_log(Path::new(directory)),
                is_other,
                "{directory}"
            );
        }
    }
}
