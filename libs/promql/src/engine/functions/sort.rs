//! Sorting. It has an effect on instant queries only: range queries are always ordered by labels.

use std::cmp::Ordering;

use super::labels::text;
use crate::{
    ast::Call,
    engine::{
        column::{Column, Steps},
        eval::{Evaluated, Evaluator},
        finish::compare_by_name,
    },
    error::PositionRange,
};

/// `sort`, `sort_desc`, `sort_by_label` and `sort_by_label_desc`.
pub(super) async fn sort(
    evaluator: &mut Evaluator<'_>,
    call: &Call,
    position: PositionRange,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    let mut columns = evaluator.vector(&call.args[0], steps).await?;
    let descending = call.function.ends_with("_desc");
    let by_value = matches!(call.function, "sort" | "sort_desc");
    if by_value {
        for column in &mut columns {
            for at in 0..column.len() {
                if column.float(at).is_none() {
                    column.clear(at);
                }
            }
        }
        columns.retain(|column| !column.is_empty());
    }
    if steps.count > 1 {
        evaluator.notes.sort_in_range(position);
        return Ok(columns);
    }
    if by_value {
        columns.sort_by(|a, b| compare_values(a.float(0), b.float(0), descending));
    } else {
        let names: Vec<&str> = call.args[1..].iter().map(text).collect();
        columns.sort_by(|a, b| {
            let order = compare_labels(a, b, &names);
            if descending { order.reverse() } else { order }
        });
    }
    Ok(columns)
}

/// NaN comes last whichever the direction.
pub(in crate::engine) fn compare_values(a: Option<f64>, b: Option<f64>, descending: bool) -> Ordering {
    let (a, b) = (a.unwrap_or(f64::NAN), b.unwrap_or(f64::NAN));
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) if descending => b.partial_cmp(&a).unwrap_or(Ordering::Equal),
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
    }
}

fn compare_labels(a: &Column, b: &Column, names: &[&str]) -> Ordering {
    for name in names {
        let (a, b) = (a.labels.get(name).unwrap_or_default(), b.labels.get(name).unwrap_or_default());
        if a != b {
            return natural(a, b);
        }
    }
    compare_by_name(&a.labels, &b.labels)
}

/// Runs of digits compare as numbers, the rest as bytes.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while let (Some(first_a), Some(first_b)) = (a.first(), b.first()) {
        if first_a.is_ascii_digit() && first_b.is_ascii_digit() {
            let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (run_a, rest_a) = a.split_at(digits(a));
            let (run_b, rest_b) = b.split_at(digits(b));
            let strip =
                |run: &[u8]| run.iter().skip_while(|byte| **byte == b'0').copied().collect::<Vec<u8>>();
            let (number_a, number_b) = (strip(run_a), strip(run_b));
            let order = number_a
                .len()
                .cmp(&number_b.len())
                .then(number_a.cmp(&number_b))
                .then(run_a.len().cmp(&run_b.len()));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (rest_a, rest_b);
        } else if first_a != first_b {
            return first_a.cmp(first_b);
        } else {
            (a, b) = (&a[1..], &b[1..]);
        }
    }
    a.len().cmp(&b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_compare_as_numbers() {
        for (less, greater) in [("a2", "a10"), ("1", "2"), ("a", "b"), ("cpu9x", "cpu10"), ("", "a")] {
            assert_eq!(natural(less, greater), Ordering::Less, "{less} < {greater}");
            assert_eq!(natural(greater, less), Ordering::Greater);
        }
    }
}
