//! The repeated `match[]` parameter.

use narthex_model::Matcher;
use narthex_promql::parse_selector;

use super::params::Params;

/// All selectors, as alternatives. Each must hold at least one matcher that the empty value does not satisfy. Errors are
/// Prometheus's texts, which callers wrap as its handlers do.
pub(crate) fn parse(params: &Params) -> Result<Vec<Vec<Matcher>>, String> {
    params.all("match[]").map(parse_one).collect()
}

const ALL_MATCH_EMPTY: &str = "match[] must contain at least one non-empty matcher";

fn parse_one(text: &str) -> Result<Vec<Matcher>, String> {
    match parse_selector(text) {
        Ok(matchers) if matchers.iter().all(Matcher::matches_empty) => Err(ALL_MATCH_EMPTY.into()),
        Ok(matchers) => Ok(matchers),
        // Prometheus says this after parsing, so without a place in the text.
        Err(error) if error.message == ALL_MATCH_EMPTY => Err(error.message),
        Err(error) => Err(error.to_string()),
    }
}
