//! Label names, label values and series of a block, from label columns alone.

use std::collections::BTreeSet;

use narthex_model::{Labels, Matcher, TimeRange};

use super::{
    BlockReader, Budget,
    cursor::Cursor,
    fetch::Fetched,
    labels::{LabelsCursor, MapCursor},
    scan::{GroupRows, Scan},
};
use crate::{
    BlockError,
    error::Damage,
    page::{FlatPage, TextPage},
    schema::Column,
};

impl BlockReader {
    /// The names of all labels of matching series that have samples in windows which the range touches.
    pub async fn label_names(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: Budget,
    ) -> Result<BTreeSet<String>, BlockError> {
        let promoted: Vec<String> = self.footer().schema().promoted_labels().map(str::to_owned).collect();
        let mut columns: Vec<Column> = (0..promoted.len()).map(Column::Label).collect();
        columns.extend([Column::MapKey, Column::MapValue]);
        let mut names = BTreeSet::new();
        self.visit(matchers, range, budget, &columns, |group, rows, fetched| {
            for (at, name) in promoted.iter().enumerate() {
                let mut cursor = Cursor::<TextPage>::new(self.footer(), group, Column::Label(at));
                for row in rows {
                    let (page, place) = cursor.at(*row, fetched)?;
                    if page.id(place).is_some() {
                        names.insert(name.clone());
                        break;
                    }
                }
            }
            let mut map = MapCursor::new(self.footer(), group);
            for row in rows {
                for (name, _) in map.row(*row, fetched)? {
                    if !names.contains(name) {
                        names.insert(name.to_owned());
                    }
                }
            }
            Ok(())
        })
        .await?;
        Ok(names)
    }

    /// The values that a label has among matching series that have samples in windows which the range touches. The budget's
    /// series bound the values.
    pub async fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
        budget: Budget,
    ) -> Result<BTreeSet<String>, BlockError> {
        let column = self.footer().label_column(name);
        let columns = column.map_or(vec![Column::MapKey, Column::MapValue], |column| vec![column]);
        let mut values = BTreeSet::new();
        self.visit(matchers, range, budget, &columns, |group, rows, fetched| {
            let mut add = |value: &str| {
                if !values.contains(value) {
                    values.insert(value.to_owned());
                }
            };
            if let Some(column) = column {
                let mut cursor = Cursor::<TextPage>::new(self.footer(), group, column);
                let mut previous = None;
                for row in rows {
                    let (_, place) = cursor.at(*row, fetched)?;
                    let Some((page, number)) = cursor.current() else { continue };
                    let identity = Some(page.identity(place, number));
                    if let (true, Some(id)) = (previous != identity, page.id(place)) {
                        add(page.table.get(id));
                    }
                    previous = identity;
                }
            } else {
                let mut map = MapCursor::new(self.footer(), group);
                for row in rows {
                    map.row(*row, fetched)?.filter(|(key, _)| *key == name).for_each(|(_, value)| add(value));
                }
            }
            Ok(())
        })
        .await?;
        if values.len() as u64 > budget.series {
            return Err(BlockError::Budget {
                path: self.path().clone(),
                what: "values",
                limit: budget.series,
            });
        }
        Ok(values)
    }

    /// The label sets of matching series that have samples in windows which the range touches, in `cmp_series` order.
    pub async fn series(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        mut budget: Budget,
    ) -> Result<Vec<Labels>, BlockError> {
        let mut columns: Vec<Column> =
            (0..self.footer().schema().promoted_labels().count()).map(Column::Label).collect();
        columns.extend([Column::MapKey, Column::MapValue]);
        let mut found: Vec<Labels> = Vec::new();
        let limit = budget.series;
        let mut exceeded = false;
        self.visit(matchers, range, budget, &columns, |group, rows, fetched| {
            let mut cursor = LabelsCursor::new(self.footer(), group);
            for row in rows {
                if exceeded {
                    break;
                }
                let previous = found.last().cloned().unwrap_or_default();
                let labels = cursor.labels(*row, fetched, &previous)?;
                if found.is_empty() || labels != previous {
                    exceeded |= budget.take_series(self.path()).is_err();
                    found.push(labels);
                }
            }
            Ok(())
        })
        .await?;
        if exceeded {
            return Err(BlockError::Budget { path: self.path().clone(), what: "series", limit });
        }
        Ok(found)
    }

    /// Calls `visit` with the matching rows of each row group, whose pages of `columns` are there.
    async fn visit(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: Budget,
        columns: &[Column],
        mut visit: impl FnMut(usize, &[u64], &Fetched) -> Result<(), Damage>,
    ) -> Result<(), BlockError> {
        let mut columns = columns.to_vec();
        columns.extend([Column::MinTime, Column::MaxTime]);
        let mut scan = Scan::run(self, matchers, range, budget, &columns).await?;
        while scan.load_next(&columns).await? {
            for group in &scan.groups {
                let result = touching(self, group, &scan.fetched, range)
                    .and_then(|rows| visit(group.group, &rows, &scan.fetched));
                result.map_err(|damage| damage.at(self.path()))?;
            }
        }
        Ok(())
    }
}

/// The rows of a row group whose times touch the range.
fn touching(
    reader: &BlockReader,
    group: &GroupRows,
    fetched: &Fetched,
    range: TimeRange,
) -> Result<Vec<u64>, Damage> {
    let mut rows = Vec::new();
    let mut min = Cursor::<FlatPage>::new(reader.footer(), group.group, Column::MinTime);
    let mut max = Cursor::<FlatPage>::new(reader.footer(), group.group, Column::MaxTime);
    for row in group.rows.iter() {
        let (page, at) = min.at(row, fetched)?;
        let start = page.get(at);
        let (page, at) = max.at(row, fetched)?;
        let (Some(start), Some(end)) = (start, page.get(at)) else {
            return Err(Damage::new("a row lacks its times"));
        };
        if range.overlaps((start..=end).into()) {
            rows.push(row);
        }
    }
    Ok(rows)
}
