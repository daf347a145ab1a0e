//! The `hsmtrail` command: what was typed → configuration → a run → an exit status.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;
use hsmtrail::cli::{self, Args, Command, Options};
use hsmtrail::config::{Config, Input};
use hsmtrail::logging::Messages;
use hsmtrail::logging::printable;
use hsmtrail::metrics::RecordOutcome;
use hsmtrail::sink::SinkError;
use hsmtrail::supervisor::{self, Ended, Error, StopCause};
use hsmtrail::{doctor, explain, logging, pipeline, schema, source};

/// Exit statuses; the README lists them.
const REJECTS: u8 = 1;
const WARNINGS: u8 = 1;
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
    if let Some(command) = args.command {
        return obey(command);
    }
    let no_files = args.files.is_empty();
    match Config::resolve(args, std::env::vars_os(), |path| {
        std::fs::read_to_string(path)
    }) {
        Ok(config) if no_files && config.inputs == [Input::Stdin] => {
            if io::stdin().is_terminal() {
                say(&cli::usage(), USAGE)
            } else if source::stdin_is_null() {
                complain(NOTHING_TO_READ, USAGE)
            } else {
                filter(&config)
            }
        }
        Ok(config) => filter(&config),
        Err(error) => complain(&error.to_string(), USAGE),
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

fn obey(command: Command) -> ExitCode {
    let text = match command {
        Command::Explain { operation: None } => explain::table().into_bytes(),
        Command::Explain {
            operation: Some(name),
        } => match explain::operation(&name) {
            Ok(text) => text.into_bytes(),
            Err(error) => return complain(&error.to_string(), USAGE),
        },
        Command::Doctor { files, options } => return examine(files, *options),
        Command::Schema => schema::TEXT.as_bytes().to_vec(),
        Command::Completions { shell } => cli::completions(shell),
        Command::Man { command } => match cli::man(command.as_deref()) {
            Ok(Some(page)) => page,
            Ok(None) => {
                let name = command.unwrap_or_default();
                return complain(&format!("there is no command {name}"), USAGE);
            }
            Err(error) => return complain(&error.to_string(), FAILED),
        },
    };
    show(&text, 0)
}

fn examine(files: Vec<PathBuf>, options: Options) -> ExitCode {
    // A - is a FILE that means stdin, whatever that is.
    let stdin_is_meant = !files.is_empty();
    let args = Args {
        command: None,
        files,
        options,
    };
    let read = |path: &Path| std::fs::read_to_string(path);
    let config = match Config::resolve_for_sample(args, std::env::vars_os(), read) {
        Ok(config) => config,
        Err(error) => return complain(&error.to_string(), USAGE),
    };
    with_messages(&config, |_| {
        match doctor::examine(&config, stdin_is_meant) {
            Ok(report) => {
                let status = if report.is_incomplete() {
                    FAILED
                } else if report.warnings.is_empty() {
                    0
                } else {
                    WARNINGS
                };
                show(report.to_string().as_bytes(), status)
            }
            Err(error) => complain(&error.to_string(), FAILED),
        }
    })
}

/// Prints what was asked for on stdout.
fn show(text: &[u8], status: u8) -> ExitCode {
    match io::stdout()
        .write_all(text)
        .and_then(|()| io::stdout().flush())
    {
        Ok(()) => ExitCode::from(status),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(READER_GONE),
        Err(error) => complain(&format!("cannot write to stdout: {error}"), FAILED),
    }
}

fn filter(config: &Config) -> ExitCode {
    with_messages(config, |messages| ExitCode::from(run(config, messages)))
}

/// What `act` says on stderr is printed when this returns.
fn with_messages(config: &Config, act: impl FnOnce(&Messages) -> ExitCode) -> ExitCode {
    match logging::start(config.log_level, config.log_format) {
        Ok(messages) => {
            let status = act(&messages);
            messages.finish();
            status
        }
        Err(error) => complain(&format!("cannot start: {error}"), FAILED),
    }
}

fn run(config: &Config, messages: &Messages) -> u8 {
    let Ended { result, by } = supervisor::run(config);
    match result {
        Ok(summary) => {
            if config.summary {
                messages.print(&summary.to_string());
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
    }
}

/// Says on stderr what is wrong.
fn complain(text: &str, status: u8) -> ExitCode {
    say(&logging::complaint(text), status)
}

/// Says something on stderr. A stderr that is closed takes no message.
fn say(text: &str, status: u8) -> ExitCode {
    let (Ok(()) | Err(_)) = io::stderr().write_all(text.as_bytes());
    ExitCode::from(status)
}
