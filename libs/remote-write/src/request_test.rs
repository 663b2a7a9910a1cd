//! Decoding against prost's encoder, our own encoder, and hostile bytes.

use narthex_model::{BucketSpan, CounterResetHint, Counts, Histogram, MetricMetadata};
use proptest::{collection::vec, prelude::*};
use prost::Message;

use super::*;
use crate::{Decompressor, Encoder, MAX_DECODED_BYTES, WireError};

/// The schema of remote write 1.0, for prost.
mod pb {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct WriteRequest {
        #[prost(message, repeated, tag = "1")]
        pub(super) timeseries: Vec<TimeSeries>,
        #[prost(message, repeated, tag = "3")]
        pub(super) metadata: Vec<MetricMetadata>,
        /// Not in the schema: must be passed over.
        #[prost(string, tag = "99")]
        pub(super) unknown: String,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct TimeSeries {
        #[prost(message, repeated, tag = "1")]
        pub(super) labels: Vec<Label>,
        #[prost(message, repeated, tag = "2")]
        pub(super) samples: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub(super) exemplars: Vec<Sample>,
        #[prost(message, repeated, tag = "4")]
        pub(super) histograms: Vec<Histogram>,
        #[prost(fixed32, tag = "77")]
        pub(super) unknown: u32,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Label {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) value: String,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Sample {
        #[prost(double, tag = "1")]
        pub(super) value: f64,
        #[prost(int64, tag = "2")]
        pub(super) timestamp: i64,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct MetricMetadata {
        #[prost(int32, tag = "1")]
        pub(super) kind: i32,
        #[prost(string, tag = "2")]
        pub(super) metric_family_name: String,
        #[prost(string, tag = "4")]
        pub(super) help: String,
        #[prost(string, tag = "5")]
        pub(super) unit: String,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Span {
        #[prost(sint32, tag = "1")]
        pub(super) offset: i32,
        #[prost(uint32, tag = "2")]
        pub(super) length: u32,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Histogram {
        #[prost(uint64, optional, tag = "1")]
        pub(super) count_int: Option<u64>,
        #[prost(double, optional, tag = "2")]
        pub(super) count_float: Option<f64>,
        #[prost(double, tag = "3")]
        pub(super) sum: f64,
        #[prost(sint32, tag = "4")]
        pub(super) schema: i32,
        #[prost(double, tag = "5")]
        pub(super) zero_threshold: f64,
        #[prost(uint64, optional, tag = "6")]
        pub(super) zero_count_int: Option<u64>,
        #[prost(double, optional, tag = "7")]
        pub(super) zero_count_float: Option<f64>,
        #[prost(message, repeated, tag = "8")]
        pub(super) negative_spans: Vec<Span>,
        #[prost(sint64, repeated, tag = "9")]
        pub(super) negative_deltas: Vec<i64>,
        #[prost(double, repeated, tag = "10")]
        pub(super) negative_counts: Vec<f64>,
        #[prost(message, repeated, tag = "11")]
        pub(super) positive_spans: Vec<Span>,
        #[prost(sint64, repeated, packed = "false", tag = "12")]
        pub(super) positive_deltas: Vec<i64>,
        #[prost(double, repeated, packed = "false", tag = "13")]
        pub(super) positive_counts: Vec<f64>,
        #[prost(int32, tag = "14")]
        pub(super) reset_hint: i32,
        #[prost(int64, tag = "15")]
        pub(super) timestamp: i64,
        #[prost(double, repeated, tag = "16")]
        pub(super) custom_values: Vec<f64>,
    }
}

/// What the walk yields, owned.
#[derive(Debug, Clone, PartialEq, Default)]
struct Decoded {
    series: Vec<DecodedSeries>,
    metadata: Vec<DecodedMetadata>,
}

/// Type, name, help and unit.
type DecodedMetadata = (MetricType, Vec<u8>, Vec<u8>, Vec<u8>);

#[derive(Debug, Clone, PartialEq, Default)]
struct DecodedSeries {
    labels: Vec<(Vec<u8>, Vec<u8>)>,
    floats: Vec<(i64, u64)>,
    histograms: Vec<(i64, Histogram)>,
    exemplars: usize,
}

fn decode(body: &[u8]) -> Result<Decoded, DecodeError> {
    let mut request = WriteRequest::new(body);
    let mut series = Series::new(100);
    let mut decoded = Decoded::default();
    while let Some(entry) = request.next_entry(&mut series)? {
        match entry {
            Entry::Series => {
                assert_eq!(series.label_count.min(101), series.labels.len());
                decoded.series.push(DecodedSeries {
                    labels: series.labels.iter().map(|l| (l.name.to_vec(), l.value.to_vec())).collect(),
                    floats: series.floats.iter().map(|(time, value)| (*time, value.to_bits())).collect(),
                    histograms: series
                        .histograms
                        .iter()
                        .map(HistogramMessage::decode)
                        .collect::<Result<_, _>>()?,
                    exemplars: series.exemplars,
                });
            }
            Entry::Metadata(m) => {
                decoded.metadata.push((m.kind, m.metric.to_vec(), m.help.to_vec(), m.unit.to_vec()));
            }
        }
    }
    Ok(decoded)
}

fn labels() -> impl Strategy<Value = Vec<(String, String)>> {
    vec(("[a-z]{0,9}|[a-z]{120,130}", "[a-zß]{0,9}|[a-z]{200,300}"), 0..5)
}

fn spans() -> impl Strategy<Value = Vec<BucketSpan>> {
    vec((any::<i32>(), any::<u32>()).prop_map(|(offset, length)| BucketSpan { offset, length }), 0..3)
}

fn floats() -> impl Strategy<Value = Vec<f64>> {
    vec(any::<u64>().prop_map(f64::from_bits), 0..4)
}

fn counts() -> impl Strategy<Value = Counts> {
    prop_oneof![
        (any::<u64>(), any::<u64>(), vec(any::<i64>(), 0..5), vec(any::<i64>(), 0..5))
            .prop_map(|(zero, total, positive, negative)| Counts::Int { zero, total, positive, negative }),
        (any::<u64>(), any::<u64>(), floats(), floats()).prop_map(|(zero, total, positive, negative)| {
            Counts::Float { zero: f64::from_bits(zero), total: f64::from_bits(total), positive, negative }
        }),
    ]
}

fn histogram() -> impl Strategy<Value = Histogram> {
    (any::<i8>(), 0u8..4, any::<u64>(), any::<u64>(), spans(), spans(), floats(), counts()).prop_map(
        |(schema, hint, zero_threshold, sum, positive_spans, negative_spans, custom_bounds, counts)| {
            Histogram {
                schema,
                reset_hint: CounterResetHint::from_wire(hint),
                zero_threshold: f64::from_bits(zero_threshold),
                sum: f64::from_bits(sum),
                positive_spans,
                negative_spans,
                custom_bounds,
                counts,
            }
        },
    )
}

type SeriesInput = (Vec<(String, String)>, Vec<(i64, u64)>, Vec<(i64, Histogram)>, usize);

fn series() -> impl Strategy<Value = SeriesInput> {
    (labels(), vec(any::<(i64, u64)>(), 0..4), vec((any::<i64>(), histogram()), 0..3), 0usize..3)
}

fn metadata() -> impl Strategy<Value = MetricMetadata> {
    (0i64..8, "[a-z]{0,8}", ".{0,20}", "[a-z]{0,4}").prop_map(|(kind, metric, help, unit)| MetricMetadata {
        kind: MetricType::from_wire(kind),
        metric,
        help,
        unit,
    })
}

fn expected(all: &[SeriesInput], metadata: &[MetricMetadata], with_exemplars: bool) -> Decoded {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let series = all.iter().map(|(labels, floats, histograms, exemplars)| DecodedSeries {
        labels: labels.iter().map(|(name, value)| (bytes(name), bytes(value))).collect(),
        floats: floats.clone(),
        histograms: histograms.clone(),
        exemplars: if with_exemplars { *exemplars } else { 0 },
    });
    let metadata = metadata.iter().map(|m| (m.kind, bytes(&m.metric), bytes(&m.help), bytes(&m.unit)));
    Decoded { series: series.collect(), metadata: metadata.collect() }
}

fn deltas(counts: &[i64]) -> Vec<i64> {
    let mut previous = 0i64;
    counts.iter().map(|count| count.wrapping_sub(std::mem::replace(&mut previous, *count))).collect()
}

fn prost_histogram(timestamp: i64, histogram: &Histogram) -> pb::Histogram {
    let spans = |spans: &[BucketSpan]| {
        spans.iter().map(|s| pb::Span { offset: s.offset, length: s.length }).collect()
    };
    let common = pb::Histogram {
        sum: histogram.sum,
        schema: i32::from(histogram.schema),
        zero_threshold: histogram.zero_threshold,
        negative_spans: spans(&histogram.negative_spans),
        positive_spans: spans(&histogram.positive_spans),
        reset_hint: i32::from(histogram.reset_hint.to_wire()),
        timestamp,
        custom_values: histogram.custom_bounds.clone(),
        ..pb::Histogram::default()
    };
    match &histogram.counts {
        Counts::Int { zero, total, positive, negative } => pb::Histogram {
            count_int: Some(*total),
            zero_count_int: Some(*zero),
            positive_deltas: deltas(positive),
            negative_deltas: deltas(negative),
            ..common
        },
        Counts::Float { zero, total, positive, negative } => pb::Histogram {
            count_float: Some(*total),
            zero_count_float: Some(*zero),
            positive_counts: positive.clone(),
            negative_counts: negative.clone(),
            ..common
        },
    }
}

fn prost_request(all: &[SeriesInput], metadata: &[MetricMetadata]) -> Vec<u8> {
    let timeseries = all.iter().map(|(labels, floats, histograms, exemplars)| pb::TimeSeries {
        labels: labels.iter().map(|(n, v)| pb::Label { name: n.clone(), value: v.clone() }).collect(),
        samples: floats
            .iter()
            .map(|(timestamp, bits)| pb::Sample { value: f64::from_bits(*bits), timestamp: *timestamp })
            .collect(),
        exemplars: vec![pb::Sample { value: 1.0, timestamp: 2 }; *exemplars],
        histograms: histograms.iter().map(|(timestamp, h)| prost_histogram(*timestamp, h)).collect(),
        unknown: 7,
    });
    let metadata = metadata.iter().map(|m| pb::MetricMetadata {
        kind: m.kind.to_wire() as i32,
        metric_family_name: m.metric.clone(),
        help: m.help.clone(),
        unit: m.unit.clone(),
    });
    pb::WriteRequest { timeseries: timeseries.collect(), metadata: metadata.collect(), unknown: "x".into() }
        .encode_to_vec()
}

fn encode(all: &[SeriesInput], metadata: &[MetricMetadata]) -> Encoder {
    let mut encoder = Encoder::new();
    for (labels, floats, histograms, _) in all {
        let floats: Vec<_> = floats.iter().map(|(time, bits)| (*time, f64::from_bits(*bits))).collect();
        encoder.series(labels.iter().map(|(n, v)| (n.as_str(), v.as_str())), &floats, histograms);
    }
    metadata.iter().for_each(|entry| encoder.metadata(entry));
    encoder
}

proptest! {
    #[test]
    fn what_prost_encodes_is_decoded(all in vec(series(), 0..4), metadata in vec(metadata(), 0..3)) {
        let decoded = decode(&prost_request(&all, &metadata)).expect("valid");
        prop_assert_eq!(decoded, expected(&all, &metadata, true));
    }

    #[test]
    fn what_the_encoder_writes_is_decoded(all in vec(series(), 0..4), metadata in vec(metadata(), 0..3)) {
        let block = encode(&all, &metadata).finish();
        let mut decompressor = Decompressor::new();
        let body = decompressor.decompress(&block, MAX_DECODED_BYTES).expect("own block");
        prop_assert_eq!(decode(body).expect("valid"), expected(&all, &metadata, false));
        prop_assert!(pb::WriteRequest::decode(body).is_ok());
    }

    #[test]
    fn damaged_requests_never_panic(
        all in vec(series(), 1..4),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut body = prost_request(&all, &[]);
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let _ = decode(&body);
        body.truncate(cut.index(body.len()));
        let _ = decode(&body);
    }

    #[test]
    fn outside_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
        let _ = Decompressor::new().decompress(&bytes, MAX_DECODED_BYTES);
    }
}

#[test]
fn malformed_messages_are_refused_with_place_and_reason() {
    let too_long_varint = [&[0x10][..], &[0xFF; 10]].concat();
    let cases: [(&[u8], usize, WireError); 8] = [
        (&[0x0A, 5, 1], 2, WireError::LengthBeyondEnd { length: 5, left: 1 }),
        (&[0x0A], 1, WireError::Truncated),
        (&[0x0A, 4, 0x0A, 9, 0, 0], 4, WireError::LengthBeyondEnd { length: 9, left: 2 }),
        (&too_long_varint, 1, WireError::VarintOverflow),
        (&[0x13], 1, WireError::WireType(3)),
        (&[0x00], 1, WireError::FieldNumber(0)),
        (
            &[0x09, 0, 0, 0, 0, 0, 0, 0, 0],
            1,
            WireError::FieldType { message: "WriteRequest", field: 1, found: 1 },
        ),
        (&[0x0A, 6, 0x12, 4, 0x09, 1, 2, 3], 5, WireError::Truncated),
    ];
    for (body, at, what) in cases {
        assert_eq!(decode(body), Err(DecodeError::Wire { at, what }), "{body:?}");
    }
    let histogram = [0x0A, 6, 0x22, 4, 0x6A, 2, 1, 2];
    let error = DecodeError::Wire { at: 8, what: WireError::PackedLength(2) };
    assert_eq!(decode(&histogram), Err(error));
}

#[test]
fn hostile_counts_are_bounded() {
    let label_bomb: Vec<u8> = std::iter::repeat_n([0x0A, 0x00], 100_000).flatten().collect();
    let mut body = vec![0x0A];
    body.extend_from_slice(&[0xC0, 0x9A, 0x0C]);
    body.extend_from_slice(&label_bomb);
    let mut series = Series::new(150);
    assert_eq!(WriteRequest::new(&body).next_entry(&mut series), Ok(Some(Entry::Series)));
    assert_eq!((series.label_count, series.labels.len()), (100_000, 151));

    let mut body = vec![0x0A, 0x82, 0x80, 0x80, 0x01];
    body.extend(std::iter::repeat_n([0x12, 0x00], MAX_SAMPLES + 1).flatten());
    assert_eq!(
        WriteRequest::new(&body).next_entry(&mut Series::new(1)),
        Err(DecodeError::TooManySamples { limit: MAX_SAMPLES })
    );
}

#[test]
fn snappy_bombs_are_refused_before_memory_is_taken() {
    let mut decompressor = Decompressor::new();
    let over = [0x81, 0x80, 0x80, 0x10, 0];
    assert_eq!(
        decompressor.decompress(&over, MAX_DECODED_BYTES),
        Err(DecodeError::TooLarge { size: MAX_DECODED_BYTES as u64 + 1, limit: MAX_DECODED_BYTES })
    );
    let liar = [0x80, 0x80, 0x80, 0x10, 0];
    let error = decompressor.decompress(&liar, MAX_DECODED_BYTES).expect_err("five bytes are never 32 MiB");
    assert!(error.to_string().contains("cannot decompress"), "{error}");
    assert_eq!(decompressor.capacity(), 0);

    let block = crate::synthetic::synthetic_request(0..100, 1);
    let truncated = &block[..block.len() / 2];
    assert!(matches!(decompressor.decompress(truncated, MAX_DECODED_BYTES), Err(DecodeError::Snappy(_))));
    assert!(matches!(decompressor.decompress(&[], MAX_DECODED_BYTES), Err(DecodeError::Snappy(_))));
    assert_eq!(decompressor.decompress(&[0], MAX_DECODED_BYTES), Ok(&[][..]), "an empty request");
}

#[test]
fn the_most_compressible_block_is_not_taken_for_a_bomb() {
    let zeros = vec![0; 1 << 20];
    let block = snap::raw::Encoder::new().compress_vec(&zeros).expect("compresses");
    assert_eq!(Decompressor::new().decompress(&block, MAX_DECODED_BYTES).map(<[u8]>::len), Ok(1 << 20));
}
