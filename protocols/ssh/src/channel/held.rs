//! The wait for humans. Nothing of the agent's goes anywhere; its channel is watched, so that an agent that goes away parks
//! its hold, and it is told what it waits for. That its connection is alive is asked all the time, which keeps it awake.

use super::{Running, Stop, agent::Agent};
use crate::{
    hold_notice::REMINDER,
    inflow::{Alarm, Inflow, Over},
    line::OneHeld,
    session::Session,
};
use countersign_core::{
    gate::{Admission, Held, HoldNotice, HoldProgress},
    refusal::Refusal,
};
use std::sync::Arc;
use tokio::time::{Instant, Interval, interval_at};

/// A wait for humans. Leaving it parks the hold, unless it was admitted, refused or withdrawn.
#[derive(Debug)]
pub(super) struct Wait {
    held: Box<dyn Held>,
    notice: HoldNotice,
    reminder: Interval,
    _counts: OneHeld,
}

/// Where a wait has come to.
#[derive(Debug)]
pub(super) enum Turn {
    /// It is approved: once it can be forwarded, the wait goes on, which claims the approval.
    Approved(Wait),
    Admitted(Admission),
}

/// What ends a turn of the wait.
enum Woken {
    Progress(HoldProgress),
    Alarm(Alarm),
    Ending(Refusal),
    Reminder,
}

impl Wait {
    /// Begins, and tells the agent.
    pub(super) async fn begin(held: Box<dyn Held>, session: &Session, agent: &Agent) -> Self {
        let notice = held.notice();
        let counts = session.holds.one();
        agent.tell(&notice).await;
        let reminder = interval_at(Instant::now() + REMINDER, REMINDER);
        Self { held, notice, reminder, _counts: counts }
    }

    /// Waits until it is approved, or admitted behind that.
    pub(super) async fn turn(
        mut self,
        session: &Session,
        (agent, input): (&Agent, &Inflow),
    ) -> Result<Turn, Stop> {
        loop {
            let woken = tokio::select! {
                biased;
                alarm = input.alarm() => Woken::Alarm(alarm),
                refusal = session.ending() => Woken::Ending(refusal),
                progress = self.held.next() => Woken::Progress(progress),
                _ = self.reminder.tick() => Woken::Reminder,
            };
            match woken {
                Woken::Progress(HoldProgress::Admitted(admission)) => {
                    input.forget_signals();
                    return Ok(Turn::Admitted(admission));
                }
                Woken::Progress(HoldProgress::Approved) => return Ok(Turn::Approved(self)),
                Woken::Progress(HoldProgress::Refused(refusal)) | Woken::Ending(refusal) => {
                    return Err(refusal.into());
                }
                Woken::Progress(HoldProgress::Changed(changed)) => {
                    self.notice = changed;
                    agent.tell(&self.notice).await;
                }
                Woken::Reminder => agent.tell(&self.notice).await,
                Woken::Alarm(Alarm::Interrupted) => return Err(self.held.withdraw().await.into()),
                Woken::Alarm(Alarm::Over(Over::Closed)) => return Err(Stop::Gone),
                Woken::Alarm(Alarm::Over(Over::TooMuch)) => return Err(too_much().into()),
            }
        }
    }
}

impl Running {
    /// Waits until the program is admitted or refused.
    pub(super) async fn wait(&mut self, held: Box<dyn Held>) -> Result<Admission, Stop> {
        let session = Arc::clone(&self.session);
        self.hold = Some(held.notice().hold);
        let mut wait = Wait::begin(held, &session, &self.agent).await;
        loop {
            wait = match wait.turn(&session, (&self.agent, &self.input)).await? {
                Turn::Admitted(admission) => return Ok(admission),
                Turn::Approved(wait) => wait,
            };
            // An approval is not claimed for nothing: not while the target cannot be reached.
            self.make_ready().await?;
        }
    }
}

/// More was sent than was granted.
pub(super) fn too_much() -> Refusal {
    Refusal::Overloaded { limit: "bytes of a channel that wait" }
}
