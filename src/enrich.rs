//! (skeleton) The CloudHSM domain, pure: what an event means.

pub mod actor;
pub mod operation;

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
}

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
