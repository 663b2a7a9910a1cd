//! Series that are refused for their labels, beside valid ones.

use anyhow::ensure;
use narthex_integration_tests::{samples, wire::WriteRequest};

use crate::bad_input::on_target;

#[test]
fn invalid_utf8() {
    on_target(async |target| {
        let now = target.now;
        for bad in [&b"\xff\xfe"[..], b"\xc3\x28", b"\xed\xa0\x80"] {
            let name = |request: &mut WriteRequest| request.series(&[(&b"__name__"[..], bad)], &[(now, 1.0)]);
            target.refuses(target.around_valid(name), 400, &["invalid metric name"]).await?;
            let value = |request: &mut WriteRequest| {
                request.series(&[(&b"__name__"[..], &b"bad"[..]), (b"a", bad)], &[(now, 1.0)]);
            };
            target.refuses(target.around_valid(value), 400, &["invalid"]).await?;
        }
        ensure!(target.held("bad").await?.is_empty());
        target.holds_the_valid_rest().await
    });
}

#[test]
fn invalid_label_names() {
    on_target(async |target| {
        let now = target.now;
        for bad in [&b""[..], b"\xff"] {
            let label = |request: &mut WriteRequest| {
                request.series(&[(bad, &b"x"[..]), (b"__name__", b"bad")], &[(now, 1.0)]);
            };
            target.refuses(target.around_valid(label), 400, &["invalid"]).await?;
        }
        ensure!(target.held("bad").await?.is_empty());
        target.holds_the_valid_rest().await
    });
}

#[test]
fn duplicate_labels() {
    on_target(async |target| {
        let now = target.now;
        let bad = |request: &mut WriteRequest| {
            request.series(&[("__name__", "bad"), ("a", "1"), ("a", "2")], &[(now, 1.0)]);
        };
        target.refuses(target.around_valid(bad), 400, &["duplicated label a"]).await?;
        ensure!(target.held("bad").await?.is_empty());
        target.holds_the_valid_rest().await
    });
}

#[test]
fn unsorted_labels_are_sorted() {
    on_target(async |target| {
        let unsorted = [("z", "1"), ("__name__", "mixed"), ("a", "2")];
        let sorted = [("__name__", "mixed"), ("a", "2"), ("z", "1")];
        for labels in [unsorted, sorted] {
            let reply = target.write(WriteRequest::one(&labels, &[(target.now, 3.0)]).compressed()).await?;
            ensure!(reply.status.is_success(), "{reply}");
        }
        let held = target.held("mixed").await?;
        ensure!(held.len() == 1 && samples::count(&held) == 1, "{held:?}");
        Ok(())
    });
}

#[test]
fn missing_metric_name() {
    on_target(async |target| {
        let now = target.now;
        let bad = |request: &mut WriteRequest| request.series(&[("job", "nameless")], &[(now, 1.0)]);
        target.refuses(target.around_valid(bad), 400, &["missing metric name", "nameless"]).await?;
        ensure!(target.held("{job=\"nameless\"}").await?.is_empty());
        target.holds_the_valid_rest().await
    });
}
