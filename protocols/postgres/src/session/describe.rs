//! Describe without an Execute behind it: a preparation. The target parses the statement and says its parameters and
//! columns; the statement is not executed, but it is an operation with an intent of its own. What it would read is asked
//! for as a read; what it would change is asked for by the right `postgres:describe` on the same relations, which is for
//! nothing but this. What is executed later, by SQL's EXECUTE too, is an operation of its own.
//! Parsing reads the literals of the text, which can run the check of a user's domain: it stands behind the read-only fence
//! like a read, and where the database has such a domain, functions are asked for as they are for an execution.
//! A portal is described from its statement: binding it would plan it, and planning can run functions.

use super::{Session, Stop, extended::name_error, operate::Form};
use crate::{
    frame::{self, StatementOrPortal},
    mask::Masker,
    state::Prepared,
    understood::{Parsing, Understood},
};
use bytes::{BufMut, Bytes, BytesMut};
use countersign_core::operation::{Action, Demand};
use std::{collections::BTreeSet, sync::Arc};

/// What the agent wants described.
#[derive(Clone, Debug)]
pub(super) enum Described {
    /// A statement: its parameters and its columns.
    Statement,
    /// A portal: its columns, in the formats it was bound with.
    Portal(Vec<u16>),
}

impl Session {
    /// Answers a Describe that waited.
    pub(super) async fn resolve_pending(&mut self) -> Result<(), Stop> {
        match self.pending.take() {
            None => Ok(()),
            Some(StatementOrPortal::Portal(name)) => self.describe_portal(&name).await,
            Some(StatementOrPortal::Statement(name)) => {
                let statement = Arc::clone(self.names.statement(&name).map_err(name_error)?);
                self.describe(statement, Described::Statement).await
            }
        }
    }

    pub(super) async fn describe_portal(&mut self, name: &str) -> Result<(), Stop> {
        let portal = self.names.portal(name).map_err(name_error)?;
        let (statement, formats) = (Arc::clone(&portal.statement), portal.result_formats.clone());
        self.describe(statement, Described::Portal(formats)).await
    }

    async fn describe(
        &mut self,
        statement: Arc<Prepared>,
        described: Described,
    ) -> Result<(), Stop> {
        if statement.classified.statements.is_empty() {
            if matches!(described, Described::Statement) {
                let none = frame::message(b't', |out| out.put_u16(0));
                self.writer.say(Masker::own(none));
            }
            self.writer.say(Masker::own(frame::empty(b'n')));
            return Ok(());
        }
        let classified = Arc::clone(&statement.classified);
        let mut understood = Understood::of(&classified, &self.target).typed(&statement.type_oids);
        understood.summary = format!("preparation, without execution, of {}", understood.summary);
        let text = Arc::clone(&statement.text);
        self.operate(understood, text, Form::Prepare { statement, described }).await
    }
}

/// What is asked for to have a text parsed and nothing more. A text of reads asks for those.
pub(super) fn preparing(understood: &Understood) -> BTreeSet<Demand> {
    let swapped = |demand: Demand| {
        let kept = match demand.action {
            Action::PostgresRead
            | Action::PostgresShow
            | Action::PostgresOpaque
            // Another protocol's, which no text asks for.
            | Action::SshQuery
            | Action::SshList
            | Action::SshRead
            | Action::SshScan
            | Action::SshWrite
            | Action::SshRename
            | Action::SshRemove
            | Action::SshMkdir
            | Action::SshSetstat
            | Action::SshLink
            | Action::SshSftp
            | Action::SshExec
            | Action::SshShell
            | Action::SshOpaque
            | Action::KubernetesDiscover
            | Action::KubernetesUrl
            | Action::KubernetesReview
            | Action::KubernetesGet
            | Action::KubernetesList
            | Action::KubernetesWatch
            | Action::KubernetesCreate
            | Action::KubernetesUpdate
            | Action::KubernetesPatch
            | Action::KubernetesDelete
            | Action::KubernetesDeleteCollection
            | Action::KubernetesStatus
            | Action::KubernetesScale
            | Action::KubernetesLease
            | Action::KubernetesLog
            | Action::KubernetesExec
            | Action::KubernetesAttach
            | Action::KubernetesPortForward
            | Action::KubernetesProxy
            | Action::KubernetesEphemeralContainers
            | Action::KubernetesResize
            | Action::KubernetesEviction
            | Action::KubernetesBinding
            | Action::KubernetesToken
            | Action::KubernetesFinalize
            | Action::KubernetesPrivilege
            | Action::KubernetesOpaque => true,
            Action::PostgresFunction => understood.parsing == Parsing::RunsCode,
            Action::PostgresWrite
            | Action::PostgresDdl
            | Action::PostgresPrivilege
            | Action::PostgresRole
            | Action::PostgresLock
            | Action::PostgresCopy
            | Action::PostgresProgram
            | Action::PostgresSession
            | Action::PostgresPreference
            | Action::PostgresTransaction
            | Action::PostgresCursor
            | Action::PostgresPrepare
            | Action::PostgresDescribe
            | Action::PostgresExplain
            | Action::PostgresNotify
            | Action::PostgresMaintain
            | Action::PostgresReplication
            | Action::PostgresAdmin => false,
        };
        let action = if kept { demand.action } else { Action::PostgresDescribe };
        Demand { action, resource: demand.resource }
    };
    understood.asked.demands().into_iter().map(swapped).collect()
}

/// A `RowDescription` with the formats of a portal in place of the statement's, which are all text. `None` when it is not
/// what the protocol says.
pub(super) fn with_formats(body: &Bytes, formats: &[u16]) -> Option<Bytes> {
    /// Table, column, type, length and modifier of a field, in front of its format.
    const BEFORE_FORMAT: usize = 16;
    let mut rest: &[u8] = body;
    let count = u16::from_be_bytes(*take(&mut rest, 2)?.first_chunk()?);
    let mut out = BytesMut::new();
    out.put_u16(count);
    for field in 0..usize::from(count) {
        let end = rest.iter().position(|byte| *byte == 0)? + 1 + BEFORE_FORMAT;
        out.put_slice(take(&mut rest, end)?);
        take(&mut rest, 2)?;
        out.put_u16(match formats {
            [] => 0,
            [one] => *one,
            each => *each.get(field)?,
        });
    }
    rest.is_empty().then(|| frame::message(b'T', |message| message.put_slice(&out)))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}
