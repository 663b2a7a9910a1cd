//! `/metrics`, `/ready` and `/live`: unsigned, for operators and orchestrators.

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use narthex_service::{Health, SharedRegistry};
use prometheus_client::encoding::text::encode;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Routes for operators. Merge it into the public router or serve it on `--admin-listen`.
pub fn admin_router(registry: SharedRegistry, health: Health) -> Router {
    let alive = health.clone();
    Router::new()
        .route("/metrics", get(move || std::future::ready(metrics(&registry))))
        .route("/ready", get(move || std::future::ready(ready(&health))))
        .route("/live", get(move || std::future::ready(live(&alive))))
}

fn metrics(registry: &SharedRegistry) -> Response {
    let mut text = String::new();
    match encode(&mut text, &registry.lock()) {
        Ok(()) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("cannot encode metrics: {error}\n")).into_response()
        }
    }
}

fn ready(health: &Health) -> Response {
    let reasons = health.reasons();
    if reasons.is_empty() {
        let lines: Vec<_> = std::iter::once("ready".to_owned()).chain(health.remarks()).collect();
        (lines.join("\n") + "\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n").into_response()
    }
}

fn live(health: &Health) -> Response {
    match health.death() {
        None => "live\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason + "\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use http::Request;
    use prometheus_client::metrics::counter::Counter;
    use tower::ServiceExt;

    use super::*;

    async fn get_text(router: &Router, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).expect("valid");
        let response = router.clone().oneshot(request).await.expect("infallible");
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 20).await.expect("a short body");
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn operators_see_reasons_life_and_metrics() {
        let (registry, health) = (SharedRegistry::default(), Health::new());
        let counter = Counter::<u64>::default();
        registry.lock().register("narthex_test_things", "Things", counter.clone());
        counter.inc();
        let wal = health.condition("wal");
        wal.not_ready("replaying segment 3 of 9");
        let ring = health.condition("ring");
        let router = admin_router(registry, health.clone());

        assert_eq!(
            get_text(&router, "/ready").await,
            (503, "ring: starting\nwal: replaying segment 3 of 9\n".into())
        );
        assert_eq!(get_text(&router, "/live").await, (200, "live\n".into()));
        wal.ready();
        ring.remark("one zone is away");
        assert_eq!(get_text(&router, "/ready").await, (200, "ready\nring: one zone is away\n".into()));
        health.dead("fsync failed");
        assert_eq!(get_text(&router, "/live").await, (503, "fsync failed\n".into()));
        let (status, text) = get_text(&router, "/metrics").await;
        assert_eq!(status, 200);
        assert!(text.contains("narthex_test_things_total 1\n") && text.ends_with("# EOF\n"), "{text}");
    }
}
