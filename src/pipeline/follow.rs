//! Follows the inputs, each on a thread of its own, until the run is stopped.
//!
//! In → out: the paths of the configuration and where an earlier run has left them; bundles of
//! batches, dealt out as the input comes.
//!
//! Invariants: **The records of one input stay in order**; those of several come as they come.
//! **Each batch carries how far its input is done with once it was written.**
//!
//! Not here: what comes after a file that has ended (`source::Follower`), keeping positions
//! (`state`).
//!
//! Failure: as of other sources, a failure of one file ends that file. What cannot be opened ends
//! its input. A file that an earlier run was reading and that is gone is a failure too.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::dealer::Dealer;
use super::reader::{Flow, OpenSource, Reader, Reading, Start};
use super::target::Target;
use super::turns::Turn;
use crate::source::{Followed, Follower, Spare};
use crate::state::Position;

/// How often it is looked for more at least, and at most: so often that it costs nothing.
const INTERVALS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

impl Reading<'_> {
    /// Follows `path`, the input of this number, until the stop signal comes or nobody takes
    /// batches.
    pub(super) fn follow(
        &self,
        (lane, path): (usize, &Path),
        position: Option<Position>,
        dealer: Arc<Mutex<Dealer>>,
    ) {
        let mut reader = Reader::new(self);
        let mut target = Target::new(Turn::Any(dealer), self).in_lane(lane);
        let interval = self.flush_interval.clamp(INTERVALS.0, INTERVALS.1);
        let place = position.map(|position| position.place);
        let mut follower = Follower::new(path, place, interval, self.stop.clone());
        let mut resumed = position.map(|position| Start {
            form: position.form,
            offset: position.place.offset,
            records: Some(position.records),
            done: position.done,
        });
        let mut spare = Spare::default();
        loop {
            let source = match follower.next_source() {
                Ok(Followed::Source(source)) => *source,
                Ok(Followed::Lost(error)) => {
                    target.push(Err(error));
                    if target.send() == Flow::Stop {
                        break;
                    }
                    resumed = None;
                    continue;
                }
                Ok(Followed::Stopped) => break,
                Err(error) => {
                    target.push(Err(error));
                    target.send();
                    break;
                }
            };
            let start = resumed.take().unwrap_or(Start::of(self.form));
            tracing::info!("reading {}", source.name());
            let source = source.with_spare(std::mem::take(&mut spare));
            let mut open = reader.begin(source, start, &mut target);
            if reader.read(&mut open, &mut target) == Flow::Stop {
                break;
            }
            let OpenSource {
                mut source,
                decoder,
                ..
            } = open;
            spare = source.take_spare();
            let next = target.next_start().filter(|_| source.was_truncated());
            if follower.ended(source, next.map(|start| start.offset)) {
                resumed = next;
            } else {
                reader.finish(decoder, &mut target);
                if target.send() == Flow::Stop {
                    break;
                }
            }
        }
    }
}
