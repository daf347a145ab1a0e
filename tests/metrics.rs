//! The metrics as a whole: what is exported, that the numbers add up, and that each way out (text,
//! file, endpoint) carries them as Prometheus wants them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "helpers of tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, thread};

use hsmtrail::enrich::actor::{ActorKind, Credential};
use hsmtrail::enrich::operation::LABELS;
use hsmtrail::enrich::{Outcome, Severity};
use hsmtrail::envelope::Notice;
use hsmtrail::framing::RejectReason;
use hsmtrail::metrics::{
    Address, CONTENT_TYPE, Counts, DELIVERY_DELAY_BUCKETS, Endpoint, Enriched, Error, METRICS,
    Metrics, RecordOutcome, TextFile,
};
use hsmtrail::socket::SocketError;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

#[path = "common/http.rs"]
mod http;
#[path = "common/promtool.rs"]
mod promtool;

/// The contract: every metric that starts with `hsmtrail_`, its type and its labels.
const CONTRACT: [(&str, &str, &[&str]); 15] = [
    ("hsmtrail_build_info", "gauge", &["version", "revision"]),
    ("hsmtrail_input_bytes_total", "counter", &[]),
    ("hsmtrail_output_bytes_total", "counter", &[]),
    ("hsmtrail_records_total", "counter", &["outcome"]),
    ("hsmtrail_rejected_records_total", "counter", &["reason"]),
    ("hsmtrail_notices_total", "counter", &["kind"]),
    ("hsmtrail_late_events_total", "counter", &[]),
    (
        "hsmtrail_cloudhsm_events_total",
        "counter",
        &["operation", "outcome"],
    ),
    (
        "hsmtrail_cloudhsm_severity_events_total",
        "counter",
        &["severity"],
    ),
    (
        "hsmtrail_cloudhsm_actor_events_total",
        "counter",
        &["kind", "credential"],
    ),
    ("hsmtrail_cloudhsm_delivery_delay_seconds", "histogram", &[]),
    (
        "hsmtrail_cloudhsm_newest_event_timestamp_seconds",
        "gauge",
        &[],
    ),
    ("hsmtrail_input_blocked_seconds_total", "counter", &[]),
    ("hsmtrail_output_blocked_seconds_total", "counter", &[]),
    ("hsmtrail_worker_busy_seconds_total", "counter", &[]),
];

/// The standard process metrics, as the table of Prometheus's client libraries has them, and
/// `process_threads`.
const PROCESS: [(&str, &str); 7] = [
    ("process_cpu_seconds_total", "counter"),
    ("process_open_fds", "gauge"),
    ("process_max_fds", "gauge"),
    ("process_virtual_memory_bytes", "gauge"),
    ("process_resident_memory_bytes", "gauge"),
    ("process_start_time_seconds", "gauge"),
    ("process_threads", "gauge"),
];

const NOW_MS: i64 = 1_499_745_645_000;

// What is exported.

#[test]
fn table_is_the_contract() {
    let contract: Vec<_> = CONTRACT
        .iter()
        .copied()
        .chain(PROCESS.iter().map(|&(name, kind)| (name, kind, &[][..])))
        .collect();
    let table: Vec<_> = METRICS
        .iter()
        .map(|metric| (metric.name, metric.kind.word(), metric.labels))
        .collect();
    assert_eq!(table, contract);
}

#[test]
fn text_is_the_table() {
    let text = Text::of(&Metrics::new());
    let table: BTreeMap<String, (String, String)> = METRICS
        .iter()
        .filter(|metric| cfg!(target_os = "linux") || !metric.name.starts_with("process_"))
        .map(|metric| {
            (
                metric.name.into(),
                (metric.help.into(), metric.kind.word().into()),
            )
        })
        .collect();
    assert_eq!(text.families, table);
}

/// Written out from the closed sets, with no knowledge of how they are registered.
#[test]
fn every_series_is_there_from_the_start() {
    let mut expected = BTreeMap::from([(series("build_info", &build()), 1.0)]);
    let mut zero = |name: &str, labels: &[(&str, &str)]| {
        assert_eq!(expected.insert(series(name, labels), 0.0), None);
    };
    for (name, _, labels) in CONTRACT {
        if labels.is_empty() && !name.ends_with("delay_seconds") {
            zero(&name["hsmtrail_".len()..], &[]);
        }
    }
    for outcome in ["enriched", "passed", "filtered", "rejected", "duplicate"] {
        zero("records_total", &[("outcome", outcome)]);
    }
    for reason in RejectReason::ALL.map(RejectReason::word) {
        zero("rejected_records_total", &[("reason", reason)]);
    }
    for kind in Notice::ALL.map(Notice::word) {
        zero("notices_total", &[("kind", kind)]);
    }
    for severity in Severity::ALL.map(Severity::word) {
        zero("cloudhsm_severity_events_total", &[("severity", severity)]);
    }
    for operation in LABELS {
        for outcome in Outcome::ALL.map(Outcome::word) {
            let labels = [("operation", operation), ("outcome", outcome)];
            zero("cloudhsm_events_total", &labels);
        }
    }
    for kind in ActorKind::ALL.map(ActorKind::word) {
        for credential in Credential::ALL.map(Credential::word) {
            let labels = [("kind", kind), ("credential", credential)];
            zero("cloudhsm_actor_events_total", &labels);
        }
    }
    for bound in DELIVERY_DELAY_BUCKETS.into_iter().chain([f64::INFINITY]) {
        let labels = [("le", &*bucket(bound))];
        zero("cloudhsm_delivery_delay_seconds_bucket", &labels);
    }
    zero("cloudhsm_delivery_delay_seconds_sum", &[]);
    zero("cloudhsm_delivery_delay_seconds_count", &[]);
    assert_eq!(Text::of(&Metrics::new()).own(), expected);
}

#[test]
fn process_metrics_tell_of_this_process() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let text = Text::of(&Metrics::new());
    let page = 4096.0;
    for (series, least) in [
        ("process_cpu_seconds_total", 0.0),
        ("process_open_fds", 3.0),
        ("process_max_fds", 3.0),
        ("process_virtual_memory_bytes", page),
        ("process_resident_memory_bytes", page),
        ("process_start_time_seconds", 1_500_000_000.0),
        ("process_threads", 1.0),
    ] {
        assert!(
            text.value(series) >= least,
            "{series} is {}",
            text.value(series)
        );
    }
}

#[test]
fn the_same_numbers_give_the_same_text() {
    let text = |metrics: &Metrics| {
        let text = metrics.render();
        text[..text.find("# HELP process_").unwrap_or(text.len())].to_owned()
    };
    let (one, other) = (Metrics::new(), Metrics::new());
    assert_eq!(text(&one), text(&one));
    assert_eq!(text(&one), text(&other));
}

// The numbers.

/// One record, as a worker sees it.
#[derive(Debug, Clone, Copy)]
enum Record {
    Passed,
    Notice(Notice),
    Filtered,
    Duplicate,
    Late,
    Rejected(RejectReason),
    Enriched(Enriched),
}

fn record() -> impl Strategy<Value = Record> {
    let enriched = (
        0..LABELS.len() + 2,
        select(&Outcome::ALL[..]),
        select(&Severity::ALL[..]),
        select(&ActorKind::ALL[..]),
        select(&Credential::ALL[..]),
        proptest::option::of(NOW_MS - 100_000_000..NOW_MS + 10_000),
    );
    prop_oneof![
        Just(Record::Passed),
        select(&Notice::ALL[..]).prop_map(Record::Notice),
        Just(Record::Filtered),
        Just(Record::Duplicate),
        Just(Record::Late),
        select(&RejectReason::ALL[..]).prop_map(Record::Rejected),
        enriched.prop_map(
            |(operation, outcome, severity, kind, credential, event_time_ms)| {
                Record::Enriched(Enriched {
                    operation,
                    outcome,
                    severity,
                    kind,
                    credential,
                    event_time_ms,
                })
            }
        ),
    ]
}

fn tally(counts: &mut Counts, records: &[Record]) {
    for record in records {
        match *record {
            Record::Passed => counts.passed(),
            Record::Notice(kind) => {
                counts.passed();
                counts.notice(kind);
            }
            Record::Filtered => counts.filtered(),
            Record::Duplicate => counts.duplicate(),
            Record::Late => {
                counts.late();
                counts.passed();
            }
            Record::Rejected(reason) => counts.rejected(reason),
            Record::Enriched(event) => counts.enriched(event, NOW_MS),
        }
    }
}

/// The series that are not 0, counted from the records one by one, under their full names.
#[derive(Default)]
struct Expected(BTreeMap<String, f64>);

impl Expected {
    fn of(records: &[Record]) -> Self {
        let mut expected = Self::default();
        expected.add("build_info", &build(), 1.0);
        for record in records {
            let outcome = match record {
                Record::Passed => "passed",
                Record::Notice(kind) => {
                    expected.add("notices_total", &[("kind", kind.word())], 1.0);
                    "passed"
                }
                Record::Filtered => "filtered",
                Record::Duplicate => "duplicate",
                Record::Late => {
                    expected.add("late_events_total", &[], 1.0);
                    "passed"
                }
                Record::Rejected(reason) => {
                    expected.add("rejected_records_total", &[("reason", reason.word())], 1.0);
                    "rejected"
                }
                Record::Enriched(event) => {
                    expected.add_event(event);
                    "enriched"
                }
            };
            expected.add("records_total", &[("outcome", outcome)], 1.0);
        }
        expected.0.retain(|_, value| *value > 0.0);
        expected
    }

    fn add_event(&mut self, event: &Enriched) {
        let operation = LABELS.get(event.operation).unwrap_or(&"other");
        let labels = [("operation", *operation), ("outcome", event.outcome.word())];
        self.add("cloudhsm_events_total", &labels, 1.0);
        let labels = [("severity", event.severity.word())];
        self.add("cloudhsm_severity_events_total", &labels, 1.0);
        let labels = [
            ("kind", event.kind.word()),
            ("credential", event.credential.word()),
        ];
        self.add("cloudhsm_actor_events_total", &labels, 1.0);
        if let Some(event_ms) = event.event_time_ms {
            self.add_time(event_ms);
        }
    }

    fn add_time(&mut self, event_ms: i64) {
        let delay = milliseconds(NOW_MS - event_ms);
        self.add("cloudhsm_delivery_delay_seconds_sum", &[], delay);
        self.add("cloudhsm_delivery_delay_seconds_count", &[], 1.0);
        for bound in DELIVERY_DELAY_BUCKETS.into_iter().chain([f64::INFINITY]) {
            if delay <= bound {
                let labels = [("le", &*bucket(bound))];
                self.add("cloudhsm_delivery_delay_seconds_bucket", &labels, 1.0);
            }
        }
        let newest = "hsmtrail_cloudhsm_newest_event_timestamp_seconds".to_owned();
        let newest = self.0.entry(newest).or_default();
        *newest = newest.max(milliseconds(event_ms.min(NOW_MS)));
    }

    fn add(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        *self.0.entry(series(name, labels)).or_default() += value;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// However records fall into batches, and with one `Counts` reused for all of them.
    #[test]
    fn text_is_what_was_counted(batches in prop::collection::vec(prop::collection::vec(record(), 0..20), 0..6)) {
        let metrics = Metrics::new();
        let names: BTreeSet<String> = Text::of(&metrics).own().into_keys().collect();
        let (mut counts, mut total) = (Counts::new(), Counts::new());
        for batch in &batches {
            counts.clear();
            tally(&mut counts, batch);
            metrics.record(&counts);
            total.merge(&counts);
        }

        let text = Text::of(&metrics);
        let mut found = text.own();
        prop_assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), names, "no series is new");
        found.retain(|_, value| *value > 0.0);
        let Expected(expected) = Expected::of(&batches.concat());
        prop_assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (series, value) in &expected {
            prop_assert!((found[series] - value).abs() < 1e-6, "{} is {}, not {}", series, found[series], value);
        }

        // The totals of a run agree with the metrics, and with themselves.
        for outcome in RecordOutcome::ALL {
            let series = format!("hsmtrail_records_total{{outcome=\"{}\"}}", outcome.word());
            prop_assert!((text.value(&series) - as_f64(total.records(outcome))).abs() < 0.5);
        }
        let sum = |counts: &[u64]| counts.iter().sum::<u64>();
        let records = RecordOutcome::ALL.map(|outcome| total.records(outcome));
        prop_assert_eq!(total.read(), batches.iter().flatten().count() as u64);
        prop_assert_eq!(total.read(), sum(&records));
        prop_assert_eq!(total.records(RecordOutcome::Rejected), sum(&RejectReason::ALL.map(|reason| total.rejects(reason))));
        prop_assert_eq!(total.records(RecordOutcome::Enriched), sum(&Severity::ALL.map(|severity| total.severities(severity))));
    }

    #[test]
    fn cleared_counts_are_new(records in prop::collection::vec(record(), 0..20)) {
        let mut counts = Counts::new();
        tally(&mut counts, &records);
        counts.clear();
        prop_assert_eq!(counts, Counts::new());
    }
}

/// Enough events that the histogram is folded while others add to it and text is rendered.
#[test]
fn nothing_is_lost_between_threads() {
    const THREADS: u64 = 4;
    const BATCHES: u64 = 300;
    const EVENTS: u64 = 20;
    let metrics = Metrics::new();
    let mut counts = Counts::new();
    (0..EVENTS).for_each(|_| counts.enriched(deleted_hsm(Some(NOW_MS - 1_500)), NOW_MS));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for batch in 0..BATCHES {
                    metrics.record(&counts);
                    metrics.input_bytes(7);
                    metrics.worker_busy(Duration::from_micros(500));
                    if batch % 100 == 0 {
                        metrics.render();
                    }
                }
            });
        }
    });
    let text = Text::of(&metrics);
    let events = as_f64(THREADS * BATCHES * EVENTS);
    for (series, expected) in [
        ("hsmtrail_records_total{outcome=\"enriched\"}", events),
        ("hsmtrail_cloudhsm_delivery_delay_seconds_count", events),
        ("hsmtrail_cloudhsm_delivery_delay_seconds_sum", events * 1.5),
        ("hsmtrail_input_bytes_total", as_f64(THREADS * BATCHES * 7)),
        ("hsmtrail_worker_busy_seconds_total", 0.6),
    ] {
        assert!(
            (text.value(series) - expected).abs() < 1e-6,
            "{series}: {}",
            text.value(series)
        );
    }
}

#[test]
fn newest_event_only_rises() {
    let metrics = Metrics::new();
    // (event times of a batch, the gauge after it), in seconds
    let batches: [(&[i64], f64); 6] = [
        (&[], 0.0),
        (&[-7_000], 0.0),
        (&[1_000_500, 3_000_250, 2_000_000], 3_000.25),
        (&[2_500_000], 3_000.25),
        (&[], 3_000.25),
        (&[NOW_MS + 86_400_000], 1_499_745_645.0),
    ];
    for (times, expected) in batches {
        let mut counts = Counts::new();
        for time in times {
            counts.enriched(deleted_hsm(Some(*time)), NOW_MS);
        }
        metrics.record(&counts);
        let newest = Text::of(&metrics).value("hsmtrail_cloudhsm_newest_event_timestamp_seconds");
        assert!(
            (newest - expected).abs() < 1e-9,
            "after {times:?} it is {newest}"
        );
    }
}

/// A method that adds time to one of the counters of seconds.
type Add = fn(&Metrics, Duration);

#[test]
fn seconds_have_fractions() {
    let metrics = Metrics::new();
    let adders: [(&str, Add); 3] = [
        (
            "hsmtrail_input_blocked_seconds_total",
            Metrics::input_blocked,
        ),
        (
            "hsmtrail_output_blocked_seconds_total",
            Metrics::output_blocked,
        ),
        ("hsmtrail_worker_busy_seconds_total", Metrics::worker_busy),
    ];
    for (series, add) in adders {
        for (nanoseconds, shown) in [
            (1, "0.000000001"),
            (249_999_999, "0.25"),
            (0, "0.25"),
            (1_000_000_000, "1.25"),
            (86_400_000_000_000, "86401.25"),
        ] {
            add(&metrics, Duration::from_nanos(nanoseconds));
            let text = metrics.render();
            let line = format!("\n{series} {shown}\n");
            assert!(text.contains(&line), "{line:?} is not in {text}");
        }
    }
}

// The ways out.

#[test]
fn promtool_accepts_the_text() {
    let metrics = Metrics::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hsmtrail.prom");
    for _ in 0..2 {
        metrics
            .write_file(&TextFile::named(&path).unwrap())
            .unwrap();
        for text in [metrics.render(), fs::read_to_string(&path).unwrap()] {
            let Some(accepted) = promtool::promtool_accepts(&text) else {
                eprintln!("SKIPPED: promtool is not installed (Debian package prometheus)");
                return;
            };
            assert_eq!(accepted, Ok(()));
        }
        let mut counts = Counts::new();
        counts.enriched(deleted_hsm(Some(NOW_MS - 250_125)), NOW_MS);
        counts.rejected(RejectReason::Truncated);
        metrics.record(&counts);
        metrics.input_blocked(Duration::from_nanos(1));
    }
}

#[test]
fn file_is_replaced_as_a_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hsmtrail.prom");
    let metrics = Metrics::new();
    fs::write(&path, "what was there before").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for bytes in ["3", "6"] {
        metrics.output_bytes(3);
        metrics
            .write_file(&TextFile::named(&path).unwrap())
            .unwrap();

        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.contains(&format!("\nhsmtrail_output_bytes_total {bytes}\n")),
            "{text}"
        );
        assert!(text.ends_with('\n') && !text.contains("process_"), "{text}");
        let own: BTreeMap<_, _> = Text::parse(&text).series;
        assert_eq!(
            own,
            Text::of(&metrics).own(),
            "the file is the text without process_*"
        );
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o644
        );
        assert_eq!(names(directory.path()), ["hsmtrail.prom"]);
    }
}

#[test]
fn file_errors_say_what_and_where() {
    let directory = tempfile::tempdir().unwrap();
    let metrics = Metrics::new();
    fs::create_dir(directory.path().join("taken.prom")).unwrap();
    for (name, step) in [
        ("absent/hsmtrail.prom", "create"),
        ("taken.prom", "replace"),
    ] {
        let path = directory.path().join(name);
        let error = metrics
            .write_file(&TextFile::named(&path).unwrap())
            .unwrap_err();
        let expected = format!("cannot {step} the metrics file {}", path.display());
        assert_eq!(error.to_string(), expected);
        assert!(
            matches!(&error, Error::File { path: named, .. } if *named == path),
            "{error:?}"
        );
        assert_eq!(
            names(directory.path()),
            ["taken.prom"],
            "nothing is left behind"
        );
    }
}

/// Request line, status, headers, and a part of the body; nothing for an empty body.
type Case<'a> = (&'a str, u16, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn endpoint_answers_what_it_has() {
    let runtime = Runtime::new().unwrap();
    let stop = CancellationToken::new();
    let metrics = Arc::new(Metrics::new());
    metrics.input_bytes(11);
    let address = serve(&runtime, &metrics, &stop);
    let text = [("content-type", CONTENT_TYPE), ("connection", "close")];
    let plain = [
        ("content-type", "text/plain; charset=utf-8"),
        ("connection", "close"),
    ];
    let allow = [("allow", "GET,HEAD"), ("connection", "close")];
    let none: [(&str, &str); 0] = [];
    let cases: [Case<'_>; 14] = [
        (
            "GET /metrics HTTP/1.1",
            200,
            &text,
            "\nhsmtrail_input_bytes_total 11\n",
        ),
        (
            "GET /metrics?name[]=up HTTP/1.1",
            200,
            &text,
            "\nhsmtrail_input_bytes_total 11\n",
        ),
        ("HEAD /metrics HTTP/1.1", 200, &text, ""),
        ("GET /healthz HTTP/1.1", 200, &plain, "ok\n"),
        ("HEAD /healthz HTTP/1.1", 200, &plain, ""),
        ("GET / HTTP/1.1", 200, &plain, "/metrics"),
        ("POST /metrics HTTP/1.1", 405, &allow, ""),
        ("DELETE /healthz HTTP/1.1", 405, &allow, ""),
        ("OPTIONS / HTTP/1.1", 405, &allow, ""),
        ("GET /nope HTTP/1.1", 404, &none, ""),
        ("POST /nope HTTP/1.1", 404, &none, ""),
        ("GET /metrics/ HTTP/1.1", 404, &none, ""),
        ("GET /../metrics HTTP/1.1", 404, &none, ""),
        ("\x16\x03\x01 this is no HTTP", 400, &none, ""),
    ];
    for (line, status, headers, body) in cases {
        let request = format!("{line}\r\nHost: localhost\r\n\r\n");
        let response = http::exchange(address, request.as_bytes()).unwrap();
        assert_eq!(response.status, status, "{line:?}: {response:?}");
        for (name, value) in headers {
            assert_eq!(
                response.header(name),
                Some(*value),
                "{line:?}: {}",
                response.head
            );
        }
        assert_eq!(
            response.body.is_empty(),
            body.is_empty(),
            "{line:?}: {}",
            response.body
        );
        assert!(response.body.contains(body), "{line:?}: {}", response.body);
    }
    stop.cancel();
}

#[test]
fn endpoint_outlives_bad_clients_until_it_is_stopped() {
    let runtime = Runtime::new().unwrap();
    let stop = CancellationToken::new();
    let metrics = Arc::new(Metrics::new());
    let endpoint = bind(&runtime);
    let address = address_of(&endpoint);
    let serving = runtime.spawn(endpoint.serve(metrics, stop.clone()));

    let endless_head = ["GET /metrics HTTP/1.1\r\n", &"x: y\r\n".repeat(20_000)].concat();
    for request in [
        &b""[..],
        b"GET /met",
        b"\0\0\0\0\r\n\r\n",
        endless_head.as_bytes(),
    ] {
        let Ok(mut client) = std::net::TcpStream::connect(address) else {
            panic!("the endpoint is gone");
        };
        // The server may well close in the middle of it.
        drop(client.write_all(request));
        drop(client);
        let response = http::request(address, "GET", "/healthz").unwrap();
        assert_eq!((response.status, response.body.as_str()), (200, "ok\n"));
    }

    stop.cancel();
    runtime.block_on(serving).unwrap();
    assert!(
        http::request(address, "GET", "/healthz").is_err(),
        "the port is still open"
    );
}

#[test]
fn the_first_free_port_of_a_range_is_taken() {
    let runtime = Runtime::new().unwrap();
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let (ip, first) = (address.ip(), address.port());
    let bind = |ports| runtime.block_on(Endpoint::bind(&Address::Tcp(ip, ports)));
    // So many others may be taken by now, but not all.
    let endpoint = bind(first..=first + 200).unwrap();
    let Address::Tcp(_, ports) = endpoint.address().clone() else {
        panic!("{}", endpoint.address())
    };
    assert!(ports.start() == ports.end() && (first + 1..=first + 200).contains(ports.start()));

    // A range that is taken as a whole is named as it was asked for.
    let second = *ports.start();
    let both = (second == first + 1).then_some(second);
    let mut cases = vec![(first..=first, address.to_string())];
    cases.extend(both.map(|last| (first..=last, format!("{address}-{last}"))));
    for (ports, named) in cases {
        let Err(error) = bind(ports) else {
            panic!("{named} was bound twice");
        };
        assert_eq!(
            error.to_string(),
            format!("cannot listen on {named} for metrics")
        );
        let Error::Listen {
            source: SocketError::System(source),
            ..
        } = error
        else {
            panic!("{error:?}")
        };
        assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
    }
}

#[test]
fn a_unix_socket_is_its_owners_and_goes_with_the_endpoint() {
    let runtime = Runtime::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.sock");
    let bind = || runtime.block_on(Endpoint::bind(&Address::Unix(path.clone())));
    // What nobody listens on is replaced.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let endpoint = bind().unwrap();
    let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let Err(error) = bind() else {
        panic!("it was bound twice")
    };
    assert!(
        matches!(
            &error,
            Error::Listen {
                source: SocketError::Taken,
                ..
            }
        ),
        "{error:?}"
    );
    let stop = CancellationToken::new();
    let metrics = Arc::new(Metrics::new());
    let serving = runtime.spawn(endpoint.serve(metrics, stop.clone()));
    let response = http::request_unix(&path, "/metrics").unwrap();
    assert_eq!(response.header("content-type"), Some(CONTENT_TYPE));
    assert!(response.body.contains("\nhsmtrail_input_bytes_total 0\n"));
    stop.cancel();
    runtime.block_on(serving).unwrap();
    assert_eq!(names(directory.path()), [""; 0]);

    // Anything else stays.
    fs::write(&path, "precious").unwrap();
    assert!(bind().is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

/// The collector takes a series from one file only.
#[test]
fn a_file_for_this_process_alone_has_its_id_in_every_series() {
    let directory = tempfile::tempdir().unwrap();
    let metrics = Metrics::new();
    let file = TextFile::named(&directory.path().join("h-%p.prom")).unwrap();
    metrics.write_file(&file).unwrap();
    let pid = std::process::id();
    assert_eq!(names(directory.path()), [format!("h-{pid}.prom")]);
    let text = fs::read_to_string(file.path()).unwrap();
    let label = format!("{{pid=\"{pid}\"");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.contains(&label), "{line}");
    }
    let without = text
        .replace(&format!("{label},"), "{")
        .replace(&format!("{label}}}"), "");
    assert_eq!(Text::parse(&without).series, Text::of(&metrics).own());
    if let Some(accepted) = promtool::promtool_accepts(&text) {
        assert_eq!(accepted, Ok(()));
    }
}

// Helpers.

/// A rendered text, taken apart.
struct Text {
    /// Name → help and type.
    families: BTreeMap<String, (String, String)>,
    /// Name and labels as written → value.
    series: BTreeMap<String, f64>,
}

impl Text {
    fn of(metrics: &Metrics) -> Self {
        Self::parse(&metrics.render())
    }

    /// Reads the strict form: `# HELP`, `# TYPE`, then the family's series, nothing else.
    fn parse(text: &str) -> Self {
        let mut parsed = Self {
            families: BTreeMap::new(),
            series: BTreeMap::new(),
        };
        let mut family = String::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(line) = line.strip_prefix("# HELP ") {
                let (name, help) = line.split_once(' ').unwrap();
                let (type_name, kind) = lines
                    .next()
                    .unwrap()
                    .strip_prefix("# TYPE ")
                    .unwrap()
                    .split_once(' ')
                    .unwrap();
                assert_eq!(name, type_name);
                let twice = parsed
                    .families
                    .insert(name.into(), (help.into(), kind.into()));
                assert_eq!(twice, None, "{name} comes twice");
                name.clone_into(&mut family);
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                assert!(
                    series.starts_with(&family),
                    "{series} stands under {family}"
                );
                let twice = parsed.series.insert(series.into(), value.parse().unwrap());
                assert_eq!(twice, None, "{series} comes twice");
            }
        }
        parsed
    }

    fn value(&self, series: &str) -> f64 {
        *self
            .series
            .get(series)
            .unwrap_or_else(|| panic!("{series} is not there"))
    }

    /// The series that start with `hsmtrail_`.
    fn own(&self) -> BTreeMap<String, f64> {
        let mut own = self.series.clone();
        own.retain(|series, _| !series.starts_with("process_"));
        own
    }
}

/// A series as written: its name without the prefix, and its labels.
fn series(name: &str, labels: &[(&str, &str)]) -> String {
    let labels: Vec<String> = labels
        .iter()
        .map(|(label, word)| format!("{label}=\"{word}\""))
        .collect();
    if labels.is_empty() {
        return format!("hsmtrail_{name}");
    }
    format!("hsmtrail_{name}{{{}}}", labels.join(","))
}

fn build() -> [(&'static str, &'static str); 2] {
    let revision = option_env!("BUILD_REVISION").unwrap_or("unknown");
    [
        ("version", env!("CARGO_PKG_VERSION")),
        ("revision", revision),
    ]
}

fn bucket(bound: f64) -> String {
    if bound.is_infinite() {
        "+Inf".to_owned()
    } else {
        bound.to_string()
    }
}

/// In seconds, never below 0.
fn milliseconds(milliseconds: i64) -> f64 {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0)).as_secs_f64()
}

fn deleted_hsm(event_time_ms: Option<i64>) -> Enriched {
    Enriched {
        operation: LABELS.iter().position(|name| *name == "DeleteHsm").unwrap(),
        outcome: Outcome::Success,
        severity: Severity::High,
        kind: ActorKind::AssumedRole,
        credential: Credential::Temporary,
        event_time_ms,
    }
}

fn as_f64(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn bind(runtime: &Runtime) -> Endpoint {
    runtime
        .block_on(Endpoint::bind(
            &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into(),
        ))
        .unwrap()
}

fn address_of(endpoint: &Endpoint) -> SocketAddr {
    endpoint.address().to_string().parse().unwrap()
}

fn serve(runtime: &Runtime, metrics: &Arc<Metrics>, stop: &CancellationToken) -> SocketAddr {
    let endpoint = bind(runtime);
    let address = address_of(&endpoint);
    runtime.spawn(endpoint.serve(Arc::clone(metrics), stop.clone()));
    address
}
