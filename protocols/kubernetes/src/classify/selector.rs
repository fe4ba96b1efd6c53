//! What the options of a list have to say about the name of what is listed: `metadata.name=x` makes a list a list of that
//! object for the server's own authorisation. What else a selector leaves out is not looked at.
//!
//! The server takes the name only where it can read all the options; of a list with one that it cannot read it takes
//! nothing, and answers with an error later. So a name beside such an option, or beside one that only looks like it, is
//! refused.

use super::{Unclear, path, query::Query};

/// Options that are whole numbers.
const NUMBERS: &[&str] = &["limit", "timeoutSeconds"];
/// The longest name of a label, and value of one.
const MAX_LABEL: usize = 63;
/// The longest prefix of a label's name.
const MAX_PREFIX: usize = 253;

/// The name that a field selector asks for exactly. A term behind one that names nothing does not count for the server
/// either, because it takes the first.
pub(super) fn name<'a>(query: &'a Query<'_>) -> Result<Option<&'a str>, Unclear> {
    let Some(selector) = query.value("fieldSelector") else { return Ok(None) };
    if selector.contains('\\') {
        return Err(Unclear::Selector);
    }
    match selector.split(',').find_map(exact_name) {
        None | Some("") => Ok(None),
        Some(name) if !path::is_name(name) => Err(Unclear::Selector),
        Some(_) if !options_are_read(selector, query) => Err(Unclear::ListOption),
        Some(name) => Ok(Some(name)),
    }
}

/// The value of a term `metadata.name=x` or `metadata.name==x`.
fn exact_name(term: &str) -> Option<&str> {
    let (field, value) = term.split_once('=')?;
    (field == "metadata.name").then(|| value.strip_prefix('=').unwrap_or(value))
}

/// Whether the server reads every option that has a form of its own.
fn options_are_read(selector: &str, query: &Query<'_>) -> bool {
    let number = |key: &&str| query.value(key).is_none_or(|text| text.parse::<i64>().is_ok());
    selector.split(',').all(is_term)
        && NUMBERS.iter().all(number)
        && query.value("labelSelector").is_none_or(are_plain_labels)
}

/// A term of a field selector: the server takes the first of `!=`, `==` and `=` in it, and no other `=`. It passes over
/// empty ones.
fn is_term(term: &str) -> bool {
    let Some((field, value)) = term.split_once('=') else { return term.is_empty() };
    let value = if field.ends_with('!') { value } else { value.strip_prefix('=').unwrap_or(value) };
    !value.contains('=')
}

/// Label selectors as they are written plainly: without blanks, sets and comparisons, all of which the server has as well.
fn are_plain_labels(selector: &str) -> bool {
    selector.is_empty() || selector.split(',').all(is_requirement)
}

fn is_requirement(term: &str) -> bool {
    if let Some(absent) = term.strip_prefix('!') {
        return is_label(absent);
    }
    let Some((key, value)) = term.split_once('=') else { return is_label(term) };
    match key.strip_suffix('!') {
        Some(key) => is_label(key) && is_label_value(value),
        None => is_label(key) && is_label_value(value.strip_prefix('=').unwrap_or(value)),
    }
}

/// The name of a label, with a prefix or without one. `in` and `notin` are words of the selectors' own.
fn is_label(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    !["in", "notin"].contains(&key)
        && !name.is_empty()
        && is_label_value(name)
        && prefix.is_none_or(is_prefix)
}

fn is_prefix(prefix: &str) -> bool {
    let label = |label: &str| {
        bounded(label, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), |c| c == '-')
            && !label.is_empty()
    };
    prefix.len() <= MAX_PREFIX && prefix.split('.').all(label)
}

fn is_label_value(value: &str) -> bool {
    value.len() <= MAX_LABEL
        && !["in", "notin"].contains(&value)
        && bounded(value, |c| c.is_ascii_alphanumeric(), |c| matches!(c, '-' | '_' | '.'))
}

/// Nothing, or something that begins and ends with the one kind and has the other kind inside.
fn bounded(text: &str, at_ends: impl Fn(char) -> bool, inside: impl Fn(char) -> bool) -> bool {
    let ends = [text.chars().next(), text.chars().next_back()];
    ends.into_iter().flatten().all(&at_ends) && text.chars().all(|c| at_ends(c) || inside(c))
}
