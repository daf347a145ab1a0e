//! Repeats and order against models that do the plain thing, and how much memory they take.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::num::NonZeroU32;
use std::time::Duration;

use allocation_counter::measure;
use hsmtrail::order::dedup::{Dedup, EventKey, TEXT_BYTES};
use hsmtrail::order::reorder::{Reorder, STALE_IN_A_ROW, UNIT_BYTES};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::plain::{PlainOrder, PlainWindow};

#[path = "common/plain.rs"]
mod plain;

// Keys.

const ID: &str = "6f1d9a36-0c4b-4e0a-9d52-3b7a5f21c8e0";
const ACCOUNT: &str = "111122223333";

fn key(id: &str, account: Option<&str>) -> Option<EventKey> {
    EventKey::new(id.as_bytes(), account.map(str::as_bytes))
}

/// Each of them differs from all others, and is equal to itself.
#[test]
fn equal_means_equal_bytes() {
    let texts = [
        ID.to_owned(),
        ID.to_uppercase(),
        ID.replacen('d', "D", 1),
        ID.replace('-', ""),
        ID.replacen('6', "7", 1),
        ID.replace("8e0", "8e1"),
        format!("{ID}0"),
        format!("{{{ID}}}"),
        ID.replacen('-', "0", 1),
        ID.replacen("36-0", "3-60", 1),
        ID.replacen('0', "g", 1),
        ID.replacen('0', "\u{660}", 1),
        "0".to_owned(),
        "\0".to_owned(),
        "a111122223333".to_owned(),
        "a".to_owned(),
    ];
    let accounts = [
        None,
        Some(""),
        Some(ACCOUNT),
        Some("111122223334"),
        Some("000000000000"),
        Some("999999999999"),
        Some("11112222333"),
        Some("0111122223333"),
        Some("+11122223333"),
        Some("1111222233\u{663}"),
        Some("11112222333x"),
    ];
    let all: Vec<_> = texts
        .iter()
        .flat_map(|text| accounts.map(|account| (text, account)))
        .collect();
    for &(id, account) in &all {
        for &(other_id, other_account) in &all {
            assert_eq!(
                key(id, account).unwrap() == key(other_id, other_account).unwrap(),
                (id, account) == (other_id, other_account),
                "{id} of {account:?}, {other_id} of {other_account:?}"
            );
        }
    }
}

#[test]
fn what_has_no_id_or_a_long_one_has_no_key() {
    let id = |length: usize| "x".repeat(length);
    for (id, account, is_key) in [
        (String::new(), None, false),
        (String::new(), Some(ACCOUNT), false),
        (id(TEXT_BYTES), None, true),
        (id(TEXT_BYTES + 1), None, false),
        (id(TEXT_BYTES - 13), Some(ACCOUNT), true),
        (id(TEXT_BYTES - 12), Some(ACCOUNT), false),
    ] {
        assert_eq!(key(&id, account).is_some(), is_key, "{id} {account:?}");
    }
}

#[test]
fn a_key_is_as_small_as_promised() {
    assert_eq!(size_of::<EventKey>(), 24);
    assert_eq!(size_of::<Option<EventKey>>(), 24);
    let allocations = measure(|| assert!(key(ID, Some(ACCOUNT)).is_some()));
    assert_eq!(allocations.count_total, 0);
}

// Repeats.

/// One bucket for everything.
#[derive(Default)]
struct Colliding;

impl Hasher for Colliding {
    fn finish(&self) -> u64 {
        7
    }

    fn write(&mut self, _: &[u8]) {}
}

/// A plain key or one of text, by the number.
fn numbered(event: u32) -> EventKey {
    let id = if event.is_multiple_of(3) {
        format!("id {event}")
    } else {
        format!("00000000-0000-4000-8000-{event:012x}")
    };
    key(&id, (!event.is_multiple_of(2)).then_some(ACCOUNT)).unwrap()
}

fn follows<S: BuildHasher>(
    hasher: S,
    limit: u32,
    span_ms: Option<i64>,
    events: &[(u32, Option<i64>)],
) -> Result<(), TestCaseError> {
    let span = span_ms.map(|span| Duration::from_millis(span.unsigned_abs()));
    let mut dedup = Dedup::with_hasher(limit, span, hasher);
    let mut plain = PlainWindow::new(limit as usize, span_ms);
    for (at, &(event, time)) in events.iter().enumerate() {
        prop_assert_eq!(
            dedup.is_repeat(numbered(event), time),
            plain.is_repeat(event, time),
            "event {} at {}",
            event,
            at
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn repeats_are_those_of_the_plain_window(
        limit in 1_u32..12,
        span in prop::option::of(0_i64..20),
        events in vec((0_u32..16, prop::option::of(-5_i64..40)), 0..200),
    ) {
        follows(RandomState::new(), limit, span, &events)?;
        follows(BuildHasherDefault::<Colliding>::default(), limit, span, &events)?;
    }

    /// What the README promises of a window of time, in whatever order the events come.
    #[test]
    fn within_the_time_a_repeat_is_found(
        span in 0_i64..20,
        times in vec(0_i64..30, 1..60),
    ) {
        let mut dedup = Dedup::of_time(Duration::from_millis(span.unsigned_abs()));
        for (event, &time) in (0_u32..).zip(&times) {
            prop_assert!(!dedup.is_repeat(numbered(event), Some(time)));
        }
        for (at, &time) in times.iter().enumerate() {
            let latest = times[at..].iter().max().unwrap();
            if *latest <= time + span {
                let event = u32::try_from(at).unwrap();
                prop_assert!(dedup.is_repeat(numbered(event), Some(time)), "event {}", at);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Over sizes at which the table grows and is cleaned.
    #[test]
    fn a_long_run_repeats_as_the_plain_window(
        limit in 1_u32..400,
        events in vec(0_u32..600, 2000),
    ) {
        let events: Vec<_> = events.into_iter().map(|event| (event, None)).collect();
        follows(RandomState::new(), limit, None, &events)?;
    }
}

/// A wrong time far in the future makes the window forget once, and no more.
#[test]
fn a_far_time_does_not_end_the_search_for_repeats() {
    let mut dedup = Dedup::of_time(Duration::from_mins(1));
    assert!(!dedup.is_repeat(numbered(1), Some(0)));
    assert!(!dedup.is_repeat(numbered(2), Some(i64::MAX)));
    assert!(!dedup.is_repeat(numbered(1), Some(0)));
    assert!(dedup.is_repeat(numbered(1), Some(0)));
    assert!(!dedup.is_repeat(numbered(3), Some(i64::MIN)));
    assert!(dedup.is_repeat(numbered(2), None));
}

/// The figure of the README.
#[test]
fn a_million_events_take_what_is_promised() {
    let of_time = || Dedup::of_time(Duration::from_hours(24));
    let of_events = || Dedup::of_events(NonZeroU32::new(1_000_000).unwrap());
    for (window, most, while_it_grows) in [
        (of_events as fn() -> Dedup, 36_000_000, 43_000_000),
        (of_time, 45_000_000, 50_000_000),
    ] {
        let mut dedup = window();
        let filled = measure(|| {
            for event in 0..1_000_000_u32 {
                let id = format!("00000000-0000-4000-8000-{event:012x}");
                assert!(!dedup.is_repeat(key(&id, Some(ACCOUNT)).unwrap(), Some(0)));
            }
        });
        let bytes = filled.bytes_current;
        assert!(bytes > 0 && bytes < most, "{bytes}");
        // While the table grows, the old one is there too.
        assert!(filled.bytes_max < while_it_grows, "{filled:?}");
        let more = measure(|| {
            for event in 0..1000 {
                assert!(!dedup.is_repeat(key(&format!("{event}"), None).unwrap(), Some(0)));
            }
        });
        assert!(more.bytes_max < 1_000_000, "{more:?}");
    }
}

// Order.

/// What left, with whether it was late.
fn reordered(span_ms: u64, limit: usize, events: &[(i64, usize)]) -> Vec<(usize, bool)> {
    let mut reorder = Reorder::new(Duration::from_millis(span_ms), limit);
    let mut left = Vec::new();
    for (at, &(time, length)) in events.iter().enumerate() {
        if let Err(at) = reorder.push(time, length, at) {
            left.push((at, true));
        }
        left.extend(std::iter::from_fn(|| reorder.pop()).map(|at| (at, false)));
    }
    reorder.release();
    left.extend(std::iter::from_fn(|| reorder.pop()).map(|at| (at, false)));
    left
}

/// The same by the rules alone.
fn plainly(span_ms: i64, limit: usize, events: &[(i64, usize)]) -> Vec<(usize, bool)> {
    let mut order = PlainOrder::new(span_ms, limit);
    let mut left = Vec::new();
    for &(time, length) in events {
        left.extend(order.push(time, length));
    }
    left.extend(order.rest());
    left
}

proptest! {
    #[test]
    fn order_is_that_of_the_plain_rules(
        span in 0_u32..30,
        limit in 0_usize..20,
        events in vec((0_i64..60, 0_usize..3 * UNIT_BYTES), 0..300),
    ) {
        let plain = plainly(i64::from(span), limit, &events);
        prop_assert_eq!(reordered(u64::from(span), limit, &events), plain);
    }

    /// With more stale events in a row than with any time at random.
    #[test]
    fn order_begins_anew_as_by_the_plain_rules(
        parts in vec((0_i64..1000, 1_usize..250), 1..5),
        span in 1_u32..30,
    ) {
        let events: Vec<_> = parts
            .iter()
            .flat_map(|&(start, count)| (0_i64..).take(count).map(move |n| (start + n * 7 % 40, 1)))
            .collect();
        let plain = plainly(i64::from(span), 1000, &events);
        prop_assert_eq!(reordered(u64::from(span), 1000, &events), plain);
    }

    /// Events that are late by less than the span are sorted as if all had been there at once.
    #[test]
    fn what_is_not_too_late_is_sorted(
        span in 1_u32..50,
        delays in vec((0_i64..3, 0_i64..50), 0..300),
    ) {
        let mut now = 0;
        let events: Vec<_> = delays
            .iter()
            .map(|&(step, delay)| {
                now += step;
                (now - delay.min(i64::from(span)), 1)
            })
            .collect();
        let mut sorted: Vec<usize> = (0..events.len()).collect();
        sorted.sort_by_key(|&at| events[at].0);
        let expected: Vec<_> = sorted.into_iter().map(|at| (at, false)).collect();
        prop_assert_eq!(reordered(u64::from(span), 1000, &events), expected);
    }

    /// Nothing is lost or doubled; what is not late is in order; no more is held than is allowed.
    #[test]
    fn whatever_comes_leaves_once(
        span in 0_u64..100,
        limit in 0_usize..30,
        times in vec(prop_oneof![0_i64..200, any::<i64>()], 0..90),
    ) {
        let events: Vec<_> = times.iter().map(|&time| (time, 1)).collect();
        let left = reordered(span, limit, &events);
        let mut all: Vec<_> = left.iter().map(|&(at, _)| at).collect();
        let in_time = left.iter().filter(|(_, late)| !late).map(|&(at, _)| times[at]);
        prop_assert!(in_time.is_sorted());
        for (position, at) in all.iter().enumerate() {
            prop_assert!(position + limit >= *at, "{} waits for more than {}", at, limit);
        }
        all.sort_unstable();
        prop_assert!(all.into_iter().eq(0..times.len()));
    }
}

/// A wrong time far in the future stops the order for a number of events, not for ever.
#[test]
fn a_far_time_does_not_end_the_order() {
    let before = [(10, 1), (5, 1), (i64::MAX, 1)];
    let stale = (20..).map(|time| (time, 1)).take(STALE_IN_A_ROW as usize);
    let after = [(1010, 1), (1005, 1), (1012, 1)];
    let events: Vec<_> = before.into_iter().chain(stale).chain(after).collect();
    let left: Vec<usize> = reordered(60, 1000, &events)
        .into_iter()
        .map(|(at, late)| {
            assert!(!late, "{at}");
            at
        })
        .collect();
    let n = 3 + STALE_IN_A_ROW as usize;
    assert_eq!(left[..2], [1, 0]);
    assert!(left[2..n - 1].iter().copied().eq(3..n));
    assert_eq!(left[n - 1..], [2, n + 1, n, n + 2]);
}
