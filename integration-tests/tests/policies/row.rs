//! A row of the table as it is told over the wire: the same row, but for names that other rows have too.

use std::collections::BTreeMap;

use narthex_amp::Operation;
use serde_json::{Map, Value};

use super::{patterns, rows::OWNER};

/// Region of everything.
const REGION: &str = "us-east-1";

/// Members that say what no client can bring about, and what they need.
const NOT_HERE: [(&str, &str); 13] = [
    ("federated_by", "a federated user"),
    ("user_id", "a given id of a user"),
    ("organization", "an organization"),
    ("source_identity", "a source identity"),
    ("token_issued", "a given time"),
    ("multi_factor", "a second factor"),
    ("multi_factor_at", "a second factor"),
    ("control", "a service control policy"),
    ("endpoint", "a VPC endpoint"),
    ("now", "a given time"),
    ("region", "another region"),
    ("context", "a key of another service"),
    ("path_arn", "an ARN of another form"),
];

/// Keys whose values are not ours to choose.
const KEYS_NOT_HERE: [&str; 4] = ["currenttime", "epochtime", "tokenissuetime", "aws:userid"];

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    Root { account: String },
    User { account: String, path: String, name: String },
    Session { account: String, path: String, role: String, session: String },
}

/// Who asks for what under which policies.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) title: String,
    pub(crate) topic: String,
    pub(crate) number: usize,
    pub(crate) caller: Caller,
    pub(crate) identity: Vec<Value>,
    pub(crate) boundary: Option<Value>,
    pub(crate) session: Option<Vec<Value>>,
    pub(crate) principal_tags: Map<String, Value>,
    pub(crate) resource_policy: Option<Value>,
    pub(crate) resource_tags: Map<String, Value>,
    pub(crate) request_tags: Option<Map<String, Value>>,
    pub(crate) tag_keys: Option<Vec<String>>,
    /// Without `aps:`.
    pub(crate) action: String,
    /// The workspace that it is about.
    pub(crate) workspace: Option<String>,
    pub(crate) source_ip: String,
    pub(crate) secure: bool,
    pub(crate) user_agent: Option<String>,
    /// What the caller must be told, if it may not.
    pub(crate) denial: Option<String>,
}

impl Caller {
    pub(crate) fn account(&self) -> &str {
        match self {
            Self::Root { account } | Self::User { account, .. } | Self::Session { account, .. } => account,
        }
    }

    fn of(arn: &str, role: Option<&str>) -> Result<Self, &'static str> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let &["arn", "aws", service, "", account, name] = &parts[..] else {
            return Err("a caller that is no principal of an account");
        };
        let account = account.to_owned();
        let of_path = |whole: &str| match whole.rsplit_once('/') {
            Some((path, name)) => (format!("/{path}/"), name.to_owned()),
            None => ("/".to_owned(), whole.to_owned()),
        };
        match (service, name.split_once('/')) {
            ("iam", None) if name == "root" => Ok(Self::Root { account }),
            ("iam", Some(("user", name))) => {
                let (path, name) = of_path(name);
                Ok(Self::User { account, path, name })
            }
            ("sts", Some(("assumed-role", name))) => {
                let (name, session) = name.split_once('/').ok_or("a caller without a name")?;
                if session.len() < 2 {
                    return Err("a name of a session that STS does not take");
                }
                let arn = role.and_then(|arn| arn.split_once(":role/"));
                let (path, role) = of_path(arn.map_or(name, |(_, name)| name));
                Ok(Self::Session { account, path, role, session: session.to_owned() })
            }
            _ => Err("a caller that cannot sign"),
        }
    }

    /// The caller's name in ARNs, and the same with a number.
    fn renamed(&mut self, number: usize) -> Vec<(String, String)> {
        let numbered = |name: &str| format!("{name}-{number}");
        match self {
            Self::Root { .. } => Vec::new(),
            Self::User { path, name, .. } => {
                let new = numbered(name);
                let pairs = [
                    (format!("user{path}{name}"), format!("user{path}{new}")),
                    (format!("\"{name}\""), format!("\"{new}\"")),
                ];
                *name = new;
                pairs.into()
            }
            Self::Session { path, role, .. } => {
                let new = numbered(role);
                let pairs = [format!("role{path}"), "assumed-role/".to_owned()]
                    .map(|before| (format!("{before}{role}"), format!("{before}{new}")));
                *role = new;
                pairs.into()
            }
        }
    }
}

impl Row {
    /// The row, or why it cannot be told over the wire.
    pub(crate) fn read(topic: &str, number: usize, whole: Map<String, Value>) -> Result<Self, &'static str> {
        let whole = in_our_region(whole);
        for (member, reason) in NOT_HERE {
            let given = whole.get(member).is_some_and(|value| !value.is_null());
            if given && !(member == "region" && whole[member] == REGION) {
                return Err(reason);
            }
        }
        if whole.get("session").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            return Err("no session policies among those passed");
        }
        if whole.get("requires_policy") == Some(&Value::Bool(true))
            || whole.get("resource_policy_kind").is_some_and(|kind| kind != "workspace")
        {
            return Err("a trust policy");
        }
        let named = whole.get("identity").and_then(Value::as_array).into_iter().flatten();
        if named.filter_map(Value::as_str).any(|name| name.ends_with("ServiceRolePolicy")) {
            return Err("a policy of the service's own role");
        }
        let text = |member: &str| whole.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
        let action = text("action").strip_prefix("aps:").ok_or("an action of another service")?.to_owned();
        let lower = Value::Object(whole.clone()).to_string().to_lowercase();
        if KEYS_NOT_HERE.iter().any(|key| lower.contains(key)) {
            return Err("a key that is not ours to choose");
        }
        let resource = text("resource");
        let (owner, workspace) = owner_and_workspace(&resource)?;
        let role = whole.get("role").and_then(Value::as_str);
        let caller = Caller::of(&text("caller"), role)?;
        reachable(&action, owner, &caller, &whole)?;
        if whole.contains_key("account") {
            return Err("an owner that the ARN does not name");
        }
        let (whole, caller) = renamed(whole, number, owner, workspace, caller)?;
        Ok(Self::new(topic, number, &whole, caller, action))
    }

    fn new(topic: &str, number: usize, whole: &Map<String, Value>, caller: Caller, action: String) -> Self {
        let get = |member: &str| whole.get(member).filter(|value| !value.is_null());
        let text = |member: &str| get(member).and_then(Value::as_str).map(str::to_owned);
        let list = |member: &str| get(member).and_then(Value::as_array).cloned();
        let map = |member: &str| get(member).and_then(Value::as_object).cloned();
        let resource = text("resource").unwrap_or_default();
        Self {
            title: format!("{topic}: {}", text("row").unwrap_or_default()),
            topic: topic.to_owned(),
            number,
            caller,
            identity: list("identity").unwrap_or_default(),
            boundary: get("boundary").cloned(),
            session: list("session"),
            principal_tags: map("principal_tags").unwrap_or_default(),
            resource_policy: get("resource_policy").cloned(),
            resource_tags: map("resource_tags").unwrap_or_default(),
            request_tags: map("request_tags"),
            tag_keys: list("tag_keys")
                .map(|keys| keys.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            action,
            workspace: resource.split_once("workspace/").map(|(_, id)| id.to_owned()),
            source_ip: text("source_ip").unwrap_or_else(|| "198.51.100.7".to_owned()),
            secure: get("secure").is_none_or(|secure| secure == true),
            user_agent: text("user_agent"),
            denial: denial(whole, &resource),
        }
    }

    /// Whether it is about the Prometheus-compatible API.
    pub(crate) fn is_data(&self) -> bool {
        operation(&self.action).is_none()
    }
}

/// The management operation of a name.
pub(crate) fn operation(name: &str) -> Option<Operation> {
    Operation::ALL.into_iter().find(|operation| operation.name() == name)
}

/// A row that is all about another region says the same about this one.
fn in_our_region(whole: Map<String, Value>) -> Map<String, Value> {
    let resource = whole.get("resource").and_then(Value::as_str).unwrap_or_default();
    let theirs = resource.split(':').nth(3).unwrap_or_default().to_owned();
    let text = Value::Object(whole.clone()).to_string();
    if theirs.is_empty() || text.contains(REGION) || whole.contains_key("region") {
        return whole;
    }
    match serde_json::from_str(&text.replace(&theirs, REGION)) {
        Ok(Value::Object(moved)) => moved,
        _ => whole,
    }
}

/// Of a workspace's ARN its account and id.
fn owner_and_workspace(resource: &str) -> Result<(Option<&str>, Option<&str>), &'static str> {
    if resource == "*" {
        return Ok((None, None));
    }
    let parts: Vec<&str> = resource.splitn(6, ':').collect();
    let &["arn", "aws", "aps", REGION, account, name] = &parts[..] else {
        return Err("a resource of another service or region");
    };
    let id = name.strip_prefix("workspace/").ok_or("a resource inside of a workspace")?;
    if id.len() < 4 { Err("an id that no workspace has") } else { Ok((Some(account), Some(id))) }
}

/// Whether the operation is checked on just this resource.
fn reachable(
    action: &str,
    owner: Option<&str>,
    caller: &Caller,
    whole: &Map<String, Value>,
) -> Result<(), &'static str> {
    let known = super::request::DATA.iter().any(|(name, ..)| *name == action);
    let Some(operation) = operation(action) else {
        return match owner {
            Some(_) if known => Ok(()),
            _ => Err("an action without a request of its own"),
        };
    };
    let has = |member: &str| whole.get(member).is_some_and(|value| !value.is_null());
    let tagging = matches!(operation, Operation::TagResource | Operation::UntagResource);
    if (has("request_tags") || has("tag_keys")) && !tagging {
        return Err("tags at creation, which need a second action");
    }
    match (owner, operation.path()) {
        (None, "/workspaces" | "/scrapers" | "/scraperconfiguration") => {
            if operation == Operation::CreateScraper { Err("a scraper") } else { Ok(()) }
        }
        // The path names no account: the caller's own is meant.
        (Some(owner), path) if owner == caller.account() => {
            let inside = path.contains("{name}") || path.contains("{anomalyDetectorId}");
            let named = operation == Operation::CreateRuleGroupsNamespace;
            let fits = path.starts_with("/workspaces/{workspaceId}") && !inside && !named;
            if fits || path.starts_with("/tags/") { Ok(()) } else { Err("another resource of the operation") }
        }
        _ => Err("a management operation on what is another account's"),
    }
}

/// The row with a workspace, an owner and a caller of its own.
fn renamed(
    whole: Map<String, Value>,
    number: usize,
    owner: Option<&str>,
    workspace: Option<&str>,
    mut caller: Caller,
) -> Result<(Map<String, Value>, Caller), &'static str> {
    let owner = owner.map(str::to_owned);
    let workspace = workspace.map(str::to_owned);
    let whole = Value::Object(whole);
    let mut text = whole.to_string();
    if let Some(owner) = owner.filter(|owner| owner != OWNER) {
        if text.contains(OWNER) {
            return Err("two owners");
        }
        text = text.replace(&owner, OWNER);
        caller = match caller {
            Caller::Root { account } if account == owner => Caller::Root { account: OWNER.to_owned() },
            Caller::User { account, path, name } if account == owner => {
                Caller::User { account: OWNER.to_owned(), path, name }
            }
            Caller::Session { account, path, role, session } if account == owner => {
                Caller::Session { account: OWNER.to_owned(), path, role, session }
            }
            other => other,
        };
    }
    if let Some(id) = workspace {
        text = replaced(&text, &format!("workspace/{id}"), &format!("workspace/{}", workspace_id(number)));
        let renamed: Value = serde_json::from_str(&text).map_err(|_| "a row that cannot be renamed")?;
        if !patterns::mean_the_same(&whole, &renamed) {
            return Err("a pattern of ids");
        }
    }
    for (old, new) in caller.renamed(number) {
        text = replaced(&text, &old, &new);
    }
    match serde_json::from_str(&text) {
        Ok(Value::Object(whole)) => Ok((whole, caller)),
        _ => Err("a row that cannot be renamed"),
    }
}

/// The id of a row's workspace.
pub(crate) fn workspace_id(number: usize) -> String {
    format!("ws-00000000-0000-4000-8000-{number:012}")
}

/// Replaces whole names only.
fn replaced(text: &str, old: &str, new: &str) -> String {
    let mut parts = text.split(old);
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let goes_on = part.starts_with(|letter: char| letter.is_alphanumeric() || "-_.@+=".contains(letter));
        result += if goes_on { old } else { new };
        result += part;
    }
    result
}

/// AWS's words for the verdict; `None` if it is allowed.
fn denial(whole: &Map<String, Value>, resource: &str) -> Option<String> {
    let text = |member: &str| whole.get(member).and_then(Value::as_str).unwrap_or_default();
    let (sort, layer) = text("verdict").split_once(" deny: ")?;
    let (caller, action) = (text("caller"), text("action"));
    let on = if resource == "*" { String::new() } else { format!(" on resource: {resource}") };
    let article = if layer.starts_with('i') { "an" } else { "a" };
    let why = match sort {
        "explicit" => format!("with an explicit deny in {article} {layer}"),
        _ => format!("because no {layer} allows the {action} action"),
    };
    let told = format!("User: {caller} is not authorized to perform: {action}{on} {why}");
    let given = whole.get("message").and_then(Value::as_str);
    assert!(given.is_none_or(|given| given == told), "the row's own words are {given:?}, not {told:?}");
    Some(told)
}

/// The tags of a map as pairs of texts.
pub(crate) fn tags(map: &Map<String, Value>) -> BTreeMap<&str, &str> {
    map.iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default())).collect()
}
