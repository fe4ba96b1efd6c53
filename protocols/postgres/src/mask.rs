//! The masker of a session: whatever goes from the target to the agent passes it, because the writer takes only [`Masked`].
//!
//! It knows no plan of its own. An answer is masked by the plan of its release, and outside of an answer there is the plan
//! that the gate says; without one of them nothing of the target's passes. Where the values of an answer come from, `cover`
//! works out from the text and the catalogue; `row` puts rows through the plan, `words` what is said in words.
//!
//! Whatever cannot be decided or masked is an error, which ends the session before a byte of it is written.

mod condition;
mod copied;
mod cover;
mod handles;
mod kept;
mod row;
mod scan;
mod structure;
mod types;
mod value;
mod words;

#[cfg(test)]
mod tests;

pub(crate) use cover::{Code, Cover, SetBy, Source};
pub(crate) use handles::Named;
pub(crate) use kept::Complaint;
pub(crate) use row::{Columns, MOST_HELD, put_value};
pub(crate) use value::Written;
pub(crate) use words::Tells;

use crate::{
    catalogue::Known,
    classify::{Classified, Handle, Statement, StatementKind},
    frame::{Body, message},
    record::Shape,
};
use bytes::{BufMut, Bytes, BytesMut};
use copied::Copied;
use countersign_core::{
    mask::{ColumnName, MaskError, MaskPlace, MaskPlan, MaskTally, Masked},
    recording::Entry,
};
use handles::Handles;
use kept::Kept;
use row::{Description, Row, read_description, without_names};
use std::{collections::BTreeMap, sync::Arc};
use words::{Words, known_state};

/// The masker of one session.
#[derive(Debug, Default)]
pub(crate) struct Masker {
    /// The answer that is being relayed.
    answering: Option<Answer>,
    /// By whom the session's settings were made what they are.
    settings: SetBy,
    /// Whose code can have been put off to the end of the transaction.
    put_off: SetBy,
    handles: Handles,
}

/// What an answer answers: a text, with what the catalogue says of the relations that it reads.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) classified: Arc<Classified>,
    pub(crate) known: Arc<Known>,
    pub(crate) code: Code,
    /// What FETCH and EXECUTE in it mean, by the statement's place.
    pub(crate) used: BTreeMap<usize, Named>,
    /// By whom the session's settings can be made behind it.
    pub(crate) leaves: SetBy,
}

impl Subject {
    /// The statement whose result comes n-th, as far as the text shows, or the one that it means.
    fn statement(&self, n: usize) -> Option<&Statement> {
        match self.used.get(&n) {
            Some(named) => named.statement(),
            None => self.classified.statements.get(n),
        }
    }
}

/// The answer that is being relayed.
#[derive(Debug)]
struct Answer {
    plan: MaskPlan,
    subject: Subject,
    /// How many statements of the text are complete.
    complete: usize,
    rows: Rows,
    words: Words,
    /// What is recorded of it, where that is not what the agent sees.
    kept: Option<Box<Kept>>,
    /// By whom the session's settings were made when it began.
    settings: SetBy,
    tally: MaskTally,
}

/// The rows of a portal that goes on.
#[derive(Debug, Default)]
pub(crate) struct Remaining {
    rows: Rows,
    kept: Option<Box<Kept>>,
}

/// The rows of an answer, or the data of a COPY.
#[derive(Debug, Default)]
pub(crate) enum Rows {
    /// It is not known what columns they have: none may come.
    #[default]
    NotDescribed,
    /// They pass as they come.
    Pass,
    /// They are put through the plan.
    Columns(Box<Columns>),
    /// Data of a COPY that is searched.
    Copied(Box<Copied>),
}

impl Rows {
    /// A row, or a piece of the data of a COPY, whole; put through the plan where it is to be.
    fn shown(&mut self, body: &Bytes) -> Result<Bytes, MaskError> {
        match self {
            Self::NotDescribed => Err(MaskError::Covered),
            Self::Pass => Ok(body.clone()),
            Self::Columns(columns) => {
                let mut out = BytesMut::new();
                Ok(match columns.row(body, &mut out)? {
                    Row::Same => body.clone(),
                    Row::Changed => out.freeze(),
                })
            }
            // One row, as the server sends them.
            Self::Copied(copied) => copied.row(body),
        }
    }
}

impl Masker {
    /// From here on an answer to `subject` is relayed that was released with `masks`; `rows` are the columns of a portal
    /// that goes on.
    pub(crate) fn answer(&mut self, masks: &MaskPlan, subject: Subject, remaining: Remaining) {
        let leaves = subject.leaves;
        let statements = &subject.classified.statements;
        let borders =
            statements.iter().any(|one| matches!(one.kind, StatementKind::Transaction(_)));
        for statement in statements {
            if let Handle::Listens(channel) = &statement.handle {
                self.handles.listens(channel);
            }
        }
        self.answering = Some(Answer {
            plan: masks.clone(),
            rows: if masks.covers_nothing() { Rows::Pass } else { remaining.rows },
            kept: masks
                .spares()
                .then(|| remaining.kept.unwrap_or_else(|| Box::new(Kept::new(masks)))),
            settings: self.settings,
            subject,
            complete: 0,
            words: Words::new(masks),
            tally: MaskTally::default(),
        });
        if leaves == SetBy::Anybody {
            self.settings = SetBy::Anybody;
            self.put_off = SetBy::Anybody;
        }
        // Triggers that were put off run where a transaction ends.
        if leaves == SetBy::Anybody || self.put_off == SetBy::Anybody && borders {
            self.handles.forget();
        }
    }

    /// No transaction is open any more, whatever ended it: code that was put off has run, and can have given names.
    pub(crate) fn transaction_ended(&mut self) {
        if std::mem::take(&mut self.put_off) == SetBy::Anybody {
            self.handles.forget();
        }
    }

    /// The answer is over; what was masked in it, and the columns of its rows, for more of them.
    pub(crate) fn answered(&mut self) -> (MaskTally, Remaining) {
        let Some(mut answer) = self.answering.take() else { return Default::default() };
        match &mut answer.rows {
            Rows::Columns(columns) => columns.add_to(&mut answer.tally),
            Rows::Copied(copied) => copied.add_to(&mut answer.tally),
            Rows::NotDescribed | Rows::Pass => {}
        }
        answer.words.masks().into_iter().for_each(|mask| mask.add_to(&mut answer.tally));
        (answer.tally, Remaining { rows: answer.rows, kept: answer.kept })
    }

    /// A message of the answer that holds no value: what says that something is complete, or of which type it is.
    pub(crate) fn frame(&self, message: Bytes) -> Result<Masked<Bytes>, MaskError> {
        self.answering.as_ref().map(|answer| answer.vouch(message)).ok_or(MaskError::Covered)
    }

    /// A `RowDescription` says what the rows behind it are.
    pub(crate) fn described(&mut self, body: &Bytes) -> Result<(), MaskError> {
        let answer = self.answering.as_mut().ok_or(MaskError::Covered)?;
        answer.retire_rows();
        let description: Description =
            read_description(body.clone()).map_err(|_| MaskError::Unreadable)?;
        answer.rows = answer.columns(&answer.plan, &description);
        if let Some(mut kept) = answer.kept.take() {
            kept.described(answer.columns(kept.plan(), &description));
            answer.kept = Some(kept);
        }
        Ok(())
    }

    /// A statement of the text is complete.
    pub(crate) fn complete(&mut self) {
        if let Some(answer) = &mut self.answering {
            answer.retire_rows();
            if answer.subject.leaves == SetBy::Known && answer.plan.covers_columns() {
                self.handles.complete(&answer.subject, answer.complete);
            }
            answer.complete += 1;
        }
    }

    /// What FETCH or EXECUTE means by a name.
    pub(crate) fn meant(&self, handle: &Handle) -> Option<&Named> {
        self.handles.meant(handle)
    }

    /// A `RowDescription` as the agent may see it: names of columns that neither its text nor the catalogue shows could have
    /// been made of a value.
    pub(crate) fn named(&self, body: Bytes) -> Result<Bytes, MaskError> {
        let answer = self.answering.as_ref().ok_or(MaskError::Covered)?;
        if !answer.plan.covers_columns() || answer.shows_names() {
            return Ok(body);
        }
        without_names(&body).ok_or(MaskError::Unreadable)
    }

    /// The rows of the answer.
    pub(crate) fn rows(&mut self) -> Result<&mut Rows, MaskError> {
        Ok(&mut self.answering.as_mut().ok_or(MaskError::Covered)?.rows)
    }

    /// A piece of a row, or of the data of a COPY, that passes as it is.
    pub(crate) fn piece(&self, piece: Bytes) -> Result<Masked<Bytes>, MaskError> {
        match &self.answering {
            Some(answer @ Answer { rows: Rows::Pass, .. }) => Ok(answer.vouch(piece)),
            Some(_) | None => Err(MaskError::Covered),
        }
    }

    /// A row that was put through the plan, or a part of one.
    pub(crate) fn masked(&self, part: Bytes) -> Result<Masked<Bytes>, MaskError> {
        match &self.answering {
            Some(answer @ Answer { rows: Rows::Columns(_) | Rows::Copied(_), .. }) => {
                Ok(answer.vouch(part))
            }
            Some(_) | None => Err(MaskError::Covered),
        }
    }

    /// A row, or a piece of the data of a COPY, whole.
    pub(crate) fn values(
        &mut self,
        (kind, body): (u8, &Bytes),
    ) -> Result<Masked<Bytes>, MaskError> {
        let shown = self.rows()?.shown(body)?;
        let answer = self.answering.as_ref().ok_or(MaskError::Covered)?;
        Ok(answer.vouch(message(kind, |out| out.put_slice(&shown))))
    }

    /// The same, with what a recording has of it: what the agent sees, unless rules spare it.
    pub(crate) fn recorded(
        &mut self,
        (kind, body): (u8, &Bytes),
        shape: &Shape,
    ) -> Result<(Masked<Bytes>, Masked<Entry>), MaskError> {
        let answer = self.answering.as_mut().ok_or(MaskError::Covered)?;
        let shown = answer.rows.shown(body)?;
        let entry = match &mut answer.kept {
            Some(kept) => kept.entry(body, shape),
            None => vouched(&answer.plan, shape.entry(&shown).ok_or(MaskError::Unreadable)?),
        };
        Ok((answer.vouch(message(kind, |out| out.put_slice(&shown))), entry))
    }

    /// The target is going to send data of a COPY.
    pub(crate) fn copies(&mut self, body: &Bytes) -> Result<(), MaskError> {
        let answer = self.answering.as_mut().ok_or(MaskError::Covered)?;
        answer.rows = answer.copied(&answer.plan, body)?;
        if let Some(mut kept) = answer.kept.take() {
            // What cannot be masked row by row is not recorded.
            kept.described(answer.copied(kept.plan(), body).unwrap_or_default());
            answer.kept = Some(kept);
        }
        Ok(())
    }

    /// An error or a notice, in an answer or under the plan that is known to be in force.
    pub(crate) fn complaint(
        &mut self,
        known: &MaskPlan,
        (kind, body): (u8, &Bytes),
    ) -> Result<Complaint, MaskError> {
        let (plan, code, words) = match &mut self.answering {
            Some(answer) => (&answer.plan, answer.subject.code, &mut answer.words),
            None => (known, Code::Unseen, &mut Words::new(known)),
        };
        let told = worded(plan, (code, words), (kind, body))?;
        let kept = if plan.spares() {
            let plan = plan.of_recording();
            worded(plan, (code, &mut Words::new(plan)), (kind, body))?
        } else {
            told.clone()
        };
        Ok(Complaint { told, kept })
    }

    /// A notification: whoever listens knows the channel.
    pub(crate) fn notification(
        &mut self,
        known: &MaskPlan,
        body: &Bytes,
    ) -> Result<Masked<Bytes>, MaskError> {
        let (plan, words) = match &mut self.answering {
            Some(answer) => (&answer.plan, &mut answer.words),
            None => (known, &mut Words::new(known)),
        };
        if plan.covers_nothing() {
            return plan.pass(message(b'A', |out| out.put_slice(body)));
        }
        let mut read = Body::new("NotificationResponse", body.clone());
        let (process, channel, payload) = (read.int(), read.text(), read.text());
        let (Ok(process), Ok(channel), Ok(payload)) = (process, channel, payload) else {
            return Err(MaskError::Unreadable);
        };
        let channel =
            if self.handles.hears(&channel) { channel } else { words.payload(&channel)? };
        let payload = words.payload(&payload)?;
        let masked = message(b'A', |out| {
            out.put_i32(process);
            for text in [&channel, &payload] {
                out.put_slice(text.as_bytes());
                out.put_u8(0);
            }
        });
        Ok(vouched(plan, masked))
    }

    /// Whether the agent may hear what a setting is.
    pub(crate) fn tells_setting(&self, known: &MaskPlan, (name, value): (&str, &str)) -> Tells {
        let plan = self.answering.as_ref().map_or(known, |answer| &answer.plan);
        Words::new(plan).setting(name, value)
    }

    /// An SQLSTATE of the answer, for the record.
    pub(crate) fn state<'a>(&self, state: &'a str) -> &'a str {
        match &self.answering {
            Some(answer) if !answer.plan.of_recording().covers_columns() => state,
            Some(_) | None => known_state(state),
        }
    }

    /// A message of the gateway's own.
    pub(crate) fn own(message: Bytes) -> Masked<Bytes> {
        #[expect(clippy::disallowed_methods, reason = "this is the adapter's masker")]
        let masked = MaskPlan::own_words(message);
        masked
    }
}

impl Answer {
    fn vouch(&self, message: Bytes) -> Masked<Bytes> {
        vouched(&self.plan, message)
    }

    /// What becomes of rows that are described so, under a plan.
    fn columns(&self, plan: &MaskPlan, description: &Description) -> Rows {
        if plan.covers_nothing() {
            return Rows::Pass;
        }
        let statement = self.subject.statement(self.complete);
        let columns = Columns::new(
            plan,
            &cover(plan, &self.subject).with_settings(self.settings),
            (statement, self.subject.code),
            description,
        );
        if columns.is_clear() { Rows::Pass } else { Rows::Columns(Box::new(columns)) }
    }

    /// The same for the data of a COPY.
    fn copied(&self, plan: &MaskPlan, body: &Bytes) -> Result<Rows, MaskError> {
        if plan.covers_nothing() {
            return Ok(Rows::Pass);
        }
        let statement = self.subject.statement(self.complete);
        if may_copy(plan, &self.subject, statement) == MayCopy::No {
            return Err(MaskError::Covered);
        }
        let mask = plan.text(MaskPlace::Message);
        if mask.is_clear() {
            return Ok(Rows::Pass);
        }
        let form = statement.and_then(|statement| statement.copied_as);
        Ok(Rows::Copied(Box::new(Copied::new(mask, form, body)?)))
    }

    /// Whether the names of the columns are the text's or the catalogue's.
    fn shows_names(&self) -> bool {
        let Some(statement) = self.subject.statement(self.complete) else { return false };
        match statement.kind {
            StatementKind::Execute | StatementKind::Opaque => false,
            // What FETCH means, if it is known, is a DECLARE.
            StatementKind::Cursor => matches!(statement.handle, Handle::Declares(_)),
            StatementKind::Select
            | StatementKind::Insert
            | StatementKind::Update
            | StatementKind::Delete
            | StatementKind::Merge
            | StatementKind::Truncate
            | StatementKind::CopyOut
            | StatementKind::CopyIn
            | StatementKind::CopyAside
            | StatementKind::Explain
            | StatementKind::Transaction(_)
            | StatementKind::Set(_)
            | StatementKind::Show
            | StatementKind::Prepare
            | StatementKind::Deallocate
            | StatementKind::Lock
            | StatementKind::Notify
            | StatementKind::Define
            | StatementKind::Administer
            | StatementKind::Routine => true,
        }
    }

    /// No more rows of these columns come.
    fn retire_rows(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.retire_rows();
        }
        let next = if self.plan.covers_nothing() { Rows::Pass } else { Rows::NotDescribed };
        match std::mem::replace(&mut self.rows, next) {
            Rows::Columns(mut columns) => columns.add_to(&mut self.tally),
            Rows::Copied(mut copied) => copied.add_to(&mut self.tally),
            Rows::NotDescribed | Rows::Pass => {}
        }
    }
}

/// Whether a COPY may move what it moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MayCopy {
    Yes,
    No,
}

/// Whether a statement may copy towards the agent: its rows cannot be masked column by column.
pub(crate) fn may_copy(
    plan: &MaskPlan,
    subject: &Subject,
    statement: Option<&Statement>,
) -> MayCopy {
    if !plan.covers_columns() {
        return MayCopy::Yes;
    }
    // Who made the session's settings is not looked at: they are not what is copied.
    let moved = statement.map(|statement| {
        cover(plan, subject).with_settings(SetBy::Anybody).moved(statement, subject.code)
    });
    if moved == Some(Source::Clear) { MayCopy::Yes } else { MayCopy::No }
}

fn cover(plan: &MaskPlan, subject: &Subject) -> Cover {
    let covered = |column: &ColumnName| plan.covers(column);
    if !plan.covers_columns() {
        Cover::default()
    } else if subject.known.tells_of(&plan.tables()) {
        Cover::of(&subject.known, &covered)
    } else {
        // The rules have come to name other relations since the catalogue was asked.
        Cover::of(&subject.known.without_kin(), &covered)
    }
}

/// An error or a notice under a plan.
fn worded(
    plan: &MaskPlan,
    (code, words): (Code, &mut Words),
    (kind, body): (u8, &Bytes),
) -> Result<Masked<Bytes>, MaskError> {
    if plan.covers_nothing() {
        return plan.pass(message(kind, |out| out.put_slice(body)));
    }
    let body = words.complaint(code, body)?;
    Ok(vouched(plan, message(kind, |out| out.put_slice(&body))))
}

fn vouched<T>(plan: &MaskPlan, shown: T) -> Masked<T> {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter's masker")]
    let masked = plan.vouch(shown);
    masked
}
