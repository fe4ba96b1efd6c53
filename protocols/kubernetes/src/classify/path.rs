//! The path of a request, read where it is canonical and refused where it is not.
//!
//! The server takes escapes apart before it looks for slashes, drops slashes at both ends, and answers for
//! `namespaces//secrets` with the secrets of all namespaces. Nothing of that has a canonical form, so nothing of that is read.

use super::Unclear;

/// The longest path: a group, a namespace and a name are 253 characters each, and a proxied path comes behind them.
pub(super) const MAX_PATH_BYTES: usize = 4096;

/// A canonical path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path<'a> {
    /// The path as it was written.
    pub(super) text: &'a str,
    /// What kind of path it is, with its segments.
    pub(super) form: Form<'a>,
}

/// The two kinds of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// It belongs to no resource.
    Url,
    /// It belongs to a resource.
    Resource {
        group: &'a str,
        version: &'a str,
        /// The prefix `watch` stood before the resource.
        watch: bool,
        namespace: &'a str,
        resource: &'a str,
        name: &'a str,
        subresource: &'a str,
        /// Something comes behind the sub-resource.
        goes_on: bool,
    },
}

impl Path<'_> {
    /// Refuses what goes on behind a sub-resource.
    pub(super) fn has_no_rest(&self) -> Result<(), Unclear> {
        match self.form {
            Form::Resource { goes_on: true, .. } => Err(Unclear::Rest),
            Form::Resource { .. } | Form::Url => Ok(()),
        }
    }
}

/// Reads a path.
pub(super) fn read(text: &str) -> Result<Path<'_>, Unclear> {
    if text.len() > MAX_PATH_BYTES {
        return Err(Unclear::LongPath);
    }
    let inside = text.strip_prefix('/').ok_or(Unclear::NoSlash)?;
    let segments: Vec<_> = inside.split('/').collect();
    let form = match segments.as_slice() {
        ["api", version, below @ ..] if !below.is_empty() => resource("", version, below)?,
        ["apis", group, version, below @ ..] if !below.is_empty() => {
            plain(group, "group", |c| lower(c) || matches!(c, '-' | '.'))?;
            resource(group, version, below)?
        }
        [""] => Form::Url,
        others => {
            let part = |c| lower(c) || matches!(c, '-' | '_' | '.' | '~' | ':');
            others.iter().try_for_each(|segment| plain(segment, "URL", part))?;
            Form::Url
        }
    };
    Ok(Path { text, form })
}

fn resource<'a>(group: &'a str, version: &'a str, below: &[&'a str]) -> Result<Form<'a>, Unclear> {
    let label = |c| lower(c) || c == '-';
    plain(version, "version", label)?;
    let (watch, below) = match below {
        ["proxy", ..] => return Err(Unclear::ProxyPrefix),
        ["watch", below @ ..] => (true, below),
        _ => (false, below),
    };
    // A namespace is also a resource, with sub-resources of its own.
    let (namespace, below) = match below {
        ["namespaces", namespace] | ["namespaces", namespace, "status" | "finalize", ..] => {
            (Some(*namespace), below)
        }
        ["namespaces", namespace, inside @ ..] => (Some(*namespace), inside),
        _ => (None, below),
    };
    let (resource, below) = below.split_first().ok_or(Unclear::WatchPrefix)?;
    let (name, below) = first(below);
    let (subresource, rest) = first(below);
    namespace.map_or(Ok(()), |namespace| plain(namespace, "namespace", label))?;
    plain(resource, "resource", label)?;
    name.map_or(Ok(()), |name| plain(name, "name", named))?;
    let of_sub = |c| lower(c) || matches!(c, '-' | '_' | '.');
    subresource.map_or(Ok(()), |subresource| plain(subresource, "sub-resource", of_sub))?;
    proxied(rest)?;
    Ok(Form::Resource {
        group,
        version,
        watch,
        namespace: namespace.unwrap_or_default(),
        resource,
        name: name.unwrap_or_default(),
        subresource: subresource.unwrap_or_default(),
        goes_on: !rest.is_empty(),
    })
}

/// The first segment, where there is one, and the others.
fn first<'a, 'b>(segments: &'b [&'a str]) -> (Option<&'a str>, &'b [&'a str]) {
    segments.split_first().map_or((None, segments), |(first, others)| (Some(*first), others))
}

/// The path at whatever is behind a sub-resource. It may have escapes, in capitals, of what must be escaped, but none that
/// some server takes for a border between segments; and a slash at its end, which the server drops for itself alone.
fn proxied(segments: &[&str]) -> Result<(), Unclear> {
    let Some((last, others)) = segments.split_last() else {
        return Ok(());
    };
    others.iter().try_for_each(|segment| proxied_segment(segment))?;
    if last.is_empty() { Ok(()) } else { proxied_segment(last) }
}

fn proxied_segment(segment: &str) -> Result<(), Unclear> {
    const UNCLEAR: Unclear = Unclear::Character("proxied path");
    let mut pieces = segment.split('%');
    let before = pieces.next().unwrap_or_default();
    let mut plainly = before.to_owned();
    for piece in pieces {
        let (digits, behind) = piece.split_at_checked(2).ok_or(UNCLEAR)?;
        if !digits.chars().all(|c| c.is_ascii_digit() || matches!(c, 'A'..='F')) {
            return Err(UNCLEAR);
        }
        match u8::from_str_radix(digits, 16).map_err(|_| UNCLEAR)? {
            0..0x20 | 0x7f | b'/' | b'\\' | b'%' | b';' => return Err(UNCLEAR),
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => return Err(UNCLEAR),
            _ => plainly.push('_'),
        }
        plainly.push_str(behind);
    }
    plain(&plainly, "proxied path", |c| named(c) || "!$&'(),=".contains(c))
}

fn lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

/// What names have: those of most objects are DNS names, those of roles and their bindings nearly anything.
fn named(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | ':' | '@' | '*' | '+')
}

/// Whether a text could be the name in a canonical path.
pub(super) fn is_name(text: &str) -> bool {
    plain(text, "name", named).is_ok()
}

fn plain(segment: &str, what: &'static str, may: impl Fn(char) -> bool) -> Result<(), Unclear> {
    match segment {
        "" => Err(Unclear::EmptySegment),
        "." | ".." => Err(Unclear::Dots),
        _ if segment.chars().all(may) => Ok(()),
        _ => Err(Unclear::Character(what)),
    }
}
