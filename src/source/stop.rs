//! The stop that ends a wait for input from any thread.
//!
//! **In → out:** [`StopTrigger::stop`] from whoever decides (a signal's task, a failed writer); out
//! goes the answer `Stopped` to every read that holds a [`StopSignal`], waiting or later.
//!
//! **Invariants.** **A stop is for ever**, and stopping twice is stopping once. **Dropping the
//! trigger stops nothing**: a trigger lost by mistake must not cut the input short as if that were
//! its end.
//!
//! **Not here:** the signals of the operating system (pipeline).
//!
//! **Failure:** only making the pair can fail, for want of file descriptors.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};

/// The hand that stops every holder of the signal.
#[derive(Debug)]
pub struct StopTrigger(Arc<Shared>);

/// What a reader looks at before it reads, and while it waits.
#[derive(Debug, Clone)]
pub struct StopSignal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Set before the pipe is closed, so that who wakes up finds it set.
    stopped: AtomicBool,
    /// Hung up, hence ready in poll(2) for everybody, once stopped; never read.
    hangup: PipeReader,
    /// Open until the stop.
    held: Mutex<Option<PipeWriter>>,
}

/// A trigger and its signal.
///
/// # Errors
///
/// When the system has no file descriptors left for a pipe.
pub fn stop_pair() -> io::Result<(StopTrigger, StopSignal)> {
    let (hangup, writer) = io::pipe()?;
    let shared = Arc::new(Shared {
        stopped: AtomicBool::new(false),
        hangup,
        held: Mutex::new(Some(writer)),
    });
    Ok((StopTrigger(Arc::clone(&shared)), StopSignal(shared)))
}

impl StopTrigger {
    /// Makes every read return `Stopped`, at once and for ever.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Release);
        self.0
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

impl StopSignal {
    /// Whether the stop has come.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    /// Waits so long, or until the stop comes.
    pub(super) fn wait(&self, longest: Duration) {
        let mut fds = [PollFd::from_borrowed_fd(self.hangup(), PollFlags::IN)];
        if let Ok(timeout) = Timespec::try_from(longest) {
            // An interrupted wait is short, which is no matter to who waits again and again.
            let (Ok(_) | Err(_)) = rustix::event::poll(&mut fds, Some(&timeout));
        }
    }

    /// Ready in poll(2) once the stop has come.
    pub(super) fn hangup(&self) -> BorrowedFd<'_> {
        self.0.hangup.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn stop_reaches_every_clone_and_stays() {
        let (trigger, signal) = stop_pair().unwrap();
        let twin = signal.clone();
        assert!(!signal.is_stopped() && !twin.is_stopped());
        thread::spawn(move || {
            trigger.stop();
            trigger.stop();
        })
        .join()
        .unwrap();
        assert!(signal.is_stopped() && twin.is_stopped());
    }

    #[test]
    fn lost_trigger_stops_nothing() {
        let (trigger, signal) = stop_pair().unwrap();
        drop(trigger);
        assert!(!signal.is_stopped());
        let mut fds = [rustix::event::PollFd::from_borrowed_fd(
            signal.hangup(),
            rustix::event::PollFlags::IN,
        )];
        let now = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        assert_eq!(rustix::event::poll(&mut fds, Some(&now)).unwrap(), 0);
    }
}
