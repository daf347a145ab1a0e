//! Runs a real log host over a recipe of `config`, in a folder of its own, on loopback, without root.
//!
//! A host that is not installed skips its tests with a line that says so. Every wait is for a
//! condition, and given up only when nothing has moved for [`PATIENCE`].

#![allow(dead_code, reason = "a test uses the part that it needs")]

use std::env;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Long enough for a debug build on a busy machine to do a little more.
const PATIENCE: Duration = Duration::from_mins(5);

const LOOK: Duration = Duration::from_millis(100);

/// Where the program of that name is: where the variable says, on the PATH, where Debian puts
/// services, or in a package that is unpacked in `target/hosts`. `None`, and a line about it, when it
/// is nowhere.
pub(crate) fn installed(name: &str, variable: &str) -> Option<PathBuf> {
    let named = env::var_os(variable).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("target/hosts/usr/sbin"));
    let found = named
        .into_iter()
        .chain(folders.into_iter().map(|folder| folder.join(name)))
        .find(|file| file.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: {name} is not installed, and {variable} does not name it");
    }
    found
}

/// The recipe `config/{name}` with other paths and ports. Each of them has to be in it.
pub(crate) fn recipe(name: &str, changes: &[(&str, String)]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config")
        .join(name);
    let mut text = fs::read_to_string(file).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    text
}

/// A running host; it is killed when its test ends.
pub(crate) struct Host {
    child: Child,
    said: PathBuf,
}

impl Host {
    /// Starts it; what it says goes to a file in `folder`.
    pub(crate) fn start(mut command: Command, folder: &Path) -> Self {
        let said = folder.join("said");
        let file = File::options()
            .append(true)
            .create(true)
            .open(&said)
            .unwrap();
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("HSMTRAIL_") {
                command.env_remove(name);
            }
        }
        let child = command.spawn().unwrap();
        Self { child, said }
    }

    /// What it has said.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// Waits until `look` finds something. Until then it says how far it is.
    pub(crate) fn wait_for<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut() -> Result<T, u64>,
    ) -> T {
        let (mut begun, mut before) = (Instant::now(), 0);
        loop {
            match look() {
                Ok(found) => return found,
                Err(now) if now != before => (begun, before) = (Instant::now(), now),
                Err(_) => {}
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && begun.elapsed() < PATIENCE,
                "{what} does not come; the host ended: {ended:?}; it said: {}",
                self.said()
            );
            thread::sleep(LOOK);
        }
    }

    /// Waits until that file has so many lines; it may still grow, and end inside a character.
    pub(crate) fn wait_for_count(&mut self, file: &Path, count: usize) {
        // Whole lines that were counted, and where they end: nobody takes them back.
        let (mut lines, mut end) = (0, 0);
        self.wait_for(&format!("line {count} of {}", file.display()), || {
            let bytes = read_from(file, SeekFrom::Start(end)).unwrap_or_default();
            if let Some(last) = memchr::memrchr(b'\n', &bytes) {
                lines += memchr::memchr_iter(b'\n', &bytes).count();
                end += last as u64 + 1;
            }
            if lines >= count { Ok(()) } else { Err(end) }
        });
    }

    /// Waits until that file ends with this text.
    pub(crate) fn wait_for_end(&mut self, file: &Path, text: &str) {
        let back = i64::try_from(text.len()).unwrap();
        self.wait_for(
            &format!("the end of {}", file.display()),
            || match read_from(file, SeekFrom::End(-back)) {
                Ok(end) if end == text.as_bytes() => Ok(()),
                _ => Err(fs::metadata(file).map_or(0, |file| file.len())),
            },
        );
    }

    /// Waits for the last line of that file, which is of this number, and gives them all.
    pub(crate) fn wait_for_lines(&mut self, file: &Path, count: usize) -> Vec<String> {
        self.wait_for_count(file, count);
        fs::read_to_string(file)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Ends it as the service manager does, and waits for that.
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(
                begun.elapsed() < PATIENCE,
                "it does not end: {}",
                self.said()
            );
            thread::sleep(LOOK);
        }
    }

    /// Kills the processes that this one started and that run our binary, once there is one. Returns
    /// how many there were.
    pub(crate) fn kill_filters(&mut self) -> usize {
        let host = self.child.id();
        let found = self.wait_for("hsmtrail", || {
            let found = filters_of(host);
            if found.is_empty() { Err(0) } else { Ok(found) }
        });
        for pid in &found {
            // It may just have ended by itself.
            let (Ok(()) | Err(_)) = kill_process(*pid, Signal::KILL);
        }
        found.len()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn read_from(file: &Path, place: SeekFrom) -> io::Result<Vec<u8>> {
    let mut file = File::open(file)?;
    file.seek(place)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn filters_of(host: u32) -> Vec<Pid> {
    let ours = fs::canonicalize(env!("CARGO_BIN_EXE_hsmtrail")).unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let runs_ours =
        |id: &u32| fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|exe| exe == ours);
    ids.filter(runs_ours)
        .filter(|id| descends_from(*id, host))
        .filter_map(|id| Pid::from_raw(id.try_into().unwrap()))
        .collect()
}

fn descends_from(mut id: u32, ancestor: u32) -> bool {
    while id > 1 {
        if id == ancestor {
            return true;
        }
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else {
            return false;
        };
        // The name, in brackets, may hold anything.
        let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let parent = behind_name.split_whitespace().nth(1);
        id = parent.and_then(|parent| parent.parse().ok()).unwrap_or(0);
    }
    false
}

/// So many records: most of some 1 KB, dozens of up to 256 KB, one in twenty of CloudHSM. They are
/// numbered by their member `n`, and made of bytes that hosts like to change.
pub(crate) fn traffic(count: usize) -> Vec<String> {
    (0..count).map(record).collect()
}

fn record(n: usize) -> String {
    let (service, call) = match n % 20 {
        3 => ("cloudhsm", "DeleteHsm"),
        _ => ("s3", "GetObject"),
    };
    // Up to 256 KB with everything around it, and so that the sizes are not all alike.
    let length = match n % 200 {
        3 => 261_000,
        77 => 60_000 + n,
        150 => 4_000 + n % 4_200,
        _ => 700 + n % 600,
    };
    let text = "a\\\"b\\u00e9\u{e9}\\/ %s {}[] \\n#012 \u{1F511} ".repeat(length / 37);
    let text = text.trim_end();
    format!(
        "{{\"eventVersion\":\"1.08\",\"eventSource\":\"{service}.amazonaws.com\",\"eventName\":\
         \"{call}\",\t\"eventTime\":\"2026-03-07T23:24:09Z\",\"size\":1.0,\"pad\":\"{text}\",\"n\":{n}}}"
    )
}

/// The number of one of [`traffic`], when it is there byte for byte: without its enrichment, which
/// it has when it is CloudHSM's and only then.
pub(crate) fn number(line: &str) -> usize {
    let (text, is_enriched) = super::input::without_enrichment(line);
    let digits = text
        .rsplit_once("\"n\":")
        .and_then(|(_, rest)| rest.strip_suffix('}'));
    let n = digits.and_then(|digits| digits.parse().ok());
    let n: usize = n.unwrap_or_else(|| panic!("no record of ours: {}", start_of(line)));
    assert!(
        text == record(n),
        "record {n} was altered: {}",
        start_of(line)
    );
    assert_eq!(is_enriched, n % 20 == 3, "{n}");
    n
}

fn start_of(line: &str) -> String {
    line.chars().take(300).collect()
}

/// Checks that all records came, each once and in order.
pub(crate) fn check_all_in_order(lines: &[String], count: usize) {
    let numbers: Vec<usize> = lines.iter().map(|line| number(line)).collect();
    let expected: Vec<usize> = (0..count).collect();
    assert!(
        numbers == expected,
        "lost, repeated or out of order: {numbers:?}"
    );
}
