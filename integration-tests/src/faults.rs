//! Disks that are full, that fail, and that changed behind a stopped process.

mod fsync;
mod small_disk;
mod wal;

pub use self::{
    fsync::FsyncFault,
    small_disk::SmallDisk,
    wal::{Damaged, count_records, damage_in_the_middle, tear_the_end},
};
