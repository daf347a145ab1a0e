//! Reads the value of one option from its text.
//!
//! In → out: text from the command line, an environment variable or the config file; the value of
//! one option, or the sentence that says what that option takes.
//!
//! Invariants: **One [`Kind`] decides for all three sources**, so a value is good everywhere or
//! nowhere. Bounds are checked here and nowhere else.
//!
//! Not here: which option has which kind ([`crate::cli`], [`crate::config`]).
//!
//! Failure: [`Unaccepted`], which is a usage error.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;

use crate::metrics::{self, TextFile};
use crate::source::Address;

use super::DedupWindow;

/// How the values of an option are written.
#[derive(Clone)]
pub struct Kind<T> {
    /// What is accepted, as the end of a sentence that begins "it takes".
    accepted: Cow<'static, str>,
    /// How the config file spells it.
    form: Form,
    /// The value of a text, or nothing when it is not accepted.
    parse: fn(&str) -> Option<T>,
}

/// The TOML types that may hold a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A string.
    Quoted,
    /// An integer or a boolean.
    Bare,
    /// Either of them.
    Any,
}

/// A value as its source spells it.
pub enum Spelling<'a> {
    /// Text outside TOML, which says nothing about types.
    Text(&'a str),
    /// A TOML string.
    Quoted(&'a str),
    /// A TOML integer or boolean.
    Bare(String),
    /// Any other TOML value; no option takes one.
    Other,
}

/// The text was not a value of this option.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it takes {accepted}")]
pub struct Unaccepted {
    /// What the option takes, as the end of a sentence.
    pub accepted: String,
}

impl<T> Kind<T> {
    const fn new(accepted: &'static str, form: Form, parse: fn(&str) -> Option<T>) -> Self {
        Self {
            accepted: Cow::Borrowed(accepted),
            form,
            parse,
        }
    }

    /// The value of a text.
    ///
    /// # Errors
    ///
    /// The text is not accepted.
    pub fn read(&self, text: &str) -> Result<T, Unaccepted> {
        (self.parse)(text).ok_or_else(|| self.unaccepted())
    }

    /// The value of a text, of a TOML type that this option takes.
    ///
    /// # Errors
    ///
    /// The type or the text is not accepted.
    pub fn read_spelling(&self, spelling: &Spelling<'_>) -> Result<T, Unaccepted> {
        match spelling {
            Spelling::Text(text) => self.read(text),
            Spelling::Quoted(text) if self.form != Form::Bare => self.read(text),
            Spelling::Bare(text) if self.form != Form::Quoted => self.read(text),
            _ => Err(self.unaccepted()),
        }
    }

    /// The error that says what this kind takes.
    pub fn unaccepted(&self) -> Unaccepted {
        Unaccepted {
            accepted: self.accepted.to_string(),
        }
    }
}

impl<T: ValueEnum> Kind<T> {
    /// One word of a closed set.
    pub fn choice() -> Self {
        let words: Vec<String> = T::value_variants()
            .iter()
            .filter_map(ValueEnum::to_possible_value)
            .map(|word| format!("`{}`", word.get_name()))
            .collect();
        let accepted = match words.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => words.concat(),
        };
        Self {
            accepted: Cow::Owned(accepted),
            form: Form::Quoted,
            parse: |text| T::from_str(text, false).ok(),
        }
    }
}

/// The path of a file.
pub const FILE: Kind<PathBuf> = Kind::new("the path of a file", Form::Quoted, path);

/// The path of a file that is no stream.
pub const REAL_FILE: Kind<PathBuf> = Kind::new(
    "the path of a file (rejects stay in the output without it)",
    Form::Quoted,
    |text| real(&path(text)?),
);

/// The path of a file that keeps positions.
pub const STATE_FILE: Kind<PathBuf> = Kind::new("the path of a file", Form::Quoted, |text| {
    real(&path(text)?)
});

/// The file for the textfile collector.
pub const PROM_FILE: Kind<TextFile> = Kind::new(
    "the path of a file whose name ends in `.prom`; in it `%p` is the process id, `%%` is a per cent \
     sign, and `%` has no other use",
    Form::Quoted,
    |text| TextFile::named(Path::new(text)),
);

/// The most bytes that one record may have.
///
/// Below 1 KiB hardly an event would pass. Above 1 GiB one record could take the memory of the
/// machine, which is what the limit is there to prevent.
pub const RECORD_SIZE: Kind<usize> = Kind::new(
    "a size from 1KiB to 1GiB: bytes as a whole number, or with a unit such as 512KiB, 1MiB \
     (powers of 1024) or 1MB (a power of 1000)",
    Form::Any,
    |text| size(text).filter(|bytes| (1 << 10..=1 << 30).contains(bytes)),
);

/// How many times longer something may become.
pub const RATIO: Kind<u64> = Kind::new("a whole number from 1", Form::Bare, |text| {
    digits(text).filter(|ratio| *ratio > 0)
});

/// How long a record may wait for more input.
///
/// Bounded, so that adding it to a clock's reading cannot overflow.
pub const INTERVAL: Kind<Duration> = Kind::new(
    "a duration from 0 to 1h: a whole number with a unit, such as 100ms, 2s or 1m, or 0",
    Form::Any,
    |text| duration(text).filter(|interval| *interval <= Duration::from_hours(1)),
);

/// Over which events repeats are found.
///
/// Bounded, because memory grows with the number: a hundred million take 4 GB.
pub const DEDUP_WINDOW: Kind<DedupWindow> = Kind::new(
    "a number of events from 0 to 100000000, or a duration up to 8760h: a whole number with a \
     unit, such as 30m or 24h",
    Form::Any,
    |text| match digits(text) {
        Some(events) => u32::try_from(events)
            .ok()
            .filter(|events| *events <= 100_000_000)
            .map(DedupWindow::Events),
        None => event_time_span(text).map(DedupWindow::Time),
    },
);

/// How long an event is held in the events' own time.
pub const EVENT_TIME_SPAN: Kind<Duration> = Kind::new(
    "a duration from 0 to 8760h: a whole number with a unit, such as 90s, 15m or 2h, or 0",
    Form::Any,
    event_time_span,
);

/// How many events are held at most.
///
/// Bounded, because memory grows with the number: a million may take 4 GB.
pub const HELD_EVENTS: Kind<NonZeroUsize> =
    Kind::new("a whole number from 1 to 10000000", Form::Bare, |text| {
        number(text, 10_000_000)
    });

/// A number of threads.
///
/// Bounded, because memory grows with each and more than there are cores gains nothing.
pub const THREADS: Kind<NonZeroUsize> =
    Kind::new("a whole number from 1 to 1024", Form::Bare, |text| {
        number(text, 1024)
    });

/// An address of the metrics endpoint.
pub const METRICS_ADDRESS: Kind<metrics::Address> = Kind::new(
    "an address to listen on: a port such as 9798 (on the loopback interface), an IP address and a \
     port, such as 0.0.0.0:9798 or [::1]:9798, either with a range of ports, such as 9798-9805, of \
     which the first free one is taken, or unix:/path",
    Form::Any,
    |text| match text.split_once(':') {
        Some(("unix", file)) => path(file).map(metrics::Address::Unix),
        _ => listen(text).map(|(ip, ports)| metrics::Address::Tcp(ip, ports)),
    },
);

/// A socket to listen on.
pub const SOCKET: Kind<Address> = Kind::new(
    "a socket to listen on: unix:/path, or tcp: with a port (on the loopback interface) or an IP \
     address and a port behind it, such as tcp:0.0.0.0:5170, or systemd, for the one that it passes on",
    Form::Quoted,
    |text| match text.split_once(':') {
        Some(("unix", file)) => path(file).map(Address::Unix),
        Some(("tcp", address)) => {
            let (ip, ports) = listen(address)?;
            let port = *ports.start();
            (port == *ports.end()).then(|| Address::Tcp(SocketAddr::new(ip, port)))
        }
        _ => (text == "systemd").then_some(Address::Systemd),
    },
);

/// Yes or no.
pub const SWITCH: Kind<bool> = Kind::new("true or false", Form::Bare, |text| text.parse().ok());

/// Whether a path is that of a file, not `-`.
pub fn is_real(path: &Path) -> bool {
    path.as_os_str() != "-"
}

/// The path when it is that of a file.
pub fn real(path: &Path) -> Option<PathBuf> {
    is_real(path).then(|| path.to_owned())
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

fn size(text: &str) -> Option<usize> {
    const UNITS: [(&str, u64); 8] = [
        ("", 1),
        ("b", 1),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("kb", 1_000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
    ];
    quantity(text, &UNITS).and_then(|bytes| usize::try_from(bytes).ok())
}

fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    if text == "0" {
        return Some(Duration::ZERO);
    }
    quantity(text, &UNITS).map(Duration::from_millis)
}

/// Bounded, so that no arithmetic with it overflows.
fn event_time_span(text: &str) -> Option<Duration> {
    duration(text).filter(|span| *span <= Duration::from_hours(8760))
}

fn number(text: &str, most: usize) -> Option<NonZeroUsize> {
    digits(text)
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| *count <= most)
        .and_then(NonZeroUsize::new)
}

/// A whole number and its unit, in the smallest unit.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(unit_at)?;
    let unit = unit.trim_start_matches(' ');
    let (_, factor) = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    digits(number)?.checked_mul(*factor)
}

/// A number of digits alone: `u64`'s own parser would take a sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// An IP address, the loopback when there is none, and one port or a range of them.
fn listen(text: &str) -> Option<(IpAddr, RangeInclusive<u16>)> {
    let (ip, ports) = text.rsplit_once(':').unwrap_or(("", text));
    let ip = match ip {
        "" | "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        // An IPv6 address is in brackets, as otherwise its end looks like a port.
        _ => match ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')) {
            Some(ip) => IpAddr::V6(ip.parse().ok()?),
            None => IpAddr::V4(ip.parse().ok()?),
        },
    };
    let port = |text| digits(text).and_then(|port| u16::try_from(port).ok());
    let ports = match ports.split_once('-') {
        None => port(ports).map(|port| port..=port)?,
        Some((first, last)) => port(first)?..=port(last)?,
    };
    // Of a range from 0 every port would be the first free one.
    let is_range = *ports.start() > 0 && ports.start() < ports.end();
    (is_range || ports.start() == ports.end()).then_some((ip, ports))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1048576", Some(1_048_576)),
            ("1MiB", Some(1_048_576)),
            ("1mib", Some(1_048_576)),
            ("512KiB", Some(524_288)),
            ("512 KiB", Some(524_288)),
            ("1MB", Some(1_000_000)),
            ("256kb", Some(256_000)),
            ("2048B", Some(2048)),
            ("1GiB", Some(1 << 30)),
            ("1024", Some(1024)),
            ("1023", None),
            ("1073741825", None),
            ("2GiB", None),
            ("0", None),
            ("", None),
            ("MiB", None),
            ("1.5MiB", None),
            ("-1MiB", None),
            ("+4096", None),
            ("1M", None),
            ("1 MiB ", None),
            ("18446744073709551615GiB", None),
            ("99999999999999999999", None),
            ("1Mïb", None),
        ] {
            assert_eq!(RECORD_SIZE.read(text).ok(), bytes, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("100ms", Some(100)),
            ("2s", Some(2_000)),
            ("1m", Some(60_000)),
            ("1h", Some(3_600_000)),
            ("1 S", Some(1_000)),
            ("0", Some(0)),
            ("0ms", Some(0)),
            ("100", None),
            ("61m", None),
            ("", None),
            ("s", None),
            ("0.1s", None),
            ("-1s", None),
            ("18446744073709551615h", None),
        ] {
            let expected = milliseconds.map(Duration::from_millis);
            assert_eq!(INTERVAL.read(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn windows_of_repeats() {
        let time = |seconds| Some(DedupWindow::Time(Duration::from_secs(seconds)));
        for (text, window) in [
            ("0", Some(DedupWindow::Events(0))),
            ("1", Some(DedupWindow::Events(1))),
            ("100000000", Some(DedupWindow::Events(100_000_000))),
            ("100000001", None),
            ("99999999999999999999", None),
            ("24h", time(86_400)),
            ("8760h", time(31_536_000)),
            ("8761h", None),
            ("0s", time(0)),
            ("", None),
            ("-1", None),
            ("1e6", None),
            ("true", None),
        ] {
            assert_eq!(DEDUP_WINDOW.read(text).ok(), window, "{text}");
        }
    }

    #[test]
    fn spans_and_numbers_of_held_events() {
        for (text, seconds) in [
            ("0", Some(0)),
            ("15m", Some(900)),
            ("8761h", None),
            ("5", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(EVENT_TIME_SPAN.read(text).ok(), expected, "{text}");
        }
        for (text, count) in [("1", Some(1)), ("10000000", Some(10_000_000)), ("0", None)] {
            let expected = count.and_then(NonZeroUsize::new);
            assert_eq!(HELD_EVENTS.read(text).ok(), expected, "{text}");
        }
        assert!(HELD_EVENTS.read("10000001").is_err());
    }

    #[test]
    fn addresses() {
        for (text, address) in [
            ("9798", Some("127.0.0.1:9798")),
            (":9798", Some("127.0.0.1:9798")),
            ("localhost:9798", Some("127.0.0.1:9798")),
            ("0", Some("127.0.0.1:0")),
            ("127.0.0.1:9798", Some("127.0.0.1:9798")),
            ("0.0.0.0:9798", Some("0.0.0.0:9798")),
            ("[::1]:9798", Some("[::1]:9798")),
            ("[::]:9798", Some("[::]:9798")),
            ("9464-9479", Some("127.0.0.1:9464-9479")),
            ("127.0.0.1:9464-9479", Some("127.0.0.1:9464-9479")),
            ("[::1]:9464-9465", Some("[::1]:9464-9465")),
            ("9464-9464", Some("127.0.0.1:9464")),
            ("unix:/run/m.sock", Some("unix:/run/m.sock")),
            ("unix:m:1", Some("unix:m:1")),
            ("9479-9464", None),
            ("0-5", None),
            ("9464-", None),
            ("-9464", None),
            ("9464-9470-9479", None),
            ("9464-65536", None),
            ("unix:", None),
            ("tcp:9798", None),
            ("65536", None),
            ("", None),
            (":", None),
            ("::1", None),
            ("::1:9798", None),
            ("[127.0.0.1]:9798", None),
            ("example.com:9798", None),
            ("127.0.0.1", None),
            ("+9798", None),
        ] {
            let read = METRICS_ADDRESS.read(text).ok();
            let read = read.map(|address| address.to_string());
            assert_eq!(read.as_deref(), address, "{text}");
        }
    }

    #[test]
    fn sockets() {
        for (text, address) in [
            ("unix:/run/h.sock", Some("unix:/run/h.sock")),
            ("unix:h:1", Some("unix:h:1")),
            ("tcp:5170", Some("tcp:127.0.0.1:5170")),
            ("tcp:127.0.0.1:5170", Some("tcp:127.0.0.1:5170")),
            ("tcp:[::]:5170", Some("tcp:[::]:5170")),
            ("systemd", Some("systemd")),
            ("systemd:", None),
            ("tcp:5170-5171", None),
            ("unix:", None),
            ("tcp:", None),
            ("udp:5170", None),
            ("5170", None),
            ("", None),
        ] {
            let read = SOCKET.read(text).ok().map(|address| address.to_string());
            assert_eq!(read.as_deref(), address, "{text}");
        }
    }

    #[test]
    fn threads() {
        for (text, count) in [
            ("1", Some(1)),
            ("1024", Some(1024)),
            ("0", None),
            ("1025", None),
            ("-1", None),
            ("", None),
            ("two", None),
        ] {
            assert_eq!(
                THREADS.read(text).ok().map(NonZeroUsize::get),
                count,
                "{text}"
            );
        }
    }

    #[test]
    fn files() {
        for (text, file, real) in [
            ("a", true, true),
            ("-", true, false),
            ("", false, false),
            ("dir/%p", true, true),
        ] {
            assert_eq!(FILE.read(text).is_ok(), file, "{text}");
            assert_eq!(REAL_FILE.read(text).is_ok(), real, "{text}");
        }
    }

    #[test]
    fn metrics_files() {
        let pid = std::process::id();
        let [own, all] = [format!("d-{pid}/%{pid}.prom"), format!("{pid}%p.prom")];
        for (text, path) in [
            ("dir/h.prom", Some("dir/h.prom")),
            ("d-%p/%%%p.prom", Some(&*own)),
            ("%p%%p.prom", Some(&*all)),
            ("100%%.prom", Some("100%.prom")),
            ("h.prom.tmp", None),
            (".prom", None),
            ("", None),
            ("h%.prom", None),
            ("h%d.prom", None),
            ("h%P.prom", None),
            ("h.prom%", None),
        ] {
            let file = PROM_FILE.read(text).ok();
            let read = file.as_ref().map(TextFile::path);
            assert_eq!(read, path.map(Path::new), "{text}");
        }
        assert!(
            PROM_FILE
                .unaccepted()
                .to_string()
                .contains("`%p` is the process id")
        );
    }
}
