//! Request parameters: those of a form body before those of the URL, as Go's `Form` holds them.

use http::{HeaderMap, Method, header};

use super::{ApiError, time};
use narthex_model::TimestampMs;

/// Names and values in the order in which they count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Merges the URL's query with the body, which counts only where the method and content type make it a form.
    pub(crate) fn of_request(method: &Method, headers: &HeaderMap, query: Option<&str>, body: &[u8]) -> Self {
        let is_form = *method == Method::POST
            && headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
                let essence = value.split(';').next().unwrap_or_default().trim();
                essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
            });
        let body = if is_form { body } else { &[] };
        let parts = [body, query.unwrap_or_default().as_bytes()];
        Self(parts.into_iter().flat_map(|part| form_urlencoded::parse(part).into_owned()).collect())
    }

    /// The first value of a name, empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// All values of a name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A required time.
    pub(crate) fn time(&self, name: &str) -> Result<TimestampMs, ApiError> {
        time::parse_time(self.get(name)).map_err(|reason| ApiError::parameter(name, reason))
    }

    /// A time that may be left out.
    pub(crate) fn time_or(&self, name: &str, default: TimestampMs) -> Result<TimestampMs, ApiError> {
        match self.get(name) {
            "" => Ok(default),
            text => time::parse_time(text).map_err(|reason| {
                ApiError::parameter(name, format_args!("invalid time value for '{name}': {reason}"))
            }),
        }
    }

    /// A duration in milliseconds that may be left out.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<i64>, ApiError> {
        match self.get(name) {
            "" => Ok(None),
            text => time::parse_duration(text).map(Some).map_err(|reason| ApiError::parameter(name, reason)),
        }
    }

    /// A number of things that may be left out.
    pub(crate) fn count(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(None);
        }
        let number = parse_int(text).map_err(|reason| ApiError::parameter(name, reason))?;
        let count = u64::try_from(number).map_err(|_| ApiError::parameter(name, "must not be negative"))?;
        Ok(Some(count))
    }

    /// The `limit` of series, label and query answers; `None` stands for no limit.
    pub(crate) fn limit(&self) -> Result<Option<usize>, ApiError> {
        let text = self.get("limit");
        if text.is_empty() {
            return Ok(None);
        }
        let limit = parse_int(text).map_err(|reason| ApiError::parameter("limit", reason))?;
        match usize::try_from(limit) {
            Ok(0) => Ok(None),
            Ok(limit) => Ok(Some(limit)),
            Err(_) => Err(ApiError::parameter("limit", "limit must be non-negative")),
        }
    }
}

/// Reads a decimal number, failing in the words of Go's `strconv.Atoi`.
pub(crate) fn parse_int(text: &str) -> Result<i64, String> {
    let is_number = text.strip_prefix(['-', '+']).unwrap_or(text).bytes().all(|b| b.is_ascii_digit());
    text.parse().map_err(|_| {
        let reason = if is_number && text.len() > 1 { "value out of range" } else { "invalid syntax" };
        format!("strconv.Atoi: parsing {text:?}: {reason}")
    })
}
