//! openraft's own conformance suite over our storage.

use narthex_service::SharedRegistry;
use openraft::{
    StorageError, StorageIOError,
    testing::{StoreBuilder, Suite},
};
use tempfile::TempDir;

use super::{LogStore, MachineStore, NodeId, Store, Types};
use crate::metrics::Metrics;

struct InFolder;

impl StoreBuilder<Types, LogStore, MachineStore, TempDir> for InFolder {
    async fn build(&self) -> Result<(TempDir, LogStore, MachineStore), StorageError<NodeId>> {
        let folder = TempDir::new().map_err(|error| StorageIOError::write(&error))?;
        let store =
            Store::open(&folder.path().join("raft.redb")).map_err(|error| StorageIOError::write(&error))?;
        let machine = MachineStore::open(store.clone(), Metrics::new(&SharedRegistry::default()))
            .map_err(|error| StorageIOError::read(&error))?;
        Ok((folder, LogStore::new(store), machine))
    }
}

#[test]
fn storage_keeps_its_promises_to_consensus() {
    Suite::test_all(InFolder).expect("conforms");
}
