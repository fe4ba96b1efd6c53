//! Who has come in. Who was refused is recorded beside what was refused (`intent`).

use super::{
    chain::{self, Facts},
    request,
    step::{Done, Step, short},
};
use crate::{
    command::SignedIn,
    records::RequestRecord,
    reply::{Answer, StateRefusal},
};
use countersign_core::record::EventKind;

/// Records that a person's token was taken for the first time. The same request is recorded once.
pub(super) fn signed_in(step: &mut Step<'_>, command: SignedIn) -> Done {
    match request::known(step, command.id)? {
        None => {}
        Some(RequestRecord::SignedIn) => return Ok(Answer::Done),
        Some(
            RequestRecord::AccessRefused
            | RequestRecord::Applied(_)
            | RequestRecord::Cancelled
            | RequestRecord::ClosedUnopened
            | RequestRecord::Administered
            | RequestRecord::Checkpointed,
        ) => return Err(StateRefusal::IdUsed.into()),
    }
    short([&*command.author.name, &*command.provider, &*command.roles])?;
    let facts = Facts::default()
        .author(&command.author)
        .with("provider", &command.provider)
        .with("roles", &command.roles)
        .with("node.id", command.node)
        .shown("source.address", &command.source);
    chain::append(step, EventKind::SignedIn, facts)?;
    request::remember(step, command.id, RequestRecord::SignedIn)?;
    Ok(Answer::Done)
}
