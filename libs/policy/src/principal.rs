//! Who asks: an account's root, a user, a session of a role, a federated user, a service, or a token of an identity provider.
//!
//! ARNs have the forms of security.md 3.2. Danger: a session's ARN does not hold the path of its role, so that whoever makes a
//! [`Principal`] for a role with a path has to say the role's ARN ([`Principal::of_role`]).

use crate::Tags;

/// The authenticated caller. What it may do is in [`Permissions`](crate::Permissions).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    kind: Kind,
    /// ARN, or the name of a service or provider.
    name: Box<str>,
    account: Option<Box<str>>,
    /// `aws:userid`: a user's id, `<role id>:<session name>`, an account's number.
    pub user_id: Option<Box<str>>,
    /// Tags of the user or role, with those of the session over them: `aws:PrincipalTag/<key>`.
    pub tags: Tags,
    /// `aws:PrincipalOrgID`.
    pub organization: Option<Box<str>>,
    /// `aws:SourceIdentity`.
    pub source_identity: Option<Box<str>>,
    /// `aws:TokenIssueTime` of temporary credentials, in milliseconds since 1970.
    pub token_issued: Option<i64>,
    /// Set for temporary credentials only, as `aws:MultiFactorAuthPresent` is.
    pub multi_factor: Option<MultiFactor>,
}

/// How temporary credentials were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MultiFactor {
    /// Whether with a second factor.
    pub present: bool,
    /// When it was checked, in milliseconds since 1970.
    pub at: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Root,
    User,
    /// With the ARN of its role.
    Session(Box<str>),
    /// With the ARN of the user who asked for the token.
    FederatedUser(Box<str>),
    Service,
    Provider,
}

/// An ARN that names no principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not the ARN of a principal")]
pub struct NotAPrincipal(String);

impl Principal {
    /// Root, user, role session or federated user, from its ARN.
    pub fn from_arn(arn: &str) -> Result<Self, NotAPrincipal> {
        let no = || NotAPrincipal(arn.to_owned());
        let mut parts = arn.splitn(6, ':');
        let mut part = || parts.next().ok_or_else(no);
        let (prefix, partition, service, region) = (part()?, part()?, part()?, part()?);
        let (account, rest) = (part()?, part()?);
        let number = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        if prefix != "arn" || !region.is_empty() || !number {
            return Err(no());
        }
        let kind = match (service, rest.split_once('/')) {
            ("iam", None) if rest == "root" => Kind::Root,
            ("iam", Some(("user", name))) if !name.is_empty() => Kind::User,
            ("sts", Some(("assumed-role", session))) => {
                let (role, name) = session.split_once('/').ok_or_else(no)?;
                if role.is_empty() || name.is_empty() {
                    return Err(no());
                }
                Kind::Session(format!("arn:{partition}:iam::{account}:role/{role}").into())
            }
            ("sts", Some(("federated-user", name))) if !name.is_empty() => {
                Kind::FederatedUser(format!("arn:{partition}:iam::{account}:user/{name}").into())
            }
            _ => return Err(no()),
        };
        let root_id = (kind == Kind::Root).then(|| account.into());
        Ok(Self { account: Some(account.into()), user_id: root_id, ..Self::named(kind, arn) })
    }

    /// A service, such as `scraper.aps.amazonaws.com`.
    pub fn from_service(name: &str) -> Self {
        Self::named(Kind::Service, name)
    }

    /// A caller that shows a token of an identity provider, by the provider's ARN or host.
    pub fn from_provider(name: &str) -> Self {
        Self::named(Kind::Provider, name)
    }

    /// Says the ARN of the role that a session belongs to, for roles with a path; nothing for other principals.
    #[must_use]
    pub fn of_role(mut self, arn: &str) -> Self {
        if let Kind::Session(role) = &mut self.kind {
            *role = arn.into();
        }
        self
    }

    /// Says who asked for the token of a federated user; nothing for other principals.
    #[must_use]
    pub fn federated_by(mut self, arn: &str) -> Self {
        if let Kind::FederatedUser(user) = &mut self.kind {
            *user = arn.into();
        }
        self
    }

    fn named(kind: Kind, name: &str) -> Self {
        Self {
            kind,
            name: name.into(),
            account: None,
            user_id: None,
            tags: Tags::default(),
            organization: None,
            source_identity: None,
            token_issued: None,
            multi_factor: None,
        }
    }

    /// ARN, or the name of a service or provider: what messages call the caller.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of its account; services and providers have none.
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// Whether it is an account's root.
    pub(crate) fn is_root(&self) -> bool {
        self.kind == Kind::Root
    }

    /// Whether it is a federated user, who has no permission without a session policy.
    pub(crate) fn is_federated_user(&self) -> bool {
        matches!(self.kind, Kind::FederatedUser(_))
    }

    /// Name of a service.
    pub(crate) fn service(&self) -> Option<&str> {
        (self.kind == Kind::Service).then_some(&*self.name)
    }

    /// Name of an identity provider.
    pub(crate) fn provider(&self) -> Option<&str> {
        (self.kind == Kind::Provider).then_some(&*self.name)
    }

    /// The role of a session, the user of a federated user.
    pub(crate) fn entity_arn(&self) -> Option<&str> {
        match &self.kind {
            Kind::Session(arn) | Kind::FederatedUser(arn) => Some(arn),
            Kind::Root | Kind::User | Kind::Service | Kind::Provider => None,
        }
    }

    /// `aws:PrincipalArn`: of a session the ARN of its role.
    pub fn issuer_arn(&self) -> Option<&str> {
        match &self.kind {
            Kind::Session(role) => Some(role),
            Kind::Root | Kind::User | Kind::FederatedUser(_) => Some(&self.name),
            Kind::Service | Kind::Provider => None,
        }
    }

    /// `aws:username`: users alone have it. The path is no part of it.
    pub(crate) fn user_name(&self) -> Option<&str> {
        (self.kind == Kind::User).then(|| self.name.rsplit('/').next()).flatten()
    }

    /// `aws:PrincipalType`.
    pub(crate) fn type_name(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Root => Some("Account"),
            Kind::User => Some("User"),
            Kind::Session(_) => Some("AssumedRole"),
            Kind::FederatedUser(_) => Some("FederatedUser"),
            Kind::Service | Kind::Provider => None,
        }
    }
}
