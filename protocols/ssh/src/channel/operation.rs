//! Makes the operation that the gate judges: the exact bytes, everything that gives them their meaning, and what they ask for.

use super::Program;
use crate::{classify, session::Session, state::TerminalWish};
use countersign_core::{
    id::OperationId,
    operation::{Classification, Operation, Transaction},
    refusal::Refusal,
};
use std::sync::Arc;

/// The operation that runs a program.
pub(super) fn of(
    session: &Session,
    program: &Program,
    terminal: Option<&TerminalWish>,
) -> Result<Operation, Refusal> {
    let Program::Exec(text) = program;
    if text.contains(&0) {
        // A shell is given its text as a C string: what is behind a NUL would be hashed and shown, and not run.
        return Err(Refusal::Protocol { message: "a command with a NUL in it".to_owned() });
    }
    let setting = |name: &str, value: String| (name.to_owned(), value);
    let settings = [
        setting("request", "exec".to_owned()),
        setting("login", session.role.user.clone()),
        setting("terminal", terminal.map(TerminalWish::setting).unwrap_or_default()),
    ];
    let found = classify::classify(text);
    let effect = found.effect();
    let mut context: Vec<_> =
        found.notes.iter().map(|note| ("note".to_owned(), note.clone())).collect();
    if let Some(TerminalWish { name, .. }) = terminal {
        context.push(("terminal".to_owned(), name.clone()));
    }
    let classification = Classification {
        id: OperationId::from_bytes(rand::random()),
        text: Arc::clone(text),
        parameters: Vec::new(),
        settings: settings.into(),
        summary: found.summary.as_str().into(),
        demands: found.demands.into(),
        columns: Arc::default(),
        commands: found.commands.into(),
        effect,
        transaction: Transaction::None,
        // What a program does depends on every word of its command, so nothing of it is left out.
        shape: None,
        context: context.into(),
    };
    #[expect(clippy::disallowed_methods, reason = "this is where classify ends")]
    let operation = Operation::classified(&session.opening, classification);
    Ok(operation)
}
