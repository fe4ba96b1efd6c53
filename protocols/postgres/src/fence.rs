//! The fence behind the classifier: a read that policy allows runs in a read-only transaction at the target and, where the
//! target has one, under a role that may only read.
//!
//! Outside a block the session's default is read-only; it is taken off in front of what was approved. Inside a block (which
//! BEGIN opened for writing) a read runs in a subtransaction that is set read-only: PostgreSQL restores the mode at its end.
//! In the transaction of a pipeline the mode only goes one way, so that a write behind a read is refused before it is put to
//! anyone. A transaction that has read cannot be made writable again, whatever a function in it tries.
//!
//! What the session is set to is not believed but made, in front of every operation behind one that could have changed it:
//! a read too, because the functions it calls are only declared, or overlooked, to be harmless. That holds for everything
//! that the reading of a text rests on: the search path, the role, how literals and bytes are read.

/// What the target's session is set to, as far as it has confirmed that and nothing ran since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Posture {
    /// New transactions are read-only, and the role is the reader's, where there is one.
    Reading,
    /// New transactions may write, and the role is that of the login.
    Writing,
    /// Something ran that may have changed any of it.
    Unknown,
}

/// What has to be undone behind an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Around {
    Nothing,
    /// It stands alone in its transaction: the posture is made again in the same flight behind it.
    Posture,
    Subtransaction,
}

/// The statements that bring the session to a posture, whatever ran in it before. They stand in a transaction as well as
/// outside, and take no snapshot: what the agent may say only in front of the first query, it may still say behind them.
pub(crate) fn take_posture(
    posture: Posture,
    search_path: &str,
    reader: Option<&str>,
) -> Vec<String> {
    let (read_only, role) = match (posture, reader) {
        (Posture::Reading, Some(reader)) => ("on", format!("SET ROLE {}", quoted(reader))),
        (Posture::Reading, None) => ("on", login_role()),
        (Posture::Writing | Posture::Unknown, _) => ("off", login_role()),
    };
    vec![
        format!("SET default_transaction_read_only TO {read_only}"),
        "SET standard_conforming_strings TO on".to_owned(),
        "SET client_encoding TO 'UTF8'".to_owned(),
        format!("SET search_path TO {search_path}"),
        "RESET SESSION AUTHORIZATION".to_owned(),
        role,
    ]
}

/// The role that the login had.
fn login_role() -> String {
    "RESET ROLE".to_owned()
}

/// The statements that fence one read inside a block.
pub(crate) fn enter_subtransaction(search_path: &str, reader: Option<&str>) -> Vec<String> {
    let mut all = vec!["SAVEPOINT cs_fence".to_owned()];
    all.extend(take_posture(Posture::Reading, search_path, reader));
    all.push("SET TRANSACTION READ ONLY".to_owned());
    all
}

/// The statements that end it.
pub(crate) fn leave_subtransaction(search_path: &str) -> Vec<String> {
    let mut all = vec!["RELEASE SAVEPOINT cs_fence".to_owned()];
    all.extend(take_posture(Posture::Writing, search_path, None));
    all
}

/// The statements that make the rest of a pipeline's transaction read-only.
pub(crate) fn close_pipeline(search_path: &str, reader: Option<&str>) -> Vec<String> {
    let mut all = take_posture(Posture::Reading, search_path, reader);
    all.push("SET transaction_read_only TO on".to_owned());
    all
}

fn quoted(role: &str) -> String {
    format!("\"{}\"", role.replace('"', "\"\""))
}
