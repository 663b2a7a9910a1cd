//! What users upload as YAML, each taken as every sort of document. A configuration of the alert manager is also reached within its file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use narthex_definitions::{alertmanager, rules, scrape};

fuzz_target!(|input: &[u8]| {
    let _ = rules::parse(input, "namespace", &Default::default()).map_err(|refusal| refusal.to_string());
    for source in [scrape::SourceKind::Kubernetes, scrape::SourceKind::Vpc] {
        let _ = scrape::parse(input, source, &Default::default()).map_err(|refusal| refusal.to_string());
    }
    let _ = alertmanager::parse(input, &Default::default()).map_err(|refusal| refusal.to_string());
    let indented: String = String::from_utf8_lossy(input).lines().map(|line| format!("  {line}\n")).collect();
    let within = format!("alertmanager_config: |2\n{indented}");
    let _ = alertmanager::parse(within.as_bytes(), &Default::default()).map_err(|refusal| refusal.to_string());
});
