//! One operation, from what it means to its outcome: looked up, judged, held, admitted, fenced, forwarded, settled.

use super::{
    End, Link, Session, Stop,
    describe::Described,
    relay::{Told, Until},
};
use crate::{
    classify::{Classified, Fence},
    error::{Complaint, SqlState},
    fence::Posture,
    forward::{self, Describe, Ending, ParseAt, Wire},
    record::Account,
    state::{Block, Mode, Portal, Prepared},
    understood::{Border, Copy, Settings, Understood},
};
use countersign_core::{
    gate::{Admission, Judged, Reply},
    operation::Operation,
};
use std::sync::Arc;

/// Settings changes that one session may make: each is part of what later operations mean.
const MAX_CHANGES: usize = 100;

/// How the agent put the operation.
#[derive(Debug)]
pub(super) enum Form {
    /// A simple Query.
    Query,
    /// An Execute of a portal.
    Portal { name: String, portal: Portal, describe: Describe, rows: i32 },
    /// A Describe without an Execute.
    Prepare { statement: Arc<Prepared>, described: Described },
}

impl Form {
    fn statement(&self) -> Option<&Arc<Prepared>> {
        match self {
            Self::Query => None,
            Self::Portal { portal, .. } => Some(&portal.statement),
            Self::Prepare { statement, .. } => Some(statement),
        }
    }

    pub(super) const fn until(&self) -> Until {
        match self {
            Self::Query => Until::Ready,
            Self::Portal { .. } => Until::Command,
            Self::Prepare { .. } => Until::Described,
        }
    }
}

impl Session {
    /// Carries an operation from its text to its outcome.
    pub(super) async fn operate(
        &mut self,
        classified: &Classified,
        understood: Understood,
        text: Arc<[u8]>,
        form: Form,
    ) -> Result<(), Stop> {
        let mut understood = understood;
        // A cancel that came before an operation is not about it.
        self.heard.mark_unchanged();
        self.check_state(&understood, &form)?;
        self.check_catalogue(classified, &mut understood).await?;
        self.check_state(&understood, &form)?;
        let operation = Arc::new(self.operation(&understood, text, &form));
        let gate = Arc::clone(&self.around.gate);
        let admission = match gate.judge(&self.opened, &operation).await? {
            Judged::Cleared(cleared) => {
                self.dial().await?;
                gate.admit(&self.opened, &operation, cleared).await?
            }
            Judged::Held(held) => self.wait(held).await?,
        };
        self.in_flight = Some(Account::new(operation.id()));
        let done = self.carry_out(&operation, &understood, &form, admission).await;
        self.note_catalogue(&understood, &form);
        if let Some(account) = self.in_flight.take_if(|_| !matches!(done, Err(Stop::End(_)))) {
            gate.settle(&self.opened, account.settle()).await;
        }
        done
    }

    /// What the server itself would refuse whatever policy says, and what the fence cannot do.
    fn check_state(&self, understood: &Understood, form: &Form) -> Result<(), Stop> {
        if self.block == Block::Failed && understood.fence != Fence::TransactionControl {
            let complaint =
                "current transaction is aborted, commands ignored until end of transaction block";
            return Err(Stop::Refuse(Complaint::new(SqlState::IN_FAILED_TRANSACTION, complaint)));
        }
        let executes = !matches!(form, Form::Prepare { .. });
        let writes = understood.fence == Fence::Writes || understood.border == Border::Begins;
        if executes && writes && self.block == Block::Implicit(Mode::ReadOnly) {
            let complaint =
                "the pipeline began with a read, which the gateway runs in a read-only transaction";
            return Err(Stop::Refuse(
                Complaint::new(SqlState::READ_ONLY_TRANSACTION, complaint)
                    .hint("Send Sync after the reads, or BEGIN before them."),
            ));
        }
        if understood.settings == Settings::Changed && self.changes.len() >= MAX_CHANGES {
            let complaint = "the session has changed its settings too often";
            return Err(Stop::Refuse(
                Complaint::new(SqlState::CONFIGURATION_LIMIT, complaint)
                    .hint("Open another session."),
            ));
        }
        Ok(())
    }

    /// An admitted operation: fence, forward, answer, fence.
    async fn carry_out(
        &mut self,
        operation: &Arc<Operation>,
        understood: &Understood,
        form: &Form,
        admission: Admission,
    ) -> Result<(), Stop> {
        self.dial().await?;
        let fence = match form {
            // Parsing can run code of a user's, whatever the text is about.
            Form::Prepare { .. } => Fence::ReadOnly,
            Form::Query | Form::Portal { .. } => understood.fence,
        };
        let around = self.enter_fence(fence).await?;
        let Admission { permit, reply } = admission;
        let Some(told) = self.forward(operation, understood, form, (permit, reply)).await? else {
            return Err(Stop::Failed);
        };
        self.after_answer(understood, form, (operation, &told));
        if told.failed {
            return Err(Stop::Failed);
        }
        self.leave_fence(around).await?;
        if matches!(form, Form::Portal { .. }) && understood.fence == Fence::TransactionControl {
            // Whether a block is open now, only the target knows (`COMMIT AND CHAIN`); nothing is pending there.
            self.resynchronise().await?;
        }
        Ok(())
    }

    /// Writes the operation and relays the answer. `None` when the answer was not released.
    async fn forward(
        &mut self,
        operation: &Arc<Operation>,
        understood: &Understood,
        form: &Form,
        (permit, reply): (countersign_core::permit::Permit, Reply),
    ) -> Result<Option<Told>, Stop> {
        let portal_name = self.names.portal_name();
        let alone = self.block == Block::Idle;
        let statement = form.statement().map(|prepared| {
            if self.names.is_confirmed(prepared) {
                ParseAt::Parsed(&prepared.name)
            } else {
                ParseAt::Parse(&prepared.name, &prepared.type_oids)
            }
        });
        let wire = match (form, statement) {
            (Form::Portal { portal, describe, rows, .. }, Some(statement)) => Wire::Execute {
                statement,
                portal: &portal_name,
                result_formats: &portal.result_formats,
                describe: *describe,
                rows: *rows,
            },
            (Form::Prepare { .. }, Some(statement)) => Wire::Prepare {
                statement,
                ending: if alone { Ending::Sync } else { Ending::Flush },
            },
            (Form::Query, _) | (Form::Portal { .. } | Form::Prepare { .. }, None) => Wire::Query,
        };
        let bytes = forward::open(permit, operation, self.around.gate.as_ref(), &wire)?;
        if let Form::Portal { name, .. } = form {
            self.names.portal_at_target(name, portal_name.clone());
        }
        self.enter_pipeline(understood, form);
        self.send(&bytes).await?;
        match reply {
            Reply::Released(_release) => {}
            Reply::Awaited(release) => {
                let _release = release.await.map_err(End::Refused)?;
            }
        }
        let copy = if matches!(form, Form::Prepare { .. }) { Copy::None } else { understood.copy };
        self.relay(form, copy).await.map(Some)
    }

    /// What does not run behind the read-only fence may have changed the catalogue.
    fn note_catalogue(&mut self, understood: &Understood, form: &Form) {
        match (understood.fence, form) {
            (Fence::Writes, Form::Query | Form::Portal { .. }) => self.catalogue_touched(),
            (Fence::ReadOnly | Fence::TransactionControl, _)
            | (Fence::Writes, Form::Prepare { .. }) => {
                self.settle_knowledge();
            }
        }
    }

    /// The first message of a pipeline opens a transaction whose mode is fixed from then on.
    fn enter_pipeline(&mut self, understood: &Understood, form: &Form) {
        if self.block == Block::Idle && matches!(form, Form::Portal { .. }) {
            let reads = understood.fence == Fence::ReadOnly;
            self.block = Block::Implicit(if reads { Mode::ReadOnly } else { Mode::Writable });
        }
        if understood.fence != Fence::ReadOnly && !matches!(form, Form::Prepare { .. }) {
            // It may have changed any setting, by a function too: the posture is made anew before the next read.
            self.posture = match understood.fence {
                Fence::TransactionControl => self.posture,
                Fence::ReadOnly | Fence::Writes => Posture::Unknown,
            };
        }
    }

    fn after_answer(
        &mut self,
        understood: &Understood,
        form: &Form,
        (operation, told): (&Operation, &Told),
    ) {
        if !told.failed
            && understood.settings == Settings::Changed
            && !matches!(form, Form::Prepare { .. })
        {
            self.changes.push(String::from_utf8_lossy(operation.text()).into_owned());
        }
    }

    /// Further rows of a portal whose operation was admitted.
    pub(super) async fn go_on(
        &mut self,
        portal: &Portal,
        at_target: &str,
        rows: i32,
    ) -> Result<(), Stop> {
        let understood = Understood::of(&portal.statement.classified, &self.target)
            .typed(&portal.statement.type_oids);
        let _leased = self.around.gate.lease()?;
        let Link::Up(_) = self.link else {
            return Err(super::extended::name_error(crate::state::NameError::NoPortal));
        };
        let around = self.enter_fence(understood.fence).await?;
        let mut bytes = crate::frame::execute(at_target, rows).to_vec();
        bytes.extend_from_slice(&crate::frame::flush());
        self.send(&bytes.into()).await?;
        let told = self.relay(&Form::continued(portal, rows), understood.copy).await?;
        if told.failed {
            return Err(Stop::Failed);
        }
        self.leave_fence(around).await
    }
}

impl Form {
    fn continued(portal: &Portal, rows: i32) -> Self {
        Self::Portal {
            name: String::new(),
            portal: portal.clone(),
            describe: Describe::NotAsked,
            rows,
        }
    }
}
