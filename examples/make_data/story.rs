//! A week of a CloudHSM cluster, told in CloudTrail log files.
//!
//! In → out: the rows of [`week`]; the log files with their records, and what is true of them.
//! Every row is one call with the verdict that a reader of `hsmtrail`'s rules would give, written
//! by hand: so the expected answers do not come from the program that they check. The other
//! services' records around the rows come from the corpus of the benchmarks.
//!
//! Invariants: **The same bytes on every run.** A record's time lies in the quarter of an hour
//! before its file was delivered.

use std::collections::BTreeMap;

use serde::Serialize;

use super::actors::{
    AUDIT, BACKUP_COPY, BATCH, CONTRACTOR, DANA, DANA_CONSOLE, INVENTORY, KMS, NOTEBOOK,
    OLD_SCRIPT, PIPELINE, PRIYA, ROOT, THIEF,
};
use crate::corpus::callers::Caller;
use crate::corpus::record::{self, Call, Failure};
use crate::corpus::text::{Random, Scene, hash};
use crate::corpus::{Records, Share, cloudhsm, services};

/// What other services' callers do in each file; each does it a few times.
const BACKGROUND: usize = 4;

/// Records come this many seconds before their file, or sooner.
const WINDOW: u64 = 900;

/// Production.
const PROD: &str = "111122223333";
/// The recovery account of the same organisation.
const RECOVERY: &str = "444455556666";

/// Values of placeholders.
type Given = &'static [(&'static str, &'static str)];

/// What is true of every record of the story unless its row says otherwise.
const GIVEN: Given = &[
    ("version", "1.11"),
    ("cluster", "cluster-k3vq5mzt7ad"),
    ("cluster-created", "Jan 14, 2025, 9:12:44 AM"),
    ("vpc", "vpc-0c7e5a1f93b2d4680"),
    ("subnet", "subnet-0b61f8d2c4a39e57d"),
    ("sg", "sg-0d94c2e7a85b13f60"),
    ("az", "<region>b"),
    ("hsm-type", "hsm2m.medium"),
    ("mode", "FIPS"),
    ("hsms", "<hsm-object>"),
    ("hsm", "hsm-q2wfx7nbl4e"),
    ("hsm-of-delete", r#""hsmId":"<hsm>""#),
    ("retention", "90"),
    (
        "change",
        r#""backupRetentionPolicy":{"type":"DAYS","value":"<retention>"}"#,
    ),
    ("backup", "backup-m4nx2yqk6wb"),
    ("backup-created", "Mar 2, 2026, 6:30:12 AM"),
    ("never-expires", "false"),
    ("restored-from", ""),
    ("tagged", "<cluster>"),
    ("tag", r#"{"key":"CostCenter","value":"4711"}"#),
    ("tag-key", "CostCenter"),
    ("destination", "eu-central-1"),
    (
        "clusters-filter",
        r#"{"filters":{"clusterIds":["<cluster>"]}}"#,
    ),
    (
        "backups-filter",
        r#"{"filters":{"clusterIds":["<cluster>"]},"sortAscending":false}"#,
    ),
];

/// Long ids that one caller in the background shows again and again, so that the files stay small.
const REPEATED: Given = &[
    ("base280", "<base140:@a><base140:@b>"),
    ("base180", "<base90:@a><base90:@b>"),
    ("base74", "<base37:@a><base37:@b>"),
    ("hex64", "<hex32:@a><hex32:@b>"),
    ("instance", "i-0<hex8:@a><hex8:@b>"),
];

/// What is different in the recovery account.
const GIVEN_IN_RECOVERY: Given = &[
    ("cluster", "cluster-e5pjx3ynt7u"),
    ("cluster-created", "Mar 5, 2026, 9:44:50 AM"),
    ("vpc", "vpc-0a8b3d6e2f7c91504"),
    ("subnet", "subnet-0f3a9c6b1d8e27450"),
    ("sg", "sg-07b5e1c8f4a26d39b"),
    ("hsm", "hsm-y6bqn2wle5t"),
];

/// One call of the story: when, who, what (`eventName`), with which values, and the verdict.
type Row = (&'static str, &'static Caller, &'static str, Given, Verdict);

/// What `hsmtrail` must say of a call; of another service's call nothing is said.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    failure: Option<Failure>,
    outcome: &'static str,
    severity: &'static str,
    reasons: &'static [&'static str],
}

const fn worked(severity: &'static str, reasons: &'static [&'static str]) -> Verdict {
    Verdict {
        failure: None,
        outcome: "success",
        severity,
        reasons,
    }
}

const fn failed(
    failure: Failure,
    outcome: &'static str,
    severity: &'static str,
    reasons: &'static [&'static str],
) -> Verdict {
    Verdict {
        failure: Some(failure),
        outcome,
        severity,
        reasons,
    }
}

const QUIET: Verdict = worked("informational", &[]);
const HSM_CREATED: Verdict = worked("low", &["hsm_created"]);
const HSM_DELETED: Verdict = worked("high", &["hsm_deleted"]);
const SHARED: Verdict = worked("critical", &["backup_shared", "backup_shared_externally"]);
const TAGS_CHANGED: Verdict = worked("low", &["tags_changed"]);
const BY_ROOT: Verdict = worked("high", &["backup_restored", "root_actor", "no_mfa"]);
const UNSHARED: Verdict = worked("low", &["backup_unshared"]);
const STOLEN_BACKUP: Verdict = worked("high", &["backup_deleted", "long_term_key"]);
const RETIRED: Verdict = failed(
    ("CloudHsmServiceException", "This service is unavailable."),
    "failure",
    "informational",
    &[],
);
const DENIED: Failure = (
    "AccessDeniedException",
    concat!(
        "User: <arn> is not authorized to perform: cloudhsm:<operation> because no ",
        "identity-based policy allows the cloudhsm:<operation> action"
    ),
);
const NO_ACCESS: Failure = ("AccessDenied", "Access Denied");
const THROTTLED: Failure = ("ThrottlingException", "Rate exceeded");
const NO_HSM: Failure = (
    "CloudHsmResourceNotFoundException",
    r#"The HSM \"<hsm>\" does not exist."#,
);
const NOT_NOW: Failure = (
    "CloudHsmInvalidRequestException",
    "The request is not valid in the present state.",
);
const BROKEN: Failure = (
    "CloudHsmInternalFailureException",
    "An internal failure has occurred. Retry.",
);
const FULL: Failure = (
    "CloudHsmResourceLimitExceededException",
    "A resource has 50 tags at most.",
);
const EXPIRED: Failure = (
    "ExpiredTokenException",
    "The security token included in the request is expired",
);

/// One log file: account, region, day of March, hour and minute of its delivery, its rows.
type Delivery = (
    &'static str,
    &'static str,
    u64,
    &'static str,
    &'static [Row],
);

/// The old script and KMS, every night.
const NIGHT: &[Row] = &[
    ("0205:11", &OLD_SCRIPT, "ListHsms", &[], RETIRED),
    ("0211:40", &KMS, "DescribeClusters", &[], QUIET),
];

/// The inventory and KMS, every morning.
const MORNING: &[Row] = &[
    (
        "0805:02",
        &INVENTORY,
        "DescribeClusters",
        EVERY_CLUSTER,
        QUIET,
    ),
    (
        "0805:03",
        &INVENTORY,
        "DescribeBackups",
        EVERY_BACKUP,
        QUIET,
    ),
    ("0812:40", &KMS, "DescribeClusters", &[], QUIET),
];

/// The week, from Monday 2 March to Sunday 8 March 2026, beside what happens every day.
#[rustfmt::skip] // a table: one row a call
const WEEK: &[Delivery] = &[
    // Monday: a plan and a tag from the pipeline, people looking, the weekly audit.
    (PROD, "us-east-1", 2, "0825", &[]),
    (PROD, "eu-west-1", 2, "1010", &[
        ("1001:15", &PIPELINE, "DescribeClusters", &[], QUIET),
        ("1001:16", &PIPELINE, "ListTags", &[], QUIET),
        ("1003:44", &PIPELINE, "TagResource", &[], TAGS_CHANGED),
        ("1003:46", &PIPELINE, "TagResource", TAG_OF_BACKUP, failed(FULL, "limit_exceeded", "low", &["failed_write"])),
    ]),
    (PROD, "eu-west-1", 2, "1425", &[
        ("1414:05", &PRIYA, "DescribeClusters", EVERY_CLUSTER, QUIET),
        ("1414:31", &PRIYA, "DescribeBackups", EVERY_BACKUP, QUIET),
        ("1418:20", &AUDIT, "DescribeClusters", EVERY_CLUSTER, QUIET),
        ("1418:21", &AUDIT, "DescribeBackups", SHARED_BACKUPS, QUIET),
        ("1418:23", &AUDIT, "GetResourcePolicy", &[], QUIET),
        ("1419:30", &KMS, "DescribeClusters", &[], QUIET),
    ]),
    // Tuesday: an HSM is replaced, with the usual hiccups; a staging cluster is made.
    (PROD, "eu-west-1", 3, "0945", &[
        ("0933:02", &DANA, "DescribeClusters", &[], failed(EXPIRED, "unauthenticated", "medium", &["unauthenticated_call"])),
        ("0934:50", &DANA, "DescribeClusters", &[], QUIET),
        ("0936:10", &DANA, "CreateHsm", NEW_HSM, failed(BROKEN, "service_error", "low", &["failed_write"])),
        ("0937:25", &DANA, "CreateHsm", NEW_HSM, HSM_CREATED),
        ("0938:01", &DANA, "CreateHsm", NEW_HSM, failed(NOT_NOW, "invalid", "low", &["failed_write"])),
        ("0940:00", &DANA, "DescribeClusters", &[], QUIET),
        ("0940:01", &DANA, "DescribeClusters", &[], failed(THROTTLED, "throttled", "informational", &[])),
        ("0941:30", &KMS, "DescribeClusters", &[], QUIET),
    ]),
    (PROD, "eu-west-1", 3, "1010", &[
        ("1002:18", &DANA, "DescribeClusters", &[], QUIET),
        ("1003:40", &DANA, "DeleteHsm", OLD_HSM, HSM_DELETED),
        ("1004:12", &DANA, "DeleteHsm", OLD_HSM, failed(NO_HSM, "not_found", "medium", &["failed_destructive"])),
        ("1006:55", &DANA_CONSOLE, "DescribeClusters", EVERY_CLUSTER, QUIET),
        ("1007:20", &DANA_CONSOLE, "DescribeBackups", EVERY_BACKUP, QUIET),
    ]),
    (PROD, "eu-west-1", 3, "1540", &[
        ("1528:00", &PIPELINE, "CreateCluster", NEW_STAGING, worked("medium", &["cluster_created", "non_fips_mode"])),
        ("1530:12", &PIPELINE, "CreateHsm", STAGING_HSM, HSM_CREATED),
        ("1536:40", &DANA, "InitializeCluster", STAGING, worked("medium", &["cluster_initialized"])),
        ("1537:15", &DANA, "DescribeClusters", STAGING, QUIET),
    ]),
    // Wednesday: longer retention, a stranger's try, a copy to the other region.
    (PROD, "eu-west-1", 4, "0920", &[
        ("0908:30", &PIPELINE, "DescribeClusters", &[], QUIET),
        ("0910:02", &PIPELINE, "ModifyCluster", LONG_RETENTION, worked("medium", &["retention_changed"])),
        ("0912:45", &DANA_CONSOLE, "ModifyBackupAttributes", KEPT, worked("informational", &["backup_retained"])),
        ("0914:20", &CONTRACTOR, "DescribeClusters", &[], QUIET),
    ]),
    (PROD, "eu-west-1", 4, "1345", &[
        ("1333:08", &NOTEBOOK, "DescribeBackups", &[], QUIET),
        ("1333:40", &NOTEBOOK, "DescribeClusters", EVERY_CLUSTER, failed(DENIED, "denied", "low", &["denied_read"])),
        ("1334:02", &NOTEBOOK, "DeleteBackup", &[], failed(DENIED, "denied", "high", &["denied_destructive"])),
        ("1340:30", &KMS, "DescribeClusters", &[], QUIET),
    ]),
    (PROD, "eu-west-1", 4, "2210", &[
        ("2200:04", &BACKUP_COPY, "DescribeBackups", &[], QUIET),
        ("2200:06", &BACKUP_COPY, "CopyBackupToRegion", TUESDAY, worked("high", &["backup_copied_to_region"])),
    ]),
    (PROD, "eu-central-1", 4, "2215", &[
        ("2205:30", &BACKUP_COPY, "DescribeBackups", COPIED_BACKUP, QUIET),
    ]),
    // Thursday: a drill in the recovery account, and a backup for a partner.
    (PROD, "eu-west-1", 5, "0935", &[
        ("0924:10", &DANA, "PutResourcePolicy", FOR_RECOVERY, SHARED),
        ("0924:30", &DANA, "GetResourcePolicy", &[], QUIET),
        ("0930:30", &KMS, "DescribeClusters", &[], QUIET),
    ]),
    (RECOVERY, "eu-west-1", 5, "0955", &[
        ("0942:12", &DANA, "DescribeBackups", SHARED_BACKUPS, QUIET),
        ("0944:50", &DANA, "CreateCluster", NEW_DRILL, worked("high", &["cluster_created", "cluster_created_from_backup", "cluster_created_from_foreign_backup"])),
        ("0947:33", &DANA, "DescribeClusters", &[], QUIET),
    ]),
    (RECOVERY, "eu-west-1", 5, "1015", &[
        ("1003:20", &DANA, "CreateHsm", BEING_MADE, HSM_CREATED),
        ("1011:05", &DANA, "DescribeClusters", &[], QUIET),
    ]),
    (PROD, "eu-west-1", 5, "1420", &[
        ("1409:15", &DANA_CONSOLE, "PutResourcePolicy", FOR_PARTNER, SHARED),
    ]),
    (RECOVERY, "eu-west-1", 5, "1620", &[
        ("1606:02", &DANA, "DeleteHsm", &[], HSM_DELETED),
        ("1609:41", &DANA, "DeleteCluster", GONE, worked("critical", &["cluster_deleted"])),
    ]),
    (PROD, "eu-west-1", 5, "1645", &[
        ("1633:18", &DANA, "DeleteResourcePolicy", FOR_RECOVERY, UNSHARED),
    ]),
    // Friday: the partner is done; tags are tidied.
    (PROD, "eu-west-1", 6, "1125", &[
        ("1112:40", &DANA_CONSOLE, "DeleteResourcePolicy", FOR_PARTNER, UNSHARED),
        ("1114:02", &PIPELINE, "DescribeClusters", STAGING, QUIET),
        ("1114:55", &PIPELINE, "UntagResource", STAGING, TAGS_CHANGED),
        ("1119:10", &BATCH, "DescribeClusters", &[], QUIET),
    ]),
    // Saturday night: someone has the batch job's key.
    (PROD, "us-east-1", 7, "2315", &[
        ("2302:44", &THIEF, "GetCallerIdentity", &[], QUIET),
        ("2303:10", &THIEF, "ListAttachedUserPolicies", OF_BATCH, failed(NO_ACCESS, "", "", &[])),
        ("2303:31", &THIEF, "ListBuckets", &[], failed(NO_ACCESS, "", "", &[])),
    ]),
    (PROD, "eu-west-1", 7, "2320", &[
        ("2306:20", &THIEF, "DescribeClusters", EVERY_CLUSTER, QUIET),
        ("2306:41", &THIEF, "DescribeBackups", EVERY_BACKUP, QUIET),
        ("2308:05", &THIEF, "CopyBackupToRegion", FAR_AWAY, failed(DENIED, "denied", "high", &["denied_destructive", "long_term_key"])),
        ("2310:47", &THIEF, "ModifyCluster", SHORT_RETENTION, worked("high", &["retention_below_30_days", "long_term_key"])),
        ("2311:30", &THIEF, "ModifyBackupAttributes", &[], worked("medium", &["backup_retention_removed", "long_term_key"])),
        ("2313:30", &KMS, "DescribeClusters", &[], QUIET),
    ]),
    (PROD, "eu-west-1", 7, "2335", &[
        ("2321:12", &THIEF, "PutResourcePolicy", FOR_ALL, worked("critical", &["backup_shared", "backup_shared_externally", "long_term_key"])),
        ("2324:03", &THIEF, "DeleteBackup", &[], STOLEN_BACKUP),
        ("2324:09", &THIEF, "DeleteBackup", DECEMBER, STOLEN_BACKUP),
        ("2325:58", &THIEF, "DeleteCluster", &[], failed(NOT_NOW, "invalid", "medium", &["failed_destructive", "long_term_key"])),
        ("2326:30", &THIEF, "DeleteHsm", &[], failed(DENIED, "denied", "high", &["denied_destructive", "long_term_key"])),
    ]),
    // Sunday: sign-in is down, so the root user mends what can be mended; then Dana.
    (PROD, "us-east-1", 8, "0720", &[
        ("0706:14", &ROOT, "ConsoleLogin", &[], QUIET),
        ("0712:50", &ROOT, "UpdateAccessKey", OF_BATCH, QUIET),
    ]),
    (PROD, "eu-west-1", 8, "0725", &[
        ("0714:33", &ROOT, "DescribeBackups", DELETED_BACKUPS, worked("medium", &["root_actor"])),
        ("0716:02", &ROOT, "RestoreBackup", &[], BY_ROOT),
        ("0716:21", &ROOT, "RestoreBackup", DECEMBER, BY_ROOT),
    ]),
    (PROD, "eu-west-1", 8, "0845", &[
        ("0832:40", &DANA, "DeleteResourcePolicy", FOR_ALL, UNSHARED),
        ("0833:25", &DANA, "ModifyCluster", LONG_RETENTION, worked("medium", &["retention_changed"])),
        ("0834:10", &DANA, "ModifyBackupAttributes", KEPT, worked("informational", &["backup_retained"])),
        ("0838:00", &DANA, "DescribeBackups", &[], QUIET),
        ("0841:30", &KMS, "DescribeClusters", &[], QUIET),
    ]),
];

// The values that rows give.
const OF_BATCH: Given = &[("user", "batch-signer"), ("key-id", "AKIAV3QK7LZ2XD5M4TNB")];
const EVERY_CLUSTER: Given = &[("clusters-filter", "null")];
const EVERY_BACKUP: Given = &[("backups-filter", "null")];
const SHARED_BACKUPS: Given = &[("backups-filter", r#"{"shared":true}"#)];
const DELETED_BACKUPS: Given = &[(
    "backups-filter",
    r#"{"filters":{"states":["PENDING_DELETION"]}}"#,
)];
const COPIED_BACKUP: Given = &[(
    "backups-filter",
    r#"{"filters":{"sourceBackupIds":["backup-r6tj3hcf5ze"]}}"#,
)];
const TAG_OF_BACKUP: Given = &[("tagged", "<backup>")];
const TUESDAY: Given = &[("backup", "backup-r6tj3hcf5ze")];
const DECEMBER: Given = &[
    ("backup", "backup-d7lw5ospa2i"),
    ("backup-created", "Dec 1, 2025, 6:30:09 AM"),
];
const KEPT: Given = &[("never-expires", "true")];
const LONG_RETENTION: Given = &[("retention", "365")];
const SHORT_RETENTION: Given = &[("retention", "7")];
const FAR_AWAY: Given = &[("destination", "ap-southeast-1")];
const FOR_RECOVERY: Given = &[(
    "principal",
    r#"{\"AWS\":\"arn:aws:iam::444455556666:root\"}"#,
)];
const FOR_PARTNER: Given = &[
    ("principal", r#"{\"AWS\":[\"555566667777\"]}"#),
    ("backup", "backup-r6tj3hcf5ze"),
];
const FOR_ALL: Given = &[("principal", r#"\"*\""#), ("backup", "backup-r6tj3hcf5ze")];
const BEING_MADE: Given = &[("hsm-state", "CREATE_IN_PROGRESS")];
const NEW_HSM: Given = &[
    ("hsm", "hsm-u7gkz4pvs2h"),
    ("hsm-state", "CREATE_IN_PROGRESS"),
];
const OLD_HSM: Given = &[("hsm", "hsm-t5ryc3jdm6o")];
const STAGING: Given = &[("cluster", "cluster-w2hzb6rof5y")];
const STAGING_HSM: Given = &[
    ("cluster", "cluster-w2hzb6rof5y"),
    ("hsm", "hsm-c4mvd7xuq3k"),
    ("hsm-state", "CREATE_IN_PROGRESS"),
];
const NEW_STAGING: Given = &[
    ("cluster", "cluster-w2hzb6rof5y"),
    ("cluster-created", "<human>"),
    ("cluster-state", "CREATE_IN_PROGRESS"),
    ("hsms", ""),
    ("mode", "NON_FIPS"),
    ("retention", "30"),
];
const NEW_DRILL: Given = &[
    ("cluster-created", "<human>"),
    ("cluster-state", "CREATE_IN_PROGRESS"),
    ("hsms", ""),
    (
        "restored-from",
        r#","sourceBackupId":"arn:aws:cloudhsm:eu-west-1:111122223333:backup/<backup>""#,
    ),
];
const GONE: Given = &[("cluster-state", "DELETE_IN_PROGRESS"), ("hsms", "")];

/// One log file.
#[derive(Debug)]
pub(crate) struct LogFile {
    /// Its path below the bucket.
    pub(crate) path: String,
    /// `{"Records":[…]}` on one line, without a line break.
    pub(crate) content: String,
}

/// What is true of the whole data set. Events come in the order of the sorted files.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Truth {
    files: usize,
    records: usize,
    cloudhsm: usize,
    severity: BTreeMap<&'static str, usize>,
    outcome: BTreeMap<&'static str, usize>,
    operation: BTreeMap<&'static str, usize>,
    events: Vec<Expected>,
}

#[derive(Debug, Serialize)]
struct Expected {
    event_id: String,
    operation: &'static str,
    outcome: &'static str,
    severity: &'static str,
    reasons: &'static [&'static str],
}

/// The log files of the week, sorted by path, and what is true of them.
pub(crate) fn week() -> (Vec<LogFile>, Truth) {
    let daily = (2..=8).flat_map(|day| {
        [
            (PROD, "eu-west-1", day, "0220", NIGHT),
            (PROD, "eu-west-1", day, "0820", MORNING),
        ]
    });
    let mut deliveries: Vec<_> = WEEK
        .iter()
        .copied()
        .chain(daily)
        .map(|delivery| (path(&delivery), delivery))
        .collect();
    deliveries.sort_by(|a, b| a.0.cmp(&b.0));
    let mut truth = Truth {
        files: deliveries.len(),
        ..Truth::default()
    };
    let files = deliveries
        .into_iter()
        .map(|(path, delivery)| {
            let content = content(&path, &delivery, &mut truth);
            LogFile { path, content }
        })
        .collect();
    (files, truth)
}

impl Truth {
    /// As JSON, one event a line.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        let text = serde_json::to_string(self)?;
        Ok(text
            .replace("{\"event_id\"", "\n{\"event_id\"")
            .replace("],\"", "],\n\"")
            + "\n")
    }

    fn count(&mut self, event_id: String, operation: &'static str, verdict: &Verdict) {
        self.cloudhsm += 1;
        *self.severity.entry(verdict.severity).or_default() += 1;
        *self.outcome.entry(verdict.outcome).or_default() += 1;
        *self.operation.entry(operation).or_default() += 1;
        self.events.push(Expected {
            event_id,
            operation,
            outcome: verdict.outcome,
            severity: verdict.severity,
            reasons: verdict.reasons,
        });
    }
}

/// CloudTrail's own key layout and file name.
fn path(&(account, region, day, minute, _): &Delivery) -> String {
    let start = format!("{account}_CloudTrail_{region}_202603{day:02}T{minute}Z_");
    let mut unique = String::new();
    Scene {
        record: hash(start.as_bytes()),
        ..Scene::default()
    }
    .fill("<any16>", &mut unique);
    format!("AWSLogs/{account}/CloudTrail/{region}/2026/03/{day:02}/{start}{unique}.json.gz")
}

/// One file's text; its CloudHSM events are added to `truth` in their order.
fn content(path: &str, delivery: &Delivery, truth: &mut Truth) -> String {
    let seed = hash(path.as_bytes());
    let mut records = background(seed, delivery);
    records.extend(delivery.4.iter().enumerate().map(|(number, row)| {
        let seed = seed ^ hash(&[u8::try_from(number).unwrap_or_default()]);
        record(seed, delivery, row)
    }));
    // CloudTrail's files are not sorted by time, though nearly.
    records.sort_by_cached_key(|record| record.time + hash(record.text.as_bytes()) % 90);
    truth.records += records.len();
    for record in &records {
        if let Some((operation, verdict)) = &record.cloudhsm {
            truth.count(event_id(&record.text), operation, verdict);
        }
    }
    let texts: Vec<_> = records.into_iter().map(|record| record.text).collect();
    format!("{{\"Records\":[{}]}}", texts.join(","))
}

/// A record, and what is expected of it if it is a CloudHSM event.
struct Written {
    time: u64,
    text: String,
    cloudhsm: Option<(&'static str, Verdict)>,
}

/// What the other services' callers do in the quarter of an hour before the delivery.
fn background(seed: u64, &(account, region, day, minute, _): &Delivery) -> Vec<Written> {
    let mut random = Random::new(seed);
    let mut corpus = Records::new(Share::Mixed, seed);
    let given = [REPEATED, elsewhere(account), GIVEN].concat();
    let mut records = Vec::new();
    for _ in 0..BACKGROUND {
        let deed = corpus.other_service();
        for _ in 0..=random.below(15) {
            let time = moment(day, minute) - 60 - random.next() % (WINDOW - 60);
            let scene = Scene {
                time,
                account,
                region,
                given: &given,
                ..Scene::default()
            };
            let mut text = String::new();
            corpus.record(&deed, &scene, &mut text);
            records.push(Written {
                time,
                text,
                cloudhsm: None,
            });
        }
    }
    records
}

fn record(seed: u64, &(account, region, day, ..): &Delivery, row: &Row) -> Written {
    let &(at, who, operation, given, verdict) = row;
    let (minute, second) = at.split_once(':').unwrap_or((at, "0"));
    let time = moment(day, minute) + second.parse::<u64>().unwrap_or(0);
    let scene = Scene {
        record: seed,
        caller: hash(who.identity.as_bytes()),
        time,
        account,
        region,
        given: &[given, elsewhere(account), GIVEN].concat(),
        ..Scene::default()
    };
    let call = call(operation);
    let mut text = String::new();
    record::write(&scene, who, &call, verdict.failure, &mut text);
    Written {
        time,
        text,
        cloudhsm: (call.source == "cloudhsm").then_some((operation, verdict)),
    }
}

/// `hhmm` of a day of March, in seconds after the first of March.
fn moment(day: u64, minute: &str) -> u64 {
    let digits = minute.parse::<u64>().unwrap_or(0);
    (day - 1) * 86_400 + digits / 100 * 3600 + digits % 100 * 60
}

fn elsewhere(account: &str) -> Given {
    if account == RECOVERY {
        GIVEN_IN_RECOVERY
    } else {
        &[]
    }
}

/// The call of that name, CloudHSM's first. A name that nobody has shows in the record.
fn call(operation: &'static str) -> Call {
    let mut calls = cloudhsm::CALLS.iter().chain(services::CALLS);
    let unknown = Call {
        name: operation,
        ..Call::WRITE
    };
    calls
        .find(|call| call.name == operation)
        .copied()
        .unwrap_or(unknown)
}

fn event_id(record: &str) -> String {
    let (_, tail) = record.split_once("\"eventID\":\"").unwrap_or_default();
    tail.get(..36).unwrap_or_default().to_owned()
}
