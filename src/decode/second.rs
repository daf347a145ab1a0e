//! Reads a record a second time, by `serde_json` and by paths, to be compared with what was decoded.
//!
//! In → out: the text of one record; a [`Reading`], and of that the [`Event`] that the record has to
//! have been decoded as.
//!
//! Invariants: **Nothing is shared with the walk that it checks** but [`Event`] and the rules: names
//! compare after unescaping, the last of equal names counts, an unpaired surrogate reads as U+FFFD,
//! numbers may have any size. So there is no record that cannot be compared.
//!
//! Not here: what becomes of a record on which the two disagree (`pipeline`).
//!
//! Failure: a text that `serde_json` takes for no JSON has no [`Reading`].
//!
//! Cost: every byte is walked over at most twice a level, of which six are looked into. Allocates.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::cursor::MAX_DEPTH;
use crate::event::{
    Event, Identity, Policy, Request, Response, ResponseBackup, ResponseCluster,
    ResponseDestinationBackup, ResponseHsm, Session, Strings,
};

/// Reads a record; `None` for what is no JSON.
pub fn read(record: &str) -> Option<Reading<'_>> {
    Tree::of(record).map(Reading)
}

/// A record as `serde_json` reads it.
#[derive(Debug)]
pub struct Reading<'t>(Tree<'t>);

/// As deep as the deepest member that is read: a text in a list in a principal of a statement in
/// the list of a policy.
const LEVELS: usize = 5;

impl Reading<'_> {
    /// The event that it is.
    pub fn event(&self) -> Event<'_> {
        let record = &self.0;
        let mut event = Event {
            event_source: record.text("eventSource"),
            event_name: record.text("eventName"),
            event_time: record.text("eventTime"),
            event_type: record.text("eventType"),
            aws_region: record.text("awsRegion"),
            source_ip_address: record.text("sourceIPAddress"),
            user_agent: record.text("userAgent"),
            error_code: record.text("errorCode"),
            error_message: record.text("errorMessage"),
            read_only: record.bool("readOnly"),
            recipient_account_id: record.text("recipientAccountId"),
            vpc_endpoint_id: record.text("vpcEndpointId"),
            client_provided_host_header: record.at("tlsDetails").text("clientProvidedHostHeader"),
            session_credential_from_console: record.bool_or_word("sessionCredentialFromConsole")
                == Some(true),
            already_enriched: record.member("cloudhsm").is_some(),
            identity: identity(record.at("userIdentity")),
            request: request(record.at("requestParameters")),
            response: response(record.at("responseElements")),
        };
        if let (None, details @ Tree::Object(_)) = (event.event_source, record.at("insightDetails"))
        {
            event.event_source = details.text("eventSource");
            event.event_name = details.text("eventName");
            event.error_code = details.text("errorCode");
        }
        if event.event_name == Some("PutResourcePolicy") {
            event.request.policy = record
                .at("requestParameters")
                .text("policy")
                .and_then(policy)
                .map_or(Policy::Unreadable, Policy::Allows);
        }
        event
    }
}

fn identity<'e>(object: &'e Tree<'_>) -> Identity<'e> {
    let session = object.at("sessionContext");
    let attributes = session.at("attributes");
    let issuer = session.at("sessionIssuer");
    Identity {
        identity_type: object.text("type"),
        principal_id: object.text("principalId"),
        arn: object.text("arn"),
        account_id: object.text("accountId"),
        access_key_id: object.text("accessKeyId"),
        user_name: object.text("userName"),
        invoked_by: object.text("invokedBy"),
        identity_provider: object.text("identityProvider"),
        on_behalf_of_user_id: object.at("onBehalfOf").text("userId"),
        session: Session {
            creation_date: attributes.text("creationDate"),
            mfa_authenticated: attributes.bool_or_word("mfaAuthenticated"),
            issuer_type: issuer.text("type"),
            issuer_user_name: issuer.text("userName"),
            issuer_arn: issuer.text("arn"),
            federated_provider: session.at("webIdFederationData").text("federatedProvider"),
        },
    }
}

fn request<'e>(object: &'e Tree<'_>) -> Request<'e> {
    let classic = ["hsmArn", "sshKey", "iamRoleArn", "subscriptionType"];
    Request {
        has_cluster_id: object.has("clusterId"),
        has_classic_member: classic.iter().any(|name| object.has(name)),
        cluster_id: object.text("clusterId"),
        hsm_id: object.text("hsmId"),
        backup_id: object.text("backupId"),
        source_backup_id: object.text("sourceBackupId"),
        destination_region: object.text("destinationRegion"),
        availability_zone: object.text("availabilityZone"),
        subnet_id: object.text("subnetId"),
        subnet_ids: object.at("subnetIds").texts(Tree::as_text),
        eni_id: object.text("eniId"),
        eni_ip: object.text("eniIp"),
        hsm_type: object.text("hsmType"),
        mode: object.text("mode"),
        resource_id: object.text("resourceId"),
        resource_arn: object.text("resourceArn"),
        hsm_arn: object.text("hsmArn"),
        hapg_arn: object.text("hapgArn"),
        client_arn: object.text("clientArn"),
        backup_retention_value: object.at("backupRetentionPolicy").text("value"),
        never_expires: object.bool("neverExpires"),
        tag_list_keys: object.at("tagList").texts(|tag| tag.text("key")),
        tag_key_list: object.at("tagKeyList").texts(Tree::as_text),
        policy: Policy::Unreadable,
    }
}

fn response<'e>(object: &'e Tree<'_>) -> Response<'e> {
    let copy = object.at("destinationBackup");
    Response {
        hsm_id: object.text("hsmId"),
        state: object.text("state"),
        hsm_arn: object.text("hsmArn"),
        hapg_arn: object.text("hapgArn"),
        client_arn: object.text("clientArn"),
        hsm: hsm(object.at("hsm")),
        cluster: cluster(object.at("cluster")),
        backup: backup(object.at("backup")),
        destination_backup: ResponseDestinationBackup {
            source_backup: copy.text("sourceBackup"),
            source_cluster: copy.text("sourceCluster"),
            source_region: copy.text("sourceRegion"),
        },
    }
}

fn hsm<'e>(object: &'e Tree<'_>) -> ResponseHsm<'e> {
    ResponseHsm {
        cluster_id: object.text("clusterId"),
        hsm_id: object.text("hsmId"),
        availability_zone: object.text("availabilityZone"),
        subnet_id: object.text("subnetId"),
        eni_id: object.text("eniId"),
        eni_ip: object.text("eniIp"),
        hsm_type: object.text("hsmType"),
        state: object.text("state"),
    }
}

fn cluster<'e>(object: &'e Tree<'_>) -> ResponseCluster<'e> {
    ResponseCluster {
        cluster_id: object.text("clusterId"),
        source_backup_id: object.text("sourceBackupId"),
        vpc_id: object.text("vpcId"),
        security_group: object.text("securityGroup"),
        hsm_type: object.text("hsmType"),
        mode: object.text("mode"),
        state: object.text("state"),
        hsm_count: match object.at("hsms") {
            Tree::Array(hsms) => Some(hsms.len()),
            _ => None,
        },
    }
}

fn backup<'e>(object: &'e Tree<'_>) -> ResponseBackup<'e> {
    ResponseBackup {
        cluster_id: object.text("clusterId"),
        backup_id: object.text("backupId"),
        source_backup: object.text("sourceBackup"),
        source_cluster: object.text("sourceCluster"),
        source_region: object.text("sourceRegion"),
        hsm_type: object.text("hsmType"),
        mode: object.text("mode"),
        backup_state: object.text("backupState"),
    }
}

/// The principals that a policy allows; `None` for one that is unreadable.
pub(super) fn policy(json: &str) -> Option<Vec<String>> {
    let document = Tree::of(json).filter(|_| depth(json) <= MAX_DEPTH)?;
    let mut principals = Vec::new();
    match document.at("Statement") {
        Tree::Array(statements) => {
            for statement in statements {
                add_allowed(statement, &mut principals);
            }
        }
        statement @ Tree::Object(_) => add_allowed(statement, &mut principals),
        _ => return None,
    }
    Some(principals)
}

fn add_allowed(statement: &Tree<'_>, principals: &mut Vec<String>) {
    if statement.text("Effect") != Some("Allow") {
        return;
    }
    let mut add = |text: &str| principals.push(text.to_owned());
    match statement.at("Principal") {
        Tree::Object(kinds) => {
            let mut seen = HashSet::new();
            let mut counted: Vec<_> = kinds.iter().rev().collect();
            counted.retain(|(name, _)| seen.insert(name));
            for (_, kind) in counted.into_iter().rev() {
                kind.texts(Tree::as_text).into_iter().for_each(&mut add);
                kind.as_text().into_iter().for_each(&mut add);
            }
        }
        one => one.as_text().into_iter().for_each(&mut add),
    }
    if statement.has("NotPrincipal") {
        add("*");
    }
}

/// How many brackets outside strings are open at once at most.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A JSON value, as far as it is looked into.
#[derive(Debug)]
enum Tree<'t> {
    Null,
    Bool(bool),
    Text(Cow<'t, str>),
    Array(Box<[Tree<'t>]>),
    /// In the order of the text, with all of equal names.
    Object(Box<[(Cow<'t, str>, Tree<'t>)]>),
    /// A number, or what is nested too deep to be looked into.
    Other,
}

/// What is not there.
static NOTHING: Tree<'static> = Tree::Null;

impl<'t> Tree<'t> {
    fn of(json: &'t str) -> Option<Self> {
        let value: &RawValue = serde_json::from_str(json).ok()?;
        Self::read(value, LEVELS)
    }

    fn read(value: &'t RawValue, levels: usize) -> Option<Self> {
        let json = value.get();
        Some(match json.as_bytes().first()? {
            b'n' => Self::Null,
            b't' => Self::Bool(true),
            b'f' => Self::Bool(false),
            b'"' => Self::Text(serde_json::from_str::<Text<'t>>(json).ok()?.0),
            b'[' if levels > 0 => {
                let elements: Vec<&RawValue> = serde_json::from_str(json).ok()?;
                let read = |element| Self::read(element, levels - 1);
                Self::Array(elements.into_iter().map(read).collect::<Option<_>>()?)
            }
            b'{' if levels > 0 => {
                let Members(members) = serde_json::from_str(json).ok()?;
                let read = |(Text(name), value)| Some((name, Self::read(value, levels - 1)?));
                Self::Object(members.into_iter().map(read).collect::<Option<_>>()?)
            }
            _ => Self::Other,
        })
    }

    /// The last member of this name.
    fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => {
                let mut last = members.iter().rev();
                last.find(|(found, _)| found == name)
                    .map(|(_, value)| value)
            }
            _ => None,
        }
    }

    fn at(&self, name: &str) -> &Self {
        self.member(name).unwrap_or(&NOTHING)
    }

    fn has(&self, name: &str) -> bool {
        !matches!(self.at(name), Self::Null)
    }

    fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.at(name).as_text()
    }

    fn bool(&self, name: &str) -> Option<bool> {
        match self.at(name) {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    fn bool_or_word(&self, name: &str) -> Option<bool> {
        let word = || self.text(name)?.parse().ok();
        self.bool(name).or_else(word)
    }

    /// What `text` finds in the elements of an array.
    fn texts<'e>(&'e self, text: impl Fn(&'e Self) -> Option<&'e str>) -> Strings<'e> {
        match self {
            Self::Array(elements) => elements.iter().filter_map(text).collect(),
            _ => Strings::new(),
        }
    }
}

/// The members of an object, all of equal names.
struct Members<'t>(Vec<(Text<'t>, &'t RawValue)>);

impl<'t> Deserialize<'t> for Members<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'t> Visitor<'t> for MembersVisitor {
    type Value = Members<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'t>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

/// A string. As bytes, because that is how `serde_json` gives one with unpaired surrogates: in the
/// three bytes that UTF-8 would have for them.
struct Text<'t>(Cow<'t, str>);

impl<'t> Deserialize<'t> for Text<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(TextVisitor)
    }
}

struct TextVisitor;

impl<'t> Visitor<'t> for TextVisitor {
    type Value = Text<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'t [u8]) -> Result<Self::Value, E> {
        let text = str::from_utf8(bytes).map_err(E::custom)?;
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        let mut bytes = bytes.to_vec();
        let mut rest = &mut bytes[..];
        while let [first, tail @ ..] = rest {
            if let (0xed, [second @ 0xa0..=0xbf, third, ..]) = (*first, &mut *tail) {
                (*first, *second, *third) = (0xef, 0xbf, 0xbd);
            }
            rest = tail;
        }
        let text = String::from_utf8(bytes).map_err(E::custom)?;
        Ok(Text(Cow::Owned(text)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::super::EventDecoder;
    use super::super::texts::{OBJECTS, blank, json, nested};
    use super::*;

    /// Every member whose value is read.
    const EVERYTHING: &str = r#"{"eventSource":"a","eventName":"PutResourcePolicy",
        "eventTime":"c","eventType":"d","awsRegion":"e","sourceIPAddress":"f","userAgent":"g",
        "errorCode":"h","errorMessage":"i","readOnly":true,"recipientAccountId":"j",
        "vpcEndpointId":"k","tlsDetails":{"clientProvidedHostHeader":"l"},
        "sessionCredentialFromConsole":"true",
        "userIdentity":{"type":"a","principalId":"b","arn":"c","accountId":"d","accessKeyId":"e",
            "userName":"f","invokedBy":"g","identityProvider":"h","onBehalfOf":{"userId":"i"},
            "sessionContext":{"attributes":{"creationDate":"a","mfaAuthenticated":"true"},
                "sessionIssuer":{"type":"b","userName":"c","arn":"d"},
                "webIdFederationData":{"federatedProvider":"e"}}},
        "requestParameters":{"clusterId":"a","hsmId":"b","backupId":"c","sourceBackupId":"d",
            "destinationRegion":"e","availabilityZone":"f","subnetId":"g","subnetIds":["h","i"],
            "eniId":"j","eniIp":"k","hsmType":"l","mode":"m","resourceId":"n","resourceArn":"o",
            "hsmArn":"p","hapgArn":"q","clientArn":"r","backupRetentionPolicy":{"value":"s"},
            "neverExpires":false,"tagList":[{"key":"t"},{"key":"u"}],"tagKeyList":["v","w"],
            "policy":"{\"Statement\":[]}"},
        "responseElements":{"hsmId":"a","state":"b","hsmArn":"c","hapgArn":"d","clientArn":"e",
            "hsm":{"clusterId":"a","hsmId":"b","availabilityZone":"c","subnetId":"d","eniId":"e",
                "eniIp":"f","hsmType":"g","state":"h"},
            "cluster":{"clusterId":"a","sourceBackupId":"b","vpcId":"c","securityGroup":"d",
                "hsmType":"e","mode":"f","state":"g","hsms":"h"},
            "backup":{"clusterId":"a","backupId":"b","sourceBackup":"c","sourceCluster":"d",
                "sourceRegion":"e","hsmType":"f","mode":"g","backupState":"h"},
            "destinationBackup":{"sourceBackup":"a","sourceCluster":"b","sourceRegion":"c"}}}"#;

    /// What a tree says, in the terms of the model: every number 0, and so what is too deep.
    fn said(tree: &Tree<'_>) -> Value {
        match tree {
            Tree::Null => Value::Null,
            Tree::Bool(value) => Value::Bool(*value),
            Tree::Text(text) => Value::from(&**text),
            Tree::Array(elements) => elements.iter().map(said).collect(),
            Tree::Object(members) => {
                let members = members.iter();
                let members = members.map(|(name, value)| (name.to_string(), said(value)));
                Value::Object(members.collect::<Map<_, _>>())
            }
            Tree::Other => Value::from(0),
        }
    }

    fn pruned(value: Value, levels: usize) -> Value {
        match value {
            Value::Array(_) | Value::Object(_) if levels == 0 => Value::from(0),
            Value::Array(values) => {
                let values = values.into_iter();
                values.map(|value| pruned(value, levels - 1)).collect()
            }
            Value::Object(members) => {
                let members = members.into_iter();
                Value::Object(
                    members
                        .map(|(name, value)| (name, pruned(value, levels - 1)))
                        .collect(),
                )
            }
            value => value,
        }
    }

    fn agree(record: &str) -> bool {
        let reading = read(record).unwrap();
        EventDecoder::new().decode(record.as_bytes()) == Ok(reading.event())
    }

    #[test]
    fn there_is_no_record_that_cannot_be_compared() {
        for (name, record) in OBJECTS {
            assert!(agree(str::from_utf8(record).unwrap()), "{name}");
        }
        let deep = nested(&[("[", "]"), ("{\"a\":", "}")], 127);
        assert!(agree(&format!("{{\"tagList\":{deep}}}")));
        let number = "9".repeat(1000);
        assert!(agree(&format!("{{\"eventName\":{number}}}")));
    }

    #[test]
    fn what_is_no_json_has_no_reading() {
        for text in [
            "",
            "{",
            "{}{}",
            "{\"a\":\"\n\"}",
            "{\"a\":01}",
            "{\"a\":\"\\u00\"}",
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_policy_is_read_as_deep_as_a_record_may_be() {
        for depth in [124, 125, 126, 200] {
            let policy = format!(
                r#"{{"Statement":[{{"Effect":"Allow","Principal":"*","Condition":{}}}]}}"#,
                nested(&[("[", "]")], depth)
            );
            let policy = Value::from(policy);
            assert!(agree(&format!(
                r#"{{"eventName":"PutResourcePolicy","requestParameters":{{"policy":{policy}}}}}"#
            )));
        }
    }

    /// Changes each leaf in turn: the events have to differ, or the comparison would miss it.
    #[test]
    fn a_difference_in_any_member_is_seen() {
        assert!(agree(EVERYTHING));
        let whole: Value = serde_json::from_str(EVERYTHING).unwrap();
        let mut decoder = EventDecoder::new();
        let mut paths = Vec::new();
        leaves(&whole, "", &mut paths);
        for path in paths {
            let mut changed = whole.clone();
            let leaf = changed.pointer_mut(&path).unwrap();
            *leaf = match leaf.take() {
                Value::Bool(value) => Value::Bool(!value),
                Value::String(text) if text == "true" => Value::from("false"),
                // Of this one the length is read.
                _ if path.ends_with("/hsms") => Value::Array(Vec::new()),
                _ => Value::from("changed"),
            };
            let changed = changed.to_string();
            assert!(agree(&changed), "{path}");
            let reading = read(&changed).unwrap();
            let event = decoder.decode(EVERYTHING.as_bytes()).unwrap();
            assert!(event != reading.event(), "{path}");
        }
    }

    fn leaves(value: &Value, path: &str, paths: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    leaves(value, &format!("{path}/{name}"), paths);
                }
            }
            Value::Array(elements) => {
                for (at, value) in elements.iter().enumerate() {
                    leaves(value, &format!("{path}/{at}"), paths);
                }
            }
            _ => paths.push(path.to_owned()),
        }
    }

    proptest! {
        #[test]
        fn a_tree_is_what_the_model_means(json in json(), blank in blank()) {
            let text = json.print(blank);
            let tree = Tree::of(&text);
            prop_assert_eq!(tree.as_ref().map(said), Some(pruned(json.value(), LEVELS)));
        }
    }
}
