//! The parts of a row that make its request.

use std::{collections::BTreeMap, net::IpAddr};

use narthex_policy::{
    Action, Endpoint, Environment, Origin, Policy, Principal, Request, RequestTags, Resource, Tags, Value,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::row::Row;

/// What the borrowed parts of a request stand in.
pub(crate) struct Parts {
    pub(crate) resource_policy: Option<Policy>,
    pub(crate) endpoint_policy: Option<Policy>,
    pub(crate) resource_tags: Tags,
    pub(crate) request_tags: Option<Tags>,
}

/// Milliseconds since 1970.
pub(crate) fn millis(text: &str) -> i64 {
    OffsetDateTime::parse(text, &Rfc3339).expect("a time").unix_timestamp() * 1000
}

pub(crate) fn tags(tags: &BTreeMap<String, String>) -> Tags {
    tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// The values of the `context` of a row.
pub(crate) fn more(context: &BTreeMap<String, serde_json::Value>) -> Vec<(&str, Value<'_>)> {
    let mut more = Vec::new();
    for (key, value) in context {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for value in values {
            let value = match value {
                serde_json::Value::String(text) => Value::Text(text),
                serde_json::Value::Bool(flag) => Value::Flag(*flag),
                number => Value::Number(number.as_i64().expect("a whole number")),
            };
            more.push((key.as_str(), value));
        }
    }
    more
}

/// Asks.
pub(crate) fn with_request<T>(
    row: &Row,
    principal: &Principal,
    parts: &Parts,
    ask: impl FnOnce(&Request<'_>) -> T,
) -> T {
    let more = more(&row.context);
    let keys: Option<Vec<&str>> = row.tag_keys.as_ref().map(|keys| keys.iter().map(String::as_str).collect());
    let owner = row.resource.split(':').nth(4).filter(|account| !account.is_empty());
    let account = row.account.as_deref().or(owner).or(principal.account()).unwrap_or_default();
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    let origin = match &row.endpoint {
        None => Origin::Public(address(&row.source_ip)),
        Some(endpoint) => Origin::Endpoint(Endpoint {
            id: &endpoint.id,
            network: &endpoint.network,
            address: address(&endpoint.address),
            policy: parts.endpoint_policy.as_ref(),
        }),
    };
    ask(&Request {
        action: Action::new(&row.action),
        resource: Resource {
            path_arn: row.path_arn.as_deref(),
            tags: Some(&parts.resource_tags),
            policy: parts.resource_policy.as_ref(),
            requires_policy: row.requires_policy,
            ..Resource::new(&row.resource, account)
        },
        tags: match (&parts.request_tags, &keys) {
            (Some(tags), _) => RequestTags::Set(tags),
            (None, Some(keys)) => RequestTags::Remove(keys),
            (None, None) => RequestTags::None,
        },
        environment: Environment {
            now: millis(&row.now),
            region: &row.region,
            secure: row.secure,
            user_agent: row.user_agent.as_deref(),
            origin,
            more: &more,
        },
    })
}
