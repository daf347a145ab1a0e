//! Reads from a host that waits for an answer to each of its lines.
//!
//! In → out: stdin; bundles of batches, one for each line; and to a host that is confirmed to, the
//! answers that promise nothing. All others are the writer's.
//!
//! Invariants: **What has come as whole lines is dealt out before more is waited for**, but for the
//! messages of a transaction, which wait for their commit or for a batch's worth of them. **A line
//! that the stop, or the host's end, cuts short is no message**, and neither are messages of a
//! transaction without its commit: the host has no word that they are kept.
//!
//! Not here: the words of the conversation (`ack`), cutting lines (`framing`), the other answers
//! (`writer`).
//!
//! Failure: of stdin, as of any source. A host that takes no answers is at its end.

use std::sync::{Arc, Mutex};

use bytes::BytesMut;

use super::{
    BATCH_BYTES, Dealer, Flow, ReadTotals, Reading, Start, Target, Told, Turn, buffer_for, weight,
};
use crate::ack::{Omprog, READY, Request};
use crate::framing::{Batch, BatchContent, InputForm, LineDecoder, OversizePart};
use crate::pipeline::replies::Replies;
use crate::source::{Read, Source};

/// So many lines at most wait to be dealt out together: each has an output of its own, which takes
/// more memory than a short line.
const BUNDLE_LINES: usize = 1024;

impl Reading<'_> {
    /// Reads lines until there are no more. With `replies` they are a conversation about what is
    /// kept; without, each is answered by the writer.
    pub(in crate::pipeline) fn exchange(
        &self,
        replies: Option<&Replies>,
        dealer: Dealer,
    ) -> ReadTotals {
        let turn = Turn::Any(Arc::new(Mutex::new(dealer)));
        let mut exchange = Exchange {
            target: Target::new(turn, self.metrics),
            session: replies.map(|replies| (replies, Omprog::default())),
        };
        let left = match Source::stdin(self.stop.clone()) {
            Ok(source) => exchange.read(source, self),
            Err(error) => {
                exchange.target.push(Err(error));
                exchange.target.send();
                0
            }
        };
        ReadTotals {
            bytes: exchange.target.counted,
            unfinished_bytes: left as u64,
        }
    }
}

/// A host under way.
struct Exchange<'a> {
    target: Target<'a>,
    /// With whom it is spoken of what is kept.
    session: Option<(&'a Replies, Omprog)>,
}

impl Exchange<'_> {
    /// Reads to the end. Returns how many bytes came that were left out.
    fn read(&mut self, mut source: Source, common: &Reading<'_>) -> usize {
        let start = Start {
            form: InputForm::Lines,
            offset: 0,
            records: Some(0),
            done: 0,
        };
        self.target.begin(&source, start, common.max_record_bytes);
        source.limit_growth(common.max_inflate_ratio);
        let mut lines = LineDecoder::new(common.max_record_bytes);
        let mut buffer = BytesMut::new();
        let mut told = Told::default();
        let ready = self.session.as_ref();
        let mut flow = ready.map_or(Flow::GoOn, |(replies, _)| replies.say(READY));
        while flow == Flow::GoOn {
            if buffer.capacity() - buffer.len() < BATCH_BYTES {
                buffer = buffer_for(&buffer);
            }
            let read = source.read(&mut buffer, None);
            told.tell(&source, common);
            flow = match read {
                Ok(Read::Bytes(count)) => {
                    self.target.came(count);
                    self.take(|| lines.decode(&mut buffer))
                }
                Ok(Read::Idle) => Flow::GoOn,
                Ok(Read::Stopped) => Flow::Stop,
                Ok(Read::End) if self.session.is_some() => Flow::Stop,
                Ok(Read::End) => {
                    self.take(|| lines.decode_eof(&mut buffer));
                    Flow::Stop
                }
                Err(error) => {
                    self.target.push(Err(error));
                    self.target.send();
                    Flow::Stop
                }
            };
        }
        let held: usize = self.target.bundle.iter().map(weight).sum();
        held + lines.unfinished_bytes(&buffer)
    }

    /// Takes the lines that are there.
    fn take(&mut self, mut next: impl FnMut() -> Option<Batch>) -> Flow {
        while let Some(batch) = next() {
            if self.take_line(batch) == Flow::Stop {
                return Flow::Stop;
            }
            if self.target.bundle.len() >= BUNDLE_LINES && self.target.send() == Flow::Stop {
                return Flow::Stop;
            }
        }
        if self.session.is_none() || self.target.unsent.bytes >= BATCH_BYTES {
            return self.target.send();
        }
        Flow::GoOn
    }

    fn take_line(&mut self, batch: Batch) -> Flow {
        let is_end = match batch.content {
            BatchContent::Oversize(part) => part == OversizePart::Last,
            BatchContent::Lines | BatchContent::Frames(_) => true,
        };
        let Some((replies, omprog)) = self.session.as_mut().filter(|_| is_end) else {
            self.target.push(Ok(batch));
            return Flow::GoOn;
        };
        match omprog.hear(&batch.bytes) {
            Request::Begin(answer) => replies.say(answer),
            Request::Defer(answer) => {
                self.target.push(Ok(batch));
                replies.say(answer)
            }
            Request::Keep => {
                self.target.push(Ok(batch));
                replies.owe();
                self.target.push_confirmation();
                self.target.send()
            }
            Request::Commit => {
                replies.owe();
                self.target.push_confirmation();
                self.target.send()
            }
        }
    }
}
