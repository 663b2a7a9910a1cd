//! Manifests as they lie in a bucket: roots and segments of any bytes, with checksums that fit, so that the parser behind them is reached.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use narthex_manifest::{FORMAT, Manifest};
use narthex_model::{ManifestRevision, WorkspaceId};

fuzz_target!(|input: (u128, u64, Vec<u8>, Vec<u8>)| {
    let (workspace, revision, root, segment) = input;
    let (workspace, revision) = (WorkspaceId::from_u128(workspace), ManifestRevision(revision));
    let segment = file(segment);
    let Ok(manifest) = Manifest::from_files(workspace, revision, file(root), |_| Some(segment.clone())) else { return };
    assert_eq!(manifest.len(), manifest.entries().count());
    for entry in manifest.entries() {
        assert!(manifest.names(entry.id));
    }
});

/// Wraps a body: a varint field 1, a fixed32 field 2 and a bytes field 3.
fn file(body: Vec<u8>) -> Bytes {
    let mut file = vec![0x08, FORMAT as u8, 0x15];
    file.extend(crc32c::crc32c(&body).to_le_bytes());
    file.push(0x1A);
    let mut length = body.len();
    while length >= 0x80 {
        file.push(length as u8 | 0x80);
        length >>= 7;
    }
    file.push(length as u8);
    file.extend(body);
    file.into()
}
