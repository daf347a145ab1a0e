//! (skeleton) Who did it.

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
}
