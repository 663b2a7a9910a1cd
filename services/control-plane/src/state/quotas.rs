//! Whether there may be more of something, counted over the state with the proposer's limits.

use narthex_model::AccountId;

use super::{Content, Limit, Refusal, ResourceId, ResourceKind, ResourceRecord, State, Status};
use crate::quota::Quota;

/// Refuses what would be one too many.
pub(super) fn check(
    state: &State,
    account: &AccountId,
    id: &ResourceId,
    content: &Content,
    limits: &[Limit],
) -> Result<(), Refusal> {
    for &Limit { quota, limit } in limits {
        if count(state, account, id, content, quota).is_some_and(|count| count > limit) {
            return Err(Refusal::QuotaExceeded { quota, limit });
        }
    }
    Ok(())
}

/// How much there would be; `None` for quotas that say nothing of such a thing.
fn count(
    state: &State,
    account: &AccountId,
    id: &ResourceId,
    content: &Content,
    quota: Quota,
) -> Option<u64> {
    let others = |kind: ResourceKind| {
        let inside = id.workspace.into_iter().flat_map(move |workspace| state.resources_in(kind, workspace));
        inside.filter(move |(other, record)| *other != id && record.status != Status::Deleting)
    };
    Some(match (quota, content) {
        (Quota::Rules, Content::Rules(file)) => {
            let held: u64 = others(ResourceKind::RuleGroupsNamespace).map(|(_, record)| rules(record)).sum();
            held + u64::from(file.rules)
        }
        (Quota::RuleGroupsNamespaces, Content::Rules(_)) => {
            1 + others(ResourceKind::RuleGroupsNamespace).count() as u64
        }
        (Quota::AnomalyDetectors, Content::AnomalyDetector(_)) => {
            1 + others(ResourceKind::AnomalyDetector).count() as u64
        }
        (Quota::Scrapers, Content::Scraper(_)) => {
            let held = state.scrapers().filter(|(other, record)| {
                *other != id && record.account == *account && record.status != Status::Deleting
            });
            1 + held.count() as u64
        }
        _ => return None,
    })
}

/// Rules of a namespace: of the version in force or of the one that shall be, whichever has more.
fn rules(record: &ResourceRecord) -> u64 {
    let versions = record.in_force.iter().chain(&record.pending);
    let rules = versions.map(|version| match &version.content {
        Content::Rules(file) => u64::from(file.rules),
        _ => 0,
    });
    rules.max().unwrap_or(0)
}
