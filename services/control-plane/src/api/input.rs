//! Reading and checking what clients send. Clients check little (section 2.6), so everything is checked here, and all
//! members that break a constraint are named in one answer.

use std::collections::BTreeMap;

use narthex_edge::{AwsError, ValidationField, ValidationReason};
use regex::Regex;
use serde_json::{Map, Value};

const MAX_TAGS: usize = 50;

/// The patterns of the service model, compiled once.
pub(crate) struct Checks {
    tag: Regex,
    kms_key: Regex,
    token: Regex,
    workspace: Regex,
}

impl Checks {
    pub(crate) fn new() -> Self {
        let whole = |pattern: &str| Regex::new(&format!(r"\A(?:{pattern})\z")).expect("a constant pattern");
        Self {
            tag: whole(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*"),
            kms_key: whole(r"arn:aws[-a-z]*:kms:[-a-z0-9]+:[0-9]{12}:key/[-a-f0-9]+"),
            token: whole(r"[!-~]+"),
            workspace: whole(r"(?s).*[0-9A-Za-z][-.0-9A-Z_a-z]*.*"),
        }
    }
}

/// Members of a request and what is wrong with them.
pub(crate) struct Input<'a> {
    checks: &'a Checks,
    problems: Vec<ValidationField>,
}

impl<'a> Input<'a> {
    pub(crate) fn new(checks: &'a Checks) -> Self {
        Self { checks, problems: Vec::new() }
    }

    pub(crate) fn problem(&mut self, name: &str, message: impl Into<String>) {
        self.problems.push(ValidationField { name: name.to_owned(), message: message.into() });
    }

    /// Refuses the request if anything was wrong.
    pub(crate) fn done(self) -> Result<(), AwsError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        let texts: Vec<_> =
            self.problems.iter().map(|field| format!("{}: {}", field.name, field.message)).collect();
        Err(AwsError::Validation {
            message: texts.join("; "),
            reason: ValidationReason::FieldValidationFailed,
            fields: self.problems,
        })
    }

    fn length(&mut self, name: &str, text: &str, min: usize, max: usize) -> bool {
        let length = text.chars().count();
        let fits = (min..=max).contains(&length);
        if !fits {
            self.problem(name, format!("must have {min} to {max} characters, has {length}"));
        }
        fits
    }

    /// The alias without blanks at its ends.
    pub(crate) fn alias(&mut self, alias: Option<String>) -> Option<String> {
        let alias = alias?.trim().to_owned();
        self.length("alias", &alias, 1, 100).then_some(alias)
    }

    pub(crate) fn token(&mut self, token: Option<String>) -> Option<String> {
        let token = token?;
        if self.length("clientToken", &token, 1, 64) && !self.checks.token.is_match(&token) {
            self.problem("clientToken", "must be printable ASCII without blanks");
        }
        Some(token)
    }

    pub(crate) fn kms_key(&mut self, key: Option<String>) -> Option<String> {
        let key = key?;
        if self.length("kmsKeyArn", &key, 20, 2048) && !self.checks.kms_key.is_match(&key) {
            self.problem("kmsKeyArn", "is not the ARN of a KMS key");
        }
        Some(key)
    }

    pub(crate) fn tags(&mut self, tags: &BTreeMap<String, String>) {
        if tags.len() > MAX_TAGS {
            self.problem("tags", format!("must have at most {MAX_TAGS} entries, has {}", tags.len()));
        }
        for (key, value) in tags.iter().take(MAX_TAGS) {
            let allowed = "may hold letters, digits, blanks and _.:/=+-@ only";
            if self.length("tags", key, 1, 128) && !self.checks.tag.is_match(key) {
                self.problem("tags", format!("the key {key:?} {allowed}"));
            }
            if key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
                self.problem("tags", format!("the key {key:?} must not begin with aws:"));
            }
            if self.length("tags", value, 0, 256) && !self.checks.tag.is_match(value) {
                self.problem("tags", format!("the value of {key:?} {allowed}"));
            }
        }
    }

    /// The id in a path: only its shape; whether it exists is another question.
    pub(crate) fn workspace(&mut self, id: &str) {
        if self.length("workspaceId", id, 1, 64) && !self.checks.workspace.is_match(id) {
            self.problem("workspaceId", "must hold a letter or digit");
        }
    }

    pub(crate) fn max_results(&mut self, text: Option<&str>) -> usize {
        let Some(text) = text else { return 100 };
        match text.parse::<usize>() {
            Ok(count @ 1..=1000) => count,
            _ => {
                self.problem("maxResults", "must be a whole number from 1 to 1000");
                0
            }
        }
    }
}

/// A JSON body: an object, or nothing.
pub(crate) struct Body(Map<String, Value>);

fn cannot_parse(message: String) -> AwsError {
    AwsError::validation(ValidationReason::CannotParse, message)
}

impl Body {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, AwsError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(cannot_parse("the body must be a JSON object".to_owned())),
            Err(error) => Err(cannot_parse(format!("the body is not JSON: {error}"))),
        }
    }

    /// A string member; null counts as absent.
    pub(crate) fn string(&mut self, name: &str) -> Result<Option<String>, AwsError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(cannot_parse(format!("{name} must be a string"))),
        }
    }

    /// A map of strings.
    pub(crate) fn strings(&mut self, name: &str) -> Result<Option<BTreeMap<String, String>>, AwsError> {
        let wrong = || cannot_parse(format!("{name} must be an object of strings"));
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(members)) => {
                let pair = |(key, value)| match value {
                    Value::String(text) => Ok((key, text)),
                    _ => Err(wrong()),
                };
                members.into_iter().map(pair).collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(wrong()),
        }
    }
}

/// Query parameters; of a repeated one the last counts.
pub(crate) fn query(raw: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(raw.as_bytes()).into_owned().collect()
}
