//! The masker of a session: whatever goes from the target to the agent passes it, because the writer takes only [`Masked`].
//!
//! It knows no plan of its own. An answer is masked by the plan of its release, and outside of an answer there is the plan
//! that the gate says; without one of them nothing of the target's passes. Where the values of an answer come from, `cover`
//! works out from the text and the catalogue; `row` puts rows through the plan, `words` what is said in words.
//!
//! Whatever cannot be decided or masked is an error, which ends the session before a byte of it is written.

mod condition;
mod cover;
mod row;
mod scan;
mod types;
mod value;
mod words;

#[cfg(test)]
mod tests;

pub(crate) use cover::{Code, Cover, Source};
pub(crate) use row::{Columns, MOST_HELD, put_value};
pub(crate) use value::Written;
pub(crate) use words::Tells;

use crate::{
    catalogue::Known,
    classify::{Classified, Statement},
    frame::{Body, message},
};
use bytes::{BufMut, Bytes, BytesMut};
use countersign_core::mask::{
    ColumnMask, MaskError, MaskPlace, MaskPlan, MaskTally, Masked, Shown,
};
use row::{Description, Row, read_description};
use std::sync::Arc;
use words::{Words, known_state};

/// The masker of one session.
#[derive(Debug, Default)]
pub(crate) struct Masker {
    /// The answer that is being relayed.
    answering: Option<Answer>,
}

/// What an answer answers: a text, with what the catalogue says of the relations that it reads.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) classified: Arc<Classified>,
    pub(crate) known: Arc<Known>,
    pub(crate) code: Code,
}

impl Subject {
    /// The statement whose result comes n-th, as far as the text shows.
    fn statement(&self, n: usize) -> Option<&Statement> {
        self.classified.statements.get(n)
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
    tally: MaskTally,
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
    /// Data of a COPY, of which the texts are searched.
    Copied(Box<ColumnMask>),
}

impl Masker {
    /// From here on an answer to `subject` is relayed that was released with `masks`; `rows` are the columns of a portal
    /// that goes on.
    pub(crate) fn answer(&mut self, masks: &MaskPlan, subject: Subject, rows: Rows) {
        self.answering = Some(Answer {
            plan: masks.clone(),
            rows: if masks.covers_nothing() { Rows::Pass } else { rows },
            subject,
            complete: 0,
            words: Words::new(masks),
            tally: MaskTally::default(),
        });
    }

    /// The answer is over; what was masked in it, and the columns of its rows, for more of them.
    pub(crate) fn answered(&mut self) -> (MaskTally, Rows) {
        let Some(mut answer) = self.answering.take() else { return Default::default() };
        match &mut answer.rows {
            Rows::Columns(columns) => columns.add_to(&mut answer.tally),
            Rows::Copied(mask) => mask.add_to(&mut answer.tally),
            Rows::NotDescribed | Rows::Pass => {}
        }
        answer.words.masks().into_iter().for_each(|mask| mask.add_to(&mut answer.tally));
        (answer.tally, answer.rows)
    }

    /// A message of the answer that holds no value: what says that something is complete, or of which type it is.
    pub(crate) fn frame(&self, message: Bytes) -> Result<Masked<Bytes>, MaskError> {
        self.answering.as_ref().map(|answer| answer.vouch(message)).ok_or(MaskError::Covered)
    }

    /// A `RowDescription` says what the rows behind it are.
    pub(crate) fn described(&mut self, body: &Bytes) -> Result<(), MaskError> {
        let answer = self.answering.as_mut().ok_or(MaskError::Covered)?;
        answer.retire_rows();
        answer.rows = answer.columns(body)?;
        Ok(())
    }

    /// A statement of the text is complete.
    pub(crate) fn complete(&mut self) {
        if let Some(answer) = &mut self.answering {
            answer.retire_rows();
            answer.complete += 1;
        }
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

    /// A row, whole; put through the plan where it is to be.
    pub(crate) fn row(&mut self, body: &Bytes) -> Result<Masked<Bytes>, MaskError> {
        let Rows::Columns(columns) = self.rows()? else { return Err(MaskError::Covered) };
        let mut out = BytesMut::new();
        let body: &[u8] = match columns.row(body, &mut out)? {
            Row::Same => body,
            Row::Changed => &out,
        };
        let row = message(b'D', |out| out.put_slice(body));
        self.masked(row)
    }

    /// The target is going to send data of a COPY. It says whether that is text.
    pub(crate) fn copies(&mut self, body: &Bytes) -> Result<(), MaskError> {
        let answer = self.answering.as_mut().ok_or(MaskError::Covered)?;
        answer.rows = answer.copied(body)?;
        Ok(())
    }

    /// A piece of the data of a COPY: one row, as the server sends them.
    pub(crate) fn copied(&mut self, body: &[u8]) -> Result<Masked<Bytes>, MaskError> {
        let Rows::Copied(mask) = self.rows()? else { return Err(MaskError::Covered) };
        let text = std::str::from_utf8(body).map_err(|_| MaskError::Unreadable)?;
        let shown = match mask.mask(text)? {
            Shown::Same(text) => message(b'd', |out| out.put_slice(text.as_bytes())),
            Shown::Changed(text) => message(b'd', |out| out.put_slice(text.as_bytes())),
            // There is no row that would be no value.
            Shown::Null => return Err(MaskError::Covered),
        };
        self.masked(shown)
    }

    /// An error or a notice, in an answer or under the plan that is known to be in force.
    pub(crate) fn complaint(
        &mut self,
        known: &MaskPlan,
        (kind, body): (u8, &Bytes),
    ) -> Result<Masked<Bytes>, MaskError> {
        let (plan, code, words) = match &mut self.answering {
            Some(answer) => (&answer.plan, answer.subject.code, &mut answer.words),
            None => (known, Code::Unseen, &mut Words::new(known)),
        };
        if plan.covers_nothing() {
            return plan.pass(message(kind, |out| out.put_slice(body)));
        }
        let body = words.complaint(code, body)?;
        Ok(vouched(plan, message(kind, |out| out.put_slice(&body))))
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
            Some(answer) if !answer.plan.covers_columns() => state,
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

    fn columns(&self, body: &Bytes) -> Result<Rows, MaskError> {
        if self.plan.covers_nothing() {
            return Ok(Rows::Pass);
        }
        let description: Description =
            read_description(body.clone()).map_err(|_| MaskError::Unreadable)?;
        let statement = self.subject.statement(self.complete);
        let columns = Columns::new(
            &self.plan,
            &cover(&self.plan, &self.subject),
            (statement, self.subject.code),
            &description,
        );
        Ok(if columns.is_clear() { Rows::Pass } else { Rows::Columns(Box::new(columns)) })
    }

    fn copied(&self, body: &Bytes) -> Result<Rows, MaskError> {
        const TEXT: u8 = 0;
        if self.plan.covers_nothing() {
            return Ok(Rows::Pass);
        }
        let statement = self.subject.statement(self.complete);
        if may_copy(&self.plan, &self.subject, statement) == MayCopy::No {
            return Err(MaskError::Covered);
        }
        let mask = self.plan.text(MaskPlace::Message);
        match body.first() {
            _ if mask.is_clear() => Ok(Rows::Pass),
            Some(&TEXT) => Ok(Rows::Copied(Box::new(mask))),
            Some(_) | None => Err(MaskError::Unreadable),
        }
    }

    /// No more rows of these columns come.
    fn retire_rows(&mut self) {
        let next = if self.plan.covers_nothing() { Rows::Pass } else { Rows::NotDescribed };
        match std::mem::replace(&mut self.rows, next) {
            Rows::Columns(mut columns) => columns.add_to(&mut self.tally),
            Rows::Copied(mut mask) => mask.add_to(&mut self.tally),
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
    let moved = statement.map(|statement| cover(plan, subject).moved(statement, subject.code));
    if moved == Some(Source::Clear) { MayCopy::Yes } else { MayCopy::No }
}

fn cover(plan: &MaskPlan, subject: &Subject) -> Cover {
    if plan.covers_columns() {
        Cover::of(&subject.known, &|column| plan.covers(column))
    } else {
        Cover::default()
    }
}

fn vouched(plan: &MaskPlan, message: Bytes) -> Masked<Bytes> {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter's masker")]
    let masked = plan.vouch(message);
    masked
}
