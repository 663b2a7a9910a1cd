//! One control-plane node: storage, consensus, desk and duties, wired together.

use std::{collections::BTreeMap, fs, io, os::unix::fs::DirBuilderExt, path::PathBuf, sync::Arc};

use narthex_bucket::{Bucket, BucketError};
use narthex_service::Components;
use openraft::{
    BasicNode, SnapshotPolicy,
    error::{Fatal, InitializeError, RaftError},
};
use tokio_util::sync::CancellationToken;

use crate::{
    backup::{Restore, Schedule, Vault},
    bootstrap::{Bootstrap, BootstrapError},
    config::{Config, RaftSettings, SettingsError},
    desk::{Desk, DeskParts, Standing},
    duties::{Duties, FirstStart},
    metrics::Metrics,
    raft::{Channels, LogStore, MachineStore, Network, NodeId, OpenError, Raft, Store, StoreError},
    state::VERSION,
};

/// Why a node cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Bootstrap file.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// The bucket of backups.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// Audit log.
    #[error(transparent)]
    Audit(#[from] narthex_edge::AuditError),
    /// Data folder.
    #[error("cannot use the data folder {path}: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Stored log or state.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A listener.
    #[error(transparent)]
    Listen(#[from] io::Error),
    /// Consensus stopped; usually the disk failed.
    #[error("consensus stopped, the process must be started again: {0}")]
    Stopped(String),
    /// The node took part before, and its folder is empty.
    #[error(
        "node {0} took part in this control plane before, and its folder is empty: what it promised to the others is lost with its \
         disk. Start it with a --node-id that was never used, and run `narthex-control-plane admin replace-node --dead {0} \
         --replacement NUMBER --address HOST:PORT`"
    )]
    Forgotten(NodeId),
    /// The stored state was made with other settings.
    #[error("{0}")]
    Mismatch(String),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Open(error.into())
    }
}

/// A running node.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) raft: Raft,
    pub(crate) desk: Arc<Desk>,
    pub(crate) metrics: Metrics,
    pub(crate) first_start: Arc<FirstStart>,
    pub(crate) restore: Option<Arc<Restore>>,
    /// Where there is a bucket.
    pub(crate) backups: Option<Schedule>,
}

impl Node {
    /// Opens the store, starts consensus and, on the leader, its duties. The bucket is that of backups.
    pub(crate) async fn start(
        config: &Config,
        bucket: Option<&Bucket>,
        components: &Components,
    ) -> Result<Self, Error> {
        config.check()?;
        let vault = bucket.map(|bucket| Vault::new(bucket.store()));
        let restore = match (&config.backup.restore, &vault) {
            (Some(from), Some(vault)) => Some(Arc::new(Restore::new(vault.clone(), from.clone()))),
            (Some(_), None) => return Err(SettingsError::RestoreFromNowhere.into()),
            (None, _) => None,
        };
        let bootstrap = match (&config.bootstrap, &config.bootstrap_file) {
            (Some(bootstrap), _) => Some(bootstrap.clone()),
            (None, Some(path)) => Some(Bootstrap::read(path)?),
            (None, None) => None,
        };
        let folder = |source| Error::Folder { path: config.data_dir.clone(), source };
        // The log holds secret keys.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir).map_err(folder)?;
        let store = Store::open(&config.data_dir.join("raft.redb"))?;
        let metrics = Metrics::new(&components.registry);
        let machine_store = MachineStore::open(store.clone(), metrics.clone())?;
        let machine = machine_store.machine();
        let first_start = Arc::new(FirstStart::new(config, bootstrap, components)?);
        let channels = Channels::default();
        let id = config.node_id;
        let network = Network::new(channels.clone());
        let settings = Arc::new(raft_config(&config.raft));
        let raft =
            Raft::new(id, settings, network, LogStore::new(store), machine_store).await.map_err(stopped)?;
        let members = config.members();
        let others: BTreeMap<_, _> =
            members.iter().filter(|(other, _)| **other != id).map(|(id, at)| (*id, at.clone())).collect();
        let empty = !others.is_empty() && !raft.is_initialized().await.map_err(stopped)?;
        if members.contains_key(&id) && !empty {
            initialize(&raft, &members).await?;
        }
        let clock = components.clock.clone();
        let knows = config.state_version.unwrap_or(VERSION);
        let parts = DeskParts {
            id,
            raft: raft.clone(),
            machine,
            channels,
            clock,
            metrics: metrics.clone(),
            knows,
            empty,
        };
        let desk = Arc::new(Desk::new(parts));
        let schedule = |vault| Schedule::new(desk.clone(), vault, &config.backup, metrics.clone());
        let backups = vault.map(schedule);
        if let Some(backups) = &backups {
            tokio::spawn(backups.clone().run(components.shutdown.clone()));
        }
        let node = Self { id, raft, desk, metrics, first_start, restore, backups };
        if empty {
            tokio::spawn(node.clone().join(members, others, components.shutdown.clone()));
        }
        tokio::spawn(node.desk.clone().keep_upgraded(components.shutdown.clone()));
        let duties = Duties::new(node.clone(), components.random.clone());
        tokio::spawn(duties.run(components.shutdown.clone()));
        Ok(node)
    }

    /// Begins with an empty folder, if the others allow it.
    async fn join(
        self,
        members: BTreeMap<NodeId, String>,
        others: BTreeMap<NodeId, String>,
        shutdown: CancellationToken,
    ) {
        let admitted = self.desk.ask_for_admission(&others, &shutdown).await;
        if admitted
            && members.contains_key(&self.id)
            && let Err(error) = initialize(&self.raft, &members).await
        {
            tracing::error!(%error, "the node cannot begin");
        }
    }

    /// Why this node cannot serve yet, or `None`.
    pub(crate) fn not_ready(&self) -> Option<String> {
        if !self.desk.takes_part() {
            return Some(format!(
                "node {} has an empty folder and asks the nodes of --raft.peers whether it took part before; none answers yet",
                self.id
            ));
        }
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let membership = metrics.membership_config.membership();
        if membership.get_node(&self.id).is_none() {
            return Some(format!(
                "node {} is no member yet; run `narthex-control-plane admin replace-node` on the cluster",
                self.id
            ));
        }
        if metrics.current_leader.is_none() {
            let nodes: Vec<_> = membership.nodes().map(|(id, node)| format!("{id} ({node})")).collect();
            return Some(format!("no leader is elected among nodes {}", nodes.join(", ")));
        }
        // Looked at again by others, and no two locks are held at a time.
        drop(metrics);
        if !self.desk.in_touch() {
            return Some(format!("no majority answers node {}, which leads", self.id));
        }
        let records = self.desk.records_who_joined();
        let view = self.desk.machine().view();
        if view.state.setup.is_none() {
            let restoring = self.restore.as_ref().map(|restore| restore.progress());
            return Some(restoring.unwrap_or_else(|| "the leader has not set up the cluster yet".to_owned()));
        }
        // Whoever waits for a node to be ready may rely on it that the others notice when it has lost its disk.
        let recorded = !records || view.state.joined.contains(&self.id);
        (!recorded).then(|| format!("the leader has not put on record yet that node {} takes part", self.id))
    }

    /// Completes when consensus has failed, where a restart is all that helps, or when the configuration contradicts what was
    /// decided at the first start.
    pub(crate) async fn failed(&self) -> Error {
        let mut metrics = self.raft.metrics();
        let mut revisions = self.desk.machine().revisions();
        let mut standing = self.desk.standing();
        loop {
            if *standing.borrow_and_update() == Standing::Forgotten {
                return Error::Forgotten(self.id);
            }
            if let Err(error) = &metrics.borrow_and_update().running_state {
                return stopped(error.clone());
            }
            // Known when the log is read, and to a new node when it has copied it.
            if let Some(mismatch) = self.mismatch() {
                return Error::Mismatch(mismatch);
            }
            let running = tokio::select! {
                changed = metrics.changed() => changed.is_ok(),
                changed = revisions.changed() => changed.is_ok(),
                changed = standing.changed() => changed.is_ok(),
            };
            if !running {
                return Error::Stopped("its task ended".to_owned());
            }
        }
    }

    fn mismatch(&self) -> Option<String> {
        let view = self.desk.machine().view();
        let (version, knows) = (view.state.version, self.desk.knows());
        if version > knows {
            return Some(format!(
                "the state has version {}, which came into force when every node knew it; --state-version is {}: unset it",
                version.0, knows.0
            ));
        }
        view.state.setup.as_ref().and_then(|setup| self.first_start.mismatch(setup))
    }
}

fn stopped(error: Fatal<NodeId>) -> Error {
    Error::Stopped(error.to_string())
}

/// All first nodes begin with the same members; whoever has a log already keeps it.
async fn initialize(raft: &Raft, members: &BTreeMap<NodeId, String>) -> Result<(), Error> {
    let members: BTreeMap<_, _> =
        members.iter().map(|(id, address)| (*id, BasicNode::new(address))).collect();
    if raft.is_initialized().await.map_err(stopped)? {
        return Ok(());
    }
    match raft.initialize(members).await {
        Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
        Err(error) => Err(Error::Stopped(error.to_string())),
    }
}

fn raft_config(settings: &RaftSettings) -> openraft::Config {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let election = millis(settings.election_timeout.get());
    openraft::Config {
        cluster_name: "narthex".to_owned(),
        heartbeat_interval: millis(settings.heartbeat.get()),
        election_timeout_min: election,
        election_timeout_max: election.saturating_mul(2),
        install_snapshot_timeout: 10_000,
        snapshot_max_chunk_size: 256 << 10,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(settings.snapshot_entries),
        max_in_snapshot_log_to_keep: settings.snapshot_entries / 2,
        replication_lag_threshold: settings.snapshot_entries.saturating_mul(2),
        ..openraft::Config::default()
    }
}
