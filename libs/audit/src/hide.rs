//! Secrets are no part of a record.

use serde_json::Value;

/// What stands in the place of a secret, as in CloudTrail.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// Endings of names of members that hold secrets, in small letters. `clientToken`, `nextToken` and ids of keys are none.
const SECRET: [&str; 8] = [
    "secretaccesskey",
    "sessiontoken",
    "security-token",
    "signature",
    "password",
    "privatekey",
    "secretkey",
    "webidentitytoken",
];

/// The value with all secrets in it hidden, at any depth.
#[must_use]
pub fn hidden(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let hide = |(name, value): (String, Value)| {
                let value = if is_secret(&name) { HIDDEN.into() } else { hidden(value) };
                (name, value)
            };
            Value::Object(members.into_iter().map(hide).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(hidden).collect()),
        plain => plain,
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_hidden_and_the_rest_stays() {
        let given = json!({
            "accessKey": {"accessKeyId": "AKIA", "SecretAccessKey": "hush", "tags": [{"key": "a", "sessionToken": "hush"}]},
            "clientToken": "t", "nextToken": "n", "data": "Z3JvdXBz", "X-Amz-Security-Token": "hush", "password": {"a": "hush"},
        });
        let text = hidden(given.clone()).to_string();
        assert!(!text.contains("hush"), "{text}");
        for kept in ["AKIA", "\"clientToken\":\"t\"", "\"nextToken\":\"n\"", "Z3JvdXBz"] {
            assert!(text.contains(kept), "{text}");
        }
        assert_eq!(text.matches(HIDDEN).count(), 4);
    }
}
