//! Series that a test makes up, as remote write requests.

use bytes::Bytes;
use narthex_model::Histogram;
use narthex_remote_write::Encoder;

/// Prometheus's stale marker: the series ended here.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Most samples of one request.
const SAMPLES_PER_REQUEST: usize = 20_000;

/// A series with its samples in time order.
#[derive(Debug, Clone, Default)]
pub struct GeneratedSeries {
    /// Labels, names ascending.
    pub labels: Vec<(String, String)>,
    /// Floats at milliseconds.
    pub floats: Vec<(i64, f64)>,
    /// Native histograms at milliseconds.
    pub histograms: Vec<(i64, Histogram)>,
}

/// Compressed remote write 1.0 requests with all samples in `from..to`.
pub fn requests(series: &[GeneratedSeries], from: i64, to: i64) -> Vec<Bytes> {
    let mut requests = Vec::new();
    let mut encoder = Encoder::new();
    let mut held = 0;
    for series in series {
        let floats = within(&series.floats, from, to);
        let histograms = within(&series.histograms, from, to);
        let samples = floats.len() + histograms.len();
        if samples == 0 {
            continue;
        }
        if held > 0 && held + samples > SAMPLES_PER_REQUEST {
            requests.push(encoder.finish().into());
            held = 0;
        }
        let labels = series.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        encoder.series(labels, floats, histograms);
        held += samples;
    }
    if held > 0 {
        requests.push(encoder.finish().into());
    }
    requests
}

fn within<T>(samples: &[(i64, T)], from: i64, to: i64) -> &[(i64, T)] {
    let at = |time: i64| samples.partition_point(|(at, _)| *at < time);
    &samples[at(from)..at(to)]
}

/// How many samples there are.
pub fn samples(series: &[GeneratedSeries]) -> usize {
    series.iter().map(|series| series.floats.len() + series.histograms.len()).sum()
}
