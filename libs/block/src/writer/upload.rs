//! The thin shell that streams a block to an object store while it is written.

use std::sync::Arc;

use narthex_model::{Labels, SeriesHash, WindowLength};
use object_store::{ObjectStore, buffered::BufWriter, path::Path};
use tokio::io::AsyncWriteExt;

use super::{BlockWriter, WriterSettings};
use crate::{BlockError, BlockMeta, BlockSchema, SeriesSamples};

/// Bytes up to which a block is one PUT; a larger one is a multipart upload.
const ONE_PUT_BYTES: usize = 8 << 20;

/// Writes one block as one object. Parts are sent as row groups end; the object appears with [`Self::finish`].
#[derive(Debug)]
pub struct BlockUpload {
    writer: BlockWriter,
    sink: BufWriter,
    path: Path,
}

impl BlockUpload {
    /// Starts a block at `path`, which nothing else writes: block names are unique.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        path: Path,
        schema: BlockSchema,
        window: WindowLength,
        settings: WriterSettings,
    ) -> Result<Self, BlockError> {
        let writer = BlockWriter::new(schema, window, settings)?;
        let sink = BufWriter::with_capacity(store, path.clone(), ONE_PUT_BYTES);
        Ok(Self { writer, sink, path })
    }

    /// As [`BlockWriter::push`]; waits for the store when a row group ends.
    pub async fn push(
        &mut self,
        labels: &Labels,
        hash: SeriesHash,
        samples: SeriesSamples<'_>,
    ) -> Result<(), BlockError> {
        let groups = self.writer.finished_row_groups();
        self.writer.push(labels, hash, samples)?;
        if self.writer.finished_row_groups() == groups {
            return Ok(());
        }
        let bytes = self.writer.drain()?;
        self.sink.put(bytes.into()).await.map_err(|source| self.failed(source))
    }

    /// Ends the block and waits until the object is complete.
    pub async fn finish(mut self) -> Result<BlockMeta, BlockError> {
        let meta = self.writer.finish_file()?;
        let bytes = self.writer.drain()?;
        self.sink.put(bytes.into()).await.map_err(|source| self.failed(source))?;
        match self.sink.shutdown().await {
            Ok(()) => Ok(meta),
            Err(error) => Err(BlockError::write(format!("{}: {error}", self.path))),
        }
    }

    /// Gives the block up and removes parts that were sent.
    pub async fn abort(mut self) -> Result<(), BlockError> {
        self.sink.abort().await.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: object_store::Error) -> BlockError {
        BlockError::Store { path: self.path.clone(), source }
    }
}
