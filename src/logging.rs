//! Prints messages about the run on stderr.
//!
//! In → out: `tracing` events of any room; lines on stderr, as text for people or as JSON.
//!
//! Invariants: **Nothing is printed below the level asked for**, because hosts take a line on
//! stderr for an event or a failure. **A message is one line, of which no character does anything
//! but stand there** ([`printable`]): names of files, and what else others choose, are in it.
//!
//! Not here: what is worth a message (each room).
//!
//! Failure: none; a stderr that takes nothing loses the message.

use std::borrow::Cow;
use std::fmt;
use std::io;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{LogFormat, LogLevel};

/// Prints messages of `level` and above from now on. Of several calls the first counts.
pub fn start(level: LogLevel, format: LogFormat) {
    let level = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let messages = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr);
    // An error says that there is a subscriber already, which then stays.
    let (Ok(()) | Err(_)) = match format {
        LogFormat::Text => messages.event_format(ForPeople).try_init(),
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

/// `hsmtrail: message`, as command-line programs do.
struct ForPeople;

impl<S, N> FormatEvent<S, N> for ForPeople
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
        let level = *event.metadata().level();
        writer.write_str("hsmtrail: ")?;
        if level != Level::ERROR {
            write!(writer, "{}: ", level.as_str().to_lowercase())?;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

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
