//! Adds the environment and the config file to the options that were typed.
//!
//! In → out: the options so far, and the next source in precedence; the same options with more of
//! them given, for [`crate::config`].
//!
//! Invariants: **An option that is given already stays as it is**, so sources are added from the
//! one that counts most. Every value is checked, also one that does not count.
//!
//! Not here: defaults, and what options forbid together (`config`).
//!
//! Failure: [`ConfigError`], which names the variable, or the file, the line and the key.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use toml::de::{DeInteger, DeTable, DeValue};

use super::ConfigError;
use super::value::{self, Kind, Spelling, Unaccepted};
use crate::cli::Options;
use crate::suggest::nearest;

/// The keys of the config file: every option but `config` itself.
pub const KEYS: [&str; 29] = [
    "follow",
    "state",
    "listen",
    "max_connections",
    "idle_timeout",
    "input",
    "max_record_bytes",
    "max_inflate_ratio",
    "validate",
    "paranoid",
    "envelope",
    "ack",
    "lockstep",
    "output",
    "select",
    "on_reject",
    "rejects",
    "dedup",
    "dedup_mark",
    "reorder",
    "reorder_records",
    "workers",
    "flush_interval",
    "metrics_listen",
    "metrics_file",
    "summary",
    "stderr_protocol",
    "log_level",
    "log_format",
];

/// What every variable of ours begins with.
const PREFIX: &str = "HSMTRAIL_";

/// Adds both sources to the options that were typed. `read_file` reads the config file, when there
/// is one.
///
/// # Errors
///
/// Those of the two, and a config file that cannot be read.
pub fn all(
    mut options: Options,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    read_file: impl FnOnce(&Path) -> io::Result<String>,
) -> Result<Options, ConfigError> {
    add_environment(&mut options, environment)?;
    if let Some(path) = options.config.clone() {
        match read_file(&path) {
            Ok(text) => add_file(&mut options, &path, &text)?,
            Err(error) => return Err(ConfigError::Unreadable { path, error }),
        }
    }
    Ok(options)
}

/// Adds every variable with our prefix; others are nobody's business here.
///
/// # Errors
///
/// The variable is no option, or its value is not accepted.
pub fn add_environment(
    options: &mut Options,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(), ConfigError> {
    for (variable, text) in environment {
        let variable = variable.to_string_lossy().into_owned();
        let Some(name) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        let Some(text) = text.to_str() else {
            return Err(ConfigError::VariableNotUtf8 { variable });
        };
        let key = name.to_ascii_lowercase();
        let spelling = Spelling::Text(text);
        let added = if name != key.to_ascii_uppercase() {
            Ok(false)
        } else if key == "config" {
            keep(&mut options.config, &value::FILE, &spelling)
        } else {
            set(options, &key, &spelling)
        };
        match added {
            Ok(true) => {}
            Ok(false) => {
                let nearest = nearest(&key, KEYS.into_iter().chain(["config"]))
                    .map(|key| format!("{PREFIX}{}", key.to_ascii_uppercase()));
                return Err(ConfigError::UnknownVariable { variable, nearest });
            }
            Err(Unaccepted { accepted }) => {
                return Err(ConfigError::Value {
                    place: variable,
                    given: quoted(text),
                    accepted,
                });
            }
        }
    }
    Ok(())
}

/// Adds the config file whose text this is.
///
/// # Errors
///
/// The text is no TOML, a key is no option, or its value is not accepted.
pub fn add_file(options: &mut Options, path: &Path, text: &str) -> Result<(), ConfigError> {
    let place = |at: usize| format!("{}:{}", path.display(), line_of(text, at));
    let table = DeTable::parse(text).map_err(|error| ConfigError::NotToml {
        place: place(error.span().map_or(0, |span| span.start)),
        detail: error.message().lines().collect::<Vec<_>>().join(", "),
    })?;
    // The table is sorted by key; a person reads errors from the top of the file.
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let place = place(key.span().start);
        let key = &**key.get_ref();
        match set(options, key, &spelling(value.get_ref())) {
            Ok(true) => {}
            Ok(false) => {
                let nearest = nearest(key, KEYS).map(|key| format!("`{key}`"));
                return Err(ConfigError::UnknownKey {
                    place,
                    key: key.to_owned(),
                    nearest,
                });
            }
            Err(Unaccepted { accepted }) => {
                let place = format!("{place}: {key}");
                return Err(ConfigError::Value {
                    place,
                    given: given(value.get_ref()),
                    accepted,
                });
            }
        }
    }
    Ok(())
}

/// Gives an option its value, unless it has one; false when there is no such option.
fn set(options: &mut Options, key: &str, spelling: &Spelling<'_>) -> Result<bool, Unaccepted> {
    match key {
        "follow" => keep(&mut options.follow, &value::SWITCH, spelling),
        "state" => keep(&mut options.state, &value::STATE_FILE, spelling),
        "listen" => keep(&mut options.listen, &value::SOCKET, spelling),
        "max_connections" => keep(&mut options.max_connections, &value::THREADS, spelling),
        "idle_timeout" => keep(&mut options.idle_timeout, &value::INTERVAL, spelling),
        "input" => keep(&mut options.input, &Kind::choice(), spelling),
        "max_record_bytes" => keep(&mut options.max_record_bytes, &value::RECORD_SIZE, spelling),
        "max_inflate_ratio" => keep(&mut options.max_inflate_ratio, &value::RATIO, spelling),
        "validate" => keep(&mut options.validate, &Kind::choice(), spelling),
        "paranoid" => keep(&mut options.paranoid, &value::SWITCH, spelling),
        "envelope" => keep(&mut options.envelope, &Kind::choice(), spelling),
        "ack" => keep(&mut options.ack, &Kind::choice(), spelling),
        "lockstep" => keep(&mut options.lockstep, &Kind::choice(), spelling),
        "output" => keep(&mut options.output, &value::FILE, spelling),
        "select" => keep(&mut options.select, &Kind::choice(), spelling),
        "on_reject" => keep(&mut options.on_reject, &Kind::choice(), spelling),
        "rejects" => keep(&mut options.rejects, &value::REAL_FILE, spelling),
        "dedup" => keep(&mut options.dedup, &value::DEDUP_WINDOW, spelling),
        "dedup_mark" => keep(&mut options.dedup_mark, &value::SWITCH, spelling),
        "reorder" => keep(&mut options.reorder, &value::EVENT_TIME_SPAN, spelling),
        "reorder_records" => keep(&mut options.reorder_records, &value::HELD_EVENTS, spelling),
        "workers" => keep(&mut options.workers, &value::THREADS, spelling),
        "flush_interval" => keep(&mut options.flush_interval, &value::INTERVAL, spelling),
        "metrics_listen" => keep(
            &mut options.metrics_listen,
            &value::METRICS_ADDRESS,
            spelling,
        ),
        "metrics_file" => keep(&mut options.metrics_file, &value::PROM_FILE, spelling),
        "summary" => keep(&mut options.summary, &value::SWITCH, spelling),
        "stderr_protocol" => keep(&mut options.stderr_protocol, &Kind::choice(), spelling),
        "log_level" => keep(&mut options.log_level, &Kind::choice(), spelling),
        "log_format" => keep(&mut options.log_format, &Kind::choice(), spelling),
        _ => Ok(false),
    }
}

fn keep<T>(
    slot: &mut Option<T>,
    kind: &Kind<T>,
    spelling: &Spelling<'_>,
) -> Result<bool, Unaccepted> {
    let value = kind.read_spelling(spelling)?;
    slot.get_or_insert(value);
    Ok(true)
}

fn spelling<'a>(value: &'a DeValue<'_>) -> Spelling<'a> {
    match value {
        DeValue::String(text) => Spelling::Quoted(text),
        DeValue::Integer(number) => Spelling::Bare(decimal(number)),
        DeValue::Boolean(answer) => Spelling::Bare(answer.to_string()),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Spelling::Other
        }
    }
}

/// The number without TOML's other bases, or as it was written when it is negative or huge, which
/// no option takes.
fn decimal(number: &DeInteger<'_>) -> String {
    u64::from_str_radix(number.as_str(), number.radix())
        .map_or_else(|_| number.to_string(), |number| number.to_string())
}

/// The value as a part of a sentence.
fn given(value: &DeValue<'_>) -> String {
    match spelling(value) {
        Spelling::Text(text) | Spelling::Quoted(text) => format!("the string {}", quoted(text)),
        Spelling::Bare(text) => quoted(&text),
        Spelling::Other => format!("of type {}", value.type_str()),
    }
}

/// The text with its control characters escaped: it goes to a terminal.
fn quoted(text: &str) -> String {
    format!("`{}`", text.escape_debug())
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
