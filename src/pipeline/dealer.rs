//! Gives out the work: bundles to the workers, and to each its number.
//!
//! In → out: bundles in input order; the same to whichever worker is free, or what became of them to
//! the writer, or a number for who works on one itself.
//!
//! Invariants: **Numbers are in input order**, without a gap.
//!
//! Not here: whose turn it is to deal out (`turns`), what puts numbers in order again (`sequence`).
//!
//! Failure: none; when nobody takes anything any more, who deals out is told to stop.

use std::sync::mpsc::SyncSender;

use super::bundle::{Bundle, Dealt};
use super::reader::Flow;
use super::sequence::{self, Wake};

/// Gives bundles to the workers, and numbers, by which what becomes of them is put in order again.
pub(super) struct Dealer {
    /// To nobody when all who read work on it themselves.
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

    /// The number of a bundle that its reader works on, and then sends by it.
    pub(super) fn take_number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
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
                self.done.send(number, finished, Wake::AtOnce)
            }
        }
    }
}
