use std::io::Write;

use clap::Parser;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Parser)]
#[command(name = "thing")]
struct Thing {
    /// When to sync
    #[arg(long = "wal.sync", default_value = "interval")]
    wal_sync: String,
    /// How long
    #[arg(long = "wal.interval", default_value_t = HumanDuration::from_secs(1))]
    wal_interval: HumanDuration,
    /// How much
    #[arg(long = "memory", default_value_t = ByteSize::mib(32))]
    memory: ByteSize,
    /// Who
    #[arg(long = "peers", value_delimiter = ',', default_value = "a:1")]
    peers: Vec<String>,
    /// Off
    #[arg(long = "no-auth")]
    no_auth: bool,
    /// Must be given
    #[arg(long = "node-id")]
    node_id: u64,
    /// The test runner sets this variable.
    #[arg(long = "package", env = "CARGO_PKG_NAME", default_value = "default")]
    package: String,
}

fn with_file(yaml: &str, args: &[&str]) -> Result<Thing, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(yaml.as_bytes()).expect("writable");
    let path = file.path().to_str().expect("text").to_owned();
    let all = ["thing", "--config", &path].into_iter().chain(args.iter().copied());
    parse_from(all.map(str::to_owned).collect::<Vec<_>>())
}

#[test]
fn defaults_hold_without_a_file() {
    let thing: Thing = parse_from(["thing", "--node-id", "7"]).expect("valid");
    assert_eq!((thing.wal_sync.as_str(), thing.node_id, thing.no_auth), ("interval", 7, false));
    assert_eq!(thing.wal_interval.get().as_millis(), 1000);
    assert_eq!(thing.peers, ["a:1"]);
    assert_eq!(thing.package, "narthex-service");
}

#[test]
fn the_file_sets_nested_keys_lists_and_required_settings() {
    let yaml =
        "wal: {sync: always, interval: 250ms}\npeers: [b:1, c:2]\nno-auth: true\nnode-id: 3\nmemory: 1GB\n";
    let thing = with_file(yaml, &[]).expect("valid");
    assert_eq!((thing.wal_sync.as_str(), thing.node_id, thing.no_auth), ("always", 3, true));
    assert_eq!(thing.wal_interval, HumanDuration::from_millis(250));
    assert_eq!(thing.peers, ["b:1", "c:2"]);
    assert_eq!(thing.memory, ByteSize(1_000_000_000));
}

#[test]
fn flags_win_over_environment_over_file() {
    let yaml = "wal.sync: always\nnode-id: 3\npackage: from-file\npeers: [b:1]\n";
    let thing = with_file(yaml, &["--node-id=4", "--peers=x:1,y:2"]).expect("valid");
    assert_eq!(thing.node_id, 4);
    assert_eq!(thing.peers, ["x:1", "y:2"]);
    assert_eq!(thing.package, "narthex-service", "the environment wins over the file");
    assert_eq!(thing.wal_sync, "always");
}

#[test]
fn mistakes_name_the_key_and_the_file() {
    let cases = [
        ("node-id: 1\nwal: {snyc: always}", r#"unknown key "wal.snyc"; did you mean "wal.sync"?"#),
        ("node_id: 1", r#"unknown key "node_id"; did you mean "node-id"?"#),
        ("node-id: 1\nwal:", r#"key "wal" has no value"#),
        ("node-id: 1\nwal.sync: a\nwal: {sync: b}", r#"key "wal.sync" is set twice"#),
        ("node-id: 1\nno-auth: maybe", "no-auth: expected true or false"),
        ("node-id: [1, 2]", "node-id: expected one value, found a list"),
        ("node-id: 1\npeers: []", "peers: an empty list"),
        ("node-id: 1\npeers: ['a,b', c]", "peers: an element"),
        ("- 1", "expected keys and values at the top"),
        ("node-id: 1\nmemory: 3 potatoes", "--memory"),
        ("config: other.yml", r#"unknown key "config""#),
        ("wal: {sync: a", ""),
    ];
    for (yaml, expected) in cases {
        let error = with_file(yaml, &[]).expect_err(yaml).to_string();
        assert!(error.contains(expected), "{yaml}: {error}");
        assert!(error.contains(".tmp"), "the file is named: {error}");
    }
    let missing =
        parse_from::<Thing>(["thing", "--config", "/nonexistent/file.yml"]).expect_err("no such file");
    assert!(missing.to_string().contains("/nonexistent/file.yml"), "{missing}");
    let missing = with_file("# nothing\n", &[]).expect_err("node-id is required").to_string();
    assert!(missing.contains("--node-id"), "{missing}");
}

#[test]
fn sizes_and_durations_read_as_documented() {
    let sizes =
        [("32MiB", 32 << 20), ("1GB", 1_000_000_000), ("4096", 4096), ("5 kb", 5000), ("0", 0), ("7B", 7)];
    for (text, bytes) in sizes {
        assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
    }
    for text in ["", "MiB", "1.5GB", "-1", "1XB", "99999999999TiB", "1 2"] {
        let error = text.parse::<ByteSize>().expect_err(text);
        assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
    }
    assert_eq!("1h30m".parse(), Ok(HumanDuration::from_secs(5400)));
    assert!("90".parse::<HumanDuration>().expect_err("no unit").to_string().contains("30s"));
}

proptest! {
    #[test]
    fn units_read_back_what_they_write(value in any::<u64>(), millis in 0..i64::MAX as u64) {
        prop_assert_eq!(ByteSize(value).to_string().parse(), Ok(ByteSize(value)));
        let duration = HumanDuration::from_millis(millis);
        prop_assert_eq!(duration.to_string().parse(), Ok(duration));
    }

    #[test]
    fn no_file_makes_the_reader_panic(text in "[a-z:{}\\[\\], \n\"'#&*!|>-]{0,60}") {
        let _ = file::read_settings(&text);
    }
}
