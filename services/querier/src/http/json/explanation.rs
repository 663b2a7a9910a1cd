//! The plan of a query: named reads and fragments, the tree of operations that refers to them, and all of it as a text.

use narthex_model::TimeRange;
use narthex_promql::{Explanation, PlannedFragment, PlannedNode, PlannedRead, PlannedSteps, PushDown};
use serde_json::{Map, Value, json};

/// The member `explanation` of a query whose memory is bounded.
pub(crate) fn explanation(plan: &Explanation, memory_bytes: u64) -> Value {
    json!({
        "steps": steps(&plan.steps),
        "limits": {"memoryBytes": memory_bytes, "samples": plan.max_samples},
        "plan": node(&plan.root),
        "fragments": plan.fragments.iter().enumerate().map(fragment).collect::<Vec<_>>(),
        "reads": plan.reads.iter().enumerate().map(read).collect::<Vec<_>>(),
        "text": plan.to_string(),
    })
}

fn steps(steps: &PlannedSteps) -> Value {
    let PlannedSteps { first_ms, last_ms, step_ms, count } = steps;
    json!({"firstMs": first_ms, "lastMs": last_ms, "stepMs": step_ms, "count": count})
}

fn read_name(at: usize) -> String {
    format!("read {at}")
}

fn fragment_name(at: usize) -> String {
    format!("fragment {at}")
}

fn fragment((at, fragment): (usize, &PlannedFragment)) -> Value {
    let PlannedFragment { expr, range: TimeRange { min, max }, used, otherwise } = fragment;
    let otherwise: Vec<String> = otherwise.iter().copied().map(read_name).collect();
    json!({
        "name": fragment_name(at),
        "expr": expr,
        "minMs": min.0,
        "maxMs": max.0,
        "used": used,
        "ifRefused": otherwise,
    })
}

fn read((at, read): (usize, &PlannedRead)) -> Value {
    let PlannedRead { selector, range: TimeRange { min, max }, used, only_if_refused } = read;
    json!({
        "name": read_name(at),
        "selector": selector,
        "minMs": min.0,
        "maxMs": max.0,
        "used": used,
        "onlyIfRefused": only_if_refused,
    })
}

fn node(planned: &PlannedNode) -> Value {
    let PlannedNode { name, expr, steps: own, once, read, pushed_down, children } = planned;
    let mut members = Map::from_iter([
        ("name".to_owned(), json!(name)),
        ("expr".to_owned(), json!(expr)),
        ("once".to_owned(), json!(once)),
    ]);
    if let Some(own) = own {
        members.insert("steps".into(), steps(own));
    }
    if let Some(at) = read {
        members.insert("read".into(), json!(read_name(*at)));
    }
    match pushed_down {
        Some(PushDown::Fragment(at)) => {
            members.insert("fragment".into(), json!(fragment_name(*at)));
        }
        Some(PushDown::No(reason)) => {
            members.insert("notPushedDown".into(), json!(reason));
        }
        None => {}
    }
    if !children.is_empty() {
        members.insert("children".into(), children.iter().map(node).collect());
    }
    Value::Object(members)
}
