//! Which forms of an answer the agent takes, and which of them the target is asked for: those that the masker reads.

use super::{BadHeader, plain};
use hyper::{HeaderMap, header::ACCEPT};

/// The most forms that an agent may name.
const MOST: usize = 16;
/// The schema of the API in protobuf: it is about the API, and has no object in it.
const OPENAPI: &[&str] = &[
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v3@v1.0+protobuf",
];

/// Which forms can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forms {
    /// Those that are masked.
    Masked,
    /// Also the schema of the API in protobuf: it is what is asked for, and nothing covers this target.
    Schema,
}

/// How the answer is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Label {
    /// What the target calls it.
    AsItIs,
    /// YAML, which JSON is too.
    Yaml,
}

/// What an agent takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accept {
    upstream: String,
    label: Label,
}

impl Accept {
    pub(super) fn read(headers: &HeaderMap, forms: Forms) -> Result<Self, BadHeader> {
        let mut asked = Vec::new();
        let mut label = None;
        let mut named = 0;
        for value in headers.get_all(ACCEPT) {
            for range in plain(value)?.split(',').map(|range| range.trim_matches([' ', '\t'])) {
                named += 1;
                if let Some((wanted, called)) = one(range, forms) {
                    asked.push(wanted);
                    label.get_or_insert(called);
                }
            }
        }
        match label {
            _ if named > MOST => Err(BadHeader::NotAcceptable),
            // No form is any form.
            None if named == 0 => {
                Ok(Self { upstream: "application/json".to_owned(), label: Label::AsItIs })
            }
            None => Err(BadHeader::NotAcceptable),
            Some(label) => {
                asked.dedup();
                Ok(Self { upstream: asked.join(", "), label })
            }
        }
    }

    /// What the target is asked for.
    pub(super) fn upstream(&self) -> &str {
        &self.upstream
    }

    pub(super) fn label(&self) -> Label {
        self.label
    }
}

/// What is asked for to satisfy one range, and how the answer is called then. The parameters by which JSON is a table or
/// an excerpt stay; by any other the server could make something else of it.
fn one(range: &str, forms: Forms) -> Option<(String, Label)> {
    let mut parts = range.split(';').map(|part| part.trim_matches([' ', '\t']));
    let kind = parts.next().unwrap_or_default();
    let parameters: Vec<_> = parts.collect();
    if parameters.iter().any(|parameter| is_zero(parameter)) {
        return None;
    }
    let kept: Vec<_> = parameters.iter().copied().filter(|one| !one.starts_with("q=")).collect();
    match kind {
        "application/json" if kept.iter().all(|parameter| is_form(parameter)) => {
            let form = kept.iter().map(|parameter| format!(";{parameter}")).collect::<Vec<_>>();
            Some((format!("application/json{}", form.concat()), Label::AsItIs))
        }
        "*/*" | "application/*" if kept.is_empty() => {
            Some(("application/json".to_owned(), Label::AsItIs))
        }
        "application/yaml" if kept.is_empty() => Some(("application/json".to_owned(), Label::Yaml)),
        "text/plain" | "text/*" if kept.is_empty() => {
            Some(("text/plain".to_owned(), Label::AsItIs))
        }
        schema if forms == Forms::Schema && kept.is_empty() && OPENAPI.contains(&schema) => {
            Some((schema.to_owned(), Label::AsItIs))
        }
        _ => None,
    }
}

/// `as=Table;g=meta.k8s.io;v=v1`.
fn is_form(parameter: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    parameter.split_once('=').is_some_and(|(key, value)| {
        matches!(key, "as" | "g" | "v") && !value.is_empty() && value.chars().all(plain)
    })
}

/// A quality of nothing: the form is not taken.
fn is_zero(parameter: &str) -> bool {
    parameter
        .strip_prefix("q=")
        .is_some_and(|quality| quality.chars().all(|digit| matches!(digit, '0' | '.')))
}
