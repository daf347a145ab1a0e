//! Passes CloudTrail's records on and says of each AWS CloudHSM event what happened.
//!
//! The program `hsmtrail` is this library with a command line in front. Bytes go one way through
//! it, and a module is a stage on that way:
//!
//! ```text
//!  stdin, files                                                       stdout, a file
//!       │ read(2)                                                           ▲ write(2)
//!       ▼                                                                   │
//!  source → framing ── batches ──▶ decode → event → enrich → encode ──▶ sink
//!  readers             numbered    on any of the threads     in order   one writer
//! ```
//!
//! The way of the bytes:
//!
//! - [`source`]: where they come from: stdin, files and sockets; found, followed, decompressed.
//! - [`envelope`]: what events travel in: which members of a record hold the text of others.
//! - [`framing`]: cuts them into batches of records by the input grammar.
//! - [`decode`]: checks that a record is JSON, and reads those that may be CloudHSM's.
//! - [`event`]: what CloudTrail said about one event, borrowed from the record.
//! - [`enrich`]: what that means for CloudHSM: operation, outcome, actor, origin, resource, severity.
//! - [`encode`]: copies a record as one line, puts the `cloudhsm` object in, wraps a reject.
//! - [`order`]: finds repeated events and puts events in order of time, when that is wanted.
//! - [`sink`]: where the lines go, whole ones only.
//!
//! Around it:
//!
//! - [`ack`]: what is said to a host that waits for the word that its records are kept.
//! - [`state`]: how far followed files are done with, for the next run.
//! - [`socket`]: a Unix socket that has its path for as long as it listens.
//! - [`metrics`]: every metric, what is counted, and how Prometheus reads it.
//! - [`pipeline`]: runs the stages on threads, in order and in bounded memory.
//! - [`supervisor`]: looks after one run from outside: signals, metrics, the progress bar.
//! - [`cli`]: what was typed.
//! - [`config`]: what was typed, the environment and the config file, checked once.
//! - [`logging`]: messages on stderr.
//! - [`doctor`]: what hosts have to be set to for the lines of a sample, and warnings.
//! - [`explain`]: the catalogue of operations in words.
//! - [`schema`]: the JSON Schema of the `cloudhsm` object.
//! - [`suggest`]: the word that was meant.
//!
//! The stages know nothing of one another but the data that they take, and none from [`framing`] to
//! [`encode`] knows a file, a clock, a thread or the environment. So each can be used by itself.
//! Here a log file passes through all of them:
//!
//! ```
//! use bytes::BytesMut;
//! use hsmtrail::decode::{EventDecoder, grammar};
//! use hsmtrail::encode;
//! use hsmtrail::enrich::{Severity, enrich};
//! use hsmtrail::framing::{BatchContent, FrameKind, InputForm, RecordDecoder};
//! use tokio_util::codec::Decoder as _;
//!
//! let log_file = br#"{"Records":[{"eventSource":"ec2.amazonaws.com","eventName":"RunInstances"},
//!     {"eventSource":"cloudhsm.amazonaws.com","eventName":"DeleteBackup",
//!      "eventTime":"2026-03-07T23:24:09Z","requestParameters":{"backupId":"backup-d7lw5ospa2i"}}]}"#;
//! let mut bytes = BytesMut::from(&log_file[..]);
//! let mut records = RecordDecoder::new(InputForm::Auto, 1 << 20);
//! let mut events = EventDecoder::new();
//! let mut lines = Vec::new();
//!
//! while let Some(batch) = records.decode_eof(&mut bytes)? {
//!     // Batches of whole lines and parts of oversize records are of other kinds.
//!     let BatchContent::Frames(frames) = batch.content else { continue };
//!     for frame in frames {
//!         assert!(matches!(frame.kind, FrameKind::Object { .. }));
//!         let record = &batch.bytes[frame.range];
//!         grammar::check(record)?;
//!         encode::copy(record, &mut lines);
//!         if let Some(enrichment) = enrich(&events.decode(record)?) {
//!             assert_eq!(enrichment.severity, Severity::High);
//!             assert_eq!(enrichment.resource.backup_id, Some("backup-d7lw5ospa2i"));
//!             encode::splice(&enrichment, &mut lines);
//!         }
//!         lines.push(b'\n');
//!     }
//! }
//!
//! let lines = String::from_utf8(lines)?;
//! let (ec2, cloudhsm) = lines.split_once('\n').ok_or("two lines")?;
//! assert_eq!(ec2, r#"{"eventSource":"ec2.amazonaws.com","eventName":"RunInstances"}"#);
//! assert!(cloudhsm.contains(r#""cloudhsm":{"version":1,"operation":"DeleteBackup","#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod source;

mod pipe;

mod blocks;

pub mod envelope;

pub mod framing;

pub mod decode;

pub mod event;

pub mod enrich;

pub mod encode;

pub mod order;

pub mod sink;

pub mod ack;

pub mod state;

pub mod socket;

pub mod metrics;

pub mod pipeline;

pub mod supervisor;

pub mod cli;

pub mod config;

pub mod logging;

pub mod explain;

pub mod doctor;

pub mod schema;

pub mod suggest;
