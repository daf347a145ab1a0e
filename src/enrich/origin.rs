//! From where: the address, the endpoint and the program that made the call.
//!
//! In → out: `sourceIPAddress`, `vpcEndpointId` and `userAgent` of an [`Event`]; an [`Origin`].
//!
//! Invariants: **An address is what [`IpAddr`] reads**: no leading zeros, no zone, no port, no
//! brackets. **User agents are the caller's own words**: they name a client, they prove nothing.
//!
//! Not here: who called (`actor`), though AWS's own addresses say that a service did.
//!
//! Failure: none; what fits nothing is unknown or other.

use std::net::{IpAddr, Ipv6Addr};

use memchr::memchr3_iter;

use crate::event::Event;

/// The object `origin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin<'a> {
    /// What kind of address the call came from.
    pub kind: OriginKind,
    /// The address, when it is an IP address.
    pub ip: Option<&'a str>,
    /// The VPC endpoint that the call went through.
    pub vpc_endpoint_id: Option<&'a str>,
    /// The program that made the call; none when the event names none.
    pub client: Option<Client>,
}

impl<'a> Origin<'a> {
    pub(super) fn of(event: &Event<'a>) -> Self {
        let address = event.source_ip_address;
        let ip = address.and_then(|text| text.parse().ok());
        Self {
            kind: match (ip, address) {
                (Some(ip), _) if is_private(ip) => OriginKind::Private,
                (Some(_), _) => OriginKind::Public,
                (None, Some(name)) => OriginKind::of_name(name),
                (None, None) => OriginKind::Unknown,
            },
            ip: address.filter(|_| ip.is_some()),
            vpc_endpoint_id: event.vpc_endpoint_id.filter(|id| id.starts_with("vpce-")),
            client: Client::of(event),
        }
    }
}

/// `origin.kind`: what kind of address the call came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OriginKind {
    /// An IP address that is not routed on the internet.
    Private,
    /// Any other IP address.
    Public,
    /// `AWS Internal`.
    AwsInternal,
    /// The DNS name of an AWS service.
    AwsService,
    /// Not known.
    Unknown,
}

impl OriginKind {
    /// Every kind, in order of its number.
    pub const ALL: [Self; 5] = [
        Self::Private,
        Self::Public,
        Self::AwsInternal,
        Self::AwsService,
        Self::Unknown,
    ];

    /// The word in the `cloudhsm` object.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
            Self::AwsInternal => "aws_internal",
            Self::AwsService => "aws_service",
            Self::Unknown => "unknown",
        }
    }

    /// The address says that AWS itself made the call.
    pub(super) fn is_aws(self) -> bool {
        matches!(self, Self::AwsInternal | Self::AwsService)
    }

    fn of_name(name: &str) -> Self {
        if name.starts_with("AWS Internal") {
            Self::AwsInternal
        } else if name.ends_with(".amazonaws.com") || name.ends_with(".amazonaws.com.cn") {
            Self::AwsService
        } else {
            Self::Unknown
        }
    }
}

/// `origin.client`: the program that made the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// The AWS Management Console.
    Console,
    /// Terraform.
    Terraform,
    /// `OpenTofu`.
    OpenTofu,
    /// Pulumi.
    Pulumi,
    /// AWS `CloudFormation`.
    CloudFormation,
    /// The AWS command line.
    AwsCli,
    /// An AWS SDK.
    AwsSdk,
    /// A program inside AWS.
    AwsInternal,
    /// An AWS service, by its DNS name.
    AwsService,
    /// A browser.
    Browser,
    /// Anything else.
    Other,
}

impl Client {
    /// Every client, in order of precedence.
    pub const ALL: [Self; 11] = [
        Self::Console,
        Self::Terraform,
        Self::OpenTofu,
        Self::Pulumi,
        Self::CloudFormation,
        Self::AwsCli,
        Self::AwsSdk,
        Self::AwsInternal,
        Self::AwsService,
        Self::Browser,
        Self::Other,
    ];

    /// The word in the `cloudhsm` object.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Terraform => "terraform",
            Self::OpenTofu => "opentofu",
            Self::Pulumi => "pulumi",
            Self::CloudFormation => "cloudformation",
            Self::AwsCli => "aws_cli",
            Self::AwsSdk => "aws_sdk",
            Self::AwsInternal => "aws_internal",
            Self::AwsService => "aws_service",
            Self::Browser => "browser",
            Self::Other => "other",
        }
    }

    fn of(event: &Event<'_>) -> Option<Self> {
        let agent = event.user_agent.unwrap_or_default();
        // AWS wraps some agents of its own in brackets; only the tests from the command line on
        // look behind the bracket.
        let bare = agent.strip_prefix('[').unwrap_or(agent);
        let begins = |starts: &[&str]| starts.iter().any(|start| bare.starts_with(start));
        Some(match agent {
            _ if event.session_credential_from_console => Self::Console,
            "console.amazonaws.com" | "signin.amazonaws.com" => Self::Console,
            "cloudformation.amazonaws.com" => Self::CloudFormation,
            _ if let Some(client) = Self::named(agent) => client,
            _ if begins(&["aws-cli/"]) => Self::AwsCli,
            _ if begins(&["Boto3/", "Botocore/", "aws-sdk-"]) => Self::AwsSdk,
            _ if begins(&["aws-internal/", "AWS Internal"]) => Self::AwsInternal,
            _ if bare.ends_with(".amazonaws.com") => Self::AwsService,
            _ if begins(&["Mozilla/"]) => Self::Browser,
            _ if bare.is_empty() => return None,
            _ => Self::Other,
        })
    }

    /// The first of [`NAMES`] that stands anywhere in `agent`.
    fn named(agent: &str) -> Option<Self> {
        // One search for a letter of each instead of one for each.
        let at_letter = memchr3_iter(b'S', b'T', b'P', agent.as_bytes());
        let names = at_letter.filter_map(|at| {
            let (head, tail) = agent.split_at_checked(at)?;
            let fits =
                |name: &&(&str, &str, Self)| tail.starts_with(name.1) && head.ends_with(name.0);
            NAMES.iter().position(|name| fits(&name))
        });
        names
            .min()
            .and_then(|first| NAMES.get(first))
            .map(|name| name.2)
    }
}

/// What names a client wherever it stands, cut before a letter that few user agents hold.
const NAMES: [(&str, &str, Client); 4] = [
    ("", "S3Console/", Client::Console),
    ("", "Terraform/", Client::Terraform),
    ("Open", "Tofu/", Client::OpenTofu),
    ("", "Pulumi", Client::Pulumi),
];

/// In 10/8, 172.16/12, 192.168/16, 100.64/10, 127/8, 169.254/16, `fc00::/7`, `fe80::/10` or `::1`.
/// An IPv4 address inside an IPv6 one is in none of them.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let shared = first == 100 && (64..128).contains(&second);
            ip.is_private() || shared || ip.is_loopback() || ip.is_link_local()
        }
        IpAddr::V6(ip) => {
            ip.is_unique_local() || ip.is_unicast_link_local() || ip == Ipv6Addr::LOCALHOST
        }
    }
}
