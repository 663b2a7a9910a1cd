//! Samples of real exporters: recorded, kept as text, and moved to a window.
//!
//! The text has a line for each series: its labels as `name=value` with tabs between, then `TAB = TAB`, then
//! `milliseconds:value` with spaces between. `measure csv` of narthex-block reads it too.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::{
    http::Http,
    sandbox::{Peer, PrometheusOptions, Sandbox},
    scrapes,
};
use narthex_model::{Labels, TimestampMs, WindowLength};
use serde_json::Value;

/// Labels of a series and its samples.
pub(super) type Series = (Labels, Vec<(i64, f64)>);

/// Real samples, in block order of their series.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    pub(super) series: Vec<Series>,
}

/// A Prometheus that scrapes.
#[derive(Debug)]
pub struct Recorder {
    prometheus: Peer,
}

impl Recorder {
    /// Starts a Prometheus that scrapes itself and the node exporter at an interval. Native histograms are off.
    pub async fn start(sandbox: &Sandbox, node_exporter: &Peer, interval: Duration) -> Result<Self> {
        let millis = interval.as_millis();
        let config = format!(
            "global:\n  scrape_interval: {millis}ms\n  scrape_timeout: {millis}ms\n  \
             scrape_protocols: [PrometheusText0.0.4]\nscrape_configs:\n{}",
            scrapes::jobs(node_exporter)
        );
        let options = PrometheusOptions { config, flags: vec!["--query.max-samples=500000000".to_owned()] };
        let prometheus = Peer::prometheus(sandbox, &format!("recorder-{millis}ms"), &options).await?;
        Ok(Self { prometheus })
    }

    /// What was recorded until now.
    pub async fn take(&self, http: &Http) -> Result<Recording> {
        recorded(http, &self.prometheus.base, Duration::from_secs(24 * 60 * 60)).await
    }
}

/// The samples that a Prometheus has scraped in the last `range` from targets of the jobs `itself` and `node`.
pub async fn recorded(http: &Http, base: &str, range: Duration) -> Result<Recording> {
    let query = format!("%7Bjob%3D~%22itself%7Cnode%22%7D%5B{}ms%5D", range.as_millis());
    let reply = http.get(&format!("{base}/api/v1/query?query={query}")).await?;
    ensure!(reply.status == 200, "{base} answers {reply}");
    let json = reply.json()?;
    let result = json["data"]["result"].as_array().context("an answer without a result")?;
    let mut all = BTreeMap::new();
    for series in result {
        let metric = series["metric"].as_object().context("a series without labels")?;
        let label = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let labels = Labels::from_pairs(metric.iter().map(|(name, value)| (name.clone(), label(value))));
        let samples = series["values"].as_array().context("a series without floats")?;
        all.insert(labels, samples.iter().map(sample).collect::<Result<Vec<_>>>()?);
    }
    ensure!(!all.is_empty(), "{base} has recorded nothing");
    Ok(Recording { series: all.into_iter().collect() })
}

fn sample(pair: &Value) -> Result<(i64, f64)> {
    let seconds = pair[0].as_f64().context("a time is a number")?;
    let value = pair[1].as_str().context("a value is text")?;
    Ok(((seconds * 1000.0).round() as i64, value.parse()?))
}

impl Recording {
    /// Reads a recording that was kept.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let mut all = BTreeMap::new();
        for line in text.lines() {
            let (labels, samples) = line.split_once("\t=\t").context("labels and samples")?;
            let pairs = labels.split('\t').map(|pair| pair.split_once('=').context("name=value"));
            let samples = samples.split(' ').map(|sample| {
                let (at, value) = sample.split_once(':').context("milliseconds:value")?;
                Ok((at.parse()?, value.parse()?))
            });
            let labels = Labels::from_pairs(pairs.collect::<Result<Vec<_>>>()?);
            all.insert(labels, samples.collect::<Result<Vec<_>>>()?);
        }
        Ok(Self { series: all.into_iter().collect() })
    }

    /// Keeps it as text.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = String::new();
        for (labels, samples) in &self.series {
            for (name, value) in labels.iter() {
                ensure!(!value.contains(['\t', '\n']), "the label {name}={value:?} cannot be kept as text");
                write!(text, "{name}={value}\t")?;
            }
            text.push('=');
            for (at, value) in samples {
                let separator = if text.ends_with('=') { '\t' } else { ' ' };
                write!(text, "{separator}{at}:{value:?}")?;
            }
            text.push('\n');
        }
        fs::write(path, text).with_context(|| path.display().to_string())
    }

    /// Moves everything back so that the first sample is at the beginning of its window; returns by how much.
    pub fn move_to_window(&mut self) -> Duration {
        let times = self.series.iter().filter_map(|(_, samples)| samples.first());
        let first = times.map(|(at, _)| *at).min().unwrap_or_default();
        let window = WindowLength::DEFAULT.window(TimestampMs(first));
        let back = first - WindowLength::DEFAULT.start(window).0;
        self.series.iter_mut().flat_map(|(_, samples)| samples).for_each(|(at, _)| *at -= back);
        Duration::from_millis(back.unsigned_abs())
    }

    /// Number of samples.
    pub fn samples(&self) -> u64 {
        self.series.iter().map(|(_, samples)| samples.len() as u64).sum()
    }

    /// Series, samples, the usual distance of two samples as it was measured, and the time from the first to the last.
    pub fn describe(&self) -> String {
        let mut steps: Vec<i64> = self.series.iter().flat_map(|(_, samples)| steps(samples)).collect();
        steps.sort_unstable();
        let percentile = |hundredth: usize| steps.get((steps.len() - 1) * hundredth / 100).copied();
        let [low, median, high] = [1, 50, 99].map(|at| percentile(at).unwrap_or_default() as f64 / 1000.0);
        let times = || self.series.iter().flat_map(|(_, samples)| samples).map(|(at, _)| *at);
        let span = times().max().unwrap_or_default() - times().min().unwrap_or_default();
        format!(
            "{} series, {} samples, every {median} s (1 % to 99 %: {low} to {high}) over {:.1} minutes",
            self.series.len(),
            self.samples(),
            span as f64 / 60_000.0
        )
    }
}

fn steps(samples: &[(i64, f64)]) -> impl Iterator<Item = i64> {
    samples.windows(2).map(|pair| pair[1].0 - pair[0].0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_that_is_kept_reads_back_and_moves_as_a_whole() {
        let labels = |name| Labels::from_pairs([("__name__", name), ("odd", "a=b c")]);
        let samples = vec![(7_200_000_123, f64::NAN), (7_200_015_124, -0.0), (7_200_030_123, 1e300)];
        let mut recording =
            Recording { series: vec![(labels("a"), samples), (labels("b"), vec![(7_200_001_123, 0.1)])] };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording");
        recording.write(&path).unwrap();
        let read = Recording::read(&path).unwrap();
        assert_eq!(format!("{read:?}"), format!("{recording:?}"));
        assert_eq!(recording.move_to_window(), Duration::from_millis(123));
        assert_eq!(recording.series[0].1[1].0, 7_200_015_001);
        assert_eq!(recording.series[1].1[0].0, 7_200_001_000);
        assert_eq!(recording.samples(), 4);
    }
}
