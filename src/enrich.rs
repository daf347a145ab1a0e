//! The CloudHSM domain, pure: what an event means.
//!
//! In → out: an [`Event`] from [`crate::decode`]; an [`Enrichment`] for [`crate::encode`], the
//! metrics and whoever uses the library.
//!
//! Invariants: **Same event, same enrichment**: no clock, no network, no memory of other events.
//! **Everything is known or absent**: no empty text, no guess. Every word of the `cloudhsm`
//! object is a value of a closed enum with `ALL` and `word()`, or text of the event itself.
//!
//! Not here: how it is written (`encode`), whether a record is passed on (`pipeline`).
//!
//! Failure: none; an event that is not CloudHSM's has no enrichment.
//!
//! Cost: nothing is allocated, except for shared backups.

pub mod actor;
pub mod operation;
pub mod origin;
pub mod resource;
pub mod severity;
pub mod time;

use smallvec::SmallVec;

use crate::event::Event;

use actor::Actor;
use operation::Call;
use origin::Origin;
use resource::Resource;
use severity::{Case, Reasons, Techniques, Verdict};
use time::Instant;

/// What the `cloudhsm` object says about one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrichment<'a> {
    /// What was called: `operation`, `known`, `api`, `access`, `action`, `resource_type`,
    /// `destructive`.
    pub call: Call<'a>,
    /// Did it work.
    pub outcome: Outcome,
    /// `errorCode`.
    pub error_code: Option<&'a str>,
    /// `eventTime` in milliseconds since 1970.
    pub time_ms: Option<i64>,
    /// Who did it.
    pub actor: Actor<'a>,
    /// From where.
    pub origin: Origin<'a>,
    /// To what.
    pub resource: Resource<'a>,
    /// How much it matters.
    pub severity: Severity,
    /// Why.
    pub reasons: Reasons,
    /// What it may be part of.
    pub attack: Techniques,
}

/// The enrichment of an event; none when it is not CloudHSM's or is enriched already
/// ([`Event::already_enriched`] tells which).
pub fn enrich<'a>(event: &'a Event<'_>) -> Option<Enrichment<'a>> {
    if event.already_enriched || !event.event_source.is_some_and(is_cloudhsm) {
        return None;
    }
    let time = event.event_time.and_then(Instant::parse);
    let call = Call::of(event);
    let outcome = Outcome::of(event);
    let origin = Origin::of(event);
    let actor = Actor::of(event, &origin, time);
    let resource = Resource::of(event);
    let case = Case {
        event,
        call: &call,
        outcome,
        actor: &actor,
        resource: &resource,
    };
    let Verdict {
        severity,
        reasons,
        attack,
    } = Verdict::on(&case);
    Some(Enrichment {
        outcome,
        error_code: event.error_code,
        time_ms: time.map(Instant::milliseconds),
        severity,
        reasons,
        attack,
        call,
        actor,
        origin,
        resource,
    })
}

/// CloudTrail writes the first name; AWS's own service model states the second. That `.cn` can
/// follow is our own judgement, by what other services do in China.
fn is_cloudhsm(event_source: &str) -> bool {
    let name = event_source.strip_suffix(".cn").unwrap_or(event_source);
    matches!(name, "cloudhsm.amazonaws.com" | "cloudhsmv2.amazonaws.com")
}

/// `outcome`: did the call work, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It worked.
    Success,
    /// No permission.
    Denied,
    /// The credentials were not accepted.
    Unauthenticated,
    /// Too many calls.
    Throttled,
    /// The resource does not exist.
    NotFound,
    /// The request was not valid.
    Invalid,
    /// A quota was reached.
    LimitExceeded,
    /// The service failed.
    ServiceError,
    /// Any other error.
    Failure,
}

impl Outcome {
    /// Every outcome, in order of its number.
    pub const ALL: [Self; 9] = [
        Self::Success,
        Self::Denied,
        Self::Unauthenticated,
        Self::Throttled,
        Self::NotFound,
        Self::Invalid,
        Self::LimitExceeded,
        Self::ServiceError,
        Self::Failure,
    ];

    /// The word in the `cloudhsm` object and in the metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denied => "denied",
            Self::Unauthenticated => "unauthenticated",
            Self::Throttled => "throttled",
            Self::NotFound => "not_found",
            Self::Invalid => "invalid",
            Self::LimitExceeded => "limit_exceeded",
            Self::ServiceError => "service_error",
            Self::Failure => "failure",
        }
    }

    fn of(event: &Event<'_>) -> Self {
        let Some(code) = event.error_code else {
            let worked = event.error_message.is_none();
            return if worked { Self::Success } else { Self::Failure };
        };
        let code: SmallVec<[u8; 64]> = code.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
        let tells = |(part, _): &&(&str, Self)| contains(&code, part.as_bytes());
        ERROR_CODES
            .iter()
            .find(tells)
            .map_or(Self::Failure, |(_, outcome)| *outcome)
    }
}

/// Codes are too short for a search that has to be prepared.
fn contains(code: &[u8], part: &[u8]) -> bool {
    let mut windows = code.windows(part.len());
    windows.any(|window| window.first() == part.first() && window == part)
}

/// What an error code contains, and what it then tells; the first that fits.
const ERROR_CODES: [(&str, Outcome); 19] = [
    ("accessdenied", Outcome::Denied),
    ("unauthorized", Outcome::Denied),
    ("notauthorized", Outcome::Denied),
    ("unrecognizedclient", Outcome::Unauthenticated),
    ("invalidclienttokenid", Outcome::Unauthenticated),
    ("expiredtoken", Outcome::Unauthenticated),
    ("signaturedoesnotmatch", Outcome::Unauthenticated),
    ("missingauthenticationtoken", Outcome::Unauthenticated),
    ("authfailure", Outcome::Unauthenticated),
    ("throttl", Outcome::Throttled),
    ("toomanyrequests", Outcome::Throttled),
    ("requestlimitexceeded", Outcome::Throttled),
    ("notfound", Outcome::NotFound),
    ("limitexceeded", Outcome::LimitExceeded),
    ("invalid", Outcome::Invalid),
    ("validation", Outcome::Invalid),
    ("malformed", Outcome::Invalid),
    ("internal", Outcome::ServiceError),
    ("unavailable", Outcome::ServiceError),
];

/// `severity`: how much an event matters, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing to do.
    Informational,
    /// Worth a record.
    Low,
    /// Worth a look.
    Medium,
    /// Look now.
    High,
    /// Key material may be lost or exposed.
    Critical,
}

impl Severity {
    /// Every severity, in rising order.
    pub const ALL: [Self; 5] = [
        Self::Informational,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// The word in the `cloudhsm` object and in the metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}
