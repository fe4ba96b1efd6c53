//! Waiting for humans: an operation whose hold is in the log, and whose agent is on the line.
//!
//! Whoever waits reads the state of the hold and acts on it; the bell only says when to look. What must not be broken off
//! half-way (a claim, a second judgement) runs in a task, because the adapter drops and repeats [`Held::next`] as it
//! likes. An admission that nobody fetches is recorded as not forwarded.

mod notice;
mod work;

use super::{
    Inner,
    hold_bells::Bell,
    judge::{self, Grants, Judgement},
    recorded,
};
use countersign_core::{
    evidence::Evidence,
    gate::{BoxFuture, Held, HoldNotice, HoldProgress, Judged},
    hold::HoldState,
    id::HoldId,
    operation::Operation,
    refusal::Refusal,
    session::Session,
};
use countersign_raft_store::{
    command::{AttachEvidence, Leaves, ParkHold},
    records::HoldRecord,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use work::{Worked, Working};

/// How often the hold is looked at although no bell rang: a ring that was missed costs this long at most.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The pause after something about the hold did not work, before it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Judges an operation for the adapter.
pub(super) async fn judge(
    inner: &Arc<Inner>,
    session: &Session,
    operation: &Arc<Operation>,
) -> Result<Judged, Refusal> {
    match judge::judge(inner, session, operation, Grants::Cover).await? {
        Judgement::Cleared(cleared) => Ok(Judged::Cleared(cleared)),
        Judgement::Held(record) => {
            let line = Line {
                inner: Arc::clone(inner),
                session: session.clone(),
                operation: Arc::clone(operation),
            };
            Ok(Judged::Held(Box::new(HeldOperation::new(line, *record, Instant::now()))))
        }
    }
}

/// Whose operation waits.
#[derive(Debug, Clone)]
struct Line {
    inner: Arc<Inner>,
    session: Session,
    operation: Arc<Operation>,
}

/// An operation that waits.
#[derive(Debug)]
struct HeldOperation {
    line: Line,
    record: HoldRecord,
    bell: Bell,
    /// Since when the agent waits, whatever hold it was for first.
    since: Instant,
    /// When the agent is not kept waiting any longer.
    until: Instant,
    stage: Stage,
}

/// What is going on.
#[derive(Debug)]
enum Stage {
    /// Looks at the hold, then waits for a bell.
    Look,
    /// Waits for a bell, or until then.
    Wait(Instant),
    /// The adapter knows of the approval and makes ready; when it comes back, the approval is claimed.
    Approved,
    /// Something that must not be broken off is under way.
    Work(JoinHandle<Worked>),
    /// The agent has its answer, or the hold was given up.
    Over,
}

/// What the state of a hold asks of who waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Nothing yet.
    Wait,
    /// The approval is there: take it.
    Claim,
    /// What it was judged under has changed, or another operation has used the approval.
    JudgeAgain,
    /// It is over.
    Refuse(Refusal),
}

fn step(hold: HoldId, state: &HoldState) -> Step {
    match state {
        HoldState::Pending { .. } => Step::Wait,
        HoldState::Approved { .. } => Step::Claim,
        HoldState::Consumed { .. } | HoldState::Invalidated { .. } => Step::JudgeAgain,
        HoldState::Rejected { decisions } => {
            let comment = decisions.last().map(|last| last.comment.clone()).unwrap_or_default();
            Step::Refuse(Refusal::Rejected { hold, comment })
        }
        HoldState::Withdrawn { .. } => Step::Refuse(Refusal::Withdrawn { hold }),
        HoldState::Expired { .. } => Step::Refuse(Refusal::HoldExpired { hold }),
    }
}

impl HeldOperation {
    fn new(line: Line, record: HoldRecord, since: Instant) -> Self {
        let bell = line.inner.bells.listen(record.hold.id);
        let until = since + Duration::from_millis(record.hold.terms.wait_ms);
        Self { line, record, bell, since, until, stage: Stage::Look }
    }

    async fn progress(&mut self) -> HoldProgress {
        loop {
            let happened = match &mut self.stage {
                Stage::Look => self.look(),
                Stage::Wait(look_again) => {
                    let look_again = *look_again;
                    self.wait(look_again).await
                }
                Stage::Approved => self.begin(Working::Claim(Box::new(self.record.clone()))),
                Stage::Work(task) => {
                    let worked = task.await.unwrap_or(Worked::Refused(Refusal::Internal));
                    self.worked(worked)
                }
                Stage::Over => Some(HoldProgress::Refused(Refusal::Internal)),
            };
            if let Some(progress) = happened {
                return progress;
            }
        }
    }

    /// Reads the hold and begins what its state asks for.
    fn look(&mut self) -> Option<HoldProgress> {
        let id = self.record.hold.id;
        let found = self.line.inner.store.view().and_then(|view| view.hold(id));
        let record = match found {
            Ok(Some(record)) => record,
            Ok(None) => return Some(self.over(Refusal::HoldExpired { hold: id })),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, hold.id = %id, "a hold could not be read");
                self.stage = Stage::Wait(Instant::now() + LOOK_AGAIN);
                return None;
            }
        };
        let step = step(id, &record.hold.state);
        let told = self.record.hold.state.decisions().len();
        let news = record.hold.state.decisions().len() != told;
        self.record = record;
        match step {
            Step::Wait => {
                self.stage = Stage::Wait(Instant::now() + LOOK_EVERY);
                news.then(|| HoldProgress::Changed(self.told()))
            }
            // Without a lease nothing is admitted. The approval stays; the session is ended if the lease stays lost.
            Step::Claim | Step::JudgeAgain if self.line.inner.leased().is_err() => {
                self.stage = Stage::Wait(Instant::now() + LOOK_AGAIN);
                None
            }
            Step::Claim => {
                self.stage = Stage::Approved;
                Some(HoldProgress::Approved)
            }
            Step::JudgeAgain => self.begin(Working::JudgeAgain),
            Step::Refuse(refusal) => Some(self.over(refusal)),
        }
    }

    async fn wait(&mut self, look_again: Instant) -> Option<HoldProgress> {
        tokio::select! {
            () = self.bell.rung() => {}
            () = sleep_until(look_again) => {}
            () = sleep_until(self.until) => {
                let hold = self.record.hold.id;
                self.park();
                return Some(self.over(Refusal::Parked { hold }));
            }
        }
        self.stage = Stage::Look;
        None
    }

    fn begin(&mut self, working: Working) -> Option<HoldProgress> {
        self.stage = Stage::Work(tokio::spawn(work::run(self.line.clone(), working)));
        None
    }

    fn worked(&mut self, worked: Worked) -> Option<HoldProgress> {
        match worked {
            Worked::Admitted(fetched) => {
                self.stage = Stage::Over;
                Some(HoldProgress::Admitted(fetched.fetch()))
            }
            Worked::Held(record) => {
                // The hold that it waited for is settled, or is this one: either way nothing is parked.
                self.stage = Stage::Over;
                let Line { inner, session, operation } = &self.line;
                recorded::held_again(inner, session, operation, record.hold.id);
                *self = Self::new(self.line.clone(), *record, self.since);
                Some(HoldProgress::Changed(self.told()))
            }
            Worked::Refused(refusal) => {
                // The hold may go on; nobody waits for it here.
                self.park();
                self.line.inner.limited(&self.line.session, &self.line.operation, &refusal);
                Some(self.over(refusal))
            }
            Worked::LookAgain => {
                self.stage = Stage::Wait(Instant::now() + LOOK_AGAIN);
                None
            }
        }
    }

    fn over(&mut self, refusal: Refusal) -> HoldProgress {
        self.stage = Stage::Over;
        let Line { inner, session, operation } = &self.line;
        recorded::refused(inner, session, operation, &refusal);
        HoldProgress::Refused(refusal)
    }

    fn told(&self) -> HoldNotice {
        notice::notice(&self.record, &self.line.inner.api_url)
    }

    /// Waits for no progress any more; gives the hold that the operation waits for once nothing about it is under way.
    fn last_hold(&mut self) -> impl Future<Output = HoldId> + Send + use<> {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let hold = self.record.hold.id;
        async move {
            match stage {
                // An admission it came to is dropped here, which records it as not forwarded.
                Stage::Work(task) => match task.await {
                    Ok(Worked::Held(record)) => record.hold.id,
                    Ok(Worked::Admitted(_) | Worked::Refused(_) | Worked::LookAgain) | Err(_) => {
                        hold
                    }
                },
                Stage::Look | Stage::Wait(_) | Stage::Approved | Stage::Over => hold,
            }
        }
    }

    fn park(&self) {
        let park = ParkHold {
            hold: self.record.hold.id,
            session: self.line.session.id(),
            leaves: Leaves::Parked,
        };
        self.line.inner.journal.park(park);
    }
}

impl Held for HeldOperation {
    fn notice(&self) -> HoldNotice {
        self.told()
    }

    fn next(&mut self) -> BoxFuture<'_, HoldProgress> {
        Box::pin(self.progress())
    }

    fn hasten(&mut self, waited: Duration) {
        let earlier = |at: Instant| at.checked_sub(waited).unwrap_or_else(Instant::now);
        (self.since, self.until) = (earlier(self.since), earlier(self.until));
    }

    fn wants_evidence(&self) -> bool {
        let known =
            self.line.inner.store.view().and_then(|view| view.evidence(self.record.hold.id));
        matches!(known, Ok(None))
    }

    fn attach(&self, evidence: Evidence) {
        let attach =
            AttachEvidence { hold: self.record.hold.id, session: self.line.session.id(), evidence };
        self.line.inner.journal.evidence(attach);
    }

    fn void(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        let (line, last) = (self.line.clone(), self.last_hold());
        let task = tokio::spawn(async move { work::make_void(&line, last.await).await });
        Box::pin(async move { task.await.unwrap_or_default() })
    }

    fn withdraw(mut self: Box<Self>) -> BoxFuture<'static, Refusal> {
        let (line, last) = (self.line.clone(), self.last_hold());
        // A task of its own: the adapter may go away, the withdrawal goes on.
        let task = tokio::spawn(async move { work::withdraw(&line, last.await).await });
        Box::pin(async move { task.await.unwrap_or(Refusal::Internal) })
    }
}

impl Drop for HeldOperation {
    fn drop(&mut self) {
        match self.stage {
            Stage::Over => {}
            // A task that goes on drops what it comes to, which records that nothing is forwarded.
            Stage::Look | Stage::Wait(_) | Stage::Approved | Stage::Work(_) => self.park(),
        }
    }
}

#[cfg(test)]
mod tests;
