//! CloudTrail records that look real, made from a seed: the corpus of the benchmarks and the
//! background of the example data.
//!
//! In → out: a seed and a share of CloudHSM events; records without end, each one line of JSON in
//! the member order of real CloudTrail. A mixed stream holds the calls of some twenty services, a
//! few of which name CloudHSM without being its events; the CloudHSM events cover every operation,
//! identity type and outcome.
//!
//! Invariants: **The same seed gives the same bytes for ever**, on every machine: no clock, no
//! environment, no library's random numbers (`tests/data.rs` pins a hash).
//!
//! Not here: the story of the example data (`examples/make_data`), and the library: this module is
//! compiled into benchmarks, examples and tests with `#[path]`, never into `hsmtrail`.
#![allow(dead_code, reason = "each of its users needs a part")]

pub(crate) mod callers;
pub(crate) mod cloudhsm;
pub(crate) mod record;
pub(crate) mod services;
pub(crate) mod text;
mod words;

use callers::{CALLERS, Caller};
use record::{Call, Failure};
use text::{Random, Scene, hash};

/// The account whose trail the corpus is.
const ACCOUNT: &str = "111122223333";

/// The corpus begins at 2026-03-02T00:00:00Z.
const START: u64 = 86_400;

/// Of how many CloudHSM events in a hundred records a corpus consists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// Five.
    Mixed,
    /// All.
    All,
}

/// Records without end.
#[derive(Debug)]
pub(crate) struct Records {
    random: Random,
    share: Share,
    number: u64,
    callers: Wheel,
    calls: Wheel,
}

impl Records {
    pub(crate) fn new(share: Share, seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            share,
            number: 0,
            callers: Wheel::new(CALLERS.iter().map(|caller| caller.weight)),
            calls: Wheel::new(services::CALLS.iter().map(|call| call.weight)),
        }
    }

    /// Appends the next record, without a line break; whether it is a CloudHSM event.
    pub(crate) fn write(&mut self, out: &mut String) -> bool {
        // About twenty records a second, as a busy organisation has them.
        let time = START + self.number / 20;
        self.number += 1;
        let cloudhsm = self.share == Share::All || self.random.below(20) == 0;
        let deed = if cloudhsm {
            self.cloudhsm()
        } else {
            self.other_service()
        };
        let regions = [
            "eu-west-1",
            "eu-west-1",
            "eu-west-1",
            "eu-central-1",
            "us-east-1",
        ];
        let region = self.random.pick(&regions);
        self.record(
            &deed,
            &Scene {
                time,
                region,
                account: ACCOUNT,
                ..Scene::default()
            },
            out,
        );
        cloudhsm
    }

    /// Appends a record of `deed`: when and where are `scene`'s, its ids are new.
    pub(crate) fn record(&mut self, deed: &Deed, scene: &Scene<'_>, out: &mut String) {
        let scene = Scene {
            record: self.random.next(),
            caller: deed.caller,
            ..*scene
        };
        record::write(&scene, &deed.who, &deed.call, deed.failure, out);
    }

    /// Something that is done to another service than CloudHSM.
    pub(crate) fn other_service(&mut self) -> Deed {
        let call = self.calls.turn(&mut self.random);
        let who = self.callers.turn(&mut self.random);
        Deed {
            call: services::CALLS.get(call).copied().unwrap_or_default(),
            failure: (self.random.below(25) == 0).then(|| self.random.pick(&services::ERRORS)),
            who: CALLERS.get(who).copied().unwrap_or_default(),
            caller: self.caller(who),
        }
    }

    fn cloudhsm(&mut self) -> Deed {
        let who = self.random.below(CALLERS.len());
        let call = self.random.pick(&cloudhsm::CALLS);
        // The name that AWS's own API model gives; CloudTrail is not known to write it.
        let alias = self.random.below(100) == 0;
        Deed {
            call: Call {
                source: if alias { "cloudhsmv2" } else { call.source },
                ..call
            },
            failure: (self.random.below(4) == 0).then(|| self.random.pick(&cloudhsm::ERRORS)),
            who: CALLERS.get(who).copied().unwrap_or_default(),
            caller: self.caller(who),
        }
    }

    /// The seed of one of the eight callers of a kind.
    fn caller(&mut self, kind: usize) -> u64 {
        hash(&[
            u8::try_from(kind).unwrap_or_default(),
            self.random.pick(b"01234567"),
        ])
    }
}

/// Who does what, and whether it works; done again, it gives another record.
#[derive(Debug)]
pub(crate) struct Deed {
    call: Call,
    failure: Option<Failure>,
    who: Caller,
    /// Seed of the caller.
    caller: u64,
}

/// Draws a place of a list, each as often as its weight says.
#[derive(Debug)]
struct Wheel(Vec<u32>);

impl Wheel {
    fn new(weights: impl Iterator<Item = u32>) -> Self {
        let ends = weights.scan(0, |end, weight| {
            *end += weight;
            Some(*end)
        });
        Self(ends.collect())
    }

    fn turn(&self, random: &mut Random) -> usize {
        let total = usize::try_from(self.0.last().copied().unwrap_or_default()).unwrap_or_default();
        let at = random.below(total);
        self.0
            .partition_point(|&end| usize::try_from(end).is_ok_and(|end| end <= at))
    }
}

/// The form in which a corpus comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One record a line.
    Ndjson,
    /// `{"Records":[…]}` on one line, without a line break at its end, as CloudTrail writes it.
    Document,
    /// Many such documents of fifty records, back to back, as `gzip -dc` writes many files.
    LogFiles,
}

/// A corpus in memory, and what is in it.
#[derive(Debug, Default)]
pub(crate) struct Corpus {
    pub(crate) bytes: String,
    pub(crate) records: usize,
    pub(crate) cloudhsm: usize,
}

/// A corpus of the first whole records that reach `size` bytes.
pub(crate) fn corpus(share: Share, form: Form, seed: u64, size: usize) -> Corpus {
    let mut records = Records::new(share, seed);
    let mut corpus = Corpus {
        bytes: String::with_capacity(size + 8192),
        ..Corpus::default()
    };
    while corpus.bytes.len() < size {
        corpus.bytes.push_str(match (form, corpus.records) {
            (_, 0) | (Form::Ndjson, _) => "",
            (Form::LogFiles, number) if number % 50 == 0 => "]}",
            _ => ",",
        });
        if form != Form::Ndjson && !corpus.bytes.ends_with(',') {
            corpus.bytes.push_str("{\"Records\":[");
        }
        corpus.cloudhsm += usize::from(records.write(&mut corpus.bytes));
        corpus.records += 1;
        if form == Form::Ndjson {
            corpus.bytes.push('\n');
        }
    }
    if form != Form::Ndjson {
        corpus.bytes.push_str("]}");
    }
    corpus
}
