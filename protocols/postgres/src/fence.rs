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

use std::time::Duration;
use tokio::time::Instant;

/// What the target's session is set to, as far as it has confirmed that and nothing ran since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Posture {
    /// New transactions are read-only, and the role is the reader's, where there is one.
    Reading,
    /// The same for as long as it takes: somebody has approved it.
    ReadingAtLength,
    /// New transactions may write, and the role is that of the login.
    Writing,
    /// Something ran that may have changed any of it.
    Unknown,
}

/// What a posture is made with.
#[derive(Clone, Debug)]
pub(crate) struct Pinned<'a> {
    /// The search path, as SET takes it.
    pub(crate) search_path: String,
    /// The role for reads, where the target has one.
    pub(crate) reader: Option<&'a str>,
    /// How long a read may run, where the target says that. It ends what policy let pass unseen, not what was approved.
    pub(crate) read_limit: Option<Duration>,
}

/// How long a posture is believed that was made outside of transactions, while nothing runs but reads of which text and
/// catalogue say that PostgreSQL's own code is all they run ([`Runs::ServersCode`](crate::understood::Runs)). Behind
/// everything else it is made anew. The bound is for what a catalogue's answer cannot say: that it has changed since.
pub(crate) const BELIEVED: Duration = Duration::from_secs(1);

/// A posture that was made outside of transactions: no rollback takes it back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    at: Instant,
    since: Since,
}

/// What ran since a posture was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Since {
    Nothing,
    /// Reads that left it as it was, if all is as the catalogue said.
    Reads,
}

impl Made {
    pub(crate) fn now() -> Self {
        Self { at: Instant::now(), since: Since::Nothing }
    }

    /// A read is run under it.
    pub(crate) fn read(&mut self) {
        self.since = Since::Reads;
    }

    /// Whether it was made so lately that another read may be left to it.
    pub(crate) fn is_recent(&self) -> bool {
        self.at.elapsed() < BELIEVED
    }

    /// Whether an operation may begin under it.
    pub(crate) fn stands(&self) -> bool {
        self.since == Since::Nothing || self.is_recent()
    }
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
pub(crate) fn take_posture(posture: Posture, pinned: &Pinned<'_>) -> Vec<String> {
    let Pinned { search_path, reader, read_limit } = pinned;
    let (read_only, role) = match (posture, reader) {
        (Posture::Reading | Posture::ReadingAtLength, Some(reader)) => {
            ("on", format!("SET ROLE {}", quoted(reader)))
        }
        (Posture::Reading | Posture::ReadingAtLength, None) => ("on", login_role()),
        (Posture::Writing | Posture::Unknown, _) => ("off", login_role()),
    };
    let mut all = vec![
        format!("SET default_transaction_read_only TO {read_only}"),
        "SET standard_conforming_strings TO on".to_owned(),
        "SET client_encoding TO 'UTF8'".to_owned(),
        format!("SET search_path TO {search_path}"),
        "RESET SESSION AUTHORIZATION".to_owned(),
        role,
    ];
    all.extend(read_limit.map(|limit| match posture {
        Posture::Reading => format!("SET statement_timeout TO {}", limit.as_millis()),
        Posture::ReadingAtLength | Posture::Writing | Posture::Unknown => {
            "RESET statement_timeout".to_owned()
        }
    }));
    all
}

/// The same as one statement, for where nothing is open: it takes a snapshot, and begins and ends a transaction. A value of
/// NULL is a reset. The settings are made in this order.
pub(crate) fn take_posture_alone(posture: Posture, pinned: &Pinned<'_>) -> String {
    let Pinned { search_path, reader, read_limit } = pinned;
    let (read_only, role) = match (posture, reader) {
        (Posture::Reading | Posture::ReadingAtLength, Some(reader)) => ("on", literal(reader)),
        (Posture::Reading | Posture::ReadingAtLength, None) => ("on", "NULL".to_owned()),
        (Posture::Writing | Posture::Unknown, _) => ("off", "NULL".to_owned()),
    };
    let mut settings = vec![
        ("default_transaction_read_only", format!("'{read_only}'")),
        ("standard_conforming_strings", "'on'".to_owned()),
        ("client_encoding", "'UTF8'".to_owned()),
        ("search_path", literal(search_path)),
        ("session_authorization", "NULL".to_owned()),
        ("role", role),
    ];
    settings.extend(read_limit.map(|limit| match posture {
        Posture::Reading => ("statement_timeout", format!("'{}'", limit.as_millis())),
        Posture::ReadingAtLength | Posture::Writing | Posture::Unknown => {
            ("statement_timeout", "NULL".to_owned())
        }
    }));
    let made = settings
        .into_iter()
        .map(|(name, value)| format!("pg_catalog.set_config('{name}', {value}, false)"));
    format!("SELECT {}", made.collect::<Vec<_>>().join(", "))
}

/// A string constant, whatever `standard_conforming_strings` is.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The role that the login had.
fn login_role() -> String {
    "RESET ROLE".to_owned()
}

/// The statements that fence one read inside a block.
pub(crate) fn enter_subtransaction(reading: Posture, pinned: &Pinned<'_>) -> Vec<String> {
    let mut all = vec!["SAVEPOINT cs_fence".to_owned()];
    all.extend(take_posture(reading, pinned));
    all.push("SET TRANSACTION READ ONLY".to_owned());
    all
}

/// The statements that end it.
pub(crate) fn leave_subtransaction(pinned: &Pinned<'_>) -> Vec<String> {
    let mut all = vec!["RELEASE SAVEPOINT cs_fence".to_owned()];
    all.extend(take_posture(Posture::Writing, pinned));
    all
}

/// The statements that make the rest of a pipeline's transaction read-only.
pub(crate) fn close_pipeline(reading: Posture, pinned: &Pinned<'_>) -> Vec<String> {
    let mut all = take_posture(reading, pinned);
    all.push("SET transaction_read_only TO on".to_owned());
    all
}

fn quoted(role: &str) -> String {
    format!("\"{}\"", role.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_posture_is_one_statement_whatever_the_names_in_it() {
        let pinned = Pinned {
            search_path: r#""a'b\", pg_temp"#.to_owned(),
            reader: Some(r"it's\"),
            read_limit: Some(Duration::from_secs(3)),
        };
        let made = take_posture_alone(Posture::Reading, &pinned);
        let setting =
            |name: &str, value: &str| format!("pg_catalog.set_config('{name}', {value}, false)");
        let all = [
            setting("default_transaction_read_only", "'on'"),
            setting("standard_conforming_strings", "'on'"),
            setting("client_encoding", "'UTF8'"),
            setting("search_path", r#"E'"a''b\\", pg_temp'"#),
            setting("session_authorization", "NULL"),
            setting("role", r"E'it''s\\'"),
            setting("statement_timeout", "'3000'"),
        ];
        assert_eq!(made, format!("SELECT {}", all.join(", ")));
        let writing = take_posture_alone(Posture::Writing, &pinned);
        assert!(writing.contains("'default_transaction_read_only', 'off'"), "{writing}");
        let ends = "set_config('role', NULL, false), pg_catalog.set_config('statement_timeout', NULL, false)";
        assert!(writing.ends_with(ends), "{writing}");
        let at_length = take_posture_alone(Posture::ReadingAtLength, &pinned);
        assert!(at_length.contains("'default_transaction_read_only', 'on'"), "{at_length}");
        assert!(at_length.ends_with("set_config('statement_timeout', NULL, false)"), "{at_length}");
        let without = Pinned { read_limit: None, ..pinned };
        assert!(!take_posture_alone(Posture::Reading, &without).contains("timeout"));
        assert!(!take_posture(Posture::Writing, &without).concat().contains("timeout"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_posture_under_which_something_ran_is_believed_for_a_while_only() {
        let mut made = Made::now();
        tokio::time::advance(BELIEVED * 10).await;
        assert!(made.stands() && !made.is_recent(), "nothing ran");
        let mut lately = Made::now();
        lately.read();
        made.read();
        assert!(lately.stands() && lately.is_recent() && !made.stands());
        tokio::time::advance(BELIEVED).await;
        assert!(!lately.stands());
    }
}
