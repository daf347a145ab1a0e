//! (skeleton) hsmtrail.

pub mod encode;
pub mod enrich;
pub mod event;
pub mod framing;
