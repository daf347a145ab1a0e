//! What becomes of a record that holds others: they come out of it, or it is kept around them.
//!
//! In → out: a record and what is in it ([`Opened`]); the lines, rejects and counts of the one or
//! the others, in the [`Output`](super::Output).
//!
//! Invariants: **Each record that is written is counted once**: the ones inside when they come out,
//! the one outside when it is kept. An event from inside goes the way of any record, but its
//! position is that of the outermost record, as there are no bytes of its own in the source.
//!
//! Not here: what is in a record (`opener`).
//!
//! Failure: as for any record.

use std::ops::Range;

use super::{Rejected, Run, facts};
use crate::config::{Envelope, Select};
use crate::decode::grammar::{self, RunCheck};
use crate::decode::prefilter::Prefilter;
use crate::encode::{cloudhsm, copy, splice_written};
use crate::enrich::enrich;
use crate::framing::{Frame, FrameKind, frame_text};
use crate::pipeline::opener::{Opened, Part, Text, is_json};

impl Run<'_> {
    /// What is in an object, when that is not just itself.
    pub(super) fn opened(&self, frame: &[u8]) -> Option<Opened> {
        match self.opener?.open(frame) {
            Opened::Event | Opened::Closed => None,
            opened => Some(opened),
        }
    }

    /// Takes what is in the record at `range`, which has passed the grammar check. Returns whether
    /// that is all there is to do.
    pub(super) fn take_opened(
        &mut self,
        range: Range<usize>,
        opened: Opened,
    ) -> Result<bool, Rejected> {
        match opened {
            Opened::Event | Opened::Closed => Ok(false),
            Opened::Notice(notice) => {
                self.output.counts.notice(notice);
                Ok(false)
            }
            Opened::Refused(reason, detail) => Err((reason, detail)),
            Opened::Texts(texts) => {
                match self.limits.envelope {
                    Envelope::Unwrap => self.unwrap(range.start, &texts),
                    Envelope::Keep => self.keep(range, &texts),
                }
                Ok(true)
            }
        }
    }

    /// A value that is no object: a string may hold events, a row of CloudTrail Lake too.
    pub(super) fn no_object(
        &mut self,
        range: Range<usize>,
        kind: FrameKind,
    ) -> Result<(), Rejected> {
        let value = self.bytes.get(range.clone()).unwrap_or_default();
        let is_row = kind == FrameKind::Row;
        let unwraps = !is_row || self.limits.envelope == Envelope::Unwrap;
        match self.opener.map(|opener| opener.open(value)) {
            Some(Opened::Texts(texts)) if unwraps && is_json(value) => {
                self.unwrap(range.start, &texts);
            }
            Some(Opened::Refused(reason, detail)) if unwraps => return Err((reason, detail)),
            _ if is_row && is_json(value) => self.columns(range),
            _ => return Err(self.verdict(kind, range)),
        }
        Ok(())
    }

    /// Takes each column of a row as a record.
    fn columns(&mut self, row: Range<usize>) {
        let mut columns = Vec::new();
        let bytes = self.bytes.get(row.clone()).unwrap_or_default();
        frame_text(
            bytes,
            self.limits.max_record_bytes,
            usize::MAX,
            &mut columns,
        );
        for Frame { range, kind } in columns {
            let range = row.start + range.start..row.start + range.end;
            self.take(&Frame { range, kind });
            if self.is_stopped() {
                return;
            }
        }
    }

    /// Takes each record in texts that stand in the record at `start`.
    fn unwrap(&mut self, start: usize, texts: &[Text]) {
        let offset = self.offset_of(start);
        for text in texts {
            let mut inside = Run {
                limits: self.limits,
                decoder: self.decoder,
                bytes: &text.bytes,
                offset,
                opener: None,
                now_ms: self.now_ms,
                prefilter: Prefilter::new(&text.bytes),
                grammar: RunCheck::new(&text.bytes),
                output: self.output,
            };
            for part in &text.parts {
                match part {
                    Part::Frame(frame) => inside.take(frame),
                    Part::Texts(texts) => inside.unwrap(0, texts),
                    Part::Refused(frame, reason, detail) => {
                        inside.reject(frame.range.clone(), *reason, *detail);
                    }
                }
                if inside.is_stopped() {
                    return;
                }
            }
        }
    }

    /// Writes the record at `range` with what the events in it gain.
    fn keep(&mut self, range: Range<usize>, texts: &[Text]) {
        let mut gained = Gained::default();
        for text in texts {
            self.gain(text, &mut gained);
        }
        let record = self.bytes.get(range).unwrap_or_default();
        let lines = &mut self.output.lines;
        if gained.events == 0 {
            if self.limits.select == Select::All || gained.already {
                self.output.passed(record);
            } else {
                self.output.counts.filtered();
            }
            return;
        }
        copy(record, lines);
        splice_written(&gained.objects, gained.events > 1, lines);
        lines.push(b'\n');
    }

    /// Adds what the events in a text gain, and counts them; the first one counts the record too.
    fn gain(&mut self, text: &Text, gained: &mut Gained) {
        let mut prefilter = Prefilter::new(&text.bytes);
        for part in &text.parts {
            let frame = match part {
                Part::Frame(frame) => frame,
                Part::Texts(texts) => {
                    for text in texts {
                        self.gain(text, gained);
                    }
                    continue;
                }
                Part::Refused(..) => continue,
            };
            let event = text.bytes.get(frame.range.clone()).unwrap_or_default();
            if !prefilter.may_match(frame.range.clone()) || grammar::check(event).is_err() {
                continue;
            }
            let Ok(event) = self.decoder.decode(event) else {
                continue;
            };
            gained.already |= event.already_enriched;
            let Some(enrichment) = enrich(&event) else {
                continue;
            };
            let facts = facts(&enrichment);
            if gained.events == 0 {
                self.output.counts.enriched(facts, self.now_ms);
            } else {
                self.output.counts.event(facts, self.now_ms);
                gained.objects.push(b',');
            }
            gained.events += 1;
            cloudhsm(&enrichment, &mut gained.objects);
        }
    }
}

/// What the events in one record gain.
#[derive(Default)]
struct Gained {
    /// The `cloudhsm` objects, with commas between.
    objects: Vec<u8>,
    events: usize,
    /// One of them had its object already.
    already: bool,
}
