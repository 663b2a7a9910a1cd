//! What processes that serve HTTP tell: those of teams in pods, and the API servers of Kubernetes.

use super::{Pod, Target, address};
use crate::queries::shape::{Shape, unit};

const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0];
const API_SERVER_SECONDS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
    20.0, 30.0, 45.0, 60.0,
];
const MIB: f64 = 1_048_576.0;

pub(super) fn http_server(nodes: usize, node: usize, number: usize) -> Target {
    let pod = Pod::new(nodes, node, number);
    let instance = format!("{}:8080", address(node, number + 1));
    let job = format!("{}/{}", pod.namespace, pod.deployment);
    let mut target = Target::new(
        &job,
        &instance,
        &[
            ("container", "server"),
            ("endpoint", "http"),
            ("namespace", &pod.namespace),
            ("pod", &pod.name),
            ("service", &pod.deployment),
        ],
    );
    let place = (node * 2 + number) as u64;
    target.restarts = place.is_multiple_of(5);
    for (handler, weight) in [("/api/v1/items", 8.0), ("/api/v1/orders", 3.0), ("/healthz", 0.5), ("/", 1.0)]
    {
        let busy = weight * (0.5 + unit(place, 51));
        for (method, part) in [("GET", 0.8), ("POST", 0.2)] {
            for (code, share) in [("200", 0.985), ("404", 0.01), ("500", 0.005)] {
                let labels = [("code", code), ("handler", handler), ("method", method)];
                let shape = Shape::Counter { rate: busy * part * share, share: 1.0, unit: 1.0 };
                target.add("http_requests_total", &labels, shape);
            }
        }
        let median = 0.03 + 0.05 * unit(place, 52);
        let labels = [("handler", handler)];
        target.add_histogram("http_request_duration_seconds", &labels, &SECONDS, busy, median);
        let native = Shape::Native { rate: busy, median };
        target.add("http_request_latency_seconds", &labels, native);
    }
    for (name, rate, unit) in [
        ("process_cpu_seconds_total", 0.2, 0.01),
        ("go_memstats_alloc_bytes_total", 2e6, 1.0),
        ("go_gc_cycles_total", 0.1, 1.0),
    ] {
        target.add(name, &[], Shape::Counter { rate, share: 1.0, unit });
    }
    for (name, base, unit) in [
        ("process_resident_memory_bytes", 200.0 * MIB, 4_096.0),
        ("process_open_fds", 60.0, 1.0),
        ("go_goroutines", 120.0, 1.0),
        ("go_memstats_heap_inuse_bytes", 90.0 * MIB, 8_192.0),
    ] {
        target.add(name, &[], Shape::Gauge { base, swing: 0.3, unit });
    }
    let version = format!("v1.{}.{}", place % 3, place % 2);
    target.add("app_build_info", &[("version", &version)], Shape::Constant(1.0));
    target.add("up", &[], Shape::Constant(1.0));
    target
}

pub(super) fn api_servers(nodes: usize) -> Vec<Target> {
    let resources = (nodes / 10).clamp(1, 40);
    let server = |number: usize| {
        let instance = format!("10.63.1.{number}:6443");
        let common = [("endpoint", "https"), ("namespace", "default"), ("service", "kubernetes")];
        let mut target = Target::new("apiserver", &instance, &common);
        for resource in 0..resources {
            let resource = format!("resource-{resource:02}");
            for (verb, rate) in [("GET", 20.0), ("LIST", 2.0), ("PATCH", 5.0), ("WATCH", 1.0)] {
                let labels = [
                    ("component", "apiserver"),
                    ("resource", &resource),
                    ("scope", "resource"),
                    ("verb", verb),
                ];
                target.add_histogram(
                    "apiserver_request_duration_seconds",
                    &labels,
                    &API_SERVER_SECONDS,
                    rate,
                    0.06,
                );
            }
        }
        target.add("up", &[], Shape::Constant(1.0));
        target
    };
    (0..3).map(server).collect()
}
