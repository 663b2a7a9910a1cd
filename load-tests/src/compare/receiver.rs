//! The receivers that can be compared, each behind the same few questions.

use std::time::Duration;

use anyhow::Result;
use narthex_integration_tests::{
    aws::Signer,
    http::{Http, Reply},
    sandbox::{Cluster, Peer, PrometheusOptions, Sandbox, Standalone},
};

/// What to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// The all-in-one, SigV4 on, WAL synced before the reply.
    Narthex,
    /// The three-zone cluster: three copies, SigV4 on.
    NarthexCluster,
    /// Prometheus with its remote write receiver.
    Prometheus,
    /// VictoriaMetrics, single node.
    VictoriaMetrics,
}

/// A running receiver.
pub(super) enum Receiver {
    Standalone(Box<Standalone>),
    Cluster(Box<Cluster>),
    Peer(Box<Peer>),
}

impl Receiver {
    pub(super) async fn start(kind: Kind, sandbox: &Sandbox) -> Result<Self> {
        Ok(match kind {
            Kind::Narthex => Self::Standalone(Box::new(Standalone::start(sandbox).await?)),
            Kind::NarthexCluster => Self::Cluster(Box::new(Cluster::start(sandbox).await?)),
            Kind::Prometheus => {
                let options = PrometheusOptions {
                    config: "global: {}\n".to_owned(),
                    flags: vec!["--web.enable-remote-write-receiver".to_owned()],
                };
                Self::Peer(Box::new(Peer::prometheus(sandbox, "prometheus", &options).await?))
            }
            Kind::VictoriaMetrics => Self::Peer(Box::new(Peer::victoria_metrics(sandbox).await?)),
        })
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Standalone(_) => "narthex".to_owned(),
            Self::Cluster(_) => "narthex cluster (3 copies)".to_owned(),
            Self::Peer(peer) => format!("{} {}", peer.tool.name, peer.tool.version),
        }
    }

    pub(super) fn write_urls(&self) -> Vec<String> {
        const PATH: &str = "api/v1/remote_write";
        match self {
            Self::Standalone(narthex) => vec![narthex.api.url(&narthex.base, PATH)],
            Self::Cluster(cluster) => {
                cluster.distributors.iter().map(|base| cluster.api.url(base, PATH)).collect()
            }
            Self::Peer(peer) => vec![format!("{}/api/v1/write", peer.base)],
        }
    }

    pub(super) fn signer(&self) -> Option<Signer> {
        match self {
            Self::Standalone(narthex) => narthex.api.signer.clone(),
            Self::Cluster(cluster) => cluster.api.signer.clone(),
            Self::Peer(_) => None,
        }
    }

    pub(super) fn process_ids(&self) -> Vec<u32> {
        match self {
            Self::Standalone(narthex) => vec![narthex.process.id()],
            Self::Cluster(cluster) => cluster.process_ids(),
            Self::Peer(peer) => vec![peer.process.id()],
        }
    }

    pub(super) async fn query(&self, http: &Http, query: &str, time: &str) -> Result<Reply> {
        let fields = [("query", query), ("time", time)];
        match self {
            Self::Standalone(narthex) => narthex.api.post_form(&narthex.base, "query", &fields).await,
            Self::Cluster(cluster) => cluster.api.post_form(&cluster.queriers[0], "query", &fields).await,
            Self::Peer(peer) => {
                super::post_form(http, &format!("{}/api/v1/query", peer.base), query, time).await
            }
        }
    }

    /// SIGKILL, start, until ready; `None` where the receiver is several processes.
    pub(super) async fn restart(&mut self, sandbox: &Sandbox) -> Result<Option<Duration>> {
        match self {
            Self::Standalone(narthex) => {
                narthex.process.kill()?;
                let start = sandbox.clock.monotonic();
                narthex.restart(sandbox).await?;
                Ok(Some(sandbox.clock.monotonic() - start))
            }
            Self::Peer(peer) => {
                peer.process.kill()?;
                let start = sandbox.clock.monotonic();
                peer.restart(sandbox).await?;
                Ok(Some(sandbox.clock.monotonic() - start))
            }
            Self::Cluster(_) => Ok(None),
        }
    }
}
