//! The repeated `match[]` parameter.

use narthex_model::Matcher;
use narthex_promql::parse_selector;

use super::params::Params;

/// All selectors, as alternatives. Each must hold at least one matcher that the empty value does not satisfy. Errors are
/// Prometheus's texts, which callers wrap as its handlers do.
pub(crate) fn parse(params: &Params) -> Result<Vec<Vec<Matcher>>, String> {
    params.all("match[]").map(parse_one).collect()
}

fn parse_one(text: &str) -> Result<Vec<Matcher>, String> {
    let matchers = parse_selector(text).map_err(|error| error.to_string())?;
    if matchers.iter().all(Matcher::matches_empty) {
        return Err("match[] must contain at least one non-empty matcher".into());
    }
    Ok(matchers)
}
