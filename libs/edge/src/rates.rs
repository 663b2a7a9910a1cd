//! How many calls a second may be made (quotas-and-errors.md section 4, API-C-17, TPS-1).
//!
//! | calls | counted for | per second | quota code |
//! |---|---|---|---|
//! | management, all operations together (QUO-16) | account | 10 | `ManagementCallsPerSecond` |
//! | GetSeries, GetLabels, GetMetricMetadata together (QUO-17) | workspace | 10 | `LabelCallsPerSecond` |
//! | QueryMetrics (QUO-18) | workspace | 300 | `QueryCallsPerSecond` |
//! | RemoteWrite (QUO-19) | workspace | 3,000 | `RemoteWriteCallsPerSecond` |
//! | other Prometheus-compatible calls (QUO-20) | workspace | 100 | `OtherCallsPerSecond` |
//!
//! The codes of the managed service are in no source, so these are our own words. They are named where the service model has
//! a place for them, in answers of the management API; a refused data-plane call is answered with `{"message":"Rate
//! exceeded"}` to the byte (ERR-3).
//!
//! The documented rates are those of a region, not of a process, so each of the processes that serve an API keeps an equal
//! share of the rate, and a bucket of full size: what Mimir does for its request rates. A balancer that spreads calls
//! unevenly makes the sum lower, never higher, but for the first burst at each process.
//!
//! A call takes its token last, when it is known to be authentic and allowed: nobody can use up the rate of another. Calls that
//! are refused take none. Management operations that list no ThrottlingException (section 7.2) are throttled all the same,
//! since the quota counts them; clients repeat any answer with 429.

use std::time::Duration;

use narthex_cluster::{Role, Snapshot};
use narthex_limits::{Buckets, Rate, Refused};
use narthex_model::{AccountId, WorkspaceId};
use narthex_policy::Plane;
use parking_lot::Mutex;

use crate::{AwsError, operation::Operation};

/// Calls that share a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    Management,
    Labels,
    Query,
    RemoteWrite,
    Other,
}

impl Class {
    pub(crate) fn of(operation: &Operation) -> Self {
        match (operation.plane, operation.name) {
            (Plane::Control, _) => Self::Management,
            (_, Some("RemoteWrite")) => Self::RemoteWrite,
            (_, Some("QueryMetrics")) => Self::Query,
            (_, Some("GetSeries" | "GetLabels" | "GetMetricMetadata")) => Self::Labels,
            _ => Self::Other,
        }
    }

    pub(crate) const fn quota_code(self) -> &'static str {
        match self {
            Self::Management => "ManagementCallsPerSecond",
            Self::Labels => "LabelCallsPerSecond",
            Self::Query => "QueryCallsPerSecond",
            Self::RemoteWrite => "RemoteWriteCallsPerSecond",
            Self::Other => "OtherCallsPerSecond",
        }
    }
}

/// The rate of each class; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateOptions {
    /// Of an account.
    pub management: Option<Rate>,
    /// GetSeries, GetLabels and GetMetricMetadata of a workspace.
    pub labels: Option<Rate>,
    /// QueryMetrics of a workspace.
    pub query: Option<Rate>,
    /// RemoteWrite of a workspace.
    pub remote_write: Option<Rate>,
    /// All other Prometheus-compatible calls of a workspace.
    pub other: Option<Rate>,
}

impl Default for RateOptions {
    /// The documented rates.
    fn default() -> Self {
        let even = |per_second| Rate::new(per_second, per_second);
        Self {
            management: even(10.0),
            labels: even(10.0),
            query: even(300.0),
            remote_write: even(3000.0),
            other: even(100.0),
        }
    }
}

/// How many processes keep the rates of this one's APIs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// A fixed number.
    Processes(usize),
    /// Those of a role that are registered and not leaving.
    Role(Role),
}

/// Whose calls are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    Account(AccountId),
    Workspace(WorkspaceId),
}

#[derive(Debug, Default)]
struct State {
    buckets: Buckets<(Class, Whose)>,
    /// Revision of the snapshot, and how many share by it.
    sharing: (u64, usize),
}

/// The buckets of one process.
#[derive(Debug)]
pub(crate) struct Rates {
    options: RateOptions,
    sharing: Sharing,
    state: Mutex<State>,
}

impl Rates {
    pub(crate) fn new(options: RateOptions, sharing: Sharing) -> Self {
        Self { options, sharing, state: Mutex::default() }
    }

    /// Lets a call of `account` pass, or of the workspace if it names one.
    pub(crate) fn take(
        &self,
        class: Class,
        account: &AccountId,
        workspace: Option<WorkspaceId>,
        snapshot: &Snapshot,
        now: Duration,
    ) -> Result<(), AwsError> {
        let rate = match class {
            Class::Management => self.options.management,
            Class::Labels => self.options.labels,
            Class::Query => self.options.query,
            Class::RemoteWrite => self.options.remote_write,
            Class::Other => self.options.other,
        };
        let Some(rate) = rate else { return Ok(()) };
        let whose = workspace.map_or_else(|| Whose::Account(account.clone()), Whose::Workspace);
        let mut state = self.state.lock();
        let rate = rate.shared_by(self.processes(&mut state.sharing, snapshot));
        let refused = match state.buckets.take((class, whose), &rate, now, 1.0) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        let wait = match refused {
            Refused::Until(wait) => wait,
            Refused::Never => Duration::ZERO,
        };
        Err(AwsError::Throttling {
            message: "Rate exceeded".into(),
            retry_after: Some(wait.max(Duration::from_secs(1))),
            quota_code: (class == Class::Management).then(|| class.quota_code().into()),
        })
    }

    /// Counted once for each snapshot.
    fn processes(&self, counted: &mut (u64, usize), snapshot: &Snapshot) -> usize {
        match self.sharing {
            Sharing::Processes(count) => count,
            Sharing::Role(role) => {
                if counted.1 == 0 || counted.0 != snapshot.revision {
                    let serves = |found: &&narthex_cluster::Instance| found.role == role && !found.leaving;
                    *counted = (snapshot.revision, snapshot.instances.values().filter(serves).count().max(1));
                }
                counted.1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use narthex_cluster::Instance;
    use narthex_ring::Replication;

    use super::*;

    fn account() -> AccountId {
        "111111111111".parse().expect("digits")
    }

    fn with_queriers(count: u32, revision: u64) -> Snapshot {
        let mut snapshot = Snapshot::empty(Replication::One);
        snapshot.revision = revision;
        let instance = |name: String, role, leaving| Instance {
            id: name.as_str().into(),
            role,
            zone: "zone-a".into(),
            address: "a:1".into(),
            ordinal: 0,
            incarnation: None,
            leaving,
        };
        let queriers = (0..count).map(|number| instance(format!("querier-{number}"), Role::Querier, false));
        let others =
            [instance("gone".into(), Role::Querier, true), instance("other".into(), Role::Ingester, false)];
        snapshot.instances.extend(queriers.chain(others).map(|instance| (instance.id.clone(), instance)));
        snapshot
    }

    /// How many of `calls` a second pass during ten seconds, after the first burst.
    fn passed(rates: &Rates, class: Class, snapshot: &Snapshot, calls: u64) -> usize {
        let workspace = (class != Class::Management).then(|| WorkspaceId::from_u128(1));
        let call = |now| rates.take(class, &account(), workspace, snapshot, now).is_ok();
        while call(Duration::ZERO) {}
        (1..=10 * calls).filter(|number| call(Duration::from_nanos(1_000_000_000 / calls * number))).count()
    }

    #[test]
    fn each_class_keeps_its_documented_rate() {
        let snapshot = with_queriers(0, 1);
        for (class, rate) in [
            (Class::Management, 10),
            (Class::Labels, 10),
            (Class::Query, 300),
            (Class::RemoteWrite, 3000),
            (Class::Other, 100),
        ] {
            let rates = Rates::new(RateOptions::default(), Sharing::Processes(1));
            let count = passed(&rates, class, &snapshot, 4000) as u64;
            assert!(count <= 10 * rate && count >= 10 * rate - 1, "{class:?}: {count}");
        }
    }

    #[test]
    fn processes_of_a_role_share_the_rate() {
        let rates = Rates::new(RateOptions::default(), Sharing::Role(Role::Querier));
        let alone = passed(&rates, Class::Query, &with_queriers(0, 1), 4000);
        assert!((2999..=3000).contains(&alone), "{alone}");
        let rates = Rates::new(RateOptions::default(), Sharing::Role(Role::Querier));
        assert!((2999..=3000).contains(&passed(&rates, Class::Query, &with_queriers(1, 1), 4000)));
        let rates = Rates::new(RateOptions::default(), Sharing::Role(Role::Querier));
        let third = passed(&rates, Class::Query, &with_queriers(3, 2), 4000);
        assert!((999..=1000).contains(&third), "{third}");
    }

    #[test]
    fn workspaces_and_classes_do_not_share() {
        let rates = Rates::new(RateOptions::default(), Sharing::Processes(1));
        let snapshot = with_queriers(0, 1);
        let call = |class, workspace| {
            let workspace = Some(WorkspaceId::from_u128(workspace));
            rates.take(class, &account(), workspace, &snapshot, Duration::ZERO)
        };
        while call(Class::Labels, 1).is_ok() {}
        let refused = call(Class::Labels, 1).expect_err("no token is left");
        assert_eq!(refused, AwsError::throttling(Some(Duration::from_secs(1))));
        assert_eq!(call(Class::Labels, 2), Ok(()));
        assert_eq!(call(Class::Query, 1), Ok(()));
    }

    #[test]
    fn no_rate_is_no_limit() {
        let options = RateOptions { management: None, ..RateOptions::default() };
        let rates = Rates::new(options, Sharing::Processes(1));
        let snapshot = with_queriers(0, 1);
        let call = || rates.take(Class::Management, &account(), None, &snapshot, Duration::ZERO);
        assert!((0..10_000).all(|_| call().is_ok()));
    }
}
