//! Operators between a vector and a scalar.

use super::element::{Place, samples};
use crate::{
    ast::Binary,
    engine::{
        column::{Column, Sample, SampleRef},
        eval::{Evaluated, Evaluator},
    },
    error::PositionRange,
};

/// Applies the operator to every sample and the scalar of its step; `swapped` if the scalar stands on the left.
pub(super) async fn eval(
    evaluator: &mut Evaluator<'_>,
    node: &Binary,
    position: PositionRange,
    mut columns: Vec<Column>,
    scalar: &[f64],
    swapped: bool,
) -> Evaluated<Vec<Column>> {
    for column in &mut columns {
        evaluator.tick(scalar.len()).await?;
        let mut place = Place { notes: &mut evaluator.notes, position };
        for (at, number) in scalar.iter().enumerate() {
            let Some(sample) = column.get(at).map(SampleRef::to_owned) else { continue };
            let vector = borrow(&sample);
            let number = SampleRef::Float(*number);
            let (left, right) = if swapped { (number, vector) } else { (vector, number) };
            let result = match samples(node.op, left, right, &mut place) {
                None => None,
                Some((_, holds)) if node.return_bool => Some(Sample::Float(f64::from(u8::from(holds)))),
                // A filter keeps the vector's value, whichever side it stands on.
                Some((_, true)) if node.op.is_comparison() => Some(sample),
                Some((value, true)) => Some(value),
                Some((_, false)) => None,
            };
            match result {
                Some(value) => column.set(at, value),
                None => column.clear(at),
            }
        }
        column.drop_name |= !node.op.keeps_metric_name() || node.return_bool;
    }
    columns.retain(|column| !column.is_empty());
    Ok(columns)
}

fn borrow(sample: &Sample) -> SampleRef<'_> {
    match sample {
        Sample::Float(value) => SampleRef::Float(*value),
        Sample::Histogram(histogram) => SampleRef::Histogram(histogram),
    }
}
