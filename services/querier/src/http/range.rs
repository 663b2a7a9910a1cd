//! `query_range`: evaluates at steps.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use narthex_model::{TimeRange, TimestampMs};

use super::{
    Api, ApiError,
    call::Call,
    explain, limits,
    query::{Plan, Times, respond},
    time,
};

/// Most points of one series, as in Prometheus: a week by the minute, a year by the hour.
const MAX_STEPS: i64 = 11_000;

/// Prometheus's words for more.
const TOO_MANY_POINTS: &str = "exceeded maximum resolution of 11,000 points per timeseries. \
                               Try decreasing the query resolution (?step=XX)";

/// The steps of a range query, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) start: TimestampMs,
    pub(crate) end: TimestampMs,
    pub(crate) step: i64,
}

/// Evaluates at `start`, `start + step` and so on up to `end`.
pub(crate) async fn query_range(State(api): State<Arc<Api>>, call: Call) -> Response {
    api.answer("range", call.workspace, async {
        let limit = call.params.limit()?;
        let steps =
            Steps::of(&call, api.settings.align_range).map_err(|error| match error.text.as_str() {
                TOO_MANY_POINTS => api.refuse("points", error),
                _ => error,
            })?;
        let asked = TimeRange { min: call.params.time("start")?, max: call.params.time("end")? };
        limits::check_range(&api, asked)?;
        let time_limit = api.time_limit(&call)?;
        let plan = Plan::of(&api, &call)?;
        if explain::is_wanted(&call)? {
            return explain::respond(&api, &plan, Times::Steps(steps));
        }
        let (result, stats) = plan.run(&api, &call, time_limit, Times::Steps(steps)).await?;
        Ok(respond(&api, &call, result, stats, limit))
    })
    .await
}

impl Steps {
    /// Reads and checks the parameters; aligned, both ends are rounded down to multiples of the step (STAT-11).
    pub(crate) fn of(call: &Call, align: bool) -> Result<Self, ApiError> {
        let (start, end) = (call.params.time("start")?, call.params.time("end")?);
        if end < start {
            return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
        }
        let step = time::parse_duration(call.params.get("step"))
            .map_err(|reason| ApiError::parameter("step", reason))?;
        if step <= 0 {
            let text =
                "zero or negative query resolution step widths are not accepted. Try a positive integer";
            return Err(ApiError::parameter("step", text));
        }
        let span = i128::from(end.0) - i128::from(start.0);
        if span / i128::from(step) > i128::from(MAX_STEPS) {
            return Err(ApiError::bad_data(TOO_MANY_POINTS));
        }
        let whole = Self { start, end, step };
        Ok(if align { whole.aligned() } else { whole })
    }

    fn aligned(self) -> Self {
        let down = |at: TimestampMs| at.saturating_sub(at.0.rem_euclid(self.step));
        Self { start: down(self.start), end: down(self.end), step: self.step }
    }
}
