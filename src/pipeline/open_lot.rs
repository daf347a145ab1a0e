//! Reads a lot, step by step.
//!
//! In → out: a [`Lot`]; bundles of it, given to who reads on, or worked on and held before its turn.
//!
//! Invariants: **A stream is opened only when everything before it was dealt out.** **Whoever takes the
//! next step may be another thread**: nothing is kept of who took the last one.
//!
//! Not here: who takes which step (`crew`), order (`turns`), reading one source (`reader`).
//!
//! Failure: what cannot be opened is a failure in its place. On a stop what is left behind belongs to
//! the run only when it is this lot's turn, and what later lots gave is dropped: the output is a prefix.

use std::vec;

use super::bundle::{Bundle, BundleWorker, Dealt};
use super::lots::{Lot, Next};
use super::reader::{Course, Due, Flow, Reader, Reading, Start};
use super::target::Target;
use super::turns::{LotTurn, Turn};
use crate::source::{Source, SourceError, Spare};

/// A lot that is being read.
pub(super) struct OpenLot<'a> {
    common: &'a Reading<'a>,
    reader: Reader<'a>,
    spare: Spare,
    sources: vec::IntoIter<Next>,
    is_stream: bool,
    /// The source that is being read.
    course: Option<Course>,
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
pub(super) enum Step {
    /// There are more.
    GoOn,
    /// There are more, and this bundle is to be worked on: what becomes of it has this number.
    Work(u64, Bundle),
    /// The lot has ended.
    End,
    /// The run has.
    Stop,
}

impl<'a> OpenLot<'a> {
    pub(super) fn new(common: &'a Reading<'a>, lot: Lot) -> Self {
        let turn = Turn::Lot(LotTurn::new(&common.turns, lot.number));
        Self {
            common,
            reader: Reader::new(common),
            spare: Spare::default(),
            sources: lot.sources.into_iter(),
            is_stream: lot.is_stream,
            course: None,
            target: Target::new(turn, common),
            end: None,
            waits: false,
        }
    }

    /// Whether there is something to do before the turn of this lot, or it has come.
    pub(super) fn can_go_on(&mut self) -> bool {
        !self.waits || self.target.outbox.has_turn()
    }

    /// Whether the next step may have to wait for what comes.
    pub(super) fn may_last(&self) -> bool {
        let is_file = |course: &Course| course.source.id().is_some();
        self.is_stream && !self.course.as_ref().is_some_and(is_file)
    }

    /// Reads until there is a bundle. Before its turn the `worker` works on it, and without one it waits
    /// for the workers.
    pub(super) fn step(&mut self, worker: Option<&mut BundleWorker>) -> Step {
        let has_turn = self.target.outbox.has_turn();
        if has_turn && self.target.outbox.deal_if_due() == Flow::Stop {
            return Step::Stop;
        }
        match self.end {
            Some(End::Lot) if has_turn || self.target.outbox.try_park() => Step::End,
            Some(End::Stop(unfinished_bytes)) if has_turn => {
                self.common.left_unfinished(unfinished_bytes);
                Step::Stop
            }
            None if has_turn || !self.is_stream => {
                self.read_until_due();
                self.send(worker)
            }
            None | Some(_) => {
                self.waits = true;
                Step::GoOn
            }
        }
    }

    /// After the last step: passes the turn on.
    pub(super) fn pass_on(self) -> Flow {
        self.target.outbox.pass_on()
    }

    fn read_until_due(&mut self) {
        loop {
            if self.course.is_none() {
                let Some(next) = self.sources.next() else {
                    // The turn of this lot may come much later.
                    self.reader.give_back();
                    self.end = Some(End::Lot);
                    return;
                };
                self.open(next);
            }
            let Some(course) = &mut self.course else {
                continue;
            };
            match self.reader.read_on(course, &mut self.target) {
                Due::Batches => return,
                Due::Stop(unfinished_bytes) => {
                    self.end = Some(End::Stop(unfinished_bytes));
                    return;
                }
                Due::End => {
                    self.spare = course.source.take_spare();
                    self.course = None;
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
                self.course = Some(self.reader.begin(source, start, &mut self.target));
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

    fn send(&mut self, worker: Option<&mut BundleWorker>) -> Step {
        let flow = match worker {
            None => self.target.send(),
            Some(worker) => {
                let bundle = self.target.take_bundle();
                if bundle.is_empty() {
                    return Step::GoOn;
                }
                let outbox = &mut self.target.outbox;
                if let Some(number) = outbox.take_number() {
                    return Step::Work(number, bundle);
                }
                let context = (self.common.metrics, self.common.buffers());
                let put = |finished| outbox.put(Dealt::Finished(finished));
                worker.work_on(bundle, context, put)
            }
        };
        let outbox = &mut self.target.outbox;
        self.waits = outbox.is_full() && !outbox.has_turn();
        match flow {
            Flow::GoOn => Step::GoOn,
            Flow::Stop => Step::Stop,
        }
    }
}
