//! Paths of the public API: which form is routed, and which workspace a data-plane request names.
//!
//! Clients that append `/api/v1/...` to an endpoint that ends in a slash send `//api/v1/...`; routing merges slashes and
//! removes dot segments, exactly as one of the canonical forms of the signature does, while the signature is checked over
//! the path as sent. Segments are split before they are decoded: `%2F` never separates.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::sigv4::normalize_path;

/// A path as the routes see it.
pub(crate) fn routed(path: &str) -> Cow<'_, str> {
    normalize_path(path, true)
}

/// The workspace segment, decoded, of a path of the Prometheus-compatible API (api-prometheus-compatible.md section 1.1);
/// `None` for paths of the control plane. Takes a path as [`routed`] returns it.
pub(crate) fn data_plane_workspace(routed: &str) -> Option<Cow<'_, str>> {
    let (id, rest) = routed.strip_prefix("/workspaces/")?.split_once('/')?;
    let data_plane = rest == "api"
        || rest.starts_with("api/")
        || rest.starts_with("alertmanager/api/")
        || rest == "anomalydetectors/preview";
    data_plane.then(|| percent_decode_str(id).decode_utf8_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_merge_and_escapes_stay() {
        assert_eq!(routed("/workspaces/ws-1//api/v1/query"), "/workspaces/ws-1/api/v1/query");
        assert_eq!(routed("/workspaces/ws-1/"), "/workspaces/ws-1/");
        assert_eq!(routed("/tags/arn%3Aaws%2Fx"), "/tags/arn%3Aaws%2Fx");
        assert_eq!(routed("/workspaces/a/../b/api/v1/query"), "/workspaces/b/api/v1/query");
        assert_eq!(routed("//"), "/");
    }

    #[test]
    fn the_planes_are_told_apart() {
        let cases = [
            ("/workspaces/ws-1/api/v1/remote_write", Some("ws-1")),
            ("/workspaces/ws%2D1/api/v1/query", Some("ws-1")),
            ("/workspaces/ws-1/alertmanager/api/v2/silences", Some("ws-1")),
            ("/workspaces/ws-1/alertmanager/definition", None),
            ("/workspaces/ws-1/anomalydetectors/preview", Some("ws-1")),
            ("/workspaces/ws-1/anomalydetectors/ad-1", None),
            ("/workspaces/ws-1", None),
            ("/workspaces", None),
            ("/tags/x", None),
            ("/", None),
        ];
        for (path, workspace) in cases {
            assert_eq!(data_plane_workspace(path).as_deref(), workspace, "{path}");
        }
    }
}
