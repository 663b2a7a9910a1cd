//! What the leader does on its own: the first start, and every transition that is due.
//!
//! The decisions are [`reconcile`]'s; this loop only wakes up when something may have become due (a change, a new
//! acknowledgement, or time), proposes, and keeps the gauges current.

use std::{collections::BTreeSet, time::Duration};

use narthex_model::{TimestampMs, Zone};
use narthex_ring::Replication;
use narthex_service::Random;
use tokio_util::sync::CancellationToken;

use crate::{
    bootstrap::Bootstrap,
    config::{Config, Limits},
    node::Node,
    reconcile::reconcile,
    state::{Command, Response, Setup},
};

const TICK: Duration = Duration::from_millis(250);

/// What the first leader ever decides.
#[derive(Debug)]
pub(crate) struct FirstStart {
    replication: Replication,
    zones: BTreeSet<Zone>,
    page_secret: String,
    bootstrap: Option<Bootstrap>,
    limits: Limits,
}

impl FirstStart {
    pub(crate) fn new(config: &Config, bootstrap: Option<Bootstrap>, random: &Random) -> Self {
        Self {
            replication: config.replication().unwrap_or(Replication::One),
            zones: config.zones.iter().map(|zone| zone.as_str().into()).collect(),
            page_secret: format!("{:032x}{:032x}", random.bits128(), random.bits128()),
            bootstrap,
            limits: config.limits.clone(),
        }
    }

    fn command(&self, now: TimestampMs) -> Command {
        Command::Setup {
            setup: Setup {
                replication: self.replication,
                zones: self.zones.clone(),
                page_secret: self.page_secret.clone(),
            },
            credentials: self.bootstrap.as_ref().map(Bootstrap::credentials).unwrap_or_default(),
            workspaces: self
                .bootstrap
                .as_ref()
                .map(|bootstrap| bootstrap.workspaces(&self.limits, now))
                .unwrap_or_default(),
        }
    }

    /// What differs from the decisions in force.
    pub(crate) fn mismatch(&self, setup: &Setup) -> Option<String> {
        let same = setup.replication == self.replication && setup.zones == self.zones;
        (!same).then(|| {
            format!(
                "this deployment was set up with replication factor {} in zones {}, which never changes in place; \
                 --zones says replication factor {} in zones {}",
                setup.replication.copies(),
                names(&setup.zones),
                self.replication.copies(),
                names(&self.zones)
            )
        })
    }
}

fn names(zones: &BTreeSet<Zone>) -> String {
    zones.iter().map(Zone::as_str).collect::<Vec<_>>().join(", ")
}

/// The loop.
pub(crate) struct Duties {
    node: Node,
}

impl Duties {
    pub(crate) fn new(node: Node) -> Self {
        Self { node }
    }

    /// Runs until shutdown.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let desk = self.node.desk.clone();
        let heard = desk.heard();
        let mut revisions = desk.machine().revisions();
        loop {
            revisions.mark_unchanged();
            self.round().await;
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = heard.notified() => {}
                _ = revisions.changed() => {}
                () = desk.clock().sleep(TICK) => {}
            }
        }
    }

    async fn round(&self) {
        self.update_gauges();
        let Some(term) = self.node.desk.leading() else { return };
        let heartbeats = self.node.desk.heartbeats(term);
        let commands = {
            let view = self.node.desk.machine().view();
            match &view.state.setup {
                None => vec![self.node.first_start.command(self.node.desk.clock().now())],
                Some(_) => reconcile(&view.state, &heartbeats, self.node.desk.clock().now()),
            }
        };
        for command in commands {
            if !self.carry_out(command).await {
                return;
            }
        }
    }

    /// Whether to go on.
    async fn carry_out(&self, command: Command) -> bool {
        let name = command.name();
        let shown = match &command {
            // Holds secrets.
            Command::Setup { .. } => name.to_owned(),
            other => format!("{other:?}"),
        };
        match self.node.raft.client_write(command).await {
            Ok(written) => {
                match written.data {
                    Response::Refused(refusal) => {
                        tracing::warn!(command = shown, %refusal, "a due change was refused")
                    }
                    _ => tracing::info!(command = shown, "carried out a due change"),
                }
                true
            }
            Err(error) => {
                tracing::warn!(command = shown, %error, "a due change was not committed; the next leader tries again");
                false
            }
        }
    }

    fn update_gauges(&self) {
        let metrics = self.node.raft.metrics();
        let metrics = metrics.borrow();
        let leader = metrics.current_leader == Some(self.node.id);
        let revision = self.node.desk.machine().revision();
        self.node.metrics.consensus(
            leader,
            metrics.current_term,
            revision,
            metrics.last_log_index.unwrap_or(0),
        );
    }
}
