//! Finds repeated events, and puts events into the order of their time.
//!
//! In → out: one record after the other, in input order, each as its key and its time; whether it
//! repeats another ([`dedup`]), and when it may leave ([`reorder`]).
//!
//! Invariants: **Time is the events' own**: there is no clock here, so that the same input gives
//! the same output on any day. **Memory is bounded by numbers that the user chose**, whatever the
//! input.
//!
//! Not here: reading keys and times from a record (`decode::key`), what becomes of a repeat
//! (`pipeline`).
//!
//! Failure: none.

pub mod dedup;
pub mod reorder;
