//! How much it matters: severity, the reasons for it, and the techniques of MITRE ATT&CK.
//!
//! In → out: an [`Enrichment`] with all that is derived before, and its event; `severity`, `reasons`
//! and `attack` in the same.
//!
//! Invariants: **The rules are the lines below that `add` a reason**, in the order of the field
//! reference: those of calls that worked or those of calls that did not, then who made them. **A
//! rule raises the severity or leaves it, never lowers it.** The techniques are those of ATT&CK v16.
//!
//! Not here: what happened before or elsewhere. Each event is judged by itself.
//!
//! Failure: none; an event that no rule fits is informational, without reasons.

use smallvec::SmallVec;

use crate::event::{Event, Policy};

use super::actor::{ActorKind, Credential};
use super::operation::{Access, Action, Api};
use super::{Enrichment, Outcome, Severity};

use Severity::{Critical, High, Informational, Low, Medium};
use Step::{AtLeast, Note, Up, UpToAtLeast};
use Technique::{T1078_004, T1098, T1485, T1489, T1490, T1537, T1578_002, T1578_005, T1580};

/// Reasons, in the order of the rules; more than one event can have without an allocation.
pub type Reasons = SmallVec<[Reason; 16]>;

/// Techniques, each once, in the order in which the rules name them.
pub type Techniques = SmallVec<[Technique; 8]>;

/// `reasons`: why an event has its severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A backup was marked for deletion.
    BackupDeleted,
    /// An HSM was deleted.
    HsmDeleted,
    /// A cluster was deleted.
    ClusterDeleted,
    /// A backup was copied to another Region.
    BackupCopiedToRegion,
    /// A backup got a resource policy.
    BackupShared,
    /// … which lets someone else in.
    BackupSharedExternally,
    /// … which could not be read.
    UnreadablePolicy,
    /// A backup lost its resource policy.
    BackupUnshared,
    /// A deletion was taken back.
    BackupRestored,
    /// A backup can be purged again.
    BackupRetentionRemoved,
    /// A backup is kept for ever.
    BackupRetained,
    /// Backups are kept for less than 30 days.
    RetentionBelow30Days,
    /// Backups are kept for another time.
    RetentionChanged,
    /// A cluster moves to another type of HSM.
    HsmTypeChanged,
    /// A cluster was claimed.
    ClusterInitialized,
    /// A cluster was made.
    ClusterCreated,
    /// … from a backup.
    ClusterCreatedFromBackup,
    /// … from another account's backup.
    ClusterCreatedFromForeignBackup,
    /// … outside FIPS mode.
    NonFipsMode,
    /// An HSM was made.
    HsmCreated,
    /// Anything else was taken away.
    DestructiveCall,
    /// Tags were set or removed.
    TagsChanged,
    /// Something changed through the retired API.
    ClassicChange,
    /// The catalogue does not know the operation.
    UnknownOperation,
    /// Anything else was changed.
    WriteCall,
    /// No permission to take or give something away.
    DeniedDestructive,
    /// No permission to change something.
    DeniedWrite,
    /// No permission to look.
    DeniedRead,
    /// The credentials were not accepted.
    UnauthenticatedCall,
    /// The policy of a VPC endpoint forbade it.
    EndpointPolicyDenied,
    /// Too many calls that take something away.
    ThrottledDestructive,
    /// Taking something away failed.
    FailedDestructive,
    /// Changing something failed.
    FailedWrite,
    /// The root user did it.
    RootActor,
    /// Another account's identity changed something.
    CrossAccountActor,
    /// A key that does not end by itself changed something.
    LongTermKey,
    /// A user changed something without a second factor.
    NoMfa,
    /// An AWS service changed something, for itself or for someone.
    ServiceInitiated,
}

impl Reason {
    /// Every reason, in the order of the rules.
    pub const ALL: [Self; 38] = [
        Self::BackupDeleted,
        Self::HsmDeleted,
        Self::ClusterDeleted,
        Self::BackupCopiedToRegion,
        Self::BackupShared,
        Self::BackupSharedExternally,
        Self::UnreadablePolicy,
        Self::BackupUnshared,
        Self::BackupRestored,
        Self::BackupRetentionRemoved,
        Self::BackupRetained,
        Self::RetentionBelow30Days,
        Self::RetentionChanged,
        Self::HsmTypeChanged,
        Self::ClusterInitialized,
        Self::ClusterCreated,
        Self::ClusterCreatedFromBackup,
        Self::ClusterCreatedFromForeignBackup,
        Self::NonFipsMode,
        Self::HsmCreated,
        Self::DestructiveCall,
        Self::TagsChanged,
        Self::ClassicChange,
        Self::UnknownOperation,
        Self::WriteCall,
        Self::DeniedDestructive,
        Self::DeniedWrite,
        Self::DeniedRead,
        Self::UnauthenticatedCall,
        Self::EndpointPolicyDenied,
        Self::ThrottledDestructive,
        Self::FailedDestructive,
        Self::FailedWrite,
        Self::RootActor,
        Self::CrossAccountActor,
        Self::LongTermKey,
        Self::NoMfa,
        Self::ServiceInitiated,
    ];

    /// The word in the `cloudhsm` object.
    pub const fn word(self) -> &'static str {
        match self {
            Self::BackupDeleted => "backup_deleted",
            Self::HsmDeleted => "hsm_deleted",
            Self::ClusterDeleted => "cluster_deleted",
            Self::BackupCopiedToRegion => "backup_copied_to_region",
            Self::BackupShared => "backup_shared",
            Self::BackupSharedExternally => "backup_shared_externally",
            Self::UnreadablePolicy => "unreadable_policy",
            Self::BackupUnshared => "backup_unshared",
            Self::BackupRestored => "backup_restored",
            Self::BackupRetentionRemoved => "backup_retention_removed",
            Self::BackupRetained => "backup_retained",
            Self::RetentionBelow30Days => "retention_below_30_days",
            Self::RetentionChanged => "retention_changed",
            Self::HsmTypeChanged => "hsm_type_changed",
            Self::ClusterInitialized => "cluster_initialized",
            Self::ClusterCreated => "cluster_created",
            Self::ClusterCreatedFromBackup => "cluster_created_from_backup",
            Self::ClusterCreatedFromForeignBackup => "cluster_created_from_foreign_backup",
            Self::NonFipsMode => "non_fips_mode",
            Self::HsmCreated => "hsm_created",
            Self::DestructiveCall => "destructive_call",
            Self::TagsChanged => "tags_changed",
            Self::ClassicChange => "classic_change",
            Self::UnknownOperation => "unknown_operation",
            Self::WriteCall => "write_call",
            Self::DeniedDestructive => "denied_destructive",
            Self::DeniedWrite => "denied_write",
            Self::DeniedRead => "denied_read",
            Self::UnauthenticatedCall => "unauthenticated_call",
            Self::EndpointPolicyDenied => "endpoint_policy_denied",
            Self::ThrottledDestructive => "throttled_destructive",
            Self::FailedDestructive => "failed_destructive",
            Self::FailedWrite => "failed_write",
            Self::RootActor => "root_actor",
            Self::CrossAccountActor => "cross_account_actor",
            Self::LongTermKey => "long_term_key",
            Self::NoMfa => "no_mfa",
            Self::ServiceInitiated => "service_initiated",
        }
    }
}

/// `attack`: a technique of MITRE ATT&CK v16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Technique {
    /// Inhibit System Recovery.
    T1490,
    /// Data Destruction.
    T1485,
    /// Service Stop.
    T1489,
    /// Transfer Data to Cloud Account.
    T1537,
    /// Modify Cloud Compute Infrastructure: Modify Cloud Compute Configurations.
    T1578_005,
    /// Account Manipulation.
    T1098,
    /// Modify Cloud Compute Infrastructure: Create Cloud Instance.
    T1578_002,
    /// Cloud Infrastructure Discovery.
    T1580,
    /// Valid Accounts: Cloud Accounts.
    T1078_004,
}

impl Technique {
    /// Every technique that a rule names.
    pub const ALL: [Self; 9] = [
        Self::T1490,
        Self::T1485,
        Self::T1489,
        Self::T1537,
        Self::T1578_005,
        Self::T1098,
        Self::T1578_002,
        Self::T1580,
        Self::T1078_004,
    ];

    /// The id in the `cloudhsm` object.
    pub const fn word(self) -> &'static str {
        match self {
            Self::T1490 => "T1490",
            Self::T1485 => "T1485",
            Self::T1489 => "T1489",
            Self::T1537 => "T1537",
            Self::T1578_005 => "T1578.005",
            Self::T1098 => "T1098",
            Self::T1578_002 => "T1578.002",
            Self::T1580 => "T1580",
            Self::T1078_004 => "T1078.004",
        }
    }
}

/// What a rule does to the severity.
#[derive(Clone, Copy)]
enum Step {
    /// Nothing; the reason is for the reader.
    Note,
    /// At least this.
    AtLeast(Severity),
    /// One step up.
    Up,
    /// One step up, and at least this.
    UpToAtLeast(Severity),
}

impl Step {
    fn from(self, severity: Severity) -> Severity {
        let up = match severity {
            Informational => Low,
            Low => Medium,
            Medium => High,
            High | Critical => Critical,
        };
        match self {
            Note => severity,
            AtLeast(least) => severity.max(least),
            Up => up,
            UpToAtLeast(least) => up.max(least),
        }
    }
}

impl Enrichment<'_> {
    /// Fills in `severity`, `reasons` and `attack` by the rest, once: they are empty before.
    pub(super) fn judge(&mut self, event: &Event<'_>) {
        match self.outcome {
            Outcome::Success => self.judge_what_worked(event),
            Outcome::Denied => self.judge_what_was_denied(event),
            _ => self.judge_what_failed(),
        }
        self.judge_who_did_it();
    }

    fn add(&mut self, reason: Reason, step: Step, techniques: &[Technique]) {
        self.severity = step.from(self.severity);
        self.reasons.push(reason);
        for technique in techniques {
            if !self.attack.contains(technique) {
                self.attack.push(*technique);
            }
        }
    }

    fn judge_what_worked(&mut self, event: &Event<'_>) {
        self.judge_one_operation(event);
        if self.call.destructive && self.reasons.is_empty() {
            self.add(Reason::DestructiveCall, AtLeast(High), &[T1485]);
        }
        if matches!(self.call.action, Action::Tag | Action::Untag) {
            self.add(Reason::TagsChanged, AtLeast(Low), &[]);
        }
        if self.call.api == Api::Classic && self.writes() {
            self.add(Reason::ClassicChange, AtLeast(Medium), &[]);
        }
        if !self.call.known {
            self.add(Reason::UnknownOperation, AtLeast(Low), &[]);
        }
        if self.writes() && self.reasons.is_empty() {
            self.add(Reason::WriteCall, AtLeast(Low), &[]);
        }
    }

    /// What is told of this operation alone, when it worked.
    fn judge_one_operation(&mut self, event: &Event<'_>) {
        let request = &event.request;
        match self.call.operation.unwrap_or_default() {
            // Also when a service did it: a scheduler can be told to.
            "DeleteBackup" => self.add(Reason::BackupDeleted, AtLeast(High), &[T1490, T1485]),
            "DeleteHsm" => self.add(Reason::HsmDeleted, AtLeast(High), &[T1485, T1489]),
            "DeleteCluster" => self.add(Reason::ClusterDeleted, AtLeast(Critical), &[T1485]),
            "CopyBackupToRegion" => {
                self.add(Reason::BackupCopiedToRegion, AtLeast(High), &[T1537]);
            }
            "PutResourcePolicy" => {
                self.add(Reason::BackupShared, AtLeast(High), &[T1537]);
                if self.shares_externally(event) {
                    self.add(Reason::BackupSharedExternally, AtLeast(Critical), &[T1537]);
                }
                if request.policy == Policy::Unreadable {
                    self.add(Reason::UnreadablePolicy, AtLeast(Critical), &[T1537]);
                }
            }
            "DeleteResourcePolicy" => self.add(Reason::BackupUnshared, AtLeast(Low), &[]),
            "RestoreBackup" => self.add(Reason::BackupRestored, AtLeast(Low), &[]),
            "ModifyBackupAttributes" => match self.resource.never_expires {
                Some(false) => {
                    self.add(Reason::BackupRetentionRemoved, AtLeast(Medium), &[T1490]);
                }
                Some(true) => self.add(Reason::BackupRetained, AtLeast(Informational), &[]),
                None => {}
            },
            "ModifyCluster" => {
                match self.resource.retention_days {
                    Some(..30) => self.add(Reason::RetentionBelow30Days, AtLeast(High), &[T1490]),
                    Some(30..) => self.add(Reason::RetentionChanged, AtLeast(Medium), &[T1490]),
                    None => {}
                }
                if request.hsm_type.is_some() {
                    self.add(Reason::HsmTypeChanged, AtLeast(Medium), &[T1578_005]);
                }
            }
            "InitializeCluster" => self.add(Reason::ClusterInitialized, AtLeast(Medium), &[T1098]),
            "CreateCluster" => {
                self.add(Reason::ClusterCreated, AtLeast(Low), &[T1578_002]);
                if self.resource.source_backup_id.is_some() {
                    let reason = Reason::ClusterCreatedFromBackup;
                    self.add(reason, AtLeast(Medium), &[T1578_002]);
                }
                if self.has_foreign_source(event) {
                    let reason = Reason::ClusterCreatedFromForeignBackup;
                    self.add(reason, AtLeast(High), &[T1578_002]);
                }
                if request.mode == Some("NON_FIPS") {
                    self.add(Reason::NonFipsMode, AtLeast(Medium), &[]);
                }
            }
            "CreateHsm" => self.add(Reason::HsmCreated, AtLeast(Low), &[T1578_002]),
            _ => {}
        }
    }

    fn judge_what_was_denied(&mut self, event: &Event<'_>) {
        if self.call.destructive {
            self.add(Reason::DeniedDestructive, AtLeast(High), &[T1485]);
        } else if matches!(self.call.action, Action::Copy | Action::Share) {
            self.add(Reason::DeniedDestructive, AtLeast(High), &[T1537]);
        } else if self.writes() {
            self.add(Reason::DeniedWrite, AtLeast(Medium), &[T1580]);
        }
        if !self.writes() {
            self.add(Reason::DeniedRead, AtLeast(Low), &[T1580]);
        }
        if event.error_code == Some("VpceAccessDenied") {
            self.add(Reason::EndpointPolicyDenied, AtLeast(Medium), &[]);
        }
    }

    /// The call did not work, and not for want of permission.
    fn judge_what_failed(&mut self) {
        match self.outcome {
            Outcome::Unauthenticated => {
                self.add(Reason::UnauthenticatedCall, AtLeast(Medium), &[T1078_004]);
            }
            Outcome::Throttled if self.call.destructive => {
                self.add(Reason::ThrottledDestructive, AtLeast(Low), &[]);
            }
            Outcome::Throttled => {}
            _ if self.call.destructive => {
                self.add(Reason::FailedDestructive, AtLeast(Medium), &[]);
            }
            _ if self.writes() => self.add(Reason::FailedWrite, AtLeast(Low), &[]),
            _ => {}
        }
    }

    /// Whether it worked or not.
    fn judge_who_did_it(&mut self) {
        let writes = self.writes();
        if self.actor.kind == ActorKind::Root {
            let step = if writes {
                UpToAtLeast(High)
            } else {
                AtLeast(Medium)
            };
            self.add(Reason::RootActor, step, &[T1078_004]);
        }
        if !writes {
            return;
        }
        if self.actor.cross_account == Some(true) {
            self.add(Reason::CrossAccountActor, Up, &[T1078_004]);
        }
        if self.actor.credential == Credential::LongTerm {
            self.add(Reason::LongTermKey, Note, &[T1078_004]);
        }
        let person = matches!(self.actor.kind, ActorKind::Root | ActorKind::IamUser);
        if person && self.actor.mfa == Some(false) {
            self.add(Reason::NoMfa, Note, &[]);
        }
        if self.actor.by_service {
            self.add(Reason::ServiceInitiated, Note, &[]);
        }
    }

    fn writes(&self) -> bool {
        self.call.access == Access::Write
    }

    /// Shared with anyone but the account itself and AWS's own services.
    fn shares_externally(&self, event: &Event<'_>) -> bool {
        let own = event.recipient_account_id;
        let foreign = |who: &String| own != Some(who) && !who.ends_with(".amazonaws.com");
        self.resource.shared_with.iter().any(foreign)
    }

    fn has_foreign_source(&self, event: &Event<'_>) -> bool {
        let source = self.resource.source_backup_account;
        let both = source.zip(event.recipient_account_id);
        both.is_some_and(|(source, own)| source != own)
    }
}
