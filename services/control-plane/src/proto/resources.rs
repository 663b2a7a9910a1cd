//! Resources as gRPC messages: what watchers hear of them, and the version in force for those who fetch it.
//!
//! Events carry no content: a workspace may hold megabytes of rules, and most watchers want few of them.

use bytes::Bytes;
use narthex_model::WorkspaceId;
use narthex_rpc::v1::{self, FetchBodyResponse, ResourceKey, ResourceState};
use serde_json::Value;
use tonic::Status;

use crate::state::{Content, ResourceId, ResourceKind, ResourceRecord, State};

const fn kind_to_proto(kind: ResourceKind) -> v1::ResourceKind {
    match kind {
        ResourceKind::Configuration => v1::ResourceKind::WorkspaceConfiguration,
        ResourceKind::RuleGroupsNamespace => v1::ResourceKind::RuleGroupsNamespace,
        ResourceKind::AlertManagerDefinition => v1::ResourceKind::AlertManagerDefinition,
        ResourceKind::Logging => v1::ResourceKind::LoggingConfiguration,
        ResourceKind::QueryLogging => v1::ResourceKind::QueryLoggingConfiguration,
        ResourceKind::ResourcePolicy => v1::ResourceKind::ResourcePolicy,
        ResourceKind::AnomalyDetector => v1::ResourceKind::AnomalyDetector,
        ResourceKind::Scraper => v1::ResourceKind::ScraperResource,
        ResourceKind::ScraperLogging => v1::ResourceKind::ScraperLoggingConfiguration,
    }
}

/// The key of a resource.
pub(crate) fn resource_key(id: &ResourceId) -> ResourceKey {
    ResourceKey {
        kind: kind_to_proto(id.kind).into(),
        workspace: id.workspace.map(|id| Bytes::copy_from_slice(&id.to_bytes())).unwrap_or_default(),
        name: id.name.clone(),
    }
}

/// The resource that a key names.
pub(crate) fn resource_id(key: &ResourceKey) -> Result<ResourceId, Status> {
    let kind = ResourceKind::ALL.into_iter().find(|kind| kind_to_proto(*kind) == key.kind());
    let kind = kind.ok_or_else(|| Status::invalid_argument("the kind of the resource is not set"))?;
    if !kind.in_workspace() {
        return Ok(ResourceId::of_scraper(kind, &key.name));
    }
    let workspace = WorkspaceId::from_slice(&key.workspace)
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    Ok(ResourceId::in_workspace(kind, workspace, &key.name))
}

/// What watchers hear.
pub(crate) fn resource_state(id: &ResourceId, record: &ResourceRecord) -> ResourceState {
    let version = record.in_force.as_ref();
    ResourceState {
        key: Some(resource_key(id)),
        account: record.account.to_string(),
        status: record.status.as_str().to_owned(),
        revision: record.revision,
        version_revision: version.map_or(0, |version| version.revision),
        version_digest: version.map(|version| version.digest.clone()).unwrap_or_default(),
    }
}

/// The version in force.
pub(crate) fn body(state: &State, id: &ResourceId) -> Result<FetchBodyResponse, Status> {
    let record = state.resources.get(id).ok_or_else(|| Status::not_found(format!("there is no {id}")))?;
    let version = record
        .in_force
        .as_ref()
        .ok_or_else(|| Status::not_found(format!("no version of {id} is in force")))?;
    let document = match version.content.body() {
        Some(body) => body.file().map_err(|error| Status::data_loss(format!("{id}: {error}")))?.into(),
        None => Bytes::new(),
    };
    Ok(FetchBodyResponse {
        version_revision: version.revision,
        version_digest: version.digest.clone(),
        account: record.account.to_string(),
        document,
        settings: settings(&version.content).to_string(),
    })
}

/// A content without its file.
fn settings(content: &Content) -> Value {
    let settings = match content {
        Content::AlertManager(_) | Content::Policy(_) => Ok(serde_json::json!({})),
        Content::Rules(rules) => Ok(serde_json::json!({ "rules": rules.rules })),
        Content::Configuration(settings) => serde_json::to_value(settings),
        Content::Logging(target) => serde_json::to_value(target),
        Content::QueryLogging(destinations) => Ok(serde_json::json!({ "destinations": destinations })),
        Content::AnomalyDetector(detector) => serde_json::to_value(detector),
        Content::ScraperLogging(logging) => serde_json::to_value(logging),
        Content::Scraper(scraper) => serde_json::to_value(scraper).map(|mut members| {
            if let Some(members) = members.as_object_mut() {
                members.shift_remove("configuration");
            }
            members
        }),
    };
    settings.expect("plain data with text keys always serialises")
}
