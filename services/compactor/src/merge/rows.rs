//! The rows of all inputs in the order of the output; those of one series and window come as one.

use std::{cmp::Reverse, collections::BinaryHeap, mem};

use narthex_block::OwnedSamples;
use narthex_model::{Labels, Window};

use super::{
    MergeError,
    input::{Input, Row},
};

/// All inputs, and the next row of each.
#[derive(Debug)]
pub(super) struct Rows {
    inputs: Vec<Input>,
    next: Vec<Option<Row>>,
    /// Where the next rows belong, and the inputs that they are of.
    order: BinaryHeap<Reverse<(Labels, Window, usize)>>,
}

impl Rows {
    /// Waits for the first row of every input; all of them are reading already.
    pub(super) async fn begin(inputs: Vec<Input>) -> Result<Self, MergeError> {
        let next = inputs.iter().map(|_| None).collect();
        let mut rows = Self { inputs, next, order: BinaryHeap::new() };
        for input in 0..rows.inputs.len() {
            rows.advance(input).await?;
        }
        Ok(rows)
    }

    /// The next series and window, with the samples that all inputs have of it.
    pub(super) async fn next(&mut self) -> Result<Option<Row>, MergeError> {
        let Some(mut row) = self.take().await? else { return Ok(None) };
        let mut parts = vec![mem::take(&mut row.samples)];
        while let Some(Reverse((labels, window, _))) = self.order.peek()
            && (labels, window) == (&row.labels, &row.window)
            && let Some(part) = self.take().await?
        {
            parts.push(part.samples);
        }
        row.samples = OwnedSamples::merged(parts);
        Ok(Some(row))
    }

    /// Samples that were taken of each input.
    pub(super) fn taken(&self) -> impl Iterator<Item = u64> {
        self.inputs.iter().map(Input::samples)
    }

    async fn take(&mut self) -> Result<Option<Row>, MergeError> {
        let Some(Reverse((.., input))) = self.order.pop() else { return Ok(None) };
        let row = self.next[input].take();
        self.advance(input).await?;
        Ok(row)
    }

    async fn advance(&mut self, input: usize) -> Result<(), MergeError> {
        if let Some(row) = self.inputs[input].next().await? {
            self.order.push(Reverse((row.labels.clone(), row.window, input)));
            self.next[input] = Some(row);
        }
        Ok(())
    }
}
