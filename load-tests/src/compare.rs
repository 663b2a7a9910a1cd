//! One run of the same load against several receivers, each started fresh, alone, on this machine.

mod receiver;
mod table;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use narthex_integration_tests::{
    http::{Http, Reply},
    sandbox::{self, Sandbox},
};

use self::receiver::Receiver;
pub use self::{receiver::Kind, table::table};
use crate::{Load, Plan, Prepared, Report, run};

/// How each receiver is measured.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connections of the generator.
    pub connections: usize,
    /// Samples per second, or as fast as acknowledged.
    pub rate: Option<f64>,
    /// Whether to kill the receiver at the end and measure how long it takes to come back.
    pub restart: bool,
}

/// Starts a receiver, loads it, counts what it holds, and stops it.
pub async fn measure(kind: Kind, plan: &Plan, prepared: &Arc<Prepared>, options: &Options) -> Result<Report> {
    let sandbox = Sandbox::new()?;
    let mut receiver = Receiver::start(kind, &sandbox).await?;
    let load = Load {
        urls: receiver.write_urls(),
        signer: receiver.signer(),
        connections: options.connections,
        rate: options.rate,
        server_processes: receiver.process_ids(),
    };
    let mut report = run(&receiver.name(), plan, prepared, &load, &sandbox.http).await?;
    report.held = Some(held(plan, &receiver, &sandbox).await?);
    if options.restart {
        report.restart_seconds = receiver.restart(&sandbox).await?.map(|duration| duration.as_secs_f64());
    }
    drop(receiver);
    sandbox.discard();
    Ok(report)
}

/// Asks for the number of samples of one metric until all are there, for at most half a minute: peers show what they
/// acknowledged only after a while.
async fn held(plan: &Plan, receiver: &Receiver, sandbox: &Sandbox) -> Result<(usize, usize)> {
    let (query, expected) = plan.control_query();
    let time = format!("{}.{:03}", plan.last_ms / 1000, plan.last_ms % 1000);
    let mut found = 0;
    let counted = sandbox::until(&sandbox.clock, "the control query", Duration::from_secs(30), async || {
        let reply = receiver.query(&sandbox.http, &query, &time).await?;
        found = count(&reply)?;
        Ok(if found == expected { Ok(()) } else { Err(format!("{found} of {expected}")) })
    });
    match counted.await {
        Ok(()) => Ok((expected, expected)),
        Err(error) if found > 0 => {
            eprintln!("{error:#}");
            Ok((found, expected))
        }
        Err(error) => Err(error),
    }
}

fn count(reply: &Reply) -> Result<usize> {
    let json = reply.json()?;
    let result =
        json["data"]["result"].as_array().with_context(|| format!("the control query answered {reply}"))?;
    let Some(value) = result.first().and_then(|series| series["value"][1].as_str()) else { return Ok(0) };
    Ok(value.parse::<f64>()? as usize)
}

/// A form POST without a signature.
async fn post_form(http: &Http, url: &str, query: &str, time: &str) -> Result<Reply> {
    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let body = format!("query={}&time={}", encode(query), encode(time));
    let request = http::Request::post(url).header("content-type", "application/x-www-form-urlencoded");
    http.send(request.body(body.into())?).await
}
