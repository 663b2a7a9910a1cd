//! The operations on tags (section 5.10, tags.md), of all four kinds that have them.
//!
//! An ARN of another account or region names nothing here (TAG-17), and removing what is not there is no error.

use narthex_amp::{
    Arn, ListTagsForResourceRequest, Request, Resource, TagResourceRequest, UntagResourceRequest,
};
use narthex_edge::AwsError;
use narthex_model::TimestampMs;
use serde_json::json;

use super::{
    Api, Call, Outcome, access,
    errors::{Subject, kind_name, unexpected},
};
use crate::state::{Change, ChangeKind, Command, Refusal, ResourceId, ResourceKind, Response, Tagged};

impl Api {
    /// Something new may have as many tags as something that gets them later (TAG-3).
    pub(super) fn check_new_tags(&self, request: &Request) -> Result<(), AwsError> {
        let limit = self.limits.tags;
        if access::created_tags(request).len() > limit as usize {
            return Err(AwsError::field("tags", Refusal::TooManyTags { limit }.to_string()));
        }
        Ok(())
    }

    pub(super) async fn tag_resource(&self, call: &Call, request: TagResourceRequest) -> Outcome {
        let (target, subject) = self.tagged(call, &request.resource_arn)?;
        let what = ChangeKind::Tag { target, tags: request.tags, limit: self.limits.tags };
        self.change_tags(call, &subject, what).await
    }

    pub(super) async fn untag_resource(&self, call: &Call, request: UntagResourceRequest) -> Outcome {
        let (target, subject) = self.tagged(call, &request.resource_arn)?;
        let what = ChangeKind::Untag { target, keys: request.tag_keys.into_iter().collect() };
        self.change_tags(call, &subject, what).await
    }

    pub(super) fn list_tags(&self, call: &Call, request: &ListTagsForResourceRequest) -> Outcome {
        let (target, _) = self.tagged(call, &request.resource_arn)?;
        self.read(|state| {
            let tags = match &target {
                Tagged::Workspace(id) => &call.workspace(state, &id.to_string())?.1.tags,
                Tagged::Resource(id) => &call.resource(state, id)?.tags,
            };
            Ok(call.reply(json!({ "tags": tags })))
        })
    }

    /// What an ARN names, if it can be this account's.
    fn tagged(&self, call: &Call, arn: &Arn) -> Result<(Tagged, Subject), AwsError> {
        let (kind, name) = match &arn.resource {
            Resource::Workspace { workspace } => (None, workspace),
            Resource::RuleGroupsNamespace { name, .. } => (Some(ResourceKind::RuleGroupsNamespace), name),
            Resource::AnomalyDetector { detector, .. } => (Some(ResourceKind::AnomalyDetector), detector),
            Resource::Scraper { scraper } => (Some(ResourceKind::Scraper), scraper),
        };
        let subject = Subject {
            account: call.account.clone(),
            id: name.clone(),
            kind: kind.map_or(super::errors::WORKSPACE, kind_name),
            workspace: arn.resource.workspace().unwrap_or_default().to_owned(),
        };
        if arn.account != call.account || arn.region != self.region {
            return Err(subject.not_found());
        }
        let workspace = arn.resource.workspace().map(Call::workspace_id).transpose()?;
        let target = match (kind, workspace) {
            (Some(kind), Some(workspace)) => {
                Tagged::Resource(ResourceId::in_workspace(kind, workspace, name.clone()))
            }
            (Some(kind), None) => Tagged::Resource(ResourceId::of_scraper(kind, name.clone())),
            (None, Some(workspace)) => Tagged::Workspace(workspace),
            (None, None) => return Err(subject.not_found()),
        };
        Ok((target, subject))
    }

    /// Tagging needs no token: doing it twice is doing it once.
    async fn change_tags(&self, call: &Call, subject: &Subject, what: ChangeKind) -> Outcome {
        let (account, operation) = (call.account.clone(), call.operation.name().to_owned());
        let at: TimestampMs = self.desk.clock().now();
        let change = Change { account, operation, token: None, at, what };
        match self.propose(subject, Command::Change(Box::new(change))).await? {
            Response::Done { .. } => Ok(call.reply(json!({}))),
            other => Err(unexpected(&other)),
        }
    }
}
