//! The replicated state machine: a pure function of the state and a batch of commands. No clock, no randomness, no I/O,
//! no order of a hash map. One file a family of commands lies beside; everything they share is in `step` and `chain`.
//!
//! A refused command changes nothing, with three exceptions: a hold whose time had run out by then is recorded as expired,
//! a refused intent whose operation was forwarded ahead of it is recorded as that, and so is an operation that is not held
//! because the same was rejected lately. The result does not depend on how commands
//! are gathered into batches.

mod access;
mod archive;
mod chain;
mod cluster;
mod credential;
mod forget;
mod grant;
mod hold;
mod intent;
mod notes;
mod recording;
mod recovery;
mod request;
mod resource;
mod revocation;
mod session;
mod sharing;
mod signing;
mod ssh;
mod step;
#[cfg(test)]
mod tests;
mod tick;

use crate::{
    command::Command,
    format::{FormatError, Stored},
    handle::ReadError,
    key_space::{self, Single},
    machine::{Applied, Batch, Halt, Machine, View},
    reply::{Reply, StateRefusal},
    state,
};
use countersign_core::{id::LogIndex, log_time::LogTime};
use step::{Done, Step, Stop};

/// The state machine of Countersign.
#[derive(Clone, Copy, Debug, Default)]
pub struct StateMachine;

impl Machine for StateMachine {
    fn apply(&self, view: &dyn View, batch: Batch<'_>) -> Result<Applied, Halt> {
        let before = LogTime(state::number(view, Single::LogTime).map_err(halt)?);
        let now = before.advanced_to(batch.at_ms);
        let mut step = Step::new(view, LogIndex(batch.index), now);
        if now != before {
            step.put_number(key_space::single(Single::LogTime), now.0);
            step.keep();
        }
        let mut replies = Vec::with_capacity(batch.commands.len());
        for bytes in batch.commands {
            let command = Command::decode(bytes).map_err(|error| Halt::UnknownCommand {
                index: batch.index,
                detail: error.to_string(),
            })?;
            let reply = answer(&mut step, command)?;
            replies.push(reply.encode().map_err(|error| halt(error.into()))?);
        }
        let (writes, effects) = step.finish();
        let effects = effects
            .iter()
            .map(Stored::encode)
            .collect::<Result<_, FormatError>>()
            .map_err(|error| halt(error.into()))?;
        Ok(Applied { writes, replies, effects })
    }
}

/// Applies one command; keeps its changes only when it is not refused.
fn answer(step: &mut Step<'_>, command: Command) -> Result<Reply, Halt> {
    match dispatch(step, command) {
        Ok(answer) => {
            step.keep();
            Ok(Ok(answer))
        }
        Err(Stop::Refused(refusal)) => {
            step.discard();
            Ok(Err(*refusal))
        }
        Err(Stop::Unreadable(error)) => Err(halt(error)),
    }
}

fn dispatch(step: &mut Step<'_>, command: Command) -> Done {
    if !matches!(command, Command::Initialise(_) | Command::Tick)
        && !step.has(&key_space::single(Single::Cluster))?
    {
        return Err(StateRefusal::NotInitialised.into());
    }
    match command {
        Command::Initialise(command) => cluster::initialise(step, *command),
        Command::NodeUp(command) => cluster::node_up(step, *command),
        Command::CreateJoinToken(command) => cluster::create_join_token(step, command),
        Command::UseJoinToken(command) => cluster::use_join_token(step, command),
        Command::RemoveNode(command) => cluster::remove_node(step, command),
        Command::OpenSession(command) => session::open(step, *command),
        Command::CloseSession(command) => session::close(step, command),
        Command::EndSession(command) => session::end(step, command),
        Command::Cancel(command) => session::cancel(step, command),
        Command::OpenHold(command) => hold::open(step, *command),
        Command::Decide(command) => hold::decide(step, *command),
        Command::WithdrawHold(command) => hold::withdraw(step, command),
        Command::ParkHold(command) => hold::park(step, command),
        Command::ClaimHold(command, attempt) => hold::claim(step, command, attempt),
        Command::Intent(command, attempt) => intent::record(step, *command, attempt),
        Command::Outcome(settlement) => intent::settle(step, settlement),
        Command::Refused(command) => intent::refused(step, *command),
        Command::AccessRefused(command) => intent::access_refused(step, command),
        Command::ApplyResources(command) => resource::apply(step, command),
        Command::Revoke(command) => revocation::revoke(step, command),
        Command::Tick => tick::tick(step),
        Command::Administered(command) => cluster::administered(step, command),
        Command::TakeNotes(command) => notes::take(step, *command),
        Command::IssueCredential(command) => credential::issue(step, *command),
        Command::AttachEvidence(command) => hold::attach_evidence(step, *command),
        Command::IntroduceAuditKey(command) => signing::introduce(step, *command),
        Command::RecordCheckpoint(command) => signing::checkpoint(step, *command),
        Command::SignedIn(command) => access::signed_in(step, *command),
        Command::Leads(command) => cluster::leads(step, command),
        Command::RecordSegment(command) => recording::record(step, *command),
        Command::PlaceSegment(command) => recording::place(step, command),
        Command::ArchiveEvents(file) => archive::file(step, file),
        Command::RewrapKey(command) => recording::rewrap(step, command),
        Command::OpenKeys(command) => recording::open_keys(step, command),
        Command::RotateSshKey(command) => ssh::rotate(step, *command),
        Command::ArchiveRead(command) => archive::read(step, command),
        Command::Recover(command) => recovery::recover(step, *command),
        Command::Reopen(command) => recovery::reopen(step, command),
    }
}

fn halt(error: ReadError) -> Halt {
    match error {
        ReadError::Store(error) => Halt::Store(error),
        error @ (ReadError::Format(_) | ReadError::Unseen) => {
            Halt::UnreadableState { detail: error.to_string() }
        }
    }
}
