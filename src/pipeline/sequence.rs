//! Puts in order again what several threads have done.
//!
//! In → out: what became of bundles, by number, from any thread ([`Sender`]); the same to the writer,
//! number after number ([`Receiver`]).
//!
//! Invariants: **What is taken is in order.** No more than [`MOST_HELD`] and one part in
//! [`MOST_BUNDLES`] waits, and [`MOST_PARTS`] of what is in turn: whose turn it is not has to wait with
//! more, and who is in turn waits for the writer. So one thread that does not get to run holds up
//! others only when they are far ahead.
//!
//! Not here: who gives numbers (`dealer`).
//!
//! Failure: none of its own. When the receiver has gone, senders are told; when a sender panics, the
//! receiver sees the end at once.
//!
//! Cost: two locks a bundle. To wake a thread is a system call, and so is to wake nobody: the receiver is
//! woken only when it waits and there is something for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::bundle::Finished;
use super::reader::Flow;

/// About so many bytes wait for the writer or for what goes before them: what two cores do in the three
/// milliseconds for which Linux lets the writer, or a worker, wait behind a thread that is busy (seen by
/// `perf sched`). With two bundles a thread, log files in gzip left a third of the cores idle.
const MOST_HELD: usize = 4 << 20;

/// So many bundles wait for what goes before them: of many that gave next to nothing, what is around
/// that nothing is the most.
const MOST_BUNDLES: usize = 32;

/// So many parts of what is in turn wait for the writer.
const MOST_PARTS: usize = 2;

/// So many bytes are worth that the writer is woken, which takes some 10 µs of CPU on both sides: of
/// what `Select::CloudHsm` leaves of ten bundles, and of each bundle when all is passed on.
const MUCH: usize = 128 << 10;

/// When the receiver is woken for what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    AtOnce,
    /// When there is much. Who sends so has to send more, to hurry the receiver or to go before he waits
    /// for input, or for others without any.
    ForMuch,
}

/// A sender and a receiver.
pub(super) fn sequence() -> (Sender, Receiver) {
    let shared = Arc::new(Shared::default());
    lock(&shared).senders = 1;
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// What is in turn has come, or nothing comes any more.
    came: Condvar,
    /// Something was taken, or nothing is any more.
    taken: Condvar,
}

#[derive(Default)]
struct State {
    /// Whose turn it is.
    next: u64,
    waiting: BTreeMap<u64, VecDeque<Finished>>,
    held: usize,
    senders: usize,
    /// The receiver waits for what is in turn.
    receiver_waits: bool,
    /// So many senders wait for room.
    waiting_senders: usize,
    /// A number will never come.
    is_broken: bool,
    /// Nobody takes anything.
    is_closed: bool,
}

impl State {
    fn has_room(&self, number: u64) -> bool {
        if number == self.next {
            let parts = self.waiting.get(&number).map_or(0, VecDeque::len);
            parts < MOST_PARTS
        } else {
            self.held < MOST_HELD && self.waiting.len() < MOST_BUNDLES
        }
    }

    /// Whether the receiver waits for what is there, and the first of it is in turn.
    fn is_wanted(&self, wake: Wake) -> bool {
        let is_enough = match wake {
            Wake::AtOnce => true,
            Wake::ForMuch => self.held >= MUCH || self.waiting.len() >= MOST_BUNDLES / 2,
        };
        let next = self.waiting.get(&self.next);
        self.receiver_waits && is_enough && next.is_some_and(|parts| !parts.is_empty())
    }
}

/// Takes what was done.
pub(super) struct Sender(Arc<Shared>);

impl Sender {
    /// Puts what became of the bundle of this number, or a part of it, and waits for room. Stops when
    /// nobody takes it.
    pub(super) fn send(&self, number: u64, finished: Finished, wake: Wake) -> Flow {
        let mut state = lock(&self.0);
        while !state.is_closed && !state.has_room(number) {
            if state.is_wanted(Wake::AtOnce) {
                self.0.came.notify_one();
            }
            state.waiting_senders += 1;
            state = wait(&self.0.taken, state);
            state.waiting_senders -= 1;
        }
        if state.is_closed {
            return Flow::Stop;
        }
        state.held += finished.weight();
        state.waiting.entry(number).or_default().push_back(finished);
        self.wake(state, wake);
        Flow::GoOn
    }

    /// Has the receiver take what is there.
    pub(super) fn hurry(&self) {
        self.wake(lock(&self.0), Wake::AtOnce);
    }

    fn wake(&self, state: MutexGuard<'_, State>, wake: Wake) {
        let is_wanted = state.is_wanted(wake);
        drop(state);
        if is_wanted {
            self.0.came.notify_one();
        }
    }
}

impl Clone for Sender {
    fn clone(&self) -> Self {
        lock(&self.0).senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.senders -= 1;
        state.is_broken |= std::thread::panicking();
        self.0.came.notify_one();
    }
}

/// Gives in order what was done.
pub(super) struct Receiver(Arc<Shared>);

impl Receiver {
    /// What comes next; nothing when all senders have gone.
    pub(super) fn receive(&self) -> Option<Finished> {
        let mut state = lock(&self.0);
        loop {
            let next = state.next;
            let part = state.waiting.get_mut(&next).and_then(VecDeque::pop_front);
            if let Some(finished) = part {
                state.held -= finished.weight();
                if finished.last {
                    state.waiting.remove(&next);
                    state.next += 1;
                }
                let are_waiting = state.waiting_senders > 0;
                drop(state);
                if are_waiting {
                    self.0.taken.notify_all();
                }
                return Some(finished);
            }
            if state.senders == 0 || state.is_broken {
                return None;
            }
            state.receiver_waits = true;
            state = wait(&self.0.came, state);
            state.receiver_waits = false;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        lock(&self.0).is_closed = true;
        self.0.taken.notify_all();
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait<'a>(condvar: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    condvar.wait(state).unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread::scope;

    use super::*;

    const BUNDLES: u64 = 200;

    fn send(sender: &Sender, number: u64, part: u64, last: bool) -> Flow {
        let finished = Finished::named(&format!("{number}.{part}"), last);
        let wakes = [Wake::AtOnce, Wake::ForMuch];
        sender.send(
            number,
            finished,
            wakes[usize::from(!number.is_multiple_of(2))],
        )
    }

    #[test]
    fn what_several_threads_send_is_received_in_order() {
        let (sender, receiver) = sequence();
        let next = AtomicU64::new(0);
        let found = scope(|scope| {
            for _ in 0..4 {
                let sender = sender.clone();
                let next = &next;
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= BUNDLES {
                            return;
                        }
                        for part in 0..=number % 5 {
                            let last = part == number % 5;
                            assert_eq!(send(&sender, number, part, last), Flow::GoOn);
                            std::thread::yield_now();
                        }
                    }
                });
            }
            drop(sender);
            let found = std::iter::from_fn(|| receiver.receive());
            found.map(|finished| finished.name()).collect::<Vec<_>>()
        });
        let expected = (0..BUNDLES)
            .flat_map(|number| (0..=number % 5).map(move |part| format!("{number}.{part}")))
            .collect::<Vec<_>>();
        assert_eq!(found, expected);
    }

    /// Whoever is in turn always gets on, or nobody would.
    #[test]
    fn what_waits_is_bounded_but_for_what_is_in_turn() {
        let mut state = State {
            held: MOST_HELD,
            ..State::default()
        };
        assert!(state.has_room(0));
        assert!(!state.has_room(1));
        let parts = (0..MOST_PARTS).map(|_| Finished::named("", false));
        state.waiting.insert(0, parts.collect());
        assert!(!state.has_room(0));
        state.held = MOST_HELD - 1;
        assert!(state.has_room(1));
        let bundles = (0..MOST_BUNDLES as u64).map(|number| (number, VecDeque::new()));
        state.waiting = bundles.collect();
        assert!(!state.has_room(1));
        assert!(state.has_room(0));
    }

    #[test]
    fn the_receiver_is_woken_for_what_is_in_turn_when_it_is_much() {
        let parts = || VecDeque::from([Finished::named("", false)]);
        let mut state = State {
            held: MUCH - 1,
            ..State::default()
        };
        state.waiting.insert(0, parts());
        assert!(!state.is_wanted(Wake::AtOnce), "nobody waits for it");
        state.receiver_waits = true;
        assert!(state.is_wanted(Wake::AtOnce));
        assert!(!state.is_wanted(Wake::ForMuch));
        state.held = MUCH;
        assert!(state.is_wanted(Wake::ForMuch));
        state.waiting.insert(0, VecDeque::new());
        assert!(!state.is_wanted(Wake::AtOnce), "it was taken");
        state.next = 1;
        assert!(!state.is_wanted(Wake::AtOnce), "it is not in turn");
        state.held = 0;
        let bundles = (1..=MOST_BUNDLES as u64 / 2).map(|number| (number, parts()));
        state.waiting = bundles.collect();
        assert!(state.is_wanted(Wake::ForMuch));
    }

    #[test]
    fn what_wakes_nobody_is_received_when_it_is_hurried_when_there_is_no_room_and_at_the_end() {
        let (sender, receiver) = sequence();
        scope(|scope| {
            let receiving = scope.spawn(|| receiver.receive().is_some());
            assert_eq!(send(&sender, 0, 0, true), Flow::GoOn);
            assert_eq!(receiving.join().ok(), Some(true));
            let receiving = scope.spawn(|| (0..5).all(|_| receiver.receive().is_some()));
            // There is room for fewer.
            for part in 0..5 {
                assert_eq!(send(&sender, 1, part, part == 4), Flow::GoOn);
            }
            sender.hurry();
            assert_eq!(receiving.join().ok(), Some(true));
            let receiving = scope.spawn(|| receiver.receive().is_some());
            assert_eq!(send(&sender, 2, 0, true), Flow::GoOn);
            assert_eq!(receiving.join().ok(), Some(true));
            let receiving = scope.spawn(|| [(); 2].map(|()| receiver.receive().is_some()));
            assert_eq!(send(&sender, 3, 0, true), Flow::GoOn);
            drop(sender);
            assert_eq!(receiving.join().ok(), Some([true, false]));
        });
    }

    #[test]
    fn senders_that_wait_see_that_nobody_receives() {
        let (sender, receiver) = sequence();
        for part in 0..MOST_PARTS as u64 {
            send(&sender, 0, part, false);
        }
        let flow = scope(|scope| {
            let waiting = scope.spawn(|| send(&sender, 0, 9, true));
            drop(receiver);
            waiting.join().ok()
        });
        assert_eq!(flow, Some(Flow::Stop));
    }

    #[test]
    fn a_number_that_never_comes_is_the_end() {
        let (sender, receiver) = sequence();
        send(&sender, 1, 0, true);
        let failed = scope(|scope| {
            let sender = sender.clone();
            let failing = scope.spawn(move || {
                let _held = sender;
                std::panic::resume_unwind(Box::new("a fault"));
            });
            failing.join().is_err()
        });
        assert!(failed);
        assert!(receiver.receive().is_none());
        drop(sender);
    }
}
