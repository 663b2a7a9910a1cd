//! The things that the made-up metrics are about, and the label values that they have.
//!
//! There are some entities, and every label has a value for each of them. Values of coarse labels are shared: entities of one
//! node are in one cluster, whatever else they are. So whichever labels two metrics have in common, their series of one entity
//! meet in a join, and the finer label decides the coarser one.

use narthex_promql::ast::VectorSelector;

/// How many entities there are.
pub(crate) const ENTITIES: usize = 12;

const NAMESPACES: [&str; 4] = ["monitoring", "kube-system", "default", "web"];

/// A label's value for an entity.
pub(crate) fn natural(label: &str, entity: usize) -> String {
    match label {
        "cluster" => format!("cluster-{}", entity % 2),
        "namespace" | "exported_namespace" => NAMESPACES[entity % NAMESPACES.len()].to_owned(),
        "node" | "nodename" => format!("node-{}", entity % 4),
        "instance" => format!("10.0.0.{entity}:9100"),
        "workload_type" | "owner_kind" => ["deployment", "statefulset"][entity % 2].to_owned(),
        _ => format!("{label}-{entity}"),
    }
}

/// The name of the metric that a selector asks for, if it is a fixed one.
pub(crate) fn metric_name(selector: &VectorSelector) -> Option<&str> {
    use narthex_model::MatchOp;
    let fixed =
        |matcher: &&narthex_model::Matcher| matcher.name() == "__name__" && matcher.op() == MatchOp::Equal;
    selector
        .name
        .as_deref()
        .or_else(|| selector.matchers.iter().find(fixed).map(narthex_model::Matcher::value))
}
