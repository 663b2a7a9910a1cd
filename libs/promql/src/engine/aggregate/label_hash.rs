//! Prometheus's hash of labels, by which `limit_ratio` chooses.

use narthex_model::Labels;
use twox_hash::XxHash64;

/// XXH64 of names and values, each after its length: one byte, or 255 and three.
pub(super) fn label_hash(labels: &Labels) -> u64 {
    let mut bytes = Vec::new();
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        match text.len() {
            length @ 0..255 => bytes.push(length as u8),
            length => bytes.extend([255, length as u8, (length >> 8) as u8, (length >> 16) as u8]),
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    XxHash64::oneshot(0, &bytes)
}
