//! Errors in the shape of AWS's query protocol, which the security token service speaks: XML, with names of its own (AWS STS API
//! Reference, "Common Errors").
//!
//! SDKs fail without a word on a reply that is no XML, so that everything on the path of the service answers in this shape.

use std::time::Duration;

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};

use crate::AwsError;

/// A refusal of the security token service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct QueryError {
    /// HTTP status.
    pub status: StatusCode,
    /// The name that clients know the error by.
    pub code: &'static str,
    /// For people.
    pub message: String,
    retry_after: Option<Duration>,
}

impl QueryError {
    /// 400, a mistake of the sender.
    pub fn sender(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, message: message.into(), retry_after: None }
    }

    /// 403.
    pub fn denied(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, ..Self::sender(code, message) }
    }

    /// 503 that clients retry.
    pub fn unavailable(message: impl Into<String>) -> Self {
        AwsError::unavailable(message).into()
    }

    /// The reply; the edge adds the request's id to its headers.
    pub fn reply(&self, request_id: &str) -> Response {
        let kind = if self.status.is_server_error() { "Receiver" } else { "Sender" };
        let body = format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>{kind}</Type><Code>{}</Code>\
             <Message>{}</Message></Error><RequestId>{}</RequestId></ErrorResponse>\n",
            self.code,
            escape(&self.message),
            escape(request_id)
        );
        let mut response = (self.status, body).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<AwsError> for QueryError {
    fn from(error: AwsError) -> Self {
        let code = match &error {
            AwsError::MissingAuthenticationToken => "MissingAuthenticationToken",
            AwsError::IncompleteSignature(_) => "IncompleteSignature",
            AwsError::InvalidSignature(_) => "SignatureDoesNotMatch",
            AwsError::UnrecognizedClient(_) => "InvalidClientTokenId",
            AwsError::ExpiredToken(_) => "ExpiredToken",
            AwsError::AccessDenied(_) => "AccessDenied",
            AwsError::Throttling { .. } => "Throttling",
            AwsError::ServiceUnavailable { .. } => "ServiceUnavailable",
            AwsError::InternalServer(_) | AwsError::NotNow(_) => "InternalFailure",
            AwsError::RequestTimeout(_) => "RequestTimeout",
            AwsError::RequestTooLarge(_) => "RequestEntityTooLarge",
            _ => "ValidationError",
        };
        let retry_after = error.retry_after();
        Self { status: error.status(), code, message: error.to_string(), retry_after }
    }
}

/// Text between tags. What XML cannot carry at all becomes a question mark.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\t' | '\n' | '\r' => escaped.push(letter),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('?'),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn replies_are_well_formed_whatever_the_message() {
        let error = QueryError::from(AwsError::AccessDenied("<a> & \u{1}".into()));
        let reply = error.reply("id");
        assert_eq!(
            (reply.status().as_u16(), reply.headers()[CONTENT_TYPE].as_bytes()),
            (403, &b"text/xml"[..])
        );
        let body = axum::body::to_bytes(reply.into_body(), 4_096).await.expect("a body");
        let body = std::str::from_utf8(&body).expect("text");
        assert!(body.contains("<Code>AccessDenied</Code><Message>&lt;a&gt; &amp; ?</Message>"), "{body}");
    }
}
