//! A real S3 server as a process of a sandbox: SeaweedFS, with static credentials that it checks.
//!
//! It keeps its files over a restart, and counts the requests that it answers, so that a test can hold a client's costs
//! against the server's own word.

use std::{collections::BTreeMap, fs};

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use http::{Method, Request};

use crate::{
    aws::Signer,
    http::Reply,
    sandbox::{Command, DEADLINE, Process, Sandbox, until},
    tools,
};

const REGION: &str = "us-east-1";
const ACCESS_KEY_ID: &str = "AKIANARTHEXTESTS0001";
const SECRET_ACCESS_KEY: &str = "narthex-tests-secret-of-forty-characters";
/// SHA-256 of nothing.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A running S3 server.
#[derive(Debug)]
pub struct S3Server {
    /// The process; killed when dropped. Pausing it is an outage in which connections stay.
    pub process: Process,
    /// `http://ADDRESS:PORT`.
    pub endpoint: String,
    /// Signs for the service `s3` with the server's only credentials.
    pub signer: Signer,
    command: Command,
    metrics: String,
}

impl S3Server {
    /// Starts a server without buckets and waits until it answers signed requests.
    pub async fn start(sandbox: &Sandbox) -> Result<Self> {
        let tool = tools::seaweedfs()?;
        eprintln!("s3: {} {}", tool.name, tool.version);
        let folder = sandbox.path().join("s3");
        fs::create_dir_all(folder.join("data"))?;
        let config = folder.join("s3.json");
        fs::write(&config, credentials().to_string())?;
        let mut command = Command::new(&tool.program)
            .args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"])
            .args([
                "-master.telemetry=false",
                "-master.volumeSizeLimitMB=64",
                "-master.peers=none",
                "-volume.max=0",
            ])
            // Servers that nobody asks here, on ports that others use.
            .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
            .arg(format!("-dir={}", folder.join("data").display()))
            .arg(format!("-s3.config={}", config.display()));
        for role in ["master", "volume", "filer"] {
            for port in ["port", "port.grpc"] {
                command = command.arg(format!("-{role}.{port}={}", sandbox.ports.one()?));
            }
        }
        let (port, grpc, counters) = (sandbox.ports.one()?, sandbox.ports.one()?, sandbox.ports.one()?);
        let command = command
            .arg(format!("-s3.port={port}"))
            .arg(format!("-s3.port.grpc={grpc}"))
            .arg(format!("-metricsPort={counters}"));
        let mut signer = Signer::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, REGION);
        signer.service = "s3".to_owned();
        let mut server = Self {
            process: sandbox.start("s3", command.clone())?,
            endpoint: format!("http://127.0.0.1:{port}"),
            signer,
            command,
            metrics: format!("http://127.0.0.1:{counters}/metrics"),
        };
        server.ready(sandbox).await?;
        Ok(server)
    }

    /// Kills it if it runs, and starts it again on the same files and ports.
    pub async fn restart(&mut self, sandbox: &Sandbox) -> Result<()> {
        self.process.kill()?;
        self.process = sandbox.start(self.process.name(), self.command.clone())?;
        self.ready(sandbox).await
    }

    /// Makes a bucket. A name has 3 to 63 lower-case letters, digits and hyphens.
    pub async fn create_bucket(&self, sandbox: &Sandbox, name: &str) -> Result<()> {
        let reply = self.send(sandbox, Method::PUT, &format!("/{name}")).await?;
        ensure!(reply.status == 200, "CreateBucket {name} answered {reply}");
        Ok(())
    }

    /// The variables that make a service of ours use a bucket of this server, such as `s3://NAME/PREFIX`.
    pub fn environment(&self, url: &str) -> [(&'static str, String); 5] {
        [
            ("NARTHEX_BUCKET_URL", url.to_owned()),
            ("NARTHEX_BUCKET_ENDPOINT", self.endpoint.clone()),
            ("NARTHEX_BUCKET_ALLOW_HTTP", "true".to_owned()),
            ("NARTHEX_BUCKET_ACCESS_KEY_ID", self.signer.access_key_id.clone()),
            ("NARTHEX_BUCKET_SECRET_ACCESS_KEY", self.signer.secret_access_key.clone()),
        ]
    }

    /// Requests that the server answered for a bucket so far, by its kind (`PUT`, `GET`, `LIST`, ...) and status.
    pub async fn requests(&self, sandbox: &Sandbox, bucket: &str) -> Result<BTreeMap<(String, u16), u64>> {
        let reply = sandbox.http.get(&self.metrics).await?;
        ensure!(reply.status == 200, "the server's metrics answered {reply}");
        let mut counts = BTreeMap::new();
        for line in reply.text().lines().filter(|line| line.starts_with("SeaweedFS_s3_request_total{")) {
            // NAME{bucket="...",code="...",type="..."} VALUE, always in this order.
            let parts: Vec<&str> = line.split('"').collect();
            let [_, of, _, code, _, kind, value] = parts[..] else { bail!("unreadable: {line}") };
            if of == bucket {
                let value = value.trim_start_matches('}').trim().parse::<f64>()? as u64;
                counts.insert((kind.to_owned(), code.parse()?), value);
            }
        }
        Ok(counts)
    }

    async fn ready(&mut self, sandbox: &Sandbox) -> Result<()> {
        until(&sandbox.clock, "the S3 server to answer", DEADLINE, async || {
            if let Some(status) = self.process.ended()? {
                bail!("the S3 server ended with {status} before it was ready");
            }
            Ok(match self.send(sandbox, Method::GET, "/").await {
                Ok(reply) if reply.status == 200 => Ok(()),
                Ok(reply) => Err(reply.to_string()),
                Err(error) => Err(format!("{error:#}")),
            })
        })
        .await
    }

    async fn send(&self, sandbox: &Sandbox, method: Method, path: &str) -> Result<Reply> {
        let uri = format!("{}{path}", self.endpoint);
        let request = Request::builder().method(method).uri(uri).header("x-amz-content-sha256", EMPTY);
        let mut request = request.body(Bytes::new())?;
        self.signer.sign_hashed(&mut request, &*sandbox.clock, EMPTY)?;
        sandbox.http.send(request).await
    }
}

fn credentials() -> serde_json::Value {
    serde_json::json!({"identities": [{
        "name": "narthex",
        "credentials": [{"accessKey": ACCESS_KEY_ID, "secretKey": SECRET_ACCESS_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }]})
}
