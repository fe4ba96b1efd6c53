//! The one way into the audit: facts become the next event of the hash chain. What is worth an event is decided by the
//! commands.

mod run;

pub(super) use run::{Run, Template};

use super::step::{Step, Stop};
use crate::{
    audit_row::AuditRow,
    key_space::{self, Single},
    limits::{MAX_AUDIT_TEXT, MAX_SHORT_TEXT},
    records::{AuditText, Author, HoldRecord, SessionRecord, clipped},
};
use countersign_core::{
    agent::{Agent, Identity, Workload},
    mask::MaskTally,
    operation::Parameter,
    policy::recorded::{self, MAX_RECORDED},
    record::{AuditEvent, ChainHead, EventKind},
    reviewer::Reviewer,
    target::Protocol,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

/// The facts of an event under construction.
#[derive(Default)]
pub(super) struct Facts(BTreeMap<String, String>);

impl Facts {
    /// Facts that core has named.
    pub(super) fn read(facts: BTreeMap<String, String>) -> Self {
        Self(facts)
    }

    /// Adds a fact.
    pub(super) fn with(mut self, name: &str, value: impl Display) -> Self {
        self.0.insert(name.to_owned(), value.to_string());
        self
    }

    /// Adds other facts.
    pub(super) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Adds a fact where there is one.
    pub(super) fn maybe(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(super) fn identity(self, of: &Identity) -> Self {
        self.with("agent.issuer", &of.issuer).with("agent.subject", &of.subject)
    }

    pub(super) fn agent(self, agent: &Agent) -> Self {
        let Workload { repository, branch, job } = &agent.workload;
        let said = |said: &String| Some(said.clone()).filter(|said| !said.is_empty());
        self.identity(&agent.identity)
            .with("agent.name", &agent.name)
            .maybe("agent.owner", agent.owner.as_ref())
            .maybe("workload.repository", said(repository))
            .maybe("workload.branch", said(branch))
            .maybe("workload.job", said(job))
    }

    pub(super) fn author(self, author: &Author) -> Self {
        self.with("author", &author.name)
            .with("author.issuer", &author.identity.issuer)
            .with("author.subject", &author.identity.subject)
    }

    pub(super) fn session(self, session: &SessionRecord) -> Self {
        self.agent(&session.agent)
            .with("session.id", session.id)
            .with("target.name", &session.target)
            .with("target.revision", session.target_revision)
            .with("node.id", session.node)
            .with("incarnation", session.incarnation)
    }

    pub(super) fn hold(self, record: &HoldRecord) -> Self {
        self.agent(&record.agent)
            .with("hold.id", record.hold.id)
            .with("target.name", &record.hold.target)
            .with("target.revision", record.target_revision)
            .with("fingerprint", record.hold.fingerprint)
            .with("policy.revision", record.hold.revision)
            .listed("policy.rules", &record.hold.terms.rules)
            .shown("operation.summary", &record.summary)
    }

    pub(super) fn reviewer(self, reviewer: &Reviewer) -> Self {
        self.with("reviewer.issuer", &reviewer.identity.issuer)
            .with("reviewer.subject", &reviewer.identity.subject)
            .with("reviewer.name", &reviewer.name)
            .with("reviewer.groups", list(reviewer.groups.iter().map(String::as_str)))
    }

    /// Text that is only shown: cut where it is too long, never a reason to refuse.
    pub(super) fn shown(self, name: &str, text: &str) -> Self {
        self.with(name, clipped(text, MAX_SHORT_TEXT))
    }

    /// Names that are only shown, in one text.
    pub(super) fn listed(self, name: &str, names: &[String]) -> Self {
        self.shown(name, &list(names.iter().map(String::as_str)))
    }

    /// What was masked in an answer: which rules, how many values in all, and how many by each rule at each place.
    pub(super) fn masked(self, tally: &MaskTally) -> Self {
        if tally.is_empty() {
            return self;
        }
        let rules: BTreeSet<&str> = tally.iter().map(|(rule, _, _)| rule).collect();
        let values = tally.iter().fold(0_u64, |sum, (_, _, values)| sum.saturating_add(values));
        let places: Vec<String> =
            tally.iter().map(|(rule, place, values)| format!("{rule} {place} {values}")).collect();
        self.shown("mask.rules", &list(rules.into_iter()))
            .with("mask.values", values)
            .with("mask.places", clipped(&places.join(","), MAX_AUDIT_TEXT))
    }

    /// What a held operation is bound to, as its reviewers read it: cut where it is too long. A statement without its values
    /// does not say what was done.
    pub(super) fn parameters(self, parameters: &[Parameter]) -> Self {
        if parameters.is_empty() {
            return self;
        }
        // The shortest has six bytes with its comma, so that more of them are never shown.
        let shown = parameters.iter().take(MAX_SHORT_TEXT / 6 + 1).enumerate();
        let shown = shown.map(|(n, parameter)| format!("${} = {}", n + 1, parameter.shown));
        let line = shown.collect::<Vec<_>>().join(", ");
        self.with("operation.parameter_count", parameters.len())
            .shown("operation.parameters", &line)
    }

    /// What rules could ask about: with it an operation can be judged again under other policies. What is too long is left
    /// out, never cut.
    pub(super) fn judged(
        self,
        (agent, protocol, role): (&Agent, Protocol, &str),
        asked: &str,
    ) -> Self {
        let groups = recorded::names(agent.groups.iter().map(String::as_str));
        let whole = |text: String| (text.len() <= MAX_RECORDED).then_some(text);
        self.maybe("judged.asks", (!asked.is_empty()).then(|| whole(asked.to_owned())).flatten())
            .maybe("judged.groups", whole(groups))
            .with("judged.protocol", protocol.name())
            .with("judged.role", role)
    }

    pub(super) fn text(self, text: &AuditText) -> Self {
        self.with("operation.text", clipped(&text.text, MAX_AUDIT_TEXT))
            .with("operation.text_length", text.length)
    }
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.collect::<Vec<_>>().join(",")
}

/// Appends the next event; gives its sequence.
pub(super) fn append(step: &mut Step<'_>, kind: EventKind, facts: Facts) -> Result<u64, Stop> {
    let place = key_space::single(Single::ChainHead);
    let head: ChainHead = step.get(&place)?.unwrap_or_default();
    let event = AuditEvent {
        sequence: head.sequence + 1,
        at: step.now,
        index: step.index,
        kind,
        fields: facts.0,
        previous: head.hash,
    };
    let (sequence, hash) = (event.sequence, event.hash());
    step.put(key_space::audit(sequence), &AuditRow::One(Box::new(event)))?;
    step.put(place, &ChainHead { sequence, hash })?;
    Ok(sequence)
}

/// The sequence that the next event will have.
pub(super) fn next_sequence(step: &Step<'_>) -> Result<u64, Stop> {
    let head: Option<ChainHead> = step.get(&key_space::single(Single::ChainHead))?;
    Ok(head.unwrap_or_default().sequence + 1)
}
