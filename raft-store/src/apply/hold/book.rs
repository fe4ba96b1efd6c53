//! The book of holds: the record, its indexes and its expiry are written together or not at all. Why a hold changes is
//! decided by the commands.

use super::changed;
use crate::{
    apply::{
        chain::{self, Facts},
        forget,
        step::{Step, Stop},
    },
    key_space::{self, Expiring, Forgotten, Table},
    limits::{HELD_OPERATION_KEPT_MS, HOLD_KEPT_MS},
    records::{HoldRecord, SessionRecord},
    reply::StateRefusal,
    state,
};
use countersign_core::{
    agent::Identity,
    fingerprint::Fingerprint,
    hold::HoldEvent,
    id::{HoldId, SessionId},
    record::EventKind,
};

pub(in crate::apply) fn get(step: &Step<'_>, id: HoldId) -> Result<HoldRecord, Stop> {
    Ok(step.get(&key_space::hold(id))?.ok_or(StateRefusal::NoSuchHold)?)
}

/// Enters a new hold.
pub(super) fn enter(step: &mut Step<'_>, record: &HoldRecord) -> Result<(), Stop> {
    let hold = &record.hold;
    let id = hold.id.as_bytes();
    step.put_bytes(key_space::numbered(Table::HoldByNumber, record.number), id);
    step.put_bytes(key_space::numbered(Table::OpenHold, record.number), id);
    step.put_bytes(key_space::hold_of_fingerprint(&hold.fingerprint, record.number), id);
    step.put_bytes(key_space::open_hold_of_agent(&hold.requester, &hold.fingerprint), id);
    step.put_bytes(key_space::expiry(hold.expires_at, Expiring::Hold(hold.id)), &[]);
    for at in hold.terms.escalates_at(hold.opened_at) {
        step.put_bytes(key_space::expiry(at, Expiring::Escalation(hold.id)), &[]);
    }
    for waiting in &record.attached {
        step.put_bytes(key_space::waiting_for(waiting.session, hold.id), &[]);
    }
    let open = count(step, &hold.requester)?;
    step.put_number(key_space::open_hold_count(&hold.requester), open.saturating_add(1));
    rewrite(step, record)
}

/// How many open holds an agent has, those included that have expired since the last tick.
pub(super) fn count(step: &Step<'_>, agent: &Identity) -> Result<u64, Stop> {
    step.number_at(&key_space::open_hold_count(agent))
}

/// One open hold less.
fn count_off(step: &mut Step<'_>, agent: &Identity) -> Result<(), Stop> {
    let place = key_space::open_hold_count(agent);
    match step.number_at(&place)?.saturating_sub(1) {
        0 => step.delete(place),
        left => step.put_number(place, left),
    }
    Ok(())
}

/// The open hold of an agent for what has this fingerprint, unless it has expired.
pub(super) fn same(
    step: &mut Step<'_>,
    agent: &Identity,
    fingerprint: &Fingerprint,
) -> Result<Option<HoldRecord>, Stop> {
    let Some(id) = step.id_at(&key_space::open_hold_of_agent(agent, fingerprint))? else {
        return Ok(None);
    };
    let record = get(step, HoldId::from_bytes(id))?;
    Ok(Some(elapse(step, record)?).filter(|record| !record.hold.state.is_settled()))
}

/// Writes a hold again and tells the nodes. A settled one leaves the indexes of open ones, and nobody waits for it.
pub(super) fn rewrite(step: &mut Step<'_>, record: &HoldRecord) -> Result<(), Stop> {
    let hold = &record.hold;
    if hold.state.is_settled() {
        step.delete(key_space::numbered(Table::OpenHold, record.number));
        step.delete(key_space::open_hold_of_agent(&hold.requester, &hold.fingerprint));
        step.delete(key_space::expiry(hold.expires_at, Expiring::Hold(hold.id)));
        for at in hold.terms.escalates_at(hold.opened_at) {
            step.delete(key_space::expiry(at, Expiring::Escalation(hold.id)));
        }
        // Settled once, so this is reached once.
        count_off(step, &hold.requester)?;
        forget::after(step, HELD_OPERATION_KEPT_MS, Forgotten::HeldOperation(hold.id));
        forget::after(step, HOLD_KEPT_MS, Forgotten::Hold(hold.id));
    }
    step.put(key_space::hold(hold.id), record)?;
    changed(step, record);
    Ok(())
}

/// Has core handle an event.
pub(super) fn handle(
    step: &mut Step<'_>,
    record: HoldRecord,
    event: HoldEvent,
) -> Result<HoldRecord, Stop> {
    let hold = record.hold.clone().handle(event, step.now).map_err(StateRefusal::Hold)?;
    if hold.expires_at != record.hold.expires_at {
        step.delete(key_space::expiry(record.hold.expires_at, Expiring::Hold(hold.id)));
        step.put_bytes(key_space::expiry(hold.expires_at, Expiring::Hold(hold.id)), &[]);
    }
    if hold.state.is_settled() {
        for waiting in &record.attached {
            step.delete(key_space::waiting_for(waiting.session, hold.id));
        }
    }
    let attached = if hold.state.is_settled() { Vec::new() } else { record.attached.clone() };
    let record = HoldRecord { hold, attached, ..record };
    rewrite(step, &record)?;
    Ok(record)
}

/// The hold as log time has left it. That it has expired stays recorded, even when the command which found out is refused.
pub(in crate::apply) fn elapse(
    step: &mut Step<'_>,
    record: HoldRecord,
) -> Result<HoldRecord, Stop> {
    if record.hold.state.is_settled() || step.now < record.hold.expires_at {
        return Ok(record);
    }
    let record = handle(step, record, HoldEvent::Elapse)?;
    chain::append(step, EventKind::Expired, Facts::default().hold(&record))?;
    step.keep();
    Ok(record)
}

/// Makes a hold void, because what it was judged under has changed. A settled one stays what it is.
pub(in crate::apply) fn invalidate(
    step: &mut Step<'_>,
    record: HoldRecord,
    reason: &str,
) -> Result<HoldRecord, Stop> {
    let record = elapse(step, record)?;
    if record.hold.state.is_settled() {
        return Ok(record);
    }
    let event = HoldEvent::Invalidate { reason: reason.to_owned() };
    let record = handle(step, record, event)?;
    let facts = Facts::default().hold(&record).with("reason", reason);
    chain::append(step, EventKind::Invalidated, facts)?;
    Ok(record)
}

/// Takes a session off a hold whose transaction is gone; without any session left nothing can be done by it any more, and it
/// is void. Whether the session had let go before does not matter: its end may have been applied first.
pub(super) fn make_void(
    step: &mut Step<'_>,
    mut record: HoldRecord,
    session: SessionId,
) -> Result<HoldRecord, Stop> {
    if record.attached.iter().any(|waiting| waiting.session != session) {
        record.attached.retain(|waiting| waiting.session != session);
        step.delete(key_space::waiting_for(session, record.hold.id));
        rewrite(step, &record)?;
        return Ok(record);
    }
    invalidate(step, record, "the target has ended the transaction that it waited in")
}

/// Takes a session off a hold; without any session left it is parked.
pub(super) fn let_go(
    step: &mut Step<'_>,
    mut record: HoldRecord,
    session: SessionId,
) -> Result<HoldRecord, Stop> {
    let before = record.attached.len();
    record.attached.retain(|waiting| waiting.session != session);
    if record.attached.len() == before {
        return Ok(record);
    }
    step.delete(key_space::waiting_for(session, record.hold.id));
    rewrite(step, &record)?;
    if record.attached.is_empty() {
        let facts = Facts::default().hold(&record).with("session.id", session);
        chain::append(step, EventKind::Parked, facts)?;
    }
    Ok(record)
}

/// Takes a session off every hold that it waits for.
pub(in crate::apply) fn detach(step: &mut Step<'_>, session: &SessionRecord) -> Result<(), Stop> {
    for (key, _) in step.all(&key_space::waiting_of(session.id))? {
        let id = key_space::trailing_id(&key).ok_or_else(|| state::unreadable("a hold id"))?;
        step.delete(key);
        let record = get(step, HoldId::from_bytes(id))?;
        let record = elapse(step, record)?;
        if !record.hold.state.is_settled() {
            let_go(step, record, session.id)?;
        }
    }
    Ok(())
}

/// All open holds that have not expired.
pub(in crate::apply) fn all_open(step: &mut Step<'_>) -> Result<Vec<HoldRecord>, Stop> {
    let rows = step.all(&key_space::table(Table::OpenHold))?;
    read(step, rows)
}

fn read(step: &mut Step<'_>, rows: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Vec<HoldRecord>, Stop> {
    let mut holds = Vec::with_capacity(rows.len());
    for (_, id) in rows {
        let id: [u8; 16] = id.try_into().map_err(|_| state::unreadable("a hold id"))?;
        let record = get(step, HoldId::from_bytes(id))?;
        let record = elapse(step, record)?;
        if !record.hold.state.is_settled() {
            holds.push(record);
        }
    }
    Ok(holds)
}
