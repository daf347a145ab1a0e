//! To what: the cluster, HSM, backup and surroundings that a call names or its answer shows.
//!
//! In → out: `requestParameters` and `responseElements` of an [`Event`]; a [`Resource`].
//!
//! Invariants: **The request goes before the answer**, in the order that each field lists.
//! **Nothing secret is copied**: no key material, no certificate, no first password. Text is
//! passed on as it stands; only an id inside an ARN is cut out of it.
//!
//! Not here: the policy's JSON ([`crate::decode`] reads it), whether sharing matters (`severity`).
//!
//! Failure: none; what is not there is absent.

use memchr::memchr_iter;

use crate::event::{Event, Policy};

/// The object `resource`; all of it can be absent.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Resource<'a> {
    /// The cluster.
    pub cluster_id: Option<&'a str>,
    /// The HSM.
    pub hsm_id: Option<&'a str>,
    /// The backup.
    pub backup_id: Option<&'a str>,
    /// The backup that a cluster or another backup was made from.
    pub source_backup_id: Option<&'a str>,
    /// The account in the ARN of that backup.
    pub source_backup_account: Option<&'a str>,
    /// The cluster that a backup was made of, before it was copied.
    pub source_cluster_id: Option<&'a str>,
    /// The Region that a backup was copied from.
    pub source_region: Option<&'a str>,
    /// The Region that a backup is copied to.
    pub destination_region: Option<&'a str>,
    /// The Availability Zone.
    pub availability_zone: Option<&'a str>,
    /// The VPC of the cluster.
    pub vpc_id: Option<&'a str>,
    /// The subnets of the cluster, or the one of the HSM.
    pub subnet_ids: &'a [&'a str],
    /// The security group of the cluster.
    pub security_group: Option<&'a str>,
    /// The network interface of the HSM.
    pub eni_id: Option<&'a str>,
    /// The address of that interface.
    pub eni_ip: Option<&'a str>,
    /// The type of HSM.
    pub hsm_type: Option<&'a str>,
    /// `FIPS` or `NON_FIPS`.
    pub mode: Option<&'a str>,
    /// The state after the call.
    pub state: Option<&'a str>,
    /// How many HSMs the cluster has.
    pub hsm_count: Option<usize>,
    /// For how many days backups are to be kept.
    pub retention_days: Option<u32>,
    /// The backup is to be kept for ever.
    pub never_expires: Option<bool>,
    /// The keys of the tags that are set or removed.
    pub tag_keys: &'a [&'a str],
    /// The resource's ARN.
    pub arn: Option<&'a str>,
    /// With whom `PutResourcePolicy` shares: `*`, account ids, other principals as they stand;
    /// sorted, each once.
    pub shared_with: Vec<String>,
}

impl<'a> Resource<'a> {
    pub(super) fn of(event: &'a Event<'_>) -> Self {
        let (request, response) = (&event.request, &event.response);
        let (hsm, cluster, backup) = (&response.hsm, &response.cluster, &response.backup);
        let copy = &response.destination_backup;
        let copied_from = event
            .aws_region
            .filter(|_| event.event_name == Some("CopyBackupToRegion"));
        Self {
            cluster_id: request
                .cluster_id
                .or(hsm.cluster_id)
                .or(cluster.cluster_id)
                .or(backup.cluster_id)
                .or_else(|| tagged(event, "cluster-")),
            hsm_id: request.hsm_id.or(hsm.hsm_id).or(response.hsm_id),
            backup_id: request
                .backup_id
                .or(backup.backup_id)
                .or_else(|| tagged(event, "backup-")),
            source_backup_id: request
                .source_backup_id
                .and_then(|text| id_in(text, "backup-"))
                .or(cluster.source_backup_id)
                .or(backup.source_backup)
                .or(copy.source_backup),
            source_backup_account: request.source_backup_id.and_then(account_of_arn),
            source_cluster_id: copy.source_cluster.or(backup.source_cluster),
            source_region: copy.source_region.or(backup.source_region).or(copied_from),
            destination_region: request.destination_region,
            availability_zone: request.availability_zone.or(hsm.availability_zone),
            vpc_id: cluster.vpc_id,
            subnet_ids: subnet_ids(event),
            security_group: cluster.security_group,
            eni_id: request.eni_id.or(hsm.eni_id),
            eni_ip: request.eni_ip.or(hsm.eni_ip),
            hsm_type: request
                .hsm_type
                .or(hsm.hsm_type)
                .or(cluster.hsm_type)
                .or(backup.hsm_type),
            mode: request.mode.or(cluster.mode).or(backup.mode),
            state: hsm
                .state
                .or(cluster.state)
                .or(backup.backup_state)
                .or(response.state),
            hsm_count: cluster.hsm_count,
            retention_days: request.backup_retention_value.and_then(days),
            never_expires: request.never_expires,
            tag_keys: tag_keys(event),
            arn: request
                .resource_arn
                .or(request.hsm_arn)
                .or(request.hapg_arn)
                .or(request.client_arn)
                .or(response.hsm_arn)
                .or(response.hapg_arn)
                .or(response.client_arn),
            shared_with: shared_with(event),
        }
    }
}

/// The first `kind` (which ends in `-`) with letters or digits after it that does not stand
/// behind a letter, a digit or `-`, and those letters and digits.
pub(super) fn id_in<'a>(text: &'a str, kind: &str) -> Option<&'a str> {
    // To try each `-` takes less than to prepare a search for the kind.
    memchr_iter(b'-', text.as_bytes()).find_map(|dash| {
        let (head, tail) = text.split_at_checked(dash + 1)?;
        let before = head.strip_suffix(kind)?;
        let length = tail.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let inside = before.ends_with(|last: char| last.is_ascii_alphanumeric() || last == '-');
        (length > 0 && !inside).then(|| text.get(before.len()..=dash + length))?
    })
}

/// The id `KIND-…` in the request's `resourceId`, or else in its `resourceArn`.
fn tagged<'a>(event: &Event<'a>, kind: &str) -> Option<&'a str> {
    let id = |text: Option<&'a str>| text.and_then(|text| id_in(text, kind));
    id(event.request.resource_id).or_else(|| id(event.request.resource_arn))
}

/// The fifth field of `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`.
fn account_of_arn(arn: &str) -> Option<&str> {
    let mut fields = arn.strip_prefix("arn:")?.splitn(5, ':').skip(3);
    let account = fields.next().filter(|account| is_account_id(account));
    // Without a resource behind it, it is no ARN.
    fields.next().and(account)
}

/// An account id is 12 digits; `cloudfront` and the like stand in the same place of an ARN.
fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// 1 to 9 ASCII digits as a number.
fn days(text: &str) -> Option<u32> {
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn subnet_ids<'a>(event: &'a Event<'_>) -> &'a [&'a str] {
    let (request, hsm) = (&event.request, &event.response.hsm);
    let of_hsm = [&hsm.subnet_id, &request.subnet_id];
    let one = of_hsm.into_iter().find(|subnet| subnet.is_some());
    match request.subnet_ids.as_slice() {
        [] => one.map_or(&[], Option::as_slice),
        several => several,
    }
}

fn tag_keys<'a>(event: &'a Event<'_>) -> &'a [&'a str] {
    match event.request.tag_list_keys.as_slice() {
        [] => &event.request.tag_key_list,
        added => added,
    }
}

fn shared_with(event: &Event<'_>) -> Vec<String> {
    let Policy::Allows(principals) = &event.request.policy else {
        return Vec::new();
    };
    if event.event_name != Some("PutResourcePolicy") {
        return Vec::new();
    }
    let filled = principals.iter().filter(|principal| !principal.is_empty());
    let mut with: Vec<String> = filled
        .map(|principal| account_of_arn(principal).unwrap_or(principal).to_owned())
        .collect();
    with.sort_unstable();
    with.dedup();
    with
}
