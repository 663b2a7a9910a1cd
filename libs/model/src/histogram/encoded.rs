//! Histograms that stay in their byte form until somebody needs their buckets.
//!
//! Reads move many histograms and look into each once. So they are checked where they come in, moved as bytes, and read straight
//! into the form that queries work on, without a [`Histogram`] in between.

use bytes::Bytes;

use super::{
    CounterResetHint, Histogram, HistogramError, MAX_HISTOGRAM_BYTES,
    byte_form::{FLOAT_COUNTS, Reader},
};

/// A histogram in its byte form, known to be well-formed. Cloning shares the bytes; order and equality are theirs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EncodedHistogram(Bytes);

/// What a histogram says without its buckets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Totals {
    /// As [`Histogram::schema`].
    pub schema: i8,
    /// As [`Histogram::reset_hint`].
    pub reset_hint: CounterResetHint,
    /// As [`Histogram::sum`].
    pub sum: f64,
    /// All observations.
    pub total: f64,
}

/// A histogram with float counts, its buckets as (index, count), ascending where the spans ascend.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SparseHistogram {
    /// As [`Histogram::schema`].
    pub schema: i8,
    /// As [`Histogram::reset_hint`].
    pub reset_hint: CounterResetHint,
    /// As [`Histogram::zero_threshold`].
    pub zero_threshold: f64,
    /// As [`Histogram::sum`].
    pub sum: f64,
    /// Observations in the zero bucket.
    pub zero: f64,
    /// All observations.
    pub total: f64,
    /// Positive buckets.
    pub positive: Vec<(i32, f64)>,
    /// Negative buckets.
    pub negative: Vec<(i32, f64)>,
    /// As [`Histogram::custom_bounds`].
    pub custom_bounds: Vec<f64>,
}

impl EncodedHistogram {
    /// Takes bytes of which [`Histogram::from_bytes`] makes a histogram, and refuses others.
    pub fn new(bytes: Bytes) -> Result<Self, HistogramError> {
        if bytes.len() > MAX_HISTOGRAM_BYTES {
            return Err(HistogramError::TooLarge(bytes.len()));
        }
        let mut reader = Reader::new(&bytes);
        match reader.skip_histogram() {
            Some(()) if reader.is_at_end() => Ok(Self(bytes)),
            _ => Err(HistogramError::Malformed),
        }
    }

    /// The byte form.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The histogram.
    pub fn decode(&self) -> Histogram {
        Reader::new(&self.0).histogram().expect("the bytes were checked")
    }

    /// Its sum, by which stale markers are known.
    pub fn sum(&self) -> f64 {
        Reader::new(&self.0).header().expect("the bytes were checked").sum
    }

    /// How many buckets and custom bounds it has, at most: nothing that spans say is believed beyond what the bytes can hold.
    pub fn parts(&self) -> usize {
        let parts = Reader::new(&self.0).parts().expect("the bytes were checked");
        parts.min(self.0.len())
    }

    /// All but its buckets.
    pub fn totals(&self) -> Totals {
        Reader::new(&self.0).totals().expect("the bytes were checked")
    }

    /// Whether this is surely `before` with more observations: laid out alike, and nothing counts less. False where that takes a
    /// closer look.
    pub fn continues(&self, before: &Self) -> bool {
        Reader::new(&self.0).continues(Reader::new(&before.0)).expect("the bytes were checked")
    }

    /// The form that queries work on.
    pub fn sparse(&self) -> SparseHistogram {
        Reader::new(&self.0).sparse().expect("the bytes were checked")
    }
}

impl From<&Histogram> for EncodedHistogram {
    fn from(histogram: &Histogram) -> Self {
        Self(histogram.to_bytes().into())
    }
}

/// What a histogram begins with.
struct Header {
    schema: i8,
    flags: u8,
    zero_threshold: f64,
    sum: f64,
}

impl<'a> Reader<'a> {
    fn header(&mut self) -> Option<Header> {
        let (schema, flags) = (self.byte()? as i8, self.byte()?);
        Some(Header { schema, flags, zero_threshold: self.float()?, sum: self.float()? })
    }

    fn totals(&mut self) -> Option<Totals> {
        let Header { schema, flags, sum, .. } = self.header()?;
        self.skip_layout()?;
        let (_, total) = self.zero_and_total(flags)?;
        Some(Totals { schema, reset_hint: CounterResetHint::from_wire(flags & !FLOAT_COUNTS), sum, total })
    }

    fn continues(&mut self, mut before: Self) -> Option<bool> {
        let (header, earlier) = (self.header()?, before.header()?);
        let of_floats = header.flags & FLOAT_COUNTS;
        let (layout, earlier_layout) = (self.skip_layout()?, before.skip_layout()?);
        if header.schema != earlier.schema
            || header.zero_threshold.to_bits() != earlier.zero_threshold.to_bits()
            || of_floats != earlier.flags & FLOAT_COUNTS
            || layout != earlier_layout
        {
            return Some(false);
        }
        let (now, earlier) = (self.zero_and_total(of_floats)?, before.zero_and_total(of_floats)?);
        // Comparisons with NaN are false.
        if !(now.0 >= earlier.0 && now.1 >= earlier.1) {
            return Some(false);
        }
        for _ in 0..2 {
            let size = if of_floats == 0 { 1 } else { 8 };
            let count = self.count(size)?;
            if count != before.count(size)? {
                return Some(false);
            }
            let grows = if of_floats == 0 {
                self.no_count_falls(&mut before, count)?
            } else {
                let mut grows = true;
                for _ in 0..count {
                    grows &= self.float()? >= before.float()?;
                }
                grows
            };
            if !grows {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Passes over spans and custom bounds; their bytes.
    fn skip_layout(&mut self) -> Option<&'a [u8]> {
        let start = self.rest();
        self.skip_spans()?;
        self.skip_spans()?;
        self.skip_floats()?;
        Some(&start[..start.len() - self.rest().len()])
    }

    fn zero_and_total(&mut self, flags: u8) -> Option<(f64, f64)> {
        Some(if flags & FLOAT_COUNTS == 0 {
            (self.uint()? as f64, self.uint()? as f64)
        } else {
            (self.float()?, self.float()?)
        })
    }

    fn skip_histogram(&mut self) -> Option<()> {
        let flags = self.header()?.flags;
        self.skip_layout()?;
        self.zero_and_total(flags)?;
        if flags & FLOAT_COUNTS == 0 {
            self.skip_ints()?;
            self.skip_ints()
        } else {
            self.skip_floats()?;
            self.skip_floats()
        }
    }

    fn sparse(&mut self) -> Option<SparseHistogram> {
        let Header { schema, flags, zero_threshold, sum } = self.header()?;
        // Spans are read beside the counts.
        let positive = self.clone();
        self.skip_spans()?;
        let negative = self.clone();
        self.skip_spans()?;
        let custom_bounds = self.floats()?;
        let of_ints = flags & FLOAT_COUNTS == 0;
        let (zero, total) = self.zero_and_total(flags)?;
        let mut buckets = |spans: Self| {
            if of_ints {
                let count = self.count(1)?;
                sparse(spans, count, || self.int().map(|count| count as f64))
            } else {
                let count = self.count(8)?;
                sparse(spans, count, || self.float())
            }
        };
        let (positive, negative) = (buckets(positive)?, buckets(negative)?);
        let reset_hint = CounterResetHint::from_wire(flags & !FLOAT_COUNTS);
        Some(SparseHistogram {
            schema,
            reset_hint,
            zero_threshold,
            sum,
            zero,
            total,
            positive,
            negative,
            custom_bounds,
        })
    }

    fn parts(&mut self) -> Option<usize> {
        self.header()?;
        let mut parts = 0usize;
        for _ in 0..2 {
            for _ in 0..self.count(2)? {
                parts = parts.saturating_add(self.span()?.length as usize);
            }
        }
        Some(parts.saturating_add(self.count(8)?))
    }

    fn skip_spans(&mut self) -> Option<()> {
        (0..self.count(2)?).try_for_each(|_| self.span().map(drop))
    }

    fn skip_ints(&mut self) -> Option<()> {
        let count = self.count(1)?;
        self.skip_uints(count)
    }

    fn skip_floats(&mut self) -> Option<()> {
        let bytes = self.count(8)?.checked_mul(8)?;
        self.skip(bytes)
    }
}

/// So many counts with the indices of their buckets. Counts beyond what the spans describe are left out.
fn sparse(
    mut spans: Reader<'_>,
    counts: usize,
    mut next: impl FnMut() -> Option<f64>,
) -> Option<Vec<(i32, f64)>> {
    let (mut out, mut left, mut index) = (Vec::with_capacity(counts), counts, 0i32);
    for _ in 0..spans.count(2)? {
        let span = spans.span()?;
        index = index.saturating_add(span.offset);
        let length = left.min(span.length as usize);
        for _ in 0..length {
            out.push((index, next()?));
            index = index.saturating_add(1);
        }
        left -= length;
    }
    (0..left).try_for_each(|_| next().map(drop))?;
    Some(out)
}
