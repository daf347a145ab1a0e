//! The file of `node_exporter`'s textfile collector.
//!
//! In → out: a name → a [`TextFile`]; a text and its path → that file, replaced in one step.
//!
//! Invariants: **A reader sees the old text or the new one, never a part.** The other name, in the
//! same directory because a rename cannot cross file systems, starts with a dot and does not end
//! in `.prom`, so the collector leaves it alone.
//!
//! Not here: the text (`metrics`), when to write (`supervisor`). No fsync: after a crash of the
//! machine these numbers are past.
//!
//! Failure: [`Error::File`], with the step that failed; the other name is removed.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Error;

/// The collector runs as another user, so everyone may read, whatever the umask says.
const MODE: u32 = 0o644;

/// Where the collector finds the metrics of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFile {
    path: PathBuf,
    /// Of a file for this process alone, its id, which its series then have as a label: the collector
    /// takes a series from one file only, and drops those of the others.
    pub(super) pid: Option<u32>,
}

impl TextFile {
    /// The file of this name, in which `%p` is the process id and `%%` is `%`. Nothing when `%` has
    /// another use, or when the collector would not read the file because its name does not end in
    /// `.prom`.
    pub fn named(name: &Path) -> Option<Self> {
        let mut path = Vec::new();
        let mut pid = None;
        let mut bytes = name.as_os_str().as_bytes().iter();
        while let Some(byte) = bytes.next() {
            match (byte, byte.eq(&b'%').then(|| bytes.next()).flatten()) {
                (b'%', Some(b'%')) => path.push(b'%'),
                (b'%', Some(b'p')) => {
                    let id = *pid.get_or_insert_with(std::process::id);
                    path.extend(id.to_string().bytes());
                }
                (b'%', _) => return None,
                (byte, _) => path.push(*byte),
            }
        }
        let path = PathBuf::from(OsString::from_vec(path));
        path.extension()
            .is_some_and(|extension| extension == "prom")
            .then_some(Self { path, pid })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Puts `text` in the place of `path`.
pub(super) fn replace(path: &Path, text: &[u8]) -> Result<(), Error> {
    let failed = |action| {
        move |source: io::Error| Error::File {
            action,
            path: path.to_path_buf(),
            source,
        }
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".");
    let mut file = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".tmp")
        .tempfile_in(directory)
        .map_err(failed("create"))?;
    file.write_all(text).map_err(failed("write"))?;
    file.as_file()
        .set_permissions(Permissions::from_mode(MODE))
        .map_err(failed("make readable"))?;
    // Dropped on an error above or here, the file is removed.
    file.persist(path)
        .map_err(|error| failed("replace")(error.error))?;
    Ok(())
}
