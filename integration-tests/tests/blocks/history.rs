//! Hours of history on a fast data clock: written in time order, cut with the settings that everyone has, and counted all the time.

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::{
    aws::Api,
    folder_bucket,
    sandbox::{Standalone, scenario},
    wire::WriteRequest,
};

use super::{answers::seconds, settled};

/// The beginning of a window of two hours, years ago.
const START: i64 = 1_700_006_400_000;
const HOUR: i64 = 3_600_000;
/// Ten minutes pass in a second.
const RATE: i64 = 600;
const HOURS: i64 = 8;
const SERIES: u64 = 20;
const EVERY: i64 = 60_000;

/// The time that the server judges samples by, in milliseconds.
async fn data_time(api: &Api, base: &str) -> Result<i64> {
    let reply = api.get(base, "query", &[("query", "time()")]).await?;
    ensure!(reply.status == 200, "{reply}");
    let json = reply.json()?;
    let text = json["data"]["result"][1].as_str().context("time() is a number")?;
    Ok((text.parse::<f64>()? * 1_000.0) as i64)
}

/// Writes a sample a minute and series in `from..=to`, milliseconds; how many those are.
async fn write(api: &Api, base: &str, from: i64, to: i64) -> Result<u64> {
    let times: Vec<i64> = (from..=to).step_by(EVERY as usize).collect();
    let mut request = WriteRequest::default();
    for series in 0..SERIES {
        let samples: Vec<(i64, f64)> = times.iter().map(|at| (*at, (at / EVERY) as f64 * 0.1)).collect();
        request.series(&[("__name__", "history"), ("job", &format!("job-{series}"))], &samples);
    }
    let reply = api.write(base, request.compressed()).await?;
    ensure!(reply.status.is_success(), "{reply}");
    Ok(times.len() as u64 * SERIES)
}

/// How many samples there are up to a time.
async fn count(api: &Api, base: &str, at: i64) -> Result<u64> {
    let query = format!("sum(count_over_time(history[{}h]))", HOURS + 8);
    let reply = api.get(base, "query", &[("query", &query), ("time", &seconds(at))]).await?;
    ensure!(reply.status == 200, "{reply}");
    let json = reply.json()?;
    let text = json["data"]["result"][0]["value"][1].as_str().with_context(|| reply.to_string())?;
    Ok(text.parse()?)
}

#[test]
fn history_loads_in_time_order_and_no_count_is_ever_wrong() {
    scenario(async |sandbox| {
        let clock = format!("{START},{RATE}");
        // How long a cut is kept is real time.
        let environment = [("NARTHEX_DATA_CLOCK", clock.as_str()), ("NARTHEX_CUT_KEEP", "1s")];
        let narthex = Standalone::start_with(sandbox, &[], &environment).await?;
        let (api, base) = (&narthex.api, narthex.base.as_str());
        let bucket = narthex.data_dir.join("bucket");
        let blocks = || Ok::<_, anyhow::Error>(folder_bucket::blocks(&bucket, &api.workspace)?.len());
        let end = START + HOURS * HOUR;
        let (mut next, mut written, mut counts) = (START, 0, 0u32);
        while next < end {
            let to = data_time(api, base).await?.min(end);
            if to >= next {
                written += write(api, base, next, to).await?;
                next += (to - next) / EVERY * EVERY + EVERY;
            }
            let found = count(api, base, to).await?;
            ensure!(found == written, "{found} of {written} samples with {} blocks", blocks()?);
            counts += 1;
        }
        let so_far = blocks()?;
        eprintln!("{written} samples counted {counts} times while {so_far} windows were cut");
        ensure!(so_far >= 2, "only {so_far} windows were cut while samples came");
        settled(sandbox, std::slice::from_ref(&narthex.base)).await?;
        ensure!(blocks()? as i64 == HOURS / 2, "{} blocks", blocks()?);
        let found = count(api, base, end).await?;
        ensure!(found == written, "{found} of {written} samples from blocks alone");
        Ok(())
    });
}
