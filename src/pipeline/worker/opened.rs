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

use super::{DISAGREEMENT, Flow, Rejected, Run};
use crate::config::{Envelope, Select};
use crate::decode::grammar;
use crate::decode::prefilter::Prefilter;
use crate::encode::append_object;
use crate::enrich::enrich;
use crate::framing::{FrameKind, frame_text};
use crate::pipeline::opener::{Opened, Part, Text, is_json};
use crate::pipeline::output::{Held, Lines, facts};

/// Twice the bytes of a batch.
const LONG_OUTPUT: usize = 512 * 1024;

impl Run<'_> {
    /// What is in an object, when that is not just itself.
    pub(super) fn opened(&self, frame: &[u8]) -> Option<Opened> {
        match self.opener?.open(frame) {
            Opened::Event | Opened::Closed => None,
            opened => Some(opened),
        }
    }

    /// Takes an object without a defect, and what is in it.
    pub(super) fn take_opened(
        &mut self,
        record: Range<usize>,
        spans_lines: bool,
        opened: Opened,
    ) -> Result<Flow, Rejected> {
        match opened {
            Opened::Refused(reason, detail) => Err((reason, detail)),
            Opened::Texts(texts) => Ok(match self.limits.envelope {
                Envelope::Unwrap => self.unwrap(record.start, &texts),
                Envelope::Keep => {
                    self.keep(record, spans_lines, &texts)?;
                    Flow::GoOn
                }
            }),
            Opened::Notice(notice) => {
                self.lines.counts().notice(notice);
                self.lines.other(record, spans_lines);
                Ok(Flow::GoOn)
            }
            Opened::Event | Opened::Closed => {
                self.lines.other(record, spans_lines);
                Ok(Flow::GoOn)
            }
        }
    }

    /// Takes a value that is no object: a string may hold events, and a row of CloudTrail Lake
    /// does, or its columns are records.
    pub(super) fn take_other(
        &mut self,
        range: Range<usize>,
        kind: FrameKind,
    ) -> Result<Flow, Rejected> {
        let value = self.bytes.get(range.clone()).unwrap_or_default();
        let is_row = kind == FrameKind::Row;
        let opener = self.opener.filter(|_| is_json(value));
        // A row has no end at which it could be kept with something added.
        let unwraps = !is_row || self.limits.envelope == Envelope::Unwrap;
        match opener.map(|opener| opener.open(value)) {
            Some(Opened::Texts(texts)) if unwraps => Ok(self.unwrap(range.start, &texts)),
            Some(Opened::Refused(reason, detail)) if unwraps => Err((reason, detail)),
            Some(_) if is_row => Ok(self.take_columns(range)),
            _ => Err(self.verdict(kind, range)),
        }
    }

    /// Takes each column of a row as a record.
    fn take_columns(&mut self, row: Range<usize>) -> Flow {
        let mut columns = Vec::new();
        let bytes = self.bytes.get(row.clone()).unwrap_or_default();
        frame_text(bytes, self.limits.max_record_bytes, &mut columns);
        for column in &mut columns {
            let range = &mut column.range;
            *range = row.start + range.start..row.start + range.end;
        }
        self.take_frames(&columns)
    }

    /// Takes each record in texts that stand in the record at `start`.
    fn unwrap(&mut self, start: usize, texts: &[Text]) -> Flow {
        let offset = self.offset_of(start);
        for text in texts {
            let (keys, output) = self.lines.inside();
            let mut inside = Run {
                limits: self.limits,
                decoder: self.decoder,
                second: self.second,
                bytes: &text.bytes,
                text: grammar::utf8(&text.bytes),
                offset,
                opener: None,
                spill: self.spill,
                now_ms: self.now_ms,
                prefilter: Prefilter::new(&text.bytes),
                lines: Lines::of(&text.bytes, self.limits.select, keys, output),
            };
            let flow = inside.take_parts(&text.parts);
            inside.lines.finish();
            if flow == Flow::Stop {
                return Flow::Stop;
            }
        }
        Flow::GoOn
    }

    fn take_parts(&mut self, parts: &[Part]) -> Flow {
        for part in parts {
            let flow = match part {
                Part::Frame(frame) => self.take_frames(std::slice::from_ref(frame)),
                Part::Texts(texts) => self.unwrap(0, texts),
                Part::Refused(frame, reason, detail) => {
                    self.reject(frame.range.clone(), (*reason, *detail))
                }
            };
            if flow == Flow::Stop {
                return Flow::Stop;
            }
            self.spill_if_long();
        }
        Flow::GoOn
    }

    /// Hands the output on when it has grown far beyond a batch: gzip makes a thousand times as
    /// much of its input, and what waits for the writer has to be bounded.
    fn spill_if_long(&mut self) {
        let (_, output) = self.lines.inside();
        if let Some(spill) = self.spill
            && output.held_bytes() >= LONG_OUTPUT
        {
            spill(output);
            output.clear();
        }
    }

    /// Writes a record with what the events in it gain.
    fn keep(
        &mut self,
        record: Range<usize>,
        spans_lines: bool,
        texts: &[Text],
    ) -> Result<(), Rejected> {
        // Before the record is counted: counts go with its line.
        self.spill_if_long();
        let mut held = Held {
            only_event: only_event(texts),
            ..Held::default()
        };
        let mut is_selected = self.limits.select == Select::All;
        for text in texts {
            is_selected |= self.gain(text, &mut held)?;
        }
        if is_selected {
            self.lines.holding(record, spans_lines, &held, self.now_ms);
        } else {
            self.lines.counts().filtered();
        }
        Ok(())
    }

    /// Adds what the events in a text gain. Returns whether one of them has a `cloudhsm` object
    /// now, or had one before.
    fn gain(&mut self, text: &Text, held: &mut Held<'_>) -> Result<bool, Rejected> {
        let mut prefilter = Prefilter::new(&text.bytes);
        let mut any = false;
        for part in &text.parts {
            let frame = match part {
                Part::Frame(frame) => frame,
                Part::Texts(texts) => {
                    for text in texts {
                        any |= self.gain(text, held)?;
                    }
                    continue;
                }
                Part::Refused(..) => continue,
            };
            if !prefilter.may_match(frame.range.clone()) {
                continue;
            }
            let record = text.bytes.get(frame.range.clone()).unwrap_or_default();
            let reading;
            let Ok(event) = self.decoder.decode(record) else {
                continue;
            };
            if let Some(read) = self.second {
                reading = grammar::utf8(record).and_then(read).ok_or(DISAGREEMENT)?;
                if event != reading.event() {
                    return Err(DISAGREEMENT);
                }
            }
            any |= event.already_enriched;
            if let Some(enrichment) = enrich(&event) {
                any = true;
                held.facts.push(facts(&enrichment));
                append_object(&enrichment, &mut held.objects);
            }
        }
        Ok(any)
    }
}

/// The record in these texts, when there is but one.
fn only_event(texts: &[Text]) -> Option<&[u8]> {
    let [Text { bytes, parts }] = texts else {
        return None;
    };
    match &parts[..] {
        [Part::Frame(frame)] => bytes.get(frame.range.clone()),
        [Part::Texts(texts)] => only_event(texts),
        _ => None,
    }
}
