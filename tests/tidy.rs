//! The rules of the house that neither the compiler nor clippy can check.
//!
//! Every breach is told as `file:line: what breaks which rule`. The tables at the top are the
//! rules; the small reader of Rust paths at the end serves them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends there"
)]
#![expect(
    clippy::string_slice,
    reason = "every index comes from a search in the text"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use hsmtrail::cli::Args;

/// Each room and what it may name of the others. A room is a file of `src` with its folder.
///
/// The flow is source, framing, decode, event, enrich, encode, sink: a stage names only the data
/// that it takes, never a later stage. Data are types: a function of another stage is its
/// machinery.
const ROOMS: [(&str, &[&str]); 26] = [
    ("source", &["pipe", "socket"]),
    ("blocks", &[]),
    ("pipe", &[]),
    ("envelope", &[]),
    // Whether an array of another name than `Records` holds records is seen at its elements.
    (
        "framing",
        &[
            "blocks",
            "envelope::CARRIED",
            "envelope::Element",
            "envelope::RECORDS",
        ],
    ),
    ("decode", &["blocks", "event"]),
    ("event", &[]),
    ("enrich", &["event"]),
    ("encode", &["enrich", "framing::RejectReason"]),
    ("order", &[]),
    // Which regular file it is: nothing is read and written at once.
    ("sink", &["source::FileId", "pipe"]),
    ("ack", &[]),
    // Where a file goes on, and how it is laid out.
    (
        "state",
        &[
            "source::FileId",
            "source::Head",
            "source::Place",
            "framing::InputForm",
        ],
    ),
    ("socket", &[]),
    (
        "metrics",
        &[
            "enrich",
            "envelope::Notice",
            "framing::RejectReason",
            "socket",
        ],
    ),
    (
        "pipeline",
        &[
            "source", "envelope", "framing", "decode", "event", "enrich", "encode", "order",
            "sink", "ack", "state", "metrics", "config",
        ],
    ),
    (
        "supervisor",
        &["config", "metrics", "pipeline", "sink", "source", "state"],
    ),
    ("logging", &["config"]),
    ("suggest", &[]),
    ("schema", &[]),
    ("explain", &["enrich", "event", "suggest"]),
    // Runs the pipeline as the supervisor does, and looks at the lines that come out.
    (
        "doctor",
        &[
            "config", "decode", "logging", "metrics", "pipeline", "sink", "socket", "source",
        ],
    ),
    ("config", &["cli", "metrics", "source", "suggest"]),
    ("cli", &["config", "metrics", "source"]),
    ("lib", &[]),
    (
        "main",
        &[
            "cli",
            "config",
            "doctor",
            "explain",
            "logging",
            "metrics",
            "pipeline",
            "schema",
            "sink",
            "source",
            "supervisor",
        ],
    ),
];

/// The rooms that bytes flow through, which name only types of one another.
const STAGES: [&str; 8] = [
    "source", "envelope", "framing", "decode", "event", "enrich", "encode", "sink",
];

/// Each dependency and the rooms, or modules of a room, that may name it.
const CRATES: [(&str, &[&str]); 35] = [
    ("axum", &["metrics"]),
    ("base64", &["encode::reject", "pipeline::opener"]),
    ("bytes", &["source", "framing", "pipeline"]),
    ("bzip2", &["source::bzip2"]),
    ("clap", &["cli", "config", "main"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("fearless_simd", &["blocks"]),
    ("flate2", &["source::gzip"]),
    ("glob", &["source::paths"]),
    ("hashbrown", &["order::dedup"]),
    ("hyper", &["metrics"]),
    ("hyper_util", &["metrics"]),
    ("indicatif", &["supervisor"]),
    ("itoa", &["encode"]),
    ("listenfd", &["source::listen"]),
    (
        "memchr",
        &[
            "envelope",
            "framing",
            "decode",
            "enrich",
            "encode",
            "sink",
            "doctor::sample",
        ],
    ),
    ("metrics", &["metrics"]),
    ("metrics_exporter_prometheus", &["metrics"]),
    ("metrics_process", &["metrics"]),
    (
        "rustix",
        &[
            "source",
            "sink",
            "pipe",
            "supervisor",
            "logging",
            "doctor::surroundings",
        ],
    ),
    ("serde", &["decode::second"]),
    ("serde_json", &["decode::second"]),
    ("simdutf8", &["decode"]),
    ("smallvec", &["event", "decode", "enrich"]),
    ("strsim", &["suggest"]),
    ("tempfile", &["metrics", "pipeline::oversize"]),
    ("thiserror", &[""]),
    ("tokio", &["metrics", "supervisor"]),
    (
        "tokio_util",
        &[
            "framing::decoder",
            "pipeline::target",
            "metrics",
            "supervisor",
        ],
    ),
    ("toml", &["config::layers"]),
    (
        "tracing",
        &[
            "pipeline",
            "metrics",
            "supervisor",
            "logging",
            "doctor::sample",
            "main",
        ],
    ),
    ("tracing_subscriber", &["logging"]),
    ("walkdir", &["source::paths"]),
    ("zstd_safe", &["source::zstd"]),
];

/// The rooms that know no file, no clock, no thread and no environment.
const PURE: [&str; 11] = [
    "ack", "envelope", "framing", "decode", "event", "enrich", "encode", "order", "suggest",
    "schema", "explain",
];

/// What a pure room may not name, and in which module it may all the same.
const IMPURE: [(&str, &str); 7] = [
    ("std::env", ""),
    ("std::fs", ""),
    // tokio-util's `Decoder` demands an error that can be made from an I/O error.
    ("std::io", "framing"),
    ("std::process", ""),
    ("std::thread", ""),
    ("std::time::Instant", ""),
    ("std::time::SystemTime", ""),
];

/// What a pure room may name of `std::net`: what an address is, not how to reach it.
const ADDRESSES: [&str; 3] = [
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
];

/// What a module's top doc tells, after its purpose.
const TOLD: [&str; 4] = ["In → out", "Invariants", "Not here", "Failure"];

#[test]
fn every_module_begins_with_its_purpose_in_a_sentence() {
    let mut breaches = Breaches::default();
    for file in sources() {
        let first = file.text.lines().next().unwrap_or_default();
        if !(first.starts_with("//! ") && first.ends_with('.')) {
            breaches.add(
                &file.path,
                1,
                "the first line is no sentence of documentation",
            );
        }
        let doc: String = file
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .collect();
        for told in TOLD {
            if !doc.contains(told) && !["lib", "main"].contains(&file.room()) {
                breaches.add(&file.path, 1, &format!("the top doc lacks \"{told}\""));
            }
        }
    }
    breaches.none();
}

#[test]
fn a_room_names_only_the_rooms_that_it_builds_on() {
    let rooms = BTreeMap::from(ROOMS);
    let mut breaches = Breaches::default();
    for file in sources() {
        let room = file.room();
        let Some(allowed) = rooms.get(room) else {
            breaches.add(&file.path, 1, "the room has no row in ROOMS");
            continue;
        };
        for (line, path) in file.paths() {
            let Some(named) = path.strip_prefix("crate::") else {
                continue;
            };
            if is_in(named, room) {
                continue;
            }
            let of_room = named.split("::").next().unwrap_or(named);
            let is_type = named
                .split("::")
                .any(|name| name.starts_with(char::is_uppercase));
            if !allowed.iter().any(|allowed| is_in(named, allowed)) {
                let allowed = allowed.join(", ");
                let what = format!("{room} names {path}; of other rooms it may name [{allowed}]");
                breaches.add(&file.path, line, &what);
            } else if STAGES.contains(&room) && STAGES.contains(&of_room) && !is_type {
                let what = format!("{room} names {path}, which is no type; only data may pass on");
                breaches.add(&file.path, line, &what);
            }
        }
    }
    breaches.none();
}

#[test]
fn a_foreign_crate_is_named_in_its_room_only() {
    let mut breaches = Breaches::default();
    let mut unused: BTreeSet<&str> = CRATES.iter().map(|(name, _)| *name).collect();
    for file in sources() {
        let module = file.module();
        for (line, path) in file.paths() {
            let foreign = path.split("::").next().unwrap_or_default();
            let Some((name, rooms)) = CRATES.iter().find(|(name, _)| *name == foreign) else {
                continue;
            };
            unused.remove(name);
            if !rooms
                .iter()
                .any(|room| room.is_empty() || is_in(&module, room))
            {
                let what = format!(
                    "{module} names {path}; {name} belongs to {}",
                    rooms.join(", ")
                );
                breaches.add(&file.path, line, &what);
            }
        }
    }
    for name in unused {
        breaches.add(
            Path::new("Cargo.toml"),
            line_with("Cargo.toml", name),
            &format!("nothing uses {name}"),
        );
    }
    breaches.none();
}

#[test]
fn every_dependency_has_a_room_and_a_reason() {
    let manifest = read("Cargo.toml");
    let table: toml::Table = manifest.parse().unwrap();
    let listed: BTreeSet<String> = CRATES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let declared = table["dependencies"].as_table().unwrap().keys();
    let declared: BTreeSet<String> = declared.map(|name| name.replace('-', "_")).collect();
    assert_eq!(
        declared, listed,
        "[dependencies] of Cargo.toml and CRATES of tests/tidy.rs"
    );

    let mut breaches = Breaches::default();
    let dependencies = ["[dependencies]", "[dev-dependencies]"];
    let (mut inside, mut above) = (false, "");
    for (number, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            inside = dependencies.contains(&line);
        } else if inside && line.contains(" = ") && !above.starts_with("# ") {
            breaches.add(
                Path::new("Cargo.toml"),
                number + 1,
                "the dependency has no reason above",
            );
        }
        above = line;
    }
    breaches.none();
}

#[test]
fn pure_rooms_know_no_file_clock_thread_or_environment() {
    let mut breaches = Breaches::default();
    for file in sources().iter().filter(|file| PURE.contains(&file.room())) {
        let module = file.module();
        for (line, path) in file.paths() {
            let path = path.replacen("core::", "std::", usize::from(path.starts_with("core::")));
            let impure = IMPURE.iter().any(|(impure, except)| {
                is_in(&path, impure) && (except.is_empty() || !is_in(&module, except))
            });
            let network =
                is_in(&path, "std::net") && !ADDRESSES.iter().any(|address| is_in(&path, address));
            if impure || network {
                breaches.add(
                    &file.path,
                    line,
                    &format!("{module} is pure, but names {path}"),
                );
            }
        }
    }
    breaches.none();
}

#[test]
fn no_text_holds_a_note_to_oneself_or_a_path_of_a_machine() {
    // Spelled in parts, so that this file does not hold them.
    let banned = [
        (concat!("TO", "DO"), "an unfinished place"),
        (concat!("FIX", "ME"), "an unfinished place"),
        (concat!("XX", "X"), "an unfinished place"),
        (concat!("/ho", "me/"), "a path of a machine"),
        (concat!("/Us", "ers/"), "a path of a machine"),
        (concat!("/ro", "ot/"), "a path of a machine"),
        (concat!("/wo", "rk/"), "a path of a machine"),
    ];
    let mut breaches = Breaches::default();
    for path in files(Path::new(".")) {
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for (word, what) in banned.iter().filter(|(word, _)| line.contains(word)) {
                breaches.add(&path, number + 1, &format!("{word} is {what}"));
            }
            if path.extension().is_some_and(|extension| extension == "rs")
                && (line.ends_with([' ', '\t']) || line.contains('\r'))
            {
                breaches.add(
                    &path,
                    number + 1,
                    "a blank or a carriage return ends the line",
                );
            }
        }
    }
    breaches.none();
}

/// Options and commands that the README keeps from its readers.
#[test]
fn the_readme_names_every_option_and_command() {
    let Some(readme) = readme() else { return };
    let command = Args::command();
    let options = command.get_opts().filter_map(|option| option.get_long());
    let commands = command.get_subcommands().map(clap::Command::get_name);
    let mut breaches = Breaches::default();
    for name in options
        .map(|long| format!("--{long}"))
        .chain(commands.map(|name| format!("hsmtrail {name}")))
    {
        if !holds_word(&readme, &name) {
            breaches.add(
                Path::new("src/cli.rs"),
                1,
                &format!("README.md does not name {name}"),
            );
        }
    }
    breaches.none();
}

#[test]
fn the_readme_and_the_code_name_the_same_metrics() {
    let Some(readme) = readme() else { return };
    let mut breaches = Breaches::default();
    let mut known = BTreeSet::new();
    for file in sources().iter().filter(|file| file.room() == "metrics") {
        for (number, line) in production(&file.text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for name in metric_names(code) {
                if !holds_word(&readme, name) {
                    let what = format!("README.md does not name {name}");
                    breaches.add(&file.path, number + 1, &what);
                }
                known.insert(name.to_owned());
            }
        }
    }
    for (number, line) in readme.lines().enumerate() {
        for name in metric_names(line).filter(|name| *name != "hsmtrail_reject") {
            // A histogram is one metric with three names.
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end));
            if !known.contains(name) && !base.is_some_and(|base| known.contains(base)) {
                let what = format!("{name} is no metric of src/metrics.rs");
                breaches.add(Path::new("README.md"), number + 1, &what);
            }
        }
    }
    breaches.none();
}

#[test]
fn the_reader_of_paths_reads_paths() {
    let file = Source {
        path: PathBuf::from("src/framing/decoder.rs"),
        text: r##"
//! [`crate::comment::link`]
use crate::a::{self, b::{C, D as E}, f::*};
use std::{fs, io::Read as _}; /* crate::block /* crate::nested */ crate::block */
pub(in crate::framing) use super::scanner::Scanner;
use wide::u8x64;
mod child;
fn f<'a>(x: &'a str) -> ::bytes::Bytes {
    let _ = ("crate::string \" crate::string", 'x', '"', '\'', b'\\', r#"crate::raw "# );
    fs::read(x); E::new(); child::g(); self::h(); super::super::sink::i(); local::j();
    tokio_util::bytes::Bytes::<u8>::new(); value.io::<u8>();
}
#[cfg(test)]
mod tests { use crate::tests; }
"##
        .to_owned(),
    };
    let expected = [
        (3, "crate::a"),
        (3, "crate::a::b::C"),
        (3, "crate::a::b::D"),
        (3, "crate::a::f"),
        (4, "std::fs"),
        (4, "std::io::Read"),
        (5, "crate::framing"),
        (5, "crate::framing::scanner::Scanner"),
        (6, "wide::u8x64"),
        (8, "bytes::Bytes"),
        (10, "std::fs::read"),
        (10, "crate::a::b::D::new"),
        (10, "crate::framing::decoder::child::g"),
        (10, "crate::framing::decoder::h"),
        (10, "crate::sink::i"),
        (10, "local::j"),
        (11, "tokio_util::bytes::Bytes"),
    ];
    let expected: Vec<_> = expected.map(|(line, path)| (line, path.to_owned())).into();
    assert_eq!(file.paths(), expected);
}

/// Whether a path is this one or one below it.
fn is_in(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether a text holds a name that no longer name contains there.
fn holds_word(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    text.match_indices(name)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + name.len()..].starts_with(part))
}

fn metric_names(line: &str) -> impl Iterator<Item = &str> {
    let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    line.match_indices("hsmtrail_")
        .filter_map(move |(at, prefix)| {
            let name = &line[at..];
            let name = &name[..name.find(|c| !part(c)).unwrap_or(name.len())];
            (name.len() > prefix.len() && !line[..at].ends_with(part)).then_some(name)
        })
}

/// Where a rule is broken, and how.
#[derive(Default)]
struct Breaches(String);

impl Breaches {
    fn add(&mut self, path: &Path, line: usize, what: &str) {
        writeln!(self.0, "{}:{line}: {what}", path.display()).unwrap();
    }

    #[track_caller]
    fn none(self) {
        assert!(self.0.is_empty(), "\n{}", self.0);
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(root().join(path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn readme() -> Option<String> {
    fs::read_to_string(root().join("README.md")).ok()
}

fn line_with(path: &str, word: &str) -> usize {
    let is_named = |line: &str| line.replace('-', "_").starts_with(&format!("{word} "));
    read(path).lines().position(is_named).map_or(1, |at| at + 1)
}

/// Every file of the repository below a folder, without what is built or hidden, by its path.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let path = if folder == Path::new(".") {
            name.clone().into()
        } else {
            folder.join(&name)
        };
        if name.to_string_lossy().starts_with('.') && name != ".ci" || name == "target" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            found.append(&mut files(&path));
        } else {
            found.insert(path);
        }
    }
    found
}

/// Every file of `src` that is part of the program, not of its tests.
fn sources() -> Vec<Source> {
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let all: Vec<Source> = files(Path::new("src"))
        .into_iter()
        .filter(is_rust)
        .map(|path| Source {
            text: read(&path),
            path,
        })
        .collect();
    let tests: BTreeSet<PathBuf> = all.iter().flat_map(Source::test_modules).collect();
    all.into_iter()
        .filter(|file| !tests.contains(&file.path))
        .collect()
}

/// The text before the tests, which stand last.
fn production(text: &str) -> &str {
    let tests = text
        .match_indices("\n#[cfg(test)]\nmod ")
        .find(|(at, mark)| {
            let rest = text[at + mark.len()..].lines().next().unwrap_or_default();
            rest.ends_with('{') || rest.ends_with('}')
        });
    tests.map_or(text, |(at, _)| &text[..at])
}

/// A file of `src`.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The path of the file's module, such as `framing::scanner`.
    fn module(&self) -> String {
        let below = self.path.strip_prefix("src").unwrap().with_extension("");
        below
            .iter()
            .map(|part| part.to_str().unwrap())
            .collect::<Vec<_>>()
            .join("::")
    }

    fn room(&self) -> &str {
        let below = self.path.strip_prefix("src").unwrap();
        let first = below.iter().next().unwrap().to_str().unwrap();
        first.trim_end_matches(".rs")
    }

    /// The files of the modules that this one declares for its tests only.
    fn test_modules(&self) -> Vec<PathBuf> {
        let declared = self
            .text
            .split("#[cfg(test)]\n")
            .skip(1)
            .filter_map(|rest| {
                let line = rest.lines().next()?.trim_start_matches("pub(crate) ");
                line.strip_prefix("mod ")?.strip_suffix(';')
            });
        let folder = self.path.with_extension("");
        declared
            .map(|name| folder.join(name).with_extension("rs"))
            .collect()
    }

    /// Every path that the program's part of the file names, with its line: those of its imports,
    /// and in code those of two segments and more, with what was imported put in.
    fn paths(&self) -> Vec<(usize, String)> {
        let tokens = tokens(production(&self.text));
        let (mut found, mut names) = (Vec::new(), BTreeMap::new());
        let mut at = 0;
        while let Some((line, token)) = tokens.get(at) {
            let before = at.checked_sub(1).map(|before| tokens[before].1.as_str());
            if token == "use" {
                let mut trees = Vec::new();
                at = use_tree(&tokens, at + 1, "", &mut trees);
                for (path, name) in trees {
                    let path = self.resolved(&path, &names);
                    names.insert(name, path.clone());
                    found.push((*line, path));
                }
            } else if token == "mod" && tokens.get(at + 2).is_some_and(|(_, next)| next == ";") {
                let child = tokens[at + 1].1.clone();
                names.insert(child.clone(), format!("crate::{}::{child}", self.module()));
                at += 3;
            } else if is_name(token) && before != Some(".") {
                let mut path = token.clone();
                while let (Some((_, "::")), Some((_, next))) = (
                    tokens
                        .get(at + 1)
                        .map(|(line, token)| (line, token.as_str())),
                    tokens.get(at + 2).filter(|(_, next)| is_name(next)),
                ) {
                    path = format!("{path}::{next}");
                    at += 2;
                }
                if path.contains("::") {
                    found.push((*line, self.resolved(&path, &names)));
                }
                at += 1;
            } else {
                at += 1;
            }
        }
        found
    }

    /// The path from the crate's root, or from another crate's.
    fn resolved(&self, path: &str, names: &BTreeMap<String, String>) -> String {
        let module = self.module();
        let mut here: Vec<&str> = match module.as_str() {
            "lib" | "main" => Vec::new(),
            module => module.split("::").collect(),
        };
        let mut segments = path.split("::").peekable();
        let first = segments.peek().copied().unwrap_or_default();
        if first == "hsmtrail" {
            segments.next();
            here.clear();
        } else if let Some(imported) = names.get(first) {
            segments.next();
            return segments.fold(imported.clone(), |path, segment| {
                format!("{path}::{segment}")
            });
        } else if first != "self" && first != "super" {
            return path.to_owned();
        }
        while let Some(step @ ("self" | "super")) = segments.peek().copied() {
            segments.next();
            if step == "super" {
                here.pop();
            }
        }
        let all = std::iter::once("crate").chain(here).chain(segments);
        all.collect::<Vec<_>>().join("::")
    }
}

type Tokens = [(usize, String)];

/// Reads one tree of a `use`, adds its paths and the names that they get, and tells where the
/// next token is.
fn use_tree(
    tokens: &Tokens,
    mut at: usize,
    prefix: &str,
    trees: &mut Vec<(String, String)>,
) -> usize {
    let mut path = prefix.to_owned();
    let mut name = prefix.rsplit("::").next().unwrap_or_default().to_owned();
    while let Some((_, token)) = tokens.get(at) {
        at += 1;
        match token.as_str() {
            "{" => {
                while tokens.get(at).is_some_and(|(_, token)| token != "}") {
                    at = use_tree(tokens, at, &path, trees);
                    at += usize::from(tokens.get(at).is_some_and(|(_, token)| token == ","));
                }
                return at + 1;
            }
            "as" => {
                name.clone_from(&tokens[at].1);
                at += 1;
            }
            "," | "}" | ";" => {
                at -= 1;
                break;
            }
            "::" | "*" => {}
            "self" if !path.is_empty() => {}
            segment => {
                path = if path.is_empty() {
                    segment.to_owned()
                } else {
                    format!("{path}::{segment}")
                };
                segment.clone_into(&mut name);
            }
        }
    }
    trees.push((path, name));
    at
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The names, `::` and other signs of a Rust text, without comments, strings and lifetimes.
fn tokens(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let name = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        let (length, token) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            (block_comment(rest), false)
        } else if let Some(length) = raw_string(rest) {
            (length, false)
        } else if first == '"' {
            (quoted(rest, '"'), false)
        } else if first == '\'' {
            let second = rest.chars().nth(1).unwrap_or_default();
            let is_char = second == '\\' || rest.chars().nth(2) == Some('\'');
            (if is_char { quoted(rest, '\'') } else { 1 }, false)
        } else if name > 0 {
            (name, true)
        } else if rest.starts_with("::") {
            (2, true)
        } else {
            (first.len_utf8(), !first.is_whitespace())
        };
        let (this, after) = rest.split_at(length);
        if token {
            found.push((line, this.to_owned()));
        }
        line += this.matches('\n').count();
        rest = after;
    }
    found
}

/// The length of the comment, with those inside it.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length of the raw string, when the text begins with one.
fn raw_string(text: &str) -> Option<usize> {
    let start = ["r", "br", "cr"]
        .iter()
        .find_map(|start| text.strip_prefix(start))?;
    let opened = start.trim_start_matches('#');
    let hashes = "#".repeat(start.len() - opened.len());
    let body = opened.strip_prefix('"')?;
    let end = format!("\"{hashes}");
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + length)
}

/// The length of the string or character.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}
