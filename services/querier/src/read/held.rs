//! What the answers of a read occupy, taken from the query's memory before it is used.
//!
//! An answer holds its own reservation, so that one that does not count gives its memory back. Merging moves samples and copies
//! at most one series at a time, so what came in is enough for what comes out.

use std::mem::size_of;

use narthex_chunk::MAX_COLUMN_SAMPLES;
use narthex_model::{Counts, EncodedHistogram, Histogram};
use narthex_promql::{Reservation, SeriesData, SourceError};
use narthex_pushdown::Samples;
use tokio::runtime::{Handle, RuntimeFlavor};

/// Bytes of a float sample in its two columns.
const SAMPLE: usize = size_of::<i64>() + size_of::<f64>();

/// Bytes of a histogram besides its buckets: as it came, and in the form that the engine makes of it.
const HISTOGRAM: usize = 2 * (size_of::<Histogram>() + 64);

/// Bytes of a bucket in both forms.
const BUCKET: usize = 24;

/// A series in the answer and in the list that merging makes.
const SERIES: usize = size_of::<Samples>() + size_of::<SeriesData>();

/// Data and the memory that it occupies.
#[derive(Debug)]
pub(crate) struct Held<T> {
    pub(crate) data: T,
    pub(crate) memory: Reservation,
}

/// The data of several answers, and all their memory in one reservation.
pub(crate) fn gather<T>(answers: Vec<Held<T>>) -> (Vec<T>, Reservation) {
    let memory = answers.first().map(|answer| answer.memory.another()).unwrap_or_default();
    let take = |answer: Held<T>| {
        memory.absorb(&answer.memory);
        answer.data
    };
    (answers.into_iter().map(take).collect(), memory)
}

/// Merged series, and what is left of the memory of their answers.
pub(crate) fn settled(data: Vec<SeriesData>, memory: Reservation) -> Held<Vec<SeriesData>> {
    let needed: usize = data.iter().map(bytes).sum();
    memory.shrink(memory.bytes().saturating_sub(needed));
    Held { data, memory }
}

/// Takes the memory of a new series.
pub(crate) fn take_series(labels: usize, memory: &Reservation) -> Result<(), SourceError> {
    memory.grow(SERIES + labels)
}

/// Makes room for float samples, of which a chunk of so many bytes says that it holds them. Nothing that is said is believed beyond
/// what so few bytes can hold. A series with more than one chunk gets room for as many samples as are expected of it, if that is not
/// several times what it has.
pub(crate) fn make_room(
    into: &mut Samples,
    expected: usize,
    samples: u32,
    chunk: usize,
    memory: &Reservation,
) -> Result<(), SourceError> {
    let samples = (samples as usize).min(chunk.saturating_mul(8).saturating_add(MAX_COLUMN_SAMPLES));
    let timestamps = &into.series().timestamps;
    let (length, before) = (timestamps.len(), timestamps.capacity());
    if length + samples > before {
        let expected = if length > 0 { expected.min(4 * (length + samples)) } else { 0 };
        let after = (length + samples).max(before + before / 2).max(expected);
        memory.grow((after - before) * SAMPLE)?;
        into.reserve(after);
    }
    Ok(())
}

/// Takes the memory of the histograms of a chunk of so many bytes.
pub(crate) fn take_histograms(samples: u32, chunk: usize, memory: &Reservation) -> Result<(), SourceError> {
    let samples = (samples as usize).min(chunk);
    // A bucket is at least a byte.
    memory.grow(samples.saturating_mul(HISTOGRAM).saturating_add(chunk.saturating_mul(BUCKET)))
}

fn bytes(series: &SeriesData) -> usize {
    SERIES
        + series.labels.as_bytes().len()
        + series.timestamps.capacity() * SAMPLE
        + series.histograms.iter().map(|(_, histogram)| encoded_bytes(histogram)).sum::<usize>()
}

fn encoded_bytes(histogram: &EncodedHistogram) -> usize {
    HISTOGRAM + BUCKET * histogram.parts()
}

/// Bytes that a histogram occupies, rather too many.
pub(crate) fn histogram_bytes(histogram: &Histogram) -> usize {
    HISTOGRAM + BUCKET * buckets(histogram)
}

fn buckets(histogram: &Histogram) -> usize {
    let Histogram { positive_spans, negative_spans, custom_bounds, counts, .. } = histogram;
    let counts = match counts {
        Counts::Int { positive, negative, .. } => positive.len() + negative.len(),
        Counts::Float { positive, negative, .. } => positive.len() + negative.len(),
    };
    positive_spans.len() + negative_spans.len() + custom_bounds.len() + counts
}

/// Work on fewer bytes than this is done at once: it takes less time than giving a thread's other tasks to another thread does.
const LIGHT: usize = 128 << 10;

/// Does work that takes processor time in proportion to an answer of so many bytes, while other tasks go on. On a runtime of a single
/// thread (simulations, tests) it is done there.
pub(crate) fn busy<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) if bytes >= LIGHT => tokio::task::block_in_place(work),
        _ => work(),
    }
}
