//! The JSON Schema against the worked example, damaged copies of it, and the closed sets.

#![expect(clippy::unwrap_used, reason = "a test ends there")]

use hsmtrail::enrich::actor::{ActorKind, Credential, IssuerKind};
use hsmtrail::enrich::operation::{Access, Action, Api, ResourceType};
use hsmtrail::enrich::origin::{Client, OriginKind};
use hsmtrail::enrich::severity::{Reason, Technique};
use hsmtrail::enrich::{Outcome, Severity};
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
        keys.sort_unstable();
        defined.sort_unstable();
        assert_eq!(keys, defined, "{heading}");
    }
}
