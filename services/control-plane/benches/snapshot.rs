//! What a large state costs: 1,000 workspaces with 100 files of rules of 2 KB each. A node reads its snapshot when it starts, copies
//! its state for each snapshot, and encodes it beside its other work.

use std::{collections::BTreeMap, fmt::Write, hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use narthex_control_plane::state::{
    Body, Change, ChangeKind, Command, Content, CreateWorkspace, ResourceId, ResourceKind, RuleFile, Setup,
    State, WorkspaceRecord, apply, decode, encode,
};
use narthex_model::{AccountId, TimestampMs, WorkspaceId};
use narthex_ring::Replication;

const WORKSPACES: u128 = 1_000;
const NAMESPACES: usize = 100;

/// Rules of 2 KB that differ as those of people do: in names and numbers.
fn rules(workspace: u128, namespace: usize) -> String {
    let mut text = "groups:\n".to_owned();
    let mut number = workspace as usize * 7_919 + namespace * 104_729;
    while text.len() < 2_000 {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let name = number >> 33;
        let _ = write!(
            text,
            "  - name: group-{name}\n    rules:\n      - record: job:requests_{name}:rate5m\n        \
             expr: sum by (job) (rate(http_requests_total{{service=\"s{name}\"}}[5m]))\n"
        );
    }
    text
}

fn state() -> State {
    let account: AccountId = "123456789012".parse().expect("digits");
    let mut state = State::default();
    let setup =
        Setup { replication: Replication::One, zones: ["zone-a".into()].into(), page_secret: "00".into() };
    let (credentials, workspaces) = (BTreeMap::new(), BTreeMap::new());
    apply(&mut state, Command::Setup { setup, credentials, workspaces, identities: Default::default() });
    for workspace in 1..=WORKSPACES {
        let id = WorkspaceId::from_u128(workspace);
        let record = WorkspaceRecord {
            account: account.clone(),
            alias: None,
            status: narthex_cluster::WorkspaceStatus::Active,
            kms_key_arn: None,
            tags: BTreeMap::new(),
            created_at: TimestampMs(1),
            changed_at: TimestampMs(1),
            out_of_order_window_ms: 600_000,
            max_active_series: None,
        };
        let create = CreateWorkspace { id, record, quota: u32::MAX, token: None };
        apply(&mut state, Command::CreateWorkspace(create));
        for namespace in 0..NAMESPACES {
            let data = Body::new(rules(workspace, namespace).as_bytes()).expect("memory");
            let kind = ResourceKind::RuleGroupsNamespace;
            let what = ChangeKind::Create {
                id: ResourceId::in_workspace(kind, id, format!("namespace-{namespace}")),
                content: Content::Rules(RuleFile { data, rules: 10 }),
                tags: BTreeMap::new(),
                limits: Vec::new(),
            };
            let (account, operation) = (account.clone(), "CreateRuleGroupsNamespace".to_owned());
            let change = Change { account, operation, token: None, at: TimestampMs(1), what };
            apply(&mut state, Command::Change(Box::new(change)));
        }
    }
    state
}

fn snapshot(criterion: &mut Criterion) {
    let state = state();
    let bytes = encode(&state);
    let mut group = criterion.benchmark_group(format!("snapshot of {} MB", bytes.len() / 1_000_000));
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.bench_function("encode", |bencher| bencher.iter(|| encode(black_box(&state))));
    group.bench_function("decode", |bencher| bencher.iter(|| decode(black_box(&bytes))));
    group.bench_function("copy", |bencher| bencher.iter(|| black_box(&state).clone()));
    group.finish();
}

criterion_group!(benches, snapshot);
criterion_main!(benches);
