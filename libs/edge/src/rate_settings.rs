//! Flags of the rates.

use clap::Args;
use narthex_limits::Rate;

use crate::RateOptions;

/// How many calls a second may be made. Processes of one service share each rate equally; bursts are of each process.
#[derive(Debug, Clone, Args)]
pub struct RateSettings {
    /// Management calls per second of an account; 0 means no limit
    #[arg(
        long = "edge.management-rate",
        env = "NARTHEX_EDGE_MANAGEMENT_RATE",
        value_name = "CALLS",
        default_value_t = 10.0,
        value_parser = calls
    )]
    pub management_rate: f64,

    /// Management calls of an account that may come at once. Unset: the rate
    #[arg(
        long = "edge.management-burst",
        env = "NARTHEX_EDGE_MANAGEMENT_BURST",
        value_name = "CALLS",
        value_parser = calls
    )]
    pub management_burst: Option<f64>,

    /// Calls of GetSeries, GetLabels and GetMetricMetadata together per second of a workspace; 0 means no limit
    #[arg(
        long = "edge.labels-rate",
        env = "NARTHEX_EDGE_LABELS_RATE",
        value_name = "CALLS",
        default_value_t = 10.0,
        value_parser = calls
    )]
    pub labels_rate: f64,

    /// Calls of GetSeries, GetLabels and GetMetricMetadata of a workspace that may come at once. Unset: the rate
    #[arg(
        long = "edge.labels-burst",
        env = "NARTHEX_EDGE_LABELS_BURST",
        value_name = "CALLS",
        value_parser = calls
    )]
    pub labels_burst: Option<f64>,

    /// Queries (QueryMetrics) per second of a workspace; 0 means no limit
    #[arg(
        long = "edge.query-rate",
        env = "NARTHEX_EDGE_QUERY_RATE",
        value_name = "CALLS",
        default_value_t = 300.0,
        value_parser = calls
    )]
    pub query_rate: f64,

    /// Queries of a workspace that may come at once. Unset: the rate
    #[arg(
        long = "edge.query-burst",
        env = "NARTHEX_EDGE_QUERY_BURST",
        value_name = "CALLS",
        value_parser = calls
    )]
    pub query_burst: Option<f64>,

    /// Remote-write requests per second of a workspace; 0 means no limit
    #[arg(
        long = "edge.remote-write-rate",
        env = "NARTHEX_EDGE_REMOTE_WRITE_RATE",
        value_name = "CALLS",
        default_value_t = 3000.0,
        value_parser = calls
    )]
    pub remote_write_rate: f64,

    /// Remote-write requests of a workspace that may come at once. Unset: the rate
    #[arg(
        long = "edge.remote-write-burst",
        env = "NARTHEX_EDGE_REMOTE_WRITE_BURST",
        value_name = "CALLS",
        value_parser = calls
    )]
    pub remote_write_burst: Option<f64>,

    /// Other Prometheus-compatible calls per second of a workspace; 0 means no limit
    #[arg(
        long = "edge.other-rate",
        env = "NARTHEX_EDGE_OTHER_RATE",
        value_name = "CALLS",
        default_value_t = 100.0,
        value_parser = calls
    )]
    pub other_rate: f64,

    /// Other Prometheus-compatible calls of a workspace that may come at once. Unset: the rate
    #[arg(
        long = "edge.other-burst",
        env = "NARTHEX_EDGE_OTHER_BURST",
        value_name = "CALLS",
        value_parser = calls
    )]
    pub other_burst: Option<f64>,
}

impl RateSettings {
    /// The rates as set.
    pub fn options(&self) -> RateOptions {
        // A bucket that cannot hold one call would refuse all of them for ever.
        let rate = |rate: f64, burst: Option<f64>| Rate::new(rate, burst.unwrap_or(rate).max(1.0));
        RateOptions {
            management: rate(self.management_rate, self.management_burst),
            labels: rate(self.labels_rate, self.labels_burst),
            query: rate(self.query_rate, self.query_burst),
            remote_write: rate(self.remote_write_rate, self.remote_write_burst),
            other: rate(self.other_rate, self.other_burst),
        }
    }
}

fn calls(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| format!("expected a number of calls, 0 or more, found {text:?}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Config {
        #[command(flatten)]
        rates: RateSettings,
    }

    fn parse(args: &[&str]) -> Result<RateOptions, narthex_service::ConfigError> {
        let args = ["test"].into_iter().chain(args.iter().copied());
        narthex_service::config::parse_from(args).map(|config: Config| config.rates.options())
    }

    #[test]
    fn the_flags_default_to_the_documented_rates() {
        assert_eq!(parse(&[]).expect("valid"), RateOptions::default());
        let set =
            parse(&["--edge.query-rate=5", "--edge.query-burst=50", "--edge.labels-rate=0"]).expect("valid");
        assert_eq!((set.query, set.labels), (Rate::new(5.0, 50.0), None));
        let slow = parse(&["--edge.management-rate=0.1"]).expect("valid");
        assert_eq!(slow.management, Rate::new(0.1, 1.0), "one call at least fits");
        for wrong in ["--edge.query-rate=-1", "--edge.query-rate=nan", "--edge.other-burst=inf"] {
            assert!(parse(&[wrong]).is_err(), "{wrong}");
        }
    }
}
