//! Where a request comes from: the peer of the connection, or the client that trusted proxies name.
//!
//! `X-Forwarded-For` is anyone's claim, so it is read from its end, and only as far as each address that adds to it is a trusted
//! proxy's. Policies (`aws:SourceIp`, `aws:SecureTransport`) and the audit log rely on it.

use std::net::IpAddr;

use http::{HeaderMap, request::Parts};
use ipnet::IpNet;
use narthex_service::server::Peer;

/// In the extensions of every request that reaches a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The client's address; `None` where no connection is known, as in calls within a process.
    pub address: Option<IpAddr>,
    /// Whether the client's connection is encrypted.
    pub secure: bool,
}

impl Source {
    pub(crate) fn of(parts: &Parts, trusted: &[IpNet]) -> Self {
        let Some(peer) = parts.extensions.get::<Peer>() else {
            return Self { address: None, secure: false };
        };
        let address = peer.address.ip().to_canonical();
        if !contains(trusted, address) {
            return Self { address: Some(address), secure: peer.tls };
        }
        // The proxy speaks for the connection that it took, unless it says nothing of it.
        let secure = match last(&parts.headers, "x-forwarded-proto") {
            Some(scheme) => scheme.eq_ignore_ascii_case("https"),
            None => peer.tls,
        };
        Self { address: Some(forwarded(&parts.headers, address, trusted)), secure }
    }
}

/// The first address from the end that is no trusted proxy's; if all are, the first of all. What is no address ends the chain.
fn forwarded(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let values: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().map(|value| value.to_str().unwrap_or("?")).collect();
    let mut nearest = peer;
    for text in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        let Some(address) = parse(text.trim()) else { return nearest };
        nearest = address;
        if !contains(trusted, address) {
            return address;
        }
    }
    nearest
}

/// An address, perhaps with a port and brackets.
fn parse(text: &str) -> Option<IpAddr> {
    let plain = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address =
        plain.parse().or_else(|_| text.parse::<std::net::SocketAddr>().map(|with_port| with_port.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

fn contains(trusted: &[IpNet], address: IpAddr) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

fn last<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get_all(name).iter().next_back()?.to_str().ok()?.rsplit(',').next().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(peer: &str, tls: bool, headers: &[(&'static str, &str)]) -> Source {
        let trusted = ["10.0.0.0/8".parse().expect("a net"), "fd00::/8".parse().expect("a net")];
        let mut request = http::Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).expect("valid").into_parts();
        parts.extensions.insert(Peer { address: peer.parse().expect("an address"), tls });
        Source::of(&parts, &trusted)
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let chain = &[("x-forwarded-for", "1.1.1.1, 2.2.2.2, 10.9.9.9")][..];
        let split = &[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-for", "10.9.9.9"),
        ][..];
        type Case<'a> = (&'a str, &'a [(&'static str, &'a str)], &'a str);
        let cases: &[Case<'_>] = &[
            ("9.9.9.9:1", chain, "9.9.9.9"),
            ("10.0.0.1:1", chain, "2.2.2.2"),
            ("10.0.0.1:1", split, "2.2.2.2"),
            ("[fd00::1]:1", chain, "2.2.2.2"),
            ("[::ffff:10.0.0.1]:1", chain, "2.2.2.2"),
            ("10.0.0.1:1", &[], "10.0.0.1"),
            ("10.0.0.1:1", &[("x-forwarded-for", "10.0.0.2")], "10.0.0.2"),
            ("10.0.0.1:1", &[("x-forwarded-for", "1.1.1.1, nonsense, 10.0.0.2")], "10.0.0.2"),
            ("10.0.0.1:1", &[("x-forwarded-for", "[2001:db8::1]:443")], "2001:db8::1"),
        ];
        for (peer, headers, address) in cases {
            assert_eq!(
                source(peer, false, headers).address,
                Some(address.parse().expect("an address")),
                "{peer} {headers:?}"
            );
        }
    }

    #[test]
    fn encryption_is_told_by_the_connection_or_a_trusted_proxy() {
        let https = &[("x-forwarded-proto", "https")][..];
        let cases = [
            ("9.9.9.9:1", true, &[][..], true),
            ("9.9.9.9:1", false, https, false),
            ("10.0.0.1:1", false, https, true),
            ("10.0.0.1:1", true, &[("x-forwarded-proto", "https, http")], false),
            ("10.0.0.1:1", true, &[], true),
        ];
        for (peer, tls, headers, secure) in cases {
            assert_eq!(source(peer, tls, headers).secure, secure, "{peer} {tls} {headers:?}");
        }
    }
}
