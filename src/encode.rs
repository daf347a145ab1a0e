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
//! lines that keep rejects ([`reject`]).
//!
//! Failure: none; a `Vec` takes everything.
//!
//! Cost: one pass and one copy over a frame; nothing is allocated but what the buffer grows by.

pub mod reject;

use memchr::memchr2;

use crate::enrich::Enrichment;
use crate::enrich::actor::{Actor, IssuerKind};
use crate::enrich::operation::{Call, ResourceType};
use crate::enrich::origin::{Client, Origin};
use crate::enrich::resource::Resource;

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
    splice_with(|out| cloudhsm(enrichment, out), out);
}

/// Puts the member `cloudhsm` into the record at the end of `out`, before its last brace, for a
/// record that holds events: `objects` is what [`cloudhsm`] has written of each, with commas
/// between, in an array when they are `several`.
pub fn splice_written(objects: &[u8], several: bool, out: &mut Vec<u8>) {
    let (open, close): (&[u8], &[u8]) = if several { (b"[", b"]") } else { (b"", b"") };
    splice_with(
        |out| [open, objects, close].map(|part| out.extend_from_slice(part)),
        out,
    );
}

fn splice_with<R>(write: impl FnOnce(&mut Vec<u8>) -> R, out: &mut Vec<u8>) {
    let brace = out.pop();
    debug_assert_eq!(brace, Some(b'}'), "a record ends with its own brace");
    out.extend_from_slice(b",\"cloudhsm\":");
    write(out);
    out.push(b'}');
}

/// Appends the `cloudhsm` object alone.
pub fn cloudhsm(enrichment: &Enrichment<'_>, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.integer("version", Some(1));
    call(&enrichment.call, &mut object);
    object.word("outcome", enrichment.outcome.word());
    object.text("error_code", enrichment.error_code);
    object.integer("time_ms", enrichment.time_ms);
    actor(&enrichment.actor, object.value("actor"));
    origin(&enrichment.origin, object.value("origin"));
    object.optional_object("resource", |out| resource(&enrichment.resource, out));
    object.word("severity", enrichment.severity.word());
    object.texts(
        "reasons",
        enrichment.reasons.iter().map(|reason| reason.word()),
    );
    object.texts(
        "attack",
        enrichment.attack.iter().map(|technique| technique.word()),
    );
    object.close();
}

fn call(call: &Call<'_>, object: &mut Object<'_>) {
    object.text("operation", call.operation);
    object.flag("known", Some(call.known));
    object.word("api", call.api.word());
    object.word("access", call.access.word());
    object.word("action", call.action.word());
    object.text("resource_type", call.resource_type.map(ResourceType::word));
    object.flag("destructive", Some(call.destructive));
}

fn actor(actor: &Actor<'_>, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.word("kind", actor.kind.word());
    object.word("credential", actor.credential.word());
    object.flag("by_service", Some(actor.by_service));
    object.text("service", actor.service);
    object.text("name", actor.name);
    object.text("session_name", actor.session_name);
    object.text("arn", actor.arn);
    object.text("account_id", actor.account_id);
    object.text("issuer_arn", actor.issuer_arn);
    object.text("issuer_kind", actor.issuer_kind.map(IssuerKind::word));
    object.text("permission_set", actor.permission_set);
    object.flag("service_linked", actor.service_linked.then_some(true));
    object.text("instance_id", actor.instance_id);
    object.text("on_behalf_of", actor.on_behalf_of);
    object.text("identity_provider", actor.identity_provider);
    object.flag("mfa", actor.mfa);
    object.flag("console", actor.console.then_some(true));
    if let Some(started) = actor.session_started {
        quoted(&started.text(), object.value("session_started"));
    }
    object.integer("session_age_seconds", actor.session_age_seconds);
    object.flag("cross_account", actor.cross_account);
    object.close();
}

fn origin(origin: &Origin<'_>, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.word("kind", origin.kind.word());
    object.text("ip", origin.ip);
    object.text("vpc_endpoint_id", origin.vpc_endpoint_id);
    object.text("client", origin.client.map(Client::word));
    object.close();
}

fn resource(resource: &Resource<'_>, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.text("cluster_id", resource.cluster_id);
    object.text("hsm_id", resource.hsm_id);
    object.text("backup_id", resource.backup_id);
    object.text("source_backup_id", resource.source_backup_id);
    object.text("source_backup_account", resource.source_backup_account);
    object.text("source_cluster_id", resource.source_cluster_id);
    object.text("source_region", resource.source_region);
    object.text("destination_region", resource.destination_region);
    object.text("availability_zone", resource.availability_zone);
    object.text("vpc_id", resource.vpc_id);
    object.texts("subnet_ids", resource.subnet_ids.iter().copied());
    object.text("security_group", resource.security_group);
    object.text("eni_id", resource.eni_id);
    object.text("eni_ip", resource.eni_ip);
    object.text("hsm_type", resource.hsm_type);
    object.text("mode", resource.mode);
    object.text("state", resource.state);
    object.integer(
        "hsm_count",
        resource
            .hsm_count
            .and_then(|count| i64::try_from(count).ok()),
    );
    object.integer("retention_days", resource.retention_days.map(i64::from));
    object.flag("never_expires", resource.never_expires);
    object.texts("tag_keys", resource.tag_keys.iter().copied());
    object.text("arn", resource.arn);
    object.texts(
        "shared_with",
        resource.shared_with.iter().map(String::as_str),
    );
    object.close();
}

/// A JSON object that is being written; a member without a value is left out.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    /// Where the first member begins: what is longer needs a comma.
    start: usize,
}

impl<'o> Object<'o> {
    fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            start: out.len(),
            out,
        }
    }

    fn close(self) {
        self.out.push(b'}');
    }

    /// Writes the key; the value is to be appended to what is returned.
    fn value(&mut self, key: &str) -> &mut Vec<u8> {
        if self.out.len() > self.start {
            self.out.push(b',');
        }
        quoted(key.as_bytes(), self.out);
        self.out.push(b':');
        self.out
    }

    /// A word of ours, which needs no escapes.
    fn word(&mut self, key: &str, word: &str) {
        quoted(word.as_bytes(), self.value(key));
    }

    fn text(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            string(text, self.value(key));
        }
    }

    fn flag(&mut self, key: &str, flag: Option<bool>) {
        if let Some(flag) = flag {
            let text: &[u8] = if flag { b"true" } else { b"false" };
            self.value(key).extend_from_slice(text);
        }
    }

    fn integer(&mut self, key: &str, number: Option<i64>) {
        if let Some(number) = number {
            integer(number, self.value(key));
        }
    }

    fn texts<'t>(&mut self, key: &str, texts: impl Iterator<Item = &'t str>) {
        let mut texts = texts.peekable();
        if texts.peek().is_none() {
            return;
        }
        let out = self.value(key);
        let mut before = b'[';
        for text in texts {
            out.push(before);
            string(text, out);
            before = b',';
        }
        out.push(b']');
    }

    /// An object that is left out when nothing is in it.
    fn optional_object(&mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
        let length = self.out.len();
        write(self.value(key));
        if self.out.ends_with(b"{}") {
            self.out.truncate(length);
        }
    }
}

/// `text` as a JSON string, with the shortest escapes.
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for run in text.as_bytes().split_inclusive(|byte| needs_escape(*byte)) {
        match run {
            [clean @ .., last] if needs_escape(*last) => {
                out.extend_from_slice(clean);
                escape(*last, out);
            }
            clean => out.extend_from_slice(clean),
        }
    }
    out.push(b'"');
}

fn needs_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20)
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

/// ASCII that needs no escapes, in quotes.
fn quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

fn integer(number: i64, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    let start = out.len();
    let mut rest = number.unsigned_abs();
    loop {
        out.push(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    // The digits came last first.
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
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

    #[test]
    fn integers_are_those_of_the_standard_library() {
        for number in [0, 1, 9, 10, -1, -10, 1_499_745_045_000, i64::MAX, i64::MIN] {
            assert_eq!(written(|out| integer(number, out)), number.to_string());
        }
    }
}
