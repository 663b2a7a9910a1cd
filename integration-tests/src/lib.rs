//! The harness of the black-box tests: installs real clients and servers, starts the built binaries on free ports,
//! waits on conditions with deadlines, and shows the logs of a test that failed.
//!
//! Nothing here links a service: the tests see what a user sees. Nothing is installed system-wide and no root is
//! needed; see [`tools`]. A test is one [`sandbox::scenario`].

#![forbid(unsafe_code)]

pub mod aws;
pub mod compare_answers;
pub mod faults;
pub mod folder_bucket;
pub mod generated;
pub mod http;
pub mod http_server;
pub mod issuer;
pub mod metrics;
pub mod open_format;
pub mod recorder;
pub mod reference;
pub mod s3;
pub mod s3_proxy;
pub mod same_samples;
pub mod samples;
pub mod sandbox;
pub mod scrapes;
pub mod shared;
pub mod tally;
pub mod tcp_front;
pub mod tools;
pub mod wire;
