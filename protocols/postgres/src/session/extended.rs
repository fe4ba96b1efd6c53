//! The extended query protocol. Parse, Bind and Close act here and are answered here; the target sees a statement only
//! when an operation with it was admitted. A Describe waits for the message behind it: in front of its Execute it is a part
//! of that operation, alone it is a preparation.

use super::{End, Session, Stop, deallocate::Here, operate::Form};
use crate::{
    error::{Complaint, SqlState},
    frame::{
        self, BindBody, FrontendKind, ParseBody, StatementOrPortal, read_bind, read_execute,
        read_named, read_parse,
    },
    mask::Masker,
    state::{Block, Bound, NameError, PortalPlace},
};
use bytes::Bytes;
use std::sync::Arc;

impl Session {
    /// Takes a message of the extended protocol other than Sync.
    pub(super) async fn extended(&mut self, kind: FrontendKind, body: Bytes) -> Result<(), Stop> {
        let malformed = |error| Stop::End(End::agent(error));
        match kind {
            FrontendKind::Execute => {
                let (portal, rows) = read_execute(body).map_err(malformed)?;
                self.execute(portal, rows).await
            }
            FrontendKind::Parse => {
                self.resolve_pending().await?;
                self.parse(read_parse(body).map_err(malformed)?).await
            }
            FrontendKind::Bind => {
                self.resolve_pending().await?;
                self.bind(read_bind(body).map_err(malformed)?)
            }
            FrontendKind::Describe => {
                self.resolve_pending().await?;
                self.pending = Some(read_named(body).map_err(malformed)?);
                Ok(())
            }
            FrontendKind::Close => {
                self.resolve_pending().await?;
                match read_named(body).map_err(malformed)? {
                    StatementOrPortal::Statement(name) => self.names.close_statement(&name),
                    StatementOrPortal::Portal(name) => self.names.close_portal(&name),
                }
                self.retire_portals();
                self.writer.say(Masker::own(frame::empty(b'3')));
                Ok(())
            }
            FrontendKind::Flush => {
                self.resolve_pending().await?;
                self.writer.flush().await.map_err(End::agent)?;
                Ok(())
            }
            FrontendKind::CopyData
            | FrontendKind::CopyDone
            | FrontendKind::CopyFail
            | FrontendKind::FunctionCall
            | FrontendKind::Password
            | FrontendKind::Query
            | FrontendKind::Sync
            | FrontendKind::Terminate => {
                Err(Stop::Refuse(Complaint::protocol("a message out of its place")))
            }
        }
    }

    async fn parse(&mut self, body: ParseBody) -> Result<(), Stop> {
        let ParseBody { name, text, type_oids } = body;
        let classified = self.read(&text).await?;
        if classified.is_batch() {
            return Err(Stop::Refuse(Complaint::new(
                SqlState::SYNTAX_ERROR,
                "cannot insert multiple commands into a prepared statement",
            )));
        }
        self.names
            .prepare(name, text.as_ref().into(), type_oids, classified)
            .map_err(name_error)?;
        self.writer.say(Masker::own(frame::empty(b'1')));
        Ok(())
    }

    fn bind(&mut self, body: BindBody) -> Result<(), Stop> {
        let BindBody { portal, statement, formats, values, result_formats } = body;
        let statement = Arc::clone(self.names.statement(&statement).map_err(name_error)?);
        let oids = statement.type_oids.iter().copied().chain(std::iter::repeat(0));
        let parameters = formats
            .into_iter()
            .zip(oids)
            .zip(values)
            .map(|((format, type_oid), value)| {
                // A copy, so that a small value does not keep the whole buffer it arrived in.
                Bound { format, type_oid, value: value.map(|value| value.to_vec()) }
            })
            .collect();
        self.names.bind(portal, statement, (parameters, result_formats)).map_err(name_error)?;
        self.writer.say(Masker::own(frame::empty(b'2')));
        Ok(())
    }

    async fn execute(&mut self, name: String, rows: i32) -> Result<(), Stop> {
        let describe = match self.pending.take() {
            Some(StatementOrPortal::Portal(described)) if described == name => {
                crate::forward::Describe::Asked
            }
            other => {
                self.pending = other;
                self.resolve_pending().await?;
                crate::forward::Describe::NotAsked
            }
        };
        let portal = self.names.portal(&name).map_err(name_error)?.clone();
        if let PortalPlace::AtTarget(at_target) = &portal.place {
            // The same operation goes on: rows that its first Execute left.
            if describe == crate::forward::Describe::Asked {
                self.describe_portal(&name).await?;
            }
            let at_target = at_target.clone();
            return self.go_on(portal, &at_target, rows).await;
        }
        if portal.statement.classified.statements.is_empty() {
            if describe == crate::forward::Describe::Asked {
                self.writer.say(Masker::own(frame::empty(b'n')));
            }
            self.writer.say(Masker::own(frame::empty(b'I')));
            return Ok(());
        }
        let classified = Arc::clone(&portal.statement.classified);
        let text = Arc::clone(&portal.statement.text);
        if describe == crate::forward::Describe::NotAsked
            && self.deallocate(&classified, &text) == Here::Done
        {
            return Ok(());
        }
        let form = Form::Portal { name, portal, describe, rows };
        if let Some(meaning) = self.kept_meaning(&classified, &form) {
            self.operate_again(meaning, Arc::clone(&text), form).await?;
        } else {
            let understood = self.understand(&classified, &text)?.typed(form.type_oids());
            self.operate(understood, Arc::clone(&text), form).await?;
        }
        self.note_dropped(&classified, &text);
        Ok(())
    }

    /// Takes a Sync: ends the pipeline's transaction at the target, if there is one.
    pub(super) async fn sync(&mut self) -> Result<(), Stop> {
        let resolved = self.resolve_pending().await;
        if let Err(stop) = resolved {
            // The error comes first, then the ReadyForQuery of this very Sync.
            self.after_extended_in_sync(stop).await?;
        }
        if matches!(self.block, Block::Implicit(_)) {
            self.end_pipeline().await?;
        }
        self.settle_knowledge();
        Ok(self.ready().await?)
    }

    async fn after_extended_in_sync(&mut self, stop: Stop) -> Result<(), Stop> {
        match stop {
            Stop::End(end) => Err(Stop::End(end)),
            Stop::Failed => Ok(()),
            Stop::Refuse(complaint) => {
                self.complain(&complaint);
                Ok(self.fail_transaction().await?)
            }
        }
    }
}

pub(super) fn name_error(error: NameError) -> Stop {
    let state = match error {
        NameError::TooLong => SqlState::NAME_TOO_LONG,
        NameError::DuplicateStatement => SqlState::DUPLICATE_PREPARED_STATEMENT,
        NameError::DuplicatePortal => SqlState::DUPLICATE_CURSOR,
        NameError::NoStatement => SqlState::INVALID_STATEMENT_NAME,
        NameError::NoPortal => SqlState::INVALID_CURSOR_NAME,
        NameError::TooMany | NameError::TooLarge => SqlState::CONFIGURATION_LIMIT,
    };
    Stop::Refuse(Complaint::new(state, error.to_string()))
}
