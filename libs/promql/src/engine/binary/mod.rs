//! Operators between two operands.

mod element;
mod matching;
mod one;
mod set;
mod step_notes;

use super::{
    column::{Column, Steps},
    eval::{Evaluated, Evaluator, Value},
};
use crate::{
    ast::{Binary, ValueType, VectorMatching},
    error::{EvalError, PositionRange},
};

/// The value of a binary expression.
pub(super) async fn eval(
    evaluator: &mut Evaluator<'_>,
    node: &Binary,
    position: PositionRange,
    steps: Steps,
) -> Evaluated<Value> {
    match (node.left.value_type(), node.right.value_type()) {
        (ValueType::Scalar, ValueType::Scalar) => {
            let left = evaluator.scalar(&node.left, steps).await?;
            let right = evaluator.scalar(&node.right, steps).await?;
            Ok(Value::Scalar(
                left.into_iter().zip(right).map(|(l, r)| element::scalars(node.op, l, r)).collect(),
            ))
        }
        (ValueType::Vector, ValueType::Scalar) => {
            let columns = evaluator.vector(&node.left, steps).await?;
            let scalar = evaluator.scalar(&node.right, steps).await?;
            Ok(Value::Vector(one::eval(evaluator, node, position, columns, &scalar, false).await?))
        }
        (ValueType::Scalar, ValueType::Vector) => {
            let scalar = evaluator.scalar(&node.left, steps).await?;
            let columns = evaluator.vector(&node.right, steps).await?;
            Ok(Value::Vector(one::eval(evaluator, node, position, columns, &scalar, true).await?))
        }
        (ValueType::Vector, ValueType::Vector) => {
            let left = evaluator.vector(&node.left, steps).await?;
            let right = evaluator.vector(&node.right, steps).await?;
            let default = VectorMatching::default();
            let matching = node.matching.as_ref().unwrap_or(&default);
            let columns: Vec<Column> = if node.op.is_set() {
                set::eval(evaluator, node.op, matching, left, right, steps).await?
            } else {
                matching::eval(evaluator, node, matching, position, left, right, steps).await?
            };
            Ok(Value::Vector(columns))
        }
        (left, right) => Err(EvalError::Internal(format!("operator {} between {left} and {right}", node.op))),
    }
}
