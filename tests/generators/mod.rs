//! Hard input, by name: what is likely to hurt a filter that cuts, walks and unfolds text in blocks
//! and batches.
//!
//! In → out: a size and a seed; about so many bytes. The same seed gives the same bytes.
//!
//! The properties of `tests/hostile.rs` take it small and at random, `benches/complexity.rs` at
//! 1 MiB and 64 MiB. Nothing of the program is used here.

#![allow(
    dead_code,
    clippy::format_push_string,
    reason = "each of its users needs a part, and makes it once"
)]

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

/// One kind of hard input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Generator {
    pub(crate) name: &'static str,
    /// Makes so many bytes of it, or a few more.
    pub(crate) make: fn(usize, &mut Noise) -> Vec<u8>,
    /// Options without which it would not be hard.
    pub(crate) args: &'static [&'static str],
}

macro_rules! generators {
    ($($make:ident [$($arg:expr),*],)+) => {
        &[$(Generator { name: stringify!($make), make: $make, args: &[$($arg),*] }),+]
    };
}

pub(crate) const ALL: &[Generator] = generators![
    // Of blocks of 64 bytes.
    escapes_at_block_borders ["--input", "lines"],
    quotes_at_block_borders [],
    runs_of_backslashes [],
    // Of brackets.
    deep_nesting [],
    opening_braces [],
    closing_brackets [],
    giant_nesting ["--max-record-bytes", "1GiB"],
    // Of strings, names and numbers.
    megabyte_strings [],
    oversize_strings ["--max-record-bytes", "16KiB"],
    unpaired_surrogates [],
    long_numbers [],
    huge_keys [],
    escaped_keys [],
    bytes_that_are_no_text [],
    giant_string ["--max-record-bytes", "1GiB"],
    giant_object ["--max-record-bytes", "1GiB"],
    giant_lists ["--max-record-bytes", "1GiB"],
    giant_policy ["--max-record-bytes", "1GiB"],
    // Of many small things.
    one_byte_rejects ["--on-reject", "drop"],
    rejects [],
    tiny_records [],
    blanks [],
    line_break_mixes [],
    // Of documents and their damage.
    records_in_strange_places [],
    duplicate_records [],
    cut_log_files [],
    unclosed_strings [],
    unclosed_records [],
    // Of what is looked for in records.
    prefilter_bait [],
    cloudhsm_events [],
    events_twice_decoded ["--paranoid"],
    wrappers_in_wrappers [],
    kept_wrappers ["--envelope", "keep"],
    arrays_without_events [],
    giant_array_without_events ["--max-record-bytes", "1GiB"],
    giant_texts ["--max-record-bytes", "1GiB"],
    unfolding [],
    // Of order and repeats.
    repeats_in_reverse ["--dedup", "--reorder", "1h"],
];

/// Random numbers from a seed, by Marsaglia's xorshift.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % limit.max(1)
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of.get(self.below(of.len())).copied().unwrap_or_default()
    }
}

/// Text from `part`, as often as it takes.
fn fill(size: usize, mut part: impl FnMut(&mut String)) -> String {
    let mut text = String::with_capacity(size + size / 8);
    while text.len() < size {
        part(&mut text);
    }
    text
}

/// An event's beginning; members may follow.
const EVENT: &str = r#"{"eventVersion":"1.08","eventSource":"cloudhsm.amazonaws.com","eventName":"#;

fn event(members: &str) -> String {
    format!("{EVENT}\"CreateHsm\"{members}}}")
}

/// A JSON string of `text`.
fn quoted(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('\\', r"\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    )
}

fn escapes_at_block_borders(size: usize, noise: &mut Noise) -> Vec<u8> {
    fill(size, |out| {
        let start = out.len();
        out.push_str(noise.pick(&[r#"{"a":""#, EVENT, r#"{"\\":""#]));
        let filled = (out.len() - start) % 64;
        out.push_str(if filled > 30 && out.ends_with(':') {
            "\""
        } else {
            ""
        });
        out.extend(std::iter::repeat_n(
            'x',
            (58 + noise.below(8)).saturating_sub(filled),
        ));
        let escape = noise.pick(&[
            r#"\""#,
            r"\\",
            r"\u0041",
            r"\ud83d\ude00",
            r"\n",
            r#"\\\\\""#,
        ]);
        out.push_str(escape);
        out.push_str(noise.pick(&["\"}\n", "\"}", "}\"}\n"]));
    })
    .into_bytes()
}

fn quotes_at_block_borders(size: usize, noise: &mut Noise) -> Vec<u8> {
    fill(size, |out| {
        // The next quote stands at one of these, counted from the front of the input.
        let at = 62 + noise.below(5);
        out.push_str(r#"{""#);
        let gap = (at + 64 - (out.len() + 1) % 64) % 64;
        out.extend(std::iter::repeat_n('k', gap));
        out.push_str(noise.pick(&["\":\"\"}\n", "\":1}\n", "\":\"}\"}", "\":[\"]\"]}\n"]));
    })
    .into_bytes()
}

fn runs_of_backslashes(size: usize, noise: &mut Noise) -> Vec<u8> {
    fill(size, |out| {
        let run = 2 * noise.below(400);
        let tail = noise.pick(&["", "\"", "n", "u0041"]);
        let run = if tail.is_empty() { run } else { run + 1 };
        *out += &format!("{{\"a\":\"{}{tail}\"}}", "\\".repeat(run));
        out.push_str(noise.pick(&["\n", "", "\\\n"]));
    })
    .into_bytes()
}

fn nested(depth: usize, noise: &mut Noise) -> String {
    let opened: Vec<_> = (0..depth).map(|_| noise.pick(&["[", "{\"a\":"])).collect();
    let mut text = opened.concat();
    text.push('0');
    text.extend(
        opened
            .iter()
            .rev()
            .map(|open| if *open == "[" { ']' } else { '}' }),
    );
    text
}

fn deep_nesting(size: usize, noise: &mut Noise) -> Vec<u8> {
    fill(size, |out| {
        let depth = 126 + noise.below(3);
        *out += &format!("{{\"a\":{}}}\n", nested(depth, noise));
    })
    .into_bytes()
}

fn opening_braces(size: usize, noise: &mut Noise) -> Vec<u8> {
    let open = noise.pick(&["{", "{\"", "[{", "{\"a\":{"]);
    fill(size, |out| out.push_str(open)).into_bytes()
}

fn closing_brackets(size: usize, noise: &mut Noise) -> Vec<u8> {
    let mut text = "[\n{}\n".to_owned();
    text += &fill(size, |out| {
        out.push_str(noise.pick(&["}", "]", "},", "]\n", " }", "{}]"]));
    });
    text.into_bytes()
}

fn giant_nesting(size: usize, noise: &mut Noise) -> Vec<u8> {
    format!("{{\"cloudhsm\":{}}}", nested(size / 4, noise)).into_bytes()
}

/// Runs of these, one after the other: the same mixture in short text and in long.
fn runs(length: usize, noise: &mut Noise, units: &[&str]) -> String {
    fill(length, |out| {
        let unit = noise.pick(units);
        out.push_str(&unit.repeat(1 + noise.below(60)));
    })
}

/// What a string may hold.
const PIECES: &[&str] = &["x", "é", "\\\"", "{}", "\\u00e9", "cloudhsm", "😀"];

fn megabyte_strings(size: usize, noise: &mut Noise) -> Vec<u8> {
    fill(size, |out| {
        let length = (size / 2).min(1 << 20) * (5 + noise.below(5)) / 10;
        *out += &format!("{{\"a\":\"{}\"}}\n", runs(length, noise, PIECES));
    })
    .into_bytes()
}

/// As many are longer than the limit as are not.
fn oversize_strings(size: usize, noise: &mut Noise) -> Vec<u8> {
    fill(size, |out| {
        let length = noise.below(32_000);
        *out += &format!("{{\"a\":\"{}\"}}\n", runs(length, noise, PIECES));
    })
    .into_bytes()
}

fn unpaired_surrogates(size: usize, noise: &mut Noise) -> Vec<u8> {
    const UNITS: &[&str] = &[
        r"\ud800",
        r"\udc00",
        r"\ud83d\ude00",
        r"\uD83D",
        "x",
        r"\\",
        r"\u0000",
    ];
    fill(size, |out| {
        let text: String = (0..noise.below(40)).map(|_| noise.pick(UNITS)).collect();
        let name: String = (0..noise.below(3)).map(|_| noise.pick(UNITS)).collect();
        let members = format!(",\"userAgent\":\"{text}\",\"{name}\":\"{text}\"");
        *out += &format!("{}\n", event(&members));
    })
    .into_bytes()
}

fn long_numbers(size: usize, noise: &mut Noise) -> Vec<u8> {
    fill(size, |out| {
        let digits = "7".repeat(1 + noise.below(500));
        let number = match noise.below(5) {
            0 => format!("-{digits}"),
            1 => format!("{digits}.{digits}"),
            2 => format!("1e{digits}"),
            3 => format!("0.{digits}E-{digits}"),
            _ => format!("0{digits}"),
        };
        *out += &format!(
            "{}\n",
            event(&format!(",\"eventTime\":{number},\"readOnly\":{number}"))
        );
    })
    .into_bytes()
}

fn huge_keys(size: usize, noise: &mut Noise) -> Vec<u8> {
    const UNITS: &[&str] = &["k", "\\u0052", "Records", "\\\"", "é"];
    fill(size, |out| {
        let length = noise.below((size / 8).min(200_000));
        let key = runs(length, noise, UNITS);
        let value = noise.pick(&["[{}]", "1", "{}", "\"\""]);
        *out += &format!("{{\"{key}\":{value},\"{key}\":{value}}}\n\n");
    })
    .into_bytes()
}

/// Names that are looked for, none of them spelled plainly.
fn escaped_keys(size: usize, noise: &mut Noise) -> Vec<u8> {
    fill(size, |out| {
        let name = noise.pick(&[
            "Records",
            "eventSource",
            "eventVersion",
            "message",
            "cloudhsm",
            "x",
        ]);
        let name: String = name
            .bytes()
            .map(|byte| match noise.below(2) {
                0 => format!("\\u{byte:04x}"),
                _ => char::from(byte).to_string(),
            })
            .collect();
        let value = noise.pick(&["[{},{}]", "{}", "\"cloudhsm.amazonaws.com\"", "\"{}\"", "1"]);
        *out += &format!("{{\"{name}\":{value},\"{name}\":{value}}}\n");
    })
    .into_bytes()
}

fn bytes_that_are_no_text(size: usize, noise: &mut Noise) -> Vec<u8> {
    const ODD: [&[u8]; 6] = [
        b"\xff",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\0",
        b"\xe2\x82",
        b"x",
    ];
    let mut bytes = Vec::new();
    while bytes.len() < size {
        bytes.extend_from_slice(
            noise
                .pick(&["{\"a\":\"", "{\"cloudhsm\":\"", ""])
                .as_bytes(),
        );
        bytes.extend_from_slice(ODD.get(noise.below(ODD.len())).copied().unwrap_or_default());
        bytes.extend_from_slice(noise.pick(&["\"}\n", "\"}", "\n", "\r\n"]).as_bytes());
    }
    bytes
}

fn giant_string(size: usize, noise: &mut Noise) -> Vec<u8> {
    let text = fill(size, |out| {
        out.push_str(noise.pick(&["x", r"\n", r"\u0041", r"\ud800", "é{"]));
    });
    event(&format!(",\"userAgent\":\"{text}\"")).into_bytes()
}

fn giant_object(size: usize, noise: &mut Noise) -> Vec<u8> {
    const NAMES: &[&str] = &[
        "eventTime",
        "x",
        "userIdentity",
        "cloudhs",
        "requestParameters",
        "",
        "\\u0041",
    ];
    let members = fill(size, |out| {
        let name = noise.pick(NAMES);
        let number = noise.below(1000);
        let value = noise.pick(&["1", "\"x\"", "{}", "{\"arn\":\"a\",\"arn\":\"b\"}", "[{}]"]);
        *out += &format!(",\"{name}\":{value},\"{number}\":{value}");
    });
    event(&members).into_bytes()
}

fn giant_lists(size: usize, noise: &mut Noise) -> Vec<u8> {
    let list = |noise: &mut Noise, units: &[&str]| {
        let text = fill(size / 4, |out| out.push_str(noise.pick(units)));
        text.trim_end_matches(',').to_owned()
    };
    let subnets = list(
        noise,
        &["\"subnet-a\",", "1,", "\"\\u0041\",", "[[]],", "\"\","],
    );
    let tags = list(
        noise,
        &["{\"key\":\"k\",\"key\":\"l\"},", "{},", "{\"value\":{}},"],
    );
    let keys = list(noise, &["\"k\",", "null,"]);
    let hsms = list(noise, &["{},", "1,", "{\"a\":[{}]},"]);
    event(&format!(
        ",\"requestParameters\":{{\"subnetIds\":[{subnets}],\"tagList\":[{tags}],\
         \"tagKeyList\":[{keys}]}},\"responseElements\":{{\"cluster\":{{\"hsms\":[{hsms}]}}}}"
    ))
    .into_bytes()
}

fn giant_policy(size: usize, noise: &mut Noise) -> Vec<u8> {
    let principals = fill(size * 3 / 4, |out| {
        let comma = if out.is_empty() { "" } else { "," };
        let number = noise.below(100_000_000);
        let kind = noise.pick(&["AWS", "Service", "k"]);
        *out += &format!("{comma}\"{kind}{number}\":[\"arn:aws:iam::{number:012}:root\",\"*\"]");
    });
    let policy =
        format!("{{\"Statement\":[{{\"Effect\":\"Allow\",\"Principal\":{{{principals}}}}}]}}");
    format!(
        "{EVENT}\"PutResourcePolicy\",\"requestParameters\":{{\"policy\":{}}}}}",
        quoted(&policy)
    )
    .into_bytes()
}

fn one_byte_rejects(size: usize, noise: &mut Noise) -> Vec<u8> {
    let one = noise.pick(&["1,", "1\n", "[],"]);
    format!("[{}", fill(size, |out| out.push_str(one))).into_bytes()
}

fn rejects(size: usize, noise: &mut Noise) -> Vec<u8> {
    let raw = "\u{1}\\\"".repeat(noise.below(100));
    fill(size, |out| {
        let bad = noise.pick(&["{\"a\":tru,\"b\":\"", "{\"a\" \"", "x\"", "[\"{"]);
        *out += &format!("{bad}{raw}{}\"}}\n", "x".repeat(noise.below(2000)));
    })
    .into_bytes()
}

fn tiny_records(size: usize, noise: &mut Noise) -> Vec<u8> {
    let between = noise.pick(&["", "\n", "\r\n", " "]);
    fill(size, |out| {
        out.push_str(noise.pick(&["{}", "{}", "{\"\":0}"]));
        out.push_str(between);
    })
    .into_bytes()
}

fn blanks(size: usize, noise: &mut Noise) -> Vec<u8> {
    fill(size, |out| {
        let blank = noise.pick(&[" ", "\t", "\n", "\r", "\r\n", "\u{feff}", " \n"]);
        let run = noise.below((size / 4).min(100_000));
        out.push_str(&blank.repeat(run / blank.len()));
        out.push_str(noise.pick(&["{}", "{ \n\"a\" \t:\r\n1 }", "[ {} \n, {} ]"]));
    })
    .into_bytes()
}

fn line_break_mixes(size: usize, noise: &mut Noise) -> Vec<u8> {
    const BREAKS: &[&str] = &["\n", "\r", "\r\n", "\n\r", " \r\n\t", ""];
    fill(size, |out| {
        for token in ["{", "\"a\"", ":", "[", "1", ",", "{", "}", "]", "}"] {
            out.push_str(token);
            out.push_str(noise.pick(BREAKS));
        }
    })
    .into_bytes()
}

fn records_in_strange_places(size: usize, noise: &mut Noise) -> Vec<u8> {
    const MEMBERS: &[&str] = &[
        r#""Records":[{"a":1},{"b":2}]"#,
        r#""Records":[]"#,
        r#""Records":{}"#,
        r#""Records":5"#,
        r#""Records":[1,[{}],{"Records":[{}]}]"#,
        r#""x":{"Records":[{}]}"#,
        r#""x":"{\"Records\":[{}]}""#,
        r#""eventVersion":"1.08""#,
        r#""eventSource":"cloudhsm.amazonaws.com""#,
        r#""\u0052ecords":[{"c":3}]"#,
        r#""records":[{}]"#,
    ];
    fill(size, |out| {
        let members: Vec<_> = (0..noise.below(5)).map(|_| noise.pick(MEMBERS)).collect();
        *out += &format!("{{{}}}", members.join(","));
        out.push_str(noise.pick(&["", "\n", "\n"]));
    })
    .into_bytes()
}

fn duplicate_records(size: usize, noise: &mut Noise) -> Vec<u8> {
    let between = noise.pick(&[",", ",\n"]);
    let arrays = fill(size, |out| {
        let records = noise.pick(&["{}", "{},{}", "", "1", "{\"Records\":[{}]}"]);
        *out += &format!("\"Records\":[{records}]{between}");
    });
    format!("{{{arrays}\"x\":1}}").into_bytes()
}

fn cut_log_files(size: usize, noise: &mut Noise) -> Vec<u8> {
    fill(size, |out| {
        let end = noise.pick(&[
            "{\"a\":1}",
            "{\"a\":1},",
            "{\"a\":1}]",
            "{\"a\":1}]}",
            "{\"a\":\"",
            "{\"a\":1}}",
        ]);
        let between = noise.pick(&["", "\n", "\n\n"]);
        *out += &format!("{{\"Records\":[{end}{between}");
    })
    .into_bytes()
}

/// A document in which each record is cut inside a string, and may go on at the next.
fn unclosed_strings(size: usize, noise: &mut Noise) -> Vec<u8> {
    let mut text = "{\n  \"Records\": [\n".to_owned();
    text += &fill(size, |out| {
        out.push_str(noise.pick(&["    ", "  ", "\t", ""]));
        out.push_str(noise.pick(&[
            "{ \"a\": \"x\n",
            "{ \"a\": 1 },\n",
            "{\n",
            "} \"\n",
            "\\\"\n",
        ]));
    });
    text.into_bytes()
}

/// The same, with brackets that are not closed and lines that look like records.
fn unclosed_records(size: usize, noise: &mut Noise) -> Vec<u8> {
    let mut text = "[\n".to_owned();
    text += &fill(size, |out| {
        out.push_str(&" ".repeat(noise.below(4)));
        out.push_str(noise.pick(&[
            "{\"a\":[\n",
            "{\n",
            "{\"b\":{\n",
            "},\n",
            "{\"c\":2},\n",
            "]\n",
        ]));
    });
    text.into_bytes()
}

/// Records that have to be looked at closely, none of which is an event.
fn prefilter_bait(size: usize, noise: &mut Noise) -> Vec<u8> {
    fill(size, |out| {
        let members = match noise.below(5) {
            0 => "\"userAgent\":\"cloudhsm\"".to_owned(),
            1 => "\"eventSource\":\"cloudhsm.example.com\"".to_owned(),
            2 => "\"eventSource\":\"\\u0063loudhsm\"".to_owned(),
            3 => format!("\"a\":\"{}cloudhsm\"", "cloudhs".repeat(noise.below(200))),
            _ => {
                "\"cloudhsm\":{\"version\":1},\"eventSource\":\"cloudhsm.amazonaws.com\"".to_owned()
            }
        };
        let start = noise.pick(&["{\"eventVersion\":\"1.08\",", "{"]);
        *out += &format!("{start}{members}}}\n");
    })
    .into_bytes()
}

fn cloudhsm_events(size: usize, noise: &mut Noise) -> Vec<u8> {
    const TEXTS: &[&str] = &[
        "\"\\u001b[31m\\n\"",
        "\"arn:aws:sts::111122223333:assumed-role/a/b/c\"",
        "\"2026-03-07T23:21:12.9999999999999+23:59\"",
        "\"AROA:\\ud800\"",
        "\"::::::::\"",
        "\"backup-backup-backup-1\"",
        "{\"value\":\"7\"}",
        "null",
        "true",
    ];
    const NAMES: &[&str] = &[
        "eventTime",
        "sourceIPAddress",
        "userAgent",
        "errorCode",
        "recipientAccountId",
    ];
    const PARAMETERS: &[&str] = &[
        "backupId",
        "resourceArn",
        "sourceBackupId",
        "backupRetentionPolicy",
        "tagList",
    ];
    fill(size, |out| {
        let (name, parameter) = (noise.pick(NAMES), noise.pick(PARAMETERS));
        let arn = noise.pick(TEXTS);
        let [text, other] = [noise.pick(TEXTS), noise.pick(TEXTS)];
        let members = format!(
            ",\"{name}\":{text},\"userIdentity\":{{\"type\":\"AssumedRole\",\"arn\":{arn},\
             \"principalId\":{other}}},\"requestParameters\":{{\"{parameter}\":{text}}}"
        );
        *out += &format!("{}\n", event(&members));
    })
    .into_bytes()
}

fn events_twice_decoded(size: usize, noise: &mut Noise) -> Vec<u8> {
    match noise.below(4) {
        0 => giant_lists(size, noise),
        1 => unpaired_surrogates(size, noise),
        2 => prefilter_bait(size, noise),
        _ => cloudhsm_events(size, noise),
    }
}

fn wrapped(noise: &mut Noise) -> String {
    let inside = event(&format!(",\"eventTime\":{}", noise.below(100)));
    (0..noise.below(6)).fold(inside, |text, _| match noise.below(6) {
        0 => format!("{{\"message\":{}}}", quoted(&text)),
        1 => format!("{{\"detail\":{text}}}"),
        2 => format!("{{\"Records\":[{text},{{}}]}}"),
        3 => format!("{{\"Events\":[{{\"CloudTrailEvent\":{}}}]}}", quoted(&text)),
        4 => format!(
            "{{\"Type\":\"Notification\",\"Message\":{}}}",
            quoted(&text)
        ),
        _ => format!("{{\"body\":{},\"message\":{}}}", quoted(&text), quoted("x")),
    })
}

fn wrappers_in_wrappers(size: usize, noise: &mut Noise) -> Vec<u8> {
    fill(size, |out| {
        *out += &format!("{}\n", wrapped(noise));
    })
    .into_bytes()
}

fn kept_wrappers(size: usize, noise: &mut Noise) -> Vec<u8> {
    wrappers_in_wrappers(size, noise)
}

/// Looks as if it carried events, to the end of each record.
fn arrays_without_events(size: usize, noise: &mut Noise) -> Vec<u8> {
    fill(size, |out| {
        let length = noise.below((size / 2).min(300_000));
        let array = fill(length, |out| {
            out.push_str(noise.pick(&[
                "{\"message\":\"{\\\"a\\\":1}\"},",
                "{\"message\":\"x\"},",
                "{},",
            ]));
        });
        let name = noise.pick(&["events", "Events", "logEvents", "QueryResultRows"]);
        *out += &format!("{{\"{name}\":[{array}{{}}]}}\n");
    })
    .into_bytes()
}

fn giant_array_without_events(size: usize, _: &mut Noise) -> Vec<u8> {
    let array = fill(size, |out| out.push_str("{\"message\":\"{\\\"a\\\":1}\"},"));
    format!("{{\"events\":[{array}{{}}]}}").into_bytes()
}

/// One record that holds ever more texts.
fn giant_texts(size: usize, noise: &mut Noise) -> Vec<u8> {
    let members = fill(size, |out| {
        let text = noise.pick(&[
            "{}",
            "{\"eventVersion\":\"1.08\"}",
            "x",
            "[{}]",
            "{\"message\":\"{}\"}",
        ]);
        *out += &format!(
            "\"message\":{},",
            quoted(&format!("{text}{}", noise.below(10)))
        );
    });
    format!("{{{members}\"x\":1}}").into_bytes()
}

/// Gzip in base64: most of it becomes three times as long, one in thirty up to a thousand times.
fn unfolding(size: usize, noise: &mut Noise) -> Vec<u8> {
    let mut payload = |kind: usize| {
        let text = match kind {
            0 => event("") + &" ".repeat(noise.below(100_000)),
            1 => event("") + &"{}".repeat(noise.below(20_000)),
            2 => format!("{{\"logEvents\":[{{\"message\":{}}}]}}", quoted(&event(""))).repeat(2),
            _ => fill(500 + noise.below(2000), |out| {
                *out += &format!("{}\n", event(&format!(",\"userAgent\":\"{:x}\"", noise.0)));
                noise.below(2);
            }),
        };
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let packed = encoder
            .write_all(text.as_bytes())
            .and_then(|()| encoder.finish());
        STANDARD.encode(packed.unwrap_or_default())
    };
    let payloads: Vec<_> = (0..60).map(&mut payload).collect();
    fill(size, |out| {
        let payload = payloads
            .get(noise.below(payloads.len()))
            .map_or("", String::as_str);
        let cut = noise.pick(&["", "", "", "A"]);
        *out += &format!("{{\"awslogs\":{{\"data\":\"{payload}{cut}\"}}}}\n");
    })
    .into_bytes()
}

/// Each event comes twice, and is older than the one before.
fn repeats_in_reverse(size: usize, noise: &mut Noise) -> Vec<u8> {
    let mut number = 0_usize;
    fill(size, |out| {
        number += 1;
        let minutes = usize::MAX.wrapping_sub(number) / 2 % 1440;
        let id = number - number % 2;
        let time = match noise.below(50) {
            0 => "9999-12-31T23:59:59Z".to_owned(),
            _ => format!("2026-03-07T{:02}:{:02}:00Z", minutes / 60, minutes % 60),
        };
        let members = format!(
            ",\"eventTime\":\"{time}\",\"eventID\":\"{id}\",\"recipientAccountId\":\"111122223333\""
        );
        *out += &format!("{}\n", event(&members));
    })
    .into_bytes()
}
