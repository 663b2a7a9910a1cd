//! Paths and methods.

use std::sync::Arc;

use axum::{
    Router,
    routing::{MethodRouter, get},
};
use http::header;
use tower_http::compression::CompressionLayer;

use super::{Api, ApiError, ErrorKind, labels, metadata, query, range, series, status};

/// All paths of the query API. The edge in front has merged repeated slashes.
pub(crate) fn router(api: Arc<Api>) -> Router {
    let mut router = Router::new();
    for (path, methods, allow) in paths() {
        let methods = methods.fallback(async move || {
            let error = ApiError::new(ErrorKind::MethodNotAllowed, "method not allowed on this path");
            ([(header::ALLOW, allow)], error)
        });
        router = router.route(&format!("/workspaces/{{workspace}}/api/v1{path}"), methods);
    }
    router.with_state(api).layer(CompressionLayer::new())
}

/// The `Allow` header of paths that are only read.
const GET: &str = "GET, HEAD, OPTIONS";
/// That of paths that take forms too.
const FORM: &str = "GET, HEAD, OPTIONS, POST";

fn paths() -> [(&'static str, MethodRouter<Arc<Api>>, &'static str); 10] {
    [
        ("/query", get(query::query).post(query::query), FORM),
        ("/query_range", get(range::query_range).post(range::query_range), FORM),
        ("/query_exemplars", get(status::query_exemplars).post(status::query_exemplars), FORM),
        ("/format_query", get(status::format_query).post(status::format_query), FORM),
        ("/parse_query", get(status::parse_query).post(status::parse_query), FORM),
        ("/labels", get(labels::names).post(labels::names), FORM),
        ("/label/{name}/values", get(labels::values), GET),
        ("/series", get(series::series).post(series::series), FORM),
        ("/metadata", get(metadata::metadata), GET),
        ("/status/buildinfo", get(status::buildinfo), GET),
    ]
}
