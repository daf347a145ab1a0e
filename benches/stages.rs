//! The stages one by one, in this process: `cargo bench --bench stages`.
//!
//! Each benchmark asserts what it counted, so that a number is never that of a loop which the
//! compiler threw away or of a stage that lost records.

use std::ops::Range;
use std::sync::LazyLock;

use bytes::BytesMut;
use divan::Bencher;
use divan::counter::BytesCount;
use hsmtrail::config::{Select, Validate};
use hsmtrail::decode::EventDecoder;
use hsmtrail::decode::grammar::{self, LineBreaks, walk_object};
use hsmtrail::decode::prefilter::Prefilter;
use hsmtrail::encode;
use hsmtrail::enrich::enrich;
use hsmtrail::framing::{BatchContent, FrameKind, InputForm, RecordDecoder, frame_lines};
use memchr::memmem;
use serde::de::IgnoredAny;
use tokio_util::codec::Decoder as _;

mod corpus;
mod filter;
mod tape;

use corpus::{Corpus, Form, Share};
use filter::{BATCH, Filter, MAX_RECORD_BYTES};

/// Enough to leave the caches, little enough to be quick.
const SIZE: usize = 16_000_000;

static MIXED: LazyLock<Corpus> =
    LazyLock::new(|| corpus::corpus(Share::Mixed, Form::Ndjson, 1, SIZE));
static ALL: LazyLock<Corpus> = LazyLock::new(|| corpus::corpus(Share::All, Form::Ndjson, 1, SIZE));
static DOCUMENT: LazyLock<Corpus> =
    LazyLock::new(|| corpus::corpus(Share::Mixed, Form::Document, 1, SIZE));

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

/// The same in a document, which is scanned as it is cut into batches.
#[divan::bench]
fn framing_document(bencher: Bencher<'_, '_>) {
    let mut buffer = BytesMut::with_capacity(2 * BATCH);
    bencher
        .counter(BytesCount::of_str(&DOCUMENT.bytes))
        .bench_local(|| {
            let mut decoder = RecordDecoder::new(InputForm::Auto, MAX_RECORD_BYTES);
            let mut found = 0;
            for piece in DOCUMENT.bytes.as_bytes().chunks(BATCH) {
                buffer.extend_from_slice(piece);
                while let Ok(Some(batch)) = decoder.decode(&mut buffer) {
                    if let BatchContent::Frames(frames) = batch.content {
                        found += frames.len();
                    }
                }
            }
            assert_eq!(found, DOCUMENT.records);
            buffer.clear();
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
                let text = grammar::utf8(batch).unwrap_or_default();
                let len = |range: &Range<usize>| {
                    let walked = walk_object(text.get(range.start..)?, LineBreaks::End)?;
                    Some(walked.len)
                };
                sound += ranges
                    .iter()
                    .filter(|range| len(range) == Some(range.len()))
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

/// Decoding CloudHSM events and enriching each: what it takes beside `decode`. (Events that are
/// decoded once and enriched again and again take a third of that, as the processor soon foresees
/// every branch.)
#[divan::bench]
fn decode_enrich(bencher: Bencher<'_, '_>) {
    let mut decoder = EventDecoder::new();
    bencher
        .counter(BytesCount::of_str(&ALL.bytes))
        .bench_local(|| {
            let enriched = ALL.bytes.lines().filter(|line| {
                let event = decoder.decode(line.as_bytes());
                event.is_ok_and(|event| enrich(&event).is_some())
            });
            assert_eq!(enriched.count(), ALL.records);
        });
}

/// The same, and copying the events and putting their objects in.
#[divan::bench]
fn decode_enrich_splice(bencher: Bencher<'_, '_>) {
    let mut decoder = EventDecoder::new();
    let mut out = Vec::new();
    bencher
        .counter(BytesCount::of_str(&ALL.bytes))
        .bench_local(|| {
            out.clear();
            for line in ALL.bytes.lines() {
                let event = decoder.decode(line.as_bytes()).unwrap_or_default();
                if let Some(enrichment) = enrich(&event) {
                    encode::copy(line.as_bytes(), &mut out);
                    encode::splice(&enrichment, &mut out);
                }
            }
        });
    let spliced = memmem::find_iter(&out, b",\"cloudhsm\":{\"version\":1,").count();
    assert_eq!(spliced, ALL.records);
}

/// All that the reader and a worker do, into memory.
#[divan::bench(args = [
    (Share::Mixed, Form::Ndjson, Validate::All, Select::All),
    (Share::Mixed, Form::Document, Validate::All, Select::All),
    (Share::Mixed, Form::Ndjson, Validate::Matching, Select::CloudHsm),
    (Share::Mixed, Form::Document, Validate::Matching, Select::CloudHsm),
    (Share::All, Form::Ndjson, Validate::All, Select::All),
])]
fn whole_filter(
    bencher: Bencher<'_, '_>,
    (share, form, validate, select): (Share, Form, Validate, Select),
) {
    let corpus = match form {
        Form::Document => &*DOCUMENT,
        _ => made(share),
    };
    let mut filter = Filter::new(validate, select);
    bencher
        .counter(BytesCount::of_str(&corpus.bytes))
        .bench_local(|| assert!(filter.run(corpus).is_ok()));
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
