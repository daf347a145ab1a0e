//! The work of one reader and one worker, for `benches/guard` to count its instructions.
//!
//! `guard CASE` makes a small corpus, takes it through framing, checking, decoding and enriching on
//! this one thread, in pieces as large as the filter's, and does it a second time in [`counted`],
//! which callgrind looks at alone: by then buffers have grown and the processor's features are
//! known. It prints how many bytes and records that were. Without a case it does them all.
#![expect(clippy::print_stdout, reason = "what was counted is its output")]

use std::io;

use bytes::BytesMut;
use hsmtrail::config::{Select, Validate};
use hsmtrail::framing::{Batch, InputForm, RecordDecoder};
use hsmtrail::metrics::RecordOutcome;
use hsmtrail::pipeline::Limits;
use hsmtrail::pipeline::worker::{Output, Worker};
use tokio_util::codec::Decoder as _;

mod corpus;

use corpus::{Corpus, Form, Share};

/// Enough for the differences between records to even out, little enough for callgrind.
const SIZE: usize = 2_000_000;

/// The size of a batch.
const BATCH: usize = 256 << 10;

/// The filter's own limit when none is given.
const MAX_RECORD_BYTES: usize = 1 << 20;

/// Later than every event of the corpus.
const NOW_MS: i64 = 4_000_000_000_000;

/// What is counted, by the names that `benches/guard.json` has.
const CASES: [(&str, Share, Validate, Select); 3] = [
    ("mixed", Share::Mixed, Validate::All, Select::All),
    ("all", Share::All, Validate::All, Select::All),
    (
        "matching",
        Share::Mixed,
        Validate::Matching,
        Select::CloudHsm,
    ),
];

fn main() -> io::Result<()> {
    let wanted = std::env::args().nth(1).filter(|name| name != "--bench");
    for (name, share, validate, select) in CASES {
        if wanted.as_deref().is_none_or(|wanted| wanted == name) {
            let limits = Limits {
                select,
                validate,
                max_record_bytes: MAX_RECORD_BYTES,
                stop_at_reject: false,
            };
            run(&corpus::corpus(share, Form::Ndjson, 1, SIZE), limits)?;
        }
    }
    Ok(())
}

fn run(corpus: &Corpus, limits: Limits) -> io::Result<()> {
    let mut worker = Worker::new(limits);
    let mut output = Output::default();
    let grown = filter(corpus, &mut worker, &mut output)?;
    let found = counted(corpus, &mut worker, &mut output)?;
    let expected = (corpus.records as u64, corpus.cloudhsm as u64);
    if (grown, found) != (expected, expected) {
        let what = format!("records, enriched: {grown:?}, {found:?}, not {expected:?}");
        return Err(io::Error::other(what));
    }
    println!("{} {}", corpus.bytes.len(), corpus.records);
    Ok(())
}

/// [`filter`], under a name that callgrind can find.
#[inline(never)]
fn counted(corpus: &Corpus, worker: &mut Worker, output: &mut Output) -> io::Result<(u64, u64)> {
    filter(corpus, worker, output)
}

/// Takes a corpus through the filter, as a source of its own: how many records it read, and how
/// many of them it enriched.
fn filter(corpus: &Corpus, worker: &mut Worker, output: &mut Output) -> io::Result<(u64, u64)> {
    let mut decoder = RecordDecoder::new(InputForm::Auto, MAX_RECORD_BYTES);
    let mut buffer = BytesMut::with_capacity(2 * BATCH);
    let (mut read, mut enriched) = (0, 0);
    let mut take = |batch: Batch| {
        worker.process(batch, NOW_MS, output);
        read += output.counts.read();
        enriched += output.counts.records(RecordOutcome::Enriched);
    };
    for piece in corpus.bytes.as_bytes().chunks(BATCH) {
        buffer.extend_from_slice(piece);
        while let Some(batch) = decoder.decode(&mut buffer).map_err(io::Error::other)? {
            take(batch);
        }
    }
    while let Some(batch) = decoder.decode_eof(&mut buffer).map_err(io::Error::other)? {
        take(batch);
    }
    Ok((read, enriched))
}
