//! From a JSON document to a typed, checked resource. Every fault is told with its place; all faults at once where possible.

use super::{
    BindingSpec, IdentityProviderSpec, Kind, MaskRuleSpec, PolicySpec, ResourceDocument, TargetSpec,
};
use crate::problem::ProblemItem;
use countersign_core::target::TargetName;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A typed resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    /// Its name.
    pub name: String,
    /// Its body.
    pub spec: Spec,
}

/// A typed body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Spec {
    /// Of an IdentityProvider.
    IdentityProvider(IdentityProviderSpec),
    /// Of a Binding.
    Binding(BindingSpec),
    /// Of a Target.
    Target(TargetSpec),
    /// Of a Policy.
    Policy(PolicySpec),
    /// Of a `MaskRule`.
    MaskRule(MaskRuleSpec),
}

/// What is wrong in a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {message}")]
pub struct Invalid {
    /// Where (RFC 6901), from the document's root.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

impl Invalid {
    /// A fault at a place of the body.
    pub(super) fn at(place: impl AsRef<str>, message: impl Into<String>) -> Self {
        Self { pointer: format!("/spec{}", place.as_ref()), message: message.into() }
    }

    fn of(field: &str, message: impl Into<String>) -> Self {
        Self { pointer: format!("/{field}"), message: message.into() }
    }

    /// The fault as a part of a problem.
    pub fn item(self, document: &str) -> ProblemItem {
        ProblemItem {
            document: Some(document.to_owned()),
            pointer: Some(self.pointer),
            message: self.message,
            ..ProblemItem::default()
        }
    }
}

/// Why a text is no name of a resource. All kinds share the rule of target names.
pub fn check_name(name: &str) -> Result<(), String> {
    match TargetName::parse(name) {
        Ok(_) => Ok(()),
        Err(_) => Err("a name has 1 to 63 characters of a-z, 0-9, `-`, `_` and `.`, and begins with a letter or digit".to_owned()),
    }
}

impl Document {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match &self.spec {
            Spec::IdentityProvider(_) => Kind::IdentityProvider,
            Spec::Binding(_) => Kind::Binding,
            Spec::Target(_) => Kind::Target,
            Spec::Policy(_) => Kind::Policy,
            Spec::MaskRule(_) => Kind::MaskRule,
        }
    }

    /// Reads and checks a document.
    pub fn read(document: &ResourceDocument) -> Result<Self, Vec<Invalid>> {
        let kind = kind(&document.kind).map_err(|fault| vec![fault])?;
        Self::typed(kind, &document.name, &document.spec)
    }

    /// Reads and checks a body of a known kind.
    pub fn typed(kind: Kind, name: &str, spec: &Value) -> Result<Self, Vec<Invalid>> {
        let mut found = Vec::new();
        if let Err(message) = check_name(name) {
            found.push(Invalid::of("name", message));
        }
        match typed_spec(kind, spec) {
            Err(fault) => found.push(fault),
            Ok(spec) => {
                spec.check(&mut found);
                if found.is_empty() {
                    return Ok(Self { name: name.to_owned(), spec });
                }
            }
        }
        Err(found)
    }
}

/// The kind; a kind of a later version is told apart from a misspelt one.
fn kind(text: &str) -> Result<Kind, Invalid> {
    if matches!(text, "Notifier" | "Retention") {
        let message = format!("this version does not know {text} resources yet");
        return Err(Invalid::of("kind", message));
    }
    match text.parse::<Kind>() {
        Ok(kind) if kind.name() == text => Ok(kind),
        Ok(kind) => Err(Invalid::of("kind", format!("write it as `{kind}`"))),
        Err(error) => Err(Invalid::of("kind", error.to_string())),
    }
}

fn typed_spec(kind: Kind, spec: &Value) -> Result<Spec, Invalid> {
    match kind {
        Kind::IdentityProvider => read(spec).map(Spec::IdentityProvider),
        Kind::Binding => read(spec).map(Spec::Binding),
        Kind::Target => read(spec).map(Spec::Target),
        Kind::Policy => read(spec).map(Spec::Policy),
        Kind::MaskRule => read(spec).map(Spec::MaskRule),
    }
}

fn read<T: DeserializeOwned>(spec: &Value) -> Result<T, Invalid> {
    serde_path_to_error::deserialize(spec).map_err(|error| {
        let place: String = error
            .path()
            .iter()
            .filter_map(|segment| match segment {
                serde_path_to_error::Segment::Seq { index } => Some(format!("/{index}")),
                serde_path_to_error::Segment::Map { key } => Some(step(key)),
                serde_path_to_error::Segment::Enum { variant } => Some(step(variant)),
                serde_path_to_error::Segment::Unknown => None,
            })
            .collect();
        Invalid::at(place, error.into_inner().to_string())
    })
}

fn step(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

impl Spec {
    fn check(&self, found: &mut Vec<Invalid>) {
        match self {
            Self::IdentityProvider(spec) => spec.check(found),
            Self::Binding(spec) => spec.check(found),
            Self::Target(spec) => spec.check(found),
            Self::Policy(spec) => spec.check(found),
            Self::MaskRule(spec) => spec.check(found),
        }
    }
}
