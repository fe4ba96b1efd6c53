//! Evidence: attached once, while its hold is pending, by the session that waits for it. Nothing that a hold is decided by
//! changes with it: not the fingerprint, not the terms, not the time at which it expires.

use super::{book, budget, changed};
use crate::{
    apply::{
        chain::{self, Facts},
        step::{Done, Step, Stop},
    },
    command::AttachEvidence,
    format::Stored,
    key_space,
    limits::Limit,
    records::{EvidenceRecord, HoldRecord},
    reply::{Answer, StateRefusal},
};
use countersign_core::{
    evidence::{Evidence, Plan},
    hold::{HoldError, HoldState},
    record::EventKind,
};
use sha2::{Digest, Sha256};

pub(in crate::apply) fn attach_evidence(step: &mut Step<'_>, command: AttachEvidence) -> Done {
    let place = key_space::evidence(command.hold);
    if let Some(known) = step.get::<EvidenceRecord>(&place)? {
        let same = known.evidence == command.evidence;
        return if same { Ok(Answer::Done) } else { Err(StateRefusal::IdUsed.into()) };
    }
    if !command.evidence.fits() {
        return Err(StateRefusal::OverLimit { limit: Limit::Evidence }.into());
    }
    let record = book::get(step, command.hold)?;
    let record = book::elapse(step, record)?;
    still_pending(&record)?;
    if !record.attached.iter().any(|waiting| waiting.session == command.session) {
        return Err(StateRefusal::NotAttached.into());
    }
    budget::spend_evidence(step, &record.hold.requester, &command.evidence)?;
    let AttachEvidence { hold: _, session, evidence } = command;
    let found = EvidenceRecord { evidence, session, at: step.now };
    let digest = Sha256::digest(found.encode()?);
    let facts = facts(&record, &found.evidence)
        .with("session.id", session)
        .with("evidence.sha256", hex::encode(digest));
    chain::append(step, EventKind::EvidenceAttached, facts)?;
    step.put(place, &found)?;
    changed(step, &record);
    Ok(Answer::Done)
}

/// Who has decided was not shown what comes afterwards.
fn still_pending(record: &HoldRecord) -> Result<(), Stop> {
    let error = match &record.hold.state {
        HoldState::Pending { .. } => return Ok(()),
        HoldState::Approved { .. } => HoldError::AlreadyApproved,
        settled @ (HoldState::Consumed { .. }
        | HoldState::Rejected { .. }
        | HoldState::Withdrawn { .. }
        | HoldState::Expired { .. }
        | HoldState::Invalidated { .. }) => HoldError::Settled { state: settled.name() },
    };
    Err(StateRefusal::Hold(error).into())
}

/// What the audit keeps of it, beside its digest: the plan itself may be as long as the operation.
fn facts(record: &HoldRecord, evidence: &Evidence) -> Facts {
    let (plan, reason) = match &evidence.plan {
        Plan::Known(_) => ("known", None),
        Plan::Absent(reason) => ("absent", Some(reason)),
    };
    let facts = Facts::default().hold(record).with("evidence.plan", plan);
    let facts = match reason {
        Some(reason) => facts.shown("evidence.reason", reason),
        None => facts,
    };
    let facts = match &evidence.estimates {
        Some(estimates) => {
            let changes = estimates.changed.iter();
            let changes: Vec<_> =
                changes.map(|one| format!("{}: {}", one.what, one.rows)).collect();
            facts
                .with("evidence.rows_returned", estimates.returned)
                .listed("evidence.rows_changed", &changes)
        }
        None => facts,
    };
    let transaction = evidence.transaction.as_ref();
    facts.maybe("evidence.transaction_age_ms", transaction.map(|open| open.age_ms))
}
