//! The answer of an operation, from the target to the agent, as it comes. Rows and COPY data pass in pieces; what answers
//! messages that the gateway has already answered (`ParseComplete`, `BindComplete`) is taken out.

use super::{
    End, Session, Stop, SyncSent,
    describe::{Described, with_formats},
    operate::{Form, Hears},
};
use crate::{
    frame::{BackendKind, Body, FrameError, Head, copy_fail, message},
    mask::Remaining,
    record::Shape,
    state::Block,
    target::RecordedRows,
    understood::{Copy, Understood},
    upstream::{TargetCancel, error_code, read_ready},
};
use bytes::{BufMut, Bytes};
use countersign_core::permit::Release;
use std::pin::pin;

/// `invalid_sql_statement_name`
const INVALID_STATEMENT_NAME: &str = "26000";

/// What ends the answer of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Until {
    /// `ReadyForQuery`: a simple Query may be several statements.
    Ready,
    /// The end of one Execute.
    Command,
    /// The end of a Describe.
    Described,
}

/// How an answer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    Complete,
    /// The portal has rows left.
    Suspended,
    /// The target said an error, which the agent has heard.
    Failed,
}

/// What has been relayed so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Told {
    ended: Ended,
    rows: u64,
}

/// Whether the answer goes on.
enum Step {
    More,
    Done,
}

impl Session {
    /// Relays the answer of `form`, which was released; a cancel by the agent is passed on to the target meanwhile. A cancel
    /// that was begun is over before this returns: later, it would hit what comes next.
    pub(super) async fn relay(
        &mut self,
        form: &Form,
        understood: &Understood,
        (release, remaining): (&Release, Remaining),
    ) -> Result<(Ended, Remaining), Stop> {
        let copy = if matches!(form, Form::Prepare { .. }) { Copy::None } else { understood.copy };
        self.masker.answer(release.masks(), understood.subject(), remaining);
        let ended = self.relay_hearing(form, copy).await;
        let (masked, remaining) = self.masker.answered();
        if let Some(account) = &mut self.in_flight {
            account.masked(&masked);
        }
        Ok((ended?, remaining))
    }

    async fn relay_hearing(&mut self, form: &Form, copy: Copy) -> Result<Ended, Stop> {
        let cancel = self.upstream()?.cancel.clone();
        let mut heard = self.heard.clone();
        let mut answer = pin!(self.relay_all(form, copy));
        loop {
            tokio::select! {
                biased;
                ended = &mut answer => return ended,
                // The sender lives as long as the session; an error can only mean that it is being ended.
                Ok(()) = heard.changed() => {}
            }
            let mut sent = pin!(pass_on(&cancel));
            tokio::select! {
                () = &mut sent => {}
                ended = &mut answer => {
                    sent.await;
                    return ended;
                }
            }
        }
    }

    async fn relay_all(&mut self, form: &Form, copy: Copy) -> Result<Ended, Stop> {
        let mut told = Told { ended: Ended::Complete, rows: 0 };
        // What the agent has not heard yet goes with the first words of the answer, as the server itself does it: it writes
        // nothing before a Flush, a Sync or a full buffer.
        let mut head = self.upstream()?.reader.head().await.map_err(End::TargetLost)?;
        loop {
            let kind = BackendKind::of(head).map_err(End::TargetLost)?;
            if let Step::Done = self.relay_one(form, copy, (head, kind), &mut told).await? {
                return Ok(told.ended);
            }
            self.recorded().await?;
            self.writer.gather().await.map_err(End::agent)?;
            head = self.target_head().await?;
        }
    }

    /// The next message of the target. What was said so far is written before it waits.
    async fn target_head(&mut self) -> Result<Head, End> {
        let buffered = self.upstream()?.reader.buffered_head().map_err(End::TargetLost)?;
        if let Some(head) = buffered {
            return Ok(head);
        }
        self.writer.flush().await.map_err(End::agent)?;
        self.upstream()?.reader.head().await.map_err(End::TargetLost)
    }

    async fn relay_one(
        &mut self,
        form: &Form,
        copy: Copy,
        (head, kind): (Head, BackendKind),
        told: &mut Told,
    ) -> Result<Step, Stop> {
        let until = form.until();
        match kind {
            BackendKind::DataRow => {
                told.rows += 1;
                self.relay_row(head).await?;
                return Ok(Step::More);
            }
            BackendKind::CopyData => {
                told.rows += 1;
                self.relay_copied(head).await?;
                return Ok(Step::More);
            }
            BackendKind::CopyInResponse if copy == Copy::In => {
                self.relay_whole(head).await?;
                self.copy_in(until).await?;
                return Ok(Step::More);
            }
            BackendKind::CopyInResponse => {
                let upstream = self.upstream()?;
                upstream.writer.queue(&copy_fail("the gateway expected no COPY"));
                upstream.writer.flush().await.map_err(End::TargetLost)?;
                return Err(violation().into());
            }
            BackendKind::CopyOutResponse if copy != Copy::Out => return Err(violation().into()),
            BackendKind::NoticeResponse
            | BackendKind::NotificationResponse
            | BackendKind::ParameterStatus => {
                self.relay_aside(head).await?;
                return Ok(Step::More);
            }
            BackendKind::CommandComplete
            | BackendKind::EmptyQueryResponse
            | BackendKind::PortalSuspended
            | BackendKind::ErrorResponse
            | BackendKind::ReadyForQuery
            | BackendKind::ParseComplete
            | BackendKind::BindComplete
            | BackendKind::CloseComplete
            | BackendKind::RowDescription
            | BackendKind::NoData
            | BackendKind::ParameterDescription
            | BackendKind::CopyOutResponse
            | BackendKind::CopyDone => {}
            BackendKind::Authentication
            | BackendKind::BackendKeyData
            | BackendKind::CopyBothResponse
            | BackendKind::NegotiateProtocolVersion => return Err(violation().into()),
        }
        let body = self.upstream()?.reader.whole(head).await.map_err(End::TargetLost)?;
        self.relay_body(form, (head, kind), body, told).await
    }

    async fn relay_body(
        &mut self,
        form: &Form,
        (head, kind): (Head, BackendKind),
        body: Bytes,
        told: &mut Told,
    ) -> Result<Step, Stop> {
        let until = form.until();
        match kind {
            BackendKind::ParseComplete => {
                self.confirm_parse(form);
                Ok(Step::More)
            }
            BackendKind::BindComplete | BackendKind::CloseComplete => Ok(Step::More),
            BackendKind::ReadyForQuery => {
                self.set_block(read_ready(body).map_err(End::TargetLost)?);
                Ok(if until == Until::Ready { Step::Done } else { Step::More })
            }
            BackendKind::ErrorResponse => {
                told.ended = Ended::Failed;
                let code = error_code(body.clone());
                if let Some(account) = &mut self.in_flight {
                    account.failed(self.masker.state(&code));
                }
                self.say_error(&body)?;
                self.forget_unparsed(form, &code);
                self.after_error(form).await
            }
            BackendKind::CommandComplete => {
                self.account(&body)?;
                self.masker.complete();
                self.say(head, body)?;
                Ok(if until == Until::Command { Step::Done } else { Step::More })
            }
            BackendKind::PortalSuspended => {
                told.ended = Ended::Suspended;
                if let Some(account) = &mut self.in_flight {
                    account.suspended(told.rows);
                }
                self.say(head, body)?;
                Ok(if until == Until::Command { Step::Done } else { Step::More })
            }
            BackendKind::EmptyQueryResponse => {
                self.complete("");
                self.masker.complete();
                self.say(head, body)?;
                Ok(if until == Until::Command { Step::Done } else { Step::More })
            }
            BackendKind::RowDescription | BackendKind::NoData => {
                self.relay_columns(form, (head, kind), body).await
            }
            BackendKind::ParameterDescription if until == Until::Described => {
                self.say_parameters(form, head, body)?;
                Ok(Step::More)
            }
            BackendKind::CopyOutResponse => {
                self.copies(&body)?;
                self.say(head, body)?;
                Ok(Step::More)
            }
            BackendKind::ParameterDescription | BackendKind::CopyDone => {
                self.say(head, body)?;
                Ok(Step::More)
            }
            BackendKind::Authentication
            | BackendKind::BackendKeyData
            | BackendKind::CopyBothResponse
            | BackendKind::CopyData
            | BackendKind::CopyInResponse
            | BackendKind::DataRow
            | BackendKind::NegotiateProtocolVersion
            | BackendKind::NoticeResponse
            | BackendKind::NotificationResponse
            | BackendKind::ParameterStatus => Err(violation().into()),
        }
    }

    /// The target is going to send data of a COPY.
    fn copies(&mut self, body: &Bytes) -> Result<(), End> {
        self.masker.copies(body)?;
        self.shape = Shape::copied(body);
        Ok(())
    }

    /// What says which columns the rows have: the end of a Describe, or what comes in front of the rows.
    async fn relay_columns(
        &mut self,
        form: &Form,
        (head, kind): (Head, BackendKind),
        body: Bytes,
    ) -> Result<Step, Stop> {
        let body = if kind == BackendKind::RowDescription {
            self.masker.named(body).map_err(End::from)?
        } else {
            body
        };
        if form.until() == Until::Described {
            self.say_description(form, head, body)?;
            self.complete("");
            self.end_preparation().await?;
            return Ok(Step::Done);
        }
        if kind == BackendKind::RowDescription {
            self.masker.described(&body).map_err(End::from)?;
            if self.target.record_rows == RecordedRows::Masked {
                self.shape = Shape::described(body.clone()).map_err(End::TargetLost)?;
            }
        }
        if form.hears_description() == Hears::It {
            self.say(head, body)?;
        }
        Ok(Step::More)
    }

    fn confirm_parse(&mut self, form: &Form) {
        match form {
            Form::Query => {}
            Form::Portal { portal, .. } => self.names.confirm(&portal.statement),
            Form::Prepare { statement, .. } => self.names.confirm(statement),
        }
    }

    /// An error in front of the `ParseComplete`: the name that the gateway has let the agent use means nothing. And where a
    /// statement is missing, something dropped it that could not be seen to (a DO block can).
    fn forget_unparsed(&mut self, form: &Form, code: &str) {
        if code == INVALID_STATEMENT_NAME {
            self.names.doubt_all();
            return;
        }
        let statement = match form {
            Form::Query => return,
            Form::Portal { portal, .. } => &portal.statement,
            Form::Prepare { statement, .. } => statement,
        };
        if !self.names.is_confirmed(statement) {
            self.names.parse_failed(statement);
        }
    }

    /// After an error in the extended protocol the target skips to a Sync: it gets one at once, and the agent's own Sync is
    /// answered here.
    async fn after_error(&mut self, form: &Form) -> Result<Step, Stop> {
        match form {
            Form::Query => Ok(Step::More),
            Form::Prepare { .. } if self.block == Block::Idle => {
                // Its Sync is there already.
                self.end_of_preparation().await?;
                Ok(Step::Done)
            }
            Form::Portal { .. } if self.sync == SyncSent::Ahead => {
                self.failed_before_sync().await?;
                Ok(Step::Done)
            }
            Form::Portal { .. } | Form::Prepare { .. } => {
                let status = self.resynchronise().await?;
                self.rolled_back(status);
                Ok(Step::Done)
            }
        }
    }

    /// A preparation that stood alone is followed by the `ReadyForQuery` of its Sync.
    async fn end_preparation(&mut self) -> Result<(), End> {
        if self.block == Block::Idle { self.end_of_preparation().await } else { Ok(()) }
    }

    fn say_description(&mut self, form: &Form, head: Head, body: Bytes) -> Result<(), End> {
        let Form::Prepare { described: Described::Portal(formats), .. } = form else {
            return self.say(head, body);
        };
        if head.kind != b'T' {
            return self.say(head, body);
        }
        let patched = with_formats(&body, formats).ok_or_else(violation)?;
        let masked = self.masker.frame(patched)?;
        self.writer.say(masked);
        Ok(())
    }

    /// The types of the parameters; whoever asked for a portal did not ask for them.
    fn say_parameters(&mut self, form: &Form, head: Head, body: Bytes) -> Result<(), End> {
        let Form::Prepare { statement, described } = form else { return Err(violation()) };
        let types = read_parameter_types(body.clone()).map_err(End::TargetLost)?;
        statement.described.get_or_init(|| types);
        if matches!(described, Described::Statement) {
            self.say(head, body)?;
        }
        Ok(())
    }

    /// Says a whole message of the target's that holds no value.
    pub(super) fn say(&mut self, head: Head, body: Bytes) -> Result<(), End> {
        self.count_bytes(body.len());
        let whole = message(head.kind, |out| out.put_slice(&body));
        let masked = self.masker.frame(whole)?;
        self.writer.say(masked);
        Ok(())
    }

    fn say_error(&mut self, body: &Bytes) -> Result<(), End> {
        self.count_bytes(body.len());
        let known = self.around.gate.masks(&self.opened);
        let masked = self.masker.complaint(&known, (b'E', body))?;
        self.say_words(masked)
    }

    async fn relay_whole(&mut self, head: Head) -> Result<(), End> {
        let body = self.upstream()?.reader.whole(head).await.map_err(End::TargetLost)?;
        self.say(head, body)
    }

    fn account(&mut self, body: &Bytes) -> Result<(), End> {
        let mut tag = Body::new("CommandComplete", body.clone());
        let tag = tag.text().map_err(End::TargetLost)?;
        self.complete(&tag);
        Ok(())
    }

    fn complete(&mut self, tag: &str) {
        if let Some(account) = &mut self.in_flight {
            account.said(tag);
        }
    }
}

async fn pass_on(cancel: &TargetCancel) {
    if let Err(error) = cancel.send().await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "a cancel did not reach the target"
        );
    }
}

fn read_parameter_types(body: Bytes) -> Result<Vec<u32>, FrameError> {
    let mut body = Body::new("ParameterDescription", body);
    let types = (0..body.short()?).map(|_| body.oid()).collect::<Result<_, _>>()?;
    body.end()?;
    Ok(types)
}

/// The target said what has no place here.
fn violation() -> End {
    End::TargetLost(FrameError::Malformed { what: "answer of the target" })
}
