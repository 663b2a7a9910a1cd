//! What a service knows of the cluster: an immutable snapshot of ring, members, workspaces and credentials, kept current
//! by watching the control plane.
//!
//! No request waits for the control plane (C-2): everyone works on the last [`Snapshot`], also while the control plane is
//! away. The one exception is an unknown workspace or key, which triggers one bounded [`Cluster::catch_up`].

#![forbid(unsafe_code)]

mod control;
mod event;
mod handle;
mod hints;
mod identity;
mod member;
mod member_metrics;
mod snapshot;
mod watcher;

pub use control::{AddressError, ControlPlane, LocalControl, WatchStream};
pub use event::{EventError, apply_event};
pub use handle::{CatchUp, Cluster, NotCurrent};
pub use hints::Hints;
pub use member::{Member, Registration};
pub use snapshot::{
    AssumableRole, Credential, Identity, Instance, Role, SessionKey, Snapshot, Workspace, WorkspaceStatus,
};
