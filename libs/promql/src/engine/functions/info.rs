//! `info`: adds the labels of info metrics to other series.

use crate::{
    ast::Call,
    engine::{
        column::{Column, Steps},
        eval::{Evaluated, Evaluator},
    },
    error::EvalError,
};

/// `info(v, {selector})`
pub(super) async fn info(_: &mut Evaluator<'_>, _: &Call, _: Steps) -> Evaluated<Vec<Column>> {
    Err(EvalError::Execution("function \"info\" is not supported".into()))
}
