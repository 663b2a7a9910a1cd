//! The managed policies of the service, by name (security.md 4.9), as AWS publishes them in its managed policy reference.

use crate::{Kind, Policy, PolicyError};

/// A policy that is always there and that nobody can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManagedPolicy {
    /// Its name; the ARN is `arn:aws:iam::aws:policy/` and this.
    pub name: &'static str,
    /// Its document.
    pub document: &'static str,
    /// Whether users, groups and roles may have it; otherwise it belongs to the service-linked role alone.
    pub attachable: bool,
}

/// All of them.
pub const MANAGED_POLICIES: &[ManagedPolicy] = &[
    attachable(
        "AmazonPrometheusConsoleFullAccess",
        include_str!("managed/AmazonPrometheusConsoleFullAccess.json"),
    ),
    attachable("AmazonPrometheusFullAccess", include_str!("managed/AmazonPrometheusFullAccess.json")),
    attachable("AmazonPrometheusQueryAccess", include_str!("managed/AmazonPrometheusQueryAccess.json")),
    attachable(
        "AmazonPrometheusRemoteWriteAccess",
        include_str!("managed/AmazonPrometheusRemoteWriteAccess.json"),
    ),
    ManagedPolicy {
        name: "AmazonPrometheusScraperServiceRolePolicy",
        document: include_str!("managed/AmazonPrometheusScraperServiceRolePolicy.json"),
        attachable: false,
    },
];

/// Other names of the scraper role's policy in the guide's history (security.md 14, row 11).
const ALIASES: [&str; 2] =
    ["AmazonPrometheusScrapingServiceRolePolicy", "AmazonPrometheusScraperServiceLinkedRolePolicy"];

const fn attachable(name: &'static str, document: &'static str) -> ManagedPolicy {
    ManagedPolicy { name, document, attachable: true }
}

impl ManagedPolicy {
    /// The policy of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        let name = if ALIASES.contains(&name) { "AmazonPrometheusScraperServiceRolePolicy" } else { name };
        MANAGED_POLICIES.iter().find(|policy| policy.name == name)
    }

    /// Compiles it.
    pub fn compile(&self) -> Result<Policy, PolicyError> {
        Policy::parse(self.document, Kind::Managed)
    }
}
