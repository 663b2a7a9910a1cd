//! Settings of logs and traces, the same in every service.

use clap::{Args, ValueEnum};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line
    Json,
    /// For people
    Text,
}

/// Logs and traces.
#[derive(Debug, Clone, Args)]
pub struct TelemetrySettings {
    /// What is logged: error, warn, info, debug or trace, or per module as in "info,narthex_ingester=debug"
    #[arg(long = "log.level", env = "NARTHEX_LOG_LEVEL", value_name = "FILTER", default_value = "info")]
    pub log_level: String,

    /// How log lines look
    #[arg(
        long = "log.format",
        env = "NARTHEX_LOG_FORMAT",
        value_name = "FORMAT",
        value_enum,
        default_value = "text"
    )]
    pub log_format: LogFormat,

    /// Where traces are sent by OTLP over gRPC, as http://HOST:4317. Unset: nowhere
    #[arg(long = "tracing.otlp-endpoint", env = "NARTHEX_TRACING_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,

    /// Part of the requests that are traced, from 0 to 1; a request that arrives with a trace follows its caller's choice
    #[arg(
        long = "tracing.sample-ratio",
        env = "NARTHEX_TRACING_SAMPLE_RATIO",
        value_name = "RATIO",
        default_value_t = 1.0,
        value_parser = ratio
    )]
    pub sample_ratio: f64,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self { log_level: "info".into(), log_format: LogFormat::Text, otlp_endpoint: None, sample_ratio: 1.0 }
    }
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err("expected a number from 0 to 1".into()),
    }
}
