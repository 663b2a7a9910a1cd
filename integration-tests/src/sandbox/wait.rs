//! How long tests take: waiting on conditions, never for luck.

use std::time::Duration;

use anyhow::{Result, bail};
use narthex_service::SharedClock;

/// How long a condition may take on a busy machine before it counts as broken.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Tries `condition` until it holds. The inner error tells what is still missing and is shown when time is up; the
/// outer one ends the wait at once.
pub async fn until<T>(
    clock: &SharedClock,
    what: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> Result<Result<T, String>>,
) -> Result<T> {
    let deadline = clock.monotonic() + limit;
    loop {
        match condition().await? {
            Ok(value) => return Ok(value),
            Err(missing) if clock.monotonic() >= deadline => {
                bail!("waited {limit:?} for {what}; at the end: {missing}")
            }
            Err(_) => clock.sleep(Duration::from_millis(50)).await,
        }
    }
}
