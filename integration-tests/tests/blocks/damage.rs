//! A damaged and a missing block: 503 by name for the queries that need them, answers for all others, and the way out.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::{
    aws::Api,
    folder_bucket::{self, BlockFile},
    http::Reply,
    samples,
    sandbox::{Cluster, Standalone, scenario},
};

use super::{
    AT_ONCE, SAMPLES, WINDOW, WINDOW_MS, WINDOWS, admin,
    answers::{raw, seconds},
    settled, write,
};

/// Runs an operator's command over the bucket. No control plane hears of it, as behind an all-in-one.
fn over(bucket: &Path, words: &[&str]) -> Result<(bool, String)> {
    let url = format!("--bucket.url=file://{}", bucket.display());
    admin("127.0.0.1:1", &[words, &[&url]].concat())
}

/// A query of one window.
async fn window(api: &Api, querier: &str, start: i64, number: i64) -> Result<Reply> {
    let end = start + (number + 1) * WINDOW_MS - 1;
    let query = format!("count_over_time(kept[{}ms])", WINDOW_MS);
    api.get(querier, "query", &[("query", &query), ("time", &seconds(end))]).await
}

/// Windows that answer, and those that fail with 503 and the names of these blocks.
async fn windows(api: &Api, querier: &str, start: i64, damaged: &[&BlockFile]) -> Result<usize> {
    let mut failed = 0;
    for number in 0..WINDOWS {
        let reply = window(api, querier, start, number).await?;
        if reply.status == 200 {
            continue;
        }
        ensure!(reply.status == 503, "{reply}");
        let text = reply.text();
        ensure!(damaged.iter().any(|block| text.contains(&block.id)), "the error names no block: {text}");
        failed += 1;
    }
    Ok(failed)
}

/// Spoils one block and deletes another, looks at what queriers say, and takes both out.
async fn damage(api: &Api, queriers: &[String], bucket: &Path, start: i64) -> Result<()> {
    let blocks = folder_bucket::blocks(bucket, &api.workspace)?;
    let end = start + WINDOWS * WINDOW_MS;
    let querier = &queriers[0];
    let whole = samples::count(&raw(api, querier, start - 1, end).await?);
    ensure!(whole == SAMPLES, "{whole} samples are there");
    let (damaged, missing) = (&blocks[0], blocks.last().context("there are blocks")?);
    damaged.corrupt()?;
    missing.remove()?;

    let (done, said) = over(bucket, &["unreadable-blocks"])?;
    ensure!(done && said.contains(&format!("2 of {} blocks", blocks.len())), "{said}");
    let (mut lost, mut affected) = (0, BTreeSet::new());
    for (block, verdict) in [(damaged, "damaged"), (missing, "missing")] {
        let line = said.lines().find(|line| line.contains(&block.id)).context("a block is not listed")?;
        ensure!(line.contains(verdict) && line.contains(&api.workspace), "{line}");
        // ... N samples from A to B: ...
        let words: Vec<&str> = line.split(' ').collect();
        let at = words.iter().position(|word| *word == "samples").with_context(|| line.to_owned())?;
        lost += words[at - 1].parse::<usize>().with_context(|| line.to_owned())?;
        affected.insert(words[at + 2]);
    }

    for querier in queriers {
        let failed = windows(api, querier, start, &[damaged, missing]).await?;
        ensure!(failed == affected.len(), "{failed} of {WINDOWS} windows fail, expected {affected:?}");
        let all = api.get(querier, "query", &[("query", "kept[10m]"), ("time", &seconds(end))]).await?;
        let text = all.text();
        ensure!(all.status == 503, "{all}");
        ensure!(text.contains(&damaged.id) || text.contains(&missing.id), "{text}");
    }

    let take_out = |block: &BlockFile| {
        over(bucket, &["remove-block", "--workspace", &api.workspace, "--block", &block.id])
    };
    let (done, said) = take_out(&blocks[1])?;
    ensure!(!done && said.contains("can be read"), "a sound block was taken out: {said}");
    for block in [damaged, missing] {
        let (done, said) = take_out(block)?;
        ensure!(done && said.contains(&block.id), "{said}");
    }
    for querier in queriers {
        let failed = windows(api, querier, start, &[]).await?;
        ensure!(failed == 0, "{failed} windows fail after the blocks were taken out");
        let left = samples::count(&raw(api, querier, start - 1, end).await?);
        ensure!(left == whole - lost, "{left} of {whole} samples are left, {lost} were given up");
    }
    let (done, said) = over(bucket, &["unreadable-blocks"])?;
    ensure!(done && said.contains(&format!("{} blocks, and all can be read", blocks.len() - 2)), "{said}");
    Ok(())
}

#[test]
fn all_in_one_names_what_it_cannot_read_and_an_operator_takes_it_out() {
    scenario(async |sandbox| {
        let mut narthex = Standalone::start_with(sandbox, &[], &[WINDOW]).await?;
        let bases = [narthex.base.clone()];
        let start = write(sandbox, &narthex.api, &narthex.base, &bases).await?;
        narthex.restart_in(sandbox, &AT_ONCE).await?;
        settled(sandbox, &bases).await?;
        let bucket = narthex.data_dir.join("bucket");
        let blocks = folder_bucket::blocks(&bucket, &narthex.api.workspace)?;
        ensure!(blocks.len() as i64 == WINDOWS, "{} blocks", blocks.len());
        damage(&narthex.api, &bases, &bucket, start).await
    });
}

#[test]
fn cluster_names_what_it_cannot_read_and_an_operator_takes_it_out() {
    scenario(async |sandbox| {
        let mut cluster = Cluster::start_with(sandbox, &[WINDOW]).await?;
        let ingesters = cluster.bases("ingester");
        let start = write(sandbox, &cluster.api, &cluster.distributors[0], &ingesters).await?;
        cluster.restart_in(sandbox, &AT_ONCE).await?;
        settled(sandbox, &ingesters).await?;
        damage(&cluster.api, &cluster.queriers, &cluster.dir.join("bucket"), start).await
    });
}
