//! What the node exporter and the kubelet of a node tell.

use super::{PODS, Pod, Target, address, node_name};
use crate::queries::shape::{Shape, unit};

const MIB: f64 = 1_048_576.0;

fn counter(rate: f64, unit: f64) -> Shape {
    Shape::Counter { rate, share: 1.0, unit }
}

fn gauge(base: f64, swing: f64, unit: f64) -> Shape {
    Shape::Gauge { base, swing, unit }
}

pub(super) fn node_exporter(node: usize) -> Target {
    let pod = format!("node-exporter-{:05x}", node * 7_919 + 4_096);
    let instance = format!("{}:9100", address(node, 0));
    let mut target = Target::new(
        "node-exporter",
        &instance,
        &[
            ("container", "node-exporter"),
            ("endpoint", "https"),
            ("namespace", "monitoring"),
            ("pod", &pod),
            ("service", "node-exporter"),
        ],
    );
    cpu_and_memory(&mut target, node);
    disks(&mut target);
    network(&mut target);
    let name = node_name(node);
    let uname = [
        ("domainname", "(none)"),
        ("machine", if node.is_multiple_of(5) { "aarch64" } else { "x86_64" }),
        ("nodename", &name),
        ("release", ["6.1.0-28", "6.1.0-30", "6.12.6"][node % 3]),
        ("sysname", "Linux"),
    ];
    target.add("node_uname_info", &uname, Shape::Constant(1.0));
    target.add("node_boot_time_seconds", &[], Shape::Constant(1_765_000_000.0 + (node * 977) as f64));
    target.add("up", &[], Shape::Constant(1.0));
    target
}

fn cpu_and_memory(target: &mut Target, node: usize) {
    const MODES: [(&str, f64); 8] = [
        ("idle", 0.7),
        ("iowait", 0.01),
        ("irq", 0.0),
        ("nice", 0.001),
        ("softirq", 0.01),
        ("steal", 0.0),
        ("system", 0.07),
        ("user", 0.2),
    ];
    for cpu in 0..16 {
        for (mode, rate) in MODES {
            target.add(
                "node_cpu_seconds_total",
                &[("cpu", &cpu.to_string()), ("mode", mode)],
                counter(rate, 0.01),
            );
        }
    }
    for (name, base) in [("node_load1", 6.0), ("node_load5", 5.5), ("node_load15", 5.0)] {
        target.add(name, &[], gauge(base, 0.5, 0.01));
    }
    let total = 65_536.0 * MIB;
    target.add("node_memory_MemTotal_bytes", &[], Shape::Constant(total));
    let free = 0.1 + 0.3 * unit(node as u64, 31);
    for (name, share) in [
        ("node_memory_MemFree_bytes", free),
        ("node_memory_MemAvailable_bytes", free + 0.25),
        ("node_memory_Buffers_bytes", 0.01),
        ("node_memory_Cached_bytes", 0.25),
        ("node_memory_Slab_bytes", 0.03),
    ] {
        target.add(name, &[], gauge(total * share, 0.2, 4_096.0));
    }
    for (name, rate) in [
        ("node_context_switches_total", 40_000.0),
        ("node_intr_total", 25_000.0),
        ("node_forks_total", 30.0),
        ("node_vmstat_pgfault", 9_000.0),
        ("node_vmstat_pgmajfault", 0.2),
    ] {
        target.add(name, &[], counter(rate, 1.0));
    }
    for (name, base) in [("node_procs_running", 4.0), ("node_procs_blocked", 1.0)] {
        target.add(name, &[], gauge(base, 0.9, 1.0));
    }
}

fn disks(target: &mut Target) {
    for (device, mountpoint, gib) in [
        ("/dev/nvme0n1p1", "/", 200.0),
        ("/dev/nvme1n1", "/var/lib/containerd", 400.0),
        ("/dev/nvme2n1", "/var/lib/kubelet", 800.0),
        ("tmpfs", "/run", 6.0),
    ] {
        let labels = [
            ("device", device),
            ("fstype", if device == "tmpfs" { device } else { "ext4" }),
            ("mountpoint", mountpoint),
        ];
        let size = gib * 1024.0 * MIB;
        target.add("node_filesystem_size_bytes", &labels, Shape::Constant(size));
        target.add("node_filesystem_avail_bytes", &labels, gauge(size * 0.4, 0.3, 4_096.0));
        target.add("node_filesystem_files", &labels, Shape::Constant(gib * 65_536.0));
        target.add("node_filesystem_files_free", &labels, gauge(gib * 60_000.0, 0.05, 1.0));
    }
    for device in ["nvme0n1", "nvme1n1", "nvme2n1"] {
        for (name, rate, unit) in [
            ("node_disk_read_bytes_total", 2e6, 512.0),
            ("node_disk_written_bytes_total", 9e6, 512.0),
            ("node_disk_reads_completed_total", 60.0, 1.0),
            ("node_disk_writes_completed_total", 300.0, 1.0),
            ("node_disk_read_time_seconds_total", 0.05, 0.001),
            ("node_disk_write_time_seconds_total", 0.4, 0.001),
            ("node_disk_io_time_seconds_total", 0.2, 0.001),
            ("node_disk_io_time_weighted_seconds_total", 0.6, 0.001),
        ] {
            target.add(name, &[("device", device)], counter(rate, unit));
        }
    }
}

fn network(target: &mut Target) {
    for device in ["cilium_host", "cilium_net", "eth0", "eth1", "lo", "lxc0"] {
        for (name, rate) in [
            ("node_network_receive_bytes_total", 3e6),
            ("node_network_transmit_bytes_total", 2e6),
            ("node_network_receive_packets_total", 4_000.0),
            ("node_network_transmit_packets_total", 3_500.0),
            ("node_network_receive_drop_total", 0.01),
            ("node_network_transmit_drop_total", 0.0),
        ] {
            target.add(name, &[("device", device)], counter(rate, 1.0));
        }
    }
}

pub(super) fn kubelet(nodes: usize, node: usize) -> Target {
    let (instance, name) = (format!("{}:10250", address(node, 0)), node_name(node));
    let mut target = Target::new(
        "kubelet",
        &instance,
        &[
            ("endpoint", "https-metrics"),
            ("metrics_path", "/metrics/cadvisor"),
            ("node", &name),
            ("service", "kubelet"),
        ],
    );
    for number in 0..PODS {
        let pod = Pod::new(nodes, node, number);
        for container in ["server", "istio-proxy"] {
            let image = format!("registry.example.org/{}:v1.{}.0", pod.deployment, number % 4);
            let labels = [
                ("container", container),
                ("image", &image),
                ("namespace", &pod.namespace),
                ("pod", &pod.name),
            ];
            for (name, shape) in [
                ("container_cpu_usage_seconds_total", counter(0.25, 1e-6)),
                ("container_cpu_user_seconds_total", counter(0.2, 0.01)),
                ("container_cpu_system_seconds_total", counter(0.05, 0.01)),
                ("container_cpu_cfs_periods_total", counter(10.0, 1.0)),
                ("container_cpu_cfs_throttled_periods_total", counter(0.5, 1.0)),
                ("container_memory_working_set_bytes", gauge(300.0 * MIB, 0.3, 4_096.0)),
                ("container_memory_rss", gauge(220.0 * MIB, 0.3, 4_096.0)),
                ("container_memory_cache", gauge(80.0 * MIB, 0.4, 4_096.0)),
                ("container_fs_reads_bytes_total", counter(4_000.0, 4_096.0)),
                ("container_fs_writes_bytes_total", counter(9_000.0, 4_096.0)),
            ] {
                target.add(name, &labels, shape);
            }
        }
        let labels = [("interface", "eth0"), ("namespace", &pod.namespace), ("pod", &pod.name)];
        for (name, rate) in [
            ("container_network_receive_bytes_total", 50_000.0),
            ("container_network_transmit_bytes_total", 70_000.0),
        ] {
            target.add(name, &labels, counter(rate, 1.0));
        }
    }
    target.add("kubelet_running_pods", &[], Shape::Constant(PODS as f64));
    target.add("up", &[], Shape::Constant(1.0));
    target
}
