use axum::body::to_bytes;
use serde_json::Value;

use super::*;

async fn shape(error: AwsError) -> (u16, String, Option<String>, Value) {
    let response = error.into_response();
    let header = |name: &str| Some(response.headers().get(name)?.to_str().expect("text").to_owned());
    assert_eq!(header("content-type").as_deref(), Some("application/json"));
    let (status, name) = (response.status().as_u16(), header("x-amzn-errortype").expect("a name"));
    let retry = header("retry-after");
    let body = to_bytes(response.into_body(), 4096).await.expect("a short body");
    (status, name, retry, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test]
async fn errors_have_the_members_that_clients_read() {
    let quota = AwsError::ServiceQuotaExceeded {
        message: "Limit exceeded".into(),
        resource_id: "123456789012".into(),
        resource_type: "WORKSPACE".into(),
        quota_code: "L-1".into(),
    };
    let cases = [
        (
            AwsError::field("alias", "too long"),
            400,
            "ValidationException",
            json!({"message": "alias: too long", "reason": "FIELD_VALIDATION_FAILED",
                   "fieldList": [{"name": "alias", "message": "too long"}]}),
        ),
        (
            AwsError::unknown_operation("GET", "/nowhere"),
            400,
            "ValidationException",
            json!({"message": "no operation answers GET /nowhere", "reason": "UNKNOWN_OPERATION"}),
        ),
        (
            quota,
            402,
            "ServiceQuotaExceededException",
            json!({"message": "Limit exceeded", "resourceId": "123456789012", "resourceType": "WORKSPACE",
                   "serviceCode": "aps", "quotaCode": "L-1"}),
        ),
        (
            AwsError::MissingAuthenticationToken,
            403,
            "MissingAuthenticationTokenException",
            json!({"message": "Missing Authentication Token"}),
        ),
        (AwsError::AccessDenied("no".into()), 403, "AccessDeniedException", json!({"message": "no"})),
        (
            AwsError::workspace_not_found("ws-1"),
            404,
            "ResourceNotFoundException",
            json!({"message": "Workspace not found", "resourceId": "ws-1", "resourceType": "WORKSPACE"}),
        ),
        (
            AwsError::conflict("exists", "ws-1", "ALERT_MANAGER"),
            409,
            "ConflictException",
            json!({"message": "exists", "resourceId": "ws-1", "resourceType": "ALERT_MANAGER"}),
        ),
        (
            AwsError::RequestTooLarge("big".into()),
            413,
            "RequestEntityTooLargeException",
            json!({"message": "big"}),
        ),
        (
            AwsError::UnsupportedMediaType("x".into()),
            415,
            "UnsupportedMediaTypeException",
            json!({"message": "x"}),
        ),
        (AwsError::InternalServer("oops".into()), 500, "InternalServerException", json!({"message": "oops"})),
    ];
    for (error, status, name, body) in cases {
        assert_eq!(shape(error).await, (status, name.into(), None, body));
    }
}

#[tokio::test]
async fn retries_are_asked_for_in_whole_seconds() {
    let (status, name, retry, body) = shape(AwsError::throttling(Some(Duration::from_millis(1500)))).await;
    assert_eq!((status, &*name, retry.as_deref()), (429, "ThrottlingException", Some("2")));
    assert_eq!(body, json!({"message": "Rate exceeded"}));
    let (status, name, retry, _) = shape(AwsError::unavailable("later")).await;
    assert_eq!((status, &*name, retry.as_deref()), (503, "ServiceUnavailableException", Some("1")));
    let (status, name, retry, _) = shape(AwsError::NotNow("soon".into())).await;
    assert_eq!((status, &*name, retry.as_deref()), (500, "InternalServerException", Some("1")));
}

#[test]
fn the_text_is_a_header_too_as_far_as_headers_go() {
    let header = |text: &str| {
        let response = AwsError::AccessDenied(text.into()).into_response();
        response.headers()["x-amzn-errormessage"].to_str().expect("text").to_owned()
    };
    assert_eq!(header("no"), "no");
    assert_eq!(header("caf\u{e9}\r\nx: y"), "caf???x: y");
    assert_eq!(header(&"x".repeat(5000)).len(), MAX_HEADER_TEXT);
}
