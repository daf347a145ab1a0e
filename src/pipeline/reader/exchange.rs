//! Reads from a host that waits for an answer to each of its lines.
//!
//! In → out: stdin; bundles of batches, one for each line, dealt out as they come.
//!
//! Invariants: **What has come as whole lines is dealt out before more is waited for.** **To a host
//! that waits for the word that a record is kept, a line without its end is no message**: it was cut
//! by the host's end, and has no answer.
//!
//! Not here: cutting lines (`framing`), what is promised to whom (`ack`), answering (`writer`).
//!
//! Failure: of stdin, as of any source.

use std::sync::{Arc, Mutex};

use bytes::BytesMut;

use super::{Flow, LEAST_ROOM, Reading, Start, Target, Told};
use crate::ack::{Omprog, Promise, Request};
use crate::framing::{Batch, BatchContent, InputForm, LineDecoder, OversizePart};
use crate::pipeline::dealer::Dealer;
use crate::pipeline::turns::Turn;
use crate::source::{Read, Source};

/// So many lines at most are dealt out together: each has an output of its own, and the counts in it
/// take more memory than a line.
const BUNDLE_LINES: usize = 64;

impl Reading<'_> {
    /// Reads lines until there are no more. `session` says what each is, when they are a conversation
    /// about what is kept.
    pub(in crate::pipeline) fn exchange(&self, session: Option<Omprog>, dealer: Dealer) {
        let turn = Turn::Any(Arc::new(Mutex::new(dealer)));
        let target = Target::new(turn, self);
        let mut exchange = Exchange { target, session };
        match Source::stdin(self.stop.clone()) {
            // One message must not decide how all others are read.
            Ok(source) => {
                let left = exchange.read(source.plain(), self);
                self.left_unfinished(left);
            }
            Err(error) => {
                exchange.target.push(Err(error));
                exchange.target.send();
            }
        }
    }
}

/// A host under way.
struct Exchange<'a> {
    target: Target<'a>,
    session: Option<Omprog>,
}

impl Exchange<'_> {
    /// Reads to the end. Returns how many bytes of a line came that was not ended.
    fn read(&mut self, mut source: Source, common: &Reading<'_>) -> usize {
        let start = Start::of(InputForm::Lines);
        self.target.begin(&source, start);
        let mut lines = LineDecoder::new(common.max_record_bytes);
        let mut buffer = BytesMut::new();
        let mut told = Told::default();
        let mut flow = Flow::GoOn;
        while flow == Flow::GoOn {
            common.buffers.make_room(&mut buffer, LEAST_ROOM);
            let read = source.read(&mut buffer, None);
            told.tell(&source, common);
            flow = match read {
                Ok(Read::Bytes(count)) => {
                    self.target.came(count);
                    self.take(|| lines.decode(&mut buffer))
                }
                Ok(Read::Idle) => Flow::GoOn,
                Ok(Read::Stopped) => Flow::Stop,
                Ok(Read::End) => {
                    if self.session.is_none() {
                        self.take(|| lines.decode_eof(&mut buffer));
                    }
                    Flow::Stop
                }
                Err(error) => {
                    self.target.push(Err(error));
                    self.target.send();
                    Flow::Stop
                }
            };
        }
        lines.unfinished_bytes(&buffer)
    }

    /// Takes the lines that are there.
    fn take(&mut self, mut next: impl FnMut() -> Option<Batch>) -> Flow {
        while let Some(batch) = next() {
            self.take_line(batch);
            if self.target.bundle.len() >= BUNDLE_LINES && self.target.send() == Flow::Stop {
                return Flow::Stop;
            }
        }
        self.target.send()
    }

    /// Takes a line, or a part of one, of which the last is answered.
    fn take_line(&mut self, mut batch: Batch) {
        let is_end = match batch.content {
            BatchContent::Oversize(part) => part == OversizePart::Last,
            BatchContent::Lines | BatchContent::Document | BatchContent::Frames(_) => true,
        };
        let Some(omprog) = self.session.as_mut().filter(|_| is_end) else {
            self.target.push(Ok(batch));
            return;
        };
        let promise: Promise = match omprog.hear(&batch.bytes) {
            Request::Message(promise) => promise,
            Request::Mark(promise) => {
                batch.content = BatchContent::Frames(Vec::new());
                promise
            }
        };
        self.target.push(Ok(batch));
        self.target.promise(promise);
    }
}
