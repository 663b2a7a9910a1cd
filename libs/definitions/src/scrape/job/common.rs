//! Options that both the global section and jobs have.

use super::{
    super::size,
    parts::{Escaping, Limits, NativeHistograms, Protocol, choose},
};
use crate::cursor::{Cursor, Fields};

/// What a job takes from the global section where it does not say it itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Common {
    /// Forms of metrics in the order of preference; empty for the scraper's own order.
    pub protocols: Vec<Protocol>,
    /// What makes a scrape fail as a whole.
    pub limits: Limits,
    /// What becomes of histograms.
    pub native_histograms: NativeHistograms,
    /// Only names of the old alphabet are taken.
    pub only_legacy_names: bool,
    /// What targets are asked to do with other names, where something is said.
    pub escaping: Option<Escaping>,
    /// Write more series about each scrape.
    pub extra_metrics: bool,
}

impl Common {
    /// The keys of these options.
    pub(crate) const KEYS: [&'static str; 14] = [
        "scrape_protocols",
        "body_size_limit",
        "sample_limit",
        "target_limit",
        "label_limit",
        "label_name_length_limit",
        "label_value_length_limit",
        "keep_dropped_targets",
        "scrape_native_histograms",
        "always_scrape_classic_histograms",
        "convert_classic_histograms_to_nhcb",
        "metric_name_validation_scheme",
        "metric_name_escaping_scheme",
        "extra_scrape_metrics",
    ];

    pub(crate) fn read(fields: &Fields<'_>, default: &Self) -> Self {
        let count =
            |name: &str, default: u64| fields.get(name).and_then(|limit| limit.count()).unwrap_or(default);
        // Only what Prometheus's own pages show depends on it.
        count("keep_dropped_targets", 0);
        let limits = default.limits;
        let histograms = default.native_histograms;
        Self {
            protocols: protocols(fields).unwrap_or_else(|| default.protocols.clone()),
            limits: Limits {
                body_bytes: fields
                    .get("body_size_limit")
                    .and_then(|size| bytes(&size))
                    .unwrap_or(limits.body_bytes),
                samples: count("sample_limit", limits.samples),
                targets: count("target_limit", limits.targets),
                labels: count("label_limit", limits.labels),
                label_name_bytes: count("label_name_length_limit", limits.label_name_bytes),
                label_value_bytes: count("label_value_length_limit", limits.label_value_bytes),
            },
            native_histograms: NativeHistograms {
                scrape: fields
                    .get("scrape_native_histograms")
                    .and_then(|scrape| scrape.boolean())
                    .or(histograms.scrape),
                keep_classic: fields.boolean("always_scrape_classic_histograms", histograms.keep_classic),
                convert_classic: fields
                    .boolean("convert_classic_histograms_to_nhcb", histograms.convert_classic),
            },
            only_legacy_names: fields
                .get("metric_name_validation_scheme")
                .and_then(|scheme| {
                    choose(&scheme, &[("utf8", false), ("legacy", true)], "name validation scheme")
                })
                .unwrap_or(default.only_legacy_names),
            escaping: fields
                .get("metric_name_escaping_scheme")
                .and_then(|scheme| Escaping::read(&scheme))
                .or(default.escaping),
            extra_metrics: fields.boolean("extra_scrape_metrics", default.extra_metrics),
        }
    }
}

fn protocols(fields: &Fields<'_>) -> Option<Vec<Protocol>> {
    let cursor = fields.get("scrape_protocols")?;
    let items = cursor.items();
    if items.is_empty() {
        cursor.refuse("scrape_protocols cannot be empty");
    }
    let mut protocols = Vec::with_capacity(items.len());
    for item in &items {
        let Some(protocol) = Protocol::read(item) else { continue };
        if protocols.contains(&protocol) {
            item.refuse("duplicated protocol in scrape_protocols");
        }
        protocols.push(protocol);
    }
    Some(protocols)
}

fn bytes(cursor: &Cursor<'_>) -> Option<u64> {
    let text = cursor.text()?;
    let size = size::parse(text);
    if size.is_none() {
        cursor.refuse(format!("{text:?} is not a size such as 10MB"));
    }
    size
}
