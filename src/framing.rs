//! (skeleton; the framing room is written on main)

/// Why a record was rejected: the closed set of `reason` words, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// Longer than the limit on a record's bytes.
    Oversize,
    /// Not UTF-8.
    NotUtf8,
    /// Nested deeper than 128 levels.
    TooDeep,
    /// Not JSON by RFC 8259.
    Malformed,
    /// A JSON value, but not an object.
    NotAnObject,
    /// Cut by the end of the input.
    Truncated,
}

impl RejectReason {
    /// Every reason, in order of its number.
    pub const ALL: [Self; 6] = [
        Self::Oversize,
        Self::NotUtf8,
        Self::TooDeep,
        Self::Malformed,
        Self::NotAnObject,
        Self::Truncated,
    ];

    /// The word in the reject line and in the metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Oversize => "oversize",
            Self::NotUtf8 => "not_utf8",
            Self::TooDeep => "too_deep",
            Self::Malformed => "malformed",
            Self::NotAnObject => "not_an_object",
            Self::Truncated => "truncated",
        }
    }
}
