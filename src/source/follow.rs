//! Follows a file as it grows and rotates, and a FIFO from writer to writer.
//!
//! **In → out:** a path, and how far it was read before; out come [`Source`]s, one after the other,
//! each with where to go on in it. A source of a followed file is at its end when another file has
//! taken its place.
//!
//! **Invariants.** **No byte that a single writer wrote is skipped or read twice**, whether the file
//! is renamed and made anew or copied and truncated, while it is followed or between two runs, as
//! long as its rotated files are found: they stand beside it, under its name with `.N`, `-DATE` or
//! the like behind it, also compressed. A file is known by device, inode and first bytes; a copy by
//! the first bytes alone. **A file that took the place of another is not begun before it, or one
//! between them, holds something and the other was read to its end once more**: by then its writer has left the other.
//! **A FIFO is opened again before it is closed**, so a writer never meets one without a reader.
//!
//! **Not here:** where a position is kept (`state`), who reads (pipeline).
//!
//! **Failure:** [`SourceError`] from opening; a file that is not there is waited for.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Seek as _};
use std::os::unix::fs::{DirEntryExt as _, FileExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;

use super::unpack::Packing;
use super::{FileId, Read, Source, SourceError, StopSignal};

/// So many first bytes tell a file from another one: its first record has ids in it.
const HEAD_BYTES: usize = 1024;

/// With fewer first bytes than this two files may be alike by chance.
const TELLING_BYTES: u64 = 256;

/// How often the rotated files are looked at again, when their names have changed meanwhile.
const LOOKS: u32 = 50;

/// The time between; a rotation renames a file in much less.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// The first bytes of a file, as far as there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many they are, at most 1024.
    pub length: u64,
    /// Their hash, FNV-1a of 64 bits.
    pub hash: u64,
}

/// Where to go on in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which file it is.
    pub file: FileId,
    /// How it begins.
    pub head: Head,
    /// So many bytes of it, decompressed, are done with.
    pub offset: u64,
}

/// A followed path, between two of its files.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    stop: StopSignal,
    /// How often it is looked for more.
    interval: Duration,
    /// What is to be read next, and from which byte on. It is open, as its name may change.
    waiting: VecDeque<(Source, u64)>,
    /// A FIFO that has ended, held open until it is opened again.
    fifo: Option<Source>,
    /// What was read before is neither at the path nor beside it.
    lost: Option<u64>,
    /// A file that ended though it has the path, as reading it failed: it is not begun again.
    failed: Option<Place>,
}

/// What [`Follower::next_source`] found.
#[derive(Debug)]
pub enum Followed {
    /// The next source, without the bytes that are done with.
    Source(Box<Source>),
    /// The file that was read before is gone; the next source is another one.
    Lost(SourceError),
    /// The stop signal is set.
    Stopped,
}

impl Head {
    fn of_bytes(bytes: &[u8]) -> Self {
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self {
            length: bytes.len() as u64,
            hash,
        }
    }

    /// Whether a file that begins with `bytes` may be the one with this head, which may have grown.
    fn fits(self, bytes: &[u8]) -> bool {
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        bytes
            .get(..length)
            .is_some_and(|bytes| Self::of_bytes(bytes) == self)
    }
}

impl Follower {
    /// Follows `path`, from `place` on when it was followed before.
    pub fn new(path: &Path, place: Option<Place>, interval: Duration, stop: StopSignal) -> Self {
        let mut follower = Self {
            path: path.to_owned(),
            stop,
            interval,
            waiting: VecDeque::new(),
            fifo: None,
            lost: None,
            failed: None,
        };
        if let Some(place) = place {
            let was_found = follower.line_up(&place, false);
            follower.lost = (!was_found).then_some(place.offset);
        }
        follower
    }

    /// Waits for the next file, or opens the FIFO for its next writer.
    ///
    /// # Errors
    ///
    /// When it is there and cannot be opened.
    pub fn next_source(&mut self) -> Result<Followed, SourceError> {
        if let Some(offset) = self.lost.take() {
            let name = self.path.display().to_string();
            return Ok(Followed::Lost(SourceError::Gone { name, offset }));
        }
        if let Some((source, offset)) = self.waiting.pop_front() {
            return Ok(Followed::Source(Box::new(source.from_byte(offset)?)));
        }
        loop {
            if self.stop.is_stopped() {
                return Ok(Followed::Stopped);
            }
            match (self.open()?, self.failed) {
                (Some(source), None) => {
                    self.fifo = None;
                    return Ok(Followed::Source(Box::new(source)));
                }
                (Some(source), Some(failed)) if !source.is_file_of(&failed) => {
                    self.failed = None;
                    self.line_up(&failed, true);
                    return self.next_source();
                }
                _ => self.stop.wait(self.interval),
            }
        }
    }

    /// The source has ended: finds what comes after it. Returns whether that goes on with the same
    /// bytes, from `offset` on, because the source was truncated and there is a copy of it.
    pub fn ended(&mut self, source: Source, offset: Option<u64>) -> bool {
        let Some((file, head)) = source.identity() else {
            if source.id().is_none() {
                self.fifo = Some(source);
            }
            return false;
        };
        let place = Place {
            file,
            head,
            offset: offset.unwrap_or(0),
        };
        // What was lined up before may have been rotated in the meantime, and others after it.
        let before = std::mem::take(&mut self.waiting);
        let was_found = self.line_up(&place, offset.is_none());
        if !was_found && !before.is_empty() {
            self.waiting = before;
        }
        was_found && offset.is_some()
    }

    /// What has the path now; nothing when nothing has.
    fn open(&self) -> Result<Option<Source>, SourceError> {
        match Source::open(&self.path, self.stop.clone()) {
            Ok(source) => source.followed(&self.path, self.interval).map(Some),
            Err(SourceError::Open { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Finds the file that was read up to `place`, unless that `is_done`, and those that had the
    /// path after it, and opens them. One that is done and has the path still has failed. Returns
    /// whether it was found.
    fn line_up(&mut self, place: &Place, is_done: bool) -> bool {
        // First of all: what has the path now may have another name a moment later.
        let mut current = self.open().ok().flatten();
        let current_id = current.as_ref().and_then(Source::id);
        if let Some(source) = current.take_if(|source| source.is_file_of(place)) {
            if is_done {
                self.failed = Some(*place);
            } else {
                self.waiting.push_back((source, place.offset));
            }
            return true;
        }
        let mut rotated = siblings(&self.path);
        rotated.retain(|sibling| Some(sibling.id) != current_id);
        let by_inode = rotated.iter().position(|sibling| sibling.is(place));
        let last = by_inode.or_else(|| rotated.iter().position(|copy| copy.is_copy_of(place)));
        if let Some(last) = last {
            let last = rotated.swap_remove(last);
            rotated.retain(|sibling| sibling.age.is_newer_than(&last.age));
            // The oldest first, and one of each age: a file is there twice while it is compressed.
            rotated.sort_by_key(|sibling| sibling.heads.1.is_some());
            rotated.sort_by(|one, other| {
                let newer = |this: &Sibling, than: &Sibling| this.age.is_newer_than(&than.age);
                newer(one, other).cmp(&newer(other, one))
            });
            rotated.dedup_by(|one, other| one.age == other.age);
            if !is_done {
                self.wait_for(last, place.offset);
            }
            for sibling in rotated {
                self.wait_for(sibling, 0);
            }
        }
        self.waiting.extend(current.map(|source| (source, 0)));
        last.is_some()
    }

    fn wait_for(&mut self, sibling: Sibling, offset: u64) {
        let name = sibling.path.display().to_string();
        let source = Source::inherited(&name, sibling.file.into(), self.stop.clone());
        let source = source.and_then(|source| match sibling.heads {
            // Its writer may not have left it yet.
            (_, None) => source.followed(&self.path, self.interval),
            (head, Some(_)) => Ok(source.rotated(Head::of_bytes(&head))),
        });
        // It was a regular file a moment ago.
        self.waiting
            .extend(source.ok().map(|source| (source, offset)));
    }
}

/// What makes a source of a file go on where others end.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    pub(super) interval: Duration,
    id: FileId,
    /// Its first bytes, as far as they were there when it was last looked at.
    head: Vec<u8>,
    /// How long it was when it was opened.
    length: u64,
    /// Another file has taken its place, and what was left of this one is being read.
    replaced: bool,
    over: Option<Over>,
}

/// Why there will be no more bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Replaced,
    Truncated,
}

/// What to do when all bytes of a followed file were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtEnd {
    /// Wait for more.
    Wait,
    /// Read again.
    Again,
    /// Nothing will come.
    Over,
}

impl Tail {
    /// The tail of a regular file; nothing for what has no end to be read again.
    pub(super) fn of(path: &Path, interval: Duration, file: &File) -> io::Result<Option<Self>> {
        let metadata = file.metadata()?;
        let Some(id) = FileId::of(&metadata) else {
            return Ok(None);
        };
        let mut tail = Self {
            path: path.to_owned(),
            interval,
            id,
            head: Vec::new(),
            length: metadata.len(),
            replaced: false,
            over: None,
        };
        tail.see_head(file)?;
        Ok(Some(tail))
    }

    /// Looks why there is no more, when `position` raw bytes of `file` were read.
    pub(super) fn at_end(&mut self, file: &File, position: u64) -> io::Result<AtEnd> {
        let length = file.metadata()?.len();
        if length < position || !self.see_head(file)? {
            self.over = Some(Over::Truncated);
            return Ok(AtEnd::Over);
        }
        if length > position {
            return Ok(AtEnd::Again);
        }
        if self.replaced {
            self.over = Some(Over::Replaced);
            return Ok(AtEnd::Over);
        }
        self.replaced = match fs::metadata(&self.path) {
            Ok(there) if FileId::of(&there) == Some(self.id) => false,
            Ok(there) if there.len() > 0 => true,
            Ok(_) | Err(_) => self.is_behind_another(),
        };
        Ok(if self.replaced {
            AtEnd::Again
        } else {
            AtEnd::Wait
        })
    }

    /// Whether it is that very file, with at least as much in it as was read.
    pub(super) fn is(&self, place: &Place) -> bool {
        let is_packed = matches!(Packing::of(&self.head), Ok(Some(_)));
        place.head.fits(&self.head) && (is_packed || self.length >= place.offset)
    }

    /// Whether a file that had the path after this one was rotated away too and holds something.
    fn is_behind_another(&self) -> bool {
        let rotated = siblings(&self.path);
        let this = rotated.iter().find(|sibling| sibling.id == self.id);
        this.is_some_and(|this| {
            rotated
                .iter()
                .any(|other| other.age.is_newer_than(&this.age) && other.length > 0)
        })
    }

    pub(super) fn was_truncated(&self) -> bool {
        self.over == Some(Over::Truncated)
    }

    /// Which file it is, and how it begins.
    pub(super) fn identity(&self) -> (FileId, Head) {
        (self.id, Head::of_bytes(&self.head))
    }

    /// Whether the file was truncated and written anew.
    pub(super) fn is_another(&mut self, file: &File) -> io::Result<bool> {
        let is_another = !self.see_head(file)?;
        if is_another {
            self.over = Some(Over::Truncated);
        }
        Ok(is_another)
    }

    /// Reads the first bytes again. Returns whether they are those that they were.
    fn see_head(&mut self, file: &File) -> io::Result<bool> {
        let mut bytes = [0; HEAD_BYTES];
        let length = read_start(file, &mut bytes)?;
        let bytes = bytes.get(..length).unwrap_or_default();
        if !bytes.starts_with(&self.head) {
            return Ok(false);
        }
        if bytes.len() > self.head.len() {
            self.head = bytes.to_vec();
        }
        Ok(true)
    }
}

/// A file beside the one that has the path: one of those that had it before.
#[derive(Debug)]
struct Sibling {
    path: PathBuf,
    age: Age,
    file: File,
    id: FileId,
    length: u64,
    /// Raw, and decompressed.
    heads: (Vec<u8>, Option<Vec<u8>>),
}

/// How old a rotated file is, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Age {
    /// `.1` is the newest.
    Number(u64),
    /// `-20260307` is newer than `-20260306`.
    Date(Vec<u8>),
}

impl Age {
    /// The age that the name of a sibling tells, when it is one of a rotated file.
    fn of(name: &OsStr, base: &OsStr) -> Option<Self> {
        let rest = name
            .as_encoded_bytes()
            .strip_prefix(base.as_encoded_bytes())?;
        let packed = [&b".gz"[..], b".zst", b".bz2"];
        let rest = packed
            .iter()
            .find_map(|ending| rest.strip_suffix(*ending))
            .unwrap_or(rest);
        let [b'.' | b'-', age @ ..] = rest else {
            return None;
        };
        let text = std::str::from_utf8(age).ok()?;
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        // Numbers of rotated files are short; a date has eight digits, a time of day or more.
        match text.parse() {
            Ok(number) if text.len() < 6 => Some(Self::Number(number)),
            _ => Some(Self::Date(age.to_vec())),
        }
    }

    fn is_newer_than(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(this), Self::Number(other)) => this < other,
            (Self::Date(this), Self::Date(other)) => this > other,
            _ => false,
        }
    }
}

impl Sibling {
    fn of(path: &Path, age: Age) -> io::Result<Option<Self>> {
        // A FIFO of such a name would wait for its writer.
        if !fs::metadata(path)?.is_file() {
            return Ok(None);
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let Some(id) = FileId::of(&metadata) else {
            return Ok(None);
        };
        let mut bytes = [0; HEAD_BYTES];
        let length = read_start(&file, &mut bytes)?;
        let raw = bytes.get(..length).unwrap_or_default().to_vec();
        let unpacked = match Packing::of(&raw) {
            Ok(Some(_)) => Some(unpacked_head(&file)?),
            _ => None,
        };
        Ok(Some(Self {
            path: path.to_owned(),
            age,
            file,
            id,
            length: metadata.len(),
            heads: (raw, unpacked),
        }))
    }

    /// Whether it is that very file, with at least as much in it.
    fn is(&self, place: &Place) -> bool {
        self.id == place.file && place.head.fits(&self.heads.0) && self.reaches(place.offset)
    }

    /// Whether it is a copy of that file, compressed or not.
    fn is_copy_of(&self, place: &Place) -> bool {
        let fits = |head: &Vec<u8>| place.head.fits(head);
        place.head.length >= TELLING_BYTES
            && (fits(&self.heads.0) || self.heads.1.as_ref().is_some_and(fits))
            && self.reaches(place.offset)
    }

    fn reaches(&self, offset: u64) -> bool {
        self.heads.1.is_some() || self.length >= offset
    }
}

/// The rotated files beside `path`.
fn siblings(path: &Path) -> Vec<Sibling> {
    let (Some(base), Some(directory)) = (path.file_name(), path.parent()) else {
        return Vec::new();
    };
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    let mut names = rotated_names(directory, base);
    let mut looks_left = LOOKS;
    loop {
        // What cannot be looked at is not found.
        let open = |(name, age, _): &(OsString, Age, u64)| {
            let sibling = Sibling::of(&directory.join(name), age.clone());
            sibling.ok().flatten()
        };
        let siblings = names.iter().filter_map(open).collect();
        let before = std::mem::replace(&mut names, rotated_names(directory, base));
        if before == names || looks_left == 0 {
            return siblings;
        }
        // Of files that are being renamed some were missed.
        looks_left -= 1;
        thread::sleep(BETWEEN_LOOKS);
    }
}

/// The names of rotated files in a directory, with their ages and inodes.
fn rotated_names(directory: &Path, base: &OsStr) -> Vec<(OsString, Age, u64)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let rotated = entries.filter_map(|entry| {
        let name = entry.file_name();
        let age = Age::of(&name, base)?;
        Some((name, age, entry.ino()))
    });
    let mut names: Vec<_> = rotated.collect();
    names.sort_by(|one, other| one.0.cmp(&other.0));
    names
}

/// The first bytes of a compressed file, decompressed; it stands at its start afterwards.
fn unpacked_head(mut file: &File) -> io::Result<Vec<u8>> {
    let (_, never) = super::stop_pair()?;
    let mut bytes = BytesMut::new();
    if let Ok(mut source) = Source::inherited("", file.try_clone()?.into(), never) {
        while bytes.len() < HEAD_BYTES
            && matches!(source.read(&mut bytes, None), Ok(Read::Bytes(_)))
        {}
    }
    file.rewind()?;
    bytes.truncate(HEAD_BYTES);
    Ok(bytes.to_vec())
}

/// Reads from the start of a file, wherever it is read otherwise.
pub(super) fn read_start(file: &File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(free) = bytes.get_mut(length..).filter(|free| !free.is_empty()) {
        match file.read_at(free, length as u64) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
