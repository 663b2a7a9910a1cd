//! Targets by address and by name.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use super::{SourceKind, job};
use crate::cursor::Cursor;

/// Targets with labels of their own (SCR-38).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticTargets {
    /// Address or `kubernetes.default.svc`, with or without port.
    pub targets: Vec<String>,
    /// Set on everything that comes from them.
    pub labels: BTreeMap<String, String>,
}

/// Targets that names resolve to (SCR-47).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsDiscovery {
    /// At least one.
    pub names: Vec<String>,
    /// What is asked for.
    pub record: DnsRecord,
    /// Port of the targets; SRV records have their own.
    pub port: Option<u16>,
    /// Time between lookups.
    pub refresh_interval: Duration,
}

/// A type of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsRecord {
    /// `A`
    A,
    /// `AAAA`
    Aaaa,
    /// `MX`
    Mx,
    /// `NS`
    Ns,
    /// `SRV`
    Srv,
}

/// The only name that targets may have (SCR-39).
const API_SERVER: &str = "kubernetes.default.svc";

pub(super) fn read(cursor: &Cursor<'_>, source: SourceKind) -> Option<StaticTargets> {
    let fields = cursor.fields(&["targets", "labels"], &[])?;
    for target in fields.items("targets") {
        let Some(text) = target.text() else { continue };
        let host = host(text);
        let is_api_server = source == SourceKind::Kubernetes && host == Some(API_SERVER);
        if !is_api_server && host.is_none_or(|host| host.parse::<IpAddr>().is_err()) {
            let or_name =
                if source == SourceKind::Kubernetes { format!(" or {API_SERVER}") } else { String::new() };
            target.refuse(format!("target {text:?} must be an IP address{or_name}, with or without port"));
        }
    }
    for (name, value) in fields.get("labels").map(|map| map.members()).unwrap_or_default() {
        if name.is_empty() {
            value.refuse("\"\" is not a valid label name");
        }
    }
    Some(StaticTargets { targets: fields.texts("targets"), labels: fields.text_map("labels") })
}

/// The host of `host`, `host:port` and `[host]:port`.
fn host(target: &str) -> Option<&str> {
    let (host, port) = if let Some(rest) = target.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        // Only addresses with colons have brackets.
        host.contains(':').then_some(())?;
        (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
    } else {
        match target.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (target, None),
        }
    };
    port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0)).then_some(host)
}

const RECORDS: [(&str, DnsRecord); 5] = [
    ("A", DnsRecord::A),
    ("AAAA", DnsRecord::Aaaa),
    ("MX", DnsRecord::Mx),
    ("NS", DnsRecord::Ns),
    ("SRV", DnsRecord::Srv),
];

pub(super) fn read_dns(cursor: &Cursor<'_>) -> Option<DnsDiscovery> {
    let fields = cursor.fields(&["names", "type", "port", "refresh_interval"], &[])?;
    let names = fields.texts("names");
    if names.is_empty() {
        fields.refuse("DNS-SD config must contain at least one SRV record name");
    }
    for name in fields.items("names") {
        if name.text() == Some("") {
            name.refuse("a name cannot be empty");
        }
    }
    let record = match fields.get("type") {
        // Types are read in any case.
        Some(cursor) => {
            let upper = cursor.text()?.to_uppercase();
            RECORDS
                .iter()
                .find(|(name, _)| *name == upper)
                .map(|(_, record)| *record)
                .or_else(|| job::choose(&cursor, &RECORDS, "DNS record type"))?
        }
        None => DnsRecord::Srv,
    };
    let port = fields.get("port").and_then(|port| {
        let number = port.integer()?;
        let number = u16::try_from(number).ok().filter(|number| *number > 0);
        if number.is_none() {
            port.refuse("a port is between 1 and 65535");
        }
        number
    });
    if record != DnsRecord::Srv && fields.get("port").is_none() {
        fields.refuse("a port is required in DNS-SD configs for all record types except SRV");
    }
    let refresh_interval = fields.duration("refresh_interval").unwrap_or(Duration::from_secs(30));
    if refresh_interval.is_zero()
        && let Some(cursor) = fields.get("refresh_interval")
    {
        cursor.refuse("refresh_interval cannot be zero");
    }
    Some(DnsDiscovery { names, record, port, refresh_interval })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_target() {
        for (target, expected) in [
            ("10.0.0.1", Some("10.0.0.1")),
            ("10.0.0.1:9100", Some("10.0.0.1")),
            ("[::1]:9100", Some("::1")),
            ("[::1]", Some("::1")),
            ("a.b:1", Some("a.b")),
            ("10.0.0.1:0", None),
            ("10.0.0.1:70000", None),
            ("10.0.0.1:", None),
            ("[10.0.0.1]:1", None),
            ("[::1]1", None),
            ("::1", None),
        ] {
            assert_eq!(host(target), expected, "{target}");
        }
    }
}
