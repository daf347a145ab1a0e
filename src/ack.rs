//! Speaks to a host that waits for the word that its records are kept: rsyslog's `omprog`.
//!
//! In → out: the lines of such a host; what each of them is, and what has to be true before it is
//! answered. The answer is always [`OK`].
//!
//! ```text
//! omprog                 hsmtrail
//!                        OK     once it is ready
//! {…}                    OK     once this record is on disk
//! BEGIN TRANSACTION      OK
//! {…}                    OK     once this record is written
//! COMMIT TRANSACTION     OK     once all since BEGIN is on disk
//! ```
//!
//! Invariants: **One answer a line, and none before its [`Promise`] holds.** What is a message is
//! decided by the two marks, never by what is in it.
//!
//! A message of a transaction could be answered with `DEFER_COMMIT` as soon as it was received. But
//! when the process then dies, rsyslog sends only the message that had no answer once more, and
//! loses those before it (<https://github.com/rsyslog/rsyslog/issues/2420>; so did 8.2302 in the test
//! that kills the process). What is written outlives the process, so it is answered then.
//!
//! Not here: what keeping is and when it is done (`sink`, `pipeline`). No answer says that something
//! failed: then the process ends, and rsyslog sends again what has no answer. The keep-alive, a dot
//! while rsyslog waits, is not sent.
//!
//! Failure: none; a line that is no mark is a message.

/// The answer to every line, and the first word, when lines may come.
pub const OK: &[u8] = b"OK\n";

/// What holds of everything up to a line when it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// The system has it: it outlives the process.
    Written,
    /// The disk has it: it outlives the machine.
    OnDisk,
}

/// What a line of the host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// A record, or what should be one.
    Message(Promise),
    /// Where a transaction begins or ends.
    Mark(Promise),
}

/// One conversation.
#[derive(Debug, Default)]
pub struct Omprog {
    in_transaction: bool,
}

impl Omprog {
    /// What this line is, which is given with its line break. Of a line that is too long to be held
    /// any part will do.
    pub fn hear(&mut self, line: &[u8]) -> Request {
        match line {
            b"BEGIN TRANSACTION\n" => {
                self.in_transaction = true;
                Request::Mark(Promise::Written)
            }
            b"COMMIT TRANSACTION\n" => {
                self.in_transaction = false;
                Request::Mark(Promise::OnDisk)
            }
            _ if self.in_transaction => Request::Message(Promise::Written),
            _ => Request::Message(Promise::OnDisk),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation() {
        let mut omprog = Omprog::default();
        let begin = Request::Mark(Promise::Written);
        let commit = Request::Mark(Promise::OnDisk);
        let alone = Request::Message(Promise::OnDisk);
        let inside = Request::Message(Promise::Written);
        for (line, request) in [
            ("{}\n", alone),
            ("\n", alone),
            ("BEGIN TRANSACTION\n", begin),
            ("{}\n", inside),
            ("BEGIN TRANSACTION", inside), // a part of a long line is no mark
            (" COMMIT TRANSACTION\n", inside),
            ("COMMIT TRANSACTION\r\n", inside),
            ("BEGIN TRANSACTION\n", begin),
            ("COMMIT TRANSACTION\n", commit),
            ("{}\n", alone),
            ("COMMIT TRANSACTION\n", commit),
        ] {
            assert_eq!(omprog.hear(line.as_bytes()), request, "{line:?}");
        }
    }
}
