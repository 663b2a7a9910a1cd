//! The operator's client: `narthex-control-plane admin ...`.

use clap::{Args, Subcommand};
use narthex_cluster::ControlPlane;
use narthex_rpc::v1::{AdminRequest, ReplaceNode, admin_request::Command};
use narthex_service::SharedClock;

/// Inspect and change a running cluster.
#[derive(Debug, Clone, Args)]
pub struct AdminArgs {
    /// gRPC addresses (host:port) of control-plane nodes, separated by commas
    #[arg(
        long = "addresses",
        env = "NARTHEX_CONTROL_PLANE_ADDRESSES",
        value_name = "HOST:PORT",
        value_delimiter = ',',
        default_value = "127.0.0.1:9101"
    )]
    pub addresses: Vec<String>,

    /// What to do.
    #[command(subcommand)]
    pub command: AdminCommand,
}

/// What an operator can ask for.
#[derive(Debug, Clone, Subcommand)]
pub enum AdminCommand {
    /// Print nodes, instances, partitions and what each transition waits for, as JSON
    Describe,
    /// Take a partition out of writes: ACTIVE to INACTIVE. It is still read
    DrainPartition {
        /// Number of the partition
        partition: u32,
    },
    /// Bring a partition back into writes, once every reader knows
    ActivatePartition {
        /// Number of the partition
        partition: u32,
    },
    /// Let a drained partition go, once its owners have no data that is only theirs
    RemovePartition {
        /// Number of the partition
        partition: u32,
    },
    /// Forget an instance that will not come back, so that nothing waits for it
    ForgetInstance {
        /// Name of the instance
        instance: String,
    },
    /// Put a new control-plane node, started and waiting, in the place of a dead one
    ReplaceNode {
        /// Number of the dead node
        #[arg(long)]
        dead: u64,
        /// Number of the new node, never used before
        #[arg(long)]
        replacement: u64,
        /// gRPC address (host:port) of the new node
        #[arg(long)]
        address: String,
    },
}

/// A command that was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The addresses are no use.
    #[error(transparent)]
    Address(#[from] narthex_cluster::AddressError),
    /// The control plane refuses, or no node answers.
    #[error("{0}")]
    Refused(String),
}

/// Carries out a command at the first node that answers, and returns what to print.
pub async fn admin(args: AdminArgs, clock: SharedClock) -> Result<String, AdminError> {
    let AdminArgs { addresses, command } = args;
    let control = ControlPlane::remote(&addresses, 0, clock)?;
    let command = match command {
        AdminCommand::Describe => Command::Describe(true),
        AdminCommand::DrainPartition { partition } => Command::DrainPartition(partition),
        AdminCommand::ActivatePartition { partition } => Command::ActivatePartition(partition),
        AdminCommand::RemovePartition { partition } => Command::RemovePartition(partition),
        AdminCommand::ForgetInstance { instance } => Command::ForgetInstance(instance),
        AdminCommand::ReplaceNode { dead, replacement, address } => {
            Command::ReplaceNode(ReplaceNode { dead, replacement, replacement_address: address })
        }
    };
    let mut last = String::new();
    for _ in &addresses {
        let asked = control.address().to_owned();
        match control.admin(AdminRequest { command: Some(command.clone()) }).await {
            Ok(answer) if answer.description.is_empty() => {
                return Ok(format!("done at revision {}", answer.revision));
            }
            Ok(answer) => return Ok(answer.description),
            Err(status) if matches!(status.code(), tonic::Code::Unavailable | tonic::Code::Unknown) => {
                last = format!("{asked}: {}", status.message());
            }
            Err(status) => return Err(AdminError::Refused(status.message().to_owned())),
        }
    }
    Err(AdminError::Refused(format!("no control-plane node could do it; the last one said: {last}")))
}
