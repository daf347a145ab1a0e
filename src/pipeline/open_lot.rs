//! Reads a lot, step by step.
//!
//! In → out: a [`Lot`]; bundles of it, with their numbers for whoever reads on, or worked on and held
//! before its turn.
//!
//! Invariants: **A stream is opened only when everything before it was dealt out.** **Whoever takes the
//! next step may be another thread**: nothing is kept of who took the last one.
//!
//! Not here: who takes which step (`crew`), order (`turns`), reading one source (`reader`).
//!
//! Failure: what cannot be opened is a failure in its place. On a stop what is left behind belongs to
//! the run only when it is this lot's turn, and what later lots gave is dropped: the output is a prefix.

use std::vec;

use super::bundle::{Bundle, Dealt, Hand};
use super::lots::{Lot, Next};
use super::reader::{Due, Flow, OpenSource, Reader, Reading, Start};
use super::target::Target;
use super::turns::{LotTurn, Turn, Turns};
use crate::source::{Source, SourceError, Spare};

/// A lot that is being read.
pub(super) struct OpenLot<'a> {
    common: &'a Reading<'a>,
    reader: Reader<'a>,
    spare: Spare,
    sources: vec::IntoIter<Next>,
    is_stream: bool,
    /// The source that is being read.
    open: Option<OpenSource>,
    target: Target<'a>,
    end: Option<End>,
    /// The next step is to be taken when the turn has come.
    waits: bool,
}

/// Why nothing more is read.
#[derive(Clone, Copy)]
enum End {
    Lot,
    /// The run is stopped, and has left behind so many bytes of a record.
    Stop(usize),
}

/// What a step has come to.
pub(super) enum Step<'h, 'a> {
    /// There are more.
    GoOn,
    /// There are more, and this hand is to work on this bundle of this number.
    Work(&'h mut Hand<'a>, u64, Bundle),
    /// The lot has ended, and its turn is to be passed on.
    Ended,
    /// The lot has ended before its turn, and somebody else will deal it out.
    Parked,
    /// The run has ended.
    Stop,
}

impl<'a> OpenLot<'a> {
    /// `spare` is what the last lot has left of its sources.
    pub(super) fn new(common: &'a Reading<'a>, turns: &'a Turns, lot: Lot, spare: Spare) -> Self {
        let turn = Turn::Lot(LotTurn::new(turns, lot.number));
        Self {
            common,
            reader: Reader::new(common),
            spare,
            sources: lot.sources.into_iter(),
            is_stream: lot.is_stream,
            open: None,
            target: Target::new(turn, common),
            end: None,
            waits: false,
        }
    }

    /// What its sources have left, for the next lot.
    pub(super) fn take_spare(&mut self) -> Spare {
        std::mem::take(&mut self.spare)
    }

    /// Whether there is something to do before the turn of this lot, or it has come, and is taken.
    pub(super) fn try_resume(&mut self) -> bool {
        !self.waits || self.target.outbox.try_take_turn()
    }

    /// Whether the next step may have to wait for input.
    pub(super) fn may_wait(&self) -> bool {
        let is_file = |open: &OpenSource| open.source.id().is_some();
        self.is_stream && !self.open.as_ref().is_some_and(is_file)
    }

    /// Reads until there is a bundle. Before its turn the hand works on it; without one it is for the
    /// workers.
    pub(super) fn step<'h>(&mut self, hand: Option<&'h mut Hand<'a>>) -> Step<'h, 'a> {
        let has_turn = self.target.outbox.try_take_turn();
        if has_turn && self.target.outbox.deal_if_due() == Flow::Stop {
            return Step::Stop;
        }
        match self.end {
            Some(End::Lot) if has_turn => Step::Ended,
            Some(End::Lot) if self.target.outbox.try_park() => Step::Parked,
            Some(End::Stop(unfinished_bytes)) if has_turn => {
                self.common.left_unfinished(unfinished_bytes);
                Step::Stop
            }
            None if has_turn || !self.is_stream => {
                self.read_until_due();
                self.send(hand)
            }
            None | Some(_) => {
                self.waits = true;
                Step::GoOn
            }
        }
    }

    /// After a step that ended it: passes the turn on.
    pub(super) fn pass_on(self) -> Flow {
        self.target.outbox.pass_on()
    }

    fn read_until_due(&mut self) {
        loop {
            if self.open.is_none() {
                let Some(next) = self.sources.next() else {
                    // The turn of this lot may come much later.
                    self.reader.give_back();
                    self.end = Some(End::Lot);
                    return;
                };
                self.open(next);
            }
            let Some(open) = &mut self.open else {
                continue;
            };
            match self.reader.read_on(open, &mut self.target) {
                Due::Batches => return,
                Due::Stop(unfinished_bytes) => {
                    self.end = Some(End::Stop(unfinished_bytes));
                    return;
                }
                Due::End => {
                    self.spare = open.source.take_spare();
                    self.open = None;
                    // A bundle has no more than one buffer.
                    if self.target.is_due() || !self.reader.has_room() {
                        return;
                    }
                }
            }
        }
    }

    /// Opens a source, or has its failure in its place.
    fn open(&mut self, next: Next) {
        match self.source(next) {
            Ok(source) => {
                let source = source.with_spare(std::mem::take(&mut self.spare));
                let start = Start::of(self.common.form);
                self.open = Some(self.reader.begin(source, start, &mut self.target));
            }
            Err(error) => self.target.push(Err(error)),
        }
    }

    fn source(&self, next: Next) -> Result<Source, SourceError> {
        let stop = self.common.stop.clone();
        match next {
            Next::Stdin => Source::stdin(stop),
            Next::File(found) => Source::open(&found.path, stop)
                .inspect(|source| tracing::info!("reading {}", source.name())),
            Next::Failed(error) => Err(error),
        }
    }

    fn send<'h>(&mut self, hand: Option<&'h mut Hand<'a>>) -> Step<'h, 'a> {
        let bundle = self.target.take_bundle();
        if bundle.is_empty() {
            return Step::GoOn;
        }
        let outbox = &mut self.target.outbox;
        let flow = match hand {
            None => outbox.put(Dealt::Bundle(bundle)),
            Some(hand) => {
                if let Some(number) = outbox.take_number() {
                    return Step::Work(hand, number, bundle);
                }
                let put = |finished| outbox.put(Dealt::Finished(finished));
                hand.worker.work_on(bundle, put)
            }
        };
        self.waits = outbox.is_full();
        match flow {
            Flow::GoOn => Step::GoOn,
            Flow::Stop => Step::Stop,
        }
    }
}
