//! Admitting what policy allowed: the intent goes into the log before the operation goes to the target, or, where the
//! audit level lets it, while it does.

use super::{
    Inner, audit,
    judge::{Grants, Judgement, MAX_JUDGEMENTS, catch_up, judge},
    proposing::{NO_QUORUM_AFTER, Unproposed, within},
};
use countersign_core::{
    gate::{Admission, BoxFuture, Reply},
    operation::Operation,
    permit::{AuditLevel, AwaitedRelease, Basis, Cleared, Permit, PermitError, Receipt, Release},
    refusal::Refusal,
    session::Session,
};
use countersign_raft_store::{
    command::{Leaves, ParkHold},
    handle::{NotSynced, ReadError},
    records::SessionState,
};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Intents under way whose operations are forwarded already, on one node.
pub(super) const MAX_AHEAD: usize = 8192;

/// Admits a cleared operation.
pub(super) async fn admit(
    inner: &Arc<Inner>,
    session: &Session,
    operation: &Operation,
    cleared: Cleared,
) -> Result<Admission, Refusal> {
    drop(inner.await_lease().await?);
    match cleared.basis().audit {
        AuditLevel::BeforeForward => first_the_intent(inner, session, operation, cleared).await,
        AuditLevel::BeforeReply => meanwhile_the_intent(inner, session, operation, cleared),
        AuditLevel::Batched => noted_the_intent(inner, session, operation, cleared),
    }
}

/// Audit level `before_forward`: no permit without the receipt.
async fn first_the_intent(
    inner: &Inner,
    session: &Session,
    operation: &Operation,
    mut cleared: Cleared,
) -> Result<Admission, Refusal> {
    for _ in 0..MAX_JUDGEMENTS {
        let command = audit::intent(session, operation, cleared.basis().clone());
        // Until the permit is handed over, an intent in the log would be one that nobody forwards.
        let unforwarded = inner.journal.unforwarded(session.id(), operation.id());
        let unproposed = match within(NO_QUORUM_AFTER, inner.store.intend(command)).await {
            Ok(receipt) => {
                inner.sessions.began(session.id(), receipt.index());
                let admission = granted(cleared, receipt)?;
                unforwarded.forget();
                return Ok(admission);
            }
            Err(unproposed) => unproposed,
        };
        if !unproposed.may_be_committed() {
            unforwarded.forget();
        }
        let grants = match (unproposed.stale(), unproposed.is_grant_gone()) {
            (Some(in_force), _) => {
                catch_up(inner, in_force).await?;
                Grants::Cover
            }
            (None, true) => Grants::Ignored,
            (None, false) => return Err(unproposed.refusal()),
        };
        cleared = match judge(inner, session, operation, grants).await? {
            Judgement::Cleared(cleared) => cleared,
            // It has to be held now, and only a fresh judgement can hold it: the hold is open, the agent sends it again.
            Judgement::Held(record) => {
                let hold = record.hold.id;
                inner.journal.park(ParkHold {
                    hold,
                    session: session.id(),
                    leaves: Leaves::Parked,
                });
                return Err(Refusal::Parked { hold });
            }
        };
    }
    Err(Refusal::PolicyChanged)
}

/// The admission of a committed intent.
pub(super) fn granted(cleared: Cleared, receipt: Receipt) -> Result<Admission, Refusal> {
    #[expect(clippy::disallowed_methods, reason = "this is the gate")]
    let granted = Permit::grant(cleared, receipt);
    let (permit, release) = granted.map_err(|error| mismatch(&error))?;
    Ok(Admission { permit, reply: Reply::Released(release) })
}

/// Audit level `before_reply`: the permit at once, the answer with the receipt.
fn meanwhile_the_intent(
    inner: &Arc<Inner>,
    session: &Session,
    operation: &Operation,
    cleared: Cleared,
) -> Result<Admission, Refusal> {
    let full = |_| Refusal::Overloaded { limit: "intents_ahead" };
    let place = Arc::clone(&inner.ahead).try_acquire_owned().map_err(full)?;
    // Also where it could only have been noted: what the log is told is what is done.
    let basis = Basis { audit: AuditLevel::BeforeReply, ..cleared.basis().clone() };
    let command = audit::intent(session, operation, basis);
    let (permit, awaited) = ahead(cleared)?;
    let (sender, receiver) = oneshot::channel();
    let (inner, session) = (Arc::clone(inner), session.id());
    // A task of its own, so that the intent goes on whatever becomes of the session.
    tokio::spawn(async move {
        let recorded = within(NO_QUORUM_AFTER, inner.store.intend(command.clone())).await;
        if let Ok(receipt) = &recorded {
            inner.sessions.began(session, receipt.index());
        }
        let unanswered = recorded.as_ref().err().is_some_and(Unproposed::is_unanswered);
        // Nobody may wait any more: then the answer is not written, and the intent stands.
        drop(sender.send(recorded.map_err(|unproposed| unproposed.refusal())));
        if unanswered {
            // The answer is withheld; what was forwarded is recorded all the same.
            inner.journal.intent(session, command).await;
        }
        drop(place);
    });
    Ok(Admission { permit, reply: Reply::Awaited(release_with(awaited, receiver)) })
}

/// Whether the log would take this intent now, by what this node has applied. The rules that it was judged by are compiled
/// behind what is applied; for what is only noted nobody else finds out that they are not in force any more.
fn is_in_force(inner: &Inner, session: &Session, basis: &Basis) -> bool {
    // Before the state is read: what changes meanwhile is another epoch.
    let standing = inner.store.standing();
    if let Some(standing) = standing
        && inner.sessions.stood(session.id(), (standing.epoch, basis.revision))
    {
        return standing.log_time < session.agent().expires_at;
    }
    let look = || -> Result<bool, ReadError> {
        let view = inner.store.view()?;
        let open =
            view.session(session.id())?.is_some_and(|record| record.state == SessionState::Open);
        Ok(open
            && view.policy_revision()? == basis.revision
            && view.log_time()? < session.agent().expires_at
            && !view.is_revoked(&session.agent().identity)?)
    };
    let stands = look().unwrap_or_default();
    if stands && let Some(standing) = standing {
        inner.sessions.stands(session.id(), (standing.epoch, basis.revision));
    }
    stands
}

/// Audit level `batched`: the permit at once, the answer once the intent is on this node's disk. Where the lease is not
/// fresh, or the log is behind with what is noted, it waits for the log like any other read.
fn noted_the_intent(
    inner: &Arc<Inner>,
    session: &Session,
    operation: &Operation,
    cleared: Cleared,
) -> Result<Admission, Refusal> {
    let command = audit::intent(session, operation, cleared.basis().clone());
    let may_note = inner.store.has_fresh_lease() && is_in_force(inner, session, cleared.basis());
    let noting = if may_note { inner.store.note(command) } else { None };
    let Some(noting) = noting else {
        return meanwhile_the_intent(inner, session, operation, cleared);
    };
    let (permit, awaited) = ahead(cleared)?;
    let release = async move {
        let receipt = noting.synced().await.map_err(|NotSynced| Refusal::ShuttingDown)?;
        awaited.receive_note(receipt).map_err(|error| mismatch(&error))
    };
    Ok(Admission { permit, reply: Reply::Awaited(Box::pin(release)) })
}

/// The permit of what may be forwarded before its intent is recorded.
fn ahead(cleared: Cleared) -> Result<(Permit, AwaitedRelease), Refusal> {
    #[expect(clippy::disallowed_methods, reason = "this is the gate")]
    let granted = Permit::ahead(cleared);
    granted.map_err(|error| mismatch(&error))
}

fn release_with(
    awaited: AwaitedRelease,
    receipt: oneshot::Receiver<Result<Receipt, Refusal>>,
) -> BoxFuture<'static, Result<Release, Refusal>> {
    Box::pin(async move {
        let receipt = receipt.await.map_err(|_lost| Refusal::Internal)??;
        awaited.receive(receipt).map_err(|error| mismatch(&error))
    })
}

/// A receipt and what was cleared do not belong together: a fault of the gateway's own.
pub(super) fn mismatch(error: &PermitError) -> Refusal {
    tracing::error!(error = error as &dyn std::error::Error, "a permit was not granted");
    Refusal::Internal
}
