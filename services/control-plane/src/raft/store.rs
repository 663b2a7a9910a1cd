//! The redb file: log entries by index, and a few named values (vote, committed, purged, snapshot).
//!
//! Every change is one transaction that is synced before the call returns, but for the committed index, which is only a
//! hint that saves time at start. Values are JSON, the snapshot's data raw.

use std::{
    ops::RangeBounds,
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Serialize, de::DeserializeOwned};

const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// Why the file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database says so.
    #[error("raft store: {0}")]
    Database(#[from] Box<redb::Error>),
    /// Two processes on one folder.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// A value in it is not ours.
    #[error("raft store holds a damaged value: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The worker that ran the transaction is gone.
    #[error("raft store: the transaction was cancelled")]
    Cancelled,
}

fn db(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Database(Box::new(error.into()))
}

/// A shared handle on the file.
#[derive(Debug, Clone)]
pub(crate) struct Store(Arc<Database>);

impl Store {
    /// Opens or creates the file.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Database::create(path).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(path.to_owned()),
            other => db(other),
        })?;
        let transaction = database.begin_write().map_err(db)?;
        transaction.open_table(LOG).map_err(db)?;
        transaction.open_table(META).map_err(db)?;
        transaction.commit().map_err(db)?;
        Ok(Self(Arc::new(database)))
    }

    /// Runs a transaction on a thread that may block, and returns when it is on disk.
    async fn write(
        &self,
        work: impl FnOnce(&redb::WriteTransaction) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        self.write_with(Durability::Immediate, work).await
    }

    async fn write_with(
        &self,
        durability: Durability,
        work: impl FnOnce(&redb::WriteTransaction) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let database = self.0.clone();
        let run = move || {
            let mut transaction = database.begin_write().map_err(db)?;
            transaction.set_durability(durability).map_err(db)?;
            work(&transaction)?;
            transaction.commit().map_err(db)
        };
        tokio::task::spawn_blocking(run).await.map_err(|_| StoreError::Cancelled)?
    }

    /// Stores values under names.
    pub(crate) async fn put(&self, values: Vec<(&'static str, Vec<u8>)>) -> Result<(), StoreError> {
        self.write(move |transaction| put_all(transaction, &values)).await
    }

    /// Stores a value that may be lost in a crash.
    pub(crate) async fn put_hint(&self, name: &'static str, value: Vec<u8>) -> Result<(), StoreError> {
        self.write_with(Durability::None, move |transaction| put_all(transaction, &[(name, value)])).await
    }

    /// Reads a raw value.
    pub(crate) fn get_raw(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let transaction = self.0.begin_read().map_err(db)?;
        let table = transaction.open_table(META).map_err(db)?;
        let value = table.get(name).map_err(db)?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    /// Reads a JSON value.
    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        self.get_raw(name)?.map(|bytes| Ok(serde_json::from_slice(&bytes)?)).transpose()
    }

    /// Appends entries.
    pub(crate) async fn append(&self, entries: Vec<(u64, Vec<u8>)>) -> Result<(), StoreError> {
        self.write(move |transaction| {
            let mut table = transaction.open_table(LOG).map_err(db)?;
            for (index, bytes) in &entries {
                table.insert(index, bytes.as_slice()).map_err(db)?;
            }
            Ok(())
        })
        .await
    }

    /// Removes entries of an index range and stores values, in one step.
    pub(crate) async fn remove(
        &self,
        range: impl RangeBounds<u64> + Send + 'static,
        values: Vec<(&'static str, Vec<u8>)>,
    ) -> Result<(), StoreError> {
        self.write(move |transaction| {
            let mut table = transaction.open_table(LOG).map_err(db)?;
            table.retain_in(range, |_, _| false).map_err(db)?;
            drop(table);
            put_all(transaction, &values)
        })
        .await
    }

    /// Entries of an index range, in order.
    pub(crate) fn entries<T: DeserializeOwned>(
        &self,
        range: impl RangeBounds<u64>,
    ) -> Result<Vec<T>, StoreError> {
        let transaction = self.0.begin_read().map_err(db)?;
        let table = transaction.open_table(LOG).map_err(db)?;
        let mut entries = Vec::new();
        for item in table.range(range).map_err(db)? {
            let (_, bytes) = item.map_err(db)?;
            entries.push(serde_json::from_slice(bytes.value())?);
        }
        Ok(entries)
    }

    /// The entry with the highest index.
    pub(crate) fn last<T: DeserializeOwned>(&self) -> Result<Option<T>, StoreError> {
        let transaction = self.0.begin_read().map_err(db)?;
        let table = transaction.open_table(LOG).map_err(db)?;
        let last = table.last().map_err(db)?;
        last.map(|(_, bytes)| Ok(serde_json::from_slice(bytes.value())?)).transpose()
    }
}

fn put_all(
    transaction: &redb::WriteTransaction,
    values: &[(&'static str, Vec<u8>)],
) -> Result<(), StoreError> {
    let mut table = transaction.open_table(META).map_err(db)?;
    for (name, bytes) in values {
        table.insert(*name, bytes.as_slice()).map_err(db)?;
    }
    Ok(())
}

/// JSON bytes of plain data.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data with text keys always serialises")
}
