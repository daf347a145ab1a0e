//! Picks the members that an [`Event`] has while a cursor walks over a record.
//!
//! In → out: a cursor before a record; an [`Event`] that borrows the strings of its text, and the
//! text of `requestParameters.policy`.
//!
//! Invariants: **One pass over the members of each object, and the last of equal names counts**:
//! every arm assigns, also when the value is of another type, and an object's arm assigns all that
//! was read from it. So a later member replaces an earlier one wholly.
//!
//! Not here: the meaning of a member (`enrich`), the policy's own JSON ([`super::policy`]), JSON's
//! grammar ([`super::cursor`]).
//!
//! Failure: the cursor knows when the record is no JSON, and what was read from it is then of no
//! use; what is absent or of another type reads as absent.

use super::cursor::Cursor;
use crate::event::{
    Event, Identity, Request, Response, ResponseBackup, ResponseCluster, ResponseDestinationBackup,
    ResponseHsm, Session, Strings,
};

/// Fills `event`, which is empty, from a record, but for its policy. Returns the text of that.
pub(super) fn event<'a>(record: &mut Cursor<'a>, event: &mut Event<'a>) -> Option<&'a str> {
    let mut policy = None;
    let mut insight = None;
    record.members(|value, name| match name {
        b"eventSource" => event.event_source = value.text(),
        b"eventName" => event.event_name = value.text(),
        b"eventTime" => event.event_time = value.text(),
        b"eventType" => event.event_type = value.text(),
        b"awsRegion" => event.aws_region = value.text(),
        b"sourceIPAddress" => event.source_ip_address = value.text(),
        b"userAgent" => event.user_agent = value.text(),
        b"errorCode" => event.error_code = value.text(),
        b"errorMessage" => event.error_message = value.text(),
        b"readOnly" => event.read_only = value.bool(),
        b"recipientAccountId" => event.recipient_account_id = value.text(),
        b"vpcEndpointId" => event.vpc_endpoint_id = value.text(),
        b"tlsDetails" => {
            event.client_provided_host_header = text_of(value, b"clientProvidedHostHeader");
        }
        b"sessionCredentialFromConsole" => {
            event.session_credential_from_console = bool_or_word(value) == Some(true);
        }
        b"cloudhsm" => {
            event.already_enriched = true;
            value.skip();
        }
        b"userIdentity" => identity(value, &mut event.identity),
        b"requestParameters" => policy = request(value, &mut event.request),
        b"responseElements" => response(value, &mut event.response),
        b"insightDetails" => insight = insight_details(value),
        _ => value.skip(),
    });
    if let (None, Some(insight)) = (event.event_source, insight) {
        event.event_source = insight.event_source;
        event.event_name = insight.event_name;
        event.error_code = insight.error_code;
    }
    policy
}

/// `insightDetails`: of which calls an Insight event says that they are unusually many.
#[derive(Default)]
struct Insight<'a> {
    event_source: Option<&'a str>,
    event_name: Option<&'a str>,
    error_code: Option<&'a str>,
}

/// Nothing of a value that is no object.
fn insight_details<'a>(details: &mut Cursor<'a>) -> Option<Insight<'a>> {
    let mut insight = Insight::default();
    let is_object = details.members(|value, name| match name {
        b"eventSource" => insight.event_source = value.text(),
        b"eventName" => insight.event_name = value.text(),
        b"errorCode" => insight.error_code = value.text(),
        _ => value.skip(),
    });
    is_object.then_some(insight)
}

/// The text of the last member `name` of an object; nothing of another value.
fn text_of<'a>(object: &mut Cursor<'a>, name: &[u8]) -> Option<&'a str> {
    let mut last = None;
    object.members(|value, found| {
        if found == name {
            last = value.text();
        } else {
            value.skip();
        }
    });
    last
}

/// Whether a value is there, and its text.
fn present_text<'a>(value: &mut Cursor<'a>) -> (bool, Option<&'a str>) {
    let is_null = value.peek() == Some(b'n');
    (!is_null, value.text())
}

fn bool_or_word(value: &mut Cursor<'_>) -> Option<bool> {
    if value.peek() != Some(b'"') {
        return value.bool();
    }
    match value.text() {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    }
}

fn texts<'a>(list: &mut Cursor<'a>) -> Strings<'a> {
    let mut texts = Strings::new();
    list.elements(|element| texts.extend(element.text()));
    texts
}

/// The texts of the members `key` of the objects in an array.
fn keys<'a>(list: &mut Cursor<'a>) -> Strings<'a> {
    let mut keys = Strings::new();
    list.elements(|tag| keys.extend(text_of(tag, b"key")));
    keys
}

/// The length of an array.
fn length(list: &mut Cursor<'_>) -> Option<usize> {
    let mut length = 0;
    let is_array = list.elements(|element| {
        length += 1;
        element.skip();
    });
    is_array.then_some(length)
}

fn identity<'a>(object: &mut Cursor<'a>, identity: &mut Identity<'a>) {
    *identity = Identity::default();
    object.members(|value, name| match name {
        b"type" => identity.identity_type = value.text(),
        b"principalId" => identity.principal_id = value.text(),
        b"arn" => identity.arn = value.text(),
        b"accountId" => identity.account_id = value.text(),
        b"accessKeyId" => identity.access_key_id = value.text(),
        b"userName" => identity.user_name = value.text(),
        b"invokedBy" => identity.invoked_by = value.text(),
        b"identityProvider" => identity.identity_provider = value.text(),
        b"onBehalfOf" => identity.on_behalf_of_user_id = text_of(value, b"userId"),
        b"sessionContext" => session(value, &mut identity.session),
        _ => value.skip(),
    });
}

fn session<'a>(object: &mut Cursor<'a>, session: &mut Session<'a>) {
    *session = Session::default();
    object.members(|value, name| match name {
        b"attributes" => attributes(value, session),
        b"sessionIssuer" => issuer(value, session),
        b"webIdFederationData" => {
            session.federated_provider = text_of(value, b"federatedProvider");
        }
        _ => value.skip(),
    });
}

fn attributes<'a>(object: &mut Cursor<'a>, session: &mut Session<'a>) {
    (session.creation_date, session.mfa_authenticated) = (None, None);
    object.members(|value, name| match name {
        b"creationDate" => session.creation_date = value.text(),
        b"mfaAuthenticated" => session.mfa_authenticated = bool_or_word(value),
        _ => value.skip(),
    });
}

fn issuer<'a>(object: &mut Cursor<'a>, session: &mut Session<'a>) {
    (
        session.issuer_type,
        session.issuer_user_name,
        session.issuer_arn,
    ) = (None, None, None);
    object.members(|value, name| match name {
        b"type" => session.issuer_type = value.text(),
        b"userName" => session.issuer_user_name = value.text(),
        b"arn" => session.issuer_arn = value.text(),
        _ => value.skip(),
    });
}

/// Returns the text of the policy.
fn request<'a>(object: &mut Cursor<'a>, request: &mut Request<'a>) -> Option<&'a str> {
    *request = Request::default();
    let mut policy = None;
    let mut classic = Classic::default();
    object.members(|value, name| match name {
        b"clusterId" => {
            (request.has_cluster_id, request.cluster_id) = present_text(value);
        }
        b"hsmArn" => {
            (classic.hsm_arn, request.hsm_arn) = present_text(value);
        }
        b"sshKey" => classic.ssh_key = value.is_present(),
        b"iamRoleArn" => classic.iam_role_arn = value.is_present(),
        b"subscriptionType" => classic.subscription_type = value.is_present(),
        b"hsmId" => request.hsm_id = value.text(),
        b"backupId" => request.backup_id = value.text(),
        b"sourceBackupId" => request.source_backup_id = value.text(),
        b"destinationRegion" => request.destination_region = value.text(),
        b"availabilityZone" => request.availability_zone = value.text(),
        b"subnetId" => request.subnet_id = value.text(),
        b"subnetIds" => request.subnet_ids = texts(value),
        b"eniId" => request.eni_id = value.text(),
        b"eniIp" => request.eni_ip = value.text(),
        b"hsmType" => request.hsm_type = value.text(),
        b"mode" => request.mode = value.text(),
        b"resourceId" => request.resource_id = value.text(),
        b"resourceArn" => request.resource_arn = value.text(),
        b"hapgArn" => request.hapg_arn = value.text(),
        b"clientArn" => request.client_arn = value.text(),
        b"backupRetentionPolicy" => {
            request.backup_retention_value = text_of(value, b"value");
        }
        b"neverExpires" => request.never_expires = value.bool(),
        b"tagList" => request.tag_list_keys = keys(value),
        b"tagKeyList" => request.tag_key_list = texts(value),
        b"policy" => policy = value.text(),
        _ => value.skip(),
    });
    request.has_classic_member = classic.any();
    policy
}

/// Which of the members that only classic requests have are present.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four members, each there or not"
)]
struct Classic {
    hsm_arn: bool,
    ssh_key: bool,
    iam_role_arn: bool,
    subscription_type: bool,
}

impl Classic {
    fn any(&self) -> bool {
        self.hsm_arn || self.ssh_key || self.iam_role_arn || self.subscription_type
    }
}

fn response<'a>(object: &mut Cursor<'a>, response: &mut Response<'a>) {
    *response = Response::default();
    object.members(|value, name| match name {
        b"hsmId" => response.hsm_id = value.text(),
        b"state" => response.state = value.text(),
        b"hsmArn" => response.hsm_arn = value.text(),
        b"hapgArn" => response.hapg_arn = value.text(),
        b"clientArn" => response.client_arn = value.text(),
        b"hsm" => hsm(value, &mut response.hsm),
        b"cluster" => cluster(value, &mut response.cluster),
        b"backup" => backup(value, &mut response.backup),
        b"destinationBackup" => copy(value, &mut response.destination_backup),
        _ => value.skip(),
    });
}

fn hsm<'a>(object: &mut Cursor<'a>, hsm: &mut ResponseHsm<'a>) {
    *hsm = ResponseHsm::default();
    object.members(|value, name| match name {
        b"clusterId" => hsm.cluster_id = value.text(),
        b"hsmId" => hsm.hsm_id = value.text(),
        b"availabilityZone" => hsm.availability_zone = value.text(),
        b"subnetId" => hsm.subnet_id = value.text(),
        b"eniId" => hsm.eni_id = value.text(),
        b"eniIp" => hsm.eni_ip = value.text(),
        b"hsmType" => hsm.hsm_type = value.text(),
        b"state" => hsm.state = value.text(),
        _ => value.skip(),
    });
}

fn cluster<'a>(object: &mut Cursor<'a>, cluster: &mut ResponseCluster<'a>) {
    *cluster = ResponseCluster::default();
    object.members(|value, name| match name {
        b"clusterId" => cluster.cluster_id = value.text(),
        b"sourceBackupId" => cluster.source_backup_id = value.text(),
        b"vpcId" => cluster.vpc_id = value.text(),
        b"securityGroup" => cluster.security_group = value.text(),
        b"hsmType" => cluster.hsm_type = value.text(),
        b"mode" => cluster.mode = value.text(),
        b"state" => cluster.state = value.text(),
        b"hsms" => cluster.hsm_count = length(value),
        _ => value.skip(),
    });
}

fn backup<'a>(object: &mut Cursor<'a>, backup: &mut ResponseBackup<'a>) {
    *backup = ResponseBackup::default();
    object.members(|value, name| match name {
        b"clusterId" => backup.cluster_id = value.text(),
        b"backupId" => backup.backup_id = value.text(),
        b"sourceBackup" => backup.source_backup = value.text(),
        b"sourceCluster" => backup.source_cluster = value.text(),
        b"sourceRegion" => backup.source_region = value.text(),
        b"hsmType" => backup.hsm_type = value.text(),
        b"mode" => backup.mode = value.text(),
        b"backupState" => backup.backup_state = value.text(),
        _ => value.skip(),
    });
}

fn copy<'a>(object: &mut Cursor<'a>, backup: &mut ResponseDestinationBackup<'a>) {
    *backup = ResponseDestinationBackup::default();
    object.members(|value, name| match name {
        b"sourceBackup" => backup.source_backup = value.text(),
        b"sourceCluster" => backup.source_cluster = value.text(),
        b"sourceRegion" => backup.source_region = value.text(),
        _ => value.skip(),
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use smallvec::smallvec;

    use super::super::EventDecoder;
    use super::super::second::read;
    use super::super::texts::{Json, Text, blank, json, plain};
    use super::*;

    // The members that an event is read from, as the derived fields name them.
    const SCALARS: &[&str] = &[
        "eventSource",
        "eventName",
        "eventTime",
        "eventType",
        "awsRegion",
        "sourceIPAddress",
        "userAgent",
        "errorCode",
        "errorMessage",
        "readOnly",
        "recipientAccountId",
        "vpcEndpointId",
        "sessionCredentialFromConsole",
        "cloudhsm",
    ];
    const IDENTITY: &[&str] = &[
        "type",
        "principalId",
        "arn",
        "accountId",
        "accessKeyId",
        "userName",
        "invokedBy",
        "identityProvider",
    ];
    const REQUEST: &[&str] = &[
        "clusterId",
        "hsmId",
        "backupId",
        "sourceBackupId",
        "destinationRegion",
        "availabilityZone",
        "subnetId",
        "subnetIds",
        "eniId",
        "eniIp",
        "hsmType",
        "mode",
        "resourceId",
        "resourceArn",
        "hsmArn",
        "hapgArn",
        "clientArn",
        "neverExpires",
        "tagList",
        "tagKeyList",
        "sshKey",
        "iamRoleArn",
        "subscriptionType",
        "policy",
    ];
    const RESPONSE: &[&str] = &["hsmId", "state", "hsmArn", "hapgArn", "clientArn"];
    const HSM: &[&str] = &[
        "clusterId",
        "hsmId",
        "availabilityZone",
        "subnetId",
        "eniId",
        "eniIp",
        "hsmType",
        "state",
    ];
    const CLUSTER: &[&str] = &[
        "clusterId",
        "sourceBackupId",
        "vpcId",
        "securityGroup",
        "hsmType",
        "mode",
        "state",
        "hsms",
    ];
    const BACKUP: &[&str] = &[
        "clusterId",
        "backupId",
        "sourceBackup",
        "sourceCluster",
        "sourceRegion",
        "hsmType",
        "mode",
        "backupState",
    ];
    const COPY: &[&str] = &["sourceBackup", "sourceCluster", "sourceRegion"];

    #[test]
    fn an_insight_event_names_calls_in_its_details() {
        let details = r#""insightDetails":{"state":"Start","eventSource":"s","eventName":"n","errorCode":"c"}"#;
        let named = |source, name, code| Event {
            event_source: source,
            event_name: name,
            error_code: code,
            ..Event::default()
        };
        let of_details = named(Some("s"), Some("n"), Some("c"));
        for (record, expected) in [
            (format!("{{{details}}}"), of_details.clone()),
            (
                format!(r#"{{{details},"eventSource":""}}"#),
                of_details.clone(),
            ),
            (format!(r#"{{"eventName":"x",{details}}}"#), of_details),
            (
                format!(r#"{{{details},"eventSource":"x","eventName":"y"}}"#),
                named(Some("x"), Some("y"), None),
            ),
            (
                format!(r#"{{"eventName":"x",{details},"insightDetails":[]}}"#),
                named(None, Some("x"), None),
            ),
        ] {
            check(&record, &expected);
        }
    }

    fn check(record: &str, expected: &Event<'_>) {
        let mut decoder = EventDecoder::new();
        let event = decoder.decode(record.as_bytes()).unwrap();
        // As text, because an event cannot be compared with one of another lifetime.
        assert_eq!(format!("{event:?}"), format!("{expected:?}"), "{record}");
    }

    #[test]
    fn what_counts_as_absent() {
        for value in [
            "null",
            "\"\"",
            "0",
            "-1.5",
            "[]",
            "[\"x\"]",
            "{}",
            "{\"x\":\"y\"}",
            "true",
        ] {
            check(
                &format!(
                    r#"{{"eventName":{value},"userIdentity":{{"arn":{value}}},
                    "requestParameters":{{"subnetId":{value},"backupRetentionPolicy":{value}}},
                    "responseElements":{{"hsm":{{"eniId":{value}}},"backup":{value}}}}}"#
                ),
                &Event::default(),
            );
        }
    }

    #[test]
    fn bools_and_words() {
        let console = |yes| Event {
            session_credential_from_console: yes,
            ..Event::default()
        };
        let mfa = |mfa_authenticated| {
            let session = Session {
                mfa_authenticated,
                ..Session::default()
            };
            Event {
                identity: Identity {
                    session,
                    ..Identity::default()
                },
                ..Event::default()
            }
        };
        for (value, meaning) in [
            ("true", Some(true)),
            ("\"true\"", Some(true)),
            ("false", Some(false)),
            ("\"false\"", Some(false)),
            ("\"True\"", None),
            ("\" true\"", None),
            ("\"\"", None),
            ("1", None),
            ("null", None),
            ("[true]", None),
        ] {
            let record = format!("{{\"sessionCredentialFromConsole\":{value}}}");
            check(&record, &console(meaning == Some(true)));
            let attributes = format!("{{\"attributes\":{{\"mfaAuthenticated\":{value}}}}}");
            let record = format!("{{\"userIdentity\":{{\"sessionContext\":{attributes}}}}}");
            check(&record, &mfa(meaning));
            let strict = if value.starts_with('"') {
                None
            } else {
                meaning
            };
            check(
                &format!("{{\"readOnly\":{value}}}"),
                &Event {
                    read_only: strict,
                    ..Event::default()
                },
            );
        }
    }

    #[test]
    fn a_later_member_of_another_type_makes_it_absent() {
        for record in [
            r#"{"eventName":"a","eventName":7}"#,
            r#"{"readOnly":true,"readOnly":"true"}"#,
            r#"{"tlsDetails":{"clientProvidedHostHeader":"a"},"tlsDetails":[]}"#,
            r#"{"requestParameters":{"hsmId":"a"},"requestParameters":null}"#,
            r#"{"requestParameters":{"clusterId":"a","clusterId":null}}"#,
            r#"{"requestParameters":{"sshKey":"a","sshKey":null}}"#,
            r#"{"requestParameters":{"subnetIds":["a"],"subnetIds":{}}}"#,
            r#"{"requestParameters":{"tagList":[{"key":"a","key":0}]}}"#,
            r#"{"requestParameters":{"backupRetentionPolicy":{"value":"1","value":1}}}"#,
            r#"{"userIdentity":{"onBehalfOf":{"userId":"a"},"onBehalfOf":{}}}"#,
            r#"{"userIdentity":{"sessionContext":{"sessionIssuer":{"arn":"a"}},"sessionContext":{}}}"#,
            r#"{"userIdentity":{"sessionContext":{"attributes":{"creationDate":"a"},"attributes":0}}}"#,
            r#"{"responseElements":{"cluster":{"hsms":[]},"cluster":{}}}"#,
        ] {
            check(record, &Event::default());
        }
    }

    #[test]
    fn the_last_of_equal_names_counts() {
        let named = || Event {
            event_name: Some("b"),
            ..Event::default()
        };
        let request = |request| Event {
            request,
            ..Event::default()
        };
        for (record, expected) in [
            (r#"{"eventName":"a","eventName":"b"}"#, named()),
            (r#"{"eventName":"a","event\u004eame":"b"}"#, named()),
            (
                r#"{"cloudhsm":1,"cloudhsm":null}"#,
                Event {
                    already_enriched: true,
                    ..Event::default()
                },
            ),
            (
                r#"{"requestParameters":{"hsmId":"a"},"requestParameters":{"mode":"b"}}"#,
                request(Request {
                    mode: Some("b"),
                    ..Request::default()
                }),
            ),
            (
                r#"{"requestParameters":{"clusterId":null,"clusterId":0}}"#,
                request(Request {
                    has_cluster_id: true,
                    ..Request::default()
                }),
            ),
            (
                r#"{"requestParameters":{"sshKey":null,"iamRoleArn":"","sshKey":null}}"#,
                request(Request {
                    has_classic_member: true,
                    ..Request::default()
                }),
            ),
            (
                r#"{"requestParameters":{"tagList":[{"key":"a","key":"b"}]}}"#,
                request(Request {
                    tag_list_keys: smallvec!["b"],
                    ..Request::default()
                }),
            ),
        ] {
            check(record, &expected);
        }
    }

    #[test]
    fn lists_keep_what_is_a_string() {
        let expected = Request {
            subnet_ids: smallvec!["a", "b"],
            tag_list_keys: smallvec!["c", "d"],
            tag_key_list: (0..20).map(|_| "e").collect(),
            ..Request::default()
        };
        let record = format!(
            r#"{{"requestParameters":{{"subnetIds":["a",null,"",{{}},["x"],"b"],
            "tagList":[{{"key":"c","value":"v"}},{{"value":"v"}},"x",{{"key":null}},{{"key":"d"}}],
            "tagKeyList":[{}]}}}}"#,
            ["\"e\""; 20].join(",")
        );
        check(
            &record,
            &Event {
                request: expected,
                ..Event::default()
            },
        );
    }

    #[test]
    fn hsms_are_counted_when_they_are_an_array() {
        for (hsms, hsm_count) in [
            ("[]", Some(0)),
            ("[{},{\"a\":[1,2,3]}]", Some(2)),
            ("{}", None),
            ("null", None),
            ("\"2\"", None),
        ] {
            let cluster = ResponseCluster {
                hsm_count,
                ..ResponseCluster::default()
            };
            let response = Response {
                cluster,
                ..Response::default()
            };
            let record = format!("{{\"responseElements\":{{\"cluster\":{{\"hsms\":{hsms}}}}}}}");
            check(
                &record,
                &Event {
                    response,
                    ..Event::default()
                },
            );
        }
    }

    #[test]
    fn names_match_exactly_and_only_at_their_level() {
        for record in [
            r#"{"EventName":"a"}"#,
            r#"{"eventname":"a"}"#,
            r#"{"eventName ":"a"}"#,
            r#"{"detail":{"eventName":"a","cloudhsm":{}}}"#,
            r#"{"userIdentity":[{"arn":"a"}]}"#,
            r#"{"arn":"a","hsmId":"b"}"#,
        ] {
            check(record, &Event::default());
        }
    }

    fn written(name: &str) -> impl Strategy<Value = Text> + use<> {
        let name = plain(name);
        prop_oneof![
            4 => Just(name.clone()),
            1 => prop::collection::vec(any::<bool>(), name.len()).prop_map(move |escapes| {
                name.iter().zip(escapes).map(|(&(unit, _), escape)| (unit, escape)).collect()
            }),
        ]
    }

    fn leaf() -> impl Strategy<Value = Json> + Clone {
        let word = prop::sample::select(vec!["", "true", "false", "a", "cluster-1234"]);
        let words = || prop::sample::select(vec!["", "a", "b"]).prop_map(|w| Json::Text(plain(w)));
        let tag = words().prop_map(|key| Json::Object(vec![(plain("key"), key)]));
        prop_oneof![
            4 => word.prop_map(|word| Json::Text(plain(word))),
            1 => any::<bool>().prop_map(Json::Bool),
            1 => prop::collection::vec(prop_oneof![words(), tag, json()], 0..4)
                .prop_map(Json::Array),
            2 => json(),
        ]
        .boxed()
    }

    /// An object of some of the members `scalars` and `objects`, in any order, some twice, and
    /// some of another type than they should be.
    fn shaped(scalars: &[&str], objects: Vec<(&str, BoxedStrategy<Json>)>) -> BoxedStrategy<Json> {
        let mut members: Vec<_> = scalars
            .iter()
            .map(|name| (written(name), leaf()).boxed())
            .collect();
        for (name, object) in objects {
            let weights = prop_oneof![6 => object, 1 => leaf()];
            let member = (written(name), weights).boxed();
            // As often as the scalars together, so that the depths are visited.
            members.extend((0..=scalars.len() / 4).map(|_| member.clone()));
        }
        let member = proptest::strategy::Union::new(members);
        let other = (json(), json()).prop_map(|(_, value)| (plain("other"), value));
        prop::collection::vec(prop_oneof![8 => member, 1 => other], 0..14)
            .prop_map(Json::Object)
            .boxed()
    }

    fn record() -> BoxedStrategy<Json> {
        let session = shaped(
            &[],
            vec![
                (
                    "attributes",
                    shaped(&["creationDate", "mfaAuthenticated"], vec![]),
                ),
                (
                    "sessionIssuer",
                    shaped(&["type", "userName", "arn"], vec![]),
                ),
                (
                    "webIdFederationData",
                    shaped(&["federatedProvider"], vec![]),
                ),
            ],
        );
        let identity = shaped(
            IDENTITY,
            vec![
                ("onBehalfOf", shaped(&["userId"], vec![])),
                ("sessionContext", session),
            ],
        );
        let request = shaped(
            REQUEST,
            vec![("backupRetentionPolicy", shaped(&["value"], vec![]))],
        );
        let response = shaped(
            RESPONSE,
            vec![
                ("hsm", shaped(HSM, vec![])),
                ("cluster", shaped(CLUSTER, vec![])),
                ("backup", shaped(BACKUP, vec![])),
                ("destinationBackup", shaped(COPY, vec![])),
            ],
        );
        shaped(
            SCALARS,
            vec![
                ("tlsDetails", shaped(&["clientProvidedHostHeader"], vec![])),
                ("userIdentity", identity),
                ("requestParameters", request),
                ("responseElements", response),
            ],
        )
    }

    proptest! {
        // Records are large, and most of their members are independent of one another.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn an_event_is_what_its_paths_lead_to(
            records in prop::collection::vec((record(), blank()), 1..3),
        ) {
            let mut decoder = EventDecoder::new();
            for (record, blank) in records {
                let text = record.print(blank);
                let reading = read(&text).unwrap();
                prop_assert_eq!(decoder.decode(text.trim().as_bytes()), Ok(reading.event()));
            }
        }
    }
}
