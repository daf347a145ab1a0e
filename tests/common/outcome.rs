//! What the framing and a worker make of an input that comes in pieces, without threads.

use bytes::BytesMut;
use hsmtrail::config::Envelope;
use hsmtrail::encode::reject::Detail;
use hsmtrail::enrich::Severity;
use hsmtrail::framing::{Batch, InputForm, OversizePart, RecordDecoder, RejectReason};
use hsmtrail::metrics::{Counts, RecordOutcome};
use hsmtrail::pipeline::Limits;
use hsmtrail::pipeline::output::Output;
use hsmtrail::pipeline::worker::Worker;
use tokio_util::codec::Decoder as _;

/// The time of every run.
pub(crate) const NOW_MS: i64 = 1_499_745_645_000;

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// Written, as this line.
    Line(Vec<u8>),
    /// Rejected, with its bytes.
    Reject(RejectReason, Detail, Vec<u8>),
}

/// What became of an input.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) items: Vec<Item>,
    /// Where each reject starts in the input.
    pub(crate) offsets: Vec<u64>,
    /// The number of each reject's record.
    pub(crate) numbers: Vec<u64>,
    pub(crate) counts: Counts,
}

impl Outcome {
    fn new() -> Self {
        Self {
            items: Vec::new(),
            offsets: Vec::new(),
            numbers: Vec::new(),
            counts: Counts::new(),
        }
    }

    /// What becomes of an input that comes in pieces.
    pub(crate) fn of_pieces<'a>(
        pieces: impl Iterator<Item = &'a [u8]>,
        form: InputForm,
        limits: Limits,
    ) -> Self {
        let mut decoder = RecordDecoder::new(form, limits.max_record_bytes).leaving_documents();
        let mut worker = Worker::new(limits);
        let mut output = Output::default();
        let mut outcome = Self::new();
        // Whether a reject has ended the run.
        let mut take = |batch: Batch| {
            worker.process(&batch, NOW_MS, &mut output);
            outcome.add(&output);
            limits.stop_at_reject && outcome.counts.records(RecordOutcome::Rejected) > 0
        };
        let mut buffer = BytesMut::new();
        let mut over = false;
        let mut pieces = pieces.peekable();
        while let Some(piece) = pieces.next() {
            buffer.extend_from_slice(piece);
            // What comes as one piece is at hand as a whole when it ends.
            while pieces.peek().is_some()
                && !over
                && let Some(batch) = decoder.decode(&mut buffer).unwrap()
            {
                over = take(batch);
            }
        }
        while !over && let Some(batch) = decoder.decode_eof(&mut buffer).unwrap() {
            over = take(batch);
        }
        outcome.adds_up(limits);
        outcome
    }

    /// Adds what became of a batch.
    fn add(&mut self, output: &Output) {
        let mut at = 0;
        let mut rest = &output.raw[..];
        for reject in &output.rejects {
            self.add_lines(&output.lines[at..reject.after]);
            at = reject.after;
            let (raw, others) = rest.split_at(reject.length);
            rest = others;
            self.items
                .push(Item::Reject(reject.reason, reject.detail, raw.to_vec()));
            self.offsets.push(reject.offset);
            self.numbers.push(self.counts.read() + reject.record);
        }
        self.add_lines(&output.lines[at..]);
        if let Some(piece) = &output.oversize {
            if piece.part == OversizePart::First {
                self.items.push(Item::Reject(
                    RejectReason::Oversize,
                    Detail::TooLong,
                    Vec::new(),
                ));
                self.offsets.push(piece.offset);
                self.numbers.push(self.counts.read() + 1);
            }
            let Some(Item::Reject(.., raw)) = self.items.last_mut() else {
                panic!("a part without a beginning: {piece:?}");
            };
            raw.extend_from_slice(&piece.raw);
        }
        self.counts.merge(&output.counts);
    }

    fn add_lines(&mut self, lines: &[u8]) {
        let lines = lines.split_inclusive(|byte| *byte == b'\n');
        self.items
            .extend(lines.map(|line| Item::Line(line.strip_suffix(b"\n").unwrap().to_vec())));
    }

    /// Every record is counted once, and as what it became.
    fn adds_up(&self, limits: Limits) {
        let counts = &self.counts;
        let of = |outcome| counts.records(outcome);
        let sum: u64 = RecordOutcome::ALL.map(of).iter().sum();
        assert_eq!(counts.read(), sum);
        let is_line = |item: &&Item| matches!(item, Item::Line(_));
        let lines = self.items.iter().filter(is_line).count() as u64;
        assert_eq!(
            of(RecordOutcome::Enriched) + of(RecordOutcome::Passed),
            lines
        );
        let severities: u64 = Severity::ALL
            .map(|severity| counts.severities(severity))
            .iter()
            .sum();
        // A record that is kept may hold several events.
        if limits.envelope == Envelope::Unwrap {
            assert_eq!(severities, of(RecordOutcome::Enriched));
        } else {
            assert!(severities >= of(RecordOutcome::Enriched));
        }
        for reason in RejectReason::ALL {
            let is_it = |item: &&Item| matches!(item, Item::Reject(why, ..) if *why == reason);
            let rejects = self.items.iter().filter(is_it).count() as u64;
            assert_eq!(counts.rejects(reason), rejects, "{reason:?}");
        }
        let reasons: u64 = RejectReason::ALL
            .map(|reason| counts.rejects(reason))
            .iter()
            .sum();
        assert_eq!(reasons, of(RecordOutcome::Rejected));
    }
}
