//! The passing of log time: what is due expires, the earliest first, so many at a time; then what nobody asks for any more
//! is forgotten.

use super::{
    archive, credential, forget, grant, hold,
    step::{Done, Step},
};
use crate::{
    key_space::{self, Expiring, Table},
    limits::MAX_EXPIRIES_A_TICK,
    records::HoldRecord,
    reply::Answer,
};

pub(super) fn tick(step: &mut Step<'_>) -> Done {
    for (key, _) in step.first(&key_space::table(Table::Expiry), MAX_EXPIRIES_A_TICK)? {
        let Some((at, what)) = key_space::read_expiry(&key) else { continue };
        if step.now < at {
            break;
        }
        step.delete(key);
        match what {
            Expiring::Hold(id) => {
                if let Some(record) = step.get::<HoldRecord>(&key_space::hold(id))? {
                    hold::elapse(step, record)?;
                }
            }
            Expiring::Grant(id) => grant::expire(step, id)?,
            Expiring::Escalation(id) => hold::escalate(step, id)?,
            Expiring::JoinToken(sha256) => step.delete(key_space::join_token(&sha256)),
            Expiring::Request(id) => step.delete(key_space::request(id)),
            Expiring::Credential(id) => credential::elapse(step, id)?,
        }
    }
    forget::due(step)?;
    archive::clear(step)?;
    Ok(Answer::Done)
}
