//! One leaf column of the row group in progress: levels and values that wait for the encoder, the encoder, and the encoded
//! pages. A Parquet file wants the columns of a row group one after the other, so their pages wait here.

use bytes::Bytes;
use parquet::{
    basic::ZstdLevel,
    column::writer::{ColumnCloseResult, ColumnWriter, get_column_writer},
    data_type::ByteArray,
    file::properties::WriterPropertiesPtr,
    schema::types::ColumnDescPtr,
};

use super::{pages::Pages, recode::Recoder, settings::WRITE_BATCH};
use crate::{BlockError, schema::Column};

/// Values of the column's type.
enum Values {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Double(Vec<f64>),
    Text(Vec<ByteArray>),
}

pub(super) struct Leaf {
    pub(super) column: Column,
    writer: ColumnWriter<'static>,
    pages: Pages,
    max_levels: (u8, u8),
    def: Vec<i16>,
    rep: Vec<i16>,
    values: Values,
    pending_bytes: usize,
}

impl Leaf {
    pub(super) fn new(
        column: Column,
        descriptor: ColumnDescPtr,
        properties: WriterPropertiesPtr,
        level: ZstdLevel,
    ) -> Result<Self, BlockError> {
        let pages = Pages::new(Recoder::new(column, level).map_err(BlockError::write)?);
        let values = match column.physical() {
            parquet::basic::Type::INT32 => Values::Int32(Vec::new()),
            parquet::basic::Type::INT64 => Values::Int64(Vec::new()),
            parquet::basic::Type::DOUBLE => Values::Double(Vec::new()),
            _ => Values::Text(Vec::new()),
        };
        Ok(Self {
            column,
            writer: get_column_writer(descriptor, properties, Box::new(pages.clone())),
            pages,
            max_levels: column.levels(),
            def: Vec::new(),
            rep: Vec::new(),
            values,
            pending_bytes: 0,
        })
    }

    /// A place without a value: a null or an empty list, as its definition level tells.
    pub(super) fn gap(&mut self, rep: i16, def: i16) {
        self.levels(rep, def, 1);
    }

    pub(super) fn int32(&mut self, rep: i16, def: i16, value: i32) {
        self.levels(rep, def, 1);
        if let Values::Int32(values) = &mut self.values {
            values.push(value);
        }
    }

    pub(super) fn int64(&mut self, rep: i16, def: i16, value: i64) {
        self.levels(rep, def, 1);
        if let Values::Int64(values) = &mut self.values {
            values.push(value);
        }
    }

    pub(super) fn double(&mut self, rep: i16, def: i16, value: f64) {
        self.levels(rep, def, 1);
        if let Values::Double(values) = &mut self.values {
            values.push(value);
        }
    }

    pub(super) fn text(&mut self, rep: i16, def: i16, value: Bytes) {
        self.levels(rep, def, 1);
        self.pending_bytes += value.len();
        if let Values::Text(values) = &mut self.values {
            values.push(value.into());
        }
    }

    /// A whole list of one row, without nulls, at the column's deepest definition level.
    pub(super) fn int64_list(&mut self, list: &[i64]) {
        self.list_levels(list.len());
        if let Values::Int64(values) = &mut self.values {
            values.extend_from_slice(list);
        }
    }

    /// As [`Self::int64_list`].
    pub(super) fn double_list(&mut self, list: &[f64]) {
        self.list_levels(list.len());
        if let Values::Double(values) = &mut self.values {
            values.extend_from_slice(list);
        }
    }

    fn levels(&mut self, rep: i16, def: i16, count: usize) {
        if self.max_levels.0 > 0 {
            self.def.resize(self.def.len() + count, def);
        }
        if self.max_levels.1 > 0 {
            self.rep.resize(self.rep.len() + count, rep);
        }
    }

    fn list_levels(&mut self, count: usize) {
        let start = self.rep.len();
        self.levels(1, i16::from(self.max_levels.0), count);
        if let Some(first) = self.rep.get_mut(start) {
            *first = 0;
        }
    }

    fn pending(&self) -> usize {
        let values = match &self.values {
            Values::Int32(values) => values.len(),
            Values::Int64(values) => values.len(),
            Values::Double(values) => values.len(),
            Values::Text(values) => values.len(),
        };
        values.max(self.def.len()).max(self.rep.len())
    }

    /// Hands whole rows to the encoder once there are enough of them to be worth a call.
    pub(super) fn row_done(&mut self) -> Result<(), BlockError> {
        if self.pending() >= WRITE_BATCH || self.pending_bytes >= 1 << 20 { self.encode() } else { Ok(()) }
    }

    fn encode(&mut self) -> Result<(), BlockError> {
        let def = (self.max_levels.0 > 0).then_some(self.def.as_slice());
        let rep = (self.max_levels.1 > 0).then_some(self.rep.as_slice());
        match (&mut self.writer, &mut self.values) {
            (ColumnWriter::Int32ColumnWriter(writer), Values::Int32(values)) => {
                writer.write_batch(values, def, rep).map_err(BlockError::write)?;
                values.clear();
            }
            (ColumnWriter::Int64ColumnWriter(writer), Values::Int64(values)) => {
                writer.write_batch(values, def, rep).map_err(BlockError::write)?;
                values.clear();
            }
            (ColumnWriter::DoubleColumnWriter(writer), Values::Double(values)) => {
                writer.write_batch(values, def, rep).map_err(BlockError::write)?;
                values.clear();
            }
            (ColumnWriter::ByteArrayColumnWriter(writer), Values::Text(values)) => {
                writer.write_batch(values, def, rep).map_err(BlockError::write)?;
                values.clear();
            }
            _ => return Err(BlockError::Write(format!("column {:?} has another type", self.column))),
        }
        self.def.clear();
        self.rep.clear();
        self.pending_bytes = 0;
        Ok(())
    }

    /// Encoded bytes so far.
    pub(super) fn encoded_bytes(&self) -> usize {
        self.pages.bytes()
    }

    /// Ends the column: its pages and what the footer says of them.
    pub(super) fn close(mut self) -> Result<(Bytes, ColumnCloseResult), BlockError> {
        if self.pending() > 0 {
            self.encode()?;
        }
        let mut close = self.writer.close().map_err(BlockError::write)?;
        close.metadata = self.pages.describe(close.metadata).map_err(BlockError::write)?;
        Ok((self.pages.take(), close))
    }
}
