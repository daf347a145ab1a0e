//! The `hsmtrail` command: what was typed → configuration → a run → an exit status.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use hsmtrail::cli::{self, Args, Command};
use hsmtrail::config::{Config, Input};
use hsmtrail::logging::printable;
use hsmtrail::metrics::RecordOutcome;
use hsmtrail::sink::SinkError;
use hsmtrail::supervisor::{self, Ended, Error, StopCause};
use hsmtrail::{explain, logging, pipeline, schema, source};

/// Exit statuses; the README lists them.
const REJECTS: u8 = 1;
const USAGE: u8 = 2;
const FAILED: u8 = 3;
const INTERRUPTED: u8 = 130;
const READER_GONE: u8 = 141;

/// A host that gives its children no input would otherwise see a run that succeeds over nothing.
const NOTHING_TO_READ: &str = "stdin is /dev/null, or was closed, and no FILE is given: \
                               there is nothing to read; name files, or - if that is meant";

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) if error.use_stderr() => return misused(&error),
        Err(help) => {
            // A stream that is closed takes no message.
            let (Ok(()) | Err(_)) = help.print();
            return ExitCode::SUCCESS;
        }
    };
    if let Some(command) = &args.command {
        return print(command);
    }
    let no_files = args.files.is_empty();
    match Config::resolve(args, std::env::vars_os(), |path| {
        std::fs::read_to_string(path)
    }) {
        Ok(config) if no_files && config.inputs == [Input::Stdin] => {
            if io::stdin().is_terminal() {
                say(&cli::usage(), USAGE)
            } else if source::stdin_is_null() {
                complain(&NOTHING_TO_READ, USAGE)
            } else {
                filter(&config)
            }
        }
        Ok(config) => filter(&config),
        Err(error) => complain(&error, USAGE),
    }
}

/// Says what is wrong with the arguments. Clap quotes them as they are, between lines of its own, so
/// they are parsed again as they can be printed.
fn misused(error: &clap::Error) -> ExitCode {
    let words = std::env::args_os().map(|word| printable(&word.to_string_lossy()).into_owned());
    let again = Args::try_parse_from(words).err();
    let text = again.as_ref().unwrap_or(error).to_string();
    let lines: Vec<_> = text.split('\n').map(printable).collect();
    say(&lines.join("\n"), USAGE)
}

fn print(command: &Command) -> ExitCode {
    let text = match command {
        Command::Explain { operation: None } => explain::table().into_bytes(),
        Command::Explain {
            operation: Some(name),
        } => match explain::operation(name) {
            Ok(text) => text.into_bytes(),
            Err(error) => return complain(&error, USAGE),
        },
        Command::Schema => schema::TEXT.as_bytes().to_vec(),
        Command::Completions { shell } => cli::completions(*shell),
        Command::Man => match cli::man() {
            Ok(page) => page,
            Err(error) => return complain(&error, FAILED),
        },
    };
    match io::stdout()
        .write_all(&text)
        .and_then(|()| io::stdout().flush())
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(READER_GONE),
        Err(error) => complain(&format_args!("cannot write to stdout: {error}"), FAILED),
    }
}

fn filter(config: &Config) -> ExitCode {
    logging::start(config.log_level, config.log_format);
    let Ended { result, by } = supervisor::run(config);
    let status = match result {
        Ok(summary) => {
            if config.summary {
                complain(&summary, 0);
            }
            if summary.failed_sources > 0 {
                FAILED
            } else if by == Some(StopCause::Interrupt) {
                INTERRUPTED
            } else if summary.counts.records(RecordOutcome::Rejected) > 0 {
                REJECTS
            } else {
                0
            }
        }
        Err(Error::Pipeline(pipeline::Error::Sink(SinkError::Closed { name })))
            if name == "stdout" =>
        {
            READER_GONE
        }
        Err(error) => {
            tracing::error!("{error}");
            match (&error, by) {
                (_, Some(StopCause::Interrupt)) => INTERRUPTED,
                (Error::Sink(SinkError::SameFile { .. }), _) => USAGE,
                _ => FAILED,
            }
        }
    };
    ExitCode::from(status)
}

/// Says something on stderr in one line, as messages are printed.
fn complain(text: &dyn fmt::Display, status: u8) -> ExitCode {
    let text = text.to_string();
    say(&format!("hsmtrail: {}\n", printable(&text)), status)
}

/// Says something on stderr. A stderr that is closed takes no message.
fn say(text: &str, status: u8) -> ExitCode {
    let (Ok(()) | Err(_)) = io::stderr().write_all(text.as_bytes());
    ExitCode::from(status)
}
