//! Events of one command that have most of their facts in common: hashed into the chain one by one, stored in few rows.
//! While a run is open nothing else may be appended; whoever opens one closes it.

use super::Facts;
use crate::{
    apply::step::{Step, Stop},
    audit_row::{AuditRow, EventRun, RunEvent, RunTemplate, RunValue, Torn},
    key_space::{self, Single},
    state,
};
use countersign_core::record::{ChainHead, EventKind};

/// Events of one row.
const MOST_EVENTS: usize = 256;
/// Bytes of one row, beside one event more.
const MOST_BYTES: usize = 64 * 1024;

/// Events that are collected for rows.
pub(in crate::apply) struct Run {
    rows: EventRun,
    head: ChainHead,
    bytes: usize,
}

/// What some events have in common, and the names of what they have not.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::apply) struct Template(RunTemplate);

impl Template {
    /// Of the facts of one event, those that all have. `open` names the others, in order.
    pub(in crate::apply) fn of(kind: EventKind, facts: Facts, open: &[&str]) -> Self {
        let fixed = facts.0.into_iter().filter(|(name, _)| !open.contains(&name.as_str()));
        let open = open.iter().map(|name| (*name).to_owned()).collect();
        Self(RunTemplate { kind, fixed: fixed.collect(), open })
    }
}

impl Run {
    /// Goes on behind the end of the chain.
    pub(in crate::apply) fn begin(step: &Step<'_>) -> Result<Self, Stop> {
        let head = step.get(&key_space::single(Single::ChainHead))?.unwrap_or_default();
        Ok(Self { rows: EventRun::behind(head, step.now, step.index), head, bytes: 0 })
    }

    /// Whether what comes next should have a row of its own.
    pub(in crate::apply) fn is_full(&self) -> bool {
        self.rows.events.len() >= MOST_EVENTS || self.bytes >= MOST_BYTES
    }

    /// The place of a template, which is there once.
    pub(in crate::apply) fn template(&mut self, template: &Template) -> u32 {
        let templates = &mut self.rows.templates;
        let known = templates.iter().position(|known| *known == template.0);
        let place = known.unwrap_or_else(|| {
            self.bytes += template.0.fixed.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>();
            templates.push(template.0.clone());
            templates.len() - 1
        });
        place_of(place)
    }

    /// Keeps a text that several events may have.
    pub(in crate::apply) fn share(&mut self, text: String) -> RunValue {
        self.bytes += text.len();
        self.rows.texts.push(text);
        RunValue::Shared(place_of(self.rows.texts.len() - 1))
    }

    /// Appends an event.
    pub(in crate::apply) fn append(
        &mut self,
        template: u32,
        values: Vec<RunValue>,
    ) -> Result<(), Stop> {
        let own = values.iter().map(|value| match value {
            RunValue::Own(text) => text.len(),
            RunValue::Shared(_) => 0,
        });
        self.bytes += own.sum::<usize>();
        self.head = self
            .rows
            .push(self.head, RunEvent { template, values })
            .map_err(|Torn| state::unreadable("a run of events"))?;
        Ok(())
    }

    /// Puts the row, and the new end of the chain.
    pub(in crate::apply) fn close(self, step: &mut Step<'_>) -> Result<(), Stop> {
        if self.rows.events.is_empty() {
            return Ok(());
        }
        let first = self.rows.first;
        step.put(key_space::audit(first), &AuditRow::Run(Box::new(self.rows)))?;
        step.put(key_space::single(Single::ChainHead), &self.head)
    }
}

/// There are never as many of anything in a row.
fn place_of(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
