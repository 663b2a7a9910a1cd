//! Three tries for everything that needs the network, with a pause that grows between them.

use std::{thread, time::Duration};

use anyhow::{Context, Result};

const TRIES: u32 = 3;

/// Runs `work` until it succeeds, at most three times. The error of the last try is kept under a sentence that names
/// `source`, so that an outage reads as an outage.
#[allow(clippy::disallowed_methods, reason = "installers run before any component, outside every clock")]
pub(super) fn three_tries<T>(source: &str, mut work: impl FnMut() -> Result<T>) -> Result<T> {
    let mut attempt = 1;
    loop {
        match work() {
            Ok(done) => return Ok(done),
            Err(error) if attempt < TRIES => {
                eprintln!("{source}: try {attempt} of {TRIES} failed: {error:#}");
                thread::sleep(Duration::from_secs(2 * u64::from(attempt)));
                attempt += 1;
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("{source} does not answer ({TRIES} tries); this is the package source, not a defect of Narthex")
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_try_may_succeed() {
        let mut calls = 0;
        let result = three_tries("the source", || {
            calls += 1;
            if calls == 2 { Ok(calls) } else { Err(anyhow::anyhow!("not yet")) }
        });
        assert_eq!(result.unwrap(), 2);
    }
}
