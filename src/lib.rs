//! (skeleton) hsmtrail.

pub mod cli;
pub mod config;
pub mod decode;
pub mod encode;
pub mod enrich;
pub mod event;
pub mod explain;
pub mod framing;
pub mod logging;
pub mod metrics;
pub mod pipeline;
pub mod schema;
pub mod sink;
pub mod source;
pub mod suggest;
pub mod supervisor;
