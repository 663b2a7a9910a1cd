//! What the tests' Prometheus and vmagent scrape, and how long.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::{
    sandbox::{Peer, long},
    tools,
};

/// How often targets are scraped.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// How long a comparison with a real Prometheus scrapes: more than two minutes in the [`long`] form.
pub fn duration() -> Duration {
    Duration::from_secs(if long() { 150 } else { 60 })
}

/// Scrape jobs, as items of `scrape_configs`, for the scraper itself (at `{address}`) and a node exporter.
pub fn jobs(node_exporter: &Peer) -> String {
    let target = node_exporter.base.trim_start_matches("http://");
    format!(
        "  - job_name: itself\n    static_configs:\n      - targets: ['{{address}}']\n  \
         - job_name: node\n    static_configs:\n      - targets: ['{target}']\n"
    )
}

/// A `prometheus.yml` as Narthex wrote it, with our jobs in place of its example and with our interval.
pub fn with_jobs(written: &str, node_exporter: &Peer) -> Result<String> {
    const EXAMPLE: &str =
        "  - job_name: prometheus\n    static_configs:\n      - targets: ['localhost:9090']\n";
    ensure!(written.contains(EXAMPLE), "prometheus.yml has another example of scrape_configs:\n{written}");
    ensure!(written.contains("scrape_interval: 15s"), "prometheus.yml has another interval:\n{written}");
    let interval =
        format!("scrape_interval: {}s\n  scrape_timeout: {}s", INTERVAL.as_secs(), INTERVAL.as_secs());
    // Until 3.7 a flag turns native histograms on, which the sandbox sets; from 3.8 on it is this key.
    let histograms =
        if tools::prometheus()?.major_minor()? >= (3, 8) { "\n  scrape_native_histograms: true" } else { "" };
    let interval = format!("{interval}{histograms}");
    Ok(written.replace(EXAMPLE, &jobs(node_exporter)).replace("scrape_interval: 15s", &interval))
}
