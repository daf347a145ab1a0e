//! Answers a host that waits for the word that its records are kept.
//!
//! In → out: answers that promise nothing, from the reader; the word that everything so far is kept,
//! from the writer; both to the host.
//!
//! Invariants: **Answers are in the order of the lines**, also when the host sends more lines before
//! it has them.
//!
//! Not here: the words (`ack`).
//!
//! Failure: a [`SinkError`] when the host takes no answer.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::reader::Flow;
use crate::ack::KEPT;
use crate::sink::{Sink, SinkError};

/// The way back to the host.
pub(super) struct Replies(Mutex<Way>);

struct Way {
    sink: Sink,
    /// For each time that the word is still to be given, what was said after it.
    owed: VecDeque<Vec<u8>>,
}

impl Replies {
    pub(super) fn new(sink: Sink) -> Self {
        let owed = VecDeque::new();
        Self(Mutex::new(Way { sink, owed }))
    }

    /// Says something behind all that is owed. A host that does not listen is at its end.
    pub(super) fn say(&self, words: &[u8]) -> Flow {
        let mut way = self.lock();
        if let Some(later) = way.owed.back_mut() {
            later.extend_from_slice(words);
            return Flow::GoOn;
        }
        match way.sink.write(words) {
            Ok(()) => Flow::GoOn,
            Err(_) => Flow::Stop,
        }
    }

    /// The word that all is kept is to be given here.
    pub(super) fn owe(&self) {
        self.lock().owed.push_back(Vec::new());
    }

    /// Gives the first word that is owed.
    pub(super) fn confirm(&self) -> Result<(), SinkError> {
        let mut way = self.lock();
        let later = way.owed.pop_front().unwrap_or_default();
        way.sink.write(&[KEPT, &later].concat())
    }

    fn lock(&self) -> MutexGuard<'_, Way> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
