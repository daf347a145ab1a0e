//! A real Prometheus scrapes the endpoint and answers queries with what was recorded.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "helpers of a test"
)]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use hsmtrail::enrich::actor::{ActorKind, Credential};
use hsmtrail::enrich::operation::LABELS;
use hsmtrail::enrich::{Outcome, Severity};
use hsmtrail::framing::RejectReason;
use hsmtrail::metrics::{Counts, Endpoint, Enriched, Metrics};
use tokio_util::sync::CancellationToken;

use crate::prometheus::Prometheus;

#[path = "common/http.rs"]
mod http;
#[path = "common/prometheus.rs"]
mod prometheus;

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

#[test]
fn values_arrive_in_prometheus() {
    let metrics = Arc::new(Metrics::new());
    record_some(&metrics);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stop = CancellationToken::new();
    let target = runtime.block_on(async {
        let endpoint = Endpoint::bind((Ipv4Addr::LOCALHOST, 0).into())
            .await
            .unwrap();
        let target = endpoint.address();
        tokio::spawn(endpoint.serve(Arc::clone(&metrics), stop.clone()));
        target
    });
    let Some(server) = Prometheus::start(target) else {
        eprintln!("SKIPPED: prometheus is not installed (Debian package prometheus)");
        return;
    };

    for (expression, expected) in EXPECTED {
        let value = server.value(expression);
        assert!(
            (value - expected).abs() < 1e-9,
            "{expression} is {value}, not {expected}"
        );
    }
    let target = server.target();
    assert_eq!(
        (&target["health"], &target["lastError"]),
        (&"up".into(), &"".into()),
        "{target}"
    );
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
