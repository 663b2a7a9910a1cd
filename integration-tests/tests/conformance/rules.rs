//! Differences that the age of the reference explains.

use narthex_integration_tests::tally::Rule;

/// Every rule.
pub(crate) const RULES: &[Rule] = &[];
