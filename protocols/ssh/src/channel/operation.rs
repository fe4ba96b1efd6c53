//! Makes the operations that the gate judges: the exact bytes, everything that gives them their meaning, and what they ask for.

use super::Program;
use crate::{
    classify::{self, Classified},
    session::Session,
    sftp::{Attributes, Named, Names, Verb},
    state::TerminalWish,
};
use bytes::Bytes;
use countersign_core::{
    id::OperationId,
    operation::{Action, Classification, Demand, Operation, Resource, Transaction},
    refusal::Refusal,
};
use std::{collections::BTreeSet, sync::Arc};

/// The operation that runs a program.
pub(super) fn of(
    session: &Session,
    program: &Program,
    terminal: Option<&TerminalWish>,
) -> Result<Operation, Refusal> {
    match program {
        Program::Exec(text) => exec(session, text, terminal),
        Program::Shell => Ok(shell(session, terminal)),
        Program::Sftp => Ok(sftp(session)),
    }
}

fn exec(
    session: &Session,
    text: &Arc<[u8]>,
    terminal: Option<&TerminalWish>,
) -> Result<Operation, Refusal> {
    if text.contains(&0) {
        // A shell is given its text as a C string: what is behind a NUL would be hashed and shown, and not run.
        return Err(Refusal::Protocol { message: "a command with a NUL in it".to_owned() });
    }
    let settings = [setting("request", "exec"), login(session), wished(terminal)];
    let found = classify::classify(text);
    Ok(made(
        session,
        Hashed { text: Arc::clone(text), settings: settings.into() },
        found,
        shown(terminal),
    ))
}

/// The operation that runs the login's shell.
fn shell(session: &Session, terminal: Option<&TerminalWish>) -> Operation {
    let settings = [setting("request", "shell"), login(session), wished(terminal)];
    let hashed = Hashed { text: Arc::from(*b"shell"), settings: settings.into() };
    made(session, hashed, alone(Action::SshShell, "shell"), shown(terminal))
}

/// The operation that opens SFTP.
fn sftp(session: &Session) -> Operation {
    let settings = [setting("request", "subsystem"), login(session)];
    made(
        session,
        Hashed { text: Arc::from(*b"sftp"), settings: settings.into() },
        alone(Action::SshSftp, "sftp"),
        None,
    )
}

/// The operation that uses files by their names, which lead to `places`. `asked` are the names as the agent gave them, where
/// they are others.
pub(super) fn files(
    session: &Session,
    named: &Named,
    places: &[&[u8]],
    asked: Option<String>,
) -> Operation {
    let found = classify::file(&named.verb, places);
    let settings = [setting("request", "sftp"), login(session)];
    let more = asked.map(|names| setting("asked", &names));
    made(session, Hashed { text: named.line().into(), settings: settings.into() }, found, more)
}

/// The operation that sets attributes of a file that is open, and was opened by this name.
pub(super) fn set_opened(session: &Session, attributes: &Attributes, place: &Bytes) -> Operation {
    let named = Named { verb: Verb::SetStat(attributes.clone()), names: Names::One(place.clone()) };
    let found = classify::file(&named.verb, &[place]);
    let settings = [setting("request", "sftp, of an open file"), login(session)];
    made(session, Hashed { text: named.line().into(), settings: settings.into() }, found, None)
}

/// What is no more than this action on the target.
fn alone(action: Action, summary: &str) -> Classified {
    Classified {
        demands: BTreeSet::from([Demand { action, resource: Resource::Target }]),
        commands: BTreeSet::new(),
        notes: BTreeSet::new(),
        summary: summary.to_owned(),
    }
}

fn wished(terminal: Option<&TerminalWish>) -> Setting {
    setting("terminal", &terminal.map(TerminalWish::setting).unwrap_or_default())
}

/// For the reviewer.
fn shown(terminal: Option<&TerminalWish>) -> Option<Setting> {
    terminal.map(|TerminalWish { name, .. }| setting("terminal", name))
}

fn setting(name: &str, value: &str) -> Setting {
    (name.to_owned(), value.to_owned())
}

fn login(session: &Session) -> Setting {
    setting("login", &session.role.user)
}

/// What is hashed, besides target and agent.
struct Hashed {
    text: Arc<[u8]>,
    settings: Arc<[Setting]>,
}

type Setting = (String, String);

fn made(
    session: &Session,
    Hashed { text, settings }: Hashed,
    found: Classified,
    more: Option<Setting>,
) -> Operation {
    let effect = found.effect();
    let notes = found.notes.iter().map(|note| setting("note", note));
    let classification = Classification {
        id: OperationId::from_bytes(rand::random()),
        text,
        parameters: Vec::new(),
        settings,
        summary: found.summary.as_str().into(),
        context: notes.chain(more).collect(),
        demands: found.demands.into(),
        columns: Arc::default(),
        commands: found.commands.into(),
        effect,
        transaction: Transaction::None,
        // What a program does depends on every word of its command, and what is done to a file on its name, so nothing of
        // them is left out.
        shape: None,
    };
    #[expect(clippy::disallowed_methods, reason = "this is where classify ends")]
    let operation = Operation::classified(&session.opening, classification);
    operation
}
