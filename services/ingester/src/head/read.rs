//! Reading a head: which series match, what their labels are, and the chunks of one series.
//!
//! Matchers are answered from postings, cheapest first; a matcher with more values than there are candidates left is applied
//! to the candidates' own labels instead (high-cardinality regular expressions cost what is selected, not what exists).

use bytes::Bytes;
use narthex_chunk::{Chunk, ChunkError, Encoding, FloatIter, HistogramIter};
use narthex_model::{Labels, MatchOp, Matcher, SEPARATOR, TimeRange};
use roaring::RoaringBitmap;

use super::{
    Head, pairs,
    series::{HAS_MORE, encode_late},
};

impl Head {
    /// Ids of the series for which all matchers hold.
    pub fn matching(&self, matchers: &[Matcher]) -> RoaringBitmap {
        let mut candidates: Option<RoaringBitmap> = None;
        let (exact, others): (Vec<_>, Vec<_>) = matchers
            .iter()
            .partition(|matcher| matcher.op() == MatchOp::Equal && !matcher.value().is_empty());
        let mut exact_pairs = Vec::with_capacity(exact.len());
        for matcher in exact {
            let Some(pair) = self.pairs.find(&pair_bytes(matcher.name(), matcher.value())) else {
                return RoaringBitmap::new();
            };
            exact_pairs.push(pair);
        }
        exact_pairs.sort_unstable_by_key(|pair| self.pairs.postings(*pair).len());
        for pair in exact_pairs {
            let postings = self.pairs.postings(pair);
            match &mut candidates {
                None => candidates = Some(postings.to_bitmap()),
                Some(candidates) => postings.intersect(candidates),
            }
        }
        let mut late = Vec::new();
        for matcher in others {
            let texts = matcher.texts().filter(|_| !matcher.matches_empty());
            let values =
                texts.map_or_else(|| self.pairs.of_name(matcher.name().as_bytes()).len(), <[_]>::len);
            if candidates.as_ref().is_some_and(|candidates| candidates.len() <= values as u64) {
                late.push(matcher);
            } else if matcher.matches_empty() {
                let without = self.pairs.union(matcher.name(), |value| !matcher.matches(value));
                *candidates.get_or_insert_with(|| self.all()) -= without;
            } else {
                let with = match texts {
                    Some(texts) => self.with_any(matcher.name(), texts),
                    None => self.pairs.union(matcher.name(), |value| matcher.matches(value)),
                };
                match &mut candidates {
                    None => candidates = Some(with),
                    Some(candidates) => *candidates &= with,
                }
            }
        }
        let candidates = candidates.unwrap_or_else(|| self.all());
        if late.is_empty() {
            return candidates;
        }
        candidates
            .iter()
            .filter(|id| late.iter().all(|matcher| matcher.matches(self.label(*id, matcher.name()))))
            .collect()
    }

    /// Series whose label has one of these values.
    fn with_any(&self, name: &str, values: &[Box<str>]) -> RoaringBitmap {
        let mut union = RoaringBitmap::new();
        for pair in values.iter().filter_map(|value| self.pairs.find(&pair_bytes(name, value))) {
            self.pairs.postings(pair).add_to(&mut union);
        }
        union
    }

    fn all(&self) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        all.insert_range(0..self.store.series.len());
        all -= self.ids.unused();
        all -= &self.lost;
        all
    }

    fn pairs_of(&self, id: u32) -> &[u32] {
        self.store
            .series
            .get(id)
            .map_or(&[], |series| self.labels.get(series.labels, usize::from(series.label_count)))
    }

    /// The value of a label of a series, empty if it has none.
    fn label(&self, id: u32, name: &str) -> &str {
        let pair =
            self.pairs_of(id).iter().find(|pair| pairs::name_of(self.pairs.bytes(**pair)) == name.as_bytes());
        pair.map_or("", |pair| self.pairs.value(*pair))
    }

    /// The labels of a series.
    pub fn labels_of(&self, id: u32) -> Labels {
        let pairs = self.pairs_of(id);
        let mut bytes = Vec::with_capacity(pairs.iter().map(|pair| self.pairs.bytes(*pair).len()).sum());
        pairs.iter().for_each(|pair| bytes.extend_from_slice(self.pairs.bytes(*pair)));
        Labels::from_canonical_trusted(Bytes::from(bytes))
    }

    /// Whether a series can have samples in a range, judged by the bounds of its chunks.
    pub fn has_samples(&self, id: u32, range: TimeRange) -> bool {
        let Some(series) = self.store.series.get(id) else { return false };
        let overlaps = |min: i64, max: i64| range.overlaps((min..=max).into());
        if series.floats.samples() > 0 {
            let max = series.floats.last_timestamp();
            if range.min.0 <= max
                && first_float(self.store.open_floats(id)).is_some_and(|min| overlaps(min, max))
            {
                return true;
            }
        }
        if self.store.chunks.list(series.chunks).any(|chunk| overlaps(chunk.min, chunk.max())) {
            return true;
        }
        series.flags & HAS_MORE != 0
            && self.store.more.get(&id).is_some_and(|more| {
                let open = first_histogram(more.histograms.data());
                open.is_some_and(|min| overlaps(min, more.histograms.last_timestamp()))
                    || more.late.iter().any(|(at, _)| overlaps(*at, *at))
            })
    }

    /// The chunks of a series that overlap a range, oldest first by their beginning; they may overlap each other. Sealed ones share
    /// their file's bytes, open ones are copied. Fails where a chunk file is damaged.
    pub fn chunks_of(&self, id: u32, range: TimeRange) -> Result<Vec<Chunk>, ChunkError> {
        let Some(series) = self.store.series.get(id) else { return Ok(Vec::new()) };
        let overlaps = |min: i64, max: i64| range.overlaps((min..=max).into());
        let mut chunks = Vec::new();
        for reference in
            self.store.chunks.list(series.chunks).filter(|chunk| overlaps(chunk.min, chunk.max()))
        {
            chunks.push(self.store.chunks.read(reference)?);
        }
        let mut add = |encoding, samples: u16, min_ms, max_ms, data: Bytes| {
            if overlaps(min_ms, max_ms) {
                chunks.push(Chunk { encoding, samples: u32::from(samples), min_ms, max_ms, data });
            }
        };
        let open = self.store.open_floats(id);
        if let Some(min) = first_float(open) {
            let (samples, max) = (series.floats.samples(), series.floats.last_timestamp());
            add(Encoding::Floats, samples, min, max, Bytes::copy_from_slice(open));
        }
        if let Some(more) = self.store.more.get(&id).filter(|_| series.flags & HAS_MORE != 0) {
            let state = &more.histograms;
            if let Some(min) = first_histogram(state.data()) {
                let data = Bytes::copy_from_slice(state.data());
                add(Encoding::Histograms, state.samples(), min, state.last_timestamp(), data);
            }
            for (encoding, samples, min, max, data) in encode_late(&more.late) {
                add(encoding, samples, min, max, data.into());
            }
        }
        chunks.sort_by_key(|chunk| (chunk.min_ms, chunk.max_ms));
        Ok(chunks)
    }

    /// Label names of the given series, or of all for `None`, unsorted.
    pub fn label_names(&self, series: Option<&RoaringBitmap>) -> Vec<String> {
        let names = self.pairs.names().filter(|(_, pairs)| match series {
            None => true,
            Some(series) => pairs.iter().any(|pair| self.touches(*pair, series)),
        });
        names.map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
    }

    /// Values of a label among the given series, or among all for `None`, unsorted.
    pub fn label_values(&self, name: &str, series: Option<&RoaringBitmap>) -> Vec<String> {
        let pairs = self.pairs.of_name(name.as_bytes()).iter();
        let chosen = pairs.filter(|pair| series.is_none_or(|series| self.touches(**pair, series)));
        chosen.map(|pair| self.pairs.value(*pair).to_owned()).collect()
    }

    fn touches(&self, pair: u32, series: &RoaringBitmap) -> bool {
        match self.pairs.postings(pair) {
            super::postings::Postings::Few { length, ids } => {
                ids[..usize::from(*length)].iter().any(|id| series.contains(*id))
            }
            super::postings::Postings::List(ids) => ids.iter().any(|id| series.contains(*id)),
            super::postings::Postings::Bitmap(ids) => !ids.is_disjoint(series),
        }
    }
}

fn first_float(data: &[u8]) -> Option<i64> {
    FloatIter::new(data).next().and_then(Result::ok).map(|(at, _)| at)
}

fn first_histogram(data: &[u8]) -> Option<i64> {
    HistogramIter::new(data).next_sample().and_then(Result::ok).map(|(at, _)| at)
}

fn pair_bytes(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + value.len() + 2);
    for part in [name, value] {
        bytes.extend_from_slice(part.as_bytes());
        bytes.push(SEPARATOR);
    }
    bytes
}
