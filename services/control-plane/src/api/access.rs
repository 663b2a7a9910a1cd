//! What a caller must be allowed to do for a request: a pure function from the request and the state to the list of checks
//! (security.md 13.3).
//!
//! Every operation needs its own action on each resource that it is about, whether that exists or not; a resource that does not exist
//! has no tags. Tags at creation need `aps:TagResource` too, and roles for a scraper `iam:PassRole`.

use narthex_amp::{Arn, Destination, Request, Resource, Source, Tags};
use narthex_edge::{Authenticated, AwsError};
use narthex_model::{AccountId, WorkspaceId};
use narthex_policy::{RequestTags, Value};

use crate::state::{ResourceId, ResourceKind, State};

/// Who a role for a scraper is passed to.
const SERVICE: &str = "aps.amazonaws.com";

/// One thing that must be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// Such as `aps:DeleteWorkspace`.
    pub(super) action: &'static str,
    pub(super) target: Target,
    /// Tags that the request is about.
    pub(super) tags: TagsGiven,
}

/// What an action is done on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// ARN, or `*`.
    pub(super) arn: String,
    /// Account that owns it.
    pub(super) account: String,
    /// Tags that it has.
    pub(super) tags: Tags,
}

/// Tags in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TagsGiven {
    None,
    Set(Tags),
    Remove(Vec<String>),
}

impl Check {
    /// Whether the caller may.
    pub(super) fn ask(&self, who: &Authenticated) -> Result<(), AwsError> {
        let has: narthex_policy::Tags = owned(&self.target.tags);
        let set: narthex_policy::Tags;
        let removed: Vec<&str>;
        let request_tags = match &self.tags {
            TagsGiven::None => RequestTags::None,
            TagsGiven::Set(tags) => {
                set = owned(tags);
                RequestTags::Set(&set)
            }
            TagsGiven::Remove(keys) => {
                removed = keys.iter().map(String::as_str).collect();
                RequestTags::Remove(&removed)
            }
        };
        let passed = [("iam:PassedToService", Value::Text(SERVICE))];
        who.authorize(&narthex_edge::Check {
            tags: Some(&has),
            request_tags,
            more: if self.action == PASS_ROLE { &passed[..] } else { &[] },
            ..narthex_edge::Check::new(self.action, &self.target.arn, &self.target.account)
        })
    }
}

fn owned(tags: &Tags) -> narthex_policy::Tags {
    tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

const PASS_ROLE: &str = "iam:PassRole";

/// Who asks, and where.
pub(super) struct Place<'a> {
    pub(super) region: &'a str,
    pub(super) account: &'a AccountId,
    pub(super) state: &'a State,
}

/// Everything that a request needs to be allowed.
pub(super) fn checks(request: &Request, place: &Place<'_>) -> Vec<Check> {
    let action = request.operation().action();
    let created = created_tags(request);
    let tags = match request {
        Request::TagResource(it) => TagsGiven::Set(it.tags.clone()),
        Request::UntagResource(it) => TagsGiven::Remove(it.tag_keys.clone()),
        _ if created.is_empty() => TagsGiven::None,
        _ => TagsGiven::Set(created.clone()),
    };
    let check = |target| Check { action, target, tags: tags.clone() };
    let mut checks: Vec<_> = targets(request, place).into_iter().map(check).collect();
    if !created.is_empty() {
        let target = place.plain(place.future(request));
        checks.push(Check { action: "aps:TagResource", target, tags: tags.clone() });
    }
    for role in roles(request).into_iter().flatten().filter(|role| place.owns(role)) {
        checks.push(Check { action: PASS_ROLE, target: place.plain(role.clone()), tags: TagsGiven::None });
    }
    checks
}

/// Tags that something new shall have.
pub(super) fn created_tags(request: &Request) -> Tags {
    match request {
        Request::CreateWorkspace(it) => it.tags.clone(),
        Request::CreateRuleGroupsNamespace(it) => it.tags.clone(),
        Request::CreateScraper(it) => it.tags.clone(),
        Request::CreateAnomalyDetector(it) => it.tags.clone(),
        _ => Tags::new(),
    }
}

/// Roles that a scraper shall assume.
fn roles(request: &Request) -> [Option<&String>; 2] {
    let roles = match request {
        Request::CreateScraper(it) => it.role_configuration.as_ref(),
        Request::UpdateScraper(it) => it.role_configuration.as_ref(),
        _ => None,
    };
    roles.map_or([None, None], |roles| [roles.source_role_arn.as_ref(), roles.target_role_arn.as_ref()])
}

/// What the operation's own action is checked against.
fn targets(request: &Request, place: &Place<'_>) -> Vec<Target> {
    let everything = || vec![place.plain("*".to_owned())];
    let workspace = |id: &str| vec![place.workspace(id)];
    let namespace = |id: &str, name: &str| {
        vec![
            place.resource(Resource::RuleGroupsNamespace { workspace: id.to_owned(), name: name.to_owned() }),
        ]
    };
    let scraper = |id: &str| vec![place.resource(Resource::Scraper { scraper: id.to_owned() })];
    let detector = |id: &str, name: &str| {
        let (id, name) = (id.to_owned(), name.to_owned());
        vec![
            place.resource(Resource::AnomalyDetector { workspace: id.clone(), detector: name }),
            place.workspace(&id),
        ]
    };
    match request {
        Request::CreateWorkspace(_)
        | Request::ListWorkspaces(_)
        | Request::ListScrapers(_)
        | Request::GetDefaultScraperConfiguration(_) => everything(),
        Request::DescribeWorkspace(it) => workspace(&it.workspace_id),
        Request::DeleteWorkspace(it) => workspace(&it.workspace_id),
        Request::UpdateWorkspaceAlias(it) => workspace(&it.workspace_id),
        Request::DescribeWorkspaceConfiguration(it) => workspace(&it.workspace_id),
        Request::UpdateWorkspaceConfiguration(it) => workspace(&it.workspace_id),
        Request::CreateAlertManagerDefinition(it) => workspace(&it.workspace_id),
        Request::PutAlertManagerDefinition(it) => workspace(&it.workspace_id),
        Request::DescribeAlertManagerDefinition(it) => workspace(&it.workspace_id),
        Request::DeleteAlertManagerDefinition(it) => workspace(&it.workspace_id),
        Request::CreateLoggingConfiguration(it) => workspace(&it.workspace_id),
        Request::UpdateLoggingConfiguration(it) => workspace(&it.workspace_id),
        Request::DescribeLoggingConfiguration(it) => workspace(&it.workspace_id),
        Request::DeleteLoggingConfiguration(it) => workspace(&it.workspace_id),
        Request::CreateQueryLoggingConfiguration(it) => workspace(&it.workspace_id),
        Request::UpdateQueryLoggingConfiguration(it) => workspace(&it.workspace_id),
        Request::DescribeQueryLoggingConfiguration(it) => workspace(&it.workspace_id),
        Request::DeleteQueryLoggingConfiguration(it) => workspace(&it.workspace_id),
        Request::PutResourcePolicy(it) => workspace(&it.workspace_id),
        Request::DescribeResourcePolicy(it) => workspace(&it.workspace_id),
        Request::DeleteResourcePolicy(it) => workspace(&it.workspace_id),
        Request::CreateAnomalyDetector(it) => workspace(&it.workspace_id),
        Request::ListAnomalyDetectors(it) => workspace(&it.workspace_id),
        Request::ListRuleGroupsNamespaces(it) => workspace(&it.workspace_id),
        Request::CreateRuleGroupsNamespace(it) => namespace(&it.workspace_id, &it.name),
        Request::PutRuleGroupsNamespace(it) => namespace(&it.workspace_id, &it.name),
        Request::DescribeRuleGroupsNamespace(it) => namespace(&it.workspace_id, &it.name),
        Request::DeleteRuleGroupsNamespace(it) => namespace(&it.workspace_id, &it.name),
        Request::DescribeAnomalyDetector(it) => detector(&it.workspace_id, &it.anomaly_detector_id),
        Request::PutAnomalyDetector(it) => detector(&it.workspace_id, &it.anomaly_detector_id),
        Request::DeleteAnomalyDetector(it) => detector(&it.workspace_id, &it.anomaly_detector_id),
        Request::CreateScraper(it) => {
            let cluster = match &it.source {
                Source::EksConfiguration(eks) => Some(place.plain(eks.cluster_arn.clone())),
                Source::VpcConfiguration(_) => None,
            };
            let found: Vec<_> = cluster.into_iter().chain(place.destination(&it.destination)).collect();
            if found.is_empty() { everything() } else { found }
        }
        Request::UpdateScraper(it) => {
            let moved = it.destination.as_ref().and_then(|destination| place.destination(destination));
            scraper(&it.scraper_id).into_iter().chain(moved).collect()
        }
        Request::DescribeScraper(it) => scraper(&it.scraper_id),
        Request::DeleteScraper(it) => scraper(&it.scraper_id),
        Request::DescribeScraperLoggingConfiguration(it) => scraper(&it.scraper_id),
        Request::UpdateScraperLoggingConfiguration(it) => scraper(&it.scraper_id),
        Request::DeleteScraperLoggingConfiguration(it) => scraper(&it.scraper_id),
        Request::TagResource(it) => vec![place.named(&it.resource_arn)],
        Request::UntagResource(it) => vec![place.named(&it.resource_arn)],
        Request::ListTagsForResource(it) => vec![place.named(&it.resource_arn)],
    }
}

impl Place<'_> {
    /// Something of the caller's account of which no tags are known.
    fn plain(&self, arn: String) -> Target {
        Target { arn, account: self.account.to_string(), tags: Tags::new() }
    }

    fn workspace(&self, id: &str) -> Target {
        self.resource(Resource::Workspace { workspace: id.to_owned() })
    }

    /// A resource of the caller's account.
    fn resource(&self, resource: Resource) -> Target {
        self.named(&resource.arn(self.region, self.account))
    }

    /// A resource of whichever account.
    fn named(&self, arn: &Arn) -> Target {
        let tags = if arn.region == self.region { self.tags(arn) } else { None };
        Target { arn: arn.to_string(), account: arn.account.to_string(), tags: tags.unwrap_or_default() }
    }

    fn tags(&self, arn: &Arn) -> Option<Tags> {
        let workspace = || arn.resource.workspace()?.parse::<WorkspaceId>().ok();
        let id = match &arn.resource {
            Resource::Workspace { .. } => {
                let record = self.state.workspaces.get(&workspace()?)?;
                return (record.account == arn.account).then(|| record.tags.clone());
            }
            Resource::RuleGroupsNamespace { name, .. } => {
                ResourceId::in_workspace(ResourceKind::RuleGroupsNamespace, workspace()?, name)
            }
            Resource::AnomalyDetector { detector, .. } => {
                ResourceId::in_workspace(ResourceKind::AnomalyDetector, workspace()?, detector)
            }
            Resource::Scraper { scraper } => ResourceId::of_scraper(ResourceKind::Scraper, scraper),
        };
        let record = self.state.resources.get(&id)?;
        (record.account == arn.account).then(|| record.tags.clone())
    }

    /// The workspace that a scraper writes to. One of another account is that account's to open, by the role that it lends.
    fn destination(&self, destination: &Destination) -> Option<Target> {
        let Destination::AmpConfiguration(amp) = destination else { return None };
        match amp.workspace_arn.parse::<Arn>() {
            Ok(arn) if arn.account == *self.account => Some(self.named(&arn)),
            _ => None,
        }
    }

    /// What new tags will be on: its id is not known yet, so any of its kind, as in policies for creation.
    fn future(&self, request: &Request) -> String {
        let resource = match request {
            Request::CreateRuleGroupsNamespace(it) => {
                Resource::RuleGroupsNamespace { workspace: it.workspace_id.clone(), name: it.name.clone() }
            }
            Request::CreateAnomalyDetector(it) => {
                Resource::AnomalyDetector { workspace: it.workspace_id.clone(), detector: "*".to_owned() }
            }
            Request::CreateScraper(_) => Resource::Scraper { scraper: "*".to_owned() },
            _ => Resource::Workspace { workspace: "*".to_owned() },
        };
        resource.arn(self.region, self.account).to_string()
    }

    fn owns(&self, role: &str) -> bool {
        role.split(':').nth(4) == Some(self.account.as_str())
    }
}

#[cfg(test)]
mod tests;
