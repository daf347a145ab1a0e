//! The derived fields, rule by rule: each row of the tables below is one event and what the
//! `cloudhsm` object must say about it. Further tests ask that the rows reach every word there is.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy lets tests panic, but not their helpers; a table is as long as its rules"
)]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use hsmtrail::encode;
use hsmtrail::enrich::actor::{ActorKind, Credential, IssuerKind};
use hsmtrail::enrich::operation::{Access, Action, Api, CATALOGUE, ResourceType};
use hsmtrail::enrich::origin::{Client, OriginKind};
use hsmtrail::enrich::severity::{Reason, Technique};
use hsmtrail::enrich::{Outcome, Severity, enrich};
use hsmtrail::event::{
    Event, Identity, Policy, Request, Response, ResponseBackup, ResponseCluster,
    ResponseDestinationBackup, ResponseHsm, Session,
};
use hsmtrail::schema;
use jsonschema::Validator;
use serde_json::{Value, json};

/// What a rule is called, an event, and by JSON pointer what must be there; null: nothing.
type Row = (&'static str, Event<'static>, Value);

const OWN: &str = "111122223333";
const OTHER: &str = "444455556666";

#[test]
fn every_rule() {
    for (rule, event, expected) in table() {
        let object = object(&event);
        for (pointer, value) in expected.as_object().expect(rule) {
            let found = object.pointer(pointer).unwrap_or(&Value::Null);
            assert_eq!(found, value, "{rule}: {pointer} of {object}");
        }
    }
}

/// No nulls, no empty strings, arrays or objects.
#[test]
fn what_is_not_known_is_not_there() {
    fn check(rule: &str, value: &Value) {
        match value {
            Value::Null => panic!("{rule}: null"),
            Value::String(text) => assert!(!text.is_empty(), "{rule}"),
            Value::Array(items) => {
                assert!(!items.is_empty(), "{rule}");
                for item in items {
                    check(rule, item);
                }
            }
            Value::Object(members) => {
                assert!(!members.is_empty(), "{rule}");
                for member in members.values() {
                    check(rule, member);
                }
            }
            Value::Bool(_) | Value::Number(_) => {}
        }
    }
    for (rule, event, _) in table() {
        check(rule, &object(&event));
    }
}

#[test]
fn every_word_is_reached() {
    let objects: Vec<_> = table().iter().map(|(_, event, _)| object(event)).collect();
    let words = |pointer: &str| -> BTreeSet<String> {
        let found = objects.iter().filter_map(|object| object.pointer(pointer));
        let texts = found.flat_map(|value| match value {
            Value::Array(items) => items.clone(),
            other => vec![other.clone()],
        });
        texts
            .map(|value| value.as_str().expect(pointer).to_owned())
            .collect()
    };
    assert_eq!(words("/api"), all(Api::ALL.map(Api::word)));
    assert_eq!(words("/access"), all(Access::ALL.map(Access::word)));
    assert_eq!(words("/action"), all(Action::ALL.map(Action::word)));
    assert_eq!(
        words("/resource_type"),
        all(ResourceType::ALL.map(ResourceType::word))
    );
    assert_eq!(words("/outcome"), all(Outcome::ALL.map(Outcome::word)));
    assert_eq!(
        words("/actor/kind"),
        all(ActorKind::ALL.map(ActorKind::word))
    );
    assert_eq!(
        words("/actor/credential"),
        all(Credential::ALL.map(Credential::word))
    );
    assert_eq!(
        words("/actor/issuer_kind"),
        all(IssuerKind::ALL.map(IssuerKind::word))
    );
    assert_eq!(
        words("/origin/kind"),
        all(OriginKind::ALL.map(OriginKind::word))
    );
    assert_eq!(words("/origin/client"), all(Client::ALL.map(Client::word)));
    assert_eq!(words("/severity"), all(Severity::ALL.map(Severity::word)));
    assert_eq!(words("/reasons"), all(Reason::ALL.map(Reason::word)));
    assert_eq!(words("/attack"), all(Technique::ALL.map(Technique::word)));
}

#[test]
fn every_operation_is_reached_in_its_generation() {
    let reached: BTreeSet<_> = table()
        .iter()
        .filter_map(|(_, event, _)| {
            let call = enrich(event)?.call;
            Some((call.operation?.to_owned(), call.api.word()))
        })
        .collect();
    for row in &CATALOGUE {
        let key = (row.name.to_owned(), row.generation.word());
        assert!(reached.contains(&key), "{key:?}");
    }
}

/// In the order of the rules, techniques once each; the severity says no less than any reason.
#[test]
fn reasons_keep_their_order() {
    for (rule, event, _) in table() {
        let enrichment = enrich(&event).unwrap();
        let order = |reason: &Reason| Reason::ALL.iter().position(|other| other == reason);
        assert!(
            enrichment
                .reasons
                .is_sorted_by(|one, next| order(one) < order(next)),
            "{rule}: {:?}",
            enrichment.reasons
        );
        let once: BTreeSet<_> = enrichment.attack.iter().map(|id| id.word()).collect();
        assert_eq!(once.len(), enrichment.attack.len(), "{rule}");
        assert!(
            !enrichment.reasons.spilled() && !enrichment.attack.spilled(),
            "{rule}"
        );
    }
}

#[test]
fn only_cloudhsm_events_are_enriched() {
    for (source, cloudhsm) in [
        (Some("cloudhsm.amazonaws.com"), true),
        (Some("cloudhsmv2.amazonaws.com"), true),
        (Some("cloudhsm.amazonaws.com.cn"), true),
        (Some("cloudhsmv2.amazonaws.com.cn"), true),
        (Some("cloudhsm.amazonaws.com.cn.cn"), false),
        (Some("cloudhsmv3.amazonaws.com"), false),
        (Some("CloudHSM.amazonaws.com"), false),
        (Some(" cloudhsm.amazonaws.com"), false),
        (Some("cloudhsm"), false),
        (Some("kms.amazonaws.com"), false),
        (None, false),
    ] {
        let event = Event {
            event_source: source,
            ..on("DeleteHsm", |_| {})
        };
        assert_eq!(enrich(&event).is_some(), cloudhsm, "{source:?}");
        let again = Event {
            already_enriched: true,
            ..event
        };
        assert_eq!(enrich(&again), None, "{source:?}");
    }
}

/// White space before the last brace, and whatever else stands in the record, stays.
#[test]
fn splicing_changes_nothing_before_it() {
    let event = on("ListTags", |_| {});
    let enrichment = enrich(&event).unwrap();
    let object = line(&event, "{\"a\":1}");
    let member = object.strip_prefix("{\"a\":1").unwrap();
    for record in [
        "{\"a\":1.0 }",
        "{ \"a\" : 1 \t}",
        "{\"a\":{}}",
        "{\"a\":1,\"a\":\"\\u00e4\"}",
    ] {
        let mut out = format!("before\n{record}").into_bytes();
        encode::splice(&enrichment, &mut out);
        let expected = format!("before\n{}{member}", record.strip_suffix('}').unwrap());
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

/// The event of AWS's `CloudHSM` guide.
#[test]
fn worked_example() {
    let identity = Identity {
        identity_type: Some("AssumedRole"),
        principal_id: Some("AROAJZVM5NEGZSTCITAMM:ExampleSession"),
        arn: Some("arn:aws:sts::111122223333:assumed-role/AdminRole/ExampleSession"),
        account_id: Some(OWN),
        access_key_id: Some("ASIAIY22AX6VRYNBGJSA"),
        session: Session {
            creation_date: Some("2017-07-11T03:48:44Z"),
            mfa_authenticated: Some(false),
            issuer_type: Some("Role"),
            issuer_user_name: Some("AdminRole"),
            issuer_arn: Some("arn:aws:iam::111122223333:role/AdminRole"),
            ..Session::default()
        },
        ..Identity::default()
    };
    let hsm = ResponseHsm {
        cluster_id: Some("cluster-fw7mh6mayb5"),
        hsm_id: Some("hsm-6lz2hfmnzbx"),
        availability_zone: Some("us-west-2b"),
        subnet_id: Some("subnet-02c28c4b"),
        eni_id: Some("eni-65338b5a"),
        eni_ip: Some("10.0.2.7"),
        state: Some("CREATE_IN_PROGRESS"),
        ..ResponseHsm::default()
    };
    let event = Event {
        event_source: Some("cloudhsm.amazonaws.com"),
        event_name: Some("CreateHsm"),
        event_time: Some("2017-07-11T03:50:45Z"),
        event_type: Some("AwsApiCall"),
        aws_region: Some("us-west-2"),
        source_ip_address: Some("205.251.233.179"),
        user_agent: Some("aws-internal/3"),
        recipient_account_id: Some(OWN),
        identity,
        request: Request {
            has_cluster_id: true,
            cluster_id: Some("cluster-fw7mh6mayb5"),
            availability_zone: Some("us-west-2b"),
            ..Request::default()
        },
        response: Response {
            hsm,
            ..Response::default()
        },
        ..Event::default()
    };
    let expected = concat!(
        r#"{"eventVersion":"1.05","cloudhsm":"#,
        r#"{"version":1,"operation":"CreateHsm","known":true,"api":"v2","access":"write","action":"create","resource_type":"hsm","destructive":false,"outcome":"success","time_ms":1499745045000,"#,
        r#""actor":{"kind":"assumed_role","credential":"temporary","by_service":false,"name":"AdminRole","session_name":"ExampleSession","arn":"arn:aws:sts::111122223333:assumed-role/AdminRole/ExampleSession","account_id":"111122223333","issuer_arn":"arn:aws:iam::111122223333:role/AdminRole","mfa":false,"session_started":"2017-07-11T03:48:44Z","session_age_seconds":121,"cross_account":false},"#,
        r#""origin":{"kind":"public","ip":"205.251.233.179","client":"aws_internal"},"#,
        r#""resource":{"cluster_id":"cluster-fw7mh6mayb5","hsm_id":"hsm-6lz2hfmnzbx","availability_zone":"us-west-2b","subnet_ids":["subnet-02c28c4b"],"eni_id":"eni-65338b5a","eni_ip":"10.0.2.7","state":"CREATE_IN_PROGRESS"},"#,
        r#""severity":"low","reasons":["hsm_created"],"attack":["T1578.002"]}}"#,
    );
    assert_eq!(line(&event, r#"{"eventVersion":"1.05"}"#), expected);
}

/// Every member of `resource` and `origin`, and most of `actor`, in order.
#[test]
fn full_event() {
    let event = on("PutResourcePolicy", |event| {
        event.event_time = Some("1969-12-31T23:59:59.9999-00:30");
        event.aws_region = Some("us-east-1");
        event.source_ip_address = Some("10.1.2.3");
        event.vpc_endpoint_id = Some("vpce-0a");
        event.user_agent = Some("\u{1f}");
        event.error_code = Some("VpceAccessDenied \"\\/\u{7}é\u{7f}");
        event.session_credential_from_console = true;
        event.recipient_account_id = Some(OTHER);
        event.identity = Identity {
            identity_type: Some("AssumedRole"),
            principal_id: Some("AROAEXAMPLE:i-0dbc91f429e48eeed"),
            arn: Some("arn:aws:sts::111122223333:assumed-role/ignored/i-0dbc91f429e48eeed"),
            account_id: Some(OWN),
            access_key_id: Some("AKIAEXAMPLE"),
            user_name: Some("ignored"),
            invoked_by: Some("backup.amazonaws.com"),
            identity_provider: Some("accounts.example.com"),
            on_behalf_of_user_id: Some("e3644802"),
            session: Session {
                creation_date: Some("1970-01-01T00:00:00.99985Z"),
                mfa_authenticated: Some(true),
                issuer_type: Some("Role"),
                issuer_user_name: Some("AWSReservedSSO_Key_Admins_0123456789abcdef"),
                issuer_arn: Some("arn:aws:iam::111122223333:role/aws-service-role/x"),
                federated_provider: Some("ignored"),
            },
        };
        event.request = full_request();
        event.response = full_response();
    });
    let expected = concat!(
        r#"{"eventVersion":"1.11" ,"cloudhsm":"#,
        r#"{"version":1,"operation":"PutResourcePolicy","known":true,"api":"v2","access":"write","action":"share","resource_type":"resource_policy","destructive":false,"outcome":"denied","error_code":"VpceAccessDenied \"\\/\u0007é"#,
        "\u{7f}",
        r#"","time_ms":1799999,"#,
        r#""actor":{"kind":"assumed_role","credential":"long_term","by_service":true,"service":"backup.amazonaws.com","name":"AWSReservedSSO_Key_Admins_0123456789abcdef","session_name":"i-0dbc91f429e48eeed","arn":"arn:aws:sts::111122223333:assumed-role/ignored/i-0dbc91f429e48eeed","account_id":"111122223333","issuer_arn":"arn:aws:iam::111122223333:role/aws-service-role/x","permission_set":"Key_Admins","service_linked":true,"instance_id":"i-0dbc91f429e48eeed","on_behalf_of":"e3644802","identity_provider":"accounts.example.com","mfa":true,"console":true,"session_started":"1970-01-01T00:00:00Z","session_age_seconds":1799,"cross_account":true},"#,
        r#""origin":{"kind":"private","ip":"10.1.2.3","vpc_endpoint_id":"vpce-0a","client":"console"},"#,
        r#""resource":{"cluster_id":"c1","hsm_id":"h1","backup_id":"b1","source_backup_id":"backup-source","source_backup_account":"444455556666","source_cluster_id":"sc","source_region":"sr","destination_region":"dr","availability_zone":"az1","vpc_id":"vpc","subnet_ids":["s1","s2"],"security_group":"sg","eni_id":"e1","eni_ip":"ip1","hsm_type":"t1","mode":"m1","state":"st","hsm_count":0,"retention_days":7,"never_expires":false,"tag_keys":["k1","k2"],"arn":"ra","shared_with":["*","111122223333"]},"#,
        r#""severity":"critical","reasons":["denied_destructive","cross_account_actor","long_term_key","service_initiated"],"attack":["T1537","T1078.004"]}}"#,
    );
    assert_eq!(line(&event, r#"{"eventVersion":"1.11" }"#), expected);
}

/// Nothing but what is always there.
#[test]
fn bare_event() {
    let event = Event {
        event_source: Some("cloudhsmv2.amazonaws.com.cn"),
        ..Event::default()
    };
    let expected = concat!(
        r#"{"a":0,"cloudhsm":{"version":1,"known":false,"api":"unknown","access":"write","action":"other","destructive":false,"outcome":"success","#,
        r#""actor":{"kind":"unknown","credential":"unknown","by_service":false},"origin":{"kind":"unknown"},"#,
        r#""severity":"low","reasons":["unknown_operation"]}}"#,
    );
    assert_eq!(line(&event, r#"{"a":0}"#), expected);
    let event = on("DescribeClusters", |_| {});
    let expected = concat!(
        r#"{"a":0,"cloudhsm":{"version":1,"operation":"DescribeClusters","known":true,"api":"v2","access":"read","action":"read","resource_type":"cluster","destructive":false,"outcome":"success","#,
        r#""actor":{"kind":"unknown","credential":"unknown","by_service":false},"origin":{"kind":"unknown"},"#,
        r#""severity":"informational"}}"#,
    );
    assert_eq!(line(&event, r#"{"a":0}"#), expected);
}

fn full_request() -> Request<'static> {
    Request {
        has_cluster_id: true,
        has_classic_member: true,
        cluster_id: Some("c1"),
        hsm_id: Some("h1"),
        backup_id: Some("b1"),
        source_backup_id: Some("arn:aws:cloudhsm:us-east-1:444455556666:backup/backup-source"),
        destination_region: Some("dr"),
        availability_zone: Some("az1"),
        subnet_id: Some("s9"),
        subnet_ids: ["s1", "s2"].into_iter().collect(),
        eni_id: Some("e1"),
        eni_ip: Some("ip1"),
        hsm_type: Some("t1"),
        mode: Some("m1"),
        resource_id: Some("cluster-tagged"),
        resource_arn: Some("ra"),
        hsm_arn: Some("ha"),
        hapg_arn: Some("pa"),
        client_arn: Some("ca"),
        backup_retention_value: Some("007"),
        never_expires: Some(false),
        tag_list_keys: ["k1", "k2"].into_iter().collect(),
        tag_key_list: ["k3"].into_iter().collect(),
        policy: allows(&[OWN, "*", "*"]),
    }
}

fn full_response() -> Response<'static> {
    Response {
        hsm_id: Some("h3"),
        state: Some("st"),
        hsm_arn: Some("ha3"),
        hapg_arn: Some("pa3"),
        client_arn: Some("ca3"),
        hsm: ResponseHsm::default(),
        cluster: ResponseCluster {
            vpc_id: Some("vpc"),
            security_group: Some("sg"),
            hsm_count: Some(0),
            ..ResponseCluster::default()
        },
        backup: ResponseBackup {
            source_cluster: Some("sc2"),
            source_region: Some("sr2"),
            ..ResponseBackup::default()
        },
        destination_backup: ResponseDestinationBackup {
            source_backup: Some("sb"),
            source_cluster: Some("sc"),
            source_region: Some("sr"),
        },
    }
}

fn table() -> Vec<Row> {
    [
        catalogue(),
        calls(),
        outcomes(),
        actors(),
        names(),
        sessions(),
        origins(),
        resources(),
        resources_of_backups(),
        shares(),
        worked(),
        did_not_work(),
        who(),
    ]
    .concat()
}

/// Every row of the catalogue, by name alone or, where two generations share it, by a member.
fn catalogue() -> Vec<Row> {
    let rows = CATALOGUE.iter().map(|row| {
        let event = on(row.name, |event| {
            event.request.has_cluster_id = row.generation == Api::V2;
            event.request.has_classic_member = row.generation == Api::Classic;
            // Nothing else has a say.
            event.read_only = Some(row.access == Access::Write);
        });
        let expected = json!({
            "/operation": row.name,
            "/known": true,
            "/api": row.generation.word(),
            "/access": row.access.word(),
            "/action": row.action.word(),
            "/resource_type": row.resource_type.word(),
            "/destructive": row.destructive,
        });
        (row.name, event, expected)
    });
    rows.collect()
}

#[rustfmt::skip]
fn calls() -> Vec<Row> {
    let mut rows = vec![
        ("no name", Event { event_name: None, ..on("", |_| {}) }, json!({"/operation": null, "/known": false, "/action": "other", "/access": "write", "/resource_type": null, "/destructive": false})),
        ("names match exactly", on("createHsm", |_| {}), json!({"/operation": "createHsm", "/known": false, "/action": "other"})),
        ("one generation decides", on("DeleteHapg", |e| e.client_provided_host_header = Some("cloudhsmv2.us-east-1.amazonaws.com")), json!({"/api": "classic"})),
        ("cluster id goes before classic members", on("CreateHsm", |e| { e.request.has_cluster_id = true; e.request.has_classic_member = true; }), json!({"/api": "v2"})),
        ("members go before the host", on("DeleteHsm", |e| { e.request.has_classic_member = true; e.client_provided_host_header = Some("cloudhsmv2.us-east-1.amazonaws.com"); }), json!({"/api": "classic"})),
        ("host of v2", on("CreateHsm", |e| e.client_provided_host_header = Some("cloudhsmv2.us-east-1.amazonaws.com")), json!({"/api": "v2"})),
        ("host of classic", on("DeleteHsm", |e| e.client_provided_host_header = Some("cloudhsm.us-east-1.amazonaws.com")), json!({"/api": "classic"})),
        ("other host", on("DeleteHsm", |e| e.client_provided_host_header = Some("cloudhsmv3.us-east-1.amazonaws.com")), json!({"/api": "unknown"})),
        ("no host", on("CreateHsm", |_| {}), json!({"/api": "unknown"})),
        ("host of an unknown name", on("Frobnicate", |e| { e.client_provided_host_header = Some("cloudhsmv2.x"); e.request.has_classic_member = true; }), json!({"/api": "v2"})),
        ("members of an unknown name say nothing", on("Frobnicate", |e| e.request.has_cluster_id = true), json!({"/api": "unknown"})),
        ("readOnly of an unknown name", on("FrobnicateHsm", |e| e.read_only = Some(true)), json!({"/access": "read"})),
        ("readOnly goes before the prefix", on("DescribeFuture", |e| e.read_only = Some(false)), json!({"/access": "write", "/action": "read"})),
        ("tags of a cluster", on("TagResource", |e| e.request.resource_id = Some("cluster-abc")), json!({"/resource_type": "cluster", "/resource/cluster_id": "cluster-abc"})),
        ("tags of a backup", on("UntagResource", |e| e.request.resource_id = Some("backup-abc")), json!({"/resource_type": "backup", "/resource/backup_id": "backup-abc"})),
        ("tags of an HSM", on("ListTags", |e| e.request.resource_arn = Some("arn:aws:cloudhsm:us-east-1:111122223333:hsm/hsm-abc")), json!({"/resource_type": "hsm", "/access": "read"})),
        ("tags of a classic group", on("AddTagsToResource", |e| e.request.resource_arn = Some("arn:aws:cloudhsm:us-east-1:111122223333:hapg-0a")), json!({"/resource_type": "hapg"})),
        ("tags of a classic client", on("ListTagsForResource", |e| e.request.resource_arn = Some("arn:aws:cloudhsm:us-east-1:111122223333:client-0a")), json!({"/resource_type": "luna_client"})),
        ("tags: the id goes before the ARN", on("TagResource", |e| { e.request.resource_id = Some("backup-a"); e.request.resource_arn = Some("cluster-b"); }), json!({"/resource_type": "backup", "/resource/backup_id": "backup-a", "/resource/cluster_id": "cluster-b"})),
        ("tags: an id that shows nothing", on("TagResource", |e| { e.request.resource_id = Some("x"); e.request.resource_arn = Some("hsm-b"); }), json!({"/resource_type": "hsm"})),
        ("tags of something else", on("RemoveTagsFromResource", |e| e.request.resource_id = Some("mycluster-abc")), json!({"/resource_type": "tag", "/resource": null})),
        ("tags by an unknown name", on("TagFuture", |e| e.request.resource_id = Some("cluster-abc")), json!({"/resource_type": null, "/action": "tag"})),
    ];
    for (name, action) in [
        ("DescribeFuture", "read"),
        ("ListFuture", "read"),
        ("GetFuture", "read"),
        ("CreateFuture", "create"),
        ("DeleteFuture", "delete"),
        ("ModifyFuture", "modify"),
        ("UpdateFuture", "modify"),
        ("PutFuture", "modify"),
        ("CopyFuture", "copy"),
        ("RestoreFuture", "restore"),
        ("TagFuture", "tag"),
        ("AddTagsFuture", "tag"),
        ("UntagFuture", "untag"),
        ("RemoveTagsFuture", "untag"),
        ("AddFuture", "other"),
        ("RemoveFuture", "other"),
        ("InitializeFuture", "other"),
        ("deleteFuture", "other"),
    ] {
        let access = if action == "read" { "read" } else { "write" };
        rows.push((name, on(name, |_| {}), json!({"/known": false, "/action": action, "/access": access, "/destructive": action == "delete", "/resource_type": null})));
    }
    rows
}

#[rustfmt::skip]
fn outcomes() -> Vec<Row> {
    let mut rows = vec![
        ("message only", on("ListTags", |e| e.error_message = Some("AccessDenied")), json!({"/outcome": "failure", "/error_code": null})),
        ("the message has no say", on("ListTags", |e| { e.error_code = Some("Odd"); e.error_message = Some("AccessDenied"); }), json!({"/outcome": "failure", "/error_code": "Odd"})),
    ];
    for (code, outcome) in [
        ("AccessDenied", "denied"),
        ("CloudHsmAccessDeniedException", "denied"),
        ("Client.UnauthorizedOperation", "denied"),
        ("NotAuthorized", "denied"),
        ("INVALIDACCESSDENIED", "denied"),
        ("UnrecognizedClientException", "unauthenticated"),
        ("InvalidClientTokenId", "unauthenticated"),
        ("ExpiredTokenException", "unauthenticated"),
        ("SignatureDoesNotMatch", "unauthenticated"),
        ("MissingAuthenticationToken", "unauthenticated"),
        ("AuthFailure", "unauthenticated"),
        ("ThrottlingException", "throttled"),
        ("Throttled", "throttled"),
        ("TooManyRequestsException", "throttled"),
        ("Client.RequestLimitExceeded", "throttled"),
        ("CloudHsmResourceNotFoundException", "not_found"),
        ("InvalidBackupID.NotFound", "not_found"),
        ("CloudHsmResourceLimitExceededException", "limit_exceeded"),
        ("InvalidLimitExceeded", "limit_exceeded"),
        ("CloudHsmInvalidRequestException", "invalid"),
        ("ValidationException", "invalid"),
        ("MalformedPolicyDocument", "invalid"),
        ("InternalInvalid", "invalid"),
        ("CloudHsmInternalFailureException", "service_error"),
        ("ServiceUnavailable", "service_error"),
        ("CloudHsmServiceException", "failure"),
        ("CloudHsmTagException", "failure"),
        ("Access Denied", "failure"),
    ] {
        rows.push((code, on("ListTags", |e| e.error_code = Some(code)), json!({"/outcome": outcome, "/error_code": code})));
    }
    rows
}

#[rustfmt::skip]
fn actors() -> Vec<Row> {
    let mut rows = Vec::new();
    for (identity_type, kind, credential) in [
        ("Root", "root", "unknown"),
        ("IAMUser", "iam_user", "unknown"),
        ("AssumedRole", "assumed_role", "temporary"),
        ("Role", "role", "unknown"),
        ("FederatedUser", "federated_user", "temporary"),
        ("SAMLUser", "saml_user", "none"),
        ("WebIdentityUser", "web_identity_user", "none"),
        ("IdentityCenterUser", "identity_center_user", "temporary"),
        ("Directory", "directory_user", "unknown"),
        ("AWSAccount", "aws_account", "unknown"),
        ("AWSService", "aws_service", "none"),
        ("Unknown", "unknown", "unknown"),
        ("root", "unknown", "unknown"),
    ] {
        let is_service = kind == "aws_service";
        rows.push((identity_type, by(identity_type, |_| {}), json!({"/actor/kind": kind, "/actor/credential": credential, "/actor/by_service": is_service})));
        let (temporary, long_term) = if is_service {
            ("none", "none")
        } else {
            ("temporary", "long_term")
        };
        rows.push((identity_type, by(identity_type, |e| e.identity.access_key_id = Some("ASIAX")), json!({"/actor/credential": temporary})));
        rows.push((identity_type, by(identity_type, |e| { e.identity.access_key_id = Some("AKIAX"); e.identity.session.creation_date = Some("2024-01-01T00:00:00Z"); }), json!({"/actor/credential": long_term})));
        rows.push((identity_type, by(identity_type, |e| e.identity.access_key_id = Some("xASIA")), json!({"/actor/credential": credential})));
        let with_session = if matches!(kind, "root" | "iam_user") {
            "temporary"
        } else {
            credential
        };
        rows.push((identity_type, by(identity_type, |e| e.identity.session.creation_date = Some("some day")), json!({"/actor/credential": with_session})));
        let with_role = if kind == "aws_account" {
            "temporary"
        } else {
            credential
        };
        rows.push((identity_type, by(identity_type, |e| e.identity.principal_id = Some("AROAX")), json!({"/actor/credential": with_role})));
    }
    rows.extend(vec![
        ("no type", on("ListTags", |_| {}), json!({"/actor/kind": "unknown", "/actor/by_service": false, "/actor/service": null})),
        ("no type, service event", on("ListTags", |e| e.event_type = Some("AwsServiceEvent")), json!({"/actor/kind": "aws_service", "/actor/credential": "none", "/actor/by_service": true, "/actor/service": null, "/actor/name": null})),
        ("no type, invoked", on("ListTags", |e| e.identity.invoked_by = Some("AWS Internal")), json!({"/actor/kind": "aws_service", "/actor/service": "AWS Internal", "/actor/name": "AWS Internal"})),
        ("no type, address of a service", on("ListTags", |e| e.source_ip_address = Some("ec2.amazonaws.com")), json!({"/actor/kind": "unknown", "/actor/by_service": true, "/actor/service": "ec2.amazonaws.com", "/actor/name": null})),
        ("a type goes before the service event", by("IAMUser", |e| e.event_type = Some("AwsServiceEvent")), json!({"/actor/kind": "iam_user", "/actor/by_service": false})),
        ("unknown type, invoked", by("Odd", |e| e.identity.invoked_by = Some("x")), json!({"/actor/kind": "unknown", "/actor/by_service": true, "/actor/service": "x"})),
        ("invoked by goes before the address", by("IAMUser", |e| { e.identity.invoked_by = Some("backup.amazonaws.com"); e.source_ip_address = Some("ec2.amazonaws.com"); }), json!({"/actor/by_service": true, "/actor/service": "backup.amazonaws.com"})),
        ("internal address", by("IAMUser", |e| e.source_ip_address = Some("AWS Internal/2")), json!({"/actor/by_service": true, "/actor/service": "AWS Internal/2"})),
        ("service's address in China", by("IAMUser", |e| e.source_ip_address = Some("ec2.amazonaws.com.cn")), json!({"/actor/by_service": true, "/actor/service": "ec2.amazonaws.com.cn"})),
        ("no service's address", by("IAMUser", |e| e.source_ip_address = Some("ec2.amazonaws.com.example")), json!({"/actor/by_service": false, "/actor/service": null})),
        ("service at an address", by("AWSService", |e| e.source_ip_address = Some("192.0.2.1")), json!({"/actor/service": "192.0.2.1", "/actor/name": "192.0.2.1"})),
    ]);
    rows
}

#[rustfmt::skip]
fn names() -> Vec<Row> {
    const ROLE_ARN: &str = "arn:aws:sts::111122223333:assumed-role/Admin/a/b:c";
    vec![
        ("role of the issuer", by("AssumedRole", |e| { e.identity.session.issuer_user_name = Some("Issuer"); e.identity.arn = Some(ROLE_ARN); e.identity.user_name = Some("u"); }), json!({"/actor/name": "Issuer", "/actor/session_name": "a/b:c"})),
        ("role of the ARN", by("AssumedRole", |e| { e.identity.arn = Some(ROLE_ARN); e.identity.principal_id = Some("AROAX:p"); }), json!({"/actor/name": "Admin", "/actor/session_name": "a/b:c", "/actor/arn": ROLE_ARN})),
        ("session of the principal", by("AssumedRole", |e| { e.identity.arn = Some("arn:aws:sts::111122223333:assumed-role/Admin/"); e.identity.principal_id = Some("AROAX:p:q"); }), json!({"/actor/name": "Admin", "/actor/session_name": "p:q"})),
        ("role ARN without a session", by("AssumedRole", |e| { e.identity.arn = Some("arn:aws:sts::111122223333:assumed-role/Admin"); e.identity.principal_id = Some("AROAX:"); e.identity.user_name = Some("u"); }), json!({"/actor/name": null, "/actor/session_name": null})),
        ("a role has no session", by("Role", |e| { e.identity.arn = Some(ROLE_ARN); e.identity.principal_id = Some("AROAX:p"); }), json!({"/actor/name": "b:c", "/actor/session_name": null, "/actor/instance_id": null})),
        ("federated user of the ARN", by("FederatedUser", |e| { e.identity.arn = Some("arn:aws:sts::111122223333:federated-user/jo/e"); e.identity.principal_id = Some("1:p"); e.identity.user_name = Some("u"); }), json!({"/actor/name": "jo/e", "/actor/session_name": null})),
        ("federated user of the principal", by("FederatedUser", |e| { e.identity.arn = Some("arn:aws:sts::111122223333:federated-user/"); e.identity.principal_id = Some("1:p:q"); }), json!({"/actor/name": "p:q"})),
        ("federated user without a name", by("FederatedUser", |e| { e.identity.principal_id = Some("p"); e.identity.user_name = Some("u"); }), json!({"/actor/name": null})),
        ("root by alias", by("Root", |e| e.identity.user_name = Some("alias")), json!({"/actor/name": "alias"})),
        ("root", by("Root", |e| e.identity.arn = Some("arn:aws:iam::111122223333:x/y")), json!({"/actor/name": "root"})),
        ("Identity Center user", by("IdentityCenterUser", |e| { e.identity.on_behalf_of_user_id = Some("id"); e.identity.user_name = Some("u"); }), json!({"/actor/name": "id", "/actor/on_behalf_of": "id"})),
        ("Identity Center user without an id", by("IdentityCenterUser", |e| e.identity.user_name = Some("u")), json!({"/actor/name": null})),
        ("account", by("AWSAccount", |e| { e.identity.account_id = Some(OTHER); e.identity.user_name = Some("u"); }), json!({"/actor/name": OTHER, "/actor/account_id": OTHER})),
        ("service", by("AWSService", |e| { e.identity.invoked_by = Some("x"); e.identity.user_name = Some("u"); }), json!({"/actor/name": "x"})),
        ("user name", by("IAMUser", |e| { e.identity.user_name = Some("u"); e.identity.arn = Some("arn:aws:iam::1:user/p/v"); }), json!({"/actor/name": "u"})),
        ("user of the ARN", by("IAMUser", |e| e.identity.arn = Some("arn:aws:iam::1:user/p/v")), json!({"/actor/name": "v"})),
        ("ARN that ends early", by("IAMUser", |e| e.identity.arn = Some("arn:aws:iam::1:user/p/")), json!({"/actor/name": null})),
        ("ARN without a slash", by("SAMLUser", |e| e.identity.arn = Some("arn:aws:iam::1:v")), json!({"/actor/name": null})),
        ("name of an unknown kind", by("Unknown", |e| e.identity.user_name = Some("u")), json!({"/actor/name": "u"})),
        ("permission set", by("AssumedRole", |e| e.identity.session.issuer_user_name = Some("AWSReservedSSO_Key_Admins_0123456789ABcdef")), json!({"/actor/permission_set": "Key_Admins"})),
        ("15 digits", by("AssumedRole", |e| e.identity.session.issuer_user_name = Some("AWSReservedSSO_KeyAdmins_0123456789abcde")), json!({"/actor/permission_set": null})),
        ("no hex", by("AssumedRole", |e| e.identity.session.issuer_user_name = Some("AWSReservedSSO_KeyAdmins_0123456789abcdeg")), json!({"/actor/permission_set": null})),
        ("no set", by("AssumedRole", |e| e.identity.session.issuer_user_name = Some("AWSReservedSSO__0123456789abcdef")), json!({"/actor/permission_set": null})),
        ("too short", by("AssumedRole", |e| e.identity.session.issuer_user_name = Some("AWSReservedSSO_0123456789abcdef")), json!({"/actor/permission_set": null})),
        ("other kinds have no role name", by("IAMUser", |e| e.identity.user_name = Some("AWSReservedSSO_KeyAdmins_0123456789abcdef")), json!({"/actor/permission_set": null})),
        ("service-linked by the issuer", by("IAMUser", |e| e.identity.session.issuer_arn = Some("arn:aws:iam::1:role/aws-service-role/x/y")), json!({"/actor/service_linked": true, "/actor/issuer_arn": "arn:aws:iam::1:role/aws-service-role/x/y"})),
        ("service-linked by the role", by("AssumedRole", |e| e.identity.session.issuer_user_name = Some("AWSServiceRoleForX")), json!({"/actor/service_linked": true})),
        ("not service-linked", by("IAMUser", |e| e.identity.user_name = Some("AWSServiceRoleForX")), json!({"/actor/service_linked": null})),
        ("instance", by("AssumedRole", |e| e.identity.principal_id = Some("AROAX:i-0123abcd")), json!({"/actor/instance_id": "i-0123abcd", "/actor/session_name": "i-0123abcd"})),
        ("7 digits", by("AssumedRole", |e| e.identity.principal_id = Some("AROAX:i-0123abc")), json!({"/actor/instance_id": null})),
        ("17 digits", by("AssumedRole", |e| e.identity.principal_id = Some("AROAX:i-0123456789abcdef0")), json!({"/actor/instance_id": "i-0123456789abcdef0"})),
        ("18 digits", by("AssumedRole", |e| e.identity.principal_id = Some("AROAX:i-0123456789abcdef01")), json!({"/actor/instance_id": null})),
        ("upper case", by("AssumedRole", |e| e.identity.principal_id = Some("AROAX:i-0123ABCD")), json!({"/actor/instance_id": null})),
        ("root's session", by("FederatedUser", |e| e.identity.session.issuer_type = Some("Root")), json!({"/actor/issuer_kind": "root"})),
        ("user's session", by("FederatedUser", |e| e.identity.session.issuer_type = Some("IAMUser")), json!({"/actor/issuer_kind": "iam_user"})),
        ("other session", by("FederatedUser", |e| e.identity.session.issuer_type = Some("Role")), json!({"/actor/issuer_kind": null})),
        ("issuer of another kind", by("AssumedRole", |e| e.identity.session.issuer_type = Some("Root")), json!({"/actor/issuer_kind": null})),
    ]
}

#[rustfmt::skip]
fn sessions() -> Vec<Row> {
    vec![
        ("provider", by("WebIdentityUser", |e| { e.identity.identity_provider = Some("a"); e.identity.session.federated_provider = Some("b"); }), json!({"/actor/identity_provider": "a"})),
        ("federated provider", by("AssumedRole", |e| e.identity.session.federated_provider = Some("b")), json!({"/actor/identity_provider": "b"})),
        ("on behalf of", by("AssumedRole", |e| e.identity.on_behalf_of_user_id = Some("id")), json!({"/actor/on_behalf_of": "id", "/actor/name": null})),
        ("second factor", by("IAMUser", |e| e.identity.session.mfa_authenticated = Some(true)), json!({"/actor/mfa": true})),
        ("no second factor", by("IAMUser", |e| e.identity.session.mfa_authenticated = Some(false)), json!({"/actor/mfa": false})),
        ("factor not known", by("IAMUser", |_| {}), json!({"/actor/mfa": null, "/actor/console": null, "/actor/session_started": null, "/actor/session_age_seconds": null, "/actor/cross_account": null})),
        ("console", by("IAMUser", |e| e.session_credential_from_console = true), json!({"/actor/console": true, "/origin/client": "console"})),
        ("start with an offset, fraction cut", aged("2024-02-29T23:30:00.9-01:00", "2024-03-01T00:30:01Z"), json!({"/actor/session_started": "2024-03-01T00:30:00Z", "/actor/session_age_seconds": 0, "/time_ms": 1_709_253_001_000_i64})),
        ("basic form", aged("20131102T010628Z", "2013-11-02T02:06:28.25Z"), json!({"/actor/session_started": "2013-11-02T01:06:28Z", "/actor/session_age_seconds": 3600})),
        ("older than the start by little", aged("2024-01-01T00:00:00.5Z", "2024-01-01T00:00:00.4Z"), json!({"/actor/session_started": "2024-01-01T00:00:00Z", "/actor/session_age_seconds": null})),
        ("no start", aged("yesterday", "2024-01-01T00:00:00.4Z"), json!({"/actor/session_started": null, "/actor/session_age_seconds": null, "/time_ms": 1_704_067_200_400_i64})),
        ("no time", aged("2024-01-01T00:00:00Z", "2024-01-01"), json!({"/actor/session_started": "2024-01-01T00:00:00Z", "/actor/session_age_seconds": null, "/time_ms": null})),
        ("own account", accounts("IAMUser", Some(OWN), Some(OWN)), json!({"/actor/cross_account": false})),
        ("other account", accounts("IAMUser", Some(OTHER), Some(OWN)), json!({"/actor/cross_account": true})),
        ("no account", accounts("IAMUser", None, Some(OWN)), json!({"/actor/cross_account": null})),
        ("no recipient", accounts("IAMUser", Some(OWN), None), json!({"/actor/cross_account": null})),
        ("owner of the directory", accounts("IdentityCenterUser", Some(OTHER), Some(OWN)), json!({"/actor/cross_account": null, "/actor/account_id": OTHER})),
    ]
}

#[rustfmt::skip]
fn origins() -> Vec<Row> {
    let mut rows = vec![
        ("no address", on("ListTags", |_| {}), json!({"/origin/kind": "unknown", "/origin/ip": null, "/origin/client": null})),
        ("endpoint", on("ListTags", |e| e.vpc_endpoint_id = Some("vpce-0a")), json!({"/origin/vpc_endpoint_id": "vpce-0a"})),
        ("no endpoint", on("ListTags", |e| e.vpc_endpoint_id = Some("xvpce-0a")), json!({"/origin/vpc_endpoint_id": null})),
        ("console without an agent", on("ListTags", |e| e.session_credential_from_console = true), json!({"/origin/client": "console"})),
        ("console goes before the agent", on("ListTags", |e| { e.session_credential_from_console = true; e.user_agent = Some("Terraform/1"); }), json!({"/origin/client": "console"})),
    ];
    for (address, kind, is_ip) in [
        ("9.255.255.255", "public", true),
        ("10.0.0.0", "private", true),
        ("10.255.255.255", "private", true),
        ("11.0.0.0", "public", true),
        ("172.15.255.255", "public", true),
        ("172.16.0.0", "private", true),
        ("172.31.255.255", "private", true),
        ("172.32.0.0", "public", true),
        ("192.167.255.255", "public", true),
        ("192.168.0.0", "private", true),
        ("192.168.255.255", "private", true),
        ("192.169.0.0", "public", true),
        ("100.63.255.255", "public", true),
        ("100.64.0.0", "private", true),
        ("100.127.255.255", "private", true),
        ("100.128.0.0", "public", true),
        ("126.255.255.255", "public", true),
        ("127.0.0.0", "private", true),
        ("127.255.255.255", "private", true),
        ("128.0.0.0", "public", true),
        ("169.253.255.255", "public", true),
        ("169.254.0.0", "private", true),
        ("169.254.255.255", "private", true),
        ("169.255.0.0", "public", true),
        ("0.0.0.0", "public", true),
        ("255.255.255.255", "public", true),
        ("224.0.0.1", "public", true),
        ("::", "public", true),
        ("::1", "private", true),
        ("0:0:0:0:0:0:0:1", "private", true),
        ("::2", "public", true),
        ("fbff::1", "public", true),
        ("fc00::", "private", true),
        ("FDFF::1", "private", true),
        ("fe00::1", "public", true),
        ("fe7f::1", "public", true),
        ("fe80::", "private", true),
        ("febf:ffff::1", "private", true),
        ("fec0::1", "public", true),
        ("2001:db8::1", "public", true),
        ("::ffff:10.0.0.1", "public", true),
        ("::10.0.0.1", "public", true),
        ("fe80::1%eth0", "unknown", false),
        ("10.0.0.01", "unknown", false),
        ("255.090.254.5", "unknown", false),
        ("10.0.0", "unknown", false),
        ("10.0.0.1/8", "unknown", false),
        ("10.0.0.1:443", "unknown", false),
        ("[::1]", "unknown", false),
        (" 10.0.0.1", "unknown", false),
        ("256.0.0.1", "unknown", false),
        ("AWS Internal", "aws_internal", false),
        ("AWS Internal/ec2.amazonaws.com", "aws_internal", false),
        ("aws internal", "unknown", false),
        ("cloudformation.amazonaws.com", "aws_service", false),
        ("ec2.amazonaws.com.cn", "aws_service", false),
        (".amazonaws.com", "aws_service", false),
        ("amazonaws.com", "unknown", false),
        ("ec2.amazonaws.com.", "unknown", false),
        ("ec2.AmazonAWS.com", "unknown", false),
    ] {
        let ip = is_ip.then_some(address);
        rows.push((address, on("ListTags", |e| e.source_ip_address = Some(address)), json!({"/origin/kind": kind, "/origin/ip": ip})));
    }
    for (agent, client) in [
        ("console.amazonaws.com", "console"),
        ("signin.amazonaws.com", "console"),
        ("[S3Console/0.4, aws-internal/3]", "console"),
        ("S3Console/0.4 Terraform/1", "console"),
        ("APN/1.0 HashiCorp/1.0 Terraform/1.5.7 aws-sdk-go-v2/1", "terraform"),
        ("OpenTofu/1.6 Pulumi", "opentofu"),
        ("Pulumi/3", "pulumi"),
        ("xPulumix", "pulumi"),
        ("cloudformation.amazonaws.com", "cloudformation"),
        ("[cloudformation.amazonaws.com", "aws_service"),
        ("[console.amazonaws.com", "aws_service"),
        ("aws-cli/2.15", "aws_cli"),
        ("[aws-cli/2.15]", "aws_cli"),
        ("[[aws-cli/2.15]", "other"),
        ("x aws-cli/2.15", "other"),
        ("Boto3/1.34", "aws_sdk"),
        ("Botocore/1.34", "aws_sdk"),
        ("aws-sdk-java/1.12", "aws_sdk"),
        ("[aws-sdk-go/1.44]", "aws_sdk"),
        ("boto3/1.34", "other"),
        ("aws-internal/3", "aws_internal"),
        ("[aws-internal/3]", "aws_internal"),
        ("AWS Internal", "aws_internal"),
        ("kms.amazonaws.com", "aws_service"),
        ("[kms.amazonaws.com]", "other"),
        ("kms.amazonaws.com.cn", "other"),
        ("aws-cli/kms.amazonaws.com", "aws_cli"),
        ("Mozilla/5.0 (X11)", "browser"),
        ("Mozilla/5.0 x.amazonaws.com", "aws_service"),
        ("terraform/1", "other"),
        ("curl/8", "other"),
    ] {
        rows.push((agent, on("ListTags", |e| e.user_agent = Some(agent)), json!({"/origin/client": client})));
    }
    rows.push(("nothing but a bracket", on("ListTags", |e| e.user_agent = Some("[")), json!({"/origin/client": null})));
    rows
}

#[rustfmt::skip]
fn resources() -> Vec<Row> {
    vec![
        ("nothing", on("DescribeClusters", |e| e.aws_region = Some("us-east-1")), json!({"/resource": null})),
        ("cluster: request", asked(|r| { r.cluster_id = Some("a"); r.resource_id = Some("cluster-e"); }, |a| a.hsm.cluster_id = Some("b")), json!({"/resource/cluster_id": "a"})),
        ("cluster: HSM", answered(|a| { a.hsm.cluster_id = Some("b"); a.cluster.cluster_id = Some("c"); }), json!({"/resource/cluster_id": "b"})),
        ("cluster: cluster", answered(|a| { a.cluster.cluster_id = Some("c"); a.backup.cluster_id = Some("d"); }), json!({"/resource/cluster_id": "c"})),
        ("cluster: backup", asked(|r| r.resource_id = Some("cluster-e"), |a| a.backup.cluster_id = Some("d")), json!({"/resource/cluster_id": "d"})),
        ("cluster: tagged", asked(|r| { r.resource_id = Some("cluster-e"); r.resource_arn = Some("cluster-f"); }, |_| {}), json!({"/resource/cluster_id": "cluster-e", "/resource/arn": "cluster-f"})),
        ("cluster: tagged by ARN", asked(|r| { r.resource_id = Some("x"); r.resource_arn = Some("arn:aws:cloudhsm:us-east-1:111122223333:cluster/cluster-0aZ9_b"); }, |_| {}), json!({"/resource/cluster_id": "cluster-0aZ9"})),
        ("id behind a letter", asked(|r| r.resource_id = Some("xcluster-a"), |_| {}), json!({"/resource": null})),
        ("id behind a digit", asked(|r| r.resource_id = Some("1cluster-a"), |_| {}), json!({"/resource": null})),
        ("id behind a hyphen", asked(|r| r.resource_id = Some("my-cluster-a"), |_| {}), json!({"/resource": null})),
        ("id behind a sign", asked(|r| r.resource_id = Some("x_cluster-a"), |_| {}), json!({"/resource/cluster_id": "cluster-a"})),
        ("first id that stands alone", asked(|r| r.resource_id = Some("xcluster-a cluster- cluster-/ cluster-b cluster-c"), |_| {}), json!({"/resource/cluster_id": "cluster-b"})),
        ("id of an id", asked(|r| r.resource_id = Some("cluster-cluster-a"), |_| {}), json!({"/resource/cluster_id": "cluster-cluster"})),
        ("id with nothing behind it", asked(|r| r.resource_id = Some("cluster-"), |_| {}), json!({"/resource": null})),
        ("id in capitals", asked(|r| r.resource_id = Some("Cluster-a"), |_| {}), json!({"/resource": null})),
        ("HSM: request", asked(|r| r.hsm_id = Some("a"), |a| a.hsm.hsm_id = Some("b")), json!({"/resource/hsm_id": "a"})),
        ("HSM: HSM", answered(|a| { a.hsm.hsm_id = Some("b"); a.hsm_id = Some("c"); }), json!({"/resource/hsm_id": "b"})),
        ("HSM: answer", answered(|a| a.hsm_id = Some("c")), json!({"/resource/hsm_id": "c"})),
        ("zone: request", asked(|r| r.availability_zone = Some("a"), |a| a.hsm.availability_zone = Some("b")), json!({"/resource/availability_zone": "a"})),
        ("zone: HSM", answered(|a| a.hsm.availability_zone = Some("b")), json!({"/resource/availability_zone": "b"})),
        ("subnets", asked(|r| { r.subnet_ids = ["a", "b", "a"].into_iter().collect(); r.subnet_id = Some("d"); }, |a| a.hsm.subnet_id = Some("c")), json!({"/resource/subnet_ids": ["a", "b", "a"]})),
        ("subnet: HSM", asked(|r| r.subnet_id = Some("d"), |a| a.hsm.subnet_id = Some("c")), json!({"/resource/subnet_ids": ["c"]})),
        ("subnet: request", asked(|r| r.subnet_id = Some("d"), |_| {}), json!({"/resource/subnet_ids": ["d"]})),
        ("many subnets", asked(|r| r.subnet_ids = ["a"; 20].into_iter().collect(), |_| {}), json!({"/resource/subnet_ids": vec!["a"; 20]})),
        ("interface: request", asked(|r| { r.eni_id = Some("a"); r.eni_ip = Some("b"); }, |a| { a.hsm.eni_id = Some("c"); a.hsm.eni_ip = Some("d"); }), json!({"/resource/eni_id": "a", "/resource/eni_ip": "b"})),
        ("interface: HSM", answered(|a| { a.hsm.eni_id = Some("c"); a.hsm.eni_ip = Some("d"); }), json!({"/resource/eni_id": "c", "/resource/eni_ip": "d"})),
        ("type: request", asked(|r| r.hsm_type = Some("a"), |a| a.hsm.hsm_type = Some("b")), json!({"/resource/hsm_type": "a"})),
        ("type: HSM", answered(|a| { a.hsm.hsm_type = Some("b"); a.cluster.hsm_type = Some("c"); }), json!({"/resource/hsm_type": "b"})),
        ("type: cluster", answered(|a| { a.cluster.hsm_type = Some("c"); a.backup.hsm_type = Some("d"); }), json!({"/resource/hsm_type": "c"})),
        ("type: backup", answered(|a| a.backup.hsm_type = Some("d")), json!({"/resource/hsm_type": "d"})),
        ("mode: request", asked(|r| r.mode = Some("a"), |a| a.cluster.mode = Some("b")), json!({"/resource/mode": "a"})),
        ("mode: cluster", answered(|a| { a.cluster.mode = Some("b"); a.backup.mode = Some("c"); }), json!({"/resource/mode": "b"})),
        ("mode: backup", answered(|a| a.backup.mode = Some("c")), json!({"/resource/mode": "c"})),
        ("state: HSM", answered(|a| { a.hsm.state = Some("a"); a.cluster.state = Some("b"); }), json!({"/resource/state": "a"})),
        ("state: cluster", answered(|a| { a.cluster.state = Some("b"); a.backup.backup_state = Some("c"); }), json!({"/resource/state": "b"})),
        ("state: backup", answered(|a| { a.backup.backup_state = Some("c"); a.state = Some("d"); }), json!({"/resource/state": "c"})),
        ("state: answer", answered(|a| a.state = Some("d")), json!({"/resource/state": "d"})),
        ("VPC and security group", answered(|a| { a.cluster.vpc_id = Some("a"); a.cluster.security_group = Some("b"); }), json!({"/resource/vpc_id": "a", "/resource/security_group": "b"})),
        ("no HSM yet", answered(|a| a.cluster.hsm_count = Some(0)), json!({"/resource/hsm_count": 0})),
        ("HSMs", answered(|a| a.cluster.hsm_count = Some(28)), json!({"/resource/hsm_count": 28})),
        ("tags that are set", asked(|r| { r.tag_list_keys = ["b", "a", "\n\"é\u{1f}"].into_iter().collect(); r.tag_key_list = ["c"].into_iter().collect(); }, |_| {}), json!({"/resource/tag_keys": ["b", "a", "\n\"é\u{1f}"]})),
        ("tags that are removed", asked(|r| r.tag_key_list = ["c"].into_iter().collect(), |_| {}), json!({"/resource/tag_keys": ["c"]})),
        ("ARN: resource", asked(|r| { r.resource_arn = Some("a"); r.hsm_arn = Some("b"); }, |_| {}), json!({"/resource/arn": "a"})),
        ("ARN: HSM", asked(|r| { r.hsm_arn = Some("b"); r.hapg_arn = Some("c"); }, |_| {}), json!({"/resource/arn": "b"})),
        ("ARN: group", asked(|r| { r.hapg_arn = Some("c"); r.client_arn = Some("d"); }, |_| {}), json!({"/resource/arn": "c"})),
        ("ARN: client", asked(|r| r.client_arn = Some("d"), |a| a.hsm_arn = Some("e")), json!({"/resource/arn": "d"})),
        ("ARN: new HSM", answered(|a| { a.hsm_arn = Some("e"); a.hapg_arn = Some("f"); }), json!({"/resource/arn": "e"})),
        ("ARN: new group", answered(|a| { a.hapg_arn = Some("f"); a.client_arn = Some("g"); }), json!({"/resource/arn": "f"})),
        ("ARN: new client", answered(|a| a.client_arn = Some("g")), json!({"/resource/arn": "g"})),
    ]
}

#[rustfmt::skip]
fn resources_of_backups() -> Vec<Row> {
    const ARN: &str =
        "arn:aws-us-gov:cloudhsm:us-gov-west-1:444455556666:backup/backup-5tptus75gbc";
    let mut rows = vec![
        ("backup: request", asked(|r| { r.backup_id = Some("a"); r.resource_id = Some("backup-c"); }, |a| a.backup.backup_id = Some("b")), json!({"/resource/backup_id": "a"})),
        ("backup: backup", asked(|r| r.resource_id = Some("backup-c"), |a| a.backup.backup_id = Some("b")), json!({"/resource/backup_id": "b"})),
        ("backup: tagged", asked(|r| r.resource_id = Some("backup-c"), |_| {}), json!({"/resource/backup_id": "backup-c"})),
        ("backup: shared", asked(|r| r.resource_arn = Some(ARN), |_| {}), json!({"/resource/backup_id": "backup-5tptus75gbc", "/resource/arn": ARN})),
        ("source: id", asked(|r| r.source_backup_id = Some("backup-a"), |a| a.cluster.source_backup_id = Some("b")), json!({"/resource/source_backup_id": "backup-a", "/resource/source_backup_account": null})),
        ("source: ARN", asked(|r| r.source_backup_id = Some(ARN), |_| {}), json!({"/resource/source_backup_id": "backup-5tptus75gbc", "/resource/source_backup_account": OTHER})),
        ("source: no id", asked(|r| r.source_backup_id = Some("x"), |a| { a.cluster.source_backup_id = Some("b"); a.backup.source_backup = Some("c"); }), json!({"/resource/source_backup_id": "b"})),
        ("source: backup", answered(|a| { a.backup.source_backup = Some("c"); a.destination_backup.source_backup = Some("d"); }), json!({"/resource/source_backup_id": "c"})),
        ("source: copy", answered(|a| a.destination_backup.source_backup = Some("d")), json!({"/resource/source_backup_id": "d"})),
        ("account: none in the ARN", asked(|r| r.source_backup_id = Some("arn:aws:cloudhsm:us-east-1::backup/backup-a"), |_| {}), json!({"/resource/source_backup_id": "backup-a", "/resource/source_backup_account": null})),
        ("account: no ARN", asked(|r| r.source_backup_id = Some("a:b:c:d:444455556666:backup-a"), |_| {}), json!({"/resource/source_backup_account": null})),
        ("account: cut ARN", asked(|r| r.source_backup_id = Some("arn:aws:cloudhsm:us-east-1:444455556666"), |_| {}), json!({"/resource": null})),
        ("source cluster: copy", answered(|a| { a.destination_backup.source_cluster = Some("a"); a.backup.source_cluster = Some("b"); }), json!({"/resource/source_cluster_id": "a"})),
        ("source cluster: backup", answered(|a| a.backup.source_cluster = Some("b")), json!({"/resource/source_cluster_id": "b"})),
        ("source Region: copy", answered(|a| { a.destination_backup.source_region = Some("a"); a.backup.source_region = Some("b"); }), json!({"/resource/source_region": "a"})),
        ("source Region: backup", on("CopyBackupToRegion", |e| { e.aws_region = Some("c"); e.response.backup.source_region = Some("b"); }), json!({"/resource/source_region": "b"})),
        ("source Region: of the call", on("CopyBackupToRegion", |e| { e.aws_region = Some("c"); e.error_code = Some("x"); e.request.destination_region = Some("d"); }), json!({"/resource/source_region": "c", "/resource/destination_region": "d"})),
        ("source Region: of a copy only", on("CopyBackup", |e| e.aws_region = Some("c")), json!({"/resource": null})),
        ("kept for ever", asked(|r| r.never_expires = Some(true), |_| {}), json!({"/resource/never_expires": true})),
        ("not kept for ever", asked(|r| r.never_expires = Some(false), |_| {}), json!({"/resource/never_expires": false})),
    ];
    for (value, days) in [
        ("90", json!(90)),
        ("007", json!(7)),
        ("0", json!(0)),
        ("000000000", json!(0)),
        ("999999999", json!(999_999_999)),
        ("1000000000", Value::Null),
        ("+7", Value::Null),
        ("-7", Value::Null),
        (" 7", Value::Null),
        ("7.0", Value::Null),
        ("\u{667}", Value::Null),
    ] {
        rows.push((value, asked(|r| r.backup_retention_value = Some(value), |_| {}), json!({"/resource/retention_days": days})));
    }
    rows
}

#[rustfmt::skip]
fn shares() -> Vec<Row> {
    let mut rows = vec![
        ("shared by this call only", on("PutOtherPolicy", |e| e.request.policy = allows(&["*"])), json!({"/resource": null})),
        ("shared, but denied", on("PutResourcePolicy", |e| { e.request.policy = allows(&["*"]); e.error_code = Some("AccessDenied"); }), json!({"/resource/shared_with": ["*"]})),
    ];
    for (principals, with, external) in [
        (&[][..], Value::Null, false),
        (&[OWN], json!([OWN]), false),
        (&[OTHER], json!([OTHER]), true),
        (&["*"], json!(["*"]), true),
        (&["arn:aws:iam::111122223333:root", OWN], json!([OWN]), false),
        (&["arn:aws:iam::444455556666:user/a/b:c"], json!([OTHER]), true),
        (&["arn:aws-cn:sts::444455556666:assumed-role/r/s"], json!([OTHER]), true),
        (&["backup.amazonaws.com", OWN], json!([OWN, "backup.amazonaws.com"]), false),
        (&["backup.amazonaws.com.cn"], json!(["backup.amazonaws.com.cn"]), true),
        (&["AIDAEXAMPLE"], json!(["AIDAEXAMPLE"]), true),
        (&["arn:aws:s3:::bucket"], json!(["arn:aws:s3:::bucket"]), true),
        (&["arn:aws:iam::444455556666"], json!(["arn:aws:iam::444455556666"]), true),
        (&["é", "z", "A", "*", "z", "10"], json!(["*", "10", "A", "z", "é"]), true),
    ] {
        let event = on("PutResourcePolicy", |event| {
            event.recipient_account_id = Some(OWN);
            event.request.policy = allows(principals);
        });
        let mut expected = if external {
            judged(
                "critical",
                "backup_shared backup_shared_externally",
                "T1537",
            )
        } else {
            judged("high", "backup_shared", "T1537")
        };
        expected["/resource/shared_with"] = with;
        rows.push(("principals", event, expected));
    }
    rows
}

/// Rules of calls that worked: their reasons, their severity, their techniques.
#[rustfmt::skip]
fn worked() -> Vec<Row> {
    const FOREIGN: &str = "arn:aws:cloudhsm:us-east-1:444455556666:backup/backup-a";
    const HOME: &str = "arn:aws:cloudhsm:us-east-1:111122223333:backup/backup-a";
    const CLASSIC: Option<&str> = Some("cloudhsm.us-east-1.amazonaws.com");
    vec![
        ("backup deleted", on("DeleteBackup", |_| {}), judged("high", "backup_deleted", "T1490 T1485")),
        ("HSM deleted", on("DeleteHsm", |_| {}), judged("high", "hsm_deleted", "T1485 T1489")),
        ("classic HSM deleted", on("DeleteHsm", |e| e.request.has_classic_member = true), judged("high", "hsm_deleted classic_change", "T1485 T1489")),
        ("cluster deleted", on("DeleteCluster", |_| {}), judged("critical", "cluster_deleted", "T1485")),
        ("backup copied", on("CopyBackupToRegion", |_| {}), judged("high", "backup_copied_to_region", "T1537")),
        ("policy unreadable", on("PutResourcePolicy", |_| {}), judged("critical", "backup_shared unreadable_policy", "T1537")),
        ("shared with itself, which nobody names", on("PutResourcePolicy", |e| e.request.policy = allows(&[OWN])), judged("critical", "backup_shared backup_shared_externally", "T1537")),
        ("unshared", on("DeleteResourcePolicy", |_| {}), judged("low", "backup_unshared", "")),
        ("restored", on("RestoreBackup", |_| {}), judged("low", "backup_restored", "")),
        ("retention removed", on("ModifyBackupAttributes", |e| e.request.never_expires = Some(false)), judged("medium", "backup_retention_removed", "T1490")),
        ("retained", on("ModifyBackupAttributes", |e| e.request.never_expires = Some(true)), judged("informational", "backup_retained", "")),
        ("attributes that are not named", on("ModifyBackupAttributes", |_| {}), judged("low", "write_call", "")),
        ("never expires elsewhere", on("RestoreBackup", |e| e.request.never_expires = Some(false)), judged("low", "backup_restored", "")),
        ("29 days", on("ModifyCluster", |e| e.request.backup_retention_value = Some("29")), judged("high", "retention_below_30_days", "T1490")),
        ("0 days", on("ModifyCluster", |e| e.request.backup_retention_value = Some("0")), judged("high", "retention_below_30_days", "T1490")),
        ("30 days", on("ModifyCluster", |e| e.request.backup_retention_value = Some("30")), judged("medium", "retention_changed", "T1490")),
        ("no days", on("ModifyCluster", |e| e.request.backup_retention_value = Some("x")), judged("low", "write_call", "")),
        ("days of a new cluster", on("CreateCluster", |e| e.request.backup_retention_value = Some("7")), judged("low", "cluster_created", "T1578.002")),
        ("HSM type", on("ModifyCluster", |e| e.request.hsm_type = Some("hsm2m.medium")), judged("medium", "hsm_type_changed", "T1578.005")),
        ("HSM type of the answer", on("ModifyCluster", |e| e.response.cluster.hsm_type = Some("hsm2m.medium")), judged("low", "write_call", "")),
        ("both", on("ModifyCluster", |e| { e.request.hsm_type = Some("hsm2m.medium"); e.request.backup_retention_value = Some("7"); }), judged("high", "retention_below_30_days hsm_type_changed", "T1490 T1578.005")),
        ("claimed", on("InitializeCluster", |_| {}), judged("medium", "cluster_initialized", "T1098")),
        ("cluster made", on("CreateCluster", |e| e.request.mode = Some("FIPS")), judged("low", "cluster_created", "T1578.002")),
        ("cluster made from a backup", on("CreateCluster", |e| { e.request.source_backup_id = Some("backup-a"); e.recipient_account_id = Some(OWN); }), judged("medium", "cluster_created cluster_created_from_backup", "T1578.002")),
        ("by the answer", on("CreateCluster", |e| e.response.cluster.source_backup_id = Some("b")), judged("medium", "cluster_created cluster_created_from_backup", "T1578.002")),
        ("from its own backup", on("CreateCluster", |e| { e.request.source_backup_id = Some(HOME); e.recipient_account_id = Some(OWN); }), judged("medium", "cluster_created cluster_created_from_backup", "T1578.002")),
        ("from a foreign backup", on("CreateCluster", |e| { e.request.source_backup_id = Some(FOREIGN); e.recipient_account_id = Some(OWN); }), judged("high", "cluster_created cluster_created_from_backup cluster_created_from_foreign_backup", "T1578.002")),
        ("from a backup of someone", on("CreateCluster", |e| e.request.source_backup_id = Some(FOREIGN)), judged("medium", "cluster_created cluster_created_from_backup", "T1578.002")),
        ("outside FIPS mode", on("CreateCluster", |e| e.request.mode = Some("NON_FIPS")), judged("medium", "cluster_created non_fips_mode", "T1578.002")),
        ("mode of the answer", on("CreateCluster", |e| e.response.cluster.mode = Some("NON_FIPS")), judged("low", "cluster_created", "T1578.002")),
        ("HSM made", on("CreateHsm", |_| {}), judged("low", "hsm_created", "T1578.002")),
        ("classic HSM made", on("CreateHsm", |e| e.request.has_classic_member = true), judged("medium", "hsm_created classic_change", "T1578.002")),
        ("group deleted", on("DeleteHapg", |_| {}), judged("high", "destructive_call classic_change", "T1485")),
        ("client deleted", on("DeleteLunaClient", |_| {}), judged("high", "destructive_call classic_change", "T1485")),
        ("something deleted", on("DeleteFuture", |_| {}), judged("high", "destructive_call unknown_operation", "T1485")),
        ("something deleted that only reads", on("DeleteFuture", |e| { e.read_only = Some(true); e.client_provided_host_header = CLASSIC; }), judged("high", "destructive_call unknown_operation", "T1485")),
        ("something deleted, classic", on("DeleteFuture", |e| e.client_provided_host_header = CLASSIC), judged("high", "destructive_call classic_change unknown_operation", "T1485")),
        ("tagged", on("TagResource", |_| {}), judged("low", "tags_changed", "")),
        ("untagged", on("UntagResource", |_| {}), judged("low", "tags_changed", "")),
        ("tagged, classic", on("AddTagsToResource", |_| {}), judged("medium", "tags_changed classic_change", "")),
        ("tagged by an unknown name", on("TagFuture", |_| {}), judged("low", "tags_changed unknown_operation", "")),
        ("tags read", on("ListTags", |_| {}), judged("informational", "", "")),
        ("classic change", on("ModifyHapg", |_| {}), judged("medium", "classic_change", "")),
        ("classic read", on("GetConfig", |_| {}), judged("informational", "", "")),
        ("unknown change", on("Frobnicate", |_| {}), judged("low", "unknown_operation", "")),
        ("unknown change, classic", on("Frobnicate", |e| e.client_provided_host_header = CLASSIC), judged("medium", "classic_change unknown_operation", "")),
        ("unknown read", on("DescribeFuture", |_| {}), judged("low", "unknown_operation", "")),
        ("read", on("DescribeClusters", |_| {}), judged("informational", "", "")),
    ]
}

/// Rules of calls that did not work.
#[rustfmt::skip]
fn did_not_work() -> Vec<Row> {
    let failed = |name, code| on(name, |event| event.error_code = Some(code));
    let denied = |name| failed(name, "AccessDenied");
    let mut rows = vec![
        ("denied: delete", denied("DeleteBackup"), judged("high", "denied_destructive", "T1485")),
        ("denied: unknown delete", denied("DeleteFuture"), judged("high", "denied_destructive", "T1485")),
        ("denied: delete that only reads", on("DeleteFuture", |e| { e.error_code = Some("AccessDenied"); e.read_only = Some(true); }), judged("high", "denied_destructive denied_read", "T1485 T1580")),
        ("denied: copy", denied("CopyBackupToRegion"), judged("high", "denied_destructive", "T1537")),
        ("denied: unknown copy", denied("CopyFuture"), judged("high", "denied_destructive", "T1537")),
        ("denied: share", denied("PutResourcePolicy"), judged("high", "denied_destructive", "T1537")),
        ("denied: change", denied("DeleteResourcePolicy"), judged("medium", "denied_write", "T1580")),
        ("denied: unknown change", denied("Frobnicate"), judged("medium", "denied_write", "T1580")),
        ("denied: classic change", denied("ModifyHapg"), judged("medium", "denied_write", "T1580")),
        ("denied: read", denied("DescribeClusters"), judged("low", "denied_read", "T1580")),
        ("denied by the endpoint: read", failed("ListTags", "VpceAccessDenied"), judged("medium", "denied_read endpoint_policy_denied", "T1580")),
        ("denied by the endpoint: delete", failed("DeleteHsm", "VpceAccessDenied"), judged("high", "denied_destructive endpoint_policy_denied", "T1485")),
        ("another word", failed("ListTags", "VpceAccessDeniedException"), judged("low", "denied_read", "T1580")),
        ("unauthenticated: delete", failed("DeleteHsm", "ExpiredToken"), judged("medium", "unauthenticated_call", "T1078.004")),
        ("unauthenticated: read", failed("ListTags", "ExpiredToken"), judged("medium", "unauthenticated_call", "T1078.004")),
        ("throttled: delete", failed("DeleteHsm", "Throttling"), judged("low", "throttled_destructive", "")),
        ("throttled: change", failed("CreateHsm", "Throttling"), judged("informational", "", "")),
        ("throttled: read", failed("ListTags", "Throttling"), judged("informational", "", "")),
        ("message only", on("DeleteHsm", |e| e.error_message = Some("no")), judged("medium", "failed_destructive", "")),
        ("delete that only reads", on("DeleteFuture", |e| { e.error_code = Some("x"); e.read_only = Some(true); }), judged("medium", "failed_destructive", "")),
    ];
    for code in ["NotFound", "Invalid", "LimitExceeded", "Internal", "Odd"] {
        rows.push((code, failed("DeleteHsm", code), judged("medium", "failed_destructive", "")));
        rows.push((code, failed("CopyBackupToRegion", code), judged("low", "failed_write", "")));
        rows.push((code, failed("Frobnicate", code), judged("low", "failed_write", "")));
        rows.push((code, failed("ListTags", code), judged("informational", "", "")));
    }
    rows
}

/// Rules about the actor, on top of one or no rule before.
#[rustfmt::skip]
fn who() -> Vec<Row> {
    let actor = |name, code, identity_type| {
        on(name, |event| {
            event.identity.identity_type = Some(identity_type);
            event.error_code = code;
        })
    };
    let cross = |name, code| {
        on(name, |event| {
            event.identity.account_id = Some(OTHER);
            event.recipient_account_id = Some(OWN);
            event.error_code = code;
        })
    };
    let keyed = |name, key| on(name, |event| event.identity.access_key_id = Some(key));
    let no_mfa = |name, identity_type| {
        on(name, |event| {
            event.identity.identity_type = Some(identity_type);
            event.identity.session.mfa_authenticated = Some(false);
        })
    };
    let serviced = |name| {
        on(name, |event| {
            event.identity.invoked_by = Some("backup.amazonaws.com");
        })
    };
    vec![
        ("root: read", actor("ListTags", None, "Root"), judged("medium", "root_actor", "T1078.004")),
        ("root: denied read", actor("ListTags", Some("AccessDenied"), "Root"), judged("medium", "denied_read root_actor", "T1580 T1078.004")),
        ("root: low becomes high", actor("CreateHsm", None, "Root"), judged("high", "hsm_created root_actor", "T1578.002 T1078.004")),
        ("root: medium becomes high", actor("InitializeCluster", None, "Root"), judged("high", "cluster_initialized root_actor", "T1098 T1078.004")),
        ("root: high becomes critical", actor("DeleteHsm", None, "Root"), judged("critical", "hsm_deleted root_actor", "T1485 T1489 T1078.004")),
        ("root: critical stays", actor("DeleteCluster", None, "Root"), judged("critical", "cluster_deleted root_actor", "T1485 T1078.004")),
        ("root: throttled", actor("CreateHsm", Some("Throttling"), "Root"), judged("high", "root_actor", "T1078.004")),
        ("root: no credentials", actor("CreateHsm", Some("ExpiredToken"), "Root"), judged("high", "unauthenticated_call root_actor", "T1078.004")),
        ("root: deleted, only read", on("DeleteFuture", |e| { e.read_only = Some(true); e.identity.identity_type = Some("Root"); }), judged("high", "destructive_call unknown_operation root_actor", "T1485 T1078.004")),
        ("cross account: read", cross("ListTags", None), judged("informational", "", "")),
        ("cross account: informational becomes low", cross("CreateHsm", Some("Throttling")), judged("low", "cross_account_actor", "T1078.004")),
        ("cross account: low becomes medium", cross("CreateHsm", None), judged("medium", "hsm_created cross_account_actor", "T1578.002 T1078.004")),
        ("cross account: medium becomes high", cross("InitializeCluster", None), judged("high", "cluster_initialized cross_account_actor", "T1098 T1078.004")),
        ("cross account: high becomes critical", cross("DeleteHsm", None), judged("critical", "hsm_deleted cross_account_actor", "T1485 T1489 T1078.004")),
        ("cross account: critical stays", cross("DeleteCluster", None), judged("critical", "cluster_deleted cross_account_actor", "T1485 T1078.004")),
        ("long-term key: change", keyed("CreateHsm", "AKIAX"), judged("low", "hsm_created long_term_key", "T1578.002 T1078.004")),
        ("long-term key: read", keyed("ListTags", "AKIAX"), judged("informational", "", "")),
        ("temporary key", keyed("CreateHsm", "ASIAX"), judged("low", "hsm_created", "T1578.002")),
        ("no second factor: user", no_mfa("CreateHsm", "IAMUser"), judged("low", "hsm_created no_mfa", "T1578.002")),
        ("no second factor: root", no_mfa("CreateHsm", "Root"), judged("high", "hsm_created root_actor no_mfa", "T1578.002 T1078.004")),
        ("no second factor: role", no_mfa("CreateHsm", "AssumedRole"), judged("low", "hsm_created", "T1578.002")),
        ("no second factor: read", no_mfa("ListTags", "IAMUser"), judged("informational", "", "")),
        ("service: change", serviced("DeleteBackup"), judged("high", "backup_deleted service_initiated", "T1490 T1485")),
        ("service: read", serviced("ListTags"), judged("informational", "", "")),
        ("everything at once", on("DeleteFuture", |e| { e.client_provided_host_header = Some("cloudhsm.us-east-1.amazonaws.com"); e.source_ip_address = Some("backup.amazonaws.com"); e.recipient_account_id = Some(OTHER); e.identity.identity_type = Some("Root"); e.identity.account_id = Some(OWN); e.identity.access_key_id = Some("AKIAX"); e.identity.session.mfa_authenticated = Some(false); }), judged("critical", "destructive_call classic_change unknown_operation root_actor cross_account_actor long_term_key no_mfa service_initiated", "T1485 T1078.004")),
    ]
}

/// An event of this name that says nothing else but what `change` puts in.
fn on(name: &'static str, change: impl FnOnce(&mut Event<'static>)) -> Event<'static> {
    let mut event = Event {
        event_source: Some("cloudhsm.amazonaws.com"),
        event_name: Some(name),
        ..Event::default()
    };
    change(&mut event);
    event
}

/// A read by an identity of this type.
fn by(identity_type: &'static str, change: impl FnOnce(&mut Event<'static>)) -> Event<'static> {
    on("ListTags", |event| {
        event.identity.identity_type = Some(identity_type);
        change(event);
    })
}

/// A read at `time` in a session since `started`.
fn aged(started: &'static str, time: &'static str) -> Event<'static> {
    by("AssumedRole", |event| {
        event.identity.session.creation_date = Some(started);
        event.event_time = Some(time);
    })
}

fn accounts(
    identity_type: &'static str,
    own: Option<&'static str>,
    recipient: Option<&'static str>,
) -> Event<'static> {
    by(identity_type, |event| {
        event.identity.account_id = own;
        event.recipient_account_id = recipient;
    })
}

/// A call with this request and this answer.
fn asked(
    request: impl FnOnce(&mut Request<'static>),
    answer: impl FnOnce(&mut Response<'static>),
) -> Event<'static> {
    on("DescribeClusters", |event| {
        request(&mut event.request);
        answer(&mut event.response);
    })
}

fn answered(answer: impl FnOnce(&mut Response<'static>)) -> Event<'static> {
    asked(|_| {}, answer)
}

fn allows(principals: &[&str]) -> Policy {
    Policy::Allows(
        principals
            .iter()
            .map(|&principal| principal.to_owned())
            .collect(),
    )
}

/// A severity, its reasons and its techniques: words with spaces between.
fn judged(severity: &str, reasons: &str, attack: &str) -> Value {
    let list = |words: &str| match words {
        "" => Value::Null,
        words => words.split(' ').collect(),
    };
    json!({"/severity": severity, "/reasons": list(reasons), "/attack": list(attack)})
}

/// The record with the event's enrichment in it.
fn line(event: &Event<'_>, record: &str) -> String {
    let mut out = record.as_bytes().to_vec();
    encode::splice(&enrich(event).expect("a CloudHSM event"), &mut out);
    String::from_utf8(out).expect("UTF-8")
}

fn object(event: &Event<'_>) -> Value {
    let mut record: Value = serde_json::from_str(&line(event, "{\"a\":1}")).expect("JSON");
    assert_eq!(record["a"], 1);
    let object = record["cloudhsm"].take();
    if let Err(error) = SCHEMA.validate(&object) {
        panic!("{object} is not of the schema: {error}");
    }
    object
}

/// Every object that these tests produce keeps to it.
static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(schema::TEXT).expect("JSON");
    jsonschema::draft202012::new(&schema).expect("a schema")
});

fn all<const N: usize>(words: [&str; N]) -> BTreeSet<String> {
    let set: BTreeSet<_> = words.map(str::to_owned).into();
    assert_eq!(set.len(), N, "no word twice");
    set
}
