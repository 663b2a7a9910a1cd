//! PagerDuty receivers.

use std::{collections::BTreeMap, time::Duration};

use super::{DefinitionLimits, SecretReference, template, template_map, template_or};
use crate::{
    cursor::{Cursor, Fields},
    template::{NOTIFICATION, Template},
};

/// Notifications as PagerDuty events (AM-51, AM-52).
#[derive(Debug, Clone, PartialEq)]
pub struct PagerDuty {
    /// Also tell when alerts are resolved.
    pub send_resolved: bool,
    /// The integration.
    pub key: Key,
    /// Who sends.
    pub client: Template,
    /// Link back to the sender.
    pub client_url: Template,
    /// What happened.
    pub description: Template,
    /// More about it by name.
    pub details: BTreeMap<String, Template>,
    /// How bad it is.
    pub severity: Template,
    /// Kind of event.
    pub class: Option<Template>,
    /// The part that has the problem.
    pub component: Option<Template>,
    /// What belongs together.
    pub group: Option<Template>,
    /// The system that has the problem.
    pub source: Option<Template>,
    /// Pictures.
    pub images: Vec<Image>,
    /// Links.
    pub links: Vec<Link>,
    /// Longest request, if there is a limit.
    pub timeout: Option<Duration>,
}

/// The key of an integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// For version 2 of the events API.
    Routing(SecretReference),
    /// For version 1 of the events API.
    Service(SecretReference),
}

/// A picture in an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Where a click on it leads.
    pub href: Option<Template>,
    /// Text in its place.
    pub alt: Option<Template>,
    /// The picture.
    pub src: Option<Template>,
}

/// A link in an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Where it leads.
    pub href: Option<Template>,
    /// What it says.
    pub text: Option<Template>,
}

const KEYS: [&str; 15] = [
    "send_resolved",
    "routing_key",
    "service_key",
    "client",
    "client_url",
    "description",
    "details",
    "severity",
    "class",
    "component",
    "group",
    "source",
    "images",
    "links",
    "timeout",
];

/// What AM-18 has refused.
const UNSUPPORTED: [(&str, &str); 4] = [
    ("url", "the service chooses the endpoint"),
    ("http_config", "external proxies cannot be used"),
    ("routing_key_file", "the service reads no files; use routing_key"),
    ("service_key_file", "the service reads no files; use service_key"),
];

/// Alertmanager's details, each of which an event has unless the file sets another of the name.
const DETAILS: [(&str, &str); 4] = [
    ("firing", "{{ template \"pagerduty.default.instances\" .Alerts.Firing }}"),
    ("resolved", "{{ template \"pagerduty.default.instances\" .Alerts.Resolved }}"),
    ("num_firing", "{{ .Alerts.Firing | len }}"),
    ("num_resolved", "{{ .Alerts.Resolved | len }}"),
];

pub(super) fn read(cursor: &Cursor<'_>, limits: &DefinitionLimits) -> Option<PagerDuty> {
    let fields = cursor.fields(&KEYS, &UNSUPPORTED)?;
    let key = key(&fields, limits);
    let client = template_or(&fields, "client", "{{ template \"pagerduty.default.client\" . }}");
    let client_url = template_or(&fields, "client_url", "{{ template \"pagerduty.default.clientURL\" . }}");
    let description =
        template_or(&fields, "description", "{{ template \"pagerduty.default.description\" .}}");
    let severity = template_or(&fields, "severity", "error");
    let mut details = template_map(&fields, "details");
    for (name, text) in DETAILS {
        if let Ok(template) = Template::parse(text, &NOTIFICATION) {
            details.entry(name.to_owned()).or_insert(template);
        }
    }
    let parts = ["class", "component", "group", "source"].map(|name| template(&fields, name));
    let images = parts_of(&fields, "images", &["href", "alt", "src"], |fields| Image {
        href: template(fields, "href"),
        alt: template(fields, "alt"),
        src: template(fields, "src"),
    });
    let links = parts_of(&fields, "links", &["href", "text"], |fields| Link {
        href: template(fields, "href"),
        text: template(fields, "text"),
    });
    let [class, component, group, source] = parts;
    Some(PagerDuty {
        send_resolved: fields.boolean("send_resolved", true),
        key: key?,
        client: client?,
        client_url: client_url?,
        description: description?,
        details,
        severity: severity?,
        class,
        component,
        group,
        source,
        images,
        links,
        timeout: fields.duration("timeout"),
    })
}

fn key(fields: &Fields<'_>, limits: &DefinitionLimits) -> Option<Key> {
    match (fields.get("routing_key"), fields.get("service_key")) {
        (Some(routing), None) => SecretReference::read(&routing, limits).map(Key::Routing),
        (None, Some(service)) => SecretReference::read(&service, limits).map(Key::Service),
        (None, None) => {
            fields.refuse("missing service or routing key in PagerDuty config");
            None
        }
        (Some(_), Some(_)) => {
            fields.refuse("at most one of routing_key & service_key must be configured");
            None
        }
    }
}

fn parts_of<T>(fields: &Fields<'_>, name: &str, keys: &[&str], read: impl Fn(&Fields<'_>) -> T) -> Vec<T> {
    fields.items(name).iter().filter_map(|item| item.fields(keys, &[])).map(|fields| read(&fields)).collect()
}
