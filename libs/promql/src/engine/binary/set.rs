//! `and`, `or` and `unless`.

use super::matching::signature;
use crate::{
    ast::{BinaryOp, VectorMatching},
    engine::{
        column::{Column, Steps},
        eval::{Evaluated, Evaluator},
        finish::merge_same,
    },
};

use std::collections::HashMap;

use narthex_model::Labels;

/// At which steps any series of a signature is present.
type Presence = HashMap<Labels, Vec<bool>>;

fn presence(columns: &[Column], matching: &VectorMatching, steps: Steps) -> Presence {
    let mut presence = Presence::new();
    for column in columns {
        let rows =
            presence.entry(signature(&column.labels, matching)).or_insert_with(|| vec![false; steps.count]);
        for (at, row) in rows.iter_mut().enumerate() {
            *row |= column.has(at);
        }
    }
    presence
}

/// Clears rows whose signature is (or is not) present on the other side.
fn filter(columns: &mut Vec<Column>, matching: &VectorMatching, other: &Presence, wanted: bool) {
    for column in columns.iter_mut() {
        let rows = other.get(&signature(&column.labels, matching));
        for at in 0..column.len() {
            if rows.is_some_and(|rows| rows[at]) != wanted {
                column.clear(at);
            }
        }
    }
    columns.retain(|column| !column.is_empty());
}

/// The value of a set operator.
pub(super) async fn eval(
    evaluator: &mut Evaluator<'_>,
    op: BinaryOp,
    matching: &VectorMatching,
    mut left: Vec<Column>,
    mut right: Vec<Column>,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    evaluator.tick((left.len() + right.len()) * steps.count).await?;
    match op {
        BinaryOp::Or => {
            let taken = presence(&left, matching, steps);
            filter(&mut right, matching, &taken, false);
            left.append(&mut right);
            merge_same(left)
        }
        _ => {
            let present = presence(&right, matching, steps);
            filter(&mut left, matching, &present, op == BinaryOp::And);
            Ok(left)
        }
    }
}
