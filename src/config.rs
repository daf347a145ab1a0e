//! Checks the configuration once, so that everything after it can trust it.
//!
//! In → out: what was typed ([`crate::cli::Args`]), the environment and the config file; one
//! [`Config`], for `main`, which hands its plain values on.
//!
//! Invariants: **A `Config` that [`Config::resolve`] made is valid as a whole.** Precedence is
//! command line, environment, file, default. A value that is overridden is still checked. Nothing
//! is ignored: a key or a variable that is not known is an error.
//!
//! Not here: how the environment and the file are read ([`layers`]) and how one value is
//! ([`value`]); opening anything but the config file, which the
//! caller does, so that this can be tested with literals.
//!
//! Failure: [`ConfigError`], always fatal, exit status 2.

pub mod layers;
pub mod value;

use std::ffi::OsString;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;

use crate::cli::{self, Args, Options};
use crate::metrics::{self, TextFile};
use crate::source::{Address, MAX_INFLATE_RATIO, kind_of_many};
use crate::suggest;

/// What one run of the filter shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option by itself")]
pub struct Config {
    /// Where records come from, in this order; never empty.
    pub inputs: Vec<Input>,
    /// Inputs, all of them paths, are read on when they grow, rotate or are opened again.
    pub follow: bool,
    /// Where it is kept how far they were read; only with `follow`.
    pub state: Option<PathBuf>,
    /// How many connections are read at once; at most 1024.
    pub max_connections: NonZeroUsize,
    /// A connection that sends nothing for so long is ended; zero is never.
    pub idle_timeout: Duration,
    /// A host on stdin and stdout waits for the word that its records are kept in `output`.
    pub ack: Option<Ack>,
    /// A host on stdin and stdout waits for one line for each of its lines; never with `ack`.
    pub lockstep: Option<Lockstep>,
    /// Where records go; nothing means stdout.
    pub output: Option<PathBuf>,
    /// Which records go there.
    pub select: Select,
    /// Which records are parsed in full.
    pub validate: Validate,
    /// What is decoded is decoded a second time, by another decoder, and compared.
    pub paranoid: bool,
    /// What becomes of records that hold others.
    pub envelope: Envelope,
    /// How the input is laid out.
    pub input: InputForm,
    /// What becomes of a reject.
    pub on_reject: OnReject,
    /// Where rejects go instead of the output; never together with [`OnReject::Drop`].
    pub rejects: Option<PathBuf>,
    /// Over which events repeats are found.
    pub dedup: DedupWindow,
    /// A repeat is passed on, marked when it is CloudHSM's, instead of being dropped.
    pub dedup_mark: bool,
    /// How long events are held for the order of their time, in that time; 0 for not at all.
    pub reorder: Duration,
    /// How many events are held for it at most.
    pub reorder_records: NonZeroUsize,
    /// The longest record that is no reject, in bytes; from 1 KiB to 1 GiB.
    pub max_record_bytes: usize,
    /// How many times longer a compressed source may become, once it has become 16 MiB.
    pub max_inflate_ratio: u64,
    /// How many threads decode and enrich; at most 1024.
    pub workers: NonZeroUsize,
    /// How long a complete record may be held; at most one hour.
    pub flush_interval: Duration,
    /// Where Prometheus can fetch metrics.
    pub metrics_listen: Option<metrics::Address>,
    /// The file for the textfile collector.
    pub metrics_file: Option<TextFile>,
    /// Print totals on stderr at the end.
    pub summary: bool,
    /// What the host is told on stderr while the run goes on.
    pub stderr_protocol: StderrProtocol,
    /// Messages of this level and above go to stderr.
    pub log_level: LogLevel,
    /// How they look.
    pub log_format: LogFormat,
}

/// Where records come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The process's standard input.
    Stdin,
    /// Those who connect there; the only input then.
    Listen(Address),
    /// The file of this path, the files in that directory, or those that fit it as a pattern.
    File(PathBuf),
}

/// `--ack`: who waits for the word that its records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ack {
    /// rsyslog's omprog with confirmMessages, and useTransactions if you like
    Omprog,
}

/// `--lockstep`: what answers a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lockstep {
    /// What became of the line
    Line,
    /// What rsyslog's mmexternal is to change of its message
    Mmexternal,
}

/// `--select`: which records are passed on.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Select {
    /// Every record
    #[default]
    All,
    /// Only records with a cloudhsm object
    #[value(name = "cloudhsm")]
    CloudHsm,
}

/// `--validate`: which records are parsed in full.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Validate {
    /// Every record
    #[default]
    All,
    /// Only records that could be CloudHSM events, span lines or hold others; the rest is only framed
    Matching,
}

/// `--envelope`: what becomes of records that hold events.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Envelope {
    /// Pass on the events inside
    #[default]
    Unwrap,
    /// Pass on the record around them, with what they gain at its end
    Keep,
}

/// `--input`: how the input is laid out.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InputForm {
    /// Tell by the first line of each source
    #[default]
    Auto,
    /// Values end with their line
    Lines,
    /// Values span lines
    Document,
}

/// `--on-reject`: what becomes of a reject.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnReject {
    /// Keep it: wrapped as one JSON line, in order
    #[default]
    Emit,
    /// Count it and drop it
    Drop,
    /// Keep it, then end with exit status 1
    Stop,
}

/// `--dedup`: over which events repeats are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DedupWindow {
    /// The last so many events that were no repeats; 0 for none, which turns it off
    Events(u32),
    /// Those that are older by no more than this
    Time(Duration),
}

impl DedupWindow {
    /// What `--dedup` without a value is.
    pub const WITHOUT_VALUE: Self = Self::Events(1_000_000);
}

impl Default for DedupWindow {
    fn default() -> Self {
        Self::Events(0)
    }
}

/// `--stderr-protocol`: what the host is told on stderr.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StderrProtocol {
    /// Nothing
    #[default]
    None,
    /// Counters and signs of life for Hadoop Streaming
    Hadoop,
}

/// `--log-level`: which messages are printed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// No messages
    Off,
    /// What makes the exit status 2 or 3
    #[default]
    Error,
    /// Also what went on in another way than was asked for
    Warn,
    /// Also each file that is read, and what is listened to and served
    Info,
    /// Also each reject
    Debug,
    /// Everything
    Trace,
}

/// `--log-format`: how messages are printed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// The configuration cannot be used. The text is for the person who wrote it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value that its option does not take.
    #[error("{place} is {given}, but takes {accepted}")]
    Value {
        /// The variable, or the file, the line and the key.
        place: String,
        /// The value, as a part of the sentence.
        given: String,
        /// What the option takes.
        accepted: String,
    },
    /// A variable whose value is not UTF-8.
    #[error("the value of {variable} is not UTF-8")]
    VariableNotUtf8 {
        /// The variable.
        variable: String,
    },
    /// A variable with our prefix that is no option.
    #[error("the environment variable {variable} is no option{}", hint(nearest.as_deref()))]
    UnknownVariable {
        /// The variable.
        variable: String,
        /// The variable that was probably meant.
        nearest: Option<String>,
    },
    /// A key in the config file that is no option.
    #[error("{place}: `{key}` is no option{}", hint(nearest.as_deref()))]
    UnknownKey {
        /// The file and the line.
        place: String,
        /// The key.
        key: String,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// The config file could not be read.
    #[error("cannot read the config file {}: {error}", path.display())]
    Unreadable {
        /// The config file.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// The config file is no TOML.
    #[error("{place}: not valid TOML: {detail}")]
    NotToml {
        /// The file and the line.
        place: String,
        /// What the parser says.
        detail: String,
    },
    /// `rejects` keeps what `on_reject = "drop"` throws away.
    #[error(
        "--rejects keeps rejected records and --on-reject drop throws them away: give one of them \
         (on the command line, in the environment or in the config file)"
    )]
    RejectsDropped,
    /// Listening has no end, so that no FILE would come after it.
    #[error("--listen takes no FILEs beside it")]
    ListenAndRead,
    /// stdin cannot be opened again, nor can connections.
    #[error("--follow needs FILEs, each a path and not -, and no --listen")]
    FollowedStdin,
    /// What a directory or a pattern stands for is not known when files come and go.
    #[error("--follow follows files and FIFOs by their names: {0} is a {1}")]
    FollowedMany(String, &'static str),
    /// A word behind `--dedup` is a FILE, which is seldom meant when there is none of that name.
    #[error("there is no file {0}; as the value of --dedup it stands behind a =: --dedup={0}")]
    WindowAsFile(String),
    /// A command stands first: behind an option, or mistyped, it is taken for a FILE.
    #[error("there is no file {word}; if a command is meant, it stands first: hsmtrail {command}")]
    CommandAsFile {
        /// What was given as a FILE.
        word: String,
        /// The command that it is like.
        command: String,
    },
    /// What answers a host has no room for records.
    #[error("--ack needs --output FILE for the records: stdout carries the answers to the host")]
    AckWithoutOutput,
    /// A host sends lines to stdin and waits for the answer to each.
    #[error("{mode} goes without {other}: {reason}")]
    NotForHosts {
        /// The option that speaks to the host.
        mode: &'static str,
        /// What does not go with it.
        other: &'static str,
        /// Why, or what helps.
        reason: &'static str,
    },
    /// A position is that of a file that is followed.
    #[error("--state needs --follow and FILEs: what comes otherwise has no place to go on from")]
    StateWithoutFollow,
    /// Records that are held for their order are read and not written.
    #[error("--state cannot be kept with --reorder, which holds records that were read")]
    StateOfReordered,
    /// Replacing the state file would destroy records.
    #[error("the state file {} is also an input, an output or the metrics file", path.display())]
    StateFileUsed {
        /// The file.
        path: PathBuf,
    },
    /// Replacing the metrics file would destroy records.
    #[error("the metrics file {} is also an input, the output or the file of rejects", path.display())]
    MetricsFileUsed {
        /// The file.
        path: PathBuf,
    },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            inputs: vec![Input::Stdin],
            follow: false,
            state: None,
            max_connections: const { NonZeroUsize::MIN.saturating_add(127) },
            idle_timeout: Duration::from_mins(5),
            ack: None,
            lockstep: None,
            output: None,
            select: Select::default(),
            validate: Validate::default(),
            paranoid: false,
            envelope: Envelope::default(),
            input: InputForm::default(),
            on_reject: OnReject::default(),
            rejects: None,
            dedup: DedupWindow::default(),
            dedup_mark: false,
            reorder: Duration::ZERO,
            reorder_records: const { NonZeroUsize::MIN.saturating_add(99_999) },
            max_record_bytes: 1 << 20,
            max_inflate_ratio: MAX_INFLATE_RATIO,
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            flush_interval: Duration::from_millis(100),
            metrics_listen: None,
            metrics_file: None,
            summary: false,
            stderr_protocol: StderrProtocol::default(),
            log_level: LogLevel::default(),
            log_format: LogFormat::default(),
        }
    }
}

impl Config {
    /// Brings the sources together, from the one that counts most to the defaults.
    ///
    /// `read_file` reads the config file, when there is one.
    ///
    /// # Errors
    ///
    /// A value, a variable or a key that is not accepted, a config file that cannot be read, or
    /// options that contradict one another.
    pub fn resolve(
        args: Args,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        read_file: impl FnOnce(&Path) -> io::Result<String>,
    ) -> Result<Self, ConfigError> {
        let options = layers::all(args.options, environment, read_file)?;
        let config = Self::with_defaults(args.files, options);
        config.check()?;
        Ok(config)
    }

    /// The same, but its inputs are a sample of what there will be: FILEs are read to their end, and
    /// only without any may others be listened to.
    ///
    /// # Errors
    ///
    /// As for [`Config::resolve`].
    pub fn resolve_for_sample(
        args: Args,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        read_file: impl FnOnce(&Path) -> io::Result<String>,
    ) -> Result<Self, ConfigError> {
        let mut options = layers::all(args.options, environment, read_file)?;
        options.follow = None;
        options.state = None;
        // A host's lines may be in a file.
        (options.ack, options.lockstep) = (None, None);
        options.listen = options.listen.filter(|_| args.files.is_empty());
        let config = Self::with_defaults(args.files, options);
        config.check()?;
        Ok(config)
    }

    fn with_defaults(files: Vec<PathBuf>, options: Options) -> Self {
        let default = Self::default().of_lockstep(options.lockstep, options.rejects.is_some());
        Self {
            inputs: match options.listen {
                None if files.is_empty() => default.inputs,
                listen => listen
                    .map(Input::Listen)
                    .into_iter()
                    .chain(files.into_iter().map(Input::from))
                    .collect(),
            },
            follow: options.follow.unwrap_or(default.follow),
            state: options.state,
            max_connections: options.max_connections.unwrap_or(default.max_connections),
            idle_timeout: options.idle_timeout.unwrap_or(default.idle_timeout),
            ack: options.ack,
            lockstep: options.lockstep,
            output: options.output.filter(|path| value::is_real(path)),
            select: options.select.unwrap_or(default.select),
            validate: options.validate.unwrap_or(default.validate),
            paranoid: options.paranoid.unwrap_or(default.paranoid),
            envelope: options.envelope.unwrap_or(default.envelope),
            input: options.input.unwrap_or(default.input),
            on_reject: options.on_reject.unwrap_or(default.on_reject),
            rejects: options.rejects,
            dedup: options.dedup.unwrap_or(default.dedup),
            dedup_mark: options.dedup_mark.unwrap_or(default.dedup_mark),
            reorder: options.reorder.unwrap_or(default.reorder),
            reorder_records: options.reorder_records.unwrap_or(default.reorder_records),
            max_record_bytes: options.max_record_bytes.unwrap_or(default.max_record_bytes),
            max_inflate_ratio: options
                .max_inflate_ratio
                .unwrap_or(default.max_inflate_ratio),
            workers: options.workers.unwrap_or(default.workers),
            flush_interval: options.flush_interval.unwrap_or(default.flush_interval),
            metrics_listen: options.metrics_listen,
            metrics_file: options.metrics_file,
            summary: options.summary.unwrap_or(default.summary),
            stderr_protocol: options.stderr_protocol.unwrap_or(default.stderr_protocol),
            log_level: options.log_level.unwrap_or(default.log_level),
            log_format: options.log_format.unwrap_or(default.log_format),
        }
    }

    /// The defaults for that answer. `mmexternal` leaves a message as it is unless it is told
    /// otherwise, so that is right for a record without a CloudHSM event and for a reject, which the
    /// host keeps. It takes a line on stderr for an answer.
    fn of_lockstep(self, lockstep: Option<Lockstep>, keeps_rejects: bool) -> Self {
        match lockstep {
            Some(Lockstep::Mmexternal) => Self {
                select: Select::CloudHsm,
                on_reject: if keeps_rejects {
                    OnReject::Emit
                } else {
                    OnReject::Drop
                },
                log_level: LogLevel::Off,
                ..self
            },
            Some(Lockstep::Line) | None => self,
        }
    }

    /// What does not go with a host that waits for answers.
    fn check_host(&self) -> Result<(), ConfigError> {
        let mode = match (self.ack, self.lockstep) {
            (Some(_), _) => "--ack",
            (None, Some(_)) => "--lockstep",
            (None, None) => return Ok(()),
        };
        let is_mmexternal = self.lockstep == Some(Lockstep::Mmexternal);
        let excluded = [
            (
                self.ack.is_some() && self.lockstep.is_some(),
                "--lockstep",
                "an answer says that a record is kept, or is the record itself",
            ),
            (
                self.inputs != [Input::Stdin] || self.follow,
                "FILEs, --follow and --listen",
                "the host sends its lines to stdin (a value of --lockstep stands behind a =)",
            ),
            (
                self.lockstep.is_some() && self.output.is_some(),
                "--output",
                "the answers are the output",
            ),
            (
                is_mmexternal && (self.summary || self.stderr_protocol != StderrProtocol::None),
                "--summary and --stderr-protocol when it is mmexternal",
                "rsyslog takes stderr for an answer; the metrics say the same",
            ),
            (
                self.input == InputForm::Document,
                "--input document",
                "each line of the host stands for itself",
            ),
            (
                !self.reorder.is_zero(),
                "--reorder",
                "what is held has no answer; put the records in order behind the host",
            ),
            (
                is_mmexternal && self.dedup != DedupWindow::Events(0),
                "--dedup when it is mmexternal",
                "that cannot drop a message; find repeats behind the host",
            ),
        ];
        if let Some((_, other, reason)) = excluded.into_iter().find(|(is_given, ..)| *is_given) {
            return Err(ConfigError::NotForHosts {
                mode,
                other,
                reason,
            });
        }
        if self.ack.is_some() && self.output.is_none() {
            return Err(ConfigError::AckWithoutOutput);
        }
        Ok(())
    }

    /// What options forbid together, whichever source each came from.
    fn check(&self) -> Result<(), ConfigError> {
        if self.rejects.is_some() && self.on_reject == OnReject::Drop {
            return Err(ConfigError::RejectsDropped);
        }
        self.check_host()?;
        if self.inputs.len() > 1 && matches!(self.inputs.first(), Some(Input::Listen(_))) {
            return Err(ConfigError::ListenAndRead);
        }
        if self.follow && self.inputs.iter().any(|input| input.path().is_none()) {
            return Err(ConfigError::FollowedStdin);
        }
        if let Some(word) = self.window_as_file() {
            return Err(ConfigError::WindowAsFile(word.to_owned()));
        }
        if let Some((word, command)) = self.command_as_file() {
            return Err(ConfigError::CommandAsFile { word, command });
        }
        let mut followed = self.inputs.iter().filter_map(Input::path);
        if self.follow
            && let Some((path, kind)) = followed.find_map(|path| Some((path, kind_of_many(path)?)))
        {
            return Err(ConfigError::FollowedMany(path.display().to_string(), kind));
        }
        if self.state.is_some() && !self.follow {
            return Err(ConfigError::StateWithoutFollow);
        }
        if self.state.is_some() && !self.reorder.is_zero() {
            return Err(ConfigError::StateOfReordered);
        }
        // The sinks compare what they open with the inputs. These two files are not opened but
        // replaced, so that nothing would notice there.
        let metrics = self.metrics_file.as_ref().map(TextFile::path);
        if let Some(path) = metrics.filter(|path| self.is_used(path)) {
            let path = path.to_owned();
            return Err(ConfigError::MetricsFileUsed { path });
        }
        let state = self.state.as_deref();
        if let Some(path) = state.filter(|path| self.is_used(path) || metrics == Some(*path)) {
            let path = path.to_owned();
            return Err(ConfigError::StateFileUsed { path });
        }
        Ok(())
    }

    /// The first FILE, when it is a bare word like a command's name, and that command. A followed file
    /// may be made later.
    fn command_as_file(&self) -> Option<(String, String)> {
        let word = self.inputs.first()?.path()?.to_str()?;
        let is_bare = word.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !is_bare || self.follow || Path::new(word).exists() {
            return None;
        }
        let commands = cli::commands();
        let command = suggest::nearest(word, commands.iter().map(String::as_str))?;
        Some((word.to_owned(), command.to_owned()))
    }

    /// What was given as a FILE behind a `--dedup` that has no value, but can only be meant as that.
    fn window_as_file(&self) -> Option<&str> {
        let mut words = self
            .inputs
            .iter()
            .filter_map(|input| input.path()?.to_str());
        let is_window = |word: &&str| value::DEDUP_WINDOW.read(word).is_ok();
        words
            .find(is_window)
            .filter(|word| self.dedup == DedupWindow::WITHOUT_VALUE && !Path::new(word).exists())
    }

    /// Whether this is the path of an input, the output or the file of rejects.
    fn is_used(&self, path: &Path) -> bool {
        let inputs = self.inputs.iter().filter_map(Input::path);
        let mut used = inputs
            .chain(self.output.as_deref())
            .chain(self.rejects.as_deref());
        used.any(|used| used == path)
    }
}

impl Input {
    /// The path, be it of a file, a directory or a pattern; nothing for stdin.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdin | Self::Listen(_) => None,
            Self::File(path) => Some(path),
        }
    }
}

impl From<PathBuf> for Input {
    fn from(path: PathBuf) -> Self {
        if value::is_real(&path) {
            Self::File(path)
        } else {
            Self::Stdin
        }
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest
        .map(|nearest| format!("; did you mean {nearest}?"))
        .unwrap_or_default()
}
