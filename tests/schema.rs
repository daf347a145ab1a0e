//! The JSON Schema against the worked example, damaged copies of it, the closed sets, and what the
//! program really writes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends there"
)]

use std::collections::BTreeSet;

use hsmtrail::encode;
use hsmtrail::enrich::actor::{ActorKind, Credential, IssuerKind};
use hsmtrail::enrich::operation::{Access, Action, Api, LABELS, ResourceType};
use hsmtrail::enrich::origin::{Client, OriginKind};
use hsmtrail::enrich::severity::{Reason, Technique};
use hsmtrail::enrich::{Outcome, Severity, enrich};
use hsmtrail::event::{
    Event, Identity, Policy, Request, Response, ResponseBackup, ResponseCluster, ResponseHsm,
    Session,
};
use hsmtrail::schema;
use jsonschema::Validator;
use serde_json::{Value, json};

fn parsed() -> Value {
    serde_json::from_str(schema::TEXT).unwrap()
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&parsed()).unwrap()
}

/// What the event printed in AWS's CloudHSM guide gains.
fn example() -> Value {
    json!({
        "version": 1, "operation": "CreateHsm", "known": true, "api": "v2", "access": "write",
        "action": "create", "resource_type": "hsm", "destructive": false, "outcome": "success",
        "time_ms": 1_499_745_045_000_u64,
        "actor": {
            "kind": "assumed_role", "credential": "temporary", "by_service": false,
            "name": "AdminRole", "session_name": "ExampleSession",
            "arn": "arn:aws:sts::111122223333:assumed-role/AdminRole/ExampleSession",
            "account_id": "111122223333",
            "issuer_arn": "arn:aws:iam::111122223333:role/AdminRole", "mfa": false,
            "session_started": "2017-07-11T03:48:44Z", "session_age_seconds": 121,
            "cross_account": false
        },
        "origin": { "kind": "public", "ip": "205.251.233.179", "client": "aws_internal" },
        "resource": {
            "cluster_id": "cluster-fw7mh6mayb5", "hsm_id": "hsm-6lz2hfmnzbx",
            "availability_zone": "us-west-2b", "subnet_ids": ["subnet-02c28c4b"],
            "eni_id": "eni-65338b5a", "eni_ip": "10.0.2.7", "state": "CREATE_IN_PROGRESS"
        },
        "severity": "low", "reasons": ["hsm_created"], "attack": ["T1578.002"]
    })
}

/// An object of which as little as possible is known.
fn least() -> Value {
    json!({
        "version": 1, "known": false, "api": "unknown", "access": "write", "action": "other",
        "destructive": false, "outcome": "success",
        "actor": { "kind": "unknown", "credential": "unknown", "by_service": false },
        "origin": { "kind": "unknown" }, "severity": "low", "reasons": ["unknown_operation"]
    })
}

/// Sets the member at a path such as `actor.kind`, or removes it when the value is null.
fn with(mut object: Value, path: &str, value: Value) -> Value {
    let (parents, key) = path.rsplit_once('.').unwrap_or(("", path));
    let parent = parents
        .split('.')
        .filter(|name| !name.is_empty())
        .fold(&mut object, |at, name| at.get_mut(name).unwrap());
    let parent = parent.as_object_mut().unwrap();
    match value {
        Value::Null => parent.remove(key),
        value => parent.insert(key.to_owned(), value),
    };
    object
}

#[test]
fn the_schema_is_a_schema() {
    jsonschema::meta::validate(&parsed()).unwrap();
}

#[test]
fn the_worked_example_is_valid_and_so_is_the_least_that_can_be_known() {
    for object in [example(), least()] {
        let errors: Vec<String> = validator()
            .iter_errors(&object)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}

#[test]
fn what_hsmtrail_never_writes_is_not_valid() {
    let validator = validator();
    for (path, value) in [
        ("version", json!(2)),
        ("operation", json!("")),
        ("known", json!("true")),
        ("api", json!("v1")),
        ("access", json!("Write")),
        ("action", json!("created")),
        ("resource_type", json!("key")),
        ("destructive", json!(0)),
        ("outcome", json!("failed")),
        ("error_code", json!("")),
        ("time_ms", json!("2017-07-11T03:50:45Z")),
        ("time_ms", json!(1.5)),
        ("time_ms", json!(253_402_300_800_000_u64)),
        ("severity", json!("urgent")),
        ("reasons", json!([])),
        ("reasons", json!(["hsm_created", "hsm_created"])),
        ("reasons", json!(["other"])),
        ("attack", json!([])),
        ("attack", json!(["T1059"])),
        ("resource", json!({})),
        ("duplicate", json!(false)),
        ("note", json!("x")),
        ("actor.kind", json!("user")),
        ("actor.credential", json!("permanent")),
        ("actor.name", json!("")),
        ("actor.mfa", json!("false")),
        ("actor.console", json!(false)),
        ("actor.service_linked", json!(false)),
        ("actor.issuer_kind", json!("assumed_role")),
        ("actor.instance_id", json!("i-1")),
        ("actor.session_started", json!("2017-07-11 03:48:44")),
        ("actor.session_age_seconds", json!(-1)),
        ("actor.session_age_seconds", json!(1.5)),
        ("actor.password", json!("x")),
        ("origin.kind", json!("vpn")),
        ("origin.ip", json!("")),
        ("origin.vpc_endpoint_id", json!("eni-65338b5a")),
        ("origin.client", json!("curl")),
        ("origin.port", json!(443)),
        ("resource.subnet_ids", json!([])),
        ("resource.subnet_ids", json!([""])),
        ("resource.subnet_ids", json!("subnet-02c28c4b")),
        ("resource.hsm_count", json!(-1)),
        ("resource.retention_days", json!("7")),
        ("resource.never_expires", json!("true")),
        ("resource.shared_with", json!(["*", "*"])),
        ("resource.preCoPassword", json!("x")),
    ] {
        let object = with(example(), path, value.clone());
        assert!(!validator.is_valid(&object), "{path} may not be {value}");
    }
}

#[test]
fn every_required_key_is_missed() {
    let (schema, validator) = (parsed(), validator());
    for (at, prefix) in [
        ("", ""),
        ("/properties/actor", "actor."),
        ("/properties/origin", "origin."),
    ] {
        let room = schema.pointer(at).unwrap();
        let required = room["required"].as_array().unwrap();
        for key in required.iter().map(|key| key.as_str().unwrap()) {
            let object = with(least(), &format!("{prefix}{key}"), Value::Null);
            assert!(!validator.is_valid(&object), "{prefix}{key} is required");
        }
    }
}

#[test]
fn closed_sets_are_those_of_the_enrichment() {
    fn words<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> Value {
        all.iter().map(|item| word(*item)).collect()
    }
    let schema = parsed();
    for (at, words) in [
        ("/properties/api", words(&Api::ALL, Api::word)),
        ("/properties/access", words(&Access::ALL, Access::word)),
        ("/properties/action", words(&Action::ALL, Action::word)),
        (
            "/properties/resource_type",
            words(&ResourceType::ALL, ResourceType::word),
        ),
        ("/properties/outcome", words(&Outcome::ALL, Outcome::word)),
        (
            "/properties/severity",
            words(&Severity::ALL, Severity::word),
        ),
        (
            "/properties/actor/properties/kind",
            words(&ActorKind::ALL, ActorKind::word),
        ),
        (
            "/properties/actor/properties/issuer_kind",
            words(&IssuerKind::ALL, IssuerKind::word),
        ),
        (
            "/properties/origin/properties/kind",
            words(&OriginKind::ALL, OriginKind::word),
        ),
        (
            "/properties/origin/properties/client",
            words(&Client::ALL, Client::word),
        ),
        (
            "/properties/reasons/items",
            words(&Reason::ALL, Reason::word),
        ),
        (
            "/properties/attack/items",
            words(&Technique::ALL, Technique::word),
        ),
        (
            "/properties/actor/properties/credential",
            words(&Credential::ALL, Credential::word),
        ),
    ] {
        assert_eq!(schema.pointer(at).unwrap()["enum"], words, "{at}");
    }
}

#[test]
fn every_object_is_closed_and_every_key_is_described() {
    fn check(at: &str, schema: &Value) {
        assert!(schema["description"].is_string(), "{at} has no description");
        let description = schema["description"].as_str().unwrap();
        assert!(description.ends_with('.'), "{at}: {description}");
        if let Some(properties) = schema["properties"].as_object() {
            assert_eq!(schema["additionalProperties"], json!(false), "{at}");
            for (key, schema) in properties {
                check(&format!("{at}.{key}"), schema);
            }
        }
    }
    check("cloudhsm", &parsed());
}

/// Identities that bring out every key of `actor` together: the type, `arn`, the role's name.
const IDENTITIES: [(Option<&str>, &str, &str); 6] = [
    (None, "", ""),
    (
        Some("AssumedRole"),
        "arn:aws:sts::444455556666:assumed-role/Ops/i-0123456789abcdef0",
        "AWSReservedSSO_Ops_0123456789abcdef",
    ),
    (
        Some("FederatedUser"),
        "arn:aws:sts::444455556666:federated-user/x",
        "x",
    ),
    (Some("Root"), "arn:aws:iam::444455556666:root", ""),
    (Some("IAMUser"), "arn:aws:iam::444455556666:user/x", "x"),
    (Some("NewKind"), "x", "AWSServiceRoleForX"),
];

/// Events in which every member says something, and such in which nearly none does.
fn events() -> Vec<Event<'static>> {
    let names = LABELS.iter().copied().chain(["DescribeNothing"]);
    let mut events = Vec::new();
    for name in names {
        for (index, (identity_type, arn, role)) in IDENTITIES.into_iter().enumerate() {
            let identity = identity(identity_type, arn, role);
            events.push(Event {
                event_source: Some("cloudhsm.amazonaws.com"),
                event_name: Some(name),
                ..Event::default()
            });
            events.push(Event {
                event_source: Some("cloudhsm.amazonaws.com"),
                event_name: Some(name),
                event_time: Some("2024-05-06T07:08:09.123Z"),
                aws_region: Some("us-east-1"),
                source_ip_address: Some(["192.0.2.1", "10.0.0.1", "AWS Internal"][index % 3]),
                user_agent: Some(["aws-cli/2", "curl/8", "Mozilla/5.0"][index % 3]),
                error_code: [None, Some("AccessDenied")][index % 2],
                recipient_account_id: Some("111122223333"),
                vpc_endpoint_id: Some("vpce-1"),
                session_credential_from_console: index % 2 == 0,
                identity,
                request: request(),
                response: response(),
                ..Event::default()
            });
        }
    }
    events
}

fn identity<'a>(identity_type: Option<&'a str>, arn: &'a str, role: &'a str) -> Identity<'a> {
    let given = |text: &'a str| Some(text).filter(|text| !text.is_empty());
    Identity {
        identity_type,
        principal_id: Some("AROA:session"),
        arn: given(arn),
        account_id: Some("444455556666"),
        access_key_id: Some("AKIA"),
        user_name: given(role),
        invoked_by: Some("backup.amazonaws.com"),
        identity_provider: Some("idp"),
        on_behalf_of_user_id: Some("user"),
        session: Session {
            creation_date: Some("2024-05-06T07:00:00Z"),
            mfa_authenticated: Some(false),
            issuer_type: Some("IAMUser"),
            issuer_user_name: given(role),
            issuer_arn: Some("arn:aws:iam::444455556666:role/aws-service-role/x"),
            federated_provider: Some("provider"),
        },
    }
}

fn request() -> Request<'static> {
    Request {
        has_cluster_id: true,
        cluster_id: Some("cluster-a"),
        hsm_id: Some("hsm-a"),
        backup_id: Some("backup-a"),
        source_backup_id: Some("arn:aws:cloudhsm:us-east-1:444455556666:backup/backup-b"),
        destination_region: Some("us-west-2"),
        subnet_ids: ["subnet-a", "subnet-b"].into_iter().collect(),
        mode: Some("NON_FIPS"),
        hsm_type: Some("hsm2m.medium"),
        resource_arn: Some("arn:aws:cloudhsm:us-east-1:111122223333:backup/backup-a"),
        backup_retention_value: Some("7"),
        never_expires: Some(false),
        tag_list_keys: ["key", "key"].into_iter().collect(),
        policy: Policy::Allows(vec![
            "*".to_owned(),
            "444455556666".to_owned(),
            "*".to_owned(),
        ]),
        ..Request::default()
    }
}

fn response() -> Response<'static> {
    Response {
        hsm: ResponseHsm {
            availability_zone: Some("us-east-1a"),
            eni_id: Some("eni-a"),
            eni_ip: Some("10.0.0.2"),
            state: Some("ACTIVE"),
            ..ResponseHsm::default()
        },
        cluster: ResponseCluster {
            vpc_id: Some("vpc-a"),
            security_group: Some("sg-a"),
            hsm_count: Some(0),
            ..ResponseCluster::default()
        },
        backup: ResponseBackup {
            source_cluster: Some("cluster-b"),
            source_region: Some("us-east-1"),
            ..ResponseBackup::default()
        },
        ..Response::default()
    }
}

#[test]
fn what_is_written_is_valid_and_every_key_is_written() {
    let (schema, validator) = (parsed(), validator());
    let mut written = BTreeSet::new();
    for event in events() {
        let mut line = br#"{"eventVersion":"1.08"}"#.to_vec();
        encode::splice(&enrich(&event).unwrap(), &mut line);
        if event.error_code.is_some() {
            line.push(b'\n');
            encode::mark_duplicate(&mut line);
        }
        let record: Value = serde_json::from_slice(&line).unwrap();
        let object = &record["cloudhsm"];
        let errors: Vec<String> = validator
            .iter_errors(object)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:?}\n{object:#}");
        for at in ["", "actor", "origin", "resource"] {
            let room = if at.is_empty() { object } else { &object[at] };
            let keys = room.as_object().into_iter().flat_map(|room| room.keys());
            written.extend(keys.map(|key| format!("{at}.{key}")));
        }
    }
    let mut known = BTreeSet::new();
    for at in ["", "actor", "origin", "resource"] {
        let room = if at.is_empty() {
            &schema
        } else {
            &schema["properties"][at]
        };
        let keys = room["properties"].as_object().unwrap().keys();
        known.extend(keys.map(|key| format!("{at}.{key}")));
    }
    assert_eq!(written, known);
}

/// The keys of the schema against the document that defines them, where it is at hand.
#[test]
fn the_keys_are_those_of_the_definition() {
    let Ok(definition) = std::fs::read_to_string("../shared/fields.md") else {
        return;
    };
    let sections = [
        ("## Top level", "/properties"),
        ("## `actor`", "/properties/actor/properties"),
        ("## `origin`", "/properties/origin/properties"),
        ("## `resource`", "/properties/resource/properties"),
    ];
    for (heading, at) in sections {
        let section = definition.split_once(&format!("\n{heading}")).unwrap().1;
        let section = section.split("\n## ").next().unwrap();
        let defined: Vec<&str> = section
            .lines()
            .filter(|line| line.starts_with("| `"))
            .flat_map(|line| {
                line.split('|')
                    .nth(1)
                    .unwrap()
                    .split('`')
                    .skip(1)
                    .step_by(2)
            })
            .collect();
        let schema = parsed();
        let keys = schema.pointer(at).unwrap().as_object().unwrap().keys();
        let (mut keys, mut defined) = (keys.collect::<Vec<_>>(), defined);
        // No fact of the event, but of the run.
        keys.retain(|key| *key != "duplicate");
        defined.retain(|key| *key != "duplicate");
        keys.sort_unstable();
        defined.sort_unstable();
        assert_eq!(keys, defined, "{heading}");
    }
}
