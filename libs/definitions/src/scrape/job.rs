//! One scrape configuration: what is scraped, how, and what becomes of it.

mod common;
mod parts;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use narthex_model::format_duration;

pub use common::Common;
pub(super) use parts::choose;
pub use parts::{Escaping, Limits, NativeHistograms, Protocol, Scheme};

use super::{
    DnsDiscovery, KubernetesDiscovery, RelabelRule, ScrapeLimits, SourceKind, StaticTargets, auth,
    global::Global, kubernetes, relabel, targets,
};
use crate::cursor::{Cursor, Fields};

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Value of the label `job`.
    pub name: String,
    /// Time between scrapes.
    pub interval: Duration,
    /// Longest scrape, no longer than the interval.
    pub timeout: Duration,
    /// Path of the metrics.
    pub metrics_path: String,
    /// How targets are spoken to.
    pub scheme: Scheme,
    /// Parameters of the request.
    pub params: BTreeMap<String, Vec<String>>,
    /// Labels of a target's samples win over those of the job.
    pub honor_labels: bool,
    /// Timestamps of a target's samples are kept.
    pub honor_timestamps: bool,
    /// Samples with timestamps of their own become stale too.
    pub track_timestamps_staleness: bool,
    /// Ask for compressed answers.
    pub enable_compression: bool,
    /// Use HTTP/2 where a target speaks it.
    pub enable_http2: bool,
    /// Follow redirects.
    pub follow_redirects: bool,
    /// Requests carry the scraper's credentials in its cluster.
    pub uses_token: bool,
    /// The form of answers that do not say theirs.
    pub fallback_protocol: Option<Protocol>,
    /// Most buckets of a native histogram, above which its resolution is lowered; 0 for no limit.
    pub bucket_limit: u64,
    /// Least growth from bucket to bucket of a native histogram; 0 for no limit.
    pub min_bucket_factor: f64,
    /// What is taken from the global section where a job does not say it.
    pub common: Common,
    /// Targets by discovery in the cluster.
    pub kubernetes: Vec<KubernetesDiscovery>,
    /// Targets by names.
    pub dns: Vec<DnsDiscovery>,
    /// Targets by address.
    pub targets: Vec<StaticTargets>,
    /// Applied to targets before they are scraped.
    pub relabel: Vec<RelabelRule>,
    /// Applied to samples before they are sent.
    pub metric_relabel: Vec<RelabelRule>,
}

const KEYS: [&str; 22] = [
    "job_name",
    "scrape_interval",
    "scrape_timeout",
    "metrics_path",
    "scheme",
    "params",
    "honor_labels",
    "honor_timestamps",
    "track_timestamps_staleness",
    "enable_compression",
    "enable_http2",
    "follow_redirects",
    "authorization",
    "fallback_scrape_protocol",
    "native_histogram_bucket_limit",
    "native_histogram_min_bucket_factor",
    "bearer_token_file",
    "static_configs",
    "kubernetes_sd_configs",
    "dns_sd_configs",
    "relabel_configs",
    "metric_relabel_configs",
];

const NO_DISCOVERY: &str = "targets are found by kubernetes_sd_configs, dns_sd_configs or static_configs";

const NO_AUTHORIZATION: &str = "authorization is the service account's token or none";

const NO_PROXY: &str = "a scraper reaches its targets through its own network interfaces";

const UNSUPPORTED: [(&str, &str); 45] = [
    ("azure_sd_configs", NO_DISCOVERY),
    ("aws_sd_configs", NO_DISCOVERY),
    ("consul_sd_configs", NO_DISCOVERY),
    ("digitalocean_sd_configs", NO_DISCOVERY),
    ("docker_sd_configs", NO_DISCOVERY),
    ("dockerswarm_sd_configs", NO_DISCOVERY),
    ("ec2_sd_configs", NO_DISCOVERY),
    ("ecs_sd_configs", NO_DISCOVERY),
    ("eureka_sd_configs", NO_DISCOVERY),
    ("file_sd_configs", NO_DISCOVERY),
    ("gce_sd_configs", NO_DISCOVERY),
    ("hetzner_sd_configs", NO_DISCOVERY),
    ("http_sd_configs", NO_DISCOVERY),
    ("ionos_sd_configs", NO_DISCOVERY),
    ("kuma_sd_configs", NO_DISCOVERY),
    ("lightsail_sd_configs", NO_DISCOVERY),
    ("linode_sd_configs", NO_DISCOVERY),
    ("marathon_sd_configs", NO_DISCOVERY),
    ("msk_sd_configs", NO_DISCOVERY),
    ("nerve_sd_configs", NO_DISCOVERY),
    ("nomad_sd_configs", NO_DISCOVERY),
    ("openstack_sd_configs", NO_DISCOVERY),
    ("outscale_sd_configs", NO_DISCOVERY),
    ("ovhcloud_sd_configs", NO_DISCOVERY),
    ("puppetdb_sd_configs", NO_DISCOVERY),
    ("scaleway_sd_configs", NO_DISCOVERY),
    ("serverset_sd_configs", NO_DISCOVERY),
    ("stackit_sd_configs", NO_DISCOVERY),
    ("triton_sd_configs", NO_DISCOVERY),
    ("uyuni_sd_configs", NO_DISCOVERY),
    ("vultr_sd_configs", NO_DISCOVERY),
    ("basic_auth", NO_AUTHORIZATION),
    ("bearer_token", NO_AUTHORIZATION),
    ("oauth2", NO_AUTHORIZATION),
    ("sigv4", NO_AUTHORIZATION),
    ("azuread", NO_AUTHORIZATION),
    ("google_iam", NO_AUTHORIZATION),
    ("http_headers", NO_AUTHORIZATION),
    ("tls_config", "the service chooses certificates"),
    ("proxy_url", NO_PROXY),
    ("no_proxy", NO_PROXY),
    ("proxy_from_environment", NO_PROXY),
    ("proxy_connect_header", NO_PROXY),
    ("proxy_header", NO_PROXY),
    ("scrape_failure_log_file", "the service writes no files"),
];

/// Prometheus's default timeout.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn read_all(
    root: &Fields<'_>,
    global: &Global,
    source: SourceKind,
    limits: &ScrapeLimits,
) -> Vec<Job> {
    let known: Vec<&str> = KEYS.iter().chain(&Common::KEYS).copied().collect();
    let mut names = BTreeSet::new();
    let mut jobs = Vec::new();
    for cursor in root.items("scrape_configs") {
        let Some(fields) = cursor.fields(&known, &UNSUPPORTED) else { continue };
        let job = read(&fields, global, source, limits);
        if job.name.is_empty() {
            fields.refuse("job_name is empty");
        } else if !names.insert(job.name.clone()) {
            fields.refuse(format!("found multiple scrape configs with job name {:?}", job.name));
        }
        jobs.push(job);
    }
    jobs
}

fn read(fields: &Fields<'_>, global: &Global, source: SourceKind, limits: &ScrapeLimits) -> Job {
    let name = fields.text("job_name").unwrap_or_default().to_owned();
    let (interval, timeout) = times(fields, &name, global, limits);
    Job {
        interval,
        timeout,
        metrics_path: fields.some_text("metrics_path").unwrap_or("/metrics").to_owned(),
        scheme: fields.get("scheme").and_then(|scheme| Scheme::read(&scheme)).unwrap_or_default(),
        params: params(fields),
        honor_labels: fields.boolean("honor_labels", false),
        honor_timestamps: fields.boolean("honor_timestamps", true),
        track_timestamps_staleness: fields.boolean("track_timestamps_staleness", false),
        enable_compression: fields.boolean("enable_compression", true),
        enable_http2: fields.boolean("enable_http2", true),
        follow_redirects: fields.boolean("follow_redirects", true),
        uses_token: auth::uses_token(fields, source),
        fallback_protocol: fields
            .get("fallback_scrape_protocol")
            .and_then(|protocol| Protocol::read(&protocol)),
        bucket_limit: fields.count("native_histogram_bucket_limit"),
        min_bucket_factor: fields
            .get("native_histogram_min_bucket_factor")
            .and_then(|factor| number(&factor))
            .unwrap_or_default(),
        common: Common::read(fields, &global.common),
        kubernetes: discovery(
            fields,
            "kubernetes_sd_configs",
            source == SourceKind::Kubernetes,
            kubernetes::read,
        ),
        dns: discovery(fields, "dns_sd_configs", source == SourceKind::Vpc, targets::read_dns),
        targets: fields
            .items("static_configs")
            .iter()
            .filter_map(|config| targets::read(config, source))
            .collect(),
        relabel: relabel::read_all(fields, "relabel_configs"),
        metric_relabel: relabel::read_all(fields, "metric_relabel_configs"),
        name,
    }
}

fn times(fields: &Fields<'_>, name: &str, global: &Global, limits: &ScrapeLimits) -> (Duration, Duration) {
    let own = fields.duration("scrape_interval").filter(|interval| !interval.is_zero());
    check_interval(fields, own, limits);
    let interval = own.unwrap_or(global.interval);
    let Some(timeout) = fields.duration("scrape_timeout").filter(|timeout| !timeout.is_zero()) else {
        return (interval, global.timeout.unwrap_or(TIMEOUT).min(interval));
    };
    if timeout > interval {
        fields.refuse(format!(
            "scrape timeout greater than scrape interval for scrape config with job name {name:?}"
        ));
    }
    (interval, timeout)
}

/// Refuses an interval that is below the minimum.
pub(super) fn check_interval(fields: &Fields<'_>, interval: Option<Duration>, limits: &ScrapeLimits) {
    if let (Some(interval), Some(cursor)) = (interval, fields.get("scrape_interval"))
        && interval < limits.min_interval
    {
        let shown = |length: Duration| format_duration(i64::try_from(length.as_millis()).unwrap_or(i64::MAX));
        let (interval, least) = (shown(interval), shown(limits.min_interval));
        cursor.refuse(format!("the scrape interval {interval} is below the minimum of {least}"));
    }
}

fn discovery<T>(
    fields: &Fields<'_>,
    name: &str,
    is_allowed: bool,
    read: impl Fn(&Cursor<'_>) -> Option<T>,
) -> Vec<T> {
    let Some(cursor) = fields.get(name) else { return Vec::new() };
    if !is_allowed {
        cursor.refuse(format!("{name} is not supported for a source of this kind"));
    }
    cursor.items().iter().filter_map(read).collect()
}

fn params(fields: &Fields<'_>) -> BTreeMap<String, Vec<String>> {
    let members = fields.get("params").map(|map| map.members()).unwrap_or_default();
    members.iter().map(|(name, values)| ((*name).to_owned(), values.texts())).collect()
}

fn number(cursor: &Cursor<'_>) -> Option<f64> {
    let text = cursor.text()?;
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    if number.is_none() {
        cursor.refuse(format!("{text:?} is not a number"));
    }
    number
}
