//! Makes one line of what became of a line, for a host that waits for it.
//!
//! In → out: what is written of each line of the input, in pieces; the answers, in order, as far as
//! they are known.
//!
//! Invariants: **An answer for each line, and its end not before all of the line was taken.** What is
//! held is bounded: of an answer that is the line itself the first record, and no more of one that
//! changes properties than [`MOST_TIMES`] the longest record.
//!
//! Not here: the form of an answer (`encode::answer`), when it is sent (`writer`).
//!
//! Failure: none.

use super::output::Output;
use crate::config::{Config, Lockstep};
use crate::encode::answer::{Joined, properties};
use crate::framing::OversizePart;

/// A reply of mmexternal is given as a whole, and no longer than rsyslog takes one.
const MOST_TIMES: usize = 4;

/// The answers that are not yet sent.
#[derive(Debug)]
pub(super) struct Answers {
    form: Lockstep,
    records: Joined,
    /// The new text of the message, for mmexternal.
    text: Vec<u8>,
    /// The `cloudhsm` objects in it, with commas between.
    objects: Vec<u8>,
    /// How many these are.
    count: usize,
    /// How many bytes text and objects have, or would have.
    held: usize,
    /// No more than this is held, and what is longer is not told.
    most: usize,
    /// What can be sent.
    ready: Vec<u8>,
}

impl Answers {
    /// The answers that the user wants, if any.
    pub(super) fn new(config: &Config) -> Option<Self> {
        config.lockstep.map(|form| Self {
            form,
            records: Joined::default(),
            text: Vec::new(),
            objects: Vec::new(),
            count: 0,
            held: 0,
            most: config.max_record_bytes.saturating_mul(MOST_TIMES),
            ready: Vec::new(),
        })
    }

    /// Takes whole lines that would be written otherwise.
    pub(super) fn take(&mut self, lines: &[u8]) {
        if self.form == Lockstep::Line {
            self.records.add(lines, &mut self.ready);
        } else if self.fits(lines.len()) {
            self.records.add(lines, &mut self.text);
        }
    }

    /// Takes the end of an output, the last one of its line if `is_last`.
    pub(super) fn end(&mut self, output: &Output, is_last: bool) {
        if self.form == Lockstep::Mmexternal {
            self.take_objects(output);
        }
        let oversize = output.oversize.as_ref();
        if !is_last || oversize.is_some_and(|oversize| oversize.part != OversizePart::Last) {
            return;
        }
        match self.form {
            Lockstep::Line => self.records.end(&mut self.ready),
            Lockstep::Mmexternal => self.end_properties(),
        }
        self.ready.push(b'\n');
    }

    /// How much can be sent.
    pub(super) fn ready_bytes(&self) -> usize {
        self.ready.len()
    }

    /// Gives what can be sent.
    pub(super) fn ready(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ready)
    }

    fn take_objects(&mut self, output: &Output) {
        for object in &output.objects {
            let object = output.lines.get(object.clone()).unwrap_or_default();
            if !self.fits(object.len()) {
                return;
            }
            if self.count > 0 {
                self.objects.push(b',');
            }
            self.objects.extend_from_slice(object);
            self.count += 1;
        }
    }

    fn end_properties(&mut self) {
        let is_empty = self.records.is_empty();
        self.records.end(&mut self.text);
        if is_empty || self.held > self.most {
            self.ready.extend_from_slice(b"{}");
        } else {
            let several = self.count > 1;
            properties(&self.text, &self.objects, several, &mut self.ready);
        }
        self.text.clear();
        self.objects.clear();
        self.count = 0;
        self.held = 0;
    }

    /// Whether so many more bytes may be held.
    fn fits(&mut self, more: usize) -> bool {
        self.held = self.held.saturating_add(more);
        self.held <= self.most
    }
}
