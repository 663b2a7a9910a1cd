//! Paths and methods.

use std::sync::Arc;

use axum::{
    Router,
    routing::{MethodRouter, get},
};
use tower_http::compression::CompressionLayer;

use super::{Api, ApiError, ErrorKind, labels, metadata, query, range, series, status};

/// All paths of the query API. The edge in front has merged repeated slashes.
pub(crate) fn router(api: Arc<Api>) -> Router {
    let mut router = Router::new();
    for (path, methods) in paths() {
        let methods = methods
            .fallback(async || ApiError::new(ErrorKind::MethodNotAllowed, "method not allowed on this path"));
        router = router.route(&format!("/workspaces/{{workspace}}/api/v1{path}"), methods);
    }
    router.with_state(api).layer(CompressionLayer::new())
}

fn paths() -> [(&'static str, MethodRouter<Arc<Api>>); 9] {
    [
        ("/query", get(query::query).post(query::query)),
        ("/query_range", get(range::query_range).post(range::query_range)),
        ("/query_exemplars", get(status::query_exemplars).post(status::query_exemplars)),
        ("/format_query", get(status::format_query).post(status::format_query)),
        ("/labels", get(labels::names).post(labels::names)),
        ("/label/{name}/values", get(labels::values)),
        ("/series", get(series::series).post(series::series)),
        ("/metadata", get(metadata::metadata)),
        ("/status/buildinfo", get(status::buildinfo)),
    ]
}
