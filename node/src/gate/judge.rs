//! Judging: the policy in force is asked, and what it says is put into the log, under the revision it was said under. When
//! the log knows a newer revision, the operation is judged again.

use super::{
    Inner, audit,
    proposing::{NO_QUORUM_AFTER, Unproposed, within},
};
use crate::metrics::counters;
use countersign_core::{
    grant::Grant,
    hold::HoldTerms,
    id::{HoldId, Revision},
    operation::Operation,
    permit::Cleared,
    policy::{DenyReason, Rules, Verdict, evaluate, evaluate_within},
    refusal::Refusal,
    session::Session,
};
use countersign_raft_store::{
    command::{Leaves, OpenHold, ParkHold},
    handle::{HoldOpened, ReadError},
    records::{HeldOperation, HoldRecord},
};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Work of a judgement that is made in place. What takes more is made on the threads for blocking work, because it would keep
/// other sessions waiting, and the lease from being renewed.
const WORK_IN_PLACE: u64 = 10_000;
/// Longer judgements that are made at a time.
pub(super) static LONG_JUDGEMENTS: Semaphore = Semaphore::const_new(2);
/// How often an operation is judged again because the policy changed meanwhile.
pub(super) const MAX_JUDGEMENTS: usize = 5;

/// What judging came to, unless it was a refusal.
#[derive(Debug)]
pub(super) enum Judgement {
    /// Policy allows it.
    Cleared(Cleared),
    /// Humans decide; the hold is in the log, and the session waits for it.
    Held(Box<HoldRecord>),
}

/// Whether grants are looked at: not behind an intent that was refused because its grant is over, of which this node may not
/// have heard yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grants {
    Cover,
    Ignored,
}

/// Judges an operation. A refusal by policy is in the log when this returns.
pub(super) async fn judge(
    inner: &Inner,
    session: &Session,
    operation: &Operation,
    grants: Grants,
) -> Result<Judgement, Refusal> {
    drop(inner.await_lease().await?);
    for _ in 0..MAX_JUDGEMENTS {
        let rules = inner.policies.current();
        let revision = rules.revision();
        let unproposed = match verdict(&rules, session, operation).await? {
            Verdict::Allow(cleared) => {
                counters::judged("allow");
                return Ok(Judgement::Cleared(cleared));
            }
            Verdict::Hold(terms) => {
                if grants == Grants::Cover
                    && let Some(cleared) = granted(inner, (session, operation), &terms, &rules)
                {
                    counters::judged("grant");
                    return Ok(Judgement::Cleared(cleared));
                }
                match hold(inner, session, operation, (terms, revision)).await {
                    Ok(record) => {
                        counters::judged("hold");
                        return Ok(Judgement::Held(record));
                    }
                    Err(unproposed) => unproposed,
                }
            }
            Verdict::Deny(reason) => {
                match deny(inner, session, operation, (&reason, revision)).await {
                    Ok(()) => {
                        counters::judged("deny");
                        let DenyReason { rules, message } = reason;
                        return Err(Refusal::Denied { rules, message });
                    }
                    Err(unproposed) => unproposed,
                }
            }
        };
        let Some(in_force) = unproposed.stale() else { return Err(unproposed.refusal()) };
        catch_up(inner, in_force).await?;
    }
    Err(Refusal::PolicyChanged)
}

/// What the rules say.
#[expect(clippy::disallowed_methods, reason = "this is the gate")]
async fn verdict(
    rules: &Arc<Rules>,
    session: &Session,
    operation: &Operation,
) -> Result<Verdict, Refusal> {
    if let Some(verdict) = evaluate_within(rules, session, operation, WORK_IN_PLACE) {
        return Ok(verdict);
    }
    // Whatever is before it in the queue ends soon, and each session has one in it at most.
    let Ok(place) = LONG_JUDGEMENTS.acquire().await else { return Err(Refusal::Internal) };
    let (rules, session, operation) = (Arc::clone(rules), session.clone(), operation.clone());
    let judged = tokio::task::spawn_blocking(move || {
        let _place = place;
        evaluate(&rules, &session, &operation)
    });
    judged.await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a judgement was not finished");
        Refusal::Internal
    })
}

/// Clears what a grant covers, as far as this node knows: the log looks again when it takes the intent.
fn granted(
    inner: &Inner,
    (session, operation): (&Session, &Operation),
    terms: &HoldTerms,
    rules: &Rules,
) -> Option<Cleared> {
    terms.grantable_ms?;
    let template = operation.template()?;
    let (agent, target) = (&session.agent().identity, &session.target().name);
    let look = || {
        let view = inner.store.view()?;
        Ok::<_, ReadError>((view.grant_in_force(agent, target, &template)?, view.log_time()?))
    };
    let (record, now) = match look() {
        Ok((record, now)) => (record?, now),
        Err(error) => {
            // Then humans are asked.
            tracing::error!(error = &error as &dyn std::error::Error, "grants could not be read");
            return None;
        }
    };
    let masks = rules.masks.plan(session);
    #[expect(clippy::disallowed_methods, reason = "this is the gate")]
    let cleared = Grant::clear(&record.grant, (session, operation), terms, masks, now);
    cleared
}

/// Learns the policies of `in_force` before an operation is judged again.
pub(super) async fn catch_up(inner: &Inner, in_force: Revision) -> Result<(), Refusal> {
    inner.policies.catch_up(in_force).await.map_err(|error| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            policy.revision = in_force.0,
            "the policies in force could not be read"
        );
        Refusal::NoQuorum
    })
}

async fn hold(
    inner: &Inner,
    session: &Session,
    operation: &Operation,
    (terms, revision): (HoldTerms, Revision),
) -> Result<Box<HoldRecord>, Unproposed> {
    let id = HoldId::from_bytes(rand::random());
    let command = OpenHold {
        id,
        operation: operation.id(),
        session: session.id(),
        held: HeldOperation::of(operation),
        fingerprint: *operation.fingerprint(),
        terms,
        revision,
        most_open: inner.most_holds.open,
        most_a_period: inner.most_holds.a_minute,
    };
    match within(NO_QUORUM_AFTER, inner.store.open_hold(command)).await {
        Ok(committed) => {
            inner.sessions.began(session.id(), committed.index);
            // The waiting reads this node's own state from here on.
            let applied =
                within(NO_QUORUM_AFTER, async { Ok(inner.store.applied(committed.index).await?) });
            applied.await?;
            match committed.value {
                HoldOpened::New(record) | HoldOpened::Attached(record) => Ok(record),
            }
        }
        Err(unproposed) => {
            if unproposed.may_be_committed() {
                // The agent hears a refusal, so nobody waits for the hold that may come to be.
                inner.journal.park(ParkHold {
                    hold: id,
                    session: session.id(),
                    leaves: Leaves::Parked,
                });
            }
            Err(unproposed)
        }
    }
}

async fn deny(
    inner: &Inner,
    session: &Session,
    operation: &Operation,
    (reason, revision): (&DenyReason, Revision),
) -> Result<(), Unproposed> {
    let command = audit::refused(session, operation, revision, reason);
    within(NO_QUORUM_AFTER, inner.store.refused(command)).await.map(drop)
}
