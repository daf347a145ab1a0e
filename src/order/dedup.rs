//! Says of each event whether it was there before.
//!
//! In → out: an event's [`EventKey`] and time; whether an event of the same key is remembered. If
//! not, this one is from now on.
//!
//! Invariants: **Equal means equal bytes**: a hash only says where to look, so that no event is
//! ever taken for another. Events are forgotten in the order in which they were first seen. **The
//! window holds only events that were no repeats**, and a repeat does not make its event younger.
//!
//! Not here: events that have no key, and those that are never a repeat (`pipeline::worker`).
//!
//! Failure: none.
//!
//! Cost: for each event one hash, one look-up and, when it is new, a place in a ring and in a
//! table, together at most 36 bytes, or 44 in a window of time, and [`TEXT_BYTES`] with what the
//! allocator adds for a key that is not as AWS writes it. `tests/order.rs` measures it. For a
//! moment, while the table grows, its smaller half is there too.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::time::Duration;

use hashbrown::HashTable;

/// The longest key that is no UUID with an account's number, in bytes of both together. What is
/// longer is no key, because memory could not be bounded: a record may be a gigabyte long.
pub const TEXT_BYTES: usize = 64;

/// How many events a window of time remembers at most; some 400 MB.
pub const TIMED_EVENTS: u32 = 10_000_000;

/// What two deliveries of one event have in common: its `eventID` and its `recipientAccountId`.
///
/// Hundreds of thousands of them are held, so they are small: 24 bytes. A text has one form only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EventKey(Form);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Form {
    /// A UUID in lower case, and an account of twelve digits or none: what AWS writes.
    Plain { id: [u8; 16], account: [u8; 5] },
    /// Anything else, as it is: the id, then `0xFF`, which no text holds, and the account.
    Text(Box<[u8]>),
}

impl EventKey {
    /// The key of an event; none when it has no id, or one that is too long.
    pub fn new(event_id: &[u8], account: Option<&[u8]>) -> Option<Self> {
        if event_id.is_empty() {
            return None;
        }
        if let (Some(id), Some(account)) = (uuid(event_id), account_number(account)) {
            return Some(Self(Form::Plain { id, account }));
        }
        let text = match account {
            Some(account) => [event_id, b"\xFF", account].concat(),
            None => event_id.to_vec(),
        };
        (text.len() <= TEXT_BYTES).then(|| Self(Form::Text(text.into())))
    }
}

/// The bytes of a UUID in the form that AWS writes: 8-4-4-4-12 digits, lower case.
fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    let text: &[u8; 36] = text.try_into().ok()?;
    if HYPHENS.iter().any(|&at| text.get(at) != Some(&b'-')) {
        return None;
    }
    let mut id = [0; 16];
    let mut digits = text
        .iter()
        .enumerate()
        .filter(|(at, _)| !HYPHENS.contains(at))
        .map(|(_, digit)| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        });
    for byte in &mut id {
        *byte = digits.next()?? << 4 | digits.next()??;
    }
    Some(id)
}

/// Twelve digits as a number in five bytes; no account is a number above all of them.
fn account_number(account: Option<&[u8]>) -> Option<[u8; 5]> {
    let Some(account) = account else {
        return Some([0xFF; 5]);
    };
    let digits: &[u8; 12] = account.try_into().ok()?;
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u64::from(digit - b'0'))
    })?;
    let [_, _, _, account @ ..] = number.to_be_bytes();
    Some(account)
}

/// The events of a window, for as long as it lasts.
#[derive(Debug)]
pub struct Dedup<S = RandomState> {
    /// The most events that are remembered; not 0.
    limit: usize,
    /// The remembered keys, the one that was seen first in front.
    events: VecDeque<EventKey>,
    /// The number of the front key; numbers wrap.
    first: u32,
    /// The numbers of all remembered keys, by the hashes of the keys.
    numbers: HashTable<u32>,
    hasher: S,
    times: Option<Times>,
}

/// What a window of time knows besides.
#[derive(Debug)]
struct Times {
    span_ms: i64,
    /// The time of each remembered key.
    events: VecDeque<i64>,
    /// The last time that was told.
    last: i64,
    /// An event was forgotten for want of room, within its time.
    is_cut: bool,
}

impl Dedup {
    /// Remembers the last so many events that were no repeats.
    pub fn of_events(limit: NonZeroU32) -> Self {
        Self::with_hasher(limit.get(), None, RandomState::new())
    }

    /// Remembers an event until one comes that is more than `span` later than it and than all that
    /// came before it; at most [`TIMED_EVENTS`], the last ones.
    ///
    /// So a repeat is found for certain when no event between the two is more than `span` later
    /// than them. The time of an event that has none is that of the one before it.
    pub fn of_time(span: Duration) -> Self {
        Self::with_hasher(TIMED_EVENTS, Some(span), RandomState::new())
    }
}

impl<S: BuildHasher> Dedup<S> {
    /// A window of at most `limit` events, at least one, and of `span` when given.
    pub fn with_hasher(limit: u32, span: Option<Duration>, hasher: S) -> Self {
        Self {
            limit: limit.max(1) as usize,
            events: VecDeque::new(),
            first: 0,
            numbers: HashTable::new(),
            hasher,
            times: span.map(|span| Times {
                span_ms: i64::try_from(span.as_millis()).unwrap_or(i64::MAX),
                events: VecDeque::new(),
                last: i64::MIN,
                is_cut: false,
            }),
        }
    }

    /// Whether an event of this key is remembered; if not, it is from now on. `time_ms` is its
    /// time in milliseconds since 1970.
    pub fn is_repeat(&mut self, key: EventKey, time_ms: Option<i64>) -> bool {
        self.forget_before(time_ms);
        let hash = self.hasher.hash_one(&key);
        let is_same = |&number: &u32| at(&self.events, self.first, number) == Some(&key);
        if self.numbers.find(hash, is_same).is_some() {
            return true;
        }
        if self.events.len() >= self.limit {
            self.forget_first();
            if let Some(times) = &mut self.times {
                times.is_cut = true;
            }
        }
        self.remember(key, hash);
        false
    }

    /// Whether an event had to be forgotten within its time, as there were too many.
    pub fn is_cut(&self) -> bool {
        self.times.as_ref().is_some_and(|times| times.is_cut)
    }

    fn forget_before(&mut self, time_ms: Option<i64>) {
        let Some(times) = &mut self.times else { return };
        times.last = time_ms.unwrap_or(times.last);
        let oldest = times.last.saturating_sub(times.span_ms);
        while let Some(times) = &self.times
            && times.events.front().is_some_and(|&first| first < oldest)
        {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        let Some(key) = self.events.front() else {
            return;
        };
        let first = self.first;
        let is_first = |&number: &u32| number == first;
        if let Ok(found) = self.numbers.find_entry(self.hasher.hash_one(key), is_first) {
            found.remove();
        }
        self.events.pop_front();
        self.first = self.first.wrapping_add(1);
        if let Some(times) = &mut self.times {
            times.events.pop_front();
        }
    }

    fn remember(&mut self, key: EventKey, hash: u64) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the limit is a u32, and numbers wrap"
        )]
        let number = self.first.wrapping_add(self.events.len() as u32);
        let Self {
            limit,
            events,
            first,
            numbers,
            hasher,
            times,
        } = self;
        push(events, key, *limit);
        numbers.insert_unique(hash, number, |&number| {
            at(events, *first, number).map_or(0, |key| hasher.hash_one(key))
        });
        if let Some(times) = times {
            push(&mut times.events, times.last, *limit);
        }
    }
}

/// Appends to a ring, which grows by doubling but never has room for more than the limit.
fn push<T>(ring: &mut VecDeque<T>, value: T, limit: usize) {
    let length = ring.len();
    if length == ring.capacity() {
        ring.reserve_exact(length.max(64).min(limit.saturating_sub(length)));
    }
    ring.push_back(value);
}

/// The key of that number.
fn at(events: &VecDeque<EventKey>, first: u32, number: u32) -> Option<&EventKey> {
    events.get(number.wrapping_sub(first) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap() {
        let key = |event: u32| EventKey::new(&event.to_be_bytes(), None).unwrap();
        let mut dedup = Dedup::of_events(NonZeroU32::new(3).unwrap());
        dedup.first = u32::MAX - 4;
        for event in 0..20 {
            assert!(!dedup.is_repeat(key(event), None), "{event}");
            for before in event.saturating_sub(2)..=event {
                assert!(dedup.is_repeat(key(before), None), "{before} after {event}");
            }
        }
        assert!(!dedup.is_repeat(key(0), None));
    }
}
