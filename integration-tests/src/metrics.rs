//! Reading a process's own metrics in the text format.

use anyhow::{Context, Result, ensure};

use crate::http::Http;

/// The sum of a metric's samples, whatever their labels; `None` when there is none of that name.
pub async fn metric(http: &Http, base: &str, name: &str) -> Result<Option<f64>> {
    let reply = http.get(&format!("{base}/metrics")).await?;
    ensure!(reply.status == 200, "{base}/metrics answered {reply}");
    sum(&reply.text(), name)
}

fn sum(exposition: &str, name: &str) -> Result<Option<f64>> {
    let mut sum = None;
    for line in exposition.lines() {
        let Some(rest) = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' '])) else {
            continue;
        };
        // The value follows the labels, in which a brace may only stand within quotes.
        let value = rest.rsplit_once('}').map_or(rest, |(_, value)| value).split_whitespace().next();
        let value: f64 =
            value.and_then(|value| value.parse().ok()).with_context(|| format!("unreadable: {line}"))?;
        *sum.get_or_insert(0.0) += value;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_one_name_are_added_and_longer_names_left_alone() {
        let text =
            "# HELP a_total x\na_total{reason=\"x y}\"} 2\na_total{reason=\"z\"} 3\na_total_b 9\nb 1\n";
        assert_eq!(sum(text, "a_total").unwrap(), Some(5.0));
        assert_eq!(sum(text, "b").unwrap(), Some(1.0));
        assert_eq!(sum(text, "c").unwrap(), None);
    }
}
