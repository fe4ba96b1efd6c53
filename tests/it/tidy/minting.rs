//! The proofs that an operation passes on its way can be made by one crate each.
//!
//! `clippy::disallowed_methods` refuses a call without a stated reason; this looks for the names, so that a stated reason
//! in the wrong crate does not pass either.

use super::tree;

/// The function, the folders that may name it, and whose it is.
const MINTS: &[(&str, &[&str])] = &[
    ("Session::opened", &["node/src/"]),
    (
        "Operation::classified",
        &[
            "protocols/postgres/src/",
            "protocols/ssh/src/channel/operation.rs",
            "protocols/kubernetes/src/exchange/operation.rs",
        ],
    ),
    ("Approved::after_claim", &["raft-store/src/"]),
    ("Grant::clear", &["node/src/gate/"]),
    ("Receipt::after_commit", &["raft-store/src/"]),
    ("NoteReceipt::after_sync", &["raft-store/src/"]),
    ("Leased::checked", &["node/src/"]),
    ("Permit::grant", &["node/src/gate/"]),
    ("Permit::ahead", &["node/src/gate/"]),
    (
        "MaskPlan::own_words",
        &[
            "protocols/postgres/src/mask.rs",
            "protocols/ssh/src/mask.rs",
            "protocols/kubernetes/src/mask.rs",
        ],
    ),
    (
        "MaskPlan::vouch",
        &[
            "protocols/postgres/src/mask.rs",
            "protocols/postgres/src/mask/",
            "protocols/kubernetes/src/mask.rs",
            "protocols/ssh/src/mask.rs",
        ],
    ),
    ("MaskRules::compile", &["node/src/gate/"]),
    ("MaskRules::none", &["node/src/gate/"]),
];

/// The gate that forges proofs so that chaos can find it: only compiled with a feature that nothing switches on by default.
const FORGER: &str = "node/src/broken_gate.rs";

#[test]
fn the_forger_of_proofs_is_compiled_only_with_its_feature() {
    let node = tree::rust_files();
    let library = node.iter().find(|file| file.path == "node/src/lib.rs").unwrap();
    assert!(
        library.production_text().contains("#[cfg(feature = \"broken-gate\")]\nmod broken_gate;")
    );
    let manifest = include_str!("../../../node/Cargo.toml");
    assert!(manifest.contains("broken-gate = []") && !manifest.contains("default = ["));
}

#[test]
fn proofs_are_minted_only_by_the_crate_that_checks_them() {
    for file in tree::rust_files() {
        // An example measures core by itself; nothing is linked with it.
        let core = ["protocols/core/src/", "protocols/core/examples/"];
        let exempt = core.iter().any(|of| file.path.starts_with(of)) || file.path == FORGER;
        if file.is_test_code() || exempt {
            continue;
        }
        for (mint, allowed) in MINTS {
            let called = mint.rsplit("::").next().unwrap();
            let text = file.production_text();
            let named = text.contains(mint) || text.contains(&format!("Self::{called}("));
            let ours = allowed.iter().any(|folder| file.path.starts_with(folder));
            assert!(
                !named || ours || text.contains(&format!("fn {called}(")),
                "{} names {mint}",
                file.path
            );
        }
    }
}

#[test]
fn a_proof_is_minted_in_so_few_places_that_each_can_be_reviewed() {
    for (mint, _) in MINTS {
        let places: Vec<String> = tree::rust_files()
            .iter()
            .filter(|file| !file.is_test_code() && !file.path.starts_with("protocols/core/src/"))
            .filter(|file| file.production_text().contains(&format!("{mint}(")))
            .map(|file| file.path.clone())
            .collect();
        assert!(places.len() <= 3, "{mint} is minted in {places:?}");
    }
}

#[test]
fn core_makes_a_permit_only_from_its_proofs() {
    for file in tree::rust_files() {
        if file.path.starts_with("protocols/core/src/") && !file.is_test_code() {
            let text = file.production_text();
            let makes_cleared = text.contains("Cleared::new(");
            let place =
                ["permit.rs", "policy/evaluate.rs", "hold/approved.rs", "core/src/grant.rs"];
            assert!(
                !makes_cleared || place.iter().any(|place| file.path.ends_with(place)),
                "{} makes a Cleared",
                file.path
            );
        }
    }
}
