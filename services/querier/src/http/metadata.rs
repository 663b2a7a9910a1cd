//! `metadata`: what metrics say about themselves, by metric, each distinct statement once.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, response::Response};
use narthex_model::MetricMetadata;

use super::{Api, ApiError, call::Call, json::write_string, params::parse_int, status::success};

pub(crate) async fn metadata(State(api): State<Arc<Api>>, call: Call) -> Response {
    api.answer("metadata", call.workspace, async {
        let limit = bound(&call, "limit")?.and_then(|limit| usize::try_from(limit).ok());
        let per_metric = bound(&call, "limit_per_metric")?
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| *limit > 0)
            .unwrap_or(usize::MAX);
        let work = api.reads.metadata(call.workspace, call.params.get("metric"));
        let entries = api.within(call.workspace, api.settings.timeout, work).await?;
        let mut metrics: BTreeMap<&str, Vec<&MetricMetadata>> = BTreeMap::new();
        for entry in &entries {
            let known = metrics.entry(&entry.metric).or_default();
            if known.len() < per_metric {
                known.push(entry);
            }
        }
        Ok(success(|out| write(out, metrics.iter().take(limit.unwrap_or(usize::MAX)))))
    })
    .await
}

fn bound(call: &Call, name: &str) -> Result<Option<i64>, ApiError> {
    match call.params.get(name) {
        "" => Ok(None),
        text => parse_int(text).map(Some).map_err(|_| ApiError::bad_data(format!("{name} must be a number"))),
    }
}

fn write<'a>(out: &mut Vec<u8>, metrics: impl Iterator<Item = (&'a &'a str, &'a Vec<&'a MetricMetadata>)>) {
    out.push(b'{');
    for (at, (metric, entries)) in metrics.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_string(out, metric);
        out.extend_from_slice(b":[");
        for (at, entry) in entries.iter().enumerate() {
            out.extend_from_slice(if at > 0 { b",{\"type\":" } else { b"{\"type\":" });
            write_string(out, entry.kind.as_str());
            out.extend_from_slice(b",\"help\":");
            write_string(out, &entry.help);
            out.extend_from_slice(b",\"unit\":");
            write_string(out, &entry.unit);
            out.push(b'}');
        }
        out.push(b']');
    }
    out.push(b'}');
}
