//! Makes one line of what became of a line, for a host that waits for it.
//!
//! In → out: what is written of each line of the input, in pieces; the answers, in order.
//!
//! Invariants: **An answer for each line, and none before all of the line was taken.**
//!
//! Not here: the form of an answer (`encode::answer`), when it is sent (`writer`).
//!
//! Failure: none.

use super::output::Output;
use crate::config::Lockstep;
use crate::encode::answer;
use crate::framing::OversizePart;

/// The answers that are not yet sent.
#[derive(Debug)]
pub(super) struct Answers {
    form: Lockstep,
    /// What is written of the line under way, a line each.
    lines: Vec<u8>,
    /// The `cloudhsm` objects in it, with commas between.
    objects: Vec<u8>,
    /// How many these are.
    count: usize,
    /// Whole answers.
    ready: Vec<u8>,
}

impl Answers {
    pub(super) fn new(form: Lockstep) -> Self {
        Self {
            form,
            lines: Vec::new(),
            objects: Vec::new(),
            count: 0,
            ready: Vec::new(),
        }
    }

    /// Takes what would be written otherwise.
    pub(super) fn take(&mut self, lines: &[u8]) {
        self.lines.extend_from_slice(lines);
    }

    /// Takes the end of an output, the last one of its line if `is_last`.
    pub(super) fn end(&mut self, output: &Output, is_last: bool) {
        for object in &output.objects {
            if self.count > 0 {
                self.objects.push(b',');
            }
            let object = output.lines.get(object.clone()).unwrap_or_default();
            self.objects.extend_from_slice(object);
            self.count += 1;
        }
        let oversize = output.oversize.as_ref();
        if !is_last || oversize.is_some_and(|oversize| oversize.part != OversizePart::Last) {
            return;
        }
        match self.form {
            Lockstep::Line => answer::line(&self.lines, &mut self.ready),
            Lockstep::Mmexternal => {
                let several = self.count > 1;
                answer::properties(&self.lines, &self.objects, several, &mut self.ready);
            }
        }
        self.lines.clear();
        self.objects.clear();
        self.count = 0;
    }

    /// Gives the whole answers.
    pub(super) fn ready(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ready)
    }
}
