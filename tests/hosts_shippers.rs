//! The recipes for Vector, Fluent Bit, Fluentd, Logstash and Redpanda Connect: their settings are ones
//! that the hosts document, their commands are run as the hosts run them, and the hosts themselves
//! are run where they are installed.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

#[path = "common/binary.rs"]
mod binary;
#[path = "common/input.rs"]
mod input;
#[path = "common/port.rs"]
mod port;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::thread;

use binary::{Running, Signal, hsmtrail, run, run_command, wait_until};
use clap::Parser as _;
use hsmtrail::cli::Args;
use hsmtrail::config::Config;
use hsmtrail::doctor::hosts::{Advice, HOSTS, Limit, LongestLines, headroom};
use input::without_enrichment;
use port::Port;
use rustix::process::{Pid, kill_process};
use toml::{Table, Value};

const RECORDS: usize = 10_000;

/// How many of them Fluent Bit sends at once, in this test.
const CHUNK_RECORDS: usize = 101;

/// CloudTrail's own limit on a record.
const LONGEST: usize = 256 * 1024;

/// The directory of each host's recipe, which other tests own for the other hosts.
const DIRECTORIES: [(&str, &str); 9] = [
    ("Vector", "vector"),
    ("Fluent Bit", "fluent-bit"),
    ("Fluentd", "fluentd"),
    ("Logstash", "logstash"),
    ("Redpanda Connect", "redpanda-connect"),
    ("rsyslog", "rsyslog"),
    ("syslog-ng", "syslog-ng"),
    ("systemd", "systemd"),
    ("Prometheus", "prometheus"),
];

/// The settings of Vector that the recipes use, by the kind and type of their component, as in the
/// generated reference at these commits.
const VECTOR: [(&str, &[&str], &str); 6] = [
    (
        "sources.file",
        &["include", "max_line_bytes"],
        "sources/generated/file.cue at 74d286d5f8",
    ),
    (
        "sources.exec",
        &[
            "mode",
            "command",
            "include_stderr",
            "streaming.respawn_on_exit",
            "streaming.respawn_interval_secs",
        ],
        "sources/generated/exec.cue at c295b7d4b0",
    ),
    (
        "sources.stdin",
        &[],
        "sources/generated/stdin.cue at 9d6ef6b94d",
    ),
    (
        "sinks.socket",
        &["inputs", "mode", "path", "encoding.codec", "framing.method"],
        "sinks/generated/socket.cue at f204524ca4",
    ),
    (
        "sinks.console",
        &["inputs", "target", "encoding.codec"],
        "sinks/generated/console.cue at 7e057285ef",
    ),
    (
        "sinks.file",
        &["inputs", "path", "encoding.codec"],
        "the reference's page of the sink `file`",
    ),
];

/// The settings of Fluent Bit that the recipes use, as in the manual of 5.0.
const FLUENT_BIT: [(&str, &[&str]); 7] = [
    ("service", &["flush", "log_level"]),
    (
        "tail",
        &[
            "tag",
            "path",
            "read_from_head",
            "db",
            "buffer_chunk_size",
            "buffer_max_size",
        ],
    ),
    ("exec", &["tag", "command", "buf_size", "threaded"]),
    ("stdin", &["tag", "buffer_size"]),
    (
        "tcp",
        &[
            "match",
            "host",
            "port",
            "format",
            "json_date_key",
            "workers",
            "retry_limit",
        ],
    ),
    ("stdout", &["match", "format", "json_date_key"]),
    ("file", &["match", "path", "file", "format", "template"]),
];

fn recipe(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config")
        .join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The recipe's files, but not its README.
fn files(directory: &str) -> Vec<(PathBuf, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config")
        .join(directory);
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.is_file() && !path.ends_with("README.md"));
    files
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// `key = value` in the text of a recipe, whatever its syntax; the value ends with its line.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let rest = line.trim().trim_start_matches("- ").strip_prefix(key)?;
        let value = rest.trim_start_matches([' ', ':', '=', '>']);
        (value.len() < rest.len()).then(|| value.trim_matches('"'))
    })
}

/// The bytes that a recipe sets `key` to, whatever its syntax; `m` is 1 MiB.
fn bytes_set(text: &str, key: &str) -> Option<u64> {
    let is_setting = |line: &&str| !line.trim_start().starts_with('#');
    text.lines().filter(is_setting).find_map(|line| {
        let (_, rest) = line.split_once(key)?;
        let value = rest.trim_start_matches([' ', ':', '=', '>', '(', '"']);
        let end = value.find(|c: char| !c.is_ascii_digit());
        let (number, unit) = value.split_at(end.unwrap_or(value.len()));
        let shift = if unit.starts_with('m') { 20 } else { 0 };
        Some(number.parse::<u64>().ok()? << shift)
    })
}

#[test]
fn a_recipe_and_the_doctor_name_the_same_settings() {
    for (name, directory) in DIRECTORIES {
        let files = files(directory);
        if files.is_empty() {
            continue;
        }
        let readme = recipe(&format!("{directory}/README.md"));
        for host in HOSTS.iter().filter(|host| host.name == name) {
            if let Some(key) = host.key() {
                assert!(
                    readme.contains(key),
                    "config/{directory} does not name {key}"
                );
            }
        }
    }
    for (_, directory) in &DIRECTORIES[..5] {
        assert!(recipe(&format!("{directory}/README.md")).contains("**not run here**"));
    }
}

/// The recipes are for the longest lines that CloudTrail makes.
#[test]
fn the_buffers_of_the_recipes_are_large_enough() {
    let needed = headroom(LONGEST as u64, 2);
    for (name, directory) in DIRECTORIES {
        for (path, text) in files(directory) {
            for host in HOSTS.iter().filter(|host| host.name == name) {
                if let Limit::Set { key, .. } = host.limit
                    && let Some(bytes) = bytes_set(&text, key)
                {
                    assert!(bytes >= needed, "{}: {key} is {bytes}", path.display());
                }
            }
        }
    }
    // What is asked for each message is answered with more than the message.
    let mut answers = HOSTS.iter();
    let answers = answers.find(|host| host.part == "answers of mmexternal");
    let longest = LongestLines {
        before: LONGEST as u64,
        after: LONGEST as u64,
    };
    let Advice::Write(asked) = answers.unwrap().advice(longest) else {
        panic!("the default is not enough");
    };
    let given = recipe("rsyslog/mmexternal.conf");
    assert!(bytes_set(&given, "maxMessageSize") >= bytes_set(&asked, "maxMessageSize"));
    // And where a limit is too low by itself, it is given.
    for (file, key) in [
        ("vector/exec.toml", "max_line_bytes"),
        ("vector/before.toml", "max_line_bytes"),
        ("fluent-bit/exec.yaml", "buf_size"),
        ("fluent-bit/exec.yaml", "buffer_max_size"),
        ("fluent-bit/before.yaml", "buffer_max_size"),
        ("fluent-bit/after.yaml", "buffer_size"),
        ("rsyslog/omprog.conf", "maxMessageSize"),
        ("rsyslog/mmexternal.conf", "maxMessageSize"),
        ("syslog-ng/source.conf", "log-msg-size"),
        ("syslog-ng/destination.conf", "log-msg-size"),
        ("redpanda-connect/subprocess.yaml", "max_buffer"),
        ("redpanda-connect/subprocess.yaml", "max_buffer_size"),
    ] {
        assert!(
            bytes_set(&recipe(file), key).is_some(),
            "{file} lacks {key}"
        );
    }
}

#[test]
fn vector_documents_every_setting_that_is_used() {
    let known: BTreeMap<_, _> = VECTOR.iter().map(|(of, keys, _)| (*of, *keys)).collect();
    for (path, text) in files("vector") {
        let config: Table = text.parse().unwrap();
        for (kind, components) in &config {
            if kind == "data_dir" {
                continue;
            }
            for (id, component) in components.as_table().unwrap() {
                let component = component.as_table().unwrap();
                let of = format!("{kind}.{}", component["type"].as_str().unwrap());
                let keys = known.get(of.as_str()).unwrap_or_else(|| panic!("{of}"));
                for key in dotted_keys(component).iter().filter(|key| *key != "type") {
                    assert!(
                        keys.contains(&key.as_str()),
                        "{}: {id}: {key}",
                        path.display()
                    );
                }
                for input in component
                    .get("inputs")
                    .iter()
                    .flat_map(|of| of.as_array().unwrap())
                {
                    let is_there = config["sources"].get(input.as_str().unwrap()).is_some();
                    assert!(is_there, "{}: {id}", path.display());
                }
            }
        }
    }
}

fn dotted_keys(table: &Table) -> Vec<String> {
    let keys = table.iter().flat_map(|(key, value)| match value {
        Value::Table(inner) => {
            let inner = dotted_keys(inner);
            inner
                .into_iter()
                .map(|rest| format!("{key}.{rest}"))
                .collect()
        }
        _ => vec![key.clone()],
    });
    keys.collect()
}

#[test]
fn fluent_bit_documents_every_setting_that_is_used() {
    let known = BTreeMap::from(FLUENT_BIT);
    for (path, text) in files("fluent-bit") {
        let mut plugin = String::new();
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
        {
            let (key, value) = match line.split_once(':') {
                Some((key, value)) => (key.trim(), value.trim()),
                None => continue,
            };
            match key {
                "service" => plugin = key.to_owned(),
                "pipeline" | "inputs" | "outputs" => assert_eq!(value, ""),
                "- name" => plugin = value.to_owned(),
                _ => {
                    let keys = known[plugin.as_str()];
                    assert!(keys.contains(&key), "{}: {plugin}: {key}", path.display());
                }
            }
        }
    }
}

/// Whether these words are a command line of hsmtrail that configures a run.
fn is_command_line(words: &[String]) -> Result<(), String> {
    assert_eq!(words[0], "hsmtrail");
    let args = Args::try_parse_from(words).map_err(|error| error.to_string())?;
    let none = std::iter::empty();
    let config = Config::resolve(args, none, |path| fs::read_to_string(path));
    config.map(|_| ()).map_err(|error| error.to_string())
}

fn words(command: &str) -> Vec<String> {
    command.split_whitespace().map(str::to_owned).collect()
}

/// The command of an `exec` source of Vector.
fn vector_command(text: &str) -> Vec<String> {
    let config: Table = text.parse().unwrap();
    let command = config["sources"]["hsmtrail"]["command"].as_array().unwrap();
    command
        .iter()
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_command_is_one_that_hsmtrail_takes() {
    for command in [
        vector_command(&recipe("vector/exec.toml")),
        vector_command(&recipe("vector/files.toml")),
        words(value_of(&recipe("fluent-bit/exec.yaml"), "command").unwrap()),
        words(value_of(&recipe("fluentd/exec_filter.conf"), "command").unwrap()),
    ] {
        is_command_line(&command).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    }
    let lockstep = recipe("redpanda-connect/subprocess.yaml");
    let args = value_of(&lockstep, "args").unwrap();
    let args = args.replace(['[', ']', ',', '"'], " ");
    let command = words(&format!("hsmtrail {args}"));
    match is_command_line(&command) {
        Err(error) if error.contains("unexpected argument '--lockstep'") => {
            eprintln!("SKIPPED: this hsmtrail has no --lockstep");
        }
        result => result.unwrap(),
    }
}

/// Records with numbers, a few of them as long as they get, some of them CloudHSM's.
fn records() -> &'static [String] {
    static RECORDS_ONCE: LazyLock<Vec<String>> = LazyLock::new(|| {
        let record = |n: usize| {
            let service = if n.is_multiple_of(20) {
                "cloudhsm"
            } else {
                "s3"
            };
            let mut record = format!(
                r#"{{"eventVersion":"1.08","eventSource":"{service}.amazonaws.com","n":{n},"float":1.0,"text":"\"é\\\u2028{}""#,
                "y".repeat(n * 37 % 700)
            );
            if n.is_multiple_of(500) {
                record.push_str(",\"long\":\"");
                record.push_str(&"z".repeat(LONGEST - record.len() - 2));
                record.push('"');
            }
            record.push('}');
            record
        };
        (0..RECORDS).map(record).collect()
    });
    &RECORDS_ONCE
}

/// What hsmtrail makes of them by itself.
fn expected() -> &'static [String] {
    static EXPECTED: LazyLock<Vec<String>> = LazyLock::new(|| {
        let done = run(&[], input::lines(records()));
        let lines: Vec<String> = done.quiet().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), RECORDS);
        let enriched = lines.iter().filter(|line| without_enrichment(line).1);
        assert_eq!(enriched.count(), RECORDS / 20);
        assert!(lines.iter().any(|line| line.len() > LONGEST));
        lines
    });
    &EXPECTED
}

fn wait_for_lines(running: &Running, count: usize) {
    // Of bytes and lines that were looked at already.
    let seen = Cell::new((0, 0));
    running.wait_for_out(|out| {
        let (bytes, lines) = seen.get();
        let lines = lines + memchr::memchr_iter(b'\n', &out[bytes..]).count();
        seen.set((out.len(), lines));
        lines >= count
    });
}

/// As Vector's `socket` sink: one stream of lines, and another one when it breaks.
#[test]
fn a_client_like_vectors_socket_sink() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe("vector/exec.toml");
    let config: Table = recipe.parse().unwrap();
    let given = config["sinks"]["to_hsmtrail"]["path"].as_str().unwrap();
    let socket = dir.path().join("socket");
    let command: Vec<String> = vector_command(&recipe)
        .iter()
        .map(|word| word.replace(given, socket.to_str().unwrap()))
        .collect();
    assert!(command.contains(&format!("unix:{}", socket.display())));
    let mut command = hsmtrail(&command[1..]);
    // As Vector starts it; stderr has to stay silent.
    command.stdin(Stdio::null());
    let running = Running::start(command);
    wait_until("the socket", || UnixStream::connect(&socket).is_ok());

    let records = records();
    for lot in records.chunks(RECORDS / 4 + 1) {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(input::lines(lot).as_bytes()).unwrap();
        drop(stream);
        // The sink sends no sooner again than it has noticed, so the streams do not overlap.
        let so_far: usize = records
            .iter()
            .position(|of| *of == lot[lot.len() - 1])
            .unwrap()
            + 1;
        wait_for_lines(&running, so_far);
    }
    running.signal(Signal::TERM);
    let done = running.wait();
    assert!(done.quiet().lines().eq(expected()));
}

/// As Fluent Bit's `tcp` output: chunks of JSON lines, each with the text of an event in `log`, over
/// two connections at once that are opened anew now and then.
#[test]
fn a_client_like_fluent_bits_tcp_output() {
    let recipe = recipe("fluent-bit/exec.yaml");
    let port = Port::free();
    let free = port.address;
    let address = format!("127.0.0.1:{}", value_of(&recipe, "port").unwrap());
    let command = value_of(&recipe, "command").unwrap();
    assert!(command.contains(&address));
    let command = command.replace(&address, &free.to_string());
    // As Fluent Bit starts it, by popen(3), with whatever stdin it has itself.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("exec {command}")]);
    shell.env("PATH", path_with_binary()).stdin(Stdio::null());
    let running = Running::start(shell);
    wait_until("the port", || TcpStream::connect(free).is_ok());

    let records = records();
    let log = |record: &String| format!("{{\"log\":{}}}", serde_json::json!(record));
    let lines: Vec<String> = records.iter().map(log).collect();
    let chunks: Vec<&[String]> = lines.chunks(CHUNK_RECORDS).collect();
    thread::scope(|scope| {
        for worker in 0..2 {
            let chunks = chunks.iter().skip(worker).step_by(2);
            scope.spawn(move || {
                let mut stream = TcpStream::connect(free).unwrap();
                for (n, chunk) in chunks.enumerate() {
                    if n % 7 == 6 {
                        stream = TcpStream::connect(free).unwrap();
                    }
                    stream.write_all(input::lines(chunk).as_bytes()).unwrap();
                }
            });
        }
    });
    wait_for_lines(&running, RECORDS);
    running.signal(Signal::TERM);
    let done = running.wait();
    // Chunks may change places, and nothing else.
    let found: Vec<&str> = done.quiet().lines().collect();
    let number = |line: &&str| -> usize {
        let (_, rest) = line.split_once("\"n\":").unwrap();
        rest[..rest.find(',').unwrap()].parse().unwrap()
    };
    let mut place = vec![None; RECORDS];
    for (at, line) in found.iter().enumerate() {
        assert_eq!(place[number(line)].replace(at), None);
        assert_eq!(*line, expected()[number(line)]);
    }
    for chunk in place.chunks(CHUNK_RECORDS) {
        assert!(chunk.is_sorted());
    }
    assert_eq!(found.len(), RECORDS);
}

/// The binary under its name, before everything else.
fn path_with_binary() -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_hsmtrail"));
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", binary.parent().unwrap().display())
}

/// Fluentd appends the path of a chunk to the command; its verdict is the exit status.
#[test]
fn a_chunk_of_fluentds_is_done_once_or_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/fluentd/hsmtrail-chunk");
    let command = recipe("fluentd/exec.conf");
    let command = value_of(&command, "command").unwrap();
    assert!(command.ends_with("/hsmtrail-chunk"));
    let take = |chunk: &Path| {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("{} {}", script.display(), chunk.display())]);
        shell
            .env("PATH", path_with_binary())
            .env("SPOOL", path("spool"));
        run_command(shell, "")
    };
    let chunk = path("buffer.q5f1.log");
    let written = path("spool/buffer.q5f1.log.ndjson");
    let records = &self::records()[..200];
    fs::write(&chunk, input::lines(records)).unwrap();

    // Without a place to write to it fails, and leaves nothing.
    assert_eq!(take(&chunk).code, Some(1));
    fs::create_dir(path("spool")).unwrap();
    for _ in 0..2 {
        let done = take(&chunk);
        assert_eq!((done.code, &*done.err, done.out.len()), (Some(0), "", 0));
        let found = fs::read_to_string(&written).unwrap();
        assert!(found.lines().eq(&expected()[..200]));
        assert_eq!(fs::read_dir(path("spool")).unwrap().count(), 1);
    }
    // A reject is no reason to do it all again for ever.
    fs::write(&chunk, "{\"a\":1}\n{\"a\":\n").unwrap();
    assert_eq!(take(&chunk).code, Some(0));
    assert!(
        fs::read_to_string(&written)
            .unwrap()
            .contains("hsmtrail_reject")
    );
    // What cannot be read is one.
    fs::remove_file(&chunk).unwrap();
    fs::remove_file(&written).unwrap();
    assert_ne!(take(&chunk).code, Some(0));
    assert!(!written.exists());
}

/// Logstash gives the command to a shell, writes lines to its stdin, closes it and waits.
#[test]
fn logstashs_child_appends_to_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("events.ndjson");
    let command = recipe("logstash/pipe.conf");
    let command = value_of(&command, "command").unwrap();
    let (_, given) = command.split_once(">>").unwrap();
    let command = command.replace(given, out.to_str().unwrap());
    let records = records();
    let (first, second) = records.split_at(RECORDS / 2);
    for part in [first, second] {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &command]).env("PATH", path_with_binary());
        shell.stdin(Stdio::piped());
        run_command(shell, input::lines(part)).quiet();
    }
    let found = fs::read_to_string(&out).unwrap();
    assert!(found.lines().eq(expected()));
}

/// Whether a host can be run here.
fn is_installed(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        eprintln!("SKIPPED: {program} is not installed");
    }
    is_there
}

/// A host with a recipe in a directory of its own.
struct Setup {
    dir: tempfile::TempDir,
    port: Port,
}

impl Setup {
    /// All records are in the file that the host is to read.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["in", "out", "run", "lib", "lib/before", "lib/after"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let lines = input::lines(records());
        fs::write(dir.path().join("in/events.ndjson"), lines).unwrap();
        Self {
            dir,
            port: Port::free(),
        }
    }

    /// Writes a recipe with the paths and a port of its own, and gives its path.
    fn file(&self, name: &str) -> String {
        let mut text = recipe(name).replace("5170", &self.port.number().to_string());
        for (given, ours) in [
            ("/var/log/cloudtrail", "in"),
            ("/var/log/hsmtrail", "out"),
            ("/run/hsmtrail", "run"),
            ("/var/lib/vector", "lib"),
            ("/var/lib/fluent-bit", "lib"),
            ("/var/lib/hsmtrail", "lib"),
        ] {
            let ours = self.dir.path().join(ours);
            text = text.replace(given, ours.to_str().unwrap());
        }
        let path = self.dir.path().join(name.rsplit('/').next().unwrap());
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// A command that runs in this directory.
    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).env("PATH", path_with_binary());
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Waits until all lines are in the output file, stops the host, and gives the file.
    fn output(&self, running: Running, stop: impl FnOnce(&Running)) -> String {
        let path = self.dir.path().join("out/events.ndjson");
        let read = || fs::read(&path).unwrap_or_default();
        let count = |bytes: &[u8]| memchr::memchr_iter(b'\n', bytes).count();
        wait_until("the last line", || count(&read()) >= RECORDS);
        stop(&running);
        running.wait();
        String::from_utf8(read()).unwrap()
    }
}

fn terminate(running: &Running) {
    running.signal(Signal::TERM);
}

#[test]
fn vector_itself() {
    if !is_installed("vector") {
        return;
    }
    for file in ["vector/exec.toml", "vector/files.toml"] {
        let setup = Setup::new();
        let args = ["--quiet", "--config", &setup.file(file)];
        let running = Running::start(setup.command("vector", &args));
        let text = setup.output(running, terminate);
        assert!(text.lines().eq(expected()));
    }
}

#[test]
fn vector_on_both_sides_of_a_pipe() {
    if !is_installed("vector") {
        return;
    }
    let setup = Setup::new();
    let vector = |file| setup.command("vector", &["--quiet", "--config", &setup.file(file)]);
    let piped = |mut command: Command| command.stdout(Stdio::piped()).spawn().unwrap();
    let mut before = piped(vector("vector/before.toml"));
    let mut between = hsmtrail::<&str>([]);
    between.stdin(before.stdout.take().unwrap());
    let mut between = piped(between);
    let mut after = vector("vector/after.toml");
    after.stdin(between.stdout.take().unwrap());
    // The others end with the first.
    let text = setup.output(Running::start(after), |_| {
        kill_process(Pid::from_child(&before), Signal::TERM).unwrap();
    });
    assert!(text.lines().eq(expected()));
    before.wait().unwrap();
    assert!(between.wait().unwrap().success());
}

#[test]
fn fluent_bit_itself() {
    if !is_installed("fluent-bit") {
        return;
    }
    let setup = Setup::new();
    let args = ["-q", "-c", &setup.file("fluent-bit/exec.yaml")];
    let running = Running::start(setup.command("fluent-bit", &args));
    let text = setup.output(running, terminate);
    // What is flushed before hsmtrail listens is sent again, behind what came later.
    let sorted = |mut lines: Vec<_>| {
        lines.sort_unstable();
        lines
    };
    let expected = expected().iter().map(String::as_str).collect();
    assert!(sorted(text.lines().collect()) == sorted(expected));
}
