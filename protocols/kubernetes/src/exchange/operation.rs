//! Makes the operation that the gate judges: the exact bytes, everything that gives them their meaning, and what they ask for.

use crate::{classify::Classified, session::Session};
use countersign_core::{
    id::OperationId,
    operation::{Classification, Operation, Transaction},
};

/// The operation of a request, whose text has everything that is forwarded.
pub(crate) fn of(session: &Session, classified: Classified, text: Vec<u8>) -> Operation {
    let Classified { info: _, demands, commands, effect, summary, facts } = classified;
    let has_body = facts.iter().any(|(name, _)| name == "body");
    // What a body says can decide what is done, so a grant covers only what has none, and all of it.
    let shape = if has_body { None } else { String::from_utf8(text.clone()).ok() };
    let classification = Classification {
        id: OperationId::from_bytes(rand::random()),
        text: text.into(),
        parameters: Vec::new(),
        settings: session.acts_as.settings.clone().into(),
        summary: summary.into(),
        demands: demands.into(),
        columns: std::sync::Arc::default(),
        commands: commands.into(),
        effect,
        transaction: Transaction::None,
        shape: shape.map(Into::into),
        context: facts.into(),
    };
    #[expect(clippy::disallowed_methods, reason = "this is where classify ends")]
    let operation = Operation::classified(&session.opening, classification);
    operation
}
