//! Requests that come through a private endpoint (SEC-30..33).

use std::net::SocketAddr;

use narthex_service::server::Peer;

use super::*;
use crate::{Check, PrivateEndpoint};

/// The guide's sample 6.5, with the brace that its print lacks.
const ONE_ADDRESS: &str = r#"{"Statement": [{"Action": "aps:*", "Effect": "Allow", "Principal": "*", "Resource": "*",
    "Condition": {"IpAddress": {"aws:VpcSourceIp": "192.0.2.123"}, "StringEquals": {"aws:SourceVpc": "vpc-555555555555"}}}]}"#;

/// The guide's sample 6.4 for one of our users: the resource has the form of a path.
const LOOKS: &str = r#"{"Version": "2012-10-17", "Statement": [{"Sid": "AmazonManagedPrometheusPermissions", "Effect": "Allow",
    "Action": ["aps:DescribeWorkspace", "aps:ListWorkspaces"], "Resource": "arn:aws:aps:*:*:/workspaces*",
    "Principal": {"AWS": ["arn:aws:iam::111111111111:user/tester"]}}]}"#;

fn endpoint(plane: narthex_policy::Plane, network: &str, policy: Option<&str>) -> Arc<PrivateEndpoint> {
    Arc::new(PrivateEndpoint {
        id: "vpce-1".into(),
        network: network.into(),
        plane,
        listen: "127.0.0.1:0".parse().expect("an address"),
        policy: policy.map(|text| Policy::parse(text, Kind::Endpoint).expect("a policy")),
    })
}

fn through(
    endpoint: &Arc<PrivateEndpoint>,
    peer: &str,
    mut request: http::Request<Vec<u8>>,
) -> http::Request<Vec<u8>> {
    let address: SocketAddr = format!("{peer}:5").parse().expect("an address");
    request.extensions_mut().insert(Peer { address, tls: false });
    request.extensions_mut().insert(Arc::clone(endpoint));
    request
}

#[tokio::test]
async fn an_endpoint_lets_pass_what_its_policy_allows_and_nothing_that_others_refuse() {
    let data = narthex_policy::Plane::Data;
    let setup = setup(false, |_| {});
    let bounded = endpoint(data, "vpc-555555555555", Some(ONE_ADDRESS));
    let elsewhere = endpoint(data, "vpc-2", Some(ONE_ADDRESS));
    let open = endpoint(data, "vpc-2", None);
    for (endpoint, peer, status) in [
        (&bounded, "192.0.2.123", 200),
        (&bounded, "192.0.2.124", 403),
        (&elsewhere, "192.0.2.123", 403),
        (&open, "192.0.2.124", 200),
    ] {
        let reply = setup.send(through(endpoint, peer, signed("GET", &query(WORKSPACE), b""))).await;
        assert_eq!(reply.status, status, "{} {peer}: {}", endpoint.network, reply.body);
        if status == 403 {
            let expected = "because no VPC endpoint policy allows the aps:QueryMetrics action";
            assert!(reply.message().ends_with(expected), "{}", reply.body);
        }
    }
    // What the caller may not do, an endpoint that allows everything does not make allowed.
    let mut snapshot = snapshot();
    let (arn, nobody) = user("tester", &[]);
    snapshot.principals.insert(arn, nobody);
    let setup = setup_with(snapshot);
    let reply = setup.send(through(&open, "192.0.2.123", signed("GET", &query(WORKSPACE), b""))).await;
    assert_eq!((reply.status, reply.error.as_deref()), (403, Some("AccessDeniedException")));
    assert!(reply.message().contains("no identity-based policy allows"), "{}", reply.body);
}

#[tokio::test]
async fn an_endpoint_serves_one_api_and_no_tokens() {
    let setup = setup(false, |options| options.sts = true);
    let (data, control) = (narthex_policy::Plane::Data, narthex_policy::Plane::Control);
    for (plane, method, target, status) in [
        (data, "GET", query(WORKSPACE), 200),
        (data, "GET", "/workspaces".to_owned(), 404),
        (control, "GET", "/workspaces".to_owned(), 200),
        (control, "GET", query(WORKSPACE), 404),
        (data, "POST", "/".to_owned(), 404),
    ] {
        let request = through(&endpoint(plane, "vpc-2", None), "192.0.2.1", signed(method, &target, b""));
        let reply = setup.send(request).await;
        assert_eq!(reply.status, status, "{plane:?} {target}: {}", reply.body);
        if status == 404 {
            assert_eq!(reply.error.as_deref(), Some("UnknownOperationException"));
            assert!(reply.message().starts_with("endpoint vpce-1 serves the API of aps"), "{}", reply.body);
        }
    }
    // A management call is one of the security token service only where that is served.
    let request = through(&endpoint(control, "vpc-2", None), "192.0.2.1", plain("POST", "/", b""));
    let reply = setup.send(request).await;
    assert_eq!((reply.status, reply.error.as_deref()), (403, Some("MissingAuthenticationTokenException")));
}

/// SEC-33.
#[tokio::test]
async fn the_policy_of_an_endpoint_may_name_paths() {
    let components = Components::new(Arc::new(StoppedClock), Random::from_seed(1), None);
    let ask = |action: &'static str| {
        async move |Extension(who): Extension<Authenticated>| {
            let arn = format!("arn:aws:aps:us-east-1:111111111111:workspace/{WORKSPACE}");
            who.authorize(&Check::new(action, &arn, "111111111111")).map(|()| "done")
        }
    };
    let api = Router::new()
        .route("/workspaces/{id}", get(ask("aps:DescribeWorkspace")).delete(ask("aps:DeleteWorkspace")));
    let app =
        Edge::new(EdgeOptions::new(REGION), Cluster::new(snapshot(), None), &components, "test").wrap(api);
    let endpoint = endpoint(narthex_policy::Plane::Control, "vpc-2", Some(LOOKS));
    for (method, through_it, status) in
        [("GET", true, 200), ("DELETE", true, 403), ("GET", false, 200), ("DELETE", false, 200)]
    {
        let mut request = signed(method, &format!("/workspaces/{WORKSPACE}"), b"");
        if through_it {
            request = through(&endpoint, "192.0.2.1", request);
        }
        let response = app.clone().oneshot(request.map(Body::from)).await.expect("infallible");
        assert_eq!(response.status().as_u16(), status, "{method} {through_it}");
    }
}
