//! The fence behind the classifier: a read that policy allows runs in a read-only transaction at the target and, where the
//! target has one, under a role that may only read.
//!
//! Outside a block the session's default is read-only; it is taken off in front of what was approved and put on again,
//! confirmed by the target, before the next read. Inside a block (which BEGIN opened for writing) a read runs in a
//! subtransaction that is set read-only: PostgreSQL restores the mode at its end. In the transaction of a pipeline the mode
//! only goes one way, so that a write behind a read is refused before it is put to anyone.

use crate::classify::Fence;

/// What the target's session defaults are, as far as it has confirmed them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Posture {
    /// New transactions are read-only.
    Reading,
    /// New transactions may write.
    Writing,
    /// Something ran that may have changed them.
    Unknown,
}

/// What has to be undone behind an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Around {
    Nothing,
    Subtransaction,
}

/// The posture that an operation needs when nothing is open.
pub(crate) const fn posture_for(fence: Fence) -> Posture {
    match fence {
        Fence::ReadOnly => Posture::Reading,
        Fence::Writes | Fence::TransactionControl => Posture::Writing,
    }
}

/// The statements that bring the session's defaults to a posture.
pub(crate) fn take_posture(
    posture: Posture,
    search_path: &str,
    reader: Option<&str>,
) -> Vec<String> {
    let path = format!("SET search_path TO {search_path}");
    match posture {
        Posture::Reading => {
            let mut all = vec!["SET default_transaction_read_only TO on".to_owned(), path];
            all.extend(reader.map(|role| format!("SET ROLE {}", quoted(role))));
            all
        }
        Posture::Writing | Posture::Unknown => {
            let mut all = vec!["SET default_transaction_read_only TO off".to_owned()];
            all.extend(reader.map(|_| "SET ROLE NONE".to_owned()));
            all
        }
    }
}

/// The statements that fence one read inside a block.
pub(crate) fn enter_subtransaction(search_path: &str, reader: Option<&str>) -> Vec<String> {
    let mut all = vec![
        "SAVEPOINT cs_fence".to_owned(),
        format!("SET LOCAL search_path TO {search_path}"),
        "SET TRANSACTION READ ONLY".to_owned(),
    ];
    all.extend(reader.map(|role| format!("SET LOCAL ROLE {}", quoted(role))));
    all
}

/// The statements that end it.
pub(crate) fn leave_subtransaction(reader: Option<&str>) -> Vec<String> {
    let mut all = vec!["RELEASE SAVEPOINT cs_fence".to_owned()];
    all.extend(reader.map(|_| "SET LOCAL ROLE NONE".to_owned()));
    all
}

/// The statement that makes the rest of a pipeline's transaction read-only.
pub(crate) fn close_pipeline(reader: Option<&str>) -> Vec<String> {
    let mut all =
        vec!["SELECT pg_catalog.set_config('transaction_read_only', 'on', true)".to_owned()];
    all.extend(reader.map(|role| {
        format!("SELECT pg_catalog.set_config('role', '{}', true)", role.replace('\'', "''"))
    }));
    all
}

fn quoted(role: &str) -> String {
    format!("\"{}\"", role.replace('"', "\"\""))
}
