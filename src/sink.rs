//! Where bytes go: stdout, or a file that we opened.
//!
//! **In → out:** whole lines, or one line in pieces, from the pipeline; out they go by write(2), in
//! chunks of at most 64 KiB so that whoever watches [`Sink::progress`] sees a slow reader from a
//! dead one. Nothing is buffered here, so there is nothing to flush.
//!
//! **Invariants.** **What was written is a prefix of what was given**: after an error nothing more is
//! written, the error is repeated. **A regular file that we opened ends with a whole line after
//! every error and after [`Sink::finish`]**: a torn last line is cut off. On pipes, devices and
//! files that we inherited nothing can be cut; the error says so. **A file that is read by this run
//! is never truncated**: the check comes between opening and truncating.
//!
//! Files are opened in append mode, for rotation by copying and truncating. A line ends at a `\n`.
//! **Of a file that is kept ([`Sink::keep`]) no other process writes a line, and [`Sink::sync`]
//! returns when what was written is on disk.**
//!
//! **Not here:** when to write and when to give up on a reader (pipeline), exit statuses (main).
//!
//! **Failure:** [`SinkError`] is fatal, except from [`Sink::reopen`]. [`SinkError::Closed`], the
//! reader is gone, is to be quiet. Except for files that are kept there is no fsync: an archive that
//! must survive a crash of the machine is for its file system, and a network file system that reports a full disk only when the
//! file is closed is not noticed. Over a limit on file size the system ends the process by a signal
//! unless SIGXFSZ is ignored or handled; then it is an error like a full disk.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use crate::pipe;
use crate::source::FileId;

/// The most that one write(2) is given.
const CHUNK: usize = 64 * 1024;

/// Who may read a file that we create; an existing file keeps its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whom the umask lets.
    Umask,
    /// Its owner only: rejected bytes may be anything.
    Owner,
}

/// Why bytes cannot go out.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The path cannot be opened for writing, or not made empty.
    #[error("cannot open {name} for writing: {error}")]
    Open {
        /// Path of the file, or `stdout`.
        name: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The path is a directory.
    #[error("{name} is a directory; name a file in it for the output")]
    Directory {
        /// Path of the directory.
        name: String,
    },
    /// Writing would destroy an input, or mix two outputs.
    #[error("{name} is also read or written by this run; name another file for the output")]
    SameFile {
        /// Path of the file, or `stdout`.
        name: String,
    },
    /// Two processes would write into each other's lines.
    #[error(
        "{name} is also written by another run; a file in which records are kept has one writer"
    )]
    InUse {
        /// Path of the file.
        name: String,
    },
    /// What is confirmed would be gone.
    #[error("{name} is no regular file, so it keeps nothing; --ack needs one that does")]
    KeepsNothing {
        /// Path of what was named.
        name: String,
    },
    /// The reader of a pipe is gone: no fault of ours, to be quiet about.
    #[error("the reader of {name} is gone")]
    Closed {
        /// Path of the FIFO, or `stdout`.
        name: String,
    },
    /// The system refused a write.
    #[error("cannot write to {name} after {written} bytes: {error}{tail}")]
    Write {
        /// Path of the file, or `stdout`.
        name: String,
        /// Bytes that were written before.
        written: u64,
        /// What the last line is like now.
        tail: Tail,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// A record that is too long cannot wait for its end in a file without a name.
    #[error(
        "cannot put a record that is too long aside, to keep all of it: {0}; make room beside the \
         file of rejects, or write none"
    )]
    Aside(#[source] io::Error),
    /// The run ends inside a line that cannot be taken back.
    #[error("the last line of {name} is cut short")]
    Torn {
        /// Path of the file, or `stdout`.
        name: String,
    },
}

/// What the end of an output is like after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// It ends with a whole line.
    Whole,
    /// Its last line is cut short, and what was written cannot be taken back.
    Torn,
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "",
            Self::Torn => "; its last line is cut short",
        })
    }
}

/// How a sink gets on.
#[derive(Debug, Default)]
pub struct Progress {
    written: AtomicU64,
    is_waiting: AtomicBool,
}

/// One output.
#[derive(Debug)]
pub struct Sink {
    name: String,
    file: File,
    /// Of a regular file.
    id: Option<FileId>,
    /// A regular file that we opened: it may be cut and reopened.
    own: Option<Own>,
    /// Takes the place of `file` at the next line boundary.
    next: Option<File>,
    /// Of a file that is kept.
    cut_before: u64,
    /// Bytes written since the last `\n`.
    torn: u64,
    /// The first error of a write; nothing is written after it.
    failed: Option<Errno>,
    progress: Arc<Progress>,
    blocked: Duration,
}

/// How to open a file again.
#[derive(Debug)]
struct Own {
    path: PathBuf,
    access: Access,
    /// It is locked, and what was written is brought to disk.
    is_kept: bool,
}

impl Progress {
    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Whether something is to be written that the system has not taken yet.
    pub fn is_waiting(&self) -> bool {
        self.is_waiting.load(Ordering::Relaxed)
    }
}

impl Sink {
    /// The process's standard output. `taken` are the files that this run reads or writes otherwise.
    ///
    /// # Errors
    ///
    /// When it cannot be used or is one of `taken`.
    pub fn stdout(taken: &[FileId]) -> Result<Self, SinkError> {
        let name = "stdout";
        // A second descriptor of the same open file: the first belongs to the standard library.
        match io::stdout().as_fd().try_clone_to_owned() {
            Ok(fd) => Self::inherited(name, fd, taken),
            Err(error) => Err(SinkError::Open {
                name: name.to_owned(),
                error,
            }),
        }
    }

    /// Something that is open already. A descriptor in non-blocking mode is as good as another.
    ///
    /// # Errors
    ///
    /// When it cannot be used or is one of `taken`.
    pub fn inherited(name: &str, fd: OwnedFd, taken: &[FileId]) -> Result<Self, SinkError> {
        Self::new(name.to_owned(), File::from(fd), taken)
    }

    /// A file of that path, made empty if it exists; or a FIFO or device, as it is. Opening a FIFO
    /// waits for its reader, as `cat >fifo` does, and only a signal ends that.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, is a directory or is one of `taken` (which is left as it was).
    pub fn create(path: &Path, access: Access, taken: &[FileId]) -> Result<Self, SinkError> {
        let file = append_to(path, access)?;
        let mut sink = Self::new(path.display().to_string(), file, taken)?;
        if sink.id.is_some() {
            sink.is_not_kept()?;
            if let Err(error) = sink.file.set_len(0) {
                return Err(SinkError::Open {
                    name: sink.name,
                    error,
                });
            }
            sink.own = Some(Own {
                path: path.to_owned(),
                access,
                is_kept: false,
            });
        }
        Ok(sink)
    }

    /// As [`Sink::create`], but the file goes on where it ends, or where `length_of` says that a run
    /// before this one had come, if it is longer.
    ///
    /// # Errors
    ///
    /// As for [`Sink::create`].
    pub fn resume(
        path: &Path,
        access: Access,
        taken: &[FileId],
        length_of: impl FnOnce(FileId) -> Option<u64>,
    ) -> Result<Self, SinkError> {
        let file = append_to(path, access)?;
        let mut sink = Self::new(path.display().to_string(), file, taken)?;
        if let Some(id) = sink.id {
            sink.is_not_kept()?;
            let cut = |length| {
                if sink.file.metadata()?.len() > length {
                    sink.file.set_len(length)?;
                }
                Ok(())
            };
            if let Err(error) = length_of(id).map_or(Ok(()), cut) {
                let name = sink.name;
                return Err(SinkError::Open { name, error });
            }
            sink.own = Some(Own {
                path: path.to_owned(),
                access,
                is_kept: false,
            });
        }
        Ok(sink)
    }

    /// As [`Sink::create`], but the file goes on where it ends, belongs to this process alone, and
    /// [`Sink::sync`] brings it to disk. A last line that is torn is what a killed process left, to
    /// whose host it was not confirmed; it is cut off. A file system without locks is taken at its
    /// word.
    ///
    /// # Errors
    ///
    /// As for [`Sink::create`], and when another process keeps the file.
    pub fn keep(path: &Path, access: Access, taken: &[FileId]) -> Result<Self, SinkError> {
        let file = append_to(path, access)?;
        let mut sink = Self::new(path.display().to_string(), file, taken)?;
        if sink.id.is_none() {
            return Err(SinkError::KeepsNothing { name: sink.name });
        }
        (sink.file, sink.cut_before) = keep(path, access)?;
        sink.own = Some(Own {
            path: path.to_owned(),
            access,
            is_kept: true,
        });
        Ok(sink)
    }

    /// How many bytes of a torn last line were cut off the file before anything was written.
    pub fn cut_before(&self) -> u64 {
        self.cut_before
    }

    /// Checks that no run keeps records in this file, and lets none begin to.
    fn is_not_kept(&self) -> Result<(), SinkError> {
        match self.file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Err(SinkError::InUse {
                name: self.name.clone(),
            }),
            // A file system without locks is taken at its word.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
        }
    }

    /// Waits until what was written to a file that is kept would outlive the machine. Others have
    /// nobody who relies on it.
    ///
    /// # Errors
    ///
    /// When the system cannot do that; from then on nothing is written.
    pub fn sync(&mut self) -> Result<(), SinkError> {
        if self.failed.is_none() {
            self.failed = self.timed(|sink| sink.sync_file()).err();
        }
        match self.failed {
            Some(errno) => Err(self.error(errno)),
            None => Ok(()),
        }
    }

    /// Which file it is and how long, when that is a regular file that we opened.
    pub fn length(&self) -> Option<(FileId, u64)> {
        self.own.as_ref()?;
        Some((self.id?, self.file.metadata().ok()?.len()))
    }

    fn new(name: String, file: File, taken: &[FileId]) -> Result<Self, SinkError> {
        let id = match file.metadata() {
            Ok(metadata) => FileId::of(&metadata),
            Err(error) => return Err(SinkError::Open { name, error }),
        };
        if id.is_some_and(|id| taken.contains(&id)) {
            return Err(SinkError::SameFile { name });
        }
        pipe::widen(&file);
        Ok(Self {
            name,
            file,
            id,
            own: None,
            next: None,
            cut_before: 0,
            torn: 0,
            failed: None,
            progress: Arc::default(),
            blocked: Duration::ZERO,
        })
    }

    /// What messages call it: the path, or `stdout`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which regular file it is; nothing for pipes and devices.
    pub fn id(&self) -> Option<FileId> {
        self.id
    }

    /// How it gets on, to be watched from another thread.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Time spent in write(2) and in waiting until it may be called again.
    pub fn blocked(&self) -> Duration {
        self.blocked
    }

    /// Writes all of `bytes`: whole lines, or the next piece of a line.
    ///
    /// # Errors
    ///
    /// When the reader is gone or the system refuses; from then on always.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        if let Some(errno) = self.failed {
            return Err(self.error(errno));
        }
        let done = self.timed(|sink| sink.write_all(bytes).and_then(|()| sink.switch()));
        if let Err(errno) = done {
            self.failed = Some(errno);
            self.cut();
            return Err(self.error(errno));
        }
        Ok(())
    }

    /// Opens the path anew, for rotation: what is written after this line goes to the file that has
    /// the path now, at its end. Does nothing for what is no regular file that we opened.
    ///
    /// # Errors
    ///
    /// When the path cannot be opened; the old file stays in use.
    pub fn reopen(&mut self) -> Result<(), SinkError> {
        let Some(own) = &self.own else { return Ok(()) };
        if own.is_kept {
            // It is locked by us.
            if FileId::of_path(&own.path) == self.id {
                return Ok(());
            }
            self.next = Some(keep(&own.path, own.access)?.0);
        } else {
            self.next = Some(append_to(&own.path, own.access)?);
        }
        self.switch().map_err(|errno| self.error(errno))
    }

    /// The end of the run, at a line boundary or not: a torn last line is cut off.
    ///
    /// # Errors
    ///
    /// When the last line is torn and cannot be cut off.
    pub fn finish(mut self) -> Result<(), SinkError> {
        match self.cut() {
            Tail::Whole => Ok(()),
            Tail::Torn => Err(SinkError::Torn { name: self.name }),
        }
    }

    /// Does what may have to wait.
    fn timed<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let begun = Instant::now();
        self.progress.is_waiting.store(true, Ordering::Relaxed);
        let done = act(self);
        self.progress.is_waiting.store(false, Ordering::Relaxed);
        self.blocked += begun.elapsed();
        done
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let chunk = rest.get(..CHUNK).unwrap_or(rest);
            match rustix::io::write(&self.file, chunk) {
                Ok(0) => return Err(Errno::IO),
                Ok(count) => {
                    let (done, more) = rest.split_at_checked(count).unwrap_or((rest, &[]));
                    self.note(done);
                    rest = more;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait()?,
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Waits until a descriptor in non-blocking mode takes more, or has an error for write(2).
    fn wait(&self) -> Result<(), Errno> {
        let mut fds = [PollFd::new(&self.file, PollFlags::OUT)];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Counts what was written.
    fn note(&mut self, done: &[u8]) {
        let written = done.len() as u64;
        self.progress.written.fetch_add(written, Ordering::Relaxed);
        self.torn = match memchr::memrchr(b'\n', done) {
            Some(at) => (done.len() - at - 1) as u64,
            None => self.torn + done.len() as u64,
        };
    }

    /// Puts the reopened file in place, unless a line is under way.
    fn switch(&mut self) -> Result<(), Errno> {
        if self.torn == 0
            && let Some(next) = self.next.take()
        {
            self.sync_file()?;
            self.id = next
                .metadata()
                .ok()
                .and_then(|metadata| FileId::of(&metadata));
            self.file = next;
        }
        Ok(())
    }

    fn sync_file(&self) -> Result<(), Errno> {
        match &self.own {
            Some(own) if own.is_kept => rustix::fs::fdatasync(&self.file),
            _ => Ok(()),
        }
    }

    /// Takes a torn last line back, where that can be done; says what the tail is then.
    fn cut(&mut self) -> Tail {
        if self.torn > 0 && !self.cut_file().unwrap_or(false) {
            return Tail::Torn;
        }
        self.torn = 0;
        Tail::Whole
    }

    /// Only what we wrote last is cut: somebody may have truncated the file (rotation) or appended
    /// to it, and then its end is not where our last write ended.
    fn cut_file(&self) -> io::Result<bool> {
        if self.own.is_none() {
            return Ok(false);
        }
        let end = self.file.metadata()?.len();
        let ours = (&self.file).stream_position()?;
        let whole = end.checked_sub(self.torn).filter(|_| end == ours);
        whole.map_or(Ok(false), |whole| self.file.set_len(whole).map(|()| true))
    }

    fn error(&self, errno: Errno) -> SinkError {
        let name = self.name.clone();
        // A socket tells a write that waits in it when its reader goes and leaves bytes unread.
        if matches!(errno, Errno::PIPE | Errno::CONNRESET) {
            return SinkError::Closed { name };
        }
        SinkError::Write {
            name,
            written: self.progress.written(),
            tail: if self.torn == 0 {
                Tail::Whole
            } else {
                Tail::Torn
            },
            error: errno.into(),
        }
    }
}

/// Opens the regular file `path` to be the only one who writes it, and behind its last whole line.
/// The file, and how many bytes of a torn last line were cut off it.
fn keep(path: &Path, access: Access) -> Result<(File, u64), SinkError> {
    let file = open(path, access, true)?;
    let name = || path.display().to_string();
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Err(SinkError::InUse { name: name() });
    }
    let opened = cut_torn_line(&file).and_then(|cut| {
        // The name of a new file is in its directory.
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(cut)
    });
    match opened {
        Ok(cut) => Ok((file, cut)),
        Err(error) => Err(SinkError::Open {
            name: name(),
            error,
        }),
    }
}

fn cut_torn_line(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let mut piece = vec![0; CHUNK];
    let mut end = length;
    let whole = loop {
        let start = end.saturating_sub(CHUNK as u64);
        let size = usize::try_from(end - start).unwrap_or(CHUNK);
        let bytes = piece.get_mut(..size).unwrap_or_default();
        file.read_exact_at(bytes, start)?;
        match memchr::memrchr(b'\n', bytes) {
            Some(at) => break start + at as u64 + 1,
            None if start == 0 => break 0,
            None => end = start,
        }
    };
    if whole < length {
        file.set_len(whole)?;
    }
    Ok(length - whole)
}

/// Opens `path` without touching what is in it.
fn append_to(path: &Path, access: Access) -> Result<File, SinkError> {
    open(path, access, false)
}

fn open(path: &Path, access: Access, read: bool) -> Result<File, SinkError> {
    let mode = match access {
        Access::Umask => 0o666,
        Access::Owner => 0o600,
    };
    let opened = OpenOptions::new()
        .append(true)
        .read(read)
        .create(true)
        .mode(mode)
        .open(path);
    opened.map_err(|error| {
        let name = path.display().to_string();
        match error.kind() {
            io::ErrorKind::IsADirectory => SinkError::Directory { name },
            _ => SinkError::Open { name, error },
        }
    })
}
