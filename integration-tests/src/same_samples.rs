//! A real Prometheus, a cluster and an all-in-one that hold the same samples, to be asked the same questions.
//!
//! Samples are hours of history, written in time order. The data clocks stand still, and are set an hour further for each hour
//! that is written, so that nothing depends on how fast the machine is. Then the ingesters start again at the end of that time:
//! they replay their logs and cut the windows that are over, so that queries read blocks and heads together.

use std::time::Duration;

use anyhow::{Result, ensure};
use http::{Method, Request};

use crate::{
    compare_answers::Answer,
    generated::{self, GeneratedSeries},
    http::Reply,
    metrics::metric,
    sandbox::{Cluster, Peer, PrometheusOptions, Sandbox, Standalone, until},
};

const HOUR: i64 = 3_600_000;
const WINDOW: i64 = 2 * HOUR;
/// Where in an hour the clock stands while its samples are written: none is too old then, and none too far ahead.
const STAND: i64 = 54 * 60_000;
/// A window is cut when it ended this long ago: the oldest age and the slack that everyone has.
const CUT_AFTER: i64 = 70 * 60_000;
/// How long cuts of a few windows may take on a busy machine.
const SETTLE: Duration = Duration::from_secs(120);

/// Cut what is over at once, and forget it at once.
const CUTS: [(&str, &str); 2] = [("NARTHEX_CUT_JITTER", "0s"), ("NARTHEX_CUT_KEEP", "1s")];

/// Everything that Prometheus's language has, also where it is called experimental.
const FEATURES: &str = "promql-experimental-functions,promql-delayed-name-removal,promql-duration-expr";

/// Servers that hold the same samples.
#[derive(Debug)]
pub struct SameSamples {
    /// The reference.
    pub prometheus: Peer,
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

/// A query and when it is evaluated, milliseconds.
#[derive(Debug, Clone, Copy)]
pub enum Question<'q> {
    /// At one time.
    Instant {
        /// PromQL.
        query: &'q str,
        /// When.
        at: i64,
    },
    /// At steps.
    Range {
        /// PromQL.
        query: &'q str,
        /// First step.
        start: i64,
        /// No step is after this.
        end: i64,
        /// Between steps.
        step: i64,
    },
}

impl Question<'_> {
    /// The endpoint below `api/v1/`, and its parameters.
    pub fn form(&self) -> (&'static str, Vec<(&'static str, String)>) {
        let seconds = |millis: i64| format!("{}.{:03}", millis / 1000, millis.rem_euclid(1000));
        match *self {
            Self::Instant { query, at } => {
                ("query", vec![("query", query.to_owned()), ("time", seconds(at))])
            }
            Self::Range { query, start, end, step } => {
                let times = [("start", seconds(start)), ("end", seconds(end)), ("step", seconds(step))];
                ("query_range", [("query", query.to_owned())].into_iter().chain(times).collect())
            }
        }
    }
}

/// Asks a Prometheus.
pub async fn ask_prometheus(sandbox: &Sandbox, peer: &Peer, question: &Question<'_>) -> Result<Answer> {
    let (endpoint, fields) = question.form();
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = Request::builder().method(Method::POST).uri(format!("{}/api/v1/{endpoint}", peer.base));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body.into())?;
    Answer::of(&sandbox.http.send(request).await?.json()?)
}

impl SameSamples {
    /// Starts the servers and writes `series`, whose samples lie in `start..end`; `start` is a multiple of an hour. The last
    /// `in_heads` windows stay in the heads.
    pub async fn start(
        sandbox: &Sandbox,
        series: &[GeneratedSeries],
        start: i64,
        end: i64,
        in_heads: i64,
    ) -> Result<Self> {
        ensure!(start % HOUR == 0, "{start} is no full hour");
        let options = PrometheusOptions {
            config: "global: {}\n".to_owned(),
            flags: vec![
                "--web.enable-remote-write-receiver".to_owned(),
                format!("--enable-feature={FEATURES}"),
            ],
        };
        let prometheus = Peer::prometheus(sandbox, "reference", &options).await?;
        let still = clock(start + STAND);
        let environment = [CUTS[0], CUTS[1], ("NARTHEX_DATA_CLOCK", still.as_str())];
        let all_in_one = Standalone::start_with(sandbox, &[], &environment).await?;
        let cluster = start_cluster(sandbox, &environment).await?;
        let border = end.div_euclid(WINDOW) * WINDOW - (in_heads - 1) * WINDOW;
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
        let windows = end.div_euclid(WINDOW) - start.div_euclid(WINDOW) + 1;
        servers.cut(sandbox, (border + CUT_AFTER + 60_000).max(end), in_heads.min(windows)).await?;
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
        let request = Request::post(format!("{}/api/v1/write", self.prometheus.base))
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "snappy")
            .header("x-prometheus-remote-write-version", "0.1.0")
            .body(body.clone())?;
        let (prometheus, cluster, all_in_one) = tokio::try_join!(
            sandbox.http.send(request),
            self.cluster.api.write(&self.cluster.distributors[0], body.clone()),
            self.all_in_one.api.write(&self.all_in_one.base, body),
        )?;
        let taken = |name: &str, reply: &Reply| -> Result<()> {
            ensure!(reply.status.is_success(), "{name} answered a write with {reply}");
            Ok(())
        };
        taken("Prometheus", &prometheus)?;
        taken("the cluster", &cluster)?;
        taken("the all-in-one", &all_in_one)
    }

    /// Starts the ingesters again at `now`, and waits until only `held` windows are not in blocks.
    async fn cut(&mut self, sandbox: &Sandbox, now: i64, held: i64) -> Result<()> {
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
                if windows != Some(held as f64) {
                    return Ok(Err(format!("{base} holds {windows:?} windows, not {held}")));
                }
            }
            Ok(Ok(()))
        })
        .await
    }

    /// Asks one of them.
    pub async fn ask(&self, sandbox: &Sandbox, server: Server, question: &Question<'_>) -> Result<Answer> {
        let (api, base) = match server {
            Server::Prometheus => return ask_prometheus(sandbox, &self.prometheus, question).await,
            Server::Cluster => (&self.cluster.api, &self.cluster.queriers[0]),
            Server::ClusterAsAsked => (&self.cluster.api, &self.cluster.queriers[2]),
            Server::AllInOne => (&self.all_in_one.api, &self.all_in_one.base),
        };
        let (endpoint, fields) = question.form();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Answer::of(&api.post_form(base, endpoint, &fields).await?.json()?)
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
