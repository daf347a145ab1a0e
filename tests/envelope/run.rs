//! The program as a whole: options, repeats, order, metrics.

use super::binary::run as run_binary;
use super::*;

/// An event of that id and second.
fn event(id: usize, second: usize) -> String {
    format!(
        r#"{{"eventVersion":"1.08","eventSource":"cloudhsm.amazonaws.com","eventName":"DeleteHsm","eventID":"{id}","eventTime":"2026-03-07T23:24:{second:02}Z"}}"#
    )
}

fn bridge(event: &str) -> String {
    format!(r#"{{"id":"of its own","detail":{event}}}"#)
}

#[test]
fn the_option() {
    let input = bridge(&event(1, 1));
    for (args, begins) in [
        (&[][..], r#"{"eventVersion":"#),
        (&["--envelope", "unwrap"], r#"{"eventVersion":"#),
        (&["--envelope", "keep"], r#"{"id":"of its own","detail":{"#),
    ] {
        let done = run_binary(args, &input);
        assert!(done.quiet().starts_with(begins), "{args:?}");
        assert!(done.quiet().contains(",\"cloudhsm\":{\"version\":1,"));
    }
    assert_eq!(run_binary(&["--envelope", "some"], &input).code, Some(2));
}

/// A call that comes from a trail and from EventBridge is one event.
#[test]
fn repeats_are_those_of_the_events() {
    let (a, b) = (event(1, 1), event(2, 2));
    let input = [bridge(&a), a.clone(), bridge(&b), bridge(&a), b.clone()].join("\n");
    for keep in ["unwrap", "keep"] {
        let args = ["--dedup", "--summary", "--envelope", keep];
        let done = run_binary(&args, &input);
        assert_eq!(done.lines().len(), 2, "{keep}");
        assert!(done.err.contains("3 duplicate"), "{}", done.err);
    }
    // The text of several events is a record of its own.
    let both = format!(r#"{{"message":{}}}"#, string(&format!("{a}{b}")));
    let input = [&*both, &both].join("\n");
    assert_eq!(run_binary(&["--dedup"], &input).lines().len(), 2);
    let kept = run_binary(&["--dedup", "--envelope", "keep"], &input);
    assert_eq!(kept.lines().len(), 2);
}

#[test]
fn order_is_that_of_the_events() {
    let input: Vec<_> = [3, 1, 2].map(|n| bridge(&event(n, n))).into();
    for keep in ["unwrap", "keep"] {
        let args = ["--reorder", "1m", "--envelope", keep];
        let done = run_binary(&args, input.join("\n"));
        let found = |line: &&str| {
            [1, 2, 3]
                .into_iter()
                .find(|n| line.contains(&event(*n, *n)[1..100]))
        };
        let order: Vec<_> = done.lines().iter().filter_map(found).collect();
        assert_eq!(order, [1, 2, 3], "{keep}");
    }
}

/// Output that is handed on in parts is the same as output in one.
#[test]
fn what_unfolds_far_stays_in_order() {
    let events: Vec<_> = (0..8_000).map(other).collect();
    let messages: Vec<_> = events
        .iter()
        .map(|event| format!(r#"{{"message":{}}}"#, string(event)))
        .collect();
    let half =
        |messages: &[String]| awslogs(&format!(r#"{{"logEvents":[{}]}}"#, messages.join(",")));
    let (first, second) = messages.split_at(4_000);
    let input = format!("{{}}\n{}\n17\n{}\n{{}}\n", half(first), half(second));
    for workers in ["1", "3"] {
        let done = run_binary(&["--workers", workers], &input);
        let lines = done.lines();
        assert_eq!((lines[0], lines[8_002]), ("{}", "{}"));
        assert_eq!(lines[1..=4_000], events[..4_000]);
        assert!(
            lines[4_001].contains("\"record\":4002,"),
            "{}",
            lines[4_001]
        );
        assert_eq!(lines[4_002..8_002], events[4_000..]);
    }
}
