//! A store that fails on order, for tests: before or after the effect, late, or never.
//!
//! [`Faulty`] wraps any store; [`Faults`], its other end, says what shall go wrong and tells what was asked. The first rule
//! that fits an operation strikes. Odds are drawn from the random source that the test hands in, so a seed repeats a run.
//!
//! ```
//! # use std::sync::Arc;
//! # use narthex_bucket::{Operation, faulty::{Failure, Fault, Faulty, Keys, Rule}};
//! # use narthex_service::{Random, SystemClock};
//! let (store, faults) = Faulty::new(
//!     Arc::new(object_store::memory::InMemory::new()),
//!     SystemClock::shared(),
//!     Random::from_seed(1),
//! );
//! // The reply to the second write of a manifest root is lost.
//! let lost = faults.add(
//!     Rule::new(Fault::After(Failure::Unavailable)).on([Operation::PutIfAbsent]).keys(Keys::Roots).skip(1).times(1),
//! );
//! # drop(store);
//! assert_eq!(faults.struck(lost), 0);
//! ```

mod gate;
mod plan;

use std::{fmt, future::Future, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use narthex_service::{Random, SharedClock};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    UploadPart, path::Path,
};

pub use self::{
    gate::Gate,
    plan::{Failure, Fault, Faults, Keys, Rule, RuleId},
};
use crate::Operation;

/// A store with faults. A deletion of many keys is one operation for each; a list is judged by its prefix, a copy by its
/// target.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    switch: Switch,
}

impl Faulty {
    /// A store without faults yet, and the handle that orders them. `clock` serves delays, `random` the odds of rules.
    pub fn new(inner: Arc<dyn ObjectStore>, clock: SharedClock, random: Random) -> (Arc<Self>, Faults) {
        let faults = Faults::new(random);
        (Arc::new(Self { inner, switch: Switch { faults: faults.clone(), clock } }), faults)
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({})", self.inner)
    }
}

/// Lets operations through, or not.
#[derive(Debug, Clone)]
struct Switch {
    faults: Faults,
    clock: SharedClock,
}

impl Switch {
    async fn run<T>(
        &self,
        operation: Operation,
        key: &Path,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match self.faults.strike(operation, key) {
            None => work.await,
            Some(Fault::Before(failure)) => Err(failure.error(key)),
            Some(Fault::After(failure)) => {
                // The reply is lost, whatever it was.
                drop(work.await);
                Err(failure.error(key))
            }
            Some(Fault::Delay(time)) => {
                self.clock.sleep(time).await;
                work.await
            }
            Some(Fault::DelayReply(time)) => {
                let reply = work.await;
                self.clock.sleep(time).await;
                reply
            }
            Some(Fault::Hold(gate)) => {
                gate.pass().await;
                work.await
            }
            Some(Fault::Lose) => std::future::pending().await,
            Some(Fault::LoseReply) => {
                drop(work.await);
                std::future::pending().await
            }
        }
    }

    /// A list is struck as a whole, and begins when it is first polled: what a held or delayed list shows is what is there then.
    fn run_list(
        &self,
        inner: &Arc<dyn ObjectStore>,
        prefix: Option<&Path>,
        list: impl FnOnce(&dyn ObjectStore, Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>>
        + Send
        + 'static,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (this, inner, prefix) = (self.clone(), Arc::clone(inner), prefix.cloned());
        let listed = async move {
            let key = prefix.clone().unwrap_or_default();
            let collect = async { list(&*inner, prefix.as_ref()).try_collect::<Vec<_>>().await };
            let all = this.run(Operation::List, &key, collect).await?;
            Ok::<_, Error>(futures::stream::iter(all.into_iter().map(Ok)))
        };
        futures::stream::once(listed).try_flatten().boxed()
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let operation = Operation::of_put(&opts.mode);
        self.switch.run(operation, location, self.inner.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let begin = self.inner.put_multipart_opts(location, opts);
        let inner = self.switch.run(Operation::BeginMultipart, location, begin).await?;
        Ok(Box::new(FaultyUpload { inner, switch: self.switch.clone(), key: location.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let operation = if options.head { Operation::Head } else { Operation::Get };
        self.switch.run(operation, location, self.inner.get_opts(location, options)).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.switch.run(Operation::GetRanges, location, self.inner.get_ranges(location, ranges)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, switch) = (Arc::clone(&self.inner), self.switch.clone());
        let delete = move |location: Result<Path>| {
            let (inner, switch) = (Arc::clone(&inner), switch.clone());
            async move {
                let location = location?;
                switch.run(Operation::Delete, &location, inner.delete(&location)).await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.switch.run_list(&self.inner, prefix, |inner, prefix| inner.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let offset = offset.clone();
        self.switch
            .run_list(&self.inner, prefix, move |inner, prefix| inner.list_with_offset(prefix, &offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let key = prefix.cloned().unwrap_or_default();
        self.switch.run(Operation::ListLevel, &key, self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.switch.run(Operation::Copy, to, self.inner.copy_opts(from, to, options)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.switch.run(Operation::Rename, to, self.inner.rename_opts(from, to, options)).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    switch: Switch,
    key: Path,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (part, switch, key) = (self.inner.put_part(data), self.switch.clone(), self.key.clone());
        Box::pin(async move { switch.run(Operation::PutPart, &key, part).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.switch.run(Operation::CompleteMultipart, &self.key, self.inner.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.switch.run(Operation::AbortMultipart, &self.key, self.inner.abort()).await
    }
}

#[cfg(test)]
mod tests;
