//! What CloudTrail said about one event, as far as hsmtrail reads it, borrowed from its text.
//!
//! In → out: [`crate::decode`] fills an [`Event`] from one frame; [`crate::enrich`] reads it.
//!
//! Invariants: **A string that is present is not empty.** A member that is absent, null, empty or
//! of another type than CloudTrail documents reads as `None`, which is the convention of the
//! derived fields. Strings are unescaped; an unpaired surrogate has become U+FFFD. Of duplicate
//! members the last one counts, at every level.
//!
//! Not here: what an event means for CloudHSM (`enrich`), JSON (`decode`).
//!
//! Failure: none; these are plain values.

use smallvec::SmallVec;

/// A short list of borrowed strings; up to eight need no allocation.
pub type Strings<'a> = SmallVec<[&'a str; 8]>;

/// One CloudTrail event: the members that the derived fields need.
///
/// An Insight event has no `eventSource`, and says in `insightDetails` of which calls there are
/// unusually many: its `eventSource`, `eventName` and `errorCode` are read from there.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// `eventSource`.
    pub event_source: Option<&'a str>,
    /// `eventName`.
    pub event_name: Option<&'a str>,
    /// `eventTime`, as text.
    pub event_time: Option<&'a str>,
    /// `eventType`.
    pub event_type: Option<&'a str>,
    /// `awsRegion`.
    pub aws_region: Option<&'a str>,
    /// `sourceIPAddress`: an address, a service's DNS name or `AWS Internal`.
    pub source_ip_address: Option<&'a str>,
    /// `userAgent`.
    pub user_agent: Option<&'a str>,
    /// `errorCode`.
    pub error_code: Option<&'a str>,
    /// `errorMessage`.
    pub error_message: Option<&'a str>,
    /// `readOnly`, when it is a bool.
    pub read_only: Option<bool>,
    /// `recipientAccountId`.
    pub recipient_account_id: Option<&'a str>,
    /// `vpcEndpointId`, whatever it holds.
    pub vpc_endpoint_id: Option<&'a str>,
    /// `tlsDetails.clientProvidedHostHeader`.
    pub client_provided_host_header: Option<&'a str>,
    /// `sessionCredentialFromConsole` is `true` or `"true"`.
    pub session_credential_from_console: bool,
    /// The record has a top-level member `cloudhsm` already, of whatever type.
    pub already_enriched: bool,
    /// `userIdentity`.
    pub identity: Identity<'a>,
    /// `requestParameters`.
    pub request: Request<'a>,
    /// `responseElements`.
    pub response: Response<'a>,
}

/// `userIdentity`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Identity<'a> {
    /// `type`.
    pub identity_type: Option<&'a str>,
    /// `principalId`.
    pub principal_id: Option<&'a str>,
    /// `arn`.
    pub arn: Option<&'a str>,
    /// `accountId`.
    pub account_id: Option<&'a str>,
    /// `accessKeyId`.
    pub access_key_id: Option<&'a str>,
    /// `userName`.
    pub user_name: Option<&'a str>,
    /// `invokedBy`.
    pub invoked_by: Option<&'a str>,
    /// `identityProvider`.
    pub identity_provider: Option<&'a str>,
    /// `onBehalfOf.userId`.
    pub on_behalf_of_user_id: Option<&'a str>,
    /// `sessionContext`.
    pub session: Session<'a>,
}

/// `userIdentity.sessionContext`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Session<'a> {
    /// `attributes.creationDate`, as text.
    pub creation_date: Option<&'a str>,
    /// `attributes.mfaAuthenticated`: a bool, or the strings `true` and `false`.
    pub mfa_authenticated: Option<bool>,
    /// `sessionIssuer.type`.
    pub issuer_type: Option<&'a str>,
    /// `sessionIssuer.userName`.
    pub issuer_user_name: Option<&'a str>,
    /// `sessionIssuer.arn`.
    pub issuer_arn: Option<&'a str>,
    /// `webIdFederationData.federatedProvider`.
    pub federated_provider: Option<&'a str>,
}

/// `requestParameters`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// `clusterId` is present and not null, of whatever type (tells v2 from classic).
    pub has_cluster_id: bool,
    /// One of `hsmArn`, `sshKey`, `iamRoleArn`, `subscriptionType` is present and not null.
    pub has_classic_member: bool,
    /// `clusterId`.
    pub cluster_id: Option<&'a str>,
    /// `hsmId`.
    pub hsm_id: Option<&'a str>,
    /// `backupId`.
    pub backup_id: Option<&'a str>,
    /// `sourceBackupId`: an id or a whole ARN.
    pub source_backup_id: Option<&'a str>,
    /// `destinationRegion`.
    pub destination_region: Option<&'a str>,
    /// `availabilityZone`.
    pub availability_zone: Option<&'a str>,
    /// `subnetId`.
    pub subnet_id: Option<&'a str>,
    /// `subnetIds`: its non-empty strings.
    pub subnet_ids: Strings<'a>,
    /// `eniId`.
    pub eni_id: Option<&'a str>,
    /// `eniIp`.
    pub eni_ip: Option<&'a str>,
    /// `hsmType`.
    pub hsm_type: Option<&'a str>,
    /// `mode`.
    pub mode: Option<&'a str>,
    /// `resourceId`.
    pub resource_id: Option<&'a str>,
    /// `resourceArn`.
    pub resource_arn: Option<&'a str>,
    /// `hsmArn`.
    pub hsm_arn: Option<&'a str>,
    /// `hapgArn`.
    pub hapg_arn: Option<&'a str>,
    /// `clientArn`.
    pub client_arn: Option<&'a str>,
    /// `backupRetentionPolicy.value`, as text.
    pub backup_retention_value: Option<&'a str>,
    /// `neverExpires`, when it is a bool.
    pub never_expires: Option<bool>,
    /// `tagList[].key`: the non-empty strings.
    pub tag_list_keys: Strings<'a>,
    /// `tagKeyList[]`: the non-empty strings.
    pub tag_key_list: Strings<'a>,
    /// `policy`, read as JSON; decoded for `PutResourcePolicy` only.
    pub policy: Policy,
}

/// The resource policy in `requestParameters.policy`, a JSON text.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Policy {
    /// Absent, empty, no JSON object, nested too deep, or without a `Statement` that is an object
    /// or an array.
    #[default]
    Unreadable,
    /// The principals of the `Allow` statements, each the text of the policy, in its order and
    /// with its repeats; a statement with `NotPrincipal` has added `*`.
    Allows(Vec<String>),
}

/// `responseElements`. A member of `hsm`, `cluster`, `backup` and `destinationBackup` carries that
/// word in its name.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Response<'a> {
    /// `hsmId`.
    pub hsm_id: Option<&'a str>,
    /// `state`.
    pub state: Option<&'a str>,
    /// `hsmArn`.
    pub hsm_arn: Option<&'a str>,
    /// `hapgArn`.
    pub hapg_arn: Option<&'a str>,
    /// `clientArn`.
    pub client_arn: Option<&'a str>,
    /// `hsm`.
    pub hsm: ResponseHsm<'a>,
    /// `cluster`.
    pub cluster: ResponseCluster<'a>,
    /// `backup`.
    pub backup: ResponseBackup<'a>,
    /// `destinationBackup`.
    pub destination_backup: ResponseDestinationBackup<'a>,
}

/// `responseElements.hsm`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ResponseHsm<'a> {
    /// `clusterId`.
    pub cluster_id: Option<&'a str>,
    /// `hsmId`.
    pub hsm_id: Option<&'a str>,
    /// `availabilityZone`.
    pub availability_zone: Option<&'a str>,
    /// `subnetId`.
    pub subnet_id: Option<&'a str>,
    /// `eniId`.
    pub eni_id: Option<&'a str>,
    /// `eniIp`.
    pub eni_ip: Option<&'a str>,
    /// `hsmType`.
    pub hsm_type: Option<&'a str>,
    /// `state`.
    pub state: Option<&'a str>,
}

/// `responseElements.cluster`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ResponseCluster<'a> {
    /// `clusterId`.
    pub cluster_id: Option<&'a str>,
    /// `sourceBackupId`.
    pub source_backup_id: Option<&'a str>,
    /// `vpcId`.
    pub vpc_id: Option<&'a str>,
    /// `securityGroup`.
    pub security_group: Option<&'a str>,
    /// `hsmType`.
    pub hsm_type: Option<&'a str>,
    /// `mode`.
    pub mode: Option<&'a str>,
    /// `state`.
    pub state: Option<&'a str>,
    /// Length of `hsms`, when it is an array.
    pub hsm_count: Option<usize>,
}

/// `responseElements.backup`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ResponseBackup<'a> {
    /// `clusterId`.
    pub cluster_id: Option<&'a str>,
    /// `backupId`.
    pub backup_id: Option<&'a str>,
    /// `sourceBackup`.
    pub source_backup: Option<&'a str>,
    /// `sourceCluster`.
    pub source_cluster: Option<&'a str>,
    /// `sourceRegion`.
    pub source_region: Option<&'a str>,
    /// `hsmType`.
    pub hsm_type: Option<&'a str>,
    /// `mode`.
    pub mode: Option<&'a str>,
    /// `backupState`.
    pub backup_state: Option<&'a str>,
}

/// `responseElements.destinationBackup`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ResponseDestinationBackup<'a> {
    /// `sourceBackup`.
    pub source_backup: Option<&'a str>,
    /// `sourceCluster`.
    pub source_cluster: Option<&'a str>,
    /// `sourceRegion`.
    pub source_region: Option<&'a str>,
}
