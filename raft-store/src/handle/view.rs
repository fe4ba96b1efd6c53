//! Typed reads of a consistent picture of the state. Lists are paged: a page ends at its limit, or after so many rows
//! looked at, and carries the cursor to go on from.
//!
//! Each read sees one consistent picture, and never an older one than the read before. Two reads may see two pictures:
//! what must belong together is read by one call.

mod audit;
mod previous;

pub(crate) use audit::event as audit_event;

pub use audit::{AuditFilter, AuditPage};

use super::{Log, ReadError};
use crate::{
    format::Stored,
    key_space::{self, Single, Table},
    limits::MAX_ROWS_A_READ,
    machine::View,
    records::{
        ArchiveFile, AuditKeyRecord, CheckpointRecord, ClusterRecord, CredentialRecord,
        EpochRecord, EvidenceRecord, GrantRecord, HeldOperation, HoldPhase, HoldRecord,
        IssuerRevocation, JoinTokenRecord, NodeRecord, OpenedKeys, OperationRecord,
        RecordingRecord, RequestId, RequestRecord, ResourceKind, ResourceRecord, RevocationRecord,
        SegmentRecord, SessionRecord, SshKeyRecord, SshRole,
    },
    state::{self, NewestFirst},
};
use countersign_core::{
    agent::Identity,
    gate::CancelKey,
    grant::Template,
    id::{CredentialId, GrantId, HoldId, Incarnation, NodeId, OperationId, Revision, SessionId},
    log_time::LogTime,
    record::{AuditEvent, ChainHead},
    target::TargetName,
};
use std::{collections::BTreeSet, sync::Arc};

/// Typed reads of what a node has applied.
#[derive(Clone, Debug)]
pub struct StateView {
    log: Arc<dyn Log>,
}

/// Which holds are listed. Newest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HoldFilter {
    /// In which phase.
    pub within: HoldsIn,
    /// Only holds with a smaller number: the cursor of the page before.
    pub before: Option<u64>,
}

/// In which phase holds are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoldsIn {
    /// In any.
    Any,
    /// Pending or approved.
    Open,
    /// In this one.
    Phase(HoldPhase),
}

/// A page of holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldPage {
    /// The holds.
    pub holds: Vec<HoldRecord>,
    /// Where to go on; `None` at the end.
    pub next: Option<u64>,
}

/// Which sessions are listed. Newest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionFilter {
    /// Open ones.
    Open,
    /// All.
    Any,
}

/// A page of sessions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<SessionRecord>,
    /// Where to go on; `None` at the end.
    pub next: Option<u64>,
}

/// A page of grants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GrantPage {
    /// The grants.
    pub grants: Vec<GrantRecord>,
    /// Where to go on; `None` at the end.
    pub next: Option<u64>,
}

/// A place in the table of all segments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentPlace(Vec<u8>);

impl StateView {
    /// Typed reads of what `log` has applied.
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self { log }
    }

    fn look<T: Send>(
        &self,
        look: impl FnOnce(&dyn View) -> Result<T, ReadError> + Send,
    ) -> Result<T, ReadError> {
        let (mut look, mut seen) = (Some(look), None);
        self.log.look(&mut |view, _applied| {
            if let Some(look) = look.take() {
                seen = Some(look(view));
            }
        })?;
        seen.unwrap_or(Err(ReadError::Unseen))
    }

    fn get<T: Stored + Send>(&self, key: &[u8]) -> Result<Option<T>, ReadError> {
        self.look(|view| state::get(view, key))
    }
}

/// Single things.
impl StateView {
    /// The cluster; `None` before it is initialised.
    pub fn cluster(&self) -> Result<Option<ClusterRecord>, ReadError> {
        self.get(&key_space::single(Single::Cluster))
    }

    /// The epoch that the cluster is in.
    pub fn epoch(&self) -> Result<EpochRecord, ReadError> {
        Ok(self.get(&key_space::single(Single::Epoch))?.unwrap_or_default())
    }

    /// Log time.
    pub fn log_time(&self) -> Result<LogTime, ReadError> {
        self.look(|view| state::number(view, Single::LogTime)).map(LogTime)
    }

    /// The policy revision in force; it moves with policies, bindings and identity providers.
    pub fn policy_revision(&self) -> Result<Revision, ReadError> {
        self.look(|view| state::number(view, Single::PolicyRevision)).map(Revision)
    }

    /// The end of the audit chain.
    pub fn chain_head(&self) -> Result<ChainHead, ReadError> {
        Ok(self.get(&key_space::single(Single::ChainHead))?.unwrap_or_default())
    }

    /// The last term whose leader is recorded.
    pub fn leader_term(&self) -> Result<u64, ReadError> {
        self.look(|view| state::number(view, Single::LeaderTerm))
    }

    /// The last checkpoint of the audit chain.
    pub fn checkpoint(&self) -> Result<Option<CheckpointRecord>, ReadError> {
        self.get(&key_space::single(Single::Checkpoint))
    }

    /// A hold.
    pub fn hold(&self, id: HoldId) -> Result<Option<HoldRecord>, ReadError> {
        self.get(&key_space::hold(id))
    }

    /// The operation of a hold, whole.
    pub fn held_operation(&self, id: HoldId) -> Result<Option<HeldOperation>, ReadError> {
        self.get(&key_space::held_operation(id))
    }

    /// What was found out about a held operation.
    pub fn evidence(&self, of: HoldId) -> Result<Option<EvidenceRecord>, ReadError> {
        self.get(&key_space::evidence(of))
    }

    /// A grant.
    pub fn grant(&self, id: GrantId) -> Result<Option<GrantRecord>, ReadError> {
        self.get(&key_space::grant(id))
    }

    /// The grant of an agent's for what is like this at a target, as far as this node has applied the log.
    pub fn grant_in_force(
        &self,
        agent: &Identity,
        target: &TargetName,
        what: &Template,
    ) -> Result<Option<GrantRecord>, ReadError> {
        self.look(|view| {
            let id = state::id_at(view, &key_space::grant_in_force(agent, target, what))?;
            let Some(id) = id else { return Ok(None) };
            state::get(view, &key_space::grant(GrantId::from_bytes(id)))
        })
    }

    /// A session.
    pub fn session(&self, id: SessionId) -> Result<Option<SessionRecord>, ReadError> {
        self.get(&key_space::session(id))
    }

    /// The recording of a session; `None` while nothing of it is recorded.
    pub fn recording(&self, of: SessionId) -> Result<Option<RecordingRecord>, ReadError> {
        self.get(&key_space::recording(of))
    }

    /// Up to `limit` segments of a recording in order, behind the one with sequence `after`.
    pub fn segments(
        &self,
        of: SessionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<SegmentRecord>, ReadError> {
        let (prefix, after) = (key_space::segments(of), key_space::segment(of, after));
        let rows =
            self.look(|view| Ok(view.scan(&prefix, Some(&after), limit.min(MAX_ROWS_A_READ))?))?;
        rows.iter().map(|(_, bytes)| Ok(SegmentRecord::decode(bytes)?)).collect()
    }

    /// Up to `limit` recordings in the order of their sessions, behind the one of `after`.
    pub fn recordings(
        &self,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<RecordingRecord>, ReadError> {
        let (table, after) = (key_space::table(Table::Recording), after.map(key_space::recording));
        let rows = self
            .look(|view| Ok(view.scan(&table, after.as_deref(), limit.min(MAX_ROWS_A_READ))?))?;
        rows.iter().map(|(_, bytes)| Ok(RecordingRecord::decode(bytes)?)).collect()
    }

    /// Up to `limit` segments of all recordings, behind the place `after`, with the place to go on from; `None` at the end.
    pub fn all_segments(
        &self,
        after: Option<&SegmentPlace>,
        limit: usize,
    ) -> Result<(Vec<SegmentRecord>, Option<SegmentPlace>), ReadError> {
        let table = key_space::table(Table::Segment);
        let after = after.map(|SegmentPlace(key)| key.as_slice());
        let rows = self.look(|view| Ok(view.scan(&table, after, limit.min(MAX_ROWS_A_READ))?))?;
        let next = rows.last().map(|(key, _)| SegmentPlace(key.clone()));
        let found: Result<_, ReadError> =
            rows.iter().map(|(_, bytes)| Ok(SegmentRecord::decode(bytes)?)).collect();
        Ok((found?, next))
    }

    /// The open session of a cancel key.
    pub fn session_of_key(&self, key: CancelKey) -> Result<Option<SessionId>, ReadError> {
        let id = self.look(|view| state::id_at(view, &key_space::cancel_key(key)))?;
        Ok(id.map(SessionId::from_bytes))
    }

    /// An operation whose intent is recorded.
    pub fn operation(&self, id: OperationId) -> Result<Option<OperationRecord>, ReadError> {
        self.get(&key_space::operation(id))
    }

    /// A resource.
    pub fn resource(
        &self,
        kind: ResourceKind,
        name: &str,
    ) -> Result<Option<ResourceRecord>, ReadError> {
        self.get(&key_space::resource(kind, name))
    }

    /// Whether an identity is revoked, by itself or with everybody of its issuer.
    pub fn is_revoked(&self, identity: &Identity) -> Result<bool, ReadError> {
        let of_issuer = self.revoked_issuer(&identity.issuer)?;
        Ok(of_issuer.is_some() || self.revocation(identity)?.is_some())
    }

    /// The revocation of everybody of an issuer; `None` when it is not revoked.
    pub fn revoked_issuer(&self, issuer: &str) -> Result<Option<IssuerRevocation>, ReadError> {
        self.get(&key_space::revoked_issuer(issuer))
    }

    /// The revocation of an identity by itself; `None` when there is none.
    pub fn revocation(&self, of: &Identity) -> Result<Option<RevocationRecord>, ReadError> {
        self.get(&key_space::revocation(of))
    }

    /// A change of resources that was made for this request, lately.
    pub fn request(&self, id: RequestId) -> Result<Option<RequestRecord>, ReadError> {
        self.get(&key_space::request(id))
    }

    /// A join token, used, open or expired but not yet removed.
    pub fn join_token(&self, sha256: &[u8; 32]) -> Result<Option<JoinTokenRecord>, ReadError> {
        self.get(&key_space::join_token(sha256))
    }

    /// A credential, revoked or expired but not yet removed too.
    pub fn credential(&self, id: CredentialId) -> Result<Option<CredentialRecord>, ReadError> {
        self.get(&key_space::credential(id))
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> Result<Option<NodeRecord>, ReadError> {
        self.get(&key_space::node(id))
    }

    /// The first event that is in the state still; none in an empty chain.
    pub fn first_event(&self) -> Result<Option<u64>, ReadError> {
        let table = key_space::table(Table::Audit);
        let first = self.look(|view| Ok(view.scan(&table, None, 1)?))?;
        Ok(first.first().and_then(|(key, _)| key_space::trailing_number(key)))
    }

    /// A file of the archive.
    pub fn archive_file(&self, number: u64) -> Result<Option<ArchiveFile>, ReadError> {
        self.get(&key_space::numbered(Table::Archive, number))
    }

    /// The last file of the archive.
    pub fn last_archive_file(&self) -> Result<Option<ArchiveFile>, ReadError> {
        let last = self.look(|view| state::number(view, Single::LastArchive))?;
        self.archive_file(last)
    }

    /// The last file of the archive that enough nodes have read, as all before it.
    pub fn archive_kept(&self) -> Result<Option<ArchiveFile>, ReadError> {
        let kept = self.look(|view| state::number(view, Single::ArchiveKept))?;
        self.archive_file(kept)
    }

    /// The last file of the archive that a node has read, or need not read any more, because enough others have.
    pub fn archive_read_by(&self, node: NodeId) -> Result<u64, ReadError> {
        let place = key_space::numbered(Table::ArchiveRead, node.0);
        let read = self.look(|view| state::number_at(view, &place))?;
        Ok(read.max(self.look(|view| state::number(view, Single::ArchiveKept))?))
    }

    /// Whether the archive keeps events that are in the state still: the next tick removes some.
    pub fn has_archived_events(&self) -> Result<bool, ReadError> {
        let Some(last) = self.archive_kept()? else { return Ok(false) };
        let table = key_space::table(Table::Audit);
        let rows = self.look(|view| Ok(view.scan(&table, None, 2)?))?;
        let second = rows.get(1).and_then(|(key, _)| key_space::trailing_number(key));
        Ok(second.is_some_and(|second| second <= last.last.sequence + 1))
    }

    /// The keys of recordings that a node has said it opens; none where it has not said anything.
    pub fn opened_keys(&self, node: NodeId) -> Result<Option<OpenedKeys>, ReadError> {
        self.get(&key_space::numbered(Table::OpenedKeys, node.0))
    }

    /// The keys of recordings that every node of the cluster opens, up or not.
    pub fn keys_of_every_node(&self) -> Result<BTreeSet<[u8; 16]>, ReadError> {
        self.look(state::keys_of_every_node)
    }

    /// When the next thing expires or is forgotten.
    pub fn next_expiry(&self) -> Result<Option<LogTime>, ReadError> {
        let (expiry, forget) = (key_space::table(Table::Expiry), key_space::table(Table::Forget));
        let (expires, forgotten) =
            self.look(|view| Ok((view.scan(&expiry, None, 1)?, view.scan(&forget, None, 1)?)))?;
        let expires = expires.first().and_then(|(key, _)| key_space::read_expiry(key));
        let forgotten = forgotten.first().and_then(|(key, _)| key_space::read_forget(key));
        let due = expires.map(|(at, _)| at).into_iter().chain(forgotten.map(|(at, _)| at));
        Ok(due.min())
    }
}

/// Lists.
impl StateView {
    /// All resources of a kind, by name.
    pub fn resources(&self, kind: ResourceKind) -> Result<Vec<ResourceRecord>, ReadError> {
        self.whole(&key_space::resources(kind))
    }

    /// The policies and the policy revision in force, of one picture: what is compiled from these is in force then.
    pub fn policies(&self) -> Result<(Revision, Vec<ResourceRecord>), ReadError> {
        self.look(|view| {
            let revision = Revision(state::number(view, Single::PolicyRevision)?);
            Ok((revision, whole(view, &key_space::resources(ResourceKind::Policy))?))
        })
    }

    /// All nodes, removed ones too, by id.
    pub fn nodes(&self) -> Result<Vec<NodeRecord>, ReadError> {
        self.whole(&key_space::table(Table::Node))
    }

    /// All keys that the cluster has signed its audit chain with, by number; the last is in force.
    pub fn audit_keys(&self) -> Result<Vec<AuditKeyRecord>, ReadError> {
        self.whole(&key_space::table(Table::AuditKey))
    }

    /// The keys of a role for SSH, by number: the last but one that was used, the one in use, and the next.
    pub fn ssh_keys(&self, role: SshRole) -> Result<Vec<SshKeyRecord>, ReadError> {
        self.whole(&key_space::ssh_keys(role))
    }

    /// Up to `limit` credentials by id, behind `after`; revoked and expired ones too.
    pub fn credentials(
        &self,
        after: Option<CredentialId>,
        limit: usize,
    ) -> Result<Vec<CredentialRecord>, ReadError> {
        let (table, after) =
            (key_space::table(Table::Credential), after.map(key_space::credential));
        let limit = limit.min(MAX_ROWS_A_READ);
        let rows = self.look(|view| Ok(view.scan(&table, after.as_deref(), limit)?))?;
        rows.iter().map(|(_, bytes)| Ok(CredentialRecord::decode(bytes)?)).collect()
    }

    /// All revoked identities.
    pub fn revocations(&self) -> Result<Vec<RevocationRecord>, ReadError> {
        self.whole(&key_space::table(Table::Revocation))
    }

    /// Up to `limit` holds, newest first.
    pub fn holds(&self, filter: HoldFilter, limit: usize) -> Result<HoldPage, ReadError> {
        let (table, phase) = match filter.within {
            HoldsIn::Any => (Table::HoldByNumber, None),
            HoldsIn::Open => (Table::OpenHold, None),
            HoldsIn::Phase(phase @ (HoldPhase::Pending | HoldPhase::Approved)) => {
                (Table::OpenHold, Some(phase))
            }
            HoldsIn::Phase(
                phase @ (HoldPhase::Consumed
                | HoldPhase::Rejected
                | HoldPhase::Withdrawn
                | HoldPhase::Expired
                | HoldPhase::Invalidated),
            ) => (Table::HoldByNumber, Some(phase)),
        };
        let wanted =
            |hold: &HoldRecord| phase.is_none_or(|phase| HoldPhase::of(&hold.hold.state) == phase);
        self.look(|view| {
            let mut rows = NewestFirst::new(view, table, filter.before);
            let mut holds = Vec::new();
            let mut last = None;
            for _ in 0..MAX_ROWS_A_READ {
                if holds.len() >= limit {
                    return Ok(HoldPage { holds, next: last });
                }
                let Some((number, id)) = rows.step()? else {
                    return Ok(HoldPage { holds, next: None });
                };
                last = Some(number);
                let hold = state::get(view, &key_space::hold(HoldId::from_bytes(id)))?;
                holds.extend(hold.filter(wanted));
            }
            Ok(HoldPage { holds, next: last })
        })
    }

    /// Up to `limit` grants, newest first, before the cursor `before`; those that are over only where they are wanted.
    pub fn grants(
        &self,
        wanted: impl Fn(&GrantRecord) -> bool + Send + Sync,
        before: Option<u64>,
        limit: usize,
    ) -> Result<GrantPage, ReadError> {
        self.look(|view| {
            let mut rows = NewestFirst::new(view, Table::GrantByNumber, before);
            let (mut grants, mut last) = (Vec::new(), before);
            for _ in 0..MAX_ROWS_A_READ {
                if grants.len() >= limit {
                    return Ok(GrantPage { grants, next: last });
                }
                let Some((number, id)) = rows.step()? else {
                    return Ok(GrantPage { grants, next: None });
                };
                last = Some(number);
                let found = state::get(view, &key_space::grant(GrantId::from_bytes(id)))?;
                grants.extend(found.filter(&wanted));
            }
            Ok(GrantPage { grants, next: last })
        })
    }

    /// Up to `limit` sessions, newest first, before the cursor `before`.
    pub fn sessions(
        &self,
        filter: SessionFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<SessionPage, ReadError> {
        let table = match filter {
            SessionFilter::Open => Table::OpenSessionByNumber,
            SessionFilter::Any => Table::SessionByNumber,
        };
        self.look(|view| {
            let mut rows = NewestFirst::new(view, table, before);
            let mut sessions = Vec::new();
            let mut last = before;
            while sessions.len() < limit.min(MAX_ROWS_A_READ) {
                let Some((number, id)) = rows.step()? else {
                    return Ok(SessionPage { sessions, next: None });
                };
                last = Some(number);
                let id = SessionId::from_bytes(id);
                sessions.extend(state::get(view, &key_space::session(id))?);
            }
            Ok(SessionPage { sessions, next: last })
        })
    }

    /// The open sessions of one start of a node.
    pub fn open_sessions_of(
        &self,
        node: NodeId,
        incarnation: Incarnation,
    ) -> Result<Vec<SessionId>, ReadError> {
        let prefix = key_space::open_sessions_of_incarnation(node, incarnation);
        self.look(|view| {
            let (mut found, mut after): (Vec<SessionId>, Option<Vec<u8>>) = (Vec::new(), None);
            loop {
                let rows = view.scan(&prefix, after.as_deref(), MAX_ROWS_A_READ)?;
                let full = rows.len() == MAX_ROWS_A_READ;
                let ids = rows.iter().filter_map(|(key, _)| key_space::trailing_id(key));
                found.extend(ids.map(SessionId::from_bytes));
                after = rows.into_iter().next_back().map(|(key, _)| key);
                if !full {
                    return Ok(found);
                }
            }
        })
    }

    /// One audit event.
    pub fn audit_event(&self, sequence: u64) -> Result<Option<AuditEvent>, ReadError> {
        self.look(|view| audit::event(view, sequence))
    }

    /// Up to `limit` audit events in order.
    pub fn audit_events(&self, filter: &AuditFilter, limit: usize) -> Result<AuditPage, ReadError> {
        self.look(|view| audit::page(view, filter, limit))
    }

    /// Every value below `prefix`: for tables that people fill by hand.
    fn whole<T: Stored + Send>(&self, prefix: &[u8]) -> Result<Vec<T>, ReadError> {
        self.look(|view| whole(view, prefix))
    }
}

fn whole<T: Stored>(view: &dyn View, prefix: &[u8]) -> Result<Vec<T>, ReadError> {
    let mut found = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let rows = view.scan(prefix, after.as_deref(), MAX_ROWS_A_READ)?;
        let full = rows.len() == MAX_ROWS_A_READ;
        for (key, bytes) in rows {
            found.push(T::decode(&bytes)?);
            after = Some(key);
        }
        if !full {
            return Ok(found);
        }
    }
}
