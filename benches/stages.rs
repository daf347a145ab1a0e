//! The stages one by one, in this process: `cargo bench --bench stages`.
//!
//! Each benchmark asserts what it counted, so that a number is never that of a loop which the
//! compiler threw away or of a stage that lost records.

use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
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
