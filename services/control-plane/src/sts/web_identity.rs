//! `AssumeRoleWithWebIdentity`: whoever holds a token of an identity provider that the role trusts becomes a session of the role
//! (AWS STS API Reference; security.md 3.4). The call is not signed: the token is what proves.

use narthex_edge::QueryError;
use narthex_policy::{
    Action, Caller, Environment, Kind, Origin, Permissions, Policy, Principal, Request, RequestTags,
    Resource, Value, decide,
};

use super::{
    Asked, Element, Parameters, Sts, Wanted, role,
    token::{Claims, Unproven, invalid},
};

const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

impl Sts {
    pub(super) async fn assume_with_web_identity(
        &self,
        parameters: &Parameters,
    ) -> Result<Vec<Element>, QueryError> {
        let arn = parameters.required("RoleArn")?;
        let name = parameters.session_name()?;
        let token = Unproven::read(parameters.required("WebIdentityToken")?)?;
        self.catch_up().await?;
        let denied = || QueryError::denied("AccessDenied", format!("Not authorized to perform {ACTION}"));
        let (wanted, provider) = {
            let view = self.desk.machine().view();
            let wanted = role(&view.state, arn).ok_or_else(denied)?;
            let providers =
                view.state.identities.accounts.get(&wanted.account).map(|account| &account.providers);
            let issuer = token.issuer.trim_end_matches('/');
            let known = providers.and_then(|providers| {
                providers.values().find(|provider| provider.url.trim_end_matches('/') == issuer).cloned()
            });
            let provider = known.ok_or_else(|| {
                let text =
                    format!("No OpenIDConnect provider found in your account for {}", super::clip(issuer));
                invalid(text)
            })?;
            (wanted, provider)
        };
        let now = self.desk.clock().now();
        let keys = self.keys.of(&provider, token.key(), now).await;
        let keys = keys.map_err(|error| QueryError::sender("IDPCommunicationError", error))?;
        let claims = token.prove(&keys, now)?;
        // Where a token is meant for several, the authorised party is the one that counts (OpenID Connect Core 1.0, section 2).
        let mut audiences = claims.azp.iter().chain(claims.aud.values());
        if !audiences.any(|audience| provider.client_ids.contains(audience)) {
            return Err(invalid("Incorrect token audience"));
        }
        let host = provider.url.split_once("://").map_or(provider.url.as_str(), |(_, host)| host);
        self.trusted(&wanted, host, name, &claims)?.then_some(()).ok_or_else(denied)?;
        let asked = Asked {
            name,
            seconds: parameters.duration_seconds(wanted.role.max_session_seconds)?,
            policy: parameters.policy()?,
            policy_arns: parameters.policy_arns()?,
            tags: std::collections::BTreeMap::new(),
            source_identity: None,
            provider: Some(format!("arn:aws:iam::{}:oidc-provider/{host}", wanted.account)),
        };
        let provider = asked.provider.clone().unwrap_or_default();
        let mut elements = self.issue(&wanted, asked, now)?;
        elements.push(Element::Text("SubjectFromWebIdentityToken", claims.sub.clone()));
        elements.push(Element::Text("Audience", claims.aud.values().first().cloned().unwrap_or_default()));
        elements.push(Element::Text("Provider", provider));
        Ok(elements)
    }

    /// Whether the role's trust policy lets the holder of the token in.
    fn trusted(&self, wanted: &Wanted, host: &str, name: &str, claims: &Claims) -> Result<bool, QueryError> {
        let trust = Policy::parse(&wanted.role.trust, Kind::Trust).map_err(|error| {
            tracing::error!(role = wanted.arn, %error, "a trust policy cannot be read by this version");
            QueryError::denied("AccessDenied", format!("Not authorized to perform {ACTION}"))
        })?;
        let (sub, aud, amr) = (format!("{host}:sub"), format!("{host}:aud"), format!("{host}:amr"));
        let mut facts =
            vec![("sts:RoleSessionName", Value::Text(name)), (sub.as_str(), Value::Text(&claims.sub))];
        let audiences = claims.azp.iter().chain(if claims.azp.is_some() { &[] } else { claims.aud.values() });
        facts.extend(audiences.map(|audience| (aud.as_str(), Value::Text(audience))));
        facts.extend(claims.amr.iter().flatten().map(|method| (amr.as_str(), Value::Text(method))));
        let provider = format!("arn:aws:iam::{}:oidc-provider/{host}", wanted.account);
        let caller =
            Caller { principal: Principal::from_provider(&provider), permissions: Permissions::default() };
        let tags = wanted.tags();
        let request = Request {
            action: Action::new(ACTION),
            resource: Resource {
                tags: Some(&tags),
                policy: Some(&trust),
                requires_policy: true,
                ..Resource::new(&wanted.arn, wanted.account.as_str())
            },
            tags: RequestTags::None,
            environment: Environment {
                now: self.desk.clock().now().0,
                region: &self.region,
                secure: false,
                user_agent: None,
                origin: Origin::Public(std::net::Ipv4Addr::LOCALHOST.into()),
                more: &facts,
            },
        };
        Ok(decide(&caller, &request).is_allowed())
    }
}
