//! The control plane: AMP's management API, identities and sessions, membership and the ring.
//!
//! One or three nodes replicate one small [`state::State`] by Raft. Changes go to the leader from any node; services watch
//! the state and go on with their last snapshot when no node can be reached (C-2). Partitions change state only when
//! every reader knows of it (rule 7, P-1); see [`reconcile()`].
//!
//! [`ControlPlane::start`] gives the pieces to a program that hosts several services; [`run`] is the whole process.

#![forbid(unsafe_code)]

mod admin;
mod api;
mod backup;
pub mod bootstrap;
#[cfg(test)]
mod cluster_test;
mod config;
mod control;
mod desk;
mod duties;
mod handle;
pub mod identity;
mod limits;
#[cfg(test)]
mod member_test;
mod metrics;
mod node;
mod proto;
mod quota;
mod raft;
pub mod reconcile;
#[cfg(test)]
mod resource_watch_test;
mod run;
pub mod state;
mod sts;
mod watch;

pub use admin::{
    AdminArgs, AdminCommand, AdminError, IdentityAction, IdentityArgs, RemoveBlock, UnreadableBlocks, admin,
    admin_main,
};
pub use backup::{BackupSettings, RestoreFrom};
pub use bootstrap::{AccessKey, Bootstrap, FirstWorkspace};
pub use config::{Config, RaftSettings, SettingsError};
pub use handle::ControlPlane;
pub use limits::Limits;
pub use narthex_cluster::WatchStream;
pub use node::Error;
pub use quota::Quota;
pub use raft::{NodeId, OpenError, StoreError, Types};
pub use reconcile::reconcile;
pub use run::run;
