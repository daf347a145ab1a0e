//! Where bytes come from: stdin, files and sockets, decompressed when they are gzip, zstd or bzip2.
//!
//! **In → out:** an open file or pipe, and a [`StopSignal`] that ends every wait; out come plain
//! bytes, appended to the caller's `BytesMut` by [`Source::read`], for framing. [`Paths`] says which
//! files a word of the command line stands for, [`Follower`] what comes after a file that is
//! followed, and [`Listener`] takes connections.
//!
//! **Invariants.** **Once stopped, every read says [`Read::Stopped`] and takes nothing more.**
//! **Bytes that can be decompressed are never held back while the raw input pauses, and are
//! delivered before the error that follows them.** **One read adds at most 128 KiB, or, where the
//! caller wants that, all that it has room for**; beside that a source holds 128 KiB of raw bytes and
//! a decompressor: 50 KB for gzip, 4 MB for bzip2, and for zstd the window that it was made with, at
//! most 128 MiB.
//!
//! The form of a source is known from its first bytes, from its name only when it has none: an empty
//! file that is called compressed was cut. A new form is a room in
//! `source/` like `gzip`, and its lines in `unpack::Packing`.
//!
//! **Not here:** what the bytes mean (framing), which source comes next and when to stop (pipeline).
//!
//! **Failure:** [`SourceError`] ends this source only; later reads say [`Read::End`]. Its `Display`
//! is the whole sentence, cause included.
//!
//! **Cost:** none for plain bytes in a buffer that nobody else holds a part of: that can become a
//! vector and a `BytesMut` again without a copy, and safe code can have read(2) fill the room of a
//! vector. In any other buffer the room would have to be zeroed first, and they are copied there; of
//! the first, before that was so, the copy took 8 % of all CPU time with `--validate all`.
//! Compressed bytes are decompressed straight into the caller's buffer. A small file takes longer to
//! allocate for than to read, hence [`Spare`].

mod bzip2;
mod follow;
mod gzip;
mod input;
mod listen;
mod paths;
mod stop;
mod unpack;
mod zstd;

use std::fs::{self, File, Metadata};
use std::io;
use std::mem;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rustix::fs::{Mode, OFlags};

use self::follow::Tail;
pub use self::follow::{Followed, Follower, Head, Place};
use self::input::Input;
pub use self::listen::{Address, ListenError, Listener};
pub use self::paths::{Found, Paths, kind_of_many};
pub use self::stop::{StopSignal, StopTrigger, stop_pair};
pub use self::unpack::{Damage, GunzipError, Packing, gunzip};
use self::unpack::{TooFew, Unpacker};

/// The size of the raw buffer, and the most that comes out of it in one read: what `cat` found to be
/// enough.
const READ_SIZE: usize = 128 * 1024;

/// With less spare room than this in the caller's buffer, a read makes room for [`READ_SIZE`].
const LEAST_ROOM: usize = 8 * 1024;

/// So much is decompressed at once: room for it is zeroed before, and this much stays in the cache.
const UNPACK_SIZE: usize = 64 * 1024;

/// How many times longer than itself a source may become by decompressing, unless somebody says
/// otherwise. CloudTrail's files become 10 to 20 times longer. Each record has an id of 16 random
/// bytes, so that this takes records of more than 3 KB that are alike but for their ids. gzip makes
/// 1 000 of 1, and the other two 10 000 and more, only of what repeats itself.
pub const MAX_INFLATE_RATIO: u64 = 200;

/// Below so much output it does not matter how few bytes it came from.
const GROWTH_FLOOR: u64 = 16 << 20;

/// How often the growth is looked at, in bytes of output: at the same bytes in every run.
const GROWTH_STEP: u64 = 1 << 20;

/// What came of one [`Source::read`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// So many bytes, at least one, were appended.
    Bytes(usize),
    /// Nothing came within the time given.
    Idle,
    /// The stop signal is set.
    Stopped,
    /// The source is at its end, or has failed before.
    End,
}

/// Why a source cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file is missing or may not be read.
    #[error("cannot open {name}: {error}")]
    Open {
        /// Path of the file, or `stdin`.
        name: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// What is open is a directory: only a path can be walked.
    #[error("{name} is a directory; give its path as FILE to read the files in it")]
    Directory {
        /// Path of the directory, or `stdin`.
        name: String,
    },
    /// A directory cannot be walked, or not all of it.
    #[error("cannot walk {name}: {error}")]
    Walk {
        /// Path of what the system refused.
        name: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// A followed file that an earlier run was reading is neither at its path nor beside it.
    #[error(
        "the file that was read as {name} up to byte {offset} is gone, and what it held behind \
             that byte; what has its name now is read from its beginning"
    )]
    Gone {
        /// The path.
        name: String,
        /// How far it was read.
        offset: u64,
    },
    /// There is nothing to read in a directory.
    #[error(
        "{name} holds no file of a name that ends in .json, .jsonl or .ndjson, or in one of \
             these with .gz, .zst or .bz2 behind it"
    )]
    NothingIn {
        /// Path of the directory.
        name: String,
    },
    /// No path fits a pattern.
    #[error("no file fits the pattern {pattern}")]
    NoMatch {
        /// The pattern.
        pattern: String,
    },
    /// A pattern that cannot be read as one, of a file that does not exist.
    #[error("there is no file {pattern}, and it is no pattern: {detail}")]
    Pattern {
        /// What was to be a pattern.
        pattern: String,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// The system refused a read.
    #[error("cannot read {name} after byte {offset}: {error}")]
    Read {
        /// Path of the file, or `stdin`.
        name: String,
        /// How many raw bytes had been read before.
        offset: u64,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// Compressed data that is damaged; all that stood before the damage was delivered.
    #[error(
        "cannot decompress {name} beyond byte {offset} of its {packing}: {damage}; what came \
             before was read"
    )]
    Corrupt {
        /// Path of the file, or `stdin`.
        name: String,
        /// How it is compressed.
        packing: Packing,
        /// Where the damage showed, in compressed bytes.
        offset: u64,
        /// What is wrong and what helps.
        #[source]
        damage: Damage,
    },
}

/// Which regular file something is, whatever its name: so that no output destroys an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The file of these numbers, which [`FileId::numbers`] gave.
    pub fn from_numbers(device: u64, inode: u64) -> Self {
        Self { device, inode }
    }

    /// The device that it is on, and its inode there.
    pub fn numbers(self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// The file behind `path`, when that is a regular file that exists.
    pub fn of_path(path: &Path) -> Option<Self> {
        Self::of(&fs::metadata(path).ok()?)
    }

    /// The file that `metadata` describes, when it is a regular one.
    pub fn of(metadata: &Metadata) -> Option<Self> {
        metadata.is_file().then(|| Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

/// One stream of bytes, decompressed, with a name for messages.
#[derive(Debug)]
pub struct Source {
    name: String,
    /// Of a regular file.
    id: Option<FileId>,
    /// Of a rotated file, by which it is found again.
    head: Option<Head>,
    input: Input,
    max_inflate_ratio: u64,
    /// Its `raw` holds raw bytes that were read; those in `unread` are not yet delivered.
    spare: Spare,
    /// Empty before every read(2), except for the first bytes, as long as they do not tell the form.
    unread: Range<usize>,
    /// read(2) has said that there is no more.
    raw_ended: bool,
    /// `None` until the first bytes tell.
    form: Option<Form>,
    /// How many of the next ones are to be left out.
    left_out: u64,
    /// An error that waits until the bytes before it are delivered.
    damage: Option<Damage>,
    /// Its end or its error was told.
    over: bool,
}

/// The buffers of a source that has ended, for the next one.
#[derive(Debug, Default)]
pub struct Spare {
    /// Empty until a source needs it.
    raw: Vec<u8>,
    unpacker: Option<Unpacker>,
}

/// How the bytes are packed.
#[derive(Debug)]
enum Form {
    Plain,
    Packed(Unpacker),
}

impl Source {
    /// The process's standard input.
    ///
    /// # Errors
    ///
    /// When it cannot be used or is a directory.
    pub fn stdin(stop: StopSignal) -> Result<Self, SourceError> {
        let name = "stdin";
        // A second descriptor of the same open file: the first belongs to the standard library.
        match io::stdin().as_fd().try_clone_to_owned() {
            Ok(fd) => Self::inherited(name, fd, stop),
            Err(error) => Err(SourceError::Open {
                name: name.to_owned(),
                error,
            }),
        }
    }

    /// A file, or a FIFO. On Linux opening a FIFO does not wait for its writer, the reads do;
    /// elsewhere the opening waits, and the stop signal does not end that.
    ///
    /// # Errors
    ///
    /// When it is missing, may not be read or is a directory.
    pub fn open(path: &Path, stop: StopSignal) -> Result<Self, SourceError> {
        let name = path.display().to_string();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | WITHOUT_WAITING;
        match rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty())) {
            Ok(fd) => Self::inherited(&name, fd, stop),
            Err(errno) => Err(SourceError::Open {
                name,
                error: errno.into(),
            }),
        }
    }

    /// Something that is open already. A descriptor in non-blocking mode is as good as another.
    ///
    /// # Errors
    ///
    /// When it cannot be used or is a directory.
    pub fn inherited(name: &str, fd: OwnedFd, stop: StopSignal) -> Result<Self, SourceError> {
        let name = name.to_owned();
        let file = File::from(fd);
        let metadata = match file.metadata() {
            Ok(metadata) => metadata,
            Err(error) => return Err(SourceError::Open { name, error }),
        };
        if metadata.is_dir() {
            return Err(SourceError::Directory { name });
        }
        Ok(Self {
            name,
            id: FileId::of(&metadata),
            head: None,
            input: Input::new(file, metadata.is_file(), stop),
            max_inflate_ratio: MAX_INFLATE_RATIO,
            spare: Spare::default(),
            unread: 0..0,
            raw_ended: false,
            form: None,
            left_out: 0,
            damage: None,
            over: false,
        })
    }

    /// Sets another limit on its growth by decompressing: so many times its length, once it has
    /// become 16 MiB.
    pub fn limit_growth(&mut self, max_inflate_ratio: u64) {
        self.max_inflate_ratio = max_inflate_ratio;
    }

    /// The same source, of which nothing was read yet, taken as it is, whatever it begins with.
    #[must_use]
    pub fn plain(self) -> Self {
        Self {
            form: Some(Form::Plain),
            ..self
        }
    }

    /// The same source, of which nothing was read yet, with buffers of another one.
    #[must_use]
    pub fn with_spare(self, spare: Spare) -> Self {
        Self { spare, ..self }
    }

    /// The same source, of which nothing was read yet, without its first `offset` decompressed bytes.
    ///
    /// # Errors
    ///
    /// When it cannot be read at another place.
    pub fn from_byte(mut self, offset: u64) -> Result<Self, SourceError> {
        if offset > 0 {
            match self.input.seek_if_plain(offset) {
                Ok(true) => self.form = Some(Form::Plain),
                Ok(false) => self.left_out = offset,
                Err(error) => return Err(self.unreadable(error)),
            }
        }
        Ok(self)
    }

    /// The same source, which does not end at the end of its file: every `interval` it is looked
    /// whether there is more, until another file has the path and holds something, or until the file
    /// is truncated. For a source that is no regular file it changes nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be looked at.
    pub fn followed(mut self, path: &Path, interval: Duration) -> Result<Self, SourceError> {
        match self.input.follow(path, interval) {
            Ok(()) => Ok(self),
            Err(error) => Err(self.unreadable(error)),
        }
    }

    /// The same source, a rotated file that begins like this.
    fn rotated(self, head: Head) -> Self {
        Self {
            head: Some(head),
            ..self
        }
    }

    /// Which file a followed or rotated source is, and how it begins, as far as that is known.
    pub fn identity(&self) -> Option<(FileId, Head)> {
        self.tail().map(Tail::identity).or(self.id.zip(self.head))
    }

    /// Whether a followed source has ended because its file was truncated; what was unfinished then
    /// may go on in a copy.
    pub fn was_truncated(&self) -> bool {
        self.tail().is_some_and(Tail::was_truncated)
    }

    /// Whether a followed source is that very file, with at least as much in it as was read.
    fn is_file_of(&self, place: &Place) -> bool {
        self.id == Some(place.file) && self.tail().is_some_and(|tail| tail.is(place))
    }

    fn tail(&self) -> Option<&Tail> {
        self.input.tail()
    }

    fn unreadable(&self, error: io::Error) -> SourceError {
        SourceError::Read {
            name: self.name.clone(),
            offset: self.input.bytes(),
            error,
        }
    }

    /// Ends it, and leaves its buffers to the next one.
    pub fn take_spare(&mut self) -> Spare {
        self.over = true;
        let mut spare = mem::take(&mut self.spare);
        if let Some(Form::Packed(unpacker)) = self.form.take() {
            spare.unpacker = Some(unpacker);
        }
        spare
    }

    /// What messages call it: the path, or `stdin`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which regular file it is; nothing for pipes and devices.
    pub fn id(&self) -> Option<FileId> {
        self.id
    }

    /// Raw bytes read so far: compressed ones, where it is compressed.
    pub fn raw_bytes(&self) -> u64 {
        self.input.bytes()
    }

    /// Time spent waiting for a pipe, a socket or a terminal; files are not waited for.
    pub fn blocked(&self) -> Duration {
        self.input.blocked()
    }

    /// Appends what has come to `buf`, at most 128 KiB; waits for it at most `wait`, or until data,
    /// stop or end when `None`. Uses the spare room of `buf`; makes some when there is hardly any.
    ///
    /// # Errors
    ///
    /// When the system refuses a read or compressed data is damaged: told once, after the bytes
    /// before it, and from then on the source is at its end.
    pub fn read(
        &mut self,
        buf: &mut BytesMut,
        wait: Option<Duration>,
    ) -> Result<Read, SourceError> {
        self.read_by(buf, false, wait)
    }

    /// The same for a `buf` that nothing was split off from: plain bytes fill all of its room, without
    /// a copy, but for the first ones, which tell the form. Another `buf` is copied as a whole.
    ///
    /// # Errors
    ///
    /// Those of [`Source::read`].
    pub fn read_whole(
        &mut self,
        buf: &mut BytesMut,
        wait: Option<Duration>,
    ) -> Result<Read, SourceError> {
        self.read_by(buf, true, wait)
    }

    fn read_by(
        &mut self,
        buf: &mut BytesMut,
        is_whole: bool,
        wait: Option<Duration>,
    ) -> Result<Read, SourceError> {
        // A time too far for the clock is no limit.
        let deadline = wait.and_then(|wait| Instant::now().checked_add(wait));
        loop {
            if self.input.is_stopped() {
                return Ok(Read::Stopped);
            }
            if self.over {
                return Ok(Read::End);
            }
            let before = buf.len();
            if self.damage.is_none() {
                self.deliver(buf);
            }
            if buf.len() == before {
                if self.damage.is_some() || self.raw_ended {
                    self.over = true;
                    return self.verdict();
                }
                let read = match self.form {
                    Some(Form::Plain) if is_whole => self.fill_room(buf, deadline),
                    _ => self.fill(deadline),
                };
                match read {
                    Ok(Read::Bytes(_)) => {}
                    Ok(Read::End) => self.raw_ended = true,
                    Ok(pause) => return Ok(pause),
                    Err(error) => {
                        self.over = true;
                        return Err(self.unreadable(error));
                    }
                }
            }
            let came = self.leave_out(buf, before);
            if came > 0 {
                return Ok(Read::Bytes(came));
            }
        }
    }

    /// Moves unread raw bytes to `buf`, by way of the decompressor where there is one. When nothing
    /// comes out, it needs more raw bytes, or there is none to come, or `damage` is set.
    fn deliver(&mut self, buf: &mut BytesMut) {
        if self.form.is_none() {
            self.tell_form();
        }
        let unread = self.spare.raw.get(self.unread.clone()).unwrap_or_default();
        if buf.capacity() - buf.len() < LEAST_ROOM {
            buf.reserve(READ_SIZE);
        }
        let room = READ_SIZE.min(buf.capacity() - buf.len());
        match &mut self.form {
            None => {}
            Some(Form::Plain) => {
                let part = unread.get(..room).unwrap_or(unread);
                buf.extend_from_slice(part);
                self.unread.start += part.len();
            }
            Some(Form::Packed(unpacker)) => {
                if unread.is_empty() && !unpacker.holds_output() {
                    return;
                }
                let to_step = GROWTH_STEP - unpacker.written() % GROWTH_STEP;
                let room = room
                    .min(UNPACK_SIZE)
                    .min(usize::try_from(to_step).unwrap_or(room));
                let start = buf.len();
                buf.resize(start + room, 0);
                let step = unpacker.push(unread, buf.get_mut(start..).unwrap_or_default());
                buf.truncate(start + step.written);
                self.unread.start += step.consumed;
                self.damage = step.damage;
                let is_bomb = outgrows(unpacker, self.max_inflate_ratio);
                if is_bomb && self.damage.is_none() {
                    self.damage = Some(Damage::Growth(self.max_inflate_ratio));
                }
            }
        }
    }

    /// Takes those that are to be left out from the bytes behind `start`; says how many stay.
    fn leave_out(&mut self, buf: &mut BytesMut, start: usize) -> usize {
        let came = buf.len() - start;
        let out = usize::try_from(self.left_out).map_or(came, |out| out.min(came));
        if out > 0 {
            buf.copy_within(start + out.., start);
            buf.truncate(buf.len() - out);
            self.left_out -= out as u64;
        }
        came - out
    }

    /// Decides the form by the first bytes, unless they are too few.
    fn tell_form(&mut self) {
        let first = self.spare.raw.get(self.unread.clone()).unwrap_or_default();
        let packing = match Packing::of(first) {
            Err(TooFew) if !self.raw_ended => return,
            // Compressed data is never empty: nothing of the file arrived.
            Err(TooFew) if first.is_empty() => Packing::of_name(Path::new(&self.name)),
            Err(TooFew) => Packing::cut_in_magic(first),
            Ok(packing) => packing,
        };
        self.form = Some(packing.map_or(Form::Plain, |packing| {
            Form::Packed(self.spare.unpacker(packing))
        }));
    }

    /// One read(2) into the raw buffer, which is empty but for first bytes that tell too little.
    fn fill(&mut self, deadline: Option<Instant>) -> io::Result<Read> {
        if self.unread.is_empty() {
            self.unread = 0..0;
        }
        let raw = &mut self.spare.raw;
        raw.resize(READ_SIZE, 0);
        let free = raw.get_mut(self.unread.end..).unwrap_or_default();
        let read = self.input.read(free, deadline)?;
        if let Read::Bytes(count) = read {
            self.unread.end += count;
        }
        Ok(read)
    }

    /// One read(2) into the room of `buf`, of bytes that are plain.
    fn fill_room(&mut self, buf: &mut BytesMut, deadline: Option<Instant>) -> io::Result<Read> {
        let mut whole = Vec::from(mem::take(buf));
        // A copy has no room, and what is read into none looks like the end.
        if whole.capacity() - whole.len() < LEAST_ROOM {
            whole.reserve(READ_SIZE);
        }
        let read = self.input.append(&mut whole, deadline);
        *buf = BytesMut::from(Bytes::from(whole));
        read
    }

    /// The end, good or bad, once everything is delivered.
    fn verdict(&self) -> Result<Read, SourceError> {
        let Some(Form::Packed(unpacker)) = &self.form else {
            return Ok(Read::End);
        };
        match self.damage.or_else(|| unpacker.finish().err()) {
            None => Ok(Read::End),
            Some(damage) => Err(SourceError::Corrupt {
                name: self.name.clone(),
                packing: unpacker.packing(),
                offset: unpacker.consumed(),
                damage,
            }),
        }
    }
}

impl Spare {
    /// A decompressor as new.
    fn unpacker(&mut self, packing: Packing) -> Unpacker {
        match self.unpacker.take() {
            Some(mut unpacker) if unpacker.packing() == packing => {
                unpacker.reset();
                unpacker
            }
            _ => Unpacker::new(packing),
        }
    }
}

/// Whether more came out than may come of so few bytes.
fn outgrows(unpacker: &Unpacker, max_ratio: u64) -> bool {
    let written = unpacker.written();
    written >= GROWTH_FLOOR
        && written.is_multiple_of(GROWTH_STEP)
        && written > max_ratio.saturating_mul(unpacker.consumed())
}

/// Whether the process was started with nothing to read: with /dev/null as stdin, or with none, in
/// whose place the standard library opens /dev/null.
pub fn stdin_is_null() -> bool {
    let device = |file: &Metadata| file.file_type().is_char_device().then(|| file.rdev());
    let stdin = io::stdin().as_fd().try_clone_to_owned().map(File::from);
    let stdin = stdin.and_then(|file| file.metadata());
    match (stdin, fs::metadata("/dev/null")) {
        (Ok(stdin), Ok(null)) => device(&stdin).is_some() && device(&stdin) == device(&null),
        _ => false,
    }
}

/// Waiting for a FIFO's writer belongs into poll(2), which the stop signal ends. Elsewhere a FIFO
/// that nobody has opened for writing yet may read as ended, so there open(2) waits.
const WITHOUT_WAITING: OFlags = if cfg!(target_os = "linux") {
    OFlags::NONBLOCK
} else {
    OFlags::empty()
};
