//! (skeleton) hsmtrail.

pub mod decode;
pub mod enrich;
pub mod event;
pub mod framing;
