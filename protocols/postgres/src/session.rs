//! One session: a loop that takes the agent's messages strictly in order, one at a time, and lets nothing pass that stands
//! behind a held one. It owns both connections; what a message leads to is in the modules below.
//!
//! It keeps no policy and no record; those are the gate's.

mod accounts;
mod ask;
mod consult;
mod conversation;
mod copy_in;
mod deallocate;
mod describe;
mod end;
mod evidence;
mod extended;
mod fenced;
mod greeting;
mod held;
mod judge;
mod meaning;
mod operate;
mod reach;
mod recorded;
mod relay;
mod rows;
mod simple;
mod target_side;
mod text_reader;

pub(crate) use consult::{Asks, consult};
pub(crate) use text_reader::TextReader;

use consult::{AnswersAre, Knowledge, Temporary};
use judge::KeptSettings;
use meaning::Meanings;

use crate::{
    catalogue::{Catalogues, Place},
    credential::{Admitted, Reader, Writer},
    error::{Complaint, SqlState, ends_session},
    evidence::AskingPlaces,
    fence::{Made, Posture},
    frame::{FrameError, StatementOrPortal},
    line::Line,
    mask::Masker,
    record::{Account, Shape},
    startup::StartupParameters,
    state::{Block, Changes, Flow, Names, Work},
    target::PostgresTarget,
    upstream::Upstream,
};
use accounts::Accounts;
use countersign_core::{
    gate::{Gate, Signal},
    id::HoldId,
    mask::MaskError,
    recording::{Recorder, Room},
    refusal::{AgentFacing, Refusal},
    session::Session as Opened,
};
use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// What every session of a listener shares.
pub(crate) struct Surroundings {
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) reader: TextReader,
    pub(crate) catalogues: Catalogues,
    pub(crate) evidence: AskingPlaces,
    pub(crate) shutdown: CancellationToken,
}

/// What a session has been told from outside so far.
#[derive(Clone, Debug, Default)]
struct Heard {
    cancels: u64,
}

/// One session.
struct Session {
    around: Arc<Surroundings>,
    opened: Opened,
    target: Arc<PostgresTarget>,
    role: String,
    database: String,
    startup: StartupParameters,
    place: Place,
    line: Line,
    reader: Reader,
    writer: Writer,
    masker: Masker,
    heard: watch::Receiver<Heard>,
    link: Link,
    block: Block,
    work: Work,
    /// When the transaction was opened that is open.
    open_since: Option<Instant>,
    /// How long its operations have waited for people without being admitted.
    waited_in_vain: Duration,
    flow: Flow,
    posture: Posture,
    /// When the posture was made, if a rollback does not take it back.
    made: Option<Made>,
    /// Whether the posture is being made behind the operation that was sent.
    remaking: Remaking,
    sync: SyncSent,
    knowledge: Knowledge,
    temporary: Temporary,
    answers_are: AnswersAre,
    meanings: Meanings,
    /// Another connection to the target, which asks its catalogue what a block must not be asked for.
    scout: Option<Box<Upstream>>,
    names: Names,
    /// A Describe that is answered together with the Execute behind it, if one follows.
    pending: Option<StatementOrPortal>,
    /// What operations have set: what comes later means what they made of it.
    changes: Changes,
    /// The settings of the last operation.
    kept_settings: Option<KeptSettings>,
    /// What the agent has been told of the target's settings.
    told: Vec<(String, String)>,
    recorder: Arc<dyn Recorder>,
    /// How what comes is recorded, where rows are.
    shape: Shape,
    /// Whether the session may go on before its recording has caught up.
    room: Room,
    /// The operation that the target is working on.
    in_flight: Option<Account>,
    accounts: Accounts,
}

/// The connection to the target.
enum Link {
    NotDialled,
    Up(Box<Upstream>),
}

/// Whether the target was sent a statement that makes the posture anew, whose answer is still to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Remaking {
    No,
    Sent,
}

/// Whether the target was sent the Sync of a pipeline ahead of the agent's own, which then only waits for the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SyncSent {
    No,
    Ahead,
}

/// Why a message was not carried out.
#[derive(Debug)]
enum Stop {
    /// The agent hears an error and the session goes on.
    Refuse(Complaint),
    /// The target said an error, which the agent has heard; the session goes on.
    Failed,
    /// The session ends.
    End(End),
}

/// Why a session ends.
#[derive(Debug)]
enum End {
    /// The agent said Terminate.
    Terminated,
    /// The agent's connection is gone.
    AgentGone(FrameError),
    /// The agent broke the protocol.
    Violation(Complaint),
    /// The gateway refuses to go on.
    Refused(Refusal),
    /// The target is gone, or sent what it must not.
    TargetLost(FrameError),
    /// The target has ended the session, and the agent has heard why.
    HungUp,
    /// The target went away while an operation was held.
    LostWhileHeld { hold: HoldId, left: Left, state: SqlState },
}

/// What is left of a hold whose target went away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Left {
    /// All of it: the same operation takes it up.
    Open,
    /// Nothing: the transaction that it was about is gone.
    Void,
}

impl From<End> for Stop {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        if ends_session(&refusal) {
            Self::End(End::Refused(refusal))
        } else {
            Self::Refuse(Complaint::from(&refusal))
        }
    }
}

impl From<MaskError> for End {
    fn from(error: MaskError) -> Self {
        tracing::warn!(error = &error as &dyn std::error::Error, "an answer could not be masked");
        Self::Refused(error.refusal())
    }
}

impl End {
    /// An error on the agent's side: what is malformed is answered, what is broken off is not.
    fn agent(error: FrameError) -> Self {
        match error {
            FrameError::Closed | FrameError::Io(_) | FrameError::Late => Self::AgentGone(error),
            FrameError::UnknownType { .. }
            | FrameError::Length { .. }
            | FrameError::TooLong { .. }
            | FrameError::Malformed { .. } => {
                Self::Violation(Complaint::protocol(error.to_string()))
            }
        }
    }
}

/// A session that panics ends, and it alone; what it had under way is settled like that of any other.
async fn guarded(conversation: impl Future<Output = End>) -> End {
    let mut conversation = pin!(conversation);
    poll_fn(|context| {
        // What the panic leaves half done is not used any further than for saying good-bye.
        let polled = AssertUnwindSafe(|| conversation.as_mut().poll(context));
        catch_unwind(polled).unwrap_or_else(|_| {
            tracing::error!("a session has panicked");
            Poll::Ready(End::Refused(Refusal::Internal))
        })
    })
    .await
}

/// Runs an admitted session to its end. Without `room` it only says that the node is full.
pub(crate) async fn run(
    admitted: Admitted,
    line: Line,
    (around, room): (Arc<Surroundings>, Option<OwnedSemaphorePermit>),
) {
    let Admitted { reader, writer, opened, target, role, database, startup } = admitted;
    let mut signals = opened.signals;
    let (tell, heard) = watch::channel(Heard::default());
    let place = Place {
        target: target.name.to_string(),
        revision: opened.session.target().revision.0,
        database: database.clone(),
    };
    let mut session = Session {
        around,
        opened: opened.session,
        role,
        database,
        startup,
        place,
        line,
        reader,
        writer,
        masker: Masker::default(),
        heard,
        link: Link::NotDialled,
        block: Block::Idle,
        work: Work::None,
        open_since: None,
        waited_in_vain: Duration::ZERO,
        flow: Flow::Ready,
        posture: Posture::Unknown,
        made: None,
        remaking: Remaking::No,
        sync: SyncSent::No,
        knowledge: Knowledge::Shared,
        temporary: Temporary::None,
        answers_are: AnswersAre::Fresh,
        meanings: Meanings::default(),
        scout: None,
        names: Names::new(rand::random()),
        pending: None,
        changes: Changes::default(),
        kept_settings: None,
        told: Vec::new(),
        recorder: opened.recorder,
        shape: Shape::default(),
        room: Room::Left,
        in_flight: None,
        accounts: Accounts::default(),
        target,
    };
    let shutdown = session.around.shutdown.clone();
    let end = if room.is_none() {
        End::Refused(Refusal::Overloaded { limit: "max_sessions" })
    } else {
        let listen = async {
            loop {
                match signals.next().await {
                    Signal::Cancel => tell.send_modify(|heard| heard.cancels += 1),
                    Signal::End(refusal) => break refusal,
                }
            }
        };
        tokio::select! {
            biased;
            refusal = listen => End::Refused(refusal),
            () = shutdown.cancelled() => End::Refused(Refusal::ShuttingDown),
            end = guarded(session.converse(opened.cancel)) => end,
        }
    };
    session.finish(end).await;
}
