//! Reads what many clients send at once, each on a thread of its own.
//!
//! In → out: an address to listen on; bundles of batches, dealt out as they come.
//!
//! Invariants: **A connection is a source of its own**: it is framed by itself, its records are
//! numbered from 1 and stay in order, and never is one torn by one of another connection. **No more
//! than so many connections are read at once**; the next client waits until one has ended.
//!
//! Not here: sockets (`source::Listener`), reading one source (`reader`).
//!
//! Failure: a connection that fails is a source that fails, and so is one that there is no thread for. One
//! that sends nothing for the idle timeout is ended; what it had not finished is a truncated record.

use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, Scope};
use std::time::Duration;

use super::dealer::Dealer;
use super::reader::{Reader, Reading, Start};
use super::target::Target;
use super::turns::Turn;
use crate::source::{Listener, Source, SourceError};

/// What keeps the connections of one listener within bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// So many are read at once.
    pub(super) connections: usize,
    /// A connection that sends nothing for so long is ended; zero is never.
    pub(super) idle: Duration,
}

impl Reading<'_> {
    /// Takes connections until the stop signal comes. Their threads end by it too.
    pub(super) fn listen<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        listener: &Listener,
        bounds: Bounds,
        dealer: &Arc<Mutex<Dealer>>,
    ) {
        let (ended, free) = channel();
        for lane in 0..bounds.connections {
            // The receiver is there.
            let (Ok(()) | Err(_)) = ended.send(lane);
        }
        let mut number = 0_u64;
        // A lane comes back for each connection that ends, and a stop ends them all.
        while let Ok(lane) = free.recv()
            && let Some(connection) = listener.accept()
        {
            number += 1;
            let name = format!("{}#{number}", listener.address());
            let after = (Arc::clone(dealer), ended.clone());
            let source = name.clone();
            let thread =
                Builder::new()
                    .name("connection".to_owned())
                    .spawn_scoped(scope, move || {
                        self.read_connection((lane, &source), connection, bounds.idle, after);
                    });
            // The client is sent away, as there are no more threads.
            if let Err(error) = thread {
                let turn = Turn::Any(Arc::clone(dealer));
                let mut target = Target::new(turn, self).in_lane(lane);
                target.push(Err(SourceError::Open { name, error }));
                target.send();
                let (Ok(()) | Err(_)) = ended.send(lane);
            }
        }
    }

    fn read_connection(
        &self,
        (lane, name): (usize, &str),
        connection: OwnedFd,
        idle: Duration,
        (dealer, ended): (Arc<Mutex<Dealer>>, Sender<usize>),
    ) {
        let mut reader = Reader::new(self).with_idle_timeout(idle);
        let mut target = Target::new(Turn::Any(dealer), self).in_lane(lane);
        match Source::inherited(name, connection, self.stop.clone()) {
            Ok(source) => {
                let mut open = reader.begin(source, Start::of(self.form), &mut target);
                reader.read(&mut open, &mut target);
                reader.give_back();
            }
            Err(error) => target.push(Err(error)),
        }
        target.send();
        let (Ok(()) | Err(_)) = ended.send(lane);
    }
}
