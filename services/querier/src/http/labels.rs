//! `labels` and `label/{name}/values`.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use narthex_model::TimeRange;

use super::{
    Api, ApiError,
    call::Call,
    json::write_strings,
    names, selectors,
    status::{Truncated, success},
    time,
};
use crate::reads::Lookup;

/// Names of labels, of all series or of those that `match[]` selects.
pub(crate) async fn names(State(api): State<Arc<Api>>, call: Call) -> Response {
    api.answer("labels", call.workspace, async {
        let (mut lookup, limit) = lookup(&call)?;
        lookup.limit = limit.map(|limit| limit.saturating_add(1));
        let work = api.reads.label_names(call.workspace, &lookup);
        let names = api.within(call.workspace, api.settings.timeout, work).await?;
        Ok(strings(names, limit))
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
        let (mut lookup, limit) = lookup(&call)?;
        lookup.limit = limit.map(|limit| limit.saturating_add(1));
        let work = api.reads.label_values(call.workspace, &name, &lookup);
        let values = api.within(call.workspace, api.settings.timeout, work).await?;
        Ok(strings(values, limit))
    })
    .await
}

fn lookup(call: &Call) -> Result<(Lookup, Option<usize>), ApiError> {
    let limit = call.params.limit()?;
    let range = range(call)?;
    let selectors = selectors::parse(&call.params).map_err(ApiError::bad_data)?;
    Ok((Lookup { selectors, range, limit: None }, limit))
}

/// `start` and `end`; unset they reach to the ends of time.
pub(crate) fn range(call: &Call) -> Result<TimeRange, ApiError> {
    let min = call.params.time_or("start", time::MIN)?;
    let max = call.params.time_or("end", time::MAX)?;
    Ok(TimeRange { min, max })
}

fn strings(mut values: Vec<String>, limit: Option<usize>) -> Response {
    let truncated = Truncated::cut(&mut values, limit);
    success(truncated, |out| write_strings(out, values.iter().map(String::as_str)))
}
