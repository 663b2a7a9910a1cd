//! `labels` and `label/{name}/values`.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use narthex_promql::Reservation;

use super::{Api, ApiError, call::Call, json::write_string, limits, names, selectors, status::success_list};
use crate::reads::Lookup;

/// Names of labels, of all series or of those that `match[]` selects.
pub(crate) async fn names(State(api): State<Arc<Api>>, call: Call) -> Response {
    api.answer("labels", call.workspace, async {
        let (mut lookup, limit) = lookup(&api, &call)?;
        lookup.limit = limit.map(|limit| limit.saturating_add(1));
        let work = api.reads.label_names(call.workspace, &lookup);
        let names = api.within(call.workspace, api.settings.timeout, work).await?;
        Ok(strings(&api, lookup.memory, names, limit))
    })
    .await
}

/// Values of one label.
pub(crate) async fn values(State(api): State<Arc<Api>>, call: Call) -> Response {
    api.answer("labels", call.workspace, async {
        let name = names::unescape(&call.label);
        if name.is_empty() {
            return Err(ApiError::bad_data(format!("invalid label name: {name:?}")));
        }
        let (mut lookup, limit) = lookup(&api, &call)?;
        lookup.limit = limit.map(|limit| limit.saturating_add(1));
        let work = api.reads.label_values(call.workspace, &name, &lookup);
        let values = api.within(call.workspace, api.settings.timeout, work).await?;
        Ok(strings(&api, lookup.memory, values, limit))
    })
    .await
}

fn lookup(api: &Api, call: &Call) -> Result<(Lookup, Option<usize>), ApiError> {
    let limit = call.params.limit()?;
    let range = limits::metadata_range(api, call)?;
    let selectors = selectors::parse(&call.params).map_err(ApiError::bad_data)?;
    let memory = api.memory.reservation(call.workspace);
    Ok((Lookup { selectors, range, limit: None, memory }, limit))
}

fn strings(api: &Api, memory: Reservation, values: Vec<String>, limit: Option<usize>) -> Response {
    success_list(api, memory, values, limit, |out, value| write_string(out, value))
}
