//! Which operation a request is: its name, its API, and whether it changes anything.
//!
//! Names are those of actions without `aps:` (security.md 4.3 and 4.4). Takes paths as [`crate::path::routed`] returns them, so
//! authorisation, rates, the audit log and the routes read a path in the same way.

use narthex_amp::match_path;
use narthex_policy::Plane;

use crate::path::data_plane_rest;

/// What a request asks for, as far as the routes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation {
    /// Such as `RemoteWrite`; `None` where no operation of the API answers.
    pub(crate) name: Option<&'static str>,
    pub(crate) plane: Plane,
    pub(crate) read_only: bool,
}

/// Operations of the Prometheus-compatible API, by what follows the workspace in the path: templates of [`match_path`].
#[rustfmt::skip]
const DATA: &[(&str, &[&str], &str)] = &[
    ("RemoteWrite", &["POST"], "api/v1/remote_write"),
    ("QueryMetrics", &["GET", "POST"], "api/v1/query"),
    ("QueryMetrics", &["GET", "POST"], "api/v1/query_range"),
    ("GetSeries", &["GET", "POST"], "api/v1/series"),
    ("GetLabels", &["GET", "POST"], "api/v1/labels"),
    ("GetLabels", &["GET"], "api/v1/label/{label}/values"),
    ("GetMetricMetadata", &["GET"], "api/v1/metadata"),
    ("ListRules", &["GET"], "api/v1/rules"),
    ("ListAlerts", &["GET"], "api/v1/alerts"),
    ("CreateAlertManagerAlerts", &["POST"], "alertmanager/api/v2/alerts"),
    ("ListAlertManagerAlerts", &["GET"], "alertmanager/api/v2/alerts"),
    ("ListAlertManagerAlertGroups", &["GET"], "alertmanager/api/v2/alerts/groups"),
    ("ListAlertManagerReceivers", &["GET"], "alertmanager/api/v2/receivers"),
    ("ListAlertManagerSilences", &["GET"], "alertmanager/api/v2/silences"),
    ("PutAlertManagerSilences", &["POST"], "alertmanager/api/v2/silences"),
    ("GetAlertManagerSilence", &["GET"], "alertmanager/api/v2/silence/{silence}"),
    ("DeleteAlertManagerSilence", &["DELETE"], "alertmanager/api/v2/silence/{silence}"),
    ("GetAlertManagerStatus", &["GET"], "alertmanager/api/v2/status"),
    ("PreviewAnomalyDetector", &["GET", "POST"], "anomalydetectors/preview"),
];

/// Of them, those that change something.
const WRITES: [&str; 4] =
    ["RemoteWrite", "CreateAlertManagerAlerts", "PutAlertManagerSilences", "DeleteAlertManagerSilence"];

impl Operation {
    /// What `method` on a routed path asks for. HEAD is answered by whoever answers GET.
    pub(crate) fn of(method: &str, routed: &str) -> Self {
        let method = if method == "HEAD" { "GET" } else { method };
        match data_plane_rest(routed) {
            Some(rest) => {
                let mut fitting = DATA.iter().filter(|(_, methods, path)| {
                    methods.contains(&method) && match_path(path, rest).is_some()
                });
                let name = fitting.next().map(|(name, ..)| *name);
                let read_only = name.is_none_or(|name| !WRITES.contains(&name));
                Self { name, plane: Plane::Data, read_only }
            }
            None => {
                let found = narthex_amp::operation(method, routed);
                Self {
                    name: found.map(narthex_amp::Operation::name),
                    plane: Plane::Control,
                    read_only: found.is_none_or(narthex_amp::Operation::is_read_only),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use narthex_policy::{ACTIONS, Access};

    use super::*;

    #[test]
    fn methods_and_paths_name_operations() {
        let cases = [
            ("POST", "/workspaces/ws-1/api/v1/remote_write", Some("RemoteWrite"), Plane::Data, false),
            ("GET", "/workspaces/ws-1/api/v1/remote_write", None, Plane::Data, true),
            ("HEAD", "/workspaces/ws-1/api/v1/query_range", Some("QueryMetrics"), Plane::Data, true),
            ("GET", "/workspaces/ws-1/api/v1/label/a%2Fb/values", Some("GetLabels"), Plane::Data, true),
            ("POST", "/workspaces/ws-1/api/v1/label/a/values", None, Plane::Data, true),
            ("GET", "/workspaces/ws-1/api/v1/status/buildinfo", None, Plane::Data, true),
            (
                "POST",
                "/workspaces/ws-1/alertmanager/api/v2/silences",
                Some("PutAlertManagerSilences"),
                Plane::Data,
                false,
            ),
            (
                "GET",
                "/workspaces/ws-1/anomalydetectors/preview",
                Some("PreviewAnomalyDetector"),
                Plane::Data,
                true,
            ),
            (
                "GET",
                "/workspaces/ws-1/anomalydetectors/ad-1",
                Some("DescribeAnomalyDetector"),
                Plane::Control,
                true,
            ),
            ("POST", "/workspaces", Some("CreateWorkspace"), Plane::Control, false),
            ("DELETE", "/tags/arn%3Aaws", Some("UntagResource"), Plane::Control, false),
            ("GET", "/tags/", None, Plane::Control, true),
            ("GET", "/nowhere", None, Plane::Control, true),
        ];
        for (method, path, name, plane, read_only) in cases {
            assert_eq!(Operation::of(method, path), Operation { name, plane, read_only }, "{method} {path}");
        }
    }

    /// The table of actions is the other list of operations; the two agree.
    #[test]
    fn every_data_plane_action_has_a_route_and_the_same_effect() {
        let actions: Vec<_> = ACTIONS.iter().filter(|action| action.plane == Plane::Data).collect();
        for action in &actions {
            let name = action.name.trim_start_matches("aps:");
            assert!(DATA.iter().any(|(routed, ..)| *routed == name), "{name}");
            assert_eq!(WRITES.contains(&name), action.access == Access::Write, "{name}");
        }
        assert!(DATA.iter().all(|(name, ..)| actions.iter().any(|action| action.name.ends_with(name))));
    }
}
