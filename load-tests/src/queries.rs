//! What queries of dashboards cost: one corpus, asked of Narthex, Prometheus and VictoriaMetrics that hold the same samples.
//!
//! CPU time is that of the server's process alone; requests alternate between servers, so that a busy machine is busy for
//! all of them. Answers of Narthex and Prometheus are compared, so that nobody is fast by being wrong; VictoriaMetrics means
//! other things by some functions, so of its answers only the series are counted.

mod corpus;
mod data;
mod load;
mod measure;
mod report;
mod servers;
mod shape;
mod world;

#[cfg(test)]
mod alike_test;

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use narthex_integration_tests::{http::Http, sandbox::Sandbox};

pub use self::{
    corpus::{Question, questions},
    data::{DataSet, END_MS, Scale, Span},
    measure::Rounds,
    report::{Figures, Report, Row},
    servers::Kind,
};
use self::{
    load::{HEAD_START_MS, load},
    measure::measure,
    servers::{Server, serving_clock},
    world::world,
};

/// Longest time of one request.
const REQUEST_LIMIT: Duration = Duration::from_secs(120);
/// The file in a server's folder that tells that everything is in it.
const LOADED: &str = "loaded";

/// What to compare.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data.
    pub scale: Scale,
    /// Who is asked; ratios are to the first.
    pub servers: Vec<Kind>,
    /// Only questions whose names contain this.
    pub only: String,
    /// How often.
    pub rounds: Rounds,
    /// Where folders with loaded data are kept and looked for; `None` loads anew and keeps nothing.
    pub keep: Option<PathBuf>,
}

/// Servers on their loaded data, ready to be asked.
#[derive(Debug)]
pub struct Comparison {
    data: DataSet,
    options: Options,
    servers: Vec<Server>,
    http: Http,
}

impl Comparison {
    /// Loads what is not there yet, starts all servers on it, and waits until they rest.
    pub async fn prepare(sandbox: &Sandbox, options: &Options) -> Result<Self> {
        let data = options.scale.data();
        let root = options.keep.clone().unwrap_or_else(|| sandbox.path().to_owned()).join(data.name);
        let folder = |kind: Kind| root.join(kind.name());
        let mut missing = Vec::new();
        for &kind in options.servers.iter().filter(|kind| !folder(**kind).join(LOADED).exists()) {
            // What an interrupted load left would be in the way of the order of time.
            if folder(kind).exists() {
                fs::remove_dir_all(folder(kind))?;
            }
            fs::create_dir_all(folder(kind))?;
            let data_now = data.start_ms() + HEAD_START_MS;
            missing.push(Server::start(kind, sandbox, &folder(kind), data_now, data.pace).await?);
        }
        if !missing.is_empty() {
            let began = sandbox.clock.monotonic();
            let loaded = load(&data, &Arc::new(world(data.nodes)), &mut missing, sandbox).await?;
            let took = sandbox.clock.monotonic() - began;
            eprintln!("{} series and {} samples in {took:.0?}", loaded.series, loaded.samples);
        }
        for mut server in missing {
            server.finish(sandbox, &data).await?;
            fs::write(folder(server.kind).join(LOADED), "")?;
        }
        let mut servers = Vec::new();
        for &kind in &options.servers {
            let server = Server::start(kind, sandbox, &folder(kind), serving_clock(&data), 1.0).await?;
            eprintln!("{} is process {}", kind.name(), server.process_id());
            servers.push(server);
        }
        for server in &servers {
            server.rest(sandbox).await?;
        }
        let http = Http::new(sandbox.clock.clone(), REQUEST_LIMIT);
        Ok(Self { data, options: options.clone(), servers, http })
    }

    /// Asks everything and reports.
    pub async fn run(&self) -> Result<Report> {
        let names = self.servers.iter().map(|server| format!("{} {}", server.kind.name(), server.version()));
        let mut report = Report {
            scale: self.data.name.to_owned(),
            servers: names.map(|name| name.trim().to_owned()).collect(),
            rows: Vec::new(),
        };
        let questions = questions(&self.data)?;
        for question in questions.iter().filter(|question| question.name.contains(&self.options.only)) {
            let row = measure(question, &self.servers, self.options.rounds, &self.http).await;
            report.rows.push(row.with_context(|| format!("{}: {}", question.name, question.query))?);
            eprint!(".");
        }
        eprintln!();
        Ok(report)
    }
}
