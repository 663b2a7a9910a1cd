//! What is known of a request: the values of every condition key (IAM User Guide, "AWS global condition context keys").

use crate::{Origin, Principal, Request, RequestTags, Value, key::Key};

/// A principal and its request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) request: &'a Request<'a>,
}

impl<'a> Facts<'a> {
    /// Shows every value of a key and says how many there are. None: the key is not in the request.
    pub(crate) fn visit(&self, key: &Key, mut see: impl FnMut(Value<'a>)) -> usize {
        let request = self.request;
        match key {
            Key::TagKeys => match request.tags {
                RequestTags::None => 0,
                RequestTags::Set(tags) => tags.keys().map(|key| see(Value::Text(key))).count(),
                RequestTags::Remove(keys) => keys.iter().map(|key| see(Value::Text(key))).count(),
            },
            Key::Other(name) => {
                let named = request.environment.more.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
                named.map(|(_, value)| see(*value)).count()
            }
            _ => self.single(key).map(see).iter().count(),
        }
    }

    /// The value of a key that has exactly one: what a policy variable stands for.
    pub(crate) fn only(&self, key: &Key) -> Option<Value<'a>> {
        let mut only = None;
        (self.visit(key, |value| only = Some(value)) == 1).then_some(only).flatten()
    }

    fn single(&self, key: &Key) -> Option<Value<'a>> {
        let (principal, request) = (self.principal, self.request);
        let environment = &request.environment;
        let endpoint = match environment.origin {
            Origin::Public(_) => None,
            Origin::Endpoint(endpoint) => Some(endpoint),
        };
        match key {
            Key::CurrentTime => Some(Value::Time(environment.now)),
            Key::EpochTime => Some(Value::Number(environment.now.div_euclid(1000))),
            Key::MultiFactorAuthAge => {
                let at = principal.multi_factor?.at?;
                Some(Value::Number((environment.now - at).div_euclid(1000)))
            }
            Key::MultiFactorAuthPresent => Some(Value::Flag(principal.multi_factor?.present)),
            Key::PrincipalAccount => principal.account().map(Value::Text),
            Key::PrincipalArn => Some(Value::Text(principal.issuer_arn()?)),
            Key::PrincipalIsAwsService => Some(Value::Flag(principal.service().is_some())),
            Key::PrincipalOrgId => principal.organization.as_deref().map(Value::Text),
            Key::PrincipalServiceName => principal.service().map(Value::Text),
            Key::PrincipalTag(name) => principal.tags.get(name).map(Value::Text),
            Key::PrincipalType => principal.type_name().map(Value::Text),
            Key::RequestTag(name) => match request.tags {
                RequestTags::Set(tags) => tags.get(name).map(Value::Text),
                RequestTags::None | RequestTags::Remove(_) => None,
            },
            Key::RequestedRegion => Some(Value::Text(environment.region)),
            Key::ResourceAccount => Some(Value::Text(request.resource.account)),
            Key::ResourceTag(name) => request.resource.tags?.get(name).map(Value::Text),
            Key::SecureTransport => Some(Value::Flag(environment.secure)),
            Key::SourceIdentity => principal.source_identity.as_deref().map(Value::Text),
            Key::SourceIp => match environment.origin {
                Origin::Public(address) => Some(Value::Address(address)),
                Origin::Endpoint(_) => None,
            },
            Key::SourceVpc => Some(Value::Text(endpoint?.network)),
            Key::SourceVpce => Some(Value::Text(endpoint?.id)),
            Key::TokenIssueTime => principal.token_issued.map(Value::Time),
            Key::UserAgent => environment.user_agent.map(Value::Text),
            Key::UserId => principal.user_id.as_deref().map(Value::Text),
            Key::UserName => principal.user_name().map(Value::Text),
            Key::VpcSourceIp => Some(Value::Address(endpoint?.address)),
            Key::TagKeys | Key::Other(_) => None,
        }
    }
}
