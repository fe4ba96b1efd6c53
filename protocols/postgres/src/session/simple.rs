//! The simple query protocol: one Query, one `ReadyForQuery`, always.

use super::{End, Session, Stop, deallocate::Here, operate::Form};
use crate::{
    error::{Complaint, SqlState},
    frame::{self, read_text},
    mask::Masker,
    state::Block,
    understood::Understood,
};
use bytes::Bytes;

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
        let understood = Understood::of(&classified, &self.target);
        self.operate(&classified, understood, text.as_ref().into(), Form::Query).await?;
        self.note_dropped(&classified, &text);
        Ok(())
    }

    /// What a text means. Statements are UTF-8; anything else is refused as the server would.
    pub(super) async fn read(
        &mut self,
        text: &Bytes,
    ) -> Result<std::sync::Arc<crate::classify::Classified>, Stop> {
        let Ok(text) = std::str::from_utf8(text) else {
            return Err(Stop::Refuse(Complaint::new(
                SqlState::CHARACTER_NOT_IN_REPERTOIRE,
                "the statement is not valid UTF8",
            )));
        };
        Ok(self.around.reader.classify(text).await)
    }
}
