//! One syntax for searching the audit, at a node and in archived files: words and `name:value` pairs, all of which must
//! hold. Matching one event is decided here; walking through many is not.
//!
//! ```text
//! agent:ci-bot target:orders verdict:hold kind:intent since:2026-11-22T20:00:00Z until:… operation.id:op_… "drop table"
//! ```
//!
//! `agent`, `target`, `verdict`, `kind`, `since` and `until` have names of their own; any other name is that of a fact. A
//! value or word with blanks stands in double quotes, in which `\"` and `\\` stand for themselves. A leading `-` excludes.

use crate::time::Timestamp;
use countersign_core::record::{AuditEvent, EventKind};

/// The longest query, in bytes.
pub const MAX_QUERY: usize = 4 * 1024;
/// The most conditions of one query.
pub const MAX_CONDITIONS: usize = 32;

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    conditions: Vec<Condition>,
    /// Only events at or after this time.
    pub since: Option<Timestamp>,
    /// Only events before this time.
    pub until: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    wanted: Wanted,
    test: Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Present,
    Absent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    /// Its name, its subject, or issuer and subject with `#` between.
    Agent(String),
    Kind(EventKind),
    Fact {
        name: String,
        value: String,
    },
    /// In lower case.
    Text(String),
}

/// Why a query cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// It is too long.
    #[error("a query has at most {MAX_QUERY} bytes and {MAX_CONDITIONS} conditions")]
    TooLong,
    /// A quote is not closed.
    #[error("a double quote is not closed")]
    OpenQuote,
    /// A pair has no value.
    #[error("`{0}:` has no value")]
    NoValue(String),
    /// A kind is not known.
    #[error("`{0}` is no kind of event")]
    UnknownKind(String),
    /// A verdict is none.
    #[error("`{0}` is no verdict: allow, hold, deny or withheld")]
    UnknownVerdict(String),
    /// A time cannot be read.
    #[error("`{0}` is no time as RFC 3339 writes it, such as 2026-11-22T20:09:27Z")]
    NoTime(String),
    /// A time is excluded or said twice.
    #[error("`{0}:` may be said once, and not be excluded")]
    OnlyOnce(&'static str),
}

impl Search {
    /// Reads a query.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > MAX_QUERY {
            return Err(QueryError::TooLong);
        }
        let mut search = Self::default();
        for word in words(text)? {
            search.add(word)?;
        }
        if search.conditions.len() > MAX_CONDITIONS {
            return Err(QueryError::TooLong);
        }
        Ok(search)
    }

    fn add(&mut self, Word { wanted, name, value }: Word) -> Result<(), QueryError> {
        let test = match name.as_deref() {
            Some("since") => return time(&mut self.since, "since", wanted, &value),
            Some("until") => return time(&mut self.until, "until", wanted, &value),
            Some("agent") => Test::Agent(value),
            Some("target") => Test::Fact { name: "target.name".to_owned(), value },
            Some("verdict") if !["allow", "hold", "deny", "withheld"].contains(&&*value) => {
                return Err(QueryError::UnknownVerdict(value));
            }
            Some("kind") => match EventKind::named(&value) {
                Some(kind) => Test::Kind(kind),
                None => return Err(QueryError::UnknownKind(value)),
            },
            Some(name) => Test::Fact { name: name.to_owned(), value },
            None => Test::Text(value.to_lowercase()),
        };
        self.conditions.push(Condition { wanted, test });
        Ok(())
    }

    /// Whether an event is searched for.
    pub fn takes(&self, event: &AuditEvent) -> bool {
        self.since.is_none_or(|since| event.at >= since.into())
            && self.until.is_none_or(|until| event.at < until.into())
            && self.conditions.iter().all(|condition| condition.holds(event))
    }
}

impl Condition {
    fn holds(&self, event: &AuditEvent) -> bool {
        match self.wanted {
            Wanted::Present => self.test.holds(event),
            Wanted::Absent => !self.test.holds(event),
        }
    }
}

impl Test {
    fn holds(&self, event: &AuditEvent) -> bool {
        let fact = |name: &str| event.fields.get(name).map(String::as_str);
        match self {
            Self::Kind(kind) => event.kind == *kind,
            Self::Fact { name, value } => fact(name) == Some(value),
            Self::Text(text) => {
                event.fields.values().any(|value| value.to_lowercase().contains(text))
            }
            Self::Agent(agent) => {
                let whole =
                    || Some(format!("{}#{}", fact("agent.issuer")?, fact("agent.subject")?));
                [fact("agent.name"), fact("agent.subject")].contains(&Some(agent))
                    || whole().as_ref() == Some(agent)
            }
        }
    }
}

fn time(
    place: &mut Option<Timestamp>,
    name: &'static str,
    wanted: Wanted,
    value: &str,
) -> Result<(), QueryError> {
    if wanted == Wanted::Absent || place.is_some() {
        return Err(QueryError::OnlyOnce(name));
    }
    let time = value.parse().map_err(|_| QueryError::NoTime(value.to_owned()))?;
    *place = Some(time);
    Ok(())
}

/// A value or word as a query takes it, whatever is in it.
pub fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

struct Word {
    wanted: Wanted,
    name: Option<String>,
    value: String,
}

/// The words of a query, quotes taken away.
fn words(text: &str) -> Result<Vec<Word>, QueryError> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (wanted, after) = match rest.strip_prefix('-') {
            Some(after) if !after.is_empty() && !after.starts_with(char::is_whitespace) => {
                (Wanted::Absent, after)
            }
            Some(_) | None => (Wanted::Present, rest),
        };
        let (name, after) = pair(after);
        let (value, after) = value(after)?;
        match name {
            Some(name) if value.is_empty() => return Err(QueryError::NoValue(name.to_owned())),
            Some(_) | None => {}
        }
        words.push(Word { wanted, name: name.map(str::to_owned), value });
        rest = after.trim_start();
    }
    Ok(words)
}

/// A name in front of a colon, when there is one. A name has letters, digits, dots and underscores only, so that a time or an
/// address is a word.
fn pair(text: &str) -> (Option<&str>, &str) {
    let named = text.split_once(':').filter(|(name, _)| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_')
    });
    named.map_or((None, text), |(name, after)| (Some(name), after))
}

/// A value, quoted or up to the next blank, and what follows it.
fn value(text: &str) -> Result<(String, &str), QueryError> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        return Ok((value.to_owned(), after));
    };
    let (mut value, mut chars) = (String::new(), quoted.char_indices());
    while let Some((place, next)) = chars.next() {
        match next {
            '"' => return Ok((value, quoted.get(place + 1..).unwrap_or_default())),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                Some((_, other)) => value.extend(['\\', other]),
                None => return Err(QueryError::OpenQuote),
            },
            plain => value.push(plain),
        }
    }
    Err(QueryError::OpenQuote)
}

#[cfg(test)]
mod tests;
