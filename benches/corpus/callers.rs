//! Who makes calls: every type of `userIdentity` that CloudTrail documents.
//!
//! Identities are templates (see [`super::text`]). `@` in a tag: the same in all records of a
//! caller. `$`: the same in all records of one of its sessions.

/// A kind of caller.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Caller {
    /// `userIdentity`.
    pub(crate) identity: &'static str,
    /// Its ARN, for error messages.
    pub(crate) arn: &'static str,
    /// `sourceIPAddress`.
    pub(crate) address: &'static str,
    /// `userAgent`.
    pub(crate) agent: &'static str,
    /// `eventType`.
    pub(crate) event_type: &'static str,
    /// It connects itself, so that the record has `tlsDetails`.
    pub(crate) own_connection: bool,
    /// The session comes from the AWS console.
    pub(crate) console: bool,
    /// How often it occurs in a mixed stream, beside the others.
    pub(crate) weight: u32,
}

/// A caller that connects itself; every caller is made from it.
pub(crate) const BASE: Caller = Caller {
    identity: "",
    arn: "",
    address: "<ip:@>",
    agent: "",
    event_type: "AwsApiCall",
    own_connection: true,
    console: false,
    weight: 1,
};

/// `userAgent` of a browser.
pub(crate) const BROWSER: &str = concat!(
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ",
    "Chrome/133.0.0.0 Safari/537.36"
);
/// `userAgent` of the AWS command line.
pub(crate) const CLI: &str = concat!(
    "aws-cli/2.22.7 md/awscrt#0.23.0 ua/2.0 os/linux#6.8.0-48-generic md/arch#x86_64 ",
    "lang/python#3.12.6 md/pyimpl#CPython m/b,E cfg/retry-mode#standard md/installer#exe ",
    "md/prompt#off"
);
/// `userAgent` of Terraform.
pub(crate) const TERRAFORM: &str = concat!(
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) ",
    "terraform-provider-aws/5.74.0 aws-sdk-go-v2/1.32.2 ua/2.1 os/linux lang/go#1.23.2 ",
    "md/GOOS#linux md/GOARCH#amd64"
);
/// `userAgent` of the Python SDK.
pub(crate) const BOTO3: &str =
    "Boto3/1.34.145 Python/3.12.7 Linux/6.1.115-126.197.amzn2023 Botocore/1.34.145";

/// Every kind of caller.
pub(crate) const CALLERS: [Caller; 20] = [
    // An EC2 instance with a role.
    Caller {
        identity: concat!(
            r#"{"type":"AssumedRole","principalId":"AROA<iam17:@role>:<instance:@>","#,
            r#""arn":"arn:aws:sts::<account>:assumed-role/<service-role:@>/<instance:@>","#,
            r#""accountId":"<account>","accessKeyId":"ASIA<iam16:$key>","sessionContext":{"#,
            r#""sessionIssuer":{"type":"Role","principalId":"AROA<iam17:@role>","#,
            r#""arn":"arn:aws:iam::<account>:role/<service-role:@>","accountId":"<account>","#,
            r#""userName":"<service-role:@>"},<web-federation>"attributes":{"#,
            r#""creationDate":"<session>","mfaAuthenticated":"false"},"ec2RoleDelivery":"2.0"}}"#
        ),
        arn: "arn:aws:sts::<account>:assumed-role/<service-role:@>/<instance:@>",
        agent: "aws-sdk-go/1.55.5 (go1.22.8; linux; amd64) amazon-ssm-agent/3.3.987.0",
        weight: 28,
        ..BASE
    },
    // A Lambda function's role.
    Caller {
        identity: concat!(
            r#"{"type":"AssumedRole","principalId":"AROA<iam17:@role>:<function:@>","#,
            r#""arn":"arn:aws:sts::<account>:assumed-role/<service-role:@>/<function:@>","#,
            r#""accountId":"<account>","accessKeyId":"ASIA<iam16:$key>","sessionContext":{"#,
            r#""sessionIssuer":{"type":"Role","principalId":"AROA<iam17:@role>","#,
            r#""arn":"arn:aws:iam::<account>:role/service-role/<service-role:@>","#,
            r#""accountId":"<account>","userName":"<service-role:@>"},<web-federation>"#,
            r#""attributes":{"creationDate":"<session>","mfaAuthenticated":"false"}},"#,
            r#""inScopeOf":{"issuerType":"AWS::Lambda::Function","credentialsIssuedTo":"#,
            r#""arn:aws:lambda:<region>:<account>:function:<function:@>"}}"#
        ),
        arn: "arn:aws:sts::<account>:assumed-role/<service-role:@>/<function:@>",
        agent: BOTO3,
        weight: 8,
        ..BASE
    },
    // A service-linked role, used by its service.
    Caller {
        identity: concat!(
            r#"{"type":"AssumedRole","principalId":"AROA<iam17:@role>:<dec19:@run>","#,
            r#""arn":"arn:aws:sts::<account>:assumed-role/AWSServiceRoleForExample/<dec19:@run>","#,
            r#""accountId":"<account>","sessionContext":{"sessionIssuer":{"type":"Role","#,
            r#""principalId":"AROA<iam17:@role>","arn":"arn:aws:iam::<account>:role/"#,
            r#"aws-service-role/<linked-service:@>.amazonaws.com/AWSServiceRoleForExample","#,
            r#""accountId":"<account>","userName":"AWSServiceRoleForExample"},<web-federation>"#,
            r#""attributes":{"creationDate":"<session>","mfaAuthenticated":"false"}},"#,
            r#""invokedBy":"<linked-service:@>.amazonaws.com"}"#
        ),
        arn: "arn:aws:sts::<account>:assumed-role/AWSServiceRoleForExample/<dec19:@run>",
        address: "<linked-service:@>.amazonaws.com",
        agent: "<linked-service:@>.amazonaws.com",
        own_connection: false,
        weight: 14,
        ..BASE
    },
    // A service by itself.
    Caller {
        identity: r#"{"type":"AWSService","invokedBy":"<linked-service:@>.amazonaws.com"}"#,
        arn: "<linked-service:@>.amazonaws.com",
        address: "<linked-service:@>.amazonaws.com",
        agent: "<linked-service:@>.amazonaws.com",
        own_connection: false,
        weight: 50,
        ..BASE
    },
    // A person through IAM Identity Center, in the console.
    Caller {
        identity: concat!(
            r#"{"type":"AssumedRole","principalId":"AROA<iam17:@role>:<person:@>@example.com","#,
            r#""arn":"arn:aws:sts::<account>:assumed-role/<sso-role:@>/<person:@>@example.com","#,
            r#""accountId":"<account>","accessKeyId":"ASIA<iam16:$key>","sessionContext":{"#,
            r#""sessionIssuer":{"type":"Role","principalId":"AROA<iam17:@role>","#,
            r#""arn":"arn:aws:iam::<account>:role/aws-reserved/sso.amazonaws.com/<region>/"#,
            r#"<sso-role:@>","accountId":"<account>","userName":"<sso-role:@>"},"#,
            r#""attributes":{"creationDate":"<session>","mfaAuthenticated":"false"}}}"#
        ),
        arn: "arn:aws:sts::<account>:assumed-role/<sso-role:@>/<person:@>@example.com",
        agent: BROWSER,
        console: true,
        weight: 6,
        ..BASE
    },
    // The same on the command line, over IPv6.
    Caller {
        identity: concat!(
            r#"{"type":"AssumedRole","principalId":"AROA<iam17:@role>:<person:@>@example.com","#,
            r#""arn":"arn:aws:sts::<account>:assumed-role/<sso-role:@>/<person:@>@example.com","#,
            r#""accountId":"<account>","accessKeyId":"ASIA<iam16:$key>","onBehalfOf":{"#,
            r#""userId":"<uuid:@person>","identityStoreArn":"#,
            r#""arn:aws:identitystore::444455556666:identitystore/d-<hex10:@store>"},"#,
            r#""sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA<iam17:@role>","#,
            r#""arn":"arn:aws:iam::<account>:role/aws-reserved/sso.amazonaws.com/<sso-role:@>","#,
            r#""accountId":"<account>","userName":"<sso-role:@>"},"attributes":{"#,
            r#""creationDate":"<session>","mfaAuthenticated":"true"}}}"#
        ),
        arn: "arn:aws:sts::<account>:assumed-role/<sso-role:@>/<person:@>@example.com",
        address: "<ip6:@>",
        agent: CLI,
        weight: 3,
        ..BASE
    },
    // A pipeline that signs in with a web identity and runs Terraform.
    Caller {
        identity: concat!(
            r#"{"type":"AssumedRole","principalId":"AROA<iam17:@role>:run-<dec8:$run>","#,
            r#""arn":"arn:aws:sts::<account>:assumed-role/<ci-role:@>/run-<dec8:$run>","#,
            r#""accountId":"<account>","accessKeyId":"ASIA<iam16:$key>","sessionContext":{"#,
            r#""sessionIssuer":{"type":"Role","principalId":"AROA<iam17:@role>","#,
            r#""arn":"arn:aws:iam::<account>:role/<ci-role:@>","accountId":"<account>","#,
            r#""userName":"<ci-role:@>"},"webIdFederationData":{"federatedProvider":"#,
            r#""arn:aws:iam::<account>:oidc-provider/ci.example.com","attributes":{}},"#,
            r#""attributes":{"creationDate":"<session>","mfaAuthenticated":"false"}}}"#
        ),
        arn: "arn:aws:sts::<account>:assumed-role/<ci-role:@>/run-<dec8:$run>",
        agent: TERRAFORM,
        weight: 5,
        ..BASE
    },
    // A role of another account.
    Caller {
        identity: concat!(
            r#"{"type":"AssumedRole","principalId":"AROA<iam17:@role>:scanner","#,
            r#""arn":"arn:aws:sts::<account2:@>:assumed-role/OrgSecurityAudit/scanner","#,
            r#""accountId":"<account2:@>","accessKeyId":"ASIA<iam16:$key>","sessionContext":{"#,
            r#""sessionIssuer":{"type":"Role","principalId":"AROA<iam17:@role>","#,
            r#""arn":"arn:aws:iam::<account2:@>:role/OrgSecurityAudit","#,
            r#""accountId":"<account2:@>","userName":"OrgSecurityAudit"},<web-federation>"#,
            r#""attributes":{"creationDate":"<session>","mfaAuthenticated":"false"}}}"#
        ),
        arn: "arn:aws:sts::<account2:@>:assumed-role/OrgSecurityAudit/scanner",
        agent: BOTO3,
        weight: 2,
        ..BASE
    },
    // An IAM user's long-term key.
    Caller {
        identity: concat!(
            r#"{"type":"IAMUser","principalId":"AIDA<iam17:@user>","#,
            r#""arn":"arn:aws:iam::<account>:user/<user:@>","accountId":"<account>","#,
            r#""accessKeyId":"AKIA<iam16:@key>","userName":"<user:@>"}"#
        ),
        arn: "arn:aws:iam::<account>:user/<user:@>",
        address: "<ip10:@>",
        agent: BOTO3,
        weight: 32,
        ..BASE
    },
    // An IAM user in the console.
    Caller {
        identity: concat!(
            r#"{"type":"IAMUser","principalId":"AIDA<iam17:@user>","#,
            r#""arn":"arn:aws:iam::<account>:user/people/<person:@>","accountId":"<account>","#,
            r#""accessKeyId":"ASIA<iam16:$key>","userName":"<person:@>","sessionContext":{"#,
            r#""sessionIssuer":{},"webIdFederationData":{},"attributes":{"#,
            r#""creationDate":"<session>","mfaAuthenticated":"<false-mostly:@>"}}}"#
        ),
        arn: "arn:aws:iam::<account>:user/people/<person:@>",
        agent: BROWSER,
        console: true,
        weight: 2,
        ..BASE
    },
    // The root user.
    Caller {
        identity: concat!(
            r#"{"type":"Root","principalId":"<account>","arn":"arn:aws:iam::<account>:root","#,
            r#""accountId":"<account>","accessKeyId":"ASIA<iam16:$key>","sessionContext":{"#,
            r#""sessionIssuer":{},"webIdFederationData":{},"attributes":{"#,
            r#""creationDate":"<session>","mfaAuthenticated":"<false-mostly:@>"}}}"#
        ),
        arn: "arn:aws:iam::<account>:root",
        agent: BROWSER,
        console: true,
        ..BASE
    },
    // A federated user of STS.
    Caller {
        identity: concat!(
            r#"{"type":"FederatedUser","principalId":"<account>:<person:@>","#,
            r#""arn":"arn:aws:sts::<account>:federated-user/<person:@>","accountId":"<account>","#,
            r#""accessKeyId":"ASIA<iam16:$key>","sessionContext":{"sessionIssuer":{"#,
            r#""type":"IAMUser","principalId":"AIDA<iam17:@user>","#,
            r#""arn":"arn:aws:iam::<account>:user/token-broker","accountId":"<account>","#,
            r#""userName":"token-broker"},"webIdFederationData":{},"attributes":{"#,
            r#""creationDate":"<session>","mfaAuthenticated":"false"}}}"#
        ),
        arn: "arn:aws:sts::<account>:federated-user/<person:@>",
        agent: CLI,
        ..BASE
    },
    // A user of IAM Identity Center itself.
    Caller {
        identity: concat!(
            r#"{"type":"IdentityCenterUser","accountId":"444455556666","onBehalfOf":{"#,
            r#""userId":"<uuid:@person>","identityStoreArn":"#,
            r#""arn:aws:identitystore::444455556666:identitystore/d-<hex10:@store>"},"#,
            r#""credentialId":"<uuid:$credential>"}"#
        ),
        arn: "<uuid:@person>",
        agent: BROWSER,
        ..BASE
    },
    // Callers that ask STS for a session.
    Caller {
        identity: concat!(
            r#"{"type":"SAMLUser","principalId":"<base27:@qualifier>=:<person:@>@example.com","#,
            r#""userName":"<person:@>@example.com","identityProvider":"<base27:@qualifier>="}"#
        ),
        arn: "<person:@>@example.com",
        agent: BROWSER,
        ..BASE
    },
    Caller {
        identity: concat!(
            r#"{"type":"WebIdentityUser","principalId":"arn:aws:iam::<account>:oidc-provider/"#,
            r#"oidc.example.com/id/<hex24:@provider>:sts.amazonaws.com:"#,
            r#"system:serviceaccount:prod:checkout","#,
            r#""userName":"system:serviceaccount:prod:checkout","identityProvider":"#,
            r#""arn:aws:iam::<account>:oidc-provider/oidc.example.com/id/<hex24:@provider>"}"#
        ),
        arn: "system:serviceaccount:prod:checkout",
        agent: "aws-sdk-java/2.29.6 Linux/5.10.226 OpenJDK_64-Bit_Server_VM/21.0.5+11-LTS",
        ..BASE
    },
    // Rare ones.
    Caller {
        identity: concat!(
            r#"{"type":"AWSAccount","principalId":"AROA<iam17:@role>:replication","#,
            r#""accountId":"<account2:@>"}"#
        ),
        arn: "AROA<iam17:@role>:replication",
        agent: BOTO3,
        ..BASE
    },
    Caller {
        identity: concat!(
            r#"{"type":"Role","principalId":"AROA<iam17:@role>","#,
            r#""arn":"arn:aws:iam::<account>:role/<service-role:@>","accountId":"<account>"}"#
        ),
        arn: "arn:aws:iam::<account>:role/<service-role:@>",
        agent: "aws-internal/3 aws-sdk-java/1.12.777",
        ..BASE
    },
    Caller {
        identity: r#"{"type":"Directory","accountId":"<account>","userName":"<person:@>"}"#,
        arn: "<person:@>",
        agent: BROWSER,
        ..BASE
    },
    Caller {
        identity: concat!(
            r#"{"type":"Unknown","principalId":"<uuid:@person>","accountId":"<account>","#,
            r#""userName":"<person:@>"}"#
        ),
        arn: "<uuid:@person>",
        agent: "okhttp/4.12.0",
        ..BASE
    },
    // No type at all: the service tells of something that nobody called for.
    Caller {
        identity: r#"{"accountId":"<account>","invokedBy":"<linked-service:@>.amazonaws.com"}"#,
        arn: "<linked-service:@>.amazonaws.com",
        address: "<linked-service:@>.amazonaws.com",
        agent: "<linked-service:@>.amazonaws.com",
        event_type: "AwsServiceEvent",
        own_connection: false,
        ..BASE
    },
];
