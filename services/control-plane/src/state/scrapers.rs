//! What only scrapers need: partial updates, and roles where the destination asks for them.

use narthex_amp::{ExporterConfiguration, RoleConfiguration};
use narthex_cluster::WorkspaceStatus;
use narthex_model::AccountId;

use super::{
    Body, Content, Expected, Refusal, ResourceId, ResourceKind, Scraper, State, Status, Target,
    apply::{Changes, Outcome},
    resources::{Asker, replace},
};

/// Members that change; `None` leaves one as it is.
pub(super) struct Patch {
    pub(super) alias: Option<String>,
    pub(super) configuration: Option<Body>,
    pub(super) destination: Option<Target>,
    pub(super) role_configuration: Option<RoleConfiguration>,
    pub(super) exporters: Option<Vec<ExporterConfiguration>>,
}

impl Patch {
    fn apply(self, account: &AccountId, scraper: &mut Scraper) {
        let own = |target: &Target| target.workspace.as_ref().is_some_and(|(owner, _)| owner == account);
        if self.role_configuration.is_none() && self.destination.as_ref().is_some_and(own) {
            // Naming a workspace of one's own goes back to the service's role (API-C-85).
            scraper.role_configuration = None;
        }
        scraper.role_configuration = self.role_configuration.or(scraper.role_configuration.take());
        scraper.alias = self.alias.or(scraper.alias.take());
        if let Some(configuration) = self.configuration {
            scraper.configuration = configuration;
        }
        if let Some(destination) = self.destination {
            scraper.destination = destination;
        }
        if let Some(exporters) = self.exporters {
            scraper.exporters = exporters;
        }
    }
}

pub(super) fn update(
    state: &mut State,
    asker: &Asker,
    scraper: String,
    patch: Patch,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    let id = ResourceId::of_scraper(ResourceKind::Scraper, scraper);
    let record = state.resources.get(&id).filter(|record| record.account == asker.account);
    let known = record.and_then(|record| record.newest()).map(|version| &version.content);
    let Some(Content::Scraper(known)) = known else { return Err(Refusal::UnknownResource) };
    let moves = patch.destination.is_some();
    let mut updated = known.clone();
    patch.apply(&asker.account, &mut updated);
    check(state, &asker.account, &updated, moves)?;
    replace(state, asker, id, Expected::Anything, |_| Ok(Content::Scraper(updated)), changes)
}

/// Whether a scraper may write where it wants to. A destination that does not change may be gone (WS-17).
pub(super) fn check(
    state: &State,
    account: &AccountId,
    scraper: &Scraper,
    moves: bool,
) -> Result<(), Refusal> {
    let Some((owner, workspace)) = &scraper.destination.workspace else { return Ok(()) };
    let record = state
        .workspaces
        .get(workspace)
        .filter(|record| record.account == *owner && record.status != WorkspaceStatus::Deleting);
    if moves && record.is_none() {
        return Err(Refusal::UnknownDestination);
    }
    if scraper.role_configuration.is_some() {
        return Ok(());
    }
    if owner != account {
        return Err(Refusal::RolesForOtherAccount);
    }
    if record.is_some_and(|record| record.kms_key_arn.is_some()) {
        // KMS-13.
        return Err(Refusal::RolesForCustomerKey);
    }
    Ok(())
}

/// Logging is of a scraper that is there to stay.
pub(super) fn check_parent(state: &State, account: &AccountId, scraper: &str) -> Result<(), Refusal> {
    let id = ResourceId::of_scraper(ResourceKind::Scraper, scraper);
    let record = state.resources.get(&id).filter(|record| record.account == *account);
    match record.ok_or(Refusal::UnknownParent)?.status {
        Status::Deleting => Err(Refusal::ResourceBusy),
        _ => Ok(()),
    }
}
