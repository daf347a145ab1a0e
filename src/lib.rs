//! (skeleton) hsmtrail.

pub mod cli;
pub mod config;
pub mod encode;
pub mod enrich;
pub mod event;
pub mod explain;
pub mod framing;
pub mod schema;
pub mod suggest;
