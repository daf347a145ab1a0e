//! The calls to CloudHSM: every operation of the present API and of the classic one.
//!
//! Member names are the API's own with a small first letter, as CloudTrail writes them.

use super::record::Call;

const V2: Call = Call {
    source: "cloudhsm",
    host: "cloudhsmv2",
    ..Call::WRITE
};
const V2_READ: Call = Call {
    read_only: true,
    ..V2
};
const CLASSIC: Call = Call {
    source: "cloudhsm",
    host: "cloudhsm",
    ..Call::WRITE
};
const CLASSIC_READ: Call = Call {
    read_only: true,
    ..CLASSIC
};

/// Every operation once, those of the classic API last.
pub(crate) const CALLS: [Call; 38] = [
    Call {
        name: "CopyBackupToRegion",
        request: r#"{"destinationRegion":"<destination>","backupId":"<backup>","tagList":[<tag>]}"#,
        response: concat!(
            r#"{"destinationBackup":{"createTimestamp":"<human>","sourceRegion":"<region>","#,
            r#""sourceBackup":"<backup>","sourceCluster":"<cluster>"}}"#
        ),
        ..V2
    },
    Call {
        name: "CreateCluster",
        request: concat!(
            r#"{"backupRetentionPolicy":{"type":"DAYS","value":"<retention>"},"#,
            r#""hsmType":"<hsm-type>","subnetIds":["<subnet>"],"mode":"<mode>","#,
            r#""tagList":[<tag>]<restored-from>}"#
        ),
        response: r#"{"cluster":<cluster-object>}"#,
        ..V2
    },
    Call {
        name: "CreateHsm",
        request: r#"{"clusterId":"<cluster>","availabilityZone":"<az>"}"#,
        response: r#"{"hsm":<hsm-object>}"#,
        ..V2
    },
    Call {
        name: "DeleteBackup",
        request: r#"{"backupId":"<backup>"}"#,
        response: concat!(
            r#"{"backup":{"backupId":"<backup>","backupArn":"<backup-arn>","#,
            r#""backupState":"PENDING_DELETION","clusterId":"<cluster>","#,
            r#""createTimestamp":"<backup-created>","neverExpires":false,"#,
            r#""deleteTimestamp":"<human+604800>","hsmType":"<hsm-type>","mode":"<mode>"}}"#
        ),
        ..V2
    },
    Call {
        name: "DeleteCluster",
        request: r#"{"clusterId":"<cluster>"}"#,
        response: r#"{"cluster":<cluster-object>}"#,
        ..V2
    },
    Call {
        name: "DeleteHsm",
        request: r#"{"clusterId":"<cluster>",<hsm-of-delete>}"#,
        response: r#"{"hsmId":"<hsm>"}"#,
        ..V2
    },
    Call {
        name: "DeleteResourcePolicy",
        request: r#"{"resourceArn":"<backup-arn>"}"#,
        response: r#"{"resourceArn":"<backup-arn>","policy":"<policy>"}"#,
        ..V2
    },
    Call {
        name: "DescribeBackups",
        request: "<backups-filter>",
        ..V2_READ
    },
    Call {
        name: "DescribeClusters",
        request: "<clusters-filter>",
        ..V2_READ
    },
    Call {
        name: "GetResourcePolicy",
        request: r#"{"resourceArn":"<backup-arn>"}"#,
        ..V2_READ
    },
    Call {
        name: "InitializeCluster",
        request: r#"{"clusterId":"<cluster>","signedCert":"<pem>","trustAnchor":"<pem>"}"#,
        response: concat!(
            r#"{"state":"INITIALIZE_IN_PROGRESS","#,
            r#""stateMessage":"Cluster is initializing. State will change to INITIALIZED."}"#
        ),
        ..V2
    },
    Call {
        name: "ListTags",
        request: r#"{"resourceId":"<tagged>"}"#,
        ..V2_READ
    },
    Call {
        name: "ModifyBackupAttributes",
        request: r#"{"backupId":"<backup>","neverExpires":<never-expires>}"#,
        response: r#"{"backup":<backup-object>}"#,
        ..V2
    },
    Call {
        name: "ModifyCluster",
        request: r#"{"clusterId":"<cluster>",<change>}"#,
        response: r#"{"cluster":<cluster-object>}"#,
        ..V2
    },
    Call {
        name: "PutResourcePolicy",
        request: r#"{"resourceArn":"<backup-arn>","policy":"<policy>"}"#,
        response: r#"{"resourceArn":"<backup-arn>","policy":"<policy>"}"#,
        ..V2
    },
    Call {
        name: "RestoreBackup",
        request: r#"{"backupId":"<backup>"}"#,
        response: r#"{"backup":<backup-object>}"#,
        ..V2
    },
    Call {
        name: "TagResource",
        request: r#"{"resourceId":"<tagged>","tagList":[<tag>]}"#,
        ..V2
    },
    Call {
        name: "UntagResource",
        request: r#"{"resourceId":"<tagged>","tagKeyList":["<tag-key>"]}"#,
        ..V2
    },
    Call {
        name: "AddTagsToResource",
        request: r#"{"resourceArn":"<classic-hsm-arn>","tagList":[<tag>]}"#,
        response: r#"{"status":"OK"}"#,
        ..CLASSIC
    },
    Call {
        name: "CreateHapg",
        request: r#"{"label":"payments-group-<dec2>"}"#,
        response: r#"{"hapgArn":"<hapg-arn>"}"#,
        ..CLASSIC
    },
    Call {
        name: "CreateHsm",
        request: concat!(
            r#"{"subnetId":"subnet-<hex8:subnet>","sshKey":"ssh-rsa <base96:ssh>","#,
            r#""iamRoleArn":"arn:aws:iam::<account>:role/CloudHSM_Role","#,
            r#""subscriptionType":"PRODUCTION","eniIp":"<ip10:eni>"}"#
        ),
        response: r#"{"hsmArn":"<classic-hsm-arn>"}"#,
        ..CLASSIC
    },
    Call {
        name: "CreateLunaClient",
        request: r#"{"label":"app-<dec2>","certificate":"<pem>"}"#,
        response: r#"{"clientArn":"<luna-arn>"}"#,
        ..CLASSIC
    },
    Call {
        name: "DeleteHapg",
        request: r#"{"hapgArn":"<hapg-arn>"}"#,
        response: r#"{"status":"OK"}"#,
        ..CLASSIC
    },
    Call {
        name: "DeleteHsm",
        request: r#"{"hsmArn":"<classic-hsm-arn>"}"#,
        response: r#"{"status":"OK"}"#,
        ..CLASSIC
    },
    Call {
        name: "DeleteLunaClient",
        request: r#"{"clientArn":"<luna-arn>"}"#,
        response: r#"{"status":"OK"}"#,
        ..CLASSIC
    },
    Call {
        name: "DescribeHapg",
        request: r#"{"hapgArn":"<hapg-arn>"}"#,
        ..CLASSIC_READ
    },
    Call {
        name: "DescribeHsm",
        request: r#"{"hsmArn":"<classic-hsm-arn>"}"#,
        ..CLASSIC_READ
    },
    Call {
        name: "DescribeLunaClient",
        request: r#"{"clientArn":"<luna-arn>"}"#,
        ..CLASSIC_READ
    },
    Call {
        name: "GetConfig",
        request: concat!(
            r#"{"clientArn":"<luna-arn>","clientVersion":"5.3","#,
            r#""hapgList":["<hapg-arn>"]}"#
        ),
        ..CLASSIC_READ
    },
    Call {
        name: "ListAvailableZones",
        ..CLASSIC_READ
    },
    Call {
        name: "ListHapgs",
        ..CLASSIC_READ
    },
    Call {
        name: "ListHsms",
        ..CLASSIC_READ
    },
    Call {
        name: "ListLunaClients",
        request: r#"{"nextToken":"<base24>"}"#,
        ..CLASSIC_READ
    },
    Call {
        name: "ListTagsForResource",
        request: r#"{"resourceArn":"<classic-hsm-arn>"}"#,
        ..CLASSIC_READ
    },
    Call {
        name: "ModifyHapg",
        request: concat!(
            r#"{"hapgArn":"<hapg-arn>","label":"payments-group-<dec2>","#,
            r#""partitionSerialList":["<dec9:a>","<dec9:b>"]}"#
        ),
        response: r#"{"hapgArn":"<hapg-arn>"}"#,
        ..CLASSIC
    },
    Call {
        name: "ModifyHsm",
        request: r#"{"hsmArn":"<classic-hsm-arn>","syslogIp":"<ip10:syslog>"}"#,
        response: r#"{"hsmArn":"<classic-hsm-arn>"}"#,
        ..CLASSIC
    },
    Call {
        name: "ModifyLunaClient",
        request: r#"{"clientArn":"<luna-arn>","certificate":"<pem>"}"#,
        response: r#"{"clientArn":"<luna-arn>"}"#,
        ..CLASSIC
    },
    Call {
        name: "RemoveTagsFromResource",
        request: r#"{"resourceArn":"<classic-hsm-arn>","tagKeyList":["<tag-key>"]}"#,
        response: r#"{"status":"OK"}"#,
        ..CLASSIC
    },
];

/// Why a call failed: `errorCode` and `errorMessage`, one at least for each outcome.
pub(crate) const ERRORS: [(&str, &str); 14] = [
    (
        "AccessDeniedException",
        concat!(
            "User: <arn> is not authorized to perform: cloudhsm:<operation> because no ",
            "identity-based policy allows the cloudhsm:<operation> action"
        ),
    ),
    (
        "CloudHsmAccessDeniedException",
        "The requester does not have permission.",
    ),
    (
        "VpceAccessDenied",
        "The VPC endpoint policy denies the request.",
    ),
    (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ),
    (
        "ExpiredTokenException",
        "The security token included in the request is expired",
    ),
    ("ThrottlingException", "Rate exceeded"),
    (
        "CloudHsmResourceNotFoundException",
        r#"The resource \"<cluster>\" does not exist."#,
    ),
    (
        "CloudHsmInvalidRequestException",
        "The request is not valid in the present state.",
    ),
    (
        "ValidationException",
        r"Value must have a length \u003c= 16",
    ),
    (
        "CloudHsmResourceLimitExceededException",
        "The number of tags exceeds the limit.",
    ),
    (
        "CloudHsmInternalFailureException",
        "An internal failure has occurred. Retry.",
    ),
    ("ServiceUnavailable", "The service is unavailable."),
    ("CloudHsmTagException", "Tagging failed."),
    ("CloudHsmServiceException", "This service is unavailable."),
];
