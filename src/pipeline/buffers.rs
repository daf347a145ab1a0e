//! Buffers of batches that are done with, for the readers to fill again.
//!
//! In → out: parts of buffers, of which readers and workers have no more need; a buffer with room
//! for a bundle.
//!
//! Invariants: **A buffer is filled again only when nobody else holds a part of it**; `bytes` knows.
//! No more than [`MOST_KEPT`] wait, so memory stays bounded.
//!
//! Not here: when a buffer is full (`reader`).
//!
//! Failure: none; without one to fill again, a new one is made.
//!
//! Cost: one lock a bundle on either side. A new buffer is fresh pages, each of them a fault and
//! 4 KiB of zeros that the system writes: 100 MB took 3,900 of them, and more than 5 % of the CPU
//! time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

/// As many as are under way with three workers and one file; of more workers some are given back to the
/// system.
const MOST_KEPT: usize = 8;

/// So much is usually left over, if anything: several records.
const LEFT_OVER: usize = 16 * 1024;

/// Buffers that were used.
#[derive(Debug)]
pub(super) struct Buffers {
    /// What comes behind what is left over.
    room: usize,
    used: Mutex<Vec<Vec<u8>>>,
}

impl Buffers {
    /// Buffers with room for so many bytes, and for what is left over.
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            used: Mutex::default(),
        }
    }

    /// Replaces a buffer that has less room than so many bytes by one that begins with what it holds.
    /// Returns whether it did.
    pub(super) fn make_room(&self, buffer: &mut BytesMut, bytes: usize) -> bool {
        let is_full = !has_room(buffer, bytes);
        if is_full {
            let next = self.filled_with(buffer);
            self.put(std::mem::replace(buffer, next));
        }
        is_full
    }

    /// A buffer that begins with `left_over`. Its room grows with that, so that a record which fills
    /// buffer after buffer is not copied too often.
    fn filled_with(&self, left_over: &[u8]) -> BytesMut {
        let size = self.room + LEFT_OVER.max(4 * left_over.len());
        let used = self.reusable(size);
        let mut buffer = used.unwrap_or_else(|| BytesMut::with_capacity(size));
        buffer.extend_from_slice(left_over);
        buffer
    }

    /// An empty buffer of this size. One that is too small is given back to the system, and so is what
    /// a long record has made much larger.
    fn reusable(&self, size: usize) -> Option<BytesMut> {
        let buffer = self.used().pop()?;
        let fits = (size..2 * size).contains(&buffer.capacity());
        fits.then(|| BytesMut::from(Bytes::from(buffer)))
    }

    /// Takes a part of a buffer from who is done with it. Only the last part is kept, as all of the
    /// buffer: of another one nothing is left here.
    pub(super) fn put(&self, mut part: BytesMut) {
        part.clear();
        let buffer = Vec::from(part);
        if buffer.capacity() > 0 {
            let mut used = self.used();
            if used.len() < MOST_KEPT {
                used.push(buffer);
            }
        }
    }

    fn used(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is room for so many bytes behind those of a buffer.
pub(super) fn has_room(buffer: &BytesMut, bytes: usize) -> bool {
    buffer.capacity() - buffer.len() >= bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 4096;

    fn filled(buffers: &Buffers, left_over: &[u8]) -> (BytesMut, *const u8) {
        let buffer = buffers.filled_with(left_over);
        assert_eq!(buffer, left_over);
        assert!(buffer.capacity() >= ROOM + left_over.len());
        let place = buffer.as_ptr();
        (buffer, place)
    }

    #[test]
    fn a_buffer_is_filled_again_when_nobody_holds_a_part_of_it() {
        let buffers = Buffers::new(ROOM);
        let (mut buffer, place) = filled(&buffers, b"left over");
        let part = buffer.split_to(4);
        buffers.put(buffer);
        // The first part is still read.
        assert!(buffers.used().is_empty());
        assert_eq!(part, &b"left"[..]);

        buffers.put(part);
        let (again, place_again) = filled(&buffers, b"more");
        assert_eq!(place_again, place);
        drop(again);
    }

    #[test]
    fn what_waits_is_bounded() {
        let buffers = Buffers::new(ROOM);
        for _ in 0..=MOST_KEPT {
            buffers.put(BytesMut::with_capacity(ROOM));
        }
        assert_eq!(buffers.used().len(), MOST_KEPT);
    }

    /// One read(2) filled it, and a batch of a megabyte of one-digit rejects took 40 MiB.
    #[test]
    fn what_a_long_record_has_made_larger_is_not_filled_again() {
        let buffers = Buffers::new(ROOM);
        let usual = ROOM + LEFT_OVER;
        let mut large = BytesMut::with_capacity(3 * usual);
        large.resize(3 * usual, 0);
        // What is put is a part that is no larger than usual.
        let last = large.split_off(2 * usual);
        buffers.put(large);
        buffers.put(last);
        assert_eq!(buffers.used().len(), 1);
        assert!(buffers.reusable(usual).is_none());
    }
}
