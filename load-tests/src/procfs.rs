//! CPU time and memory of processes and all their descendants, from `/proc`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

/// The unit of CPU times in `/proc/PID/stat`; 100 on every Linux that Rust runs on, whatever the kernel's own tick.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a set of processes used since they started, and holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// CPU seconds in user and kernel mode.
    pub cpu_seconds: f64,
    /// Resident memory in bytes that no file backs (heap and the like).
    pub anonymous_bytes: u64,
    /// Resident memory in bytes, mapped files included.
    pub resident_bytes: u64,
}

/// The processes and their descendants.
fn family(roots: &[u32]) -> Result<BTreeSet<u32>> {
    let mut all: BTreeSet<u32> = roots.iter().copied().collect();
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|process| Some((process, Stat::read(process)?.parent)))
        .collect();
    loop {
        let before = all.len();
        all.extend(
            parents
                .iter()
                .filter(|(_, parent)| all.contains(parent))
                .map(|(child, _)| *child)
                .collect::<Vec<_>>(),
        );
        if all.len() == before {
            return Ok(all);
        }
    }
}

/// The sum over the processes and their descendants. A process that is gone counts nothing.
pub fn usage(roots: &[u32]) -> Result<Usage> {
    let mut sum = Usage::default();
    for process in family(roots)? {
        if let Some(stat) = Stat::read(process) {
            let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
            sum.cpu_seconds += stat.cpu_seconds;
            sum.resident_bytes += kibibytes(&status, "VmRSS:") * 1024;
            sum.anonymous_bytes += kibibytes(&status, "RssAnon:") * 1024;
        }
    }
    Ok(sum)
}

/// The CPU time of every thread of some processes and their descendants, to the nanosecond: what a request of a millisecond
/// took would be lost in the ticks of [`usage`]. A thread that ends between two readings takes its last part with it.
#[derive(Debug, Clone, Default)]
pub struct ThreadTimes(BTreeMap<(u32, u32), u64>);

impl ThreadTimes {
    /// Reads them now.
    pub fn read(roots: &[u32]) -> Result<Self> {
        let mut times = BTreeMap::new();
        for process in family(roots)? {
            let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { continue };
            for thread in threads.flatten() {
                // The first field is the time on a CPU. The thread may be gone by now.
                let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
                let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
                let id = thread.file_name().to_str().and_then(|id| id.parse().ok());
                if let (Some(id), Some(nanos)) = (id, nanos) {
                    times.insert((process, id), nanos);
                }
            }
        }
        ensure!(!times.is_empty(), "no thread of {roots:?} has a /proc/PID/task/TID/schedstat");
        Ok(Self(times))
    }

    /// CPU time since an earlier reading.
    pub fn since(&self, earlier: &Self) -> Duration {
        let used = |(thread, nanos): (&(u32, u32), &u64)| {
            nanos.saturating_sub(earlier.0.get(thread).copied().unwrap_or(0))
        };
        Duration::from_nanos(self.0.iter().map(used).sum())
    }
}

/// CPU seconds of this process itself.
pub fn own_cpu_seconds() -> Result<f64> {
    Ok(Stat::read(std::process::id()).context("/proc has no entry of this process")?.cpu_seconds)
}

struct Stat {
    parent: u32,
    cpu_seconds: f64,
}

impl Stat {
    fn read(process: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
    }

    /// Fields are counted after the closing parenthesis of the name, which may hold anything.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            cpu_seconds: (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND,
        })
    }
}

fn kibibytes(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = Stat::parse("7 (a) b) S 3 7 7 0 -1 4 10 0 0 0 150 50 0 0 20 0 1 0 5 1 1").unwrap();
        assert_eq!((stat.parent, stat.cpu_seconds), (3, 2.0));
    }

    #[test]
    fn the_times_of_threads_are_those_of_the_process() {
        let own = [std::process::id()];
        let (before, ticks) = (ThreadTimes::read(&own).unwrap(), own_cpu_seconds().unwrap());
        let mut sum = 0u64;
        while own_cpu_seconds().unwrap() - ticks < 0.3 {
            sum = (0..100_000u64).fold(sum, |sum, number| std::hint::black_box(sum ^ number));
        }
        let used = ThreadTimes::read(&own).unwrap().since(&before).as_secs_f64();
        assert!(used > 0.25, "{used}");
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(usage(&[std::process::id()]).unwrap().resident_bytes > 100_000);
        assert_eq!(usage(&[u32::MAX]).unwrap(), Usage::default());
    }
}
