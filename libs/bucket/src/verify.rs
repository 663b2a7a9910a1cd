//! The check of a bucket at start-up: does it keep the promises that manifests rest on?
//!
//! Two puts-if-absent of one fresh key, a read, a list and a delete. The key is random, so that processes which start
//! together do not meet; one that dies in between leaves a few bytes under `probe/`.

use futures::TryStreamExt;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, path::Path};

use crate::{BucketUrl, VerifyError};

const FIRST: &[u8] = b"narthex bucket probe";
const SECOND: &[u8] = b"narthex bucket probe, overwritten";

pub(crate) async fn verify(
    store: &dyn ObjectStore,
    url: &BucketUrl,
    random: u128,
) -> Result<(), VerifyError> {
    let key = Path::from(format!("probe/{random:032x}"));
    let checked = check(store, url, &key).await;
    // A failed check leaves the key only if the bucket cannot delete either; the first failure is the one to report.
    let deleted = store.delete(&key).await;
    checked?;
    deleted.map_err(|error| request(url, "delete", error))?;
    match store.head(&key).await {
        Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(request(url, "look up a deleted key", error)),
        Ok(_) => Err(inconsistent(url, "it still has the deleted key", &key)),
    }
}

async fn check(store: &dyn ObjectStore, url: &BucketUrl, key: &Path) -> Result<(), VerifyError> {
    let first = store.put_opts(key, FIRST.into(), PutMode::Create.into()).await;
    match first {
        // A put whose reply was lost is repeated and then finds itself: the key is ours alone.
        Ok(_) | Err(Error::AlreadyExists { .. }) => {}
        Err(error) => return Err(request(url, "write", error)),
    }
    match store.put_opts(key, SECOND.into(), PutMode::Create.into()).await {
        Err(Error::AlreadyExists { .. }) => {}
        Err(error) => return Err(request(url, "write on condition", error)),
        Ok(_) => return Err(VerifyError::Overwrites { bucket: url.to_string(), key: key.clone() }),
    }
    let read = async { store.get(key).await?.bytes().await }.await;
    let read = read.map_err(|error| request(url, "read", error))?;
    if read == SECOND {
        return Err(VerifyError::Overwrites { bucket: url.to_string(), key: key.clone() });
    }
    if read != FIRST {
        return Err(inconsistent(url, "it read other bytes than were written to", key));
    }
    let listed = store.list(Some(&Path::from("probe")));
    let found = listed.try_any(|meta| std::future::ready(meta.location == *key)).await;
    match found.map_err(|error| request(url, "list", error))? {
        true => Ok(()),
        false => Err(inconsistent(url, "it does not list", key)),
    }
}

fn request(url: &BucketUrl, step: &'static str, error: Error) -> VerifyError {
    VerifyError::Request { bucket: url.to_string(), step, error }
}

fn inconsistent(url: &BucketUrl, what: &'static str, key: &Path) -> VerifyError {
    VerifyError::Inconsistent { bucket: url.to_string(), what, key: key.clone() }
}
