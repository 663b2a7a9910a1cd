//! Scrape configurations: the part of Prometheus's configuration file that managed collectors take (SCR-35 to SCR-44).
//!
//! Globals are merged into the jobs and defaults filled in. What is not in that part is refused by name and never ignored: it would
//! not do what its author expects.

mod auth;
mod global;
mod job;
mod kubernetes;
mod relabel;
mod size;
mod targets;

use std::{collections::BTreeMap, time::Duration};

pub use auth::TOKEN_FILE;
pub use job::{Common, Escaping, Job, Limits, NativeHistograms, Protocol, Scheme};
pub use kubernetes::{AttachMetadata, KubernetesDiscovery, Namespaces, Role, Selector};
pub use relabel::{Pattern, RelabelAction, RelabelRule};
pub use targets::{DnsDiscovery, DnsRecord, StaticTargets};

use crate::{
    Invalid, MAX_BYTES, blob,
    cursor::Cursor,
    problem::Problems,
    yaml::{self, Origin},
};

/// The general-purpose configuration of `GetDefaultScraperConfiguration` (SCR-9), for a Kubernetes source.
pub const DEFAULT: &str = include_str!("scrape/default.yaml");

/// What a scraper scrapes, which decides how targets can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A Kubernetes cluster (`eksConfiguration`).
    Kubernetes,
    /// A network (`vpcConfiguration`).
    Vpc,
}

/// What bounds a scrape configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeLimits {
    /// Largest file.
    pub max_bytes: usize,
    /// Shortest interval (SCR-35).
    pub min_interval: Duration,
}

impl Default for ScrapeLimits {
    fn default() -> Self {
        Self { max_bytes: MAX_BYTES, min_interval: Duration::from_secs(30) }
    }
}

/// What a scraper works with.
#[derive(Debug, Clone, PartialEq)]
pub struct ScrapeConfiguration {
    /// Added to everything that is sent (SCR-43).
    pub external_labels: BTreeMap<String, String>,
    /// In the order of the file; names are unique.
    pub jobs: Vec<Job>,
}

const KEYS: [&str; 2] = ["global", "scrape_configs"];

const UNSUPPORTED: [(&str, &str); 9] = [
    ("alerting", "alerts go to the workspace's alert manager"),
    ("otlp", "a scraper receives nothing"),
    ("remote_read", "a scraper reads nothing"),
    ("remote_write", "samples go to the scraper's destination"),
    ("rule_files", "rules belong into rule groups namespaces"),
    ("runtime", "the service sets it"),
    ("scrape_config_files", "the service reads no files"),
    ("storage", "a scraper stores nothing"),
    ("tracing", "the service traces itself"),
];

/// Reads the configuration of a scraper from a blob of the API.
pub fn parse(blob: &[u8], source: SourceKind, limits: &ScrapeLimits) -> Result<ScrapeConfiguration, Invalid> {
    let document = blob::document(blob);
    let problems = Problems::default();
    let configuration = read(&document, source, limits, &problems);
    problems.finish(configuration)
}

fn read(
    document: &[u8],
    source: SourceKind,
    limits: &ScrapeLimits,
    problems: &Problems,
) -> Option<ScrapeConfiguration> {
    let text = blob::text(document, limits.max_bytes, problems)?;
    let Some(root) = yaml::load(text, Origin::FILE, "", problems).filter(|root| !root.is_null()) else {
        if problems.is_empty() {
            problems.add(None, "", "scrape_configs is missing");
        }
        return None;
    };
    let fields = Cursor::new(&root, String::new(), problems).fields(&KEYS, &UNSUPPORTED)?;
    let global = global::read(&fields, limits);
    let jobs = job::read_all(&fields, &global, source, limits);
    if jobs.is_empty() {
        fields.refuse("scrape_configs is missing or empty");
    }
    Some(ScrapeConfiguration { external_labels: global.external_labels, jobs })
}

#[cfg(test)]
mod scrape_test;
