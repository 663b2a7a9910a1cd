//! What a person sets for a run of tests: the size, and the seeds of what is random.

use std::env;

use anyhow::{Context, Result};

/// Whether `NARTHEX_LONG=1` asks for the whole size of a test instead of one that CI can spare.
pub fn long() -> bool {
    env::var_os("NARTHEX_LONG").is_some_and(|value| !value.is_empty() && value != "0")
}

/// The number in an environment variable, if that is set. What is no number is an error.
pub fn number(variable: &str) -> Result<Option<u64>> {
    let text = env::var(variable).ok();
    text.map(|text| text.parse().with_context(|| format!("{variable} is a number"))).transpose()
}
