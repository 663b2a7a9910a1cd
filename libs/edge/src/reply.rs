//! What every reply of a public API carries: request id, trace id, content type and what pages of other origins need (SEC-41, API-D-5).

use axum::http::{HeaderName, HeaderValue, header::CONTENT_TYPE};
use axum::response::Response;
use http::HeaderMap;
use narthex_model::TimestampMs;
use narthex_service::Random;

use crate::cors::Cors;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// Longest trace id of a client that is sent back.
const MAX_TRACE: usize = 256;

/// The trace that a request belongs to, as its client, or a balancer before us, says, or a new one in their form:
/// `Root=1-<8 hex digits of the time>-<24 random ones>`.
pub(crate) fn trace_id(headers: &HeaderMap, now: TimestampMs, random: &Random) -> HeaderValue {
    let given = headers.get(TRACE_ID).filter(|value| value.len() <= MAX_TRACE && value.to_str().is_ok());
    given.cloned().unwrap_or_else(|| {
        let seconds = now.0.div_euclid(1000) & 0xffff_ffff;
        let text = format!("Root=1-{seconds:08x}-{:024x}", random.bits128() >> 32);
        HeaderValue::from_str(&text).expect("hex digits")
    })
}

/// Adds what is missing.
pub(crate) fn finish(
    response: &mut Response,
    request_id: &str,
    trace_id: HeaderValue,
    cors: &Cors,
    origin: Option<&HeaderValue>,
) {
    let headers = response.headers_mut();
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(TRACE_ID, trace_id);
    cors.mark(origin, headers);
}
