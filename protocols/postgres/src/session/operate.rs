//! One operation, from what it means to its outcome: looked up, judged, held, admitted, fenced, forwarded, settled.

use super::{
    End, Session, Stop, SyncSent,
    accounts::{Rest, Suspended},
    describe::Described,
    meaning::Meaning,
    relay::{Ended, Until},
    simple::MAX_CHANGE,
};
use crate::{
    classify::Fence,
    error::{Complaint, Severity, SqlState},
    fence::{Around, Posture},
    forward::{self, Describe, Ending, ParseAt, Wire},
    mask::Remaining,
    record::{Account, Shape},
    state::{Block, Mode, Portal, Prepared, Work},
    target::RecordedRows,
    understood::{Border, Copy, Parsing, Settings, Understood},
};
use countersign_core::{
    gate::{Admission, Judged, Reply},
    operation::{Effect, Operation},
};
use std::sync::Arc;

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

/// Whether an operation stood still between its judgement and its admission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stood {
    Never,
    /// People took their time.
    WhileHeld,
}

/// Whether a message is passed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hears {
    It,
    Nothing,
}

impl Form {
    pub(super) fn statement(&self) -> Option<&Arc<Prepared>> {
        match self {
            Self::Query => None,
            Self::Portal { portal, .. } => Some(&portal.statement),
            Self::Prepare { statement, .. } => Some(statement),
        }
    }

    /// Whether the agent asked for the description of the rows that it gets.
    pub(super) const fn hears_description(&self) -> Hears {
        match self {
            Self::Portal { describe: Describe::NotAsked | Describe::Wanted, .. } => Hears::Nothing,
            Self::Query | Self::Portal { describe: Describe::Asked, .. } | Self::Prepare { .. } => {
                Hears::It
            }
        }
    }

    /// The length of the values that are bound.
    fn bound_bytes(&self) -> usize {
        match self {
            Self::Query | Self::Prepare { .. } => 0,
            Self::Portal { portal, .. } => portal
                .parameters
                .iter()
                .filter_map(|bound| bound.value.as_ref())
                .map(Vec::len)
                .sum(),
        }
    }

    /// What the audit calls it.
    pub(super) const fn protocol(&self) -> &'static str {
        match self {
            Self::Query => "simple",
            Self::Portal { .. } => "extended",
            Self::Prepare { .. } => "preparation",
        }
    }

    /// The types that the agent gave the parameters.
    pub(super) fn type_oids(&self) -> &[u32] {
        match self {
            Self::Query => &[],
            Self::Portal { portal, .. } => &portal.statement.type_oids,
            Self::Prepare { statement, .. } => &statement.type_oids,
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
        understood: Understood,
        text: Arc<[u8]>,
        form: Form,
    ) -> Result<(), Stop> {
        let mut understood = understood;
        // A cancel that came before an operation is not about it.
        self.heard.mark_unchanged();
        self.check_state(&understood, &form)?;
        let as_of = self.as_of();
        let classified = Arc::clone(&understood.classified);
        self.check_catalogue(&classified, &mut understood).await?;
        self.check_used(&mut understood).await?;
        if !matches!(form, Form::Prepare { .. }) {
            self.check_reach(&mut understood).await?;
        }
        self.check_state(&understood, &form)?;
        let meaning = Arc::new(self.meaning(understood, &form));
        self.keep_meaning(&form, (as_of, &meaning));
        self.operate_as(meaning, text, form).await
    }

    /// The same of a text that was found to mean this a moment ago.
    pub(super) async fn operate_again(
        &mut self,
        meaning: Arc<Meaning>,
        text: Arc<[u8]>,
        form: Form,
    ) -> Result<(), Stop> {
        self.heard.mark_unchanged();
        self.check_state(&meaning.understood, &form)?;
        self.operate_as(meaning, text, form).await
    }

    async fn operate_as(
        &mut self,
        meaning: Arc<Meaning>,
        text: Arc<[u8]>,
        form: Form,
    ) -> Result<(), Stop> {
        let understood = &meaning.understood;
        let operation = Arc::new(self.operation(&meaning, text, &form));
        let gate = Arc::clone(&self.around.gate);
        let (admission, stood) = match gate.judge(&self.opened, &operation).await? {
            Judged::Cleared(cleared) => {
                self.dial().await?;
                (gate.admit(&self.opened, &operation, cleared).await?, Stood::Never)
            }
            Judged::Held(held) => {
                let inquiry = self.inquiry(&understood.classified, understood, &operation, &form);
                (self.wait(held, inquiry).await?, Stood::WhileHeld)
            }
        };
        self.in_flight = Some(Account::new(&operation));
        let (done, meaning) = match self.look_again(&meaning, &form, stood).await {
            Ok(now) => (self.carry_out(&operation, &now.understood, &form, admission).await, now),
            Err(stop) => (Err(stop), meaning),
        };
        self.note_catalogue(&meaning.understood, &form);
        self.close_account(done, (operation, meaning))
    }

    /// What became of an operation, once its session goes on.
    fn close_account(
        &mut self,
        done: Result<Option<Rest>, Stop>,
        (operation, meaning): (Arc<Operation>, Arc<Meaning>),
    ) -> Result<(), Stop> {
        if matches!(done, Err(Stop::End(_))) {
            return done.map(drop);
        }
        let Some(account) = self.in_flight.take() else { return done.map(drop) };
        match done {
            Ok(Some(rest)) => {
                self.accounts.suspend(Suspended { operation, meaning, rest, account });
                self.retire_portals();
                Ok(())
            }
            done @ (Ok(None) | Err(_)) => {
                self.accounts.retire(account, self.block);
                done.map(drop)
            }
        }
    }

    /// What the server itself would refuse whatever policy says, and what the fence cannot do.
    fn check_state(&self, understood: &Understood, form: &Form) -> Result<(), Stop> {
        if self.block == Block::Failed && understood.fence != Fence::TransactionControl {
            return Err(in_failed_transaction());
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
        if self.accounts.is_full() {
            let complaint = "the pipeline is too long";
            return Err(Stop::Refuse(
                Complaint::new(SqlState::CONFIGURATION_LIMIT, complaint)
                    .hint("Send Sync more often."),
            ));
        }
        if understood.settings.says() && self.changes.is_full() {
            let complaint = "the session has changed its settings too often";
            return Err(Stop::Refuse(
                Complaint::new(SqlState::CONFIGURATION_LIMIT, complaint)
                    .hint("Open another session."),
            ));
        }
        if understood.settings.says() && form.bound_bytes() > MAX_CHANGE {
            let complaint =
                format!("the values of what changes settings have at most {MAX_CHANGE} bytes");
            return Err(Stop::Refuse(Complaint::new(SqlState::PROGRAM_LIMIT_EXCEEDED, complaint)));
        }
        Ok(())
    }

    /// Whether the operation can leave anything behind where the transaction stands.
    pub(super) fn effect(&self, understood: &Understood, form: &Form) -> Effect {
        match form {
            Form::Prepare { .. } => Effect::Passing,
            Form::Query | Form::Portal { .. } => understood.effect(self.work),
        }
    }

    /// An admitted operation: fence, forward, answer, fence. Returns what is left of it.
    async fn carry_out(
        &mut self,
        operation: &Arc<Operation>,
        understood: &Understood,
        form: &Form,
        admission: Admission,
    ) -> Result<Option<Rest>, Stop> {
        self.dial().await?;
        let fence = match form {
            // Parsing can run code of a user's, whatever the text is about.
            Form::Prepare { .. } => Fence::ReadOnly,
            Form::Query | Form::Portal { .. } => understood.fence,
        };
        let around = match (form, self.enter_fence(fence, admission.permit.ground()).await?) {
            // It begins a pipeline, behind whose Sync the posture is made again.
            (Form::Portal { .. }, Around::Posture) => Around::Nothing,
            (_, around) => around,
        };
        let (ended, rest) = self.forward(operation, understood, (form, around), admission).await?;
        self.leave_fence(around).await?;
        match ended {
            Ended::Failed => return Err(Stop::Failed),
            Ended::Suspended => return Ok(Some(rest)),
            Ended::Complete => {}
        }
        self.after_answer(understood, form);
        if matches!(form, Form::Portal { .. }) && understood.fence == Fence::TransactionControl {
            // Whether a block is open now, only the target knows (`COMMIT AND CHAIN`); nothing is pending there.
            let status = self.resynchronise().await?;
            match understood.border {
                Border::Other => self.rolled_back(status),
                Border::None | Border::Begins | Border::Commits => self.set_block(status),
            }
        }
        Ok(None)
    }

    /// Writes the operation and relays the answer.
    async fn forward(
        &mut self,
        operation: &Arc<Operation>,
        understood: &Understood,
        (form, around): (&Form, Around),
        Admission { permit, reply }: Admission,
    ) -> Result<(Ended, Rest), Stop> {
        let portal_name = self.names.portal_name();
        let (revision, ground) = (permit.revision(), permit.ground());
        let ending = self.ending(understood, form)?;
        let statement = form.statement().map(|prepared| {
            if self.names.is_confirmed(prepared) {
                ParseAt::Parsed(&prepared.name)
            } else {
                ParseAt::Parse(&prepared.name, &prepared.type_oids)
            }
        });
        let wanted = self.wanted_description();
        let wire = match (form, statement) {
            (Form::Portal { portal, describe, rows, .. }, Some(statement)) => Wire::Execute {
                statement,
                portal: &portal_name,
                result_formats: &portal.result_formats,
                describe: if *describe == Describe::NotAsked { wanted } else { *describe },
                rows: *rows,
                ending,
            },
            (Form::Prepare { .. }, Some(statement)) => Wire::Prepare { statement, ending },
            (Form::Query, _) | (Form::Portal { .. } | Form::Prepare { .. }, None) => Wire::Query,
        };
        let bytes = forward::open(permit, operation, self.around.gate.as_ref(), &wire)?;
        if let Form::Portal { name, .. } = form {
            self.names.portal_at_target(name, portal_name.clone());
        }
        self.enter_pipeline(understood, form);
        self.put(bytes)?;
        self.note_change(understood, form, operation);
        if around == Around::Posture && self.posture == Posture::Unknown {
            self.queue_posture()?;
        }
        if ending == Ending::Sync && matches!(form, Form::Portal { .. }) {
            self.sync = SyncSent::Ahead;
            self.behind_sync()?;
        }
        self.send().await?;
        let release = match reply {
            Reply::Released(release) => release,
            Reply::Awaited(release) => release
                .await
                .map_err(|refusal| End::Refused(refusal.after_forward(operation.effect())))?,
        };
        self.shape = Shape::default();
        let (ended, remaining) =
            self.relay(form, understood, (&release, Remaining::default())).await?;
        let shape = self.shape.clone();
        Ok((ended, Rest { at_target: portal_name, revision, ground, release, remaining, shape }))
    }

    /// Where rows may have to be masked, or are recorded, the gateway asks for their description where the agent does not.
    fn wanted_description(&self) -> Describe {
        let read = self.target.record_rows == RecordedRows::Masked;
        if !read && self.around.gate.masks(&self.opened).covers_nothing() {
            Describe::NotAsked
        } else {
            Describe::Wanted
        }
    }

    /// How the messages of an operation end at the target. A preparation that stands alone has a Sync of its own. Where a read
    /// is the whole of a pipeline, the agent's Sync is there already, and goes to the target in the same flight.
    fn ending(&self, understood: &Understood, form: &Form) -> Result<Ending, End> {
        let next = self.reader.buffered_head().map_err(End::agent)?;
        let sync = match form {
            Form::Query => false,
            Form::Prepare { .. } => true,
            Form::Portal { .. } => {
                (understood.fence, understood.copy) == (Fence::ReadOnly, Copy::None)
                    && next.is_some_and(|head| (head.kind, head.body) == (b'S', 0))
            }
        };
        Ok(if sync && self.block == Block::Idle { Ending::Sync } else { Ending::Flush })
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
            self.note_opening();
        }
        self.forget_posture(understood);
        if understood.fence == Fence::Writes && !matches!(form, Form::Prepare { .. }) {
            self.work = Work::Done;
        }
    }

    /// What changes settings is a part of what comes later from the moment that it is forwarded: whether all of it came to
    /// be, an answer does not always say (a portal that is left suspended, a batch that fails behind its own COMMIT).
    fn note_change(&mut self, understood: &Understood, form: &Form, operation: &Operation) {
        match (form, understood.settings) {
            (Form::Prepare { .. }, _) if understood.parsing == Parsing::RunsCode => {
                self.changes.run(operation);
            }
            (Form::Prepare { .. }, _) | (_, Settings::Kept) => {}
            (_, Settings::Unseen) => self.changes.run(operation),
            (_, Settings::Changed | Settings::PutBack) => self.changes.set(operation),
        }
    }

    fn after_answer(&mut self, understood: &Understood, form: &Form) {
        if understood.settings == Settings::PutBack && !matches!(form, Form::Prepare { .. }) {
            let told = "the gateway puts the setting back in front of the next operation";
            let notice = Complaint::new(SqlState::PUT_BACK, told).encode(Severity::Notice);
            self.say_own(notice);
        }
    }

    /// Further rows of a portal whose operation was admitted, as it was understood then.
    pub(super) async fn go_on(
        &mut self,
        portal: Portal,
        at_target: &str,
        rows: i32,
    ) -> Result<(), Stop> {
        self.heard.mark_unchanged();
        if self.block == Block::Failed {
            return Err(in_failed_transaction());
        }
        let Some(suspended) = self.accounts.take_suspended(at_target) else {
            let complaint = "the portal has been run to its end";
            let state = SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;
            return Err(Stop::Refuse(Complaint::new(state, complaint)));
        };
        let Suspended { operation, meaning, rest, account } = suspended;
        let understood = &meaning.understood;
        self.in_flight = Some(account);
        let form = Form::continued(portal, rows);
        // Each row can set something else.
        if understood.settings != Settings::Kept {
            self.changes.run(&operation);
        }
        let done = self.carry_on(understood, (&form, rows), rest).await;
        self.note_catalogue(understood, &form);
        self.close_account(done, (operation, meaning))
    }

    async fn carry_on(
        &mut self,
        understood: &Understood,
        (form, rows): (&Form, i32),
        rest: Rest,
    ) -> Result<Option<Rest>, Stop> {
        let around = self.enter_fence(understood.fence, rest.ground).await?;
        let leased = self.around.gate.goes_on(rest.revision)?;
        self.forget_posture(understood);
        self.put(forward::further_rows(leased, &rest.at_target, rows))?;
        self.send().await?;
        self.shape = rest.shape.clone();
        let (ended, remaining) =
            self.relay(form, understood, (&rest.release, rest.remaining)).await?;
        self.leave_fence(around).await?;
        match ended {
            Ended::Complete => Ok(None),
            Ended::Suspended => Ok(Some(Rest { remaining, ..rest })),
            Ended::Failed => Err(Stop::Failed),
        }
    }
}

fn in_failed_transaction() -> Stop {
    let complaint =
        "current transaction is aborted, commands ignored until end of transaction block";
    Stop::Refuse(Complaint::new(SqlState::IN_FAILED_TRANSACTION, complaint))
}

impl Form {
    fn continued(portal: Portal, rows: i32) -> Self {
        Self::Portal { name: String::new(), portal, describe: Describe::NotAsked, rows }
    }
}
