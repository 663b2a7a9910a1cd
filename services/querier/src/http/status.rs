//! The success envelope and small answers: `status/buildinfo`, `format_query`, `parse_query` and `query_exemplars`.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::header;
use narthex_promql::{Expr, Reservation};

use super::{
    Api, ApiError,
    call::Call,
    json::{syntax_tree, write_string, write_strings},
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
pub(crate) fn success(write: impl FnOnce(&mut Vec<u8>)) -> Response {
    let mut body = b"{\"status\":\"success\",\"data\":".to_vec();
    write(&mut body);
    body.push(b'}');
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A success with a list, cut to a limit; its text is made in pieces as the connection takes them. The list occupies `memory`.
pub(crate) fn success_list<T: Send + 'static>(
    api: &Api,
    memory: Reservation,
    mut items: Vec<T>,
    limit: Option<usize>,
    write: impl Fn(&mut Vec<u8>, &T) + Send + 'static,
) -> Response {
    /// A piece is handed on once it has this many bytes.
    const PIECE: usize = 64 * 1024;
    let truncated = Truncated::cut(&mut items, limit);
    let mut items = items.into_iter();
    let (mut started, mut ended) = (false, false);
    let pieces = std::iter::from_fn(move || {
        let mut out = Vec::new();
        while !ended && out.len() < PIECE {
            let before: &[u8] = if started { b"," } else { b"{\"status\":\"success\",\"data\":[" };
            match items.next() {
                Some(item) => {
                    out.extend_from_slice(before);
                    write(&mut out, &item);
                }
                None => {
                    out.extend_from_slice(if started { b"" } else { before });
                    out.push(b']');
                    end(&mut out, truncated);
                    ended = true;
                }
            }
            started = true;
        }
        (!out.is_empty()).then(|| Bytes::from(out))
    });
    let body = api.sending().body(pieces, memory);
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn end(body: &mut Vec<u8>, truncated: Truncated) {
    if truncated.0 {
        body.extend_from_slice(b",\"warnings\":");
        write_strings(body, [TRUNCATED]);
    }
    body.push(b'}');
}

/// What this server is, in Prometheus's terms.
pub(crate) async fn buildinfo() -> Response {
    success(|out| {
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

fn parse(call: &Call) -> Result<Expr, ApiError> {
    narthex_promql::parse(call.params.get("query")).map_err(|error| ApiError::parameter("query", error))
}

/// The query in canonical notation, long ones on several lines.
pub(crate) async fn format_query(State(api): State<Arc<Api>>, call: Call) -> Response {
    api.answer("format", call.workspace, async {
        let expr = parse(&call)?;
        Ok(success(|out| write_string(out, &expr.pretty())))
    })
    .await
}

/// The query's syntax tree.
pub(crate) async fn parse_query(State(api): State<Arc<Api>>, call: Call) -> Response {
    api.answer("parse", call.workspace, async {
        let expr = parse(&call)?;
        Ok(success(|out| out.extend_from_slice(syntax_tree(&expr).to_string().as_bytes())))
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
        Ok(success(|out| out.extend_from_slice(b"[]")))
    })
    .await
}
