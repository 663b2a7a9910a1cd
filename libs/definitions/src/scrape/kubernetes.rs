//! Targets by discovery in the source cluster (SCR-37).

use std::fmt;

use super::job::choose;
use crate::cursor::Cursor;

/// Which objects of the cluster are targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesDiscovery {
    /// Kind of objects.
    pub role: Role,
    /// Where they are looked for.
    pub namespaces: Namespaces,
    /// Which of them are taken.
    pub selectors: Vec<Selector>,
    /// What is told about other objects that they belong to.
    pub attach_metadata: AttachMetadata,
}

/// A kind of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `node`
    Node,
    /// `pod`
    Pod,
    /// `service`
    Service,
    /// `endpoints`
    Endpoints,
    /// `endpointslice`
    EndpointSlice,
    /// `ingress`
    Ingress,
}

/// Namespaces of the cluster; all of them where nothing is said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespaces {
    /// Names; empty for all.
    pub names: Vec<String>,
}

/// Which objects of a kind are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// Kind of objects, which the discovery looks at for its role.
    pub role: Role,
    /// Selector of labels in Kubernetes' notation.
    pub label: Option<String>,
    /// Selector of fields in Kubernetes' notation.
    pub field: Option<String>,
}

/// What is told about other objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttachMetadata {
    /// About the node of a pod.
    pub node: bool,
    /// About the namespace.
    pub namespace: bool,
}

const ROLES: [(&str, Role); 6] = [
    ("node", Role::Node),
    ("pod", Role::Pod),
    ("service", Role::Service),
    ("endpoints", Role::Endpoints),
    ("endpointslice", Role::EndpointSlice),
    ("ingress", Role::Ingress),
];

const KEYS: [&str; 4] = ["role", "namespaces", "selectors", "attach_metadata"];

const ONLY_SOURCE: &str = "the cluster and its credentials are the scraper's source";

const UNSUPPORTED: [(&str, &str); 14] = [
    ("api_server", ONLY_SOURCE),
    ("kubeconfig_file", ONLY_SOURCE),
    ("authorization", ONLY_SOURCE),
    ("basic_auth", ONLY_SOURCE),
    ("bearer_token", ONLY_SOURCE),
    ("bearer_token_file", ONLY_SOURCE),
    ("oauth2", ONLY_SOURCE),
    ("tls_config", ONLY_SOURCE),
    ("http_headers", ONLY_SOURCE),
    ("proxy_url", ONLY_SOURCE),
    ("no_proxy", ONLY_SOURCE),
    ("proxy_from_environment", ONLY_SOURCE),
    ("follow_redirects", ONLY_SOURCE),
    ("enable_http2", ONLY_SOURCE),
];

impl Role {
    /// Kinds of objects that a discovery of this role looks at.
    fn looks_at(self) -> &'static [Self] {
        match self {
            Self::Node => &[Self::Node],
            Self::Pod => &[Self::Pod, Self::Node],
            Self::Service => &[Self::Service],
            Self::Endpoints => &[Self::Pod, Self::Service, Self::Endpoints],
            Self::EndpointSlice => &[Self::Pod, Self::Service, Self::EndpointSlice],
            Self::Ingress => &[Self::Ingress],
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ROLES.iter().find(|(_, role)| role == self).map_or("", |(name, _)| name))
    }
}

pub(super) fn read(cursor: &Cursor<'_>) -> Option<KubernetesDiscovery> {
    let fields = cursor.fields(&KEYS, &UNSUPPORTED)?;
    let Some(role) = fields.get("role") else {
        fields.refuse("role missing (one of: pod, service, endpoints, endpointslice, node, ingress)");
        return None;
    };
    let role = choose(&role, &ROLES, "Kubernetes SD role")?;
    let namespaces = fields
        .get("namespaces")
        .and_then(|map| map.fields(&["names"], &[("own_namespace", "a scraper runs in no namespace")]))
        .map_or_else(Namespaces::default, |map| Namespaces { names: map.texts("names") });
    let attach_metadata =
        fields.get("attach_metadata").and_then(|map| map.fields(&["node", "namespace"], &[]));
    Some(KubernetesDiscovery {
        role,
        namespaces,
        selectors: selectors(role, &fields.items("selectors")),
        attach_metadata: attach_metadata.map_or_else(AttachMetadata::default, |map| AttachMetadata {
            node: map.boolean("node", false),
            namespace: map.boolean("namespace", false),
        }),
    })
}

fn selectors(of: Role, items: &[Cursor<'_>]) -> Vec<Selector> {
    let mut selectors: Vec<Selector> = Vec::new();
    for item in items {
        let Some(fields) = item.fields(&["role", "label", "field"], &[]) else { continue };
        let Some(cursor) = fields.get("role") else {
            fields.refuse("role is missing");
            continue;
        };
        let Some(role) = choose(&cursor, &ROLES, "Kubernetes SD role") else { continue };
        if !of.looks_at().contains(&role) {
            let names: Vec<String> = of.looks_at().iter().map(ToString::to_string).collect();
            cursor.refuse(format!("{of} role supports only {} selectors", names.join(", ")));
        }
        if selectors.iter().any(|before| before.role == role) {
            cursor.refuse("duplicated selector role");
        }
        let text = |name: &str| fields.some_text(name).map(str::to_owned);
        selectors.push(Selector { role, label: text("label"), field: text("field") });
    }
    selectors
}
