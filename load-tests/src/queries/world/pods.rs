//! What kube-state-metrics tells about a node and its pods.

use super::{PODS, Pod, SERVING, Target, address, node_name};
use crate::queries::shape::Shape;

const MIB: f64 = 1_048_576.0;

pub(super) fn kube_state_metrics(nodes: usize, node: usize) -> Target {
    let mut target = Target::new(
        "kube-state-metrics",
        "10.63.0.7:8080",
        &[("endpoint", "https-main"), ("service", "kube-state-metrics")],
    );
    // One process tells of all nodes, but pods differ.
    target.seed ^= (node as u64) << 40;
    let name = node_name(node);
    let release = ["6.1.0-28", "6.1.0-30", "6.12.6"][node % 3];
    target.add("kube_node_info", &[("kernel_version", release), ("node", &name)], Shape::Constant(1.0));
    for condition in ["DiskPressure", "MemoryPressure", "PIDPressure", "Ready"] {
        for status in ["false", "true", "unknown"] {
            let holds = status == if condition == "Ready" { "true" } else { "false" };
            target.add(
                "kube_node_status_condition",
                &[("condition", condition), ("node", &name), ("status", status)],
                Shape::Constant(f64::from(u8::from(holds))),
            );
        }
    }
    for (resource, amount) in [("cpu", 16.0), ("memory", 65_536.0 * MIB)] {
        let labels = [("node", name.as_str()), ("resource", resource)];
        target.add("kube_node_status_allocatable", &labels, Shape::Constant(amount));
    }
    for number in 0..PODS {
        pod(&mut target, &Pod::new(nodes, node, number), node, number);
    }
    target
}

fn pod(target: &mut Target, pod: &Pod, node: usize, number: usize) {
    let own = [("namespace", pod.namespace.as_str()), ("pod", pod.name.as_str())];
    let with = |more: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        own.iter().chain(more).map(|(name, value)| (*name, (*value).to_owned())).collect()
    };
    let mut add = |name: &str, labels: &[(&'static str, String)], shape: Shape| {
        let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        target.add(name, &labels, shape);
    };
    let (node_name, ip) = (node_name(node), address(node, number + 1));
    let info = with(&[("created_by_kind", "ReplicaSet"), ("node", &node_name), ("pod_ip", &ip)]);
    add("kube_pod_info", &info, Shape::Constant(1.0));
    let owner = with(&[("owner_kind", "ReplicaSet"), ("owner_name", &pod.deployment)]);
    add("kube_pod_owner", &owner, Shape::Constant(1.0));
    let pending = number >= SERVING && (node * PODS + number) % 33 == 5;
    for phase in ["Failed", "Pending", "Running", "Succeeded", "Unknown"] {
        let holds = phase == if pending { "Pending" } else { "Running" };
        let value = Shape::Constant(f64::from(u8::from(holds)));
        add("kube_pod_status_phase", &with(&[("phase", phase)]), value);
    }
    for container in ["server", "istio-proxy"] {
        let labels = with(&[("container", container)]);
        add("kube_pod_container_status_ready", &labels, Shape::Constant(f64::from(u8::from(!pending))));
        let restarts = Shape::Counter { rate: 1e-5, share: 1.0, unit: 1.0 };
        add("kube_pod_container_status_restarts_total", &labels, restarts);
        for (resource, request) in [("cpu", 0.2), ("memory", 256.0 * MIB)] {
            let labels = with(&[("container", container), ("node", &node_name), ("resource", resource)]);
            add("kube_pod_container_resource_requests", &labels, Shape::Constant(request));
            if !number.is_multiple_of(3) {
                add("kube_pod_container_resource_limits", &labels, Shape::Constant(request * 2.0));
            }
        }
    }
}
