//! Life of a resource: created, changed, deleted, and brought to where it was asked to be.
//!
//! A change is refused while the last one is under way (API-C-15). The version in force stays until the leader has
//! finished a change, and for good if it fails (API-C-81). [`State::transitions`] names exactly the records that wait for
//! that.

use std::{collections::BTreeMap, sync::Arc};

use narthex_model::{AccountId, TimestampMs, WorkspaceId};

use super::{
    Change, ChangeKind, Changed, Configuration, Content, Expected, Finish, Key, Limit, Refusal, ResourceId,
    ResourceKind, ResourceRecord, Response, State, Status, Version,
    apply::{Changes, Outcome},
    quotas, scrapers, tagging,
    tokens::{Scoped, once},
    workspaces::usable,
};

/// Who asks, and when.
pub(super) struct Asker {
    pub(super) account: AccountId,
    pub(super) at: TimestampMs,
}

impl Asker {
    /// Something new.
    fn record(&self, pending: Version) -> ResourceRecord {
        ResourceRecord {
            account: self.account.clone(),
            status: Status::Creating,
            status_reason: None,
            created_at: self.at,
            modified_at: self.at,
            changed_at: self.at,
            revision: pending.revision,
            tags: BTreeMap::new(),
            in_force: None,
            pending: Some(pending),
        }
    }
}

pub(super) fn change(state: &mut State, change: Change, changes: &mut Changes) -> Result<Outcome, Refusal> {
    let Change { account, operation, token, at, what } = change;
    if state.setup.is_none() {
        return Err(Refusal::NotSetUp);
    }
    let token = Scoped::new(&operation, &account, token, at);
    let asker = Asker { account, at };
    once(state, token, changes, |state, changes| match what {
        ChangeKind::Create { id, content, tags, limits } => {
            create(state, &asker, id, New { content, tags, limits }, changes)
        }
        ChangeKind::Put { id, content, or_create, expected, limits } => {
            let exists = state.resources.contains_key(&id);
            match (exists, expected) {
                (true, _) => {
                    quotas::check(state, &asker.account, &id, &content, &limits)?;
                    let content = keep_alias(state, &id, content);
                    replace(state, &asker, id, expected, |_| Ok(content), changes)
                }
                (false, Expected::Revision(_)) => Err(Refusal::StaleRevision),
                (false, _) if or_create => {
                    create(state, &asker, id, New { content, tags: BTreeMap::new(), limits }, changes)
                }
                (false, _) => Err(Refusal::UnknownResource),
            }
        }
        ChangeKind::Delete { id, expected } => delete(state, &asker, id, expected, changes),
        ChangeKind::Configure { workspace, settings } => {
            configure(state, &asker, workspace, settings, changes)
        }
        ChangeKind::UpdateScraper {
            scraper,
            alias,
            configuration,
            destination,
            role_configuration,
            exporters,
        } => {
            let patch = scrapers::Patch { alias, configuration, destination, role_configuration, exporters };
            scrapers::update(state, &asker, scraper, patch, changes)
        }
        ChangeKind::Tag { target, tags, limit } => tagging::tag(state, &asker, target, tags, limit, changes),
        ChangeKind::Untag { target, keys } => tagging::untag(state, &asker, target, &keys, changes),
    })
}

/// Parts of something new.
struct New {
    content: Content,
    tags: BTreeMap<String, String>,
    limits: Vec<Limit>,
}

fn create(
    state: &mut State,
    asker: &Asker,
    id: ResourceId,
    new: New,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    let New { content, tags, limits } = new;
    check_place(state, asker, &id, &content)?;
    if let Some(record) = state.resources.get(&id) {
        return Err(if record.status == Status::Deleting { Refusal::ResourceBusy } else { Refusal::Exists });
    }
    quotas::check(state, &asker.account, &id, &content, &limits)?;
    let record = ResourceRecord { tags, ..asker.record(Version::new(content, changes.revision)) };
    Ok(store(state, id, record, changes))
}

/// Whether such a thing can be there.
fn check_place(state: &mut State, asker: &Asker, id: &ResourceId, content: &Content) -> Result<(), Refusal> {
    if content.kind() != id.kind || id.workspace.is_some() != id.kind.in_workspace() {
        return Err(Refusal::WrongContent);
    }
    if let Some(workspace) = id.workspace {
        usable(state, workspace, &asker.account)?;
    }
    match content {
        Content::Scraper(scraper) => scrapers::check(state, &asker.account, scraper, true),
        Content::ScraperLogging(_) => scrapers::check_parent(state, &asker.account, &id.name),
        _ => Ok(()),
    }
}

/// A new content for a record that exists and is at rest.
pub(super) fn replace(
    state: &mut State,
    asker: &Asker,
    id: ResourceId,
    expected: Expected,
    content: impl FnOnce(&ResourceRecord) -> Result<Content, Refusal>,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    if let Some(workspace) = id.workspace {
        usable(state, workspace, &asker.account)?;
    }
    let mut record = at_rest(state, asker, &id, expected)?.clone();
    let content = content(&record)?;
    if content.kind() != id.kind {
        return Err(Refusal::WrongContent);
    }
    record.status = Status::Updating;
    record.status_reason = None;
    record.modified_at = asker.at;
    record.changed_at = asker.at;
    record.pending = Some(Version::new(content, changes.revision));
    Ok(store(state, id, record, changes))
}

/// The record, if it is the asker's, is what was expected, and nothing is under way.
fn at_rest<'a>(
    state: &'a State,
    asker: &Asker,
    id: &ResourceId,
    expected: Expected,
) -> Result<&'a ResourceRecord, Refusal> {
    let record = state.resources.get(id).filter(|record| record.account == asker.account);
    let record = record.ok_or(Refusal::UnknownResource)?;
    let fits = match expected {
        Expected::Anything => true,
        Expected::Nothing => false,
        Expected::Revision(revision) => record.newest().is_some_and(|newest| newest.revision == revision),
    };
    if !fits {
        Err(Refusal::StaleRevision)
    } else if record.status.in_transition() {
        Err(Refusal::ResourceBusy)
    } else {
        Ok(&**record)
    }
}

/// An update of a detector has no member for its alias, so it keeps the one it has.
fn keep_alias(state: &State, id: &ResourceId, mut content: Content) -> Content {
    let known = state.resources.get(id).and_then(|record| record.newest());
    if let (Content::AnomalyDetector(new), Some(Content::AnomalyDetector(old))) =
        (&mut content, known.map(|version| &version.content))
    {
        new.alias.clone_from(&old.alias);
    }
    content
}

fn delete(
    state: &mut State,
    asker: &Asker,
    id: ResourceId,
    expected: Expected,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    if let Some(workspace) = id.workspace {
        usable(state, workspace, &asker.account)?;
    }
    if id.kind == ResourceKind::AnomalyDetector
        && let Some(record) = state.resources.get(&id)
        && record.status == Status::Deleting
    {
        // Deleting a detector again is harmless (API-C-66).
        return Ok(Outcome::Answer(Response::Changed(told(&id, record))));
    }
    let mut record = at_rest(state, asker, &id, expected)?.clone();
    record.status = Status::Deleting;
    record.status_reason = None;
    record.changed_at = asker.at;
    Ok(store(state, id, record, changes))
}

/// Settings of a workspace are there from the start; the first change makes the record.
fn configure(
    state: &mut State,
    asker: &Asker,
    workspace: WorkspaceId,
    settings: Configuration,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    let id = ResourceId::in_workspace(ResourceKind::Configuration, workspace, "");
    if state.resources.contains_key(&id) {
        let merged = |record: &ResourceRecord| match record.newest().map(|version| &version.content) {
            Some(Content::Configuration(known)) => Ok(Content::Configuration(known.clone().with(settings))),
            _ => Err(Refusal::WrongContent),
        };
        return replace(state, asker, id, Expected::Anything, merged, changes);
    }
    usable(state, workspace, &asker.account)?;
    let version = |settings, revision| Version::new(Content::Configuration(settings), revision);
    let record = ResourceRecord {
        status: Status::Updating,
        in_force: Some(version(Configuration::default(), changes.revision - 1)),
        ..asker.record(version(settings, changes.revision))
    };
    Ok(store(state, id, record, changes))
}

fn told(id: &ResourceId, record: &ResourceRecord) -> Changed {
    let (revision, status) = (record.revision, record.status);
    Changed { name: id.name.clone(), revision, status, tags: record.tags.clone() }
}

/// Puts a record in its place, with everything that follows from it.
pub(super) fn store(
    state: &mut State,
    id: ResourceId,
    mut record: ResourceRecord,
    changes: &mut Changes,
) -> Outcome {
    record.revision = changes.revision;
    let changed = told(&id, &record);
    if record.status.in_transition() {
        state.transitions.insert(id.clone());
    } else {
        state.transitions.remove(&id);
    }
    changes.note(Key::Resource(id.clone()));
    state.resources.insert(id, Arc::new(record));
    Outcome::Answer(Response::Changed(changed))
}

/// Completes what is under way, where it is still what was decided on.
pub(super) fn finish(state: &mut State, steps: Vec<Finish>, changes: &mut Changes) {
    for Finish { id, revision, failure } in steps {
        let Some(record) = state.resources.get(&id) else { continue };
        if record.revision != revision || !record.status.in_transition() {
            continue;
        }
        if record.status == Status::Deleting && failure.is_none() {
            remove(state, &id, changes);
            continue;
        }
        let mut record = (**record).clone();
        settle(&mut record, failure);
        take_effect(state, &id, &record, changes);
        store(state, id, record, changes);
    }
}

/// The end of a transition.
fn settle(record: &mut ResourceRecord, failure: Option<String>) {
    match (record.status, &failure) {
        (Status::Deleting, _) => record.status = Status::DeletionFailed,
        (_, None) => {
            record.status = Status::Active;
            record.in_force = record.pending.take().or(record.in_force.take());
        }
        // What never was in force is still shown.
        (_, Some(_)) if record.in_force.is_none() => record.status = Status::CreationFailed,
        (_, Some(_)) => {
            record.status = Status::UpdateFailed;
            record.pending = None;
        }
    }
    record.status_reason = failure;
}

/// What watchers of workspaces are told of a resource that comes into force or goes.
fn take_effect(state: &mut State, id: &ResourceId, record: &ResourceRecord, changes: &mut Changes) {
    let Some(workspace_id) = id.workspace else { return };
    let Some(workspace) = state.workspaces.get_mut(&workspace_id) else { return };
    match record.in_force.as_ref().map(|version| &version.content) {
        Some(Content::Configuration(settings)) => {
            if let Some(seconds) = settings.out_of_order_time_window_in_seconds {
                workspace.out_of_order_window_ms = i64::from(seconds) * 1000;
            }
        }
        Some(Content::Policy(_)) => {}
        _ => return,
    }
    changes.note(Key::Workspace(workspace_id));
}

fn remove(state: &mut State, id: &ResourceId, changes: &mut Changes) {
    let gone = state.resources.remove(id);
    state.transitions.remove(id);
    changes.note(Key::Resource(id.clone()));
    if let (Some(_), ResourceKind::ResourcePolicy, Some(workspace)) = (gone, id.kind, id.workspace) {
        changes.note(Key::Workspace(workspace));
    }
    if id.kind == ResourceKind::Scraper {
        let logging = ResourceId::of_scraper(ResourceKind::ScraperLogging, &id.name);
        if state.resources.contains_key(&logging) {
            remove(state, &logging, changes);
        }
    }
}

/// A workspace takes everything in it along (API-C-30).
pub(super) fn remove_all_of(state: &mut State, workspace: WorkspaceId, changes: &mut Changes) {
    let inside: Vec<_> = ResourceKind::ALL
        .into_iter()
        .flat_map(|kind| state.resources_in(kind, workspace).map(|(id, _)| id.clone()))
        .collect();
    for id in inside {
        remove(state, &id, changes);
    }
}
