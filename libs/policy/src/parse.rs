//! From a document's text to a [`Policy`]. Everything that IAM would refuse is refused, with the place; nothing is guessed.
//!
//! Bytes come from outside: size is checked before anything is read, depth by the JSON reader, and no input panics.

mod at;
mod conditions;
mod names;
mod node;
mod object;
mod principals;
mod statement;

use crate::{Kind, Policy, PolicyError, Problem, Version, counted};
use at::At;
use node::Node;
use object::Object;
use statement::{Effect, Rules};

/// Longest text that is read at all, white space included: what the IAM API takes.
const LONGEST: usize = 131_072;

impl Policy {
    /// Parses and checks a document. Policies on workspaces go through [`Policy::for_workspace`].
    pub fn parse(text: &str, kind: Kind) -> Result<Self, PolicyError> {
        parse(text, Rules { kind, workspace: None, variables: false })
    }

    /// Parses and checks a policy on a workspace: it names principals, and its resource is that workspace.
    pub fn for_workspace(text: &str, arn: &str) -> Result<Self, PolicyError> {
        parse(text, Rules { kind: Kind::Workspace, workspace: Some(arn), variables: false })
    }
}

fn parse(text: &str, mut rules: Rules<'_>) -> Result<Policy, PolicyError> {
    let quota = rules.kind.quota();
    if text.len() > LONGEST || counted(text) > quota {
        return Err(At::Document.refuse(Problem::TooLong(quota)));
    }
    let node: Node = serde_json::from_str(text)
        .map_err(|error| At::Document.refuse(Problem::Syntax(error.to_string())))?;
    let object = Object::new(&node, At::Document, &["Version", "Id", "Statement"])?;
    let version = match object.text("Version")? {
        None | Some("2008-10-17") => Version::V2008,
        Some("2012-10-17") => Version::V2012,
        Some(_) => return Err(object.at("Version").refuse(Problem::Expected("2012-10-17 or 2008-10-17"))),
    };
    rules.variables = version >= Version::V2012;
    let id = object.text("Id")?;
    if id.is_some() && !rules.kind.names_principals() {
        return Err(object.at("Id").refuse(Problem::Prohibited("Id")));
    }
    let list = object.get("Statement").ok_or_else(|| At::Document.refuse(Problem::Missing("Statement")))?;
    let (mut denies, mut allows) = (Vec::new(), Vec::new());
    let at = object.at("Statement");
    for (index, node) in items(list).iter().enumerate() {
        let at = if matches!(list, Node::List(_)) { At::Item(&at, index) } else { at };
        let (effect, statement) = statement::parse(node, at, &rules)?;
        let mut before = denies.iter().chain(&allows);
        if statement.sid.is_some()
            && before.any(|before: &crate::policy::Statement| before.sid == statement.sid)
        {
            return Err(At::Member(&at, "Sid").refuse(Problem::SidTwice));
        }
        match effect {
            Effect::Deny => denies.push(statement),
            Effect::Allow => allows.push(statement),
        }
    }
    if denies.is_empty() && allows.is_empty() {
        return Err(at.refuse(Problem::Missing("Statement")));
    }
    let id = id.map(Into::into);
    Ok(Policy { kind: rules.kind, version, id, denies: denies.into(), allows: allows.into() })
}

/// The items of a list; anything else is a list of itself.
fn items(node: &Node) -> &[Node] {
    if let Node::List(items) = node { items } else { std::slice::from_ref(node) }
}

/// The texts of a text or a list of them; one at least.
fn texts<'a>(node: &'a Node, at: &At<'_>) -> Result<Vec<&'a str>, PolicyError> {
    let texts: Option<Vec<&str>> = items(node)
        .iter()
        .map(|item| if let Node::Text(text) = item { Some(text.as_str()) } else { None })
        .collect();
    texts
        .filter(|texts| !texts.is_empty())
        .ok_or_else(|| at.refuse(Problem::Expected("a text or a list of texts")))
}
