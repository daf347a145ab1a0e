//! Keeps in a file how far followed inputs are done with, and how long the outputs were then.
//!
//! In → out: positions, from the pipeline, after each bundle that was written; the same positions
//! at the start of the next run.
//!
//! Invariants: **The file is replaced as a whole, by a rename, and never says more than was
//! written.** It is readable by its owner only, as it holds names of files. An entry of a path that
//! this run does not follow stays as it is.
//!
//! Not here: finding the file that a position is of (`source`), cutting an output (`sink`).
//!
//! Failure: [`StateError`] is fatal: a run that could not go on from where it ended would skip or
//! repeat records. There is no fsync: a process that is killed loses nothing, a machine that fails
//! may leave an older state, whose records are then repeated.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::SplitN;

use crate::framing::InputForm;
use crate::source::{FileId, Head, Place};

/// The first line of the file.
const TITLE: &str = "hsmtrail state 1";

/// The last line: what lacks it is not whole.
const END: &str = "end";

/// How a source is laid out, as the file calls it.
const FORMS: [(InputForm, &str); 3] = [
    (InputForm::Auto, "auto"),
    (InputForm::Lines, "lines"),
    (InputForm::Document, "document"),
];

/// The state cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system refused it.
    #[error("cannot {what} the state file {}: {error}", path.display())]
    Io {
        /// `read` or `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// It is no state of this program.
    #[error(
        "{} is no state file of hsmtrail in line {line}; name another one, or remove it to begin \
         from the beginning",
        path.display()
    )]
    NotAState {
        /// The file.
        path: PathBuf,
        /// Where it is wrong, from 1.
        line: usize,
    },
}

/// How far a followed input is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The file, and the byte from which it can be framed anew.
    pub place: Place,
    /// How it is laid out.
    pub form: InputForm,
    /// Records before that byte.
    pub records: u64,
    /// Records behind that byte that are done with too.
    pub done: u64,
}

/// All that the file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// By the path that is followed.
    pub inputs: Vec<(PathBuf, Position)>,
    /// The output files, and how long each was.
    pub outputs: Vec<(FileId, u64)>,
}

impl State {
    /// Reads the file; nothing when there is none yet.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is no state.
    pub fn read(path: &Path) -> Result<Option<Self>, StateError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", path, error)),
        };
        let text = String::from_utf8_lossy(&bytes);
        Self::parse(&text)
            .map(Some)
            .map_err(|line| StateError::NotAState {
                path: path.to_owned(),
                line,
            })
    }

    /// Replaces the file.
    ///
    /// # Errors
    ///
    /// When the system refuses it; the file is then as it was.
    pub fn write(&self, path: &Path) -> Result<(), StateError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let new = PathBuf::from(name);
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .and_then(|mut file| file.write_all(self.text().as_bytes()))
            .and_then(|()| fs::rename(&new, path));
        written.map_err(|error| io_error("write", path, error))
    }

    /// The position of a followed path.
    pub fn position(&self, path: &Path) -> Option<Position> {
        let mut inputs = self.inputs.iter();
        inputs
            .find(|(of, _)| of == path)
            .map(|(_, position)| *position)
    }

    /// Sets the position of a followed path.
    pub fn set_position(&mut self, path: &Path, position: Position) {
        match self.inputs.iter_mut().find(|(of, _)| of == path) {
            Some((_, place)) => *place = position,
            None => self.inputs.push((path.to_owned(), position)),
        }
    }

    /// How long an output file was.
    pub fn length(&self, file: FileId) -> Option<u64> {
        let mut outputs = self.outputs.iter();
        outputs
            .find(|(of, _)| *of == file)
            .map(|(_, length)| *length)
    }

    fn text(&self) -> String {
        let mut text = format!("{TITLE}\n");
        // Writing to a string does not fail.
        for (file, length) in &self.outputs {
            let (device, inode) = file.numbers();
            let (Ok(()) | Err(_)) = writeln!(text, "output {device} {inode} {length}");
        }
        for (path, position) in &self.inputs {
            let Place { file, head, offset } = position.place;
            let (device, inode) = file.numbers();
            let form = FORMS.iter().find(|(form, _)| *form == position.form);
            let (Ok(()) | Err(_)) = writeln!(
                text,
                "input {device} {inode} {} {:016x} {offset} {} {} {} {}",
                head.length,
                head.hash,
                position.records,
                position.done,
                form.map_or("auto", |(_, word)| word),
                escaped(path),
            );
        }
        text.push_str(END);
        text.push('\n');
        text
    }

    /// The state of a text; `Err` is the line that is wrong.
    fn parse(text: &str) -> Result<Self, usize> {
        let mut state = Self::default();
        let mut lines = text.lines().zip(1..);
        match lines.next() {
            Some((TITLE, _)) => {}
            _ => return Err(1),
        }
        let mut last = 1;
        for (line, number) in lines {
            last = number;
            if line == END {
                return Ok(state);
            }
            state.add(line).ok_or(number)?;
        }
        Err(last + 1)
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let (kind, rest) = line.split_once(' ')?;
        let mut words = rest.splitn(9, ' ');
        let file = FileId::from_numbers(number(&mut words)?, number(&mut words)?);
        match kind {
            "output" => {
                self.outputs.push((file, number(&mut words)?));
                words.next().is_none().then_some(())
            }
            "input" => {
                let head = Head {
                    length: number(&mut words)?,
                    hash: u64::from_str_radix(words.next()?, 16).ok()?,
                };
                let offset = number(&mut words)?;
                let (records, done) = (number(&mut words)?, number(&mut words)?);
                let word = words.next()?;
                let position = Position {
                    place: Place { file, head, offset },
                    form: FORMS.iter().find(|(_, form)| *form == word)?.0,
                    records,
                    done,
                };
                self.inputs.push((unescaped(words.next()?)?, position));
                Some(())
            }
            _ => None,
        }
    }
}

fn number(words: &mut SplitN<'_, char>) -> Option<u64> {
    words.next()?.parse().ok()
}

fn io_error(what: &'static str, path: &Path, error: io::Error) -> StateError {
    StateError::Io {
        what,
        path: path.to_owned(),
        error,
    }
}

/// A path as text in one line: bytes that are no printable ASCII, and `%`, as `%` and two digits.
fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            text.push(char::from(byte));
        } else {
            let (Ok(()) | Err(_)) = write!(text, "%{byte:02X}");
        }
    }
    text
}

fn unescaped(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, others)) = rest.split_first() {
        rest = others;
        if byte == b'%' {
            let (digits, others) = rest.split_at_checked(2)?;
            rest = others;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(PathBuf::from(OsString::from_vec(bytes)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn state() -> State {
        let position = |offset| Position {
            place: Place {
                file: FileId::from_numbers(2049, 7),
                head: Head {
                    length: 1024,
                    hash: 0xfe,
                },
                offset,
            },
            form: InputForm::Lines,
            records: 5,
            done: 1,
        };
        let odd = OsString::from_vec(b"a b%\n\xff".to_vec());
        State {
            inputs: vec![
                (PathBuf::from("/var/log/events.ndjson"), position(10)),
                (PathBuf::from(odd), position(u64::MAX)),
            ],
            outputs: vec![(FileId::from_numbers(1, 2), 3)],
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        assert_eq!(State::read(&path).unwrap(), None);
        state().write(&path).unwrap();
        let mut read = State::read(&path).unwrap().unwrap();
        assert_eq!(read, state());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let followed = Path::new("/var/log/events.ndjson");
        let mut position = read.position(followed).unwrap();
        position.done = 2;
        read.set_position(followed, position);
        read.set_position(Path::new("other"), position);
        read.write(&path).unwrap();
        let again = State::read(&path).unwrap().unwrap();
        assert_eq!(again.inputs.len(), 3);
        assert_eq!(again.position(followed), Some(position));
        assert_eq!(again.length(FileId::from_numbers(1, 2)), Some(3));
        assert_eq!(again.length(FileId::from_numbers(2, 1)), None);
    }

    #[test]
    fn what_is_no_state_is_told_by_its_line() {
        let text = state().text();
        for (from, to, line) in [
            (TITLE, "hsmtrail state 2", 1),
            ("output 1", "output x", 2),
            ("output", "outputs", 2),
            (" lines ", " rows ", 3),
            ("%0A", "%0", 4),
            ("end\n", "", 5),
        ] {
            let text = text.replacen(from, to, 1);
            assert_eq!(State::parse(&text), Err(line), "{text}");
        }
        assert_eq!(State::parse(""), Err(1));
        for end in 0..text.len() - 1 {
            let cut = text.get(..end).unwrap();
            assert!(State::parse(cut).is_err(), "cut at {end}");
        }
    }
}
