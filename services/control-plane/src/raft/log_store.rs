//! openraft's log, kept in the [`Store`].

use std::{fmt::Debug, ops::RangeBounds};

use openraft::{
    Entry, LogId, LogState, OptionalSend, RaftLogReader, StorageError, StorageIOError, Vote,
    storage::{LogFlushed, RaftLogStorage},
};

use super::{NodeId, Store, StoreError, Types, store::json};

const VOTE: &str = "vote";
const COMMITTED: &str = "committed";
const PURGED: &str = "purged";

type Failure = StorageError<NodeId>;

/// The log of one node. Clones read the same file.
#[derive(Debug, Clone)]
pub(crate) struct LogStore(Store);

impl LogStore {
    pub(crate) fn new(store: Store) -> Self {
        Self(store)
    }
}

fn reading(error: StoreError) -> Failure {
    StorageIOError::read_logs(&error).into()
}

fn writing(error: StoreError) -> Failure {
    StorageIOError::write_logs(&error).into()
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry<Types>>, Failure> {
        self.0.entries(range).map_err(reading)
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, Failure> {
        let last_purged_log_id: Option<LogId<NodeId>> = self.0.get(PURGED).map_err(reading)?;
        let last: Option<Entry<Types>> = self.0.last().map_err(reading)?;
        let last_log_id = last.map(|entry| entry.log_id).or(last_purged_log_id);
        Ok(LogState { last_purged_log_id, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<NodeId>) -> Result<(), Failure> {
        let saved = self.0.put(vec![(VOTE, json(vote))]).await;
        saved.map_err(|error| StorageIOError::write_vote(&error).into())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<NodeId>>, Failure> {
        self.0.get(VOTE).map_err(|error| StorageIOError::read_vote(&error).into())
    }

    async fn save_committed(&mut self, committed: Option<LogId<NodeId>>) -> Result<(), Failure> {
        self.0.put_hint(COMMITTED, json(&committed)).await.map_err(writing)
    }

    async fn read_committed(&mut self) -> Result<Option<LogId<NodeId>>, Failure> {
        Ok(self.0.get::<Option<LogId<NodeId>>>(COMMITTED).map_err(reading)?.flatten())
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Result<(), Failure>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries = entries.into_iter().map(|entry| (entry.log_id.index, json(&entry))).collect();
        match self.0.append(entries).await {
            Ok(()) => {
                callback.log_io_completed(Ok(()));
                Ok(())
            }
            Err(error) => {
                callback.log_io_completed(Err(std::io::Error::other(error.to_string())));
                Err(writing(error))
            }
        }
    }

    async fn truncate(&mut self, log_id: LogId<NodeId>) -> Result<(), Failure> {
        self.0.remove(log_id.index.., Vec::new()).await.map_err(writing)
    }

    async fn purge(&mut self, log_id: LogId<NodeId>) -> Result<(), Failure> {
        self.0.remove(..=log_id.index, vec![(PURGED, json(&log_id))]).await.map_err(writing)
    }
}
