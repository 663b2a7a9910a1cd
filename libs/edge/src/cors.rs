//! Lets web pages ask (api-control-plane.md 2.4); they must sign their requests like everyone.
//!
//! Browsers send the preflight unsigned, so it is answered in front of everything. Pages of every origin may ask unless origins
//! are named, as with Prometheus: a page gets nothing that its own signature does not give it, and no cookie is ever looked at.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Accept, Authorization, Content-Encoding, Content-Type, Origin, X-Amz-Date, X-Amz-Security-Token, X-Amz-Content-Sha256, \
     X-Amz-User-Agent, X-Amzn-Trace-Id, Amz-Sdk-Invocation-Id, Amz-Sdk-Request, X-Prometheus-Remote-Write-Version",
);

/// The headers of replies that pages may read (security.md 11.3).
pub const EXPOSED: &str =
    "x-amzn-errortype,x-amzn-requestid,x-amzn-trace-id,x-amzn-errormessage,x-amz-apigw-id,date";

/// How long a browser may keep the answer to a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Which pages may ask.
#[derive(Debug, Clone)]
pub(crate) struct Cors {
    any: bool,
    origins: Vec<String>,
}

impl Cors {
    /// Pages of these origins (`https://grafana.example.com`), or of any if `*` is among them.
    pub(crate) fn new(origins: &[String]) -> Self {
        Self { any: origins.iter().any(|origin| origin == "*"), origins: origins.to_vec() }
    }

    /// The answer to a preflight; no operation has this method.
    pub(crate) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        if method != Method::OPTIONS {
            return None;
        }
        let mut response = StatusCode::NO_CONTENT.into_response();
        let reply = response.headers_mut();
        if self.allowed(headers.get(header::ORIGIN)).is_some() {
            reply.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            reply.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
            reply.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        Some(response)
    }

    /// The headers that every reply carries, whoever asked: caches must not give one page's reply to another.
    pub(crate) fn mark(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        if let Some(allowed) = self.allowed(origin) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        }
    }

    /// What the reply to a page of this origin says. A preflight without an origin is no browser's, and harmless.
    fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        if self.any {
            return Some(HeaderValue::from_static("*"));
        }
        let origin = origin?;
        self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preflight(cors: &Cors, origin: &'static str) -> HeaderMap {
        let asked = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
        let mut response = cors.preflight(&Method::OPTIONS, &asked).expect("a preflight");
        cors.mark(asked.get(header::ORIGIN), response.headers_mut());
        response.headers().clone()
    }

    #[test]
    fn named_origins_alone_may_ask_and_else_all() {
        let named = Cors::new(&["https://a.example".into(), "https://b.example".into()]);
        let reply = preflight(&named, "https://b.example");
        assert_eq!(reply[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://b.example");
        assert!(reply[header::ACCESS_CONTROL_ALLOW_METHODS].to_str().expect("text").contains("PATCH"));
        assert_eq!(reply[header::VARY], "Origin");
        let reply = preflight(&named, "https://evil.example");
        assert!(!reply.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
        assert!(!reply.contains_key(header::ACCESS_CONTROL_ALLOW_HEADERS));
        let reply = preflight(&Cors::new(&["*".into()]), "https://any.example");
        assert_eq!(reply[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(reply[header::ACCESS_CONTROL_EXPOSE_HEADERS], EXPOSED);
        assert!(named.preflight(&Method::GET, &HeaderMap::new()).is_none());
    }
}
