//! The whole filter in process, from files or pipes to files: what it writes is what a worker
//! without threads makes of the same bytes, and that keeps the laws.

use std::fs::File;
use std::io::{PipeWriter, Write as _};
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use hsmtrail::config::{
    Config, DedupWindow, Envelope, Input, InputForm, OnReject, Select, Validate,
};
use hsmtrail::decode::EventDecoder;
use hsmtrail::encode::reject::{self, Detail, Reject, Streamed};
use hsmtrail::enrich::{Severity, enrich};
use hsmtrail::envelope::{Content, Notice};
use hsmtrail::framing::{self, FrameKind, RejectReason};
use hsmtrail::metrics::{Counts, Metrics, RecordOutcome};
use hsmtrail::pipeline::{self, Limits, Outputs, Summary};
use hsmtrail::sink::Sink;
use hsmtrail::source::stop_pair;
use rustix::fs::{MemfdFlags, memfd_create};

use crate::decode_enrich::without_line_breaks;
use crate::frames;
use crate::input::{Choices, Cuts};
use crate::json;
use crate::outcome::{Item, Outcome};

/// Checks one input and one configuration.
pub fn check(data: &[u8]) {
    let mut choices = Choices::of(data);
    let mut config = config(&mut choices);
    let apart = choices.byte() % 4 == 1 && config.on_reject != OnReject::Drop;
    let (run_cuts, model_cuts) = (choices.bytes(3), choices.bytes(3));
    let split = choices.byte();
    let text = choices.text();
    // Sources are framed apart: the text is one or two.
    let (first, second) = text.split_at(text.len() * usize::from(split % 4) / 4);
    let sources = if first.is_empty() {
        vec![second]
    } else {
        vec![first, second]
    };

    if sources.iter().any(|source| looks_packed(source)) {
        return;
    }

    let run = run(&config, &sources, apart, Cuts::of(run_cuts));
    whole_lines(&config, &run);
    counts_add_up(&config, apart, &run);
    if config.dedup == DedupWindow::default() && config.reorder.is_zero() {
        let (written, counts, outcomes) = model(&config, &run.names, &sources, apart, model_cuts);
        assert_eq!(show(&run.written), show(&written), "laws 3 and 4");
        // When a reject ends the run, what was read by then depends on the cuts.
        if config.on_reject != OnReject::Stop {
            assert_eq!(told(&run.summary.counts), told(&counts), "law 2: counts");
            for (source, outcome) in sources.iter().zip(&outcomes) {
                records_are_frames(&config, source, outcome);
            }
        }
    } else {
        config.workers = NonZeroUsize::MIN;
        let again = self::run(&config, &sources, apart, Cuts::of(model_cuts));
        assert_eq!(unnamed(&run), unnamed(&again), "law 4");
        if config.on_reject != OnReject::Stop {
            let (one, other) = (&run.summary.counts, &again.summary.counts);
            assert_eq!(told(one), told(other), "law 4: counts");
        }
    }
    if config.on_reject != OnReject::Stop {
        lines_stand_alone(&config, &text);
    }
}

/// Whether a source begins like compressed data, as far as it goes: see `decompression`.
fn looks_packed(source: &[u8]) -> bool {
    let mut skippable = *b"\x50\x2a\x4d\x18";
    skippable[0] |= source.first().map_or(0, |first| first & 0x0f);
    let magics: [&[u8]; 4] = [b"\x1f\x8b", b"BZh", b"\x28\xb5\x2f\xfd", &skippable];
    let begins = |magic: &&[u8]| magic.starts_with(&source[..source.len().min(magic.len())]);
    !source.is_empty() && magics.iter().any(begins)
}

fn config(choices: &mut Choices<'_>) -> Config {
    let bits = choices.byte();
    let has = |bit: u8| bits >> bit & 1 == 1;
    Config {
        select: if has(0) {
            Select::CloudHsm
        } else {
            Select::All
        },
        validate: if has(1) {
            Validate::Matching
        } else {
            Validate::All
        },
        envelope: if has(2) {
            Envelope::Keep
        } else {
            Envelope::Unwrap
        },
        dedup: DedupWindow::Events(if has(3) { 5 } else { 0 }),
        dedup_mark: has(4),
        reorder: Duration::from_secs(if has(5) { 60 } else { 0 }),
        input: choices.one_of(&[InputForm::Auto, InputForm::Lines, InputForm::Document]),
        on_reject: choices.one_of(&[
            OnReject::Emit,
            OnReject::Emit,
            OnReject::Drop,
            OnReject::Stop,
        ]),
        max_record_bytes: choices.one_of(&[1 << 20, 1024, 4096]),
        workers: NonZeroUsize::MIN.saturating_add(choices.below(3)),
        flush_interval: Duration::ZERO,
        // A disagreement would be a reject that no other rule explains.
        paranoid: true,
        ..Config::default()
    }
}

/// Without keys, with which records would wait for a writer that is not there.
fn limits(config: &Config) -> Limits {
    Limits {
        keys: false,
        ..Limits::of(config)
    }
}

fn form(config: &Config) -> framing::InputForm {
    match config.input {
        InputForm::Auto => framing::InputForm::Auto,
        InputForm::Lines => framing::InputForm::Lines,
        InputForm::Document => framing::InputForm::Document,
    }
}

/// What a run came to.
struct Done {
    /// The output, and the file of rejects.
    written: [Vec<u8>; 2],
    names: Vec<String>,
    summary: Summary,
}

/// A file in memory.
fn memory() -> File {
    memfd_create("fuzz", MemfdFlags::CLOEXEC)
        .expect("memory")
        .into()
}

fn content(file: &File) -> Vec<u8> {
    let length = file.metadata().expect("a file").len();
    let mut content = vec![0; usize::try_from(length).expect("a length")];
    file.read_exact_at(&mut content, 0)
        .expect("a file in memory");
    content
}

/// Runs the filter over the sources: each is a file, or a pipe when it comes in pieces.
fn run(config: &Config, sources: &[&[u8]], apart: bool, cuts: Cuts<'_>) -> Done {
    let mut config = config.clone();
    let mut held: Vec<File> = Vec::new();
    let mut feeds = Vec::new();
    let mut names = Vec::new();
    for source in sources {
        let file = if cuts.is_whole() {
            let mut file = memory();
            file.write_all(source).expect("memory");
            file
        } else {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            feeds.push((writer, *source));
            OwnedFd::from(reader).into()
        };
        names.push(format!("/proc/self/fd/{}", file.as_raw_fd()));
        held.push(file);
    }
    config.inputs = names
        .iter()
        .map(|name| Input::File(PathBuf::from(name)))
        .collect();
    config.rejects = apart.then(|| PathBuf::from("rejects"));
    let (output, rejects) = (memory(), memory());
    let sink = |file: &File| {
        let file = file.try_clone().expect("a descriptor");
        Sink::inherited("memory", file.into(), &[]).expect("a file")
    };
    let outputs = Mutex::new(Outputs {
        records: sink(&output),
        rejects: apart.then(|| sink(&rejects)),
        kept: None,
        replies: None,
    });
    let (trigger, signal) = stop_pair().expect("a pipe");
    let summary = std::thread::scope(|scope| {
        for (writer, source) in feeds {
            scope.spawn(move || feed(writer, source, cuts));
        }
        let metrics = Metrics::off();
        let ended = pipeline::run(&config, &outputs, &metrics, (&trigger, &signal), &|_| ());
        // What the run left in a pipe, so that its feeder ends, and not by a signal.
        for mut file in held {
            std::io::copy(&mut file, &mut std::io::sink()).expect("a pipe");
        }
        ended.expect("a run from memory to memory")
    });
    assert_eq!(summary.failed_sources, 0);
    Done {
        written: [content(&output), content(&rejects)],
        names,
        summary,
    }
}

fn feed(mut pipe: PipeWriter, source: &[u8], cuts: Cuts<'_>) {
    for piece in cuts.pieces(source) {
        pipe.write_all(piece).expect("a reader to the end");
        std::thread::yield_now();
    }
}

/// The outputs without the names of the sources, which are those of descriptors.
fn unnamed(run: &Done) -> [String; 2] {
    let mut shown = show(&run.written);
    for name in &run.names {
        shown = shown.map(|text| text.replace(&format!("\\\"{name}\\\""), ""));
    }
    shown
}

fn show(written: &[Vec<u8>; 2]) -> [String; 2] {
    written
        .each_ref()
        .map(|written| written.escape_ascii().to_string())
}

/// What is counted, but for the delay of delivery, which depends on the clock.
fn told(counts: &Counts) -> Vec<u64> {
    let records = RecordOutcome::ALL.map(|outcome| counts.records(outcome));
    let rejects = RejectReason::ALL.map(|reason| counts.rejects(reason));
    let notices = Notice::ALL.map(|notice| counts.notices(notice));
    let severities = Severity::ALL.map(|severity| counts.severities(severity));
    let told = [&records[..], &rejects[..], &notices[..], &severities[..]];
    told.concat()
}

/// Laws 9 and 10: what is written are whole lines, each of them JSON.
fn whole_lines(config: &Config, run: &Done) {
    for written in &run.written {
        for line in written.split_inclusive(|byte| *byte == b'\n') {
            assert!(line.ends_with(b"\n"), "law 9: {}", line.escape_ascii());
            assert!(
                config.validate == Validate::Matching || json::is_json(line),
                "law 10: no JSON: {}",
                line.escape_ascii()
            );
        }
    }
}

/// Law 2: the summary and the files tell the same numbers.
fn counts_add_up(config: &Config, apart: bool, run: &Done) {
    let counts = &run.summary.counts;
    let of = |outcome| counts.records(outcome);
    let sum: u64 = RecordOutcome::ALL.map(of).iter().sum();
    assert_eq!(counts.read(), sum, "law 2: read");
    let lines = |written: &Vec<u8>| written.split_inclusive(|byte| *byte == b'\n').count() as u64;
    let [records, rejects] = run.written.each_ref().map(lines);
    let rejected = match config.on_reject {
        OnReject::Drop => 0,
        OnReject::Emit | OnReject::Stop => of(RecordOutcome::Rejected),
    };
    let mut passed = of(RecordOutcome::Enriched) + of(RecordOutcome::Passed);
    if config.dedup_mark {
        passed += of(RecordOutcome::Duplicate);
    }
    let expected = if apart {
        (passed, rejected)
    } else {
        (passed + rejected, 0)
    };
    assert_eq!((records, rejects), expected, "law 2: lines");
    assert_eq!(
        run.summary.output_bytes,
        run.written[0].len() as u64,
        "law 2: bytes"
    );
}

/// What has to be written, by a worker without threads.
fn model(
    config: &Config,
    names: &[String],
    sources: &[&[u8]],
    apart: bool,
    cuts: &[u8],
) -> ([Vec<u8>; 2], Counts, Vec<Outcome>) {
    let mut written = [Vec::new(), Vec::new()];
    let mut counts = Counts::new();
    let mut outcomes = Vec::new();
    for (name, source) in names.iter().zip(sources) {
        let pieces = Cuts::of(cuts).pieces(source);
        let outcome = Outcome::of_pieces(pieces, form(config), limits(config));
        let mut rejects = outcome.offsets.iter().zip(&outcome.numbers);
        for item in &outcome.items {
            match item {
                Item::Line(line) => {
                    written[0].extend_from_slice(line);
                    written[0].push(b'\n');
                }
                Item::Reject(reason, detail, raw) => {
                    let (&offset, &record) = rejects.next().expect("a place for each reject");
                    let reject = Reject {
                        reason: *reason,
                        detail: *detail,
                        source: name,
                        record,
                        offset,
                        length: raw.len() as u64,
                    };
                    if config.on_reject != OnReject::Drop {
                        reject_line(
                            config,
                            &reject,
                            raw,
                            apart,
                            &mut written[usize::from(apart)],
                        );
                    }
                }
            }
        }
        counts.merge(&outcome.counts);
        let is_over = config.on_reject == OnReject::Stop && !outcome.offsets.is_empty();
        outcomes.push(outcome);
        if is_over {
            break;
        }
    }
    (written, counts, outcomes)
}

fn reject_line(config: &Config, of: &Reject<'_>, raw: &[u8], apart: bool, out: &mut Vec<u8>) {
    if of.reason != RejectReason::Oversize || of.detail == Detail::HoldsTooMuch {
        reject::whole(of, raw, out);
    } else if apart {
        let mut streamed = Streamed::begin(of, out);
        streamed.raw(raw, out);
        streamed.end(out);
    } else {
        reject::cut(of, raw, config.max_record_bytes, out);
    }
}

/// Laws 1 and 3: each frame is one record, in order, and is written as it came or rejected as
/// `serde_json` says.
fn records_are_frames(config: &Config, source: &[u8], outcome: &Outcome) {
    if config.select != Select::All || config.envelope != Envelope::Keep {
        return;
    }
    let max = config.max_record_bytes;
    let frames = frames::of_pieces(std::iter::once(source), form(config), max, false);
    // A string may hold records, and a row does.
    let is_other =
        |frame: &frames::Found| frame.kind == FrameKind::Row || frame.bytes.starts_with(b"\"");
    if frames.iter().any(is_other) {
        return;
    }
    assert_eq!(
        frames.len(),
        outcome.items.len(),
        "law 2: a record for each frame"
    );
    let mut offsets = outcome.offsets.iter();
    for (frame, item) in frames.iter().zip(&outcome.items) {
        let verdict = json::verdict(&frame.bytes);
        let is_object = matches!(frame.kind, FrameKind::Object { .. }) && frame.bytes.len() <= max;
        match item {
            Item::Line(line) => {
                assert!(is_object, "law 1: {frame:?} is written");
                assert!(
                    config.validate == Validate::Matching || verdict.is_ok(),
                    "{frame:?}"
                );
                same_record(&frame.bytes, line);
            }
            Item::Reject(_, detail, raw) => {
                assert_eq!(raw, &frame.bytes, "law 2: a reject keeps its bytes");
                assert_eq!(offsets.next(), Some(&frame.offset), "a reject's place");
                let is_payload = matches!(detail, Detail::BadPayload | Detail::HoldsTooMuch);
                assert!(
                    !is_object || verdict.is_err() || is_payload,
                    "law 1: {frame:?} is rejected"
                );
            }
        }
    }
}

/// Law 1: the line is the record, or the record with one more member.
pub(crate) fn same_record(record: &[u8], line: &[u8]) {
    let record = without_line_breaks(record);
    if line == record {
        return;
    }
    let (same, added) = line
        .split_at_checked(record.len() - 1)
        .expect("a longer line");
    assert_eq!(same, &record[..record.len() - 1], "law 1");
    let member = added.strip_prefix(b",").expect("law 1: a comma");
    let member = [b"{", member].concat();
    let member: serde_json::Value = serde_json::from_slice(&member).expect("law 1: one member");
    assert_eq!(
        member.as_object().map(serde_json::Map::len),
        Some(1),
        "law 1"
    );
    assert!(member.get("cloudhsm").is_some(), "law 1");
    let mut decoder = EventDecoder::new();
    let event = decoder
        .decode(&record)
        .expect("law 1: what is enriched is a record");
    let array = member["cloudhsm"].is_array();
    assert!(
        array || enrich(&event).is_some() || holds_text(&record),
        "law 1: no event"
    );
}

/// Whether an event could be inside.
fn holds_text(record: &[u8]) -> bool {
    !matches!(Content::of(record), Content::Event)
}

/// Law 5: in lines, what becomes of a line does not depend on the others.
fn lines_stand_alone(config: &Config, text: &[u8]) {
    let limits = limits(config);
    let form = framing::InputForm::Lines;
    let lines: Vec<&[u8]> = text.split(|byte| matches!(byte, b'\n' | b'\r')).collect();
    // A line that is only one of these opens a document.
    let opens = |line: &&[u8]| {
        let is_blank = |byte: &&u8| !b" \t\xEF\xBB\xBF".contains(*byte);
        let bare: Vec<u8> = line.iter().filter(is_blank).copied().collect();
        bare == b"{" || bare == b"[" || bare.ends_with(b":[")
    };
    if lines.len() > 30 || lines.iter().any(opens) {
        return;
    }
    let mut apart = Vec::new();
    for line in &lines {
        let line = [line, &b"\n"[..]].concat();
        apart.extend(Outcome::of_pieces(std::iter::once(&line[..]), form, limits).items);
    }
    let joined = [lines.join(&b'\n'), b"\n".to_vec()].concat();
    let together = Outcome::of_pieces(std::iter::once(&joined[..]), form, limits);
    assert_eq!(together.items, apart, "law 5");
}
