//! Latency: a complete record is not held while the input pauses.

use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

use crate::binary::{Running, hsmtrail};
use crate::input::other;

/// Far more than any interval below, far less than for ever.
const SOON: Duration = Duration::from_secs(5);

/// Writes each piece, and waits for what has to come out of it while stdin stays open.
fn check<P: AsRef<[u8]>>(args: &[&str], steps: &[(P, &str)]) {
    let mut running = Running::start(hsmtrail(args));
    let mut expected = String::new();
    for (piece, out) in steps {
        let begun = Instant::now();
        running.write(piece);
        expected.push_str(out);
        running.expect_out(&expected);
        assert!(begun.elapsed() < SOON, "{args:?}: {out}");
    }
    assert_eq!(running.finish().quiet(), expected, "{args:?}");
}

#[test]
fn a_complete_record_comes_out_while_the_input_pauses() {
    for interval in ["0", "20ms", "100ms"] {
        for workers in ["1", "3"] {
            let args = ["--flush-interval", interval, "--workers", workers];
            // Its line has not ended, and the next one has begun with it.
            check(
                &args,
                &[
                    (other(1), &*format!("{}\n", other(1))),
                    (
                        "\n".to_owned() + &other(2) + "\n",
                        &format!("{}\n", other(2)),
                    ),
                    (
                        format!("{}\n{{\"a\":", other(3)),
                        &format!("{}\n", other(3)),
                    ),
                    ("4}".to_owned(), "{\"a\":4}\n"),
                ],
            );
            // Its array goes on.
            check(
                &args,
                &[
                    ("{\"Records\":[{\"n\":1}", "{\"n\":1}\n"),
                    (",{\"n\":2},{\"n\"", "{\"n\":2}\n"),
                    (":3}]", "{\"n\":3}\n"),
                    ("}{\n  \"n\": 4\n}", "{\"n\": 4}\n"),
                    ("[{\"n\":5}", "{\"n\":5}\n"),
                    ("]", ""),
                ],
            );
        }
    }
}

#[test]
fn a_reject_comes_out_too() {
    let mut running = Running::start(hsmtrail::<&str>([]));
    running.write("{\"n\":1}\n{\"n\":nul}\n");
    running.wait_for_out(|out| out.ends_with(b"\"raw\":\"{\\\"n\\\":nul}\"}}\n"));
    assert_eq!(running.finish().code, Some(1));
}

#[test]
fn compressed_input_that_was_flushed_is_not_held() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let mut pieces = Vec::new();
    for n in 0..3 {
        write!(encoder, "{}", other(n)).unwrap();
        encoder.flush().unwrap();
        pieces.push(std::mem::take(encoder.get_mut()));
    }
    let end = encoder.finish().unwrap();
    let lines: Vec<_> = (0..3).map(|n| other(n) + "\n").collect();
    let mut steps: Vec<_> = pieces
        .iter()
        .zip(lines.iter().map(String::as_str))
        .collect();
    steps.push((&end, ""));
    check(&[], &steps);
}

/// Who trickles bytes in does not put the flush off: records come out though there is no pause.
#[test]
fn a_trickle_does_not_hold_records_back() {
    let mut running = Running::start(hsmtrail(["--flush-interval", "200ms"]));
    running.write(other(1) + "\n");
    let begun = Instant::now();
    let mut written = 0;
    while running.out_so_far().is_empty() {
        running.write(" ");
        written += 1;
        std::thread::sleep(Duration::from_millis(10));
        assert!(
            begun.elapsed() < SOON,
            "{written} blanks, and nothing came out"
        );
    }
    assert_eq!(running.finish().quiet(), other(1) + "\n");
}

/// A long interval is kept to, and the end of the input ends it.
#[test]
fn a_long_interval_ends_with_the_input() {
    let mut running = Running::start(hsmtrail(["--flush-interval", "1h"]));
    running.write(other(1));
    assert_eq!(running.finish().quiet(), other(1) + "\n");
}
