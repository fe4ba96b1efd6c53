//! What stands at the top of the tree.

use std::fs;

use super::tree;

const FOLDERS: &[&str] =
    &["protocols", "raft-store", "node", "admin-cli", "chaos", "deploy", "tests"];

const FILES: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "ARCHITECTURE.md",
    "DECISIONS.md",
    "CHANGELOG.md",
    "LICENSE",
    "clippy.toml",
    "rustfmt.toml",
    "rust-toolchain.toml",
];

#[test]
fn the_top_holds_only_the_folders_and_files_of_the_layout() {
    for entry in fs::read_dir(tree::top()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        let known = if entry.path().is_dir() { FOLDERS } else { FILES };
        assert!(known.contains(&name.as_str()), "{name} has no place at the top");
    }
}

#[test]
fn the_files_that_a_newcomer_looks_for_are_there() {
    for name in FILES.iter().chain(&[
        ".ci/run",
        ".config/nextest.toml",
        "tests/run.sh",
        "deploy/quickstart.sh",
    ]) {
        let length = fs::metadata(tree::top().join(name)).map_or(0, |found| found.len());
        assert!(length > 0, "{name} is missing or empty");
    }
}
