//! The edges between crates, ours and others', as the manifests state them.

use std::{collections::BTreeMap, fs};

use toml::{Table, Value};

use super::tree;

/// Our crates: folder, name, rank, and which of ours it may depend on. A new edge is an architecture change: it needs an
/// entry in DECISIONS.md and a line here.
const CRATES: &[(&str, &str, u8, &[&str])] = &[
    ("protocols/core", "countersign-core", 0, &[]),
    ("protocols/edge", "countersign-edge", 1, &["countersign-core"]),
    ("protocols/postgres", "countersign-postgres", 2, &["countersign-core", "countersign-edge"]),
    ("protocols/ssh", "countersign-ssh", 2, &["countersign-core", "countersign-edge"]),
    (
        "protocols/kubernetes",
        "countersign-kubernetes",
        2,
        &["countersign-core", "countersign-edge"],
    ),
    ("raft-store", "countersign-raft-store", 2, &["countersign-core"]),
    ("node/api", "countersign-api", 2, &["countersign-core"]),
    (
        "node",
        "countersign-node",
        3,
        &[
            "countersign-core",
            "countersign-edge",
            "countersign-api",
            "countersign-postgres",
            "countersign-ssh",
            "countersign-kubernetes",
            "countersign-raft-store",
        ],
    ),
    ("admin-cli", "countersign-admin", 4, &["countersign-core", "countersign-api"]),
    ("chaos", "countersign-chaos", 4, &["countersign-core", "countersign-api"]),
    (
        "tests",
        "countersign-tests",
        4,
        &["countersign-core", "countersign-api", "countersign-kubernetes"],
    ),
];

/// Crates of others that only some of ours may name.
const WALLS: &[(&str, &[&str])] = &[
    ("openraft", &["countersign-raft-store"]),
    ("rocksdb", &["countersign-raft-store"]),
    ("tonic", &["countersign-raft-store"]),
    ("tonic-prost", &["countersign-raft-store"]),
    ("tonic-prost-build", &["countersign-raft-store"]),
    ("prost", &["countersign-raft-store"]),
    ("protox", &["countersign-raft-store"]),
    ("pg_query", &["countersign-postgres"]),
    ("postgres-protocol", &["countersign-postgres"]),
    ("russh", &["countersign-ssh"]),
    ("tokio-tungstenite", &["countersign-kubernetes"]),
    ("cedar-policy", &["countersign-core"]),
    ("axum", &["countersign-node"]),
    ("hyper", &["countersign-node", "countersign-kubernetes"]),
    // Beside raft-store's tonic it only wraps a TLS stream for the channel.
    ("hyper-util", &["countersign-node", "countersign-raft-store", "countersign-kubernetes"]),
    ("jsonwebtoken", &["countersign-node"]),
    ("tokio-postgres", &["countersign-chaos", "countersign-tests"]),
    ("tokio-postgres-rustls", &["countersign-chaos", "countersign-tests"]),
];

/// What core stays free of: runtimes, input and output, formats, randomness.
const NOT_IN_CORE: &[&str] = &[
    "serde",
    "serde_json",
    "tokio",
    "futures",
    "rand",
    "reqwest",
    "rustix",
    "tracing",
    "postcard",
    "bytes",
];

/// A second cryptographic provider, or C libraries of the system. `ring` is looked at apart: see below.
const NOT_IN_THE_LOCK: &[&str] = &["openssl", "openssl-sys", "native-tls", "x509-certificate"];

/// The sections of a manifest that make edges.
const SECTIONS: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

fn manifest(folder: &str) -> Table {
    let path = tree::top().join(folder).join("Cargo.toml");
    fs::read_to_string(&path).unwrap().parse().unwrap()
}

fn dependencies(manifest: &Table) -> Vec<String> {
    let mut sections: Vec<&Table> =
        SECTIONS.iter().filter_map(|name| manifest.get(*name)?.as_table()).collect();
    if let Some(targets) = manifest.get("target").and_then(Value::as_table) {
        for target in targets.values().filter_map(Value::as_table) {
            sections.extend(SECTIONS.iter().filter_map(|name| target.get(*name)?.as_table()));
        }
    }
    sections
        .into_iter()
        .flat_map(|section| {
            section.iter().map(|(key, value)| {
                value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned()
            })
        })
        .collect()
}

#[test]
fn the_workspace_has_exactly_the_crates_of_the_architecture() {
    let workspace = manifest(".");
    let mut members: Vec<&str> = workspace["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap())
        .collect();
    let mut known: Vec<&str> = CRATES.iter().map(|(folder, ..)| *folder).collect();
    members.sort_unstable();
    known.sort_unstable();
    assert_eq!(members, known);
    for (folder, name, ..) in CRATES {
        assert_eq!(manifest(folder)["package"]["name"].as_str(), Some(*name), "{folder}");
    }
}

#[test]
fn a_crate_depends_only_on_lower_ranks_and_never_on_its_own() {
    let rank: BTreeMap<&str, u8> = CRATES.iter().map(|(_, name, rank, _)| (*name, *rank)).collect();
    for (folder, name, own, allowed) in CRATES {
        for dependency in dependencies(&manifest(folder)) {
            if let Some(other) = rank.get(dependency.as_str()) {
                assert!(
                    other < own,
                    "{name} (rank {own}) must not depend on {dependency} (rank {other})"
                );
                assert!(
                    allowed.contains(&dependency.as_str()),
                    "{name} must not depend on {dependency}"
                );
            }
        }
    }
}

#[test]
fn crates_of_others_stay_behind_their_walls() {
    for (folder, name, ..) in CRATES {
        for dependency in dependencies(&manifest(folder)) {
            if let Some((_, owners)) = WALLS.iter().find(|(walled, _)| *walled == dependency) {
                assert!(
                    owners.contains(name),
                    "{dependency} belongs to {owners:?}, {name} names it"
                );
            }
        }
    }
}

#[test]
fn core_has_no_runtime_no_format_and_no_randomness() {
    let core = manifest("protocols/core");
    for dependency in core["dependencies"].as_table().unwrap().keys() {
        assert!(
            !NOT_IN_CORE.contains(&dependency.as_str()),
            "core must not depend on {dependency}"
        );
    }
    for file in tree::rust_files() {
        if file.path.starts_with("protocols/core/src/") && !file.is_test_code() {
            for word in [
                "std::fs",
                "TcpStream",
                "UdpSocket",
                "SystemTime",
                "Instant::now",
                "std::env",
                "std::thread",
            ] {
                assert!(!file.production_text().contains(word), "{} names {word}", file.path);
            }
        }
    }
}

#[test]
fn every_crate_takes_the_lints_and_the_version_of_the_workspace() {
    for (folder, ..) in CRATES {
        let manifest = manifest(folder);
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{folder}: [lints]");
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            let inherited = manifest["package"][key].get("workspace").and_then(Value::as_bool);
            assert_eq!(inherited, Some(true), "{folder}: package.{key}");
        }
    }
}

#[test]
fn versions_of_dependencies_are_stated_once_in_the_workspace() {
    for (folder, ..) in CRATES {
        let manifest = manifest(folder);
        for section in SECTIONS {
            for (key, value) in
                manifest.get(*section).and_then(Value::as_table).into_iter().flatten()
            {
                let inherited = value.get("workspace").and_then(Value::as_bool);
                assert_eq!(inherited, Some(true), "{folder}: {section}.{key}");
            }
        }
    }
}

#[test]
fn there_is_one_cryptographic_provider() {
    let lock: Table = fs::read_to_string(tree::top().join("Cargo.lock")).unwrap().parse().unwrap();
    for package in lock["package"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        assert!(!NOT_IN_THE_LOCK.contains(&name), "{name} is in Cargo.lock");
        let edges = package.get("dependencies").and_then(Value::as_array);
        let names_ring = edges
            .into_iter()
            .flatten()
            .any(|edge| edge.as_str().is_some_and(|edge| edge == "ring"));
        // Cargo writes this optional edge down although nothing switches it on.
        assert!(!names_ring || name == "rustls-webpki", "{name} depends on ring");
    }
}

#[test]
fn the_architecture_names_every_crate() {
    let architecture = fs::read_to_string(tree::top().join("ARCHITECTURE.md")).unwrap();
    for (folder, name, ..) in CRATES {
        assert!(architecture.contains(name), "ARCHITECTURE.md does not name {name}");
        assert!(architecture.contains(folder), "ARCHITECTURE.md does not name {folder}");
    }
}
