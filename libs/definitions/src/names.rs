//! Names of labels and metrics as the newest Prometheus allows them: any text that is not empty.

/// Whether a rule may set a label of this name: the metric name is not for it to set.
pub(crate) fn is_settable_label(name: &str) -> bool {
    !name.is_empty() && name != narthex_model::METRIC_NAME
}
