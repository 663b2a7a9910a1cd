//! The `Principal` and `NotPrincipal` elements, and how directly they name a caller.
//!
//! How directly matters: within an account a grant to the caller itself is not limited by what its boundary and session policy
//! leave out, a grant to its role is, and a grant to its account gives nothing by itself (IAM User Guide, "How AWS enforcement code
//! logic evaluates requests", and "Principal").

use crate::Principal;

/// How directly an Allow names the caller; later is stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grant {
    /// By its account, which has to pass the permission on by identity policies.
    Account,
    /// By the role of the session, or the user behind the federated user.
    Entity,
    /// By itself, or as anybody.
    Direct,
}

/// One named principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    Anybody,
    Account(Box<str>),
    /// User, role, role session or federated user.
    Arn(Box<str>),
    /// Unique id of a user or role, which outlives its ARN.
    Id(Box<str>),
    Service(Box<str>),
    Provider(Box<str>),
}

impl Named {
    fn grant(&self, caller: &Principal) -> Option<Grant> {
        match self {
            Self::Anybody => Some(Grant::Direct),
            Self::Account(account) => {
                let grant = if caller.is_root() { Grant::Direct } else { Grant::Account };
                (caller.account() == Some(account)).then_some(grant)
            }
            Self::Arn(arn) if **arn == *caller.name() => Some(Grant::Direct),
            Self::Arn(arn) => (caller.entity_arn() == Some(arn)).then_some(Grant::Entity),
            Self::Id(id) => {
                let user_id = caller.user_id.as_deref()?;
                if *user_id == **id {
                    return Some(Grant::Direct);
                }
                user_id.split_once(':').is_some_and(|(role, _)| *role == **id).then_some(Grant::Entity)
            }
            Self::Service(name) => (caller.service() == Some(name)).then_some(Grant::Direct),
            Self::Provider(name) => (caller.provider() == Some(name)).then_some(Grant::Direct),
        }
    }
}

/// `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principals {
    /// `NotPrincipal`.
    pub(crate) negated: bool,
    pub(crate) named: Box<[Named]>,
}

impl Principals {
    /// How the statement names the caller; `None` if it does not apply. A caller that `NotPrincipal` does not exempt is named as
    /// directly as by `*`.
    pub(crate) fn grant(&self, caller: &Principal, bounded: bool) -> Option<Grant> {
        if self.negated {
            return (!self.exempts(caller, bounded)).then_some(Grant::Direct);
        }
        self.named.iter().filter_map(|named| named.grant(caller)).max()
    }

    /// `NotPrincipal` exempts a caller only if it names all that the caller is: account, role and session. A caller with a
    /// boundary is never exempt (IAM User Guide, "NotPrincipal").
    fn exempts(&self, caller: &Principal, bounded: bool) -> bool {
        if self.named.contains(&Named::Anybody) {
            return true;
        }
        let grants = |grant| self.named.iter().any(|named| named.grant(caller) == Some(grant));
        let account = caller.account().is_none() || caller.is_root() || grants(Grant::Account);
        let entity = caller.entity_arn().is_none() || grants(Grant::Entity);
        !bounded && account && entity && grants(Grant::Direct)
    }
}
