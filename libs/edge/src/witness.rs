//! What the audit log is told of a request (AUD-1, AUD-4, AUD-10): noted while it goes through, told when its reply is there.
//!
//! Parameters are the members of the request: of its JSON body, of its query, and of its path. Elements are those of the reply to a
//! change, with the one header that the samples show. So a handler has nothing to do; where another account of its call is due, it
//! leaves an [`AuditDetail`] in the extensions of its response. Who signed is told only once the signature was verified; until
//! then a request names a key, no more.

use std::sync::Arc;

use axum::{
    body::{Body, HttpBody},
    response::Response,
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{CONTENT_TYPE, USER_AGENT},
    request::Parts,
};
use narthex_audit::{Audit, Event, Issuer, Kind, Outcome, UserIdentity};
use narthex_model::{AccountId, TimestampMs, WorkspaceId};
use narthex_policy::{Caller, Plane};
use serde_json::{Map, Value};

use crate::{
    PrivateEndpoint,
    cors::EXPOSED,
    error::{ERROR_MESSAGE, ERROR_TYPE},
    operation::Operation,
    source::Source,
};

/// Largest reply that is read for its elements. Those of changes are short.
const MAX_REPLY: u64 = 256 << 10;

/// What a handler tells of its call in place of what the edge would note; in the extensions of its response.
#[derive(Debug, Clone, Default)]
pub struct AuditDetail {
    /// Members of the request.
    pub request_parameters: Option<Map<String, Value>>,
    /// Members of the response.
    pub response_elements: Option<Map<String, Value>>,
}

/// A request that is to be recorded.
#[derive(Debug)]
pub(crate) struct Witness {
    operation: &'static str,
    plane: Plane,
    read_only: bool,
    at: TimestampMs,
    source: Option<Source>,
    endpoint: Option<Arc<PrivateEndpoint>>,
    user_agent: Option<String>,
    path_members: Map<String, Value>,
    workspace: Option<String>,
    who: UserIdentity,
    parameters: Map<String, Value>,
    owner: Option<AccountId>,
}

impl Witness {
    /// A witness, if the call is one that is recorded: an operation of the management API, or a data call that is chosen.
    pub(crate) fn of(
        audit: &Audit,
        operation: &Operation,
        parts: &Parts,
        routed: &str,
        workspace: Option<&str>,
        at: TimestampMs,
    ) -> Option<Self> {
        let name = operation.name?;
        let recorded = match (operation.plane, workspace) {
            (Plane::Control, _) => audit.is_on(),
            (Plane::Data, None) => false,
            (Plane::Data, Some(id)) => id.parse::<WorkspaceId>().is_ok_and(|id| audit.wants_data(id)),
        };
        if !recorded {
            return None;
        }
        let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let mut parameters = query_members(parts.uri.query().unwrap_or_default());
        // A query's text and a list of matchers say more than an audit log is asked for.
        if operation.plane == Plane::Data {
            parameters.clear();
        }
        Some(Self {
            operation: name,
            plane: operation.plane,
            read_only: operation.read_only,
            at,
            source: parts.extensions.get().copied(),
            endpoint: parts.extensions.get().cloned(),
            user_agent: agent.map(str::to_owned),
            path_members: path_members(parts.method.as_str(), routed, workspace),
            workspace: workspace.map(str::to_owned),
            who: UserIdentity::Unknown { account: None, principal: None, access_key_id: None },
            parameters,
            owner: None,
        })
    }

    /// The request names a key of this account; its signature is not verified yet.
    pub(crate) fn claimed(&mut self, account: &AccountId, access_key_id: &str) {
        let account = Some(account.clone());
        self.who =
            UserIdentity::Unknown { account, principal: None, access_key_id: Some(access_key_id.to_owned()) };
    }

    /// It is known who asks, and with what body.
    pub(crate) fn verified(
        &mut self,
        account: &AccountId,
        caller: &Caller,
        access_key_id: Option<&str>,
        body: &Bytes,
    ) {
        self.who = identity(account, caller, access_key_id);
        if self.plane == Plane::Control
            && let Ok(Value::Object(members)) = serde_json::from_slice(body)
        {
            self.parameters.extend(members);
        }
    }

    /// The workspace belongs to this account.
    pub(crate) fn owned_by(&mut self, account: &AccountId) {
        self.owner = Some(account.clone());
    }

    /// Tells the audit log how it ended. A reply that is read for its elements is put back whole.
    pub(crate) async fn tell(
        mut self,
        audit: &Audit,
        region: &str,
        request_id: &Arc<str>,
        response: &mut Response,
    ) {
        let detail = response.extensions_mut().remove::<AuditDetail>().unwrap_or_default();
        let outcome = match failure(response.status(), response.headers()) {
            Some(failed) => failed,
            None => Outcome::Done(match detail.response_elements {
                Some(elements) => Some(elements),
                None if self.read_only || self.plane == Plane::Data => None,
                None => Some(elements(response).await),
            }),
        };
        let mut parameters =
            detail.request_parameters.unwrap_or_else(|| std::mem::take(&mut self.parameters));
        parameters.extend(self.path_members);
        let kind = match (self.plane, self.workspace) {
            (Plane::Data, Some(id)) => {
                let owner = self.owner.as_ref().or_else(|| self.who.account()).map_or("", AccountId::as_str);
                Kind::Data { workspace: format!("arn:aws:aps:{region}:{owner}:workspace/{id}") }
            }
            _ => Kind::Management,
        };
        let event = Event {
            kind,
            who: self.who,
            at: self.at,
            operation: self.operation.to_owned(),
            region: region.to_owned(),
            source: self.source.and_then(|source| source.address),
            endpoint: self.endpoint.map(|endpoint| endpoint.id.to_string()),
            user_agent: self.user_agent,
            request_parameters: parameters,
            outcome,
            request_id: request_id.to_string(),
            event_id: audit.event_id(),
            read_only: self.read_only,
            recipient: self.owner,
        };
        audit.record(event).await;
    }
}

/// The caller in the words of the audit log.
fn identity(account: &AccountId, caller: &Caller, access_key_id: Option<&str>) -> UserIdentity {
    let principal = &caller.principal;
    let (arn, id) = (principal.name(), principal.user_id.as_deref());
    let access_key_id = access_key_id.map(str::to_owned);
    if !arn.contains(":assumed-role/") {
        return UserIdentity::from_arn(account.clone(), arn, id.map(str::to_owned), access_key_id);
    }
    let id = id.unwrap_or_default();
    UserIdentity::AssumedRole {
        account: account.clone(),
        arn: arn.to_owned(),
        id: id.to_owned(),
        access_key_id,
        issuer: Issuer {
            arn: principal.issuer_arn().unwrap_or_default().to_owned(),
            id: id.split(':').next().unwrap_or_default().to_owned(),
        },
        created: TimestampMs(principal.token_issued.unwrap_or_default()),
        multi_factor: principal.multi_factor.is_some_and(|factor| factor.present),
        provider: None,
    }
}

/// Labels of the path under the names of the members that they stand for.
fn path_members(method: &str, routed: &str, workspace: Option<&str>) -> Map<String, Value> {
    if let Some(id) = workspace {
        return Map::from_iter([("workspaceId".to_owned(), id.into())]);
    }
    let method = if method == "HEAD" { "GET" } else { method };
    let Ok(route) = narthex_amp::route(method, routed) else { return Map::new() };
    route.labels().map(|(name, text)| (name.to_owned(), text.into())).collect()
}

/// Parameters of the query, but for those of a signature; a repeated one as a list.
fn query_members(query: &str) -> Map<String, Value> {
    let mut members = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name.to_ascii_lowercase().starts_with("x-amz-") {
            continue;
        }
        match members.get_mut(&*name) {
            None => drop(members.insert(name.into_owned(), value.into_owned().into())),
            Some(Value::Array(values)) => values.push(value.into_owned().into()),
            Some(first) => *first = Value::Array(vec![first.take(), value.into_owned().into()]),
        }
    }
    members
}

/// Why a reply is none, by its headers or else by its status.
fn failure(status: StatusCode, headers: &HeaderMap) -> Option<Outcome> {
    if !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let code = text(ERROR_TYPE).unwrap_or_else(|| format!("HTTP {}", status.as_str()));
    Some(Outcome::Failed { code, message: text(ERROR_MESSAGE).unwrap_or_default() })
}

/// Members of a short JSON reply, behind the header that the samples show.
async fn elements(response: &mut Response) -> Map<String, Value> {
    let mut elements = Map::from_iter([("Access-Control-Expose-Headers".to_owned(), EXPOSED.into())]);
    let json = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let short = response.body().size_hint().exact().is_some_and(|size| size > 0 && size <= MAX_REPLY);
    if json && short {
        let body = std::mem::take(response.body_mut());
        let bytes = axum::body::to_bytes(body, MAX_REPLY as usize).await.unwrap_or_default();
        if let Ok(Value::Object(members)) = serde_json::from_slice(&bytes) {
            elements.extend(members);
        }
        *response.body_mut() = Body::from(bytes);
    }
    elements
}

#[cfg(test)]
mod tests {
    use narthex_policy::{MultiFactor, Permissions, Principal};
    use serde_json::json;

    use super::*;

    fn account() -> AccountId {
        "123456789012".parse().expect("digits")
    }

    #[test]
    fn members_come_from_query_and_path() {
        let members =
            query_members("tagKeys=a&tagKeys=b+c&tagKeys=d&clientToken=t&X-Amz-Signature=00&x-amz-date=1");
        assert_eq!(Value::Object(members), json!({"tagKeys": ["a", "b c", "d"], "clientToken": "t"}));
        let members = path_members("PUT", "/workspaces/ws-1/rulegroupsnamespaces/a%2Fb", None);
        assert_eq!(Value::Object(members), json!({"workspaceId": "ws-1", "name": "a/b"}));
        assert!(path_members("GET", "/nowhere", None).is_empty());
    }

    #[test]
    fn callers_are_told_in_the_words_of_the_log() {
        let caller = |principal| Caller { principal, permissions: Permissions::default() };
        let user = Principal::from_arn("arn:aws:iam::123456789012:user/mateo").expect("an ARN");
        assert!(matches!(
            identity(&account(), &caller(user), Some("AKIA")),
            UserIdentity::User { access_key_id: Some(key), .. } if key == "AKIA"
        ));
        let mut session =
            Principal::from_arn("arn:aws:sts::123456789012:assumed-role/Admin/admin").expect("an ARN");
        session = session.of_role("arn:aws:iam::123456789012:role/team/Admin");
        session.user_id = Some("AROAX:admin".into());
        session.token_issued = Some(7);
        session.multi_factor = Some(MultiFactor { present: true, at: None });
        let expected = UserIdentity::AssumedRole {
            account: account(),
            arn: "arn:aws:sts::123456789012:assumed-role/Admin/admin".into(),
            id: "AROAX:admin".into(),
            access_key_id: None,
            issuer: Issuer { arn: "arn:aws:iam::123456789012:role/team/Admin".into(), id: "AROAX".into() },
            created: TimestampMs(7),
            multi_factor: true,
            provider: None,
        };
        assert_eq!(identity(&account(), &caller(session), None), expected);
    }

    #[tokio::test]
    async fn a_reply_is_read_and_put_back() {
        let body = r#"{"workspaceId":"ws-1"}"#;
        let mut response = Response::new(Body::from(body));
        response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        let found = elements(&mut response).await;
        assert_eq!(found["workspaceId"], "ws-1");
        assert_eq!(found["Access-Control-Expose-Headers"], EXPOSED);
        let bytes = axum::body::to_bytes(response.into_body(), 1000).await.expect("short");
        assert_eq!(&bytes[..], body.as_bytes());
        assert_eq!(elements(&mut Response::new(Body::empty())).await.len(), 1);
    }

    #[test]
    fn a_failure_is_named_by_its_header_or_its_status() {
        let headers = HeaderMap::from_iter([
            (ERROR_TYPE, http::HeaderValue::from_static("ThrottlingException")),
            (ERROR_MESSAGE, http::HeaderValue::from_static("Rate exceeded")),
        ]);
        let failed =
            |code: &str, message: &str| Some(Outcome::Failed { code: code.into(), message: message.into() });
        assert_eq!(
            failure(StatusCode::TOO_MANY_REQUESTS, &headers),
            failed("ThrottlingException", "Rate exceeded")
        );
        assert_eq!(failure(StatusCode::BAD_GATEWAY, &HeaderMap::new()), failed("HTTP 502", ""));
        assert_eq!(failure(StatusCode::ACCEPTED, &headers), None);
    }
}
