//! Sending a prepared load and measuring the answers.
//!
//! Each connection owns some groups and sends tick after tick, so the samples of a series go out in time order. A
//! request that fails goes once to the next address; one that fails again is counted with its answer. With a rate, a
//! request's latency counts from when it was due, so that a server that stalls cannot hide it. Work that a server put
//! off until after its acknowledgement counts too, as far as it is done within [`SETTLE`].

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use bytes::Bytes;
use narthex_integration_tests::{aws::Signer, http::Http};

use crate::{
    plan::{Plan, Prepared, Request},
    procfs::{own_cpu_seconds, usage},
    quantiles::Quantiles,
    report::Report,
};

/// How long after the last answer the servers' CPU time is read.
const SETTLE: Duration = Duration::from_secs(3);

/// Where and how to send.
#[derive(Debug, Clone)]
pub struct Load {
    /// Full remote write URLs, one per zone.
    pub urls: Vec<String>,
    /// Signs, if the receiver wants it.
    pub signer: Option<Signer>,
    /// Connections that send at the same time.
    pub connections: usize,
    /// Samples per second over all connections; as fast as acknowledged when absent.
    pub rate: Option<f64>,
    /// The servers' processes, whose descendants count too.
    pub server_processes: Vec<u32>,
}

#[derive(Debug, Default)]
struct Counts {
    acknowledged: usize,
    requests: u64,
    retried: u64,
    failed: u64,
    failures: BTreeMap<String, u64>,
    latency: Quantiles,
}

/// Sends everything and reports.
pub async fn run(
    name: &str,
    plan: &Plan,
    prepared: &Arc<Prepared>,
    load: &Load,
    http: &Http,
) -> Result<Report> {
    ensure!(!load.urls.is_empty() && load.connections > 0, "a load needs an address and a connection");
    let clock = http.clock().clone();
    let (before, own_before) = (usage(&load.server_processes)?, own_cpu_seconds()?);
    let started = clock.monotonic();
    let connections = load.connections.min(prepared.groups.len());
    let tasks: Vec<_> = (0..connections)
        .map(|index| {
            let connection = Connection {
                index,
                connections,
                started,
                load: load.clone(),
                prepared: prepared.clone(),
                http: http.clone(),
                counts: Counts::default(),
            };
            tokio::spawn(connection.send_all())
        })
        .collect();
    let mut counts = Counts::default();
    for task in tasks {
        let part = task.await??;
        counts.acknowledged += part.acknowledged;
        counts.requests += part.requests;
        counts.retried += part.retried;
        counts.failed += part.failed;
        for (failure, times) in part.failures {
            *counts.failures.entry(failure).or_default() += times;
        }
        counts.latency.merge(&part.latency);
    }
    let seconds = (clock.monotonic() - started).as_secs_f64();
    let own_after = own_cpu_seconds()?;
    clock.sleep(SETTLE).await;
    let after = usage(&load.server_processes)?;
    let cpu = after.cpu_seconds - before.cpu_seconds;
    let millis = |quantile| counts.latency.at(quantile).as_secs_f64() * 1000.0;
    Ok(Report {
        name: name.to_owned(),
        series: plan.series,
        acknowledged: counts.acknowledged,
        seconds,
        requests: counts.requests,
        retried: counts.retried,
        failed: counts.failed,
        failures: counts.failures,
        latency_ms: [millis(0.5), millis(0.9), millis(0.99), millis(1.0)],
        server_cpu_seconds: cpu,
        samples_per_cpu_second: if cpu > 0.0 { counts.acknowledged as f64 / cpu } else { 0.0 },
        resident_bytes: after.resident_bytes,
        anonymous_bytes: after.anonymous_bytes,
        resident_bytes_per_series: after.resident_bytes as f64 / plan.series as f64,
        generator_cpu_seconds: own_after - own_before,
        held: None,
        restart_seconds: None,
    })
}

struct Connection {
    index: usize,
    connections: usize,
    started: Duration,
    load: Load,
    prepared: Arc<Prepared>,
    http: Http,
    counts: Counts,
}

impl Connection {
    async fn send_all(mut self) -> Result<Counts> {
        let clock = self.http.clock().clone();
        let prepared = self.prepared.clone();
        let ticks = prepared.groups.first().map_or(0, Vec::len);
        let mut sent = 0;
        for tick in 0..ticks {
            for group in prepared.groups.iter().skip(self.index).step_by(self.connections) {
                let request = &group[tick];
                let mut due = clock.monotonic();
                if let Some(rate) = self.load.rate {
                    due =
                        self.started + Duration::from_secs_f64(sent as f64 * self.connections as f64 / rate);
                    clock.sleep(due.saturating_sub(clock.monotonic())).await;
                }
                sent += request.samples;
                self.send_one(request, sent + self.index).await?;
                self.counts.latency.record(clock.monotonic().saturating_sub(due));
            }
        }
        Ok(self.counts)
    }

    async fn send_one(&mut self, request: &Request, turn: usize) -> Result<()> {
        self.counts.requests += 1;
        let zones = self.load.urls.len();
        // The turn spreads requests over zones without favouring the zones of a connection's first groups.
        let first = (turn / request.samples.max(1)) % zones;
        for attempt in 0..2 {
            let url = &self.load.urls[(first + attempt) % zones];
            match self.attempt(url, request).await {
                Ok(()) => {
                    self.counts.acknowledged += request.samples;
                    return Ok(());
                }
                Err(failure) => *self.counts.failures.entry(failure).or_default() += 1,
            }
            self.counts.retried += u64::from(attempt == 0);
        }
        self.counts.failed += 1;
        Ok(())
    }

    async fn attempt(&self, url: &str, request: &Request) -> Result<(), String> {
        let told = |error: anyhow::Error| format!("{error:#}").chars().take(300).collect::<String>();
        let message: Result<http::Request<Bytes>> = (|| {
            let mut message = http::Request::post(url)
                .header("content-type", "application/x-protobuf")
                .header("content-encoding", "snappy")
                .header("x-prometheus-remote-write-version", "0.1.0")
                .header("user-agent", "narthex-load-tests")
                .body(request.body.clone())?;
            if let Some(signer) = &self.load.signer {
                signer.sign_hashed(&mut message, &**self.http.clock(), &request.sha256)?;
            }
            Ok(message)
        })();
        let reply = self.http.send(message.map_err(told)?).await.map_err(told)?;
        if reply.status.is_success() { Ok(()) } else { Err(format!("{reply}").chars().take(300).collect()) }
    }
}
