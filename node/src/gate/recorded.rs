//! What the gate itself puts into a session's recording: every operation that is asked for, what was decided about it, and
//! what became of it. So no adapter can forget it. What the target says in between is recorded by the adapter.
//!
//! Nothing is judged, and nothing admitted, unless it was taken into the recording first.

use super::{Inner, admit, held};
use crate::recording::{Lost, SessionRecorder};
use countersign_core::{
    gate::{Admission, Judged, Settlement},
    id::{HoldId, SessionId},
    mask::MaskPlan,
    operation::Operation,
    permit::Cleared,
    recording::{Entry, Recorder, Room},
    refusal::{AgentFacing, Refusal},
    session::Session,
};
use std::sync::Arc;

/// The recorder of a session that is being opened. A recording that cannot be kept ends the session.
pub(super) fn recorder(inner: &Inner, id: SessionId) -> SessionRecorder {
    let sessions = Arc::downgrade(&inner.sessions);
    let on_loss = move || {
        if let Some(sessions) = sessions.upgrade() {
            sessions.end(id, &Refusal::NotRecorded);
        }
    };
    SessionRecorder::new(inner.recordings.clone(), id, Box::new(on_loss))
}

/// Judges an operation that is recorded as asked for.
pub(super) async fn judge(
    inner: &Arc<Inner>,
    session: &Session,
    operation: &Arc<Operation>,
) -> Result<Judged, Refusal> {
    let recorder = inner.sessions.recorder(session.id())?;
    // Without a quorum nothing becomes durable, and that is what the agent is to hear.
    drop(inner.await_lease().await?);
    let plan = inner.policies.current().masks.plan(session);
    let asked = asked(&recorder, &plan, operation).await;
    asked.map_err(|refusal| inner.leased().err().unwrap_or(refusal))?;
    let judged = held::judge(inner, session, operation).await;
    let operation = operation.id();
    match &judged {
        Ok(Judged::Cleared(_)) => {}
        Ok(Judged::Held(held)) => {
            let hold = held.notice().hold;
            take(&recorder, &plan, Entry::Held { operation, hold })?;
        }
        Err(refusal) => {
            take(&recorder, &plan, Entry::Refused { operation, why: refusal.to_string() })?;
        }
    }
    judged
}

async fn asked(
    recorder: &SessionRecorder,
    plan: &MaskPlan,
    operation: &Operation,
) -> Result<(), Refusal> {
    let found = operation.classification();
    let asked = Entry::Asked {
        operation: operation.id(),
        summary: found.summary.to_string(),
        text: String::from_utf8_lossy(&found.text).into_owned(),
    };
    take(recorder, plan, asked)?;
    for (number, parameter) in (1..).zip(&found.parameters) {
        take(recorder, plan, Entry::Bound { number, value: parameter.shown.clone() })?;
    }
    recorder.room().await
}

/// Admits an operation; that it goes to the target is recorded before it does.
pub(super) async fn admit(
    inner: &Arc<Inner>,
    session: &Session,
    operation: &Operation,
    cleared: Cleared,
) -> Result<Admission, Refusal> {
    let recorder = inner.sessions.recorder(session.id())?;
    let admission = admit::admit(inner, session, operation, cleared).await;
    let plan = inner.policies.current().masks.plan(session);
    let operation = operation.id();
    match admission {
        Ok(admission) => {
            let unforwarded = inner.journal.unforwarded(session.id(), operation);
            take(&recorder, &plan, Entry::Admitted { operation })?;
            unforwarded.forget();
            Ok(admission)
        }
        Err(refusal) => {
            take(&recorder, &plan, Entry::Refused { operation, why: refusal.to_string() })?;
            Err(refusal)
        }
    }
}

/// The same for an operation that was held and is approved.
pub(super) fn released(
    inner: &Inner,
    session: &Session,
    operation: &Operation,
) -> Result<(), Refusal> {
    let recorder = inner.sessions.recorder(session.id())?;
    let plan = inner.policies.current().masks.plan(session);
    take(&recorder, &plan, Entry::Admitted { operation: operation.id() })
}

/// Records what became of a wait that came to nothing. Where the recording is lost the session is ending already.
pub(super) fn refused(inner: &Inner, session: &Session, of: &Operation, refusal: &Refusal) {
    let why = refusal.to_string();
    note(inner, session, Entry::Refused { operation: of.id(), why });
}

/// Records that an operation which was held waits for another hold now.
pub(super) fn held_again(inner: &Inner, session: &Session, of: &Operation, hold: HoldId) {
    note(inner, session, Entry::Held { operation: of.id(), hold });
}

/// Records what became of an operation. Where the recording is lost the session is ending already; the audit has it.
pub(super) fn settled(inner: &Inner, session: &Session, settlement: &Settlement) {
    note(inner, session, Entry::outcome(settlement));
}

/// Takes what is said when nothing hangs on it any more.
fn note(inner: &Inner, session: &Session, entry: Entry) {
    let plan = inner.policies.current().masks.plan(session);
    let recorder = inner.sessions.recorder(session.id());
    if let Err(refusal) = recorder.and_then(|recorder| take(&recorder, &plan, entry)) {
        tracing::debug!(session.id = %session.id(), %refusal, "a word is not in the recording");
    }
}

/// Ends a recording; says in the reason of the session's end where that did not work.
pub(super) async fn ended(recorder: Option<SessionRecorder>, reason: String) -> String {
    let Some(recorder) = recorder else { return reason };
    match recorder.finish(Entry::closed(reason.clone())).await {
        Ok(()) => reason,
        Err(Lost) => format!("{reason}; its recording is not whole"),
    }
}

fn take(recorder: &SessionRecorder, plan: &MaskPlan, entry: Entry) -> Result<(), Refusal> {
    let masked = entry.masked(plan).map_err(|error| error.refusal())?;
    // Who judges waits for room; what is said about one operation is little.
    match recorder.take(masked)? {
        Room::Left | Room::Full => Ok(()),
    }
}
