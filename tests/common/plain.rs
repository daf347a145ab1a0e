//! What repeats and order are by their rules alone, without any data structure to be fast.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use hsmtrail::order::reorder::{STALE_IN_A_ROW, UNIT_BYTES};

/// The window of repeats as a list that is looked through.
pub(crate) struct PlainWindow<T> {
    limit: usize,
    span_ms: Option<i64>,
    last: i64,
    events: Vec<(T, i64)>,
}

impl<T: PartialEq> PlainWindow<T> {
    pub(crate) fn new(limit: usize, span_ms: Option<i64>) -> Self {
        Self {
            limit,
            span_ms,
            last: i64::MIN,
            events: Vec::new(),
        }
    }

    pub(crate) fn is_repeat(&mut self, event: T, time_ms: Option<i64>) -> bool {
        self.last = time_ms.unwrap_or(self.last);
        if let Some(span) = self.span_ms {
            let is_young = |(_, time): &(T, i64)| *time >= self.last.saturating_sub(span);
            let keep = self.events.iter().position(is_young);
            self.events.drain(..keep.unwrap_or(self.events.len()));
        }
        if self.events.iter().any(|(seen, _)| *seen == event) {
            return true;
        }
        self.events.push((event, self.last));
        let surplus = self.events.len().saturating_sub(self.limit);
        self.events.drain(..surplus);
        false
    }
}

/// The held events as a list that is looked through for the oldest.
pub(crate) struct PlainOrder {
    span_ms: i64,
    limit: usize,
    /// Time and units of every event that came.
    events: Vec<(i64, usize)>,
    held: Vec<usize>,
    newest: i64,
    last_left: i64,
    stale: u32,
}

impl PlainOrder {
    pub(crate) fn new(span_ms: i64, limit: usize) -> Self {
        Self {
            span_ms,
            limit,
            events: Vec::new(),
            held: Vec::new(),
            newest: i64::MIN,
            last_left: i64::MIN,
            stale: 0,
        }
    }

    /// What leaves when the next event comes: its number, and whether it is late.
    pub(crate) fn push(&mut self, time: i64, length: usize) -> Vec<(usize, bool)> {
        let at = self.events.len();
        self.events.push((time, length.div_ceil(UNIT_BYTES).max(1)));
        self.newest = self.newest.max(time);
        let is_stale = time < self.newest && time <= self.newest - self.span_ms;
        self.stale = if is_stale { self.stale + 1 } else { 0 };
        let mut left = Vec::new();
        if time < self.last_left {
            left.push((at, true));
        } else {
            self.held.push(at);
        }
        if self.stale == STALE_IN_A_ROW {
            left.extend(self.rest());
            (self.newest, self.last_left, self.stale) = (i64::MIN, i64::MIN, 0);
        }
        while let Some(oldest) = self.oldest() {
            let units: usize = self.held.iter().map(|&at| self.events[at].1).sum();
            if units <= self.limit && self.events[oldest].0 > self.newest - self.span_ms {
                break;
            }
            self.held.retain(|&at| at != oldest);
            self.last_left = self.last_left.max(self.events[oldest].0);
            left.push((oldest, false));
        }
        left
    }

    /// What leaves at the end.
    pub(crate) fn rest(&mut self) -> Vec<(usize, bool)> {
        let mut rest = Vec::new();
        while let Some(oldest) = self.oldest() {
            self.held.retain(|&at| at != oldest);
            rest.push((oldest, false));
        }
        rest
    }

    fn oldest(&self) -> Option<usize> {
        let times = self.held.iter().map(|&at| (self.events[at].0, at));
        times.min().map(|(_, at)| at)
    }
}
