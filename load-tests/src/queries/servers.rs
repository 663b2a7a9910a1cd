//! The servers that are asked, each on a folder of its own that outlives it.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Request;
use narthex_integration_tests::{
    aws::{Api, Signer},
    http::{Http, Reply},
    metrics::metric,
    sandbox::{Peer, PrometheusOptions, Sandbox, Standalone, ended, until},
};

use super::{
    corpus::Question,
    data::{DataSet, END_MS},
};
use crate::ThreadTimes;

/// The data clock of Narthex where all data are blocks: later than any of their windows can take a sample.
const LATER_MS: i64 = END_MS + 4 * 3_600_000;
/// How long background work after a load may take.
const SETTLING: Duration = Duration::from_secs(600);
/// How long a server is watched to see whether it rests, and what it may use meanwhile.
const WATCHED: Duration = Duration::from_secs(2);
const RESTING: Duration = Duration::from_millis(60);

/// What to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// The all-in-one, SigV4 on, without its cache of results.
    Narthex,
    /// Prometheus with its remote write receiver.
    Prometheus,
    /// VictoriaMetrics, single node, without its cache of results.
    VictoriaMetrics,
}

impl Kind {
    /// Its name in tables, and that of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Narthex => "narthex",
            Self::Prometheus => "prometheus",
            Self::VictoriaMetrics => "victoria-metrics",
        }
    }
}

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) kind: Kind,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Narthex(Box<Standalone>),
    Peer(Box<Peer>),
}

impl Server {
    /// Starts it on a folder; Narthex with its data clock at `data_now`, advancing by `pace` a second.
    pub(super) async fn start(
        kind: Kind,
        sandbox: &Sandbox,
        folder: &Path,
        data_now: i64,
        pace: f64,
    ) -> Result<Self> {
        let inner = match kind {
            Kind::Narthex => {
                // Nothing of a head is cut, unless blocks are wanted.
                let clock = format!("{data_now},{pace}");
                let environment = [
                    ("NARTHEX_DATA_CLOCK", clock.as_str()),
                    ("NARTHEX_CUT_SLACK", "24h"),
                    ("NARTHEX_CUT_JITTER", "0s"),
                    ("NARTHEX_CUT_KEEP", "1s"),
                    ("NARTHEX_QUERY_CACHE_MEMORY", "0"),
                ];
                let folder = folder.to_owned();
                Inner::Narthex(Box::new(Standalone::start_in(sandbox, folder, &[], &environment).await?))
            }
            Kind::Prometheus => {
                let options = PrometheusOptions {
                    config: "global: {}\n".to_owned(),
                    flags: [
                        "--web.enable-remote-write-receiver",
                        "--storage.tsdb.retention.time=50y",
                        // A start does not replay the whole log again.
                        "--enable-feature=memory-snapshot-on-shutdown",
                    ]
                    .map(str::to_owned)
                    .into(),
                };
                let name = kind.name();
                Inner::Peer(Box::new(Peer::prometheus_in(sandbox, name, folder, &options).await?))
            }
            Kind::VictoriaMetrics => {
                let flags = [
                    "-search.disableCache",
                    "-search.maxUniqueTimeseries=12000000",
                    "-search.maxSeries=1000000",
                    "-search.maxQueryDuration=2m",
                ];
                Inner::Peer(Box::new(Peer::victoria_metrics_in(sandbox, folder, &flags).await?))
            }
        };
        Ok(Self { kind, inner })
    }

    pub(super) fn process_id(&self) -> u32 {
        match &self.inner {
            Inner::Narthex(narthex) => narthex.process.id(),
            Inner::Peer(peer) => peer.process.id(),
        }
    }

    /// The version that it tells of itself; empty for ours.
    pub(super) fn version(&self) -> &str {
        match &self.inner {
            Inner::Narthex(_) => "",
            Inner::Peer(peer) => &peer.tool.version,
        }
    }

    /// Whether it means by queries what a version of Prometheus and all later ones mean.
    pub(super) fn is_since(&self, version: (u32, u32)) -> Result<bool> {
        match &self.inner {
            Inner::Peer(peer) if self.kind == Kind::Prometheus => Ok(peer.tool.major_minor()? >= version),
            _ => Ok(true),
        }
    }

    /// Where remote write goes, and who signs it.
    pub(super) fn write_target(&self) -> (String, Option<Signer>) {
        match &self.inner {
            Inner::Narthex(narthex) => {
                (narthex.api.url(&narthex.base, "api/v1/remote_write"), narthex.api.signer.clone())
            }
            Inner::Peer(peer) => (format!("{}/api/v1/write", peer.base), None),
        }
    }

    /// Where the query API is, with a client of it.
    pub(super) fn query_target(&self, http: &Http) -> (String, Option<Api>) {
        match &self.inner {
            Inner::Narthex(narthex) => {
                let api = Api { http: http.clone(), ..narthex.api.clone() };
                (narthex.api.url(&narthex.base, "api/v1"), Some(api))
            }
            Inner::Peer(peer) => (format!("{}/api/v1", peer.base), None),
        }
    }

    /// The answer to a question.
    pub(super) async fn ask(&self, http: &Http, question: &Question) -> Result<Reply> {
        let (base, api) = self.query_target(http);
        let fields = form_urlencoded::Serializer::new(String::new()).extend_pairs(&question.fields).finish();
        let url = format!("{base}/{}", question.endpoint);
        // Values of labels are there for GET alone. SigV4 wants %20 for a space.
        let request = if question.endpoint.starts_with("label/") {
            Request::get(format!("{url}?{}", fields.replace('+', "%20"))).body(Bytes::new())?
        } else {
            let request = Request::post(url).header("content-type", "application/x-www-form-urlencoded");
            request.body(Bytes::from(fields))?
        };
        match api {
            Some(api) => api.send(request).await,
            None => http.send(request).await,
        }
    }

    /// The present of Narthex's data clock, milliseconds; `None` for others, which take samples of any past.
    pub(super) async fn data_now(&self) -> Result<Option<i64>> {
        let Inner::Narthex(narthex) = &self.inner else { return Ok(None) };
        let reply = narthex.api.post_form(&narthex.base, "query", &[("query", "time()")]).await?;
        let json = reply.json()?;
        let seconds = json["data"]["result"][0].as_f64().with_context(|| format!("no time: {reply}"))?;
        Ok(Some((seconds * 1000.0) as i64))
    }

    /// Sets Narthex's data clock anew.
    pub(super) async fn set_data_clock(&mut self, sandbox: &Sandbox, now: i64, pace: f64) -> Result<()> {
        let Inner::Narthex(narthex) = &mut self.inner else { return Ok(()) };
        narthex.restart_in(sandbox, &[("NARTHEX_DATA_CLOCK", &format!("{now},{pace}"))]).await
    }

    /// Lets what was loaded come to its last form, and ends the process in peace.
    pub(super) async fn finish(&mut self, sandbox: &Sandbox, data: &DataSet) -> Result<()> {
        match &mut self.inner {
            Inner::Narthex(narthex) if data.in_blocks => {
                let clock = format!("{LATER_MS},1");
                let environment = [
                    ("NARTHEX_DATA_CLOCK", clock.as_str()),
                    ("NARTHEX_CUT_SLACK", "0s"),
                    ("NARTHEX_COMPACT_INTERVAL", "5s"),
                ];
                narthex.restart_in(sandbox, &environment).await?;
                until(&sandbox.clock, "all windows to be cut and forgotten", SETTLING, async || {
                    let windows =
                        metric(&sandbox.http, &narthex.base, "narthex_ingester_cuts_windows").await?;
                    Ok(if windows == Some(0.0) { Ok(()) } else { Err(format!("{windows:?} are left")) })
                })
                .await?;
                let rounds = || metric(&sandbox.http, &narthex.base, "narthex_compactor_merge_rounds_total");
                let before = rounds().await?;
                until(&sandbox.clock, "what can be merged to be merged", SETTLING, async || {
                    // The round that is under way may have begun before the last cut.
                    let after = rounds().await?;
                    let done = after.zip(before).is_some_and(|(after, before)| after >= before + 2.0);
                    Ok(if done { Ok(()) } else { Err(format!("{after:?} rounds, {before:?} before")) })
                })
                .await?;
            }
            Inner::Peer(peer) if self.kind == Kind::VictoriaMetrics => {
                let reply = sandbox.http.get(&format!("{}/internal/force_flush", peer.base)).await?;
                ensure!(reply.status.is_success(), "VictoriaMetrics answers {reply}");
            }
            _ => {}
        }
        self.rest(sandbox).await?;
        let process = match &mut self.inner {
            Inner::Narthex(narthex) => &mut narthex.process,
            Inner::Peer(peer) => &mut peer.process,
        };
        process.terminate()?;
        ended(sandbox, process).await.map(drop)
    }

    /// Waits until it does nothing but wait.
    pub(super) async fn rest(&self, sandbox: &Sandbox) -> Result<()> {
        let process = [self.process_id()];
        until(&sandbox.clock, &format!("{} to rest", self.kind.name()), SETTLING, async || {
            let before = ThreadTimes::read(&process)?;
            sandbox.clock.sleep(WATCHED).await;
            let used = ThreadTimes::read(&process)?.since(&before);
            Ok(if used < RESTING { Ok(()) } else { Err(format!("it used {used:?} in {WATCHED:?}")) })
        })
        .await
    }
}

/// The data clock that questions are asked at.
pub(super) fn serving_clock(data: &DataSet) -> i64 {
    if data.in_blocks { LATER_MS } else { END_MS }
}
