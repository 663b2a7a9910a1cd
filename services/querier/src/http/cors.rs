//! Lets web pages of any origin ask, as Prometheus does by default; they must sign their requests like everyone.
//!
//! Browsers send the preflight unsigned, so it is answered here, in front of the edge.

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

const HEADERS: [(HeaderName, &str); 5] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "Accept, Authorization, Content-Type, Origin, X-Amz-Date, X-Amz-Security-Token, X-Amz-Content-Sha256",
    ),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Date, X-Amzn-RequestId"),
    (header::VARY, "Origin"),
];

/// Middleware: answers preflights and marks answers to pages of other origins.
pub(crate) async fn allow_browsers(request: Request, next: Next) -> Response {
    let from_page = request.headers().contains_key(header::ORIGIN);
    let preflight = request.method() == Method::OPTIONS;
    let mut response =
        if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    if from_page || preflight {
        mark(response.headers_mut());
    }
    response
}

fn mark(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        if name == header::VARY {
            headers.append(name, HeaderValue::from_static(value));
        } else {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}
