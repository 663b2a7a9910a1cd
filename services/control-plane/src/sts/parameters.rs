//! The parameters of a call: a form in the body, lists as `Tags.member.1.Key`. Outside bytes: whatever arrives, the reader answers and
//! never panics.

use std::collections::BTreeMap;

use narthex_edge::QueryError;
use narthex_policy::{Kind, Policy};

/// Most entries of a list.
const LONGEST_LIST: usize = 50;

/// Parameters by name.
#[derive(Debug, Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

/// What is wrong with a parameter.
pub(super) fn invalid(name: &str, text: impl std::fmt::Display) -> QueryError {
    QueryError::sender("ValidationError", format!("{name} {text}"))
}

impl Parameters {
    /// Reads a form; of a name given twice the last counts.
    pub(super) fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// The parameter, if it is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The parameter.
    pub(super) fn required(&self, name: &str) -> Result<&str, QueryError> {
        self.get(name).ok_or_else(|| invalid(name, "is required"))
    }

    /// Text of some length, of letters, digits and the characters given.
    pub(super) fn word(
        &self,
        name: &str,
        length: std::ops::RangeInclusive<usize>,
        others: &str,
    ) -> Result<Option<&str>, QueryError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || others.contains(letter);
        if length.contains(&value.len()) && value.chars().all(allowed) {
            return Ok(Some(value));
        }
        let (least, most) = (length.start(), length.end());
        Err(invalid(name, format_args!("must have {least} to {most} letters, digits and {others}")))
    }

    /// Name of a session.
    pub(super) fn session_name(&self) -> Result<&str, QueryError> {
        let name = self.word("RoleSessionName", 2..=64, "_=,.@-+")?;
        name.ok_or_else(|| invalid("RoleSessionName", "is required"))
    }

    /// `DurationSeconds`, from 15 minutes to `longest`; an hour where it is left out.
    pub(super) fn duration_seconds(&self, longest: u32) -> Result<u32, QueryError> {
        let Some(text) = self.get("DurationSeconds") else { return Ok(longest.min(3_600)) };
        let seconds: Option<u32> = text.parse().ok();
        match seconds.filter(|seconds| (900..=43_200).contains(seconds)) {
            None => Err(invalid("DurationSeconds", "must be a whole number from 900 to 43200")),
            Some(seconds) if seconds > longest => {
                Err(invalid("DurationSeconds", "exceeds the MaxSessionDuration set for this role"))
            }
            Some(seconds) => Ok(seconds),
        }
    }

    /// Values of `<name>.member.<n>.<part>`, in order; without a part those of `<name>.member.<n>`.
    fn list(&self, name: &str, part: Option<&str>) -> Result<Vec<&str>, QueryError> {
        let mut values = Vec::new();
        for number in 1..=LONGEST_LIST + 1 {
            let key = match part {
                Some(part) => format!("{name}.member.{number}.{part}"),
                None => format!("{name}.member.{number}"),
            };
            match self.0.get(&key) {
                None => return Ok(values),
                Some(value) => values.push(value.as_str()),
            }
        }
        Err(invalid(name, format_args!("has more than {LONGEST_LIST} entries")))
    }

    /// Tags of the session.
    pub(super) fn tags(&self) -> Result<BTreeMap<String, String>, QueryError> {
        let keys = self.list("Tags", Some("Key"))?;
        let values = self.list("Tags", Some("Value"))?;
        if keys.len() != values.len() {
            return Err(invalid("Tags", "needs a Key and a Value in each entry"));
        }
        let mut tags = BTreeMap::new();
        for (key, value) in keys.into_iter().zip(values) {
            let fits = (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
            if !fits || key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
                return Err(invalid(
                    "Tags",
                    "needs keys of 1 to 128 characters not beginning with aws:, and values of up to 256",
                ));
            }
            if tags.keys().any(|known: &String| known.eq_ignore_ascii_case(key)) {
                return Err(invalid("Tags", format_args!("names {key:?} twice")));
            }
            tags.insert(key.to_owned(), value.to_owned());
        }
        Ok(tags)
    }

    /// `TransitiveTagKeys`.
    pub(super) fn transitive_tag_keys(&self) -> Result<Vec<&str>, QueryError> {
        self.list("TransitiveTagKeys", None)
    }

    /// ARNs of managed policies that shall limit the session.
    pub(super) fn policy_arns(&self) -> Result<Vec<&str>, QueryError> {
        let arns = self.list("PolicyArns", Some("arn"))?;
        if arns.len() > 10 { Err(invalid("PolicyArns", "has more than 10 entries")) } else { Ok(arns) }
    }

    /// The inline policy that shall limit the session, checked.
    pub(super) fn policy(&self) -> Result<Option<&str>, QueryError> {
        let Some(text) = self.get("Policy") else { return Ok(None) };
        match Policy::parse(text, Kind::Session) {
            Ok(_) => Ok(Some(text)),
            Err(error) => Err(QueryError::sender("MalformedPolicyDocument", error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_end_at_their_first_gap_and_have_a_bound() {
        let form = b"Tags.member.1.Key=a&Tags.member.1.Value=b&Tags.member.2.Key=c%3D&Tags.member.2.Value=&Tags.member.4.Key=d";
        let tags = Parameters::parse(form).tags().expect("well-formed");
        assert_eq!(
            tags.into_iter().collect::<Vec<_>>(),
            [("a".into(), "b".into()), ("c=".into(), String::new())]
        );
        let many: String = (1..=51).map(|n| format!("PolicyArns.member.{n}.arn=x&")).collect();
        assert!(Parameters::parse(many.as_bytes()).policy_arns().is_err());
        assert!(Parameters::parse(b"Tags.member.1.Key=aws:x&Tags.member.1.Value=").tags().is_err());
        assert!(
            Parameters::parse(
                b"Tags.member.1.Key=A&Tags.member.1.Value=&Tags.member.2.Key=a&Tags.member.2.Value="
            )
            .tags()
            .is_err()
        );
    }

    #[test]
    fn durations_have_two_bounds() {
        let duration =
            |text: &str, longest| Parameters::parse(text.as_bytes()).duration_seconds(longest).ok();
        assert_eq!(duration("", 7_200), Some(3_600));
        assert_eq!(duration("DurationSeconds=7200", 7_200), Some(7_200));
        for refused in
            ["DurationSeconds=7201", "DurationSeconds=899", "DurationSeconds=x", "DurationSeconds=-1"]
        {
            assert_eq!(duration(refused, 7_200), None, "{refused}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_form_panics(body: Vec<u8>) {
            let parameters = Parameters::parse(&body);
            let _ = (parameters.tags(), parameters.policy_arns(), parameters.policy(), parameters.session_name());
        }
    }
}
