//! A Prometheus and an all-in-one with the same samples: counters, gauges, an info metric and native histograms.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, Request};
use narthex_integration_tests::{
    http::Reply,
    reference::Reference,
    sandbox::{Sandbox, Standalone},
    wire::{WriteRequest, bytes_field, compress, varint},
};
use serde_json::Value;

const MINUTE: i64 = 60_000;

/// Both servers, and the time of their newest samples.
pub(crate) struct World<'s> {
    sandbox: &'s Sandbox,
    pub(crate) prometheus: Reference,
    pub(crate) narthex: Standalone,
    /// A full minute in milliseconds; samples lie in the 30 minutes before.
    pub(crate) end: i64,
}

impl<'s> World<'s> {
    pub(crate) async fn start(sandbox: &'s Sandbox, arguments: &[&str]) -> Result<Self> {
        let prometheus = Reference::start(sandbox).await?;
        let narthex = Standalone::start_with(sandbox, arguments, &[]).await?;
        let end = sandbox.clock.now().0.div_euclid(MINUTE) * MINUTE;
        let world = Self { sandbox, prometheus, narthex, end };
        world.write(samples(end)).await?;
        Ok(world)
    }

    async fn write(&self, body: Bytes) -> Result<()> {
        let reply = self.narthex.api.write(&self.narthex.base, body.clone()).await?;
        ensure!(reply.status.is_success(), "Narthex answered {reply}");
        self.prometheus.write(self.sandbox, body).await
    }

    /// What both answer to a form, Prometheus first.
    pub(crate) async fn ask(&self, endpoint: &str, fields: &[(&str, &str)]) -> Result<(Reply, Reply)> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let expected = self.prometheus(Method::POST, endpoint, body).await?;
        Ok((expected, self.narthex(endpoint, fields).await?))
    }

    /// What the reference answers.
    pub(crate) async fn prometheus(&self, method: Method, endpoint: &str, body: String) -> Result<Reply> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/api/v1/{endpoint}", self.prometheus.peer.base))
            .header("content-type", "application/x-www-form-urlencoded");
        self.sandbox.http.send(request.body(body.into())?).await
    }

    /// What Narthex answers to a form.
    pub(crate) async fn narthex(&self, endpoint: &str, fields: &[(&str, &str)]) -> Result<Reply> {
        self.narthex.api.post_form(&self.narthex.base, endpoint, fields).await
    }
}

/// Milliseconds as the API takes them.
pub(crate) fn seconds(millis: i64) -> String {
    format!("{}.{:03}", millis / 1000, millis.rem_euclid(1000))
}

/// The data of a success.
pub(crate) fn data(reply: &Reply) -> Result<Value> {
    ensure!(reply.status == 200, "{reply}");
    let mut json = reply.json()?;
    ensure!(json["status"] == "success", "{reply}");
    json.get_mut("data").map(Value::take).context("no data")
}

fn samples(end: i64) -> Bytes {
    let mut request = WriteRequest::default();
    let times = || (0..=60).map(|at| end - (60 - at) * MINUTE / 2);
    for (at, instance) in ["a:1", "b:1", "c:1"].into_iter().enumerate() {
        // One starts late, so that early steps read fewer samples.
        let late = |time: &i64| at != 2 || *time > end - 10 * MINUTE;
        let floats = |factor: f64| -> Vec<(i64, f64)> {
            times().filter(late).enumerate().map(|(n, time)| (time, n as f64 * factor)).collect()
        };
        let job = if at == 0 { "api" } else { "db" };
        request.series(
            &[("__name__", "requests_total"), ("instance", instance), ("job", job)],
            &floats(3.0 + at as f64),
        );
        request.series(&[("__name__", "temperature"), ("instance", instance), ("job", job)], &floats(-0.5));
        request.series(
            &[("__name__", "target_info"), ("instance", instance), ("job", job), ("version", "1")],
            &floats(1.0),
        );
        histograms(&mut request, &[("__name__", "duration"), ("instance", instance), ("job", job)], times());
    }
    compress(request.protobuf())
}

/// A series of native histograms that grow, with the fields of `prometheus.Histogram`.
fn histograms(request: &mut WriteRequest, labels: &[(&str, &str)], times: impl Iterator<Item = i64>) {
    let double = |out: &mut Vec<u8>, number: u8, value: f64| {
        out.push(number << 3 | 1);
        out.extend_from_slice(&value.to_le_bytes());
    };
    let zigzag = |value: i64| (value << 1 ^ value >> 63).cast_unsigned();
    let mut series = Vec::new();
    for (name, value) in labels {
        let mut label = Vec::new();
        bytes_field(&mut label, 1, name.as_bytes());
        bytes_field(&mut label, 2, value.as_bytes());
        bytes_field(&mut series, 1, &label);
    }
    for (n, time) in times.enumerate() {
        let n = n as i64 + 1;
        let mut histogram = vec![1 << 3];
        // Two buckets with n observations each, and one of zero.
        varint(&mut histogram, (2 * n + 1).cast_unsigned());
        double(&mut histogram, 3, n as f64 * 2.5);
        histogram.push(4 << 3);
        varint(&mut histogram, zigzag(0));
        double(&mut histogram, 5, 0.001);
        histogram.push(6 << 3);
        varint(&mut histogram, 1);
        let mut span = vec![1 << 3];
        varint(&mut span, zigzag(0));
        span.extend([2 << 3, 2]);
        bytes_field(&mut histogram, 11, &span);
        let mut deltas = Vec::new();
        varint(&mut deltas, zigzag(n));
        varint(&mut deltas, zigzag(0));
        bytes_field(&mut histogram, 12, &deltas);
        histogram.push(15 << 3);
        varint(&mut histogram, time.cast_unsigned());
        bytes_field(&mut series, 4, &histogram);
    }
    let mut whole = Vec::new();
    bytes_field(&mut whole, 1, &series);
    request.raw(&whole);
}
