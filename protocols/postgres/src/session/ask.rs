//! The gateway's own questions to the target's catalogue, where the agent's transaction stands. A question waits for locks
//! for a moment only, and leaves no setting and no lock behind: a block is gone back in to where it was.
//!
//! A block may be one that goes on seeing the catalogue as it was at its first query, while the server reads every text by
//! what the catalogue is now; and asking in it would be that first query. So a block that has changed nothing is not asked
//! in: the answers come over another connection. One that has is asked in, because what it has not committed counts, and
//! where it sees the past the other connection is asked as well. What the other connection cannot see for a lock, which may
//! be the agent's own, a block that sees the present is asked in after all.

use super::{End, Session, Stop, consult::Knowledge, consult::Temporary};
use crate::{
    error::{Complaint, SqlState},
    state::Block,
    upstream::{self, OwnError, OwnRow, Standing},
};
use countersign_core::refusal::Refusal;

/// How long a question waits for a lock on the agent's connection, where its statement would wait as well.
const HERE: &str = "5s";
/// The same on the other connection, which may wait for the agent's own transaction.
const ELSEWHERE: &str = "500ms";
/// How long it takes at most; less than the gateway waits for an answer.
const TIME_LIMIT: &str = "20s";

/// Which catalogue a transaction sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sight {
    Present,
    Past,
}

/// Answers to a question in a transaction.
#[derive(Debug)]
pub(super) struct Answers {
    /// What the transaction sees, where that can be another thing than what everybody sees.
    pub(super) within: Option<Vec<OwnRow>>,
    /// What everybody sees.
    pub(super) elsewhere: Option<Vec<OwnRow>>,
}

/// Why a question has no answer.
enum Unanswered {
    /// It waited for a lock, or took too long. The transaction is where it was, unless it was a pipeline's.
    InTime(Complaint),
    Stop(Stop),
}

impl From<Unanswered> for Stop {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::InTime(complaint) => Self::Refuse(complaint),
            Unanswered::Stop(stop) => stop,
        }
    }
}

impl From<Stop> for Unanswered {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<End> for Unanswered {
    fn from(end: End) -> Self {
        Self::Stop(end.into())
    }
}

impl Session {
    /// The rows of a statement that asks the catalogue, where no transaction is open.
    pub(super) async fn ask(&mut self, text: String) -> Result<Vec<OwnRow>, Stop> {
        Ok(self.ask_here(text).await?.0)
    }

    /// The same in a transaction.
    pub(super) async fn ask_in_transaction(&mut self, text: String) -> Result<Answers, Stop> {
        let changed = self.knowledge == Knowledge::Own || self.temporary == Temporary::Perhaps;
        let mut within = None;
        if changed || self.block != Block::Explicit {
            let (rows, sight) = self.ask_here(text.clone()).await?;
            within = Some(rows);
            if sight == Sight::Present {
                return Ok(Answers { within, elsewhere: None });
            }
        }
        match self.ask_elsewhere(text.clone()).await {
            Ok(rows) => Ok(Answers { within, elsewhere: Some(rows) }),
            Err(Unanswered::InTime(complaint)) if within.is_none() => {
                match self.ask_here(text).await? {
                    (rows, Sight::Present) => Ok(Answers { within: Some(rows), elsewhere: None }),
                    (_, Sight::Past) => Err(Stop::Refuse(complaint)),
                }
            }
            Err(unanswered) => Err(unanswered.into()),
        }
    }

    /// The rows over the agent's connection, and what it sees there.
    async fn ask_here(&mut self, text: String) -> Result<(Vec<OwnRow>, Sight), Unanswered> {
        self.known_posture().await?;
        let asked = match self.block {
            Block::Explicit => in_block(text),
            Block::Idle => vec![alone(HERE), SHOW_ISOLATION.to_owned(), text],
            Block::Implicit(_) | Block::Failed => {
                let path = upstream::search_path(&self.target.search_path);
                in_pipeline(text, &path)
            }
        };
        let standing = self.standing();
        let upstream = self.upstream()?;
        let answered = upstream.own_each(&asked, standing).await;
        self.hand_over_asides()?;
        match answered {
            Ok(rows) => seen(&asked, rows),
            Err(OwnError::Frame(error)) => Err(End::TargetLost(error).into()),
            Err(OwnError::Refused { code, status }) => {
                Err(self.refused_here(&code, status).await?)
            }
        }
    }

    /// The target has refused a question. A block goes back to where it stood.
    async fn refused_here(&mut self, code: &str, status: u8) -> Result<Unanswered, Stop> {
        tracing::warn!(%code, "the target refused a question about its catalogue");
        let unanswered = unanswered(code);
        if self.block == Block::Explicit {
            self.own(&back().map(str::to_owned)).await?;
        } else {
            self.rolled_back(status);
        }
        Ok(unanswered)
    }

    /// The rows over another connection, which is kept until the block ends.
    async fn ask_elsewhere(&mut self, text: String) -> Result<Vec<OwnRow>, Unanswered> {
        let mut scout = match self.scout.take() {
            Some(scout) => scout,
            None => Box::new(self.dialled().await.map_err(Stop::from)?),
        };
        match scout.own(&[alone(ELSEWHERE), text], Standing::Alone).await {
            Ok(rows) => {
                self.scout = Some(scout);
                Ok(rows)
            }
            Err(error) => {
                tracing::warn!(%error, "the catalogue could not be asked over another connection");
                match error {
                    OwnError::Refused { code, .. } => {
                        self.scout = Some(scout);
                        Err(unanswered(&code))
                    }
                    OwnError::Frame(_) => Err(unavailable().into()),
                }
            }
        }
    }

    /// Runs statements of the gateway's own where the transaction stands.
    pub(super) async fn own(&mut self, statements: &[String]) -> Result<Vec<OwnRow>, Stop> {
        let standing = self.standing();
        let upstream = self.upstream()?;
        let asked = upstream.own(statements, standing).await;
        self.hand_over_asides()?;
        match asked {
            Ok(rows) => Ok(rows),
            Err(OwnError::Frame(error)) => Err(End::TargetLost(error).into()),
            Err(OwnError::Refused { code, status }) => {
                tracing::warn!(%code, "the target refused a statement of the gateway's own");
                self.rolled_back(status);
                Err(unavailable())
            }
        }
    }

    fn standing(&self) -> Standing {
        if self.block == Block::Idle { Standing::Alone } else { Standing::Within }
    }
}

const SHOW_ISOLATION: &str = "SHOW transaction_isolation";

/// Leaves `pg_catalog` alone in the search path, and bounds what comes, until the transaction ends. Definitions of views
/// that are asked for then come with every other name qualified, so that they mean the same wherever they are read.
fn alone(lock_timeout: &str) -> String {
    format!(
        "SELECT pg_catalog.set_config('search_path', '', true), \
         pg_catalog.set_config('lock_timeout', '{lock_timeout}', true), \
         pg_catalog.set_config('statement_timeout', '{TIME_LIMIT}', true)"
    )
}

/// The same inside a block, in a subtransaction whose end takes back what was set and lets go what was locked. Nothing in
/// front of the question takes a snapshot.
fn in_block(text: String) -> Vec<String> {
    let front = [
        "SAVEPOINT cs_look".to_owned(),
        "SET LOCAL search_path TO ''".to_owned(),
        format!("SET LOCAL lock_timeout TO '{HERE}'"),
        format!("SET LOCAL statement_timeout TO '{TIME_LIMIT}'"),
        SHOW_ISOLATION.to_owned(),
        text,
    ];
    front.into_iter().chain(back().map(str::to_owned)).collect()
}

const fn back() -> [&'static str; 2] {
    ["ROLLBACK TO SAVEPOINT cs_look", "RELEASE SAVEPOINT cs_look"]
}

/// The same inside a pipeline, which has no subtransactions: what was set before is kept beside, and put back.
fn in_pipeline(text: String, path: &str) -> Vec<String> {
    let (bounds, path) = (["lock_timeout", "statement_timeout"], path.replace('\'', "''"));
    let kept = bounds.map(|name| {
        format!(
            "pg_catalog.set_config('countersign.{name}', pg_catalog.current_setting('{name}'), true)"
        )
    });
    let put_back = bounds.map(|name| {
        format!(
            "pg_catalog.set_config('{name}', pg_catalog.current_setting('countersign.{name}'), true)"
        )
    });
    vec![
        format!("SELECT {}", kept.join(", ")),
        alone(HERE),
        SHOW_ISOLATION.to_owned(),
        text,
        format!(
            "SELECT pg_catalog.set_config('search_path', '{path}', true), {}",
            put_back.join(", ")
        ),
    ]
}

/// The rows of the question, which stands behind that for the isolation level.
fn seen(asked: &[String], rows: Vec<Vec<OwnRow>>) -> Result<(Vec<OwnRow>, Sight), Unanswered> {
    let mut each = asked.iter().zip(rows).skip_while(|(text, _)| *text != SHOW_ISOLATION);
    let (Some((_, isolation)), Some((_, rows))) = (each.next(), each.next()) else {
        return Err(unavailable().into());
    };
    let level = isolation.first().and_then(|row| row.first()).and_then(Option::as_deref);
    let sight = if level == Some("read committed") { Sight::Present } else { Sight::Past };
    Ok((rows, sight))
}

/// What a refusal of the target's means to the agent, whose statement it was asked about.
fn unanswered(code: &str) -> Unanswered {
    let complaint = match code {
        "55P03" => {
            let locked = "what the statement names is locked, so that the gateway could not look it up at the target";
            Complaint::new(SqlState::LOCK_NOT_AVAILABLE, locked)
                .hint("Send it again once the lock is released.")
        }
        "57014" => {
            let late = "to look up what the statement names at the target took too long";
            Complaint::new(SqlState::QUERY_CANCELED, late).hint("Send it again.")
        }
        _ => return unavailable().into(),
    };
    Unanswered::InTime(complaint.detail("Nothing of it was executed."))
}

fn unavailable() -> Stop {
    Stop::Refuse((&Refusal::TargetUnavailable).into())
}
