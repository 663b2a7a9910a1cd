//! Management requests of any bytes: method and path first, then query and body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use narthex_amp::{Operation, parse, route};

fuzz_target!(|input: (u8, String, String, Vec<u8>)| {
    let (operation, label, query, body) = input;
    let operation = Operation::ALL[usize::from(operation) % Operation::ALL.len()];
    // Labels of any text, so that all operations are reached.
    let segment = |segment| if str::starts_with(segment, '{') { label.as_str() } else { segment };
    let path: Vec<_> = operation.path().split('/').map(segment).collect();
    let path = path.join("/");
    let Ok(route) = route(operation.method(), &path) else { return };
    match parse(&route, &query, &body) {
        Ok(request) => assert_eq!(request.operation(), route.operation),
        Err(invalid) => assert!(invalid.fields.len() <= 50 && invalid.message.len() < 1 << 16),
    }
});
