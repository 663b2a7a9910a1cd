//! What a run measured, as text and as JSON.

use std::{collections::BTreeMap, fmt};

/// The figures of one run against one receiver.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    /// The receiver.
    pub name: String,
    /// Series of the load.
    pub series: usize,
    /// Samples in requests that were answered 2xx.
    pub acknowledged: usize,
    /// Wall-clock seconds from the first request to the last answer.
    pub seconds: f64,
    /// Requests, retries not counted.
    pub requests: u64,
    /// Requests that were sent a second time.
    pub retried: u64,
    /// Requests that failed twice.
    pub failed: u64,
    /// Failures by their text.
    pub failures: BTreeMap<String, u64>,
    /// Latency in milliseconds: median, 90 %, 99 %, longest.
    pub latency_ms: [f64; 4],
    /// CPU seconds that the server processes used during the run.
    pub server_cpu_seconds: f64,
    /// Acknowledged samples per CPU second of the servers.
    pub samples_per_cpu_second: f64,
    /// Resident bytes of the servers at the end, mapped files included.
    pub resident_bytes: u64,
    /// The part of them that no file backs.
    pub anonymous_bytes: u64,
    /// Resident bytes divided by the number of series.
    pub resident_bytes_per_series: f64,
    /// CPU seconds of the generator.
    pub generator_cpu_seconds: f64,
    /// Samples of the control query that the server holds, and that it should hold.
    pub held: Option<(usize, usize)>,
    /// Seconds from SIGKILL and start until ready.
    pub restart_seconds: Option<f64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: f64 = 1024.0 * 1024.0;
        let [median, p90, p99, longest] = self.latency_ms;
        writeln!(f, "{}", self.name)?;
        writeln!(f, "  acknowledged        {} samples in {:.1} s", self.acknowledged, self.seconds)?;
        writeln!(f, "  per second          {:.0}", self.acknowledged as f64 / self.seconds)?;
        writeln!(f, "  per CPU second      {:.0}", self.samples_per_cpu_second)?;
        writeln!(
            f,
            "  CPU seconds         {:.2} servers, {:.2} generator",
            self.server_cpu_seconds, self.generator_cpu_seconds
        )?;
        let (resident, anonymous) = (self.resident_bytes as f64 / MIB, self.anonymous_bytes as f64 / MIB);
        writeln!(
            f,
            "  resident            {resident:.0} MiB ({anonymous:.0} MiB not from files), {:.0} bytes a series",
            self.resident_bytes_per_series
        )?;
        writeln!(
            f,
            "  latency             p50 {median:.1}, p90 {p90:.1}, p99 {p99:.1}, longest {longest:.1} ms"
        )?;
        writeln!(
            f,
            "  requests            {}, {} retried, {} failed",
            self.requests, self.retried, self.failed
        )?;
        if let Some((found, expected)) = self.held {
            writeln!(f, "  control query       {found} of {expected} samples")?;
        }
        if let Some(seconds) = self.restart_seconds {
            writeln!(f, "  SIGKILL to ready    {seconds:.2} s")?;
        }
        for (failure, times) in self.failures.iter().take(5) {
            writeln!(f, "  {times} x {failure}")?;
        }
        Ok(())
    }
}
