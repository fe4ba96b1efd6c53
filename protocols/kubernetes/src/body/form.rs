//! What a `Content-Type` says that a body is. Only the types that the API server documents are known, and written as it
//! documents them: parameters that say anything are refused, because the server might heed them.

use super::Unreadable;
use crate::classify::Method;

/// How a body is written, and what it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Syntax {
    Json(Does),
    Yaml(Does),
    Protobuf,
}

/// What a body does to an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Does {
    /// It is the object, or the options of a deletion.
    Stands,
    /// RFC 6902.
    JsonPatch,
    /// RFC 7396.
    MergePatch,
    /// The server's own, by the keys that its schema names.
    StrategicMergePatch,
    /// Server-side apply.
    Apply,
}

impl Syntax {
    pub(super) const fn is_patch(self) -> bool {
        match self {
            Self::Json(does) | Self::Yaml(does) => !matches!(does, Does::Stands),
            Self::Protobuf => false,
        }
    }

    /// What people read.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Json(Does::Stands) => "JSON",
            Self::Yaml(Does::Stands) => "YAML",
            Self::Json(Does::JsonPatch) | Self::Yaml(Does::JsonPatch) => "JSON patch",
            Self::Json(Does::MergePatch) | Self::Yaml(Does::MergePatch) => "merge patch",
            Self::Json(Does::StrategicMergePatch) | Self::Yaml(Does::StrategicMergePatch) => {
                "strategic merge patch"
            }
            Self::Json(Does::Apply) | Self::Yaml(Does::Apply) => "apply",
            Self::Protobuf => "protobuf",
        }
    }
}

/// What a body of this type is, sent by this method.
pub(super) fn of(method: Method, content_type: Option<&str>) -> Result<Syntax, Unreadable> {
    let written = content_type.ok_or(Unreadable::Type)?;
    let plain = match written.split_once(';') {
        None => written,
        Some((plain, parameter)) if is_utf8(parameter) => plain,
        Some(_) => return Err(Unreadable::Type),
    };
    let syntax = match plain.trim_matches(' ') {
        "application/json" => Syntax::Json(Does::Stands),
        "application/yaml" => Syntax::Yaml(Does::Stands),
        "application/vnd.kubernetes.protobuf" => Syntax::Protobuf,
        "application/json-patch+json" => Syntax::Json(Does::JsonPatch),
        "application/merge-patch+json" => Syntax::Json(Does::MergePatch),
        "application/strategic-merge-patch+json" => Syntax::Json(Does::StrategicMergePatch),
        "application/apply-patch+yaml" => Syntax::Yaml(Does::Apply),
        _ => return Err(Unreadable::Type),
    };
    let patches = method == Method::Patch;
    if patches == syntax.is_patch() { Ok(syntax) } else { Err(Unreadable::TypeForMethod) }
}

fn is_utf8(parameter: &str) -> bool {
    parameter.trim_matches(' ').eq_ignore_ascii_case("charset=utf-8")
}

/// What stands at the beginning of a body in protobuf.
const MAGIC: &[u8] = b"k8s\0";
/// The tags of the fields of the envelope (`runtime.Unknown`, `TypeMeta`) that are read: number and wire type 2.
const TYPE_META: u8 = 0x0a;
const API_VERSION: u8 = 0x0a;
const KIND: u8 = 0x12;

/// Version and kind of a body in protobuf, which its envelope says. What is in it takes the schema to read.
pub(super) fn envelope(body: &[u8]) -> Result<Vec<(String, String)>, Unreadable> {
    let inside = body.strip_prefix(MAGIC).ok_or(Unreadable::Malformed)?;
    let mut facts = Vec::new();
    if let Some((TYPE_META, mut meta, _)) = field(inside) {
        while let Some((tag, value, rest)) = field(meta) {
            let name = match tag {
                API_VERSION => "apiVersion",
                KIND => "kind",
                _ => break,
            };
            let text = std::str::from_utf8(value).map_err(|_| Unreadable::Malformed)?;
            facts.push((name.to_owned(), text.to_owned()));
            meta = rest;
        }
    }
    Ok(facts)
}

/// The first field, of at most 127 bytes: its tag, its value, and what comes behind it.
fn field(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    if *length > 0x7f {
        return None;
    }
    let (value, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((*tag, value, rest))
}
