//! The bucket's settings as a section of the processes' YAML files.

use std::{fmt::Display, path::Path};

use anyhow::bail;
use narthex_bucket::{BucketArgs, BucketUrl};

/// What was set, under `bucket:`. Unset, the bucket is a folder of the cluster.
pub(super) fn bucket_yaml(bucket: &BucketArgs, directory: &Path) -> anyhow::Result<String> {
    let url = match &bucket.url {
        Some(BucketUrl::Memory) => {
            bail!("--bucket.url=memory: is one process's own; the processes of a cluster share a bucket")
        }
        Some(url) => url.clone(),
        None => BucketUrl::Directory(directory.join("bucket")),
    };
    let defaults = BucketArgs::new(url.clone());
    let mut lines = vec!["bucket:".to_owned(), format!("  url: {}", quoted(url))];
    let mut text = |key, value: Option<String>| {
        lines.extend(value.map(|value| format!("  {key}: {}", quoted(value))));
    };
    text("endpoint", bucket.endpoint.clone());
    text("region", bucket.region.clone());
    let ca_file = bucket.ca_file.as_ref().map(std::path::absolute).transpose()?;
    text("ca-file", ca_file.map(|file| file.display().to_string()));
    text("access-key-id", bucket.access_key_id.clone());
    text("secret-access-key", bucket.secret_access_key.as_ref().map(|secret| secret.reveal().to_owned()));
    let mut plain = |key, set: bool, value: &dyn Display| {
        lines.extend(set.then(|| format!("  {key}: {value}")));
    };
    plain("virtual-host", bucket.virtual_host, &true);
    plain("allow-http", bucket.allow_http, &true);
    let own = bucket;
    plain("request-timeout", own.request_timeout != defaults.request_timeout, &own.request_timeout);
    plain("max-retries", own.max_retries != defaults.max_retries, &own.max_retries);
    plain("retry-budget", own.retry_budget != defaults.retry_budget, &own.retry_budget);
    plain("read-gap", own.read_gap != defaults.read_gap, &own.read_gap);
    plain("read-size", own.read_size != defaults.read_size, &own.read_size);
    Ok(lines.join("\n"))
}

/// A YAML scalar that is nothing but this text.
fn quoted(text: impl Display) -> String {
    format!("'{}'", text.to_string().replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Config {
        #[command(flatten)]
        bucket: BucketArgs,
    }

    fn parse(args: &[String]) -> BucketArgs {
        let args = ["test".to_owned()].into_iter().chain(args.iter().cloned());
        narthex_service::config::parse_from::<Config>(args).expect("valid").bucket
    }

    #[test]
    fn every_setting_reads_back() {
        let flags = [
            "url=s3://metrics/it's",
            "endpoint=http://localhost:1",
            "region=eu-west-1",
            "ca-file=/etc/ca.pem",
            "access-key-id=me",
            "secret-access-key=a'b: #c",
            "request-timeout=7s",
            "max-retries=1",
            "retry-budget=2",
            "read-gap=3KiB",
            "read-size=4MiB",
        ];
        let mut flags: Vec<String> = flags.iter().map(|flag| format!("--bucket.{flag}")).collect();
        flags.extend(["--bucket.virtual-host".to_owned(), "--bucket.allow-http".to_owned()]);
        let given = parse(&flags);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, bucket_yaml(&given, folder.path()).expect("written")).expect("written");
        let read = parse(&[format!("--config={}", file.display())]);
        assert_eq!(format!("{read:?}"), format!("{given:?}"));
        assert_eq!(read.secret_access_key, given.secret_access_key);
    }

    #[test]
    fn unset_it_is_a_folder_of_the_cluster_and_memory_is_refused() {
        let unset = bucket_yaml(&parse(&[]), Path::new("/cluster")).expect("written");
        assert_eq!(unset, "bucket:\n  url: 'file:///cluster/bucket'");
        assert!(bucket_yaml(&BucketArgs::new(BucketUrl::Memory), Path::new("/cluster")).is_err());
    }
}
