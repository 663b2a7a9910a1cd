use std::{fmt, fs};

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, path::Path,
};

use super::*;
use crate::{
    Operation,
    faulty::{Failure, Fault, Faults, Faulty, Keys, Rule},
};

fn components() -> Components {
    Components::from_system(None)
}

fn faulty() -> (Bucket, Faults) {
    let Components { clock, random, .. } = components();
    let (store, faults) = Faulty::new(Arc::new(InMemory::new()), clock, random.clone());
    (Bucket::new(store, random), faults)
}

/// A server that does not know If-None-Match, as some that speak S3 do not.
#[derive(Debug)]
struct Careless(InMemory);

impl fmt::Display for Careless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Careless")
    }
}

#[async_trait]
impl ObjectStore for Careless {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        _: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.0.put(location, payload).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_sound_bucket_is_verified_and_left_clean() {
    let (bucket, faults) = faulty();
    bucket.verify().await.expect("memory is sound");
    assert!(bucket.store().list(None).next().await.is_none(), "the probe is gone");
    assert_eq!(faults.count(Operation::PutIfAbsent, &Keys::Any), 2);
    // The first write's reply is lost and its repetition finds the key: no reason to refuse the bucket.
    faults.add(Rule::new(Fault::After(Failure::AlreadyExists)).on([Operation::PutIfAbsent]).times(1));
    bucket.verify().await.expect("still sound");
}

#[tokio::test]
async fn a_server_that_ignores_conditions_is_refused_by_name() {
    let bucket = Bucket::new(Arc::new(Careless(InMemory::new())), components().random);
    let error = bucket.verify().await.expect_err("careless");
    assert!(matches!(error, VerifyError::Overwrites { .. }), "{error:?}");
    assert!(error.to_string().contains("ignores If-None-Match"), "{error}");
    assert!(bucket.store().list(None).next().await.is_none(), "the probe is gone");
}

#[tokio::test]
async fn what_a_bucket_cannot_do_is_told() {
    for (operation, step) in [
        (Operation::PutIfAbsent, "cannot write"),
        (Operation::Get, "cannot read"),
        (Operation::List, "cannot list"),
        (Operation::Delete, "cannot delete"),
    ] {
        let (bucket, faults) = faulty();
        faults.add(Rule::new(Fault::Before(Failure::PermissionDenied)).on([operation]));
        let error = bucket.verify().await.expect_err(step).to_string();
        assert!(error.contains(step) && error.contains("403"), "{error}");
    }
}

#[tokio::test]
async fn a_directory_is_made_and_keeps_objects_over_reopening() {
    let root = tempfile::tempdir().expect("a folder");
    let directory = root.path().join("deep/er/bucket");
    let args = BucketArgs::new(BucketUrl::Directory(directory.clone()));
    let bucket = open(&args, &components()).expect("opens");
    bucket.verify().await.expect("sound");
    let key = Path::from("workspaces/x/blocks/1/data.parquet");
    bucket.store().put_opts(&key, "x".into(), PutMode::Create.into()).await.expect("written");
    let again = open(&args, &components()).expect("opens again");
    assert_eq!(again.store().get(&key).await.expect("found").bytes().await.expect("read"), "x");
    again.store().delete(&key).await.expect("deleted");
    assert_eq!(
        fs::read_dir(&directory).expect("a folder").count(),
        0,
        "empty folders go with their last object"
    );
}
