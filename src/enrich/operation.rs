//! What was called: the operation catalogue, and what a name and its request say about the call.
//!
//! In → out: an [`Event`]'s name, request and host header; a [`Call`] for [`crate::enrich`]. The
//! catalogue itself also feeds `hsmtrail explain` and the metric labels.
//!
//! Invariants: **One row per operation and generation**: 18 of the API of 2017 (`v2`) and 20 of
//! the retired one of 2014 (`classic`); `CreateHsm` and `DeleteHsm` are in both, and their two
//! rows differ in generation and effect only. **A label is a name of the catalogue or `other`.**
//!
//! Not here: whether the call worked (`outcome` in [`crate::enrich`]), to what it was made
//! (`resource`), how much it matters (`severity`).
//!
//! Failure: none; a name that is not in the catalogue is an answer too.

use std::sync::LazyLock;

use crate::event::Event;

use super::resource::id_in;

use Access::{Read, Write};
use Action::{Create, Delete, Initialize, Modify, Restore, Share, Unshare, Untag};
use ResourceType::{Backup, Cluster, Hapg, Hsm, LunaClient, Region, ResourcePolicy};

/// One row of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// The API's name for it, CloudTrail's `eventName`.
    pub name: &'static str,
    /// The generation of the API: [`Api::V2`] or [`Api::Classic`], never unknown.
    pub generation: Api,
    /// Whether it changes anything.
    pub access: Access,
    /// What kind of thing it does.
    pub action: Action,
    /// What it is done to.
    pub resource_type: ResourceType,
    /// It takes something away that clients or recovery may depend on.
    pub destructive: bool,
    /// What the call does, in a sentence.
    pub effect: &'static str,
    /// Why that matters, where it is not plain from the effect.
    pub matters: Option<&'static str>,
}

/// Every operation of both generations: v2 by name, then classic by name.
pub const CATALOGUE: [Operation; 38] = [
    v2("CopyBackupToRegion", Write, Action::Copy, Backup)
        .effect("Copies a backup to another Region of the same account.")
        .matters(
            "The copy holds the same key material, is outside the cluster's retention policy, and \
             is governed by what is allowed in the other Region.",
        ),
    v2("CreateCluster", Write, Create, Cluster)
        .effect("Creates a cluster, either empty or from a backup.")
        .matters(
            "A cluster made from a backup is a second copy of its keys and users. The backup may \
             be one that another account shares. NON_FIPS mode drops the limits of FIPS.",
        ),
    v2("CreateHsm", Write, Create, Hsm)
        .effect("Adds an HSM to a cluster, in the Availability Zone that the caller names."),
    v2("DeleteBackup", Write, Delete, Backup)
        .destructive()
        .effect("Marks a backup for deletion; it is gone for good after seven days.")
        .matters(
            "Until then RestoreBackup brings it back. When no HSM and no other backup of the \
             cluster is left, its keys are lost.",
        ),
    v2("DeleteCluster", Write, Delete, Cluster)
        .destructive()
        .effect("Deletes a cluster whose HSMs have all been deleted before.")
        .matters("From then on only the backups hold the cluster's keys."),
    v2("DeleteHsm", Write, Delete, Hsm)
        .destructive()
        .effect("Deletes an HSM, named by its id, its network interface or its address.")
        .matters("Deleting the last HSM of a cluster stops everything that uses its keys."),
    v2("DeleteResourcePolicy", Write, Unshare, ResourcePolicy)
        .effect("Removes the resource policy of a backup, so that it is no longer shared.")
        .matters("Soon after PutResourcePolicy it can be the end of a short, hidden share."),
    v2("DescribeBackups", Read, Action::Read, Backup)
        .effect("Lists backups, those of the account or those that others share with it."),
    v2("DescribeClusters", Read, Action::Read, Cluster)
        .effect("Lists clusters with their HSMs, certificates and state.")
        .matters(
            "KMS custom key stores and the client's configure tool call it too. For a new cluster \
             the answer can hold the first password of its crypto officer.",
        ),
    v2("GetResourcePolicy", Read, Action::Read, ResourcePolicy)
        .effect("Reads the resource policy of a backup: with whom it is shared."),
    v2("InitializeCluster", Write, Initialize, Cluster)
        .effect("Claims a new cluster with a signed certificate and its trust anchor.")
        .matters("Whoever signed that certificate owns the cluster's identity, once and for all."),
    v2("ListTags", Read, Action::Read, ResourceType::Tag)
        .effect("Lists the tags of a cluster or backup."),
    v2("ModifyBackupAttributes", Write, Modify, Backup)
        .effect("Exempts a backup from the retention policy, or puts it back under it.")
        .matters("A backup that was kept for ever can be purged once neverExpires is false."),
    v2("ModifyCluster", Write, Modify, Cluster)
        .effect("Changes how long a cluster's backups are kept, or its type of HSM.")
        .matters("A shorter retention purges the backups that are older than it."),
    v2("PutResourcePolicy", Write, Share, ResourcePolicy)
        .effect("Sets the resource policy of a backup, which shares it with other accounts.")
        .matters(
            "An account that may use the backup can make a cluster with the same keys from it. \
             Shares made through AWS RAM are logged by RAM, not under this name.",
        ),
    v2("RestoreBackup", Write, Restore, Backup)
        .effect("Takes a backup that is marked for deletion back into service.")
        .matters("It loads no keys anywhere: that is CreateCluster from a backup."),
    v2("TagResource", Write, Action::Tag, ResourceType::Tag)
        .effect("Adds or overwrites tags of a cluster or backup.")
        .matters("Access can depend on tags."),
    v2("UntagResource", Write, Untag, ResourceType::Tag)
        .effect("Removes tags from a cluster or backup.")
        .matters("Access can depend on tags."),
    classic("AddTagsToResource", Write, Action::Tag, ResourceType::Tag)
        .effect("Adds or overwrites tags of a classic resource."),
    classic("CreateHapg", Write, Create, Hapg)
        .effect("Creates a high-availability group of HSM partitions."),
    classic("CreateHsm", Write, Create, Hsm)
        .effect("Orders a classic HSM appliance in a subnet, with a key for its SSH access."),
    classic("CreateLunaClient", Write, Create, LunaClient)
        .effect("Registers the certificate of an HSM client.")
        .matters("The holder of the certificate's private key can be let in to partitions."),
    classic("DeleteHapg", Write, Delete, Hapg)
        .destructive()
        .effect("Deletes a high-availability group."),
    classic("DeleteHsm", Write, Delete, Hsm)
        .destructive()
        .effect("Deletes a classic HSM appliance and the keys on it.")
        .matters("Deletion wipes the appliance; keys that no one copied before are lost."),
    classic("DeleteLunaClient", Write, Delete, LunaClient)
        .destructive()
        .effect("Deletes the registration of an HSM client."),
    classic("DescribeHapg", Read, Action::Read, Hapg).effect("Reads one high-availability group."),
    classic("DescribeHsm", Read, Action::Read, Hsm)
        .effect("Reads one classic HSM, by its ARN or serial number."),
    classic("DescribeLunaClient", Read, Action::Read, LunaClient)
        .effect("Reads one HSM client, by its ARN or the fingerprint of its certificate."),
    classic("GetConfig", Read, Action::Read, LunaClient)
        .effect("Reads the files that a client needs to connect to its groups.")
        .matters("The answer holds a credential file, although the call counts as a read."),
    classic("ListAvailableZones", Read, Action::Read, Region)
        .effect("Lists the Availability Zones that can take a classic HSM."),
    classic("ListHapgs", Read, Action::Read, Hapg)
        .effect("Lists the high-availability groups of the account."),
    classic("ListHsms", Read, Action::Read, Hsm).effect("Lists the classic HSMs of the account."),
    classic("ListLunaClients", Read, Action::Read, LunaClient)
        .effect("Lists the HSM clients of the account."),
    classic("ListTagsForResource", Read, Action::Read, ResourceType::Tag)
        .effect("Lists the tags of a classic resource."),
    classic("ModifyHapg", Write, Modify, Hapg)
        .effect("Changes the label or the member partitions of a high-availability group."),
    classic("ModifyHsm", Write, Modify, Hsm)
        .effect("Changes a classic HSM's subnet, address, role or log server.")
        .matters("Another log server means that the appliance's own log goes elsewhere."),
    classic("ModifyLunaClient", Write, Modify, LunaClient)
        .effect("Replaces the certificate of an HSM client.")
        .matters("The holder of the new private key takes the client's place."),
    classic("RemoveTagsFromResource", Write, Untag, ResourceType::Tag)
        .effect("Removes tags from a classic resource."),
];

/// The metric label of each operation: the 36 distinct names of the catalogue, sorted, then
/// `other`, the label of every name that is not in it.
pub const LABELS: [&str; 37] = [
    "AddTagsToResource",
    "CopyBackupToRegion",
    "CreateCluster",
    "CreateHapg",
    "CreateHsm",
    "CreateLunaClient",
    "DeleteBackup",
    "DeleteCluster",
    "DeleteHapg",
    "DeleteHsm",
    "DeleteLunaClient",
    "DeleteResourcePolicy",
    "DescribeBackups",
    "DescribeClusters",
    "DescribeHapg",
    "DescribeHsm",
    "DescribeLunaClient",
    "GetConfig",
    "GetResourcePolicy",
    "InitializeCluster",
    "ListAvailableZones",
    "ListHapgs",
    "ListHsms",
    "ListLunaClients",
    "ListTags",
    "ListTagsForResource",
    "ModifyBackupAttributes",
    "ModifyCluster",
    "ModifyHapg",
    "ModifyHsm",
    "ModifyLunaClient",
    "PutResourcePolicy",
    "RemoveTagsFromResource",
    "RestoreBackup",
    "TagResource",
    "UntagResource",
    "other",
];

/// The rows of a name: none, one, or the two of `CreateHsm` and `DeleteHsm`, v2 first.
pub fn rows(name: &str) -> impl Iterator<Item = &'static Operation> {
    CATALOGUE.iter().filter(move |row| row.name == name)
}

/// The rows of each of [`LABELS`], none for the last one, so that a name is looked up but once.
static ROWS: LazyLock<[[Option<&Operation>; 2]; LABELS.len()]> = LazyLock::new(|| {
    LABELS.map(|name| {
        let mut rows = rows(name);
        [rows.next(), rows.next()]
    })
});

/// The index in [`LABELS`] of an event's name; the last one for every name that is not exactly a
/// name of the catalogue.
fn label_index(name: &str) -> usize {
    // Nearly every comparison ends with the lengths, which a binary search would not compare, and
    // of the others nearly every one with the first letter.
    let same = |label: &&str| {
        label.len() == name.len() && label.bytes().next() == name.bytes().next() && *label == name
    };
    LABELS.iter().position(same).unwrap_or(LABELS.len() - 1)
}

/// What an event's name, request and host header say about the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<'a> {
    /// `eventName`, whatever it is.
    pub operation: Option<&'a str>,
    /// The index of its label in [`LABELS`].
    pub label: usize,
    /// The name is in the catalogue.
    pub known: bool,
    /// The generation of the API.
    pub api: Api,
    /// Whether it changes anything.
    pub access: Access,
    /// What kind of thing it does.
    pub action: Action,
    /// What it is done to; none for a name that is not in the catalogue.
    pub resource_type: Option<ResourceType>,
    /// It takes something away.
    pub destructive: bool,
}

impl<'a> Call<'a> {
    pub(super) fn of(event: &Event<'a>) -> Self {
        let name = event.event_name.unwrap_or_default();
        let label = label_index(name);
        let [row, second] = ROWS.get(label).copied().unwrap_or_default();
        let action = row.map_or_else(|| Action::of_unknown(name), |row| row.action);
        Self {
            operation: event.event_name,
            label,
            known: row.is_some(),
            api: Api::of(event, row, second),
            access: match (row, event.read_only) {
                // The catalogue goes before `readOnly`: an event cannot talk itself down.
                (Some(row), _) => row.access,
                (None, Some(read_only)) => {
                    if read_only {
                        Read
                    } else {
                        Write
                    }
                }
                (None, None) => {
                    if action == Action::Read {
                        Read
                    } else {
                        Write
                    }
                }
            },
            action,
            resource_type: row.map(|row| match row.resource_type {
                ResourceType::Tag => ResourceType::of_tagged(event),
                resource_type => resource_type,
            }),
            destructive: row.map_or(action == Delete, |row| row.destructive),
        }
    }
}

/// `api`: the generation of the CloudHSM API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// The API of 2017: clusters.
    V2,
    /// The retired API of 2014: single appliances.
    Classic,
    /// The event does not tell.
    Unknown,
}

impl Api {
    /// Every generation, in order of its number.
    pub const ALL: [Self; 3] = [Self::V2, Self::Classic, Self::Unknown];

    /// The word in the `cloudhsm` object.
    pub const fn word(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::Classic => "classic",
            Self::Unknown => "unknown",
        }
    }

    /// The generation of a call whose name has one row in the catalogue, or a row in each
    /// generation, or none.
    fn of(event: &Event<'_>, row: Option<&Operation>, second: Option<&Operation>) -> Self {
        let request = &event.request;
        let host = event.client_provided_host_header.unwrap_or_default();
        match (row, second) {
            (Some(row), None) => row.generation,
            (Some(_), Some(_)) if request.has_cluster_id => Self::V2,
            (Some(_), Some(_)) if request.has_classic_member => Self::Classic,
            _ if host.starts_with("cloudhsmv2.") => Self::V2,
            _ if host.starts_with("cloudhsm.") => Self::Classic,
            _ => Self::Unknown,
        }
    }
}

/// `access`: does the call only read, or change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// It changes nothing.
    Read,
    /// It changes something, or may.
    Write,
}

impl Access {
    /// Both kinds, in order of their number.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];

    /// The word in the `cloudhsm` object.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// `action`: what kind of thing the call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Copies a backup elsewhere.
    Copy,
    /// Makes something new.
    Create,
    /// Takes something away.
    Delete,
    /// Ends a share.
    Unshare,
    /// Looks.
    Read,
    /// Claims a cluster.
    Initialize,
    /// Changes something.
    Modify,
    /// Shares a backup.
    Share,
    /// Takes back a deletion.
    Restore,
    /// Sets tags.
    Tag,
    /// Removes tags.
    Untag,
    /// Anything else.
    Other,
}

impl Action {
    /// Every action, in order of its number.
    pub const ALL: [Self; 12] = [
        Self::Copy,
        Self::Create,
        Self::Delete,
        Self::Unshare,
        Self::Read,
        Self::Initialize,
        Self::Modify,
        Self::Share,
        Self::Restore,
        Self::Tag,
        Self::Untag,
        Self::Other,
    ];

    /// The word in the `cloudhsm` object.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Unshare => "unshare",
            Self::Read => "read",
            Self::Initialize => "initialize",
            Self::Modify => "modify",
            Self::Share => "share",
            Self::Restore => "restore",
            Self::Tag => "tag",
            Self::Untag => "untag",
            Self::Other => "other",
        }
    }

    /// The action of a name that is not in the catalogue, by how it begins.
    fn of_unknown(name: &str) -> Self {
        let begins = |(prefix, action): &(&str, Self)| name.starts_with(prefix).then_some(*action);
        PREFIXES.iter().find_map(begins).unwrap_or(Self::Other)
    }
}

/// No prefix begins another, so their order does not matter.
const PREFIXES: [(&str, Action); 14] = [
    ("Describe", Action::Read),
    ("List", Action::Read),
    ("Get", Action::Read),
    ("Create", Create),
    ("Delete", Delete),
    ("Modify", Modify),
    ("Update", Modify),
    ("Put", Modify),
    ("Copy", Action::Copy),
    ("Restore", Restore),
    ("Tag", Action::Tag),
    ("AddTags", Action::Tag),
    ("Untag", Untag),
    ("RemoveTags", Untag),
];

/// `resource_type`: what kind of thing the call is made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceType {
    /// A cluster.
    Cluster,
    /// An HSM.
    Hsm,
    /// A backup.
    Backup,
    /// The resource policy of a backup.
    ResourcePolicy,
    /// A high-availability partition group (classic).
    Hapg,
    /// A registered client (classic).
    LunaClient,
    /// A Region (classic).
    Region,
    /// Tags of something that the event does not show.
    Tag,
}

impl ResourceType {
    /// Every type, in order of its number.
    pub const ALL: [Self; 8] = [
        Self::Cluster,
        Self::Hsm,
        Self::Backup,
        Self::ResourcePolicy,
        Self::Hapg,
        Self::LunaClient,
        Self::Region,
        Self::Tag,
    ];

    /// The word in the `cloudhsm` object.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Hsm => "hsm",
            Self::Backup => "backup",
            Self::ResourcePolicy => "resource_policy",
            Self::Hapg => "hapg",
            Self::LunaClient => "luna_client",
            Self::Region => "region",
            Self::Tag => "tag",
        }
    }

    /// What the id or ARN in the request of a tag operation shows.
    fn of_tagged(event: &Event<'_>) -> Self {
        let shown = |text| {
            let shows = |(kind, resource_type)| id_in(text, kind).map(|_| resource_type);
            KINDS.into_iter().find_map(shows)
        };
        let texts = [event.request.resource_id, event.request.resource_arn];
        texts
            .into_iter()
            .flatten()
            .find_map(shown)
            .unwrap_or(Self::Tag)
    }
}

const KINDS: [(&str, ResourceType); 5] = [
    ("cluster-", Cluster),
    ("backup-", Backup),
    ("hsm-", Hsm),
    ("hapg-", Hapg),
    ("client-", LunaClient),
];

/// A row of the API of 2017, without its effect.
const fn v2(
    name: &'static str,
    access: Access,
    action: Action,
    resource_type: ResourceType,
) -> Operation {
    Operation {
        name,
        generation: Api::V2,
        access,
        action,
        resource_type,
        destructive: false,
        effect: "",
        matters: None,
    }
}

/// A row of the API of 2014, without its effect.
const fn classic(
    name: &'static str,
    access: Access,
    action: Action,
    resource_type: ResourceType,
) -> Operation {
    Operation {
        generation: Api::Classic,
        ..v2(name, access, action, resource_type)
    }
}

impl Operation {
    const fn destructive(self) -> Self {
        Self {
            destructive: true,
            ..self
        }
    }

    const fn effect(self, effect: &'static str) -> Self {
        Self { effect, ..self }
    }

    const fn matters(self, matters: &'static str) -> Self {
        Self {
            matters: Some(matters),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The catalogue against the public service models, as they are kept beside the clone of
    /// those who build hsmtrail.
    #[test]
    fn catalogue_equals_the_service_models() {
        let Ok(text) = std::fs::read_to_string("../shared/domain/operations.json") else {
            return;
        };
        let facts: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected: BTreeSet<_> = facts["operations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                (
                    row["name"].as_str().unwrap().to_owned(),
                    row["generation"].as_str().unwrap().to_owned(),
                    row["readOnly_expected"].as_bool().unwrap(),
                    row["resource"].as_str().unwrap().replace('-', "_"),
                    row["destructive"].as_bool().unwrap(),
                )
            })
            .collect();
        let rows: BTreeSet<_> = CATALOGUE
            .iter()
            .map(|row| {
                (
                    row.name.to_owned(),
                    row.generation.word().to_owned(),
                    row.access == Access::Read,
                    row.resource_type.word().to_owned(),
                    row.destructive,
                )
            })
            .collect();
        assert_eq!(rows, expected);
        assert_eq!(rows.len(), CATALOGUE.len(), "no row twice");
    }

    #[test]
    fn each_generation_is_complete_and_sorted() {
        let names = |api| {
            let rows = CATALOGUE.iter().filter(|row| row.generation == api);
            rows.map(|row| row.name).collect::<Vec<_>>()
        };
        for (api, count) in [(Api::V2, 18), (Api::Classic, 20), (Api::Unknown, 0)] {
            let names = names(api);
            assert_eq!(names.len(), count);
            assert!(names.is_sorted_by(|one, next| one < next));
        }
        let (v2, classic): (BTreeSet<_>, BTreeSet<_>) = (
            names(Api::V2).into_iter().collect(),
            names(Api::Classic).into_iter().collect(),
        );
        assert_eq!(
            v2.intersection(&classic).collect::<Vec<_>>(),
            [&"CreateHsm", &"DeleteHsm"]
        );
    }

    /// What is derived from the first row of a name holds for the second too.
    #[test]
    fn rows_of_one_name_differ_in_generation_and_effect_only() {
        for first in &CATALOGUE {
            for row in rows(first.name) {
                let same = Operation {
                    generation: first.generation,
                    effect: first.effect,
                    matters: first.matters,
                    ..*row
                };
                assert_eq!(same, *first);
            }
        }
    }

    #[test]
    fn every_row_says_what_it_does() {
        for row in &CATALOGUE {
            for text in [Some(row.effect), row.matters].into_iter().flatten() {
                assert!(
                    text.ends_with('.') && !text.contains("  "),
                    "{}: {text:?}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn labels_are_the_names_and_other() {
        let mut names: Vec<_> = CATALOGUE.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        names.push("other");
        assert_eq!(names, LABELS);
    }

    #[test]
    fn only_exact_names_have_a_label_of_their_own() {
        for (index, label) in LABELS.iter().enumerate() {
            assert_eq!(label_index(label), index);
        }
        for name in ["", "createhsm", "CreateHsm ", "CreateHsms", "z"] {
            assert_eq!(LABELS[label_index(name)], "other");
        }
    }
}
