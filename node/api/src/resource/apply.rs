//! Applying many documents at once: all of them or none. What changes is told document by document.

use super::Kind;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// `POST /v1/apply`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// What should be in force.
    #[serde(default)]
    pub documents: Vec<ResourceDocument>,
    /// What should be gone.
    #[serde(default)]
    pub delete: Vec<ResourceReference>,
    /// Say what would change, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Delete every resource that the documents do not name.
    #[serde(default)]
    pub prune: bool,
    /// Do it even when nobody is an administrator afterwards.
    #[serde(default)]
    pub allow_lockout: bool,
    /// Why; kept in the audit. At most 4096 bytes.
    #[serde(default)]
    pub comment: String,
}

/// A document as it is applied. Its kind and body are checked one by one, so that each fault can be told with its place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceDocument {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its body.
    #[schema(value_type = Object)]
    pub spec: Value,
    /// The revision it is expected to have; 0 when it is expected not to exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// A resource by kind and name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceReference {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The revision it is expected to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// What was applied, or would be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ApplyAnswer {
    /// Whether nothing was changed because only a dry run was asked.
    pub dry_run: bool,
    /// The revision that the changes made; absent when nothing changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// What became of each document, in the request's order; then what was deleted.
    pub results: Vec<ApplyResult>,
    /// What is allowed but probably not meant.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// What became of one document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ApplyResult {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What was done.
    pub action: Applied,
    /// The body before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// The body after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
    /// The places that differ.
    pub changes: Vec<Change>,
}

/// What was done with a document.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Applied {
    /// It is new.
    Created,
    /// Its body differs.
    Changed,
    /// It was in force already.
    Unchanged,
    /// It is gone.
    Deleted,
}

/// One place where two bodies differ.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// Where (RFC 6901); empty for the whole body.
    pub pointer: String,
    /// What was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// What is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
}

/// The places where two bodies differ: objects are walked by name, everything else is compared whole.
pub fn changes(before: Option<&Value>, after: Option<&Value>) -> Vec<Change> {
    let mut found = Vec::new();
    walk(String::new(), before, after, &mut found);
    found
}

fn walk(pointer: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    if before == after {
        return;
    }
    if let (Some(Value::Object(left)), Some(Value::Object(right))) = (before, after) {
        let only_right = right.keys().filter(|name| !left.contains_key(*name));
        for name in left.keys().chain(only_right) {
            let step = name.replace('~', "~0").replace('/', "~1");
            walk(format!("{pointer}/{step}"), left.get(name), right.get(name), found);
        }
        return;
    }
    found.push(Change { pointer, before: before.cloned(), after: after.cloned() });
}
