//! Loading a world into servers by remote write, the same requests to all, in the order of time.
//!
//! A slice of time goes out whole before the next begins. Narthex refuses samples that are more than an hour older than its
//! data clock or more than ten minutes newer, so the clock runs along at the data set's pace: the loader waits for it, and sets
//! it back where it has run ahead of a busy machine. Setting it takes a restart, in which the clock runs on by more than the room
//! that it may be in: it is set back by that much more, as waiting for it costs little.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail};
use bytes::Bytes;
use http::Request;
use narthex_integration_tests::{aws::Signer, http::Http, sandbox::Sandbox};
use narthex_remote_write::Encoder;
use tokio::task::JoinSet;

use super::{
    data::{DataSet, END_MS},
    servers::Server,
    shape::Moment,
    world::{Series, Target},
};

/// Samples of a series in a request.
const TICKS: i64 = 20;
/// Most series in a request: a request must stay below a megabyte, and kube-state-metrics alone has hundreds of series for each node.
const SERIES: usize = 2_000;
/// Connections to each server.
const CONNECTIONS: usize = 4;
/// How far the data clock may be ahead of a slice's first sample, and behind its last one.
const AHEAD_MS: i64 = 25 * 60_000;
const BEHIND_MS: i64 = 9 * 60_000;
/// Where the data clock begins, after a slice's first sample.
pub(super) const HEAD_START_MS: i64 = 20 * 60_000;
/// Tries of a request that a busy server puts off.
const TRIES: usize = 5;

/// What was loaded.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Loaded {
    pub(super) series: usize,
    pub(super) samples: u64,
}

/// Writes all of a data set into the servers.
pub(super) async fn load(
    data: &DataSet,
    world: &Arc<Vec<Target>>,
    servers: &mut [Server],
    sandbox: &Sandbox,
) -> Result<Loaded> {
    let series = world.iter().map(|target| target.series.len()).sum();
    let mut loaded = Loaded { series, samples: 0 };
    let mut start = data.start_ms();
    while start < END_MS {
        let end = (start + TICKS * data.interval_ms).min(END_MS);
        for server in servers.iter_mut() {
            wait_for(server, start, end, data.pace, sandbox).await?;
        }
        loaded.samples += send_slice(data, world, servers, &sandbox.http, start..end).await?;
        let percent = (end - data.start_ms()) * 100 / data.length_ms;
        if percent / 10 != (start - data.start_ms()) * 100 / data.length_ms / 10 {
            eprintln!("loaded {percent} %");
        }
        start = end;
    }
    Ok(loaded)
}

/// Waits until the server's clock is where it takes the samples of a slice.
async fn wait_for(server: &mut Server, start: i64, end: i64, pace: f64, sandbox: &Sandbox) -> Result<()> {
    let earliest = end - BEHIND_MS;
    // Where the clock was set to last.
    let mut set = None;
    while let Some(now) = server.data_now().await? {
        if now > start + AHEAD_MS {
            let restart = set.map_or(0, |set| now - set);
            server.set_data_clock(sandbox, earliest - restart, pace).await?;
            set = Some(earliest - restart);
        } else if now < earliest {
            let millis = ((earliest - now) as f64 / pace).clamp(1.0, 1_000.0);
            sandbox.clock.sleep(Duration::from_millis(millis as u64)).await;
        } else {
            break;
        }
    }
    Ok(())
}

async fn send_slice(
    data: &DataSet,
    world: &Arc<Vec<Target>>,
    servers: &[Server],
    http: &Http,
    slice: std::ops::Range<i64>,
) -> Result<u64> {
    let sinks: Arc<Vec<_>> = Arc::new(servers.iter().map(Server::write_target).collect());
    let mut connections = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let (data, world, sinks, http) = (data.clone(), world.clone(), sinks.clone(), http.clone());
        let slice = slice.clone();
        connections.spawn(async move {
            let mut encoder = Encoder::new();
            let mut samples = 0;
            let mut waiting = 0;
            for target in world.iter().skip(connection).step_by(CONNECTIONS) {
                let moments = moments(target, &data, &slice);
                samples += (moments.len() * target.series.len()) as u64;
                for series in &target.series {
                    encode(&mut encoder, series, &moments);
                    waiting += 1;
                    if waiting == SERIES {
                        send_all(&http, &sinks, encoder.finish()).await?;
                        waiting = 0;
                    }
                }
            }
            if waiting > 0 {
                send_all(&http, &sinks, encoder.finish()).await?;
            }
            Ok::<u64, anyhow::Error>(samples)
        });
    }
    let mut samples = 0;
    while let Some(connection) = connections.join_next().await {
        samples += connection??;
    }
    Ok(samples)
}

/// When a target is scraped in a slice, and what its world is like then.
fn moments(target: &Target, data: &DataSet, slice: &std::ops::Range<i64>) -> Vec<(i64, Moment)> {
    let times = slice.clone().step_by(data.interval_ms as usize);
    let scrapes = times.map(|start| {
        let at = target.timestamp(start, data.interval_ms);
        (at, target.moment(at, data.interval_ms, data.start_ms(), END_MS))
    });
    scrapes.collect()
}

/// Adds the samples of a series.
fn encode(encoder: &mut Encoder, series: &Series, moments: &[(i64, Moment)]) {
    let (shape, seed) = (series.shape, series.seed());
    let histograms: Vec<_> =
        moments.iter().filter_map(|(at, moment)| Some((*at, shape.histogram(seed, *moment)?))).collect();
    let floats: Vec<_> = if histograms.is_empty() {
        moments.iter().map(|(at, moment)| (*at, shape.float(seed, *moment))).collect()
    } else {
        Vec::new()
    };
    encoder.series(series.labels.iter(), &floats, &histograms);
}

/// Sends the same request to every server.
async fn send_all(http: &Http, sinks: &[(String, Option<Signer>)], body: Vec<u8>) -> Result<()> {
    let body = Bytes::from(body);
    for (url, signer) in sinks {
        send(http, url, signer.as_ref(), &body).await?;
    }
    Ok(())
}

async fn send(http: &Http, url: &str, signer: Option<&Signer>, body: &Bytes) -> Result<()> {
    let mut said = String::new();
    for _ in 0..TRIES {
        let mut request = Request::post(url)
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "snappy")
            .header("x-prometheus-remote-write-version", "0.1.0")
            .body(body.clone())?;
        if let Some(signer) = signer {
            signer.sign(&mut request, &**http.clock())?;
        }
        let reply = http.send(request).await?;
        if reply.status.is_success() {
            return Ok(());
        }
        said = reply.to_string();
        if reply.status.is_client_error() && reply.status != 429 {
            break;
        }
        http.clock().sleep(Duration::from_secs(1)).await;
    }
    bail!("{url} answers {said}")
}
