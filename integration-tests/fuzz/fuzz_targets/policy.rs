//! Policy documents of any text, as each sort of policy; what is read also decides.
#![no_main]

use std::{net::Ipv4Addr, sync::Arc};

use libfuzzer_sys::fuzz_target;
use narthex_policy::{
    Action, Caller, Environment, Kind, Origin, Permissions, Policy, Principal, Request, RequestTags,
    Resource, Tags, decide,
};

const ARN: &str = "arn:aws:aps:us-east-1:123456789012:workspace/ws-1";

fuzz_target!(|input: (u8, String, String)| {
    let (kind, document, text) = input;
    let kinds = [Kind::Managed, Kind::Session, Kind::Workspace, Kind::Resource, Kind::Trust, Kind::Endpoint];
    let Ok(policy) = Policy::parse(&document, kinds[usize::from(kind) % kinds.len()]) else { return };
    let policy = Arc::new(policy);
    let Ok(principal) = Principal::from_arn("arn:aws:iam::123456789012:user/alice") else { return };
    let permissions = Permissions { identity: vec![policy.clone()], ..Permissions::default() };
    let tags: Tags = [(text.as_str(), text.as_str())].into_iter().collect();
    let request = Request {
        action: Action::new("aps:RemoteWrite"),
        resource: Resource { tags: Some(&tags), policy: Some(&policy), ..Resource::new(ARN, "123456789012") },
        tags: RequestTags::Set(&tags),
        environment: Environment {
            now: 1_781_524_800_000,
            region: &text,
            secure: true,
            user_agent: Some(&text),
            origin: Origin::Public(Ipv4Addr::LOCALHOST.into()),
            more: &[],
        },
    };
    let _ = decide(&Caller { principal, permissions }, &request);
});
