//! Our parser against another one: what we print must mean to it what the original text does.

mod common;

use proptest::prelude::*;

proptest! {
    #[test]
    fn printed_queries_mean_the_same(query in common::vector()) {
        let ours = narthex_promql::parse(&query).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let original = promql_parser::parser::parse(&query).map_err(TestCaseError::fail)?;
        let printed = promql_parser::parser::parse(&ours.to_string()).map_err(TestCaseError::fail)?;
        prop_assert_eq!(original, printed, "printed as {}", ours);
    }
}
