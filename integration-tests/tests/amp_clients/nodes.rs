//! Three control-plane nodes behind a TCP front, whose leader is killed and started again.

use std::{collections::BTreeMap, net::SocketAddr, ops::Range, path::PathBuf, pin::pin, time::Duration};

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::{
    metrics::metric,
    sandbox::{Cluster, DEADLINE, Sandbox, ended, until},
    tcp_front::TcpFront,
    tools::Tool,
};
use narthex_service::Random;
use serde_json::Value;

use crate::aws_clients::Client;

/// Nothing but the control plane of a cluster.
pub(crate) struct Nodes<'a> {
    sandbox: &'a Sandbox,
    pub(crate) cluster: Cluster,
    names: Vec<String>,
    environment: &'a [(&'a str, &'a str)],
    pub(crate) front: TcpFront,
}

impl<'a> Nodes<'a> {
    /// Starts three nodes, each with its audit log and further environment, and waits until they are ready.
    pub(crate) async fn start(sandbox: &'a Sandbox, environment: &'a [(&'a str, &'a str)]) -> Result<Self> {
        let cluster = Cluster::init(sandbox)?;
        let names = cluster.names(|instance| instance.service == "control-plane");
        let bases = names.iter().map(|name| Ok(cluster.instance(name)?.base.clone()));
        let bases = bases.collect::<Result<Vec<String>>>()?;
        let addresses = bases.iter().map(|base| base.trim_start_matches("http://").parse());
        let front = TcpFront::start(addresses.collect::<Result<Vec<SocketAddr>, _>>()?).await?;
        let mut nodes = Self { sandbox, cluster, names, environment, front };
        nodes.raise().await?;
        Ok(nodes)
    }

    /// A client that speaks to the front and tries `attempts` times, as its user may set it.
    pub(crate) fn client(&self, tool: Tool, attempts: u32) -> Result<Client> {
        let client = Client::new(self.sandbox, tool, &self.cluster.env)?;
        let client = client.with("AWS_ENDPOINT_URL_AMP", &self.front.base);
        Ok(client.with("AWS_RETRY_MODE", "standard").with("AWS_MAX_ATTEMPTS", &attempts.to_string()))
    }

    /// Where a node keeps its audit log.
    fn audit_log(&self, name: &str) -> PathBuf {
        self.sandbox.path().join(format!("{name}.audit.log"))
    }

    /// Starts the nodes that do not run and waits until all are ready.
    pub(crate) async fn raise(&mut self) -> Result<()> {
        for name in self.names.clone() {
            if self.cluster.process(&name).is_err() {
                let log = self.audit_log(&name).display().to_string();
                let more = self.environment.iter().map(|&(name, value)| (name, value.to_owned()));
                let environment: Vec<_> = more.chain([("NARTHEX_AUDIT_LOG", log)]).collect();
                self.cluster.launch_with(self.sandbox, std::slice::from_ref(&name), &environment)?;
            }
        }
        self.cluster.ready(self.sandbox, &self.names).await
    }

    /// The node that leads.
    pub(crate) async fn leader(&self) -> Result<String> {
        until(&self.sandbox.clock, "a leader", DEADLINE, async || {
            let mut leaders = BTreeMap::new();
            for name in &self.names {
                let base = &self.cluster.instance(name)?.base;
                let read = async |metric_name| metric(&self.sandbox.http, base, metric_name).await;
                if read("narthex_control_plane_leader").await.ok().flatten() == Some(1.0) {
                    let term = read("narthex_control_plane_term").await.ok().flatten().unwrap_or_default();
                    leaders.insert(term.to_bits(), name.clone());
                }
            }
            // One that has just been deposed may not know it yet.
            Ok(leaders.into_values().next_back().ok_or_else(|| "no node says that it leads".to_owned()))
        })
        .await
    }

    /// Kills the leader and starts it again, at random moments but not more than `most` times, until `done` is; and how
    /// often.
    pub(crate) async fn kill_leaders_until<T>(
        &mut self,
        random: &Random,
        pause: Range<Duration>,
        most: usize,
        done: impl Future<Output = T>,
    ) -> Result<(T, usize)> {
        let mut done = pin!(done);
        let mut kills = 0;
        let outcome = loop {
            tokio::select! {
                outcome = &mut done => break outcome,
                killed = self.kill_leader(random, &pause), if kills < most => killed?,
            }
            kills += 1;
        };
        self.raise().await?;
        Ok((outcome, kills))
    }

    async fn kill_leader(&mut self, random: &Random, pause: &Range<Duration>) -> Result<()> {
        let between = |range: &Range<Duration>| {
            let width = range.end.saturating_sub(range.start).as_millis();
            range.start + Duration::from_millis(random.below(u64::try_from(width).unwrap_or_default()))
        };
        self.sandbox.clock.sleep(between(pause)).await;
        let leader = self.leader().await?;
        self.cluster.kill(&[leader])?;
        self.sandbox.clock.sleep(between(&(Duration::ZERO..Duration::from_secs(2)))).await;
        self.raise().await
    }

    /// Every event in the audit logs of all nodes, once they have ended.
    pub(crate) async fn events(&mut self) -> Result<Vec<Value>> {
        for name in &self.names {
            self.cluster.process(name)?.terminate()?;
        }
        let mut events = Vec::new();
        for name in &self.names {
            let process = self.cluster.process(name)?;
            let status = ended(self.sandbox, process).await?;
            ensure!(status.success(), "{name} ended with {status}");
            let log = self.audit_log(name);
            let text = std::fs::read_to_string(&log).with_context(|| log.display().to_string())?;
            for line in text.lines() {
                events.push(serde_json::from_str(line).with_context(|| line.to_owned())?);
            }
        }
        Ok(events)
    }
}
