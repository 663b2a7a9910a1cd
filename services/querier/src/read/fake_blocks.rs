//! A bucket in memory: blocks behind gateways that misbehave, and the manifests that list them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use narthex_manifest::{
    Attempt, BucketTime, Column, Edit, Entry, Freshness, Limits, Manifest, ManifestError, Nonce,
};
use narthex_model::{
    BlockId, Cut, Epoch, InstanceId, Labels, ManifestRevision, PartitionId, SeriesHash, TimeRange, Window,
    WindowLength, WorkspaceId,
};
use narthex_rpc::{RpcError, v1};
use parking_lot::Mutex;

use super::{
    Catalogue,
    fake_owners::{Conduct, Fake, Held},
};

/// A block in the bucket.
#[derive(Debug, Clone)]
pub(super) enum Stored {
    Whole(Vec<Held>),
    Damaged,
}

/// A gateway, and the blocks that it was asked for.
type Asked = (String, Vec<BlockId>);

/// All gateways, by name, over one bucket.
#[derive(Debug, Clone, Default)]
pub(super) struct FakeGateways {
    pub(super) bucket: Arc<Mutex<BTreeMap<BlockId, Stored>>>,
    /// Those that do not answer completely.
    pub(super) conduct: Arc<Mutex<HashMap<InstanceId, Conduct>>>,
    /// Who was asked for what.
    pub(super) asked: Arc<Mutex<Vec<Asked>>>,
}

impl FakeGateways {
    /// What a gateway answers for blocks.
    pub(super) fn find(&self, gateway: &InstanceId, blocks: &[v1::BlockRef]) -> Result<Fake, RpcError> {
        let id = |block: &v1::BlockRef| u128::from_be_bytes(block.id[..].try_into().expect("16 bytes"));
        let ids: Vec<_> = blocks.iter().map(|block| BlockId::from_u128(id(block))).collect();
        self.asked.lock().push((gateway.to_string(), ids.clone()));
        let conduct = self.conduct.lock().get(gateway).cloned().unwrap_or_default();
        let mut series = BTreeMap::<Labels, BTreeMap<i64, f64>>::new();
        for id in ids {
            match self.bucket.lock().get(&id) {
                Some(Stored::Whole(held)) => held.iter().for_each(|(labels, samples)| {
                    series.entry(labels.clone()).or_default().extend(samples.iter().copied());
                }),
                Some(Stored::Damaged) => {
                    return Err(RpcError::DataLoss(format!("blocks/{id}: page 3 is damaged")));
                }
                None => return Err(RpcError::NotFound(format!("blocks/{id}: no such key"))),
            }
        }
        let series = series.into_iter().map(|(labels, samples)| (labels, samples.into_iter().collect()));
        // Rings mean nothing to gateways.
        Ok(Fake { series: series.collect(), epoch: 0, ring_revision: 0, conduct, ..Fake::default() })
    }

    /// How often each block was asked for.
    pub(super) fn asked_for(&self) -> BTreeMap<BlockId, usize> {
        let mut counts = BTreeMap::new();
        self.asked
            .lock()
            .iter()
            .flat_map(|(_, blocks)| blocks)
            .for_each(|id| *counts.entry(*id).or_default() += 1);
        counts
    }
}

/// The manifests of one workspace, from the empty one on.
pub(super) struct FakeCatalogue {
    line: Mutex<Vec<Arc<Manifest>>>,
    /// What the reader has seen.
    pub(super) known: Mutex<Option<Arc<Manifest>>>,
    /// The bucket does not answer.
    pub(super) away: Mutex<bool>,
    /// What the bucket was asked.
    pub(super) looks: Mutex<Vec<Freshness>>,
    bucket: FakeGateways,
}

impl FakeCatalogue {
    pub(super) fn new(workspace: WorkspaceId, bucket: &FakeGateways) -> Arc<Self> {
        Arc::new(Self {
            line: vec![Arc::new(Manifest::empty(workspace, WindowLength::DEFAULT))].into(),
            known: Mutex::default(),
            away: Mutex::default(),
            looks: Mutex::default(),
            bucket: bucket.clone(),
        })
    }

    /// Puts a block and commits it; the new revision.
    pub(super) fn commit(&self, number: u128, held: &[Held]) -> u64 {
        self.bucket.bucket.lock().insert(block(number), Stored::Whole(held.to_vec()));
        self.edit(&Edit::Commit(entry(number, held)))
    }

    /// Replaces blocks by one with the same samples; the old ones are gone.
    pub(super) fn compact(&self, inputs: &[u128], output: u128) -> u64 {
        let inputs: BTreeSet<_> = inputs.iter().map(|number| block(*number)).collect();
        let mut held = Vec::new();
        for id in &inputs {
            if let Some(Stored::Whole(series)) = self.bucket.bucket.lock().remove(id) {
                held.extend(series);
            }
        }
        self.bucket.bucket.lock().insert(block(output), Stored::Whole(held.clone()));
        self.edit(&Edit::Compact { inputs, outputs: vec![entry(output, &held)] })
    }

    /// Takes a block out for good; the new revision.
    pub(super) fn give_up(&self, number: u128) -> u64 {
        self.edit(&Edit::Remove([block(number)].into()))
    }

    /// Ends the retention of windows before one; the new revision.
    pub(super) fn retain_from(&self, window: i64) -> u64 {
        self.edit(&Edit::RaiseFloor(Window(window)))
    }

    pub(super) fn newest(&self) -> Arc<Manifest> {
        self.line.lock().last().expect("never empty").clone()
    }

    fn edit(&self, edit: &Edit) -> u64 {
        let newest = self.newest();
        let attempt = Attempt {
            writer: Nonce(u128::from(newest.revision().0) + 1),
            window_length: WindowLength::DEFAULT,
            limits: Limits::DEFAULT,
            put: Some(BucketTime(1)),
            segments_named: 0,
        };
        let next = newest.apply(edit, &attempt).expect("valid edit").manifest;
        self.line.lock().push(Arc::clone(&next));
        next.revision().0
    }
}

#[async_trait]
impl Catalogue for FakeCatalogue {
    fn known(&self, _: WorkspaceId) -> Option<Arc<Manifest>> {
        self.known.lock().clone()
    }

    async fn follow(
        &self,
        workspace: WorkspaceId,
        wanted: Freshness,
    ) -> Result<Arc<Manifest>, ManifestError> {
        if let (Freshness::AtLeast(revision), Some(known)) = (wanted, self.known(workspace))
            && known.revision() >= revision
        {
            return Ok(known);
        }
        self.looks.lock().push(wanted);
        if *self.away.lock() {
            return Err(ManifestError::Unsettled { workspace });
        }
        tokio::task::yield_now().await;
        let newest = self.newest();
        *self.known.lock() = Some(Arc::clone(&newest));
        match wanted {
            Freshness::AtLeast(wanted) if newest.revision() < wanted => {
                Err(ManifestError::Behind { workspace, wanted, newest: newest.revision() })
            }
            _ => Ok(newest),
        }
    }

    fn forget(&self, _: WorkspaceId) {
        *self.known.lock() = None;
    }
}

pub(super) fn block(number: u128) -> BlockId {
    BlockId::from_u128(number)
}

/// A series by its name.
pub(super) fn held(name: &str, samples: &[(i64, f64)]) -> Held {
    (Labels::from_pairs([("__name__", name)]), samples.to_vec())
}

/// The entry of a block, which is the cut of a window of its own.
fn entry(number: u128, held: &[Held]) -> Entry {
    let times = || held.iter().flat_map(|(_, samples)| samples).map(|(at, _)| *at);
    let names = || held.iter().map(|(labels, _)| labels.metric_name());
    let cut = Cut { partition: PartitionId(0), epoch: Epoch(1), window: Window(number as i64) };
    let column = Column::new("__name__", names().min().expect("series"), names().max().expect("series"));
    Entry {
        id: block(number),
        level: 0,
        time: TimeRange::from(times().min().expect("samples")..=times().max().expect("samples")),
        min_hash: SeriesHash(0),
        max_hash: SeriesHash(u64::MAX),
        cuts: [cut].into_iter().collect(),
        series: held.len() as u64,
        samples: times().count() as u64,
        bytes: 1_000,
        footer_bytes: 100,
        columns: column.into_iter().collect(),
    }
}

pub(super) fn revision(number: u64) -> ManifestRevision {
    ManifestRevision(number)
}
