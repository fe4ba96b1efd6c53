//! What the gateway itself asks of the target, between an agent's operations: its fence and its look-ups. It uses the
//! unnamed statement and portal, which no agent reaches, and goes by the extended protocol, so that it may stand inside a
//! pipeline without ending its transaction. Nothing of an answer reaches the agent.

use super::Upstream;
use crate::{
    frame::{self, BackendKind, Bind, Body, FrameError},
    state::Bound,
};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::timeout;

/// How long the target may take to answer the gateway itself.
const OWN_DEADLINE: Duration = Duration::from_secs(30);

/// How long the target may take to end the transaction of a pipeline: deferred constraints are checked then.
pub(crate) const COMMIT_DEADLINE: Duration = Duration::from_mins(5);

/// A text that no PostgreSQL accepts, in whatever state the session is and whatever objects it has.
const NO_STATEMENT: &[u8] = b"refused by the gateway";

/// In front of a text that is to be explained and not executed.
const EXPLAIN: &[u8] = b"EXPLAIN (FORMAT JSON) ";

/// Rows the gateway takes of one of its own statements, at most.
const MAX_OWN_ROWS: usize = 10_000;

/// The longest row of an own statement, in bytes: the definition of a view is in it.
const MAX_OWN_ROW: usize = 1024 * 1024;

/// One row of an own statement: text values.
pub(crate) type OwnRow = Vec<Option<String>>;

/// Whether an own exchange ends what it begins, or stands inside something of the agent's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// Nothing is open: it ends with Sync.
    Alone,
    /// A transaction or pipeline is open and goes on.
    Within,
}

/// Why an own statement did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnError {
    /// The target refused it; the transaction status it is in now.
    #[error("the target refused a statement of the gateway's with {code}")]
    Refused { code: String, status: u8 },
    #[error("the target's connection failed")]
    Frame(#[from] FrameError),
}

impl Upstream {
    /// Runs statements of the gateway's own, all or none, and returns the rows of the last.
    pub(crate) async fn own(
        &mut self,
        statements: &[String],
        standing: Standing,
    ) -> Result<Vec<OwnRow>, OwnError> {
        self.queue_own(statements, standing);
        self.answer_of_own(statements.len(), standing).await
    }

    /// The same with the rows of each.
    pub(crate) async fn own_each(
        &mut self,
        statements: &[String],
        standing: Standing,
    ) -> Result<Vec<Vec<OwnRow>>, OwnError> {
        self.queue_own(statements, standing);
        self.answer_of_each(statements.len(), standing).await
    }

    /// Puts statements of the gateway's own behind what is queued already.
    pub(crate) fn queue_own(&mut self, statements: &[String], standing: Standing) {
        for statement in statements {
            self.queue_one(statement.as_bytes(), &[], &[]);
        }
        self.writer.queue(&match standing {
            Standing::Alone => frame::sync(),
            Standing::Within => frame::flush(),
        });
    }

    fn queue_one(&mut self, text: &[u8], type_oids: &[u32], parameters: &[Bound]) {
        self.writer.queue(&frame::parse("", text, type_oids));
        let bind = Bind {
            portal: "",
            statement: "",
            parameters: parameters.iter().map(|bound| (bound.format, bound.value.as_deref())),
            result_formats: &[],
        };
        self.writer.queue(&frame::bind(bind));
        self.writer.queue(&frame::execute("", 0));
    }

    /// Has the target say how it would execute a text with these values; returns the rows of its answer. It stands alone, in
    /// a transaction that is read-only. What may be explained is the caller's to know; that it is one statement, the
    /// extended protocol sees to, and the options leave no room for others in front of it.
    pub(crate) async fn explain(
        &mut self,
        text: &[u8],
        type_oids: &[u32],
        parameters: &[Bound],
    ) -> Result<Vec<OwnRow>, OwnError> {
        self.queue_one(b"SET transaction_read_only TO on", &[], &[]);
        self.queue_one(&[EXPLAIN, text].concat(), type_oids, parameters);
        self.writer.queue(&frame::sync());
        self.answer_of_own(2, Standing::Alone).await
    }

    /// Writes what is queued and takes the answer of so many statements; returns the rows of the last.
    pub(crate) async fn answer_of_own(
        &mut self,
        statements: usize,
        standing: Standing,
    ) -> Result<Vec<OwnRow>, OwnError> {
        let mut each = self.answer_of_each(statements, standing).await?;
        Ok(each.pop().unwrap_or_default())
    }

    async fn answer_of_each(
        &mut self,
        statements: usize,
        standing: Standing,
    ) -> Result<Vec<Vec<OwnRow>>, OwnError> {
        let answered = timeout(OWN_DEADLINE, self.own_rows(statements, standing)).await;
        answered.unwrap_or(Err(OwnError::Frame(FrameError::Late)))
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "any other message, a new one included, is an error"
    )]
    async fn own_rows(
        &mut self,
        statements: usize,
        standing: Standing,
    ) -> Result<Vec<Vec<OwnRow>>, OwnError> {
        self.writer.flush().await?;
        let (mut each, mut rows) = (Vec::new(), Vec::new());
        loop {
            let (kind, body) = self.next_own().await?;
            match kind {
                BackendKind::ParseComplete
                | BackendKind::BindComplete
                | BackendKind::NoticeResponse => {}
                BackendKind::DataRow if rows.len() < MAX_OWN_ROWS => rows.push(read_row(body)?),
                BackendKind::CommandComplete => each.push(std::mem::take(&mut rows)),
                BackendKind::ReadyForQuery if each.len() == statements => return Ok(each),
                BackendKind::ErrorResponse => return Err(self.own_refused(body, standing).await),
                other => return Err(unexpected(other).into()),
            }
            if each.len() == statements && standing == Standing::Within {
                return Ok(each);
            }
        }
    }

    /// Makes the transaction that is open fail, as an error of the agent's own would. Nothing that the agent could have
    /// made at the target is named in it: the text fails in the grammar. Returns the status after it.
    pub(crate) async fn fail_transaction(&mut self) -> Result<u8, FrameError> {
        self.writer.queue(&frame::parse("", NO_STATEMENT, &[]));
        self.resynchronise().await
    }

    /// Sends Sync and drops everything up to the `ReadyForQuery`; returns its status.
    pub(crate) async fn resynchronise(&mut self) -> Result<u8, FrameError> {
        self.writer.queue(&frame::sync());
        let synced = async {
            self.writer.flush().await?;
            self.drop_until_ready().await
        };
        timeout(OWN_DEADLINE, synced).await.unwrap_or(Err(FrameError::Late))
    }

    async fn own_refused(&mut self, body: Bytes, standing: Standing) -> OwnError {
        let code = super::login::error_code(body);
        let synced = match standing {
            Standing::Within => self.resynchronise().await,
            Standing::Alone => self.drop_until_ready().await,
        };
        match synced {
            Ok(status) => OwnError::Refused { code, status },
            Err(error) => error.into(),
        }
    }

    /// Drops everything up to the `ReadyForQuery` of a Sync that was sent; returns its status.
    pub(crate) async fn until_ready(&mut self) -> Result<u8, FrameError> {
        timeout(OWN_DEADLINE, self.drop_until_ready()).await.unwrap_or(Err(FrameError::Late))
    }

    async fn drop_until_ready(&mut self) -> Result<u8, FrameError> {
        loop {
            let (kind, body) = self.next_own().await?;
            if kind == BackendKind::ReadyForQuery {
                return read_ready(body);
            }
        }
    }

    /// The next message that answers the gateway. What the target says on its own account is put aside for the agent.
    async fn next_own(&mut self) -> Result<(BackendKind, Bytes), FrameError> {
        loop {
            let head = self.reader.head().await?;
            let kind = BackendKind::of(head)?;
            if matches!(kind, BackendKind::DataRow) && head.body > MAX_OWN_ROW {
                return Err(FrameError::Length { kind: head.kind });
            }
            let body = self.reader.whole(head).await?;
            if !matches!(kind, BackendKind::NotificationResponse | BackendKind::ParameterStatus) {
                return Ok((kind, body));
            }
            self.asides.keep(kind, body)?;
        }
    }
}

/// The status of a `ReadyForQuery`.
pub(crate) fn read_ready(body: Bytes) -> Result<u8, FrameError> {
    let mut body = Body::new("ReadyForQuery", body);
    let status = body.byte()?;
    body.end()?;
    match status {
        b'I' | b'T' | b'E' => Ok(status),
        _ => Err(FrameError::Malformed { what: "ReadyForQuery" }),
    }
}

fn read_row(body: Bytes) -> Result<OwnRow, FrameError> {
    let mut body = Body::new("DataRow", body);
    let count = body.short()?;
    let mut row = Vec::new();
    for _ in 0..count {
        let value = body.value()?;
        row.push(value.map(|value| String::from_utf8_lossy(&value).into_owned()));
    }
    body.end()?;
    Ok(row)
}

fn unexpected(kind: BackendKind) -> FrameError {
    tracing::debug!(?kind, "a message that has no place in an answer to the gateway");
    FrameError::Malformed { what: "answer" }
}

#[cfg(test)]
mod tests;
