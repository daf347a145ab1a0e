//! The filter without its threads: what the reader and one worker do, on this thread.
//!
//! In → out: a corpus in memory, taken in pieces as large as the filter's batches; how many records
//! were read and enriched. The output stays in memory.

use std::io;

use bytes::BytesMut;
use hsmtrail::config::{Envelope, Select, Validate};
use hsmtrail::framing::{Batch, InputForm, RecordDecoder};
use hsmtrail::metrics::RecordOutcome;
use hsmtrail::pipeline::Limits;
use hsmtrail::pipeline::output::Output;
use hsmtrail::pipeline::worker::Worker;
use tokio_util::codec::Decoder as _;

use crate::corpus::Corpus;

/// The size of a batch.
pub(crate) const BATCH: usize = 256 << 10;

/// The filter's own limit when none is given.
pub(crate) const MAX_RECORD_BYTES: usize = 1 << 20;

/// Later than every event of a corpus.
const NOW_MS: i64 = 4_000_000_000_000;

/// A worker and its buffers, which are used again.
pub(crate) struct Filter {
    worker: Worker,
    output: Output,
    buffer: BytesMut,
}

impl Filter {
    pub(crate) fn new(validate: Validate, select: Select) -> Self {
        Self {
            worker: Worker::new(Limits {
                select,
                validate,
                envelope: Envelope::Unwrap,
                max_record_bytes: MAX_RECORD_BYTES,
                paranoid: false,
                stop_at_reject: false,
                keys: false,
            }),
            output: Output::default(),
            buffer: BytesMut::with_capacity(2 * BATCH),
        }
    }

    /// Takes a corpus through it, as a source of its own. That it read and enriched as many records
    /// as there are is checked.
    pub(crate) fn run(&mut self, corpus: &Corpus) -> io::Result<()> {
        let mut decoder = RecordDecoder::new(InputForm::Auto, MAX_RECORD_BYTES);
        let (mut read, mut enriched) = (0, 0);
        let mut take = |batch: Batch| {
            self.worker.process(&batch, NOW_MS, &mut self.output);
            read += self.output.counts.read();
            enriched += self.output.counts.records(RecordOutcome::Enriched);
        };
        for piece in corpus.bytes.as_bytes().chunks(BATCH) {
            self.buffer.extend_from_slice(piece);
            while let Some(batch) = decoder.decode(&mut self.buffer).map_err(io::Error::other)? {
                take(batch);
            }
        }
        while let Some(batch) = decoder
            .decode_eof(&mut self.buffer)
            .map_err(io::Error::other)?
        {
            take(batch);
        }
        let expected = (corpus.records as u64, corpus.cloudhsm as u64);
        if (read, enriched) == expected {
            return Ok(());
        }
        let what = format!("{read} records, {enriched} enriched, not {expected:?}");
        Err(io::Error::other(what))
    }
}
