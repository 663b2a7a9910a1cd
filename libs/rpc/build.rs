//! Generates messages, clients and server traits from `proto/`. protox parses it, so that a build needs no protoc.

use std::{error::Error, path::Path};

const FILES: [&str; 5] = ["common", "push", "select", "cut", "control"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let files: Vec<_> = FILES.iter().map(|name| root.join(format!("narthex/v1/{name}.proto"))).collect();
    let descriptors = protox::compile(&files, [&root])?;
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
