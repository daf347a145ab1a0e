//! Rules out, at memory speed, records that cannot concern CloudHSM.
//!
//! In → out: a run of bytes and the records in it, in rising order; for each whether it must be
//! decoded.
//!
//! Invariants: **"No" is certain**: such a record is no CloudHSM event and has no member
//! `cloudhsm`. **The answer depends on the record's own bytes alone**: it may match when it
//! contains `cloudhsm`, or a `\u` escape, the only kind that could spell a letter of it.
//!
//! Not here: whether a record is JSON ([`super::grammar`]) or a CloudHSM event (`enrich`).
//!
//! Failure: none.
//!
//! Cost: the search for the name passes once over the run, however many records it holds, the one for
//! escapes once over a record. Nothing is allocated.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

const NAME: &str = "cloudhsm";
const ESCAPE: &str = "\\u";

// Constants in all but the type system: what a search prepares is not a `const fn`.
static NAME_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(NAME));
static ESCAPE_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(ESCAPE));

/// Asks of the records of one run whether they could concern CloudHSM. Records come in rising
/// order.
pub struct Prefilter<'a> {
    bytes: &'a [u8],
    /// The first place of the name that is not before the records asked about; `None` when there is
    /// none.
    next: Option<usize>,
}

impl<'a> Prefilter<'a> {
    /// A filter for records in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            next: NAME_FINDER.find(bytes),
        }
    }

    /// False when the record is certainly neither a CloudHSM event nor has a member `cloudhsm`.
    pub fn may_match(&mut self, record: Range<usize>) -> bool {
        self.names(&record) || {
            let record = self.bytes.get(record).unwrap_or_default();
            ESCAPE_FINDER.find(record).is_some()
        }
    }

    /// The same for a record of which a walk or a scan has told whether it has `\u` escapes.
    pub fn may_match_walked(&mut self, record: Range<usize>, has_unicode_escapes: bool) -> bool {
        has_unicode_escapes || self.names(&record)
    }

    /// What stands between `start` and the next place of the name; for a record of which the end is
    /// not known yet.
    pub fn before_name(&mut self, start: usize) -> Option<&'a [u8]> {
        let place = self.first_name_from(start)?;
        self.bytes.get(start..place)
    }

    /// Whether the name stands in the record.
    fn names(&mut self, record: &Range<usize>) -> bool {
        self.first_name_from(record.start)
            .is_some_and(|place| place + NAME.len() <= record.end)
    }

    fn first_name_from(&mut self, start: usize) -> Option<usize> {
        if self.next.is_some_and(|place| place < start) {
            let rest = self.bytes.get(start..).unwrap_or_default();
            self.next = NAME_FINDER.find(rest).map(|place| start + place);
        }
        self.next
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::texts::{blank, object, plain};
    use super::super::{EventDecoder, grammar, texts};
    use super::*;

    fn may_match_alone(record: &[u8]) -> bool {
        Prefilter::new(record).may_match(0..record.len())
    }

    #[test]
    fn what_is_ruled_out() {
        for (record, answer) in [
            (&br#"{"eventSource":"cloudhsm.amazonaws.com"}"#[..], true),
            (br#"{"eventSource":"cloudhsmv2.amazonaws.com.cn"}"#, true),
            (br#"{"cloudhsm":null}"#, true),
            (br#"{"a":"see cloudhsm"}"#, true),
            (br#"{"eventSource":"\u0063loudhsm.amazonaws.com"}"#, true),
            (br#"{"a":"\\u"}"#, true),
            (br#"{"eventSource":"s3.amazonaws.com"}"#, false),
            (br#"{"a":"CloudHSM"}"#, false),
            (br#"{"a":"cloud\/hsm\n\\n"}"#, false),
            (b"{}", false),
            (b"", false),
        ] {
            assert_eq!(may_match_alone(record), answer, "{}", record.escape_ascii());
        }
    }

    #[test]
    fn only_what_is_wholly_inside_counts() {
        let bytes = b"cloudhsm{cloudhs}m\\{u}cloudhsm{\\u}cloudhsm";
        let mut filter = Prefilter::new(bytes);
        for (record, answer) in [
            (8..17, false),
            (9..18, false),
            (18..22, false),
            (19..22, false),
            (23..30, false),
            (31..32, false),
            (31..33, true),
            (34..41, false),
            (34..42, true),
        ] {
            assert_eq!(filter.may_match(record.clone()), answer, "{record:?}");
        }
    }

    proptest! {
        #[test]
        fn the_neighbours_have_no_influence(
            parts in vec(("(cloudhsm|[a-z]|\\\\u?){0,3}", "(cloudhsm|[a-z]|\\\\u?|clou){0,6}"), 0..12),
        ) {
            let mut bytes = Vec::new();
            let mut records = Vec::new();
            for (gap, record) in &parts {
                bytes.extend_from_slice(gap.as_bytes());
                records.push(bytes.len()..bytes.len() + record.len());
                bytes.extend_from_slice(record.as_bytes());
            }
            let mut filter = Prefilter::new(&bytes);
            for (at, (_, record)) in records.into_iter().zip(&parts) {
                let contains = record.contains(NAME) || record.contains(ESCAPE);
                prop_assert_eq!(filter.may_match(at), contains);
                prop_assert_eq!(may_match_alone(record.as_bytes()), contains);
            }
        }

        #[test]
        fn no_is_certain(
            object in object(),
            source in prop_oneof![Just("cloudhsm"), Just("x")],
            escapes in vec(any::<bool>(), 8),
            named in any::<bool>(),
            blank in blank(),
        ) {
            let texts::Json::Object(mut members) = object else { unreachable!() };
            let name: texts::Text =
                plain(source).into_iter().zip(escapes).map(|((unit, _), escape)| (unit, escape)).collect();
            members.push(if named {
                (name, texts::Json::Null)
            } else {
                (plain("eventSource"), texts::Json::Text(name))
            });
            let text = texts::Json::Object(members).print(blank);
            let frame = text.trim().as_bytes();
            prop_assert_eq!(grammar::check(frame), Ok(()));
            let mut decoder = EventDecoder::new();
            let event = decoder.decode(frame).unwrap();
            let concerns = event.already_enriched
                || event.event_source.is_some_and(|source| source.contains("cloudhsm"));
            prop_assert!(!concerns || may_match_alone(frame));
        }
    }
}
