//! Prints messages about the run on stderr.
//!
//! In → out: `tracing` events of any room; lines on stderr, as text for people or as JSON. Where
//! stderr is the systemd journal, text begins with the level as `<N>` instead of the program's name.
//!
//! Invariants: **Nothing is printed below the level asked for**, because hosts take a line on
//! stderr for an event or a failure. **A message is one line, of which no character does anything
//! but stand there** ([`printable`]): names of files, and what else others choose, are in it. **Who
//! does not read stderr stops nothing**: a thread of its own writes what waits in a queue of 1 MiB;
//! what finds it full is lost and counted, and the count is told once there is room.
//!
//! Not here: what is worth a message (each room); usage errors, before there is a run (`main`).
//!
//! Failure: none; a stderr that takes nothing loses the message.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{LogFormat, LogLevel};

/// So much text waits at most: ten thousand messages at once are not too many for who reads them.
const WAITING: usize = 1 << 20;

/// At the end, a stderr that takes nothing for so long is given up.
const PATIENCE: Duration = Duration::from_millis(200);

/// A stderr that would take something is waited for so many times as long: then it is the writing
/// thread that did not get to run.
const LOOKS: usize = 50;

/// The lines on their way to stderr.
pub struct Messages(Arc<Queue>);

/// Prints messages of `level` and above from now on. Of several calls the first counts.
///
/// # Errors
///
/// The system gives no thread.
pub fn start(level: LogLevel, format: LogFormat) -> io::Result<Messages> {
    let level = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let queue = Arc::new(Queue::default());
    let writing = Arc::clone(&queue);
    Builder::new()
        .name("messages".to_owned())
        .spawn(move || writing.write_out())?;
    let queued = Arc::clone(&queue);
    let messages = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(move || Line(Arc::clone(&queued)));
    // An error says that there is a subscriber already, which then stays.
    let (Ok(()) | Err(_)) = match format {
        LogFormat::Text => messages
            .event_format(Text {
                is_journal: is_journal(),
            })
            .try_init(),
        LogFormat::Json => messages
            .fmt_fields(JsonFields::new())
            .event_format(ForMachines(
                Format::default()
                    .json()
                    .flatten_event(true)
                    .with_target(false),
            ))
            .try_init(),
    };
    Ok(Messages(queue))
}

/// The line that says what is wrong, for who has no [`Messages`] yet.
pub fn complaint(text: &str) -> String {
    format!(
        "{}{}\n",
        prefix(Level::ERROR, is_journal()),
        printable(text)
    )
}
/// A text as it can be printed: escaped as in Rust is each character that a terminal obeys, that
/// ends a line, or that turns the direction of what follows.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |character| character.escape_unicode().to_string())
}

fn escaped(text: &str, escape: impl Fn(char) -> String) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let characters = text.chars().map(|character| {
        if acts(character) {
            escape(character)
        } else {
            character.to_string()
        }
    });
    Cow::Owned(characters.collect())
}

/// Whether a character does something where it is printed.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

impl Messages {
    /// Prints what was asked for, whatever the level.
    pub fn print(&self, text: &str) {
        let name = if is_journal() { "<6>" } else { "hsmtrail: " };
        self.0
            .push(format!("{name}{}\n", printable(text)).as_bytes());
    }

    /// Waits until everything is printed, or stderr takes nothing.
    pub fn finish(&self) {
        for _ in 0..LOOKS {
            let is_waiting = |lines: &mut Lines| !lines.are_printed();
            let lines = self.0.lock();
            let (_lines, waited) = self
                .0
                .changed
                .wait_timeout_while(lines, PATIENCE, is_waiting)
                .unwrap_or_else(PoisonError::into_inner);
            if !waited.timed_out() || !stderr_takes_more() {
                return;
            }
        }
    }
}

/// What is to be printed.
#[derive(Default)]
struct Queue {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    waiting: VecDeque<Vec<u8>>,
    /// How long they are together.
    bytes: usize,
    /// One has been taken out and is not printed yet.
    is_printing: bool,
    /// Lines that found no room since that was last told.
    lost: u64,
}

impl Lines {
    fn are_printed(&self) -> bool {
        self.waiting.is_empty() && !self.is_printing && self.lost == 0
    }
}

impl Queue {
    fn push(&self, line: &[u8]) {
        let mut lines = self.lock();
        if lines.bytes + line.len() <= WAITING {
            lines.bytes += line.len();
            lines.waiting.push_back(line.to_vec());
            self.changed.notify_all();
        } else {
            lines.lost += 1;
        }
    }

    /// Prints for as long as the process lives.
    fn write_out(&self) {
        loop {
            match self.next() {
                Ok(line) => {
                    // A stderr that is closed takes no message.
                    let (Ok(()) | Err(_)) = io::stderr().write_all(&line);
                }
                Err(lost) => tracing::error!("{lost} messages are lost, as nobody read stderr"),
            }
        }
    }

    /// The next line, or how many were lost before the present.
    fn next(&self) -> Result<Vec<u8>, u64> {
        let mut lines = self.lock();
        lines.is_printing = false;
        self.changed.notify_all();
        loop {
            if let Some(line) = lines.waiting.pop_front() {
                lines.bytes -= line.len();
                lines.is_printing = true;
                return Ok(line);
            }
            if lines.lost > 0 {
                lines.is_printing = true;
                return Err(std::mem::take(&mut lines.lost));
            }
            lines = self
                .changed
                .wait(lines)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes one message, which comes as a whole.
struct Line(Arc<Queue>);

impl io::Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `hsmtrail: message`, as command-line programs do, or `<3>message` for the journal.
struct Text {
    is_journal: bool,
}

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str(&prefix(*event.metadata().level(), self.is_journal))?;
        let mut message = String::new();
        context
            .field_format()
            .format_fields(Writer::new(&mut message), event)?;
        writeln!(writer, "{}", printable(&message))
    }
}

/// One JSON object a line.
struct ForMachines(Format<Json>);

impl<S, N> FormatEvent<S, N> for ForMachines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        // What JSON lets through stands in a string.
        let line = escaped(line.trim_end_matches('\n'), |character| {
            format!("\\u{:04x}", u32::from(character))
        });
        writeln!(writer, "{line}")
    }
}

/// What a line begins with. The journal has the program's name and the level as fields of their
/// own; its levels are those of syslog.
fn prefix(level: Level, is_journal: bool) -> String {
    if is_journal {
        let priority = match level {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        format!("<{priority}>")
    } else if level == Level::ERROR {
        "hsmtrail: ".to_owned()
    } else {
        format!("hsmtrail: {}: ", level.as_str().to_lowercase())
    }
}

/// Whether stderr is the journal's: systemd says so by the device and the inode, since stderr may
/// have become another file on the way from it.
fn is_journal() -> bool {
    let Ok(stderr) = rustix::fs::fstat(io::stderr()) else {
        return false;
    };
    let stream = format!("{}:{}", stderr.st_dev, stderr.st_ino);
    std::env::var_os("JOURNAL_STREAM").is_some_and(|journal| journal == *stream)
}

fn stderr_takes_more() -> bool {
    let stderr = io::stderr();
    let mut fds = [PollFd::new(&stderr, PollFlags::OUT)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    rustix::event::poll(&mut fds, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted() {
        let queue = Queue::default();
        let line = vec![b'x'; WAITING / 4];
        for _ in 0..4 + 3 {
            queue.push(&line);
        }
        for _ in 0..4 {
            assert!(queue.next().is_ok_and(|next| next == line));
        }
        assert_eq!(queue.next(), Err(3));
        queue.push(b"again");
        assert_eq!(queue.next(), Ok(b"again".to_vec()));
    }

    #[test]
    fn what_acts_is_escaped() {
        for (text, expected) in [
            ("", ""),
            ("a b/é😀\\.json", "a b/é😀\\.json"),
            ("\u{1b}[31m", "\\u{1b}[31m"),
            ("a\nb\r\t", "a\\u{a}b\\u{d}\\u{9}"),
            ("\0\u{7f}\u{9b}", "\\u{0}\\u{7f}\\u{9b}"),
            ("\u{2028}\u{202e}\u{2066}x", "\\u{2028}\\u{202e}\\u{2066}x"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }
}
