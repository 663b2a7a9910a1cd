//! A real Prometheus, a cluster and an all-in-one that hold the same samples, to be asked the same questions.
//!
//! Samples are hours of history, written in time order. The data clocks stand still, and are set an hour further for each hour
//! that is written, so that nothing depends on how fast the machine is. Then the ingesters start again at the end of that time:
//! they replay their logs and cut the windows that are over, so that queries read blocks and heads together.

use std::{ops::Range, time::Duration};

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt};

use crate::{
    compare_answers::Answer,
    generated::{self, GeneratedSeries},
    http::Reply,
    metrics::metric,
    reference::{Question, Reference},
    sandbox::{Cluster, Sandbox, Standalone, until},
};

/// The beginning of a window of two hours, years ago: where history may begin.
pub const START: i64 = 1_700_006_400_000;
/// Milliseconds.
pub const MINUTE: i64 = 60_000;
/// Milliseconds.
pub const HOUR: i64 = 60 * MINUTE;
const WINDOW: i64 = 2 * HOUR;
/// Where in an hour the clock stands while its samples are written: none is too old then, and none too far ahead.
const STAND: i64 = 54 * MINUTE;
/// A window is cut when it ended this long ago: the oldest age and the slack that everyone has.
const CUT_AFTER: i64 = 70 * MINUTE;
/// How long cuts of a few windows may take on a busy machine.
const SETTLE: Duration = Duration::from_secs(120);

/// Cut what is over at once, and forget it at once.
const CUTS: [(&str, &str); 2] = [("NARTHEX_CUT_JITTER", "0s"), ("NARTHEX_CUT_KEEP", "1s")];

/// Queries that are asked at the same time.
const CONCURRENT: usize = 4;

/// Servers that hold the same samples.
#[derive(Debug)]
pub struct SameSamples {
    /// The reference.
    pub prometheus: Reference,
    /// A cluster whose last querier takes range queries as they are.
    pub cluster: Cluster,
    /// An all-in-one.
    pub all_in_one: Standalone,
    /// When the newest window that is a block ends, milliseconds.
    pub border: i64,
}

/// Whom to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Server {
    /// The reference.
    Prometheus,
    /// A querier that rounds range queries to multiples of the step, as is the default.
    Cluster,
    /// A querier that takes range queries as they are.
    ClusterAsAsked,
    /// The all-in-one, which rounds.
    AllInOne,
}

/// What was asked of whom, what Prometheus answered, and what we did.
pub type Asked = Vec<(String, Answer, Answer)>;

impl SameSamples {
    /// Starts the servers and writes `series`, whose samples lie in a range of time that starts with an hour. Its last window
    /// stays in the heads.
    pub async fn start(
        sandbox: &Sandbox,
        series: &[GeneratedSeries],
        Range { start, end }: Range<i64>,
    ) -> Result<Self> {
        ensure!(start % HOUR == 0, "{start} is no full hour");
        let prometheus = Reference::start(sandbox).await?;
        let still = clock(start + STAND);
        let environment = [CUTS[0], CUTS[1], ("NARTHEX_DATA_CLOCK", still.as_str())];
        let all_in_one = Standalone::start_with(sandbox, &[], &environment).await?;
        let cluster = start_cluster(sandbox, &environment).await?;
        let border = end.div_euclid(WINDOW) * WINDOW;
        let mut servers = Self { prometheus, cluster, all_in_one, border };
        for (hour, from) in (start..end).step_by(HOUR as usize).enumerate() {
            let to = (from + HOUR).min(end);
            if hour > 0 {
                servers.move_writers(sandbox, from + STAND).await?;
            }
            for request in generated::requests(series, from, to) {
                servers.write(sandbox, request).await?;
            }
        }
        servers.cut(sandbox, (border + CUT_AFTER + MINUTE).max(end)).await?;
        let (count, samples) = (series.len(), generated::samples(series));
        eprintln!("{count} series with {samples} samples are loaded, in blocks those before {border}");
        Ok(servers)
    }

    /// Sets the clocks that judge what is written.
    async fn move_writers(&mut self, sandbox: &Sandbox, now: i64) -> Result<()> {
        let now = clock(now);
        self.all_in_one.restart_in(sandbox, &[("NARTHEX_DATA_CLOCK", now.as_str())]).await?;
        let distributors = self.cluster.names(|instance| instance.name == "distributor-zone-a-0");
        ensure!(distributors.len() == 1, "the distributor of zone a is not found");
        self.cluster.kill(&distributors)?;
        let environment = [("NARTHEX_DATA_CLOCK", now)];
        self.cluster.launch_with(sandbox, &distributors, &environment)?;
        self.cluster.ready(sandbox, &distributors).await
    }

    async fn write(&self, sandbox: &Sandbox, body: bytes::Bytes) -> Result<()> {
        let ((), cluster, all_in_one) = tokio::try_join!(
            self.prometheus.write(sandbox, body.clone()),
            self.cluster.api.write(&self.cluster.distributors[0], body.clone()),
            self.all_in_one.api.write(&self.all_in_one.base, body),
        )?;
        let taken = |name: &str, reply: &Reply| -> Result<()> {
            ensure!(reply.status.is_success(), "{name} answered a write with {reply}");
            Ok(())
        };
        taken("the cluster", &cluster)?;
        taken("the all-in-one", &all_in_one)
    }

    /// Starts the ingesters again at `now`, and waits until only the last window is not in blocks.
    async fn cut(&mut self, sandbox: &Sandbox, now: i64) -> Result<()> {
        let now = clock(now);
        self.all_in_one.restart_in(sandbox, &[("NARTHEX_DATA_CLOCK", now.as_str())]).await?;
        let ingesters = self.cluster.names(|instance| instance.service == "ingester");
        self.cluster.kill(&ingesters)?;
        let [jitter, keep] = CUTS.map(|(name, value)| (name, value.to_owned()));
        self.cluster.launch_with(sandbox, &ingesters, &[jitter, keep, ("NARTHEX_DATA_CLOCK", now)])?;
        self.cluster.ready(sandbox, &ingesters).await?;
        let bases = [self.cluster.bases("ingester"), vec![self.all_in_one.base.clone()]].concat();
        until(&sandbox.clock, "the cuts of all windows that are over", SETTLE, async || {
            for base in &bases {
                let windows = metric(&sandbox.http, base, "narthex_ingester_cuts_windows").await?;
                if windows != Some(1.0) {
                    return Ok(Err(format!("{base} holds {windows:?} windows, not one")));
                }
            }
            Ok(Ok(()))
        })
        .await
    }

    /// Asks one of them.
    pub async fn ask(&self, sandbox: &Sandbox, server: Server, question: &Question<'_>) -> Result<Answer> {
        let (api, base) = match server {
            Server::Prometheus => return self.prometheus.ask(sandbox, question).await,
            Server::Cluster => (&self.cluster.api, &self.cluster.queriers[0]),
            Server::ClusterAsAsked => (&self.cluster.api, &self.cluster.queriers[2]),
            Server::AllInOne => (&self.all_in_one.api, &self.all_in_one.base),
        };
        let (endpoint, fields) = question.form();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Answer::of(&api.post_form(base, endpoint, &fields).await?.json()?)
    }
}

impl SameSamples {
    /// Asks Prometheus and others each query at its times.
    pub async fn compare<'q>(
        &self,
        sandbox: &Sandbox,
        queries: impl Iterator<Item = &'q str>,
        questions: impl Fn(&'q str) -> Vec<(Question<'q>, Vec<Server>)>,
    ) -> Result<Vec<Asked>> {
        let answers = queries.map(&questions).map(async |questions| {
            let mut asked = Vec::new();
            for (question, whom) in questions {
                let expected = self.ask(sandbox, Server::Prometheus, &question).await?;
                for server in whom {
                    let found = self.ask(sandbox, server, &question).await?;
                    asked.push((format!("{server:?} {question:?}"), expected.clone(), found));
                }
            }
            Ok(asked)
        });
        futures::stream::iter(answers).buffered(CONCURRENT).try_collect().await
    }
}

/// A data clock that stands still, as far as a test is concerned.
fn clock(now: i64) -> String {
    format!("{now},0.001")
}

/// A cluster whose last querier takes range queries as they are.
async fn start_cluster(sandbox: &Sandbox, environment: &[(&str, &str)]) -> Result<Cluster> {
    let mut cluster = Cluster::init(sandbox)?;
    let environment: Vec<(&str, String)> =
        environment.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let last = cluster.names(|instance| instance.name == "querier-zone-c-0");
    ensure!(last.len() == 1, "the querier of zone c is not found");
    let others = cluster.names(|instance| !last.contains(&instance.name));
    cluster.launch_with(sandbox, &others, &environment)?;
    let as_asked = [&environment[..], &[("NARTHEX_QUERY_ALIGN_RANGE", "false".to_owned())]].concat();
    cluster.launch_with(sandbox, &last, &as_asked)?;
    cluster.ready(sandbox, &[others, last].concat()).await?;
    Ok(cluster)
}
