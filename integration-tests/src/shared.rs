//! Test data that lies in a folder beside the checkout and is not part of it.

use std::path::PathBuf;

/// A file of the folder `shared`, if it is there. Without it a test can only be passed over, which is said; where `CI=true` it fails.
pub fn file(path: &str) -> Option<PathBuf> {
    let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")).join(path);
    if file.is_file() {
        return Some(file);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{} is missing", file.display());
    eprintln!("ignored: {} is missing", file.display());
    None
}
