//! An object of a document whose elements are known and stand there once each.

use super::{at::At, node::Node};
use crate::{PolicyError, Problem};

/// A checked object.
#[derive(Debug)]
pub(super) struct Object<'a> {
    members: &'a [(String, Node)],
    at: At<'a>,
}

impl<'a> Object<'a> {
    /// An object with no other elements than `known`, none of them twice.
    pub(super) fn new(node: &'a Node, at: At<'a>, known: &[&str]) -> Result<Self, PolicyError> {
        let members = distinct(node, &at)?;
        if let Some((name, _)) = members.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            return Err(At::Member(&at, name).refuse(Problem::Unknown));
        }
        Ok(Self { members, at })
    }

    /// Place of an element.
    pub(super) fn at<'b>(&'b self, name: &'b str) -> At<'b> {
        At::Member(&self.at, name)
    }

    /// Place of the object.
    pub(super) fn here(&self) -> &At<'a> {
        &self.at
    }

    /// An element.
    pub(super) fn get(&self, name: &str) -> Option<&'a Node> {
        self.members.iter().find(|(member, _)| member == name).map(|(_, node)| node)
    }

    /// An element that is text.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, PolicyError> {
        match self.get(name) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.at(name).refuse(Problem::Expected("a text"))),
        }
    }

    /// The one of two elements that is there, and whether it is the second.
    pub(super) fn either(
        &self,
        first: &'static str,
        second: &'static str,
    ) -> Result<Option<(&'a Node, &'static str, bool)>, PolicyError> {
        match (self.get(first), self.get(second)) {
            (Some(_), Some(_)) => Err(self.at(second).refuse(Problem::Both(first, second))),
            (Some(node), None) => Ok(Some((node, first, false))),
            (None, Some(node)) => Ok(Some((node, second, true))),
            (None, None) => Ok(None),
        }
    }
}

/// The members of an object, none of them twice.
pub(super) fn distinct<'a>(node: &'a Node, at: &At<'_>) -> Result<&'a [(String, Node)], PolicyError> {
    let Node::Object(members) = node else { return Err(at.refuse(Problem::Expected("an object"))) };
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(At::Member(at, pair[0]).refuse(Problem::Twice));
    }
    Ok(members)
}
