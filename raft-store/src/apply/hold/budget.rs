//! How much one agent may have held: so many holds and so many bytes in a period of log time, withdrawn ones included.
//! Without it one agent could fill every node by opening holds and taking them back.

use crate::{
    apply::{
        forget,
        step::{Step, Stop},
    },
    key_space::{self, Forgotten},
    limits::{HOLD_PERIOD_MS, Limit, MAX_EVIDENCE_BYTES_A_PERIOD, MAX_HELD_BYTES_A_PERIOD},
    records::{HeldOperation, HoldBudget},
    reply::StateRefusal,
};
use countersign_core::{agent::Identity, evidence::Evidence};

/// Counts one more hold of `agent`, or refuses it where there are more than `most` in the period.
pub(super) fn spend(
    step: &mut Step<'_>,
    (agent, most): (&Identity, u64),
    held: &HeldOperation,
) -> Result<(), Stop> {
    let digest = key_space::digest(agent);
    let mut budget = present(step, digest)?;
    budget.holds = budget.holds.saturating_add(1);
    budget.bytes = budget.bytes.saturating_add(size(held));
    if budget.holds > most {
        return Err(StateRefusal::OverLimit { limit: Limit::HoldsAPeriod }.into());
    }
    if budget.bytes > MAX_HELD_BYTES_A_PERIOD {
        return Err(StateRefusal::OverLimit { limit: Limit::HeldBytesAPeriod }.into());
    }
    step.put(key_space::hold_budget(&digest), &budget)
}

/// Counts what was found out about a hold of `agent`, or refuses it. It takes nothing from what the agent may have held.
pub(super) fn spend_evidence(
    step: &mut Step<'_>,
    agent: &Identity,
    evidence: &Evidence,
) -> Result<(), Stop> {
    let digest = key_space::digest(agent);
    let mut budget = present(step, digest)?;
    budget.evidence = budget.evidence.saturating_add(evidence.size() as u64);
    if budget.evidence > MAX_EVIDENCE_BYTES_A_PERIOD {
        return Err(StateRefusal::OverLimit { limit: Limit::Evidence }.into());
    }
    step.put(key_space::hold_budget(&digest), &budget)
}

/// The budget of the present period, which begins now where there is none.
fn present(step: &mut Step<'_>, digest: [u8; 32]) -> Result<HoldBudget, Stop> {
    let known = step.get::<HoldBudget>(&key_space::hold_budget(&digest))?;
    if let Some(known) = known.filter(|known| step.now < known.since.after_ms(HOLD_PERIOD_MS)) {
        return Ok(known);
    }
    forget::after(step, HOLD_PERIOD_MS, Forgotten::HoldBudget(digest));
    Ok(HoldBudget { since: step.now, holds: 0, bytes: 0, evidence: 0 })
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
