//! What simulated processes say to each other, in the shape of the real protocol.

use std::{collections::BTreeMap, fmt, rc::Rc};

use bytes::Bytes;
use narthex_model::{Epoch, Incarnation, RingRevision, Value};
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
}

/// An owner's answer to a read.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    /// Ring revision of the owner.
    pub(crate) ring_revision: RingRevision,
    /// The epoch that the owner acts on.
    pub(crate) epoch: Epoch,
    /// All that it holds.
    pub(crate) data: Rc<Data>,
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
        }
    }
}
