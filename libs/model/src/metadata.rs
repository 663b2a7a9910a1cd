//! What a metric says about itself: type, help and unit (API-D-12, API-D-34).

/// The type of a metric as remote write 1.0 numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum MetricType {
    /// Not stated, or a number that no version of the protocol defines.
    #[default]
    Unknown,
    /// Grows, and resets to zero.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
    /// A histogram whose buckets go up and down.
    GaugeHistogram,
    /// Quantiles, sum and count.
    Summary,
    /// Constant information in labels.
    Info,
    /// One of a set of states.
    StateSet,
}

impl MetricType {
    const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Counter,
        Self::Gauge,
        Self::Histogram,
        Self::GaugeHistogram,
        Self::Summary,
        Self::Info,
        Self::StateSet,
    ];

    /// The number on the wire; unknown numbers become [`Self::Unknown`].
    pub fn from_wire(number: i64) -> Self {
        usize::try_from(number).ok().and_then(|at| Self::ALL.get(at).copied()).unwrap_or_default()
    }

    /// The number on the wire.
    pub fn to_wire(self) -> i64 {
        self as i64
    }

    /// The word in the metadata API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}

/// One metadata entry of a metric family.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MetricMetadata {
    /// Name of the metric family.
    pub metric: String,
    /// Its type.
    pub kind: MetricType,
    /// Free text.
    pub help: String,
    /// Unit, often empty.
    pub unit: String,
}
