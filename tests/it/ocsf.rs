//! Audit events as OCSF has them, against the schema that is published for it.

use std::{path::Path, process::Command};

/// The version that events name, and that they are checked against.
const SCHEMA: &str = "1.5.0";

#[test]
fn an_audit_event_of_every_kind_is_one_of_the_published_schema() {
    let python = std::env::var_os("CS_TEST_PYTHON").expect("an interpreter with the schema");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python)
        .arg(here.join("it/ocsf/check.py"))
        .arg(here.join("../node/api/tests/export/frozen-ocsf.jsonl"))
        .arg(SCHEMA)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{error}");
}
