//! Makes up the calls that an entry is about, and says what reasons and techniques mean.
//!
//! In → out: a row of the catalogue; its [`Case`]s for [`crate::explain`]. A [`Reason`] or a
//! [`Technique`]; a sentence or a name.
//!
//! Invariants: **Every case is an event that [`crate::enrich::enrich`] takes for a call of its
//! row**, in the row's generation of the API.
//!
//! Not here: what severity a case has (`enrich` tells), how it is laid out (`explain`).
//!
//! Failure: none.

use crate::enrich::operation::{Access, Api, Operation};
use crate::enrich::severity::{Reason, Technique};
use crate::event::{Event, Identity, Policy, Request};

/// A call that is worth explaining.
pub(super) struct Case {
    /// How the call goes and what is special about it.
    pub(super) when: &'static str,
    /// What CloudTrail would say of it.
    pub(super) event: Event<'static>,
}

/// An account like those in AWS's own examples, the owner of everything.
const OWN: &str = "111122223333";

/// Another account.
const OTHER: &str = "444455556666";

impl Case {
    /// Calls that work, those that do not, and those of certain people.
    pub(super) fn all(row: &Operation) -> Vec<Self> {
        let mut cases = Self::worked(row);
        cases.extend(FAILURES.map(|(when, code)| {
            let event = Event {
                error_code: Some(code),
                ..plain(row)
            };
            Self { when, event }
        }));
        // Who did it hardly matters for what only reads; only the root user should not even look.
        let who = if row.access == Access::Write {
            &ACTORS[..]
        } else {
            ACTORS.get(..1).unwrap_or_default()
        };
        cases.extend(who.iter().map(|(when, identity)| {
            let event = Event {
                identity: identity(),
                ..plain(row)
            };
            Self { when, event }
        }));
        cases
    }

    /// Calls that work, made through a role of the account.
    pub(super) fn worked(row: &Operation) -> Vec<Self> {
        let case = |(when, request): (&'static str, Request<'static>)| Self {
            when,
            event: Event {
                request,
                ..plain(row)
            },
        };
        requests(row).into_iter().map(case).collect()
    }
}

/// The errors that a call can get, one of each kind that the rules tell apart.
const FAILURES: [(&str, &str); 5] = [
    ("is denied", "CloudHsmAccessDeniedException"),
    (
        "is denied by the policy of a VPC endpoint",
        "VpceAccessDenied",
    ),
    ("has credentials that are not accepted", "ExpiredToken"),
    ("is throttled", "ThrottlingException"),
    ("fails otherwise", "CloudHsmInvalidRequestException"),
];

/// Someone who makes calls.
type Actor = (&'static str, fn() -> Identity<'static>);

/// Those whose calls matter more than a role's of the account; the root user first.
const ACTORS: [Actor; 5] = [
    ("works, made by the root user", || Identity {
        identity_type: Some("Root"),
        account_id: Some(OWN),
        ..Identity::default()
    }),
    ("works, made from another account", || Identity {
        account_id: Some(OTHER),
        ..role()
    }),
    ("works, made with a long-term key", || Identity {
        access_key_id: Some("AKIA"),
        ..user()
    }),
    ("works, made by a user without MFA", || {
        let mut user = Identity {
            access_key_id: Some("ASIA"),
            ..user()
        };
        user.session.mfa_authenticated = Some(false);
        user
    }),
    ("works, made by an AWS service", || Identity {
        invoked_by: Some("backup.amazonaws.com"),
        ..role()
    }),
];

/// An operation, how its call works, and what its request then holds.
type Variant = (&'static str, &'static str, fn(&mut Request<'static>));

/// The requests that the rules tell apart, the plainest of an operation first.
const VARIANTS: [Variant; 14] = [
    ("CreateCluster", "works, without a backup", |_| {}),
    ("CreateCluster", "works, in NON_FIPS mode", |request| {
        request.mode = Some("NON_FIPS");
    }),
    (
        "CreateCluster",
        "works, from a backup of the account",
        |request| {
            request.source_backup_id = Some("backup-aaaaaaaaaaa");
        },
    ),
    (
        "CreateCluster",
        "works, from a backup of another account",
        |request| {
            request.source_backup_id =
                Some("arn:aws:cloudhsm:us-east-1:444455556666:backup/backup-aaaaaaaaaaa");
        },
    ),
    (
        "ModifyBackupAttributes",
        "works, neverExpires true",
        |request| {
            request.never_expires = Some(true);
        },
    ),
    (
        "ModifyBackupAttributes",
        "works, neverExpires false",
        |request| {
            request.never_expires = Some(false);
        },
    ),
    (
        "ModifyBackupAttributes",
        "works, without neverExpires",
        |_| {},
    ),
    (
        "ModifyCluster",
        "works, retention of 30 days or more",
        |request| {
            request.backup_retention_value = Some("30");
        },
    ),
    (
        "ModifyCluster",
        "works, retention below 30 days",
        |request| {
            request.backup_retention_value = Some("7");
        },
    ),
    ("ModifyCluster", "works, another type of HSM", |request| {
        request.hsm_type = Some("hsm2m.medium");
    }),
    ("ModifyCluster", "works, without any of these", |_| {}),
    (
        "PutResourcePolicy",
        "works, shared within the account",
        |request| {
            request.policy = Policy::Allows(vec![OWN.to_owned()]);
        },
    ),
    (
        "PutResourcePolicy",
        "works, shared with another account",
        |request| {
            request.policy = Policy::Allows(vec![OTHER.to_owned()]);
        },
    ),
    (
        "PutResourcePolicy",
        "works, with a policy that cannot be read",
        |request| {
            request.policy = Policy::Unreadable;
        },
    ),
];

/// How a call of the row works and the request of it, at least one.
fn requests(row: &Operation) -> Vec<(&'static str, Request<'static>)> {
    let variants = VARIANTS.iter().filter(|(name, ..)| *name == row.name);
    let mut requests: Vec<_> = variants
        .map(|(_, when, add)| {
            let mut request = request(row);
            add(&mut request);
            (*when, request)
        })
        .collect();
    if requests.is_empty() {
        requests.push(("works", request(row)));
    }
    requests
}

/// The plainest call of a row that works.
fn plain(row: &Operation) -> Event<'static> {
    Event {
        event_source: Some("cloudhsm.amazonaws.com"),
        event_name: Some(row.name),
        recipient_account_id: Some(OWN),
        identity: role(),
        request: requests(row)
            .into_iter()
            .next()
            .map(|(_, request)| request)
            .unwrap_or_default(),
        ..Event::default()
    }
}

/// The members that tell the generation of a call whose name both have.
fn request(row: &Operation) -> Request<'static> {
    Request {
        has_cluster_id: row.generation == Api::V2,
        has_classic_member: row.generation == Api::Classic,
        ..Request::default()
    }
}

fn role() -> Identity<'static> {
    Identity {
        identity_type: Some("AssumedRole"),
        account_id: Some(OWN),
        access_key_id: Some("ASIA"),
        ..Identity::default()
    }
}

fn user() -> Identity<'static> {
    Identity {
        identity_type: Some("IAMUser"),
        account_id: Some(OWN),
        ..Identity::default()
    }
}

/// What a reason means, in a sentence.
pub(super) const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::BackupDeleted => "A backup was marked for deletion.",
        Reason::HsmDeleted => "An HSM was deleted.",
        Reason::ClusterDeleted => "A cluster was deleted.",
        Reason::BackupCopiedToRegion => "A backup was copied to another Region.",
        Reason::BackupShared => "A backup was given a resource policy, which shares it.",
        Reason::BackupSharedExternally => "Someone outside the account can use the backup.",
        Reason::UnreadablePolicy => "The policy cannot be read, so anyone might use the backup.",
        Reason::BackupUnshared => "A backup lost its resource policy.",
        Reason::BackupRestored => "The deletion of a backup was taken back.",
        Reason::BackupRetentionRemoved => "The retention policy can purge the backup again.",
        Reason::BackupRetained => "The backup is kept for ever.",
        Reason::RetentionBelow30Days => "Backups are kept for less than 30 days.",
        Reason::RetentionChanged => "The time that backups are kept was changed.",
        Reason::HsmTypeChanged => "The cluster moves to another type of HSM.",
        Reason::ClusterInitialized => "A cluster was claimed with a certificate.",
        Reason::ClusterCreated => "A cluster was created.",
        Reason::ClusterCreatedFromBackup => "The new cluster holds the keys of a backup.",
        Reason::ClusterCreatedFromForeignBackup => "That backup is another account's.",
        Reason::NonFipsMode => "The cluster is outside FIPS mode.",
        Reason::HsmCreated => "An HSM was created.",
        Reason::DestructiveCall => "Something was taken away that others may depend on.",
        Reason::TagsChanged => "Tags were changed, on which access can depend.",
        Reason::ClassicChange => "Something was changed through the retired API.",
        Reason::UnknownOperation => "The catalogue does not know the operation.",
        Reason::WriteCall => "Something was changed.",
        Reason::DeniedDestructive => "Someone without permission tried to destroy or to carry off.",
        Reason::DeniedWrite => "Someone without permission tried to change something.",
        Reason::DeniedRead => "Someone without permission tried to look.",
        Reason::UnauthenticatedCall => "The credentials were wrong or no longer valid.",
        Reason::EndpointPolicyDenied => "The policy of a VPC endpoint forbade the call.",
        Reason::ThrottledDestructive => "A destructive call came too often and may come again.",
        Reason::FailedDestructive => "A destructive call was tried and failed.",
        Reason::FailedWrite => "A change was tried and failed.",
        Reason::RootActor => "The root user of an account made the call.",
        Reason::CrossAccountActor => "An identity of another account made the call.",
        Reason::LongTermKey => "The key that was used does not end by itself (a note).",
        Reason::NoMfa => "A user made the call without a second factor (a note).",
        Reason::ServiceInitiated => "An AWS service made the call, for itself or someone (a note).",
    }
}

/// The name of a technique.
pub(super) const fn technique(technique: Technique) -> &'static str {
    match technique {
        Technique::T1490 => "Inhibit System Recovery",
        Technique::T1485 => "Data Destruction",
        Technique::T1489 => "Service Stop",
        Technique::T1537 => "Transfer Data to Cloud Account",
        Technique::T1578_005 => {
            "Modify Cloud Compute Infrastructure: Modify Cloud Compute Configurations"
        }
        Technique::T1098 => "Account Manipulation",
        Technique::T1578_002 => "Modify Cloud Compute Infrastructure: Create Cloud Instance",
        Technique::T1580 => "Cloud Infrastructure Discovery",
        Technique::T1078_004 => "Valid Accounts: Cloud Accounts",
    }
}
