//! The wait for humans. Nothing of the agent's goes anywhere. HTTP has no word to say meanwhile, and clients give up after a
//! while: so the wait is short, and what is still held then is repeated by the client and attaches to the same hold, on this
//! node or another.

use super::{Exchange, Stop, said};
use crate::status::Status;
use countersign_core::{
    gate::{Admission, Held, HoldNotice, HoldProgress},
    refusal::Refusal,
};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep_until;

/// How long a request waits. The shortest time-outs of clients are 30 seconds.
pub(super) const WAIT: Duration = Duration::from_secs(25);

/// What ends a turn of the wait.
enum Woken {
    Progress(HoldProgress),
    Ending(Refusal),
    Gone,
    Late,
}

impl Exchange {
    /// Waits until the operation is admitted or refused. Leaving it any other way parks the hold.
    pub(super) async fn wait(&mut self, mut held: Box<dyn Held>) -> Result<Admission, Stop> {
        let mut notice = held.notice();
        self.hold = Some(notice.hold);
        let session = Arc::clone(&self.session);
        let until = self.begun + WAIT;
        loop {
            let woken = tokio::select! {
                biased;
                () = self.agent.gone() => Woken::Gone,
                refusal = session.ending() => Woken::Ending(refusal),
                progress = held.next() => Woken::Progress(progress),
                () = sleep_until(until) => Woken::Late,
            };
            match woken {
                Woken::Progress(HoldProgress::Changed(changed)) => notice = changed,
                Woken::Progress(HoldProgress::Approved) => {
                    // An approval is not claimed for nothing: not while the target cannot be reached.
                    self.make_ready().await.map_err(said)?;
                    if self.agent.is_gone() {
                        return Err(Stop::Gone);
                    }
                    if let Some(refusal) = session.ended() {
                        return Err(told(&refusal, &notice));
                    }
                    return claim(held, notice).await;
                }
                Woken::Progress(HoldProgress::Admitted(admission)) => return Ok(admission),
                Woken::Progress(HoldProgress::Refused(refusal)) | Woken::Ending(refusal) => {
                    return Err(told(&refusal, &notice));
                }
                Woken::Late => return Err(Status::held(&notice).into()),
                Woken::Gone => return Err(Stop::Gone),
            }
        }
    }
}

/// Claims the approval. The gate's own waits end this one: whoever broke it off half-way would use the approval up for nothing.
async fn claim(mut held: Box<dyn Held>, notice: HoldNotice) -> Result<Admission, Stop> {
    loop {
        match held.next().await {
            HoldProgress::Admitted(admission) => return Ok(admission),
            HoldProgress::Refused(refusal) => return Err(told(&refusal, &notice)),
            // It was judged again, and waits again: the client repeats the request, which attaches to what it waits for now.
            HoldProgress::Changed(changed) => return Err(Status::held(&changed).into()),
            HoldProgress::Approved => {}
        }
    }
}

/// What is still held names the hold, and where it is followed.
fn told(refusal: &Refusal, notice: &HoldNotice) -> Stop {
    if matches!(refusal, Refusal::Parked { .. }) {
        return Status::held(notice).into();
    }
    Status::from(refusal).into()
}
