//! From method and path to the operation (api-control-plane.md section 2.3).
//!
//! The path is taken as sent: split at `/` first, each label decoded afterwards, so that `%2F` never separates and an ARN is one
//! segment. Fixed segments must be spelled plainly, and a label is never empty: one path has one reading, the same for whoever
//! authorises and for whoever serves.

use std::borrow::Cow;

use crate::{
    Operation, Resource,
    text::{decode, excerpt},
};

/// Characters of a client's method or path that are repeated in messages.
const SHOWN: usize = 200;

/// An operation and the labels of its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route<'a> {
    /// What is asked for.
    pub operation: Operation,
    labels: Vec<(&'static str, Cow<'a, str>)>,
}

/// Why a method and path lead nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unroutable {
    /// No operation has this method and path (API-C-13).
    #[error("no operation answers {method} {path}")]
    UnknownOperation {
        /// As sent, or its beginning.
        method: String,
        /// As sent, or its beginning.
        path: String,
    },
    /// A label is not percent-encoded UTF-8.
    #[error("{label}: is not percent-encoded UTF-8")]
    BadLabel {
        /// What is asked for.
        operation: Operation,
        /// The member that the label stands for.
        label: &'static str,
    },
}

/// The operation of a request with its labels decoded. `raw_path` is without the query and still percent-encoded.
pub fn route<'a>(method: &str, raw_path: &'a str) -> Result<Route<'a>, Unroutable> {
    let Some((operation, labels)) = find(method, raw_path) else {
        let (method, path) = (excerpt(method, SHOWN), excerpt(raw_path, SHOWN));
        return Err(Unroutable::UnknownOperation { method, path });
    };
    let decoded = |(label, raw)| match decode(raw) {
        Some(text) => Ok((label, text)),
        None => Err(Unroutable::BadLabel { operation, label }),
    };
    Ok(Route { operation, labels: labels.into_iter().map(decoded).collect::<Result<_, _>>()? })
}

/// The operation of a request, whatever its labels hold. `raw_path` as in [`route`].
pub fn operation(method: &str, raw_path: &str) -> Option<Operation> {
    find(method, raw_path).map(|(operation, _)| operation)
}

/// Labels of a path with the text that stands for each, still encoded.
type Labels<'a> = Vec<(&'static str, &'a str)>;

fn find<'a>(method: &str, raw_path: &'a str) -> Option<(Operation, Labels<'a>)> {
    Operation::ALL.into_iter().find_map(|operation| {
        let fits = operation.method() == method;
        fits.then(|| match_path(operation.path(), raw_path)).flatten().map(|labels| (operation, labels))
    })
}

/// The labels of `path` if it has the form of `template`, in which names in braces stand for one segment each that is not empty.
pub fn match_path<'a>(template: &'static str, path: &'a str) -> Option<Labels<'a>> {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    let mut labels = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(labels),
            (Some(wanted), Some(given)) => {
                match wanted.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                    Some(label) if !given.is_empty() => labels.push((label, given)),
                    None if wanted == given => {}
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
}

impl Route<'_> {
    /// A label, decoded, by the member it stands for: `workspaceId`.
    pub fn label(&self, member: &str) -> Option<&str> {
        self.labels().find(|(name, _)| *name == member).map(|(_, text)| text)
    }

    /// All labels, decoded, in the order of the path.
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.labels.iter().map(|(name, text)| (*name, &**text))
    }

    /// What the path names. `None` for operations on the account, for the tag operations, whose one label is an ARN, and for
    /// nothing else. CreateRuleGroupsNamespace names its workspace here: the namespace is named in the body.
    pub fn resource(&self) -> Option<Resource> {
        if let Some(scraper) = self.label("scraperId") {
            return Some(Resource::Scraper { scraper: scraper.to_owned() });
        }
        let workspace = self.label("workspaceId")?.to_owned();
        Some(match (self.label("name"), self.label("anomalyDetectorId")) {
            (Some(name), _) => Resource::RuleGroupsNamespace { workspace, name: name.to_owned() },
            (_, Some(detector)) => Resource::AnomalyDetector { workspace, detector: detector.to_owned() },
            _ => Resource::Workspace { workspace },
        })
    }
}

#[cfg(test)]
mod route_test;
