//! Installs the process's tracing dispatcher: logs to standard error, spans to OpenTelemetry where configured.

use std::io::IsTerminal;

use opentelemetry::{KeyValue, global, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, layer::SubscriberExt, registry::LookupSpan, util::SubscriberInitExt,
};

use crate::{LogFormat, TelemetrySettings};

/// Logs or traces cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `--log.level` does not parse.
    #[error("log.level {level:?}: {reason}")]
    Level {
        /// As configured.
        level: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `--tracing.otlp-endpoint` cannot be used.
    #[error("tracing.otlp-endpoint {endpoint:?}: {reason}")]
    Endpoint {
        /// As configured.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else in the process installed a dispatcher before.
    #[error("logs are set up already")]
    Installed,
}

/// Logs and traces of the process, until [`Telemetry::shutdown`].
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sets up logs and traces. Needs a running tokio runtime when traces are sent.
    pub fn install(
        settings: &TelemetrySettings,
        service: &str,
        instance: &str,
    ) -> Result<Self, TelemetryError> {
        let filter = EnvFilter::try_new(&settings.log_level).map_err(|error| TelemetryError::Level {
            level: settings.log_level.clone(),
            reason: error.to_string(),
        })?;
        let provider = match &settings.otlp_endpoint {
            Some(endpoint) => Some(provider(endpoint, settings.sample_ratio, service, instance)?),
            None => None,
        };
        // Callers' trace context is passed on even where this process sends no spans of its own.
        global::set_text_map_propagator(TraceContextPropagator::new());
        let tracer = provider.as_ref().map(|provider| provider.tracer("narthex"));
        // Spans of libraries lie below this level; without the filter the exporter would trace its own calls.
        let spans = tracer
            .map(|tracer| tracing_opentelemetry::layer().with_tracer(tracer).with_filter(LevelFilter::INFO));
        tracing_subscriber::registry()
            .with(spans)
            .with(log_layer(settings.log_format).with_filter(filter))
            .try_init()
            .map_err(|_| TelemetryError::Installed)?;
        Ok(Self { provider })
    }

    /// Sends what is left of the traces. Blocks for a few seconds at most, so call it last, outside of async code.
    pub fn shutdown(self) {
        if let Some(Err(error)) = self.provider.map(|provider| provider.shutdown()) {
            tracing::warn!(%error, "some spans were not sent; is the OTLP receiver reachable?");
        }
    }
}

fn log_layer<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let to_stderr = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => to_stderr.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => to_stderr.json().flatten_event(true).boxed(),
    }
}

fn provider(
    endpoint: &str,
    ratio: f64,
    service: &str,
    instance: &str,
) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build().map_err(|error| {
        TelemetryError::Endpoint { endpoint: endpoint.to_owned(), reason: error.to_string() }
    })?;
    let attributes = [KeyValue::new("service.instance.id", instance.to_owned())];
    let resource =
        Resource::builder().with_service_name(service.to_owned()).with_attributes(attributes).build();
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)));
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .with_sampler(sampler)
        .build())
}
