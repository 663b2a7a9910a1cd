//! A bucket as the services see it: opened from settings, checked at start-up, and otherwise an [`ObjectStore`].

use std::sync::Arc;

use narthex_service::{Components, Random};
use object_store::{ObjectStore, memory::InMemory};

use crate::{BucketArgs, BucketError, BucketUrl, Coalesced, Metered, VerifyError, cloud, directory, verify};

/// An open bucket. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Bucket {
    url: BucketUrl,
    store: Arc<dyn ObjectStore>,
    random: Random,
}

/// Opens the bucket that `args` describe; nothing is asked of a remote one yet (see [`Bucket::verify`]).
///
/// Registers `narthex_bucket_...` metrics: a process opens its bucket once and shares it among the services it hosts.
pub fn open(args: &BucketArgs, components: &Components) -> Result<Bucket, BucketError> {
    let url = args.url.clone().ok_or(BucketError::NoUrl)?;
    refuse_unused(&url, args)?;
    let metered = |store: Arc<dyn ObjectStore>| -> Arc<dyn ObjectStore> {
        Arc::new(Metered::new(store, components.clock.clone(), &components.registry))
    };
    // Memory too: then a test over it reads ranges as a service over a provider does.
    let coalesced = |store| -> Arc<dyn ObjectStore> {
        Arc::new(Coalesced::new(metered(store), args.read_gap.bytes(), args.read_size.bytes()))
    };
    let registry = &components.registry;
    let store = match &url {
        BucketUrl::Memory => coalesced(Arc::new(InMemory::new())),
        BucketUrl::Directory(directory) => {
            metered(Arc::new(directory::open(directory, components.clock.now())?))
        }
        BucketUrl::S3(place) => coalesced(cloud::open_s3(place, args, registry)?),
        BucketUrl::Gcs(place) => coalesced(cloud::open_gcs(place, args, registry)?),
        BucketUrl::Azure(place) => coalesced(cloud::open_azure(place, args, registry)?),
    };
    Ok(Bucket { url, store, random: components.random.clone() })
}

/// A setting without effect is more likely a mistake than meant.
fn refuse_unused(url: &BucketUrl, args: &BucketArgs) -> Result<(), BucketError> {
    let s3 = matches!(url, BucketUrl::S3(_));
    let keys = s3 || matches!(url, BucketUrl::Azure(_));
    let network = keys || matches!(url, BucketUrl::Gcs(_));
    let settings = [
        ("--bucket.endpoint", args.endpoint.is_some(), network),
        ("--bucket.ca-file", args.ca_file.is_some(), network),
        ("--bucket.allow-http", args.allow_http, network),
        ("--bucket.access-key-id", args.access_key_id.is_some(), keys),
        ("--bucket.secret-access-key", args.secret_access_key.is_some(), keys),
        ("--bucket.region", args.region.is_some(), s3),
        ("--bucket.virtual-host", args.virtual_host, s3),
    ];
    match settings.into_iter().find(|(_, set, has)| *set && !has) {
        Some((setting, ..)) => Err(BucketError::Unused { setting, url: url.to_string() }),
        None => Ok(()),
    }
}

impl Bucket {
    /// A bucket over any store: a test's, or one with faults in front.
    pub fn new(store: Arc<dyn ObjectStore>, random: Random) -> Self {
        Self { url: BucketUrl::Memory, store, random }
    }

    /// Where it is.
    pub fn url(&self) -> &BucketUrl {
        &self.url
    }

    /// The store itself. Lists are in key order; deleting an absent key succeeds.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// Whether the bucket does what commits rest on: a put-if-absent of a key that exists is refused, and what was written is
    /// read and listed at once. Writes and deletes one key under `probe/`. For start-up: some servers ignore conditions.
    pub async fn verify(&self) -> Result<(), VerifyError> {
        verify::verify(&*self.store, &self.url, self.random.bits128()).await
    }
}

#[cfg(test)]
mod tests;
