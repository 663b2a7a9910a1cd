//! What cuts cost at a real S3 server, by its own count.

use anyhow::ensure;
use narthex_integration_tests::{
    s3::S3Server,
    samples,
    sandbox::{Standalone, scenario},
};

use super::{AT_ONCE, SAMPLES, WINDOW, WINDOW_MS, WINDOWS, answers::raw, settled, write};

#[test]
fn a_cut_costs_one_object_and_one_root() {
    scenario(async |sandbox| {
        let server = S3Server::start(sandbox).await?;
        server.create_bucket(sandbox, "costs").await?;
        let bucket = server.environment("s3://costs");
        let mut environment: Vec<(&str, &str)> =
            bucket.iter().map(|(name, value)| (*name, value.as_str())).collect();
        environment.push(WINDOW);
        let mut narthex = Standalone::start_with(sandbox, &[], &environment).await?;

        let bases = [narthex.base.clone()];
        let start = write(sandbox, &narthex.api, &narthex.base, &bases).await?;
        narthex.restart_in(sandbox, &AT_ONCE).await?;
        settled(sandbox, &bases).await?;

        let found = raw(&narthex.api, &narthex.base, start - 1, start + WINDOWS * WINDOW_MS).await?;
        ensure!(samples::count(&found) == SAMPLES, "{} samples are there", samples::count(&found));
        let requests = server.requests(sandbox, "costs").await?;
        eprintln!("{WINDOWS} cuts: {requests:?}");
        let puts = |code| requests.get(&("PUT".to_owned(), code)).copied().unwrap_or_default();
        // Making the bucket, and in each check of the bucket a write that succeeds before the one that must not.
        let others = 1 + puts(412);
        let cuts = WINDOWS.cast_unsigned();
        ensure!(puts(200) == 2 * cuts + others, "{cuts} cuts: {requests:?}");
        Ok(())
    });
}
