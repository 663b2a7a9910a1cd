use super::*;

const SAMPLE: &str = r#"
- id: vpce-1
  network: vpc-555555555555
  service: aps-workspaces
  listen: 127.0.0.1:0
  policy: {Statement: [{Effect: Allow, Principal: "*", Action: "aps:*", Resource: "*"}]}
- id: vpce-2
  network: vpc-2
  service: aps
  listen: "[::1]:9443"
  policy: '{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "aps:*", "Resource": "*"}}'
- {id: vpce-3, network: vpc-2, service: aps, listen: "127.0.0.1:9444"}
"#;

#[test]
fn a_file_lists_endpoints_with_policies_in_yaml_or_json() {
    let PrivateEndpoints(endpoints) = PrivateEndpoints::parse(SAMPLE).expect("well-formed");
    let told: Vec<_> =
        endpoints.iter().map(|found| (&*found.id, found.service(), found.policy.is_some())).collect();
    assert_eq!(told, [("vpce-1", "aps-workspaces", true), ("vpce-2", "aps", true), ("vpce-3", "aps", false)]);
    assert_eq!(endpoints[0].policy, endpoints[1].policy);
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        (SAMPLE.replace("vpce-2", "vpce-1"), "private endpoint vpce-1: is listed twice"),
        (SAMPLE.replace("vpc-5", "vpc 5"), "private endpoint vpce-1: network: \"vpc 555555555555\" is not"),
        (SAMPLE.replace("Effect: Allow", "Effect: Permit"), "private endpoint vpce-1: policy: "),
        (SAMPLE.replace("service: aps-workspaces", "service: sts"), "aps-workspaces"),
        (SAMPLE.replace("127.0.0.1:0", "here"), "socket address"),
        (SAMPLE.replace("  policy:", "  polcy:"), "polcy"),
    ];
    for (text, expected) in cases {
        let error = PrivateEndpoints::parse(&text).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = PrivateEndpoints::read("/nowhere/endpoints.yaml").expect_err("absent").to_string();
    assert!(error.starts_with("cannot read it: "), "{error}");
}
