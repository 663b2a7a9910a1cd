//! Makes backends behave alike where their clients differ: lists come in key order and read little if little is taken, and
//! deleting an absent key succeeds.
//!
//! A list over a provider begins with a page of a few keys and goes on with full pages: whoever wants the first key only,
//! such as the newest manifest root, pays one request and reads a few hundred bytes. (`ObjectStore::list` itself always asks
//! for a thousand keys and has no parameter to ask for fewer.) A longer list costs one request more.

use std::{collections::VecDeque, fmt, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    list::{PaginatedListOptions, PaginatedListStore},
    path::Path,
};

/// Keys on the first page of a list.
const FIRST_PAGE: usize = 4;
/// Deletions that are under way at once.
const DELETES: usize = 10;

/// How lists get into key order.
#[derive(Clone)]
pub(crate) enum Lists {
    /// They are collected and sorted: for directories, which tell names as they please.
    Sorted,
    /// The provider sorts; pages grow.
    Paged(Arc<dyn PaginatedListStore>),
}

impl fmt::Debug for Lists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sorted => "Sorted",
            Self::Paged(_) => "Paged",
        })
    }
}

/// What happens when an absent key is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletes {
    /// The backend says that all is well, and may delete many keys in one request.
    Lenient,
    /// The backend says that nothing was found, and is asked key by key.
    Strict,
}

/// A backend that behaves like the others.
#[derive(Debug)]
pub(crate) struct Uniform {
    inner: Arc<dyn ObjectStore>,
    lists: Lists,
    deletes: Deletes,
}

impl Uniform {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, lists: Lists, deletes: Deletes) -> Self {
        Self { inner, lists, deletes }
    }
}

impl fmt::Display for Uniform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

#[async_trait]
impl ObjectStore for Uniform {
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match &self.lists {
            Lists::Sorted => sorted(self.inner.list(prefix)),
            Lists::Paged(pages) => paged(Arc::clone(pages), prefix, FIRST_PAGE),
        }
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        match &self.lists {
            Lists::Sorted => sorted(self.inner.list_with_offset(prefix, offset)),
            Lists::Paged(_) => self.inner.list_with_offset(prefix, offset),
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        if self.deletes == Deletes::Lenient {
            return self.inner.delete_stream(locations);
        }
        let inner = Arc::clone(&self.inner);
        let delete = move |location: Result<Path>| {
            let inner = Arc::clone(&inner);
            async move {
                let location = location?;
                match inner.delete(&location).await {
                    Ok(()) | Err(Error::NotFound { .. }) => Ok(location),
                    Err(error) => Err(error),
                }
            }
        };
        locations.map(delete).buffered(DELETES).boxed()
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut result = self.inner.list_with_delimiter(prefix).await?;
        result.objects.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        Ok(result)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

fn sorted(list: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
    let all = async move {
        let mut all: Vec<ObjectMeta> = list.try_collect().await?;
        all.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        Ok::<_, Error>(futures::stream::iter(all.into_iter().map(Ok)))
    };
    futures::stream::once(all).try_flatten().boxed()
}

/// Where a paged list stands.
enum Next {
    First,
    Page(String),
    End,
}

fn paged(
    pages: Arc<dyn PaginatedListStore>,
    prefix: Option<&Path>,
    first: usize,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let prefix = prefix.filter(|prefix| !prefix.as_ref().is_empty()).map(|prefix| format!("{prefix}/"));
    let state = (pages, prefix, Next::First, VecDeque::new());
    futures::stream::try_unfold(state, move |(pages, prefix, mut next, mut ready)| async move {
        loop {
            if let Some(meta) = ready.pop_front() {
                return Ok(Some((meta, (pages, prefix, next, ready))));
            }
            let options = match next {
                Next::First => PaginatedListOptions { max_keys: Some(first), ..Default::default() },
                Next::Page(token) => PaginatedListOptions { page_token: Some(token), ..Default::default() },
                Next::End => return Ok(None),
            };
            let page = pages.list_paginated(prefix.as_deref(), options).await?;
            ready.extend(page.result.objects);
            next = page.page_token.filter(|token| !token.is_empty()).map_or(Next::End, Next::Page);
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests;
