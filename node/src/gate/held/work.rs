//! What must not be broken off half-way while an operation waits: taking an approval, judging again, withdrawing.

use super::Line;
use crate::gate::{
    admit,
    journal::Unforwarded,
    judge::{self, Grants, Judgement},
    proposing::{CLAIM_AFTER, NO_QUORUM_AFTER, Unproposed, within},
    recorded,
};
use countersign_core::{
    gate::Admission,
    hold::HoldError,
    id::{HoldId, Revision},
    mask::MaskPlan,
    refusal::Refusal,
};
use countersign_raft_store::{
    command::{ClaimHold, Leaves, ParkHold, WithdrawHold, Withdrawer},
    handle::{Claimed, ProposeError},
    records::HoldRecord,
    reply::StateRefusal,
};

/// What is to be done.
#[derive(Debug)]
pub(super) enum Working {
    /// Take the approval of this hold.
    Claim(Box<HoldRecord>),
    /// Judge the operation again.
    JudgeAgain,
}

/// What it came to.
#[derive(Debug)]
pub(super) enum Worked {
    /// The operation is admitted.
    Admitted(Unfetched),
    /// It waits for this hold now.
    Held(Box<HoldRecord>),
    /// It is refused.
    Refused(Refusal),
    /// Nothing yet: the hold has changed.
    LookAgain,
}

/// An admission until the adapter fetches it. Dropped before that, it is recorded as not forwarded.
#[derive(Debug)]
pub(super) struct Unfetched {
    admission: Admission,
    unforwarded: Unforwarded,
}

impl Unfetched {
    pub(super) fn fetch(self) -> Admission {
        self.unforwarded.forget();
        self.admission
    }
}

pub(super) async fn run(line: Line, working: Working) -> Worked {
    let worked = match working {
        Working::Claim(record) => claim(&line, &record).await,
        Working::JudgeAgain => judge_again(&line).await,
    };
    worked.unwrap_or_else(Worked::Refused)
}

async fn claim(line: &Line, record: &HoldRecord) -> Result<Worked, Refusal> {
    let Line { inner, session, operation } = line;
    // Taken before the claim: when it is committed, they are what was in force at its place in the log.
    let Some(masks) = masks_of(line, record.hold.revision).await? else {
        return judge_again(line).await;
    };
    let command = ClaimHold {
        hold: record.hold.id,
        operation: operation.id(),
        session: session.id(),
        fingerprint: *operation.fingerprint(),
        revision: record.hold.revision,
    };
    let unforwarded = inner.journal.unforwarded(session.id(), operation.id());
    let unproposed = match within(CLAIM_AFTER, inner.store.claim(command)).await {
        Ok(Claimed { approved, receipt }) => {
            inner.sessions.began(session.id(), receipt.index());
            let cleared =
                approved.clear(operation, masks).map_err(|error| admit::mismatch(&error))?;
            let admission = admit::granted(cleared, receipt)?;
            recorded::released(inner, session, operation)?;
            return Ok(Worked::Admitted(Unfetched { admission, unforwarded }));
        }
        Err(unproposed) => unproposed,
    };
    if !unproposed.may_be_committed() {
        unforwarded.forget();
    }
    after_failed_claim(line, &unproposed).await
}

/// What is masked in the answers of the session at `revision`; none once another one is in force.
async fn masks_of(line: &Line, revision: Revision) -> Result<Option<MaskPlan>, Refusal> {
    let known = || line.inner.policies.current();
    if known().revision() < revision {
        judge::catch_up(&line.inner, revision).await?;
    }
    let rules = known();
    Ok((rules.revision() == revision).then(|| rules.masks.plan(&line.session)))
}

async fn after_failed_claim(line: &Line, unproposed: &Unproposed) -> Result<Worked, Refusal> {
    if let Some(in_force) = unproposed.stale() {
        judge::catch_up(&line.inner, in_force).await?;
        return judge_again(line).await;
    }
    match unproposed.hold_error() {
        Some(HoldError::OtherRevision) => return judge_again(line).await,
        // Another client of the agent, the clock or a reviewer was faster: its state says what now.
        Some(HoldError::Settled { .. } | HoldError::NotApproved) => return Ok(Worked::LookAgain),
        Some(
            HoldError::AlreadyApproved
            | HoldError::Decision(_)
            | HoldError::OtherFingerprint
            | HoldError::OtherAgent,
        )
        | None => {}
    }
    if let Unproposed::Failed(ProposeError::Refused(StateRefusal::NotAttached)) = unproposed {
        // Judging again attaches to the hold again.
        return judge_again(line).await;
    }
    Err(unproposed.refusal())
}

async fn judge_again(line: &Line) -> Result<Worked, Refusal> {
    let Line { inner, session, operation } = line;
    match judge::judge(inner, session, operation, Grants::Cover).await? {
        Judgement::Held(record) => Ok(Worked::Held(record)),
        Judgement::Cleared(cleared) => {
            let admission = admit::admit(inner, session, operation, cleared).await?;
            let unforwarded = inner.journal.unforwarded(session.id(), operation.id());
            recorded::released(inner, session, operation)?;
            Ok(Worked::Admitted(Unfetched { admission, unforwarded }))
        }
    }
}

/// Makes the hold void, because the transaction that its operation was to run in is gone.
pub(super) async fn make_void(line: &Line, hold: HoldId) {
    let void = ParkHold { hold, session: line.session.id(), leaves: Leaves::Void };
    match within(NO_QUORUM_AFTER, line.inner.store.park_hold(void)).await {
        Ok(_hold) => {}
        // The agent hears of it now; the log, as soon as it takes it.
        Err(_unproposed) => line.inner.journal.park(void),
    }
}

/// Takes the hold back for its agent.
pub(super) async fn withdraw(line: &Line, hold: HoldId) -> Refusal {
    let command =
        WithdrawHold { hold, by: Withdrawer::Agent(line.session.id()), comment: String::new() };
    match within(NO_QUORUM_AFTER, line.inner.store.withdraw_hold(command)).await {
        Ok(_hold) => Refusal::Withdrawn { hold },
        // Settled already, one way or another: the agent's operation is not forwarded, which is what it asked for.
        Err(unproposed) if unproposed.hold_error().is_some() => Refusal::Withdrawn { hold },
        Err(unproposed) => unproposed.refusal(),
    }
}
