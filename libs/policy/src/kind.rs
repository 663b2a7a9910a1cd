//! The sorts of policies: what each is attached to decides its size and which elements it has (IAM User Guide, "Grammar of the
//! IAM JSON policy language" and "IAM and AWS STS quotas").

/// A sort of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Stands alone, attached to any number of principals, or used as a permissions boundary.
    Managed,
    /// Inline in a user.
    InlineUser,
    /// Inline in a group.
    InlineGroup,
    /// Inline in a role.
    InlineRole,
    /// Passed when a session is made.
    Session,
    /// Caps the principals of an organization's accounts.
    ServiceControl,
    /// On a workspace: only data-plane actions have effect (security.md 13.4).
    Workspace,
    /// On another resource: a topic, a secret, a key.
    Resource,
    /// Who may assume a role. It is about the role, so that it names no resource.
    Trust,
    /// On a private endpoint.
    Endpoint,
}

impl Kind {
    /// Most characters, white space not counted. The quota of all inline policies of a principal together is the same as of one.
    /// For policies on workspaces the guide names none: as for private endpoints.
    pub const fn quota(self) -> usize {
        match self {
            Self::Managed => 6_144,
            Self::InlineUser | Self::Session => 2_048,
            Self::InlineGroup | Self::ServiceControl => 5_120,
            Self::InlineRole => 10_240,
            Self::Workspace | Self::Resource | Self::Endpoint => 20_480,
            Self::Trust => 4_096,
        }
    }

    /// Whether its statements name principals; otherwise they are about whom the policy is attached to.
    pub const fn names_principals(self) -> bool {
        matches!(self, Self::Workspace | Self::Resource | Self::Trust | Self::Endpoint)
    }
}

/// Characters that count against [`Kind::quota`].
pub fn counted(document: &str) -> usize {
    document.chars().filter(|letter| !letter.is_whitespace()).count()
}
