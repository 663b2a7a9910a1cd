//! The compactor as a process: merger, collector, and the endpoints for operators.

use narthex_manifest::{ManifestSettings, ManifestStore};
use narthex_model::WindowLength;
use narthex_service::{
    Components,
    server::{self, ServerOptions},
};
use narthex_telemetry::admin_router;

use crate::{Collector, Config, Merger};

/// Runs a compactor until the components' shutdown. Fails when its settings are wrong or its address is taken.
pub async fn run(config: Config, components: Components) -> anyhow::Result<()> {
    let window = i64::try_from(config.window.get().as_millis()).unwrap_or(i64::MAX);
    let settings = ManifestSettings {
        window_length: WindowLength::from_millis(window)
            .map_err(|error| anyhow::anyhow!("--cut.window: {error}"))?,
        margins: config.margins.margins()?,
        request_timeout: config.bucket.request_timeout.get(),
        ..ManifestSettings::default()
    };
    let bucket = narthex_bucket::open(&config.bucket, &components)?;
    let manifests = ManifestStore::new(bucket.store(), settings, &components);
    let merger = Merger::new(bucket.store(), manifests.clone(), &config.compact, &components);
    let collector = Collector::new(bucket.store(), manifests, &config.collect, &components);
    let listener = server::bind(config.admin.admin_listen.unwrap_or(config.listen)).await?;
    let operators = admin_router(components.registry.clone(), components.health.clone());
    let admin = server::serve(listener, operators, ServerOptions::http(), &components)?;
    tracing::info!(operators = %admin.local_addr(), bucket = %bucket.url(), "keeping the bucket tidy");
    tokio::select! {
        never = merger.run() => match never {},
        never = collector.run() => match never {},
        () = components.shutdown.cancelled() => {}
    }
    admin.stopped().await;
    Ok(())
}
