//! The state machine as openraft drives it, and as everyone else reads it.
//!
//! [`Machine`] holds the applied state behind one lock together with the list of recent changes that watchers resume
//! from. Only [`MachineStore`] writes it.

use std::{collections::VecDeque, io::Cursor, sync::Arc};

use openraft::{
    Entry, EntryPayload, LogId, OptionalSend, RaftSnapshotBuilder, Snapshot, SnapshotMeta, StorageError,
    StorageIOError, StoredMembership, storage::RaftStateMachine,
};
use parking_lot::{RwLock, RwLockReadGuard};
use tokio::sync::watch;

use super::{NodeId, Store, StoreError, Types, store::json};
use crate::{
    metrics::Metrics,
    state::{self, Applied, Key, Response, State, apply},
};

const SNAPSHOT_META: &str = "snapshot_meta";
const SNAPSHOT_DATA: &str = "snapshot_data";

/// Changes that are remembered for watchers that reconnect.
const MAX_CHANGES: usize = 4_096;

type Failure = StorageError<NodeId>;
type Node = openraft::BasicNode;

/// The applied state, shared by all readers of a node.
#[derive(Debug, Clone)]
pub(crate) struct Machine(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    view: RwLock<View>,
    revision: watch::Sender<u64>,
}

/// What a reader sees.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// The state.
    pub(crate) state: State,
    /// Keys by the revision that changed them, ascending and complete after `changes_from`.
    changes: VecDeque<(u64, Vec<Key>)>,
    changes_from: u64,
    applied: Option<LogId<NodeId>>,
    membership: StoredMembership<NodeId, Node>,
}

impl View {
    /// What changed after a revision, or `None` if that is not remembered.
    pub(crate) fn changed_since(&self, revision: u64) -> Option<impl Iterator<Item = &Key>> {
        let known = revision >= self.changes_from;
        known.then(|| {
            let first = self.changes.partition_point(|(at, _)| *at <= revision);
            self.changes.range(first..).flat_map(|(_, keys)| keys)
        })
    }

    fn record(&mut self, applied: Applied) -> Response {
        if applied.changed.contains(&Key::Everything) {
            self.changes.clear();
            self.changes_from = self.state.revision;
        } else if !applied.changed.is_empty() {
            if self.changes.len() == MAX_CHANGES
                && let Some((dropped, _)) = self.changes.pop_front()
            {
                self.changes_from = dropped;
            }
            self.changes.push_back((self.state.revision, applied.changed));
        }
        applied.response
    }

    fn replace(&mut self, state: State, meta: &SnapshotMeta<NodeId, Node>) {
        self.changes.clear();
        self.changes_from = state.revision;
        self.state = state;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
    }
}

impl Machine {
    /// Reads the state. Do not hold the guard over an await.
    pub(crate) fn view(&self) -> RwLockReadGuard<'_, View> {
        self.0.view.read()
    }

    /// The applied revision.
    pub(crate) fn revision(&self) -> u64 {
        *self.0.revision.borrow()
    }

    /// Revisions as they are applied.
    pub(crate) fn revisions(&self) -> watch::Receiver<u64> {
        self.0.revision.subscribe()
    }

    fn publish(&self, revision: u64) {
        self.0.revision.send_if_modified(|current| std::mem::replace(current, revision) != revision);
    }
}

/// openraft's side of the machine.
#[derive(Debug, Clone)]
pub(crate) struct MachineStore {
    machine: Machine,
    store: Store,
    metrics: Metrics,
}

impl MachineStore {
    /// Loads the last snapshot; openraft then replays the log behind it.
    pub(crate) fn open(store: Store, metrics: Metrics) -> Result<Self, OpenError> {
        let machine = Machine(Arc::new(Shared { view: RwLock::default(), revision: watch::channel(0).0 }));
        if let Some((meta, data)) = read_snapshot(&store)? {
            let state = state::decode(&data)?;
            let revision = state.revision;
            machine.0.view.write().replace(state, &meta);
            machine.publish(revision);
        }
        Ok(Self { machine, store, metrics })
    }

    /// The readers' side.
    pub(crate) fn machine(&self) -> Machine {
        self.machine.clone()
    }

    fn apply_one(&self, entry: Entry<Types>) -> Response {
        let mut view = self.machine.0.view.write();
        view.applied = Some(entry.log_id);
        match entry.payload {
            EntryPayload::Blank => Response::Nothing,
            EntryPayload::Membership(membership) => {
                view.membership = StoredMembership::new(Some(entry.log_id), membership);
                Response::Nothing
            }
            EntryPayload::Normal(command) => {
                let name = command.name();
                let applied = apply(&mut view.state, command);
                self.metrics.applied(name, &applied.response);
                view.record(applied)
            }
        }
    }
}

/// Why the stored state cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state in it.
    #[error(transparent)]
    State(#[from] state::StateError),
}

type StoredSnapshot = (SnapshotMeta<NodeId, Node>, Vec<u8>);

fn read_snapshot(store: &Store) -> Result<Option<StoredSnapshot>, StoreError> {
    let meta = store.get(SNAPSHOT_META)?;
    let data = store.get_raw(SNAPSHOT_DATA)?;
    Ok(meta.zip(data))
}

async fn write_snapshot(
    store: &Store,
    meta: &SnapshotMeta<NodeId, Node>,
    data: &[u8],
) -> Result<(), Failure> {
    let written = store.put(vec![(SNAPSHOT_META, json(meta)), (SNAPSHOT_DATA, data.to_vec())]).await;
    written.map_err(|error| StorageIOError::write_snapshot(Some(meta.signature()), &error).into())
}

impl RaftSnapshotBuilder<Types> for MachineStore {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, Failure> {
        // A copy shares the records, so that nothing waits for the encoding of large states.
        let (meta, state) = {
            let view = self.machine.view();
            let last =
                view.applied.map_or_else(|| "0-0".to_owned(), |id| format!("{}-{}", id.leader_id, id.index));
            let meta = SnapshotMeta {
                last_log_id: view.applied,
                last_membership: view.membership.clone(),
                snapshot_id: format!("{last}-{}", view.state.revision),
            };
            (meta, view.state.clone())
        };
        let encoded = tokio::task::spawn_blocking(move || state::encode(&state)).await;
        let data = encoded.map_err(|error| StorageIOError::write_snapshot(None, &error))?;
        write_snapshot(&self.store, &meta, &data).await?;
        self.metrics.snapshot(data.len());
        tracing::info!(snapshot = %meta.snapshot_id, bytes = data.len(), "wrote a snapshot of the state");
        Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(data)) })
    }
}

impl RaftStateMachine<Types> for MachineStore {
    type SnapshotBuilder = Self;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<NodeId>>, StoredMembership<NodeId, Node>), Failure> {
        let view = self.machine.view();
        Ok((view.applied, view.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Response>, Failure>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let responses = entries.into_iter().map(|entry| self.apply_one(entry)).collect();
        let revision = self.machine.view().state.revision;
        self.machine.publish(revision);
        Ok(responses)
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, Failure> {
        Ok(Box::new(Cursor::new(Vec::new())))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<NodeId, Node>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), Failure> {
        let data = snapshot.into_inner();
        let state = state::decode(&data)
            .map_err(|error| StorageIOError::read_snapshot(Some(meta.signature()), &error))?;
        write_snapshot(&self.store, meta, &data).await?;
        let revision = state.revision;
        self.machine.0.view.write().replace(state, meta);
        self.machine.publish(revision);
        self.metrics.snapshot(data.len());
        tracing::info!(snapshot = %meta.snapshot_id, revision, "installed a snapshot of the leader");
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, Failure> {
        let stored =
            read_snapshot(&self.store).map_err(|error| StorageIOError::read_snapshot(None, &error))?;
        Ok(stored.map(|(meta, data)| Snapshot { meta, snapshot: Box::new(Cursor::new(data)) }))
    }
}
