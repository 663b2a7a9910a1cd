//! `AssumeRole`: a user or a session becomes a session of a role whose trust policy lets it (AWS STS API Reference).

use narthex_edge::{Authenticated, Check, QueryError};
use narthex_policy::{Kind, Policy, RequestTags, Tags, Value};

use super::{Asked, Element, Parameters, Sts, invalid, role};

impl Sts {
    pub(super) async fn assume(
        &self,
        who: &Authenticated,
        parameters: &Parameters,
    ) -> Result<Vec<Element>, QueryError> {
        let arn = parameters.required("RoleArn")?;
        let name = parameters.session_name()?;
        let external_id = parameters.word("ExternalId", 2..=1_224, "_+=,.@:/-")?;
        let source_identity = parameters.word("SourceIdentity", 2..=64, "_+=,.@-")?;
        let tags = parameters.tags()?;
        if let Some(key) = parameters.transitive_tag_keys()?.iter().find(|key| !tags.contains_key(**key)) {
            return Err(invalid(
                "TransitiveTagKeys",
                format_args!("names {key:?}, which is not among the tags"),
            ));
        }
        if parameters.get("SerialNumber").is_some() || parameters.get("TokenCode").is_some() {
            return Err(invalid("SerialNumber", "cannot be used: second factors are not known here"));
        }
        self.catch_up().await?;
        let denied = |action: &str| {
            let caller = who.caller.principal.name();
            let text = format!("User: {caller} is not authorized to perform: {action} on resource: {arn}");
            QueryError::denied("AccessDenied", text)
        };
        if who.caller.principal.name().ends_with(":root") {
            return Err(QueryError::denied("AccessDenied", "Roles may not be assumed by root accounts."));
        }
        // Who may not assume a role does not learn whether it exists.
        let wanted = role(&self.desk.machine().view().state, arn).ok_or_else(|| denied("sts:AssumeRole"))?;
        let trust = Policy::parse(&wanted.role.trust, Kind::Trust).map_err(|error| {
            tracing::error!(role = arn, %error, "a trust policy cannot be read by this version and trusts nobody");
            denied("sts:AssumeRole")
        })?;
        let mut facts = vec![("sts:RoleSessionName", Value::Text(name))];
        facts.extend(external_id.map(|id| ("sts:ExternalId", Value::Text(id))));
        facts.extend(source_identity.map(|identity| ("sts:SourceIdentity", Value::Text(identity))));
        let (role_tags, session_tags) =
            (wanted.tags(), tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Tags>());
        let mut needed = vec!["sts:AssumeRole"];
        needed.extend((!tags.is_empty()).then_some("sts:TagSession"));
        needed.extend(source_identity.map(|_| "sts:SetSourceIdentity"));
        for action in needed {
            let check = Check {
                tags: Some(&role_tags),
                policy: Some(&trust),
                requires_policy: true,
                request_tags: if tags.is_empty() {
                    RequestTags::None
                } else {
                    RequestTags::Set(&session_tags)
                },
                more: &facts,
                ..Check::new(action, arn, wanted.account.as_str())
            };
            who.authorize(&check).map_err(QueryError::from)?;
        }
        // A session that comes from a session lasts an hour at most.
        let chained = who.caller.principal.token_issued.is_some();
        let longest = if chained { 3_600 } else { wanted.role.max_session_seconds };
        let asked = Asked {
            name,
            seconds: parameters.duration_seconds(longest)?,
            policy: parameters.policy()?,
            policy_arns: parameters.policy_arns()?,
            source_identity: source_identity.or(who.caller.principal.source_identity.as_deref()),
            tags,
            provider: None,
        };
        self.issue(&wanted, asked, who.circumstances.now)
    }
}
