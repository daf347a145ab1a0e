//! Prints messages about the run on stderr.
//!
//! In → out: `tracing` events of any room; lines on stderr, as text for people or as JSON.
//!
//! Invariants: **Nothing is printed below the level asked for**, because hosts take a line on
//! stderr for an event or a failure. A message is one line.
//!
//! Not here: what is worth a message (each room).
//!
//! Failure: none; a stderr that takes nothing loses the message.

use std::fmt;
use std::io;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
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
            .json()
            .flatten_event(true)
            .with_target(false)
            .try_init(),
    };
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
        context
            .field_format()
            .format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
