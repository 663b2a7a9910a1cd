//! Label names, label values and series over blocks: each block answers from its label columns, the answers are united.

use std::{collections::BTreeSet, future::Future, sync::Arc};

use narthex_block::{BlockError, BlockReader, Budget};
use narthex_model::{Labels, Matcher, TimeRange};

use super::{Asked, Parts};
use crate::{
    blocks::{Bounds, ReadError},
    select::BLOCKS_AT_A_TIME,
};

/// One selector of a request, for one block.
struct Question {
    matchers: Arc<Vec<Matcher>>,
    range: TimeRange,
    budget: Budget,
}

pub(super) async fn label_names(
    parts: &Parts,
    asked: Asked,
    selectors: Vec<Vec<Matcher>>,
    bounds: Bounds,
    limit: u32,
) -> Result<Vec<String>, ReadError> {
    let read = |reader: BlockReader, Question { matchers, range, budget }: Question| async move {
        reader.label_names(&matchers, range, budget).await
    };
    united(parts, asked, selectors, bounds, limit, "label names", read).await
}

pub(super) async fn label_values(
    parts: &Parts,
    asked: Asked,
    name: String,
    selectors: Vec<Vec<Matcher>>,
    bounds: Bounds,
    limit: u32,
) -> Result<Vec<String>, ReadError> {
    let name: Arc<str> = name.into();
    let read = move |reader: BlockReader, Question { matchers, range, budget }: Question| {
        let name = Arc::clone(&name);
        async move { reader.label_values(&name, &matchers, range, budget).await }
    };
    united(parts, asked, selectors, bounds, limit, "label values", read).await
}

pub(super) async fn series(
    parts: &Parts,
    asked: Asked,
    selectors: Vec<Vec<Matcher>>,
    bounds: Bounds,
    limit: u32,
) -> Result<Vec<Labels>, ReadError> {
    let read = |reader: BlockReader, Question { matchers, range, budget }: Question| async move {
        reader.series(&matchers, range, budget).await
    };
    united(parts, asked, selectors, bounds, limit, "series", read).await
}

/// Asks every block for every selector; gives what any answered, in order, each once, at most `limit` if that is not 0.
async fn united<T, I, F>(
    parts: &Parts,
    asked: Asked,
    selectors: Vec<Vec<Matcher>>,
    bounds: Bounds,
    limit: u32,
    what: &'static str,
    read: impl Fn(BlockReader, Question) -> F + Clone + Send + Sync + 'static,
) -> Result<Vec<T>, ReadError>
where
    T: Ord + Send + 'static,
    I: IntoIterator<Item = T> + Send + 'static,
    F: Future<Output = Result<I, BlockError>> + Send,
{
    let selectors: Vec<_> = selectors.into_iter().map(Arc::new).collect();
    let Asked { blocks: asked, range, .. } = asked;
    let work = asked.into_iter().map(|block| {
        let (blocks, selectors, read) = (Arc::clone(&parts.blocks), selectors.clone(), read.clone());
        let admission = Arc::clone(&parts.admission);
        async move {
            let _search = admission.search().await?;
            let answer = async {
                let reader = blocks.open(block).await?;
                let mut found = BTreeSet::new();
                for matchers in selectors {
                    let budget = Budget { series: bounds.series, samples: u64::MAX, bytes: bounds.read };
                    found.extend(read(reader.clone(), Question { matchers, range, budget }).await?);
                }
                Ok(found)
            };
            answer.await.map_err(|error| blocks.explain(block, error, bounds))
        }
    });
    let answers = parts.workers.all(work, BLOCKS_AT_A_TIME).await?;
    let mut all = BTreeSet::new();
    for answer in answers {
        all.extend(answer);
        if all.len() as u64 > bounds.series {
            return Err(ReadError::OverBudget { what, limit: bounds.series });
        }
    }
    let most = if limit == 0 { usize::MAX } else { limit as usize };
    Ok(all.into_iter().take(most).collect())
}
