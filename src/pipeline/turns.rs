//! Has the lots of the input dealt out in order, though they are read side by side.
//!
//! In → out: bundles of a lot or what became of them ([`Outbox`]), at any time; the same to the one
//! [`Dealer`], lot after lot.
//!
//! Invariants: **Who has the dealer has the turn**, and there is one dealer. What there is of a lot before
//! its turn is held, up to [`HELD_BYTES`] in [`HELD_BUNDLES`]; a lot that is read and worked on to its
//! end is parked, up to [`PARKED_BYTES`], and dealt out by who passes the turn on. So readers wait for
//! each other only when one is far behind: a reader that waits for a moment leaves its core, and the
//! system lets the next one wait behind a busy core rather than move it.
//!
//! Not here: what a lot is (`lots`), who reads it and works on it (`crew`, `open_lot`).
//!
//! Failure: a turn that is given up, by a stop or a panic, ends all that would come after it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::bundle::Dealt;
use super::dealer::Dealer;
use super::reader::Flow;
use crate::metrics::Metrics;

/// What is held of a lot before its turn.
const HELD_BYTES: usize = 1 << 20;

/// So many bundles at most: with `Select::CloudHsm` there is next to nothing in them, but as much room.
const HELD_BUNDLES: usize = 8;

/// What is held of parked lots, all together.
const PARKED_BYTES: usize = 4 << 20;

/// So many lots are parked at most: of many that gave next to nothing, what is around that nothing is
/// the most.
const PARKED_LOTS: usize = 16;

/// Whose turn it is.
#[derive(Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The number of the lot whose turn it is, from 0.
    lot: u64,
    /// When nobody has it.
    dealer: Option<Dealer>,
    parked: BTreeMap<u64, Backlog>,
    parked_bytes: usize,
    /// So many lots there are, once that is known.
    lots: Option<u64>,
    /// A turn was given up.
    is_over: bool,
    /// So many wait for their turn.
    waiting: usize,
}

impl Turns {
    /// Gives the first lot its turn.
    pub(super) fn begin(&self, dealer: Dealer) {
        self.pass(0, dealer);
    }

    /// There are no more lots than so many: with the last, the dealer ends.
    pub(super) fn end_after(&self, lots: u64) {
        let mut state = self.state();
        state.lots = Some(lots);
        let last = (state.lot == lots).then(|| state.dealer.take());
        drop(state);
        drop(last);
    }

    /// Nobody gets a turn any more.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.is_over = true;
        let left = (state.dealer.take(), std::mem::take(&mut state.parked));
        drop(state);
        self.changed.notify_all();
        drop(left);
    }

    /// The number of the lot whose turn it is.
    pub(super) fn lot(&self) -> u64 {
        self.state().lot
    }

    /// Whether no turn will come any more.
    pub(super) fn are_over(&self) -> bool {
        let state = self.state();
        state.is_over || state.lots == Some(state.lot)
    }

    /// The dealer, if the turn of this lot has come and nobody has it.
    fn try_take(&self, lot: u64) -> Option<Dealer> {
        let mut state = self.state();
        if state.lot == lot {
            state.dealer.take()
        } else {
            None
        }
    }

    /// Waits for the turn of this lot. It does not come when the run ends before.
    fn take(&self, lot: u64) -> Option<Dealer> {
        let mut state = self.state();
        state.waiting += 1;
        while !state.is_over && (state.lot != lot || state.dealer.is_none()) {
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
        // None is left when the run is over.
        state.dealer.take()
    }

    /// Takes what is held of a lot that is read to its end, unless there is enough of such, its turn has
    /// come, or none will.
    fn park(&self, lot: u64, held: Backlog) -> Result<(), Backlog> {
        let mut state = self.state();
        let weight = state.parked_bytes + held.weight;
        let is_full = weight > PARKED_BYTES || state.parked.len() >= PARKED_LOTS;
        if state.is_over || state.lot == lot || is_full {
            return Err(held);
        }
        state.parked_bytes = weight;
        state.parked.insert(lot, held);
        Ok(())
    }

    /// It is the turn of this lot. If that is parked, it comes back, to be dealt out.
    fn pass(&self, lot: u64, dealer: Dealer) -> Option<(Backlog, Dealer)> {
        let mut state = self.state();
        state.lot = lot;
        if state.is_over || state.lots == Some(lot) {
            drop(state);
            drop(dealer);
            return None;
        }
        if let Some(held) = state.parked.remove(&lot) {
            state.parked_bytes -= held.weight;
            return Some((held, dealer));
        }
        state.dealer = Some(dealer);
        // To notify nobody is a system call.
        let is_waited_for = state.waiting > 0;
        drop(state);
        if is_waited_for {
            self.changed.notify_all();
        }
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When what is read may be dealt out.
pub(super) enum Turn<'a> {
    /// In the order of the inputs.
    Lot(LotTurn<'a>),
    /// At any time, as the input came at any time.
    Any(Arc<Mutex<Dealer>>),
}

impl Turn<'_> {
    fn is_taken(&self) -> bool {
        !matches!(self, Self::Lot(LotTurn { dealer: None, .. }))
    }

    /// Takes it if it has come; says whether it has.
    fn try_take(&mut self) -> bool {
        match self {
            Self::Lot(turn) => turn.try_take(),
            Self::Any(_) => true,
        }
    }

    /// Waits for it and takes it; says whether it has come, as it does not when the run ends before.
    fn take(&mut self) -> bool {
        match self {
            Self::Lot(turn) => turn.take(),
            Self::Any(_) => true,
        }
    }

    /// Has the dealer do something, if the turn was taken.
    fn with_dealer<R>(&mut self, deal: impl FnOnce(&mut Dealer) -> R) -> Option<R> {
        match self {
            Self::Lot(turn) => turn.dealer.as_mut().map(deal),
            Self::Any(dealer) => {
                let mut dealer = dealer.lock().unwrap_or_else(PoisonError::into_inner);
                Some(deal(&mut dealer))
            }
        }
    }
}

/// The turn of one lot.
pub(super) struct LotTurn<'a> {
    turns: &'a Turns,
    lot: u64,
    /// Only when the turn has come.
    dealer: Option<Dealer>,
    /// It was passed on, or left to others.
    is_done: bool,
}

impl<'a> LotTurn<'a> {
    /// The turn of the lot of this number.
    pub(super) fn new(turns: &'a Turns, lot: u64) -> Self {
        Self {
            turns,
            lot,
            dealer: None,
            is_done: false,
        }
    }

    fn try_take(&mut self) -> bool {
        if self.dealer.is_none() {
            self.dealer = self.turns.try_take(self.lot);
        }
        self.dealer.is_some()
    }

    fn take(&mut self) -> bool {
        if self.dealer.is_none() {
            self.dealer = self.turns.take(self.lot);
        }
        self.dealer.is_some()
    }
}

impl Drop for LotTurn<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.turns.end();
        }
    }
}

/// What of a lot is not dealt out yet.
#[derive(Default)]
struct Backlog {
    dealt: VecDeque<Dealt>,
    weight: usize,
    /// Bytes that were read of it.
    bytes: u64,
    /// How many of them the metrics know of: those of which it is the turn.
    counted: u64,
}

impl Backlog {
    /// Tells the metrics of what was read: it is this lot's turn.
    fn count(&mut self, metrics: &Metrics) {
        metrics.input_bytes(self.bytes - self.counted);
        self.counted = self.bytes;
    }

    /// Whether nothing of it is left for the workers: to read more would only keep what they are to get
    /// out of the caches.
    fn is_worked_on(&self) -> bool {
        let mut dealt = self.dealt.iter();
        dealt.all(|dealt| matches!(dealt, Dealt::Finished(_)))
    }

    /// Deals out everything.
    fn deal(&mut self, dealer: &mut Dealer) -> Flow {
        self.weight = 0;
        while let Some(dealt) = self.dealt.pop_front() {
            if dealer.send(dealt) == Flow::Stop {
                return Flow::Stop;
            }
        }
        Flow::GoOn
    }
}

/// Where what became of the bundles of one lot, or of an input that lasts, waits to be dealt out.
pub(super) struct Outbox<'a> {
    turn: Turn<'a>,
    held: Backlog,
    metrics: &'a Metrics,
}

impl<'a> Outbox<'a> {
    pub(super) fn new(turn: Turn<'a>, metrics: &'a Metrics) -> Self {
        Self {
            turn,
            held: Backlog::default(),
            metrics,
        }
    }

    /// So many bytes were read.
    pub(super) fn came(&mut self, count: usize) {
        self.held.bytes = self.held.bytes.saturating_add(count as u64);
        if self.turn.is_taken() {
            self.held.count(self.metrics);
        }
    }

    /// Takes the turn if it has come; says whether it has.
    pub(super) fn try_take_turn(&mut self) -> bool {
        self.turn.try_take()
    }

    /// The number of a bundle that who asks works on and sends, when it is this lot's turn and everything
    /// before it was dealt out.
    pub(super) fn take_number(&mut self) -> Option<u64> {
        if !self.held.dealt.is_empty() {
            return None;
        }
        self.turn.with_dealer(Dealer::take_number)
    }

    /// Whether nothing more is to be held.
    pub(super) fn is_full(&self) -> bool {
        self.held.weight >= HELD_BYTES || self.held.dealt.len() >= HELD_BUNDLES
    }

    /// Deals this out, or holds it as long as it is another lot's turn; of a bundle that comes in many
    /// parts no more than is to be held, and then waits for the turn: `crew` says why it comes.
    pub(super) fn put(&mut self, dealt: Dealt) -> Flow {
        let more_follows = matches!(&dealt, Dealt::Finished(finished) if !finished.last);
        self.held.weight += dealt.weight();
        self.held.dealt.push_back(dealt);
        if more_follows && self.is_full() && !self.turn.take() {
            // Nobody will take it.
            self.held = Backlog::default();
            return Flow::Stop;
        }
        self.deal_if_due()
    }

    /// Deals out what is held if the turn has come.
    pub(super) fn deal_if_due(&mut self) -> Flow {
        if !self.turn.try_take() {
            return Flow::GoOn;
        }
        let held = &mut self.held;
        held.count(self.metrics);
        let dealt = self.turn.with_dealer(|dealer| held.deal(dealer));
        dealt.unwrap_or(Flow::Stop)
    }

    /// The lot is read to its end: leaves what is held of it to who has the turn, unless that has come,
    /// or something is still to be worked on. Returns whether it did.
    pub(super) fn try_park(&mut self) -> bool {
        let Turn::Lot(turn) = &mut self.turn else {
            return false;
        };
        if turn.dealer.is_some() || !self.held.is_worked_on() {
            return false;
        }
        match turn.turns.park(turn.lot, std::mem::take(&mut self.held)) {
            Ok(()) => turn.is_done = true,
            Err(held) => self.held = held,
        }
        turn.is_done
    }

    /// The lot is read to its end and dealt out: passes the turn on, through the lots that are parked
    /// behind it.
    pub(super) fn pass_on(mut self) -> Flow {
        let Turn::Lot(turn) = &mut self.turn else {
            return Flow::GoOn;
        };
        let mut flow = Flow::GoOn;
        let mut lot = turn.lot;
        let mut dealer = turn.dealer.take();
        while flow == Flow::GoOn
            && let Some(passed) = dealer.take()
        {
            lot += 1;
            if let Some((mut held, mut passed)) = turn.turns.pass(lot, passed) {
                held.count(self.metrics);
                flow = held.deal(&mut passed);
                dealer = Some(passed);
            }
        }
        turn.is_done = flow == Flow::GoOn;
        flow
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::sync_channel;
    use std::thread::scope;

    use super::*;
    use crate::pipeline::bundle::Finished;
    use crate::pipeline::sequence::{Receiver, sequence};

    const LOTS: u64 = 40;

    /// A dealer whose workers never have room, and what it deals out.
    fn dealer() -> (Dealer, Receiver) {
        let (bundles, _) = sync_channel(0);
        let (done, finished) = sequence();
        (Dealer::new(bundles, done), finished)
    }

    fn put(outbox: &mut Outbox<'_>, name: &str) -> Flow {
        outbox.came(name.len());
        outbox.put(Dealt::Finished(Finished::named(name, true)))
    }

    fn names(finished: &Receiver) -> Vec<String> {
        std::iter::from_fn(|| finished.receive())
            .map(|finished| finished.name())
            .collect()
    }

    fn outbox<'a>(turns: &'a Turns, lot: u64, metrics: &'a Metrics) -> Outbox<'a> {
        Outbox::new(Turn::Lot(LotTurn::new(turns, lot)), metrics)
    }

    /// Ends a lot as soon as that is possible.
    fn finish(mut outbox: Outbox<'_>) -> Flow {
        while !outbox.try_take_turn() {
            if outbox.try_park() {
                return Flow::GoOn;
            }
            std::thread::yield_now();
        }
        assert_eq!(outbox.deal_if_due(), Flow::GoOn);
        outbox.pass_on()
    }

    #[test]
    fn lots_that_are_read_side_by_side_are_dealt_out_in_order() {
        let (turns, metrics) = (Turns::default(), Metrics::off());
        let (dealer, finished) = dealer();
        turns.begin(dealer);
        let next = AtomicU64::new(0);
        let read = || {
            loop {
                let lot = next.fetch_add(1, Ordering::Relaxed);
                if lot >= LOTS {
                    turns.end_after(LOTS);
                    return;
                }
                let mut outbox = outbox(&turns, lot, &metrics);
                // Some lots are empty, and some take long.
                for bundle in 0..lot % 4 {
                    assert_eq!(put(&mut outbox, &format!("{lot}.{bundle}")), Flow::GoOn);
                    std::thread::yield_now();
                }
                assert_eq!(finish(outbox), Flow::GoOn);
            }
        };
        let found = scope(|scope| {
            for _ in 0..3 {
                scope.spawn(read);
            }
            names(&finished)
        });
        let expected = (0..LOTS)
            .flat_map(|lot| (0..lot % 4).map(move |bundle| format!("{lot}.{bundle}")))
            .collect::<Vec<_>>();
        assert_eq!(found, expected);
        let all = expected.iter().map(String::len).sum::<usize>();
        assert_eq!(metrics.totals().input_bytes, all as u64);
        assert!(turns.are_over());
    }

    #[test]
    fn a_lot_that_is_read_before_its_turn_is_dealt_out_by_who_passes_it_on() {
        let (turns, metrics) = (Turns::default(), Metrics::off());
        let (dealer, finished) = dealer();
        turns.begin(dealer);
        let [mut first, mut second, mut third] = [0, 1, 2].map(|lot| outbox(&turns, lot, &metrics));
        put(&mut third, "third");
        assert!(third.try_park());
        put(&mut second, "second");
        assert!(second.try_park());
        assert_eq!(metrics.totals().input_bytes, 0, "it is nobody's turn");
        put(&mut first, "first");
        assert!(!first.try_park(), "it is its turn");
        assert_eq!(finish(first), Flow::GoOn);
        turns.end_after(3);
        assert!(turns.are_over());
        assert_eq!(names(&finished), ["first", "second", "third"]);
        assert_eq!(metrics.totals().input_bytes, 16);
    }

    #[test]
    fn a_turn_that_is_given_up_ends_those_who_wait() {
        let (turns, metrics) = (Turns::default(), Metrics::off());
        let (dealer, finished) = dealer();
        turns.begin(dealer);
        let [mut first, mut second, mut third] = [0, 1, 2].map(|lot| outbox(&turns, lot, &metrics));
        put(&mut first, "first");
        assert!(third.try_park());
        let waited = scope(|scope| {
            let waiting = scope.spawn(|| {
                let part = || Dealt::Finished(Finished::named("second", false));
                // It is too much to be held, and more is to follow.
                let mut flows = (0..HELD_BUNDLES).map(|_| second.put(part()));
                flows.find(|flow| *flow == Flow::Stop)
            });
            drop(first);
            waiting.join().ok()
        });
        assert_eq!(waited, Some(Some(Flow::Stop)));
        assert!(turns.are_over());
        assert_eq!(names(&finished), ["first"]);
    }

    /// What a thread works on itself has to come between what was dealt out before and after.
    #[test]
    fn only_who_has_the_turn_gets_a_number() {
        let (turns, metrics) = (Turns::default(), Metrics::off());
        let (dealer, _finished) = dealer();
        turns.begin(dealer);
        let [mut first, mut second] = [0, 1].map(|lot| outbox(&turns, lot, &metrics));
        assert_eq!(second.take_number(), None);
        put(&mut second, "second");
        put(&mut first, "first");
        assert_eq!(first.take_number(), Some(1));
        assert_eq!(finish(first), Flow::GoOn);
        assert!(second.try_take_turn());
        assert_eq!(second.take_number(), None, "what is held comes first");
        assert_eq!(second.deal_if_due(), Flow::GoOn);
        assert_eq!(second.take_number(), Some(3));
    }

    #[test]
    fn no_more_is_parked_than_is_meant_to_be() {
        let turns = Turns::default();
        let held = || Backlog {
            weight: PARKED_BYTES / 2,
            ..Backlog::default()
        };
        assert!(turns.park(2, held()).is_ok());
        assert!(turns.park(3, held()).is_ok());
        assert!(turns.park(4, held()).is_err());
        let (dealer, _finished) = dealer();
        turns.begin(dealer);
        let dealer = turns.try_take(0);
        let parked = dealer.and_then(|dealer| turns.pass(2, dealer));
        assert!(parked.is_some());
        assert!(turns.park(4, held()).is_ok());
        assert!(turns.park(2, held()).is_err(), "its turn has come");
    }

    /// 400,000 damaged files behind one whose records nobody took, took 1.7 GiB.
    #[test]
    fn r_lots_that_give_nothing_are_parked_by_number() {
        let turns = Turns::default();
        let parked = (1..100).take_while(|lot| turns.park(*lot, Backlog::default()).is_ok());
        assert_eq!(parked.count(), PARKED_LOTS);
    }
}
