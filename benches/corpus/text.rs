//! Fills the placeholders of a template.
//!
//! In → out: a template such as `"instanceId":"i-<hex17:a>"` and a [`Scene`]; the text with every
//! `<…>` replaced.
//!
//! A placeholder is `KIND` or `KIND:TAG`. Its value follows from its own text and the seed of its
//! scope alone, so that the same placeholder means the same value wherever it stands in a record.
//! A tag that starts with `@` takes the caller as its scope (a role's id is the same in all its
//! records), one that starts with `$` the caller's session (its access key), any other the record.
//!
//! Invariants: **One seed, one text, for ever**: no clock, no hash of the standard library, no
//! float. An unknown placeholder stays in the text, where a test finds it.

use std::fmt::Write as _;

/// A session of a caller lasts this long.
const SESSION_SECONDS: u64 = 4 * 3600;

/// What the placeholders of one record are filled from.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scene<'a> {
    /// Seed of the record.
    pub(crate) record: u64,
    /// Seed of the caller.
    pub(crate) caller: u64,
    /// When the call was made, in seconds after 2026-03-01T00:00:00Z; at least a day.
    pub(crate) time: u64,
    /// The account whose trail holds the record.
    pub(crate) account: &'a str,
    /// The region of the call.
    pub(crate) region: &'a str,
    /// ARN of the caller, a template.
    pub(crate) arn: &'a str,
    /// `eventName`.
    pub(crate) operation: &'a str,
    /// Values that are given and not drawn; they come before all others.
    pub(crate) given: &'a [(&'a str, &'a str)],
}

impl Scene<'_> {
    /// Appends `template` with every placeholder filled.
    pub(crate) fn fill(&self, template: &str, out: &mut String) {
        let mut rest = template;
        while let Some((text, tail)) = rest.split_once('<') {
            out.push_str(text);
            let (placeholder, tail) = tail.split_once('>').unwrap_or((tail, ""));
            self.value(placeholder, out);
            rest = tail;
        }
        out.push_str(rest);
    }

    /// A number that follows from `word` and this record.
    pub(crate) fn draw(&self, word: &str) -> u64 {
        Random::new(self.record ^ hash(word.as_bytes())).next()
    }

    fn value(&self, placeholder: &str, out: &mut String) {
        let (kind, tag) = placeholder.split_once(':').unwrap_or((placeholder, ""));
        if let Some((_, value)) = self.given.iter().find(|(name, _)| *name == kind) {
            return self.fill(value, out);
        }
        let mut random = Random::new(self.scope(tag) ^ hash(placeholder.as_bytes()));
        match kind {
            "account" => out.push_str(self.account),
            "region" => out.push_str(self.region),
            "arn" => self.fill(self.arn, out),
            "operation" => out.push_str(self.operation),
            "session" => iso(self.session(), out),
            "uuid" => uuid(&mut random, out),
            "ip" => {
                let net = random.pick(&["192.0.2.", "198.51.100.", "203.0.113."]);
                append(out, format_args!("{net}{}", 1 + random.next() % 254));
            }
            "ip10" => {
                let [a, b, c, ..] = random.next().to_le_bytes();
                append(out, format_args!("10.{}.{b}.{c}", a % 64));
            }
            _ => {
                if let Some(choices) = super::words::choices(kind) {
                    self.fill(random.pick(choices), out);
                } else if !self.moment(kind, out) && !letters(kind, &mut random, out) {
                    append(out, format_args!("<{placeholder}>"));
                }
            }
        }
    }

    fn scope(&self, tag: &str) -> u64 {
        match tag.as_bytes().first() {
            Some(b'@') => self.caller,
            Some(b'$') => self.caller ^ self.session().wrapping_mul(0x9e37_79b9_7f4a_7c15),
            _ => self.record,
        }
    }

    /// When the caller's present session began.
    fn session(&self) -> u64 {
        self.time - (self.time + self.caller % SESSION_SECONDS) % SESSION_SECONDS
    }

    /// `time`, `time-600`, `human+3600`, `epoch`: a moment near the call's, in one of three forms.
    fn moment(&self, kind: &str, out: &mut String) -> bool {
        let at = kind.find(['+', '-']).unwrap_or(kind.len());
        let (form, offset) = kind.split_at(at);
        let Some(time) = self.time.checked_add_signed(offset.parse().unwrap_or(0)) else {
            return false;
        };
        match form {
            "time" => iso(time, out),
            "human" => human(time, out),
            "epoch" => append(out, format_args!("{}", MARCH_2026 + time)),
            _ => return false,
        }
        true
    }
}

/// 2026-03-01T00:00:00Z in seconds since the epoch.
const MARCH_2026: u64 = 1_772_323_200;

/// Day of March, hour, minute, second. After 30 days the month begins anew.
fn clock(time: u64) -> [u64; 4] {
    [
        1 + time / 86_400 % 30,
        time / 3600 % 24,
        time / 60 % 60,
        time % 60,
    ]
}

fn iso(time: u64, out: &mut String) {
    let [day, hour, minute, second] = clock(time);
    append(
        out,
        format_args!("2026-03-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
    );
}

/// The form of the timestamps inside `responseElements`: `Mar 2, 2026, 8:05:09 AM`.
fn human(time: u64, out: &mut String) {
    let [day, hour, minute, second] = clock(time);
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = (hour + 11) % 12 + 1;
    append(
        out,
        format_args!("Mar {day}, 2026, {hour}:{minute:02}:{second:02} {half}"),
    );
}

fn uuid(random: &mut Random, out: &mut String) {
    let (a, b) = (random.next(), random.next());
    append(
        out,
        format_args!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            0x8000 | b >> 48 & 0x3fff,
            b & 0xffff_ffff_ffff
        ),
    );
}

/// `hex8`, `dec12`, `iam17`, `id11`, `any16`, `base64`: so many letters of an alphabet.
fn letters(kind: &str, random: &mut Random, out: &mut String) -> bool {
    let name = kind.trim_end_matches(|c: char| c.is_ascii_digit());
    let alphabet: &[u8] = match name {
        "hex" => b"0123456789abcdef",
        "dec" => b"123456789",
        // Ids of IAM and of CloudHSM have no 0, 1, 8 and 9.
        "iam" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        "id" => b"abcdefghijklmnopqrstuvwxyz234567",
        "any" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        "base" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        _ => return false,
    };
    let Ok(count) = kind.get(name.len()..).unwrap_or_default().parse::<usize>() else {
        return false;
    };
    out.extend((0..count).map(|_| char::from(random.pick(alphabet))));
    true
}

/// Writing to a `String` cannot fail.
fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "a String takes every text");
}

/// FNV-1a, 64 bits.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// The splitmix64 generator: its algorithm is fixed, so a seed gives the same numbers for ever.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `end`; the bias of the remainder is of no account here.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = end as u64;
        usize::try_from(self.next() % end.max(1)).unwrap_or_default()
    }

    /// One of `choices`; nothing of none.
    pub(crate) fn pick<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        choices
            .get(self.below(choices.len()))
            .copied()
            .unwrap_or_default()
    }
}
