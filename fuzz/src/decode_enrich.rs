//! One record: its verdict and its event are those of `serde_json`, and an enrichment changes
//! nothing else.

use hsmtrail::decode::EventDecoder;
use hsmtrail::decode::grammar::{self, LineBreaks};
use hsmtrail::decode::key::{KeyReader, RecordKey};
use hsmtrail::decode::prefilter::Prefilter;
use hsmtrail::decode::second;
use hsmtrail::encode;
use hsmtrail::enrich::enrich;
use hsmtrail::envelope::Content;
use hsmtrail::event::Event;
use serde_json::Value;

use crate::input::Choices;
use crate::json;

/// A source that is CloudHSM's.
const SOURCE: &str = "cloudhsm.amazonaws.com";

/// Checks one record.
pub fn check(data: &[u8]) {
    let record = &Choices::of(data).text()[..];
    let verdict = json::verdict(record);
    let text = std::str::from_utf8(record).ok().filter(|_| verdict.is_ok());
    let tree = text.map(json::tree);
    assert_eq!(grammar::check(record), verdict, "verdict");
    let reading = text.and_then(second::read);
    let mut decoder = EventDecoder::new();
    let read = decoder.decode(record);
    assert_eq!(
        read.is_ok(),
        verdict.is_ok(),
        "what passes the check is decoded"
    );
    walks(record);
    let content = Content::of(record);
    let (Ok(event), Some(tree)) = (read, &tree) else {
        return;
    };
    assert_eq!(
        reading.as_ref().map(second::Reading::event).as_ref(),
        Some(&event),
        "members"
    );
    same_key(record, tree);
    let enriched = enrich(&event);
    if enriched.is_some() {
        assert!(
            Prefilter::new(record).may_match(0..record.len()),
            "the prefilter rules it out"
        );
        // An Insight event names its source in its details.
        let source = tree.get("eventSource").and_then(Value::as_str);
        let is_insight = source.is_none_or(str::is_empty);
        assert!(
            content == Content::Event || is_insight,
            "what is enriched is an event"
        );
    }
    assert!(enriched.is_none() || !event.already_enriched);
    // Any object can be enriched, but an empty one, which says nothing of CloudHSM.
    if tree.as_object().is_some_and(|members| !members.is_empty()) {
        spliced(
            record,
            &Event {
                event_source: Some(SOURCE),
                already_enriched: false,
                ..event
            },
        );
    }
}

/// A walk ends where the object does, whatever follows it.
fn walks(record: &[u8]) {
    let Some(text) = grammar::utf8(record) else {
        return;
    };
    let Some(start) = text.find('{') else { return };
    let text = &text[start..];
    let walked = grammar::walk_object(text, LineBreaks::Blank);
    let any = grammar::walk_object(text, LineBreaks::End);
    if let Some(walked) = walked {
        let object = &text[..walked.len];
        assert_eq!(
            json::verdict(object.as_bytes()),
            Ok(()),
            "a walk goes over an object"
        );
        let spans_lines = object.contains(['\n', '\r']);
        assert_eq!(
            any,
            Some(walked).filter(|_| !spans_lines),
            "line breaks that end"
        );
        assert_eq!(
            walked.has_unicode_escapes,
            has_unicode_escape(object),
            "escapes"
        );
        let mut decoder = EventDecoder::new();
        let mut event = Event::default();
        let end = decoder.decode_front(text, LineBreaks::Blank, &mut event);
        assert_eq!(end, Ok(walked.len), "decoding goes as far as walking");
    } else {
        assert_eq!(any, None);
        let end = text.trim_end_matches([' ', '\t', '\n', '\r']);
        assert_ne!(
            json::verdict(end.as_bytes()),
            Ok(()),
            "a walk goes over every object"
        );
    }
}

/// Whether there is a `\u` in a string, behind an even number of backslashes.
fn has_unicode_escape(json: &str) -> bool {
    let mut escaped = false;
    json.bytes().any(|byte| {
        let is_unicode = escaped && byte == b'u';
        escaped = !escaped && byte == b'\\';
        is_unicode
    })
}

fn same_key(record: &[u8], tree: &Value) {
    let text = |name: &str| {
        tree.get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let expected = RecordKey {
        event_id: text("eventID"),
        recipient_account_id: text("recipientAccountId"),
        event_time: text("eventTime"),
        has_addendum: tree.get("addendum").is_some_and(|value| !value.is_null()),
    };
    assert_eq!(KeyReader::default().read(record), expected, "key");
}

/// Law 1: without the new member the output is the input but for line breaks and indentation.
fn spliced(record: &[u8], event: &Event<'_>) {
    let record = record.trim_ascii();
    let enrichment = enrich(event).expect("an event of CloudHSM");
    let mut out = Vec::new();
    encode::copy(record, &mut out);
    let before = without_line_breaks(record);
    assert_eq!(out, before, "law 1: a copy");
    encode::splice(&enrichment, &mut out);
    assert!(
        json::is_json(&out),
        "law 1: {} is no JSON",
        out.escape_ascii()
    );
    let (same, added) = out.split_at(before.len() - 1);
    assert_eq!(
        same,
        &before[..before.len() - 1],
        "law 1: before the last brace"
    );
    let member = added.strip_prefix(b",").expect("a comma before the member");
    let member: Value =
        serde_json::from_slice(&[b"{", member].concat()).expect("one member and a brace");
    assert_eq!(member.as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(member["cloudhsm"]["version"], 1);
    let mut decoder = EventDecoder::new();
    let again = decoder
        .decode(&out)
        .expect("what came in was no deeper than it may be");
    assert!(
        again.already_enriched && enrich(&again).is_none(),
        "enriched twice"
    );
}

/// Without line breaks and the blanks behind them, byte by byte.
pub(crate) fn without_line_breaks(record: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut behind_break = false;
    for &byte in record {
        behind_break =
            matches!(byte, b'\n' | b'\r') || (behind_break && matches!(byte, b' ' | b'\t'));
        if !behind_break {
            kept.push(byte);
        }
    }
    kept
}
