//! The stages one by one, in this process: `cargo bench --bench stages`.
//!
//! Each benchmark asserts what it counted, so that a number is never that of a loop which the
//! compiler threw away or of a stage that lost records.

use std::ops::Range;
use std::sync::LazyLock;

use bytes::BytesMut;
use divan::Bencher;
use divan::counter::BytesCount;
use hsmtrail::config::{Envelope, Select, Validate};
use hsmtrail::decode::EventDecoder;
use hsmtrail::decode::grammar::RunCheck;
use hsmtrail::decode::prefilter::Prefilter;
use hsmtrail::encode;
use hsmtrail::enrich::enrich;
use hsmtrail::framing::{Batch, BatchContent, FrameKind, frame_lines};
use hsmtrail::metrics::RecordOutcome;
use hsmtrail::pipeline::Limits;
use hsmtrail::pipeline::worker::{Output, Worker};
use memchr::memmem;
use serde::de::IgnoredAny;

mod corpus;
mod tape;

use corpus::{Corpus, Form, Share};

/// Enough to leave the caches, little enough to be quick.
const SIZE: usize = 16_000_000;

static MIXED: LazyLock<Corpus> =
    LazyLock::new(|| corpus::corpus(Share::Mixed, Form::Ndjson, 1, SIZE));
static ALL: LazyLock<Corpus> = LazyLock::new(|| corpus::corpus(Share::All, Form::Ndjson, 1, SIZE));

/// The size of a batch.
const BATCH: usize = 256 << 10;

/// The filter's own limit when none is given.
const MAX_RECORD_BYTES: usize = 1 << 20;

const SHARES: [Share; 2] = [Share::Mixed, Share::All];

fn main() {
    divan::main();
}

fn made(share: Share) -> &'static Corpus {
    match share {
        Share::Mixed => &MIXED,
        Share::All => &ALL,
    }
}

/// The floor: a simd-json tape of every line, buffers used again.
#[divan::bench(args = SHARES)]
fn tape_per_line(bencher: Bencher<'_, '_>, share: Share) {
    let corpus = made(share);
    let mut floor = tape::Floor::default();
    bencher
        .counter(BytesCount::of_str(&corpus.bytes))
        .bench_local(|| {
            assert_eq!(
                floor.run(corpus.bytes.as_bytes()).ok(),
                Some(corpus.records)
            );
        });
}

/// Framing: where each record begins and ends.
#[divan::bench(args = SHARES)]
fn framing(bencher: Bencher<'_, '_>, share: Share) {
    let corpus = made(share);
    let mut frames = Vec::new();
    bencher
        .counter(BytesCount::of_str(&corpus.bytes))
        .bench_local(|| {
            let mut found = 0;
            for batch in batches(corpus) {
                frames.clear();
                frame_lines(batch, MAX_RECORD_BYTES, &mut frames);
                found += frames
                    .iter()
                    .filter(|frame| matches!(frame.kind, FrameKind::Object { .. }))
                    .count();
            }
            assert_eq!(found, corpus.records);
        });
}

/// The grammar check: `--validate all`.
#[divan::bench(args = SHARES)]
fn grammar(bencher: Bencher<'_, '_>, share: Share) {
    let corpus = made(share);
    let records: Vec<_> = batches(corpus)
        .map(|batch| (batch, ranges(batch)))
        .collect();
    bencher
        .counter(BytesCount::of_str(&corpus.bytes))
        .bench_local(|| {
            let mut sound = 0;
            for (batch, ranges) in &records {
                let mut check = RunCheck::new(batch);
                sound += ranges
                    .iter()
                    .filter(|range| check.check((*range).clone()).is_ok())
                    .count();
            }
            assert_eq!(sound, corpus.records);
        });
}

/// The prefilter: which records could be CloudHSM events.
#[divan::bench(args = SHARES)]
fn prefilter(bencher: Bencher<'_, '_>, share: Share) {
    let corpus = made(share);
    let records: Vec<_> = batches(corpus)
        .map(|batch| (batch, ranges(batch)))
        .collect();
    let expected = corpus
        .bytes
        .lines()
        .filter(|line| line.contains("cloudhsm") || line.contains("\\u"))
        .count();
    bencher
        .counter(BytesCount::of_str(&corpus.bytes))
        .bench_local(|| {
            let mut matching = 0;
            for (batch, ranges) in &records {
                let mut filter = Prefilter::new(batch);
                matching += ranges
                    .iter()
                    .filter(|range| filter.may_match((*range).clone()))
                    .count();
            }
            assert_eq!(matching, expected);
        });
}

/// Decoding every record into an event.
#[divan::bench(args = SHARES)]
fn decode(bencher: Bencher<'_, '_>, share: Share) {
    let corpus = made(share);
    let mut decoder = EventDecoder::new();
    bencher
        .counter(BytesCount::of_str(&corpus.bytes))
        .bench_local(|| {
            let lines = corpus.bytes.lines();
            let named = lines.filter(|line| {
                decoder
                    .decode(line.as_bytes())
                    .is_ok_and(|event| event.event_name.is_some())
            });
            assert_eq!(named.count(), corpus.records);
        });
}

/// Decoding and enriching every record.
#[divan::bench(args = SHARES)]
fn decode_enrich(bencher: Bencher<'_, '_>, share: Share) {
    let corpus = made(share);
    let mut decoder = EventDecoder::new();
    bencher
        .counter(BytesCount::of_str(&corpus.bytes))
        .bench_local(|| {
            let lines = corpus.bytes.lines();
            let enriched = lines.filter(|line| {
                decoder
                    .decode(line.as_bytes())
                    .is_ok_and(|event| enrich(&event).is_some())
            });
            assert_eq!(enriched.count(), corpus.cloudhsm);
        });
}

/// Copying every record, and decoding, enriching and splicing it.
#[divan::bench(args = SHARES)]
fn copy_decode_enrich_splice(bencher: Bencher<'_, '_>, share: Share) {
    let corpus = made(share);
    let mut decoder = EventDecoder::new();
    let mut out = Vec::with_capacity(corpus.bytes.len() * 2);
    bencher
        .counter(BytesCount::of_str(&corpus.bytes))
        .bench_local(|| {
            out.clear();
            let mut enriched = 0;
            for line in corpus.bytes.lines() {
                encode::copy(line.as_bytes(), &mut out);
                let event = decoder.decode(line.as_bytes()).ok();
                if let Some(enrichment) = event.as_ref().and_then(enrich) {
                    encode::splice(&enrichment, &mut out);
                    enriched += 1;
                }
                out.push(b'\n');
            }
            assert_eq!(enriched, corpus.cloudhsm);
        });
}

/// Everything that a worker does, by `--validate`.
#[divan::bench(args = [
    (Share::Mixed, Validate::All),
    (Share::Mixed, Validate::Matching),
    (Share::All, Validate::All),
])]
fn worker(bencher: Bencher<'_, '_>, (share, validate): (Share, Validate)) {
    let corpus = made(share);
    let mut worker = Worker::new(Limits {
        select: Select::All,
        validate,
        envelope: Envelope::Unwrap,
        max_record_bytes: MAX_RECORD_BYTES,
        stop_at_reject: false,
    });
    let mut output = Output::default();
    let input = || batches(corpus).map(whole_lines).collect::<Vec<_>>();
    bencher
        .counter(BytesCount::of_str(&corpus.bytes))
        .with_inputs(input)
        .bench_local_values(|input| {
            let (mut read, mut enriched) = (0, 0);
            for batch in input {
                worker.process(batch, 0, &mut output);
                read += output.counts.read();
                enriched += output.counts.records(RecordOutcome::Enriched);
            }
            assert_eq!(
                (read, enriched),
                (corpus.records as u64, corpus.cloudhsm as u64)
            );
        });
}

fn whole_lines(bytes: &[u8]) -> Batch {
    Batch {
        bytes: BytesMut::from(bytes),
        offset: 0,
        content: BatchContent::Lines,
    }
}

/// The whole lines of the corpus in pieces as large as the filter's batches.
fn batches(corpus: &Corpus) -> impl Iterator<Item = &[u8]> {
    let mut rest = corpus.bytes.as_bytes();
    std::iter::from_fn(move || {
        let piece = rest.get(..BATCH).unwrap_or(rest);
        let end = memchr::memrchr(b'\n', piece).map_or(piece.len(), |at| at + 1);
        let (batch, tail) = rest.split_at_checked(end)?;
        rest = tail;
        (!batch.is_empty()).then_some(batch)
    })
}

/// Where each line of a batch stands.
fn ranges(batch: &[u8]) -> Vec<Range<usize>> {
    let ends = memchr::memchr_iter(b'\n', batch);
    ends.scan(0, |start, end| Some(std::mem::replace(start, end + 1)..end))
        .collect()
}

/// The full grammar of every line without a value, by `serde_json`.
#[divan::bench(args = SHARES)]
fn grammar_by_serde_json(bencher: Bencher<'_, '_>, share: Share) {
    let corpus = made(share);
    bencher
        .counter(BytesCount::of_str(&corpus.bytes))
        .bench_local(|| {
            let lines = corpus.bytes.lines();
            let sound = lines
                .filter(|line| serde_json::from_str::<IgnoredAny>(line).is_ok())
                .count();
            assert_eq!(sound, corpus.records);
        });
}

/// The search for the word that every CloudHSM event holds.
#[divan::bench(args = SHARES)]
fn memmem_cloudhsm(bencher: Bencher<'_, '_>, share: Share) {
    let corpus = made(share);
    let expected = corpus.bytes.matches("cloudhsm").count();
    let finder = memmem::Finder::new("cloudhsm");
    bencher
        .counter(BytesCount::of_str(&corpus.bytes))
        .bench_local(|| {
            assert_eq!(finder.find_iter(corpus.bytes.as_bytes()).count(), expected);
        });
}

/// The search for line breaks.
#[divan::bench(args = SHARES)]
fn line_breaks(bencher: Bencher<'_, '_>, share: Share) {
    let corpus = made(share);
    bencher
        .counter(BytesCount::of_str(&corpus.bytes))
        .bench_local(|| {
            let breaks = memchr::memchr_iter(b'\n', corpus.bytes.as_bytes()).count();
            assert_eq!(breaks, corpus.records);
        });
}
