//! Decides which records leave, and when, once the user wants repeats found or events in order.
//!
//! In → out: each record that has a key or a time, in input order ([`Place`], from the worker);
//! the lines that leave, and their counts.
//!
//! Invariants: **A record is counted when it leaves, once**, as what it became. **Repeats are
//! found before anything is put in order**, so that it is the first in the input that stays.
//!
//! Not here: the two algorithms (`order`); records without a key or a time, and rejects, which
//! leave where they stand (`writer`).
//!
//! Failure: none.
//!
//! Cost: an allocation for each record that is held.

use std::num::NonZeroU32;
use std::ops::Range;

use crate::config::{Config, DedupWindow};
use crate::decode::key::KeyReader;
use crate::encode::mark_duplicate;
use crate::enrich::time::Instant;
use crate::metrics::{Counts, Enriched};
use crate::order::dedup::{Dedup, EventKey};
use crate::order::reorder::Reorder;

/// A record whose place in the output is not decided by the input alone.
#[derive(Debug)]
pub struct Place {
    /// Where its line is, with its line break, in the lines of its batch.
    pub line: Range<usize>,
    /// What became of it so far.
    pub fate: Fate,
    /// What decides its place.
    pub arrival: Arrival,
}

/// What tells an event from others, and when it was; at least one of them is known.
#[derive(Debug)]
pub struct Arrival {
    key: Option<EventKey>,
    time_ms: Option<i64>,
}

/// What became of a record that is passed on.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// Nothing was added.
    Passed,
    /// It was enriched, at that time in milliseconds since 1970.
    Enriched(Enriched, i64),
    /// It repeats another.
    Duplicate,
}

impl Arrival {
    /// What a record says; none when it can be no repeat and has no time.
    pub(super) fn of(record: &[u8], keys: &mut KeyReader) -> Option<Self> {
        let found = keys.read(record);
        let account = found.recipient_account_id;
        // Texts that were not the same may read as this one.
        let is_exact = |text: &str| !text.contains(char::REPLACEMENT_CHARACTER);
        // An addendum corrects an event that went before it, perhaps under that event's id.
        let key = found
            .event_id
            .filter(|id| is_exact(id) && account.is_none_or(is_exact) && !found.has_addendum)
            .and_then(|id| EventKey::new(id.as_bytes(), account.map(str::as_bytes)));
        let time_ms = found
            .event_time
            .and_then(Instant::parse)
            .map(Instant::milliseconds);
        (key.is_some() || time_ms.is_some()).then_some(Self { key, time_ms })
    }
}

impl Fate {
    /// Counts one record.
    pub fn count(self, counts: &mut Counts) {
        match self {
            Self::Passed => counts.passed(),
            Self::Enriched(event, now_ms) => counts.enriched(event, now_ms),
            Self::Duplicate => counts.duplicate(),
        }
    }
}

/// What is remembered and what is held.
#[derive(Debug)]
pub(super) struct Arranger {
    dedup: Option<Dedup>,
    /// A repeat is passed on with a mark instead of being dropped.
    marks: bool,
    reorder: Option<Reorder<(Box<[u8]>, Fate)>>,
    /// It was said that the window of repeats is shorter than the user wants.
    is_cut_told: bool,
}

impl Arranger {
    /// What the user wants; none when records leave as they come.
    pub(super) fn new(config: &Config) -> Option<Self> {
        let dedup = match config.dedup {
            DedupWindow::Events(events) => NonZeroU32::new(events).map(Dedup::of_events),
            DedupWindow::Time(span) => Some(Dedup::of_time(span)),
        };
        let reorder = (!config.reorder.is_zero())
            .then(|| Reorder::new(config.reorder, config.reorder_records.get()));
        (dedup.is_some() || reorder.is_some()).then_some(Self {
            dedup,
            marks: config.dedup_mark,
            reorder,
            is_cut_told: false,
        })
    }

    /// Takes a record. Its line is dropped, held, or appended to `lines` and counted. After it,
    /// [`Self::pop`] is to be called until there is no more.
    pub(super) fn take(
        &mut self,
        line: &[u8],
        place: Place,
        lines: &mut Vec<u8>,
        counts: &mut Counts,
    ) {
        let Arrival { key, time_ms } = place.arrival;
        let mut fate = place.fate;
        let mut marked = Vec::new();
        let mut line = line;
        if self.is_repeat(key, time_ms) {
            if !self.marks {
                counts.duplicate();
                return;
            }
            if matches!(fate, Fate::Enriched(..)) {
                marked.extend_from_slice(line);
                mark_duplicate(&mut marked);
                line = &marked;
            }
            fate = Fate::Duplicate;
        }
        let Some((reorder, time_ms)) = self.reorder.as_mut().zip(time_ms) else {
            leave(line, fate, lines, counts);
            return;
        };
        if let Err((line, fate)) = reorder.push(time_ms, line.len(), (line.into(), fate)) {
            counts.late();
            leave(&line, fate, lines, counts);
        }
    }

    /// Appends the next held record whose turn it is, and counts it; false when there is none.
    pub(super) fn pop(&mut self, lines: &mut Vec<u8>, counts: &mut Counts) -> bool {
        let Some((line, fate)) = self.reorder.as_mut().and_then(Reorder::pop) else {
            return false;
        };
        leave(&line, fate, lines, counts);
        true
    }

    /// Makes it the turn of everything that is held.
    pub(super) fn release(&mut self) {
        if let Some(reorder) = &mut self.reorder {
            reorder.release();
        }
    }

    fn is_repeat(&mut self, key: Option<EventKey>, time_ms: Option<i64>) -> bool {
        let Some((dedup, key)) = self.dedup.as_mut().zip(key) else {
            return false;
        };
        let is_repeat = dedup.is_repeat(key, time_ms);
        if dedup.is_cut() && !self.is_cut_told {
            self.is_cut_told = true;
            tracing::warn!(
                "more events come in the time of --dedup than can be remembered; older repeats pass"
            );
        }
        is_repeat
    }
}

fn leave(line: &[u8], fate: Fate, lines: &mut Vec<u8>, counts: &mut Counts) {
    lines.extend_from_slice(line);
    fate.count(counts);
}
