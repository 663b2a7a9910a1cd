//! Every black-box test, in one binary: each of two dozen would link the same libraries again.
//!
//! A file is a topic: `cargo test -p narthex-integration-tests --test integration TOPIC::`. Under `cargo nextest` each test is
//! still a process of its own.

mod access;
mod all_in_one;
mod amp_clients;
mod amp_members;
mod amp_model;
mod audit_bucket;
mod aws_clients;
mod bad_input;
mod block_open_format;
mod blocks;
mod bucket;
mod conformance;
mod control_plane;
mod cuts;
mod definitions;
mod disk_faults;
mod faults;
mod grafana;
mod kube_prometheus;
mod layering;
mod many;
mod many_blocks;
mod many_namespaces;
mod many_workspaces;
mod minority;
mod overload;
mod policies;
mod private_endpoints;
mod promql_fuzz;
mod push_down;
mod query_api;
mod quotas;
mod range_cache;
mod real_prometheus;
mod restore;
mod revocation;
mod rolling_upgrade;
mod scaling;
mod sigv4_wire;
mod traces;
mod web_identity;
