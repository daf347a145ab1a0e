//! The ten laws, each proved on the binary.
//!
//! A change that breaks one is wrong whatever else it gains.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[path = "../common/binary.rs"]
mod binary;
#[path = "../common/input.rs"]
mod input;

mod law_01_bytes;
mod law_02_count;
mod law_03_order;
mod law_04_determinism;
mod law_05_locality;
mod law_06_memory;
mod law_07_linear_time;
mod law_08_latency;
mod law_09_whole_lines;
mod law_10_no_panic;
