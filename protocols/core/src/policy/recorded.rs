//! What an operation asked for as one text of an audit event, and back. The text is exact: what is read is what was
//! written, or an error. One line a demand, a column or a command, its words with a tab between them.
//!
//! Who asked stands in facts of its own; here they are read together.

use super::matter::{Asked, Matter, Who};
use crate::{
    agent::{Identity, Workload},
    operation::{Action, Demand, Effect, NamedColumn, Operation, Resource, Transaction},
    record::{AuditEvent, EventKind},
    target::{Protocol, TargetName},
};
use std::collections::BTreeSet;

/// The first word: the form of the text. Another form is another word.
const FORM: &str = "asks-1";
/// Bytes of the text. What asks for more is recorded without it, and cannot be judged again.
pub const MAX_RECORDED: usize = 16 * 1024;

/// A text that is not one of what an operation asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what the operation asked for cannot be read")]
pub struct RecordedError;

/// What an operation asks for, as an audit event has it; nothing where it is too long.
pub fn asked(operation: &Operation) -> String {
    let text = Asked::of(operation).written();
    if text.len() <= MAX_RECORDED { text } else { String::new() }
}

/// What was decided about a recorded operation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Decided {
    /// It was allowed.
    Allowed,
    /// Humans were asked, now or by a grant of theirs.
    Held,
    /// It was denied.
    Denied,
}

/// What was decided in this event; `None` where it is not the event in which an operation was judged.
pub fn decided(event: &AuditEvent) -> Option<Decided> {
    let verdict = event.fields.get("verdict").map(String::as_str);
    match (event.kind, verdict) {
        (EventKind::Intent, Some("allow")) => Some(Decided::Allowed),
        // What is forwarded behind its own hold was judged when it was held.
        (EventKind::Intent, Some("hold")) => None,
        (EventKind::Held, _) | (EventKind::Intent, Some("grant")) => Some(Decided::Held),
        // Humans had just rejected the same, and were not asked again.
        (EventKind::Refused, Some("deny")) if event.fields.contains_key("hold.id") => {
            Some(Decided::Held)
        }
        (EventKind::Refused, Some("deny")) => Some(Decided::Denied),
        _other => None,
    }
}

/// The matter of a judged operation, of the facts of its event.
pub fn matter(event: &AuditEvent) -> Result<Matter, RecordedError> {
    let fact = |name: &str| event.fields.get(name).ok_or(RecordedError);
    let protocol = fact("judged.protocol")?;
    let protocol = Protocol::ALL.iter().copied().find(|known| known.name() == protocol);
    let who = Who {
        agent: Identity {
            issuer: fact("agent.issuer")?.clone(),
            subject: fact("agent.subject")?.clone(),
        },
        name: fact("agent.name")?.clone(),
        groups: read_names(fact("judged.groups")?)?,
        workload: workload(event),
        target: TargetName::parse(fact("target.name")?).map_err(|_| RecordedError)?,
        protocol: protocol.ok_or(RecordedError)?,
        role: fact("judged.role")?.clone(),
    };
    Ok(Matter::new(who, Asked::read(fact("judged.asks")?)?))
}

/// What is not said is not recorded.
fn workload(event: &AuditEvent) -> Workload {
    let said = |name: &str| event.fields.get(name).cloned().unwrap_or_default();
    Workload {
        repository: said("workload.repository"),
        branch: said("workload.branch"),
        job: said("workload.job"),
    }
}

/// Names in one text, a line each.
pub fn names<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(escaped).collect::<Vec<_>>().join("\n")
}

/// The names of such a text.
pub fn read_names(text: &str) -> Result<BTreeSet<String>, RecordedError> {
    text.split('\n').filter(|line| !line.is_empty()).map(unescaped).collect()
}

impl Asked {
    /// The text.
    pub fn written(&self) -> String {
        let effect = match self.effect {
            Effect::Passing => "passing",
            Effect::Lasting => "lasting",
        };
        let transaction = match self.transaction {
            Transaction::None => "none",
            Transaction::Open => "open",
        };
        let mut text = [FORM, effect, transaction].join("\t");
        for demand in &self.demands {
            line(&mut text, &["demand", demand.action.name()]);
            match &demand.resource {
                Resource::Target => words(&mut text, &["target"]),
                Resource::Relation { schema, name } => {
                    words(&mut text, &["relation", schema, name]);
                }
                Resource::Path { path } => words(&mut text, &["path", path]),
                Resource::Program { name } => words(&mut text, &["program", name]),
                Resource::Url { path } => words(&mut text, &["url", path]),
                Resource::ApiObject { namespace, group, version, resource, name, subresource } => {
                    let object = [namespace, group, version, resource, name, subresource];
                    words(&mut text, &["object"]);
                    words(&mut text, &object.map(String::as_str));
                }
            }
        }
        for NamedColumn { schema, relation, column } in &self.columns {
            match column {
                Some(column) => line(&mut text, &["column", schema, relation, column]),
                None => line(&mut text, &["columns", schema, relation]),
            }
        }
        for command in &self.commands {
            line(&mut text, &["command", command]);
        }
        text
    }

    /// What such a text says.
    pub fn read(text: &str) -> Result<Self, RecordedError> {
        let mut lines = text.split('\n');
        let first: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
        let (effect, transaction) = match first.as_slice() {
            [FORM, effect, transaction] => (effect_named(effect)?, transaction_named(transaction)?),
            _other => return Err(RecordedError),
        };
        let (demands, columns, commands) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut asked = Self { demands, columns, commands, effect, transaction };
        for one in lines {
            let words = one.split('\t').map(unescaped).collect::<Result<Vec<_>, _>>()?;
            asked.take(&words.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        Ok(asked)
    }

    fn take(&mut self, words: &[&str]) -> Result<(), RecordedError> {
        let is_new = match words {
            ["demand", action, acted @ ..] => {
                let named = |known: &Action| known.name() == *action;
                let action = Action::ALL.iter().copied().find(named).ok_or(RecordedError)?;
                self.demands.insert(Demand { action, resource: resource(acted)? })
            }
            ["column", schema, relation, column] => self.columns.insert(NamedColumn {
                schema: (*schema).to_owned(),
                relation: (*relation).to_owned(),
                column: Some((*column).to_owned()),
            }),
            ["columns", schema, relation] => self.columns.insert(NamedColumn {
                schema: (*schema).to_owned(),
                relation: (*relation).to_owned(),
                column: None,
            }),
            ["command", command] => self.commands.insert((*command).to_owned()),
            _other => return Err(RecordedError),
        };
        if is_new { Ok(()) } else { Err(RecordedError) }
    }
}

fn resource(words: &[&str]) -> Result<Resource, RecordedError> {
    match words {
        ["target"] => Ok(Resource::Target),
        ["relation", schema, name] => {
            Ok(Resource::Relation { schema: (*schema).to_owned(), name: (*name).to_owned() })
        }
        ["path", path] => Ok(Resource::Path { path: (*path).to_owned() }),
        ["program", name] => Ok(Resource::Program { name: (*name).to_owned() }),
        ["url", path] => Ok(Resource::Url { path: (*path).to_owned() }),
        ["object", namespace, group, version, resource, name, subresource] => {
            Ok(Resource::ApiObject {
                namespace: (*namespace).to_owned(),
                group: (*group).to_owned(),
                version: (*version).to_owned(),
                resource: (*resource).to_owned(),
                name: (*name).to_owned(),
                subresource: (*subresource).to_owned(),
            })
        }
        _other => Err(RecordedError),
    }
}

fn effect_named(name: &str) -> Result<Effect, RecordedError> {
    match name {
        "passing" => Ok(Effect::Passing),
        "lasting" => Ok(Effect::Lasting),
        _other => Err(RecordedError),
    }
}

fn transaction_named(name: &str) -> Result<Transaction, RecordedError> {
    match name {
        "none" => Ok(Transaction::None),
        "open" => Ok(Transaction::Open),
        _other => Err(RecordedError),
    }
}

fn line(text: &mut String, with: &[&str]) {
    text.push('\n');
    for (place, word) in with.iter().enumerate() {
        if place > 0 {
            text.push('\t');
        }
        text.push_str(&escaped(word));
    }
}

/// More words of the line.
fn words(text: &mut String, more: &[&str]) {
    for word in more {
        text.push('\t');
        text.push_str(&escaped(word));
    }
}

/// A name may hold anything: what separates is written otherwise, and an empty word is one too.
fn escaped(word: &str) -> String {
    if word.is_empty() {
        return "\\e".to_owned();
    }
    if !word.contains(['\\', '\t', '\n']) {
        return word.to_owned();
    }
    word.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

fn unescaped(word: &str) -> Result<String, RecordedError> {
    match word {
        "" => return Err(RecordedError),
        "\\e" => return Ok(String::new()),
        _plain if !word.contains('\\') => return Ok(word.to_owned()),
        _escaped => {}
    }
    let (mut read, mut chars) = (String::with_capacity(word.len()), word.chars());
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                Some('\\') => '\\',
                Some('t') => '\t',
                Some('n') => '\n',
                Some(_) | None => return Err(RecordedError),
            },
            plain => plain,
        };
        read.push(c);
    }
    Ok(read)
}
