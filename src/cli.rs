//! Holds what was typed on the command line.
//!
//! In → out: the process's arguments; [`Args`] for [`crate::config`], and from the same definition
//! the help, the man page and the completions.
//!
//! Invariants: **An option that was not typed is `None`**, so that the environment and the config
//! file can give it. Every option's value is read by the [`Kind`] that the other two sources use.
//!
//! Not here: precedence, defaults and what options forbid together (`config`); printing and exit
//! statuses (`main`).
//!
//! Failure: clap's own messages, which suggest the nearest option; a usage error, exit status 2.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::PathBufValueParser;
use clap::builder::TypedValueParser as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::value::{self, Kind, Unaccepted};
use crate::config::{
    Ack, DedupWindow, Envelope, InputForm, Lockstep, LogFormat, LogLevel, OnReject, Select,
    StderrProtocol, Validate,
};
use crate::metrics::{self, TextFile};
use crate::source::Address;

/// Everything that can stand on the command line.
#[derive(Debug, Default, Clone, PartialEq, Eq, Parser)]
#[command(
    name = "hsmtrail",
    // Not what the caller put in its place, which may be anything.
    bin_name = "hsmtrail",
    version,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_help = EXAMPLES,
    after_long_help = LONG_EXAMPLES,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
pub struct Args {
    /// Something to print instead of filtering.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Read these files, in this order; - is stdin [default: stdin]
    ///
    /// Plain or compressed by gzip, zstd or bzip2. Of a directory all files are read, in order of
    /// their names, that end in .json, .jsonl or .ndjson, compressed or not. A FILE that does not
    /// exist and has *, ? or [ in it is a pattern.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// The options.
    #[command(flatten)]
    pub options: Options,
}

/// What is done instead of filtering: something is printed.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Print the catalogue of CloudHSM operations, or one entry of it in words
    Explain {
        /// The operation, as in eventName; upper and lower case are the same
        operation: Option<String>,
    },
    /// Read a sample, and print what the programs around the filter have to be set to
    ///
    /// Takes the options of the run that is planned, writes nothing, and does not listen. Run it where
    /// the filter will run. Exit status: 0 when there is nothing to warn of, 1 with warnings, 2 for wrong
    /// usage, 3 when the sample cannot be read.
    Doctor {
        /// The sample [default: stdin]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The options.
        #[command(flatten)]
        options: Box<Options>,
    },
    /// Print the JSON Schema (2020-12) of the cloudhsm object
    Schema,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the man page, or that of a command, in roff
    Man {
        /// The command
        command: Option<String>,
    },
}

/// The options, as far as they were given. The name of a field is the option's key in the config
/// file and, in upper case after `HSMTRAIL_`, its environment variable.
#[derive(Debug, Default, Clone, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// Read on when a FILE grows, rotates or, if it is a FIFO, is opened again [default: false]
    ///
    /// All FILEs are read at once, until a signal ends the run. Each is a path, no directory and no
    /// pattern.
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        help_heading = "Input"
    )]
    pub follow: Option<bool>,

    /// Keep in this file how far followed FILEs were read, for the next run [default: none]
    ///
    /// Only with --follow, and not with --reorder. An output file is then not replaced but
    /// continued.
    #[arg(
        long,
        value_name = "FILE",
        value_parser = file(value::STATE_FILE, value::real),
        help_heading = "Input"
    )]
    pub state: Option<PathBuf>,

    /// Read what clients send to this socket, as unix:PATH or tcp:ADDR:PORT [default: off]
    ///
    /// tcp:PORT is on the loopback interface; systemd is the socket that it passes on. A Unix socket
    /// is open to its owner only. Each connection is a source of its own. There are no FILEs beside it.
    #[arg(long, value_name = "SOCKET", value_parser = by(value::SOCKET), help_heading = "Input")]
    pub listen: Option<Address>,

    /// Read so many connections at once, from 1 to 1024; others wait [default: 128]
    #[arg(long, value_name = "N", value_parser = by(value::THREADS), help_heading = "Input")]
    pub max_connections: Option<NonZeroUsize>,

    /// End a connection that sends nothing for so long, up to 1h; 0 is never [default: 5m]
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = by(value::INTERVAL),
        help_heading = "Input"
    )]
    pub idle_timeout: Option<Duration>,

    /// How the input is laid out [default: auto]
    #[arg(long, value_enum, value_name = "FORM", help_heading = "Input")]
    pub input: Option<InputForm>,

    /// Reject longer records; a unit is KiB, MiB, KB or MB [default: 1MiB]
    ///
    /// From 1KiB to 1GiB.
    /// CloudTrail's own limit is 256 KB, or 1 MB for an enriched event. What is longer is not held
    /// in memory.
    #[arg(long, value_name = "SIZE", value_parser = by(value::RECORD_SIZE), help_heading = "Input")]
    pub max_record_bytes: Option<usize>,

    /// End a compressed file that becomes more than N times longer [default: 200]
    ///
    /// It is looked at once a file has become 16 MiB, and what came before is passed on.
    #[arg(long, value_name = "N", value_parser = by(value::RATIO), help_heading = "Input")]
    pub max_inflate_ratio: Option<u64>,

    /// Which records to parse in full [default: all]
    #[arg(long, value_enum, value_name = "WHICH", help_heading = "Input")]
    pub validate: Option<Validate>,

    /// Decode what may be an event a second time, by another decoder, and compare [default: false]
    ///
    /// A record that the two read differently is rejected; none is known. Events take some five
    /// times as long, other records no longer.
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        help_heading = "Input"
    )]
    pub paranoid: Option<bool>,

    /// What becomes of a record that holds events, such as an EventBridge envelope [default: unwrap]
    #[arg(long, value_enum, value_name = "ACTION", help_heading = "Input")]
    pub envelope: Option<Envelope>,

    /// Confirm to this host, on stdout, the records that are kept in the output [default: off]
    ///
    /// A record is confirmed when it is on disk. The output goes on where it ended.
    #[arg(long, value_enum, value_name = "HOST", help_heading = "Hosts")]
    pub ack: Option<Ack>,

    /// Answer each line with one line, at once [default: off]
    ///
    /// The answer is what became of the line, {} for nothing, an array for several records; or, with
    /// =mmexternal, what rsyslog is to change.
    #[arg(
        long,
        value_enum,
        value_name = "ANSWER",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "line",
        help_heading = "Hosts"
    )]
    pub lockstep: Option<Lockstep>,

    /// Write records to this file; - is stdout [default: stdout]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Which records to pass on [default: all]
    #[arg(long, value_enum, value_name = "WHICH", help_heading = "Output")]
    pub select: Option<Select>,

    /// What becomes of input that is no JSON object [default: emit]
    #[arg(long, value_enum, value_name = "ACTION", help_heading = "Output")]
    pub on_reject: Option<OnReject>,

    /// Write rejects to this file instead of the output [default: none]
    ///
    /// Only here is a record that is too long kept in full. It is an error together with
    /// --on-reject drop.
    #[arg(
        long,
        value_name = "FILE",
        value_parser = file(value::REAL_FILE, value::real),
        help_heading = "Output"
    )]
    pub rejects: Option<PathBuf>,

    /// Leave out events that came before, by eventID [default: 0]
    ///
    /// N is over how many of the last events, not counting repeats, or over how much of the events'
    /// own time; 0 is off. Without a value it is 1000000, which takes about 40 MB.
    #[arg(
        long,
        value_name = "N|DURATION",
        value_parser = by(value::DEDUP_WINDOW),
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1000000",
        help_heading = "Order and repeats"
    )]
    pub dedup: Option<DedupWindow>,

    /// Pass repeats on, with "duplicate":true in cloudhsm [default: false]
    ///
    /// They are counted as duplicates all the same. A repeat that is not CloudHSM's has no such
    /// object and passes as it is.
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        help_heading = "Order and repeats"
    )]
    pub dedup_mark: Option<bool>,

    /// Hold events this long to pass them in order of eventTime; 0 is off [default: 0]
    ///
    /// The time is the events' own, so when the input pauses, what is held waits. What is late
    /// passes at once, as does what has no time.
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = by(value::EVENT_TIME_SPAN),
        help_heading = "Order and repeats"
    )]
    pub reorder: Option<Duration>,

    /// Hold no more events than this for --reorder [default: 100000]
    ///
    /// An event of more than 4 KiB counts as several, one for each 4 KiB.
    #[arg(
        long,
        value_name = "N",
        value_parser = by(value::HELD_EVENTS),
        help_heading = "Order and repeats"
    )]
    pub reorder_records: Option<NonZeroUsize>,

    /// Threads that work on records, from 1 to 1024; the output is the same for any number [default:
    /// one a core]
    #[arg(long, value_name = "N", value_parser = by(value::THREADS), help_heading = "Speed")]
    pub workers: Option<NonZeroUsize>,

    /// Hold a complete record no longer than this, up to 1h; a unit is ms, s, m or h [default: 100ms]
    #[arg(long, value_name = "DURATION", value_parser = by(value::INTERVAL), help_heading = "Speed")]
    pub flush_interval: Option<Duration>,

    /// Serve Prometheus metrics here; a port alone is on loopback [default: off]
    ///
    /// The path is /metrics. To be reached from other machines, name the address: 0.0.0.0:9798. Of a
    /// range, 9798-9805, the first free port is taken. unix: with a path behind it is a socket
    /// of mode 0600.
    #[arg(
        long,
        value_name = "ADDR",
        value_parser = by(value::METRICS_ADDRESS),
        help_heading = "Metrics"
    )]
    pub metrics_listen: Option<metrics::Address>,

    /// Write metrics to this file for the textfile collector [default: off]
    ///
    /// It is replaced as a whole, every 15 s and before the end. The collector reads only names
    /// that end in .prom. In the name, %p is the process id, which every series then has as the
    /// label pid, and %% is a per cent sign.
    #[arg(
        long,
        value_name = "FILE.prom",
        value_parser = file(value::PROM_FILE, TextFile::named),
        help_heading = "Metrics"
    )]
    pub metrics_file: Option<TextFile>,

    /// Print one paragraph of totals on stderr at the end [default: false]
    ///
    /// With =false it is off whatever the environment and the config file say.
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        help_heading = "Metrics"
    )]
    pub summary: Option<bool>,

    /// Tell the program's host on stderr how the run goes, in its own words [default: none]
    ///
    /// For Hadoop Streaming: the totals as counters of the job, in the group hsmtrail, and a status
    /// every 10 s, so that the task is not taken for dead.
    #[arg(long, value_enum, value_name = "WORDS", help_heading = "Metrics")]
    pub stderr_protocol: Option<StderrProtocol>,

    /// Read options from this TOML file [default: none]
    #[arg(short, long, value_name = "FILE", help_heading = "Settings")]
    pub config: Option<PathBuf>,

    /// Print messages of this level and above on stderr [default: error]
    #[arg(
        short = 'v',
        long,
        value_enum,
        value_name = "LEVEL",
        help_heading = "Settings"
    )]
    pub log_level: Option<LogLevel>,

    /// How messages are printed [default: text]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Settings")]
    pub log_format: Option<LogFormat>,
}

/// The short usage that a person sees who starts `hsmtrail` on a terminal without input.
pub fn usage() -> String {
    let usage = Args::command().render_usage();
    format!(
        "{usage}\n\n\
         hsmtrail reads CloudTrail JSON from a pipe or from files:\n\
         \x20 gzip -dc *.json.gz | hsmtrail\n\n\
         For more, try 'hsmtrail --help'.\n"
    )
}

/// The names of all commands.
pub fn commands() -> Vec<String> {
    let commands = Args::command();
    let names = commands.get_subcommands().map(clap::Command::get_name);
    names.map(str::to_owned).collect()
}

/// The completion script for a shell.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "hsmtrail", &mut script);
    script
}

/// The man page, or that of a command, in roff; nothing when there is no such command.
///
/// # Errors
///
/// None in practice: it is written to memory.
pub fn man(command: Option<&str>) -> std::io::Result<Option<Vec<u8>>> {
    // `help` has no page that could be pointed to.
    let mut all = Args::command().disable_help_subcommand(true);
    all.build();
    let meant = match command {
        None => Some(&all),
        Some(name) => all.find_subcommand(name),
    };
    let Some(meant) = meant else {
        return Ok(None);
    };
    // Filled, as the generator would have it, the examples could not be read.
    let verbatim = meant.get_after_long_help().map(ToString::to_string);
    let meant = meant.clone().after_help(None).after_long_help(None);
    let mut page = Vec::new();
    clap_mangen::Man::new(meant).render(&mut page)?;
    page.extend(verbatim.iter().flat_map(|text| sections(text).into_bytes()));
    Ok(Some(page))
}

/// Sections of roff; one begins where a line ends with a colon and is not indented. Lines that are
/// stay as they are.
fn sections(text: &str) -> String {
    let mut roff = String::new();
    for line in text.lines() {
        let is_indented = line.starts_with(' ');
        // No line begins like a request, and a dash is one of those that are typed.
        let words = line.replace('\\', "\\e").replace('-', "\\-");
        match line.strip_suffix(':').filter(|_| !is_indented) {
            Some(name) => roff.extend([".fi\n.SH ", &name.to_uppercase(), "\n.nf\n"]),
            None if is_indented || line.is_empty() => roff.extend(["\\&", &words, "\n"]),
            None => roff.extend([".fi\n\\&", &words, "\n.nf\n"]),
        }
    }
    roff + ".fi\n"
}

/// Reads an option's value as the environment and the config file do.
fn by<T>(kind: Kind<T>) -> impl Fn(&str) -> Result<T, Unaccepted> + Clone
where
    Kind<T>: Clone,
{
    move |text| kind.read(text)
}

/// Reads a path as it was typed, UTF-8 or not.
fn file<T: Clone + Send + Sync + 'static>(
    kind: Kind<T>,
    read: fn(&Path) -> Option<T>,
) -> impl clap::builder::TypedValueParser<Value = T> {
    PathBufValueParser::new().try_map(move |path| read(&path).ok_or_else(|| kind.unaccepted()))
}

const ABOUT: &str = "Finds AWS CloudHSM events in a CloudTrail stream and says in plain fields \
                     what happened";

const LONG_ABOUT: &str = "\
Reads AWS CloudTrail JSON from stdin or from files and writes the same records as one line each. \
Every AWS CloudHSM event among them gains an object, cloudhsm, that says what happened, to which \
cluster, HSM or backup, by whom, whether it worked, and how much it matters. Otherwise \
a record stays as it is, byte for byte, but for line breaks and indentation.

The form of the input is recognised: one event a line, CloudTrail's log files, arrays, values \
back to back, and events inside the records of CloudWatch Logs, EventBridge, SNS, SQS, \
lookup-events, CloudTrail Lake, Vector, Fluent Bit, Splunk and Elastic; in files compressed by \
gzip, zstd or bzip2 or not.";

const EXAMPLES: &str = "\
Examples:
  hsmtrail --select cloudhsm AWSLogs
  hsmtrail --output events.ndjson --rejects bad.ndjson --summary trail.json
  hsmtrail --metrics-listen 9798 --config /etc/hsmtrail.toml

A file that is named like a command is given as ./explain.";

const LONG_EXAMPLES: &str = "\
Examples:
  The CloudHSM events of an archive, the grave ones only:
    gzip -dc *.json.gz | hsmtrail --select cloudhsm | jq 'select(.cloudhsm.severity == \"critical\")'

  Files, with the damaged records set aside and the totals at the end:
    hsmtrail --output events.ndjson --rejects bad.ndjson --summary trail.json more.json

  A service behind a log shipper, with metrics on http://127.0.0.1:9798/metrics:
    hsmtrail --metrics-listen 9798 --config /etc/hsmtrail.toml

  What an operation means, and what a call of it is worth:
    hsmtrail explain DeleteBackup

  What the programs around a service have to be set to:
    hsmtrail doctor --config /etc/hsmtrail.toml trail.json

A file that is named like a command is given as ./explain. Every option but --config can also \
stand in the config file (as log_level), and every one in the environment (as HSMTRAIL_LOG_LEVEL). The \
command line comes first, then the environment, then the file.

Exit status:
  0    all went well, also after SIGTERM
  1    finished, but records were rejected, which is not said on stderr; doctor warns of something
  2    wrong usage or configuration
  3    the input could not be read or the output not written
  130  interrupted
  141  the reader of the output went away";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once("hsmtrail").chain(words.iter().copied()))
    }

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn nothing_typed_is_nothing_given() {
        assert_eq!(parse(&[]).unwrap(), Args::default());
    }

    #[test]
    fn commands_stand_alone_and_first() {
        let explain = |operation: Option<&str>| Command::Explain {
            operation: operation.map(str::to_owned),
        };
        for (words, command, files) in [
            (&["explain"][..], Some(explain(None)), &[][..]),
            (
                &["explain", "DeleteHsm"],
                Some(explain(Some("DeleteHsm"))),
                &[],
            ),
            (&["schema"], Some(Command::Schema), &[]),
            (&["man"], Some(Command::Man { command: None }), &[]),
            (
                &["completions", "fish"],
                Some(Command::Completions { shell: Shell::Fish }),
                &[],
            ),
            (&["./explain"], None, &["./explain"]),
            (&["--", "explain"], None, &["explain"]),
            (&["a.json", "schema"], None, &["a.json", "schema"]),
            (&["--summary", "schema"], None, &["schema"]),
            (&["-", "a.json"], None, &["-", "a.json"]),
        ] {
            let args = parse(words).unwrap();
            assert_eq!(args.command, command, "{words:?}");
            assert_eq!(
                args.files,
                files.iter().map(PathBuf::from).collect::<Vec<_>>(),
                "{words:?}"
            );
        }
    }

    #[test]
    fn the_summary_can_be_asked_for_and_refused() {
        for (words, summary) in [
            (&["--summary"][..], Some(true)),
            (&["--summary=true"], Some(true)),
            (&["--summary=false"], Some(false)),
            (&["--summary", "false"], Some(true)), // `false` is a file here
        ] {
            assert_eq!(parse(words).unwrap().options.summary, summary, "{words:?}");
        }
    }

    /// A value after a blank is a file.
    #[test]
    fn repeats_are_found_with_or_without_a_number() {
        let events = |events| Some(DedupWindow::Events(events));
        for (words, dedup, mark, files) in [
            (&["--dedup"][..], Some(DedupWindow::WITHOUT_VALUE), None, 0),
            (&["--dedup", "20"], events(1_000_000), None, 1),
            (&["--dedup=20"], events(20), None, 0),
            (&["--dedup=0"], events(0), None, 0),
            (
                &["--dedup=24h", "--dedup-mark"],
                Some(DedupWindow::Time(Duration::from_hours(24))),
                Some(true),
                0,
            ),
            (&["--dedup-mark=false", "a"], None, Some(false), 1),
        ] {
            let args = parse(words).unwrap();
            let given = (
                args.options.dedup,
                args.options.dedup_mark,
                args.files.len(),
            );
            assert_eq!(given, (dedup, mark, files), "{words:?}");
        }
    }

    #[test]
    fn mistakes_are_usage_errors_that_say_what_is_meant() {
        for (words, told) in [
            (&["--ouput", "x"][..], "--output"),
            (
                &["--workers", "0"],
                "it takes a whole number from 1 to 1024",
            ),
            (
                &["--max-record-bytes", "1M"],
                "it takes a size from 1KiB to 1GiB",
            ),
            (
                &["--flush-interval", "5"],
                "it takes a duration from 0 to 1h",
            ),
            (
                &["--metrics-listen", "nowhere"],
                "it takes an address to listen on",
            ),
            (&["--metrics-file", "m.txt"], "ends in `.prom`"),
            (&["--dedup=all"], "it takes a number of events from 0"),
            (&["--reorder", "5"], "it takes a duration from 0 to 8760h"),
            (&["--reorder=9000h"], "it takes a duration from 0 to 8760h"),
            (
                &["--reorder-records", "0"],
                "it takes a whole number from 1",
            ),
            (&["--rejects", "-"], "it takes the path of a file"),
            (&["--select", "some"], "all, cloudhsm"),
            (&["--output", ""], "--output"),
            (&["-v"], "error"),
            (&["completions", "csh"], "zsh"),
        ] {
            let error = parse(words).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{words:?}");
            assert!(error.to_string().contains(told), "{words:?}: {error}");
        }
    }

    #[test]
    fn the_printed_texts_know_every_option() {
        let page = man(None).unwrap().unwrap();
        let man = String::from_utf8(page).unwrap().replace('\\', "");
        for section in ["\n.SH EXAMPLES\n", "\n.SH EXIT STATUS\n"] {
            assert!(man.contains(section), "the man page lacks {section}");
        }
        let help = Args::command().render_long_help().to_string();
        for option in Args::command().get_opts() {
            let flag = format!("--{}", option.get_long().unwrap());
            assert!(help.contains(&flag), "the help lacks {flag}");
            assert!(man.contains(&flag), "the man page lacks {flag}");
            for shell in [Shell::Bash, Shell::Zsh] {
                let script = String::from_utf8(completions(shell)).unwrap();
                assert!(
                    script.contains(&flag),
                    "the completions of {shell} lack {flag}"
                );
            }
        }
    }
}
