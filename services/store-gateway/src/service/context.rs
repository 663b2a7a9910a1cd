//! What every call begins with: whose blocks, which, over what time. Bytes from outside: what is no block is refused.

use std::collections::HashSet;

use narthex_model::{BlockId, MatchOp, Matcher, TimeRange, TimestampMs, WorkspaceId};
use narthex_rpc::v1::{BlockRef, LabelMatcher, LabelMatchers, ReadContext, label_matcher::Op};
use tonic::Status;

use crate::blocks::AskedBlock;

/// No footer is longer; more is not read into memory.
const MAX_FOOTER_BYTES: u32 = 256 << 20;

/// A read of blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) workspace: WorkspaceId,
    pub(super) range: TimeRange,
    /// Each once.
    pub(super) blocks: Vec<AskedBlock>,
}

impl Asked {
    pub(super) fn parse(context: Option<ReadContext>) -> Result<Self, Status> {
        let context = context.ok_or_else(|| Status::invalid_argument("the read context is missing"))?;
        let workspace = WorkspaceId::from_slice(&context.workspace)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let mut known = HashSet::new();
        let mut blocks = Vec::with_capacity(context.blocks.len());
        for block in &context.blocks {
            let block = parse_block(workspace, block)?;
            if known.insert(block.id) {
                blocks.push(block);
            }
        }
        let range = TimeRange { min: TimestampMs(context.min_ms), max: TimestampMs(context.max_ms) };
        Ok(Self { workspace, range, blocks })
    }
}

fn parse_block(workspace: WorkspaceId, block: &BlockRef) -> Result<AskedBlock, Status> {
    let id: [u8; 16] =
        block.id[..].try_into().map_err(|_| Status::invalid_argument("a block's id is not 16 bytes"))?;
    let id = BlockId::from_u128(u128::from_be_bytes(id));
    let BlockRef { bytes, footer_bytes, .. } = *block;
    if footer_bytes == 0 || footer_bytes > MAX_FOOTER_BYTES || u64::from(footer_bytes) > bytes {
        let text = format!("block {id}: {bytes} bytes with a footer of {footer_bytes} cannot be");
        return Err(Status::invalid_argument(text));
    }
    Ok(AskedBlock { workspace, id, bytes, footer_bytes: footer_bytes.into() })
}

/// The matchers of a request; a pattern that does not compile is the caller's fault.
pub(super) fn matchers(matchers: &[LabelMatcher]) -> Result<Vec<Matcher>, Status> {
    let one = |matcher: &LabelMatcher| {
        let op = match matcher.op() {
            Op::Equal => MatchOp::Equal,
            Op::NotEqual => MatchOp::NotEqual,
            Op::Regex => MatchOp::Regex,
            Op::NotRegex => MatchOp::NotRegex,
        };
        Matcher::new(&matcher.name, op, &matcher.value)
            .map_err(|error| Status::invalid_argument(error.to_string()))
    };
    matchers.iter().map(one).collect()
}

/// Alternative selectors; none means every series.
pub(super) fn alternatives(selectors: &[LabelMatchers]) -> Result<Vec<Vec<Matcher>>, Status> {
    if selectors.is_empty() {
        return Ok(vec![Vec::new()]);
    }
    selectors.iter().map(|selector| matchers(&selector.matchers)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(blocks: Vec<BlockRef>) -> ReadContext {
        ReadContext { workspace: vec![1; 16].into(), blocks, min_ms: 1, max_ms: 2, ..ReadContext::default() }
    }

    fn block(id: usize, bytes: u64, footer_bytes: u32) -> BlockRef {
        BlockRef { id: vec![7; id].into(), bytes, footer_bytes }
    }

    #[test]
    fn a_block_that_is_named_twice_is_read_once() {
        let asked = Asked::parse(Some(context(vec![block(16, 9, 3), block(16, 9, 3)]))).expect("valid");
        assert_eq!(asked.blocks.len(), 1);
        assert_eq!((asked.blocks[0].bytes, asked.blocks[0].footer_bytes), (9, 3));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [block(15, 9, 3), block(16, 9, 0), block(16, 9, 10), block(16, u64::MAX, u32::MAX)] {
            let refused = Asked::parse(Some(context(vec![wrong]))).expect_err("refused");
            assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        }
        let no_workspace = ReadContext { workspace: vec![1; 3].into(), ..context(Vec::new()) };
        assert!(Asked::parse(Some(no_workspace)).is_err() && Asked::parse(None).is_err());
    }

    #[test]
    fn no_selector_is_every_series() {
        assert_eq!(alternatives(&[]).expect("valid").len(), 1);
        let broken = LabelMatcher { name: "a".into(), op: Op::Regex as i32, value: "(".into() };
        assert!(alternatives(&[LabelMatchers { matchers: vec![broken] }]).is_err());
    }
}
