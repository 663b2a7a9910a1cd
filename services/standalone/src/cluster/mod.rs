//! A three-zone cluster of real processes on loopback, to try out and to test.

mod bucket_yaml;
mod init;
mod layout;
mod start;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use narthex_bucket::BucketArgs;
use narthex_service::{Clock, Random};

/// `narthex cluster ...`
#[derive(Debug, Parser)]
#[command(name = "narthex", version)]
pub(crate) struct ClusterCommand {
    #[command(subcommand)]
    group: Group,
}

#[derive(Debug, Subcommand)]
enum Group {
    /// A cluster of three zones on this machine, each process by itself
    #[command(subcommand)]
    Cluster(Action),
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write the YAML file of every process, with new keys and a workspace
    Init {
        /// Folder of the cluster; made if it does not exist
        #[arg(long, value_name = "DIR", default_value = "cluster")]
        dir: PathBuf,
        /// First of the 60 ports on 127.0.0.1 that the cluster takes
        #[arg(long, value_name = "PORT", default_value_t = 9100)]
        base_port: u16,
        /// The bucket that all processes share. Unset: the folder bucket in DIR
        #[command(flatten)]
        bucket: Box<BucketArgs>,
    },
    /// Run all processes of a folder until interrupted; their logs go to DIR/logs
    Start {
        /// Folder of the cluster
        #[arg(long, value_name = "DIR", default_value = "cluster")]
        dir: PathBuf,
    },
}

impl ClusterCommand {
    /// Does what was asked; `start` returns when all processes have ended.
    pub(crate) fn run(self, random: &Random, clock: &dyn Clock) -> anyhow::Result<()> {
        let Group::Cluster(action) = self.group;
        match action {
            Action::Init { dir, base_port, bucket } => init::init(&dir, base_port, &bucket, random),
            Action::Start { dir } => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(start::start(&dir, clock))
            }
        }
    }
}
