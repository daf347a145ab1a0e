//! What goes through the stages at once, and the work on it.
//!
//! In → out: a [`Bundle`] of batches; what became of them ([`Finished`]), in one part or several.
//!
//! Invariants: **A job's parts come in order, and the last one says so.**
//!
//! Not here: what happens to one batch (`worker`), which thread works on what (`crew`, `pipeline`).
//!
//! Failure: none; a source's failure is handed through, in its place.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::buffers::Buffers;
use super::output::{Output, Returned};
use super::reader::Flow;
use super::sequence::{self, Wake};
use super::worker::Worker;
use super::{Limits, Mark};
use crate::ack::Promise;
use crate::framing::{Batch, BatchContent, Frame};
use crate::metrics::Metrics;
use crate::source::SourceError;

/// What a source's failure takes, with its name and the gaps that it leaves: 4 to 20 KB were seen.
const FAILURE_BYTES: usize = 8 * 1024;

/// A batch, or several of small sources.
pub(super) type Bundle = Vec<Job>;

/// A batch on its way, or, in its place among the batches, why its source ends.
pub(super) struct Job {
    pub(super) source: Arc<str>,
    /// Whose record numbers these are, of sources whose records come in any order: inputs that are
    /// followed, and connections.
    pub(super) lane: usize,
    /// The first of its source: record numbers begin anew.
    pub(super) first: bool,
    pub(super) mark: Option<Mark>,
    /// The host is told when this holds of the job and everything before it.
    pub(super) promise: Option<Promise>,
    pub(super) work: Result<Batch, SourceError>,
}

impl Job {
    fn weight(&self) -> usize {
        let work = self.work.as_ref().map_or(FAILURE_BYTES, |batch| {
            let frames = match &batch.content {
                BatchContent::Frames(frames) => frames.len(),
                BatchContent::Lines | BatchContent::Document | BatchContent::Oversize(_) => 0,
            };
            batch.bytes.len() + frames * size_of::<Frame>()
        });
        size_of::<Self>() + work
    }
}

/// What is to be dealt out.
pub(super) enum Dealt {
    /// To the workers.
    Bundle(Bundle),
    /// To the writer, as its reader has worked on it.
    Finished(Finished),
}

impl Dealt {
    /// About how much memory it takes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Bundle(bundle) => bundle.iter().map(Job::weight).sum(),
            Self::Finished(finished) => finished.weight(),
        }
    }
}

/// What became of a [`Bundle`], or of a part of it.
pub(super) struct Finished {
    pub(super) done: Vec<Done>,
    /// No more of this bundle follows.
    pub(super) last: bool,
    /// Where used buffers go.
    pub(super) used: Sender<Output>,
}

impl Finished {
    /// For tests: what can be told from others.
    #[cfg(test)]
    pub(super) fn named(name: &str, last: bool) -> Self {
        let done = Done {
            source: Arc::from(name),
            lane: 0,
            first: false,
            mark: None,
            promise: None,
            last,
            result: Ok(Output::default()),
        };
        Self {
            done: vec![done],
            last,
            used: channel().0,
        }
    }

    #[cfg(test)]
    pub(super) fn name(&self) -> String {
        self.done.iter().map(|done| &*done.source).collect()
    }

    /// About how much memory it takes.
    pub(super) fn weight(&self) -> usize {
        self.done.iter().map(Done::weight).sum()
    }
}

/// What became of a [`Job`], or of a part of it.
pub(super) struct Done {
    pub(super) source: Arc<str>,
    pub(super) lane: usize,
    pub(super) first: bool,
    pub(super) mark: Option<Mark>,
    pub(super) promise: Option<Promise>,
    /// No more of this job follows.
    pub(super) last: bool,
    pub(super) result: Result<Output, SourceError>,
}

impl Done {
    fn weight(&self) -> usize {
        let result = self.result.as_ref();
        size_of::<Self>() + result.map_or(FAILURE_BYTES, Output::held_bytes)
    }
}

/// Works on bundles, one after the other, with the buffers that come back from the writer.
pub(super) struct BundleWorker<'a> {
    worker: Worker,
    returned: Returned,
    used: Sender<Output>,
    metrics: &'a Metrics,
    /// Where the batches' buffers go.
    buffers: &'a Buffers,
}

impl<'a> BundleWorker<'a> {
    pub(super) fn new(limits: Limits, metrics: &'a Metrics, buffers: &'a Buffers) -> Self {
        let (used, returned) = channel();
        Self {
            worker: Worker::new(limits),
            returned: Returned::new(returned),
            used,
            metrics,
            buffers,
        }
    }

    /// Works on a bundle, and sends what became of it, an output that gets long in parts. Returns
    /// whether there is more to do.
    pub(super) fn work_on(&mut self, bundle: Bundle, send: impl FnMut(Finished) -> Flow) -> Flow {
        let begun = Instant::now();
        let waited = Cell::new(Duration::ZERO);
        self.returned.get_ready(bundle.len());
        let returned = RefCell::new(&mut self.returned);
        let ready = RefCell::new(Vec::with_capacity(bundle.len()));
        let send = RefCell::new(send);
        let send = |last| {
            let since = Instant::now();
            let finished = Finished {
                done: ready.take(),
                last,
                used: self.used.clone(),
            };
            let flow = send.borrow_mut()(finished);
            waited.set(waited.get() + since.elapsed());
            flow
        };
        let mut last = None;
        for Job {
            source,
            lane,
            first,
            mark,
            promise,
            work,
        } in bundle
        {
            let first = Cell::new(first);
            let put = |result, last| {
                ready.borrow_mut().push(Done {
                    source: Arc::clone(&source),
                    lane,
                    first: first.take(),
                    mark,
                    promise,
                    last,
                    result,
                });
            };
            let spill = |output: &mut Output| {
                let fresh = returned.borrow_mut().next();
                put(Ok(std::mem::replace(output, fresh)), false);
                // Who sends the last part, or looks for more to do, sees that nobody takes it.
                let (Flow::GoOn | Flow::Stop) = send(false);
            };
            let result = work.map(|batch| {
                let mut output = returned.borrow_mut().for_batch(batch.bytes.len());
                self.worker
                    .process_in_parts(&batch, now_ms(), &mut output, Some(&spill));
                last = Some(batch.bytes);
                output
            });
            put(result, true);
        }
        // The batches of a bundle are usually parts of one buffer, which is free with the last of them.
        if let Some(part) = last {
            self.buffers.put(part);
        }
        self.metrics
            .worker_busy(begun.elapsed().saturating_sub(waited.get()));
        send(true)
    }
}

/// One of those who work: what it makes of a numbered bundle goes where numbers are put in order.
pub(super) struct Hand<'a> {
    pub(super) worker: BundleWorker<'a>,
    pub(super) done: sequence::Sender,
}

impl Hand<'_> {
    /// Works on a bundle and sends what became of it. Returns whether there is more to do.
    pub(super) fn work_on(&mut self, number: u64, bundle: Bundle, wake: Wake) -> Flow {
        let done = &self.done;
        let send = |finished| done.send(number, finished, wake);
        self.worker.work_on(bundle, send)
    }
}

/// The time in milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What weighs nothing may wait in any number.
    #[test]
    fn r_a_failure_has_a_weight() {
        let failure = || SourceError::Open {
            name: "gone".to_owned(),
            error: std::io::ErrorKind::NotFound.into(),
        };
        let job = Job {
            source: Arc::from("gone"),
            lane: 0,
            first: true,
            mark: None,
            promise: None,
            work: Err(failure()),
        };
        let mut finished = Finished::named("gone", true);
        for done in &mut finished.done {
            done.result = Err(failure());
        }
        assert!(Dealt::Bundle(vec![job]).weight() > 0);
        assert!(Dealt::Finished(finished).weight() > 0);
    }
}
