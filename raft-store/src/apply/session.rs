//! Sessions: opened by a node for an identified agent, closed once. A session that must end is closed in the state first;
//! its node learns it from the effect.

use super::{
    chain::{self, Facts},
    credential, forget, hold, recording, recovery, request,
    step::{Done, Step, Stop, named, short},
};
use crate::{
    command::{Cancel, CloseSession, EndSession, OpenSession},
    effect::Effect,
    key_space::{self, Forgotten, Table},
    limits::{MAX_SHORT_TEXT, SESSION_KEPT_MS},
    records::{
        NodeRecord, NodeState, RequestId, RequestRecord, ResourceKind, ResourceRecord,
        SessionRecord, SessionState, clipped,
    },
    reply::{Answer, SessionOpened, StateRefusal},
};
use countersign_core::{
    agent::{Agent, Identity},
    id::{Incarnation, NodeId, SessionId},
    log_time::LogTime,
    record::EventKind,
};

pub(super) fn open(step: &mut Step<'_>, command: OpenSession) -> Done {
    if let Some(known) = step.get::<SessionRecord>(&key_space::session(command.id))? {
        return reopened(&known, &command);
    }
    if request::known(step, unopened(command.id))?.is_some() {
        return Err(StateRefusal::SessionGone.into());
    }
    short([command.role.as_str(), command.client.as_str()])?;
    let agent = &command.agent;
    named([&agent.name, &agent.identity.issuer, &agent.identity.subject].map(|t| &**t))?;
    named(agent.groups.iter().chain(&agent.owner).map(String::as_str))?;
    named(agent.workload.parts().map(|(_name, said)| said))?;
    is_current(step, command.node, command.incarnation)?;
    recovery::is_open(step)?;
    not_revoked(step, &command.agent.identity)?;
    not_expired(&command.agent, step.now)?;
    if let Some(credential) = command.credential {
        credential::may_open(step, credential, &command)?;
    }
    let target: ResourceRecord = step
        .get(&key_space::resource(ResourceKind::Target, command.target.as_str()))?
        .ok_or(StateRefusal::NoSuchTarget)?;
    if step.has(&key_space::cancel_key(command.cancel))? {
        return Err(StateRefusal::IdUsed.into());
    }
    let record = SessionRecord {
        number: chain::next_sequence(step)?,
        id: command.id,
        agent: command.agent,
        credential: command.credential,
        target: command.target,
        target_revision: target.revision,
        protocol: command.protocol,
        role: command.role,
        source: command.source,
        client: command.client,
        node: command.node,
        incarnation: command.incarnation,
        cancel: command.cancel,
        opened_at: step.now,
        state: SessionState::Open,
    };
    let id = record.id.as_bytes();
    step.put_bytes(key_space::numbered(Table::SessionByNumber, record.number), id);
    step.put_bytes(key_space::numbered(Table::OpenSessionByNumber, record.number), id);
    step.put_bytes(key_space::open_session(record.node, record.incarnation, record.id), &[]);
    step.put_bytes(key_space::cancel_key(record.cancel), id);
    step.put(key_space::session(record.id), &record)?;
    let facts = Facts::default()
        .session(&record)
        .with("source.address", record.source)
        .with("client", &record.client)
        .with("target.role", &record.role);
    let facts = match record.credential {
        Some(credential) => facts.with("credential.id", credential),
        None => facts,
    };
    chain::append(step, EventKind::SessionOpened, facts)?;
    Ok(Answer::SessionOpened(opened(&record)))
}

fn reopened(known: &SessionRecord, command: &OpenSession) -> Done {
    let same = known.agent == command.agent
        && known.credential == command.credential
        && known.node == command.node
        && known.incarnation == command.incarnation
        && known.cancel == command.cancel;
    match known.state {
        SessionState::Open if same => Ok(Answer::SessionOpened(opened(known))),
        SessionState::Closed { .. } if same => Err(StateRefusal::SessionGone.into()),
        SessionState::Open | SessionState::Closed { .. } => Err(StateRefusal::IdUsed.into()),
    }
}

fn opened(record: &SessionRecord) -> SessionOpened {
    SessionOpened { target_revision: record.target_revision, opened_at: record.opened_at }
}

pub(super) fn close(step: &mut Step<'_>, command: CloseSession) -> Done {
    let reason = clipped(&command.reason, MAX_SHORT_TEXT);
    match step.get::<SessionRecord>(&key_space::session(command.id))? {
        Some(session) => shut(step, session, &reason, Facts::default())?,
        // Its opening may still be on its way, and nobody would carry what it opens.
        None => request::remember(step, unopened(command.id), RequestRecord::ClosedUnopened)?,
    }
    Ok(Answer::Done)
}

/// Where it is remembered that a session was closed before it was opened.
fn unopened(id: SessionId) -> RequestId {
    RequestId(*id.as_bytes())
}

pub(super) fn end(step: &mut Step<'_>, command: EndSession) -> Done {
    short([command.reason.as_str()])?;
    let session: SessionRecord =
        step.get(&key_space::session(command.id))?.ok_or(StateRefusal::SessionGone)?;
    expel(step, session, &command.reason, Facts::default().author(&command.author))?;
    Ok(Answer::Done)
}

pub(super) fn cancel(step: &mut Step<'_>, command: Cancel) -> Done {
    match request::known(step, command.id)? {
        None => {}
        // A repetition would cancel what the session has begun since.
        Some(RequestRecord::Cancelled) => return Ok(Answer::Done),
        Some(
            RequestRecord::AccessRefused
            | RequestRecord::Applied(_)
            | RequestRecord::ClosedUnopened
            | RequestRecord::Administered
            | RequestRecord::Checkpointed
            | RequestRecord::SignedIn,
        ) => return Err(StateRefusal::IdUsed.into()),
    }
    let session = match step.id_at(&key_space::cancel_key(command.key))? {
        Some(id) => step.get::<SessionRecord>(&key_space::session(SessionId::from_bytes(id)))?,
        None => None,
    };
    if let Some(session) = session {
        step.effect(Effect::CancelRequested { session: session.id, node: session.node });
        request::remember(step, command.id, RequestRecord::Cancelled)?;
    }
    Ok(Answer::Done)
}

/// The open session of this id, whose agent is not revoked (invariant `revoked_is_out`).
pub(super) fn live(step: &Step<'_>, id: SessionId) -> Result<SessionRecord, Stop> {
    let session: SessionRecord =
        step.get(&key_space::session(id))?.ok_or(StateRefusal::SessionGone)?;
    is_live(step, &session)?;
    Ok(session)
}

/// Whether something can begin in a session.
pub(super) fn is_live(step: &Step<'_>, session: &SessionRecord) -> Result<(), Stop> {
    // Looked at first: a session that was closed because of it is to be told so.
    not_revoked(step, &session.agent.identity)?;
    match session.state {
        SessionState::Open => {}
        SessionState::Closed { .. } => return Err(StateRefusal::SessionGone.into()),
    }
    is_current(step, session.node, session.incarnation)
}

/// Refuses what an agent begins after its proof of identity has ended. What it began before may still be released.
pub(super) fn not_expired(agent: &Agent, now: LogTime) -> Result<(), Stop> {
    if now < agent.expires_at { Ok(()) } else { Err(StateRefusal::IdentityExpired.into()) }
}

/// Refuses a revoked identity, and one of a revoked issuer.
pub(super) fn not_revoked(step: &Step<'_>, identity: &Identity) -> Result<(), Stop> {
    if step.has(&key_space::revocation(identity))?
        || step.has(&key_space::revoked_issuer(&identity.issuer))?
    {
        return Err(StateRefusal::Revoked.into());
    }
    Ok(())
}

/// Refuses what belongs to an earlier start of a node, or to a node that was removed.
pub(super) fn is_current(
    step: &Step<'_>,
    node: NodeId,
    incarnation: Incarnation,
) -> Result<(), Stop> {
    let record: NodeRecord = step.get(&key_space::node(node))?.ok_or(StateRefusal::UnknownNode)?;
    match record.state {
        NodeState::Started(start) if start.incarnation == incarnation => Ok(()),
        NodeState::Started(_) | NodeState::Admitted => Err(StateRefusal::StaleIncarnation.into()),
        NodeState::Removed { .. } => Err(StateRefusal::UnknownNode.into()),
    }
}

/// Closes a session and tells its node to end it.
pub(super) fn expel(
    step: &mut Step<'_>,
    session: SessionRecord,
    reason: &str,
    facts: Facts,
) -> Result<(), Stop> {
    if session.state == SessionState::Open {
        step.effect(Effect::SessionEnded {
            session: session.id,
            node: session.node,
            reason: reason.to_owned(),
        });
    }
    shut(step, session, reason, facts)
}

/// Closes a session: the first reason stays. Holds that it waits for lose it.
pub(super) fn shut(
    step: &mut Step<'_>,
    session: SessionRecord,
    reason: &str,
    facts: Facts,
) -> Result<(), Stop> {
    if session.state != SessionState::Open {
        return Ok(());
    }
    step.delete(key_space::open_session(session.node, session.incarnation, session.id));
    step.delete(key_space::numbered(Table::OpenSessionByNumber, session.number));
    step.delete(key_space::cancel_key(session.cancel));
    hold::detach(step, &session)?;
    let facts = recording::facts(step, session.id, facts)?;
    chain::append(step, EventKind::SessionClosed, facts.session(&session).with("reason", reason))?;
    forget::after(step, SESSION_KEPT_MS, Forgotten::Session(session.id));
    let state = SessionState::Closed { at: step.now, reason: reason.to_owned() };
    step.put(key_space::session(session.id), &SessionRecord { state, ..session })
}

/// Every open session.
pub(super) fn all_open(step: &Step<'_>) -> Result<Vec<SessionRecord>, Stop> {
    let rows = step.all(&key_space::table(Table::OpenSessionByNumber))?;
    let mut sessions = Vec::with_capacity(rows.len());
    for (_, id) in rows {
        let id: [u8; 16] = id.try_into().map_err(|_| crate::state::unreadable("a session id"))?;
        sessions.extend(step.get::<SessionRecord>(&key_space::session(SessionId::from_bytes(id)))?);
    }
    Ok(sessions)
}
