//! (skeleton) hsmtrail.

pub mod enrich;
pub mod event;
pub mod framing;
pub mod sink;
pub mod source;
