//! Which processes a three-zone cluster on loopback has, and on which ports they listen.
//!
//! Ports are counted from one base: 20 for each zone, so that a glance at a port tells zone and service.

use std::fmt;

/// Zones of the cluster.
pub(crate) const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];

/// Ingesters in each zone, and so partitions.
pub(crate) const INGESTERS_PER_ZONE: u16 = 2;

const PORTS_PER_ZONE: u16 = 20;

/// One of the six programs of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    ControlPlane,
    Ingester,
    StoreGateway,
    Distributor,
    Querier,
    Compactor,
}

/// All programs, in the order in which they are started.
pub(crate) const SERVICES: [Service; 6] = [
    Service::ControlPlane,
    Service::Ingester,
    Service::StoreGateway,
    Service::Distributor,
    Service::Querier,
    Service::Compactor,
];

impl Service {
    /// Name in instance names and file names; the program is `narthex-` and this.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::Ingester => "ingester",
            Self::StoreGateway => "store-gateway",
            Self::Distributor => "distributor",
            Self::Querier => "querier",
            Self::Compactor => "compactor",
        }
    }
}

/// One process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    pub(crate) service: Service,
    pub(crate) zone: usize,
    pub(crate) ordinal: u16,
    /// HTTP port: the public API, and `/ready`.
    pub(crate) http: u16,
    /// gRPC port, unused by services that only call others.
    pub(crate) grpc: u16,
}

/// The instance's name.
impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.service.name(), ZONES[self.zone], self.ordinal)
    }
}

/// All processes, in the order in which they are started. `None` when the ports do not fit above `base`.
pub(crate) fn processes(base: u16) -> Option<Vec<Process>> {
    base.checked_add(PORTS_PER_ZONE * ZONES.len() as u16)?;
    let at = |zone: usize, offset: u16| base + PORTS_PER_ZONE * zone as u16 + offset;
    let one = |service, zone, ordinal, offset| Process {
        service,
        zone,
        ordinal,
        http: at(zone, offset),
        grpc: at(zone, offset + 1),
    };
    let zones = 0..ZONES.len();
    let mut all: Vec<_> = zones.clone().map(|zone| one(Service::ControlPlane, zone, 0, 0)).collect();
    for ordinal in 0..INGESTERS_PER_ZONE {
        all.extend(zones.clone().map(|zone| one(Service::Ingester, zone, ordinal, 6 + 2 * ordinal)));
    }
    all.extend(zones.clone().map(|zone| one(Service::StoreGateway, zone, 0, 10)));
    all.extend(zones.clone().map(|zone| one(Service::Distributor, zone, 0, 2)));
    all.extend(zones.map(|zone| one(Service::Querier, zone, 0, 4)));
    // One keeps the whole bucket tidy, and nothing waits for it.
    all.push(one(Service::Compactor, 0, 0, 12));
    Some(all)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_port_is_used_twice() {
        let all = processes(9100).expect("fits");
        let ports: BTreeSet<_> = all.iter().flat_map(|process| [process.http, process.grpc]).collect();
        assert_eq!(ports.len(), 2 * all.len());
        assert_eq!(all.len(), 3 * 6 + 1);
        assert!(processes(65_500).is_none());
    }
}
