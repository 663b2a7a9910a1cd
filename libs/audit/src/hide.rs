//! Secrets are no part of a record.
//!
//! Alert manager definitions and scrape configurations may hold passwords and keys anywhere, also where they are refused for
//! it, so that such documents are hidden whole. A file of rules has no place for a secret; its `data` is recorded (AUD-4).

use serde_json::{Map, Value};

/// What stands in the place of a secret, as in CloudTrail.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// Endings of names of members that hold secrets, in small letters. `clientToken`, `nextToken` and ids of keys are none.
const SECRET: [&str; 9] = [
    "configurationblob",
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

/// The parameters of an operation, with all secrets in them hidden.
pub(crate) fn hidden_parameters(operation: &str, parameters: &Map<String, Value>) -> Value {
    let mut parameters = hidden(Value::Object(parameters.clone()));
    if is_of_definition(operation)
        && let Some(data) = parameters.get_mut("data")
    {
        *data = HIDDEN.into();
    }
    parameters
}

/// The text of an error. What a document is refused for may quote it.
pub(crate) fn hidden_message<'a>(operation: &str, code: &str, message: &'a str) -> &'a str {
    let quotes = is_of_definition(operation) || ["CreateScraper", "UpdateScraper"].contains(&operation);
    if quotes && code == "ValidationException" { HIDDEN } else { message }
}

fn is_of_definition(operation: &str) -> bool {
    operation.ends_with("AlertManagerDefinition")
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

    #[test]
    fn documents_with_secrets_are_hidden_whole() {
        let given = json!({ "data": "aHVzaA==", "scrapeConfiguration": { "configurationBlob": "aHVzaA==" }, "workspaceId": "ws" });
        let given = given.as_object().expect("an object");
        let hidden = hidden_parameters("PutAlertManagerDefinition", given);
        assert_eq!(hidden["workspaceId"], "ws");
        assert!(!hidden.to_string().contains("aHVz"), "{hidden}");
        let rules = hidden_parameters("PutRuleGroupsNamespace", given);
        assert_eq!((&rules["data"], rules.to_string().matches(HIDDEN).count()), (&json!("aHVzaA=="), 1));
        let refused = |operation, code| hidden_message(operation, code, "\"hush\" is not supported");
        assert_eq!(refused("UpdateScraper", "ValidationException"), HIDDEN);
        assert!(refused("UpdateScraper", "ConflictException").contains("hush"));
        assert!(refused("CreateWorkspace", "ValidationException").contains("hush"));
    }
}
