//! The body of a request, read for its reviewers and held against what the path says.
//!
//! What is forwarded are the bytes as they came; reading them changes nothing. A body that two readers can read in two ways
//! (a key twice, an anchor) is refused, because people decide about what they read. A form that the gateway does not know,
//! or knows and cannot read without the schema (protobuf), is opaque. CBOR is refused: nothing shows it to people.

mod danger;
mod document;
mod form;
#[cfg(test)]
mod tests;

use crate::{
    classify::{Object, RequestInfo, Subject},
    request::Request,
};
pub(crate) use countersign_core::mask::REDACTED;
use serde_json::Value;

/// The largest body: that of the API server.
pub const MAX_BODY_BYTES: usize = 3 * 1024 * 1024;

/// The most values in a body: each takes many times the memory that it has bytes.
pub const MAX_VALUES: usize = 100_000;

/// The annotation in which `kubectl apply` keeps what it applied last, as JSON in a text.
pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// [`REDACTED`], what the gateway puts in the place of what is masked, where the API has base64.
pub(crate) const REDACTED_BASE64: &str = "W3JlZGFjdGVkXQ==";

/// Why a body is not read. Each is said to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A GET with a body.
    #[error("a request that reads has no body")]
    OfRead,
    /// More than the server takes.
    #[error("the body is longer than {MAX_BODY_BYTES} bytes")]
    TooLong,
    /// None, or one that cannot be shown to people.
    #[error(
        "the type of the body is none that is forwarded: say application/json, application/yaml or a patch's type, without parameters"
    )]
    Type,
    /// A patch's type without PATCH, or the other way round.
    #[error("the type of the body is none for this method")]
    TypeForMethod,
    /// Not what its type says, or too deep.
    #[error("the body is not what its type says")]
    Malformed,
    /// A key twice.
    #[error("the body has a key twice in one object")]
    Twice,
    /// Another name or namespace than the path's.
    #[error("the body is for another object than the path")]
    OtherObject,
    /// More values than are read for anybody.
    #[error("the body has more than {MAX_VALUES} values")]
    TooMany,
    /// A patch that has a Secret's values put or told elsewhere.
    #[error(
        "a JSON patch of a Secret adds, removes and replaces; it neither copies, moves nor tests"
    )]
    PatchOfSecret,
    /// What was read through the gateway is written back.
    #[error(
        "the body has a value that the gateway shows in the place of a masked one; writing it back would destroy the real one"
    )]
    MaskedValue,
}

/// How far a body is understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// There is none.
    Empty,
    /// An object.
    Object,
    /// A change of parts of one.
    Patch,
    /// It cannot be read.
    Opaque,
}

/// What was read of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Body {
    /// How far it is understood.
    pub form: Form,
    /// What a reviewer is told of it first, as name and value.
    pub facts: Vec<(String, String)>,
}

/// Reads the body of a request that is mapped already.
pub(crate) fn read(request: &Request<'_>, info: &RequestInfo) -> Result<Body, Unreadable> {
    if request.body.len() > MAX_BODY_BYTES {
        return Err(Unreadable::TooLong);
    }
    if request.body.is_empty() {
        return Ok(Body { form: Form::Empty, facts: Vec::new() });
    }
    if request.method.is_safe() {
        return Err(Unreadable::OfRead);
    }
    let Subject::Object(object) = &info.subject else {
        return Ok(opaque("a URL that is no resource", Vec::new()));
    };
    if object.subresource == "proxy" {
        return Ok(opaque("whatever the proxied server takes", Vec::new()));
    }
    let syntax = form::of(request.method, request.content_type)?;
    let value = match syntax {
        form::Syntax::Protobuf => return Ok(opaque("protobuf", form::envelope(request.body)?)),
        form::Syntax::Json(_) => document::json(request.body)?,
        form::Syntax::Yaml(_) => document::yaml(request.body)?,
    };
    if document::has_masked_value(&value) {
        return Err(Unreadable::MaskedValue);
    }
    is_for(object, &value)?;
    if syntax == form::Syntax::Json(form::Does::JsonPatch) && is_secret(object) {
        keeps_in_place(&value)?;
    }
    let form = if syntax.is_patch() { Form::Patch } else { Form::Object };
    Ok(Body { form, facts: facts(syntax, &value) })
}

fn opaque(what: &str, mut facts: Vec<(String, String)>) -> Body {
    facts.insert(0, ("body".to_owned(), format!("not understood: {what}")));
    Body { form: Form::Opaque, facts }
}

/// Refuses a body that names another object than the path. What belongs to a sub-resource has names of its own.
fn is_for(object: &Object, body: &Value) -> Result<(), Unreadable> {
    let says = |part: &str| body.pointer(part).and_then(Value::as_str).unwrap_or_default();
    let (name, namespace) = (says("/metadata/name"), says("/metadata/namespace"));
    let other = |said: &str, path: &str| !said.is_empty() && said != path;
    let other_name = !object.name.is_empty() && other(name, &object.name);
    if object.subresource.is_empty() && (other_name || other(namespace, &object.namespace)) {
        return Err(Unreadable::OtherObject);
    }
    Ok(())
}

fn is_secret(object: &Object) -> bool {
    object.group.is_empty() && object.resource == "secrets"
}

/// What is masked is masked where it stands. A patch (RFC 6902) could have it copied to where nothing is, or ask about it.
fn keeps_in_place(patch: &Value) -> Result<(), Unreadable> {
    let plain = |operation: &Value| {
        let named = operation.get("op").and_then(Value::as_str);
        matches!(named, Some("add" | "remove" | "replace"))
    };
    let operations = patch.as_array().ok_or(Unreadable::Malformed)?;
    if operations.iter().all(plain) { Ok(()) } else { Err(Unreadable::PatchOfSecret) }
}

fn facts(syntax: form::Syntax, value: &Value) -> Vec<(String, String)> {
    let mut facts = vec![("body".to_owned(), syntax.name().to_owned())];
    for (name, place) in [
        ("kind", "/kind"),
        ("apiVersion", "/apiVersion"),
        ("name", "/metadata/name"),
        ("generateName", "/metadata/generateName"),
    ] {
        if let Some(text) = value.pointer(place).and_then(Value::as_str) {
            facts.push((name.to_owned(), text.to_owned()));
        }
    }
    facts.extend(danger::found(value).into_iter().map(|found| ("attention".to_owned(), found)));
    facts
}
