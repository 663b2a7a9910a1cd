//! The conformance suite against the backends that need no server. Real S3 is tested with the other real peers.

use std::sync::Arc;

use narthex_bucket::{
    BucketArgs, BucketUrl, conformance,
    faulty::{Failure, Fault, Faulty, Rule},
    open,
};
use narthex_service::Components;
use object_store::memory::InMemory;

async fn conforms(url: BucketUrl) {
    let components = Components::from_system(None);
    let bucket = open(&BucketArgs::new(url), &components).expect("opens");
    bucket.verify().await.expect("sound");
    conformance::run(&bucket.store(), &components.clock)
        .await
        .map_err(|error| format!("{error:#}"))
        .expect("conforms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_conforms() {
    conforms(BucketUrl::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_directory_conforms() {
    let directory = tempfile::tempdir().expect("a folder");
    conforms(BucketUrl::Directory(directory.path().join("bucket"))).await;
}

/// The suite sees what it is for: a store that loses a single reply does not pass.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_with_a_fault_does_not_conform() {
    let Components { clock, random, .. } = Components::from_system(None);
    let (store, faults) = Faulty::new(Arc::new(InMemory::new()), clock.clone(), random);
    faults.add(Rule::new(Fault::Before(Failure::Unavailable)).skip(40).times(1));
    let store: Arc<dyn object_store::ObjectStore> = store;
    let error = conformance::run(&store, &clock).await.expect_err("one request failed");
    assert!(format!("{error:#}").contains("503"), "{error:#}");
}
