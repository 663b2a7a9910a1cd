use std::collections::BTreeMap;

use narthex_model::{Epoch, Histogram, Labels, MatchOp, Matcher, TimeRange, Value};
use narthex_rpc::{
    frame::{Frame, FrameBuilder},
    v1::sample_refusal::Reason,
};
use proptest::{collection::vec, prelude::*};

use super::*;

const HOUR: i64 = 3_600_000;
const WINDOW: WindowLength = WindowLength::DEFAULT;
const NOW: i64 = 1_700_000_000_000;
const EPOCH: Epoch = Epoch(1);

/// Keeps what a head logs, to make it again.
#[derive(Debug, Default, Clone)]
pub(super) struct Kept {
    series: Vec<(u32, u64, Vec<u8>)>,
    samples: Vec<(u32, i64, Result<u64, Vec<u8>>)>,
}

impl Log for Kept {
    fn series(&mut self, id: u32, hash: u64, labels: &[u8]) {
        self.series.push((id, hash, labels.to_vec()));
    }
    fn float(&mut self, id: u32, timestamp: i64, bits: u64) {
        self.samples.push((id, timestamp, Ok(bits)));
    }
    fn histogram(&mut self, id: u32, timestamp: i64, bytes: &[u8]) {
        self.samples.push((id, timestamp, Err(bytes.to_vec())));
    }
    fn metadata(&mut self, _: &str, _: MetricType, _: &str, _: &str) {}
}

impl Kept {
    fn redo(&self, head: &mut Head, skip: impl Fn(u32) -> bool) {
        for (id, hash, labels) in &self.series {
            head.redo_series(*id, *hash, labels);
        }
        for (id, timestamp, value) in self.samples.iter().filter(|(id, ..)| !skip(*id)) {
            let known = match value {
                Ok(bits) => head.redo_float(*id, *timestamp, *bits),
                Err(bytes) => head.redo_histogram(*id, *timestamp, bytes),
            };
            assert!(known);
        }
    }
}

fn labels(series: u8) -> Labels {
    Labels::from_pairs([
        ("__name__", if series.is_multiple_of(2) { "even" } else { "odd" }.to_owned()),
        ("series", format!("s{series}")),
        ("group", format!("g{}", series % 3)),
        (if series > 4 { "zone" } else { "" }, "z".to_owned()),
    ])
}

fn histogram(seed: u8) -> Histogram {
    Histogram { sum: f64::from(seed), zero_threshold: 0.001, ..Histogram::default() }
}

#[derive(Debug, Clone, PartialEq)]
struct Write {
    series: u8,
    timestamp: i64,
    value: Value,
}

fn frame(writes: &[Write]) -> Frame {
    let mut builder = FrameBuilder::new();
    for write in writes {
        let labels = labels(write.series);
        builder.series(labels.series_hash(), labels.as_bytes());
        match &write.value {
            Value::Float(value) => builder.float(write.timestamp, *value),
            Value::Histogram(histogram) => builder.histogram(write.timestamp, &histogram.to_bytes()),
        }
    }
    Frame::parse(builder.finish()).expect("own frame")
}

fn float(series: u8, timestamp: i64, value: f64) -> Write {
    Write { series, timestamp, value: Value::Float(value) }
}

fn reasons(pushed: &Pushed) -> Vec<(u32, Reason)> {
    pushed.refusals.iter().map(|refusal| (refusal.sample, refusal.reason)).collect()
}

type Content = BTreeMap<Labels, BTreeMap<i64, Value>>;

fn content(head: &Head) -> Content {
    let mut content = Content::new();
    for id in head.matching(&[]) {
        let mut samples: BTreeMap<i64, Value> = BTreeMap::new();
        for chunk in head.chunks_of(id, TimeRange::ALL).expect("intact") {
            let window = |at: i64| WINDOW.window(narthex_model::TimestampMs(at));
            assert_eq!(window(chunk.min_ms), window(chunk.max_ms), "a chunk crosses a window");
            let found = chunk.samples().expect("intact");
            assert_eq!(found.len(), chunk.samples as usize);
            assert_eq!((found[0].0, found[found.len() - 1].0), (chunk.min_ms, chunk.max_ms));
            for (at, value) in found {
                let kept = samples.entry(at).or_insert_with(|| value.clone());
                if narthex_model::resolve(&value, kept).is_gt() {
                    *kept = value;
                }
            }
        }
        assert!(content.insert(head.labels_of(id), samples).is_none(), "a series is there twice");
    }
    content
}

fn chunks(head: &Head) -> Vec<Vec<narthex_chunk::Chunk>> {
    (0..head.id_bound()).map(|id| head.chunks_of(id, TimeRange::ALL).expect("intact")).collect()
}

#[test]
fn verdicts_follow_the_contract() {
    let mut head = Head::new(1 << 20, WINDOW);
    let limits = PushLimits { out_of_order_window_ms: 600_000, ..PushLimits::default() };
    let mut push =
        |writes: &[Write]| head.push(&frame(writes), NOW, EPOCH, &limits, &mut ()).expect("well-formed");
    assert_eq!(reasons(&push(&[float(1, NOW - HOUR, 1.0), float(1, NOW, 2.0), float(2, NOW, 2.0)])), []);
    let again = push(&[float(1, NOW - HOUR, 1.0), float(1, NOW, 2.0)]);
    assert_eq!((reasons(&again), again.known, again.stored), (vec![], 2, 0), "beyond the window, but equal");
    let refused = push(&[
        float(1, NOW, 3.0),
        float(1, NOW - HOUR, 1.5),
        float(1, NOW - 600_001, 9.0),
        float(1, NOW - HOUR - 1, 9.0),
        float(1, NOW + 600_001, 9.0),
        float(3, NOW - HOUR - 1, 9.0),
        Write { series: 1, timestamp: NOW, value: Value::Histogram(histogram(1).into()) },
    ]);
    let expected = [
        (0, Reason::NewValueForTimestamp),
        (1, Reason::NewValueForTimestamp),
        (2, Reason::OutOfOrder),
        (3, Reason::TooOld),
        (4, Reason::TooNew),
        (5, Reason::TooOld),
        (6, Reason::NewValueForTimestamp),
    ];
    assert_eq!(reasons(&refused), expected);
    let late = push(&[float(1, NOW - 600_000, 9.0), float(1, NOW + 600_000, 1.0)]);
    assert_eq!((reasons(&late), late.late), (vec![], 1));
    assert_eq!(head.series_count(), 2, "a series of which nothing is stored is not made");
}

#[test]
fn values_differ_by_their_bits() {
    let mut head = Head::new(1 << 20, WINDOW);
    let mut push = |writes: &[Write]| {
        head.push(&frame(writes), NOW, EPOCH, &PushLimits::default(), &mut ()).expect("well-formed")
    };
    push(&[float(1, NOW, 0.0), float(2, NOW, narthex_model::stale_marker())]);
    let pushed =
        push(&[float(1, NOW, -0.0), float(2, NOW, f64::NAN), float(2, NOW, narthex_model::stale_marker())]);
    assert_eq!(reasons(&pushed), [(0, Reason::NewValueForTimestamp), (1, Reason::NewValueForTimestamp)]);
    assert_eq!(pushed.known, 1);
}

#[test]
fn the_series_limit_never_refuses_an_active_series() {
    let mut head = Head::new(1 << 20, WINDOW);
    let limits = PushLimits { max_series: 2, ..PushLimits::default() };
    let push = |head: &mut Head, now: i64, writes: &[Write]| {
        head.push(&frame(writes), now, EPOCH, &limits, &mut ()).expect("well-formed")
    };
    assert_eq!(
        reasons(&push(&mut head, NOW, &[float(1, NOW, 1.0), float(2, NOW, 1.0), float(3, NOW, 1.0)])),
        [(2, Reason::SeriesLimit)]
    );
    assert_eq!(reasons(&push(&mut head, NOW + 1, &[float(1, NOW + 1, 1.0), float(2, NOW + 1, 1.0)])), []);
    let later = NOW + 3 * HOUR;
    assert_eq!(
        reasons(&push(&mut head, later, &[float(1, later, 1.0), float(3, later, 1.0), float(2, later, 1.0)])),
        [(2, Reason::SeriesLimit)]
    );
    assert_eq!(
        reasons(&push(&mut head, later, &[float(2, NOW + 1, 1.0)])),
        [],
        "stored before, so a success"
    );
    assert_eq!(head.active_series(later), 2);
    assert_eq!(head.active_series(later + 3 * HOUR), 0);
}

#[test]
fn labels_are_checked_when_the_series_is_new() {
    let mut builder = FrameBuilder::new();
    builder.series(narthex_model::SeriesHash(5), labels(1).as_bytes());
    builder.float(NOW, 1.0);
    let frame = Frame::parse(builder.finish()).expect("the form is right");
    let mut head = Head::new(1 << 20, WINDOW);
    assert!(head.push(&frame, NOW, EPOCH, &PushLimits::default(), &mut ()).is_err());
    assert_eq!(head.series_count(), 0);
}

#[test]
fn series_of_equal_hash_are_told_apart() {
    let mut head = Head::new(1 << 20, WINDOW);
    for series in 0..5u8 {
        head.redo_series(u32::from(series), 42, labels(series).as_bytes());
        assert_eq!(head.find(42, labels(series).as_bytes()), Some(u32::from(series)));
    }
    assert_eq!(head.find(42, labels(9).as_bytes()), None);
    assert_eq!(head.find(42, &labels(3).as_bytes()[..10]), None);
}

#[test]
fn matchers_select_what_they_say() {
    let mut head = Head::new(1 << 20, WINDOW);
    let writes: Vec<_> = (0..10).map(|series| float(series, NOW, 1.0)).collect();
    head.push(&frame(&writes), NOW, EPOCH, &PushLimits::default(), &mut ()).expect("well-formed");
    let all: Vec<_> = (0..10).map(labels).collect();
    let matcher = |(name, op, value)| Matcher::new(name, op, value).expect("compiles");
    let matchers = [
        ("__name__", MatchOp::Equal, "odd"),
        ("__name__", MatchOp::NotEqual, "odd"),
        ("group", MatchOp::Regex, "g[01]"),
        ("group", MatchOp::NotRegex, "g1|g2"),
        ("zone", MatchOp::Equal, ""),
        ("zone", MatchOp::NotEqual, ""),
        ("zone", MatchOp::Regex, ".*"),
        ("zone", MatchOp::Regex, "z|"),
        ("series", MatchOp::Regex, "s[0-5]"),
        ("nope", MatchOp::Equal, "x"),
        ("nope", MatchOp::NotEqual, "x"),
    ]
    .map(matcher);
    for first in &matchers {
        for second in &matchers {
            let wanted = [first.clone(), second.clone()];
            let mut found: Vec<_> = head.matching(&wanted).iter().map(|id| head.labels_of(id)).collect();
            found.sort();
            let mut expected: Vec<_> =
                all.iter().filter(|labels| Matcher::all_match(&wanted, labels)).cloned().collect();
            expected.sort();
            assert_eq!(found, expected, "{wanted:?}");
        }
    }
    let odd = head.matching(&[Matcher::equal("__name__", "odd")]);
    let mut values = head.label_values("series", Some(&odd));
    values.sort();
    assert_eq!(values, ["s1", "s3", "s5", "s7", "s9"]);
    assert_eq!(head.label_names(None).len(), 4);
}

#[test]
fn an_empty_head_is_small() {
    assert!(size_of::<Head>() + 1024 < 4096, "{}", size_of::<Head>());
    assert_eq!(size_of::<series::Series>(), 56);
}

fn writes() -> impl Strategy<Value = Vec<Vec<Write>>> {
    let value = prop_oneof![
        6 => (0u8..3).prop_map(|n| Value::Float(f64::from(n) / 4.0)),
        1 => Just(Value::Float(narthex_model::stale_marker())),
        2 => (0u8..3).prop_map(|n| Value::Histogram(histogram(n).into())),
    ];
    let when = prop_oneof![6 => 0i64..40, 2 => -200i64..300, 1 => -3000i64..900];
    let write = (0u8..6, when, value).prop_map(|(series, when, value)| Write {
        series,
        timestamp: when * 1_500,
        value,
    });
    vec(vec(write, 1..12), 1..60)
}

/// The contract in its plainest form.
fn judge(stored: &BTreeMap<i64, Value>, now: i64, window: i64, write: &Write) -> Result<bool, Reason> {
    if let Some(value) = stored.get(&write.timestamp) {
        return if *value == write.value { Ok(false) } else { Err(Reason::NewValueForTimestamp) };
    }
    if write.timestamp < now - HOUR {
        return Err(Reason::TooOld);
    }
    if write.timestamp > now + 600_000 {
        return Err(Reason::TooNew);
    }
    match stored.last_key_value() {
        Some((newest, _)) if *newest - write.timestamp > window => Err(Reason::OutOfOrder),
        _ => Ok(true),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_head_keeps_what_the_contract_accepts_and_replay_makes_the_same_head(frames in writes(), window in 0i64..2_000_000, step in 0i64..200_000, cut in 0usize..60) {
        let mut head = Head::new(400, WINDOW);
        let mut expected: Content = Content::new();
        let mut log = Vec::new();
        let mut snapshot: Option<(SnapshotStart, Vec<Vec<u8>>, usize)> = None;
        let limits = PushLimits { out_of_order_window_ms: window, ..PushLimits::default() };
        for (number, writes) in frames.iter().enumerate() {
            let now = NOW + number as i64 * step;
            let writes: Vec<_> = writes.iter().map(|write| Write { timestamp: now + write.timestamp, ..write.clone() }).collect();
            if number == cut {
                snapshot = Some((head.snapshot_start(), take_snapshot(&head), number));
            }
            let mut kept = Kept::default();
            let pushed = head.push(&frame(&writes), now, EPOCH, &limits, &mut kept).expect("well-formed");
            log.push(kept);
            let mut refused = Vec::new();
            for (sample, write) in writes.iter().enumerate() {
                let stored = expected.get(&labels(write.series)).cloned().unwrap_or_default();
                match judge(&stored, now, window.min(HOUR), write) {
                    Ok(true) => drop(expected.entry(labels(write.series)).or_default().insert(write.timestamp, write.value.clone())),
                    Ok(false) => {}
                    Err(reason) => refused.push((sample as u32, reason)),
                }
            }
            prop_assert_eq!(reasons(&pushed), refused);
        }
        prop_assert_eq!(content(&head), expected);

        let mut replayed = Head::new(400, WINDOW);
        log.iter().for_each(|kept| kept.redo(&mut replayed, |_| false));
        prop_assert_eq!(chunks(&replayed), chunks(&head));

        if let Some((start, parts, from)) = snapshot {
            let mut loaded = load_snapshot(start, &parts);
            log[from..].iter().for_each(|kept| kept.redo(&mut loaded, |_| false));
            prop_assert_eq!(chunks(&loaded), chunks(&head));
            prop_assert_eq!(loaded.label_names(None).len(), head.label_names(None).len());
        }
    }

    #[test]
    fn hostile_snapshots_never_panic(frames in writes(), part in 0usize..3, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut head = Head::new(400, WINDOW);
        for writes in &frames {
            let writes: Vec<_> = writes.iter().map(|write| Write { timestamp: NOW + write.timestamp, ..write.clone() }).collect();
            head.push(&frame(&writes), NOW, EPOCH, &PushLimits::default(), &mut ()).expect("well-formed");
        }
        let mut parts = take_snapshot(&head);
        if !parts[part].is_empty() {
            let at = at.index(parts[part].len());
            parts[part][at] ^= 1 << bit;
        }
        let mut loaded = Head::new(400, WINDOW);
        let loads = loaded.load_pairs(&parts[0]).is_ok()
            && loaded.load_slice(&parts[1]).is_ok()
            && loaded.load_end(&parts[2], |_| Err::<bytes::Bytes, SnapshotError>(SnapshotError)).is_ok();
        if loads {
            for id in loaded.matching(&[]) {
                let _ = loaded.chunks_of(id, TimeRange::ALL);
            }
        }
    }

    #[test]
    fn merged_values_resolve_alike_in_any_order(values in vec(0u8..4, 1..6), start in 0usize..6) {
        let merged = |values: &mut dyn Iterator<Item = u8>| {
            let mut head = Head::new(400, WINDOW);
            for value in values {
                let writes = [float(1, NOW, f64::from(value)), float(1, NOW + 1, 0.0)];
                head.push(&frame(&writes), NOW + 10 * HOUR, EPOCH, &PushLimits::FROM_PEER, &mut ()).expect("well-formed");
            }
            content(&head)
        };
        let turned = values.iter().cycle().skip(start % values.len()).take(values.len());
        prop_assert_eq!(merged(&mut values.iter().copied()), merged(&mut turned.copied()));
    }
}

/// Pairs, the one slice, and the end.
fn take_snapshot(head: &Head) -> Vec<Vec<u8>> {
    let start = head.snapshot_start();
    let mut parts = vec![Vec::new(); 3];
    assert_eq!(head.snapshot_pairs(start, 0, usize::MAX, &mut parts[0]), start.pairs);
    head.snapshot_slice(start, 0, &mut parts[1]);
    head.snapshot_end(&mut parts[2]);
    parts
}

fn load_snapshot(start: SnapshotStart, parts: &[Vec<u8>]) -> Head {
    let mut head = Head::new(400, WINDOW);
    head.load_start(start);
    head.load_pairs(&parts[0]).expect("own pairs");
    head.load_slice(&parts[1]).expect("own slice");
    head.load_end(&parts[2], |_| Err::<bytes::Bytes, SnapshotError>(SnapshotError)).expect("own end");
    assert_eq!(head.id_bound(), start.series);
    head
}
