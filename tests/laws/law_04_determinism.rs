//! Determinism: the same bytes, however the input comes and however many work on it.

use std::thread::sleep;
use std::time::Duration;

use crate::binary::{Done, Running, hsmtrail, run};
use crate::input::{cloudhsm, gzip, lines, log_file, other};

/// Some of everything: whole, damaged, long and odd, in a form of its own each.
fn inputs() -> Vec<Vec<u8>> {
    let whole: Vec<_> = (0..4)
        .map(|n| if n == 2 { cloudhsm(n) } else { other(n) })
        .collect();
    let long = format!("{{\"long\":\"{}\"}}", "é".repeat(600));
    let mut damaged = whole.clone();
    damaged.insert(1, "{\"a\":tru}".to_owned());
    damaged.insert(3, long);
    damaged.insert(4, "{\"open\":[1".to_owned());
    let pretty = |records: &[String]| {
        records
            .join(",\n")
            .replace(",\"", ",\n    \"")
            .replace("{\"", "  {\n    \"")
    };
    let texts = [
        lines(&damaged),
        lines(&damaged).replace('\n', "\r\n"),
        log_file(&whole) + &log_file(&whole) + "\r" + &other(9),
        format!("\u{feff}{{\n\"Records\": [\n{}\n]\n}}\n", pretty(&damaged)),
        format!("[{}\n,{{\"a\":\"cut\n", pretty(&whole)),
        format!("{}\n{{\n\"b\":1}}\n[\n{{}}\n,{{\n{}", whole[0], whole[2]),
        whole.concat() + "1 [true,\"x\"] ] \u{feff} {\"a\":\"\u{1}\"}",
        "\n\r\n  ".to_owned(),
    ];
    texts
        .into_iter()
        .flat_map(|text| [gzip(&text), text.into_bytes()])
        .chain([
            b"\xff\xfe{\0}\0".to_vec(),
            b"\x1f".to_vec(),
            gzip(b"")[..15].to_vec(),
        ])
        .collect()
}

const ARGS: [&str; 2] = ["--max-record-bytes", "1KiB"];

/// The input in pieces of `piece` bytes; after each the filter may see the input pause.
fn run_in_pieces(input: &[u8], piece: usize, args: &[&str]) -> Done {
    let mut running = Running::start(hsmtrail(ARGS.iter().chain(args)));
    let input = input.to_vec();
    running.feed_by(move |stdin| {
        for piece in input.chunks(piece) {
            crate::binary::write(stdin, piece);
            sleep(Duration::from_micros(20));
        }
    });
    running.finish()
}

#[test]
fn same_bytes_for_any_pieces_and_any_number_of_workers() {
    for input in inputs() {
        let whole = run(&ARGS, &input);
        let ways: [(usize, &[&str]); 6] = [
            (1, &["--workers", "1", "--flush-interval", "0"]),
            (2, &["--workers", "3", "--flush-interval", "0"]),
            (7, &["--workers", "2", "--flush-interval", "1ms"]),
            (64, &["--workers", "8", "--flush-interval", "0"]),
            (1000, &["--workers", "4"]),
            (usize::MAX, &[]),
        ];
        for (piece, args) in ways {
            let done = run_in_pieces(&input, piece, args);
            assert_eq!(
                (done.code, String::from_utf8_lossy(&done.out)),
                (whole.code, String::from_utf8_lossy(&whole.out)),
                "{args:?}, pieces of {piece}: {}",
                input.escape_ascii()
            );
        }
    }
}

/// The name of a file is all that tells it from stdin.
#[test]
fn same_bytes_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stdin");
    for input in inputs() {
        std::fs::write(&path, &input).unwrap();
        let mut command = hsmtrail(ARGS);
        command.arg("stdin").current_dir(dir.path());
        let done = crate::binary::run_command(command, "");
        let expected = run(&ARGS, &input);
        assert!(
            (done.code, done.out) == (expected.code, expected.out),
            "{}",
            input.escape_ascii()
        );
    }
}

/// Neither the zone, the language nor the place changes the output.
#[test]
fn same_bytes_anywhere() {
    let input = cloudhsm(1);
    let expected = run(&[], &input);
    assert_eq!(run(&[], &input).quiet(), expected.quiet());
    for (name, value) in [
        ("TZ", "Asia/Kathmandu"),
        ("LC_ALL", "tr_TR.UTF-8"),
        ("LANG", "C"),
    ] {
        let mut command = hsmtrail::<&str>([]);
        command.env(name, value).current_dir("/");
        assert_eq!(
            crate::binary::run_command(command, &input).quiet(),
            expected.quiet()
        );
    }
}
