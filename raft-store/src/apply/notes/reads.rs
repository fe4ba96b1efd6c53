//! Noted reads, as they become events. Those that come with their outcome go into a run of the chain (`chain::Run`), with
//! the very facts they would have one by one; the others are recorded behind it, as intents whose outcome is to come.

use super::{facts, record, settle, without_session};
use crate::{
    apply::{
        chain::{Run, Template},
        intent,
        step::{Step, Stop},
    },
    audit_row::RunValue,
    command::{Intent, NotedBasis, NotedOutcome, NotedRead, Wording},
    key_space,
    limits::{MAX_AUDIT_TEXT, MAX_SHORT_TEXT},
    records::{SessionRecord, clipped},
    state,
};
use countersign_core::{
    gate::Settlement,
    id::{NodeId, OperationId, SessionId},
    mask::MaskTally,
    permit::Basis,
    record::EventKind,
};
use std::collections::BTreeMap;

/// What every intent has a value of its own for, in order.
const OF_INTENT: [&str; 6] = [
    "fingerprint",
    "operation.id",
    "operation.summary",
    "operation.text",
    "operation.text_length",
    "session.id",
];
/// The same of an outcome.
const OF_OUTCOME: [&str; 6] = ["bytes", "operation.id", "outcome", "rows", "session.id", "word"];

/// The reads of one command.
pub(super) struct Reads {
    node: NodeId,
    sessions: Vec<SessionId>,
    bases: Vec<NotedBasis>,
    wordings: Vec<Wording>,
    /// What the reads of a session that were allowed alike have in common.
    alike: BTreeMap<(u32, u32), Alike>,
    run: Option<Open>,
    waiting: Vec<NotedRead>,
    late: Vec<Settlement>,
}

/// What is in common: of intents, and of outcomes in whose answers nothing was masked.
struct Alike {
    session: Option<SessionRecord>,
    intent: Template,
    outcome: Template,
}

/// A run, and where in it lies what was needed already.
struct Open {
    run: Run,
    templates: BTreeMap<(u32, u32), (u32, u32)>,
    wordings: BTreeMap<u32, [RunValue; 3]>,
}

impl Reads {
    pub(super) fn new(
        node: NodeId,
        (sessions, bases, wordings): (Vec<SessionId>, Vec<NotedBasis>, Vec<Wording>),
    ) -> Self {
        Self {
            node,
            sessions,
            bases,
            wordings,
            alike: BTreeMap::new(),
            run: None,
            waiting: Vec::new(),
            late: Vec::new(),
        }
    }

    /// A read whose outcome is to come.
    pub(super) fn wait(&mut self, read: NotedRead) {
        self.waiting.push(read);
    }

    /// The outcome of a read that was taken before.
    pub(super) fn late(&mut self, operation: OperationId, outcome: NotedOutcome) {
        self.late.push(settlement(operation, outcome));
    }

    /// A read with its outcome.
    pub(super) fn whole(
        &mut self,
        step: &mut Step<'_>,
        read: &NotedRead,
        outcome: NotedOutcome,
    ) -> Result<(), Stop> {
        let key = (read.session, read.basis);
        let settlement = settlement(read.operation, outcome);
        if !self.alike.contains_key(&key) {
            let alike = self.learn(step, read, &settlement)?;
            self.alike.insert(key, alike);
        }
        if let Some(full) = self.run.take_if(|open| open.run.is_full()) {
            full.run.close(step)?;
        }
        let mut open = match self.run.take() {
            Some(open) => open,
            None => Open::begin(step)?,
        };
        let alike = self.alike.get(&key).ok_or_else(torn)?;
        let wording = self.wordings.get(place(read.wording)?).ok_or_else(torn)?;
        let session = self.sessions.get(place(read.session)?).ok_or_else(torn)?.to_string();
        let (of_intent, of_outcome) = open.templates(key, alike);
        let [summary, text, length] = open.wording(read.wording, wording);
        let id = RunValue::Own(read.operation.to_string());
        let session = RunValue::Own(session);
        let fingerprint = RunValue::Own(read.fingerprint.to_string());
        let values = vec![fingerprint, id.clone(), summary, text, length, session.clone()];
        open.run.append(of_intent, values)?;
        let of_outcome = if settlement.masked.is_empty() {
            of_outcome
        } else {
            open.run.template(&self.outcome(alike, read, &settlement)?)
        };
        let values = vec![
            RunValue::Own(settlement.bytes.to_string()),
            id,
            RunValue::Own(settlement.outcome.name().to_owned()),
            RunValue::Own(settlement.rows.to_string()),
            session,
            RunValue::Own(clipped(&settlement.word, MAX_SHORT_TEXT).into_owned()),
        ];
        open.run.append(of_outcome, values)?;
        self.run = Some(open);
        Ok(())
    }

    /// Closes the run, and records the others behind it.
    pub(super) fn close(mut self, step: &mut Step<'_>) -> Result<(), Stop> {
        if let Some(open) = self.run.take() {
            open.run.close(step)?;
        }
        for read in &self.waiting {
            record(step, self.node, self.intent(read)?)?;
        }
        for settlement in self.late {
            settle(step, settlement)?;
        }
        Ok(())
    }

    /// What the reads of a session that were allowed like this one have in common.
    fn learn(
        &self,
        step: &Step<'_>,
        read: &NotedRead,
        settlement: &Settlement,
    ) -> Result<Alike, Stop> {
        let command = self.intent(read)?;
        let session = step.get::<SessionRecord>(&key_space::session(command.session))?;
        let facts = if let Some(session) = &session {
            facts(step, session, &command)?.session(session).with("operation.id", read.operation)
        } else {
            let facts = intent::facts(&command).with("verdict", "allow");
            without_session(facts, self.node, &command)
        };
        let intent = Template::of(EventKind::Intent, facts, &OF_INTENT);
        let unmasked = Settlement { masked: MaskTally::default(), ..settlement.clone() };
        let outcome = outcome(self.node, session.as_ref(), &command, &unmasked);
        Ok(Alike { session, intent, outcome })
    }

    fn outcome(
        &self,
        alike: &Alike,
        read: &NotedRead,
        settlement: &Settlement,
    ) -> Result<Template, Stop> {
        Ok(outcome(self.node, alike.session.as_ref(), &self.intent(read)?, settlement))
    }

    /// The intent, as it would be recorded by itself.
    fn intent(&self, read: &NotedRead) -> Result<Intent, Stop> {
        let basis = self.bases.get(place(read.basis)?).ok_or_else(torn)?.clone();
        let wording = self.wordings.get(place(read.wording)?).ok_or_else(torn)?.clone();
        Ok(Intent {
            session: *self.sessions.get(place(read.session)?).ok_or_else(torn)?,
            basis: Basis {
                operation: read.operation,
                fingerprint: read.fingerprint,
                audit: basis.audit,
                revision: basis.revision,
                rules: basis.rules,
                approval: None,
            },
            template: None,
            summary: wording.summary,
            text: wording.text,
            actions: basis.actions,
            asked: basis.asked,
        })
    }
}

impl Open {
    fn begin(step: &Step<'_>) -> Result<Self, Stop> {
        Ok(Self { run: Run::begin(step)?, templates: BTreeMap::new(), wordings: BTreeMap::new() })
    }

    fn templates(&mut self, key: (u32, u32), alike: &Alike) -> (u32, u32) {
        let run = &mut self.run;
        let both = || (run.template(&alike.intent), run.template(&alike.outcome));
        *self.templates.entry(key).or_insert_with(both)
    }

    /// Summary, text and its length, as an intent has them.
    fn wording(&mut self, place: u32, wording: &Wording) -> [RunValue; 3] {
        let run = &mut self.run;
        let values = || {
            let text = &wording.text;
            [
                run.share(clipped(&wording.summary, MAX_SHORT_TEXT).into_owned()),
                run.share(clipped(&text.text, MAX_AUDIT_TEXT).into_owned()),
                run.share(text.length.to_string()),
            ]
        };
        self.wordings.entry(place).or_insert_with(values).clone()
    }
}

fn outcome(
    node: NodeId,
    session: Option<&SessionRecord>,
    command: &Intent,
    settlement: &Settlement,
) -> Template {
    let facts = intent::settled(settlement).with("outcome", settlement.outcome.name());
    let facts = match session {
        Some(session) => facts.session(session).with("operation.id", settlement.operation),
        None => without_session(facts, node, command),
    };
    Template::of(EventKind::Outcome, facts, &OF_OUTCOME)
}

fn settlement(operation: OperationId, outcome: NotedOutcome) -> Settlement {
    let NotedOutcome { sequence: _, outcome, rows, bytes, word, masked } = outcome;
    Settlement { operation, outcome, rows, bytes, word, masked }
}

fn place(place: u32) -> Result<usize, Stop> {
    usize::try_from(place).map_err(|_| torn())
}

/// A note that points nowhere: no node writes one.
fn torn() -> Stop {
    state::unreadable("the notes of a node").into()
}
