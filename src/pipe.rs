//! How much a pipe holds.
//!
//! In → out: a descriptor that may be a pipe; afterwards that pipe holds a batch.
//!
//! Invariants: **A pipe is never made smaller**, and its bytes stay in it. What is no pipe is left
//! alone.
//!
//! Not here: what is read from it (`source`) and written to it (`sink`).
//!
//! Failure: none. A user whose pipes hold 64 MiB in all (`/proc/sys/fs/pipe-user-pages-soft`) gets no
//! larger ones, which costs time only.
//!
//! Cost: two system calls a pipe. With the usual 64 KiB either side of a pipe waits four times a
//! batch: `cat FILE | hsmtrail` took 1.2 times as long, `hsmtrail FILE | cat` 1.3 times, on
//! 2026-11-23; more than this gained nothing.

use std::os::fd::AsFd;

/// As much as a batch of the pipeline.
#[cfg(target_os = "linux")]
const SIZE: usize = 256 * 1024;

/// Lets a pipe hold a batch, where the system has that.
pub(crate) fn widen(pipe: impl AsFd) {
    #[cfg(target_os = "linux")]
    if rustix::pipe::fcntl_getpipe_size(&pipe).is_ok_and(|size| size < SIZE) {
        let (Ok(_) | Err(_)) = rustix::pipe::fcntl_setpipe_size(&pipe, SIZE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = pipe;
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::File;
    use std::io;

    use super::*;

    #[test]
    fn a_pipe_becomes_larger_and_never_smaller() {
        let (_reader, pipe) = io::pipe().unwrap();
        let size = || rustix::pipe::fcntl_getpipe_size(&pipe).unwrap();
        assert!(size() < SIZE);
        widen(&pipe);
        assert_eq!(size(), SIZE);
        rustix::pipe::fcntl_setpipe_size(&pipe, 2 * SIZE).unwrap();
        widen(&pipe);
        assert_eq!(size(), 2 * SIZE);
        widen(File::open("Cargo.toml").unwrap());
    }
}
