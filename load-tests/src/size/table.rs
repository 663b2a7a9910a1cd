//! Sizes beside each other.

use std::fmt::Write;

use super::Size;

/// A line for each store.
pub fn table(sizes: &[Size]) -> String {
    let mut text = String::from(
        "store                              bytes/sample   samples      rest        bytes  samples held\n",
    );
    for size in sizes {
        let bytes = size.samples + size.rest;
        let per_sample = |bytes: u64| bytes as f64 / size.held as f64;
        writeln!(
            text,
            "{:<34} {:>12.4} {:>9.4} {:>9.4} {:>12} {:>13}",
            size.name,
            per_sample(bytes),
            per_sample(size.samples),
            per_sample(size.rest),
            bytes,
            size.held,
        )
        .expect("a string takes everything");
    }
    text
}
