//! The subscriber of logs and spans, and the exporter of traces.
//!
//! Logs go to standard error. Spans are exported in batches from a thread of the exporter's own; a full queue drops spans
//! and never delays a request.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use tracing::{Dispatch, level_filters::LevelFilter, subscriber::SetGlobalDefaultError};
use tracing_subscriber::{EnvFilter, Layer, Registry, filter::ParseError, fmt, layer::SubscriberExt};

use crate::{LogFormat, TelemetrySettings};

/// A plain level is that of our own crates; libraries then log warnings only, and openraft nothing: it calls every try to reach a
/// node that is down an error, many times a second, and the control plane says the same once. Directives, such as
/// `info,openraft=debug`, are taken as they are. (A target in a directive is a prefix, so `narthex` covers every crate of ours.)
fn directives(setting: &str) -> String {
    match setting.parse::<LevelFilter>() {
        Ok(level) => format!("{},narthex={level},openraft=off", level.min(LevelFilter::WARN)),
        Err(_) => setting.to_owned(),
    }
}

/// How long the last spans may take to be sent.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// Why logs or traces cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter does not parse.
    #[error("log.level: {0}")]
    Level(#[from] ParseError),
    /// The exporter cannot be built.
    #[error("tracing.otlp-endpoint: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// Another subscriber is installed already.
    #[error("logs are set up twice: {0}")]
    Twice(#[from] SetGlobalDefaultError),
}

/// Logs and traces of this process. Shut it down to send the last spans.
#[derive(Debug)]
#[must_use = "without shutdown the last spans are lost"]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sets up logs and traces for the whole process. Call it within the runtime, once.
    pub fn install(service: &str, settings: &TelemetrySettings) -> Result<Self, TelemetryError> {
        let (dispatch, telemetry) = Self::build(service, settings)?;
        tracing::dispatcher::set_global_default(dispatch)?;
        Ok(telemetry)
    }

    /// The same without installing it: tests use the dispatch for a scope.
    pub fn build(service: &str, settings: &TelemetrySettings) -> Result<(Dispatch, Self), TelemetryError> {
        let filter = EnvFilter::try_new(directives(&settings.log_level))?;
        let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
        let lines: Box<dyn Layer<Registry> + Send + Sync> = match settings.log_format {
            LogFormat::Json => Box::new(lines.json().flatten_event(true).with_filter(filter)),
            LogFormat::Text => Box::new(lines.with_filter(filter)),
        };
        let provider = settings
            .otlp_endpoint
            .as_deref()
            .map(|endpoint| exporter(service, endpoint, settings))
            .transpose()?;
        let spans = provider.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("narthex"))
                .with_filter(LevelFilter::INFO)
        });
        let subscriber = tracing_subscriber::registry().with(lines).with(spans);
        Ok((Dispatch::new(subscriber), Self { provider }))
    }

    /// Sends what is queued and ends the exporter, within seconds.
    pub async fn shutdown(self) {
        let Some(provider) = self.provider else { return };
        // The exporter's thread needs the runtime while we wait for it.
        let flushed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_LIMIT)).await;
        match flushed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the last spans could not be sent; is the OTLP endpoint up?")
            }
            Err(error) => tracing::warn!(%error, "the trace exporter failed"),
        }
    }
}

fn exporter(
    service: &str,
    endpoint: &str,
    settings: &TelemetrySettings,
) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample_ratio)));
    let resource = Resource::builder().with_service_name(service.to_owned()).build();
    let provider = SdkTracerProvider::builder();
    Ok(provider.with_batch_exporter(exporter).with_sampler(sampler).with_resource(resource).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_for_our_crates_and_directives_are_taken_as_they_are() {
        assert_eq!(directives("info"), "warn,narthex=info,openraft=off");
        assert_eq!(directives("error"), "error,narthex=error,openraft=off");
        assert_eq!(directives("info,openraft=debug"), "info,openraft=debug");
        assert!(EnvFilter::try_new(directives("trace")).is_ok());
    }
}
