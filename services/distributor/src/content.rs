//! What a sender says its body is. Anything but remote write 1.0 in snappy is answered 415 with what is supported, because
//! vmagent and newer Prometheus try a newer format first and fall back on that answer. As in Prometheus, a header that is missing
//! means the usual: early clients send neither.

use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use narthex_edge::AwsError;

const MEDIA_TYPE: &str = "application/x-protobuf";
const MESSAGE: &str = "prometheus.WriteRequest";
const ENCODING: &str = "snappy";

/// Passes only remote write 1.0 in a snappy block.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), AwsError> {
    if let Some(content_type) = headers.get(CONTENT_TYPE) {
        check_type(&String::from_utf8_lossy(content_type.as_bytes()))?;
    }
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if encodings.any(|encoding| !encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(ENCODING.as_bytes())) {
        let found: Vec<_> =
            headers.get_all(CONTENT_ENCODING).iter().map(|value| shortened(value.as_bytes())).collect();
        let found = found.join(", ");
        return Err(AwsError::UnsupportedMediaType(format!(
            "{found} encoding (compression) is not accepted by this server; only {ENCODING} is acceptable"
        )));
    }
    Ok(())
}

fn check_type(content_type: &str) -> Result<(), AwsError> {
    let mut parts = content_type.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    if !media_type.eq_ignore_ascii_case(MEDIA_TYPE) {
        let found = shortened(content_type.as_bytes());
        return Err(AwsError::UnsupportedMediaType(format!(
            "expected {MEDIA_TYPE} as the first (media) part, got {found} content-type"
        )));
    }
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        let message = value.trim().trim_matches('"');
        if name.trim().eq_ignore_ascii_case("proto") && message != MESSAGE {
            let found = shortened(message.as_bytes());
            return Err(AwsError::UnsupportedMediaType(format!(
                "{found} protobuf message is not accepted by this server; only {MESSAGE} is acceptable"
            )));
        }
    }
    Ok(())
}

fn shortened(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn verdict(content_type: Option<&str>, encoding: Option<&str>) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        for (name, value) in [(CONTENT_TYPE, content_type), (CONTENT_ENCODING, encoding)] {
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_str(value).expect("valid"));
            }
        }
        check(&headers).map_err(|error| {
            assert_eq!(error.status(), 415);
            error.to_string()
        })
    }

    #[test]
    fn remote_write_1_in_snappy_passes() {
        for content_type in [
            None,
            Some("application/x-protobuf"),
            Some("Application/X-Protobuf; charset=utf-8"),
            Some("application/x-protobuf;proto=prometheus.WriteRequest"),
            Some("application/x-protobuf; proto=\"prometheus.WriteRequest\""),
        ] {
            for encoding in [None, Some("snappy"), Some("Snappy")] {
                assert_eq!(verdict(content_type, encoding), Ok(()), "{content_type:?} {encoding:?}");
            }
        }
    }

    #[test]
    fn everything_else_is_told_what_is_supported() {
        let protobuf = Some("application/x-protobuf");
        for (content_type, encoding, supported) in [
            (Some("application/json"), Some("snappy"), "application/x-protobuf"),
            (Some(""), Some("snappy"), "application/x-protobuf"),
            (Some("application/x-protobuf;proto=io.prometheus.write.v2.Request"), Some("snappy"), MESSAGE),
            (protobuf, Some("zstd"), "only snappy"),
            (protobuf, Some("gzip"), "only snappy"),
            (protobuf, Some("snappy, gzip"), "only snappy"),
        ] {
            let text = verdict(content_type, encoding).expect_err(supported);
            assert!(text.contains(supported), "{text}");
        }
    }
}
