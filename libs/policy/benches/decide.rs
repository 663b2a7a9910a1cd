//! What a decision costs, above all on the write path: a principal with ten policies, the last of which allows (budget: 2 microseconds).

use std::{hint::black_box, net::Ipv4Addr, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use narthex_policy::{
    Action, Caller, Environment, Kind, Origin, Permissions, Policy, Principal, Request, RequestTags,
    Resource, Tags, decide,
};

const ARN: &str = "arn:aws:aps:us-east-1:123456789012:workspace/ws-fb5a4a1e-8f5b-4c3f-9d0e-2a6f4c1d7e88";

fn policy(text: &str) -> Arc<Policy> {
    Arc::new(Policy::parse(text, Kind::Managed).expect("a policy"))
}

/// Nine policies that say nothing of this write, though they come near.
fn others() -> Vec<Arc<Policy>> {
    (0..9)
        .map(|index| {
            policy(&format!(
                r#"{{"Version":"2012-10-17","Statement":[
                {{"Effect":"Allow","Action":["aps:QueryMetrics","aps:GetSeries","aps:GetLabels","aps:GetMetricMetadata"],
                  "Resource":"arn:aws:aps:*:123456789012:workspace/*"}},
                {{"Effect":"Allow","Action":"aps:RemoteWrite","Resource":"arn:aws:aps:*:123456789012:workspace/ws-{index}*"}},
                {{"Effect":"Deny","Action":"aps:Delete*","Resource":"*","Condition":{{"StringNotEquals":{{"aws:ResourceTag/team":"t{index}"}}}}}}
                ]}}"#
            ))
        })
        .collect()
}

fn caller(last: &str, boundary: Option<&str>) -> Caller {
    let mut principal =
        Principal::from_arn("arn:aws:sts::123456789012:assumed-role/Writer/prometheus-0").expect("a session");
    principal.tags = [("team", "observability")].into_iter().collect();
    let mut identity = others();
    identity.push(policy(last));
    let boundary = boundary.map(policy);
    Caller { principal, permissions: Permissions { identity, boundary, ..Permissions::default() } }
}

fn benches(c: &mut Criterion) {
    let plain = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"aps:RemoteWrite","Resource":"arn:aws:aps:*:123456789012:workspace/*"}}"#;
    let tagged = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"aps:RemoteWrite","Resource":"*","Condition":{
        "StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"},"IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.168.0.0/16"]},
        "Bool":{"aws:SecureTransport":"true"}}}}"#;
    let read = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"aps:QueryMetrics","Resource":"*"}}"#;
    let all = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"aps:*","Resource":"*"}}"#;
    let shared = Policy::for_workspace(
        r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":["444455556666","123456789012"]},"Action":"aps:*","Resource":"*"}}"#,
        ARN,
    )
    .expect("a policy");
    let tags: Tags = [("env", "prod"), ("team", "observability")].into_iter().collect();
    let request = |policy| Request {
        action: Action::new("aps:RemoteWrite"),
        resource: Resource { tags: Some(&tags), policy, ..Resource::new(ARN, "123456789012") },
        tags: RequestTags::None,
        environment: Environment {
            now: 1_781_524_800_000,
            region: "us-east-1",
            secure: true,
            user_agent: Some("Prometheus/3.5.0"),
            origin: Origin::Public(Ipv4Addr::new(10, 1, 2, 3).into()),
            more: &[],
        },
    };
    let mut group = c.benchmark_group("ten policies");
    let cases = [
        ("write", caller(plain, None), request(None), true),
        ("write, tags and address", caller(tagged, None), request(None), true),
        ("write, boundary and workspace policy", caller(tagged, Some(all)), request(Some(&shared)), true),
        ("write refused", caller(read, None), request(None), false),
    ];
    for (name, caller, request, allowed) in cases {
        assert_eq!(decide(&caller, &request).is_allowed(), allowed);
        group.bench_function(name, |b| b.iter(|| decide(black_box(&caller), black_box(&request))));
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
