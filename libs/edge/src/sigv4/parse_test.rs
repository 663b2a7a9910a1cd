//! Parsers of outside bytes and canonical forms: strict, total, and never shared by requests of different meaning.

use proptest::prelude::*;

use super::*;
use crate::test_support::NOW;

#[test]
fn dates_are_read_strictly() {
    assert_eq!(parse_amz_date("20261123T120000Z"), Some(NOW));
    assert_eq!(parse_http_date("Mon, 23 Nov 2026 12:00:00 GMT"), Some(NOW));
    for text in [
        "",
        "20261123T120000",
        "2026-11-23T12:0Z",
        "20261323T120000Z",
        "20260230T120000Z",
        "20261123T250000Z",
        "+0261123T120000Z",
        "20261123T1200é0Z",
    ] {
        assert_eq!(parse_amz_date(text), None, "{text}");
    }
}

#[test]
fn headers_that_are_not_signatures_are_named() {
    let zeros = "0".repeat(64);
    let scope = "AKID/20261123/us-east-1/aps/aws4_request";
    let full = format!("AWS4-HMAC-SHA256 Credential={scope},SignedHeaders=host;x-amz-date,Signature={zeros}");
    let parsed = parse_authorization(&full).expect("no blanks after commas");
    assert_eq!((&*parsed.access_key_id, &*parsed.date, &*parsed.region), ("AKID", "20261123", "us-east-1"));
    assert_eq!(parsed.signed_headers, ["host", "x-amz-date"]);
    use AuthorizationError::{Credential, Missing, Part, Scheme, Signature, SignedHeaders};
    let many: String = (0..101).map(|n| format!("h{n};")).collect();
    let cases = [
        ("", Scheme),
        ("Basic dXNlcjpwYXNz", Scheme),
        ("AWS4-ECDSA-P256-SHA256 Credential=x", Scheme),
        ("AWS4-HMAC-SHA256", Missing("Credential")),
        (&*full.replace("SignedHeaders=", "Signed="), Part),
        (&*format!("{full}, Signature={zeros}"), Part),
        (&*full.replace("aws4_request", "aws5_request"), Credential),
        (&*full.replace("AKID/", "AK/ID/"), Credential),
        (&*full.replace("20261123", "2026-1-3"), Credential),
        (&*full.replace("x-amz-date", "X-Amz-Date"), SignedHeaders),
        (&*full.replace("x-amz-date", "host"), SignedHeaders),
        (&*full.replace("host;", "host;;"), SignedHeaders),
        (&*full.replace("host;", &many), SignedHeaders),
        (&*full.replace(&zeros, &zeros[1..]), Signature),
        (&*full.replace(&zeros, &format!("é{}", &zeros[2..])), Signature),
        (full.split(",Signature").next().expect("a beginning"), Missing("Signature")),
    ];
    for (header, error) in cases {
        assert_eq!(parse_authorization(header), Err(error), "{header}");
    }
}

#[test]
fn signing_keys_follow_a_changed_secret() {
    let keys = SigningKeys::new("us-east-1", SERVICE);
    let old = keys.get("AKID", "old", "20261123");
    assert_eq!(keys.get("AKID", "old", "20261123"), old);
    assert_eq!(
        keys.get("AKID", "new", "20261123"),
        SigningKey::derive("new", "20261123", "us-east-1", SERVICE)
    );
    assert_ne!(keys.get("AKID", "old", "20261124"), old);
}

proptest! {
    #[test]
    fn the_header_parser_never_panics(header in "\\PC{0,200}") {
        let _ = parse_authorization(&header);
    }

    #[test]
    fn almost_valid_headers_never_panic(
        parts in prop::collection::vec(
            prop::sample::select(vec!["AWS4-HMAC-SHA256", " ", "Credential=", "a/20261123/r/aps/aws4_request", "/", ",", ";",
                "SignedHeaders=", "host", "Signature=", "00", "=", "é"]),
            0..20,
        )
    ) {
        let _ = parse_authorization(&parts.concat());
    }

    #[test]
    fn canonical_forms_never_panic_and_differ_for_different_decoded_queries(
        path in "/[a-z/.%0-9é:]{0,30}", query in "[a-z=&%+0-9é]{0,30}", other in "[a-z=&%+0-9]{0,30}"
    ) {
        prop_assert!(!canonical_uris(&path).is_empty());
        let meaning = |query: &str| {
            let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = query
                .split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| {
                    let decode = |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).collect();
                    (decode(name), decode(value))
                })
                .collect();
            pairs.sort();
            pairs
        };
        let shared = canonical_queries(&query).into_iter().any(|form| canonical_queries(&other).contains(&form));
        prop_assert!(!shared || meaning(&query) == meaning(&other), "{} {}", query, other);
    }

    #[test]
    fn paths_that_share_a_canonical_form_are_routed_alike(path in "/[ab/.%25F]{0,14}", other in "/[ab/.%25F]{0,14}") {
        let shared = canonical_uris(&path).into_iter().any(|form| canonical_uris(&other).contains(&form));
        prop_assert!(!shared || normalize_path(&path, true) == normalize_path(&other, true), "{} {}", path, other);
    }
}
