//! The steps of a query evaluated stretch by stretch: what the parts note adds up to what the whole notes.

use narthex_model::TimestampMs;
use narthex_promql::{Annotations, Control, Engine, Notes, QueryResult, parse, promqltest};

const MINUTE: i64 = 60_000;

const SCRIPT: &str = "load 1m
  gauge{job=\"a\"} 1 2 1 2 1 2 1 2 1 2 1
  gauge{job=\"b\"} _ _ _ _ _ _ 1 2 1 2 1
  h_bucket{le=\"1\"} 0+5x10
  h_bucket{le=\"2\"} 0+4x10
  h_bucket{le=\"+Inf\"} 0+9x10
";

/// Minutes from the first to the last, of a query from 0 to 10.
async fn stretch(query: &str, first: i64, last: i64) -> (QueryResult, Notes) {
    let source = promqltest::load(SCRIPT).expect("a script");
    let at = |minute: i64| TimestampMs(minute * MINUTE);
    let expr = Engine::resolve(&parse(query).expect(query), at(0), at(10), MINUTE).expect(query);
    let engine = Engine::default();
    engine.stretch(&source, &expr, at(first), at(last), MINUTE, &Control::default()).await.expect(query)
}

async fn in_two(query: &str, last_of_first: i64) -> Option<Annotations> {
    let (mut notes, others) =
        (stretch(query, 0, last_of_first).await.1, stretch(query, last_of_first + 1, 10).await.1);
    notes.join(&others).then(|| notes.finish())
}

#[tokio::test]
async fn notes_of_stretches_are_those_of_the_whole() {
    for query in
        ["rate(gauge[3m])", "histogram_quantile(0.9, h_bucket)", "rate(gauge[3m] @ end())", "sort(gauge)"]
    {
        let (whole, notes) = stretch(query, 0, 10).await;
        let whole = whole.annotations;
        assert!(whole != Annotations::default(), "{query} notes something");
        assert_eq!(notes.count_samples(), query.starts_with("histogram"), "{query}");
        for cut in 1..9 {
            assert_eq!(in_two(query, cut).await.as_ref(), Some(&whole), "{query} cut after {cut}");
        }
    }
}

#[tokio::test]
async fn where_a_note_stands_elsewhere_nothing_is_guessed() {
    // The longer window finds two samples earlier, so only the other place is known at first.
    let query = "rate(gauge[5m]) + on (job) group_left () rate(gauge{job=\"a\"}[2m])";
    let whole = stretch(query, 0, 10).await.0.annotations;
    for cut in 0..9 {
        let joined = in_two(query, cut).await;
        assert!(joined.is_none() || joined.as_ref() == Some(&whole), "cut after {cut}: {joined:?}");
    }
    let places = "rate(gauge{job=\"b\"}[5m]) or rate(gauge{job=\"a\"}[2m] offset 6m)";
    let (mut early, late) = (stretch(places, 0, 9).await.1, stretch(places, 10, 10).await.1);
    let before = early.clone().finish();
    if !early.join(&late) {
        assert_eq!(early.finish(), before, "what does not fit changes nothing");
    }
}

#[tokio::test]
async fn a_resolved_query_means_the_same_for_each_of_its_steps() {
    let whole = stretch("gauge @ end() * range() + end()", 0, 10).await.0;
    let part = stretch("gauge @ end() * range() + end()", 4, 4).await.0;
    let text = |result: &QueryResult| format!("{:?}", result.value);
    assert!(text(&whole).contains("(240000, 1200.0)"), "{}", text(&whole));
    assert!(text(&part).contains("[(240000, 1200.0)]"), "{}", text(&part));
}
