//! One request as handlers see it: the workspace and the merged parameters.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};
use narthex_edge::Authenticated;
use narthex_model::WorkspaceId;

use super::{Api, ApiError, ErrorKind, params::Params};

/// A request that the edge let in, to a path that names a workspace.
#[derive(Debug)]
pub(crate) struct Call {
    /// Whose data: the workspace that the edge checked, never merely the one that the path names.
    pub(crate) workspace: WorkspaceId,
    /// The label in `/label/{name}/values`, empty elsewhere.
    pub(crate) label: String,
    /// Form and URL parameters.
    pub(crate) params: Params,
    /// No kept result is wanted, and none is to be kept: `Cache-Control: no-store`, as Mimir takes it, or `nocache=1`, as
    /// VictoriaMetrics does.
    pub(crate) no_store: bool,
}

impl FromRequest<Arc<Api>> for Call {
    type Rejection = Response;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let workspace =
            parts.extensions.get::<Authenticated>().and_then(|who| Some(who.workspace.as_ref()?.id));
        let unchecked =
            || ApiError::new(ErrorKind::Internal, "the request did not pass the edge").into_response();
        let workspace = workspace.ok_or_else(unchecked)?;
        let path = Path::<Vec<(String, String)>>::from_request_parts(&mut parts, api).await;
        let Path(segments) = path.map_err(|error| ApiError::bad_data(error.body_text()).into_response())?;
        let label = segments.into_iter().find(|(key, _)| key == "name").map(|(_, value)| value);
        let (method, headers, uri) = (parts.method.clone(), parts.headers.clone(), parts.uri.clone());
        // The edge has read and bounded the body.
        let body = Bytes::from_request(Request::from_parts(parts, body), api).await;
        let body = body.map_err(IntoResponse::into_response)?;
        let params = Params::of_request(&method, &headers, uri.query(), &body);
        let no_store = says_no_store(&headers) || params.get("nocache") == "1";
        Ok(Self { workspace, label: label.unwrap_or_default(), params, no_store })
    }
}

fn says_no_store(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("no-store"))
}
