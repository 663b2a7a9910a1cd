//! The distributor as a process of its own.

fn main() {}
