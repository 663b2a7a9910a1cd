//! The closing table: one receiver a line, and how the first compares with each of the others.

use std::fmt::Write;

use crate::Report;

/// Lines of figures, then ratios of the first report to each other one.
pub fn table(reports: &[Report]) -> String {
    let mut text = String::from(
        "receiver                             samples/CPU-s   samples/s  bytes/series  p50 ms   p99 ms  restart s  held\n",
    );
    for report in reports {
        let restart = report.restart_seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.2}"));
        let held = report.held.map_or("-".to_owned(), |(found, expected)| format!("{found}/{expected}"));
        writeln!(
            text,
            "{:<36} {:>13.0} {:>11.0} {:>13.0} {:>7.1} {:>8.1} {restart:>10}  {held}",
            report.name,
            report.samples_per_cpu_second,
            report.acknowledged as f64 / report.seconds,
            report.resident_bytes_per_series,
            report.latency_ms[0],
            report.latency_ms[2],
        )
        .expect("a string takes everything");
    }
    let Some((first, others)) = reports.split_first() else { return text };
    for other in others {
        let ratio = |mine: f64, theirs: f64| if theirs > 0.0 { mine / theirs } else { f64::NAN };
        writeln!(
            text,
            "{} : {}  samples/CPU-s x{:.2}, bytes/series x{:.2}",
            first.name,
            other.name,
            ratio(first.samples_per_cpu_second, other.samples_per_cpu_second),
            ratio(first.resident_bytes_per_series, other.resident_bytes_per_series),
        )
        .expect("a string takes everything");
    }
    text
}
