//! Settings of the control plane.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
};

use clap::Args;
use narthex_bucket::BucketArgs;
use narthex_edge::EdgeSettings;
use narthex_ring::Replication;
use narthex_service::{AdminSettings, HumanDuration, OpenListener, PublicSettings};

use crate::{Limits, backup::BackupSettings, bootstrap::Bootstrap, raft::NodeId, state::VERSION};

/// Settings of one control-plane node.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address of the AMP REST API
    #[arg(
        long = "listen",
        env = "NARTHEX_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9100"
    )]
    pub listen: SocketAddr,

    /// Address for gRPC, for services and other nodes; keep it on a private network
    #[arg(
        long = "grpc-listen",
        env = "NARTHEX_GRPC_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9101"
    )]
    pub grpc_listen: SocketAddr,

    /// Folder of the Raft log and snapshots
    #[arg(
        long = "data-dir",
        env = "NARTHEX_DATA_DIR",
        value_name = "DIR",
        default_value = "./data/control-plane"
    )]
    pub data_dir: PathBuf,

    /// Number of this node, from 1. A node that lost its disk comes back under a number that was never used
    #[arg(long = "node-id", env = "NARTHEX_NODE_ID", value_name = "NUMBER", default_value_t = 1)]
    pub node_id: NodeId,

    /// All first nodes as NUMBER=HOST:PORT of their gRPC, separated by commas; one or three. A node whose number is not
    /// among them waits until `admin replace-node` adds it. Unset: this node alone
    #[arg(
        long = "raft.peers",
        env = "NARTHEX_RAFT_PEERS",
        value_name = "NUMBER=HOST:PORT",
        value_delimiter = ',',
        value_parser = peer
    )]
    pub peers: Vec<(NodeId, String)>,

    /// Newest version of the state that this node takes part in, such as that of the release before, so that one can go back to it.
    /// Unset: the newest it knows; the state rises to a version once every node takes part in it
    #[arg(
        long = "state-version",
        env = "NARTHEX_STATE_VERSION",
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(2..=i64::from(VERSION))
    )]
    pub state_version: Option<u32>,

    /// Zones that hold one copy of every sample each, separated by commas: one or three. They, and so the number of
    /// copies, are decided at first start for good
    #[arg(
        long = "zones",
        env = "NARTHEX_ZONES",
        value_name = "ZONE",
        value_delimiter = ',',
        default_value = "zone-a"
    )]
    pub zones: Vec<String>,

    /// YAML file with the first account and its access keys, read at first start only
    #[arg(long = "bootstrap-file", env = "NARTHEX_BOOTSTRAP_FILE", value_name = "FILE")]
    pub bootstrap_file: Option<PathBuf>,

    /// The first account and keys, handed over by a program that embeds this one.
    #[arg(skip)]
    pub bootstrap: Option<Bootstrap>,

    /// Where backups are kept.
    #[command(flatten)]
    pub bucket: BucketArgs,

    /// When backups are written, and which one is restored.
    #[command(flatten)]
    pub backup: BackupSettings,

    /// Limits that new workspaces get.
    #[command(flatten)]
    pub limits: Limits,

    /// Pace of elections and snapshots.
    #[command(flatten)]
    pub raft: RaftSettings,

    /// Region, public URL, authentication.
    #[command(flatten)]
    pub public: PublicSettings,

    /// What the edge lets in.
    #[command(flatten)]
    pub edge: EdgeSettings,

    /// Where metrics and readiness answer.
    #[command(flatten)]
    pub admin: AdminSettings,
}

/// Pace of elections and snapshots. The defaults suit nodes in zones of one region.
#[derive(Debug, Clone, Args)]
pub struct RaftSettings {
    /// How often the leader shows the other nodes that it is alive
    #[arg(
        long = "raft.heartbeat",
        env = "NARTHEX_RAFT_HEARTBEAT",
        value_name = "DURATION",
        default_value = "200ms"
    )]
    pub heartbeat: HumanDuration,

    /// How long nodes wait for the leader before they elect another; up to twice as long, at random
    #[arg(
        long = "raft.election-timeout",
        env = "NARTHEX_RAFT_ELECTION_TIMEOUT",
        value_name = "DURATION",
        default_value = "750ms"
    )]
    pub election_timeout: HumanDuration,

    /// Log entries after which a snapshot is written and the log is cut
    #[arg(
        long = "raft.snapshot-entries",
        env = "NARTHEX_RAFT_SNAPSHOT_ENTRIES",
        value_name = "COUNT",
        default_value_t = 2_000
    )]
    pub snapshot_entries: u64,
}

/// Settings that contradict each other.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Wrong number of zones.
    #[error("--zones names {0} different zones; there are one or three, a copy of every sample in each")]
    Zones(usize),
    /// Wrong number of nodes.
    #[error("--raft.peers names {0} nodes; a control plane has one or three")]
    Peers(usize),
    /// 0 is no number for a node.
    #[error("node numbers begin at 1")]
    NodeZero,
    /// Anyone could do anything.
    #[error("--no-auth is for a try-out: --listen must be a loopback address, not {0}")]
    Unsigned(SocketAddr),
    /// Unsigned requests would be taken from other machines.
    #[error(transparent)]
    OpenToAll(#[from] OpenListener),
    /// There is nothing to restore from.
    #[error("--restore needs the bucket that holds the backup: set --bucket.url")]
    RestoreFromNowhere,
    /// Elections would run for ever.
    #[error("--raft.heartbeat must be less than half of --raft.election-timeout")]
    Pace,
}

impl Config {
    /// Defaults with these folders, for embedding: one node, no listener of its own.
    pub fn embedded(data_dir: PathBuf) -> Self {
        #[derive(clap::Parser)]
        struct Defaults {
            #[command(flatten)]
            config: Config,
        }
        use clap::{CommandFactory, FromArgMatches};
        // The host program's environment is the host's.
        let command = Defaults::command().mut_args(|arg| arg.env(None));
        let matches = command.get_matches_from(["control-plane"]);
        let Defaults { config } = Defaults::from_arg_matches(&matches).expect("every setting has a default");
        Self { data_dir, ..config }
    }

    /// As many copies as zones.
    pub(crate) fn replication(&self) -> Result<Replication, SettingsError> {
        let zones: BTreeSet<_> = self.zones.iter().collect();
        Replication::from_copies(zones.len()).map_err(|_| SettingsError::Zones(zones.len()))
    }

    /// The first nodes: as set, or this one alone.
    pub(crate) fn members(&self) -> BTreeMap<NodeId, String> {
        if self.peers.is_empty() {
            [(self.node_id, self.grpc_listen.to_string())].into()
        } else {
            self.peers.iter().cloned().collect()
        }
    }

    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        self.public.check_listen(self.listen)?;
        self.replication()?;
        if self.public.no_auth && !self.listen.ip().is_loopback() {
            return Err(SettingsError::Unsigned(self.listen));
        }
        let members = self.members();
        if !matches!(members.len(), 1 | 3) {
            return Err(SettingsError::Peers(members.len()));
        }
        if self.node_id == 0 || members.contains_key(&0) {
            return Err(SettingsError::NodeZero);
        }
        if self.raft.heartbeat.get() * 2 >= self.raft.election_timeout.get() {
            return Err(SettingsError::Pace);
        }
        Ok(())
    }
}

fn peer(text: &str) -> Result<(NodeId, String), String> {
    let fail = || format!("expected NUMBER=HOST:PORT, found {text:?}");
    let (id, address) = text.split_once('=').ok_or_else(fail)?;
    let id = id.trim().parse().map_err(|_| fail())?;
    let (host, port) = address.trim().rsplit_once(':').ok_or_else(fail)?;
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err(fail());
    }
    Ok((id, address.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsigned_requests_are_taken_on_loopback_only() {
        let mut config = Config::embedded("unused".into());
        config.public.no_auth = true;
        assert!(config.check().is_ok(), "the default address is a loopback one");
        config.listen = ([0, 0, 0, 0], 9100).into();
        assert!(matches!(config.check(), Err(SettingsError::OpenToAll(_))));
        config.public.no_auth = false;
        assert!(config.check().is_ok());
    }
}
