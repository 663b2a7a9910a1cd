//! The series that a load consists of: ten labels each, shaped like a Kubernetes cluster's, encoded once.

use narthex_integration_tests::wire::bytes_field;

/// How many metric names there are; the series spread evenly over them.
pub(crate) const METRIC_NAMES: usize = 100;

/// The name of the metric that series `index` belongs to.
pub(crate) fn metric_name(index: usize) -> String {
    format!("load_requests_{:02}_total", index % METRIC_NAMES)
}

/// The labels of series `index` as the label fields of a remote write `TimeSeries`, names in sorted order.
pub(crate) fn label_fields(index: usize) -> Vec<u8> {
    let pod = index / METRIC_NAMES;
    let labels: [(&str, String); 10] = [
        ("__name__", metric_name(index)),
        ("cluster", "production-eu-1".to_owned()),
        ("container", format!("server-{}", pod % 7)),
        ("endpoint", "http-metrics".to_owned()),
        ("instance", format!("10.{}.{}.{}:9100", pod >> 16 & 255, pod >> 8 & 255, pod & 255)),
        ("job", format!("team-{}/service-{}", pod % 11, pod % 97)),
        ("namespace", format!("team-{}", pod % 11)),
        ("node", format!("node-{:04}", pod % 500)),
        (
            "pod",
            format!("service-{}-{:08x}-{:05x}", pod % 97, pod.wrapping_mul(2_654_435_761) & 0xffff_ffff, pod),
        ),
        ("service", format!("service-{}", pod % 97)),
    ];
    let mut fields = Vec::with_capacity(320);
    let mut label = Vec::with_capacity(64);
    for (name, value) in &labels {
        label.clear();
        bytes_field(&mut label, 1, name.as_bytes());
        bytes_field(&mut label, 2, value.as_bytes());
        bytes_field(&mut fields, 1, &label);
    }
    fields
}

/// The value of a series at a tick: a counter with its own pace, a tenth of the series with decimals.
pub(crate) fn value(index: usize, tick: usize) -> f64 {
    let count = (index % 1000 * 1000 + tick * (1 + index % 17)) as f64;
    if index.is_multiple_of(10) { count * 0.125 + 0.1 } else { count }
}
