//! Addresses and ranges. An IPv4 address written as IPv6 is the IPv4 address.

use std::net::IpAddr;

use ipnet::IpNet;

/// An address.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// A range; an address alone is the range that holds just it.
pub(crate) fn parse_range(text: &str) -> Option<IpNet> {
    if text.contains('/') { text.parse().ok() } else { parse(text).map(IpNet::from) }
}
