//! A real Prometheus that holds what was written to it and knows all of its language: what answers are compared with.

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{Method, Request};

use crate::{
    compare_answers::Answer,
    sandbox::{Peer, PrometheusOptions, Sandbox},
};

/// Everything that Prometheus's language has, also where it is called experimental. Servers pass over what they do not know.
const FEATURES: &str = "promql-per-step-stats,promql-experimental-functions,promql-delayed-name-removal,promql-duration-expr,\
                        promql-extended-range-selectors,promql-binop-fill-modifiers,use-start-timestamps";

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
        let seconds = |millis: i64| {
            let sign = if millis < 0 { "-" } else { "" };
            format!("{sign}{}.{:03}", millis.unsigned_abs() / 1000, millis.unsigned_abs() % 1000)
        };
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

/// The reference.
#[derive(Debug)]
pub struct Reference {
    /// The server.
    pub peer: Peer,
}

impl Reference {
    /// Starts an empty one.
    pub async fn start(sandbox: &Sandbox) -> Result<Self> {
        let options = PrometheusOptions {
            config: "global: {}\n".to_owned(),
            flags: vec![
                "--web.enable-remote-write-receiver".to_owned(),
                format!("--enable-feature={FEATURES}"),
            ],
        };
        let peer = Peer::prometheus(sandbox, "reference", &options).await?;
        Ok(Self { peer })
    }

    /// Starts it again with what it holds.
    pub async fn restart(&mut self, sandbox: &Sandbox) -> Result<()> {
        self.peer.restart(sandbox).await
    }

    /// Its version as far as rules depend on it.
    pub fn version(&self) -> Result<(u32, u32)> {
        self.peer.tool.major_minor()
    }

    /// Writes a compressed request of remote write 1.0.
    pub async fn write(&self, sandbox: &Sandbox, body: Bytes) -> Result<()> {
        let request = Request::post(format!("{}/api/v1/write", self.peer.base))
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "snappy")
            .header("x-prometheus-remote-write-version", "0.1.0")
            .body(body)?;
        let reply = sandbox.http.send(request).await?;
        ensure!(reply.status.is_success(), "Prometheus answered a write with {reply}");
        Ok(())
    }

    /// What it says.
    pub async fn ask(&self, sandbox: &Sandbox, question: &Question<'_>) -> Result<Answer> {
        let (endpoint, fields) = question.form();
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request =
            Request::builder().method(Method::POST).uri(format!("{}/api/v1/{endpoint}", self.peer.base));
        let request =
            request.header("content-type", "application/x-www-form-urlencoded").body(body.into())?;
        Answer::of(&sandbox.http.send(request).await?.json()?)
    }
}
