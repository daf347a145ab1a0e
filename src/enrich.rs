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
use severity::{Reasons, Techniques};
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
    let origin = Origin::of(event);
    let mut enrichment = Enrichment {
        call: Call::of(event),
        outcome: Outcome::of(event),
        error_code: event.error_code,
        time_ms: time.map(Instant::milliseconds),
        actor: Actor::of(event, &origin, time),
        origin,
        resource: Resource::of(event),
        severity: Severity::Informational,
        reasons: Reasons::new(),
        attack: Techniques::new(),
    };
    enrichment.judge(event);
    Some(enrichment)
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
        let others = !letters(&code);
        let tells = |part: &&ErrorPart| {
            // Nearly every part has a letter that the code lacks.
            part.letters & others == 0 && contains(&code, part.text.as_bytes())
        };
        let told = ERROR_CODES.iter().find(tells);
        told.map_or(Self::Failure, |part| part.outcome)
    }
}

/// Codes are too short for a search that has to be prepared.
fn contains(code: &[u8], part: &[u8]) -> bool {
    let first = part.first_chunk::<4>();
    let mut windows = code.windows(part.len());
    windows.any(|window| window.first_chunk() == first && window == part)
}

/// What an error code may contain, in lower case, and what it then tells.
struct ErrorPart {
    text: &'static str,
    letters: u32,
    outcome: Outcome,
}

const fn part(text: &'static str, outcome: Outcome) -> ErrorPart {
    let letters = letters(text.as_bytes());
    ErrorPart {
        text,
        letters,
        outcome,
    }
}

/// A bit for each byte of a text, by its low five bits, which tell letters apart. Bytes with the same
/// bit cost a search in vain, never a find.
const fn letters(mut text: &[u8]) -> u32 {
    let mut letters = 0;
    while let Some((letter, rest)) = text.split_first() {
        letters |= 1 << (*letter % 32);
        text = rest;
    }
    letters
}

/// The first that fits tells.
const ERROR_CODES: [ErrorPart; 19] = [
    part("accessdenied", Outcome::Denied),
    part("unauthorized", Outcome::Denied),
    part("notauthorized", Outcome::Denied),
    part("unrecognizedclient", Outcome::Unauthenticated),
    part("invalidclienttokenid", Outcome::Unauthenticated),
    part("expiredtoken", Outcome::Unauthenticated),
    part("signaturedoesnotmatch", Outcome::Unauthenticated),
    part("missingauthenticationtoken", Outcome::Unauthenticated),
    part("authfailure", Outcome::Unauthenticated),
    part("throttl", Outcome::Throttled),
    part("toomanyrequests", Outcome::Throttled),
    part("requestlimitexceeded", Outcome::Throttled),
    part("notfound", Outcome::NotFound),
    part("limitexceeded", Outcome::LimitExceeded),
    part("invalid", Outcome::Invalid),
    part("validation", Outcome::Invalid),
    part("malformed", Outcome::Invalid),
    part("internal", Outcome::ServiceError),
    part("unavailable", Outcome::ServiceError),
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
