//! What a reviewer should see first in a body: what reaches out of a container, or takes rights on. Where it stands does
//! not matter, since pods are templates of many other kinds. That something is not found does not say that a body is harmless.

use serde_json::Value;

/// The most that is pointed at.
const MOST: usize = 32;

/// Keys that reach out of a container when they are true.
const WHEN_TRUE: &[&str] = &[
    "privileged",
    "allowPrivilegeEscalation",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "hostUsers",
    "automountServiceAccountToken",
];
/// Keys whose value says what is taken on or reached: a name, a path.
const WHAT: &[&str] = &[
    "serviceAccountName",
    "serviceAccount",
    "secretName",
    "externalName",
    "nodeName",
    "clusterRole",
];
/// Keys whose object has it in `path` or `name`.
const BELOW: &[(&str, &str)] =
    &[("hostPath", "path"), ("secretRef", "name"), ("secretKeyRef", "name"), ("roleRef", "name")];

/// What stands out, each as `KEY` or `KEY: VALUE`, in the order of the body and once.
pub(super) fn found(value: &Value) -> Vec<String> {
    let mut all = Vec::new();
    look(value, &mut all);
    all
}

fn look(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| look(element, all)),
        Value::Object(members) => {
            for (key, value) in members {
                if let Some(found) = one(key, value)
                    && all.len() < MOST
                    && !all.contains(&found)
                {
                    all.push(found);
                }
                look(value, all);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn one(key: &str, value: &Value) -> Option<String> {
    if WHEN_TRUE.contains(&key) {
        return value.as_bool().filter(|yes| *yes).map(|_| key.to_owned());
    }
    if WHAT.contains(&key) {
        return value.as_str().map(|what| format!("{key}: {what}"));
    }
    let (_, part) = BELOW.iter().find(|(known, _)| *known == key)?;
    value.get(part).and_then(Value::as_str).map(|what| format!("{key}: {what}"))
}
