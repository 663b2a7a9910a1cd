//! One request as handlers see it: the workspace and the merged parameters.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    response::{IntoResponse, Response},
};
use narthex_model::WorkspaceId;

use super::{Api, ApiError, ErrorKind, params::Params};

/// A request whose path names a workspace.
#[derive(Debug)]
pub(crate) struct Call {
    /// Whose data.
    pub(crate) workspace: WorkspaceId,
    /// The label in `/label/{name}/values`, empty elsewhere.
    pub(crate) label: String,
    /// Form and URL parameters.
    pub(crate) params: Params,
}

impl FromRequest<Arc<Api>> for Call {
    type Rejection = Response;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let path = Path::<Vec<(String, String)>>::from_request_parts(&mut parts, api).await;
        let Path(segments) = path.map_err(IntoResponse::into_response)?;
        let segment = |name: &str| segments.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let workspace = segment("workspace").unwrap_or_default().parse().map_err(|reason| {
            ApiError::new(ErrorKind::NotFound, format!("workspace not found: {reason}")).into_response()
        })?;
        let limit = api.settings.max_request_bytes;
        let body: Bytes = axum::body::to_bytes(body, limit).await.map_err(|_| {
            ApiError::bad_data(format!("request body cannot be read or exceeds {limit} bytes")).into_response()
        })?;
        let params = Params::of_request(&parts.method, &parts.headers, parts.uri.query(), &body);
        Ok(Self { workspace, label: segment("name").unwrap_or_default(), params })
    }
}
