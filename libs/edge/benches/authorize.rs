//! What it costs to decide whether a caller may write to a workspace, as the edge does for every request: the texts that policies are
//! matched with, and the decision (budget: 2 microseconds). Decisions alone are in `narthex-policy`'s benchmark.

use std::{hint::black_box, net::Ipv4Addr, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use narthex_cluster::Workspace;
use narthex_edge::{Authenticated, Circumstances};
use narthex_model::{TimestampMs, WorkspaceId};
use narthex_policy::{Caller, Kind, Permissions, Policy, Principal};

const ACCOUNT: &str = "123456789012";

fn policy(text: &str) -> Arc<Policy> {
    Arc::new(Policy::parse(text, Kind::Managed).expect("a policy"))
}

/// A role with policies, of which the last allows the write.
fn who(others: usize, last: &str) -> Authenticated {
    let mut identity: Vec<_> = (0..others)
        .map(|number| {
            policy(&format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":["aps:QueryMetrics","aps:RemoteWrite"],
                "Resource":"arn:aws:aps:*:{ACCOUNT}:workspace/ws-{number}*"}}}}"#
            ))
        })
        .collect();
    identity.push(policy(last));
    let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/Writer/prometheus-0");
    let principal = Principal::from_arn(&arn).expect("a session");
    let permissions = Permissions { identity, ..Permissions::default() };
    Authenticated {
        account: ACCOUNT.parse().expect("an account"),
        caller: Arc::new(Caller { principal, permissions }),
        access_key_id: None,
        circumstances: Circumstances {
            now: TimestampMs(1_781_524_800_000),
            region: "us-east-1".into(),
            secure: true,
            user_agent: Some("Prometheus/3.5.0".into()),
            source: Ipv4Addr::new(10, 1, 2, 3).into(),
            passage: None,
        },
        workspace: None,
        request_id: "request".into(),
    }
}

fn benches(c: &mut Criterion) {
    let workspace = Workspace {
        tags: [("env", "prod"), ("team", "observability")].into_iter().collect(),
        ..Workspace::new(WorkspaceId::from_u128(7), ACCOUNT.parse().expect("an account"))
    };
    let plain = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"aps:RemoteWrite","Resource":"*"}}"#;
    let tagged = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"aps:RemoteWrite","Resource":"*",
        "Condition":{"StringEquals":{"aws:ResourceTag/team":"observability"}}}}"#;
    let mut group = c.benchmark_group("may write");
    for (name, who) in [
        ("one policy", who(0, plain)),
        ("ten policies", who(9, plain)),
        ("ten policies, a tag", who(9, tagged)),
    ] {
        let decide = || black_box(&who).authorize_data(Some("RemoteWrite"), black_box(&workspace));
        assert!(decide().is_ok());
        group.bench_function(name, |b| b.iter(decide));
    }
    group.finish();
}

criterion_group!(authorize, benches);
criterion_main!(authorize);
