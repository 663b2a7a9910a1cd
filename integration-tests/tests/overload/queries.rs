//! Single queries that ask for too much, or for something that is hard elsewhere.

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::http::Reply;

use crate::overload::world::{METRICS, SERIES, World};

/// An error of the query API with this status whose text has all of `needles`.
fn refused(reply: &Reply, status: u16, kind: &str, needles: &[&str]) -> Result<()> {
    ensure!(reply.status.as_u16() == status, "expected {status}, found {reply}");
    let json = reply.json()?;
    ensure!(json["errorType"] == kind, "expected {kind}, found {reply}");
    let text = json["error"].as_str().context("no error text")?;
    ensure!(needles.iter().all(|needle| text.contains(needle)), "expected {needles:?} in {text:?}");
    Ok(())
}

/// How many series an answer has.
fn results(reply: &Reply) -> Result<usize> {
    ensure!(reply.status == 200, "{reply}");
    Ok(reply.json()?["data"]["result"].as_array().context("no result")?.len())
}

pub(crate) async fn beyond_its_memory(world: &World<'_>) -> Result<()> {
    let words = ["more than 32MiB of memory", "--query.memory-per-query", "select fewer series"];
    // Too much to answer, and too much to evaluate.
    for query in [r#"{__name__=~"m_.*"}[1h]"#, r#"sum(max_over_time({__name__=~"m_.*"}[20s])) by (instance)"#]
    {
        let reply = if query.ends_with("[1h]") {
            world.query(query).await?
        } else {
            world.range(query, 10_000).await?
        };
        refused(&reply, 422, "execution", &words).context(query)?;
    }
    // The bound is the query's and not the process's: a smaller one is answered right after.
    ensure!(results(&world.query("m_0[10m]").await?)? == SERIES);
    Ok(())
}

pub(crate) async fn over_every_series(world: &World<'_>) -> Result<()> {
    ensure!(results(&world.query(r#"{__name__=~".+"}"#).await?)? == METRICS * SERIES);
    let reply = world.query(r#"count(count by (instance) ({__name__=~".+"}))"#).await?;
    let count = reply.json()?["data"]["result"][0]["value"][1].as_str().map(str::parse::<usize>);
    ensure!(count == Some(Ok(METRICS * SERIES)), "{reply}");
    let matchers = [("match[]", r#"{__name__=~".+"}"#)];
    let reply = world.attacker.get(&world.narthex.base, "series", &matchers).await?;
    ensure!(reply.json()?["data"].as_array().context("no data")?.len() == METRICS * SERIES, "{reply}");
    Ok(())
}

/// A few series of ever new values become a column for each of them, as long as the range.
pub(crate) async fn a_column_for_every_value(world: &World<'_>) -> Result<()> {
    let reply = world.range(r#"count_values("v", m_0)"#, 3_000).await?;
    refused(&reply, 422, "execution", &["more than 32MiB of memory"])
}

pub(crate) async fn hard_expressions(world: &World<'_>) -> Result<()> {
    let many: Vec<String> = (0..5_000).map(|number| format!("value-{number}-x+")).collect();
    let many = many.join("|");
    for (pattern, matching) in [
        ("(a+)+$", 0),
        ("(a+)+-[0-9]+", SERIES),
        ("(a|aa)+(b|-)[0-9]+", SERIES),
        ("(.*)(.*)(.*)(.*)(.*)x", 0),
        (r"((a{1,10}){1,10}){1,10}.*", SERIES),
        (many.as_str(), 0),
    ] {
        let shown: String = pattern.chars().take(30).collect();
        let reply = world.query(&format!("m_1{{instance=~{pattern:?}}}")).await.context(shown.clone())?;
        ensure!(results(&reply).context(shown.clone())? == matching, "{shown}: {reply}");
        let reply = world.query(&format!("count(m_1{{instance!~{pattern:?}}})")).await?;
        let rest = if matching == SERIES { 0 } else { 1 };
        ensure!(results(&reply).context(shown.clone())? == rest, "{shown}: {reply}");
    }
    // Larger than any automaton may be.
    let huge = world.query(r#"m_1{instance=~"((((a{1,100}){1,100}){1,100}){1,100})"}"#).await?;
    ensure!(huge.status == 400 || huge.status == 422, "{huge}");
    ensure!(huge.body.len() < 10_000, "an error of {} bytes", huge.body.len());
    Ok(())
}

pub(crate) async fn most_steps(world: &World<'_>) -> Result<()> {
    let reply = world.range("sum(m_2) + count(m_2)", 11_001).await?;
    ensure!(results(&reply)? == 1, "{reply}");
    let refusal = world.range("sum(m_2)", 11_002).await?;
    refused(&refusal, 400, "bad_data", &["exceeded maximum resolution of 11,000 points"])
}
