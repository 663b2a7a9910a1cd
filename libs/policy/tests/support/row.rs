//! A row of the table.

use std::collections::BTreeMap;

use narthex_policy::{Caller, Kind, MultiFactor, Permissions, Policy, Principal, Verdict, decide};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    policies::{self, Named},
    request::{self, Parts, millis},
};

/// One topic.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowFile {
    pub(crate) topic: String,
    #[serde(default)]
    pub(crate) policies: Named,
    /// What rows have that do not say otherwise.
    #[serde(default)]
    defaults: Map<String, Value>,
    rows: Vec<Map<String, Value>>,
}

impl RowFile {
    pub(crate) fn rows(&self) -> impl Iterator<Item = Result<Row, serde_json::Error>> {
        self.rows.iter().map(|row| {
            let mut whole = self.defaults.clone();
            whole.extend(row.clone());
            serde_json::from_value(Value::Object(whole))
        })
    }
}

/// Who asks for what, under which policies, and the verdict.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    row: String,
    source: String,
    /// ARN, name of a service, or `provider:` and a provider.
    caller: String,
    role: Option<String>,
    federated_by: Option<String>,
    user_id: Option<String>,
    organization: Option<String>,
    source_identity: Option<String>,
    token_issued: Option<String>,
    multi_factor: Option<bool>,
    multi_factor_at: Option<String>,
    #[serde(default)]
    principal_tags: BTreeMap<String, String>,
    #[serde(default)]
    identity: Vec<Value>,
    boundary: Option<Value>,
    session: Option<Vec<Value>>,
    #[serde(default)]
    control: Vec<Vec<Value>>,
    resource_policy: Option<Value>,
    /// `workspace`, `resource` or `trust`.
    #[serde(default = "workspace")]
    resource_policy_kind: String,
    #[serde(default)]
    pub(crate) requires_policy: bool,
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) path_arn: Option<String>,
    /// Owner of the resource, where its ARN does not say.
    pub(crate) account: Option<String>,
    #[serde(default)]
    resource_tags: BTreeMap<String, String>,
    request_tags: Option<BTreeMap<String, String>>,
    pub(crate) tag_keys: Option<Vec<String>>,
    pub(crate) endpoint: Option<RowEndpoint>,
    #[serde(default = "source_ip")]
    pub(crate) source_ip: String,
    #[serde(default = "now")]
    pub(crate) now: String,
    #[serde(default = "region")]
    pub(crate) region: String,
    #[serde(default = "yes")]
    pub(crate) secure: bool,
    pub(crate) user_agent: Option<String>,
    #[serde(default)]
    pub(crate) context: BTreeMap<String, Value>,
    /// `allow`, or `explicit deny:` or `implicit deny:` and the sort of policy.
    verdict: String,
    /// The whole message, where the row is about it.
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowEndpoint {
    pub(crate) id: String,
    pub(crate) network: String,
    pub(crate) address: String,
    policy: Option<Value>,
}

fn workspace() -> String {
    "workspace".to_owned()
}

fn source_ip() -> String {
    "198.51.100.7".to_owned()
}

fn now() -> String {
    "2026-06-15T12:00:00Z".to_owned()
}

fn region() -> String {
    "us-east-1".to_owned()
}

fn yes() -> bool {
    true
}

impl Row {
    pub(crate) fn name(&self) -> &str {
        &self.row
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    fn principal(&self) -> Principal {
        let mut principal = match self.caller.split_once(':') {
            Some(("provider", name)) => Principal::from_provider(name),
            Some(_) => Principal::from_arn(&self.caller).expect("a principal"),
            None => Principal::from_service(&self.caller),
        };
        if let Some(role) = &self.role {
            principal = principal.of_role(role);
        }
        if let Some(user) = &self.federated_by {
            principal = principal.federated_by(user);
        }
        if let Some(id) = &self.user_id {
            principal.user_id = Some(id.as_str().into());
        }
        principal.tags = request::tags(&self.principal_tags);
        principal.organization = self.organization.as_deref().map(Into::into);
        principal.source_identity = self.source_identity.as_deref().map(Into::into);
        principal.token_issued = self.token_issued.as_deref().map(millis);
        let at = self.multi_factor_at.as_deref().map(millis);
        principal.multi_factor = self.multi_factor.map(|present| MultiFactor { present, at });
        principal
    }

    fn permissions(&self, named: &Named) -> Permissions {
        let list = |policies: &[Value], kind| {
            policies.iter().map(|policy| policies::compile(policy, named, kind)).collect::<Vec<_>>()
        };
        Permissions {
            identity: list(&self.identity, Kind::Managed),
            boundary: self.boundary.as_ref().map(|policy| policies::compile(policy, named, Kind::Managed)),
            session: self.session.as_ref().map(|policies| list(policies, Kind::Session)),
            control: self.control.iter().map(|level| list(level, Kind::ServiceControl)).collect(),
        }
    }

    fn parts(&self, named: &Named) -> Parts {
        let compile = |policy: &Value, kind| Policy::clone(&policies::compile(policy, named, kind));
        let resource_policy = self.resource_policy.as_ref().map(|policy| {
            let text = policies::text(policy, named);
            match self.resource_policy_kind.as_str() {
                "workspace" => Policy::for_workspace(&text, &self.resource).expect("a workspace policy"),
                "resource" => compile(policy, Kind::Resource),
                "trust" => compile(policy, Kind::Trust),
                other => panic!("there is no kind {other}"),
            }
        });
        let endpoint = self.endpoint.as_ref().and_then(|endpoint| endpoint.policy.as_ref());
        Parts {
            resource_policy,
            endpoint_policy: endpoint.map(|policy| compile(policy, Kind::Endpoint)),
            resource_tags: request::tags(&self.resource_tags),
            request_tags: self.request_tags.as_ref().map(request::tags),
        }
    }

    /// Compares the verdict; the error says what came instead, and why it should not have.
    pub(crate) fn check(&self, file: &RowFile) -> Result<(), String> {
        let named = &file.policies;
        let caller = Caller { principal: self.principal(), permissions: self.permissions(named) };
        let parts = self.parts(named);
        request::with_request(self, &caller.principal, &parts, |request| {
            let verdict = decide(&caller, request);
            let (found, message) = match verdict {
                Verdict::Allowed => ("allow".to_owned(), String::new()),
                Verdict::Denied(denial) => {
                    let sort = if denial.explicit { "explicit" } else { "implicit" };
                    let message = denial.message(&caller.principal, request).to_string();
                    (format!("{sort} deny: {}", denial.layer.name()), message)
                }
            };
            let right_message = self.message.as_ref().is_none_or(|expected| *expected == message);
            if found == self.verdict && right_message {
                return Ok(());
            }
            Err(format!(
                "    expected {}, since {}\n    found    {found} {message}\n",
                self.verdict, self.source
            ))
        })
    }
}
