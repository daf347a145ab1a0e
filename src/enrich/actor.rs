//! Who did it, and with what credentials.
//!
//! In → out: `userIdentity` of an [`Event`] and what surrounds it; an [`Actor`].
//!
//! Invariants: **The three questions that CloudTrail's own guide asks are answered each on its
//! own**, because they do not exclude one another: root or IAM user (`kind`), temporary
//! credentials (`credential`), made by another AWS service (`by_service`). **What is not known is
//! `unknown`, never a guess.**
//!
//! Not here: from where the call came (`origin`), whether the actor matters (`severity`).
//!
//! Failure: none; a member that is not there leaves its fields out.

use memchr::memchr_iter;

use crate::event::{Event, Identity};

use super::origin::Origin;
use super::time::{Instant, UtcSecond};

/// The object `actor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor<'a> {
    /// What kind of identity.
    pub kind: ActorKind,
    /// What kind of credentials.
    pub credential: Credential,
    /// An AWS service made the call, for itself or for someone.
    pub by_service: bool,
    /// That service.
    pub service: Option<&'a str>,
    /// The name: of a role, a user, an account, a service.
    pub name: Option<&'a str>,
    /// The session of a role.
    pub session_name: Option<&'a str>,
    /// The identity's ARN.
    pub arn: Option<&'a str>,
    /// The account that the identity belongs to.
    pub account_id: Option<&'a str>,
    /// The ARN of the role or user that the session came from.
    pub issuer_arn: Option<&'a str>,
    /// Whose session a federated user has.
    pub issuer_kind: Option<IssuerKind>,
    /// The permission set of IAM Identity Center that the role stands for.
    pub permission_set: Option<&'a str>,
    /// The role belongs to an AWS service.
    pub service_linked: bool,
    /// The EC2 instance that the session belongs to.
    pub instance_id: Option<&'a str>,
    /// The IAM Identity Center user behind the call.
    pub on_behalf_of: Option<&'a str>,
    /// Who vouched for the user.
    pub identity_provider: Option<&'a str>,
    /// The session began with a second factor.
    pub mfa: Option<bool>,
    /// The session belongs to the AWS Management Console.
    pub console: bool,
    /// When the session began.
    pub session_started: Option<UtcSecond>,
    /// How many seconds before the event that was; never negative.
    pub session_age_seconds: Option<i64>,
    /// The identity belongs to another account than the one that the event was recorded in.
    pub cross_account: Option<bool>,
}

impl<'a> Actor<'a> {
    /// The actor of an event that came from `origin` at `time`.
    pub(super) fn of(event: &Event<'a>, origin: &Origin<'a>, time: Option<Instant<'a>>) -> Self {
        let identity = &event.identity;
        let session = &identity.session;
        let kind = ActorKind::of(event);
        let by_service =
            kind == ActorKind::AwsService || identity.invoked_by.is_some() || origin.kind.is_aws();
        let service = identity
            .invoked_by
            .or(event.source_ip_address)
            .filter(|_| by_service);
        let role = Role::of(kind, identity);
        let started = session.creation_date.and_then(Instant::parse);
        Self {
            kind,
            credential: Credential::of(kind, identity),
            by_service,
            service,
            name: match kind {
                ActorKind::AssumedRole => role.name,
                ActorKind::AwsService => service,
                _ => name(kind, identity),
            },
            session_name: role.session,
            arn: identity.arn,
            account_id: identity.account_id,
            issuer_arn: session.issuer_arn,
            issuer_kind: match session.issuer_type {
                _ if kind != ActorKind::FederatedUser => None,
                Some("Root") => Some(IssuerKind::Root),
                Some("IAMUser") => Some(IssuerKind::IamUser),
                _ => None,
            },
            permission_set: role.name.and_then(permission_set),
            service_linked: session
                .issuer_arn
                .is_some_and(|arn| behind(":role/aws-service-role/", arn).is_some())
                || role
                    .name
                    .is_some_and(|name| name.starts_with("AWSServiceRoleFor")),
            instance_id: role.session.filter(|name| is_instance_id(name)),
            on_behalf_of: identity.on_behalf_of_user_id,
            identity_provider: identity.identity_provider.or(session.federated_provider),
            mfa: session.mfa_authenticated,
            console: event.session_credential_from_console,
            session_started: started.map(Instant::second),
            session_age_seconds: time
                .zip(started)
                .and_then(|(time, started)| time.seconds_since(started)),
            cross_account: identity
                .account_id
                .zip(event.recipient_account_id)
                // Its account is the owner of the directory, not of the identity.
                .filter(|_| kind != ActorKind::IdentityCenterUser)
                .map(|(own, recipient)| own != recipient),
        }
    }
}

/// `actor.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActorKind {
    /// The account's root user.
    Root,
    /// An IAM user.
    IamUser,
    /// A session of a role.
    AssumedRole,
    /// A role itself.
    Role,
    /// A federated user.
    FederatedUser,
    /// A SAML user asking for credentials.
    SamlUser,
    /// A web identity user asking for credentials.
    WebIdentityUser,
    /// An IAM Identity Center user.
    IdentityCenterUser,
    /// A user of a directory service.
    DirectoryUser,
    /// Another AWS account.
    AwsAccount,
    /// An AWS service.
    AwsService,
    /// Not known.
    Unknown,
}

impl ActorKind {
    /// Every kind, in order of its number.
    pub const ALL: [Self; 12] = [
        Self::Root,
        Self::IamUser,
        Self::AssumedRole,
        Self::Role,
        Self::FederatedUser,
        Self::SamlUser,
        Self::WebIdentityUser,
        Self::IdentityCenterUser,
        Self::DirectoryUser,
        Self::AwsAccount,
        Self::AwsService,
        Self::Unknown,
    ];

    /// The word in the `cloudhsm` object and in the metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::IamUser => "iam_user",
            Self::AssumedRole => "assumed_role",
            Self::Role => "role",
            Self::FederatedUser => "federated_user",
            Self::SamlUser => "saml_user",
            Self::WebIdentityUser => "web_identity_user",
            Self::IdentityCenterUser => "identity_center_user",
            Self::DirectoryUser => "directory_user",
            Self::AwsAccount => "aws_account",
            Self::AwsService => "aws_service",
            Self::Unknown => "unknown",
        }
    }

    fn of(event: &Event<'_>) -> Self {
        let Some(identity_type) = event.identity.identity_type else {
            let service_event = event.event_type == Some("AwsServiceEvent");
            let of_service = service_event || event.identity.invoked_by.is_some();
            return if of_service {
                Self::AwsService
            } else {
                Self::Unknown
            };
        };
        match identity_type {
            "Root" => Self::Root,
            "IAMUser" => Self::IamUser,
            "AssumedRole" => Self::AssumedRole,
            "Role" => Self::Role,
            "FederatedUser" => Self::FederatedUser,
            "SAMLUser" => Self::SamlUser,
            "WebIdentityUser" => Self::WebIdentityUser,
            "IdentityCenterUser" => Self::IdentityCenterUser,
            "Directory" => Self::DirectoryUser,
            "AWSAccount" => Self::AwsAccount,
            "AWSService" => Self::AwsService,
            _ => Self::Unknown,
        }
    }
}

/// `actor.credential`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Credential {
    /// A session's key, which ends by itself.
    Temporary,
    /// An access key that works until someone disables it.
    LongTerm,
    /// No key at all.
    None,
    /// Not known.
    Unknown,
}

impl Credential {
    /// Every kind of credential, in order of its number.
    pub const ALL: [Self; 4] = [Self::Temporary, Self::LongTerm, Self::None, Self::Unknown];

    /// The word in the `cloudhsm` object and in the metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Temporary => "temporary",
            Self::LongTerm => "long_term",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }

    /// What the access key's id says, or else what the kind of identity implies.
    fn of(kind: ActorKind, identity: &Identity<'_>) -> Self {
        let key = identity.access_key_id.unwrap_or_default();
        let has_session = identity.session.creation_date.is_some();
        let of_role = identity
            .principal_id
            .is_some_and(|id| id.starts_with("AROA"));
        match kind {
            ActorKind::AwsService => Self::None,
            _ if key.starts_with("ASIA") => Self::Temporary,
            _ if key.starts_with("AKIA") => Self::LongTerm,
            ActorKind::AssumedRole | ActorKind::FederatedUser | ActorKind::IdentityCenterUser => {
                Self::Temporary
            }
            ActorKind::SamlUser | ActorKind::WebIdentityUser => Self::None,
            ActorKind::Root | ActorKind::IamUser if has_session => Self::Temporary,
            ActorKind::AwsAccount if of_role => Self::Temporary,
            _ => Self::Unknown,
        }
    }
}

/// `actor.issuer_kind`: whose session a federated user has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IssuerKind {
    /// The account's root user.
    Root,
    /// An IAM user.
    IamUser,
}

impl IssuerKind {
    /// Both kinds, in order of their number.
    pub const ALL: [Self; 2] = [Self::Root, Self::IamUser];

    /// The word in the `cloudhsm` object.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::IamUser => "iam_user",
        }
    }
}

/// The role and the session of an assumed role; nothing for any other kind.
struct Role<'a> {
    name: Option<&'a str>,
    session: Option<&'a str>,
}

impl<'a> Role<'a> {
    fn of(kind: ActorKind, identity: &Identity<'a>) -> Self {
        if kind != ActorKind::AssumedRole {
            return Self {
                name: None,
                session: None,
            };
        }
        let names = identity.arn.and_then(|arn| behind(":assumed-role/", arn));
        let (name, session) = names.and_then(|names| names.split_once('/')).unzip();
        Self {
            name: identity.session.issuer_user_name.or(name.and_then(filled)),
            session: session
                .and_then(filled)
                .or_else(|| behind_colon(identity.principal_id)),
        }
    }
}

/// The name of an identity that is neither a role's session nor a service.
fn name<'a>(kind: ActorKind, identity: &Identity<'a>) -> Option<&'a str> {
    let arn = identity.arn;
    match kind {
        ActorKind::FederatedUser => arn
            .and_then(|arn| behind(":federated-user/", arn))
            .and_then(filled)
            .or_else(|| behind_colon(identity.principal_id)),
        ActorKind::Root => identity.user_name.or(Some("root")),
        ActorKind::IdentityCenterUser => identity.on_behalf_of_user_id,
        ActorKind::AwsAccount => identity.account_id,
        _ => identity
            .user_name
            .or_else(|| arn?.rsplit_once('/').and_then(|(_, name)| filled(name))),
    }
}

/// What follows the first `mark`, which ends with a `/`, in an ARN.
///
/// An ARN has so few of these that trying each takes less than to prepare a search for the mark.
fn behind<'t>(mark: &str, arn: &'t str) -> Option<&'t str> {
    let mut slashes = memchr_iter(b'/', arn.as_bytes());
    slashes.find_map(|slash| {
        let (head, tail) = arn.split_at_checked(slash + 1)?;
        head.ends_with(mark).then_some(tail)
    })
}

fn behind_colon(principal: Option<&str>) -> Option<&str> {
    principal?
        .split_once(':')
        .and_then(|(_, rest)| filled(rest))
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// `SET` of `AWSReservedSSO_SET_` and 16 hex digits; `SET` may hold `_` itself.
fn permission_set(role: &str) -> Option<&str> {
    let (set, hash) = role.strip_prefix("AWSReservedSSO_")?.rsplit_once('_')?;
    let hex = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    filled(set).filter(|_| hex)
}

/// `i-` and 8 to 17 lower-case hex digits.
fn is_instance_id(name: &str) -> bool {
    let hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    name.strip_prefix("i-")
        .is_some_and(|digits| (8..=17).contains(&digits.len()) && digits.bytes().all(hex))
}
