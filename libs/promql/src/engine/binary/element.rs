//! One operator on two samples.

use std::sync::Arc;

use narthex_model::CounterResetHint;

use crate::{
    ast::BinaryOp,
    engine::{
        column::{Sample, SampleRef},
        notes::Notes,
    },
    error::PositionRange,
    histogram::{FloatHistogram, Incompatible, Merged},
};

/// Arithmetic or comparison (as 0 or 1) of two numbers.
pub(super) fn scalars(op: BinaryOp, left: f64, right: f64) -> f64 {
    match compare(op, left, right) {
        Some(holds) => f64::from(u8::from(holds)),
        None => arithmetic(op, left, right),
    }
}

fn compare(op: BinaryOp, left: f64, right: f64) -> Option<bool> {
    Some(match op {
        BinaryOp::Equal => left == right,
        BinaryOp::NotEqual => left != right,
        BinaryOp::Greater => left > right,
        BinaryOp::Less => left < right,
        BinaryOp::GreaterEqual => left >= right,
        BinaryOp::LessEqual => left <= right,
        _ => return None,
    })
}

fn arithmetic(op: BinaryOp, left: f64, right: f64) -> f64 {
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div => left / right,
        BinaryOp::Mod => left % right,
        BinaryOp::Pow => left.powf(right),
        BinaryOp::Atan2 => left.atan2(right),
        _ => f64::NAN,
    }
}

/// What came of two samples: a value, and whether a comparison keeps it. None if they cannot meet.
pub(super) type Outcome = Option<(Sample, bool)>;

/// Where notes go.
pub(super) struct Place<'a> {
    pub(super) notes: &'a mut Notes,
    pub(super) position: PositionRange,
}

/// The operator on two samples of vectors.
pub(super) fn samples(
    op: BinaryOp,
    left: SampleRef<'_>,
    right: SampleRef<'_>,
    place: &mut Place<'_>,
) -> Outcome {
    let kept = |histogram: FloatHistogram| Some((Sample::Histogram(Arc::new(histogram)), true));
    match (left, right) {
        (SampleRef::Float(l), SampleRef::Float(r)) => {
            if matches!(op, BinaryOp::TrimLower | BinaryOp::TrimUpper) {
                return incompatible(op, "float", "float", place);
            }
            match compare(op, l, r) {
                Some(holds) => Some((Sample::Float(l), holds)),
                None => Some((Sample::Float(arithmetic(op, l, r)), true)),
            }
        }
        (SampleRef::Float(l), SampleRef::Histogram(r)) => match op {
            BinaryOp::Mul => kept(FloatHistogram::clone(r).scale(l).compact()),
            _ => incompatible(op, "float", "histogram", place),
        },
        (SampleRef::Histogram(l), SampleRef::Float(r)) => {
            let histogram = || FloatHistogram::clone(l);
            match op {
                BinaryOp::Mul => kept(histogram().scale(r).compact()),
                BinaryOp::Div => kept(histogram().divide(r).compact()),
                BinaryOp::TrimUpper => kept(histogram().trim(r, true)),
                BinaryOp::TrimLower => kept(histogram().trim(r, false)),
                _ => incompatible(op, "histogram", "float", place),
            }
        }
        (SampleRef::Histogram(l), SampleRef::Histogram(r)) => match op {
            BinaryOp::Add | BinaryOp::Sub => combine(op, l, r, place).and_then(kept),
            BinaryOp::Equal => Some((left.to_owned(), l.same(r))),
            BinaryOp::NotEqual => Some((left.to_owned(), !l.same(r))),
            _ => incompatible(op, "histogram", "histogram", place),
        },
    }
}

fn incompatible(op: BinaryOp, left: &str, right: &str, place: &mut Place<'_>) -> Outcome {
    place.notes.incompatible_types(left, op.as_str(), right, place.position);
    None
}

fn combine(
    op: BinaryOp,
    left: &FloatHistogram,
    right: &FloatHistogram,
    place: &mut Place<'_>,
) -> Option<FloatHistogram> {
    let mut result = left.clone();
    let (merged, operation) = match op {
        BinaryOp::Add => (result.add(right), "addition"),
        _ => (result.sub(right), "subtraction"),
    };
    match merged {
        Ok(Merged { reset_collision, bounds_reconciled }) => {
            if reset_collision {
                // Prometheus leaves the result out.
                place.notes.reset_collision(operation, place.position);
                return None;
            }
            if bounds_reconciled {
                place.notes.bounds_reconciled(operation, place.position);
            }
        }
        Err(Incompatible) => {
            place.notes.incompatible_operator(op.as_str(), place.position);
            return None;
        }
    }
    if op == BinaryOp::Sub {
        result.hint = CounterResetHint::Gauge;
    }
    Some(result.compact())
}
