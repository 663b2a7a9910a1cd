//! Made-up series for benchmarks and load tests: ten labels each, shaped like those of a Kubernetes node's exporters.
//!
//! The same number gives the same series in every process, so that generator and checker need not talk.

use crate::Encoder;

/// One series with ten labels, names ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntheticSeries(Vec<(&'static str, String)>);

impl SyntheticSeries {
    /// The series of a number.
    pub fn new(number: u64) -> Self {
        let (metric, pod) = (number % 97, number / 97);
        Self(vec![
            ("__name__", format!("container_synthetic_metric_{metric:02}_total")),
            ("cluster", "production-eu-west-1".to_owned()),
            ("container", format!("app-{}", metric % 7)),
            ("endpoint", "https-metrics".to_owned()),
            ("instance", format!("10.{}.{}.{}:10250", pod >> 16 & 0xFF, pod >> 8 & 0xFF, pod & 0xFF)),
            ("job", "kubelet".to_owned()),
            ("namespace", format!("team-{}", pod % 41)),
            ("node", format!("ip-10-0-{}-{}.eu-west-1.compute.internal", pod >> 8 & 0xFF, pod & 0xFF)),
            ("pod", format!("service-{}-{:010x}", pod % 211, pod.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24)),
            ("service", "monitoring-kubelet".to_owned()),
        ])
    }

    /// Names and values, names ascending.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

/// The value that the series of a number has at a time: slowly growing, not the same everywhere.
pub fn synthetic_value(number: u64, timestamp: i64) -> f64 {
    (timestamp / 1000) as f64 * (1.0 + (number % 13) as f64) + number as f64
}

/// A compressed request with one sample at `timestamp` for each of the numbered series.
pub fn synthetic_request(numbers: impl IntoIterator<Item = u64>, timestamp: i64) -> Vec<u8> {
    let mut encoder = Encoder::new();
    for number in numbers {
        encoder.floats(
            SyntheticSeries::new(number).labels(),
            &[(timestamp, synthetic_value(number, timestamp))],
        );
    }
    encoder.finish()
}
