//! What a reviewer should see first in a body: what reaches out of a container, or takes rights on. Where it stands does
//! not matter, since pods are templates of many other kinds. That something is not found does not say that a body is harmless.

use serde_json::{Map, Value};

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
            add(of_operation(members), all);
            for (key, value) in members {
                add(one(key, value), all);
                look(value, all);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn add(found: Option<String>, all: &mut Vec<String>) {
    if let Some(found) = found
        && all.len() < MOST
        && !all.contains(&found)
    {
        all.push(found);
    }
}

/// An operation of a JSON patch (RFC 6902): what it is about stands at the end of its path, and what it takes from elsewhere
/// it does not say.
fn of_operation(members: &Map<String, Value>) -> Option<String> {
    let says = |key: &str| members.get(key).and_then(Value::as_str);
    let (operation, path) = (says("op")?, says("path")?);
    let mut steps = path.rsplit('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
    let (last, before) = (steps.next()?, steps.next().unwrap_or_default());
    let below = BELOW.iter().find(|(key, part)| *key == before && *part == last);
    match (operation, members.get("value")) {
        ("copy" | "move", _) => {
            let is_known = WHEN_TRUE.contains(&last.as_str())
                || WHAT.contains(&last.as_str())
                || BELOW.iter().any(|(key, _)| *key == last)
                || below.is_some();
            is_known.then(|| format!("{path}: from {}", says("from").unwrap_or_default()))
        }
        (_, Some(value)) => match below {
            Some((key, _)) => value.as_str().map(|what| format!("{key}: {what}")),
            None => one(&last, value),
        },
        (_, None) => None,
    }
}

/// Whether a value is true, or is written as YAML 1.1 has it, in which an API server reads bodies.
fn is_true(value: &Value) -> bool {
    const YES: &[&str] = &["y", "yes", "on", "true"];
    let yes = |text: &str| YES.iter().any(|yes| text.eq_ignore_ascii_case(yes));
    value.as_bool().unwrap_or_else(|| value.as_str().is_some_and(yes))
}

fn one(key: &str, value: &Value) -> Option<String> {
    if WHEN_TRUE.contains(&key) {
        return is_true(value).then(|| key.to_owned());
    }
    if WHAT.contains(&key) {
        return value.as_str().map(|what| format!("{key}: {what}"));
    }
    let (_, part) = BELOW.iter().find(|(known, _)| *known == key)?;
    value.get(part).and_then(Value::as_str).map(|what| format!("{key}: {what}"))
}
