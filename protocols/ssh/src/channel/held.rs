//! The wait for humans. Nothing of the agent's goes anywhere; its channel is watched, so that an agent that goes away parks
//! its hold, and it is told what it waits for. That its connection is alive is asked all the time, which keeps it awake.

use super::{Running, Stop};
use crate::{
    hold_notice::REMINDER,
    inflow::{Alarm, Over},
};
use countersign_core::{
    gate::{Admission, Held, HoldProgress},
    refusal::Refusal,
};
use std::sync::Arc;
use tokio::time::{Instant, interval_at};

/// What ends a turn of the wait.
enum Woken {
    Progress(HoldProgress),
    Alarm(Alarm),
    Ending(Refusal),
    Reminder,
}

impl Running {
    /// Waits until the operation is admitted or refused. Leaving it any other way parks the hold.
    pub(super) async fn wait(&mut self, mut held: Box<dyn Held>) -> Result<Admission, Stop> {
        let mut notice = held.notice();
        self.hold = Some(notice.hold);
        let _held = self.session.holds.one();
        self.agent.tell(&notice).await;
        let mut reminder = interval_at(Instant::now() + REMINDER, REMINDER);
        let session = Arc::clone(&self.session);
        loop {
            let woken = tokio::select! {
                biased;
                alarm = self.input.alarm() => Woken::Alarm(alarm),
                refusal = session.ending() => Woken::Ending(refusal),
                progress = held.next() => Woken::Progress(progress),
                _ = reminder.tick() => Woken::Reminder,
            };
            match woken {
                Woken::Progress(HoldProgress::Admitted(admission)) => {
                    self.input.forget_signals();
                    return Ok(admission);
                }
                // An approval is not claimed for nothing: not while the target cannot be reached.
                Woken::Progress(HoldProgress::Approved) => self.make_ready().await?,
                Woken::Progress(HoldProgress::Refused(refusal)) | Woken::Ending(refusal) => {
                    return Err(refusal.into());
                }
                Woken::Progress(HoldProgress::Changed(changed)) => {
                    notice = changed;
                    self.agent.tell(&notice).await;
                }
                Woken::Reminder => self.agent.tell(&notice).await,
                Woken::Alarm(Alarm::Interrupted) => return Err(held.withdraw().await.into()),
                Woken::Alarm(Alarm::Over(Over::Closed)) => return Err(Stop::Gone),
                Woken::Alarm(Alarm::Over(Over::TooMuch)) => return Err(too_much().into()),
            }
        }
    }
}

/// More was sent than was granted.
pub(super) fn too_much() -> Refusal {
    Refusal::Overloaded { limit: "bytes of a channel that wait" }
}
