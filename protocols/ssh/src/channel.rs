//! One program on one channel, from its request to its exit status: judged, held where a human is needed, forwarded, relayed,
//! settled. What is said on other channels of the session it knows nothing of.

mod agent;
mod files;
mod held;
mod operation;
mod relay;

use crate::{
    forward::{self, Begin, ForwardError},
    inflow::{Alarm, Inflow, Over, Terminal},
    mask,
    record::Account,
    session::Session,
    state::{Fresh, TerminalWish},
    upstream::{self, Link},
};
use agent::Agent;
use countersign_core::{
    gate::{Admission, Judged, Reply},
    id::HoldId,
    operation::Operation,
    refusal::{AgentFacing, Refusal},
};
use relay::Target;
use russh::{ChannelWriteHalf, client::Msg};
use std::sync::Arc;

/// What is to run on a channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Program {
    /// A command line, for the login's shell.
    Exec(Arc<[u8]>),
    /// The login's shell, with or without a terminal.
    Shell,
    /// The server of SFTP.
    Sftp,
}

/// A program that did not come to its end.
#[derive(Debug)]
enum Stop {
    /// The agent is to hear why.
    Refused(Refusal),
    /// The agent has heard why.
    Told,
    /// Nobody is there to hear anything.
    Gone,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A program and what it needs.
#[derive(Debug)]
struct Running {
    session: Arc<Session>,
    program: Program,
    terminal: Option<TerminalWish>,
    input: Inflow,
    agent: Agent,
    ready: Option<Ready>,
    /// The hold that it waited for.
    hold: Option<HoldId>,
}

/// A connection to the target, and a channel on it in which the program can begin.
#[derive(Debug)]
struct Ready {
    link: Link,
    output: Inflow,
    writer: ChannelWriteHalf<Msg>,
}

/// Runs a program on a channel.
pub(crate) async fn run(session: Arc<Session>, fresh: Fresh, program: Program) {
    let Fresh { writer, input, terminal } = fresh;
    let kind = if terminal.is_some() { Terminal::Some } else { Terminal::None };
    let agent = Agent::new(writer, session.agent(), kind);
    let mut running = Running { session, program, terminal, input, agent, ready: None, hold: None };
    let ended = running.carry_through().await;
    let Running { session, agent, .. } = &running;
    if let Err(Stop::Refused(refusal)) = ended {
        tracing::debug!(session.id = %session.opening.id(), %refusal, "a program was not run");
        agent.refuse(&refusal).await;
    }
    agent.close().await;
}

impl Running {
    async fn carry_through(&mut self) -> Result<(), Stop> {
        self.session.maskable()?;
        let operation =
            operation::of(&self.session, &self.program, self.terminal.as_ref()).map(Arc::new)?;
        let session = Arc::clone(&self.session);
        let judged = tokio::select! {
            judged = session.gate.judge(&session.opening, &operation) => judged?,
            refusal = session.ending() => return Err(refusal.into()),
        };
        let admission = match judged {
            Judged::Cleared(cleared) => {
                self.make_ready().await?;
                session.gate.admit(&session.opening, &operation, cleared).await?
            }
            Judged::Held(held) => self.wait(held).await?,
        };
        self.carry_out(&operation, admission).await
    }

    /// Has the target ready for the program, before anything is used up.
    async fn make_ready(&mut self) -> Result<(), Refusal> {
        if self.ready.as_ref().is_some_and(|ready| ready.output.is_over().is_none()) {
            return Ok(());
        }
        let ready = self.get_ready().await.map_err(|error| {
            let refusal = error.refusal();
            let error = &error as &dyn std::error::Error;
            tracing::warn!(target.name = %self.session.target.name, error, "a target cannot be used");
            refusal
        })?;
        self.ready = Some(ready);
        Ok(())
    }

    async fn get_ready(&self) -> Result<Ready, ForwardError> {
        let idle = &self.session.idle;
        if let Some(link) = idle.take() {
            match self.begin_on(link).await {
                Ok(ready) => return Ok(ready),
                // It died while nobody used it, and so may the others have.
                Err(_) => idle.clear(),
            }
        }
        self.begin_on(upstream::dial(&self.session).await?).await
    }

    /// Opens what the program begins in. Nothing runs there yet.
    async fn begin_on(&self, link: Link) -> Result<Ready, ForwardError> {
        let (arriving, writer) = link.channel().await?.split();
        let output = Inflow::of(arriving, link.flow());
        if let Some(wish) = &self.terminal {
            forward::terminal(wish, &writer, &output).await?;
        }
        Ok(Ready { link, output, writer })
    }

    /// Forwards what was admitted and relays it. Whatever becomes of it is settled.
    async fn carry_out(&mut self, operation: &Operation, admission: Admission) -> Result<(), Stop> {
        let mut account = Account::of(operation);
        let ended = self.forwarded(operation, admission, &mut account).await;
        let session = Arc::clone(&self.session);
        session.gate.settle(&session.opening, account.settle()).await;
        ended
    }

    async fn forwarded(
        &mut self,
        operation: &Operation,
        Admission { permit, reply }: Admission,
        account: &mut Account,
    ) -> Result<(), Stop> {
        self.make_ready().await?;
        let Ready { link, output, writer } = self.ready.take().ok_or(Refusal::Internal)?;
        let target = Target { output, writer, operation: operation.id() };
        self.may_begin(&reply)?;
        if let Some(TerminalWish { size, .. }) = &self.terminal {
            self.session.record(mask::resized(operation.id(), size.columns, size.rows)).await?;
        }
        let gate = self.session.gate.as_ref();
        let begin = match &self.program {
            Program::Exec(_) => Begin::Exec,
            Program::Shell => Begin::Shell,
            Program::Sftp => Begin::Subsystem,
        };
        let begun = forward::begin(begin, permit, operation, (gate, &target.writer)).await;
        begun.map_err(|error| unforwarded(&error))?;
        account.forwarded();
        let account = (account, operation.effect());
        let ended = match &self.program {
            Program::Exec(_) | Program::Shell => self.relay(&target, reply, account).await,
            Program::Sftp => self.files(&target, reply, account).await,
        };
        if let (Ok(()), Some(Over::Closed)) = (&ended, target.output.is_over()) {
            self.session.idle.put(link);
        }
        ended
    }

    /// Looks once more, right before the program begins: since it was admitted, its agent or its session may have gone, or
    /// what it says may have become what does not pass.
    fn may_begin(&self, reply: &Reply) -> Result<(), Stop> {
        if let Some(refusal) = self.session.ended() {
            return Err(refusal.into());
        }
        match (self.input.alarmed(), self.hold) {
            (Some(Alarm::Over(Over::Closed)), _) => return Err(Stop::Gone),
            (Some(Alarm::Over(Over::TooMuch)), _) => return Err(held::too_much().into()),
            (Some(Alarm::Interrupted), Some(hold)) => {
                return Err(Refusal::Withdrawn { hold }.into());
            }
            // What nobody was asked about is interrupted where it runs.
            (Some(Alarm::Interrupted), None) | (None, _) => {}
        }
        self.session.maskable()?;
        if let Reply::Released(release) = reply {
            mask::passes(release.masks()).map_err(|error| error.refusal())?;
        }
        Ok(())
    }
}

/// What the agent hears where something could not be forwarded.
fn unforwarded(error: &ForwardError) -> Refusal {
    tracing::warn!(error = error as &dyn std::error::Error, "nothing was forwarded");
    error.refusal()
}
