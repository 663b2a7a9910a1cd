//! The commands over a bucket in a folder, with windows that are not the default.

use std::fs;

use narthex_block::{BlockSchema, BlockWriter, OwnedSamples, WriterSettings};
use narthex_bucket::BucketUrl;
use narthex_model::{Cut, Epoch, Labels, PartitionId, Window, WindowLength};
use object_store::{ObjectStoreExt, path::Path};
use tempfile::TempDir;

use super::*;

const SAMPLES: i64 = 9;

fn workspace() -> WorkspaceId {
    WorkspaceId::from_u128(7)
}

fn window() -> WindowLength {
    WindowLength::from_millis(10_000).expect("a length")
}

/// A bucket with a block for each of the windows 1 to 3, which is also the block's number.
struct Fixture {
    folder: TempDir,
    components: Components,
}

impl Fixture {
    async fn new() -> Self {
        let fixture = Self {
            folder: tempfile::tempdir().expect("a folder"),
            components: Components::from_system(None),
        };
        let bucket = narthex_bucket::open(&fixture.args(), &fixture.components).expect("opened");
        let settings = ManifestSettings { window_length: window(), ..ManifestSettings::default() };
        let manifests = ManifestStore::new(bucket.store(), settings, &fixture.components);
        for number in 1..=3 {
            let (bytes, entry) = block(number);
            bucket.store().put(&path(number), bytes.into()).await.expect("stored");
            let outcome = manifests.commit(workspace(), Edit::Commit(entry)).await.expect("the bucket works");
            assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
        }
        fixture
    }

    fn args(&self) -> Box<BucketArgs> {
        Box::new(BucketArgs::new(BucketUrl::Directory(self.folder.path().to_owned())))
    }

    fn file(&self, number: i64) -> std::path::PathBuf {
        self.folder.path().join(path(number).as_ref())
    }

    async fn unreadable(&self) -> String {
        let asked = UnreadableBlocks { workspace: None, bucket: self.args() };
        unreadable(asked, &self.components).await.expect("the bucket works")
    }

    async fn remove(&self, number: i64, force: bool) -> Result<String, AdminError> {
        let clock = self.components.clock.clone();
        let control = ControlPlane::remote(&["127.0.0.1:1".to_owned()], 0, clock)?;
        let asked = RemoveBlock { workspace: workspace(), block: id(number), force, bucket: self.args() };
        remove(asked, &control, &self.components).await
    }
}

fn id(number: i64) -> BlockId {
    BlockId::from_u128(number as u128)
}

fn path(number: i64) -> Path {
    layout::block_data(workspace(), id(number))
}

fn block(number: i64) -> (Vec<u8>, Entry) {
    let labels = Labels::from_pairs([("__name__", "up")]);
    let mut samples = OwnedSamples::default();
    for second in 0..SAMPLES {
        samples.timestamps.push(number * 10_000 + second * 1_000);
        samples.values.push(second as f64 / 3.0);
    }
    let schema = BlockSchema::with_labels(["job"], |_| true, false);
    let mut writer = BlockWriter::new(schema, window(), WriterSettings::default()).expect("a writer");
    writer.push(&labels, labels.series_hash(), samples.as_samples()).expect("in order");
    let (bytes, meta) = writer.finish().expect("finished");
    let cut = Cut { partition: PartitionId(0), epoch: Epoch(1), window: Window(number) };
    let entry = Entry::of_block(id(number), cut.into(), &meta);
    (bytes, entry)
}

#[tokio::test]
async fn what_cannot_be_read_is_listed_and_taken_out() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.unreadable().await, "3 blocks, and all can be read");

    let mut bytes = fs::read(fixture.file(2)).expect("read");
    bytes[4..40].fill(0xff);
    fs::write(fixture.file(2), bytes).expect("written");
    fs::remove_file(fixture.file(3)).expect("removed");
    let listed = fixture.unreadable().await;
    assert!(listed.contains(&format!("block {} of 1 series and 9 samples", id(2))), "{listed}");
    assert!(listed.contains("1970-01-01T00:00:20Z to 1970-01-01T00:00:28Z: damaged: "), "{listed}");
    assert!(listed.contains("1970-01-01T00:00:30Z to 1970-01-01T00:00:38Z: missing: "), "{listed}");
    assert!(listed.contains("2 of 3 blocks cannot be read"), "{listed}");

    let refused = fixture.remove(1, false).await.expect_err("it is sound").to_string();
    assert!(refused.contains("can be read; --force"), "{refused}");
    for number in [2, 3] {
        let told = fixture.remove(number, false).await.expect("taken out");
        assert!(told.contains(&id(number).to_string()) && told.contains("at revision"), "{told}");
    }
    assert_eq!(fixture.unreadable().await, "1 blocks, and all can be read");
    let refused = fixture.remove(2, true).await.expect_err("it is gone").to_string();
    assert!(refused.contains("does not name a block"), "{refused}");
    fixture.remove(1, true).await.expect("forced");
    assert_eq!(fixture.unreadable().await, "0 blocks, and all can be read");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_no_empty_bucket() {
    let fixture = Fixture::new().await;
    let elsewhere = BucketUrl::Directory(fixture.folder.path().join("elsewhere"));
    let asked = UnreadableBlocks { workspace: None, bucket: Box::new(BucketArgs::new(elsewhere)) };
    let refused = unreadable(asked, &fixture.components).await.expect_err("no such bucket").to_string();
    assert!(refused.contains("elsewhere"), "{refused}");
    assert!(!fixture.folder.path().join("elsewhere").exists());
}
