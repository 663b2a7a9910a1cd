//! AMP's REST API for workspaces (api-control-plane.md sections 2 to 7).
//!
//! Routing and JSON are here; what each operation does is in [`workspaces`], as functions from an account and a checked
//! request to a reply. Reads are linearizable, so that whoever got an answer to a change finds it at every node.

mod input;
mod page;
mod view;
mod workspaces;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Path, RawQuery},
    http::{Method, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use narthex_edge::{Authenticated, AwsError};
use narthex_service::Random;
use serde_json::Value;

use crate::{config::Limits, desk::Desk};

use input::Checks;

/// Everything that the operations need.
pub(crate) struct Api {
    desk: Arc<Desk>,
    random: Random,
    limits: Limits,
    region: String,
    public_url: String,
    checks: Checks,
}

/// Status and JSON body of a success; some have no body.
#[derive(Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Option<Value>,
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        match self.body {
            Some(body) => {
                (self.status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
            }
            None => self.status.into_response(),
        }
    }
}

type Outcome = Result<Reply, AwsError>;

impl Api {
    pub(crate) fn new(
        desk: Arc<Desk>,
        random: Random,
        limits: Limits,
        region: &str,
        public_url: &str,
    ) -> Self {
        let public_url = public_url.trim_end_matches('/').to_owned();
        Self { desk, random, limits, region: region.to_owned(), public_url, checks: Checks::new() }
    }

    /// The routes, to be wrapped by the edge, which adds [`Authenticated`] to every request.
    pub(crate) fn router(self) -> Router {
        let api = Arc::new(self);
        let (create, list) = (api.clone(), api.clone());
        let (describe, delete, alias) = (api.clone(), api.clone(), api);
        let workspaces = post(move |Extension(who): Extension<Authenticated>, body: Bytes| async move {
            create.create_workspace(&who.account, &body).await
        })
        .get(
            move |Extension(who): Extension<Authenticated>, RawQuery(query): RawQuery| async move {
                list.list_workspaces(&who.account, &query.unwrap_or_default()).await
            },
        );
        let workspace =
            get(move |Extension(who): Extension<Authenticated>, Path(id): Path<String>| async move {
                describe.describe_workspace(&who.account, &id).await
            })
            .delete(
                move |Extension(who): Extension<Authenticated>,
                      Path(id): Path<String>,
                      RawQuery(query): RawQuery| async move {
                    delete.delete_workspace(&who.account, &id, &query.unwrap_or_default()).await
                },
            );
        let alias = post(
            move |Extension(who): Extension<Authenticated>, Path(id): Path<String>, body: Bytes| async move {
                alias.update_workspace_alias(&who.account, &id, &body).await
            },
        );
        Router::new()
            .route("/workspaces", workspaces)
            .route("/workspaces/{workspaceId}", workspace)
            .route("/workspaces/{workspaceId}/alias", alias)
            .fallback(unknown)
            .method_not_allowed_fallback(unknown)
    }
}

async fn unknown(method: Method, uri: Uri) -> AwsError {
    AwsError::unknown_operation(method.as_str(), uri.path())
}
