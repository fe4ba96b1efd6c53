//! What is forgotten: rows that only answer repetitions or show the past are deleted some log time after nothing can change
//! them any more, so many a tick. The audit keeps what was done.

use super::{
    hold,
    step::{Step, Stop},
};
use crate::{
    key_space::{self, Forgotten, Table},
    limits::{HOLD_PERIOD_MS, MAX_FORGOTTEN_A_TICK},
    records::{
        GrantRecord, HoldBudget, HoldRecord, OperationRecord, OperationState, SessionRecord,
        SessionState,
    },
};

/// Has something forgotten after so many milliseconds of log time.
pub(super) fn after(step: &mut Step<'_>, kept_ms: u64, what: Forgotten) {
    step.put_bytes(key_space::forget(step.now.after_ms(kept_ms), what), &[]);
}

/// Forgets what is due, the earliest first.
pub(super) fn due(step: &mut Step<'_>) -> Result<(), Stop> {
    for (key, _) in step.first(&key_space::table(Table::Forget), MAX_FORGOTTEN_A_TICK)? {
        let Some((at, what)) = key_space::read_forget(&key) else { continue };
        if step.now < at {
            break;
        }
        step.delete(key);
        match what {
            Forgotten::HeldOperation(id) => {
                step.delete(key_space::held_operation(id));
                step.delete(key_space::evidence(id));
            }
            Forgotten::Hold(id) => {
                if let Some(record) = step.get::<HoldRecord>(&key_space::hold(id))?
                    && record.hold.state.is_settled()
                {
                    hold::forget_rejected(step, &record)?;
                    step.delete(key_space::numbered(Table::HoldByNumber, record.number));
                    let fingerprint = &record.hold.fingerprint;
                    step.delete(key_space::hold_of_fingerprint(fingerprint, record.number));
                    step.delete(key_space::hold(id));
                }
            }
            Forgotten::Operation(id) => {
                if let Some(known) = step.get::<OperationRecord>(&key_space::operation(id))?
                    && is_over(known.state)
                {
                    step.delete(key_space::operation(id));
                }
            }
            Forgotten::Session(id) => {
                if let Some(session) = step.get::<SessionRecord>(&key_space::session(id))?
                    && session.state != SessionState::Open
                {
                    step.delete(key_space::numbered(Table::SessionByNumber, session.number));
                    step.delete(key_space::session(id));
                }
            }
            Forgotten::Grant(id) => {
                if let Some(record) = step.get::<GrantRecord>(&key_space::grant(id))? {
                    step.delete(key_space::numbered(Table::GrantByNumber, record.number));
                    step.delete(key_space::grant(id));
                }
            }
            Forgotten::HoldBudget(digest) => {
                let place = key_space::hold_budget(&digest);
                // A later period has an entry of its own.
                if let Some(budget) = step.get::<HoldBudget>(&place)?
                    && step.now >= budget.since.after_ms(HOLD_PERIOD_MS)
                {
                    step.delete(place);
                }
            }
        }
    }
    Ok(())
}

const fn is_over(state: OperationState) -> bool {
    match state {
        OperationState::Settled(_) | OperationState::Denied => true,
        OperationState::Intended | OperationState::Withheld => false,
    }
}
