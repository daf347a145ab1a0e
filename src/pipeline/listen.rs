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
//! Failure: a connection that fails is a source that fails, and so is one that there is no thread
//! for. One that sends nothing for the idle
//! timeout is ended; what it had not finished is a truncated record.

use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::Duration;

use super::dealer::Dealer;
use super::reader::{ReadTotals, Reader, Reading, Start};
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

/// Connections under way, by lane.
type Running<'scope> = Vec<Option<ScopedJoinHandle<'scope, ReadTotals>>>;

impl Reading<'_> {
    /// Takes connections until the stop signal comes, and waits for their ends.
    pub(super) fn listen<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        listener: &Listener,
        bounds: Bounds,
        dealer: &Arc<Mutex<Dealer>>,
    ) -> ReadTotals {
        let mut totals = ReadTotals::default();
        let (ended, free) = channel();
        let mut running: Running<'scope> = (0..bounds.connections).map(|_| None).collect();
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
            let thread = Builder::new()
                .name("connection".to_owned())
                .spawn_scoped(scope, move || {
                    self.read_connection((lane, &source), connection, bounds.idle, after)
                });
            match thread {
                Ok(thread) => {
                    let before = running
                        .get_mut(lane)
                        .and_then(|place| place.replace(thread));
                    if let Some(Ok(read)) = before.map(ScopedJoinHandle::join) {
                        totals.add(&read);
                    }
                }
                // The client is sent away, as there are no more threads.
                Err(error) => {
                    let turn = Turn::Any(Arc::clone(dealer));
                    let mut target = Target::new(turn, self).in_lane(lane);
                    target.push(Err(SourceError::Open { name, error }));
                    target.send();
                    let (Ok(()) | Err(_)) = ended.send(lane);
                }
            }
        }
        for thread in running.into_iter().flatten() {
            if let Ok(read) = thread.join() {
                totals.add(&read);
            }
        }
        totals
    }

    fn read_connection(
        &self,
        (lane, name): (usize, &str),
        connection: OwnedFd,
        idle: Duration,
        (dealer, ended): (Arc<Mutex<Dealer>>, Sender<usize>),
    ) -> ReadTotals {
        let mut reader = Reader::new(self).with_idle_timeout(idle);
        let mut target = Target::new(Turn::Any(dealer), self).in_lane(lane);
        match Source::inherited(name, connection, self.stop.clone()) {
            Ok(mut source) => {
                let start = Start::of(self.form);
                reader.read(&mut source, start, &mut target);
                reader.give_back();
            }
            Err(error) => target.push(Err(error)),
        }
        target.send();
        let (Ok(()) | Err(_)) = ended.send(lane);
        reader.totals.bytes = target.counted();
        reader.totals
    }
}
