//! What lies in a row of the audit's table: one event, or a run of events that one command has made and that have most of
//! their facts in common. A run is only a way to store events: each of them is in the chain by itself, with its own hash.

use countersign_core::{
    id::LogIndex,
    log_time::LogTime,
    record::{AuditEvent, ChainHash, ChainHead, EventKind, EventPlace},
};

/// A row, under the sequence of its first event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum AuditRow {
    /// An event by itself.
    One(Box<AuditEvent>),
    /// Events that follow each other.
    Run(Box<EventRun>),
}

/// Events that follow each other, of one log entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EventRun {
    /// The sequence of the first.
    pub(crate) first: u64,
    /// Log time of all of them.
    pub(crate) at: LogTime,
    /// The log entry.
    pub(crate) index: LogIndex,
    /// The hash of the event before the first.
    pub(crate) previous: ChainHash,
    /// Texts that several events have.
    pub(crate) texts: Vec<String>,
    /// What events have in common.
    pub(crate) templates: Vec<RunTemplate>,
    /// The events.
    pub(crate) events: Vec<RunEvent>,
}

/// What some events of a run have in common.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RunTemplate {
    /// What happened.
    pub(crate) kind: EventKind,
    /// Facts that all of them have, in the order of their names.
    pub(crate) fixed: Vec<(String, String)>,
    /// The names of those that each has a value of its own for, in their order. None is among the fixed ones.
    pub(crate) open: Vec<String>,
}

/// An event of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RunEvent {
    /// The place of its template.
    pub(crate) template: u32,
    /// The values for the open names of the template.
    pub(crate) values: Vec<RunValue>,
}

/// A value of an event of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum RunValue {
    /// This text.
    Own(String),
    /// One of the run's texts.
    Shared(u32),
}

/// A run points to something that is not in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Torn;

impl AuditRow {
    /// Its events, in order.
    pub(crate) fn events(self) -> Result<Vec<AuditEvent>, Torn> {
        match self {
            Self::One(event) => Ok(vec![*event]),
            Self::Run(run) => run.unrolled(),
        }
    }
}

impl EventRun {
    /// A run that begins behind `head`.
    pub(crate) fn behind(head: ChainHead, at: LogTime, index: LogIndex) -> Self {
        Self {
            first: head.sequence + 1,
            at,
            index,
            previous: head.hash,
            texts: Vec::new(),
            templates: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Adds an event behind `head`, the end of the run so far; gives the new end.
    pub(crate) fn push(&mut self, head: ChainHead, event: RunEvent) -> Result<ChainHead, Torn> {
        let sequence = head.sequence + 1;
        let facts = self.facts(&event)?;
        let kind = self.template(&event)?.kind;
        let place =
            EventPlace { sequence, at: self.at, index: self.index, kind, previous: head.hash };
        let hash = place.hash_with(facts.into_iter());
        self.events.push(event);
        Ok(ChainHead { sequence, hash })
    }

    fn unrolled(&self) -> Result<Vec<AuditEvent>, Torn> {
        let mut previous = self.previous;
        let mut events = Vec::with_capacity(self.events.len());
        for (sequence, event) in (self.first..).zip(&self.events) {
            let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let event = AuditEvent {
                sequence,
                at: self.at,
                index: self.index,
                kind: self.template(event)?.kind,
                fields: self.facts(event)?.into_iter().map(owned).collect(),
                previous,
            };
            previous = event.hash();
            events.push(event);
        }
        Ok(events)
    }

    fn template(&self, event: &RunEvent) -> Result<&RunTemplate, Torn> {
        let place = usize::try_from(event.template).map_err(|_| Torn)?;
        self.templates.get(place).ok_or(Torn)
    }

    /// The facts of an event, in the order of their names.
    fn facts<'f>(&'f self, event: &'f RunEvent) -> Result<Vec<(&'f str, &'f str)>, Torn> {
        let template = self.template(event)?;
        if template.open.len() != event.values.len() {
            return Err(Torn);
        }
        let mut facts = Vec::with_capacity(template.fixed.len() + template.open.len());
        let mut fixed = template.fixed.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut next = fixed.next();
        for (name, value) in template.open.iter().zip(&event.values) {
            while let Some(known) = next.filter(|(known, _)| *known < name.as_str()) {
                facts.push(known);
                next = fixed.next();
            }
            facts.push((name.as_str(), self.text(value)?));
        }
        facts.extend(next);
        facts.extend(fixed);
        Ok(facts)
    }

    fn text<'t>(&'t self, value: &'t RunValue) -> Result<&'t str, Torn> {
        match value {
            RunValue::Own(text) => Ok(text),
            RunValue::Shared(place) => {
                let place = usize::try_from(*place).map_err(|_| Torn)?;
                self.texts.get(place).map(String::as_str).ok_or(Torn)
            }
        }
    }
}

#[cfg(test)]
mod tests;
