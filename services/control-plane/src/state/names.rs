//! The words for enumerations of other crates in stored state. Changing one breaks old snapshots and logs.

use narthex_cluster::{Role, WorkspaceStatus};
use narthex_ring::{PartitionState, Replication};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(remote = "Replication")]
pub(super) enum ReplicationName {
    One,
    Three,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PartitionState", rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum PartitionStateName {
    Pending,
    Active,
    Inactive,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "WorkspaceStatus", rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum WorkspaceStatusName {
    Creating,
    Active,
    Updating,
    Deleting,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Role", rename_all = "kebab-case")]
pub(super) enum RoleName {
    Distributor,
    Ingester,
    Querier,
    StoreGateway,
    Compactor,
    Ruler,
    Alertmanager,
    Scraper,
}
