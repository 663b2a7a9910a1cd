//! The Parquet schema of a block, and its leaf columns in file order.
//!
//! Labels come before samples in a row group, so that what a selection reads first lies together.

use std::sync::Arc;

use parquet::{
    basic::{LogicalType, Repetition, Type as Physical},
    errors::ParquetError,
    schema::types::{ColumnPath, SchemaDescriptor, Type, TypePtr},
};

use super::BlockSchema;

/// Prefix of the names of promoted labels' columns.
pub(super) const LABEL_PREFIX: &str = "label.";

/// A leaf column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Column {
    /// A promoted label, by its place among them.
    Label(usize),
    MapKey,
    MapValue,
    SeriesHash,
    MinTime,
    MaxTime,
    FloatSamples,
    HistogramSamples,
    Exponent,
    Timestamps,
    Decimals,
    Values,
    HistTime,
    HistSchema,
    HistHint,
    HistZeroThreshold,
    HistSum,
    HistCount,
    HistZeroCount,
    HistFloatCount,
    HistFloatZeroCount,
    PositiveOffset,
    PositiveLength,
    NegativeOffset,
    NegativeLength,
    CustomBounds,
    Positive,
    Negative,
    FloatPositive,
    FloatNegative,
}

/// What a column is for, which decides how it is encoded and paged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Label,
    Row,
    Sample,
    Histogram,
}

impl Column {
    pub(crate) fn kind(self) -> ColumnKind {
        match self {
            Self::Label(_) | Self::MapKey | Self::MapValue => ColumnKind::Label,
            Self::SeriesHash
            | Self::MinTime
            | Self::MaxTime
            | Self::FloatSamples
            | Self::HistogramSamples
            | Self::Exponent => ColumnKind::Row,
            Self::Timestamps | Self::Decimals | Self::Values => ColumnKind::Sample,
            _ => ColumnKind::Histogram,
        }
    }

    /// The largest definition and repetition level.
    pub(crate) fn levels(self) -> (u8, u8) {
        match self {
            Self::Label(_) | Self::Exponent => (1, 0),
            Self::MapKey | Self::MapValue | Self::Timestamps => (1, 1),
            Self::SeriesHash
            | Self::MinTime
            | Self::MaxTime
            | Self::FloatSamples
            | Self::HistogramSamples => (0, 0),
            Self::Decimals | Self::Values => (3, 1),
            Self::HistTime | Self::HistSchema | Self::HistHint | Self::HistZeroThreshold | Self::HistSum => {
                (1, 1)
            }
            Self::HistCount | Self::HistZeroCount | Self::HistFloatCount | Self::HistFloatZeroCount => (2, 1),
            _ => (2, 2),
        }
    }

    pub(crate) fn physical(self) -> Physical {
        match self {
            Self::Label(_) | Self::MapKey | Self::MapValue => Physical::BYTE_ARRAY,
            Self::FloatSamples
            | Self::HistogramSamples
            | Self::Exponent
            | Self::HistSchema
            | Self::HistHint
            | Self::PositiveOffset
            | Self::PositiveLength
            | Self::NegativeOffset
            | Self::NegativeLength => Physical::INT32,
            Self::Values
            | Self::HistZeroThreshold
            | Self::HistSum
            | Self::HistFloatCount
            | Self::HistFloatZeroCount
            | Self::CustomBounds
            | Self::FloatPositive
            | Self::FloatNegative => Physical::DOUBLE,
            _ => Physical::INT64,
        }
    }

    fn path(self, schema: &BlockSchema) -> ColumnPath {
        let list = |name: &str| vec![name.to_owned(), "list".to_owned(), "element".to_owned()];
        let inside = |parts: &[&str]| {
            let mut path = list("histograms");
            path.extend(parts.iter().map(|part| (*part).to_owned()));
            path
        };
        let path = match self {
            Self::Label(at) => vec![format!("{LABEL_PREFIX}{}", schema.promoted[at].name)],
            Self::MapKey => ["labels", "key_value", "key"].map(str::to_owned).into(),
            Self::MapValue => ["labels", "key_value", "value"].map(str::to_owned).into(),
            Self::SeriesHash => vec!["series_hash".to_owned()],
            Self::MinTime => vec!["min_time".to_owned()],
            Self::MaxTime => vec!["max_time".to_owned()],
            Self::FloatSamples => vec!["float_samples".to_owned()],
            Self::HistogramSamples => vec!["histogram_samples".to_owned()],
            Self::Exponent => vec!["exponent".to_owned()],
            Self::Timestamps => list("timestamps"),
            Self::Decimals => list("decimals"),
            Self::Values => list("values"),
            Self::HistTime => inside(&["timestamp"]),
            Self::HistSchema => inside(&["schema"]),
            Self::HistHint => inside(&["reset_hint"]),
            Self::HistZeroThreshold => inside(&["zero_threshold"]),
            Self::HistSum => inside(&["sum"]),
            Self::HistCount => inside(&["count"]),
            Self::HistZeroCount => inside(&["zero_count"]),
            Self::HistFloatCount => inside(&["float_count"]),
            Self::HistFloatZeroCount => inside(&["float_zero_count"]),
            Self::PositiveOffset => inside(&["positive_spans", "list", "element", "offset"]),
            Self::PositiveLength => inside(&["positive_spans", "list", "element", "length"]),
            Self::NegativeOffset => inside(&["negative_spans", "list", "element", "offset"]),
            Self::NegativeLength => inside(&["negative_spans", "list", "element", "length"]),
            Self::CustomBounds => inside(&["custom_bounds", "list", "element"]),
            Self::Positive => inside(&["positive", "list", "element"]),
            Self::Negative => inside(&["negative", "list", "element"]),
            Self::FloatPositive => inside(&["float_positive", "list", "element"]),
            Self::FloatNegative => inside(&["float_negative", "list", "element"]),
        };
        ColumnPath::new(path)
    }
}

/// Columns before the samples, after the labels.
const ROW_COLUMNS: [Column; 5] =
    [Column::SeriesHash, Column::MinTime, Column::MaxTime, Column::FloatSamples, Column::Exponent];

/// Leaves of a histogram, in schema order.
pub(crate) const HISTOGRAM_COLUMNS: [Column; 18] = [
    Column::HistTime,
    Column::HistSchema,
    Column::HistHint,
    Column::HistZeroThreshold,
    Column::HistSum,
    Column::HistCount,
    Column::HistZeroCount,
    Column::HistFloatCount,
    Column::HistFloatZeroCount,
    Column::PositiveOffset,
    Column::PositiveLength,
    Column::NegativeOffset,
    Column::NegativeLength,
    Column::CustomBounds,
    Column::Positive,
    Column::Negative,
    Column::FloatPositive,
    Column::FloatNegative,
];

/// The leaf columns of a schema, in file order, with their paths.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    columns: Vec<(Column, ColumnPath)>,
}

impl Layout {
    pub(crate) fn new(schema: &BlockSchema) -> Self {
        let mut columns: Vec<Column> = (0..schema.promoted.len()).map(Column::Label).collect();
        columns.extend([Column::MapKey, Column::MapValue]);
        columns.extend(ROW_COLUMNS);
        if schema.histograms {
            columns.push(Column::HistogramSamples);
        }
        columns.extend([Column::Timestamps, Column::Decimals, Column::Values]);
        if schema.histograms {
            columns.extend(HISTOGRAM_COLUMNS);
        }
        Self { columns: columns.into_iter().map(|column| (column, column.path(schema))).collect() }
    }

    pub(crate) fn columns(&self) -> impl Iterator<Item = (Column, &ColumnPath)> {
        self.columns.iter().map(|(column, path)| (*column, path))
    }

    /// The schema that a file's columns describe: which labels are promoted, and whether there are histograms.
    pub(crate) fn schema_of(descriptor: &SchemaDescriptor) -> BlockSchema {
        let fields = descriptor.root_schema().get_fields();
        let labels = fields.iter().filter_map(|field| field.name().strip_prefix(LABEL_PREFIX));
        BlockSchema::with_labels(labels, |_| false, fields.iter().any(|field| field.name() == "histograms"))
    }
}

impl BlockSchema {
    /// The Parquet schema.
    pub(crate) fn message_type(&self) -> Result<TypePtr, ParquetError> {
        let mut fields = Vec::new();
        for label in &self.promoted {
            fields.push(text(&format!("{LABEL_PREFIX}{}", label.name), Repetition::OPTIONAL)?);
        }
        fields.push(labels_map()?);
        let required = Repetition::REQUIRED;
        fields.push(unsigned("series_hash", required)?);
        for name in ["min_time", "max_time"] {
            fields.push(plain(name, Physical::INT64, required)?);
        }
        fields.push(plain("float_samples", Physical::INT32, required)?);
        fields.push(plain("exponent", Physical::INT32, Repetition::OPTIONAL)?);
        if self.histograms {
            fields.push(plain("histogram_samples", Physical::INT32, required)?);
        }
        let element = |physical, repetition| plain("element", physical, repetition);
        fields.push(list("timestamps", required, element(Physical::INT64, required)?)?);
        let optional = Repetition::OPTIONAL;
        fields.push(list("decimals", optional, element(Physical::INT64, optional)?)?);
        fields.push(list("values", optional, element(Physical::DOUBLE, optional)?)?);
        if self.histograms {
            fields.push(list("histograms", required, histogram()?)?);
        }
        Ok(Arc::new(Type::group_type_builder("block").with_fields(fields).build()?))
    }
}

fn histogram() -> Result<TypePtr, ParquetError> {
    let (required, optional) = (Repetition::REQUIRED, Repetition::OPTIONAL);
    let element = |physical| plain("element", physical, required);
    let spans = |name| {
        let offset = plain("offset", Physical::INT32, required)?;
        let length = Type::primitive_type_builder("length", Physical::INT32)
            .with_repetition(required)
            .with_logical_type(Some(LogicalType::integer(32, false)))
            .build()?;
        list(name, required, group("element", required, vec![offset, Arc::new(length)])?)
    };
    let fields = vec![
        plain("timestamp", Physical::INT64, required)?,
        plain("schema", Physical::INT32, required)?,
        plain("reset_hint", Physical::INT32, required)?,
        plain("zero_threshold", Physical::DOUBLE, required)?,
        plain("sum", Physical::DOUBLE, required)?,
        unsigned("count", optional)?,
        unsigned("zero_count", optional)?,
        plain("float_count", Physical::DOUBLE, optional)?,
        plain("float_zero_count", Physical::DOUBLE, optional)?,
        spans("positive_spans")?,
        spans("negative_spans")?,
        list("custom_bounds", required, element(Physical::DOUBLE)?)?,
        list("positive", required, element(Physical::INT64)?)?,
        list("negative", required, element(Physical::INT64)?)?,
        list("float_positive", required, element(Physical::DOUBLE)?)?,
        list("float_negative", required, element(Physical::DOUBLE)?)?,
    ];
    group("element", required, fields)
}

fn plain(name: &str, physical: Physical, repetition: Repetition) -> Result<TypePtr, ParquetError> {
    Ok(Arc::new(Type::primitive_type_builder(name, physical).with_repetition(repetition).build()?))
}

fn unsigned(name: &str, repetition: Repetition) -> Result<TypePtr, ParquetError> {
    let builder = Type::primitive_type_builder(name, Physical::INT64).with_repetition(repetition);
    Ok(Arc::new(builder.with_logical_type(Some(LogicalType::integer(64, false))).build()?))
}

fn text(name: &str, repetition: Repetition) -> Result<TypePtr, ParquetError> {
    let builder = Type::primitive_type_builder(name, Physical::BYTE_ARRAY).with_repetition(repetition);
    Ok(Arc::new(builder.with_logical_type(Some(LogicalType::String)).build()?))
}

fn group(name: &str, repetition: Repetition, fields: Vec<TypePtr>) -> Result<TypePtr, ParquetError> {
    Ok(Arc::new(Type::group_type_builder(name).with_repetition(repetition).with_fields(fields).build()?))
}

fn list(name: &str, repetition: Repetition, element: TypePtr) -> Result<TypePtr, ParquetError> {
    let inner = group("list", Repetition::REPEATED, vec![element])?;
    let builder = Type::group_type_builder(name).with_repetition(repetition).with_fields(vec![inner]);
    Ok(Arc::new(builder.with_logical_type(Some(LogicalType::List)).build()?))
}

fn labels_map() -> Result<TypePtr, ParquetError> {
    let fields = vec![text("key", Repetition::REQUIRED)?, text("value", Repetition::REQUIRED)?];
    let inner = group("key_value", Repetition::REPEATED, fields)?;
    let builder =
        Type::group_type_builder("labels").with_repetition(Repetition::REQUIRED).with_fields(vec![inner]);
    Ok(Arc::new(builder.with_logical_type(Some(LogicalType::Map)).build()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_the_schema() {
        for histograms in [false, true] {
            let schema = BlockSchema::with_labels(["job", "a.b \"c\""], |_| true, histograms);
            let descriptor = SchemaDescriptor::new(schema.message_type().expect("a schema"));
            let layout = Layout::new(&schema);
            assert_eq!(layout.columns.len(), descriptor.num_columns());
            for ((column, path), leaf) in layout.columns().zip(descriptor.columns()) {
                assert_eq!(path, leaf.path());
                assert_eq!(column.physical(), leaf.physical_type(), "{path}");
                let levels = (leaf.max_def_level(), leaf.max_rep_level());
                let (def, rep) = column.levels();
                assert_eq!((i16::from(def), i16::from(rep)), levels, "{path}");
            }
            let names: Vec<_> = Layout::schema_of(&descriptor).promoted_labels().map(str::to_owned).collect();
            assert_eq!(names, ["__name__", "a.b \"c\"", "job"]);
        }
    }
}
