//! What simulated processes say to each other, in the shape of the real protocol.

use std::{collections::BTreeMap, fmt, rc::Rc, sync::Arc};

use bytes::Bytes;
use narthex_chunk::SetHash;
use narthex_manifest::{Listing, Manifest, Object, SegmentId};
use narthex_model::{BlockId, Cut, Epoch, Incarnation, ManifestRevision, RingRevision, Value};
use narthex_ring::Ring;

/// A number that ties a reply to its request; unique in a run.
pub(crate) type RequestId = u64;

/// One sample as a client writes it: series by its number, time in milliseconds, value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Write {
    /// Number of the series, see [`crate::labels`].
    pub(crate) series: u32,
    /// Timestamp.
    pub(crate) at: i64,
    /// Value.
    pub(crate) value: f64,
}

/// The samples of one partition: what was written, and the real frame that carries it, in the same order.
#[derive(Debug)]
pub(crate) struct Batch {
    /// In frame order.
    pub(crate) writes: Vec<Write>,
    /// The frame.
    pub(crate) frame: Bytes,
    /// When the distributor received it, by the distributor's clock.
    pub(crate) received_ms: i64,
}

/// All samples of an owner, or of a merged read, by series.
pub(crate) type Data = BTreeMap<u32, Vec<(i64, Value)>>;

/// Why a request was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Replaying, RECOVERING or behind: try again.
    Unavailable,
    /// Another epoch, or not ACTIVE: go by a newer ring.
    Precondition,
}

/// An owner's answer to a push.
#[derive(Debug, Clone)]
pub(crate) struct Pushed {
    /// The epoch in which the samples were stored.
    pub(crate) epoch: Epoch,
    /// Places of samples that were refused for good.
    pub(crate) refusals: Vec<u32>,
    /// Places of samples whose window is sealed here.
    pub(crate) missing: Vec<u32>,
}

/// An owner's answer to a read.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    /// Ring revision of the owner.
    pub(crate) ring_revision: RingRevision,
    /// The epoch that the owner acts on.
    pub(crate) epoch: Epoch,
    /// The newest manifest by which it forgot samples.
    pub(crate) acted: ManifestRevision,
    /// All that it holds.
    pub(crate) data: Rc<Data>,
}

/// What an owner tells of a cut that it sealed.
#[derive(Debug, Clone)]
pub(crate) struct SealedCut {
    /// Set hashes by series.
    pub(crate) digests: BTreeMap<u32, SetHash>,
    /// Samples of the series that were asked for.
    pub(crate) data: Data,
}

/// A request to the bucket.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    /// The newest root, by a LIST.
    Newest,
    /// A root and its segments.
    Root(ManifestRevision),
    /// When a block was put.
    Head(BlockId),
    /// A block's samples.
    Block(BlockId),
    /// All objects.
    List,
    /// Puts a block.
    PutBlock(BlockId, Rc<Data>),
    /// Puts a segment.
    PutSegment(SegmentId),
    /// Puts a root; over one that is there only where a rule is broken on purpose.
    PutRoot {
        /// The root.
        manifest: Arc<Manifest>,
        /// Fails if there is one.
        if_absent: bool,
    },
    /// Deletes an object.
    Delete(Garbage),
}

impl Ask {
    /// Whether it changes nothing.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self, Self::Newest | Self::Root(_) | Self::Head(_) | Self::Block(_) | Self::List)
    }
}

/// Something to delete.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Garbage {
    /// A root.
    Root(ManifestRevision),
    /// A block or a segment.
    Object(Object),
}

/// What the bucket answers.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// The newest root.
    Newest(Option<ManifestRevision>),
    /// A root.
    Root(Arc<Manifest>),
    /// It is not there.
    Absent,
    /// The block is there.
    Headed,
    /// A block's samples.
    Block(Rc<Data>),
    /// Everything with its dates.
    Listing(Rc<Listing>),
    /// Done.
    Written,
    /// There is one already.
    Exists,
    /// 503, or no answer in time: it may have been done or may still be.
    Failed,
}

/// A message.
#[derive(Clone)]
pub(crate) enum Message {
    /// Ingester to control plane: which incarnation is in my place?
    AskPlace,
    /// The answer.
    Place(Option<Incarnation>),
    /// Ingester to control plane.
    Register(Incarnation),
    /// The answer: whether the incarnation came before the first activation, and the ring.
    Registered(Incarnation, bool, Rc<Ring>),
    /// Reader to control plane: take me into the readers that ring changes wait for.
    RegisterReader,
    /// Reader to control plane: the revision that it acts on.
    Acknowledge(RingRevision),
    /// Anyone to control plane: what is the ring?
    AskRing,
    /// Control plane to anyone.
    Ring(Rc<Ring>),
    /// Distributor to owner.
    Push { request: RequestId, epoch: Epoch, ring_revision: RingRevision, batch: Rc<Batch> },
    /// Owner to distributor.
    Pushed(RequestId, Result<Pushed, Refused>),
    /// Querier or recovering owner to owner.
    Select { request: RequestId, ring_revision: RingRevision },
    /// Owner to whoever asked.
    Selected(RequestId, Result<Selected, Refused>),
    /// Flusher to another owner: seal this, tell digests, and the samples of these series.
    Seal { request: RequestId, ring_revision: RingRevision, cut: Cut, series: Rc<Vec<u32>> },
    /// The answer.
    Sealed(RequestId, Result<Rc<SealedCut>, Refused>),
    /// Owner to control plane: it serves, knows that its partition takes no writes, and holds nothing of it (rule 11).
    Drained(Option<RingRevision>),
    /// A commit, told to the control plane and by it to everyone.
    Hint(ManifestRevision),
    /// Anyone to the bucket.
    Ask(RequestId, Rc<Ask>),
    /// The answer, with the bucket's date of the object.
    Told(RequestId, Told, Option<i64>),
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AskPlace => f.write_str("ask place"),
            Self::Place(incarnation) => write!(f, "place {:08x}", incarnation.map_or(0, |i| i.0 as u32)),
            Self::Register(incarnation) => write!(f, "register {:08x}", incarnation.0 as u32),
            Self::Registered(incarnation, first, ring) => {
                write!(f, "registered {:08x} first {first} ring {}", incarnation.0 as u32, ring.revision())
            }
            Self::RegisterReader => f.write_str("register reader"),
            Self::Acknowledge(revision) => write!(f, "acknowledge {revision}"),
            Self::AskRing => f.write_str("ask ring"),
            Self::Ring(ring) => {
                write!(f, "ring {}", ring.revision())?;
                let partitions = ring.partitions().iter();
                f.debug_list().entries(partitions.map(|p| (p.id.0, p.state, p.epoch.0))).finish()
            }
            Self::Push { request, epoch, ring_revision, batch } => {
                write!(f, "push {request} epoch {epoch} ring {ring_revision} {:?}", batch.writes)
            }
            Self::Pushed(request, answer) => write!(f, "pushed {request} {answer:?}"),
            Self::Select { request, ring_revision } => write!(f, "select {request} ring {ring_revision}"),
            Self::Selected(request, answer) => {
                let answer = answer
                    .as_ref()
                    .map(|s| (s.ring_revision.0, s.data.values().map(Vec::len).sum::<usize>()));
                write!(f, "selected {request} {answer:?}")
            }
            Self::Seal { request, ring_revision, cut, series } => {
                write!(f, "seal {request} ring {ring_revision} {cut} {series:?}")
            }
            Self::Sealed(request, answer) => {
                let answer = answer.as_ref().map(|cut| cut.digests.len());
                write!(f, "sealed {request} {answer:?}")
            }
            Self::Drained(revision) => write!(f, "drained {revision:?}"),
            Self::Hint(revision) => write!(f, "hint {revision}"),
            Self::Ask(request, ask) => match &**ask {
                Ask::PutBlock(id, _) => write!(f, "ask {request} PutBlock({id})"),
                Ask::PutRoot { manifest, .. } => write!(f, "ask {request} PutRoot({})", manifest.revision()),
                ask => write!(f, "ask {request} {ask:?}"),
            },
            Self::Told(request, told, _) => match told {
                Told::Root(manifest) => write!(f, "told {request} Root({})", manifest.revision()),
                Told::Block(_) => write!(f, "told {request} Block"),
                Told::Listing(_) => write!(f, "told {request} Listing"),
                told => write!(f, "told {request} {told:?}"),
            },
        }
    }
}
