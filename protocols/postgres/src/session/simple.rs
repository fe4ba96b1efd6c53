//! The simple query protocol: one Query, one `ReadyForQuery`, always.

use super::{End, Session, Stop, deallocate::Here, operate::Form};
use crate::{
    classify::Classified,
    error::{Complaint, SqlState},
    frame::{self, read_text},
    mask::Masker,
    state::Block,
    understood::Understood,
};
use bytes::Bytes;
use std::sync::Arc;

/// The longest text that may change settings, and as much for the values that are bound to it, in bytes. It is a part of what every later operation of the session means,
/// and a hold takes no setting of any length.
pub(super) const MAX_CHANGE: usize = 8 * 1024;

impl Session {
    /// Takes a Query.
    pub(super) async fn simple(&mut self, body: Bytes) -> Result<(), End> {
        let text = read_text(body).map_err(End::agent)?;
        let done = self.simple_text(text).await;
        self.end_simple(done).await
    }

    /// Ends a Query: the error, if there is one, and its `ReadyForQuery`.
    pub(super) async fn end_simple(&mut self, done: Result<(), Stop>) -> Result<(), End> {
        match done {
            Ok(()) | Err(Stop::Failed) => {}
            Err(Stop::End(end)) => return Err(end),
            Err(Stop::Refuse(complaint)) => {
                self.complain(&complaint);
                self.fail_transaction().await?;
            }
        }
        self.ready().await
    }

    async fn simple_text(&mut self, text: Bytes) -> Result<(), Stop> {
        self.resolve_pending().await?;
        if let Block::Implicit(_) = self.block {
            let complaint = "a simple query inside a pipeline of the extended protocol is not supported by the gateway";
            return Err(Stop::Refuse(
                Complaint::new(SqlState::FEATURE_NOT_SUPPORTED, complaint)
                    .hint("Send Sync before the query."),
            ));
        }
        self.names.simple_query();
        let classified = self.read(&text).await?;
        if classified.statements.is_empty() {
            self.writer.say(Masker::own(frame::empty(b'I')));
            return Ok(());
        }
        if self.deallocate(&classified, &text) == Here::Done {
            return Ok(());
        }
        let exact = text.as_ref().into();
        if let Some(meaning) = self.kept_meaning(&classified, &Form::Query) {
            self.operate_again(meaning, exact, Form::Query).await?;
        } else {
            let understood = self.understand(&classified, &text)?;
            self.operate(understood, exact, Form::Query).await?;
        }
        self.note_dropped(&classified, &text);
        Ok(())
    }

    /// What a text asks for. One that changes settings must be short.
    pub(super) fn understand(
        &self,
        classified: &Arc<Classified>,
        text: &[u8],
    ) -> Result<Understood, Stop> {
        let understood = Understood::of(classified, &self.target);
        if understood.settings.says() && text.len() > MAX_CHANGE {
            let complaint = format!("a text that changes settings has at most {MAX_CHANGE} bytes");
            return Err(Stop::Refuse(
                Complaint::new(SqlState::PROGRAM_LIMIT_EXCEEDED, complaint)
                    .hint("Send SET, RESET and DISCARD apart from other statements."),
            ));
        }
        Ok(understood)
    }

    /// What a text means. Statements are UTF-8; anything else is refused as the server would.
    pub(super) async fn read(&mut self, text: &Bytes) -> Result<Arc<Classified>, Stop> {
        let Ok(text) = std::str::from_utf8(text) else {
            return Err(Stop::Refuse(Complaint::new(
                SqlState::CHARACTER_NOT_IN_REPERTOIRE,
                "the statement is not valid UTF8",
            )));
        };
        let agent = &self.opened.agent().identity;
        Ok(self.around.reader.classify(text, agent).await?)
    }
}
