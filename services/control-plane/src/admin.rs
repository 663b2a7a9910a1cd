//! The operator's client: `narthex-control-plane admin ...`, and `narthex admin ...` with the same commands.
//!
//! Members and partitions are the control plane's business and go through it. Cuts are asked of the ingesters themselves, and
//! blocks of the bucket, so that both can be looked at while the control plane is away.

mod blocks;
mod check;
mod flush;
mod identity;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use narthex_cluster::ControlPlane;
use narthex_model::WorkspaceId;
use narthex_rpc::v1::{AdminRequest, ReplaceNode, admin_request::Command};
use narthex_service::Components;

pub use blocks::{RemoveBlock, UnreadableBlocks};
pub use identity::{IdentityAction, IdentityArgs};

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
    /// Cut what can be cut now into the bucket, without waiting for jitter and turns, and say what is left and why. Fails if
    /// something is left that can be cut
    Flush {
        /// Only this ingester, by its name. Unset: all, one after the other
        #[arg(long)]
        instance: Option<String>,
        /// Only this workspace. Unset: all
        #[arg(long, value_name = "WORKSPACE")]
        workspace: Option<WorkspaceId>,
    },
    /// List the blocks in the bucket that cannot be read, and why
    UnreadableBlocks(UnreadableBlocks),
    /// Take a block out of the manifest that cannot be read and give its samples up: queries that need it fail until then
    RemoveBlock(RemoveBlock),
    /// Look at and change accounts, users, roles, policies and keys
    Identity(IdentityArgs),
    /// Write a backup of the state to the bucket now, and print its name
    Backup,
    /// Print the backups in the bucket, the newest first. Start nodes with empty folders and --restore to go on from one
    ListBackups,
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
    /// The bucket's settings are wrong.
    #[error(transparent)]
    Bucket(#[from] narthex_bucket::BucketError),
    /// The bucket's manifests cannot be read or written.
    #[error(transparent)]
    Manifest(#[from] narthex_manifest::ManifestError),
    /// Something was done and something was not.
    #[error("not everything was done:\n{0}")]
    Incomplete(String),
}

/// The whole of a program that carries out a command: prints what came of it.
pub fn admin_main(args: AdminArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answer = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| Ok(runtime.block_on(admin(args, &Components::from_system(None)))?));
    match answer {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Carries out a command and returns what to print.
pub async fn admin(args: AdminArgs, components: &Components) -> Result<String, AdminError> {
    let AdminArgs { addresses, command } = args;
    let control = || ControlPlane::remote(&addresses, 0, components.clock.clone());
    let command = match command {
        AdminCommand::Describe => Command::Describe(true),
        AdminCommand::Backup => Command::Backup(true),
        AdminCommand::ListBackups => Command::ListBackups(true),
        AdminCommand::DrainPartition { partition } => Command::DrainPartition(partition),
        AdminCommand::ActivatePartition { partition } => Command::ActivatePartition(partition),
        AdminCommand::RemovePartition { partition } => Command::RemovePartition(partition),
        AdminCommand::ForgetInstance { instance } => Command::ForgetInstance(instance),
        AdminCommand::ReplaceNode { dead, replacement, address } => {
            Command::ReplaceNode(ReplaceNode { dead, replacement, replacement_address: address })
        }
        AdminCommand::Identity(IdentityArgs { command }) => identity::command(command)?,
        AdminCommand::Flush { instance, workspace } => {
            return flush::flush(&control()?, instance.as_deref(), workspace, components).await;
        }
        AdminCommand::UnreadableBlocks(asked) => return blocks::unreadable(asked, components).await,
        AdminCommand::RemoveBlock(asked) => return blocks::remove(asked, &control()?, components).await,
    };
    at_any_node(&control()?, addresses.len(), command).await
}

/// Has a command carried out by the first node that answers.
async fn at_any_node(control: &ControlPlane, nodes: usize, command: Command) -> Result<String, AdminError> {
    let mut said = Vec::new();
    for _ in 0..nodes {
        let asked = control.address().to_owned();
        match control.admin(AdminRequest { command: Some(command.clone()) }).await {
            Ok(answer) if answer.description.is_empty() => {
                return Ok(format!("done at revision {}", answer.revision));
            }
            Ok(answer) => return Ok(answer.description),
            Err(status) if matches!(status.code(), tonic::Code::Unavailable | tonic::Code::Unknown) => {
                said.push(format!("{asked}: {}", status.message()));
            }
            Err(status) => return Err(AdminError::Refused(status.message().to_owned())),
        }
    }
    Err(AdminError::Refused(format!("no control-plane node could do it: {}", said.join("; "))))
}
