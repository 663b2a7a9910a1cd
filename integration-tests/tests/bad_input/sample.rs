//! Samples that are refused for their time, or because another value is there.

use anyhow::ensure;
use narthex_integration_tests::{samples::Point, wire::WriteRequest};

use crate::bad_input::{MINUTE, on_target};

#[test]
fn samples_too_old() {
    on_target(async |target| {
        let old = target.now - 61 * MINUTE;
        let bad = |request: &mut WriteRequest| request.series(&[("__name__", "old")], &[(old, 1.0)]);
        target.refuses(target.around_valid(bad), 400, &["out of bounds", "too old"]).await?;
        ensure!(target.held("old").await?.is_empty());
        target.holds_the_valid_rest().await
    });
}

#[test]
fn samples_in_the_future() {
    on_target(async |target| {
        for ahead in [11 * MINUTE, 1_000_000 * MINUTE] {
            let at = target.now + ahead;
            let bad = |request: &mut WriteRequest| request.series(&[("__name__", "ahead")], &[(at, 1.0)]);
            target.refuses(target.around_valid(bad), 400, &["out of bounds", "in the future"]).await?;
        }
        for at in [i64::MAX, i64::MIN, -1] {
            let bad = |request: &mut WriteRequest| request.series(&[("__name__", "ahead")], &[(at, 1.0)]);
            target.refuses(target.around_valid(bad), 400, &["out of bounds"]).await?;
        }
        ensure!(target.held("ahead").await?.is_empty());
        target.holds_the_valid_rest().await
    });
}

#[test]
fn another_value_for_a_stored_timestamp() {
    on_target(async |target| {
        let now = target.now;
        let first = WriteRequest::one(&[("__name__", "settled")], &[(now, 1.0)]).compressed();
        for attempt in ["first", "again"] {
            let reply = target.write(first.clone()).await?;
            ensure!(reply.status.is_success(), "{attempt}: {reply}");
        }
        let bad = |request: &mut WriteRequest| request.series(&[("__name__", "settled")], &[(now, 2.0)]);
        target.refuses(target.around_valid(bad), 400, &["duplicate sample for timestamp"]).await?;
        let held = target.held("settled").await?;
        let one = Point::Float(1.0_f64.to_bits());
        ensure!(held.values().flat_map(|points| points.iter()).eq([(&now, &one)]), "{held:?}");
        target.holds_the_valid_rest().await
    });
}
