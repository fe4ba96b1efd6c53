//! The wait for humans before a program begins. The agent is told on the channel of errors, which clients show; what it sends is
//! kept, and that it is there is asked all the time, which keeps middle-boxes awake.

use super::{
    container::{Container, Stop},
    input::Alarm,
};
use countersign_core::{
    gate::{Admission, Held, HoldProgress},
    refusal::Refusal,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, interval_at};

/// Between two notices when nothing changes.
const REMINDER: Duration = Duration::from_mins(5);
/// Between two questions whether the agent is there.
const ASK_EVERY: Duration = Duration::from_secs(15);

/// What ends a turn of the wait.
enum Woken {
    Progress(HoldProgress),
    Alarm(Alarm),
    Ending(Refusal),
    Ask,
    Reminder,
}

impl Container {
    /// Waits until the operation is admitted or refused. Leaving it any other way parks the hold.
    pub(super) async fn wait(&mut self, mut held: Box<dyn Held>) -> Result<Admission, Stop> {
        let mut notice = held.notice();
        let hold = notice.hold;
        self.agent.tell(&notice).await;
        let mut reminder = interval_at(Instant::now() + REMINDER, REMINDER);
        let mut ask = interval_at(Instant::now() + ASK_EVERY, ASK_EVERY);
        let session = Arc::clone(&self.session);
        loop {
            let woken = tokio::select! {
                biased;
                alarm = self.input.alarm() => Woken::Alarm(alarm),
                refusal = session.ending() => Woken::Ending(refusal),
                progress = held.next() => Woken::Progress(progress),
                _ = ask.tick() => Woken::Ask,
                _ = reminder.tick() => Woken::Reminder,
            };
            match woken {
                Woken::Progress(HoldProgress::Admitted(admission)) => return Ok(admission),
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
                Woken::Ask => self.agent.ask().await?,
                Woken::Alarm(Alarm::Interrupted) => return Err(held.withdraw().await.into()),
                Woken::Alarm(Alarm::Gone) => {
                    tracing::debug!(hold.id = %hold, "an agent has gone while it waited");
                    return Err(Stop::Gone);
                }
                Woken::Alarm(Alarm::Broken(refusal)) => return Err(refusal.into()),
            }
        }
    }
}
