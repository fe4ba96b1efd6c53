//! The store as the node sees it: typed proposals, typed reads, the effects, and the two places where proofs of a
//! commit are minted. What a command does is decided in `apply`; how it reaches the log is the engine's.

mod engine;
mod error;
mod log;
mod view;

pub use crate::{
    notes::{NotSynced, Noting},
    standing::Standing,
};
pub use error::{LogError, ProposeError, ReadError};
pub use log::{BoxFuture, Effects, Log, Look, Status};
pub(crate) use view::audit_event;
pub use view::{
    AuditFilter, AuditPage, GrantPage, HoldFilter, HoldPage, HoldsIn, SegmentPlace, SessionFilter,
    SessionPage, StateView,
};

use crate::{
    COMMAND_BYTES, EngineConfig, StartError, cluster_version,
    command::{
        AccessRefused, Administered, ApplyResources, ArchiveRead, AttachEvidence, Attempt, Cancel,
        ClaimHold, CloseSession, Command, CreateJoinToken, Decide, EndSession, Initialise, Intent,
        IntroduceAuditKey, IssueCredential, NodeUp, OpenHold, OpenKeys, OpenSession, ParkHold,
        PlaceSegment, RecordCheckpoint, RecordSegment, Recover, Refused, RemoveNode, Reopen,
        Revoke, RewrapKey, RotateSshKey, UseJoinToken, WithdrawHold,
    },
    effect::Happened,
    engine::Engine,
    format,
    limits::Limit,
    notes::Notes,
    records::{ArchiveFile, HoldRecord},
    reply::{Answer, CredentialLife, Reply, SessionOpened, StateRefusal},
    standing::{Standings, Watched},
};
use countersign_core::{
    gate::Settlement,
    hold::Approved,
    id::{Incarnation, LogIndex, NodeId, Revision},
    permit::Receipt,
    reviewer::folded,
};
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tokio::net::TcpListener;

/// The folder of the notes, in that of the node.
const NOTES: &str = "notes";

/// A handle on the replicated state. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    log: Arc<dyn Log>,
    /// Where there are none, every intent waits for the log.
    notes: Option<Notes>,
    /// Where it is not kept, the state itself is asked every time.
    standings: Option<Arc<Standings>>,
}

/// An answer, and the log entry that gave it. A view at or after that index shows what it did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Committed<T> {
    /// The answer.
    pub value: T,
    /// The log entry.
    pub index: LogIndex,
}

/// The answer to an operation that must wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HoldOpened {
    /// A new hold.
    New(Box<HoldRecord>),
    /// The agent's open hold of the same fingerprint; the session waits for it now. It may be approved already.
    Attached(Box<HoldRecord>),
}

/// A consumed approval and the receipt of the intent that was recorded with it.
#[derive(Debug)]
#[must_use = "an approval that was consumed and is dropped is lost"]
pub struct Claimed {
    /// Clears the operation.
    pub approved: Approved,
    /// The intent's place in the log.
    pub receipt: Receipt,
}

impl Store {
    /// Starts an engine with the state machine of Countersign. The engine is for what is not proposed: membership,
    /// leases, certificates, stopping.
    pub async fn start(
        config: EngineConfig,
        listener: TcpListener,
    ) -> Result<(Self, Arc<Engine>), StartError> {
        let (folder, node) = (config.folder.join(NOTES), NodeId(config.node));
        let standings = Arc::<Standings>::default();
        let machine = Arc::new(Watched(Arc::clone(&standings)));
        let engine = Arc::new(Engine::start(config, machine, listener).await?);
        let store =
            Self { standings: Some(standings), ..Self::over(Arc::<Engine>::clone(&engine)) };
        match store.with_notes(folder, node).await {
            Ok(store) => Ok((store, engine)),
            Err(error) => {
                engine.shutdown().await;
                Err(error.into())
            }
        }
    }

    /// A store over this log, without notes.
    pub fn over(log: Arc<dyn Log>) -> Self {
        Self { log, notes: None, standings: None }
    }

    /// The same store with the notes in `folder`. What is there already is carried into the log before anything is noted.
    pub async fn with_notes(self, folder: PathBuf, node: NodeId) -> io::Result<Self> {
        let log = Arc::downgrade(&self.log);
        let opened = tokio::task::spawn_blocking(move || Notes::open(&folder, node, log));
        let notes = opened.await.map_err(io::Error::other)??;
        Ok(Self { notes: Some(notes), ..self })
    }

    /// Proposes a command and waits for its answer. The typed methods below are for callers; this is for what has none.
    pub async fn propose(&self, command: &Command) -> Result<Committed<Reply>, ProposeError> {
        self.can_be_read_everywhere(cluster_version::needed_by(command))?;
        let command = format::encode_command(command)?;
        if command.len() > COMMAND_BYTES {
            return Err(StateRefusal::OverLimit { limit: Limit::HeldText }.into());
        }
        let (index, bytes) = self.log.propose(command).await?;
        Ok(Committed { value: format::decode_reply(&bytes)?, index: LogIndex(index) })
    }

    /// Refuses what some node of the cluster cannot read yet (see [`cluster_version`]).
    fn can_be_read_everywhere(&self, needed: u32) -> Result<(), ProposeError> {
        if needed <= cluster_version::FIRST {
            return Ok(());
        }
        let cluster = self.view().and_then(|view| view.cluster());
        // A node that cannot read its own state proposes nothing that depends on it.
        let in_force = cluster.map_err(|_unreadable| LogError::Stopped)?.map(|known| known.version);
        if in_force.is_some_and(|in_force| needed <= in_force) {
            Ok(())
        } else {
            Err(StateRefusal::OldCluster { needed }.into())
        }
    }

    /// Typed reads of what this node has applied; each call on it sees one consistent picture. Reads the disk: not for long
    /// walks on an async task.
    pub fn view(&self) -> Result<StateView, ReadError> {
        Ok(StateView::new(Arc::clone(&self.log)))
    }

    /// Asks the leader, and through it a quorum, how far the log is, and waits until this node has applied that. A view
    /// taken afterwards is linearizable.
    pub async fn read_index(&self) -> Result<LogIndex, LogError> {
        self.log.read_index().await.map(LogIndex)
    }

    /// Waits until this node has applied `index`.
    pub async fn applied(&self, index: LogIndex) -> Result<(), LogError> {
        self.log.applied(index.0).await
    }

    /// Whether the serving lease is valid at this moment.
    pub fn has_lease(&self) -> bool {
        self.lease_lapsed().is_none()
    }

    /// For how long it has been lapsed; none while it is valid.
    pub fn lease_lapsed(&self) -> Option<Duration> {
        self.log.lease_lapsed()
    }

    /// Whether the lease was confirmed so lately that a read may be answered before the log has its intent.
    pub fn has_fresh_lease(&self) -> bool {
        self.log.lease_is_fresh()
    }

    /// What this node has applied of that which a session's standing hangs on; `None` where it is not kept in memory. It is
    /// asked before the state is read, so that what is read is at least as new.
    pub fn standing(&self) -> Option<Standing> {
        self.standings.as_ref().map(|kept| kept.now())
    }

    /// What happens from now on, in log order. A receiver that falls behind is told so and must read the state anew.
    pub fn effects(&self) -> Effects {
        self.log.effects()
    }

    /// Reads an effect that came from [`Store::effects`].
    pub fn effect(&self, index: u64, bytes: &[u8]) -> Result<Happened, ReadError> {
        Ok(Happened { index: LogIndex(index), effect: format::decode_effect(bytes)? })
    }

    /// What this node knows of the cluster.
    pub fn status(&self) -> Status {
        self.log.status()
    }
}

/// The typed proposals.
impl Store {
    /// Makes the cluster.
    pub async fn initialise(&self, command: Initialise) -> Result<Committed<()>, ProposeError> {
        self.done(Command::Initialise(Box::new(command))).await
    }

    /// Begins a new epoch on this node. Repeating it is no error.
    pub async fn recover(&self, command: Recover) -> Result<Committed<()>, ProposeError> {
        self.done(Command::Recover(Box::new(command))).await
    }

    /// Lets a recovered cluster take agents again.
    pub async fn reopen(&self, command: Reopen) -> Result<Committed<()>, ProposeError> {
        self.done(Command::Reopen(command)).await
    }

    /// Announces a start of this node and settles what its earlier ones left.
    pub async fn node_up(&self, command: NodeUp) -> Result<Committed<Incarnation>, ProposeError> {
        self.ask(Command::NodeUp(Box::new(command)), |answer| {
            if let Answer::NodeUp(incarnation) = answer { Some(incarnation) } else { None }
        })
        .await
    }

    /// Opens a session. The name of the agent's owner is kept as names are compared.
    pub async fn open_session(
        &self,
        mut command: OpenSession,
    ) -> Result<Committed<SessionOpened>, ProposeError> {
        command.agent.owner = command.agent.owner.as_deref().map(folded);
        self.ask(Command::OpenSession(Box::new(command)), |answer| {
            if let Answer::SessionOpened(opened) = answer { Some(opened) } else { None }
        })
        .await
    }

    /// Closes a session. Closing what is closed is no error.
    pub async fn close_session(
        &self,
        command: CloseSession,
    ) -> Result<Committed<()>, ProposeError> {
        self.done(Command::CloseSession(command)).await
    }

    /// Ends a session, wherever it is.
    pub async fn end_session(&self, command: EndSession) -> Result<Committed<()>, ProposeError> {
        self.done(Command::EndSession(command)).await
    }

    /// Has cancelled what the session of this key does. A wrong key does nothing, and is not told apart.
    pub async fn cancel(&self, command: Cancel) -> Result<Committed<()>, ProposeError> {
        self.done(Command::Cancel(command)).await
    }

    /// Opens a hold, or attaches to the agent's open one of the same fingerprint.
    pub async fn open_hold(
        &self,
        command: OpenHold,
    ) -> Result<Committed<HoldOpened>, ProposeError> {
        self.ask(Command::OpenHold(Box::new(command)), |answer| {
            if let Answer::Held(hold) = answer {
                Some(HoldOpened::New(hold))
            } else if let Answer::Attached(hold) = answer {
                Some(HoldOpened::Attached(hold))
            } else {
                None
            }
        })
        .await
    }

    /// Decides about a hold. The reviewer is also known by every name as names are compared.
    pub async fn decide(
        &self,
        mut command: Decide,
    ) -> Result<Committed<Box<HoldRecord>>, ProposeError> {
        command.reviewer = command.reviewer.folded();
        self.hold(Command::Decide(Box::new(command))).await
    }

    /// Takes a hold back.
    pub async fn withdraw_hold(
        &self,
        command: WithdrawHold,
    ) -> Result<Committed<Box<HoldRecord>>, ProposeError> {
        self.hold(Command::WithdrawHold(command)).await
    }

    /// Says that a session no longer waits for a hold.
    pub async fn park_hold(
        &self,
        command: ParkHold,
    ) -> Result<Committed<Box<HoldRecord>>, ProposeError> {
        self.hold(Command::ParkHold(command)).await
    }

    /// Attaches what was found out about a held operation.
    pub async fn attach_evidence(
        &self,
        command: AttachEvidence,
    ) -> Result<Committed<()>, ProposeError> {
        self.done(Command::AttachEvidence(Box::new(command))).await
    }

    /// Records that a segment of a recording is kept, and where. A retry of what is recorded is no error.
    pub async fn record_segment(
        &self,
        command: RecordSegment,
    ) -> Result<Committed<()>, ProposeError> {
        self.done(Command::RecordSegment(Box::new(command))).await
    }

    /// Records that another node has a segment.
    pub async fn place_segment(
        &self,
        command: PlaceSegment,
    ) -> Result<Committed<()>, ProposeError> {
        self.done(Command::PlaceSegment(command)).await
    }

    /// Consumes an approval for one operation and records its intent, in one entry. At most one call can succeed for an
    /// operation: a call whose answer was lost is not repeated but given up, and the operation is not forwarded.
    pub async fn claim(&self, command: ClaimHold) -> Result<Claimed, ProposeError> {
        let operation = command.operation;
        let answer = self
            .ask(Command::ClaimHold(command, draw_attempt()), |answer| {
                if let Answer::Claimed { consumption, index } = answer {
                    Some((consumption, index))
                } else {
                    None
                }
            })
            .await?;
        let (consumption, index) = answer.value;
        #[expect(clippy::disallowed_methods, reason = "the claim is committed")]
        let claimed = Claimed {
            approved: Approved::after_claim(consumption),
            receipt: Receipt::after_commit(operation, index),
        };
        Ok(claimed)
    }

    /// Records the intent of an allowed operation. At most one call can succeed for an operation, as with
    /// [`Store::claim`].
    pub async fn intend(&self, command: Intent) -> Result<Receipt, ProposeError> {
        let operation = command.basis.operation;
        let answer = self
            .ask(Command::Intent(Box::new(command), draw_attempt()), |answer| {
                if let Answer::Intended { index } = answer { Some(index) } else { None }
            })
            .await?;
        #[expect(clippy::disallowed_methods, reason = "the intent is committed")]
        let receipt = Receipt::after_commit(operation, answer.value);
        Ok(receipt)
    }

    /// Notes the intent of a read on this node's own disk (audit level `batched`); the log takes it soon after. `None`, and
    /// nothing is noted, where that is not to be had now: then the intent waits for the log.
    pub fn note(&self, intent: Intent) -> Option<Noting> {
        match self.notes.as_ref()?.note(intent) {
            Ok(noting) => Some(noting),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "not noted");
                None
            }
        }
    }

    /// Takes what became of an operation whose intent was noted; gives back that of any other.
    pub fn settle_noted(&self, settlement: Settlement) -> Option<Settlement> {
        match &self.notes {
            Some(notes) => notes.settle(settlement),
            None => Some(settlement),
        }
    }

    /// Waits until the log has taken what is noted so far, by earlier starts of this node too.
    pub async fn notes_taken(&self) {
        if let Some(notes) = &self.notes {
            notes.taken().await;
        }
    }

    /// Records what became of an intent.
    pub async fn settle(&self, settlement: Settlement) -> Result<Committed<()>, ProposeError> {
        self.done(Command::Outcome(settlement)).await
    }

    /// Records a refused operation.
    pub async fn refused(&self, command: Refused) -> Result<Committed<()>, ProposeError> {
        self.done(Command::Refused(Box::new(command))).await
    }

    /// Records a refused identification or administrative act.
    pub async fn access_refused(
        &self,
        command: AccessRefused,
    ) -> Result<Committed<()>, ProposeError> {
        self.done(Command::AccessRefused(command)).await
    }

    /// Records an administrator's act that changes nothing in the state.
    pub async fn administered(&self, command: Administered) -> Result<Committed<()>, ProposeError> {
        self.done(Command::Administered(command)).await
    }

    /// Changes resources, all or none.
    pub async fn apply_resources(
        &self,
        command: ApplyResources,
    ) -> Result<Committed<Revision>, ProposeError> {
        self.ask(Command::ApplyResources(command), |answer| {
            if let Answer::Applied(revision) = answer { Some(revision) } else { None }
        })
        .await
    }

    /// Revokes an identity, a session or a credential.
    pub async fn revoke(&self, command: Revoke) -> Result<Committed<()>, ProposeError> {
        self.done(Command::Revoke(command)).await
    }

    /// Issues a credential to an agent. The name of the agent's owner is kept as names are compared.
    pub async fn issue_credential(
        &self,
        mut command: IssueCredential,
    ) -> Result<Committed<CredentialLife>, ProposeError> {
        command.agent.owner = command.agent.owner.as_deref().map(folded);
        self.ask(Command::IssueCredential(Box::new(command)), |answer| {
            if let Answer::CredentialIssued(life) = answer { Some(life) } else { None }
        })
        .await
    }

    /// Gives the cluster a new key for SSH.
    pub async fn rotate_ssh_key(
        &self,
        command: RotateSshKey,
    ) -> Result<Committed<()>, ProposeError> {
        self.done(Command::RotateSshKey(Box::new(command))).await
    }

    /// Makes a new audit key known.
    pub async fn introduce_audit_key(
        &self,
        command: IntroduceAuditKey,
    ) -> Result<Committed<()>, ProposeError> {
        self.done(Command::IntroduceAuditKey(Box::new(command))).await
    }

    /// Records that the chain so far was signed.
    pub async fn record_checkpoint(
        &self,
        command: RecordCheckpoint,
    ) -> Result<Committed<()>, ProposeError> {
        self.done(Command::RecordCheckpoint(Box::new(command))).await
    }

    /// Records that the key of a recording is wrapped by another one.
    pub async fn rewrap_key(&self, command: RewrapKey) -> Result<Committed<()>, ProposeError> {
        self.done(Command::RewrapKey(command)).await
    }

    /// Records which keys of recordings a node opens.
    pub async fn open_keys(&self, command: OpenKeys) -> Result<Committed<()>, ProposeError> {
        self.done(Command::OpenKeys(command)).await
    }

    /// Enters a file of the archive. The state lets go of its events once enough nodes have read it.
    pub async fn archive_events(&self, file: ArchiveFile) -> Result<Committed<()>, ProposeError> {
        self.done(Command::ArchiveEvents(file)).await
    }

    /// Records that a node has read a file of the archive.
    pub async fn archive_read(&self, command: ArchiveRead) -> Result<Committed<()>, ProposeError> {
        self.done(Command::ArchiveRead(command)).await
    }

    /// Records a one-time join token.
    pub async fn create_join_token(
        &self,
        command: CreateJoinToken,
    ) -> Result<Committed<()>, ProposeError> {
        self.done(Command::CreateJoinToken(command)).await
    }

    /// Admits a node for its join token. The same node may use the same token again and gets the same id.
    pub async fn use_join_token(
        &self,
        command: UseJoinToken,
    ) -> Result<Committed<NodeId>, ProposeError> {
        self.ask(Command::UseJoinToken(command), |answer| {
            if let Answer::NodeAdmitted(node) = answer { Some(node) } else { None }
        })
        .await
    }

    /// Takes a node out of the state and settles what it held. Its membership is the engine's.
    pub async fn remove_node(&self, command: RemoveNode) -> Result<Committed<()>, ProposeError> {
        self.done(Command::RemoveNode(command)).await
    }

    async fn done(&self, command: Command) -> Result<Committed<()>, ProposeError> {
        self.ask(command, |answer| matches!(answer, Answer::Done).then_some(())).await
    }

    async fn hold(&self, command: Command) -> Result<Committed<Box<HoldRecord>>, ProposeError> {
        self.ask(command, |answer| if let Answer::Hold(hold) = answer { Some(hold) } else { None })
            .await
    }

    async fn ask<T>(
        &self,
        command: Command,
        read: impl FnOnce(Answer) -> Option<T>,
    ) -> Result<Committed<T>, ProposeError> {
        let Committed { value: reply, index } = self.propose(&command).await?;
        let value = read(reply?).ok_or(ProposeError::OtherAnswer)?;
        Ok(Committed { value, index })
    }
}

fn draw_attempt() -> Attempt {
    Attempt(rand::random())
}

#[cfg(test)]
mod tests;
