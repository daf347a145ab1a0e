//! Holds events until those that are older can hardly come any more.
//!
//! In → out: items with the time and the length of their event ([`Reorder::push`]); the same
//! items when it is their turn ([`Reorder::pop`]).
//!
//! Invariants: **What leaves is in order of time, and of arrival where the times are equal**,
//! but for the late ones: a late event is one that is older than one that has left, and it is
//! handed back at once. **An event leaves as soon as one has come whose time is the span or more
//! after its own, and as soon as too many are held**, the oldest first. **Every item leaves once.**
//!
//! The newest time can be a wrong one, far in the future. Then every event is older than it by
//! more than the span, so nothing waits, and nothing is put in order. Hence after
//! [`STALE_IN_A_ROW`] such events in a row, all that is held leaves, and the order begins anew
//! with the next event.
//!
//! Not here: events without a time, and rejects, which are never held (`pipeline::writer`).
//!
//! Failure: none.
//!
//! Cost: a binary heap; for each event as many steps as the number of held ones has binary digits.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

/// An event counts as one for each started piece of this length, so that their number bounds their
/// bytes.
pub const UNIT_BYTES: usize = 4096;

/// So many events in a row that are older than the newest by the span make it an outlier. A few
/// come with every late log file.
pub const STALE_IN_A_ROW: u32 = 100;

/// What is held, and what has left.
#[derive(Debug)]
pub struct Reorder<T> {
    span_ms: i64,
    /// The most units that are held.
    limit: usize,
    held: BinaryHeap<Reverse<Held<T>>>,
    /// The units of all that is held.
    units: usize,
    /// How many items have come; ties leave by it.
    arrivals: u64,
    /// The latest time that has come.
    newest_ms: Option<i64>,
    /// The latest time that has left.
    left_ms: Option<i64>,
    /// So many events in a row were older than the newest by the span.
    stale: u32,
    /// All that is held is to leave.
    is_released: bool,
}

#[derive(Debug)]
struct Held<T> {
    time_ms: i64,
    arrival: u64,
    units: usize,
    item: T,
}

impl<T> Reorder<T> {
    /// Holds an event for at most `span` of the events' time, and at most `limit` events, at
    /// least one.
    pub fn new(span: Duration, limit: usize) -> Self {
        Self {
            span_ms: i64::try_from(span.as_millis()).unwrap_or(i64::MAX),
            limit,
            held: BinaryHeap::new(),
            units: 0,
            arrivals: 0,
            newest_ms: None,
            left_ms: None,
            stale: 0,
            is_released: false,
        }
    }

    /// Takes an item of `length` bytes, whose event is of `time_ms`, in milliseconds since 1970.
    /// After it, [`Self::pop`] is to be called until it gives nothing.
    ///
    /// # Errors
    ///
    /// The item itself when it is late: it is to be passed on before what [`Self::pop`] gives.
    pub fn push(&mut self, time_ms: i64, length: usize, item: T) -> Result<(), T> {
        let newest = self.newest_ms.map_or(time_ms, |newest| newest.max(time_ms));
        self.newest_ms = Some(newest);
        self.stale = if time_ms < newest && self.is_due(time_ms) {
            self.stale + 1
        } else {
            0
        };
        if self.stale >= STALE_IN_A_ROW {
            self.release();
        }
        if self.left_ms.is_some_and(|left| time_ms < left) {
            return Err(item);
        }
        let units = length.div_ceil(UNIT_BYTES).max(1);
        self.units = self.units.saturating_add(units);
        self.held.push(Reverse(Held {
            time_ms,
            arrival: self.arrivals,
            units,
            item,
        }));
        self.arrivals += 1;
        Ok(())
    }

    /// The next item whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let Some(Reverse(oldest)) = self.held.peek() else {
            self.begin_anew();
            return None;
        };
        if !(self.is_released || self.units > self.limit || self.is_due(oldest.time_ms)) {
            return None;
        }
        let Reverse(oldest) = self.held.pop()?;
        self.units -= oldest.units;
        self.left_ms = self.left_ms.max(Some(oldest.time_ms));
        Some(oldest.item)
    }

    /// Makes it the turn of everything that is held; after that, the order begins anew.
    pub fn release(&mut self) {
        self.is_released = true;
    }

    fn is_due(&self, time_ms: i64) -> bool {
        self.newest_ms
            .is_some_and(|newest| time_ms <= newest.saturating_sub(self.span_ms))
    }

    /// Once everything that was released has left.
    fn begin_anew(&mut self) {
        if self.is_released {
            self.is_released = false;
            self.newest_ms = None;
            self.left_ms = None;
            self.stale = 0;
        }
    }
}

impl<T> Ord for Held<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time_ms, self.arrival).cmp(&(other.time_ms, other.arrival))
    }
}

impl<T> PartialOrd for Held<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Held<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Held<T> {}
