//! Input that is made to harm: nests, bombs, damage where nobody looks.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use hsmtrail::envelope::MAX_LEVELS;

/// `event` in so many envelopes.
fn nested(event: &str, levels: usize) -> String {
    (0..levels).fold(event.to_owned(), |inside, _| {
        format!(r#"{{"message":{}}}"#, string(&inside))
    })
}

#[test]
fn nested_up_to_the_limit() {
    for levels in 0..=MAX_LEVELS {
        let input = nested(&other(1), levels);
        assert_eq!(
            run_every_way(&input, UNWRAP).lines(),
            [other(1)],
            "{levels}"
        );
        let input = format!(r#"{{"events":[{input}]}}"#);
        assert_eq!(
            run_every_way(&input, UNWRAP).lines(),
            [other(1)],
            "{levels}"
        );
    }
    for levels in [MAX_LEVELS + 1, MAX_LEVELS + 2] {
        let input = nested(&cloudhsm(1), levels);
        check_unchanged(&[&input], &[]);
        check_unchanged(&[&format!(r#"{{"events":[{input}]}}"#)], &[]);
    }
    let objects = "{\"detail\":".repeat(127) + "{}" + &"}".repeat(127);
    check_unchanged(&[&objects], &[]);
}

/// An event may be as deep as outside, in whatever it stands.
#[test]
fn depth_counts_from_the_events_own_brace() {
    let event = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        format!(r#"{{"eventVersion":"1.08","a":{open}{close}}}"#)
    };
    let (fits, deep) = (event(128), event(129));
    for around in [
        |event: &str| format!(r#"{{"id":"1","detail":{event},"x":[]}}"#),
        |event: &str| format!(r#"{{"event":{event},"x":{{"y":[]}}}}"#),
        |event: &str| format!(r#"{{"message":{}}}"#, string(event)),
        |event: &str| format!(r#"{{"Events":[{{"CloudTrailEvent":{}}}]}}"#, string(event)),
        |event: &str| format!(r#"{{"detail":{{"body":{{"Records":[{event}]}}}}}}"#),
        |event: &str| {
            format!(
                r#"{{"body":{}}}"#,
                string(&format!(r#"{{"detail":{event}}}"#))
            )
        },
    ] {
        assert_eq!(run(&around(&fits), UNWRAP).lines(), [&*fits]);
        let done = run(&around(&deep), UNWRAP);
        assert_eq!(done.rejects[0].0, RejectReason::TooDeep);
        assert_eq!(done.rejects[0].4, deep);
        // What is around it counts as well.
        let done = run(
            &format!(r#"{{"a":{},"detail":{fits}}}"#, event(128)),
            UNWRAP,
        );
        assert_eq!(done.rejects[0].0, RejectReason::TooDeep);
    }
}

#[test]
fn compressed_once_only() {
    let once = awslogs(&cloudhsm(1));
    assert_eq!(run(&once, UNWRAP).of(RecordOutcome::Enriched), 1);
    check_unchanged(&[&awslogs(&once)], &[]);
    let in_strings = format!(r#"{{"body":{}}}"#, string(&once));
    assert_eq!(run(&in_strings, UNWRAP).of(RecordOutcome::Enriched), 1);
}

/// Nothing is known of what it held, so it is not passed as if it were nothing.
#[test]
fn damaged_payloads_are_rejects() {
    let packed = gzip(&cloudhsm(1));
    let base64 = STANDARD.encode(&packed);
    let mut flipped = packed.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for data in [
        base64[..base64.len() - 1].to_owned(),
        base64.replace('=', "").replace(&base64[8..12], "*%*%"),
        STANDARD.encode(&packed[..packed.len() / 2]),
        STANDARD.encode(flipped),
        STANDARD.encode([&packed[..], b"{}"].concat()),
        "H4sI".to_owned(),
    ] {
        let record = format!(r#"{{"awslogs":{{"data":"{data}"}}}}"#);
        for limits in [UNWRAP, KEEP] {
            let done = run(&format!("{{}}\n{record}\n"), limits);
            assert_eq!(done.lines(), ["{}"]);
            let expected = (
                RejectReason::Malformed,
                Detail::BadPayload,
                2,
                3,
                record.clone(),
            );
            assert_eq!(done.rejects, [expected]);
        }
        let inside = format!("{}\n{record}", other(1));
        let done = run(&format!(r#"{{"body":{}}}"#, string(&inside)), UNWRAP);
        assert_eq!(done.lines(), [other(1)]);
        assert_eq!(done.rejects.len(), 1);
    }
}

#[test]
fn bombs_are_not_held() {
    let limits = Limits {
        max_record_bytes: 64 * 1024,
        ..UNWRAP
    };
    let limit = 16 * limits.max_record_bytes;
    let too_much = |record: &str| {
        let done = run(record, limits);
        assert_eq!(done.lines.len(), 0);
        assert_eq!(done.rejects.len(), 1);
        assert_eq!(done.rejects[0].0, RejectReason::Oversize);
        assert_eq!(done.rejects[0].1, Detail::HoldsTooMuch);
        assert_eq!(done.rejects[0].4, record);
    };
    too_much(&awslogs(&" ".repeat(limit + 1)));
    let event = cloudhsm(1);
    let fits = awslogs(&(event.clone() + &" ".repeat(limit - event.len())));
    assert_eq!(run(&fits, limits).of(RecordOutcome::Enriched), 1);
    too_much(&awslogs(&format!("{event}{}", "{}".repeat(110_000))));
    // Without an event it is nobody's business how many there are.
    let record = awslogs(&"{}".repeat(110_000));
    assert_eq!(run(&record, limits).lines(), [&*record]);
    // A record inside may not be longer than one outside.
    let long = format!(r#"{{"eventVersion":"1.08","a":"{}"}}"#, "x".repeat(70_000));
    let done = run(&awslogs(&format!("{long}{event}")), limits);
    assert_eq!(done.of(RecordOutcome::Enriched), 1);
    assert_eq!(done.rejects.len(), 1);
    assert_eq!(done.rejects[0].1, Detail::TooLong);
    assert_eq!(done.rejects[0].4, long);
}

/// As long as it takes to copy them; hours, if each were compared with every other.
#[test]
fn many_members_of_one_name_take_linear_time() {
    let members: Vec<_> = (0..5_000)
        .map(|n| format!(r#""message":{}"#, string(&other(n))))
        .collect();
    let done = run(&format!("{{{}}}", members.join(",")), UNWRAP);
    assert_eq!(done.lines.len(), 5_000);
}

/// An array that might carry events to its very end, and carries none.
#[test]
fn an_array_is_looked_at_once() {
    let elements = r#"{"message":"{\"a\":1}"},"#.repeat(30_000);
    let record = format!(r#"{{"events":[{elements}{{}}]}}"#);
    assert_eq!(run(&record, UNWRAP).lines(), [&*record]);
    let late = format!(r#"{{"events":[{elements}{}]}}"#, other(1));
    assert_eq!(run_in(4096, &late, UNWRAP).lines.len(), 30_001);
}

/// Longer than a record may be before the first event shows: as for `Records`, it is too long.
#[test]
fn an_array_whose_first_event_is_too_far() {
    let limits = Limits {
        max_record_bytes: 1024,
        ..UNWRAP
    };
    let element = format!(r#"{{"message":{}}}"#, string(&other(1)));
    let near = format!(
        r#"{{"x":"{}","events":[{element},{element}]}}"#,
        "x".repeat(800)
    );
    assert_eq!(run_every_way(&near, limits).lines.len(), 2);
    let far = format!(r#"{{"x":"{}","events":[{element}]}}"#, "x".repeat(1000));
    let done = run(&format!("{{}}\n{far}\n"), limits);
    assert_eq!(done.lines(), ["{}"]);
    assert_eq!(done.rejects[0].0, RejectReason::Oversize);
}

#[test]
fn escapes_that_stand_for_no_character() {
    // The text has an unpaired surrogate of its own, which only an escape can write.
    let input = r#"{"message":"{\"eventVersion\":\"1.08\",\"a\":\"\ud800\",\"eventSource\":\"cloudhsm.amazonaws.com\"}"}"#;
    let done = run(input, UNWRAP);
    assert_eq!(done.of(RecordOutcome::Enriched), 1);
    assert!(done.lines[0].starts_with(r#"{"eventVersion":"1.08","a":"\ud800","eventSource""#));
    // A control character cannot stand in a string of the text.
    let input = r#"{"message":"{\"eventVersion\":\"1.08\",\"a\":\"\u0000\"}"}"#;
    assert_eq!(run(input, UNWRAP).rejects[0].0, RejectReason::Malformed);
}

#[test]
fn an_envelope_that_is_no_json_is_a_reject_as_a_whole() {
    for record in [
        format!(r#"{{"message":{},}}"#, string(&cloudhsm(1))),
        format!(r#"{{"message":{},"a":nul}}"#, string(&cloudhsm(1))),
        format!(r#"{{"message":"\x{}"}}"#, cloudhsm(1).replace('"', "\\\"")),
        format!(r#"{{"detail":{}"x"}}"#, cloudhsm(1)),
    ] {
        for validate in [Validate::All, Validate::Matching] {
            let done = run(&record, Limits { validate, ..UNWRAP });
            assert_eq!(done.lines(), [""; 0], "{record}");
            assert_eq!(done.rejects[0].0, RejectReason::Malformed);
            assert_eq!(done.rejects[0].4, record);
        }
    }
}

fn inside(event: String) -> impl Strategy<Value = String> {
    let wraps = vec(0..6_usize, 0..6);
    wraps.prop_map(move |wraps| {
        wraps
            .into_iter()
            .fold(event.clone(), |text, wrap| match wrap {
                0 => format!(r#"{{"message":{}}}"#, string(&text)),
                1 => format!(r#"{{"x":[],"detail":{text}}}"#),
                2 => format!(r#"{{"Records":[{text},{text}]}}"#),
                3 => format!(r#"{{"Events":[{{"CloudTrailEvent":{}}}]}}"#, string(&text)),
                4 => awslogs(&text),
                _ => format!(r#"{{"event":{{"original":{}}}}}"#, string(&text)),
            })
    })
}

proptest! {
    /// However it is nested, an event comes out of at most so many envelopes, as it is.
    #[test]
    fn an_event_comes_out_or_stays_inside(
        wraps in vec(0..3_usize, 0..7),
        array in 0..3_usize,
        chunk in 1..200_usize,
    ) {
        let event = other(7);
        let record = wraps.iter().fold(event.clone(), |text, wrap| match wrap {
            0 => format!(r#"{{"message":{}}}"#, string(&text)),
            1 => format!(r#"{{"x":[],"detail":{text}}}"#),
            _ => format!(r#"{{"event":{{"original":{}}}}}"#, string(&text)),
        });
        let input = match array {
            0 => record.clone(),
            1 => format!(r#"{{"Records":[{record}]}}"#),
            _ => format!(r#"{{"Events":[{record}],"NextToken":"t"}}"#),
        };
        let stays = if array == 2 { &input } else { &record };
        let expected = if wraps.len() <= MAX_LEVELS { &event } else { stays };
        let done = run_in(chunk, &input, UNWRAP);
        prop_assert_eq!(done.lines(), [expected]);
    }

    /// Bytes changed at random: no panic, the counts add up, and pieces make no difference.
    #[test]
    fn damage_anywhere(
        input in inside(cloudhsm(7)),
        changes in vec((any::<prop::sample::Index>(), select(&b"{}[]\"\\:,a0\n "[..])), 1..4),
        chunk in 1..200_usize,
    ) {
        let mut bytes = input.into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let input = String::from_utf8(bytes).unwrap();
        for limits in [UNWRAP, KEEP] {
            prop_assert_eq!(run_in(chunk, &input, limits), run(&input, limits));
        }
    }
}
