//! Reads raw bytes, and waits for them no longer than asked.
//!
//! **In → out:** a file descriptor, blocking or not; out come bytes in the caller's slice or behind
//! those of its vector, or the reason why there are none.
//!
//! **Invariants.** **read(2) is called only when it will not block**: after poll(2) on the
//! descriptor and the stop, or on a regular file. Interrupted calls are repeated. What poll says of
//! hang-ups and errors is not interpreted: read(2) gives the answer.
//!
//! **Not here:** decompression (`unpack`).
//!
//! **Failure:** the system's error, with no name; [`super::Source`] adds it.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::follow::{self, AtEnd, Tail};
use super::unpack::Packing;
use super::{Read, StopSignal};
use crate::pipe;

/// The longest single poll(2): some systems refuse more milliseconds than an `int` holds.
const LONGEST_POLL: Duration = Duration::from_hours(24);

/// An open descriptor with what was got from it and what was waited for it.
#[derive(Debug)]
pub(super) struct Input {
    file: File,
    /// A regular file: it has no moment when a read would have to wait.
    always_ready: bool,
    stop: StopSignal,
    /// Of a file that is followed.
    tail: Option<Tail>,
    /// Where the first byte was read from.
    start: u64,
    bytes: u64,
    blocked: Duration,
}

impl Input {
    pub(super) fn new(file: File, always_ready: bool, stop: StopSignal) -> Self {
        if !always_ready {
            pipe::widen(&file);
        }
        Self {
            file,
            always_ready,
            stop,
            tail: None,
            start: 0,
            bytes: 0,
            blocked: Duration::ZERO,
        }
    }

    /// From now on the end of the file is where to wait for more, until another one has `path`.
    pub(super) fn follow(&mut self, path: &Path, interval: Duration) -> io::Result<()> {
        self.tail = Tail::of(path, interval, &self.file)?;
        Ok(())
    }

    pub(super) fn tail(&self) -> Option<&Tail> {
        self.tail.as_ref()
    }

    /// Goes on at this byte, if the file is plain. Returns whether it is.
    pub(super) fn seek_if_plain(&mut self, offset: u64) -> io::Result<bool> {
        let mut first = [0; 4];
        let length = follow::read_start(&self.file, &mut first)?;
        let is_plain = !matches!(
            Packing::of(first.get(..length).unwrap_or_default()),
            Ok(Some(_))
        );
        if is_plain {
            self.start = self.file.seek(SeekFrom::Start(offset))?;
        }
        Ok(is_plain)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_stopped()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn blocked(&self) -> Duration {
        self.blocked
    }

    /// Reads into `free`, which is not empty, once there is something; `None` waits without limit.
    pub(super) fn read(&mut self, free: &mut [u8], deadline: Option<Instant>) -> io::Result<Read> {
        self.read_by(|file| rustix::io::read(file, &mut *free), deadline)
    }

    /// Reads behind what `buf` holds, into its spare room, of which there is some.
    pub(super) fn append(
        &mut self,
        buf: &mut Vec<u8>,
        deadline: Option<Instant>,
    ) -> io::Result<Read> {
        let before = buf.len();
        let read = self.read_by(|file| rustix::io::read(file, spare_capacity(buf)), deadline);
        // What is another file's is not passed on.
        let came = match read {
            Ok(Read::Bytes(count)) => count,
            _ => 0,
        };
        buf.truncate(before + came);
        read
    }

    /// One read(2) that gave something, if any does before the deadline.
    fn read_by(
        &mut self,
        mut read: impl FnMut(&File) -> Result<usize, Errno>,
        deadline: Option<Instant>,
    ) -> io::Result<Read> {
        loop {
            if let Some(pause) = self.wait(deadline)? {
                return Ok(pause);
            }
            match read(&self.file) {
                Ok(0) => {
                    if let Some(pause) = self.at_end(deadline)? {
                        return Ok(pause);
                    }
                }
                Ok(count) => {
                    // What was truncated and has grown again may be read from its middle on. Then
                    // these bytes are of another file; they are read again, or from the copy.
                    if let Some(tail) = &mut self.tail
                        && tail.is_another(&self.file)?
                    {
                        return Ok(Read::End);
                    }
                    self.bytes += count as u64;
                    return Ok(Read::Bytes(count));
                }
                // Of a pipe with several readers another one may have been quicker.
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// At the end of the file: the end of the source, unless it is followed. Then it is waited for
    /// more, and `None` means that it is worth another look.
    fn at_end(&mut self, deadline: Option<Instant>) -> io::Result<Option<Read>> {
        let Some(tail) = &mut self.tail else {
            return Ok(Some(Read::End));
        };
        match tail.at_end(&self.file, self.start + self.bytes)? {
            AtEnd::Over => Ok(Some(Read::End)),
            AtEnd::Again => Ok(None),
            AtEnd::Wait => {
                let begun = Instant::now();
                let left = deadline.map(|deadline| deadline.saturating_duration_since(begun));
                if left == Some(Duration::ZERO) {
                    return Ok(Some(Read::Idle));
                }
                self.stop
                    .wait(left.unwrap_or(tail.interval).min(tail.interval));
                self.blocked += begun.elapsed();
                Ok(None)
            }
        }
    }

    /// Waits until a read will not block (`None`), or until the stop or the deadline.
    fn wait(&mut self, deadline: Option<Instant>) -> io::Result<Option<Read>> {
        if self.always_ready {
            return Ok(self.stop.is_stopped().then_some(Read::Stopped));
        }
        loop {
            let begun = Instant::now();
            let left = deadline.map(|deadline| deadline.saturating_duration_since(begun));
            let polled = self.poll(left.unwrap_or(LONGEST_POLL).min(LONGEST_POLL));
            self.blocked += begun.elapsed();
            match polled {
                Ok(0) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Ok(Some(Read::Idle));
                }
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(self.stop.is_stopped().then_some(Read::Stopped)),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// How many of the descriptor and the stop are ready.
    fn poll(&self, longest: Duration) -> Result<usize, Errno> {
        let timeout = Timespec::try_from(longest).map_err(|_| Errno::INVAL)?;
        let mut fds = [
            PollFd::new(&self.file, PollFlags::IN),
            PollFd::from_borrowed_fd(self.stop.hangup(), PollFlags::IN),
        ];
        rustix::event::poll(&mut fds, Some(&timeout))
    }
}
