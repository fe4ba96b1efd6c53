//! The query of a request, read where every reader of it must come to the same keys and values.

use super::Unclear;
use percent_encoding::percent_decode_str;

/// The longest query. The command of an `exec` is in it.
pub(super) const MAX_QUERY_BYTES: usize = 32 * 1024;

/// Keys that the server may be given several times, all of which it takes.
const LISTS: &[&str] = &["command", "ports"];

/// Keys that mean something to the server.
const KNOWN: &[&str] = &[
    "allowWatchBookmarks",
    "command",
    "container",
    "continue",
    "dryRun",
    "exact",
    "export",
    "fieldManager",
    "fieldSelector",
    "fieldValidation",
    "follow",
    "force",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "includeObject",
    "insecureSkipTLSVerifyBackend",
    "labelSelector",
    "limit",
    "limitBytes",
    "orphanDependents",
    "path",
    "ports",
    "pretty",
    "previous",
    "propagationPolicy",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "shardSelector",
    "sinceSeconds",
    "sinceTime",
    "stderr",
    "stdin",
    "stdout",
    "stream",
    "tailLines",
    "timeout",
    "timeoutSeconds",
    "timestamps",
    "tty",
    "watch",
];

/// The keys and values of a query, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query<'a> {
    pairs: Vec<(&'a str, String)>,
}

impl<'a> Query<'a> {
    /// Reads a query, without its question mark.
    pub(super) fn read(text: &'a str) -> Result<Self, Unclear> {
        if text.len() > MAX_QUERY_BYTES {
            return Err(Unclear::LongQuery);
        }
        if text.is_empty() {
            return Ok(Self { pairs: Vec::new() });
        }
        let pairs = text.split('&').map(pair).collect::<Result<_, _>>()?;
        Ok(Self { pairs })
    }

    /// The value of a key. It is the only one: see [`Self::is_unambiguous`].
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str())
    }

    /// The values of a key, in their order.
    pub(super) fn values<'b>(&'b self, key: &'b str) -> impl Iterator<Item = &'b str> {
        self.pairs.iter().filter(move |(name, _)| *name == key).map(|(_, value)| value.as_str())
    }

    /// Refuses what the server, and whoever reads the request before it, may read differently.
    pub(super) fn is_unambiguous(&self) -> Result<(), Unclear> {
        for (place, (key, _)) in self.pairs.iter().enumerate() {
            if !LISTS.contains(key)
                && self.pairs.iter().skip(place + 1).any(|(other, _)| other == key)
            {
                return Err(Unclear::Twice);
            }
            if KNOWN.iter().any(|known| known != key && known.eq_ignore_ascii_case(key)) {
                return Err(Unclear::Capitals);
            }
        }
        Ok(())
    }
}

fn pair(text: &str) -> Result<(&str, String), Unclear> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if key.is_empty() || !key.chars().all(of_key) {
        return Err(Unclear::Key);
    }
    Ok((key, decoded(value)?))
}

/// A value: escapes are of two digits, a plus is a blank, and what comes out is UTF-8 without NUL.
fn decoded(value: &str) -> Result<String, Unclear> {
    let of_value = |c: char| c.is_ascii_alphanumeric() || "-._~!$'()*+,:@/?=%".contains(c);
    let escaped = |piece: &str| {
        let mut digits = piece.chars();
        let mut next = || digits.next().is_some_and(|c| c.is_ascii_hexdigit());
        next() && next()
    };
    if !value.chars().all(of_value) || !value.split('%').skip(1).all(escaped) {
        return Err(Unclear::Value);
    }
    let blanks = value.replace('+', " ");
    let decoded = percent_decode_str(&blanks).decode_utf8().map_err(|_| Unclear::Value)?;
    if decoded.contains('\0') { Err(Unclear::Value) } else { Ok(decoded.into_owned()) }
}
