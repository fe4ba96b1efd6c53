//! What a text has done to a server, seen from outside: rows and definitions written, locks, settings, sequences, files,
//! other sessions. It says what it saw in words and judges nothing.

use super::server::{Left, Server};
use crate::{
    frame,
    tests::agent::{Agent, Message, error, execute_with_nulls, rows, status},
};
use std::{collections::BTreeSet, time::Duration};

/// What stands in the file that no text may disclose.
pub(super) const CANARY: &str = "c4n4ry";

/// What the session itself can tell before its transaction ends.
const IN_SESSION: &str = "
    SELECT 'has a number' WHERE pg_current_xact_id_if_assigned() IS NOT NULL
    UNION SELECT CASE WHEN schemaname LIKE 'pg\\_temp%' THEN 'writes pg_temp.' || relname
        WHEN schemaname = 'pg_catalog' AND relname NOT LIKE 'pg\\_largeobject%' AND relname NOT LIKE 'pg\\_auth%'
          AND relname <> 'pg_db_role_setting' THEN 'defines'
        ELSE 'writes ' || schemaname || '.' || relname END
      FROM pg_stat_xact_all_tables
      WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND schemaname <> 'pg_toast'
    UNION SELECT 'reads ' || schemaname || '.' || relname FROM pg_stat_xact_all_tables
      WHERE coalesce(seq_scan, 0) + coalesce(idx_scan, 0) > 0
        AND schemaname IN ('public', 'secret', 'other')
    UNION SELECT 'locks ' || n.nspname || '.' || c.relname
      FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.mode <> 'AccessShareLock'
        AND n.nspname IN ('public', 'secret', 'other') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION SELECT 'locks ' || locktype FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'
    UNION SELECT 'sets ' || name FROM pg_settings WHERE source = 'session' AND name NOT LIKE 'transaction%'
    UNION SELECT 'sets my.secret' WHERE current_setting('my.secret', true) <> ''
    UNION SELECT 'sets role' WHERE current_setting('role') <> 'none'
    UNION SELECT 'sets session_authorization' WHERE session_user <> 'postgres'
    UNION SELECT 'prepares a statement' FROM pg_prepared_statements
    UNION SELECT 'opens a cursor' FROM pg_cursors WHERE name <> ''
    UNION SELECT 'listens' FROM pg_listening_channels()
    ORDER BY 1";

/// What others can tell. Nothing else writes here, so that a transaction number more means that the text wrote.
const FROM_OUTSIDE: &str = "
    SELECT pg_snapshot_xmax(pg_current_snapshot())::text,
      (SELECT last_value || is_called::text FROM public.seq),
      (SELECT count(*)::text FROM pg_replication_slots) || (SELECT count(*)::text FROM pg_prepared_xacts)
        || (SELECT count(*)::text FROM pg_replication_origin),
      pg_conf_load_time()::text,
      (SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'victim'),
      (SELECT md5(string_agg(r::text, '|' ORDER BY oid)) FROM pg_authid r)
        || (SELECT md5(string_agg(concat(datname, datdba, datconnlimit, datacl), '|' ORDER BY oid)) FROM pg_database)
        || (SELECT coalesce(md5(string_agg(s::text, '|')), '') FROM pg_db_role_setting s)";

/// What each column of it means where it has changed.
const OUTSIDE: [&str; 6] = [
    NUMBERED,
    "moves a sequence",
    "makes a slot or the like",
    RELOADED,
    ENDED,
    "changes roles or databases",
];

const NUMBERED: &str = "writes";
const RELOADED: &str = "reloads the configuration";
/// How often it is looked for, and what lies between two looks.
const LOOKS_FOR_RELOAD: u32 = 40;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// Its transaction has a number of its own: it wrote.
const WROTE: &str = "has a number";
/// A session that was there is not there any more.
pub(super) const ENDED: &str = "ends another session";

/// How a text was run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    Simple,
    /// With so many parameters, all of them null.
    Extended(u16),
}

/// What came of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    /// Its SQLSTATE; empty where it went well.
    pub(super) code: String,
    /// The words of completed commands.
    pub(super) tags: Vec<String>,
    /// What it did beside answering.
    pub(super) effects: BTreeSet<String>,
    /// The relations it read.
    pub(super) reads: BTreeSet<String>,
}

impl Seen {
    /// In one line, as the corpus has it.
    pub(super) fn line(&self) -> String {
        let effects = self.effects.iter().cloned().collect::<Vec<_>>().join(", ");
        match (self.code.as_str(), effects.as_str()) {
            ("", "") => "nothing".to_owned(),
            ("", effects) => effects.to_owned(),
            (code, "") => format!("fails {code}"),
            (code, effects) => format!("fails {code}, {effects}"),
        }
    }
}

/// The state of a server, as far as it can be seen from outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct State {
    columns: Vec<String>,
    files: BTreeSet<(String, u64)>,
}

impl State {
    pub(super) async fn of(server: &mut Server) -> (Self, Vec<Message>) {
        let answer = server.control.query(FROM_OUTSIDE).await;
        let columns = rows(&answer).remove(0);
        (Self { columns, files: server.files() }, answer)
    }

    /// In words, what differs.
    pub(super) fn changed(&self, before: &Self) -> BTreeSet<String> {
        let pairs = self.columns.iter().zip(&before.columns).zip(OUTSIDE);
        let mut all: BTreeSet<String> =
            pairs.filter(|((now, then), _)| now != then).map(|(_, word)| word.to_owned()).collect();
        if self.files != before.files {
            all.insert("touches a file".to_owned());
        }
        all
    }
}

/// Runs a text in a transaction that is given up if it wrote, or alone where it must stand alone, and says what it did.
pub(super) async fn watch(
    server: &mut Server,
    text: &str,
    protocol: Protocol,
    begin: &str,
) -> Seen {
    let (before, _) = State::of(server).await;
    let mut session = server.connect("session").await;
    session.query(begin).await;
    let mut answer = run(&mut session, text, protocol).await;
    let mut code = error(&answer);
    let mut inside = BTreeSet::new();
    if status(&answer) == 'T' {
        inside = in_session(&mut session).await;
    }
    let wrote = inside.remove(WROTE);
    if code == "25001" {
        session.query("ROLLBACK").await;
        answer = run(&mut session, text, protocol).await;
        code = error(&answer);
    }
    // What it did before it failed is taken back.
    let undone = status(&answer) == 'E';
    let end = if wrote || status(&answer) == 'E' { "ROLLBACK" } else { "COMMIT" };
    session.query(end).await;
    if end == "COMMIT" {
        // What counts from there on, such as LISTEN.
        inside.extend(in_session(&mut session).await);
    }
    let (reads, mut effects): (BTreeSet<String>, BTreeSet<String>) =
        inside.into_iter().partition(|effect| effect.starts_with("reads "));
    let (after, heard) = state_behind(server, text, &before).await;
    let mut outside = after.changed(&before);
    let numbered = outside.remove(NUMBERED);
    if heard.iter().any(|message| message.kind == 'A') {
        effects.insert("notifies".to_owned());
    }
    if answer.iter().any(discloses) {
        effects.insert("discloses a file".to_owned());
    }
    let committed = numbered && !wrote && !undone && !effects.contains("notifies");
    drop(session);
    if committed || !outside.is_empty() {
        let left = if committed { Left::Committed } else { Left::Outside };
        server.restore(&outside, left).await;
    }
    effects.extend(outside);
    if numbered && !undone && effects.is_empty() {
        effects.insert(NUMBERED.to_owned());
    }
    Seen { code, tags: tags(&answer), effects, reads }
}

/// The state behind a text. A process of the server hears of a reloaded configuration when it comes to it.
async fn state_behind(server: &mut Server, text: &str, before: &State) -> (State, Vec<Message>) {
    let (mut after, mut heard) = State::of(server).await;
    for _ in 0..LOOKS_FOR_RELOAD {
        if !text.contains("pg_reload_conf") || after.changed(before).contains(RELOADED) {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let (now, more) = State::of(server).await;
        after = now;
        heard.extend(more);
    }
    (after, heard)
}

async fn in_session(session: &mut Agent) -> BTreeSet<String> {
    let answer = session.query(IN_SESSION).await;
    if !error(&answer).is_empty() {
        // It has taken away what the question needs, the session's own role for one.
        return [WROTE.to_owned()].into();
    }
    rows(&answer).into_iter().map(|mut row| row.remove(0)).collect()
}

async fn run(session: &mut Agent, text: &str, protocol: Protocol) -> Vec<Message> {
    let done = frame::empty(b'c');
    match protocol {
        Protocol::Simple => {
            session.send(&frame::query(text.as_bytes())).await;
            session.answer_without_rows(&done).await
        }
        Protocol::Extended(parameters) => {
            // During a COPY the server passes over a Sync.
            let (executed, sync) = (execute_with_nulls(text, parameters), frame::sync());
            session.send(&[executed.as_slice(), &sync].concat()).await;
            session.answer_without_rows(&[done, sync].concat()).await
        }
    }
}

pub(super) fn discloses(message: &Message) -> bool {
    let canary = CANARY.as_bytes();
    message.body.windows(canary.len()).any(|part| part == canary)
}

fn tags(answer: &[Message]) -> Vec<String> {
    let complete = answer.iter().filter(|message| message.kind == 'C');
    complete
        .map(|tag| String::from_utf8_lossy(&tag.body).trim_end_matches('\0').to_owned())
        .collect()
}
