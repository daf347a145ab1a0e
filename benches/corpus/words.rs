//! The words that placeholders draw from.
//!
//! In → out: the kind of a placeholder; the texts that it may become, which are templates again.
//! Names are invented; addresses come from the blocks reserved for documentation.

/// What `<kind>` may become.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn choices(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "account2" => &["444455556666", "555566667777", "777788889999"],
        "person" => &[
            "dana", "mikko", "priya", "tomas", "ines", "wei", "amara", "lukas",
        ],
        "key-id" => &["AKIA<iam16:key>"],
        "user" => &[
            "batch-signer",
            "backup-agent",
            "deploy",
            "legacy-inventory",
            "etl-loader",
        ],
        "service-role" => &[
            "OrdersWorkerRole",
            "LedgerApiRole",
            "ImageResizerRole",
            "InvoiceExportRole",
            "SearchIndexerRole",
            "payments-gateway-task",
        ],
        "ci-role" => &["TerraformDeploy", "GitDeployRole", "PlatformPipelineRole"],
        "sso-role" => &[
            "AWSReservedSSO_PlatformAdmin_<hex16:@sso>",
            "AWSReservedSSO_ReadOnly_<hex16:@sso>",
            "AWSReservedSSO_CryptoOperator_<hex16:@sso>",
        ],
        "linked-service" => &["inspector2", "config", "kms", "autoscaling", "guardduty"],
        "instance" => &["i-0<hex16>"],
        "bucket" => &[
            "payments-prod-artifacts",
            "payments-prod-statements",
            "org-cloudtrail-archive",
            "ledger-snapshots-eu",
            "web-assets-<account>",
        ],
        "object" => &[
            "statements/2026/03/<dec6>.pdf",
            "exports/daily/part-<dec5>.parquet",
            "AWSLogs/<account>/elasticloadbalancing/<region>/2026/03/02/<any16>.log.gz",
            "releases/app-<hex12>.zip",
        ],
        "function" => &[
            "invoice-export",
            "orders-webhook",
            "hsm-inventory",
            "rotate-db-secret",
        ],
        "table" => &["orders", "ledger-entries", "sessions", "idempotency-keys"],
        "secret" => &[
            "prod/orders/db",
            "prod/ledger/api",
            "shared/smtp",
            "prod/hsm/crypto-user",
        ],
        "parameter" => &[
            "/prod/orders/config",
            "/prod/feature-flags",
            "/shared/ami/latest",
        ],
        "log-group" => &[
            "/aws/lambda/<function>",
            "/ecs/payments-gateway",
            "/aws/cloudhsm/<cluster>",
            "/aws/rds/cluster/ledger/postgresql",
        ],
        "queue" => &["orders-incoming", "invoice-dlq", "audit-events"],
        "repository" => &["payments/gateway", "payments/ledger", "tools/runner"],
        "az" => &["<region>a", "<region>b", "<region>c"],
        "instance-type" => &["m6i.large", "c7g.xlarge", "t3.medium", "r6i.2xlarge"],
        "cipher" => &["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"],
        "ip6" => &["2001:db8:<hex4:a>:<hex4:b>::<hex3:c>"],
        "version" => &["1.08", "1.08", "1.09", "1.10", "1.11"],
        "false-mostly" => &["false", "false", "false", "true"],
        "web-federation" => &["", "", "\"webIdFederationData\":{},"],
        _ => return cloudhsm(kind),
    })
}

/// The words of CloudHSM's own events.
#[expect(clippy::too_many_lines, reason = "a table")]
fn cloudhsm(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "cluster" => &["cluster-<id11:cluster>"],
        "hsm" => &["hsm-<id11:hsm>"],
        "backup" => &["backup-<id11:backup>"],
        "subnet" => &["subnet-0<hex16:subnet>"],
        "vpc" => &["vpc-0<hex16:vpc>"],
        "sg" => &["sg-0<hex16:sg>"],
        "eni" => &["eni-0<hex16:eni>"],
        "eni-ip" => &["<ip10:eni>"],
        "hsm-type" => &["hsm1.medium", "hsm2m.medium", "hsm2m.medium"],
        "mode" => &["FIPS", "FIPS", "FIPS", "NON_FIPS"],
        "retention" => &["7", "14", "30", "90", "90", "365"],
        "never-expires" => &["true", "false"],
        "destination" => &["eu-central-1", "us-west-2", "ap-southeast-2"],
        "backup-arn" => &["arn:aws:cloudhsm:<region>:<account>:backup/<backup>"],
        "restored-from" => &[
            "",
            "",
            ",\"sourceBackupId\":\"<backup>\"",
            ",\"sourceBackupId\":\"<backup-arn>\"",
            ",\"sourceBackupId\":\"arn:aws:cloudhsm:<region>:<account2>:backup/<backup>\"",
        ],
        "hsm-of-delete" => &[
            "\"hsmId\":\"<hsm>\"",
            "\"hsmId\":\"<hsm>\"",
            "\"eniId\":\"<eni>\"",
            "\"eniIp\":\"<eni-ip>\"",
        ],
        "change" => &[
            "\"backupRetentionPolicy\":{\"type\":\"DAYS\",\"value\":\"<retention>\"}",
            "\"hsmType\":\"hsm2m.medium\"",
        ],
        "tagged" => &["<cluster>", "<backup>"],
        "tag" => &[
            r#"{"key":"Environment","value":"prod"}"#,
            r#"{"key":"CostCenter","value":"<dec4:tag>"}"#,
            r#"{"key":"Owner","value":"crypto-platform"}"#,
            r#"{"key":"Review","value":"2026 Q1: \"keep\" \u003c 90 days"}"#,
        ],
        "tag-key" => &["Environment", "CostCenter", "Owner"],
        "clusters-filter" => &[
            "null",
            r#"{"filters":{"clusterIds":["<cluster>"]}}"#,
            r#"{"filters":{"states":["ACTIVE"]},"maxResults":25}"#,
        ],
        "backups-filter" => &[
            "null",
            r#"{"filters":{"clusterIds":["<cluster>"]},"sortAscending":false}"#,
            r#"{"filters":{"states":["READY"],"neverExpires":["true"]},"maxResults":50}"#,
            r#"{"shared":true,"maxResults":50}"#,
        ],
        "principal" => &[
            r#"{\"AWS\":\"arn:aws:iam::<account2>:root\"}"#,
            r#"{\"AWS\":[\"<account>\",\"<account2>\"]}"#,
            r#"\"*\""#,
            r#"{\"Service\":\"ram.amazonaws.com\"}"#,
        ],
        "policy" => &[concat!(
            r#"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"ShareBackup\","#,
            r#"\"Effect\":\"Allow\",\"Principal\":<principal>,\"Action\":["#,
            r#"\"cloudhsm:DescribeBackups\",\"cloudhsm:CreateCluster\"],"#,
            r#"\"Resource\":\"<backup-arn>\"}]}"#
        )],
        "hsm-object" => &[concat!(
            r#"{"availabilityZone":"<az>","clusterId":"<cluster>","subnetId":"<subnet>","#,
            r#""eniId":"<eni>","eniIp":"<eni-ip>","hsmId":"<hsm>","hsmType":"<hsm-type>","#,
            r#""state":"<hsm-state>"}"#
        )],
        "hsm-state" | "cluster-state" => &["ACTIVE"],
        "hsms" => &["", "<hsm-object>", "<hsm-object>"],
        "cluster-object" => &[concat!(
            r#"{"backupPolicy":"DEFAULT","backupRetentionPolicy":{"type":"DAYS","#,
            r#""value":"<retention>"},"clusterId":"<cluster>","#,
            r#""createTimestamp":"<cluster-created>","hsms":[<hsms>],"hsmType":"<hsm-type>","#,
            r#""securityGroup":"<sg>","state":"<cluster-state>","#,
            r#""subnetMapping":{"<az>":"<subnet>"},"vpcId":"<vpc>","networkType":"IPV4","#,
            r#""certificates":{},"mode":"<mode>"}"#
        )],
        "cluster-created" => &["<human-71400>"],
        "backup-object" => &[concat!(
            r#"{"backupId":"<backup>","backupArn":"<backup-arn>","backupState":"<backup-state>","#,
            r#""clusterId":"<cluster>","createTimestamp":"<backup-created>","#,
            r#""neverExpires":<never-expires>,"hsmType":"<hsm-type>","mode":"<mode>"}"#
        )],
        "backup-created" => &["<human-86400>"],
        "backup-state" => &["READY"],
        // A certificate's outline; there is no key behind it.
        "pem" => &[concat!(
            r"-----BEGIN CERTIFICATE-----\n<base64:a>\n<base64:b>\n<base64:c>\n<base64:d>\n",
            r"<base64:e>\n<base64:f>\n<base64:g>\n<base64:h>\n-----END CERTIFICATE-----\n"
        )],
        "luna-arn" => &["arn:aws:cloudhsm:<region>:<account>:client-<hex8:client>"],
        "hapg-arn" => &["arn:aws:cloudhsm:<region>:<account>:hapg-<hex8:hapg>"],
        "classic-hsm-arn" => &["arn:aws:cloudhsm:<region>:<account>:hsm-<hex8:hsm>"],
        _ => return None,
    })
}
