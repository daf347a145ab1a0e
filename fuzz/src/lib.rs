//! The laws of the filter, each as a check of any bytes: what the fuzz targets call.
//!
//! In → out: the bytes of one fuzz input; nothing, or a panic that says which law they break.
//!
//! Invariants: **A check depends on its input alone**, so that a finding can be had again. The first
//! bytes of an input are choices ([`input::Choices`]), such as options and where the text is cut, so
//! that the engine finds those too; the rest is the text.
//!
//! Not here: the engine, which each of `fuzz_targets` hands one of these checks to.

#![allow(clippy::missing_panics_doc, reason = "to panic is what a check is for")]

pub mod decode_enrich;
pub mod decompression;
pub mod filter;
pub mod framing;
pub mod input;
mod json;
pub mod wrappers;

// The oracles that the tests have too, where those look for them.
#[path = "../../tests/common/frames.rs"]
mod frames;
#[path = "../../tests/common/outcome.rs"]
mod outcome;
