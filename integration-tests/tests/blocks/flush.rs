//! The operator's command to flush: what can be cut is cut at once, by whoever is asked first.

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::{
    folder_bucket, samples,
    sandbox::{Cluster, scenario},
};

use super::{SAMPLES, WINDOW, WINDOW_MS, WINDOWS, admin, answers::raw, write};

/// The number before a word in the line of an ingester.
fn number(line: &str, word: &str) -> Result<u64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|found| found.trim_end_matches(',') == word);
    let number =
        at.and_then(|at| words.get(at.checked_sub(1)?)).with_context(|| format!("no {word} in {line}"))?;
    number.parse().with_context(|| line.to_owned())
}

#[test]
fn a_command_cuts_what_can_be_cut_without_waiting() {
    scenario(async |sandbox| {
        let mut cluster = Cluster::start_with(sandbox, &[WINDOW]).await?;
        let start =
            write(sandbox, &cluster.api, &cluster.distributors[0], &cluster.bases("ingester")).await?;
        let addresses = cluster.control_planes();
        let (done, said) = admin(&addresses, &["flush"])?;
        ensure!(done, "{said}");
        let open: u64 = said.lines().map(|line| number(line, "open")).sum::<Result<u64>>()?;
        ensure!(open >= 3 * WINDOWS.cast_unsigned(), "samples of an hour ago may still come: {said}");

        // Slack and jitter are as they come: nothing is cut by itself for ten minutes.
        cluster.restart_in(sandbox, &[("NARTHEX_CUT_MAX_AGE", "1s")]).await?;
        let (done, said) = admin(&addresses, &["flush", "--workspace", &cluster.api.workspace])?;
        ensure!(done, "{said}");
        eprintln!("{said}");
        ensure!(
            said.lines().count() == 6
                && said.lines().all(|line| number(line, "pending").is_ok_and(|n| n == 0)),
            "{said}"
        );
        let bucket = cluster.dir.join("bucket");
        let blocks = folder_bucket::blocks(&bucket, &cluster.api.workspace)?.len();
        let roots = folder_bucket::roots(&bucket, &cluster.api.workspace)?;
        ensure!((WINDOWS as usize..=2 * WINDOWS as usize).contains(&blocks), "{blocks} blocks");
        ensure!(roots == blocks, "{blocks} blocks and {roots} roots");

        // Heads still hold them, and nothing is doubled.
        for querier in &cluster.queriers {
            let found = raw(&cluster.api, querier, start - 1, start + WINDOWS * WINDOW_MS).await?;
            ensure!(samples::count(&found) == SAMPLES, "{} samples at {querier}", samples::count(&found));
        }
        let (done, said) = admin(&addresses, &["flush", "--instance", "ingester-zone-b-0"])?;
        ensure!(done && said.starts_with("ingester-zone-b-0: 0 committed, 0 pending, 0 open"), "{said}");
        let (done, said) = admin(&addresses, &["flush", "--instance", "nobody"])?;
        ensure!(!done && said.contains("ingester-zone-a-0"), "{said}");
        Ok(())
    });
}
