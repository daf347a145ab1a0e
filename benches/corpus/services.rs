//! The calls of all other services, roughly as often as they occur in an account that works.
//!
//! A few of them name CloudHSM without being its events: they keep a search for the word honest.

use super::record::Call;

const WRITE: Call = Call::WRITE;
const READ: Call = Call {
    read_only: true,
    ..WRITE
};

/// What other services' calls fail with.
pub(crate) const ERRORS: [(&str, &str); 5] = [
    (
        "AccessDenied",
        "User: <arn> is not authorized to perform this operation",
    ),
    (
        "Client.UnauthorizedOperation",
        "You are not authorized to perform this operation.",
    ),
    ("ThrottlingException", "Rate exceeded"),
    ("ResourceNotFoundException", "Requested resource not found"),
    (
        "NoSuchEntity",
        "The role with name <service-role> cannot be found.",
    ),
];

/// Calls of other services; a [`Call::weight`] says how often each occurs beside the others.
pub(crate) const CALLS: &[Call] = &[
    Call {
        source: "sts",
        name: "AssumeRole",
        request: concat!(
            r#"{"roleArn":"arn:aws:iam::<account>:role/<service-role>","#,
            r#""roleSessionName":"<dec19:run>","durationSeconds":3600}"#
        ),
        response: concat!(
            r#"{"credentials":{"accessKeyId":"ASIA<iam16:new>","sessionToken":"#,
            r#""IQoJb3JpZ2luX2Vj<base280:token>==","expiration":"<human+3600>"},"#,
            r#""assumedRoleUser":{"assumedRoleId":"AROA<iam17:role>:<dec19:run>","#,
            r#""arn":"arn:aws:sts::<account>:assumed-role/<service-role>/<dec19:run>"}}"#
        ),
        resources: concat!(
            r#""resources":[{"accountId":"<account>","type":"AWS::IAM::Role","#,
            r#""ARN":"arn:aws:iam::<account>:role/<service-role>"}],"#
        ),
        read_only: true,
        weight: 40,
        ..WRITE
    },
    Call {
        source: "sts",
        name: "GetCallerIdentity",
        weight: 12,
        ..READ
    },
    Call {
        source: "sts",
        name: "AssumeRoleWithWebIdentity",
        request: concat!(
            r#"{"roleArn":"arn:aws:iam::<account>:role/<ci-role>","roleSessionName":"#,
            r#""run-<dec8>","durationSeconds":3600}"#
        ),
        response: concat!(
            r#"{"credentials":{"accessKeyId":"ASIA<iam16:new>","sessionToken":"#,
            r#""IQoJb3JpZ2luX2Vj<base280:token>==","expiration":"<human+3600>"},"#,
            r#""subjectFromWebIdentityToken":"repo:example/platform:ref:refs/heads/main","#,
            r#""provider":"arn:aws:iam::<account>:oidc-provider/ci.example.com","#,
            r#""audience":"sts.amazonaws.com"}"#
        ),
        weight: 8,
        ..READ
    },
    Call {
        source: "ec2",
        name: "DescribeInstances",
        request: concat!(
            r#"{"instancesSet":{"items":[{"instanceId":"<instance>"}]},"filterSet":{"items":["#,
            r#"{"name":"instance-state-name","valueSet":{"items":[{"value":"running"}]}}]}}"#
        ),
        weight: 30,
        ..READ
    },
    Call {
        source: "ec2",
        name: "DescribeNetworkInterfaces",
        request: concat!(
            r#"{"networkInterfaceIdSet":{},"filterSet":{"items":[{"name":"description","#,
            r#""valueSet":{"items":[{"value":"ELB app/<service-role>/<hex16>"}]}}]}}"#
        ),
        weight: 14,
        ..READ
    },
    Call {
        source: "ec2",
        name: "DescribeVolumes",
        request: r#"{"volumeSet":{},"filterSet":{},"maxResults":500}"#,
        weight: 10,
        ..READ
    },
    Call {
        source: "ec2",
        name: "DescribeSecurityGroups",
        request: r#"{"securityGroupSet":{},"securityGroupIdSet":{"items":[{"groupId":"<sg>"}]},"filterSet":{}}"#,
        weight: 10,
        ..READ
    },
    Call {
        source: "ec2",
        name: "RunInstances",
        request: concat!(
            r#"{"instancesSet":{"items":[{"imageId":"ami-0<hex16:ami>","minCount":1,"maxCount":1,"#,
            r#""keyName":"ops-2026"}]},"userData":"\u003csensitiveDataRemoved\u003e","#,
            r#""instanceType":"<instance-type>","blockDeviceMapping":{"items":[{"deviceName":"#,
            r#""/dev/xvda","ebs":{"volumeSize":64,"deleteOnTermination":true,"volumeType":"gp3","#,
            r#""encrypted":true}}]},"monitoring":{"enabled":false},"disableApiTermination":false,"#,
            r#""networkInterfaceSet":{"items":[{"deviceIndex":0,"subnetId":"<subnet>","#,
            r#""associatePublicIpAddress":false,"groupSet":{"items":[{"groupId":"<sg>"}]}}]},"#,
            r#""iamInstanceProfile":{"name":"<service-role>"},"tagSpecificationSet":{"items":[{"#,
            r#""resourceType":"instance","tags":[{"key":"Name","value":"worker-<dec4>"},"#,
            r#"{"key":"Environment","value":"prod"}]}]}}"#
        ),
        response: concat!(
            r#"{"requestId":"<uuid:request>","reservationId":"r-0<hex16:reservation>","#,
            r#""ownerId":"<account>","groupSet":{},"instancesSet":{"items":[{"#,
            r#""instanceId":"<instance>","imageId":"ami-0<hex16:ami>","currentState":{"code":0,"#,
            r#""name":"pending"},"privateDnsName":"ip-<hex8>.<region>.compute.internal","#,
            r#""keyName":"ops-2026","amiLaunchIndex":0,"productCodes":{},"instanceType":"#,
            r#""<instance-type>","launchTime":<epoch>000,"placement":{"availabilityZone":"<az>","#,
            r#""tenancy":"default"},"monitoring":{"state":"disabled"},"subnetId":"<subnet>","#,
            r#""vpcId":"<vpc>","privateIpAddress":"<ip10:private>","stateReason":{"code":"pending","#,
            r#""message":"pending"},"architecture":"x86_64","rootDeviceType":"ebs","rootDeviceName":"#,
            r#""/dev/xvda","blockDeviceMapping":{},"virtualizationType":"hvm","hypervisor":"xen","#,
            r#""tagSet":{"items":[{"key":"Name","value":"worker-<dec4>"},{"key":"Environment","#,
            r#""value":"prod"}]},"clientToken":"<uuid:client>","groupSet":{"items":[{"groupId":"<sg>","#,
            r#""groupName":"workers"}]},"sourceDestCheck":true,"networkInterfaceSet":{"items":[{"#,
            r#""networkInterfaceId":"<eni>","subnetId":"<subnet>","vpcId":"<vpc>","ownerId":"<account>","#,
            r#""status":"in-use","macAddress":"06:<hex2:a>:<hex2:b>:<hex2:c>:<hex2:d>:<hex2:e>","#,
            r#""privateIpAddress":"<ip10:private>","privateDnsName":"ip-<hex8>.<region>.compute.internal","#,
            r#""sourceDestCheck":true,"interfaceType":"interface","groupSet":{"items":[{"groupId":"<sg>","#,
            r#""groupName":"workers"}]},"attachment":{"attachmentId":"eni-attach-0<hex16:attach>","#,
            r#""deviceIndex":0,"networkCardIndex":0,"status":"attaching","attachTime":<epoch>000,"#,
            r#""deleteOnTermination":true},"privateIpAddressesSet":{"item":[{"privateIpAddress":"#,
            r#""<ip10:private>","privateDnsName":"ip-<hex8>.<region>.compute.internal","primary":true}]},"#,
            r#""ipv6AddressesSet":{},"tagSet":{}}]},"iamInstanceProfile":{"arn":"#,
            r#""arn:aws:iam::<account>:instance-profile/<service-role>","id":"AIPA<iam17:profile>"},"#,
            r#""ebsOptimized":false,"enaSupport":true,"cpuOptions":{"coreCount":1,"threadsPerCore":2},"#,
            r#""capacityReservationSpecification":{"capacityReservationPreference":"open"},"#,
            r#""enclaveOptions":{"enabled":false},"metadataOptions":{"state":"pending","httpTokens":"#,
            r#""required","httpPutResponseHopLimit":2,"httpEndpoint":"enabled","httpProtocolIpv4":"#,
            r#""enabled","httpProtocolIpv6":"disabled","instanceMetadataTags":"disabled"},"#,
            r#""maintenanceOptions":{"autoRecovery":"default"},"privateDnsNameOptions":{"hostnameType":"#,
            r#""ip-name","enableResourceNameDnsARecord":false,"enableResourceNameDnsAAAARecord":false}}]},"#,
            r#""requesterId":"<dec12>"}"#
        ),
        weight: 5,
        ..WRITE
    },
    Call {
        source: "ec2",
        name: "CreateTags",
        request: concat!(
            r#"{"resourcesSet":{"items":[{"resourceId":"<instance>"},{"resourceId":"vol-0<hex16>"}]},"#,
            r#""tagSet":{"items":[{"key":"kubernetes.io/cluster/prod","value":"owned"},"#,
            r#"{"key":"Note","value":"moved by \"ops\" C:\\temp\\note.txt"}]}}"#
        ),
        response: r#"{"requestId":"<uuid:request>","_return":true}"#,
        weight: 6,
        ..WRITE
    },
    Call {
        source: "ec2",
        name: "AuthorizeSecurityGroupIngress",
        request: concat!(
            r#"{"groupId":"<sg>","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":2223,"#,
            r#""toPort":2225,"groups":{},"ipRanges":{"items":[{"cidrIp":"10.0.0.0/16","description":"#,
            r#""cloudhsm clients"}]},"ipv6Ranges":{},"prefixListIds":{}}]}}"#
        ),
        response: concat!(
            r#"{"requestId":"<uuid:request>","_return":true,"securityGroupRuleSet":{"items":[{"#,
            r#""groupOwnerId":"<account>","groupId":"<sg>","securityGroupRuleId":"sgr-0<hex16:rule>","#,
            r#""description":"cloudhsm clients","isEgress":false,"ipProtocol":"tcp","fromPort":2223,"#,
            r#""toPort":2225,"cidrIpv4":"10.0.0.0/16"}]}}"#
        ),
        weight: 1,
        ..WRITE
    },
    Call {
        source: "ec2",
        name: "CreateNetworkInterface",
        request: concat!(
            r#"{"subnetId":"<subnet>","description":"CloudHSM Managed Interface","#,
            r#""groupSet":{"items":[{"groupId":"<sg>"}]},"privateIpAddressesSet":{}}"#
        ),
        response: concat!(
            r#"{"requestId":"<uuid:request>","networkInterface":{"networkInterfaceId":"<eni>","#,
            r#""subnetId":"<subnet>","vpcId":"<vpc>","availabilityZone":"<az>","description":"#,
            r#""CloudHSM Managed Interface","ownerId":"<account>","requesterManaged":false,"#,
            r#""status":"pending","macAddress":"06:<hex2:a>:<hex2:b>:<hex2:c>:<hex2:d>:<hex2:e>","#,
            r#""privateIpAddress":"<ip10:private>","sourceDestCheck":true,"groupSet":{"items":[{"#,
            r#""groupId":"<sg>","groupName":"cloudhsm-<cluster>-sg"}]},"tagSet":{}}}"#
        ),
        weight: 1,
        ..WRITE
    },
    Call {
        source: "s3",
        name: "GetBucketAcl",
        request: r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","acl":""}"#,
        extra: concat!(
            r#""additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"<cipher:@>","#,
            r#""bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"<base74>==","#,
            r#""bytesTransferredOut":550},"#
        ),
        resources: concat!(
            r#""resources":[{"accountId":"<account>","type":"AWS::S3::Bucket","#,
            r#""ARN":"arn:aws:s3:::<bucket>"}],"#
        ),
        weight: 22,
        ..READ
    },
    Call {
        source: "s3",
        name: "PutObject",
        request: concat!(
            r#"{"x-amz-acl":"bucket-owner-full-control","bucketName":"<bucket>","#,
            r#""Host":"<bucket>.s3.<region>.amazonaws.com","key":"<object>"}"#
        ),
        response: concat!(
            r#"{"x-amz-server-side-encryption":"aws:kms","x-amz-server-side-encryption-aws-kms-key-id":"#,
            r#""arn:aws:kms:<region>:<account>:key/<uuid:key>","#,
            r#""x-amz-server-side-encryption-bucket-key-enabled":"true"}"#
        ),
        extra: concat!(
            r#""additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"<cipher:@>","#,
            r#""bytesTransferredIn":<dec5:in>.0,"SSEApplied":"SSE_KMS","AuthenticationMethod":"#,
            r#""AuthHeader","x-amz-id-2":"<base74>==","bytesTransferredOut":0.0},"#
        ),
        resources: concat!(
            r#""resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::<bucket>/<object>"},"#,
            r#"{"accountId":"<account>","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::<bucket>"}],"#
        ),
        data: true,
        weight: 16,
        ..WRITE
    },
    Call {
        source: "s3",
        name: "GetObject",
        request: concat!(
            r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","#,
            r#""key":"<object>"}"#
        ),
        extra: concat!(
            r#""additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"<cipher:@>","#,
            r#""bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"<base74>==","#,
            r#""bytesTransferredOut":<dec6:out>},"#
        ),
        resources: concat!(
            r#""resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::<bucket>/<object>"},"#,
            r#"{"accountId":"<account>","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::<bucket>"}],"#
        ),
        data: true,
        weight: 16,
        ..READ
    },
    Call {
        source: "s3",
        name: "ListBuckets",
        request: r#"{"Host":"s3.<region>.amazonaws.com"}"#,
        weight: 3,
        ..READ
    },
    Call {
        source: "s3",
        name: "PutBucketPolicy",
        request: concat!(
            r#"{"bucketPolicy":{"Version":"2012-10-17","Statement":[{"Sid":"AWSCloudTrailAclCheck","#,
            r#""Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:GetBucketAcl","#,
            r#""Resource":"arn:aws:s3:::<bucket>"},{"Sid":"AWSCloudTrailWrite","Effect":"Allow","Principal":{"#,
            r#""Service":"cloudtrail.amazonaws.com"},"Action":"s3:PutObject","Resource":"#,
            r#""arn:aws:s3:::<bucket>/AWSLogs/<account>/*","Condition":{"StringEquals":{"s3:x-amz-acl":"#,
            r#""bucket-owner-full-control"}}},{"Sid":"DenyPlainHttp","Effect":"Deny","Principal":"*","#,
            r#""Action":"s3:*","Resource":["arn:aws:s3:::<bucket>","arn:aws:s3:::<bucket>/*"],"Condition":{"#,
            r#""Bool":{"aws:SecureTransport":"false"}}}]},"bucketName":"<bucket>","#,
            r#""Host":"<bucket>.s3.<region>.amazonaws.com","policy":""}"#
        ),
        weight: 1,
        ..WRITE
    },
    Call {
        source: "kms",
        name: "Decrypt",
        request: concat!(
            r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"aws:s3:arn":"#,
            r#""arn:aws:s3:::<bucket>/<object>"}}"#
        ),
        extra: r#""additionalEventData":{"keyMaterialId":"<hex64:material>"},"#,
        resources: concat!(
            r#""resources":[{"accountId":"<account>","type":"AWS::KMS::Key","#,
            r#""ARN":"arn:aws:kms:<region>:<account>:key/<uuid:key>"}],"#
        ),
        weight: 40,
        ..READ
    },
    Call {
        source: "kms",
        name: "GenerateDataKey",
        request: concat!(
            r#"{"keySpec":"AES_256","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::<bucket>"},"#,
            r#""keyId":"arn:aws:kms:<region>:<account>:key/<uuid:key>"}"#
        ),
        resources: concat!(
            r#""resources":[{"accountId":"<account>","type":"AWS::KMS::Key","#,
            r#""ARN":"arn:aws:kms:<region>:<account>:key/<uuid:key>"}],"#
        ),
        weight: 30,
        ..READ
    },
    Call {
        source: "kms",
        name: "DescribeKey",
        request: r#"{"keyId":"alias/payments-prod"}"#,
        weight: 8,
        ..READ
    },
    Call {
        source: "kms",
        name: "DescribeCustomKeyStores",
        request: r#"{"customKeyStoreName":"payments-hsm"}"#,
        extra: r#""additionalEventData":{"clusterId":"<cluster>","customKeyStoreType":"AWS_CLOUDHSM"},"#,
        weight: 1,
        ..READ
    },
    Call {
        source: "kms",
        name: "ConnectCustomKeyStore",
        request: r#"{"customKeyStoreId":"cks-<hex17:store>"}"#,
        extra: concat!(
            r#""additionalEventData":{"customKeyStoreName":"payments-hsm","clusterId":"<cluster>","#,
            r#""customKeyStoreType":"AWS_CLOUDHSM"},"#
        ),
        weight: 1,
        ..WRITE
    },
    Call {
        source: "iam",
        name: "ListRoles",
        request: r#"{"maxItems":1000}"#,
        weight: 6,
        ..READ
    },
    Call {
        source: "iam",
        name: "GetRole",
        request: r#"{"roleName":"<service-role>"}"#,
        weight: 10,
        ..READ
    },
    Call {
        source: "iam",
        name: "ListAttachedUserPolicies",
        request: r#"{"userName":"<user>"}"#,
        weight: 3,
        ..READ
    },
    Call {
        source: "iam",
        name: "PutRolePolicy",
        request: concat!(
            r#"{"roleName":"<service-role>","policyName":"hsm-operator","policyDocument":"{\n  "#,
            r#"\"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\",\n"#,
            r#"      \"Action\": [\n        \"cloudhsm:DescribeClusters\",\n        \"cloudhsm:CreateHsm\"\n"#,
            r#"      ],\n      \"Resource\": \"*\"\n    },\n    {\n      \"Effect\": \"Deny\",\n      "#,
            r#"\"Action\": \"cloudhsm:DeleteCluster\",\n      \"Resource\": \"*\",\n      \"Condition\": {"#,
            r#"\"NumericGreaterThan\": {\"aws:MultiFactorAuthAge\": \"\u003c3600\"}}\n    }\n  ]\n}"}"#
        ),
        weight: 1,
        ..WRITE
    },
    Call {
        source: "iam",
        name: "CreateAccessKey",
        request: r#"{"userName":"<user>"}"#,
        response: concat!(
            r#"{"accessKey":{"userName":"<user>","accessKeyId":"AKIA<iam16:new>","status":"Active","#,
            r#""createDate":"<human>"}}"#
        ),
        weight: 1,
        ..WRITE
    },
    Call {
        source: "iam",
        name: "UpdateAccessKey",
        request: r#"{"userName":"<user>","accessKeyId":"<key-id>","status":"Inactive"}"#,
        weight: 1,
        ..WRITE
    },
    Call {
        source: "lambda",
        name: "GetFunction20150331v2",
        request: r#"{"functionName":"arn:aws:lambda:<region>:<account>:function:<function>"}"#,
        weight: 10,
        ..READ
    },
    Call {
        source: "lambda",
        name: "UpdateFunctionCode20150331v2",
        request: concat!(
            r#"{"fullyQualifiedArn":{"arnPrefix":{"partition":"aws","region":"<region>","account":"#,
            r#""<account>"},"relativeId":{"functionName":"<function>"},"functionQualifier":{}},"#,
            r#""functionName":"<function>","s3Bucket":"payments-prod-artifacts","s3Key":"#,
            r#""releases/<function>-<hex12>.zip","publish":false,"dryRun":false}"#
        ),
        response: concat!(
            r#"{"functionName":"<function>","functionArn":"#,
            r#""arn:aws:lambda:<region>:<account>:function:<function>","runtime":"python3.12","role":"#,
            r#""arn:aws:iam::<account>:role/service-role/<service-role>","handler":"app.handler","#,
            r#""codeSize":<dec6:size>,"description":"","timeout":30,"memorySize":256,"lastModified":"#,
            r#""<time>","codeSha256":"<base43>=","version":"$LATEST","vpcConfig":{"subnetIds":["<subnet>"],"#,
            r#""securityGroupIds":["<sg>"],"vpcId":"<vpc>","ipv6AllowedForDualStack":false},"environment":{},"#,
            r#""tracingConfig":{"mode":"PassThrough"},"revisionId":"<uuid:revision>","state":"Active","#,
            r#""lastUpdateStatus":"InProgress","packageType":"Zip","architectures":["arm64"],"#,
            r#""ephemeralStorage":{"size":512},"snapStart":{"applyOn":"None","optimizationStatus":"Off"},"#,
            r#""loggingConfig":{"logFormat":"Text","logGroup":"/aws/lambda/<function>"}}"#
        ),
        weight: 4,
        ..WRITE
    },
    Call {
        source: "logs",
        name: "CreateLogStream",
        request: concat!(
            r#"{"logGroupName":"<log-group>","logStreamName":"#,
            r#""2026/03/02/[$LATEST]<hex32:stream>"}"#
        ),
        weight: 34,
        ..WRITE
    },
    Call {
        source: "logs",
        name: "DescribeLogGroups",
        request: r#"{"logGroupNamePrefix":"<log-group>","limit":50}"#,
        weight: 8,
        ..READ
    },
    Call {
        source: "logs",
        name: "PutRetentionPolicy",
        request: r#"{"logGroupName":"<log-group>","retentionInDays":365}"#,
        weight: 2,
        ..WRITE
    },
    Call {
        source: "ssm",
        name: "UpdateInstanceInformation",
        request: concat!(
            r#"{"instanceId":"<instance>","agentVersion":"3.3.987.0","agentStatus":"Active","#,
            r#""platformType":"Linux","platformName":"Amazon Linux","platformVersion":"2023","#,
            r#""iPAddress":"<ip10:private>","computerName":"ip-<hex8>.<region>.compute.internal","#,
            r#""agentName":"amazon-ssm-agent","availabilityZone":"<az>"}"#
        ),
        weight: 40,
        ..WRITE
    },
    Call {
        source: "ssm",
        name: "GetParameter",
        request: r#"{"name":"<parameter>","withDecryption":true}"#,
        resources: concat!(
            r#""resources":[{"accountId":"<account>","ARN":"#,
            r#""arn:aws:ssm:<region>:<account>:parameter<parameter>"}],"#
        ),
        weight: 16,
        ..READ
    },
    Call {
        source: "ssm",
        name: "DescribeInstanceInformation",
        request: r#"{"maxResults":50,"filters":[{"key":"PingStatus","values":["Online"]}]}"#,
        weight: 5,
        ..READ
    },
    Call {
        source: "dynamodb",
        name: "DescribeTable",
        request: r#"{"tableName":"<table>"}"#,
        resources: concat!(
            r#""resources":[{"accountId":"<account>","type":"AWS::DynamoDB::Table","#,
            r#""ARN":"arn:aws:dynamodb:<region>:<account>:table/<table>"}],"#
        ),
        weight: 16,
        ..READ
    },
    Call {
        source: "dynamodb",
        name: "UpdateItem",
        request: concat!(
            r#"{"tableName":"<table>","key":{"pk":"ORDER#<dec12>"},"items":["pk","sk","status"],"#,
            r#""returnValues":"NONE"}"#
        ),
        extra: r#""additionalEventData":{"tableId":"<uuid:@table>"},"#,
        resources: concat!(
            r#""resources":[{"accountId":"<account>","type":"AWS::DynamoDB::Table","#,
            r#""ARN":"arn:aws:dynamodb:<region>:<account>:table/<table>"}],"#
        ),
        data: true,
        weight: 16,
        ..WRITE
    },
    Call {
        source: "secretsmanager",
        name: "GetSecretValue",
        request: r#"{"secretId":"arn:aws:secretsmanager:<region>:<account>:secret:<secret>-<any6>"}"#,
        weight: 18,
        ..READ
    },
    Call {
        source: "config",
        name: "PutEvaluations",
        request: concat!(
            r#"{"evaluations":[{"complianceResourceType":"AWS::S3::Bucket","complianceResourceId":"#,
            r#""<bucket>","complianceType":"COMPLIANT","orderingTimestamp":"<human>"},{"#,
            r#""complianceResourceType":"AWS::EC2::SecurityGroup","complianceResourceId":"<sg>","#,
            r#""complianceType":"NON_COMPLIANT","annotation":"port 22 is open to \u003ceverybody\u003e","#,
            r#""orderingTimestamp":"<human>"}],"resultToken":"<base180:token>","testMode":false}"#
        ),
        response: r#"{"failedEvaluations":[]}"#,
        weight: 8,
        ..WRITE
    },
    Call {
        source: "config",
        name: "DescribeConfigRules",
        request: r#"{"configRuleNames":["hsm-cluster-tagged","s3-bucket-policy"]}"#,
        weight: 5,
        ..READ
    },
    Call {
        source: "monitoring",
        name: "DescribeAlarms",
        request: r#"{"maxRecords":100,"alarmTypes":["MetricAlarm"],"stateValue":"ALARM"}"#,
        weight: 10,
        ..READ
    },
    Call {
        source: "monitoring",
        name: "PutMetricAlarm",
        request: concat!(
            r#"{"alarmName":"hsm-unhealthy","alarmDescription":"HSM is not reachable","actionsEnabled":true,"#,
            r#""alarmActions":["arn:aws:sns:<region>:<account>:crypto-oncall"],"metricName":"HsmUnhealthy","#,
            r#""namespace":"AWS/CloudHSM","statistic":"Maximum","dimensions":[{"name":"ClusterId","#,
            r#""value":"<cluster>"}],"period":60,"evaluationPeriods":3,"threshold":1.0,"#,
            r#""comparisonOperator":"GreaterThanOrEqualToThreshold","treatMissingData":"breaching"}"#
        ),
        weight: 1,
        ..WRITE
    },
    Call {
        source: "elasticloadbalancing",
        name: "DescribeTargetHealth",
        request: concat!(
            r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/"#,
            r#"payments/<hex16:group>"}"#
        ),
        weight: 12,
        ..READ
    },
    Call {
        source: "autoscaling",
        name: "DescribeAutoScalingGroups",
        request: r#"{"autoScalingGroupNames":["workers-prod"],"maxRecords":100}"#,
        weight: 8,
        ..READ
    },
    Call {
        source: "ecr",
        name: "BatchGetImage",
        request: concat!(
            r#"{"registryId":"<account>","repositoryName":"<repository>","imageIds":[{"imageDigest":"#,
            r#""sha256:<hex64:digest>"}],"acceptedMediaTypes":["#,
            r#""application/vnd.docker.distribution.manifest.v2+json","#,
            r#""application/vnd.oci.image.manifest.v1+json","application/vnd.oci.image.index.v1+json"]}"#
        ),
        resources: concat!(
            r#""resources":[{"accountId":"<account>","ARN":"#,
            r#""arn:aws:ecr:<region>:<account>:repository/<repository>"}],"#
        ),
        weight: 10,
        ..READ
    },
    Call {
        source: "ecs",
        name: "RegisterTaskDefinition",
        request: concat!(
            r#"{"family":"payments-gateway","taskRoleArn":"arn:aws:iam::<account>:role/<service-role>","#,
            r#""executionRoleArn":"arn:aws:iam::<account>:role/ecsTaskExecution","networkMode":"awsvpc","#,
            r#""containerDefinitions":[{"name":"app","image":"<account>.dkr.ecr.<region>.amazonaws.com/"#,
            r#"<repository>:<hex12:tag>","cpu":512,"memory":1024,"essential":true,"portMappings":[{"#,
            r#""containerPort":8080,"hostPort":8080,"protocol":"tcp"}],"environment":[{"name":"HSM_CLUSTER","#,
            r#""value":"HIDDEN_DUE_TO_SECURITY_REASONS"},{"name":"LOG_LEVEL","value":"#,
            r#""HIDDEN_DUE_TO_SECURITY_REASONS"}],"logConfiguration":{"logDriver":"awslogs","options":{"#,
            r#""awslogs-group":"/ecs/payments-gateway","awslogs-region":"<region>","awslogs-stream-prefix":"#,
            r#""app"}},"healthCheck":{"command":["CMD-SHELL","curl -f http://localhost:8080/health || exit 1"],"#,
            r#""interval":30,"timeout":5,"retries":3}}],"requiresCompatibilities":["FARGATE"],"cpu":"512","#,
            r#""memory":"1024"}"#
        ),
        response: concat!(
            r#"{"taskDefinition":{"taskDefinitionArn":"#,
            r#""arn:aws:ecs:<region>:<account>:task-definition/payments-gateway:<dec3:revision>","#,
            r#""family":"payments-gateway","revision":<dec3:revision>,"status":"ACTIVE","compatibilities":["#,
            r#""EC2","FARGATE"],"registeredAt":"<human>","networkMode":"awsvpc","cpu":"512","memory":"1024"}}"#
        ),
        weight: 3,
        ..WRITE
    },
    Call {
        source: "eks",
        name: "DescribeCluster",
        request: r#"{"name":"prod"}"#,
        weight: 6,
        ..READ
    },
    Call {
        source: "rds",
        name: "DescribeDBInstances",
        request: r#"{"dBInstanceIdentifier":"ledger-<dec2>"}"#,
        weight: 8,
        ..READ
    },
    Call {
        source: "cloudformation",
        name: "DescribeStacks",
        request: concat!(
            r#"{"stackName":"arn:aws:cloudformation:<region>:<account>:stack/payments-<hex8>/"#,
            r#"<uuid:stack>"}"#
        ),
        weight: 8,
        ..READ
    },
    Call {
        source: "cloudtrail",
        name: "LookupEvents",
        request: concat!(
            r#"{"lookupAttributes":[{"attributeKey":"EventSource","attributeValue":"#,
            r#""cloudhsm.amazonaws.com"}],"maxResults":50}"#
        ),
        weight: 1,
        ..READ
    },
    Call {
        source: "sqs",
        name: "GetQueueAttributes",
        request: concat!(
            r#"{"queueUrl":"https://sqs.<region>.amazonaws.com/<account>/<queue>","#,
            r#""attributeNames":["ApproximateNumberOfMessages"]}"#
        ),
        weight: 8,
        ..READ
    },
    Call {
        source: "ram",
        name: "CreateResourceShare",
        request: concat!(
            r#"{"name":"hsm-recovery","resourceArns":["#,
            r#""arn:aws:cloudhsm:<region>:<account>:backup/<backup>"],"principals":["<account2>"],"#,
            r#""allowExternalPrincipals":false}"#
        ),
        response: concat!(
            r#"{"resourceShare":{"resourceShareArn":"#,
            r#""arn:aws:ram:<region>:<account>:resource-share/<uuid:share>","name":"hsm-recovery","#,
            r#""owningAccountId":"<account>","allowExternalPrincipals":false,"status":"ACTIVE"}}"#
        ),
        weight: 1,
        ..WRITE
    },
    Call {
        source: "securityhub",
        name: "BatchImportFindings",
        request: concat!(
            r#"{"Findings":[{"SchemaVersion":"2018-10-08","Id":"arn:aws:securityhub:<region>:<account>:"#,
            r#"subscription/example/v/1.0.0/finding/<uuid:finding>","ProductArn":"#,
            r#""arn:aws:securityhub:<region>::product/aws/config","GeneratorId":"#,
            r#""arn:aws:config:<region>:<account>:config-rule/config-rule-<id6:rule>","AwsAccountId":"#,
            r#""<account>","Types":["Software and Configuration Checks"],"CreatedAt":"<time-600>","#,
            r#""UpdatedAt":"<time>","Severity":{"Label":"INFORMATIONAL"},"Title":"s3-bucket-policy","#,
            r#""Description":"This finding says whether the bucket \u201c<bucket>\u201d follows the rule.","#,
            r#""Resources":[{"Type":"AwsS3Bucket","Id":"arn:aws:s3:::<bucket>","Partition":"aws","Region":"#,
            r#""<region>"}],"Compliance":{"Status":"PASSED"},"WorkflowState":"NEW","RecordState":"ACTIVE"}]}"#
        ),
        response: r#"{"FailedCount":0,"SuccessCount":1,"FailedFindings":[]}"#,
        weight: 3,
        ..WRITE
    },
    Call {
        source: "signin",
        name: "ConsoleLogin",
        response: r#"{"ConsoleLogin":"Success"}"#,
        extra: concat!(
            r#""additionalEventData":{"LoginTo":"https://console.aws.amazon.com/console/home?region="#,
            r#"<region>","MobileVersion":"No","MFAUsed":"No"},"#
        ),
        weight: 1,
        ..WRITE
    },
];
