//! Events for watchers, computed from the state whenever it has moved on.
//!
//! A watcher that knows a revision which the node still has the changes after gets just those, merged; any other gets
//! everything (reset). A node that is behind the watcher stays silent until it has caught up, so that nobody goes back.
//! Hints of newer manifests pass by the state: whoever watches at the moment hears them, and nothing keeps them.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::{StreamExt, stream};
use narthex_cluster::WatchStream;
use narthex_rpc::v1::{ManifestHint, Topic, WatchEvent, WatchRequest};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::{
    metrics::{Metrics, WatcherGuard},
    proto::{
        credential_state, instance_state, principal_state, resource_key, resource_state, ring_state,
        session_key, workspace_state,
    },
    raft::{Machine, View},
    state::Key,
};

/// Which parts of the state a watcher wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Topics {
    ring: bool,
    instances: bool,
    workspaces: bool,
    credentials: bool,
    resources: bool,
}

impl Topics {
    pub(crate) fn of(request: &WatchRequest) -> Self {
        let wants = |topic| request.topics.is_empty() || request.topics().any(|wanted| wanted == topic);
        Self {
            ring: wants(Topic::Ring),
            instances: wants(Topic::Instances),
            workspaces: wants(Topic::Workspaces),
            credentials: wants(Topic::Credentials),
            resources: request.topics().any(|wanted| wanted == Topic::Resources),
        }
    }
}

struct Watcher {
    machine: Machine,
    hints: broadcast::Receiver<Vec<ManifestHint>>,
    revisions: tokio::sync::watch::Receiver<u64>,
    topics: Topics,
    sent: u64,
    first: bool,
    _guard: WatcherGuard,
}

/// Events from now on, until `shutdown`.
pub(crate) fn watch(
    machine: Machine,
    hints: broadcast::Receiver<Vec<ManifestHint>>,
    request: &WatchRequest,
    metrics: &Metrics,
    shutdown: CancellationToken,
) -> WatchStream {
    let watcher = Watcher {
        revisions: machine.revisions(),
        machine,
        hints,
        topics: Topics::of(request),
        sent: request.from_revision,
        first: true,
        _guard: metrics.watcher(),
    };
    let events = stream::unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((Ok(event), watcher))
    });
    Box::pin(events.take_until(shutdown.cancelled_owned()))
}

impl Watcher {
    async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            let event = {
                self.revisions.borrow_and_update();
                event_after(&self.machine.view(), self.sent, self.topics, self.first)
            };
            if let Some(event) = event {
                self.sent = event.revision;
                self.first = false;
                return Some(event);
            }
            tokio::select! {
                changed = self.revisions.changed() => changed.ok()?,
                hints = self.hints.recv(), if !self.first => match hints {
                    Ok(hints) => return Some(WatchEvent { revision: self.sent, hints, ..WatchEvent::default() }),
                    // Who was too slow for some hints does without them.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
            }
        }
    }
}

/// What a watcher that knows the state up to `sent` has to hear, if anything. The first event is sent even when it is
/// empty, so that the watcher knows that it is connected and current.
pub(crate) fn event_after(view: &View, sent: u64, topics: Topics, first: bool) -> Option<WatchEvent> {
    let revision = view.state.revision;
    if revision == 0 || revision < sent || (revision == sent && !first) {
        return None;
    }
    match view.changed_since(sent).filter(|_| sent > 0) {
        Some(keys) => Some(delta(view, keys.collect(), topics)),
        None => Some(everything(view, topics)),
    }
}

fn everything(view: &View, topics: Topics) -> WatchEvent {
    let state = &view.state;
    let mut event = WatchEvent { revision: state.revision, reset: true, ..WatchEvent::default() };
    if topics.ring {
        event.ring = Some(ring_state(state));
    }
    if topics.instances {
        event.instances = state.instances.iter().map(|(id, record)| instance_state(id, record)).collect();
    }
    if topics.workspaces {
        event.workspaces =
            state.workspaces.iter().map(|(id, record)| workspace_state(state, *id, record)).collect();
    }
    if topics.credentials {
        event.credentials =
            state.credentials.iter().filter_map(|(id, record)| credential_state(id, record)).collect();
        event.principals =
            state.identities.principals().map(|(arn, principal)| principal_state(arn, principal)).collect();
        event.session_keys = state.session_keys.iter().filter_map(session_key).collect();
    }
    if topics.resources {
        event.resources = state.resources.iter().map(|(id, record)| resource_state(id, record)).collect();
    }
    event
}

fn delta(view: &View, changed: BTreeSet<&Key>, topics: Topics) -> WatchEvent {
    let state = &view.state;
    let mut event = WatchEvent { revision: state.revision, ..WatchEvent::default() };
    for key in changed {
        match key {
            Key::Ring if topics.ring => event.ring = Some(ring_state(state)),
            Key::Instance(id) if topics.instances => match state.instances.get(id) {
                Some(record) => event.instances.push(instance_state(id, record)),
                None => event.removed_instances.push(id.to_string()),
            },
            Key::Workspace(id) if topics.workspaces => match state.workspaces.get(id) {
                Some(record) => event.workspaces.push(workspace_state(state, *id, record)),
                None => event.removed_workspaces.push(Bytes::copy_from_slice(&id.to_bytes())),
            },
            Key::Credential(id) if topics.credentials => {
                match state.credentials.get(id).and_then(|record| credential_state(id, record)) {
                    Some(credential) => event.credentials.push(credential),
                    None => event.removed_credentials.push(id.clone()),
                }
            }
            Key::Principal(arn) if topics.credentials => match state.identities.principal(arn) {
                Some(principal) => event.principals.push(principal_state(arn.clone(), principal)),
                None => event.removed_principals.push(arn.clone()),
            },
            Key::SessionKeys if topics.credentials => {
                event.session_keys = state.session_keys.iter().filter_map(session_key).collect();
            }
            Key::Resource(id) if topics.resources => match state.resources.get(id) {
                Some(record) => event.resources.push(resource_state(id, record)),
                None => event.removed_resources.push(resource_key(id)),
            },
            _ => {}
        }
    }
    event
}
