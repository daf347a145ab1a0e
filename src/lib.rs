//! (skeleton) hsmtrail.

pub mod decode;
pub mod encode;
pub mod enrich;
pub mod event;
pub mod framing;
pub mod metrics;
pub mod sink;
pub mod source;
