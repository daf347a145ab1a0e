//! The recipes of `config/prometheus` against the real programs: promtool checks and tests the rules,
//! hsmtrail exports what they name, Prometheus evaluates them, `node_exporter` reads the files.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test fails by panicking and says what it left out"
)]

#[path = "common/binary.rs"]
mod binary;
#[path = "common/http.rs"]
mod http;
#[path = "common/port.rs"]
mod port;
#[path = "common/prometheus.rs"]
mod prometheus;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use binary::{Running, hsmtrail, run, wait_until};
use port::Port;
use prometheus::Prometheus;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/AWSLogs");

fn recipe(name: &str) -> PathBuf {
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prometheus");
    recipes.join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(recipe(name)).unwrap()
}

/// hsmtrail over the example data, with an endpoint that stays.
fn over_the_examples() -> (Running, SocketAddr) {
    let running = Running::start(hsmtrail([
        "--workers=1",
        "--select=cloudhsm",
        "--log-level=info",
        "--metrics-listen=0",
        EXAMPLES,
        "-",
    ]));
    let said = running.wait_for_err("/metrics\n");
    let (_, address) = said.split_once("http://").unwrap();
    let address = address.split_once('/').unwrap().0.parse().unwrap();
    wait_until("the last event", || {
        let critical = "\nhsmtrail_cloudhsm_severity_events_total{severity=\"critical\"} 4\n";
        scrape(address).contains(critical)
    });
    (running, address)
}

fn scrape(address: SocketAddr) -> String {
    let response = http::request(address, "GET", "/metrics").unwrap();
    assert_eq!(response.status, 200);
    response.body
}

#[test]
fn promtool_accepts_the_recipes() {
    for args in [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "recording.yml"],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "tests.yml"],
    ] {
        let checked = Command::new("promtool")
            .args(args)
            .current_dir(recipe(""))
            .output();
        let checked = match checked {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                eprintln!("SKIPPED: promtool is not installed (Debian package prometheus)");
                return;
            }
            checked => checked.unwrap(),
        };
        let said = [checked.stdout, checked.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(checked.status.success(), "{args:?}: {said}");
    }
}

/// What a rule or a test asks for: a metric, and what its labels shall be.
struct Selector<'a> {
    name: &'a str,
    matchers: Vec<(&'a str, Vec<&'a str>)>,
    /// The function around it, if any.
    function: &'a str,
}

/// Every metric of hsmtrail, or of its process, that a text of ours names.
fn selectors(text: &str) -> Vec<Selector<'_>> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(begin) = text[at..].find(is_name).map(|next| at + next) {
        let end = text[begin..]
            .find(|c| !is_name(c))
            .map_or(text.len(), |n| begin + n);
        at = end;
        let (name, rest) = (&text[begin..end], &text[end..]);
        let is_ours = name.starts_with("hsmtrail_") || name.starts_with("process_");
        if !is_ours || name.contains(':') {
            continue;
        }
        let matchers = rest
            .strip_prefix('{')
            .map_or("", |rest| rest.split_once('}').unwrap().0);
        let function = text[..begin].strip_suffix('(').unwrap_or_default();
        let function = function.rsplit(|c| !is_name(c)).next().unwrap_or_default();
        found.push(Selector {
            name,
            matchers: matchers_of(matchers),
            function,
        });
    }
    found
}

/// `a="b",c=~"d|e"`.
fn matchers_of(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((label, value)) = rest.split_once('"') {
        let (value, after) = value.split_once('"').unwrap();
        let label = label.trim_start_matches([',', ' ']);
        let words = match label.strip_suffix("=~") {
            Some(_) => value.split('|').collect(),
            None => vec![value],
        };
        found.push((label.trim_end_matches(['=', '~', '!']), words));
        rest = after;
    }
    found
}

/// The rules would be silent for ever if they named what nobody exports.
#[test]
fn hsmtrail_exports_what_the_rules_and_their_tests_name() {
    let (running, address) = over_the_examples();
    let text = scrape(address);
    assert_eq!(running.finish().code, Some(0));
    let mut types = BTreeMap::new();
    let mut words: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("# TYPE ") {
            types.extend(line.split_once(' '));
        } else if !line.starts_with('#') {
            let series = line.rsplit_once(' ').unwrap().0;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels_of = words.entry(name).or_default();
            for (label, word) in matchers_of(labels) {
                labels_of.entry(label).or_default().extend(word);
            }
        }
    }
    for file in ["recording.yml", "alerts.yml", "tests.yml"] {
        let rules = read(file);
        let named = selectors(&rules);
        assert!(!named.is_empty(), "{file}");
        for Selector {
            name,
            matchers,
            function,
        } in named
        {
            let labels = words.get(name);
            let labels = labels.unwrap_or_else(|| panic!("{file}: nobody exports {name}"));
            for (label, asked) in matchers {
                // What Prometheus adds.
                if ["job", "instance"].contains(&label) {
                    continue;
                }
                let known = labels.get(label);
                let known = known.unwrap_or_else(|| panic!("{file}: {name} has no label {label}"));
                let mut is_known = asked.iter().map(|word| known.contains(word));
                // Prometheus 3 writes the bounds of buckets with a fraction.
                let is_right = if label == "le" {
                    is_known.any(|is| is)
                } else {
                    is_known.all(|is| is)
                };
                assert!(is_right, "{file}: {name}: {label} is never {asked:?}");
            }
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| types.get(name.strip_suffix(end)?));
            let kind = base.or(types.get(name)).unwrap();
            if ["rate", "increase"].contains(&function) {
                assert!(
                    ["counter", "histogram"].contains(kind),
                    "{file}: {function}({name})"
                );
            }
        }
    }
}

/// Each alert has what a person needs who is woken by it.
#[test]
fn every_alert_leads_to_its_heading() {
    let readme = read("README.md");
    let rules = read("alerts.yml");
    let mut alerts = rules.split("- alert: ");
    alerts.next();
    let mut names = Vec::new();
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        for key in ["expr:", "for:", "severity:", "summary:", "description:"] {
            assert!(alert.contains(key), "{name} has no {key}");
        }
        let anchor = format!(
            "runbook_url: config/prometheus/README.md#{}\n",
            name.to_lowercase()
        );
        assert!(alert.contains(&anchor), "{name}: {anchor}");
        assert!(
            readme.contains(&format!("\n### {name}\n")),
            "{name} has no heading"
        );
        let tests = read("tests.yml");
        assert!(
            tests.contains(&format!("alertname: {name}\n        exp_alerts:")),
            "{name}"
        );
        names.push(name);
    }
    let headings = readme.lines().filter_map(|line| line.strip_prefix("### "));
    assert_eq!(
        headings.collect::<Vec<_>>(),
        names,
        "headings in the order of the rules"
    );
}

#[test]
fn prometheus_evaluates_the_rules_over_what_hsmtrail_exports() {
    let (mut running, address) = over_the_examples();
    let rules = [recipe("recording.yml"), recipe("alerts.yml")];
    let Some(server) = Prometheus::start_with(address, &rules) else {
        eprintln!("SKIPPED: prometheus is not installed (Debian package prometheus)");
        return;
    };
    let firing = |alert: &str| format!("count(ALERTS{{alertname='{alert}',alertstate='firing'}})");
    // What was read before the first scrape counts.
    server.wait_for(
        "sum(instance:hsmtrail_cloudhsm_severity_events:increase15m{severity='critical'})",
        4.0,
    );
    server.wait_for(&firing("HsmtrailKeyStoreLoss"), 1.0);
    for _ in 0..5 {
        let refused = "{\"eventSource\":\"cloudhsm.amazonaws.com\",\"eventName\":\"DeleteHsm\",\"errorCode\":\"AccessDenied\"}\n";
        running.write(refused);
    }
    server.wait_for(&firing("HsmtrailCallsRefused"), 1.0);
    for alert in ["HsmtrailDown", "HsmtrailOutputBlocked"] {
        assert_eq!(
            server.query(&firing(alert)),
            [serde_json::Value::Null; 0],
            "{alert}"
        );
    }
    let rules = || {
        let groups = server.rules();
        let groups = groups["groups"].as_array().unwrap().iter();
        let rules = groups.flat_map(|group| group["rules"].as_array().unwrap().clone());
        rules.collect::<Vec<_>>()
    };
    assert_eq!(rules().len(), 16);
    wait_until("the first turn of every rule", || {
        rules().iter().all(|rule| rule["health"] != "unknown")
    });
    for rule in rules() {
        assert_eq!(
            (&rule["health"], &rule["lastError"]),
            (&"ok".into(), &serde_json::Value::Null),
            "{rule}"
        );
    }
    drop(server);
    assert_eq!(running.finish().code, Some(0));
}

/// `node_exporter` with nothing but the textfile collector; killed when dropped.
struct NodeExporter {
    child: Child,
    port: Port,
}

impl NodeExporter {
    fn start(directory: &Path, log: &Path) -> Option<Self> {
        let port = Port::free();
        let started = Command::new("prometheus-node-exporter")
            .args(["--collector.disable-defaults", "--collector.textfile"])
            .arg(format!(
                "--collector.textfile.directory={}",
                directory.display()
            ))
            .arg(format!("--web.listen-address={}", port.address))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log).unwrap())
            .spawn();
        let child = match started {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            started => started.unwrap(),
        };
        let exporter = Self { child, port };
        wait_until("node_exporter", || {
            http::request(exporter.port.address, "GET", "/").is_ok()
        });
        Some(exporter)
    }
}

impl Drop for NodeExporter {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn node_exporter_reads_the_files_of_batch_runs() {
    let place = tempfile::tempdir().unwrap();
    let [textfiles, log] = ["textfiles", "log"].map(|name| place.path().join(name));
    fs::create_dir(&textfiles).unwrap();
    let Some(exporter) = NodeExporter::start(&textfiles, &log) else {
        eprintln!(
            "SKIPPED: node_exporter is not installed (Debian package prometheus-node-exporter)"
        );
        return;
    };
    // One run with a file of its name, and two with one by their process ids.
    for name in ["hsmtrail.prom", "hsmtrail-%p.prom", "hsmtrail-%p.prom"] {
        let file = textfiles.join(name);
        let file = file.to_str().unwrap();
        let done = run(&["--select=cloudhsm", "--metrics-file", file, EXAMPLES], "");
        assert_eq!(done.code, Some(0), "{}", done.err);
    }
    let text = scrape(exporter.port.address);
    let lines = |start: &str| {
        let lines = text.lines().filter(|line| line.starts_with(start));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let log = fs::read_to_string(&log).unwrap();
    assert!(!log.contains("level=error"), "{log}");
    assert_eq!(
        lines("node_textfile_scrape_error"),
        ["node_textfile_scrape_error 0"]
    );
    let ages = lines("node_textfile_mtime_seconds{file=\"");
    assert_eq!(ages.len(), 3, "{ages:?}");
    // As the rule about stale files and the one about batch runs ask for them.
    assert!(
        ages.iter().any(|line| line.contains("/hsmtrail.prom\"}")),
        "{ages:?}"
    );
    let critical = lines("hsmtrail_cloudhsm_severity_events_total{");
    let critical = critical
        .iter()
        .filter(|line| line.contains("severity=\"critical\""));
    let critical: Vec<_> = critical.collect();
    assert_eq!(critical.len(), 3, "{critical:?}");
    assert!(
        critical.iter().all(|line| line.ends_with("} 4")),
        "{critical:?}"
    );
    assert_eq!(
        critical
            .iter()
            .filter(|line| line.contains("pid=\""))
            .count(),
        2
    );
    // Everything that is in a file comes out, value by value.
    let file = fs::read_to_string(textfiles.join("hsmtrail.prom")).unwrap();
    let (given, read) = (values(&file), values(&text));
    assert!(given.len() > 400);
    for (series, value) in given {
        let read = read[&series];
        assert!(
            (read - value).abs() < 1e-6,
            "{series:?}: {read}, not {value}"
        );
    }
}

type Labels<'a> = Vec<(&'a str, Vec<&'a str>)>;

/// Every series with its labels in order, and its value.
fn values(text: &str) -> BTreeMap<(&str, Labels<'_>), f64> {
    let series = text.lines().filter(|line| !line.starts_with('#'));
    let series = series.map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let mut labels = matchers_of(labels);
        labels.sort_unstable();
        ((name, labels), value.parse().unwrap())
    });
    series.collect()
}
