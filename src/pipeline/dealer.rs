//! Gives out the work: bundles to the workers, and to each its number.
//!
//! In → out: bundles in input order; the same to whichever worker is free, or what became of them to
//! the writer.
//!
//! Invariants: **Numbers are in input order**, without a gap.
//!
//! Not here: whose turn it is to deal out (`turns`), what puts numbers in order again (`sequence`).
//!
//! Failure: none; when nobody takes anything any more, who deals out is told to stop.

use std::sync::mpsc::{SyncSender, TrySendError};

use super::bundle::{Bundle, Dealt};
use super::reader::Flow;
use super::sequence;

/// Gives bundles to the workers, and numbers, by which what becomes of them is put in order again.
pub(super) struct Dealer {
    bundles: SyncSender<(u64, Bundle)>,
    done: sequence::Sender,
    /// The number of the next bundle.
    next: u64,
}

impl Dealer {
    pub(super) fn new(bundles: SyncSender<(u64, Bundle)>, done: sequence::Sender) -> Self {
        Self {
            bundles,
            done,
            next: 0,
        }
    }

    /// Gives a bundle to the workers. It comes back when there is no room for it.
    pub(super) fn try_send(&mut self, bundle: Bundle) -> Result<Flow, Bundle> {
        match self.bundles.try_send((self.next, bundle)) {
            Ok(()) => {
                self.next += 1;
                Ok(Flow::GoOn)
            }
            Err(TrySendError::Full((_, bundle))) => Err(bundle),
            Err(TrySendError::Disconnected(_)) => Ok(Flow::Stop),
        }
    }

    /// Gives the workers a bundle, or the writer what became of it, and waits for room.
    pub(super) fn send(&mut self, dealt: Dealt) -> Flow {
        match dealt {
            Dealt::Bundle(bundle) => {
                if self.bundles.send((self.next, bundle)).is_err() {
                    return Flow::Stop;
                }
                self.next += 1;
                Flow::GoOn
            }
            Dealt::Finished(finished) => {
                let number = self.next;
                if finished.last {
                    self.next += 1;
                }
                self.done.send(number, finished)
            }
        }
    }
}
