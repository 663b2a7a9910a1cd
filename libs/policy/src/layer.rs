//! The sorts of policies in a decision, in the words of AWS's refusals (IAM User Guide, "Troubleshoot access denied error messages").

/// Where a decision was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Organization's cap on the caller's account.
    ServiceControl,
    /// The resource's own policy.
    Resource,
    /// Who may assume the role.
    Trust,
    /// The caller's policies.
    Identity,
    /// The caller's permissions boundary.
    Boundary,
    /// Passed when the session was made.
    Session,
    /// Of the private endpoint that the request came through.
    Endpoint,
}

impl Layer {
    /// What AWS calls such a policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServiceControl => "service control policy",
            Self::Resource => "resource-based policy",
            Self::Trust => "role trust policy",
            Self::Identity => "identity-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::Endpoint => "VPC endpoint policy",
        }
    }

    /// Its article, in "with an explicit deny in ...".
    pub(crate) const fn article(self) -> &'static str {
        match self {
            Self::Identity => "an",
            Self::Trust => "the",
            _ => "a",
        }
    }
}
