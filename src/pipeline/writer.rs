//! Writes what was done, as it comes in order.
//!
//! In → out: outputs of all who work; whole lines to the output, reject lines there or to the file
//! of rejects, counts to the metrics.
//!
//! Invariants: **Output order is input order**, but for records that are held for the order of
//! their time. **A record is counted when it was written.** A reject gets its number here, where
//! the order is known, and is written where it stands, as is a record without a time.
//!
//! **A host is told that its records are kept when they are on disk.**
//!
//! Not here: the form of a reject line (`encode::reject`), write(2) (`sink`), repeats and order of
//! time (`arranger`), what makes an answer (`answers`).
//!
//! Failure: a [`SinkError`] ends the run. A source's failure is logged and counted where it stands
//! among the batches, so that the exit status is the same in every run.

use std::collections::{HashMap, VecDeque};
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SendError, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::answers::Answers;
use super::arranger::{Arranger, Place};
use super::bundle::Done;
use super::output::{Output, Oversize, PendingReject};
use super::oversize::{Keep, OpenOversize};
use super::sequence::Receiver;
use super::{Error, Mark};
use crate::ack::{OK, Promise};
use crate::config::{Config, Input, OnReject};
use crate::encode::reject::{self, Detail, Reject, Streamed};
use crate::framing::{OversizePart, RejectReason};
use crate::metrics::{Counts, Metrics, RecordOutcome};
use crate::sink::{Sink, SinkError};
use crate::source::FileId;
use crate::state::{Position, State, StateError};

/// So many bytes of lines that are put together are written at once. A reject's line may be a
/// hundred times as long as the reject, and held records may leave in any number, so that not all
/// that a batch makes leave is put together first.
const MERGED_BYTES: usize = 64 * 1024;

/// Where records and rejects go.
#[derive(Debug)]
pub struct Outputs {
    /// Records, and rejects when they have no file of their own.
    pub records: Sink,
    /// The file of rejects.
    pub rejects: Option<Sink>,
    /// Where it is kept how far the input is done with.
    pub kept: Option<Kept>,
    /// Where a host is told that records are kept.
    pub replies: Option<Sink>,
}

/// How far followed inputs are done with, and the file that says so.
#[derive(Debug)]
pub struct Kept {
    /// The file.
    pub path: PathBuf,
    /// What it says, or shall say next.
    pub state: State,
}

impl Kept {
    /// Replaces the file, when these outputs are as they are now.
    fn keep(&mut self, outputs: Vec<(FileId, u64)>) -> Result<(), StateError> {
        self.state.outputs = outputs;
        self.state.write(&self.path)
    }
}

impl Outputs {
    /// The regular files among them, which are no input.
    pub fn ids(&self) -> Vec<FileId> {
        let sinks = [Some(&self.records), self.rejects.as_ref()];
        sinks.into_iter().flatten().filter_map(Sink::id).collect()
    }

    /// Where the inputs of the configuration are to be followed from.
    pub fn positions(&self, config: &Config) -> Vec<Option<Position>> {
        let state = self.kept.as_ref().map(|kept| &kept.state);
        let paths = config.inputs.iter().filter_map(Input::path);
        paths
            .map(|path| state.and_then(|state| state.position(path)))
            .collect()
    }

    /// The files that can be cut back to where they end now.
    fn lengths(&self) -> Vec<(FileId, u64)> {
        let sinks = [Some(&self.records), self.rejects.as_ref()];
        let lengths = sinks.into_iter().flatten().filter_map(Sink::length);
        lengths.collect()
    }

    /// Says in the state which files are written, before anything is written to another one.
    fn keep_names(&mut self) -> Result<(), StateError> {
        let Some(kept) = &self.kept else {
            return Ok(());
        };
        let named = kept.state.outputs.iter().map(|(file, _)| *file);
        if named.eq(self.ids_of_own()) {
            return Ok(());
        }
        self.keep()
    }

    fn keep(&mut self) -> Result<(), StateError> {
        let lengths = self.lengths();
        match &mut self.kept {
            Some(kept) => kept.keep(lengths),
            None => Ok(()),
        }
    }

    fn ids_of_own(&self) -> impl Iterator<Item = FileId> {
        self.lengths().into_iter().map(|(file, _)| file)
    }

    /// Opens the files anew, for rotation; each that cannot be stays as it is.
    ///
    /// # Errors
    ///
    /// The first file that could not be opened.
    pub fn reopen(&mut self) -> Result<(), SinkError> {
        let records = self.records.reopen();
        let rejects = self.rejects.as_mut().map_or(Ok(()), Sink::reopen);
        records.and(rejects)
    }

    /// Waits until what was written to files that are kept is on disk.
    fn sync(&mut self) -> Result<(), SinkError> {
        self.records.sync()?;
        self.rejects.as_mut().map_or(Ok(()), Sink::sync)
    }

    /// Says something to the host that waits for it, if there is one.
    fn reply(&mut self, words: &[u8]) -> Result<(), SinkError> {
        let replies = self.replies.as_mut();
        replies.map_or(Ok(()), |replies| replies.write(words))
    }

    /// Ends both: a last line that is torn is cut off.
    ///
    /// # Errors
    ///
    /// When that cannot be done.
    pub fn finish(self) -> Result<(), SinkError> {
        let records = self.records.finish();
        let rejects = self.rejects.map_or(Ok(()), Sink::finish);
        records.and(rejects)
    }
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) counts: Counts,
    /// Bytes written to the output.
    pub(super) bytes: u64,
    /// Sources that could not be read, or not to their end.
    pub(super) failed_sources: u64,
}

/// The writer's view of a run.
pub(super) struct Writer<'a> {
    outputs: &'a Mutex<Outputs>,
    metrics: &'a Metrics,
    on_reject: OnReject,
    max_record_bytes: usize,
    /// Paths of the inputs, when they are followed by lane.
    paths: Vec<PathBuf>,
    /// Where the file of rejects is, when sources take turns in it.
    rejects_folder: Option<PathBuf>,
    /// Whose numbers and oversize record these are.
    lane: usize,
    /// Records of the current source so far.
    records: u64,
    oversize: Option<OpenOversize>,
    /// Those of the lanes that are not the current one.
    others: HashMap<usize, (u64, Option<OpenOversize>)>,
    arranger: Option<Arranger>,
    /// Takes what would be written, for a host that gets a line for each of its lines.
    answers: Option<Answers>,
    /// So many lines of a host wait for the word that they are kept.
    owed: usize,
    /// It is promised that they are on disk then.
    owes_disk: bool,
    /// What the arranger has let go, or an answer holds, and is not yet in `written`.
    left: Counts,
    /// A position was set that is not kept yet.
    is_marked: bool,
    /// Lines with rejects between them, of rejects alone, or of arranged records, that are not
    /// written yet.
    merged: Vec<u8>,
    written: Written,
}

impl<'a> Writer<'a> {
    pub(super) fn new(config: &Config, outputs: &'a Mutex<Outputs>, metrics: &'a Metrics) -> Self {
        Self {
            outputs,
            metrics,
            on_reject: config.on_reject,
            max_record_bytes: config.max_record_bytes,
            paths: config
                .inputs
                .iter()
                .filter_map(Input::path)
                .map(Path::to_owned)
                .collect(),
            rejects_folder: rejects_folder(config),
            lane: 0,
            records: 0,
            oversize: None,
            others: HashMap::new(),
            arranger: Arranger::new(config),
            answers: Answers::new(config),
            owed: 0,
            owes_disk: false,
            left: Counts::new(),
            is_marked: false,
            merged: Vec::new(),
            written: Written {
                counts: Counts::new(),
                bytes: 0,
                failed_sources: 0,
            },
        }
    }

    /// Writes until there is no more.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "nobody can send any more when the writer ends"
    )]
    pub(super) fn write_all(mut self, done: Receiver) -> Result<Written, Error> {
        lock(self.outputs).reply(OK)?;
        'input: while let Some(finished) = done.receive() {
            lock(self.outputs).keep_names()?;
            for done in finished.done {
                if self.take(done, &finished.used)?.is_break() {
                    break 'input;
                }
            }
            self.answer()?;
            // Not after a part: what follows it belongs to the same position.
            if finished.last && self.is_marked && self.is_at_line_end() {
                lock(self.outputs).keep()?;
                self.is_marked = false;
            }
        }
        self.answer()?;
        self.write_held()?;
        Ok(self.written)
    }

    /// Writes what became of a job. Breaks at the reject that ends the run.
    fn take(&mut self, done: Done, used: &Sender<Output>) -> Result<ControlFlow<()>, Error> {
        self.enter(done.lane);
        if done.first {
            self.records = done.mark.map_or(0, |mark| mark.records);
        }
        let mut output = match done.result {
            Ok(output) => output,
            Err(error) => {
                tracing::error!("{error}");
                self.written.failed_sources += 1;
                return Ok(ControlFlow::Continue(()));
            }
        };
        let read = output.read();
        self.write(&mut output, &done.source)?;
        self.records += read;
        if let Some(promise) = done.promise.filter(|_| done.last) {
            self.owed += 1;
            self.owes_disk |= promise == Promise::OnDisk;
        }
        if let Some(answers) = &mut self.answers {
            answers.end(&output, done.last);
            self.left.merge(&output.counts);
        } else {
            self.count(&output.counts);
            self.count_left();
        }
        if self.on_reject == OnReject::Stop && output.counts.records(RecordOutcome::Rejected) > 0 {
            return Ok(ControlFlow::Break(()));
        }
        if let Some(mark) = done.mark.filter(|_| done.last) {
            self.mark(mark);
            self.is_marked = true;
        }
        // A worker that has ended needs no buffers.
        let (Ok(()) | Err(SendError(_))) = used.send(output);
        Ok(ControlFlow::Continue(()))
    }

    /// Sends the answers that are whole, and gives the word for what is kept.
    fn answer(&mut self) -> Result<(), SinkError> {
        if self.owed > 0 {
            let mut outputs = lock(self.outputs);
            if self.owes_disk {
                outputs.sync()?;
            }
            outputs.reply(&OK.repeat(self.owed))?;
            self.owed = 0;
            self.owes_disk = false;
        }
        if let Some(ready) = self.answers.as_mut().map(Answers::ready) {
            let outputs: &'a Mutex<Outputs> = self.outputs;
            self.write_out(&ready, &mut lock(outputs))?;
            self.count_left();
        }
        Ok(())
    }

    /// Goes on with the numbers of that lane.
    fn enter(&mut self, lane: usize) {
        if lane != self.lane {
            let (records, oversize) = self.others.remove(&lane).unwrap_or_default();
            let records = std::mem::replace(&mut self.records, records);
            let oversize = std::mem::replace(&mut self.oversize, oversize);
            self.others.insert(self.lane, (records, oversize));
            self.lane = lane;
        }
    }

    /// Notes how far the current lane is done with.
    fn mark(&self, mark: Mark) {
        let position = Position {
            place: mark.place,
            form: mark.form,
            records: self.records,
            done: mark.done,
        };
        if let (Some(kept), Some(path)) = (&mut lock(self.outputs).kept, self.paths.get(self.lane))
        {
            kept.state.set_position(path, position);
        }
    }

    /// Whether no line is under way that would have to be begun anew.
    fn is_at_line_end(&self) -> bool {
        let mut open = self.others.values().map(|(_, oversize)| oversize);
        self.oversize.is_none() && open.all(Option::is_none)
    }

    fn count(&mut self, counts: &Counts) {
        self.written.counts.merge(counts);
        self.metrics.record(counts);
    }

    fn count_left(&mut self) {
        if self.arranger.is_some() || self.answers.is_some() {
            let mut left = std::mem::take(&mut self.left);
            self.count(&left);
            left.clear();
            self.left = left;
        }
    }

    fn write(&mut self, output: &mut Output, source: &str) -> Result<(), SinkError> {
        let outputs: &'a Mutex<Outputs> = self.outputs;
        let mut outputs = lock(outputs);
        if let Some(part) = &output.oversize {
            self.write_oversize(part, source, &mut outputs)
        } else if output.rejects.is_empty() || self.on_reject == OnReject::Drop {
            self.write_lines(0, output, &mut outputs)
        } else {
            self.write_rejects(output, source, &mut outputs)
        }
    }

    /// Writes the rejects of a batch with its records: between them, or to their own file.
    fn write_rejects(
        &mut self,
        output: &mut Output,
        source: &str,
        outputs: &mut Outputs,
    ) -> Result<(), SinkError> {
        let apart = outputs.rejects.is_some();
        let (mut at, mut rest) = (0, &output.raw[..]);
        for reject in &output.rejects {
            let (raw, others) = rest.split_at_checked(reject.length).unwrap_or((rest, &[]));
            rest = others;
            if !apart {
                let lines = at..reject.after;
                self.merge_lines(&output.lines, lines, &mut output.places, outputs)?;
                at = reject.after;
            }
            self.push_reject(reject, raw, source, apart);
            if self.merged.len() >= MERGED_BYTES {
                self.write_merged(outputs, apart)?;
            }
        }
        self.write_merged(outputs, apart)?;
        self.write_lines(at, output, outputs)
    }

    /// Writes the lines of a batch from byte `at` on.
    fn write_lines(
        &mut self,
        at: usize,
        output: &mut Output,
        outputs: &mut Outputs,
    ) -> Result<(), SinkError> {
        if self.arranger.is_none() {
            return self.write_records(output.lines.get(at..).unwrap_or_default(), outputs);
        }
        let lines = at..output.lines.len();
        self.merge_lines(&output.lines, lines, &mut output.places, outputs)?;
        self.write_merged(outputs, false)
    }

    /// Appends a part of a batch's lines to the merged ones: those without a place where they
    /// stand, the others when and if they leave.
    fn merge_lines(
        &mut self,
        lines: &[u8],
        part: Range<usize>,
        places: &mut VecDeque<Place>,
        outputs: &mut Outputs,
    ) -> Result<(), SinkError> {
        let line = |range| lines.get::<Range<usize>>(range).unwrap_or_default();
        let mut at = part.start;
        while let Some(place) = places.pop_front_if(|place| place.line.start < part.end) {
            self.merged.extend_from_slice(line(at..place.line.start));
            at = place.line.end;
            if let Some(arranger) = &mut self.arranger {
                let line = line(place.line.clone());
                arranger.take(line, place, &mut self.merged, &mut self.left);
            }
            self.merge_held(outputs)?;
        }
        self.merged.extend_from_slice(line(at..part.end));
        Ok(())
    }

    /// Appends the held records whose turn it is.
    fn merge_held(&mut self, outputs: &mut Outputs) -> Result<(), SinkError> {
        while let Some(arranger) = &mut self.arranger
            && arranger.pop(&mut self.merged, &mut self.left)
        {
            if self.merged.len() >= MERGED_BYTES {
                self.write_merged(outputs, false)?;
            }
        }
        Ok(())
    }

    /// Writes everything that is held: the input has ended.
    fn write_held(&mut self) -> Result<(), SinkError> {
        let Some(arranger) = &mut self.arranger else {
            return Ok(());
        };
        arranger.release();
        let outputs: &'a Mutex<Outputs> = self.outputs;
        let mut outputs = lock(outputs);
        self.merge_held(&mut outputs)?;
        self.write_merged(&mut outputs, false)?;
        self.count_left();
        Ok(())
    }

    /// Writes the merged lines: to the file of rejects when they are nothing else.
    fn write_merged(&mut self, outputs: &mut Outputs, rejects: bool) -> Result<(), SinkError> {
        let mut merged = std::mem::take(&mut self.merged);
        match &mut outputs.rejects {
            Some(file) if rejects => file.write(&merged)?,
            _ => self.write_records(&merged, outputs)?,
        }
        merged.clear();
        self.merged = merged;
        Ok(())
    }

    fn write_records(&mut self, lines: &[u8], outputs: &mut Outputs) -> Result<(), SinkError> {
        let Some(answers) = &mut self.answers else {
            return self.write_out(lines, outputs);
        };
        answers.take(lines);
        if answers.ready_bytes() < MERGED_BYTES {
            return Ok(());
        }
        let ready = answers.ready();
        self.write_out(&ready, outputs)
    }

    fn write_out(&mut self, lines: &[u8], outputs: &mut Outputs) -> Result<(), SinkError> {
        let blocked = outputs.records.blocked();
        let done = outputs.records.write(lines);
        self.metrics
            .output_blocked(outputs.records.blocked().saturating_sub(blocked));
        done?;
        self.written.bytes = self.written.bytes.saturating_add(lines.len() as u64);
        self.metrics.output_bytes(lines.len() as u64);
        Ok(())
    }

    /// Appends the line of a reject; an oversize one is kept in full only in a file of its own.
    fn push_reject(&mut self, pending: &PendingReject, raw: &[u8], source: &str, in_full: bool) {
        let reject = Reject {
            reason: pending.reason,
            detail: pending.detail,
            source,
            record: self.records + pending.record,
            offset: pending.offset,
            length: pending.length as u64,
        };
        tracing::debug!(
            "record {} of {source}, at byte {}, is rejected: {}",
            reject.record,
            reject.offset,
            reject.reason.word()
        );
        let line = &mut self.merged;
        // An oversize one may be short: then it holds too much.
        if pending.reason != RejectReason::Oversize || pending.detail == Detail::HoldsTooMuch {
            reject::whole(&reject, raw, line);
        } else if in_full {
            let mut streamed = Streamed::begin(&reject, line);
            streamed.raw(raw, line);
            streamed.end(line);
        } else {
            reject::cut(&reject, raw, self.max_record_bytes, line);
        }
    }

    /// Takes a part of a record that is too long to be held.
    fn write_oversize(
        &mut self,
        part: &Oversize,
        source: &str,
        outputs: &mut Outputs,
    ) -> Result<(), SinkError> {
        if self.on_reject == OnReject::Drop {
            return Ok(());
        }
        let reject = Reject {
            reason: RejectReason::Oversize,
            detail: Detail::TooLong,
            source,
            record: self.records + 1,
            offset: part.offset,
            length: 0,
        };
        let keep = match &outputs.rejects {
            Some(_) => Keep::All(self.rejects_folder.clone()),
            None => Keep::Beginning,
        };
        let (open, limit) = (self.oversize.take(), self.max_record_bytes);
        let mut write = |piece: &[u8]| match &mut outputs.rejects {
            Some(rejects) => rejects.write(piece),
            None => self.write_records(piece, outputs),
        };
        let mut open = match open {
            Some(open) => open,
            None => OpenOversize::begin(&reject, keep, &mut write)?,
        };
        open.take(&part.raw, limit, &mut write)?;
        if part.part == OversizePart::Last {
            open.end(reject, limit, &mut write)
        } else {
            self.oversize = Some(open);
            Ok(())
        }
    }
}

/// The folder of the file of rejects, when several sources are read side by side.
fn rejects_folder(config: &Config) -> Option<PathBuf> {
    let take_turns = match config.inputs.as_slice() {
        [Input::Listen(_)] => true,
        inputs => config.follow && inputs.len() > 1,
    };
    let file = config.rejects.as_deref().filter(|_| take_turns)?;
    match file.parent() {
        Some(folder) if folder != Path::new("") => Some(folder.to_owned()),
        _ => Some(PathBuf::from(".")),
    }
}

/// The outputs, also when another thread failed while it held them: then they are as it left them.
pub(super) fn lock(outputs: &Mutex<Outputs>) -> MutexGuard<'_, Outputs> {
    outputs.lock().unwrap_or_else(PoisonError::into_inner)
}
