//! The public route and the shape of its replies: 200 with an empty body; bare text for what the content of a write is refused
//! for; the error shape of AWS for everything that is not about content (415, 413, 503).

use axum::{
    Extension, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use narthex_cluster::Workspace;
use narthex_edge::{Authenticated, AwsError};
use narthex_remote_write::DecodeError;

use crate::{
    content,
    writer::{WriteError, Writer},
};

/// The path of remote write, as AMP and Prometheus clients know it.
pub const REMOTE_WRITE: &str = "/workspaces/{workspace}/api/v1/remote_write";

/// The distributor's public routes, to be wrapped by the edge.
pub fn router(writer: Writer) -> Router {
    Router::new().route(REMOTE_WRITE, post(remote_write)).with_state(writer)
}

async fn remote_write(
    State(writer): State<Writer>,
    Extension(who): Extension<Authenticated>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match &who.workspace {
        Some(workspace) => respond(&writer, workspace, &headers, body).await,
        None => AwsError::InternalServer("the request names no workspace".into()).into_response(),
    }
}

/// Answers a remote write whose sender may write to `workspace`.
pub async fn respond(writer: &Writer, workspace: &Workspace, headers: &HeaderMap, body: Bytes) -> Response {
    if let Err(error) = content::check(headers) {
        return error.into_response();
    }
    match writer.write(workspace, body).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(WriteError::Malformed(
            error @ (DecodeError::TooLarge { .. } | DecodeError::TooManySamples { .. }),
        )) => AwsError::RequestTooLarge(error.to_string()).into_response(),
        Err(error @ (WriteError::Malformed(_) | WriteError::Refused(_))) => {
            let text = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
            (StatusCode::BAD_REQUEST, text, format!("{error}\n")).into_response()
        }
        Err(WriteError::Unavailable(text)) => AwsError::unavailable(text).into_response(),
    }
}
