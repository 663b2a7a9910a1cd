//! Input that no well-behaved client sends: each gets the clear error of its API, the valid rest of a request is stored,
//! memory stays bounded, and the process neither panics nor stops serving.

use std::fs;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Request;
use narthex_integration_tests::{
    http::Reply,
    samples::{self, Matrix, Point},
    sandbox::{Sandbox, Standalone, scenario},
    wire::{WriteRequest, bytes_field, compress, varint},
};

const MINUTE: i64 = 60_000;
/// What a process may hold after a hostile request; a fresh one holds far less.
const MEMORY_LIMIT_KIB: u64 = 400 * 1024;

/// A running all-in-one and the present.
struct Target<'a> {
    sandbox: &'a Sandbox,
    narthex: Standalone,
    now: i64,
}

impl Target<'_> {
    async fn write(&self, body: Bytes) -> Result<Reply> {
        self.narthex.api.write(&self.narthex.base, body).await
    }

    /// Writes and expects a refusal that says all of `needles`.
    async fn refuses(&self, body: Bytes, status: u16, needles: &[&str]) -> Result<Reply> {
        let reply = self.write(body).await?;
        ensure!(reply.status.as_u16() == status, "expected {status}, found {reply}");
        for needle in needles {
            ensure!(reply.text().contains(needle), "expected {needle:?} in {reply}");
        }
        Ok(reply)
    }

    /// Raw samples of a selector in the last two hours and the next quarter of an hour.
    async fn held(&self, selector: &str) -> Result<Matrix> {
        let time = format!("{}", (self.now + 15 * MINUTE) as f64 / 1000.0);
        let query = format!("{selector}[3h]");
        let fields = [("query", query.as_str()), ("time", &time)];
        samples::matrix(&self.narthex.api.post_form(&self.narthex.base, "query", &fields).await?)
    }

    /// The one sample of the series `valid{}`, which stands beside the bad ones in a request.
    async fn holds_the_valid_rest(&self) -> Result<()> {
        let held = self.held("valid").await?;
        let bits = Point::Float(1.5_f64.to_bits());
        ensure!(samples::count(&held) == 1, "the valid rest is not stored once: {held:?}");
        ensure!(
            held.values().all(|points| points.get(&self.now) == Some(&bits)),
            "the valid rest is {held:?}"
        );
        Ok(())
    }

    /// A request with a valid series between two copies of what `bad` adds.
    fn around_valid(&self, bad: impl Fn(&mut WriteRequest)) -> Bytes {
        let mut request = WriteRequest::default();
        bad(&mut request);
        request.series(&[("__name__", "valid")], &[(self.now, 1.5)]);
        bad(&mut request);
        request.compressed()
    }

    /// Still serves, did not panic, and holds a bounded amount of memory.
    async fn is_well(&mut self) -> Result<()> {
        let ok = WriteRequest::one(&[("__name__", "after")], &[(self.now, 2.0)]).compressed();
        let reply = self.write(ok).await?;
        ensure!(reply.status.is_success(), "a good request after the bad one answered {reply}");
        ensure!(samples::count(&self.held("after").await?) == 1);
        ensure!(self.narthex.process.ended()?.is_none(), "the process ended");
        ensure!(!self.sandbox.log("narthex").contains("panicked"), "the log tells of a panic");
        let status = fs::read_to_string(format!("/proc/{}/status", self.narthex.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let peak: u64 = line.split_whitespace().next().context("no number")?.parse()?;
        ensure!(peak < MEMORY_LIMIT_KIB, "the process reached {peak} KiB");
        Ok(())
    }
}

fn on_target(test: impl AsyncFnOnce(&Target<'_>) -> Result<()>) {
    scenario(async |sandbox| {
        let narthex = Standalone::start(sandbox).await?;
        let mut target = Target { sandbox, narthex, now: sandbox.clock.now().0 };
        test(&target).await?;
        target.is_well().await
    });
}

#[test]
fn truncated_snappy() {
    on_target(async |target| {
        let whole = WriteRequest::one(&[("__name__", "cut")], &[(target.now, 1.0)]).compressed();
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            let reply = target.write(whole.slice(..length)).await?;
            ensure!(reply.status == 400 && !reply.body.is_empty(), "{length} bytes: {reply}");
        }
        ensure!(target.held("cut").await?.is_empty());
        Ok(())
    });
}

#[test]
fn snappy_bomb() {
    on_target(async |target| {
        // A block that declares 4 GiB and has nothing.
        let mut declared = Vec::new();
        varint(&mut declared, u64::from(u32::MAX));
        declared.extend_from_slice(&[0; 100]);
        target.refuses(declared.into(), 413, &["33554432"]).await?;
        // The beginning of a true block of one byte more than is accepted, and a whole one of as much as fits.
        let larger = compress(&vec![0; (32 << 20) + 1]).slice(..500_000);
        target.refuses(larger, 413, &["33554432"]).await?;
        let zeros = compress(&vec![0; 20 << 20]);
        ensure!(zeros.len() < 1 << 20, "the bomb has {} bytes", zeros.len());
        let reply = target.write(zeros).await?;
        ensure!(reply.status == 400, "{reply}");
        Ok(())
    });
}

#[test]
fn body_over_the_limit() {
    on_target(async |target| {
        let body = Bytes::from(vec![b'x'; (1 << 20) + 1]);
        let reply = target.refuses(body, 413, &["1048576"]).await?;
        ensure!(reply.header("x-amzn-requestid").len() == 36, "no request id: {reply}");
        ensure!(!reply.header("x-amzn-errortype").is_empty(), "no error type: {reply}");
        Ok(())
    });
}

#[test]
fn truncated_protobuf() {
    on_target(async |target| {
        let whole = WriteRequest::one(&[("__name__", "cut"), ("a", "b")], &[(target.now, 1.0)]);
        let bytes = whole.protobuf();
        for length in 1..bytes.len() {
            let reply = target.write(compress(&bytes[..length])).await?;
            ensure!(reply.status == 400 && !reply.body.is_empty(), "{length} bytes: {reply}");
        }
        ensure!(target.held("cut").await?.is_empty());
        Ok(())
    });
}

#[test]
fn hostile_protobuf() {
    on_target(async |target| {
        let mut overlong = vec![0x0a];
        overlong.extend_from_slice(&[0xff; 10]);
        let mut beyond = vec![0x0a];
        varint(&mut beyond, u64::MAX >> 1);
        let mut nested = Vec::new();
        for _ in 0..10_000 {
            let inner = std::mem::take(&mut nested);
            bytes_field(&mut nested, 1, &inner);
            nested.truncate(60_000);
        }
        for (name, message) in [
            ("an endless varint", overlong),
            ("a length beyond the end", beyond),
            ("nested fields", nested),
            ("field zero", vec![0x02, 0x00]),
            ("a group", vec![0x0b, 0x0c]),
            ("wire type 7", vec![0x0f]),
            ("labels as a number", vec![0x0a, 2, 0x08, 1]),
            ("only ones", vec![0xff; 1000]),
        ] {
            let reply = target.write(compress(&message)).await?;
            ensure!(reply.status == 400 && !reply.body.is_empty(), "{name}: {reply}");
        }
        // Half a million empty series in a few bytes each are no error of the encoding, but they have no name.
        let empty: Vec<u8> = [0x0a, 0x00].repeat(500_000);
        let reply = target.write(compress(&empty)).await?;
        ensure!(reply.status == 400 || reply.status.is_success(), "empty series: {reply}");
        ensure!(reply.body.len() < 100_000, "the error has {} bytes", reply.body.len());
        Ok(())
    });
}

#[test]
fn unknown_fields_are_skipped() {
    on_target(async |target| {
        let mut request = WriteRequest::one(&[("__name__", "valid")], &[(target.now, 1.5)]);
        let mut unknown = Vec::new();
        bytes_field(&mut unknown, 900, b"from the future");
        request.raw(&unknown);
        let reply = target.write(request.compressed()).await?;
        ensure!(reply.status.is_success(), "{reply}");
        target.holds_the_valid_rest().await
    });
}

#[test]
fn empty_and_metadata_only_requests_succeed() {
    on_target(async |target| {
        let mut metadata = WriteRequest::default();
        metadata.metadata("m_total", "helps");
        for request in [WriteRequest::default(), metadata] {
            let reply = target.write(request.compressed()).await?;
            ensure!(reply.status.is_success(), "{reply}");
        }
        Ok(())
    });
}

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

#[test]
fn samples_too_old() {
    on_target(async |target| {
        let old = target.now - 61 * MINUTE;
        let bad = |request: &mut WriteRequest| request.series(&[("__name__", "old")], &[(old, 1.0)]);
        target.refuses(target.around_valid(bad), 400, &["old"]).await?;
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
            target.refuses(target.around_valid(bad), 400, &["ahead"]).await?;
        }
        for at in [i64::MAX, i64::MIN, -1] {
            let bad = |request: &mut WriteRequest| request.series(&[("__name__", "ahead")], &[(at, 1.0)]);
            target.refuses(target.around_valid(bad), 400, &["ahead"]).await?;
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

#[test]
fn wrong_content_type_and_encoding() {
    on_target(async |target| {
        let narthex = &target.narthex;
        let body = WriteRequest::one(&[("__name__", "typed")], &[(target.now, 1.0)]).compressed();
        for (header, value) in [
            ("content-encoding", "zstd"),
            ("content-encoding", "gzip"),
            ("content-type", "application/json"),
            ("content-type", "application/x-protobuf;proto=io.prometheus.write.v9.Request"),
        ] {
            let mut request = narthex.api.write_request(&narthex.base, body.clone())?;
            request.headers_mut().insert(header, value.parse()?);
            let reply = narthex.api.send(request).await?;
            ensure!(reply.status == 415, "{header}: {value}: {reply}");
            ensure!(reply.header("x-amzn-requestid").len() == 36, "no request id: {reply}");
        }
        ensure!(target.held("typed").await?.is_empty());
        Ok(())
    });
}

/// An error in the shape of Prometheus's query API.
fn ensure_bad_data(reply: &Reply, needles: &[&str]) -> Result<()> {
    ensure!(reply.status == 400, "expected 400, found {reply}");
    let json = reply.json()?;
    ensure!(json["status"] == "error" && json["errorType"] == "bad_data", "{reply}");
    let error = json["error"].as_str().context("no error text")?;
    ensure!(needles.iter().all(|needle| error.contains(needle)), "expected {needles:?} in {error:?}");
    Ok(())
}

#[test]
fn queries_that_do_not_parse() {
    on_target(async |target| {
        let narthex = &target.narthex;
        let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
        for query in ["", "sum(", "up{", "up{a=b}", "rate(up)", "up[5m", "1 +", "\u{0}", &deep] {
            let shown: String = query.chars().take(20).collect();
            for endpoint in ["query", "query_range"] {
                let fields = [("query", query), ("start", "1"), ("end", "2"), ("step", "1")];
                let reply = narthex.api.post_form(&narthex.base, endpoint, &fields).await?;
                ensure_bad_data(&reply, &[]).context(format!("{endpoint} {shown}"))?;
                ensure!(reply.body.len() < 10_000, "{shown}: the error has {} bytes", reply.body.len());
            }
        }
        for fields in [
            &[("query", "up"), ("start", "2"), ("end", "1"), ("step", "1")][..],
            &[("query", "up"), ("start", "1"), ("end", "2"), ("step", "0")],
            &[("query", "up"), ("start", "x"), ("end", "2"), ("step", "1")],
            &[("query", "up"), ("start", "0"), ("end", "1000000"), ("step", "1")],
        ] {
            let reply = narthex.api.post_form(&narthex.base, "query_range", fields).await?;
            ensure_bad_data(&reply, &[]).context(format!("{fields:?}"))?;
        }
        Ok(())
    });
}

#[test]
fn a_matcher_that_matches_everything() {
    on_target(async |target| {
        let narthex = &target.narthex;
        for query in ["{}", "{job=~\".*\"}", "{__name__=~\".*\"}", "{job=\"\"}", "sum({job!=\"x\"})"] {
            let reply = narthex.api.post_form(&narthex.base, "query", &[("query", query)]).await?;
            ensure_bad_data(&reply, &["must contain at least one non-empty matcher"]).context(query)?;
        }
        let reply = narthex.api.get(&narthex.base, "series", &[("match[]", "{}")]).await?;
        ensure_bad_data(&reply, &["must contain at least one non-empty matcher"])?;
        let uri = narthex.api.url(&narthex.base, "api/v1/series");
        let reply = narthex.api.send(Request::get(uri).body(Bytes::new())?).await?;
        ensure_bad_data(&reply, &["match[]"])
    });
}
