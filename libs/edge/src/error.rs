//! Errors in the shape of the AWS REST-JSON protocol (api-control-plane.md section 7.1).
//!
//! Clients take the error's name from `x-amzn-ErrorType` and its text from `message`; 429 and 5xx make them retry. The request
//! id is added to the reply by the edge.

use std::time::Duration;

use axum::{
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

/// Header that names the error.
pub(crate) const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Header that repeats the error's text, for pages that read headers only (security.md 11.3).
pub(crate) const ERROR_MESSAGE: HeaderName = HeaderName::from_static("x-amzn-errormessage");

/// So much of a text goes into a header.
const MAX_HEADER_TEXT: usize = 512;

/// Service code in quota errors.
const SERVICE_CODE: &str = "aps";

/// Why input was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValidationReason {
    /// No such route.
    UnknownOperation,
    /// A body that cannot be read.
    CannotParse,
    /// A member breaks a constraint.
    FieldValidationFailed,
    /// Anything else.
    Other,
}

impl ValidationReason {
    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownOperation => "UNKNOWN_OPERATION",
            Self::CannotParse => "CANNOT_PARSE",
            Self::FieldValidationFailed => "FIELD_VALIDATION_FAILED",
            Self::Other => "OTHER",
        }
    }
}

/// A member that breaks a constraint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ValidationField {
    /// The member.
    pub name: String,
    /// What is wrong with it.
    pub message: String,
}

/// A refusal in AWS shape. The texts are for people; clients act on the kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AwsError {
    /// 403: no signature.
    #[error("Missing Authentication Token")]
    MissingAuthenticationToken,
    /// 403: the `Authorization` header cannot be understood, or lacks a part.
    #[error("{0}")]
    IncompleteSignature(String),
    /// 403: the signature does not match, or is of another time, region or service.
    #[error("{0}")]
    InvalidSignature(String),
    /// 403: unknown key, or a kind of credential that is not accepted.
    #[error("{0}")]
    UnrecognizedClient(String),
    /// 403: temporary credentials that are over.
    #[error("{0}")]
    ExpiredToken(String),
    /// 403: the caller is known and may not.
    #[error("{0}")]
    AccessDenied(String),
    /// 404: a data-plane path that nothing answers. (On the control plane that is a ValidationException.)
    #[error("{0}")]
    UnknownOperation(String),
    /// 404.
    #[error("{message}")]
    ResourceNotFound {
        /// For people.
        message: String,
        /// What was looked for.
        resource_id: String,
        /// Its kind, such as `WORKSPACE`.
        resource_type: String,
    },
    /// 400.
    #[error("{message}")]
    Validation {
        /// For people.
        message: String,
        /// Kind of mistake.
        reason: ValidationReason,
        /// The members concerned.
        fields: Vec<ValidationField>,
    },
    /// 409.
    #[error("{message}")]
    Conflict {
        /// For people.
        message: String,
        /// What is in the way.
        resource_id: String,
        /// Its kind.
        resource_type: String,
    },
    /// 402.
    #[error("{message}")]
    ServiceQuotaExceeded {
        /// For people.
        message: String,
        /// What the quota is counted for.
        resource_id: String,
        /// Kind of the thing that cannot be made.
        resource_type: String,
        /// The quota.
        quota_code: String,
    },
    /// 429: retry later.
    #[error("{message}")]
    Throttling {
        /// For people.
        message: String,
        /// When to retry, in whole seconds, rounded up.
        retry_after: Option<Duration>,
        /// The quota.
        quota_code: Option<String>,
    },
    /// 408: the client was too slow in sending its request.
    #[error("{0}")]
    RequestTimeout(String),
    /// 413; the text names the limit and the size.
    #[error("{0}")]
    RequestTooLarge(String),
    /// 415.
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// 500.
    #[error("{0}")]
    InternalServer(String),
    /// 500 as well, of what may go well in a second: the management API lists no 503.
    #[error("{0}")]
    NotNow(String),
    /// 503: retry.
    #[error("{message}")]
    ServiceUnavailable {
        /// For people.
        message: String,
        /// When to retry, in whole seconds, rounded up.
        retry_after: Option<Duration>,
    },
}

impl AwsError {
    /// 404 for a thing of `resource_type`.
    pub fn not_found(
        message: impl Into<String>,
        resource_id: impl Into<String>,
        resource_type: &str,
    ) -> Self {
        Self::ResourceNotFound {
            message: message.into(),
            resource_id: resource_id.into(),
            resource_type: resource_type.into(),
        }
    }

    /// 404 for a workspace, whether it does not exist or belongs to someone else.
    pub fn workspace_not_found(id: impl Into<String>) -> Self {
        Self::not_found("Workspace not found", id, "WORKSPACE")
    }

    /// 400 without fields.
    pub fn validation(reason: ValidationReason, message: impl Into<String>) -> Self {
        Self::Validation { message: message.into(), reason, fields: Vec::new() }
    }

    /// 400 for one member that breaks a constraint.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let field = ValidationField { name: name.into(), message: message.clone() };
        Self::Validation {
            message: format!("{name}: {message}"),
            reason: ValidationReason::FieldValidationFailed,
            fields: vec![field],
        }
    }

    /// 400 for a route that does not exist.
    pub fn unknown_operation(method: &str, path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        Self::validation(ValidationReason::UnknownOperation, format!("no operation answers {method} {path}"))
    }

    /// 409.
    pub fn conflict(message: impl Into<String>, resource_id: impl Into<String>, resource_type: &str) -> Self {
        Self::Conflict {
            message: message.into(),
            resource_id: resource_id.into(),
            resource_type: resource_type.into(),
        }
    }

    /// 429 with the text of the managed service (ERR-3).
    pub fn throttling(retry_after: Option<Duration>) -> Self {
        Self::Throttling { message: "Rate exceeded".into(), retry_after, quota_code: None }
    }

    /// 503 that asks to retry after a second.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::ServiceUnavailable { message: message.into(), retry_after: Some(Duration::from_secs(1)) }
    }

    /// The name that clients know the error by.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::IncompleteSignature(_) => "IncompleteSignatureException",
            Self::InvalidSignature(_) => "InvalidSignatureException",
            Self::UnrecognizedClient(_) => "UnrecognizedClientException",
            Self::ExpiredToken(_) => "ExpiredTokenException",
            Self::AccessDenied(_) => "AccessDeniedException",
            Self::UnknownOperation(_) => "UnknownOperationException",
            Self::ResourceNotFound { .. } => "ResourceNotFoundException",
            Self::Validation { .. } => "ValidationException",
            Self::Conflict { .. } => "ConflictException",
            Self::ServiceQuotaExceeded { .. } => "ServiceQuotaExceededException",
            Self::Throttling { .. } => "ThrottlingException",
            Self::RequestTimeout(_) => "RequestTimeoutException",
            Self::RequestTooLarge(_) => "RequestEntityTooLargeException",
            Self::UnsupportedMediaType(_) => "UnsupportedMediaTypeException",
            Self::InternalServer(_) | Self::NotNow(_) => "InternalServerException",
            Self::ServiceUnavailable { .. } => "ServiceUnavailableException",
        }
    }

    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::MissingAuthenticationToken
            | Self::IncompleteSignature(_)
            | Self::InvalidSignature(_)
            | Self::UnrecognizedClient(_)
            | Self::ExpiredToken(_)
            | Self::AccessDenied(_) => StatusCode::FORBIDDEN,
            Self::UnknownOperation(_) | Self::ResourceNotFound { .. } => StatusCode::NOT_FOUND,
            Self::Validation { .. } => StatusCode::BAD_REQUEST,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::ServiceQuotaExceeded { .. } => StatusCode::PAYMENT_REQUIRED,
            Self::Throttling { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::RequestTimeout(_) => StatusCode::REQUEST_TIMEOUT,
            Self::RequestTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InternalServer(_) | Self::NotNow(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::ServiceUnavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttling { retry_after, .. } | Self::ServiceUnavailable { retry_after, .. } => {
                *retry_after
            }
            Self::NotNow(_) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// The members of the body, `message` first.
    fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("message".into(), self.to_string().into());
        let mut add = |name: &str, value: Value| members.insert(name.into(), value);
        match self {
            Self::ResourceNotFound { resource_id, resource_type, .. }
            | Self::Conflict { resource_id, resource_type, .. } => {
                add("resourceId", resource_id.as_str().into());
                add("resourceType", resource_type.as_str().into());
            }
            Self::ServiceQuotaExceeded { resource_id, resource_type, quota_code, .. } => {
                add("resourceId", resource_id.as_str().into());
                add("resourceType", resource_type.as_str().into());
                add("serviceCode", SERVICE_CODE.into());
                add("quotaCode", quota_code.as_str().into());
            }
            Self::Throttling { quota_code: Some(quota_code), .. } => {
                add("serviceCode", SERVICE_CODE.into());
                add("quotaCode", quota_code.as_str().into());
            }
            Self::Validation { reason, fields, .. } => {
                add("reason", reason.as_str().into());
                if !fields.is_empty() {
                    let entry =
                        |field: &ValidationField| json!({ "name": field.name, "message": field.message });
                    add("fieldList", fields.iter().map(entry).collect());
                }
            }
            _ => {}
        }
        members
    }
}

impl IntoResponse for AwsError {
    fn into_response(self) -> Response {
        let body = Value::Object(self.members()).to_string();
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ERROR_TYPE, HeaderValue::from_static(self.name()));
        if let Ok(text) = HeaderValue::from_str(&header_text(&self.to_string())) {
            headers.insert(ERROR_MESSAGE, text);
        }
        if let Some(after) = self.retry_after() {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The text with a question mark for what a header cannot carry.
fn header_text(text: &str) -> String {
    let plain = |letter: char| if matches!(letter, ' '..='~') { letter } else { '?' };
    text.chars().take(MAX_HEADER_TEXT).map(plain).collect()
}

#[cfg(test)]
#[path = "error_test.rs"]
mod tests;
