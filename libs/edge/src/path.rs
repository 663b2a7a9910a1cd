//! Paths of the public API: which form is routed, and which workspace a data-plane request names.
//!
//! Clients that append `/api/v1/...` to an endpoint that ends in a slash send `//api/v1/...`; routing merges slashes and
//! removes dot segments, exactly as one of the canonical forms of the signature does, while the signature is checked over
//! the path as sent. Segments are split before they are decoded: `%2F` never separates.
//!
//! Both APIs are served on one address under every name of the host: `aps.<region>...`, `aps-workspaces.<region>...`, their FIPS
//! and dual-stack names, an address, or any other (WS-1, WS-2, WS-13); the path tells the API. Behind a proxy that adds a path in
//! front (the path of `--public-url`) both what it strips and what it leaves in place works.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::sigv4::normalize_path;

/// A path as the routes see it: behind `prefix`, such as `/narthex`, where a proxy left that in place.
pub(crate) fn routed<'a>(path: &'a str, prefix: &str) -> Cow<'a, str> {
    let normal = normalize_path(path, true);
    match normal.strip_prefix(prefix) {
        Some("") => Cow::Borrowed("/"),
        Some(rest) if !prefix.is_empty() && rest.starts_with('/') => Cow::Owned(rest.to_owned()),
        _ => normal,
    }
}

/// The path of a URL, without a slash at its end: what a proxy in front of us may take off.
pub(crate) fn prefix_of(url: &str) -> String {
    let path = url.parse::<http::Uri>().ok().map(|uri| uri.path().trim_end_matches('/').to_owned());
    path.unwrap_or_default()
}

/// The workspace segment, decoded, of a path of the Prometheus-compatible API (api-prometheus-compatible.md section 1.1);
/// `None` for paths of the control plane. Takes a path as [`routed`] returns it.
pub(crate) fn data_plane_workspace(routed: &str) -> Option<Cow<'_, str>> {
    split(routed).map(|(id, _)| percent_decode_str(id).decode_utf8_lossy())
}

/// What follows the workspace in a path of the Prometheus-compatible API, without a slash at its beginning.
pub(crate) fn data_plane_rest(routed: &str) -> Option<&str> {
    split(routed).map(|(_, rest)| rest)
}

fn split(routed: &str) -> Option<(&str, &str)> {
    let (id, rest) = routed.strip_prefix("/workspaces/")?.split_once('/')?;
    let data_plane = rest == "api"
        || rest.starts_with("api/")
        || rest.starts_with("alertmanager/api/")
        || rest == "anomalydetectors/preview";
    data_plane.then_some((id, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_taken_off_once() {
        for (path, prefix, rest) in [
            ("/narthex/workspaces", "/narthex", "/workspaces"),
            ("/narthex//workspaces", "/narthex", "/workspaces"),
            ("/narthex", "/narthex", "/"),
            ("/narthexes/x", "/narthex", "/narthexes/x"),
            ("/narthex/narthex/x", "/narthex", "/narthex/x"),
            ("/workspaces", "/narthex", "/workspaces"),
            ("/workspaces", "", "/workspaces"),
        ] {
            assert_eq!(routed(path, prefix), rest, "{path} {prefix}");
        }
        assert_eq!(prefix_of("https://metrics.example.com/team/narthex/"), "/team/narthex");
        assert_eq!(prefix_of("https://metrics.example.com"), "");
        assert_eq!(prefix_of("no url at all"), "");
    }

    #[test]
    fn slashes_merge_and_escapes_stay() {
        let routed = |path| routed(path, "");
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
