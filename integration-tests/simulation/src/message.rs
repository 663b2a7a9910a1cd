//! What simulated processes say to each other, in the shape of the real protocol.

use std::{collections::BTreeMap, rc::Rc};

use bytes::Bytes;
use narthex_model::{Epoch, Incarnation, PartitionId, RingRevision, Value};
use narthex_ring::Ring;

/// A number that ties a reply to its request; unique in a run.
pub type RequestId = u64;

/// One sample as a client writes it: series by its number, time in milliseconds, value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Write {
    /// Number of the series, see [`crate::labels`].
    pub series: u32,
    /// Timestamp.
    pub at: i64,
    /// Value.
    pub value: f64,
}

/// The samples of one partition: what was written, and the real frame that carries it, in the same order.
#[derive(Debug)]
pub struct Batch {
    /// In frame order.
    pub writes: Vec<Write>,
    /// The frame.
    pub frame: Bytes,
    /// When the distributor received it, by the distributor's clock.
    pub received_ms: i64,
}

/// All samples of an owner, or of a merged read, by series.
pub type Data = BTreeMap<u32, Vec<(i64, Value)>>;

/// Why a request was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Replaying, RECOVERING or behind: try again.
    Unavailable,
    /// Another epoch, or not ACTIVE: go by a newer ring.
    Precondition,
}

/// An owner's answer to a push.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// The epoch in which the samples were stored.
    pub epoch: Epoch,
    /// Ring revision of the owner.
    pub ring_revision: RingRevision,
    /// Places of samples that were refused for good.
    pub refusals: Vec<u32>,
}

/// An owner's answer to a read.
#[derive(Debug, Clone)]
pub struct Selected {
    /// Ring revision of the owner.
    pub ring_revision: RingRevision,
    /// All that it holds.
    pub data: Rc<Data>,
}

/// A message.
#[derive(Debug, Clone)]
pub enum Message {
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
    Push { request: RequestId, partition: PartitionId, epoch: Epoch, ring_revision: RingRevision, batch: Rc<Batch> },
    /// Owner to distributor.
    Pushed(RequestId, Result<Pushed, Refused>),
    /// Querier or recovering owner to owner.
    Select { request: RequestId, partition: PartitionId, ring_revision: RingRevision },
    /// Owner to whoever asked.
    Selected(RequestId, Result<Selected, Refused>),
}
