//! How much one agent may have held: so many holds and so many bytes in a period of log time, withdrawn ones included.
//! Without it one agent could fill every node by opening holds and taking them back.

use crate::{
    apply::{
        forget,
        step::{Step, Stop},
    },
    key_space::{self, Forgotten},
    limits::{HOLD_PERIOD_MS, Limit, MAX_HELD_BYTES_A_PERIOD, MAX_HOLDS_A_PERIOD},
    records::{HeldOperation, HoldBudget},
    reply::StateRefusal,
};
use countersign_core::agent::Identity;

/// Counts one more hold of `agent`, or refuses it. The first hold of a period always fits.
pub(super) fn spend(
    step: &mut Step<'_>,
    agent: &Identity,
    held: &HeldOperation,
) -> Result<(), Stop> {
    let digest = key_space::digest(agent);
    let place = key_space::hold_budget(&digest);
    let known = step
        .get::<HoldBudget>(&place)?
        .filter(|known| step.now < known.since.after_ms(HOLD_PERIOD_MS));
    let budget = match known {
        None => {
            forget::after(step, HOLD_PERIOD_MS, Forgotten::HoldBudget(digest));
            HoldBudget { since: step.now, holds: 1, bytes: size(held) }
        }
        Some(known) => {
            let holds = known.holds.saturating_add(1);
            let bytes = known.bytes.saturating_add(size(held));
            let over = |limit| Err(StateRefusal::OverLimit { limit }.into());
            if holds > MAX_HOLDS_A_PERIOD {
                return over(Limit::HoldsAPeriod);
            }
            if bytes > MAX_HELD_BYTES_A_PERIOD {
                return over(Limit::HeldBytesAPeriod);
            }
            HoldBudget { since: known.since, holds, bytes }
        }
    };
    step.put(place, &budget)
}

/// What the state keeps of it, near enough.
fn size(held: &HeldOperation) -> u64 {
    let values = held
        .parameters
        .iter()
        .map(|parameter| parameter.shown.len() + parameter.value.as_ref().map_or(0, Vec::len));
    let pairs = held.settings.iter().chain(&held.context);
    let named = pairs.map(|(name, value)| name.len() + value.len());
    (held.text.len() + values.sum::<usize>() + named.sum::<usize>()) as u64
}
