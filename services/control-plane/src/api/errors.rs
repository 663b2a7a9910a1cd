//! From what went wrong to the API's errors, with the ids and kinds that they name.
//!
//! An operation answers only with the errors that the model lists for it (section 7.2): typed clients know no others there. What
//! has no listed error of its own is a ValidationException.

use narthex_amp::{Invalid, Operation, Reason};
use narthex_edge::{AwsError, ValidationField, ValidationReason};
use narthex_model::AccountId;

use crate::{
    desk::Unavailable,
    quota::Quota,
    state::{ClientToken, Refusal, ResourceId, ResourceKind, Response},
};

pub(super) const WORKSPACE: &str = "WORKSPACE";

/// What a call is about, for its errors.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) account: AccountId,
    /// Id of the resource.
    pub(super) id: String,
    /// Its kind.
    pub(super) kind: &'static str,
    /// Workspace that it is in, or that it shall write to.
    pub(super) workspace: String,
}

impl Subject {
    pub(super) fn workspace(account: &AccountId, id: &str) -> Self {
        Self { account: account.clone(), id: id.to_owned(), kind: WORKSPACE, workspace: id.to_owned() }
    }

    pub(super) fn resource(account: &AccountId, id: &ResourceId) -> Self {
        let workspace = id.workspace.map(|workspace| workspace.to_string()).unwrap_or_default();
        let name = if id.name.is_empty() { &workspace } else { &id.name };
        Self { account: account.clone(), id: name.clone(), kind: kind_name(id.kind), workspace }
    }

    /// Something that gets its id only now: clients know it by their token.
    pub(super) fn new(account: &AccountId, kind: &'static str, token: &ClientToken) -> Self {
        Self { account: account.clone(), id: token.token.clone(), kind, workspace: String::new() }
    }

    pub(super) fn not_found(&self) -> AwsError {
        AwsError::not_found(format!("{} not found", plain(self.kind)), &self.id, self.kind)
    }

    fn conflict(&self, text: String) -> AwsError {
        AwsError::conflict(text, &self.id, self.kind)
    }

    pub(super) fn over(&self, quota: Quota, limit: u64) -> AwsError {
        let message = Refusal::QuotaExceeded { quota, limit }.to_string();
        let per_account = matches!(quota, Quota::Workspaces | Quota::Scrapers);
        let resource_id = if per_account { self.account.to_string() } else { self.workspace.clone() };
        let (resource_type, quota_code) = (self.kind.to_owned(), quota.code().to_owned());
        AwsError::ServiceQuotaExceeded { message, resource_id, resource_type, quota_code }
    }

    /// What the state machine refused.
    pub(super) fn refused(&self, refusal: &Refusal) -> AwsError {
        let text = refusal.to_string();
        match refusal {
            Refusal::UnknownWorkspace => AwsError::workspace_not_found(&self.workspace),
            Refusal::WorkspaceBusy => AwsError::conflict(text, &self.workspace, WORKSPACE),
            Refusal::UnknownDestination => AwsError::not_found(text, &self.workspace, WORKSPACE),
            Refusal::UnknownResource => self.not_found(),
            Refusal::UnknownParent => AwsError::not_found(text, &self.id, kind_name(ResourceKind::Scraper)),
            Refusal::Exists => self.conflict(format!("{} already exists", plain(self.kind))),
            Refusal::ResourceBusy | Refusal::StaleRevision | Refusal::TokenReused => self.conflict(text),
            Refusal::Quota { .. } => {
                let (resource_id, quota_code) =
                    (self.account.to_string(), Quota::Workspaces.code().to_owned());
                let resource_type = WORKSPACE.to_owned();
                AwsError::ServiceQuotaExceeded { message: text, resource_id, resource_type, quota_code }
            }
            Refusal::QuotaExceeded { quota, limit } => self.over(*quota, *limit),
            Refusal::TooManyTags { .. } => AwsError::field("tags", text),
            Refusal::RolesForOtherAccount | Refusal::RolesForCustomerKey => {
                AwsError::field("roleConfiguration", text)
            }
            Refusal::NotSetUp => AwsError::InternalServer(text),
            _ => AwsError::validation(ValidationReason::Other, text),
        }
    }
}

/// The word in `resourceType`.
pub(super) const fn kind_name(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Configuration => "WORKSPACE_CONFIGURATION",
        ResourceKind::RuleGroupsNamespace => "RULE_GROUPS_NAMESPACE",
        ResourceKind::AlertManagerDefinition => "ALERT_MANAGER_DEFINITION",
        ResourceKind::Logging => "LOGGING_CONFIGURATION",
        ResourceKind::QueryLogging => "QUERY_LOGGING_CONFIGURATION",
        ResourceKind::ResourcePolicy => "RESOURCE_POLICY",
        ResourceKind::AnomalyDetector => "ANOMALY_DETECTOR",
        ResourceKind::Scraper => "SCRAPER",
        ResourceKind::ScraperLogging => "SCRAPER_LOGGING_CONFIGURATION",
    }
}

/// `RULE_GROUPS_NAMESPACE` as a sentence begins.
fn plain(kind: &str) -> String {
    let words = kind.to_ascii_lowercase().replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// A request that breaks a constraint.
pub(super) fn invalid(error: Invalid) -> AwsError {
    let reason = match error.reason {
        Reason::UnknownOperation => ValidationReason::UnknownOperation,
        Reason::CannotParse => ValidationReason::CannotParse,
        Reason::FieldValidationFailed => ValidationReason::FieldValidationFailed,
        Reason::Other => ValidationReason::Other,
    };
    let field =
        |problem: narthex_amp::Problem| ValidationField { name: problem.name, message: problem.message };
    AwsError::Validation {
        message: error.message,
        reason,
        fields: error.fields.into_iter().map(field).collect(),
    }
}

/// The error, if the operation lists it; otherwise as one that it does.
pub(super) fn listed(operation: Operation, error: AwsError) -> AwsError {
    if operation.lists(error.name()) || !operation.lists("ValidationException") {
        return error;
    }
    match error {
        AwsError::ResourceNotFound { .. }
        | AwsError::Conflict { .. }
        | AwsError::ServiceQuotaExceeded { .. } => {
            AwsError::validation(ValidationReason::Other, error.to_string())
        }
        other => other,
    }
}

/// The API's own error for it, which clients retry.
pub(super) fn away(error: Unavailable) -> AwsError {
    tracing::warn!(%error, "a request of the API could not be carried out");
    let text = "No majority of the control plane's nodes follows a leader at the moment, try again";
    AwsError::NotNow(text.to_owned())
}

pub(super) fn unexpected(response: &Response) -> AwsError {
    tracing::error!(?response, "the state machine answered something else");
    AwsError::InternalServer("Internal error".to_owned())
}

/// Stored state that is not what its key says, or cannot be read.
pub(super) fn damaged(what: impl std::fmt::Display) -> AwsError {
    tracing::error!(%what, "a stored resource cannot be shown");
    AwsError::InternalServer("Internal error".to_owned())
}
