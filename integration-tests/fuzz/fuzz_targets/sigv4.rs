//! What a client writes into the Authorization header, the dates, the path and the query of a signed request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use narthex_edge::sigv4::{canonical_queries, canonical_uris, parse_amz_date, parse_authorization, parse_http_date};

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let _ = parse_authorization(&text);
    let _ = parse_authorization(&format!("AWS4-HMAC-SHA256 {text}"));
    let _ = (parse_amz_date(&text), parse_http_date(&text));
    let _ = (canonical_uris(&text), canonical_queries(&text));
});
