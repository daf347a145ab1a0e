//! The event of a record by plain rules: each member looked up by its path in an ordinary tree.
//!
//! In → out: a tree in which the last of equal names has counted; the event.
//!
//! Invariants: **Nothing of the decoder is used.** The fuzz targets include this file too.
//!
//! Not here: reading JSON.
//!
//! Failure: none.

use serde_json::Value as Tree;

use crate::event::{
    Event, Identity, Policy, Request, Response, ResponseBackup, ResponseCluster,
    ResponseDestinationBackup, ResponseHsm, Session, Strings,
};

/// What call an event tells of, or an Insight event in its details.
const CALL: [&str; 3] = ["/eventSource", "/eventName", "/errorCode"];

fn of<'v>(tree: &'v Tree, path: &str) -> Option<&'v str> {
    tree.pointer(path)
        .and_then(Tree::as_str)
        .filter(|text| !text.is_empty())
}

fn bool_of(tree: &Tree, path: &str) -> Option<bool> {
    match tree.pointer(path)? {
        Tree::Bool(value) => Some(*value),
        Tree::String(word) => word.parse().ok(),
        _ => None,
    }
}

fn has(tree: &Tree, path: &str) -> bool {
    tree.pointer(path).is_some_and(|value| !value.is_null())
}

/// The strings at `path` inside each element of the array at `list`.
fn list<'v>(tree: &'v Tree, list: &str, path: &str) -> Strings<'v> {
    let elements = tree.pointer(list).and_then(Tree::as_array);
    elements
        .into_iter()
        .flatten()
        .filter_map(|element| of(element, path))
        .collect()
}

/// The event by looking up each member's path from the root of an ordinary tree. A path of
/// names leads nowhere in an array, none of the names being a number. The policy is left out.
pub(crate) fn event_by_path(tree: &Tree) -> Event<'_> {
    let insight = tree
        .pointer("/insightDetails")
        .filter(|value| value.is_object());
    let [event_source, event_name, error_code] = match (of(tree, "/eventSource"), insight) {
        (None, Some(insight)) => CALL.map(|path| of(insight, path)),
        _ => CALL.map(|path| of(tree, path)),
    };
    Event {
        event_source,
        event_name,
        event_time: of(tree, "/eventTime"),
        event_type: of(tree, "/eventType"),
        aws_region: of(tree, "/awsRegion"),
        source_ip_address: of(tree, "/sourceIPAddress"),
        user_agent: of(tree, "/userAgent"),
        error_code,
        error_message: of(tree, "/errorMessage"),
        read_only: tree.pointer("/readOnly").and_then(Tree::as_bool),
        recipient_account_id: of(tree, "/recipientAccountId"),
        vpc_endpoint_id: of(tree, "/vpcEndpointId"),
        client_provided_host_header: of(tree, "/tlsDetails/clientProvidedHostHeader"),
        session_credential_from_console: bool_of(tree, "/sessionCredentialFromConsole")
            == Some(true),
        already_enriched: tree.get("cloudhsm").is_some(),
        identity: identity_by_path(tree),
        request: request_by_path(tree),
        response: response_by_path(tree),
    }
}

fn identity_by_path(tree: &Tree) -> Identity<'_> {
    Identity {
        identity_type: of(tree, "/userIdentity/type"),
        principal_id: of(tree, "/userIdentity/principalId"),
        arn: of(tree, "/userIdentity/arn"),
        account_id: of(tree, "/userIdentity/accountId"),
        access_key_id: of(tree, "/userIdentity/accessKeyId"),
        user_name: of(tree, "/userIdentity/userName"),
        invoked_by: of(tree, "/userIdentity/invokedBy"),
        identity_provider: of(tree, "/userIdentity/identityProvider"),
        on_behalf_of_user_id: of(tree, "/userIdentity/onBehalfOf/userId"),
        session: Session {
            creation_date: of(tree, "/userIdentity/sessionContext/attributes/creationDate"),
            mfa_authenticated: bool_of(
                tree,
                "/userIdentity/sessionContext/attributes/mfaAuthenticated",
            ),
            issuer_type: of(tree, "/userIdentity/sessionContext/sessionIssuer/type"),
            issuer_user_name: of(tree, "/userIdentity/sessionContext/sessionIssuer/userName"),
            issuer_arn: of(tree, "/userIdentity/sessionContext/sessionIssuer/arn"),
            federated_provider: of(
                tree,
                "/userIdentity/sessionContext/webIdFederationData/federatedProvider",
            ),
        },
    }
}

fn request_by_path(tree: &Tree) -> Request<'_> {
    let classic = ["hsmArn", "sshKey", "iamRoleArn", "subscriptionType"];
    Request {
        has_cluster_id: has(tree, "/requestParameters/clusterId"),
        has_classic_member: classic
            .iter()
            .any(|name| has(tree, &format!("/requestParameters/{name}"))),
        cluster_id: of(tree, "/requestParameters/clusterId"),
        hsm_id: of(tree, "/requestParameters/hsmId"),
        backup_id: of(tree, "/requestParameters/backupId"),
        source_backup_id: of(tree, "/requestParameters/sourceBackupId"),
        destination_region: of(tree, "/requestParameters/destinationRegion"),
        availability_zone: of(tree, "/requestParameters/availabilityZone"),
        subnet_id: of(tree, "/requestParameters/subnetId"),
        subnet_ids: list(tree, "/requestParameters/subnetIds", ""),
        eni_id: of(tree, "/requestParameters/eniId"),
        eni_ip: of(tree, "/requestParameters/eniIp"),
        hsm_type: of(tree, "/requestParameters/hsmType"),
        mode: of(tree, "/requestParameters/mode"),
        resource_id: of(tree, "/requestParameters/resourceId"),
        resource_arn: of(tree, "/requestParameters/resourceArn"),
        hsm_arn: of(tree, "/requestParameters/hsmArn"),
        hapg_arn: of(tree, "/requestParameters/hapgArn"),
        client_arn: of(tree, "/requestParameters/clientArn"),
        backup_retention_value: of(tree, "/requestParameters/backupRetentionPolicy/value"),
        never_expires: tree
            .pointer("/requestParameters/neverExpires")
            .and_then(Tree::as_bool),
        tag_list_keys: list(tree, "/requestParameters/tagList", "/key"),
        tag_key_list: list(tree, "/requestParameters/tagKeyList", ""),
        policy: Policy::Unreadable,
    }
}

fn response_by_path(tree: &Tree) -> Response<'_> {
    let hsms = tree.pointer("/responseElements/cluster/hsms");
    Response {
        hsm_id: of(tree, "/responseElements/hsmId"),
        state: of(tree, "/responseElements/state"),
        hsm_arn: of(tree, "/responseElements/hsmArn"),
        hapg_arn: of(tree, "/responseElements/hapgArn"),
        client_arn: of(tree, "/responseElements/clientArn"),
        hsm: ResponseHsm {
            cluster_id: of(tree, "/responseElements/hsm/clusterId"),
            hsm_id: of(tree, "/responseElements/hsm/hsmId"),
            availability_zone: of(tree, "/responseElements/hsm/availabilityZone"),
            subnet_id: of(tree, "/responseElements/hsm/subnetId"),
            eni_id: of(tree, "/responseElements/hsm/eniId"),
            eni_ip: of(tree, "/responseElements/hsm/eniIp"),
            hsm_type: of(tree, "/responseElements/hsm/hsmType"),
            state: of(tree, "/responseElements/hsm/state"),
        },
        cluster: ResponseCluster {
            cluster_id: of(tree, "/responseElements/cluster/clusterId"),
            source_backup_id: of(tree, "/responseElements/cluster/sourceBackupId"),
            vpc_id: of(tree, "/responseElements/cluster/vpcId"),
            security_group: of(tree, "/responseElements/cluster/securityGroup"),
            hsm_type: of(tree, "/responseElements/cluster/hsmType"),
            mode: of(tree, "/responseElements/cluster/mode"),
            state: of(tree, "/responseElements/cluster/state"),
            hsm_count: hsms.and_then(Tree::as_array).map(Vec::len),
        },
        backup: ResponseBackup {
            cluster_id: of(tree, "/responseElements/backup/clusterId"),
            backup_id: of(tree, "/responseElements/backup/backupId"),
            source_backup: of(tree, "/responseElements/backup/sourceBackup"),
            source_cluster: of(tree, "/responseElements/backup/sourceCluster"),
            source_region: of(tree, "/responseElements/backup/sourceRegion"),
            hsm_type: of(tree, "/responseElements/backup/hsmType"),
            mode: of(tree, "/responseElements/backup/mode"),
            backup_state: of(tree, "/responseElements/backup/backupState"),
        },
        destination_backup: ResponseDestinationBackup {
            source_backup: of(tree, "/responseElements/destinationBackup/sourceBackup"),
            source_cluster: of(tree, "/responseElements/destinationBackup/sourceCluster"),
            source_region: of(tree, "/responseElements/destinationBackup/sourceRegion"),
        },
    }
}

/// The principals by rule, from an ordinary tree, sorted: a tree has no order of names.
pub(crate) fn sorted_principals(tree: &Tree) -> Option<Vec<String>> {
    let statements = match tree.get("Statement")? {
        Tree::Array(statements) => statements.clone(),
        statement @ Tree::Object(_) => vec![statement.clone()],
        _ => return None,
    };
    let mut found: Vec<String> = Vec::new();
    for statement in statements.iter().filter(|one| one["Effect"] == "Allow") {
        let principal = &statement["Principal"];
        let mut texts: Vec<_> = vec![principal];
        for one in principal
            .as_object()
            .into_iter()
            .flat_map(|kinds| kinds.values())
        {
            texts.push(one);
            texts.extend(one.as_array().into_iter().flatten());
        }
        found.extend(
            texts
                .iter()
                .filter_map(|text| text.as_str())
                .map(str::to_owned),
        );
        if !statement["NotPrincipal"].is_null() {
            found.push("*".to_owned());
        }
    }
    found.retain(|text| !text.is_empty());
    found.sort();
    Some(found)
}
