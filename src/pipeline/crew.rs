//! The threads that read lots, and work on what they have read.
//!
//! In → out: the lots of the input; what became of them, in order, to the writer.
//!
//! Invariants: **A thread takes the next step of its own lot, until that holds all that it may before its
//! turn; then of the lot in turn; and only when another thread takes that step it begins a lot.** So a
//! lone stream keeps all cores busy, and of several files each is read by one thread, in whose cache it
//! stays. **The lot in turn gets on**: who has taken a step of it comes back to it when nobody else has,
//! as he has no lot of his own that does not wait. So he never waits for a turn himself, as who works on
//! a bundle in many parts may.
//!
//! Not here: reading a lot (`open_lot`), which lots there are (`lots`), order (`turns`, `sequence`).
//!
//! Failure: a thread that leaves ends all turns, as it does when it is done, is stopped or panics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use super::bundle::Hand;
use super::dealer::Dealer;
use super::lots::{Lots, NextLot};
use super::open_lot::{OpenLot, Step};
use super::reader::{Flow, Reading};
use super::sequence::Wake;
use super::turns::Turns;
use crate::source::Spare;

/// So long a thread looks for something to do before it sleeps. Another one reads a bundle in 40 µs, and
/// to be woken takes some 50 more: in a trial of two threads on 100 MB that were searched and not parsed,
/// those that slept at once took 31 ms, and 26 with a look-out. 250 µs were no better.
const LOOK_OUT: Duration = Duration::from_micros(120);

/// Those who read, and what they share.
pub(super) struct Crew<'a> {
    reading: &'a Reading<'a>,
    turns: &'a Turns,
    lots: Mutex<Lots>,
    state: Mutex<State<'a>>,
    changed: Condvar,
    /// How often something has come up for those who wait.
    changes: AtomicU64,
    /// One of those who wait does not sleep.
    has_lookout: AtomicBool,
    /// Somebody takes a step who need not wait for input.
    is_worth_a_look: AtomicBool,
}

#[derive(Default)]
struct State<'a> {
    /// The lot whose turn it is, while nobody takes a step of it.
    in_turn: Option<Box<OpenLot<'a>>>,
    sleeping: usize,
}

impl<'a> Crew<'a> {
    pub(super) fn new(reading: &'a Reading<'a>, turns: &'a Turns, lots: Lots) -> Self {
        Self {
            reading,
            turns,
            lots: Mutex::new(lots),
            state: Mutex::default(),
            changed: Condvar::new(),
            changes: AtomicU64::new(0),
            has_lookout: AtomicBool::new(false),
            is_worth_a_look: AtomicBool::new(true),
        }
    }

    /// Gives the first lot its turn.
    pub(super) fn begin(&self, dealer: Dealer) {
        self.turns.begin(dealer);
    }

    /// Ends everything, as far as it was not done.
    pub(super) fn end(&self) {
        self.turns.end();
        self.tell_all();
    }

    /// Reads lots until there is none, the stop signal comes, or nobody takes what they give. Without a
    /// hand it leaves the work to others.
    pub(super) fn work(&self, mut hand: Option<Hand<'a>>) {
        let _leaves = Leaves(self);
        let mut own = None;
        let mut spare = Spare::default();
        while let Some(mut lot) = self.next(&mut own, &mut spare, hand.as_ref()) {
            let may_wait = lot.may_wait();
            if may_wait {
                hurry(hand.as_ref());
            }
            self.is_worth_a_look.store(!may_wait, Ordering::Relaxed);
            match lot.step(hand.as_mut()) {
                // It is the one in turn, and its own waits.
                Step::GoOn if own.is_some() => self.put_back(lot),
                Step::GoOn => own = Some(lot),
                Step::Work(hand, number, bundle) => {
                    self.put_back(lot);
                    let wake = if may_wait {
                        Wake::AtOnce
                    } else {
                        Wake::ForMuch
                    };
                    if hand.work_on(number, bundle, wake) == Flow::Stop {
                        return;
                    }
                }
                Step::Parked => spare = lot.take_spare(),
                Step::Ended => {
                    spare = lot.take_spare();
                    let flow = lot.pass_on();
                    self.tell_all();
                    if flow == Flow::Stop {
                        return;
                    }
                }
                Step::Stop => return,
            }
        }
    }

    /// The lot to take a step of. Waits for one; none comes when all are done, or the run is.
    fn next(
        &self,
        own: &mut Option<Box<OpenLot<'a>>>,
        spare: &mut Spare,
        hand: Option<&Hand<'a>>,
    ) -> Option<Box<OpenLot<'a>>> {
        loop {
            let seen = self.changes.load(Ordering::Acquire);
            if self.turns.are_over() {
                return None;
            }
            let lot = own
                .take_if(|lot| lot.try_resume())
                .or_else(|| self.state().in_turn.take());
            if lot.is_some() {
                return lot;
            }
            if own.is_none()
                && let Some(lot) = self.open_next(spare)
            {
                return Some(lot);
            }
            // That there are no more lots may be the end of all.
            if !self.turns.are_over() && !self.has_looked_out(seen) {
                hurry(hand);
                self.sleep(seen);
            }
        }
    }

    fn open_next(&self, spare: &mut Spare) -> Option<Box<OpenLot<'a>>> {
        let mut lots = self.lots.lock().unwrap_or_else(PoisonError::into_inner);
        match lots.take(self.turns.lot()) {
            NextLot::Lot(lot) => {
                let spare = std::mem::take(spare);
                Some(Box::new(OpenLot::new(self.reading, self.turns, lot, spare)))
            }
            NextLot::Later => None,
            NextLot::NoMore(count) => {
                self.turns.end_after(count);
                None
            }
        }
    }

    /// Leaves the lot in turn to whoever is free.
    fn put_back(&self, lot: Box<OpenLot<'a>>) {
        let mut state = self.state();
        state.in_turn = Some(lot);
        self.changes.fetch_add(1, Ordering::Release);
        // To notify nobody is a system call.
        let wakes = state.sleeping > 0 && !self.has_lookout.load(Ordering::Relaxed);
        drop(state);
        if wakes {
            self.changed.notify_one();
        }
    }

    /// A turn was passed on, or there is none any more.
    fn tell_all(&self) {
        let state = self.state();
        self.changes.fetch_add(1, Ordering::Release);
        let wakes = state.sleeping > 0;
        drop(state);
        if wakes {
            self.changed.notify_all();
        }
    }

    fn has_changed(&self, seen: u64) -> bool {
        self.changes.load(Ordering::Acquire) != seen
    }

    /// Looks for a change for a moment, unless another thread does or it may take long. Returns whether
    /// there was one.
    fn has_looked_out(&self, seen: u64) -> bool {
        let is_worth_it = self.is_worth_a_look.load(Ordering::Relaxed);
        if is_worth_it && !self.has_lookout.swap(true, Ordering::Relaxed) {
            let since = Instant::now();
            while !self.has_changed(seen) && since.elapsed() < LOOK_OUT {
                // The one that is waited for may be behind this one on its core.
                yield_now();
            }
            self.has_lookout.store(false, Ordering::Relaxed);
        }
        self.has_changed(seen)
    }

    /// Waits for a change.
    fn sleep(&self, seen: u64) {
        let mut state = self.state();
        state.sleeping += 1;
        while !self.has_changed(seen) {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.sleeping -= 1;
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has the writer take what there is: it may be long until there is more.
fn hurry(hand: Option<&Hand<'_>>) {
    if let Some(hand) = hand {
        hand.done.hurry();
    }
}

/// Ends everything when its thread leaves.
struct Leaves<'c, 'a>(&'c Crew<'a>);

impl Drop for Leaves<'_, '_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
