//! A real Prometheus scrapes the endpoint and answers queries with what was recorded, and the
//! program exports what it was fed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "helpers of a test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hsmtrail::enrich::actor::{ActorKind, Credential};
use hsmtrail::enrich::operation::LABELS;
use hsmtrail::enrich::{Outcome, Severity};
use hsmtrail::framing::RejectReason;
use hsmtrail::metrics::{Counts, Endpoint, Enriched, Metrics, TextFile};
use tokio_util::sync::CancellationToken;

use crate::prometheus::Prometheus;
use crate::promtool::promtool_accepts;

#[path = "common/http.rs"]
mod http;
#[path = "common/port.rs"]
mod port;
#[path = "common/prometheus.rs"]
mod prometheus;
#[path = "common/promtool.rs"]
mod promtool;

/// Only a test that hangs meets it.
const PATIENCE: Duration = Duration::from_mins(5);

/// The series that is the last to follow a batch: when it is there, all of the batch is.
const NEWEST: &str = "cloudhsm_newest_event_timestamp_seconds";

/// What Prometheus answers after [`record_some`].
const EXPECTED: [(&str, f64); 20] = [
    ("hsmtrail_records_total{outcome='enriched'}", 3.0),
    ("up", 1.0),
    ("sum(hsmtrail_records_total)", 14.0),
    ("hsmtrail_records_total{outcome='passed'}", 5.0),
    ("hsmtrail_records_total{outcome='filtered'}", 4.0),
    ("hsmtrail_rejected_records_total{reason='oversize'}", 2.0),
    ("sum(hsmtrail_rejected_records_total)", 2.0),
    (
        "hsmtrail_cloudhsm_events_total{operation='DeleteHsm',outcome='denied'}",
        3.0,
    ),
    ("count(hsmtrail_cloudhsm_events_total)", 333.0),
    (
        "hsmtrail_cloudhsm_severity_events_total{severity='high'}",
        3.0,
    ),
    (
        "hsmtrail_cloudhsm_actor_events_total{kind='root',credential='long_term'}",
        3.0,
    ),
    ("hsmtrail_cloudhsm_delivery_delay_seconds_count", 3.0),
    ("hsmtrail_cloudhsm_delivery_delay_seconds_sum", 720.75),
    (
        "hsmtrail_cloudhsm_delivery_delay_seconds_bucket{le='180'}",
        0.0,
    ),
    (
        "hsmtrail_cloudhsm_delivery_delay_seconds_bucket{le='300'}",
        3.0,
    ),
    (
        "hsmtrail_cloudhsm_newest_event_timestamp_seconds",
        1_499_745_045.5,
    ),
    ("hsmtrail_input_bytes_total", 4096.0),
    ("hsmtrail_output_bytes_total", 2048.0),
    ("hsmtrail_worker_busy_seconds_total", 1.25),
    ("hsmtrail_build_info", 1.0),
];

// The library.

#[test]
fn values_arrive_in_prometheus() {
    let metrics = Arc::new(Metrics::new());
    record_some(&metrics);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stop = CancellationToken::new();
    let target = runtime.block_on(async {
        let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
        let endpoint = Endpoint::bind(&any.into()).await.unwrap();
        let target = endpoint.address().to_string().parse().unwrap();
        tokio::spawn(endpoint.serve(Arc::clone(&metrics), stop.clone()));
        target
    });
    let Some(server) = Prometheus::start(target) else {
        eprintln!("SKIPPED: prometheus is not installed (Debian package prometheus)");
        return;
    };

    for (expression, expected) in EXPECTED {
        server.wait_for(expression, expected);
    }
    server.wait_for_target();
    stop.cancel();
}

fn record_some(metrics: &Metrics) {
    let mut counts = Counts::new();
    (0..5).for_each(|_| counts.passed());
    (0..4).for_each(|_| counts.filtered());
    (0..2).for_each(|_| counts.rejected(RejectReason::Oversize));
    let event = Enriched {
        operation: LABELS.iter().position(|name| *name == "DeleteHsm").unwrap(),
        outcome: Outcome::Denied,
        severity: Severity::High,
        kind: ActorKind::Root,
        credential: Credential::LongTerm,
        event_time_ms: Some(1_499_745_045_500),
    };
    (0..3).for_each(|_| counts.enriched(event, 1_499_745_285_750));
    metrics.record(&counts);
    metrics.input_bytes(4096);
    metrics.output_bytes(2048);
    metrics.worker_busy(Duration::from_millis(1250));
}

// The program.

#[test]
fn what_is_fed_to_the_program_arrives_in_prometheus() {
    let directory = tempfile::tempdir().unwrap();
    let [output, file] = ["out.ndjson", "hsmtrail.prom"].map(|name| directory.path().join(name));
    let mut filter = Filter::start(&[
        "--select=cloudhsm",
        "--max-record-bytes=4KiB",
        &format!("--output={}", output.display()),
        &format!("--metrics-file={}", file.display()),
    ]);
    let server = Prometheus::start(filter.address);
    if server.is_none() {
        eprintln!("SKIPPED in part: prometheus is not installed (Debian package prometheus)");
    }
    let mut expected = Expected::default();
    expected.check(&Series::of_text(&filter.scrape()));
    if let Some(server) = &server {
        server.wait_for("up", 1.0);
        expected.check(&Series::of_prometheus(server));
    }

    for fed in fed() {
        for _ in 0..fed.times {
            filter.feed(&fed.record);
            expected.add(&fed.becomes, fed.record.len());
        }
    }
    let text = filter.scrape_when_newest_is(expected.newest_event);
    expected.output_bytes = fs::metadata(&output).unwrap().len();
    expected.check(&Series::of_text(&text));
    accepted_by_promtool(&text);
    if let Some(server) = &server {
        server.wait_for(&format!("hsmtrail_{NEWEST}"), expected.newest_event);
        expected.check(&Series::of_prometheus(server));
    }

    let cut = b"{\"eventSource\":\"cloudhsm.amaz";
    filter.feed(cut);
    expected.add(&Becomes::Reject("truncated"), cut.len());
    assert_eq!(filter.end().code(), Some(1), "there were rejects");
    expected.output_bytes = fs::metadata(&output).unwrap().len();
    let text = fs::read_to_string(&file).unwrap();
    expected.check(&Series::of_text(&text));
    accepted_by_promtool(&text);
}

/// It is written at the start and at the end of a run, here of many runs.
#[test]
fn the_metrics_file_is_whole_at_any_moment() {
    let directory = tempfile::tempdir().unwrap();
    let [file, model] = ["hsmtrail.prom", "model.prom"].map(|name| directory.path().join(name));
    Metrics::new()
        .write_file(&TextFile::named(&model).unwrap())
        .unwrap();
    let whole = |path| Some(Series::of_text(&fs::read_to_string(path).ok()?).names());
    let model = whole(&model);
    for _ in 0..5 {
        let mut child = hsmtrail()
            .arg(format!("--metrics-file={}", file.display()))
            .arg("-")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut stdin, begun) = (child.stdin.take(), Instant::now());
        // It does not end before the file was looked at.
        while child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < PATIENCE, "there is no file");
            if file.exists() {
                assert_eq!(whole(&file), model);
                drop(stdin.take());
            }
        }
        assert!(child.wait().unwrap().success());
        assert_eq!(whole(&file), model);
    }
}

#[test]
fn a_taken_port_is_a_warning_and_the_filter_works_on() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    for (level, warned) in [("warn", true), ("error", false)] {
        let mut child = hsmtrail()
            .args([
                "--log-level",
                level,
                "--metrics-listen",
                &address.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"{\"a\":1}").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(output.stdout, b"{\"a\":1}\n");
        let said = String::from_utf8(output.stderr).unwrap();
        let warning = format!("hsmtrail: warn: cannot listen on {address} for metrics: ");
        assert_eq!(said.starts_with(&warning), warned, "{said}");
        assert_eq!(said.lines().count(), usize::from(warned), "{said}");
    }
}

/// What is fed, and what the program makes of it.
struct Fed {
    times: usize,
    record: Vec<u8>,
    becomes: Becomes,
}

/// What becomes of a record, in the words of the labels.
enum Becomes {
    Event {
        operation: &'static str,
        outcome: &'static str,
        severity: &'static str,
        kind: &'static str,
        credential: &'static str,
        /// `eventTime` in seconds since 1970.
        time: Option<f64>,
    },
    Passed,
    Filtered,
    Reject(&'static str),
}

/// Records of every kind, each so often that no two counts are the same. The last one alone is the
/// newest event.
#[rustfmt::skip]
fn fed() -> Vec<Fed> {
    let event = |times, members: &str, words: [&'static str; 5], time| Fed {
        times,
        record: format!("{{\"eventSource\":\"cloudhsm.amazonaws.com\",{members}}}\n").into_bytes(),
        becomes: {
            let [operation, outcome, severity, kind, credential] = words;
            Becomes::Event { operation, outcome, severity, kind, credential, time }
        },
    };
    let other = |times, record: &[u8], becomes| Fed { times, record: [record, b"\n"].concat(), becomes };
    let deep = ["[".repeat(200), "]".repeat(200)].concat();
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(8192));
    vec![
        event(3, r#""eventName":"DeleteHsm","eventTime":"2017-07-11T03:50:45Z","errorCode":"AccessDenied","userIdentity":{"type":"Root","accessKeyId":"AKIA1"}"#,
            ["DeleteHsm", "denied", "critical", "root", "long_term"], Some(1_499_745_045.0)),
        event(5, r#""eventName":"DescribeClusters","eventTime":"2017-01-01T00:00:00.25Z","userIdentity":{"type":"AssumedRole","accessKeyId":"ASIA1"}"#,
            ["DescribeClusters", "success", "informational", "assumed_role", "temporary"], Some(1_483_228_800.25)),
        event(2, r#""eventName":"CreateCluster","eventTime":"soon","userIdentity":{"type":"IAMUser","accessKeyId":"AKIA1"}"#,
            ["CreateCluster", "success", "low", "iam_user", "long_term"], None),
        event(7, r#""eventName":"OpenHsm","errorCode":"ThrottlingException","userIdentity":{"type":"AWSAccount"}"#,
            ["other", "throttled", "informational", "aws_account", "unknown"], None),
        event(11, r#""eventName":"ModifyBackupAttributes","requestParameters":{"neverExpires":false},"userIdentity":{"type":"WebIdentityUser"}"#,
            ["ModifyBackupAttributes", "success", "medium", "web_identity_user", "none"], None),
        event(4, r#""eventName":"DeleteBackup","eventTime":"1999-12-31T23:59:59Z","userIdentity":{"invokedBy":"backup.amazonaws.com"}"#,
            ["DeleteBackup", "success", "high", "aws_service", "none"], Some(946_684_799.0)),
        other(6, br#"{"eventSource":"cloudhsm.amazonaws.com","cloudhsm":{}}"#, Becomes::Passed),
        other(13, br#"{"eventSource":"s3.amazonaws.com"}"#, Becomes::Filtered),
        other(9, br#"{"eventSource":}"#, Becomes::Reject("malformed")),
        other(8, b"{\"a\":\"\xff\"}", Becomes::Reject("not_utf8")),
        other(10, format!("{{\"a\":{deep}}}").as_bytes(), Becomes::Reject("too_deep")),
        other(12, b"[5]", Becomes::Reject("not_an_object")),
        other(14, long.as_bytes(), Becomes::Reject("oversize")),
        event(1, r#""eventName":"RestoreBackup","eventTime":"2018-01-01T00:00:00.25Z","userIdentity":{"type":"SAMLUser"}"#,
            ["RestoreBackup", "success", "low", "saml_user", "none"], Some(1_514_764_800.25)),
    ]
}

/// What must be exported; a series that is not in it must be 0.
#[derive(Default)]
struct Expected {
    records: u64,
    series: BTreeMap<String, f64>,
    input_bytes: u64,
    output_bytes: u64,
    newest_event: f64,
}

impl Expected {
    fn add(&mut self, becomes: &Becomes, bytes: usize) {
        self.records += 1;
        self.input_bytes += bytes as u64;
        let outcome = match becomes {
            Becomes::Event {
                operation,
                outcome,
                severity,
                kind,
                credential,
                time,
            } => {
                self.count(&format!(
                    "cloudhsm_events_total operation={operation} outcome={outcome}"
                ));
                self.count(&format!(
                    "cloudhsm_severity_events_total severity={severity}"
                ));
                self.count(&format!(
                    "cloudhsm_actor_events_total credential={credential} kind={kind}"
                ));
                if let Some(time) = time {
                    self.newest_event = self.newest_event.max(*time);
                    self.count("cloudhsm_delivery_delay_seconds_count");
                    self.count("cloudhsm_delivery_delay_seconds_bucket le=+Inf");
                }
                "enriched"
            }
            Becomes::Passed => "passed",
            Becomes::Filtered => "filtered",
            Becomes::Reject(reason) => {
                self.count(&format!("rejected_records_total reason={reason}"));
                "rejected"
            }
        };
        self.count(&format!("records_total outcome={outcome}"));
    }

    fn count(&mut self, series: &str) {
        *self.series.entry(series.to_owned()).or_default() += 1.0;
    }

    /// Every series is there, and each whose value can be known has it.
    fn check(&self, found: &Series) {
        assert_eq!(
            found.names(),
            Series::of_text(&Metrics::new().render()).names()
        );
        for (series, &value) in &found.0 {
            let expected = match series.split(' ').next().unwrap() {
                "build_info" => 1.0,
                "input_bytes_total" => to_f64(self.input_bytes),
                "output_bytes_total" => to_f64(self.output_bytes),
                NEWEST => self.newest_event,
                // They are of this day and this machine.
                "input_blocked_seconds_total"
                | "output_blocked_seconds_total"
                | "worker_busy_seconds_total"
                | "cloudhsm_delivery_delay_seconds_sum" => continue,
                _ => self.series.get(series).copied().unwrap_or_default(),
            };
            assert!(
                (value - expected).abs() < 1e-9,
                "{series} is {value}, not {expected}"
            );
        }
        let sum = |name: &str| {
            let of_it = found
                .0
                .iter()
                .filter(|(series, _)| series.split(' ').next() == Some(name));
            of_it.map(|(_, value)| value).sum::<f64>()
        };
        assert!((sum("records_total") - to_f64(self.records)).abs() < 1e-9);
    }
}

/// Series without the prefix and without those of the process: `name label=word …`, and the value.
struct Series(BTreeMap<String, f64>);

impl Series {
    fn of_text(text: &str) -> Self {
        assert!(text.ends_with('\n'), "{text}");
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("hsmtrail_"));
        Self(
            lines
                .map(|line| {
                    let (series, value) = line.rsplit_once(' ').unwrap();
                    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
                    let labels = labels.trim_end_matches('}').split(',');
                    let labels = labels.map(|label| label.replace('"', ""));
                    (Self::key(name, labels), value.parse().unwrap())
                })
                .collect(),
        )
    }

    fn of_prometheus(server: &Prometheus) -> Self {
        // Also when the scrape before this moment took too long, after which a series is gone.
        let found = server.query("last_over_time({__name__=~'hsmtrail_.*'}[1m])");
        let series = found.iter().map(|series| {
            let labels = series["metric"].as_object().unwrap();
            let name = labels["__name__"].as_str().unwrap();
            let labels = labels
                .iter()
                .filter(|(label, _)| !["__name__", "instance", "job"].contains(&label.as_str()))
                .map(|(label, word)| format!("{label}={}", word.as_str().unwrap()));
            let value = series["value"][1].as_str().unwrap().parse().unwrap();
            (
                Self::key(name.strip_prefix("hsmtrail_").unwrap(), labels),
                value,
            )
        });
        Self(series.collect())
    }

    fn key(name: &str, labels: impl Iterator<Item = String>) -> String {
        let mut labels: Vec<String> = labels.filter(|label| !label.is_empty()).collect();
        labels.sort_unstable();
        labels.insert(0, name.to_owned());
        labels.join(" ")
    }

    fn names(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }
}

/// The program with an input that stays open, and its endpoint.
struct Filter {
    child: Child,
    stdin: ChildStdin,
    stderr: BufReader<ChildStderr>,
    address: SocketAddr,
}

impl Filter {
    /// The system chooses the port, and the program says which.
    fn start(options: &[&str]) -> Self {
        let mut child = hsmtrail()
            .args(["--log-level=info", "--metrics-listen=127.0.0.1:0"])
            .args(options)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut said).unwrap();
        let address = said
            .trim_end()
            .strip_prefix("hsmtrail: info: metrics on http://")
            .and_then(|rest| rest.strip_suffix("/metrics")?.parse().ok())
            .unwrap_or_else(|| panic!("no address in {said:?}"));
        Self {
            stdin: child.stdin.take().unwrap(),
            stderr,
            child,
            address,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.stdin.write_all(bytes).unwrap();
    }

    fn scrape(&self) -> String {
        let response = http::request(self.address, "GET", "/metrics").unwrap();
        assert_eq!(response.status, 200, "{}", response.head);
        response.body
    }

    /// Scrapes until the newest event that was seen is the one of `time`, in seconds.
    fn scrape_when_newest_is(&self, time: f64) -> String {
        let start = Instant::now();
        loop {
            let text = self.scrape();
            let newest = Series::of_text(&text).0[NEWEST];
            if (newest - time).abs() < 1e-9 {
                return text;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "the newest event is of {newest}, not {time}"
            );
            sleep(Duration::from_millis(20));
        }
    }

    /// Closes the input and waits for the end, until which nothing more is said.
    fn end(mut self) -> ExitStatus {
        drop(self.stdin);
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).unwrap();
        assert_eq!(said, "");
        self.child.wait().unwrap()
    }
}

/// The program, told nothing by the environment.
fn hsmtrail() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hsmtrail"));
    command.env_clear();
    command
}

fn accepted_by_promtool(text: &str) {
    match promtool_accepts(text) {
        Some(accepted) => accepted.unwrap(),
        None => eprintln!("SKIPPED in part: promtool is not installed (Debian package prometheus)"),
    }
}

fn to_f64(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}
