//! A policy, compiled: what parsing makes of a document, in the form that decisions are quick with.
//!
//! Denies stand apart from Allows, actions are compared before anything else, and patterns are split at their wildcards.
//! The document itself is not kept: whoever stores policies keeps the text that it was given.

use std::fmt;

use crate::{
    Action, Kind, Principal,
    actions::Covered,
    condition::Condition,
    facts::Facts,
    pattern::Pattern,
    principals::{Grant, Principals},
};

/// A parsed and compiled policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub(crate) kind: Kind,
    pub(crate) version: Version,
    pub(crate) id: Option<Box<str>>,
    pub(crate) denies: Box<[Statement]>,
    pub(crate) allows: Box<[Statement]>,
}

/// Version of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `2008-10-17`, also meant when none is given: no policy variables.
    V2008,
    /// `2012-10-17`.
    V2012,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2008 => "2008-10-17",
            Self::V2012 => "2012-10-17",
        })
    }
}

/// A statement without its effect.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub(crate) sid: Option<Box<str>>,
    pub(crate) principals: Option<Principals>,
    pub(crate) actions: Actions,
    /// `None` in trust policies.
    pub(crate) resources: Option<Names>,
    pub(crate) conditions: Box<[Condition]>,
}

/// `Action` or `NotAction`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Actions {
    /// The answer for this service's actions.
    pub(crate) covered: Covered,
    /// For those of others.
    pub(crate) names: Names,
}

/// Patterns of which one has to match, or none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Names {
    pub(crate) negated: bool,
    pub(crate) patterns: Box<[Pattern]>,
}

/// What a policy says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Finding {
    /// Nothing.
    Silent,
    Allows(Grant),
    Denies,
}

impl Policy {
    /// Its sort.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Version of the language it is written in.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its `Id`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Number of its statements.
    pub fn len(&self) -> usize {
        self.denies.len() + self.allows.len()
    }

    /// Whether it has no statement, and so says nothing of any request.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it says of a request; `bounded` says that the caller has a permissions boundary.
    pub(crate) fn finding(&self, facts: &Facts<'_>, bounded: bool) -> Finding {
        if self.kind == Kind::Workspace && !facts.request.action.is_data_plane() {
            return Finding::Silent;
        }
        if self.denies.iter().any(|deny| deny.applies(facts, false, self.kind, bounded).is_some()) {
            return Finding::Denies;
        }
        let mut found = Finding::Silent;
        for allow in &self.allows {
            let grant = allow.applies(facts, true, self.kind, bounded);
            found = found.max(grant.map_or(Finding::Silent, Finding::Allows));
            if found == Finding::Allows(Grant::Direct) {
                break;
            }
        }
        found
    }
}

impl Statement {
    fn applies(&self, facts: &Facts<'_>, allow: bool, kind: Kind, bounded: bool) -> Option<Grant> {
        let applies = self.actions.hold(&facts.request.action)
            && self.resources.as_ref().is_none_or(|names| names.hold_for_resource(facts, allow, kind));
        let grant = if applies { self.grant(facts.principal, bounded) } else { None };
        grant.filter(|_| self.conditions.iter().all(|condition| condition.holds(facts, allow)))
    }

    fn grant(&self, caller: &Principal, bounded: bool) -> Option<Grant> {
        self.principals.as_ref().map_or(Some(Grant::Direct), |principals| principals.grant(caller, bounded))
    }
}

impl Actions {
    /// Prepares the answers.
    pub(crate) fn new(names: Names) -> Self {
        Self { covered: Covered::new(|action| names.hold_for_action(action)), names }
    }

    fn hold(&self, action: &Action<'_>) -> bool {
        self.covered.has(action).unwrap_or_else(|| self.names.hold_for_action(action.name()))
    }
}

impl Names {
    /// Actions are compared without regard to case.
    fn hold_for_action(&self, action: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches_constant(action, true)) != self.negated
    }

    /// In an Allow, `NotResource` with a variable that has no value does not hold, as a negated condition does not.
    fn hold_for_resource(&self, facts: &Facts<'_>, allow: bool, kind: Kind) -> bool {
        let resource = &facts.request.resource;
        let path = resource.path_arn.filter(|_| kind == Kind::Endpoint);
        let without_value = allow && self.negated;
        let matches = |pattern: &Pattern, arn| pattern.matches(arn, false, facts).unwrap_or(without_value);
        self.patterns
            .iter()
            .any(|pattern| matches(pattern, resource.arn) || path.is_some_and(|path| matches(pattern, path)))
            != self.negated
    }
}
