//! Small answers: the success envelope, `status/buildinfo`, `format_query` and `query_exemplars`.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;

use super::{
    Api, ApiError,
    call::Call,
    json::{write_string, write_strings},
    time,
};

/// The Prometheus release whose API and PromQL this is; Grafana chooses its features by it.
const PROMETHEUS_VERSION: &str = "3.14.0";

/// Whether an answer was cut to its limit, which it then says in a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Truncated(pub(crate) bool);

/// The warning of a cut answer.
pub(crate) const TRUNCATED: &str = "results truncated due to limit";

impl Truncated {
    pub(crate) fn cut<T>(items: &mut Vec<T>, limit: Option<usize>) -> Self {
        let limit = limit.unwrap_or(usize::MAX);
        let truncated = items.len() > limit;
        items.truncate(limit);
        Self(truncated)
    }
}

/// A success with the data that `write` puts in.
pub(crate) fn success(truncated: Truncated, write: impl FnOnce(&mut Vec<u8>)) -> Response {
    let mut body = b"{\"status\":\"success\",\"data\":".to_vec();
    write(&mut body);
    if truncated.0 {
        body.extend_from_slice(b",\"warnings\":");
        write_strings(&mut body, [TRUNCATED]);
    }
    body.push(b'}');
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// What this server is, in Prometheus's terms.
pub(crate) async fn buildinfo() -> Response {
    success(Truncated(false), |out| {
        out.push(b'{');
        for (name, value) in [
            ("version", PROMETHEUS_VERSION),
            ("revision", concat!("narthex-", env!("CARGO_PKG_VERSION"))),
            ("branch", "main"),
            ("buildUser", "narthex"),
            ("buildDate", ""),
        ] {
            write_string(out, name);
            out.push(b':');
            write_string(out, value);
            out.push(b',');
        }
        out.extend_from_slice(b"\"goVersion\":\"\"}");
    })
}

/// The query in canonical notation, on one line.
pub(crate) async fn format_query(State(api): State<Arc<Api>>, call: Call) -> Response {
    api.answer("format", call.workspace, async {
        let expr = narthex_promql::parse(call.params.get("query"))
            .map_err(|error| ApiError::parameter("query", error))?;
        Ok(success(Truncated(false), |out| write_string(out, &expr.to_string())))
    })
    .await
}

/// Exemplars are accepted and counted but not kept: always none, after the checks that Prometheus makes.
pub(crate) async fn query_exemplars(State(api): State<Arc<Api>>, call: Call) -> Response {
    api.answer("exemplars", call.workspace, async {
        let (start, end) = (call.params.time_or("start", time::MIN)?, call.params.time_or("end", time::MAX)?);
        if end < start {
            return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
        }
        narthex_promql::parse(call.params.get("query"))
            .map_err(|error| ApiError::bad_data(error.to_string()))?;
        Ok(success(Truncated(false), |out| out.extend_from_slice(b"[]")))
    })
    .await
}
