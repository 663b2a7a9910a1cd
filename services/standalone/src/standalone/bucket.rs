//! The bucket of the process, shared by the services in it.
//!
//! A start with a bucket that can never work (wrong keys, no such bucket, a server that ignores conditions) fails with the
//! reason. One that merely does not answer is no reason to refuse writes: samples wait on the disk, and the ingester checks the
//! bucket before the first block goes there.

use std::time::Duration;

use anyhow::{Context, Result};
use narthex_bucket::{Bucket, BucketArgs, VerifyError};
use narthex_ingester::{Blocks, CutArgs};
use narthex_service::{Components, timeout};
use object_store::Error;

/// Within this time a bucket answers, or the start goes on without it.
const CHECK_LIMIT: Duration = Duration::from_secs(10);

/// Opens the bucket that the settings name and checks it.
pub(super) async fn open(bucket: &BucketArgs, cuts: &CutArgs, components: &Components) -> Result<Blocks> {
    let blocks = Blocks::open(bucket, cuts, components)?.context("no bucket is set")?;
    check(&blocks.bucket, components).await?;
    tracing::info!(bucket = %blocks.bucket.url(), "keeping blocks in a bucket");
    Ok(blocks)
}

async fn check(bucket: &Bucket, components: &Components) -> Result<()> {
    let away = match timeout(&*components.clock, CHECK_LIMIT, bucket.verify()).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) if !may_pass(&error) => return Err(error).context("the bucket cannot be used"),
        Ok(Err(error)) => error.to_string(),
        Err(elapsed) => elapsed.to_string(),
    };
    tracing::warn!(bucket = %bucket.url(), reason = away, "the bucket does not answer; samples stay on the disk until it does");
    Ok(())
}

/// Whether trying again later may help.
fn may_pass(error: &VerifyError) -> bool {
    let VerifyError::Request { error, .. } = error else { return false };
    // Everything else has a name: not found, denied, not supported.
    matches!(error, Error::Generic { store, .. } if *store != LOCAL)
}

/// What the store of a directory calls itself. A disk that fails now fails later.
const LOCAL: &str = "LocalFileSystem";
