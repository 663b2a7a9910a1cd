//! Bounds of memory that is counted before it is used.
//!
//! A [`MemoryPool`] is a number of bytes; a pool below another takes from both, so that a process, each of its tenants and each
//! piece of work have bounds of their own. Nothing is allocated here: whoever holds large things takes their bytes first and
//! gives them back afterwards. A refusal says whose bound it was, because what helps depends on it.

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus_client::metrics::gauge::Gauge;

/// A bound of bytes and what is taken of it. What was taken and not given back returns when the pool is dropped.
#[derive(Debug)]
pub struct MemoryPool {
    level: &'static str,
    limit: u64,
    taken: AtomicU64,
    above: Option<Arc<Self>>,
    gauge: Gauge,
}

/// A pool that has not enough left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} bytes of memory are needed and {taken} of {limit} are in use by the {level}")]
pub struct OutOfMemory {
    /// Whose bound it is, as the pool was named.
    pub level: &'static str,
    /// The bound in bytes.
    pub limit: u64,
    /// Bytes of it in use.
    pub taken: u64,
    /// Bytes that were asked for.
    pub wanted: u64,
}

impl MemoryPool {
    /// The pool above all others; the gauge follows what is taken.
    pub fn new(level: &'static str, limit: u64, gauge: Gauge) -> Arc<Self> {
        gauge.set(0);
        Arc::new(Self { level, limit, taken: AtomicU64::new(0), above: None, gauge })
    }

    /// A pool of its own bound that takes from this one too.
    pub fn below(self: &Arc<Self>, level: &'static str, limit: u64) -> Arc<Self> {
        let (taken, gauge) = (AtomicU64::new(0), Gauge::default());
        Arc::new(Self { level, limit, taken, above: Some(Arc::clone(self)), gauge })
    }

    /// The bound in bytes.
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes in use.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Bytes that can still be taken, here and above.
    pub fn left(&self) -> u64 {
        let own = self.limit.saturating_sub(self.taken());
        self.above.as_ref().map_or(own, |above| own.min(above.left()))
    }

    /// Takes bytes, here and above; all or nothing.
    pub fn take(&self, bytes: u64) -> Result<(), OutOfMemory> {
        let fits = |taken: u64| taken.checked_add(bytes).filter(|taken| *taken <= self.limit);
        if let Err(taken) = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            return Err(OutOfMemory { level: self.level, limit: self.limit, taken, wanted: bytes });
        }
        if let Some(above) = &self.above
            && let Err(error) = above.take(bytes)
        {
            self.taken.fetch_sub(bytes, Ordering::Relaxed);
            return Err(error);
        }
        self.gauge.inc_by(bytes.cast_signed());
        Ok(())
    }

    /// Gives back bytes that were taken here.
    pub fn give_back(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
        self.gauge.dec_by(bytes.cast_signed());
        if let Some(above) = &self.above {
            above.give_back(bytes);
        }
    }
}

impl Drop for MemoryPool {
    fn drop(&mut self) {
        self.give_back(self.taken());
    }
}

/// Memory that this process may use: that of the machine, or less where its control group says so.
pub fn available_memory() -> io::Result<u64> {
    let machine = fs::read_to_string("/proc/meminfo")?;
    let kibibytes =
        machine.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next());
    let kibibytes: u64 = kibibytes
        .and_then(|figure| figure.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/meminfo has no MemTotal"))?;
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let bounds = bounds_of(&own).into_iter().filter_map(|path| {
        // Absent, or "max", where there is no bound.
        fs::read_to_string(path).ok()?.trim().parse::<u64>().ok()
    });
    Ok(bounds.fold(kibibytes.saturating_mul(1024), u64::min))
}

/// Files that may hold a bound, of both versions of control groups, from the process's own group up to the root.
fn bounds_of(own: &str) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group = Path::new(group.trim_start_matches('/'));
        // In a container the group's path may be that outside of it; the root is then the container's own.
        files.extend(group.ancestors().map(|part| Path::new(root).join(part).join(file)));
    }
    files
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_level_has_its_bound_and_says_so() {
        let process = MemoryPool::new("process", 100, Gauge::default());
        let tenant = process.below("tenant", 60);
        let (one, two) = (tenant.below("piece", 40), tenant.below("piece", 40));
        let other = process.below("tenant", 60).below("piece", 60);
        assert_eq!(one.take(41).expect_err("its own").level, "piece");
        one.take(40).expect("within");
        assert_eq!((one.left(), two.left(), process.left()), (0, 20, 60));
        assert_eq!(two.take(21).expect_err("the tenant's").level, "tenant");
        other.take(60).expect("within");
        let refused = two.take(1).expect_err("the process's");
        assert_eq!(refused, OutOfMemory { level: "process", limit: 100, taken: 100, wanted: 1 });
        drop(other);
        two.take(20).expect("free again");
        assert_eq!((process.taken(), process.gauge.get()), (60, 60));
        drop((one, two));
        assert_eq!((process.taken(), tenant.taken(), process.gauge.get()), (0, 0, 0));
    }

    #[test]
    fn the_machine_has_memory() {
        assert!(available_memory().expect("a figure") > 1 << 20);
    }

    #[test]
    fn bounds_are_looked_for_in_every_group_above() {
        let found = bounds_of("0::/kubepods/pod1\n4:cpu,memory:/a\n5:cpuset:/b\n");
        let expected = [
            "/sys/fs/cgroup/kubepods/pod1/memory.max",
            "/sys/fs/cgroup/kubepods/memory.max",
            "/sys/fs/cgroup/memory.max",
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        ];
        assert_eq!(found, expected.map(std::path::PathBuf::from));
    }

    proptest! {
        #[test]
        fn what_is_taken_above_is_what_is_taken_below(
            steps in prop::collection::vec((0usize..4, 0u64..50, any::<bool>()), 0..100)
        ) {
            let process = MemoryPool::new("process", 100, Gauge::default());
            let tenants = [process.below("tenant", 70), process.below("tenant", 70)];
            let pieces: Vec<_> = (0..4).map(|at| tenants[at / 2].below("piece", 50)).collect();
            for (at, bytes, take) in steps {
                if take {
                    let _ = pieces[at].take(bytes);
                } else {
                    pieces[at].give_back(bytes.min(pieces[at].taken()));
                }
                let below = |range: std::ops::Range<usize>| pieces[range].iter().map(|piece| piece.taken()).sum::<u64>();
                prop_assert_eq!([tenants[0].taken(), tenants[1].taken()], [below(0..2), below(2..4)]);
                prop_assert_eq!(process.taken(), below(0..4));
                prop_assert!(process.taken() <= 100 && tenants.iter().all(|tenant| tenant.taken() <= 70));
            }
        }
    }
}
