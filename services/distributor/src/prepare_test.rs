use narthex_model::{BucketSpan, Counts, Epoch, Histogram, Labels, MetricMetadata, RingRevision};
use narthex_remote_write::{Encoder, synthetic::SyntheticSeries};
use narthex_ring::{Partition, PartitionState, Replication};
use proptest::{collection::vec, prelude::*};

use super::*;

fn ring(partitions: u32) -> Ring {
    let partition = |id| Partition {
        id: PartitionId(id),
        state: PartitionState::Active,
        epoch: Epoch(1),
        owners: Vec::new(),
    };
    Ring::new(RingRevision(1), Replication::Three, (0..partitions).map(partition).collect())
}

fn histogram(count: u64) -> Histogram {
    Histogram {
        positive_spans: vec![BucketSpan { offset: 0, length: 1 }],
        counts: Counts::Int { zero: 1, total: count, positive: vec![2], negative: vec![] },
        ..Histogram::default()
    }
}

/// Every sample of the frames as (labels, timestamp, bits or encoded histogram), sorted.
fn contents(frames: &[PartitionFrame], ring: &Ring) -> Vec<(String, i64, Vec<u8>)> {
    let mut all = Vec::new();
    for PartitionFrame { partition, frame, samples } in frames {
        let frame = Frame::parse(frame.clone()).expect("own bytes");
        assert_eq!(frame.sample_count(), *samples as usize);
        for series in frame.series() {
            let labels = series.check_labels().expect("canonical");
            assert_eq!(ring.partition_for(labels.series_hash()), Some(*partition));
            let floats = series.floats().map(|(time, value)| (time, value.to_bits().to_le_bytes().to_vec()));
            let histograms = series.histograms().map(|(time, encoded)| (time, encoded.to_vec()));
            all.extend(floats.chain(histograms).map(|(time, value)| (labels.to_string(), time, value)));
        }
    }
    all.sort();
    all
}

proptest! {
    #[test]
    fn every_sample_reaches_the_frame_of_its_partition(
        series in vec((0u64..500, vec(any::<(i64, u64)>(), 0..3)), 0..20),
        partitions in 1u32..6,
        later in 1u32..6,
    ) {
        let mut encoder = Encoder::new();
        let mut expected = Vec::new();
        for (number, samples) in &series {
            let synthetic = SyntheticSeries::new(*number);
            let labels = Labels::from_pairs(synthetic.labels()).to_string();
            let samples: Vec<_> = samples.iter().map(|(time, bits)| (*time, f64::from_bits(*bits))).collect();
            encoder.floats(synthetic.labels(), &samples);
            expected.extend(samples.iter().map(|(t, v)| (labels.clone(), *t, v.to_bits().to_le_bytes().to_vec())));
        }
        expected.sort();
        let mut scratch = Scratch::new(RequestLimits::default());
        let prepared = scratch.prepare(&ring(partitions), &encoder.finish()).expect("valid");
        prop_assert_eq!(contents(&prepared.frames, &ring(partitions)), expected.clone());
        prop_assert!(prepared.refused.is_empty());

        let frames: Vec<_> = prepared.frames.iter().map(|f| Frame::parse(f.frame.clone()).expect("own")).collect();
        let resharded = scratch.reshard(&ring(later), &frames).expect("valid");
        prop_assert_eq!(contents(&resharded, &ring(later)), expected);
    }

    #[test]
    fn hostile_bodies_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        let block = snap::raw::Encoder::new().compress_vec(&bytes).expect("compresses");
        let mut scratch = Scratch::new(RequestLimits::default());
        let _ = scratch.prepare(&ring(2), &block);
        let _ = scratch.prepare(&ring(2), &bytes);
    }
}

#[test]
fn the_valid_rest_of_a_request_is_kept() {
    let mut encoder = Encoder::new();
    encoder.floats([("job", "nameless")], &[(1, 1.0), (2, 2.0)]);
    encoder.series([("__name__", "good")], &[(1, 1.0)], &[(2, histogram(3)), (3, histogram(99))]);
    encoder.series([("__name__", "bad")], &[], &[(2, histogram(99))]);
    encoder.floats([("__name__", "silent")], &[]);
    encoder.floats([("", "without samples it does not matter")], &[]);
    let prepared =
        Scratch::new(RequestLimits::default()).prepare(&ring(1), &encoder.finish()).expect("valid");
    assert_eq!(prepared.samples, 2);
    let kept = contents(&prepared.frames, &ring(1));
    assert_eq!(kept.iter().map(|(_, time, _)| *time).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        prepared.refused.counts().collect::<Vec<_>>(),
        [("invalid_histogram", 2), ("missing_metric_name", 2)]
    );
    assert!(prepared.refused.text().contains("3 observations found in buckets, but the Count field is 99"));
    let frame = Frame::parse(prepared.frames[0].frame.clone()).expect("own bytes");
    assert_eq!(frame.series_count(), 1, "no series without a sample");
}

#[test]
fn metadata_over_its_limits_is_left_out() {
    let entry = |metric: &str, help: &str| MetricMetadata {
        metric: metric.into(),
        help: help.into(),
        ..MetricMetadata::default()
    };
    let mut encoder = Encoder::new();
    encoder.metadata(&entry("up", "whether it is"));
    encoder.metadata(&entry("", "nameless"));
    encoder.metadata(&entry("long", &"x".repeat(1024)));
    let prepared =
        Scratch::new(RequestLimits::default()).prepare(&ring(3), &encoder.finish()).expect("valid");
    assert_eq!((prepared.metadata, prepared.metadata_dropped, prepared.samples), (3, 2, 0));
    let frames: Vec<_> =
        prepared.frames.iter().map(|f| Frame::parse(f.frame.clone()).expect("own")).collect();
    let metrics: Vec<_> = frames.iter().flat_map(Frame::metadata).map(|entry| entry.metric).collect();
    assert_eq!(metrics, ["up"]);
}

#[test]
fn without_an_active_partition_nothing_is_prepared() {
    let mut encoder = Encoder::new();
    encoder.floats([("__name__", "up")], &[(1, 1.0)]);
    let prepared = Scratch::new(RequestLimits::default()).prepare(&ring(0), &encoder.finish());
    assert_eq!(prepared.map(|_| ()), Err(PrepareError::NoPartition));
    let empty = Scratch::new(RequestLimits::default()).prepare(&ring(0), &[0]).expect("an empty request");
    assert!(empty.frames.is_empty());
}
