//! Escalation: a hold that has waited for so long is told to those who may decide about it from now on. Whether somebody of
//! theirs may decide is not settled here: that goes by the log time of the decision, whether or not this was recorded.

use super::{book, changed};
use crate::{
    apply::{
        chain::{self, Facts},
        step::{Step, Stop},
    },
    key_space,
    records::{HoldPhase, HoldRecord},
};
use countersign_core::{id::HoldId, record::EventKind};

pub(in crate::apply) fn escalate(step: &mut Step<'_>, id: HoldId) -> Result<(), Stop> {
    let Some(record) = step.get::<HoldRecord>(&key_space::hold(id))? else { return Ok(()) };
    let record = book::elapse(step, record)?;
    // An approved one waits for nobody's decision.
    if HoldPhase::of(&record.hold.state) != HoldPhase::Pending {
        return Ok(());
    }
    let hold = &record.hold;
    let due = hold.terms.requirements.iter().filter_map(|needed| needed.escalation.as_ref());
    let groups: Vec<String> = due
        .filter(|other| step.now >= hold.opened_at.after_ms(other.after_ms))
        .map(|other| other.group.clone())
        .collect();
    let facts = Facts::default().hold(&record).listed("hold.escalated_to", &groups);
    chain::append(step, EventKind::Escalated, facts)?;
    changed(step, &record);
    Ok(())
}
