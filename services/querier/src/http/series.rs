//! `series`: label sets of the series that `match[]` selects.

use std::sync::Arc;

use axum::{extract::State, response::Response};

use super::{Api, ApiError, call::Call, json::write_labels, limits, selectors, status::success_list};
use crate::reads::Lookup;

pub(crate) async fn series(State(api): State<Arc<Api>>, call: Call) -> Response {
    api.answer("series", call.workspace, async {
        if call.params.all("match[]").next().is_none() {
            return Err(ApiError::bad_data("no match[] parameter provided"));
        }
        let limit = call.params.limit()?;
        let range = limits::metadata_range(&api, &call)?;
        let selectors =
            selectors::parse(&call.params).map_err(|reason| ApiError::parameter("match[]", reason))?;
        let (most, memory) =
            (limit.map(|limit| limit.saturating_add(1)), api.memory.reservation(call.workspace));
        let lookup = Lookup { selectors, range, limit: most, memory };
        let work = api.reads.series(call.workspace, &lookup);
        let series = api.within(call.workspace, api.settings.timeout, work).await?;
        Ok(success_list(&api, lookup.memory, series, limit, write_labels))
    })
    .await
}
