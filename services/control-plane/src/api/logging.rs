//! The operations on where logs go: of rules and alerting, of queries, of scrapers (sections 5.4, 5.5 and 5.7).
//!
//! Decisions where the specification is silent: to create what exists is refused as invalid, since a conflict is not listed; all
//! components of a scraper log unless some are named; whether a log group exists is found out by whoever writes to it.

use narthex_amp::{
    CloudWatchLogDestination, CreateLoggingConfigurationRequest, CreateQueryLoggingConfigurationRequest,
    DeleteLoggingConfigurationRequest, DeleteQueryLoggingConfigurationRequest,
    DeleteScraperLoggingConfigurationRequest, DescribeLoggingConfigurationRequest,
    DescribeQueryLoggingConfigurationRequest, DescribeScraperLoggingConfigurationRequest, ScraperComponent,
    ScraperComponentType, UpdateLoggingConfigurationRequest, UpdateQueryLoggingConfigurationRequest,
    UpdateScraperLoggingConfigurationRequest,
};
use narthex_edge::AwsError;
use serde_json::json;

use super::{
    Api, Call, Outcome, Reply,
    errors::{Subject, damaged},
    view::{seconds, status, with_times},
};
use crate::state::{ChangeKind, Content, Expected, ResourceId, ResourceKind, ScraperLogging, Status};

fn create(id: &ResourceId, content: Content) -> ChangeKind {
    ChangeKind::Create { id: id.clone(), content, tags: [].into(), limits: Vec::new() }
}

fn put(id: &ResourceId, content: Content, or_create: bool) -> ChangeKind {
    ChangeKind::Put { id: id.clone(), content, or_create, expected: Expected::Anything, limits: Vec::new() }
}

fn id_of(kind: ResourceKind, workspace: &str) -> Result<ResourceId, AwsError> {
    Ok(ResourceId::in_workspace(kind, Call::workspace_id(workspace)?, ""))
}

impl Api {
    pub(super) async fn create_logging(
        &self,
        call: &Call,
        request: CreateLoggingConfigurationRequest,
    ) -> Outcome {
        let id = id_of(ResourceKind::Logging, &request.workspace_id)?;
        let content = Content::Logging(CloudWatchLogDestination { log_group_arn: request.log_group_arn });
        self.change_settings(call, &id, request.client_token, create(&id, content)).await
    }

    pub(super) async fn update_logging(
        &self,
        call: &Call,
        request: UpdateLoggingConfigurationRequest,
    ) -> Outcome {
        let id = id_of(ResourceKind::Logging, &request.workspace_id)?;
        let content = Content::Logging(CloudWatchLogDestination { log_group_arn: request.log_group_arn });
        self.change_settings(call, &id, request.client_token, put(&id, content, false)).await
    }

    pub(super) fn describe_logging(
        &self,
        call: &Call,
        request: &DescribeLoggingConfigurationRequest,
    ) -> Outcome {
        let id = id_of(ResourceKind::Logging, &request.workspace_id)?;
        self.read(|state| {
            let record = call.resource(state, &id)?;
            let Some(Content::Logging(target)) = record.newest().map(|version| &version.content) else {
                return Err(damaged(&id));
            };
            let members = json!({
                "status": status(record),
                "workspace": request.workspace_id,
                "logGroupArn": target.log_group_arn,
            });
            Ok(call.reply(json!({ "loggingConfiguration": with_times(members, record) })))
        })
    }

    pub(super) async fn delete_logging(
        &self,
        call: &Call,
        request: DeleteLoggingConfigurationRequest,
    ) -> Outcome {
        let id = id_of(ResourceKind::Logging, &request.workspace_id)?;
        self.delete_resource(call, id, request.client_token).await
    }

    pub(super) async fn create_query_logging(
        &self,
        call: &Call,
        request: CreateQueryLoggingConfigurationRequest,
    ) -> Outcome {
        let id = id_of(ResourceKind::QueryLogging, &request.workspace_id)?;
        let what = create(&id, Content::QueryLogging(request.destinations));
        self.change_settings(call, &id, request.client_token, what).await
    }

    pub(super) async fn update_query_logging(
        &self,
        call: &Call,
        request: UpdateQueryLoggingConfigurationRequest,
    ) -> Outcome {
        let id = id_of(ResourceKind::QueryLogging, &request.workspace_id)?;
        let what = put(&id, Content::QueryLogging(request.destinations), false);
        self.change_settings(call, &id, request.client_token, what).await
    }

    pub(super) fn describe_query_logging(
        &self,
        call: &Call,
        request: &DescribeQueryLoggingConfigurationRequest,
    ) -> Outcome {
        let id = id_of(ResourceKind::QueryLogging, &request.workspace_id)?;
        self.read(|state| {
            let record = call.resource(state, &id)?;
            let Some(Content::QueryLogging(destinations)) = record.newest().map(|version| &version.content)
            else {
                return Err(damaged(&id));
            };
            let members = json!({
                "status": status(record),
                "workspace": request.workspace_id,
                "destinations": destinations,
            });
            Ok(call.reply(json!({ "queryLoggingConfiguration": with_times(members, record) })))
        })
    }

    pub(super) async fn delete_query_logging(
        &self,
        call: &Call,
        request: DeleteQueryLoggingConfigurationRequest,
    ) -> Outcome {
        let id = id_of(ResourceKind::QueryLogging, &request.workspace_id)?;
        self.delete_resource(call, id, request.client_token).await
    }

    pub(super) async fn update_scraper_logging(
        &self,
        call: &Call,
        request: UpdateScraperLoggingConfigurationRequest,
    ) -> Outcome {
        let id = ResourceId::of_scraper(ResourceKind::ScraperLogging, request.scraper_id);
        let all = || {
            use ScraperComponentType::{Collector, Exporter, ServiceDiscovery};
            [ServiceDiscovery, Collector, Exporter]
                .map(|r#type| ScraperComponent { r#type, config: None })
                .into()
        };
        let content = Content::ScraperLogging(ScraperLogging {
            logging_destination: request.logging_destination,
            scraper_components: request.scraper_components.unwrap_or_else(all),
        });
        match self.change_settings(call, &id, None, put(&id, content.clone(), true)).await {
            // Without a token, a call that is repeated because its answer was lost looks like another one.
            Err(conflict @ AwsError::Conflict { .. }) => {
                self.begun(call, &id, &content).await.ok_or(conflict)
            }
            outcome => outcome,
        }
    }

    /// The reply to a change that is under way or done already.
    async fn begun(&self, call: &Call, id: &ResourceId, content: &Content) -> Option<Reply> {
        self.desk.catch_up().await.ok()?;
        self.read(|state| {
            let record = call.resource(state, id).ok()?;
            let same = record.newest().is_some_and(|newest| newest.content == *content);
            (same && record.status != Status::Deleting)
                .then(|| call.reply(json!({ "status": { "statusCode": record.status.as_str() } })))
        })
    }

    pub(super) fn describe_scraper_logging(
        &self,
        call: &Call,
        request: &DescribeScraperLoggingConfigurationRequest,
    ) -> Outcome {
        let id = ResourceId::of_scraper(ResourceKind::ScraperLogging, &request.scraper_id);
        self.read(|state| {
            call.resource(state, &ResourceId::of_scraper(ResourceKind::Scraper, &request.scraper_id))?;
            let record = call.resource(state, &id)?;
            let Some(Content::ScraperLogging(logging)) = record.newest().map(|version| &version.content)
            else {
                return Err(damaged(&id));
            };
            let mut members = json!(logging);
            members["scraperId"] = request.scraper_id.as_str().into();
            members["status"] = status(record);
            members["modifiedAt"] = seconds(record.modified_at);
            Ok(call.reply(members))
        })
    }

    pub(super) async fn delete_scraper_logging(
        &self,
        call: &Call,
        request: DeleteScraperLoggingConfigurationRequest,
    ) -> Outcome {
        let id = ResourceId::of_scraper(ResourceKind::ScraperLogging, request.scraper_id);
        self.delete_resource(call, id, request.client_token).await
    }

    /// A change whose reply is the status alone.
    pub(super) async fn change_settings(
        &self,
        call: &Call,
        id: &ResourceId,
        token: Option<String>,
        what: ChangeKind,
    ) -> Outcome {
        let changed = self.change(call, &Subject::resource(&call.account, id), token, what).await?;
        Ok(call.reply(json!({ "status": { "statusCode": changed.status.as_str() } })))
    }

    /// A deletion whose reply is empty.
    pub(super) async fn delete_resource(
        &self,
        call: &Call,
        id: ResourceId,
        token: Option<String>,
    ) -> Outcome {
        let subject = Subject::resource(&call.account, &id);
        let what = ChangeKind::Delete { id, expected: Expected::Anything };
        self.change(call, &subject, token, what).await?;
        Ok(call.empty())
    }
}
