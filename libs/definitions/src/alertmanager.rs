//! Alert manager definitions: templates and an Alertmanager configuration in one file (AM-10 to AM-23).
//!
//! The configuration is a text within the file; its problems are told with their place in the file. Receivers are SNS topics and
//! PagerDuty services, every other kind is refused by name, and so is whatever this service decides itself (endpoints, proxies,
//! files). Texts of problems are Alertmanager's where it has any.

mod config;
mod inhibit;
pub mod matchers;
mod pagerduty;
mod receiver;
mod route;
mod secret;
mod sns;
mod templates;
mod time_interval;

use std::collections::BTreeMap;

use narthex_model::AccountId;

pub use config::Config;
pub use inhibit::InhibitRule;
pub use pagerduty::{Image, Key, Link, PagerDuty};
pub use receiver::Receiver;
pub use route::{GroupBy, MAX_REPEAT_INTERVAL, Route, RouteOptions};
pub use secret::SecretReference;
pub use sns::{Sigv4, Sns, SnsTarget};
pub use time_interval::{Range, TimeInterval};

use crate::{
    Invalid, MAX_BYTES, blob,
    cursor::{Cursor, Fields},
    problem::Problems,
    template::Template,
    yaml::{self, Origin},
};

/// What bounds a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionLimits {
    /// Largest file (QUO-4).
    pub max_bytes: usize,
    /// Most template files (QUO-33).
    pub max_templates: usize,
    /// Most inhibition rules (QUO-9).
    pub max_inhibit_rules: usize,
    /// Most nodes of the routing tree, its root included (QUO-15).
    pub max_routes: usize,
    /// The workspace's account, to which topics and secrets must belong; nothing to accept any.
    pub account: Option<AccountId>,
}

impl Default for DefinitionLimits {
    fn default() -> Self {
        Self {
            max_bytes: MAX_BYTES,
            max_templates: 100,
            max_inhibit_rules: 100,
            max_routes: 100,
            account: None,
        }
    }
}

/// What an alert manager works with.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Templates by the name of their file; those that [`Config::templates`] names are in use.
    pub template_files: BTreeMap<String, Template>,
    /// Routes, receivers and the rest.
    pub config: Config,
}

impl Definition {
    /// The template files in use, in the order in which later ones override earlier ones (AM-12, AM-29).
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.config.templates.iter().filter_map(|name| self.template_files.get(name))
    }
}

const ROOT: &str = "alertmanager_config";

/// Reads a definition from a blob of the API.
pub fn parse(blob: &[u8], limits: &DefinitionLimits) -> Result<Definition, Invalid> {
    let document = blob::document(blob);
    let problems = Problems::default();
    let definition = read(&document, limits, &problems);
    problems.finish(definition)
}

fn read(document: &[u8], limits: &DefinitionLimits, problems: &Problems) -> Option<Definition> {
    let text = blob::text(document, limits.max_bytes, problems)?;
    let root = yaml::load(text, Origin::FILE, "", problems);
    let Some(root) = root.filter(|root| !root.is_null()) else {
        if problems.is_empty() {
            problems.add(None, "", format!("{ROOT} is missing"));
        }
        return None;
    };
    let fields = Cursor::new(&root, String::new(), problems).fields(&["template_files", ROOT], &[])?;
    let template_files = templates::read(&fields, limits);
    let Some(cursor) = fields.get(ROOT) else {
        fields.refuse(format!("{ROOT} is missing"));
        return None;
    };
    let config = if cursor.is_map() {
        config::read(&cursor, &template_files, limits)
    } else {
        read_text(&cursor, &template_files, limits)
    };
    Some(Definition { template_files, config: config? })
}

/// The configuration as the text that it is in all of the guide's samples.
fn read_text(
    cursor: &Cursor<'_>,
    template_files: &BTreeMap<String, Template>,
    limits: &DefinitionLimits,
) -> Option<Config> {
    let (text, origin) = (cursor.text()?, cursor.origin()?);
    let problems = cursor.problems();
    let Some(root) = yaml::load(text, origin, cursor.path(), problems).filter(|root| !root.is_null()) else {
        if problems.is_empty() {
            cursor.refuse("no routes provided");
        }
        return None;
    };
    config::read(&Cursor::new(&root, cursor.path().to_owned(), problems), template_files, limits)
}

/// Refuses a list with more items than its limit.
fn at_most(cursor: &Cursor<'_>, count: usize, most: usize, what: &str) {
    if count > most {
        cursor.refuse(format!("the definition has {count} {what}; at most {most} are allowed"));
    }
}

/// A template in a receiver.
fn template(fields: &Fields<'_>, name: &str) -> Option<Template> {
    Template::read(&fields.get(name)?, &crate::template::NOTIFICATION)
}

/// A template in a receiver, or its default.
fn template_or(fields: &Fields<'_>, name: &str, default: &str) -> Option<Template> {
    match fields.get(name) {
        Some(cursor) => Template::read(&cursor, &crate::template::NOTIFICATION),
        None => Template::parse(default, &crate::template::NOTIFICATION).ok(),
    }
}

/// Templates by name.
fn template_map(fields: &Fields<'_>, name: &str) -> BTreeMap<String, Template> {
    let members = fields.get(name).map(|map| map.members()).unwrap_or_default();
    let read = |(name, cursor): &(&str, Cursor<'_>)| {
        Some(((*name).to_owned(), Template::read(cursor, &crate::template::NOTIFICATION)?))
    };
    members.iter().filter_map(read).collect()
}

#[cfg(test)]
mod alertmanager_test;
