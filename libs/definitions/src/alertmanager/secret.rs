//! ARNs, and references to secrets in place of secrets (AM-19, AM-54).

use std::time::Duration;

use super::DefinitionLimits;
use crate::cursor::Cursor;

/// A key of a secret in Secrets Manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretReference {
    /// ARN of the secret.
    pub secret_arn: String,
    /// Key within the secret's key/value pairs.
    pub secret_key: String,
    /// How often the secret is read again (AM-55).
    pub refresh_interval: Duration,
}

/// How often secrets are read again where a reference does not say it: the guide's sample.
const REFRESH_INTERVAL: Duration = Duration::from_secs(300);

impl SecretReference {
    /// Reads `aws_secrets_manager: {secret_arn, secret_key, refresh_interval}`.
    pub(super) fn read(cursor: &Cursor<'_>, limits: &DefinitionLimits) -> Option<Self> {
        if !cursor.is_map() {
            cursor.refuse("must be a reference to a secret (aws_secrets_manager), not the secret itself");
            return None;
        }
        let reference = cursor.fields(&["aws_secrets_manager"], &[])?;
        let Some(secret) = reference.get("aws_secrets_manager") else {
            reference.refuse("aws_secrets_manager is missing");
            return None;
        };
        let secret = secret.fields(&["secret_arn", "secret_key", "refresh_interval"], &[])?;
        let mut texts = ["secret_arn", "secret_key"].map(|name| {
            let text = secret.some_text(name);
            if text.is_none() {
                secret.refuse(format!("{name} is missing"));
            }
            text
        });
        if let (Some(text), Some(cursor)) = (texts[0], secret.get("secret_arn")) {
            match Arn::parse(text, "secretsmanager").filter(|arn| arn.resource.starts_with("secret:")) {
                Some(arn) => arn.check_account(&cursor, limits),
                None => cursor.refuse(format!(
                    "{text:?} is not the ARN of a secret (arn:aws:secretsmanager:region:account:secret:name)"
                )),
            }
        }
        let refresh_interval = secret.duration("refresh_interval").unwrap_or(REFRESH_INTERVAL);
        if refresh_interval.is_zero()
            && let Some(cursor) = secret.get("refresh_interval")
        {
            cursor.refuse("refresh_interval cannot be zero");
        }
        let [arn, key] = texts.each_mut().map(|text| text.take().map(str::to_owned));
        Some(Self { secret_arn: arn?, secret_key: key?, refresh_interval })
    }
}

/// The parts of an ARN.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arn<'a> {
    pub(super) region: &'a str,
    account: &'a str,
    resource: &'a str,
}

impl<'a> Arn<'a> {
    /// An ARN of a service that has regions.
    pub(super) fn parse(text: &'a str, service: &str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, of, region, account, resource] = parts[..] else { return None };
        let filled = [partition, region, account, resource].iter().all(|part| !part.is_empty());
        let plain = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        (filled && plain && of == service && partition.starts_with("aws")).then_some(Self {
            region,
            account,
            resource,
        })
    }

    /// Refuses an ARN of another account than the workspace's.
    pub(super) fn check_account(&self, cursor: &Cursor<'_>, limits: &DefinitionLimits) {
        if let Some(account) = &limits.account
            && account.to_string() != self.account
        {
            let other = self.account;
            cursor.refuse(format!("it belongs to the account {other}, but the workspace to {account}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_have_six_parts() {
        let arn = Arn::parse("arn:aws-cn:sns:cn-north-1:123456789012:a:b", "sns");
        assert_eq!(arn, Some(Arn { region: "cn-north-1", account: "123456789012", resource: "a:b" }));
        for text in [
            "",
            "arn:aws:sns:r:1",
            "arn:aws:sqs:r:1:a",
            "arn:aws:sns::1:a",
            "arn:aws:sns:r::a",
            "arn:gcp:sns:r:1:a",
            "arn:aws:sns:r:1:a b",
        ] {
            assert_eq!(Arn::parse(text, "sns"), None, "{text}");
        }
    }
}
