//! Precedence, the config file and every message about a wrong configuration.

#![expect(clippy::unwrap_used, reason = "a test ends there")]

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};
use hsmtrail::cli::{Args, Options};
use hsmtrail::config::layers::KEYS;
use hsmtrail::config::{
    Ack, Config, ConfigError, DedupWindow, Envelope, Input, InputForm, Lockstep, LogFormat,
    LogLevel, OnReject, Select, StderrProtocol, Validate,
};
use hsmtrail::metrics::TextFile;
use hsmtrail::source::Address;

const DOCUMENTED: &str = include_str!("../config/hsmtrail.toml");

/// The configuration of a command line, an environment and the text of `/h.toml`.
fn resolve(
    words: &[&str],
    environment: &[(&str, &str)],
    file: &str,
) -> Result<Config, ConfigError> {
    let args = Args::try_parse_from(std::iter::once("hsmtrail").chain(words.iter().copied()));
    let environment = environment
        .iter()
        .map(|(name, text)| (name.into(), text.into()));
    Config::resolve(args.unwrap(), environment, |path| {
        assert_eq!(path, Path::new("/h.toml"));
        Ok(file.to_owned())
    })
}

fn of_file(file: &str) -> Result<Config, ConfigError> {
    resolve(&["-c", "/h.toml"], &[], file)
}

fn message(result: Result<Config, ConfigError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn nothing_given_is_the_default() {
    let config = resolve(&[], &[("PATH", "/bin"), ("HSMTRAILS", "x")], "").unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.inputs, [Input::Stdin]);
    assert_eq!(config.max_record_bytes, 1_048_576);
    assert_eq!(config.flush_interval, Duration::from_millis(100));
    assert_eq!(config.log_level, LogLevel::Error);
}

#[test]
fn the_documented_file_holds_the_defaults() {
    assert_eq!(of_file(DOCUMENTED).unwrap(), Config::default());
}

#[test]
fn the_documented_file_shows_every_key_once_and_only_good_values() {
    // What is commented out is `# key = value`; prose never has a word and an equals sign first.
    let uncommented: String = DOCUMENTED
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest)
                if KEYS
                    .iter()
                    .any(|key| rest.starts_with(&format!("{key} = "))) =>
            {
                rest
            }
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    // Some of them need another one, and some exclude one another.
    let without = |keys: &[&str]| {
        keys.iter().fold(uncommented.clone(), |text, key| {
            text.replace(&format!("\n{key} = "), "\n# = ")
        })
    };
    for (words, excluded) in [
        (&["-c/h.toml"][..], &["state", "ack", "lockstep"][..]),
        (
            &["-c/h.toml", "--follow", "a"],
            &["listen", "ack", "lockstep"],
        ),
        (&["-c/h.toml", "-oo"], &["listen", "state", "lockstep"]),
        (&["-c/h.toml"], &["listen", "state", "ack"]),
    ] {
        resolve(words, &[], &without(excluded)).unwrap();
    }
    for key in KEYS {
        let lines = uncommented
            .lines()
            .filter(|line| line.starts_with(&format!("{key} = ")));
        assert_eq!(lines.count(), 1, "config/hsmtrail.toml shows `{key}` once");
    }
}

#[test]
fn every_option_is_a_key_and_every_key_an_option() {
    let command = Args::command();
    let options = command.get_opts().map(|option| option.get_id().as_str());
    let mut options: Vec<&str> = options.filter(|id| *id != "config").collect();
    let mut keys = KEYS;
    options.sort_unstable();
    keys.sort_unstable();
    assert_eq!(options, keys);
    for option in command.get_opts() {
        let long = option.get_long().unwrap();
        assert_eq!(long.replace('-', "_"), option.get_id().as_str());
    }
}

/// A key, a value that is not its default, as TOML and as text, and what it changes.
type Sample = (&'static str, &'static str, &'static str, fn(&mut Config));

const SAMPLES: [Sample; 29] = [
    ("follow", "true", "true", |config| config.follow = true),
    ("state", "'s'", "s", |config| {
        config.state = Some("s".into());
    }),
    ("listen", "'tcp:5170'", "tcp:127.0.0.1:5170", |config| {
        config.inputs = vec![Input::Listen(Address::Tcp(
            "127.0.0.1:5170".parse().unwrap(),
        ))];
    }),
    ("max_connections", "7", "7", |config| {
        config.max_connections = NonZeroUsize::new(7).unwrap();
    }),
    ("idle_timeout", "'1s'", "1s", |config| {
        config.idle_timeout = Duration::from_secs(1);
    }),
    ("input", "'lines'", "lines", |config| {
        config.input = InputForm::Lines;
    }),
    ("max_record_bytes", "0x1000", "4096", |config| {
        config.max_record_bytes = 4096;
    }),
    ("max_inflate_ratio", "1000", "1000", |config| {
        config.max_inflate_ratio = 1000;
    }),
    ("validate", "'matching'", "matching", |config| {
        config.validate = Validate::Matching;
    }),
    ("paranoid", "true", "true", |config| config.paranoid = true),
    ("envelope", "'keep'", "keep", |config| {
        config.envelope = Envelope::Keep;
    }),
    ("ack", "'omprog'", "omprog", |config| {
        config.ack = Some(Ack::Omprog);
    }),
    ("lockstep", "'line'", "line", |config| {
        config.lockstep = Some(Lockstep::Line);
    }),
    ("output", "'o'", "o", |config| {
        config.output = Some("o".into());
    }),
    ("select", "'cloudhsm'", "cloudhsm", |config| {
        config.select = Select::CloudHsm;
    }),
    ("on_reject", "'drop'", "drop", |config| {
        config.on_reject = OnReject::Drop;
    }),
    ("rejects", "'r'", "r", |config| {
        config.rejects = Some("r".into());
    }),
    ("dedup", "'24h'", "24h", |config| {
        config.dedup = DedupWindow::Time(Duration::from_hours(24));
    }),
    ("dedup_mark", "true", "true", |config| {
        config.dedup_mark = true;
    }),
    ("reorder", "'5m'", "5m", |config| {
        config.reorder = Duration::from_mins(5);
    }),
    ("reorder_records", "7", "7", |config| {
        config.reorder_records = NonZeroUsize::new(7).unwrap();
    }),
    ("workers", "7", "7", |config| {
        config.workers = NonZeroUsize::new(7).unwrap();
    }),
    ("flush_interval", "0", "0", |config| {
        config.flush_interval = Duration::ZERO;
    }),
    ("metrics_listen", "'[::]:9798'", "[::]:9798", |config| {
        let address: SocketAddr = "[::]:9798".parse().unwrap();
        config.metrics_listen = Some(address.into());
    }),
    ("metrics_file", "'m.prom'", "m.prom", |config| {
        config.metrics_file = TextFile::named(Path::new("m.prom"));
    }),
    ("summary", "true", "true", |config| config.summary = true),
    ("stderr_protocol", "'hadoop'", "hadoop", |config| {
        config.stderr_protocol = StderrProtocol::Hadoop;
    }),
    ("log_level", "'debug'", "debug", |config| {
        config.log_level = LogLevel::Debug;
    }),
    ("log_format", "'json'", "json", |config| {
        config.log_format = LogFormat::Json;
    }),
];

#[test]
fn every_source_can_give_every_option() {
    assert_eq!(SAMPLES.map(|(key, ..)| key), KEYS);
    for (key, toml, text, change) in SAMPLES {
        // What an option cannot do without.
        let needed = match key {
            "follow" => &["a"][..],
            "state" => &["--follow", "a"],
            "ack" => &["--output", "o"],
            _ => &[],
        };
        let without = resolve(needed, &[], "").unwrap();
        let mut expected = without.clone();
        change(&mut expected);
        assert_ne!(expected, without, "{key}");
        let flag = format!("--{}={text}", key.replace('_', "-"));
        let variable = format!("HSMTRAIL_{}", key.to_uppercase());
        let file = format!("{key} = {toml}");
        let with = |words: &[&'static str]| [needed, words].concat();
        let flagged: Vec<&str> = needed.iter().copied().chain([&*flag]).collect();
        assert_eq!(resolve(&flagged, &[], "").unwrap(), expected, "{flag}");
        let named = resolve(needed, &[(&variable, text)], "");
        assert_eq!(named.unwrap(), expected, "{variable}");
        let filed = resolve(&with(&["-c", "/h.toml"]), &[], &file);
        assert_eq!(filed.unwrap(), expected, "{key}");
    }
}

#[test]
fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
    let workers = |words: &[&str], variable: Option<&str>, file: &str| {
        let environment: Vec<_> = variable
            .map(|text| ("HSMTRAIL_WORKERS", text))
            .into_iter()
            .collect();
        resolve(words, &environment, file).unwrap().workers.get()
    };
    let file = "workers = 3";
    assert_eq!(workers(&["-c/h.toml", "--workers=1"], Some("2"), file), 1);
    assert_eq!(workers(&["-c/h.toml"], Some("2"), file), 2);
    assert_eq!(workers(&["-c/h.toml"], None, file), 3);
    assert_eq!(
        workers(&["-c/h.toml"], None, ""),
        Config::default().workers.get()
    );
}

#[test]
fn what_a_lower_source_turned_on_can_be_turned_off() {
    let environment = [("HSMTRAIL_SUMMARY", "true"), ("HSMTRAIL_OUTPUT", "o")];
    let config = resolve(&["--summary=false", "--output", "-"], &environment, "").unwrap();
    assert_eq!(config, Config::default());
}

#[test]
fn the_environment_can_name_the_config_file_and_the_command_line_another() {
    let named = resolve(&[], &[("HSMTRAIL_CONFIG", "/h.toml")], "summary = true").unwrap();
    assert!(named.summary);
    let other = resolve(
        &["-c/h.toml"],
        &[("HSMTRAIL_CONFIG", "/x.toml")],
        "summary = true",
    );
    assert!(other.unwrap().summary);
}

#[test]
fn numbers_are_read_in_every_way_that_toml_writes_them() {
    for number in [
        "4096",
        "4_096",
        "0x1000",
        "0o10000",
        "0b1_0000_0000_0000",
        "'4096'",
        "'4KiB'",
    ] {
        let config = of_file(&format!("max_record_bytes = {number}")).unwrap();
        assert_eq!(config.max_record_bytes, 4096, "{number}");
    }
}

#[test]
fn files_are_inputs_in_order_and_a_dash_is_stdin() {
    let inputs = resolve(&["a", "-", "./-"], &[], "").unwrap().inputs;
    assert_eq!(
        inputs,
        [
            Input::File("a".into()),
            Input::Stdin,
            Input::File("./-".into())
        ]
    );
}

/// The text of a config file and what is told of it.
const MISTAKES: [(&str, &str); 19] = [
    (
        "\n\noutptu = 'x'",
        "/h.toml:3: `outptu` is no option; did you mean `output`?",
    ),
    (
        "on-reject = 'drop'",
        "/h.toml:1: `on-reject` is no option; did you mean `on_reject`?",
    ),
    ("files = ['a']", "/h.toml:1: `files` is no option"),
    ("config = '/h.toml'", "/h.toml:1: `config` is no option"),
    (
        "[output]\npath = 'x'",
        "/h.toml:1: output is of type table, but takes the path of a file",
    ),
    (
        "# c\nworkers = 'two'",
        "/h.toml:2: workers is the string `two`, but takes a whole number from 1 to 1024",
    ),
    (
        "workers = '2'",
        "/h.toml:1: workers is the string `2`, but takes a whole number from 1 to 1024",
    ),
    (
        "workers = 2.0",
        "/h.toml:1: workers is of type float, but takes a whole number from 1 to 1024",
    ),
    (
        "workers = 0",
        "/h.toml:1: workers is `0`, but takes a whole number from 1 to 1024",
    ),
    (
        "output = 5",
        "/h.toml:1: output is `5`, but takes the path of a file",
    ),
    (
        "output = ''",
        "/h.toml:1: output is the string ``, but takes the path of a file",
    ),
    (
        "summary = 'true'",
        "/h.toml:1: summary is the string `true`, but takes true or false",
    ),
    (
        "select = 'some'",
        "/h.toml:1: select is the string `some`, but takes `all` or `cloudhsm`",
    ),
    (
        "input = true",
        "/h.toml:1: input is `true`, but takes `auto`, `lines` or `document`",
    ),
    (
        "metrics_file = 'm'",
        "/h.toml:1: metrics_file is the string `m`, but takes the path of a file whose name ends in `.prom`; in it `%p` is the process id, `%%` is a per cent sign, and `%` has no other use",
    ),
    // The first mistake counts, whatever the names of the keys.
    ("workers = 0\ninput = 1", "/h.toml:1: workers"),
    (
        "summary = true\nsummary = false",
        "/h.toml:2: not valid TOML: duplicate key",
    ),
    ("summary = true\noops", "/h.toml:2: not valid TOML: "),
    ("log_level = \"\\u001b[31m\"", "the string `\\u{1b}[31m`"),
];

#[test]
fn mistakes_in_the_file_name_their_line_and_what_is_meant() {
    for (file, told) in MISTAKES {
        let text = message(of_file(file));
        assert!(
            text.contains(told),
            "{file:?}\n told: {text}\n want: {told}"
        );
        assert!(!text.contains('\n') && !text.ends_with('.'), "{text:?}");
    }
}

#[test]
fn a_value_that_is_overridden_is_still_checked() {
    let text = message(resolve(&["-c/h.toml", "--workers=1"], &[], "workers = 0"));
    assert!(text.starts_with("/h.toml:1: workers is `0`"), "{text}");
    let text = message(resolve(&["--workers=1"], &[("HSMTRAIL_WORKERS", "0")], ""));
    assert!(text.starts_with("HSMTRAIL_WORKERS is `0`"), "{text}");
}

#[test]
fn mistakes_in_the_environment_name_the_variable_and_what_is_meant() {
    for (variable, text, told) in [
        (
            "HSMTRAIL_OUTPTU",
            "x",
            "the environment variable HSMTRAIL_OUTPTU is no option; did you mean HSMTRAIL_OUTPUT?",
        ),
        (
            "HSMTRAIL_workers",
            "1",
            "the environment variable HSMTRAIL_workers is no option; did you mean HSMTRAIL_WORKERS?",
        ),
        (
            "HSMTRAIL_",
            "1",
            "the environment variable HSMTRAIL_ is no option",
        ),
        (
            "HSMTRAIL_FILES",
            "a",
            "the environment variable HSMTRAIL_FILES is no option",
        ),
        (
            "HSMTRAIL_SUMMARY",
            "yes",
            "HSMTRAIL_SUMMARY is `yes`, but takes true or false",
        ),
        (
            "HSMTRAIL_OUTPUT",
            "",
            "HSMTRAIL_OUTPUT is ``, but takes the path of a file",
        ),
        (
            "HSMTRAIL_REJECTS",
            "-",
            "HSMTRAIL_REJECTS is `-`, but takes the path of a file",
        ),
        (
            "HSMTRAIL_LOG_LEVEL",
            "loud",
            "HSMTRAIL_LOG_LEVEL is `loud`, but takes `off`, `error`, `warn`, `info`, `debug` or `trace`",
        ),
    ] {
        let text = message(resolve(&[], &[(variable, text)], ""));
        assert!(text.starts_with(told), "\n told: {text}\n want: {told}");
    }
}

#[cfg(unix)]
#[test]
fn text_that_is_no_utf8_is_an_error_in_a_variable_and_a_path_on_the_command_line() {
    use std::os::unix::ffi::OsStringExt as _;
    let torn = || OsString::from_vec(vec![b'a', 0xff]);
    let no_file = |_: &Path| -> io::Result<String> { unreachable!() };

    let variable = [("HSMTRAIL_OUTPUT".into(), torn())];
    let text = message(Config::resolve(Args::default(), variable, no_file));
    assert_eq!(text, "the value of HSMTRAIL_OUTPUT is not UTF-8");

    let name = OsString::from_vec(b"HSMTRAIL_\xff".to_vec());
    let text = message(Config::resolve(
        Args::default(),
        [(name, "x".into())],
        no_file,
    ));
    assert!(text.contains("is no option"), "{text}");

    let elsewhere = [("LS_COLORS".into(), torn()), (torn(), torn())];
    assert!(Config::resolve(Args::default(), elsewhere, no_file).is_ok());

    let words = [OsString::from("hsmtrail"), "-o".into(), torn(), "a".into()];
    let args = Args::try_parse_from(words).unwrap();
    let config = Config::resolve(args, [], no_file).unwrap();
    assert_eq!(config.output, Some(PathBuf::from(torn())));
    assert_eq!(config.inputs, [Input::File("a".into())]);
}

#[test]
fn a_config_file_that_cannot_be_read_is_named() {
    let options = Options {
        config: Some("/none.toml".into()),
        ..Options::default()
    };
    let args = Args {
        options,
        ..Args::default()
    };
    let result = Config::resolve(args, [], |_| Err(io::ErrorKind::NotFound.into()));
    assert_eq!(
        message(result),
        "cannot read the config file /none.toml: entity not found"
    );
}

#[test]
fn rejects_are_kept_or_dropped_but_not_both() {
    for (words, environment, file) in [
        (&["--rejects=r", "--on-reject=drop"][..], &[][..], ""),
        (&["--rejects=r"], &[("HSMTRAIL_ON_REJECT", "drop")], ""),
        (&["-c/h.toml", "--on-reject=drop"], &[], "rejects = 'r'"),
    ] {
        let result = resolve(words, environment, file);
        assert!(
            matches!(result, Err(ConfigError::RejectsDropped)),
            "{words:?}: {result:?}"
        );
    }
    for action in ["emit", "stop"] {
        resolve(&["--rejects=r", "--on-reject", action], &[], "").unwrap();
    }
}

#[test]
fn what_is_followed_and_kept_is_a_file_that_can_be() {
    for (words, told) in [
        (&["--follow"][..], "--follow needs FILEs"),
        (&["--follow", "a", "-"], "--follow needs FILEs"),
        (&["--listen=tcp:1", "--follow"], "--follow needs FILEs"),
        (&["--listen=tcp:1", "a"], "--listen takes no FILEs"),
        (&["--listen=tcp:1", "-"], "--listen takes no FILEs"),
        (
            &["--follow", "src"],
            "--follow follows files and FIFOs by their names: src is a directory",
        ),
        (
            &["--follow", "a", "no-such/*.json"],
            "--follow follows files and FIFOs by their names: no-such/*.json is a pattern",
        ),
        (&["--state=s", "a"], "--state needs --follow"),
        (
            &["--follow", "--state=s", "--reorder=1s", "a"],
            "--state cannot be kept with --reorder",
        ),
        (
            &["--follow", "--state=a", "a"],
            "the state file a is also an input",
        ),
        (
            &["--follow", "--state=o", "--output=o", "a"],
            "the state file o is also an input",
        ),
        (
            &["--follow", "--state=m.prom", "--metrics-file=m.prom", "a"],
            "the state file m.prom is also an input",
        ),
    ] {
        let text = message(resolve(words, &[], ""));
        assert!(text.starts_with(told), "{words:?}: {text}");
    }
}

/// The `=` is needed so that no name of a file is swallowed; who forgets it is told.
#[test]
fn a_window_that_is_no_file_is_meant_for_dedup() {
    for (words, meant) in [
        (&["--dedup", "5"][..], Some("5")),
        (&["--dedup", "--follow", "Cargo.toml", "24h"], Some("24h")),
        (&["--dedup", "./5"], None),
        (&["--dedup", "Cargo.toml", "no-such"], None),
        (&["--dedup=20", "5"], None),
        (&["5"], None),
    ] {
        let resolved = resolve(words, &[], "");
        let expected = meant.map(|word| {
            format!("there is no file {word}; as the value of --dedup it stands behind a =: --dedup={word}")
        });
        assert_eq!(
            resolved.map_err(|error| error.to_string()).err(),
            expected,
            "{words:?}"
        );
    }
}

#[test]
fn a_command_that_is_no_file_is_meant_to_stand_first() {
    for (words, meant) in [
        (&["explian"][..], Some(("explian", "explain"))),
        (
            &["--select", "cloudhsm", "doctor", "Cargo.toml"],
            Some(("doctor", "doctor")),
        ),
        (&["Cargo.toml", "doctor"], None),
        (&["./doctor"], None),
        (&["doctor.json"], None),
        (&["--follow", "doctor"], None),
        (&["src"], None),
        (&["q"], None),
    ] {
        let resolved = resolve(words, &[], "");
        let expected = meant.map(|(word, command)| {
            format!("there is no file {word}; if a command is meant, it stands first: hsmtrail {command}")
        });
        assert_eq!(
            resolved.map_err(|error| error.to_string()).err(),
            expected,
            "{words:?}"
        );
    }
}

#[test]
fn the_metrics_file_is_nothing_but_the_metrics_file() {
    for words in [
        &["--metrics-file=m.prom", "m.prom"][..],
        &["--metrics-file=m.prom", "-o", "m.prom"],
        &["--metrics-file=m.prom", "--rejects=m.prom"],
    ] {
        assert_eq!(
            message(resolve(words, &[], "")),
            "the metrics file m.prom is also an input, the output or the file of rejects"
        );
    }
    resolve(
        &["--metrics-file=m.prom", "-o", "n.prom", "a", "a"],
        &[],
        "",
    )
    .unwrap();
}

#[test]
fn a_host_is_spoken_to_on_stdin_and_stdout_line_by_line() {
    for (words, told) in [
        (&["--ack=omprog"][..], "--ack needs --output FILE"),
        (&["--ack=omprog", "-o-"], "--ack needs --output FILE"),
        (
            &["--ack=omprog", "-oo", "--lockstep"],
            "--ack goes without --lockstep",
        ),
        (&["--ack=omprog", "-oo", "a"], "--ack goes without FILEs"),
        (
            &["--ack=omprog", "-oo", "--follow", "a"],
            "--ack goes without FILEs",
        ),
        (
            &["--ack=omprog", "-oo", "--reorder=1s"],
            "--ack goes without --reorder",
        ),
        (&["--lockstep", "mmexternal"], "stands behind a ="),
        (&["--lockstep", "-oo"], "--lockstep goes without --output"),
        (
            &["--lockstep=mmexternal", "--summary"],
            "rsyslog takes stderr for an answer",
        ),
        (
            &["--lockstep=mmexternal", "--stderr-protocol=hadoop"],
            "rsyslog takes stderr for an answer",
        ),
        (&["--lockstep", "a"], "--lockstep goes without FILEs"),
        (
            &["--lockstep", "--listen=tcp:1"],
            "--lockstep goes without FILEs",
        ),
        (
            &["--lockstep", "--input=document"],
            "--lockstep goes without --input document",
        ),
        (
            &["--lockstep", "--reorder=1s"],
            "put the records in order behind the host",
        ),
        (
            &["--lockstep=mmexternal", "--dedup"],
            "that cannot drop a message",
        ),
    ] {
        let text = message(resolve(words, &[], ""));
        assert!(text.contains(told), "{words:?}: {text}");
    }
}

/// A message stays as it is unless `mmexternal` is told otherwise, and what is on stderr is taken for
/// an answer.
#[test]
fn mmexternal_has_defaults_of_its_own() {
    let of = |words: &[&str]| {
        let words = [&["--lockstep=mmexternal"], words].concat();
        let config = resolve(&words, &[], "").unwrap();
        (config.select, config.on_reject, config.log_level)
    };
    let (select, level) = (Select::CloudHsm, LogLevel::Off);
    assert_eq!(of(&[]), (select, OnReject::Drop, level));
    assert_eq!(of(&["--rejects=r"]), (select, OnReject::Emit, level));
    assert_eq!(
        of(&["--select=all", "--on-reject=emit", "-v=warn"]),
        (Select::All, OnReject::Emit, LogLevel::Warn)
    );
    let plain = resolve(&["--lockstep"], &[], "").unwrap();
    assert_eq!(plain.select, Select::All);
}
