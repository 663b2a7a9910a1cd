//! What the leader does on its own: the first start, and every transition that is due.
//!
//! The decisions are [`reconcile`]'s; this loop only wakes up when something may have become due (a change, a new
//! acknowledgement, or time), proposes, and keeps the gauges current.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use narthex_model::{TimestampMs, Zone};
use narthex_ring::Replication;
use narthex_service::{Components, Random};
use tokio_util::sync::CancellationToken;

use crate::{
    Limits,
    bootstrap::{Bootstrap, BootstrapError},
    config::Config,
    identity::{Fresh, Identities, SessionKeyRecord, next_session_key, session_key_is_due},
    node::Node,
    reconcile::reconcile,
    state::{Command, CredentialRecord, Response, Setup},
};

const TICK: Duration = Duration::from_millis(250);

/// After a restore has failed.
const RESTORE_AGAIN: Duration = Duration::from_secs(5);

/// What the first leader ever decides.
#[derive(Debug)]
pub(crate) struct FirstStart {
    replication: Replication,
    zones: BTreeSet<Zone>,
    page_secret: String,
    bootstrap: Option<Bootstrap>,
    identities: Identities,
    credentials: BTreeMap<String, CredentialRecord>,
    limits: Limits,
}

impl FirstStart {
    /// # Errors
    /// The bootstrap's identities make no sense.
    pub(crate) fn new(
        config: &Config,
        bootstrap: Option<Bootstrap>,
        components: &Components,
    ) -> Result<Self, BootstrapError> {
        let random = &components.random;
        let fresh = Fresh { random, now: components.clock.now() };
        let identities = bootstrap.as_ref().map(|bootstrap| bootstrap.identities(fresh));
        let (identities, credentials) = identities.transpose()?.unwrap_or_default();
        Ok(Self {
            replication: config.replication().unwrap_or(Replication::One),
            zones: config.zones.iter().map(|zone| zone.as_str().into()).collect(),
            page_secret: format!("{:032x}{:032x}", random.bits128(), random.bits128()),
            bootstrap,
            identities,
            credentials,
            limits: config.limits.clone(),
        })
    }

    fn command(&self, now: TimestampMs) -> Command {
        Command::Setup {
            setup: Setup {
                replication: self.replication,
                zones: self.zones.clone(),
                page_secret: self.page_secret.clone(),
            },
            credentials: self.credentials.clone(),
            identities: self.identities.clone(),
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
    random: Random,
}

impl Duties {
    pub(crate) fn new(node: Node, random: Random) -> Self {
        Self { node, random }
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
        if self.restores().await {
            return;
        }
        let heartbeats = self.node.desk.heartbeats(term);
        let joined = self.node.desk.newly_joined();
        let commands = {
            let view = self.node.desk.machine().view();
            match &view.state.setup {
                None => vec![self.node.first_start.command(self.node.desk.clock().now())],
                Some(_) => {
                    let now = self.node.desk.clock().now();
                    let due = session_key_is_due(&view.state.session_keys, now);
                    let id = next_session_key(&view.state.session_keys);
                    let key = SessionKeyRecord { id, secret: self.secret(), since: now };
                    let key = due.then_some(Command::AddSessionKey { key });
                    let mut commands = reconcile(&view.state, &heartbeats, now);
                    commands.extend(key);
                    commands.extend(joined.map(|node| Command::Joined { node }));
                    commands
                }
            }
        };
        for command in commands {
            if self.node.desk.check_version(&command).is_err() {
                // Due again once every node knows it.
                continue;
            }
            if !self.carry_out(command).await {
                return;
            }
        }
    }

    /// Whether this is a first start that restores a backup; then it was tried.
    async fn restores(&self) -> bool {
        let (set_up, begun) = {
            let view = self.node.desk.machine().view();
            (view.state.setup.is_some(), view.state.restoring.is_some())
        };
        match &self.node.restore {
            _ if set_up => false,
            Some(restore) => {
                if let Err(error) = restore.run(&self.node.desk).await {
                    tracing::warn!(%error, "the backup could not be restored; it is tried again");
                    self.node.desk.clock().sleep(RESTORE_AGAIN).await;
                }
                true
            }
            None if begun => {
                tracing::warn!("another node began to restore a backup; start this one with --restore too");
                self.node.desk.clock().sleep(RESTORE_AGAIN).await;
                true
            }
            None => false,
        }
    }

    /// 32 random bytes, hexadecimal.
    fn secret(&self) -> String {
        let mut secret = [0; 32];
        self.random.fill(&mut secret);
        hex::encode(secret)
    }

    /// Whether to go on.
    async fn carry_out(&self, command: Command) -> bool {
        let name = command.name();
        let shown = match &command {
            // Holds secrets.
            Command::Setup { .. } | Command::AddSessionKey { .. } => name.to_owned(),
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
