//! Writes records: a frame as one line, and an enrichment into its end.
//!
//! In → out: a frame's bytes, and an [`Enrichment`] of the event that they hold; appended to the
//! output's buffer.
//!
//! Invariants: **Nothing of a record changes** but line breaks and the indentation behind them,
//! which go, and the one member `cloudhsm`, which comes before the last brace. White space is
//! found by its bytes alone, because a JSON string cannot hold a raw line break. **Keys come in
//! the order of the field reference**; strings have JSON's shortest escapes.
//!
//! Not here: whether the frame is JSON (`decode` has checked it), the newline behind a record; the
//! lines that keep rejects ([`reject`]), and those that answer a host ([`answer`]).
//!
//! Failure: none; a `Vec` takes everything.
//!
//! Cost: one pass and one copy over a frame; nothing is allocated but what the buffer grows by.

pub mod answer;
pub mod reject;

use memchr::memchr2;

use crate::enrich::Enrichment;
use crate::enrich::actor::Actor;
use crate::enrich::operation::Call;
use crate::enrich::origin::Origin;
use crate::enrich::resource::Resource;

/// What stands between a record and its `cloudhsm` object.
pub const MEMBER: &str = r#","cloudhsm":"#;

/// Appends `frame` as one line, without a newline at the end: line breaks (LF, CR, CRLF) and the
/// spaces and tabs behind them are left out, all else stays.
pub fn copy(frame: &[u8], out: &mut Vec<u8>) {
    let mut rest = frame;
    while let Some((line, tail)) =
        memchr2(b'\n', b'\r', rest).and_then(|end| rest.split_at_checked(end))
    {
        out.extend_from_slice(line);
        let white = tail
            .iter()
            .take_while(|byte| matches!(byte, b'\n' | b'\r' | b' ' | b'\t'));
        rest = tail.get(white.count()..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Puts the member `cloudhsm` into the record at the end of `out`, before its last brace.
///
/// `out` ends with that brace, of an object that has other members.
pub fn splice(enrichment: &Enrichment<'_>, out: &mut Vec<u8>) {
    let brace = out.pop();
    debug_assert_eq!(brace, Some(b'}'), "a record ends with its own brace");
    object(MEMBER, out, |out| cloudhsm(enrichment, out));
    out.push(b'}');
}

/// Appends the object `cloudhsm` of one of several events that a record holds, with a comma before
/// it when there is one before it in `objects`.
pub fn append_object(enrichment: &Enrichment<'_>, objects: &mut Vec<u8>) {
    let comma = if objects.is_empty() { "" } else { "," };
    object(comma, objects, |out| cloudhsm(enrichment, out));
}

/// Puts the member `cloudhsm` into the record at the end of `out`, before its last brace, for the
/// events that the record holds: their `objects`, in an array when they are `several`.
pub fn splice_objects(objects: &[u8], several: bool, out: &mut Vec<u8>) {
    let brace = out.pop();
    debug_assert_eq!(brace, Some(b'}'), "a record ends with its own brace");
    let (open, close): (&[u8], &[u8]) = if several { (b"[", b"]") } else { (b"", b"") };
    for part in [MEMBER.as_bytes(), open, objects, close, b"}"] {
        out.extend_from_slice(part);
    }
}

/// Puts the member `duplicate` into the `cloudhsm` object of the line at the end of `out`.
///
/// The line is one that [`splice`] made, with its line break: it ends with the braces of the
/// object and of the record.
pub fn mark_duplicate(out: &mut Vec<u8>) {
    debug_assert!(out.ends_with(b"}}\n"), "the line of an enriched record");
    out.truncate(out.len().saturating_sub(3));
    out.extend_from_slice(b",\"duplicate\":true}}\n");
}

fn cloudhsm(enrichment: &Enrichment<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#","version":1"#);
    call(&enrichment.call, out);
    word(r#","outcome":""#, enrichment.outcome.word(), out);
    text(r#","error_code":""#, enrichment.error_code, out);
    number(r#","time_ms":"#, enrichment.time_ms, out);
    object(r#","actor":"#, out, |out| actor(&enrichment.actor, out));
    object(r#","origin":"#, out, |out| origin(&enrichment.origin, out));
    object(r#","resource":"#, out, |out| {
        resource(&enrichment.resource, out);
    });
    word(r#","severity":""#, enrichment.severity.word(), out);
    let reasons = enrichment.reasons.iter().map(|reason| reason.word());
    texts(r#","reasons":"#, reasons, out);
    let techniques = enrichment.attack.iter().map(|technique| technique.word());
    texts(r#","attack":"#, techniques, out);
}

fn call(call: &Call<'_>, out: &mut Vec<u8>) {
    text(r#","operation":""#, call.operation, out);
    flag(r#","known":"#, Some(call.known), out);
    word(r#","api":""#, call.api.word(), out);
    word(r#","access":""#, call.access.word(), out);
    word(r#","action":""#, call.action.word(), out);
    if let Some(resource_type) = call.resource_type {
        word(r#","resource_type":""#, resource_type.word(), out);
    }
    flag(r#","destructive":"#, Some(call.destructive), out);
}

fn actor(actor: &Actor<'_>, out: &mut Vec<u8>) {
    word(r#","kind":""#, actor.kind.word(), out);
    word(r#","credential":""#, actor.credential.word(), out);
    flag(r#","by_service":"#, Some(actor.by_service), out);
    text(r#","service":""#, actor.service, out);
    text(r#","name":""#, actor.name, out);
    text(r#","session_name":""#, actor.session_name, out);
    text(r#","arn":""#, actor.arn, out);
    text(r#","account_id":""#, actor.account_id, out);
    text(r#","issuer_arn":""#, actor.issuer_arn, out);
    if let Some(issuer_kind) = actor.issuer_kind {
        word(r#","issuer_kind":""#, issuer_kind.word(), out);
    }
    text(r#","permission_set":""#, actor.permission_set, out);
    flag(
        r#","service_linked":"#,
        actor.service_linked.then_some(true),
        out,
    );
    text(r#","instance_id":""#, actor.instance_id, out);
    text(r#","on_behalf_of":""#, actor.on_behalf_of, out);
    text(r#","identity_provider":""#, actor.identity_provider, out);
    flag(r#","mfa":"#, actor.mfa, out);
    flag(r#","console":"#, actor.console.then_some(true), out);
    if let Some(started) = actor.session_started {
        out.extend_from_slice(br#","session_started":""#);
        out.extend_from_slice(&started.text());
        out.push(b'"');
    }
    number(r#","session_age_seconds":"#, actor.session_age_seconds, out);
    flag(r#","cross_account":"#, actor.cross_account, out);
}

fn origin(origin: &Origin<'_>, out: &mut Vec<u8>) {
    word(r#","kind":""#, origin.kind.word(), out);
    text(r#","ip":""#, origin.ip, out);
    text(r#","vpc_endpoint_id":""#, origin.vpc_endpoint_id, out);
    if let Some(client) = origin.client {
        word(r#","client":""#, client.word(), out);
    }
}

fn resource(resource: &Resource<'_>, out: &mut Vec<u8>) {
    text(r#","cluster_id":""#, resource.cluster_id, out);
    text(r#","hsm_id":""#, resource.hsm_id, out);
    text(r#","backup_id":""#, resource.backup_id, out);
    text(r#","source_backup_id":""#, resource.source_backup_id, out);
    text(
        r#","source_backup_account":""#,
        resource.source_backup_account,
        out,
    );
    text(r#","source_cluster_id":""#, resource.source_cluster_id, out);
    text(r#","source_region":""#, resource.source_region, out);
    text(
        r#","destination_region":""#,
        resource.destination_region,
        out,
    );
    text(r#","availability_zone":""#, resource.availability_zone, out);
    text(r#","vpc_id":""#, resource.vpc_id, out);
    texts(
        r#","subnet_ids":"#,
        resource.subnet_ids.iter().copied(),
        out,
    );
    text(r#","security_group":""#, resource.security_group, out);
    text(r#","eni_id":""#, resource.eni_id, out);
    text(r#","eni_ip":""#, resource.eni_ip, out);
    text(r#","hsm_type":""#, resource.hsm_type, out);
    text(r#","mode":""#, resource.mode, out);
    text(r#","state":""#, resource.state, out);
    let hsms = resource.hsm_count.map(i64::try_from).and_then(Result::ok);
    number(r#","hsm_count":"#, hsms, out);
    let days = resource.retention_days.map(i64::from);
    number(r#","retention_days":"#, days, out);
    flag(r#","never_expires":"#, resource.never_expires, out);
    texts(r#","tag_keys":"#, resource.tag_keys.iter().copied(), out);
    text(r#","arn":""#, resource.arn, out);
    let shared_with = resource.shared_with.iter().map(String::as_str);
    texts(r#","shared_with":"#, shared_with, out);
}

// The members of an object. Each key comes with the comma before it, the colon behind it and the
// quote that opens its text, so that it is one short copy, of known length where the function is
// inlined; a member without a value is left out.

/// An object, left out when `write` writes no members.
fn object(key: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    bracketed(key, *b"{}", out, write);
}

/// What `write` writes, each part of it with a comma before it, between brackets; left out when
/// that is nothing.
fn bracketed(
    key: &str,
    [open, close]: [u8; 2],
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>),
) {
    let before = out.len();
    out.extend_from_slice(key.as_bytes());
    let begin = out.len();
    write(out);
    if let Some(first_comma) = out.get_mut(begin) {
        *first_comma = open;
        out.push(close);
    } else {
        out.truncate(before);
    }
}

/// A word of ours, which needs no escapes.
#[inline]
fn word(key: &str, word: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

/// Text of the event.
#[inline]
fn text(key: &str, text: Option<&str>, out: &mut Vec<u8>) {
    if let Some(text) = text {
        out.extend_from_slice(key.as_bytes());
        rest_of_string(text.as_bytes(), out);
    }
}

#[inline]
fn flag(key: &str, flag: Option<bool>, out: &mut Vec<u8>) {
    if let Some(flag) = flag {
        out.extend_from_slice(key.as_bytes());
        // Each a copy of known length, which is no call.
        if flag {
            out.extend_from_slice(b"true");
        } else {
            out.extend_from_slice(b"false");
        }
    }
}

fn number(key: &str, number: Option<i64>, out: &mut Vec<u8>) {
    if let Some(number) = number {
        out.extend_from_slice(key.as_bytes());
        integer(number, out);
    }
}

/// An array, left out when it is empty.
fn texts<'t>(key: &str, texts: impl Iterator<Item = &'t str>, out: &mut Vec<u8>) {
    bracketed(key, *b"[]", out, |out| {
        for text in texts {
            out.push(b',');
            string(text, out);
        }
    });
}

/// `text` as a JSON string, with the shortest escapes.
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    rest_of_string(text.as_bytes(), out);
}

/// All of a string but its opening quote.
fn rest_of_string(bytes: &[u8], out: &mut Vec<u8>) {
    if any_needs_escape(bytes) {
        escaped(bytes, out);
    } else {
        out.extend_from_slice(bytes);
    }
    out.push(b'"');
}

/// By blocks, the last of which overlaps the one before: the bytes behind whole blocks would take
/// the most time. Without an early end, as nearly no text has anything to escape.
fn any_needs_escape(bytes: &[u8]) -> bool {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<16>(), bytes.last_chunk()) {
        let ends = any_in_block(first) | any_in_block::<16>(last);
        let (between, _) = bytes.get(16..).unwrap_or_default().as_chunks::<16>();
        let either = |any, block| any | any_in_block(block);
        between.iter().fold(ends, either)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk()) {
        any_in_block(first) | any_in_block::<8>(last)
    } else {
        bytes.iter().any(|&byte| needs_escape(byte))
    }
}

/// Without an early end, so that it becomes vector instructions.
#[inline]
fn any_in_block<const N: usize>(block: &[u8; N]) -> bool {
    let either = |any, &byte: &u8| any | needs_escape(byte);
    block.iter().fold(false, either)
}

fn escaped(bytes: &[u8], out: &mut Vec<u8>) {
    for run in bytes.split_inclusive(|&byte| needs_escape(byte)) {
        match run {
            [clean @ .., last] if needs_escape(*last) => {
                out.extend_from_slice(clean);
                escape(*last, out);
            }
            clean => out.extend_from_slice(clean),
        }
    }
}

#[expect(
    clippy::needless_bitwise_bool,
    reason = "a branch for each byte would keep the compiler from using vectors"
)]
fn needs_escape(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    let letter = match byte {
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0..0x20 => {
            let low = byte & 0x0f;
            let low = if low < 10 {
                b'0' + low
            } else {
                b'a' + low - 10
            };
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), low]);
            return;
        }
        itself => itself,
    };
    out.extend_from_slice(&[b'\\', letter]);
}

fn integer(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn frames_become_lines() {
        for (frame, line) in [
            (r#"{"a":1}"#, r#"{"a":1}"#),
            (r#"{ "a" :	1 }"#, r#"{ "a" :	1 }"#),
            ("{\n  \"a\": 1\n}", "{\"a\": 1}"),
            ("{\r\n\t\"a\": 1\r\n}", "{\"a\": 1}"),
            ("{\r\t\"a\":\r1}", "{\"a\":1}"),
            ("{ \n \"a\" \t\n\n \r\n\t : 1}", "{ \"a\" \t: 1}"),
            ("{\"a\":1\n\n\n}", "{\"a\":1}"),
            (
                "{\"a\":\"\\n  \u{85}\u{2028}\u{a0}\"\n\u{b}}",
                "{\"a\":\"\\n  \u{85}\u{2028}\u{a0}\"\u{b}}",
            ),
            ("\n\n", ""),
            ("", ""),
        ] {
            assert_eq!(
                written(|out| copy(frame.as_bytes(), out)),
                line,
                "{frame:?}"
            );
        }
    }

    #[test]
    fn copying_appends() {
        let mut out = b"before\n".to_vec();
        copy(b"{\n}", &mut out);
        assert_eq!(out, b"before\n{}");
    }

    #[test]
    fn strings_are_those_of_serde_json() {
        let every: String = (0..=0x2ff).filter_map(char::from_u32).collect();
        for text in [
            "",
            "a",
            "\"",
            "\\\\",
            "a\u{7f}\u{1f}",
            "\u{10ffff}\u{2028}\n",
            &every,
        ] {
            assert_eq!(
                written(|out| string(text, out)),
                serde_json::to_string(text).unwrap()
            );
        }
    }

    /// What needs an escape is found wherever it stands in a text of whatever length.
    #[test]
    fn every_length_of_string_with_an_escape_at_every_place() {
        for length in 0..50 {
            let clean = "a~ \u{7f}é"
                .chars()
                .cycle()
                .take(length)
                .collect::<Vec<_>>();
            for at in 0..length {
                for odd in ['"', '\\', '\0', '\u{1f}'] {
                    let mut text = clean.clone();
                    text[at] = odd;
                    let text = String::from_iter(text);
                    assert_eq!(
                        written(|out| string(&text, out)),
                        serde_json::to_string(&text).unwrap()
                    );
                }
            }
        }
    }

    #[test]
    fn integers_are_those_of_the_standard_library() {
        for number in [
            0,
            1,
            9,
            10,
            99,
            100,
            101,
            999,
            -1,
            -10,
            1_499_745_045_000,
            i64::MAX,
            i64::MIN,
        ] {
            assert_eq!(written(|out| integer(number, out)), number.to_string());
        }
    }
}
