//! Field selectors, as far as they name one object: `metadata.name=x` makes a list a list of that object for the server's
//! own authorisation. What else they leave out is not looked at.

use super::{Unclear, path};

/// The name that a field selector asks for exactly. A term behind one that names nothing does not count for the server
/// either, because it takes the first.
pub(super) fn name(selector: &str) -> Result<Option<&str>, Unclear> {
    if selector.contains('\\') {
        return Err(Unclear::Selector);
    }
    match selector.split(',').find_map(exact_name) {
        None | Some("") => Ok(None),
        Some(name) if path::is_name(name) => Ok(Some(name)),
        Some(_) => Err(Unclear::Selector),
    }
}

/// The value of a term `metadata.name=x` or `metadata.name==x`. The server takes the first of `!=`, `==` and `=` in it.
fn exact_name(term: &str) -> Option<&str> {
    let (field, value) = term.split_once('=')?;
    (field == "metadata.name").then(|| value.strip_prefix('=').unwrap_or(value))
}
