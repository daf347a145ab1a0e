//! Holds the JSON Schema of the `cloudhsm` object.
//!
//! In → out: nothing; the text that `hsmtrail schema` prints.
//!
//! Invariants: **Every object that hsmtrail adds is valid against it, and no key or word is in it
//! that hsmtrail never writes**: its closed sets equal those of [`crate::enrich`], which the tests
//! check.
//!
//! Not here: the rules behind the values (`enrich`), their order (`encode`).
//!
//! Failure: none.

/// JSON Schema, draft 2020-12, with a description of every key.
pub const TEXT: &str = include_str!("schema.json");
