//! Columns with a list of numbers per row, and with a list of such lists.

use super::{Body, scalars::Number};
use crate::{error::Damage, schema::Column};

/// Where rows begin, counted in elements, and which elements are null.
struct Shape {
    offsets: Vec<u32>,
    nulls: Vec<u32>,
}

/// A list per row. A null row looks like an empty one.
pub(crate) struct ListPage<T> {
    offsets: Vec<u32>,
    /// Elements that are null, ascending; they have no place in `values`.
    nulls: Vec<u32>,
    values: Vec<T>,
}

impl<T: Number> ListPage<T> {
    pub(crate) fn decode(body: &Body, column: Column) -> Result<Self, Damage> {
        let max_def = column.levels().0;
        // In a list of optional elements, or of optional fields, the level below the largest is an element that is null.
        let element = if max_def > 1 { max_def - 1 } else { 1 };
        let Shape { offsets, nulls } = shape(body, element, max_def)?;
        let elements = offsets.last().copied().unwrap_or_default() as usize;
        let values = T::decode(body, column, elements - nulls.len())?;
        Ok(Self { offsets, nulls, values })
    }

    pub(crate) fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The elements of a row: all of them, or with nulls between.
    pub(crate) fn row(&self, row: usize) -> Elements<'_, T> {
        let (start, end) = bounds(&self.offsets, row);
        let nulls_before = self.nulls.partition_point(|null| (*null as usize) < start);
        let nulls_to_end = self.nulls.partition_point(|null| (*null as usize) < end);
        Elements {
            start,
            values: &self.values[start - nulls_before..end - nulls_to_end],
            nulls: &self.nulls[nulls_before..nulls_to_end],
        }
    }
}

/// A row's elements.
pub(crate) struct Elements<'a, T> {
    start: usize,
    values: &'a [T],
    nulls: &'a [u32],
}

impl<'a, T: Copy> Elements<'a, T> {
    pub(crate) fn len(&self) -> usize {
        self.values.len() + self.nulls.len()
    }

    /// All elements, if none is null.
    pub(crate) fn dense(&self) -> Option<&'a [T]> {
        self.nulls.is_empty().then_some(self.values)
    }

    /// The elements in order, null as `None`.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<T>> + use<'a, T> {
        let start = self.start;
        let mut nulls = self.nulls.iter().map(move |null| *null as usize - start).peekable();
        let mut values = self.values.iter();
        (0..self.len()).map(
            move |at| {
                if nulls.next_if_eq(&at).is_some() { None } else { values.next().copied() }
            },
        )
    }
}

fn bounds(offsets: &[u32], row: usize) -> (usize, usize) {
    match offsets.get(row..row + 2) {
        Some(pair) => (pair[0] as usize, pair[1] as usize),
        None => (0, 0),
    }
}

fn no_row() -> Damage {
    Damage::new("a list page does not begin with a row")
}

/// Rows and elements from the levels: `element` is the level from which on there is an element, `max_def` that of a value.
fn shape(body: &Body, element: u8, max_def: u8) -> Result<Shape, Damage> {
    // Almost every page has values only, and then rows begin where a repetition level is 0.
    if body.def.all_largest()? {
        let mut offsets = body.rep.zeros()?;
        if offsets.first().copied().unwrap_or(0) != 0 || (offsets.is_empty() && body.count > 0) {
            return Err(no_row());
        }
        offsets.push(body.count as u32);
        return Ok(Shape { offsets, nulls: Vec::new() });
    }
    let (rep, def) = levels(body)?;
    let (mut offsets, mut nulls, mut elements) = (Vec::new(), Vec::new(), 0u32);
    for (rep, def) in rep.into_iter().zip(def) {
        if rep == 0 {
            offsets.push(elements);
        }
        if def >= element {
            if def < max_def {
                nulls.push(elements);
            }
            elements += 1;
        }
    }
    offsets.push(elements);
    Ok(Shape { offsets, nulls })
}

/// Repetition and definition levels of a list page, which begins with a row.
pub(super) fn levels(body: &Body) -> Result<(Vec<u8>, Vec<u8>), Damage> {
    let (rep, def) = (body.rep.each()?, body.def.each()?);
    if rep.first().is_some_and(|rep| *rep != 0) { Err(no_row()) } else { Ok((rep, def)) }
}

/// A list of lists per row: the fields of a histogram that are lists.
pub(crate) struct NestedPage<T> {
    /// Where rows begin, counted in inner lists.
    rows: Vec<u32>,
    /// Where inner lists begin, counted in values.
    lists: Vec<u32>,
    values: Vec<T>,
}

impl<T: Number> NestedPage<T> {
    pub(crate) fn decode(body: &Body, column: Column) -> Result<Self, Damage> {
        let max_def = column.levels().0;
        let (rep, def) = levels(body)?;
        let (mut rows, mut lists, mut values) = (Vec::new(), Vec::new(), 0u32);
        for (rep, def) in rep.into_iter().zip(def) {
            if rep == 0 {
                rows.push(lists.len() as u32);
            }
            if def > 0 && rep <= 1 {
                lists.push(values);
            }
            values += u32::from(def == max_def);
        }
        rows.push(lists.len() as u32);
        lists.push(values);
        let values = T::decode(body, column, values as usize)?;
        Ok(Self { rows, lists, values })
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len() - 1
    }

    /// The inner lists of a row.
    pub(crate) fn row(&self, row: usize) -> impl ExactSizeIterator<Item = &[T]> {
        let (start, end) = bounds(&self.rows, row);
        (start..end).map(|list| {
            let (start, end) = bounds(&self.lists, list);
            &self.values[start..end]
        })
    }
}
