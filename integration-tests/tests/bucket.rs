//! The bucket crate over a real S3 server, path style, with signatures that the server checks.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, bail, ensure};
use futures::{StreamExt, TryStreamExt};
use narthex_bucket::{Bucket, BucketArgs, VerifyError, conformance, layout, open};
use narthex_integration_tests::{
    s3::S3Server,
    sandbox::{DEADLINE, Sandbox, scenario, until},
};
use narthex_model::{BlockId, ManifestRevision, WorkspaceId};
use narthex_service::{Components, HumanDuration};
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, path::Path};

fn args(server: &S3Server, url: &str) -> Result<BucketArgs> {
    let mut args = BucketArgs::new(url.parse()?);
    args.endpoint = Some(server.endpoint.clone());
    args.allow_http = true;
    args.access_key_id = Some(server.signer.access_key_id.clone());
    args.secret_access_key = Some(server.signer.secret_access_key.as_str().into());
    Ok(args)
}

async fn bucket(sandbox: &Sandbox, server: &S3Server, name: &str) -> Result<Bucket> {
    server.create_bucket(sandbox, name).await?;
    Ok(open(&args(server, &format!("s3://{name}/a/prefix"))?, &Components::from_system(None))?)
}

#[test]
fn a_real_s3_server_conforms() {
    scenario(async |sandbox| {
        let mut server = S3Server::start(sandbox).await?;
        let bucket = bucket(sandbox, &server, "conformance").await?;
        bucket.verify().await?;
        conformance::run(&bucket.store(), &sandbox.clock).await?;

        // What was written outlives the server.
        let key = Path::from("kept");
        bucket.store().put(&key, "over a restart".into()).await?;
        server.restart(sandbox).await?;
        until(&sandbox.clock, "the object after a restart", DEADLINE, async || {
            Ok(match read(&bucket, &key).await {
                Ok(body) if body == "over a restart" => Ok(()),
                other => Err(format!("{other:?}")),
            })
        })
        .await
    });
}

async fn read(bucket: &Bucket, key: &Path) -> object_store::Result<bytes::Bytes> {
    bucket.store().get(key).await?.bytes().await
}

#[test]
fn wrong_keys_are_refused_by_name() {
    scenario(async |sandbox| {
        let server = S3Server::start(sandbox).await?;
        let sound = bucket(sandbox, &server, "locked").await?;
        sound.verify().await?;
        let components = || Components::from_system(None);
        let mut wrong = args(&server, "s3://locked")?;
        wrong.secret_access_key = Some("not the secret".into());
        match open(&wrong, &components())?.verify().await {
            Err(VerifyError::Request { error: Error::PermissionDenied { .. }, step: "write", .. }) => {}
            other => bail!("a wrong secret is answered with {other:?}"),
        }
        Ok(())
    });
}

/// What the server counted since the last look, by kind of request.
struct Costs<'a> {
    sandbox: &'a Sandbox,
    server: &'a S3Server,
    seen: BTreeMap<String, u64>,
}

impl Costs<'_> {
    /// The requests since the last call are exactly `expected`. The server counts after it has answered, so this may wait.
    async fn are(&mut self, what: &str, expected: &[(&str, u64)]) -> Result<()> {
        let expected: BTreeMap<String, u64> =
            expected.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect();
        let mut now = BTreeMap::new();
        let counted = until(&self.sandbox.clock, what, Duration::from_secs(5), async || {
            now = BTreeMap::new();
            for ((kind, _), count) in self.server.requests(self.sandbox, "costs").await? {
                *now.entry(kind).or_default() += count;
            }
            let spent = now.iter().map(|(kind, count)| {
                (kind.clone(), count - self.seen.get(kind).copied().unwrap_or_default())
            });
            let spent: BTreeMap<_, _> = spent.filter(|(_, count)| *count > 0).collect();
            Ok(if spent == expected { Ok(()) } else { Err(format!("{spent:?}, expected {expected:?}")) })
        });
        counted.await?;
        self.seen = now;
        Ok(())
    }
}

#[test]
fn operations_cost_the_requests_they_should() {
    scenario(async |sandbox| {
        let server = S3Server::start(sandbox).await?;
        let bucket = bucket(sandbox, &server, "costs").await?;
        let store = bucket.store();
        let mut costs = Costs { sandbox, server: &server, seen: BTreeMap::new() };
        costs.are("making the bucket", &[("PUT", 1)]).await?;

        let ws = WorkspaceId::from_random(7);
        let root = |revision| layout::manifest_root(ws, ManifestRevision(revision));
        for revision in 1..=50 {
            store.put_opts(&root(revision), "root".into(), PutMode::Create.into()).await?;
        }
        costs.are("a commit is a put", &[("PUT", 50)]).await?;
        let again = store.put_opts(&root(50), "other".into(), PutMode::Create.into()).await;
        ensure!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
        costs.are("a lost race is a put", &[("PUT", 1)]).await?;

        let newest = store.list(Some(&layout::manifest_prefix(ws))).next().await.transpose()?;
        ensure!(newest.is_some_and(|meta| meta.location == root(50)), "the newest root is not the first key");
        costs.are("the newest root is found by one request", &[("LIST", 1)]).await?;
        let all: Vec<_> = store.list(Some(&layout::manifest_prefix(ws))).try_collect().await?;
        ensure!(all.len() == 50);
        costs.are("the others need a second page", &[("LIST", 2)]).await?;

        let block = layout::block_data(ws, BlockId::new(1, 1));
        store.put(&block, vec![7; 2_000_000].into()).await?;
        costs.are("a block is a put", &[("PUT", 1)]).await?;
        let near = [0..100, 90..200, 100_000..100_010, 300_000..300_001];
        let far = 1_900_000..1_900_100;
        let parts = store.get_ranges(&block, &[&near[..], &[far]].concat()).await?;
        ensure!(parts.iter().map(bytes::Bytes::len).eq([100, 110, 10, 1, 100]), "{parts:?}");
        costs.are("near ranges are read together", &[("GET", 2)]).await?;
        store.head(&block).await?;
        // The server counts it among its reads.
        costs.are("a look is a request", &[("GET", 1)]).await?;
        store.delete(&block).await?;
        costs.are("a deletion is a request", &[("DELETE", 1)]).await
    });
}

/// A server that hangs is told within the time limit of requests and their retries; what was under way has an unknown end.
#[test]
fn an_outage_is_told_in_time_and_passes() {
    scenario(async |sandbox| {
        let mut server = S3Server::start(sandbox).await?;
        // The first write waits until the server has volumes, longer than an impatient client does.
        bucket(sandbox, &server, "outage").await?.verify().await?;
        let mut args = args(&server, "s3://outage")?;
        args.request_timeout = HumanDuration::from_millis(500);
        args.max_retries = 1;
        let bucket = open(&args, &Components::from_system(None))?;

        let (store, key) = (bucket.store(), Path::from("during"));
        server.process.pause()?;
        let start = sandbox.clock.monotonic();
        let read = store.get(&Path::from("absent")).await;
        ensure!(matches!(read, Err(Error::Generic { .. })), "a hanging server is answered with {read:?}");
        let write = store.put_opts(&key, "x".into(), PutMode::Create.into()).await;
        ensure!(matches!(write, Err(Error::Generic { .. })), "a hanging server is answered with {write:?}");
        let took = sandbox.clock.monotonic() - start;
        ensure!(took < Duration::from_secs(10), "the outage was told after {took:?}");
        server.process.resume()?;

        until(&sandbox.clock, "the server to be back", DEADLINE, async || {
            Ok(match store.put_opts(&key, "y".into(), PutMode::Create.into()).await {
                Ok(_) | Err(Error::AlreadyExists { .. }) => Ok(()),
                Err(error) => Err(error.to_string()),
            })
        })
        .await?;
        let body = store.get(&key).await?.bytes().await?;
        ensure!(body == "x" || body == "y", "one of the two writes is there, not {body:?}");
        Ok(())
    });
}
