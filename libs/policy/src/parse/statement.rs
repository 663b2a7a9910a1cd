//! One statement.

use super::{at::At, conditions, names, node::Node, object::Object, principals};
use crate::{Kind, PolicyError, Problem, policy::Statement};

const ELEMENTS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

/// What bears on every statement of a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) kind: Kind,
    /// The workspace that the policy is on.
    pub(super) workspace: Option<&'a str>,
    /// Whether `${...}` means anything.
    pub(super) variables: bool,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// Reads a statement.
pub(super) fn parse(node: &Node, at: At<'_>, rules: &Rules<'_>) -> Result<(Effect, Statement), PolicyError> {
    let object = Object::new(node, at, &ELEMENTS)?;
    let effect = match object.text("Effect")? {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        Some(_) => return Err(object.at("Effect").refuse(Problem::Expected("Allow or Deny"))),
        None => return Err(object.here().refuse(Problem::Missing("Effect"))),
    };
    let sid = object.text("Sid")?;
    let plain = |sid: &str| sid.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !rules.kind.names_principals() && sid.is_some_and(|sid| !plain(sid)) {
        return Err(object.at("Sid").refuse(Problem::SidCharacters));
    }
    let principals = match object.either("Principal", "NotPrincipal")? {
        Some((_, name, _)) if !rules.kind.names_principals() => {
            return Err(object.at(name).refuse(Problem::HasPrincipal));
        }
        None if rules.kind.names_principals() => {
            return Err(object.here().refuse(Problem::Missing("Principal")));
        }
        None => None,
        Some((_, name, true)) if effect == Effect::Allow => {
            return Err(object.at(name).refuse(Problem::AllowNotPrincipal));
        }
        Some((node, name, negated)) => Some(principals::parse(node, object.at(name), negated)?),
    };
    let actions = object.either("Action", "NotAction")?;
    let (node, name, negated) = actions.ok_or_else(|| object.here().refuse(Problem::NoActions))?;
    let actions = names::actions(node, object.at(name), negated, rules)?;
    let resources = match object.either("Resource", "NotResource")? {
        Some((_, name, _)) if rules.kind == Kind::Trust => {
            return Err(object.at(name).refuse(Problem::Prohibited(name)));
        }
        Some((_, name, true)) if rules.kind == Kind::Workspace => {
            return Err(object.at(name).refuse(Problem::Prohibited(name)));
        }
        None if rules.kind == Kind::Trust => None,
        None => return Err(object.here().refuse(Problem::NoResources)),
        Some((node, name, negated)) => Some(names::resources(node, object.at(name), negated, rules)?),
    };
    let conditions = match object.get("Condition") {
        None => Vec::new(),
        Some(node) => conditions::parse(node, object.at("Condition"), rules.variables)?,
    };
    let sid = sid.map(Into::into);
    Ok((effect, Statement { sid, principals, actions, resources, conditions: conditions.into() }))
}
