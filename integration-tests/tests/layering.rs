//! Dependencies point one way: services -> libs -> model.

use std::collections::BTreeMap;

use cargo_metadata::{MetadataCommand, Package};

/// The top-level folder that a workspace package lies in.
fn folder<'a>(package: &'a Package, root: &str) -> &'a str {
    let path = package.manifest_path.as_str().strip_prefix(root).unwrap_or_default();
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

#[test]
fn a_lib_depends_on_no_service_and_model_on_nothing_of_ours() {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .no_deps()
        .other_options(["--locked".to_owned()])
        .exec()
        .unwrap();
    let root = metadata.workspace_root.as_str();
    let folders: BTreeMap<&str, &str> =
        metadata.packages.iter().map(|package| (package.name.as_str(), folder(package, root))).collect();
    assert!(folders.values().any(|folder| *folder == "services"), "no services found: {folders:?}");
    assert_eq!(folders.get("narthex-model"), Some(&"libs"));

    let mut wrong = Vec::new();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            let Some(target) = folders.get(dependency.name.as_str()) else { continue };
            let from_lib = folders[package.name.as_str()] == "libs";
            if (from_lib && *target != "libs") || package.name.as_str() == "narthex-model" {
                wrong.push(format!("{} ({}) depends on {}", package.name, dependency.kind, dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
