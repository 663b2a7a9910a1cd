//! Which gateway is asked for a block.
//!
//! Rendezvous hashing gives every block an order of gateways, the same for all queriers of a zone, so that a block is cached
//! where it is asked for: one place in each zone. Any gateway can serve any block, so the next in order takes over; those that
//! failed a moment ago come last, for a gateway that is down stays registered until an operator forgets it.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use narthex_cluster::{Cluster, Instance, Role, Snapshot};
use narthex_manifest::Entry;
use narthex_model::{InstanceId, Zone};
use narthex_ring::{Owner, rendezvous_by_zone};
use narthex_service::SharedClock;
use parking_lot::Mutex;

/// Blocks of one request at most.
pub(crate) const BLOCKS_PER_REQUEST: usize = 64;

/// How long a gateway that failed is asked last.
const SHUNNED: Duration = Duration::from_secs(10);

/// A gateway and the blocks that it is asked for together.
pub(crate) type Group = (Owner, Vec<Arc<Entry>>);

/// The gateways of the cluster, seen from one zone.
pub(crate) struct Gateways {
    cluster: Cluster,
    zone: Zone,
    clock: SharedClock,
    failed: Mutex<HashMap<InstanceId, Duration>>,
}

impl fmt::Debug for Gateways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateways").field("zone", &self.zone).finish_non_exhaustive()
    }
}

impl Gateways {
    pub(crate) fn new(cluster: Cluster, zone: Zone, clock: SharedClock) -> Self {
        Self { cluster, zone, clock, failed: Mutex::default() }
    }

    /// The blocks by the first gateway of each that was not tried, bounded groups of them; `None` if no gateway is left.
    pub(crate) fn assign(&self, blocks: &[Arc<Entry>], tried: &[InstanceId]) -> Option<Vec<Group>> {
        let snapshot = self.cluster.snapshot();
        let left: Vec<&Instance> =
            registered(&snapshot).filter(|gateway| !tried.contains(&gateway.id)).collect();
        let shunned = self.shunned();
        let mut groups: HashMap<&InstanceId, (&Instance, Vec<Arc<Entry>>)> = HashMap::new();
        for block in blocks {
            let key = block.id.as_u128();
            let order = rendezvous_by_zone(
                key,
                &left,
                |gateway| gateway.id.as_str(),
                |gateway| &gateway.zone,
                &self.zone,
            );
            let healthy = order.iter().find(|gateway| !shunned.contains(&gateway.id));
            let gateway: &Instance = healthy.or(order.first())?;
            groups.entry(&gateway.id).or_insert((gateway, Vec::new())).1.push(Arc::clone(block));
        }
        let split = |(gateway, blocks): (&Instance, Vec<Arc<Entry>>)| {
            let parts: Vec<Group> =
                blocks.chunks(BLOCKS_PER_REQUEST).map(|part| (owner(gateway), part.to_vec())).collect();
            parts
        };
        Some(groups.into_values().flat_map(split).collect())
    }

    /// A gateway did not answer well.
    pub(crate) fn failed(&self, gateway: &InstanceId) {
        self.failed.lock().insert(gateway.clone(), self.clock.monotonic());
    }

    fn shunned(&self) -> Vec<InstanceId> {
        let (now, mut failed) = (self.clock.monotonic(), self.failed.lock());
        failed.retain(|_, at| now.saturating_sub(*at) < SHUNNED);
        failed.keys().cloned().collect()
    }
}

/// The gateways that take part.
pub(crate) fn registered(snapshot: &Snapshot) -> impl Iterator<Item = &Instance> {
    let serves = |instance: &&Instance| instance.role == Role::StoreGateway && !instance.leaving;
    snapshot.instances.values().filter(serves)
}

fn owner(gateway: &Instance) -> Owner {
    let Instance { id, zone, address, .. } = gateway.clone();
    Owner { instance: id, zone, address }
}
