//! Fragments as messages.

use narthex_model::Matcher;
use narthex_promql::{Fragment, Places, PositionRange, RangeCall, ast::AggregateOp, signature};
use narthex_rpc::v1;

/// The most steps that a fragment may have; queries have at most 11,000, subqueries more.
const MOST_STEPS: u32 = 1_000_000;

/// A message that is no fragment of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// There is no such aggregation.
    #[error("unknown aggregation {0:?}")]
    Aggregation(String),
    /// There is no such function.
    #[error("unknown function {0:?}")]
    Function(String),
    /// No time to evaluate at, or far too many.
    #[error("{0} steps of {1} ms")]
    Steps(u32, i64),
}

/// A fragment as a message; its matchers travel beside it.
pub fn fragment_message(fragment: &Fragment) -> v1::Fragment {
    let Places { aggregation, aggregated, argument } = fragment.places;
    let function = fragment.function.as_ref();
    v1::Fragment {
        start_ms: fragment.start_ms,
        step_ms: fragment.step_ms,
        steps: u32::try_from(fragment.steps).unwrap_or(u32::MAX),
        offset_ms: fragment.offset_ms,
        at_ms: fragment.at_ms,
        lookback_ms: fragment.lookback_ms,
        function: function.map_or_else(String::new, |call| call.name.to_owned()),
        range_ms: function.map_or(0, |call| call.range_ms),
        scalars: function.map_or_else(Vec::new, |call| call.scalars.clone()),
        op: fragment.op.as_str().to_owned(),
        param: fragment.param,
        grouping: fragment.grouping.clone(),
        without: fragment.without,
        totals_only: fragment.totals_only,
        per_step_stats: fragment.per_step_stats,
        places: [aggregation, aggregated, argument].iter().flat_map(|at| [at.line, at.column]).collect(),
    }
}

/// The fragment of a message.
pub fn parse_fragment(message: v1::Fragment, matchers: Vec<Matcher>) -> Result<Fragment, MessageError> {
    let op = AggregateOp::from_text(&message.op).ok_or(MessageError::Aggregation(message.op))?;
    if message.steps == 0 || message.steps > MOST_STEPS || message.step_ms <= 0 {
        return Err(MessageError::Steps(message.steps, message.step_ms));
    }
    let function = match message.function.as_str() {
        "" => None,
        name => {
            let known = signature(name).ok_or_else(|| MessageError::Function(name.to_owned()))?;
            Some(RangeCall { name: known.name, range_ms: message.range_ms, scalars: message.scalars })
        }
    };
    let place = |at: usize| {
        let number = |at: usize| message.places.get(at).copied().unwrap_or(1);
        PositionRange { line: number(2 * at), column: number(2 * at + 1), ..PositionRange::default() }
    };
    Ok(Fragment {
        matchers,
        start_ms: message.start_ms,
        step_ms: message.step_ms,
        steps: message.steps as usize,
        offset_ms: message.offset_ms,
        at_ms: message.at_ms,
        lookback_ms: message.lookback_ms,
        function,
        op,
        param: message.param,
        grouping: message.grouping,
        without: message.without,
        totals_only: message.totals_only,
        per_step_stats: message.per_step_stats,
        places: Places { aggregation: place(0), aggregated: place(1), argument: place(2) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> v1::Fragment {
        v1::Fragment {
            start_ms: 1,
            step_ms: 15,
            steps: 3,
            offset_ms: -5,
            at_ms: Some(7),
            lookback_ms: 9,
            function: "quantile_over_time".into(),
            range_ms: 300,
            scalars: vec![0.5],
            op: "topk".into(),
            param: Some(4.0),
            grouping: vec!["job".into()],
            without: true,
            totals_only: true,
            per_step_stats: true,
            places: vec![1, 2, 3, 4, 5, 6],
        }
    }

    #[test]
    fn a_fragment_survives_the_way() {
        let fragment = parse_fragment(message(), Vec::new()).expect("valid");
        assert_eq!(fragment_message(&fragment), message());
    }

    #[test]
    fn what_is_no_fragment_is_refused() {
        let parse = |change: fn(&mut v1::Fragment)| {
            let mut message = message();
            change(&mut message);
            parse_fragment(message, Vec::new()).expect_err("refused").to_string()
        };
        assert_eq!(parse(|m| m.op = "total".into()), "unknown aggregation \"total\"");
        assert_eq!(parse(|m| m.function = "eval".into()), "unknown function \"eval\"");
        assert_eq!(parse(|m| m.steps = u32::MAX), "4294967295 steps of 15 ms");
        assert_eq!(parse(|m| m.step_ms = 0), "3 steps of 0 ms");
    }
}
