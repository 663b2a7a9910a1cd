//! Many clients, and clients that do not behave.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use http::Request;
use narthex_integration_tests::{
    http::Reply,
    sandbox::{DEADLINE, until},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::overload::{
    probe::some,
    world::{RUNNING, WAITING, World},
};

const CLIENTS: usize = 200;

/// Sorts every window of every step: seconds of work in little memory.
const SLOW: &str = "sum(quantile_over_time(0.9, m_3[50m]))";

/// The answer is right, or an early refusal that says why.
fn sound(reply: &Reply) -> Result<u16> {
    let status = reply.status.as_u16();
    let json = reply.json()?;
    match status {
        200 => ensure!(json["status"] == "success", "{reply}"),
        429 => ensure!(
            json["error"].as_str().is_some_and(
                |text| text.contains("of the workspace") || text.contains("the workspace has queued")
            ),
            "{reply}"
        ),
        503 => ensure!(json["error"].as_str().is_some_and(|text| !text.is_empty()), "{reply}"),
        _ => anyhow::bail!("{reply}"),
    }
    Ok(status)
}

pub(crate) async fn many_slow_queries(world: &World<'_>) -> Result<()> {
    let mut queries: FuturesUnordered<_> = (0..CLIENTS).map(|_| world.range(SLOW, 300)).collect();
    // All but those that run and wait are refused at once.
    for refused in 0..CLIENTS - RUNNING - WAITING {
        let reply =
            queries.next().await.context("an answer")?.with_context(|| format!("{refused} refused"))?;
        ensure!([200, 429].contains(&sound(&reply)?), "{reply}");
    }
    let (running, waiting) = (world.metric("queries_running").await?, world.metric("queries_waiting").await?);
    eprintln!("    {running} queries run and {waiting} wait");
    ensure!(running <= 8.0 && waiting <= WAITING as f64, "{running} run, {waiting} wait");
    // While the rest goes on, another workspace is served.
    let probes = some(world, 100).await?;
    eprintln!("    probes while they run: {probes}");
    // They all go away.
    drop(queries);
    world.at_rest().await
}

pub(crate) async fn many_clients(world: &World<'_>) -> Result<()> {
    const QUERIES: [&str; 3] =
        ["sum(rate(m_0[5m]))", "topk(5, m_1)", r#"count by (job) ({__name__=~"m_[23]"})"#];
    let client = async |number: usize| {
        let mut found = Vec::new();
        for turn in 0..QUERIES.len() {
            let reply = world.query(QUERIES[(number + turn) % QUERIES.len()]).await?;
            found.push(sound(&reply)?);
        }
        Ok::<_, anyhow::Error>(found)
    };
    let mut clients: FuturesUnordered<_> = (0..CLIENTS).map(client).collect();
    let mut answers = BTreeMap::<u16, usize>::new();
    while let Some(found) = clients.next().await {
        for status in found? {
            *answers.entry(status).or_default() += 1;
        }
    }
    eprintln!("    {CLIENTS} clients got {answers:?}");
    ensure!(answers.get(&200).is_some_and(|served| *served >= RUNNING + WAITING), "{answers:?}");
    Ok(())
}

/// Sends a signed query and gives the connection, on which nothing is read.
async fn ask(world: &World<'_>, query: &str, steps: i64) -> Result<TcpStream> {
    let start = (world.now / 1000 - steps + 1).to_string();
    let end = (world.now / 1000).to_string();
    let fields = [("query", query), ("start", &start), ("end", &end), ("step", "1")];
    let body = form_of(&fields);
    let address = world.narthex.base.trim_start_matches("http://");
    let mut request = Request::post(world.attacker.url(&world.narthex.base, "api/v1/query_range"))
        .header("host", address)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("content-length", body.len().to_string())
        .body(Bytes::from(body))?;
    let signer = world.attacker.signer.as_ref().context("a signer")?;
    signer.sign(&mut request, &**world.attacker.http.clock())?;
    let mut text = format!("POST {} HTTP/1.1\r\n", request.uri().path());
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\r\n", value.to_str()?);
    }
    text += "\r\n";
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(text.as_bytes()).await?;
    connection.write_all(request.body()).await?;
    Ok(connection)
}

fn form_of(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

pub(crate) async fn one_that_does_not_read(world: &World<'_>) -> Result<()> {
    let before = world.metric("answers_cut_off_total").await?;
    let mut connection = ask(world, "m_0 / 7", 2_400).await?;
    let mut start = vec![0; 1024];
    connection.read_exact(&mut start).await?;
    ensure!(start.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&start));
    until(&world.sandbox.clock, "the client to be cut off", DEADLINE, async || {
        let after = world.metric("answers_cut_off_total").await?;
        Ok(if after > before { Ok(()) } else { Err("it is not yet".to_owned()) })
    })
    .await?;
    // Its memory is free although it has not noticed.
    world.at_rest().await?;
    // What it reads now ends without the end of the answer.
    let mut rest = Vec::new();
    let _ = connection.read_to_end(&mut rest).await;
    ensure!(!rest.ends_with(b"0\r\n\r\n"), "a part was passed off as the whole answer");
    Ok(())
}

pub(crate) async fn one_that_goes_away(world: &World<'_>) -> Result<()> {
    let connection = ask(world, SLOW, 2_000).await?;
    until(&world.sandbox.clock, "the query to run", DEADLINE, async || {
        let running = world.metric("queries_running").await?;
        Ok(if running > 0.0 { Ok(()) } else { Err(format!("{running} run")) })
    })
    .await?;
    let began = world.sandbox.clock.monotonic();
    drop(connection);
    world.at_rest().await?;
    let took = world.sandbox.clock.monotonic() - began;
    eprintln!("    the query ended {took:.1?} after its client left");
    Ok(())
}
