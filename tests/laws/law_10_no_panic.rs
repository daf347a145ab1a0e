//! No panic: whatever comes in, the process ends in an orderly way, and its output is NDJSON.

use std::fs;

use serde::de::IgnoredAny;

use crate::binary::{Done, hsmtrail, run_command};
use crate::input::{cloudhsm, gzip, lines, log_file, other};

/// The ways through the program that differ in what they do with bytes.
const WAYS: [&[&str]; 5] = [
    &[],
    &[
        "--validate",
        "matching",
        "--select",
        "cloudhsm",
        "--workers",
        "1",
    ],
    &["--input", "lines", "--on-reject", "drop"],
    &["--input", "document", "--max-record-bytes", "1KiB"],
    &["--rejects", "/dev/null", "--max-record-bytes", "1KiB"],
];

/// Runs over all inputs at once; only when that fails, over each alone, to name it.
fn check(inputs: &[Vec<u8>]) {
    let dir = tempfile::tempdir().unwrap();
    for (n, input) in inputs.iter().enumerate() {
        fs::write(dir.path().join(n.to_string()), input).unwrap();
    }
    let run = |args: &[&str], numbers: std::ops::Range<usize>| {
        let mut command = hsmtrail(args);
        command
            .args(numbers.map(|n| n.to_string()))
            .current_dir(dir.path());
        run_command(command, "")
    };
    for args in WAYS {
        let Err(wrong) = verdict(&run(args, 0..inputs.len())) else {
            continue;
        };
        for (n, input) in inputs.iter().enumerate() {
            if let Err(wrong) = verdict(&run(args, n..n + 1)) {
                panic!("{wrong}\n{args:?} with {}", input.escape_ascii());
            }
        }
        panic!("{wrong}\n{args:?} with all inputs together");
    }
}

fn verdict(done: &Done) -> Result<(), String> {
    if !matches!(done.code, Some(0 | 1 | 3)) {
        return Err(format!("exit status {:?}: {}", done.code, done.err));
    }
    if let Some(line) = done
        .err
        .lines()
        .find(|line| !line.starts_with("hsmtrail: "))
    {
        return Err(format!("on stderr: {line}"));
    }
    if done.err.contains("panicked") || done.err.contains("fault") {
        return Err(format!("on stderr: {}", done.err));
    }
    for line in done.out.split_inclusive(|&byte| byte == b'\n') {
        let parsed = serde_json::from_slice::<IgnoredAny>(line);
        if parsed.is_err() || !line.ends_with(b"\n") {
            return Err(format!("in the output: {}", line.escape_ascii()));
        }
    }
    Ok(())
}

/// Small inputs in every form, with everything in them that framing and decoding look at.
fn seeds() -> Vec<Vec<u8>> {
    let rich =
        r#"{"eventTime":"2026-03-03T02:20:00Z","s":"\ud83d\n\\é","o":[{},-1.5e3]}"#.to_owned();
    let records = [cloudhsm(1), rich, other(2)];
    let texts = [
        lines(&records),
        log_file(&records),
        log_file(&records).replace(['{', ','], "\r\n {\n"),
        format!("\u{feff}[{}]", records.join("\n,")).replace(",\"", ",\n\""),
        format!(
            "{{\"x\":[1],\"\\u0052ecords\":[{}],\"y\":{{}}}}{}",
            records[1], records[0]
        ),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

/// Numbers that look random and are the same in every run.
fn noise() -> impl FnMut() -> u8 {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[4]
    }
}

#[test]
fn cut_at_each_byte() {
    let cut = |seed: &Vec<u8>| -> Vec<Vec<u8>> {
        (0..seed.len())
            .flat_map(|at| [seed[..at].to_vec(), seed[at..].to_vec()])
            .collect()
    };
    check(&seeds().iter().flat_map(cut).collect::<Vec<_>>());
}

#[test]
fn damaged_at_each_byte() {
    let mut noise = noise();
    let mut inputs = Vec::new();
    for seed in seeds() {
        for at in 0..seed.len() {
            for byte in [b'"', b'{', b'\n', noise()] {
                let mut input = seed.clone();
                input[at] = byte;
                inputs.push(input);
            }
        }
    }
    check(&inputs);
}

#[test]
fn gzip_cut_and_damaged_at_each_byte() {
    let whole = [gzip(lines(&[cloudhsm(1), other(2)])), gzip("{}")].concat();
    let mut noise = noise();
    let mut inputs = Vec::new();
    for at in 0..whole.len() {
        inputs.push(whole[..at].to_vec());
        let mut damaged = whole.clone();
        damaged[at] ^= noise() | 1;
        inputs.push(damaged);
    }
    check(&inputs);
}

#[test]
fn other_encodings_and_no_encoding() {
    let mut inputs = Vec::new();
    for seed in seeds() {
        let text = String::from_utf8(seed.clone()).unwrap();
        let utf16: Vec<u16> = text.encode_utf16().collect();
        inputs.push(utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect());
        inputs.push(utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect());
        inputs.push(
            text.chars()
                .flat_map(|letter| u32::from(letter).to_le_bytes())
                .collect(),
        );
        inputs.push(
            text.chars()
                .map(|letter| u32::from(letter).to_le_bytes()[0])
                .collect(),
        );
        for bad in [
            &b"\0"[..],
            b"\xff",
            b"\xc0\xaf",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xe2\x82",
        ] {
            for at in (0..seed.len()).step_by(7) {
                inputs.push([&seed[..at], bad, &seed[at..]].concat());
            }
        }
    }
    inputs.extend([
        b"\xff\xfe".to_vec(),
        b"\xfe\xff".to_vec(),
        b"\xef\xbb".to_vec(),
        vec![0; 5_000],
    ]);
    check(&inputs);
}

#[test]
fn random_bytes() {
    let mut noise = noise();
    let structure = b"{}[]\",:\\ \n\r\tn1\xef\xbb\xbf";
    let inputs: Vec<Vec<u8>> = (0..600)
        .map(|n| {
            let length = if n % 40 == 0 {
                30_000
            } else {
                usize::from(noise())
            };
            let mut byte = || match n % 3 {
                0 => noise(),
                // Mostly what JSON is made of.
                _ => structure[usize::from(noise()) % structure.len()],
            };
            (0..length).map(|_| byte()).collect()
        })
        .collect();
    check(&inputs);
}
