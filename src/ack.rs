//! Speaks to a host that waits for the word that its records are kept: rsyslog's `omprog`.
//!
//! In → out: the lines of such a host; what each of them is, and what is to be answered.
//!
//! ```text
//! omprog                 hsmtrail
//!                        OK              once it is ready
//! BEGIN TRANSACTION      OK
//! {…}                    DEFER_COMMIT    received
//! COMMIT TRANSACTION     OK              all since BEGIN is kept
//! {…}                    OK              outside a transaction: this one is kept
//! ```
//!
//! Invariants: **One answer a line, and [`KEPT`] to nothing that is not kept.** What is a message is
//! decided by where it stands and by the two marks, never by what is in it.
//!
//! Not here: what keeping is and when it is done (`sink`, `pipeline`). No answer says that something
//! failed: then the process ends, and the host sends again what has no answer. The keep-alive, a
//! dot while the host waits, is not sent either.
//!
//! Failure: none; a line that is no mark is a message.

/// The first word, when messages may come.
pub const READY: &[u8] = b"OK\n";

/// The message, or every message of the transaction, is kept.
pub const KEPT: &[u8] = b"OK\n";

/// What a line of the host wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// A transaction begins; this is the answer.
    Begin(&'static [u8]),
    /// It is a message of a transaction; this is the answer, which promises nothing.
    Defer(&'static [u8]),
    /// It is a message to be kept at once. [`KEPT`] is the answer when it is.
    Keep,
    /// Everything that came is to be kept. [`KEPT`] is the answer when it is.
    Commit,
}

/// One conversation.
#[derive(Debug, Default)]
pub struct Omprog {
    in_transaction: bool,
}

impl Omprog {
    /// What this line wants, which is given with its line break. Of a line that is too long to be
    /// held any part will do.
    pub fn hear(&mut self, line: &[u8]) -> Request {
        match line {
            b"BEGIN TRANSACTION\n" => {
                self.in_transaction = true;
                Request::Begin(b"OK\n")
            }
            b"COMMIT TRANSACTION\n" => {
                self.in_transaction = false;
                Request::Commit
            }
            _ if self.in_transaction => Request::Defer(b"DEFER_COMMIT\n"),
            _ => Request::Keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation() {
        let mut omprog = Omprog::default();
        let begin = Request::Begin(b"OK\n");
        let defer = Request::Defer(b"DEFER_COMMIT\n");
        for (line, request) in [
            ("{}\n", Request::Keep),
            ("\n", Request::Keep),
            ("BEGIN TRANSACTION\n", begin),
            ("{}\n", defer),
            ("BEGIN TRANSACTION", defer), // a cut line is no mark
            (" COMMIT TRANSACTION\n", defer),
            ("COMMIT TRANSACTION\r\n", defer),
            ("BEGIN TRANSACTION\n", begin), // what came before still waits for its commit
            ("COMMIT TRANSACTION\n", Request::Commit),
            ("{}\n", Request::Keep),
            ("COMMIT TRANSACTION\n", Request::Commit), // there is nothing to keep
        ] {
            assert_eq!(omprog.hear(line.as_bytes()), request, "{line:?}");
        }
    }
}
