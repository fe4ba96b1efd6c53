//! Names as PostgreSQL decodes them: folded, unescaped, at most 63 bytes. Deliberately without `search_path`: an unqualified
//! name stays unqualified.

use std::fmt;

use pg_query::{Node, NodeEnum};
use serde::{Deserialize, Serialize};

/// From this many bytes on, a name with non-ASCII letters may have been cut in another place than the server cuts it
/// (63 bytes, at a character border of the server's encoding).
const UNSURE_CUT_BYTES: usize = 60;

/// A name of a relation, function, type or attribute, with its schema (or qualifier) if the text gave one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name {
    /// The schema, decoded; `None` where the target's `search_path` decides.
    pub schema: Option<String>,
    /// The name in it, decoded.
    pub name: String,
}

impl Name {
    /// A name without schema.
    pub fn bare(name: impl Into<String>) -> Self {
        Self { schema: None, name: name.into() }
    }

    /// A name in a schema.
    pub fn in_schema(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: Some(schema.into()), name: name.into() }
    }

    /// Whether it can be the name of a relation whose schema is known.
    pub fn can_mean(&self, relation: &Self) -> bool {
        self.name == relation.name && (self.schema.is_none() || self.schema == relation.schema)
    }

    /// The bare name if it is one that PostgreSQL's own schema provides or may provide: unqualified or `pg_catalog`.
    pub(super) fn built_in(&self) -> Option<&str> {
        match self.schema.as_deref() {
            None | Some("pg_catalog") => Some(&self.name),
            Some(_) => None,
        }
    }

    /// Decodes a dotted list of the tree. `None` for anything but one or two strings.
    pub(super) fn from_nodes(nodes: &[Node]) -> Option<Self> {
        match strings(nodes)?.as_slice() {
            [name] => Some(Self::bare(*name)),
            [schema, name] => Some(Self::in_schema(*schema, *name)),
            _ => None,
        }
    }

    /// Whether the grammar and the server can differ on where a too long name is cut.
    pub(super) fn is_unsure(&self) -> bool {
        is_unsure(&self.name) || self.schema.as_deref().is_some_and(is_unsure)
    }
}

/// Whether a decoded identifier may have been cut elsewhere by the server.
pub(super) fn is_unsure(part: &str) -> bool {
    part.len() >= UNSURE_CUT_BYTES && !part.is_ascii()
}

/// The strings of a list of string nodes; `None` if any is something else.
pub(super) fn strings(nodes: &[Node]) -> Option<Vec<&str>> {
    nodes.iter().map(string).collect()
}

/// The text of a string node.
pub(super) fn string(node: &Node) -> Option<&str> {
    if let Some(NodeEnum::String(text)) = &node.node { Some(&text.sval) } else { None }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            part(schema, f)?;
            f.write_str(".")?;
        }
        part(&self.name, f)
    }
}

/// Writes one identifier, quoted unless it is of plain characters, so that `"a.b"` is never mistaken for `a.b`.
fn part(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let plain = |c: char| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit();
    if !text.is_empty()
        && text.chars().all(plain)
        && !text.starts_with(|c: char| c.is_ascii_digit())
    {
        f.write_str(text)
    } else {
        write!(f, "\"{}\"", text.replace('"', "\"\""))
    }
}
