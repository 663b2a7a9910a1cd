//! `explain=1` on `query` and `query_range`: the plan instead of the result, as EXPLAIN of a database and the query engine of Thanos
//! show it. Nothing is read or evaluated, so it is answered at once and waits for no slot.
//!
//! `data.explanation` has the tree of operations (`plan`), what they read (`reads`, with the first and last millisecond),
//! what is asked of the owners of the series (`fragments`), the `limits` of the query, and all of it as a `text` to print.

use axum::response::Response;

use super::{
    Api, ApiError,
    call::Call,
    json::explanation,
    query::{Plan, Times},
    status::success,
};

/// Whether the plan is wanted.
pub(crate) fn is_wanted(call: &Call) -> Result<bool, ApiError> {
    match call.params.get("explain") {
        "" | "0" | "false" => Ok(false),
        "1" | "true" => Ok(true),
        other => Err(ApiError::parameter("explain", format_args!("cannot parse {other:?} to a boolean"))),
    }
}

/// The plan.
pub(crate) fn respond(api: &Api, plan: &Plan, times: Times) -> Result<Response, ApiError> {
    let found = plan.explain(times).map_err(|error| api.failed(error))?;
    let data = serde_json::json!({"explanation": explanation(&found, api.settings.memory.query)});
    Ok(success(|out| out.extend_from_slice(data.to_string().as_bytes())))
}
