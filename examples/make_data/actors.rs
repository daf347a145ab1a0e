//! The people, roles and keys of the story. Placeholders are those of the corpus.

use crate::corpus::callers::{BASE, BOTO3, BROWSER, CLI, Caller, TERRAFORM};

/// KMS looks after its custom key store.
pub(crate) const KMS: Caller = Caller {
    identity: concat!(
        r#"{"type":"AssumedRole","principalId":"AROA<iam17:@role>:KeyManagementServiceCustomKeyStores","#,
        r#""arn":"arn:aws:sts::<account>:assumed-role/AWSServiceRoleForKeyManagementServiceCustomKeyStores/"#,
        r#"KeyManagementServiceCustomKeyStores","accountId":"<account>","sessionContext":{"#,
        r#""sessionIssuer":{"type":"Role","principalId":"AROA<iam17:@role>","arn":"#,
        r#""arn:aws:iam::<account>:role/aws-service-role/cks.kms.amazonaws.com/"#,
        r#"AWSServiceRoleForKeyManagementServiceCustomKeyStores","accountId":"<account>","#,
        r#""userName":"AWSServiceRoleForKeyManagementServiceCustomKeyStores"},"attributes":{"#,
        r#""creationDate":"<time>","mfaAuthenticated":"false"}},"invokedBy":"kms.amazonaws.com"}"#
    ),
    address: "kms.amazonaws.com",
    agent: "kms.amazonaws.com",
    own_connection: false,
    ..BASE
};

/// A function that takes stock every morning.
pub(crate) const INVENTORY: Caller = Caller {
    identity: concat!(
        r#"{"type":"AssumedRole","principalId":"AROA<iam17:@role>:hsm-inventory","#,
        r#""arn":"arn:aws:sts::<account>:assumed-role/HsmInventoryRole/hsm-inventory","#,
        r#""accountId":"<account>","accessKeyId":"ASIA<iam16:$key>","sessionContext":{"#,
        r#""sessionIssuer":{"type":"Role","principalId":"AROA<iam17:@role>","arn":"#,
        r#""arn:aws:iam::<account>:role/service-role/HsmInventoryRole","accountId":"<account>","#,
        r#""userName":"HsmInventoryRole"},"attributes":{"creationDate":"<session>","#,
        r#""mfaAuthenticated":"false"}}}"#
    ),
    arn: "arn:aws:sts::<account>:assumed-role/HsmInventoryRole/hsm-inventory",
    agent: BOTO3,
    ..BASE
};

/// A script from the days of the classic API that nobody has switched off.
pub(crate) const OLD_SCRIPT: Caller = Caller {
    identity: concat!(
        r#"{"type":"IAMUser","principalId":"AIDA<iam17:@user>","#,
        r#""arn":"arn:aws:iam::<account>:user/legacy-inventory","accountId":"<account>","#,
        r#""accessKeyId":"AKIA<iam16:@key>","userName":"legacy-inventory"}"#
    ),
    arn: "arn:aws:iam::<account>:user/legacy-inventory",
    address: "10.12.4.31",
    agent: "Boto/2.49.0 Python/2.7.18 Linux/3.10.0-1160.el7.x86_64",
    ..BASE
};

/// The pipeline of the platform team.
pub(crate) const PIPELINE: Caller = Caller {
    identity: concat!(
        r#"{"type":"AssumedRole","principalId":"AROA<iam17:@role>:run-<dec8:$run>","#,
        r#""arn":"arn:aws:sts::<account>:assumed-role/TerraformDeploy/run-<dec8:$run>","#,
        r#""accountId":"<account>","accessKeyId":"ASIA<iam16:$key>","sessionContext":{"#,
        r#""sessionIssuer":{"type":"Role","principalId":"AROA<iam17:@role>","#,
        r#""arn":"arn:aws:iam::<account>:role/TerraformDeploy","accountId":"<account>","#,
        r#""userName":"TerraformDeploy"},"webIdFederationData":{"federatedProvider":"#,
        r#""arn:aws:iam::<account>:oidc-provider/ci.example.com","attributes":{}},"#,
        r#""attributes":{"creationDate":"<session>","mfaAuthenticated":"false"}}}"#
    ),
    arn: "arn:aws:sts::<account>:assumed-role/TerraformDeploy/run-<dec8:$run>",
    agent: TERRAFORM,
    ..BASE
};

const DANA_IDENTITY: &str = concat!(
    r#"{"type":"AssumedRole","principalId":"AROA<iam17:@role>:dana@example.com","arn":"arn:aws:sts::"#,
    r#"<account>:assumed-role/AWSReservedSSO_CryptoOperator_<hex16:@sso>/dana@example.com","#,
    r#""accountId":"<account>","accessKeyId":"ASIA<iam16:$key>","sessionContext":{"sessionIssuer":{"#,
    r#""type":"Role","principalId":"AROA<iam17:@role>","arn":"arn:aws:iam::<account>:role/"#,
    r#"aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_CryptoOperator_<hex16:@sso>","#,
    r#""accountId":"<account>","userName":"AWSReservedSSO_CryptoOperator_<hex16:@sso>"},"attributes":{"#,
    r#""creationDate":"<session>","mfaAuthenticated":"false"}}}"#
);

/// Dana keeps the HSMs, from a shell …
pub(crate) const DANA: Caller = Caller {
    identity: DANA_IDENTITY,
    arn: "arn:aws:sts::<account>:assumed-role/AWSReservedSSO_CryptoOperator_<hex16:@sso>/dana@example.com",
    address: "198.51.100.24",
    agent: CLI,
    ..BASE
};

/// … and in the console.
pub(crate) const DANA_CONSOLE: Caller = Caller {
    agent: BROWSER,
    console: true,
    ..DANA
};

/// Priya may only look.
pub(crate) const PRIYA: Caller = Caller {
    identity: concat!(
        r#"{"type":"AssumedRole","principalId":"AROA<iam17:@role>:priya@example.com","arn":"arn:aws:sts::"#,
        r#"<account>:assumed-role/AWSReservedSSO_ReadOnly_<hex16:@sso>/priya@example.com","#,
        r#""accountId":"<account>","accessKeyId":"ASIA<iam16:$key>","sessionContext":{"sessionIssuer":{"#,
        r#""type":"Role","principalId":"AROA<iam17:@role>","arn":"arn:aws:iam::<account>:role/"#,
        r#"aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_ReadOnly_<hex16:@sso>","#,
        r#""accountId":"<account>","userName":"AWSReservedSSO_ReadOnly_<hex16:@sso>"},"attributes":{"#,
        r#""creationDate":"<session>","mfaAuthenticated":"false"}}}"#
    ),
    arn: "arn:aws:sts::<account>:assumed-role/AWSReservedSSO_ReadOnly_<hex16:@sso>/priya@example.com",
    address: "2001:db8:40:17::2a",
    agent: BROWSER,
    console: true,
    ..BASE
};

/// The audit role of the recovery account reads in production.
pub(crate) const AUDIT: Caller = Caller {
    identity: concat!(
        r#"{"type":"AssumedRole","principalId":"AROA<iam17:@role>:weekly-scan","#,
        r#""arn":"arn:aws:sts::444455556666:assumed-role/OrgSecurityAudit/weekly-scan","#,
        r#""accountId":"444455556666","accessKeyId":"ASIA<iam16:$key>","sessionContext":{"#,
        r#""sessionIssuer":{"type":"Role","principalId":"AROA<iam17:@role>","#,
        r#""arn":"arn:aws:iam::444455556666:role/OrgSecurityAudit","accountId":"444455556666","#,
        r#""userName":"OrgSecurityAudit"},"attributes":{"creationDate":"<session>","#,
        r#""mfaAuthenticated":"false"}}}"#
    ),
    arn: "arn:aws:sts::444455556666:assumed-role/OrgSecurityAudit/weekly-scan",
    agent: BOTO3,
    ..BASE
};

/// A function that copies backups to the other region.
pub(crate) const BACKUP_COPY: Caller = Caller {
    identity: concat!(
        r#"{"type":"AssumedRole","principalId":"AROA<iam17:@role>:hsm-backup-copy","#,
        r#""arn":"arn:aws:sts::<account>:assumed-role/HsmBackupCopyRole/hsm-backup-copy","#,
        r#""accountId":"<account>","accessKeyId":"ASIA<iam16:$key>","sessionContext":{"#,
        r#""sessionIssuer":{"type":"Role","principalId":"AROA<iam17:@role>","#,
        r#""arn":"arn:aws:iam::<account>:role/service-role/HsmBackupCopyRole","#,
        r#""accountId":"<account>","userName":"HsmBackupCopyRole"},"attributes":{"#,
        r#""creationDate":"<session>","mfaAuthenticated":"false"}}}"#
    ),
    arn: "arn:aws:sts::<account>:assumed-role/HsmBackupCopyRole/hsm-backup-copy",
    agent: BOTO3,
    ..BASE
};

/// A data scientist's notebook: what does it want here?
pub(crate) const NOTEBOOK: Caller = Caller {
    identity: concat!(
        r#"{"type":"AssumedRole","principalId":"AROA<iam17:@role>:SageMaker","#,
        r#""arn":"arn:aws:sts::<account>:assumed-role/analytics-notebook/SageMaker","#,
        r#""accountId":"<account>","accessKeyId":"ASIA<iam16:$key>","sessionContext":{"#,
        r#""sessionIssuer":{"type":"Role","principalId":"AROA<iam17:@role>","#,
        r#""arn":"arn:aws:iam::<account>:role/analytics-notebook","accountId":"<account>","#,
        r#""userName":"analytics-notebook"},"attributes":{"creationDate":"<session>","#,
        r#""mfaAuthenticated":"false"}}}"#
    ),
    arn: "arn:aws:sts::<account>:assumed-role/analytics-notebook/SageMaker",
    agent: BOTO3,
    ..BASE
};

/// A contractor with a token from the token broker.
pub(crate) const CONTRACTOR: Caller = Caller {
    identity: concat!(
        r#"{"type":"FederatedUser","principalId":"<account>:tomas","#,
        r#""arn":"arn:aws:sts::<account>:federated-user/tomas","accountId":"<account>","#,
        r#""accessKeyId":"ASIA<iam16:$key>","sessionContext":{"sessionIssuer":{"type":"IAMUser","#,
        r#""principalId":"AIDA<iam17:@user>","arn":"arn:aws:iam::<account>:user/token-broker","#,
        r#""accountId":"<account>","userName":"token-broker"},"webIdFederationData":{},"#,
        r#""attributes":{"creationDate":"<session>","mfaAuthenticated":"false"}}}"#
    ),
    arn: "arn:aws:sts::<account>:federated-user/tomas",
    address: "192.0.2.118",
    agent: CLI,
    ..BASE
};

/// A batch job signs with a key that never ends …
pub(crate) const BATCH: Caller = Caller {
    identity: concat!(
        r#"{"type":"IAMUser","principalId":"AIDA<iam17:@user>","#,
        r#""arn":"arn:aws:iam::<account>:user/batch-signer","accountId":"<account>","#,
        r#""accessKeyId":"AKIAV3QK7LZ2XD5M4TNB","userName":"batch-signer"}"#
    ),
    arn: "arn:aws:iam::<account>:user/batch-signer",
    address: "10.12.8.77",
    agent: BOTO3,
    ..BASE
};

/// … until someone else has it.
pub(crate) const THIEF: Caller = Caller {
    address: "203.0.113.66",
    agent: "aws-cli/2.15.30 Python/3.11.8 Linux/6.6.15-amd64 exe/x86_64.kali.2024",
    ..BATCH
};

/// The root user, for the day when nothing else works.
pub(crate) const ROOT: Caller = Caller {
    identity: concat!(
        r#"{"type":"Root","principalId":"<account>","arn":"arn:aws:iam::<account>:root","#,
        r#""accountId":"<account>","accessKeyId":"ASIA<iam16:$key>","sessionContext":{"#,
        r#""sessionIssuer":{},"webIdFederationData":{},"attributes":{"creationDate":"2026-03-08T07:06:14Z","#,
        r#""mfaAuthenticated":"false"}}}"#
    ),
    arn: "arn:aws:iam::<account>:root",
    address: "198.51.100.9",
    agent: BROWSER,
    console: true,
    ..BASE
};
