//! Where everything lies: a table's byte, then its key, numbers big-endian so that the order of bytes is the order of
//! numbers. Texts inside a key are preceded by their length, so that no two keys are alike. What lies there is not
//! decided here.

use crate::records::{RequestId, ResourceKind, SshRole};
use countersign_core::{
    agent::Identity,
    fingerprint::Fingerprint,
    gate::CancelKey,
    grant::Template,
    id::{CredentialId, GrantId, HoldId, Incarnation, NodeId, OperationId, Revision, SessionId},
    log_time::LogTime,
    target::TargetName,
};
use sha2::{Digest, Sha256};

/// The tables. A number is never used for something else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Table {
    /// Single values.
    Single = 1,
    /// Nodes by id.
    Node = 2,
    /// Sessions by id.
    Session = 3,
    /// Session ids by number.
    SessionByNumber = 4,
    /// Open sessions by node, incarnation and id.
    OpenSession = 5,
    /// Holds by id.
    Hold = 6,
    /// The operations of holds by hold.
    HeldOperation = 7,
    /// Hold ids by number.
    HoldByNumber = 8,
    /// Open holds by number.
    OpenHold = 9,
    /// Open holds by agent and fingerprint.
    HoldByAgent = 10,
    /// Operations by id.
    Operation = 11,
    /// Operations without outcome by node, incarnation and id.
    OpenOperation = 12,
    /// Resources by kind and name.
    Resource = 13,
    /// Sessions by cancel key.
    CancelKey = 14,
    /// Revoked identities.
    Revocation = 15,
    /// Join tokens by SHA-256.
    JoinToken = 16,
    /// Audit events by sequence.
    Audit = 17,
    /// What expires, by log time.
    Expiry = 18,
    /// Answers by request id.
    Request = 19,
    /// Open sessions by number.
    OpenSessionByNumber = 20,
    /// What is forgotten, by log time.
    Forget = 21,
    /// Budgets of holds by the digest of the agent's identity.
    HoldBudget = 22,
    /// The last note taken, by node.
    NotesTaken = 23,
    /// Credentials by id.
    Credential = 24,
    /// Evidence by hold.
    Evidence = 25,
    /// Audit keys by number.
    AuditKey = 26,
    /// How many open holds an agent has, by the digest of its identity.
    OpenHoldCount = 27,
    /// The holds that a session waits for, by session and hold.
    WaitingFor = 28,
    /// Recordings by session.
    Recording = 29,
    /// Segments of recordings by session and sequence.
    Segment = 30,
    /// How many credentials of one provider's revision an agent has, by the digest of its identity and the revision.
    CredentialCount = 31,
    /// Files of the archive by number.
    Archive = 32,
    /// Keys for SSH by role and number.
    SshKey = 33,
    /// The last file of the archive that a node has read, by node.
    ArchiveRead = 34,
    /// The keys of recordings that a node opens, by node.
    OpenedKeys = 35,
    /// Revoked issuers.
    RevokedIssuer = 36,
    /// Grants by id.
    Grant = 37,
    /// Grant ids by number.
    GrantByNumber = 38,
    /// Grants in force by agent, target and template.
    GrantInForce = 39,
    /// The last rejected holds by agent and fingerprint.
    RejectedHold = 40,
    /// Hold ids by fingerprint, the newest first.
    HoldByFingerprint = 41,
    /// The credentials that an agent has, by the digest of its identity and their ids.
    CredentialOfAgent = 42,
    /// Credentials by key.
    CredentialOfKey = 43,
}

/// The single values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Single {
    /// The cluster.
    Cluster = 1,
    /// Log time, in milliseconds.
    LogTime = 2,
    /// The policy revision in force.
    PolicyRevision = 3,
    /// The greatest revision given out.
    LastRevision = 4,
    /// The end of the audit chain.
    ChainHead = 5,
    /// The greatest node id given out.
    LastNode = 6,
    /// The number of the last audit key.
    LastAuditKey = 7,
    /// The last checkpoint of the audit chain.
    Checkpoint = 8,
    /// The term of the last leader that was recorded.
    LeaderTerm = 9,
    /// The number of the last file of the archive.
    LastArchive = 10,
    /// The number of the last file of the archive up to which a majority of the nodes has read each.
    ArchiveKept = 11,
    /// The epoch.
    Epoch = 12,
}

/// What can expire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Expiring {
    /// A hold.
    Hold(HoldId),
    /// A join token.
    JoinToken([u8; 32]),
    /// The answer to a request.
    Request(RequestId),
    /// A credential.
    Credential(CredentialId),
    /// The time for which those who were asked first are alone with a hold.
    Escalation(HoldId),
    /// A grant.
    Grant(GrantId),
}

/// What can be forgotten once nobody asks for it any more. The audit keeps what was done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Forgotten {
    /// The operation of a settled hold, and its evidence.
    HeldOperation(HoldId),
    /// A settled hold.
    Hold(HoldId),
    /// An operation that has its outcome.
    Operation(OperationId),
    /// A closed session.
    Session(SessionId),
    /// A period of an agent's budget.
    HoldBudget([u8; 32]),
    /// A grant that is over.
    Grant(GrantId),
}

/// A key under construction.
struct Key(Vec<u8>);

impl Key {
    fn of(table: Table) -> Self {
        Self(vec![table as u8])
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn number(self, number: u64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    fn text(self, text: &str) -> Self {
        self.number(text.len() as u64).bytes(text.as_bytes())
    }

    fn identity(self, identity: &Identity) -> Self {
        self.text(&identity.issuer).text(&identity.subject)
    }
}

/// The prefix of a whole table.
pub(crate) fn table(table: Table) -> Vec<u8> {
    Key::of(table).0
}

pub(crate) fn single(single: Single) -> Vec<u8> {
    Key::of(Table::Single).bytes(&[single as u8]).0
}

pub(crate) fn node(id: NodeId) -> Vec<u8> {
    Key::of(Table::Node).number(id.0).0
}

pub(crate) fn notes_taken(of: NodeId) -> Vec<u8> {
    Key::of(Table::NotesTaken).number(of.0).0
}

pub(crate) fn session(id: SessionId) -> Vec<u8> {
    Key::of(Table::Session).bytes(id.as_bytes()).0
}

pub(crate) fn numbered(table: Table, number: u64) -> Vec<u8> {
    Key::of(table).number(number).0
}

pub(crate) fn open_sessions_of_node(node: NodeId) -> Vec<u8> {
    Key::of(Table::OpenSession).number(node.0).0
}

pub(crate) fn open_sessions_of_incarnation(node: NodeId, incarnation: Incarnation) -> Vec<u8> {
    Key::of(Table::OpenSession).number(node.0).number(incarnation.0).0
}

pub(crate) fn open_session(node: NodeId, incarnation: Incarnation, id: SessionId) -> Vec<u8> {
    Key::of(Table::OpenSession).number(node.0).number(incarnation.0).bytes(id.as_bytes()).0
}

pub(crate) fn hold(id: HoldId) -> Vec<u8> {
    Key::of(Table::Hold).bytes(id.as_bytes()).0
}

pub(crate) fn held_operation(id: HoldId) -> Vec<u8> {
    Key::of(Table::HeldOperation).bytes(id.as_bytes()).0
}

pub(crate) fn evidence(id: HoldId) -> Vec<u8> {
    Key::of(Table::Evidence).bytes(id.as_bytes()).0
}

pub(crate) fn open_hold_of_agent(agent: &Identity, fingerprint: &Fingerprint) -> Vec<u8> {
    Key::of(Table::HoldByAgent).identity(agent).bytes(fingerprint.as_bytes()).0
}

pub(crate) fn grant(id: GrantId) -> Vec<u8> {
    Key::of(Table::Grant).bytes(id.as_bytes()).0
}

pub(crate) fn grant_in_force(agent: &Identity, target: &TargetName, what: &Template) -> Vec<u8> {
    Key::of(Table::GrantInForce).identity(agent).text(target.as_str()).bytes(what.as_bytes()).0
}

pub(crate) fn rejected_hold(agent: &Identity, fingerprint: &Fingerprint) -> Vec<u8> {
    Key::of(Table::RejectedHold).identity(agent).bytes(fingerprint.as_bytes()).0
}

/// The prefix of the holds of a fingerprint.
pub(crate) fn holds_of_fingerprint(fingerprint: &Fingerprint) -> Vec<u8> {
    Key::of(Table::HoldByFingerprint).bytes(fingerprint.as_bytes()).0
}

/// The greater the number, the further in front.
pub(crate) fn hold_of_fingerprint(fingerprint: &Fingerprint, number: u64) -> Vec<u8> {
    Key::of(Table::HoldByFingerprint).bytes(fingerprint.as_bytes()).number(!number).0
}

pub(crate) fn operation(id: OperationId) -> Vec<u8> {
    Key::of(Table::Operation).bytes(id.as_bytes()).0
}

pub(crate) fn open_operations_of_node(node: NodeId) -> Vec<u8> {
    Key::of(Table::OpenOperation).number(node.0).0
}

pub(crate) fn open_operation(node: NodeId, incarnation: Incarnation, id: OperationId) -> Vec<u8> {
    Key::of(Table::OpenOperation).number(node.0).number(incarnation.0).bytes(id.as_bytes()).0
}

pub(crate) fn resources(kind: ResourceKind) -> Vec<u8> {
    Key::of(Table::Resource).text(kind.name()).0
}

pub(crate) fn resource(kind: ResourceKind, name: &str) -> Vec<u8> {
    Key::of(Table::Resource).text(kind.name()).bytes(name.as_bytes()).0
}

pub(crate) fn cancel_key(key: CancelKey) -> Vec<u8> {
    Key::of(Table::CancelKey).bytes(&key.process.to_be_bytes()).bytes(&key.secret.to_be_bytes()).0
}

pub(crate) fn revocation(identity: &Identity) -> Vec<u8> {
    Key::of(Table::Revocation).identity(identity).0
}

pub(crate) fn revoked_issuer(issuer: &str) -> Vec<u8> {
    Key::of(Table::RevokedIssuer).text(issuer).0
}

pub(crate) fn join_token(sha256: &[u8; 32]) -> Vec<u8> {
    Key::of(Table::JoinToken).bytes(sha256).0
}

pub(crate) fn credential(id: CredentialId) -> Vec<u8> {
    Key::of(Table::Credential).bytes(id.as_bytes()).0
}

/// The prefix of an agent's credentials.
pub(crate) fn credentials_of_agent(agent: &Identity) -> Vec<u8> {
    Key::of(Table::CredentialOfAgent).bytes(&digest(agent)).0
}

pub(crate) fn credential_of_agent(agent: &Identity, id: CredentialId) -> Vec<u8> {
    Key::of(Table::CredentialOfAgent).bytes(&digest(agent)).bytes(id.as_bytes()).0
}

/// The prefix of the credentials of a key.
pub(crate) fn credentials_of_key(sha256: &[u8]) -> Vec<u8> {
    Key::of(Table::CredentialOfKey).bytes(sha256).0
}

pub(crate) fn credential_of_key(sha256: &[u8; 32], id: CredentialId) -> Vec<u8> {
    Key::of(Table::CredentialOfKey).bytes(sha256).bytes(id.as_bytes()).0
}

pub(crate) fn recording(of: SessionId) -> Vec<u8> {
    Key::of(Table::Recording).bytes(of.as_bytes()).0
}

pub(crate) fn segments(of: SessionId) -> Vec<u8> {
    Key::of(Table::Segment).bytes(of.as_bytes()).0
}

pub(crate) fn segment(of: SessionId, sequence: u64) -> Vec<u8> {
    Key::of(Table::Segment).bytes(of.as_bytes()).number(sequence).0
}

pub(crate) fn audit(sequence: u64) -> Vec<u8> {
    Key::of(Table::Audit).number(sequence).0
}

pub(crate) fn request(id: RequestId) -> Vec<u8> {
    Key::of(Table::Request).bytes(&id.0).0
}

pub(crate) fn expiry(at: LogTime, what: Expiring) -> Vec<u8> {
    let key = Key::of(Table::Expiry).number(at.0);
    match what {
        Expiring::Hold(id) => key.bytes(&[1]).bytes(id.as_bytes()),
        Expiring::JoinToken(sha256) => key.bytes(&[2]).bytes(&sha256),
        Expiring::Request(id) => key.bytes(&[3]).bytes(&id.0),
        Expiring::Credential(id) => key.bytes(&[4]).bytes(id.as_bytes()),
        Expiring::Escalation(id) => key.bytes(&[5]).bytes(id.as_bytes()),
        Expiring::Grant(id) => key.bytes(&[6]).bytes(id.as_bytes()),
    }
    .0
}

/// What a key of the expiry table says.
pub(crate) fn read_expiry(key: &[u8]) -> Option<(LogTime, Expiring)> {
    let (_table, rest) = key.split_first()?;
    let (at, rest) = rest.split_first_chunk::<8>()?;
    let (kind, id) = rest.split_first()?;
    let what = match kind {
        1 => Expiring::Hold(HoldId::from_bytes(id.try_into().ok()?)),
        2 => Expiring::JoinToken(id.try_into().ok()?),
        3 => Expiring::Request(RequestId(id.try_into().ok()?)),
        4 => Expiring::Credential(CredentialId::from_bytes(id.try_into().ok()?)),
        5 => Expiring::Escalation(HoldId::from_bytes(id.try_into().ok()?)),
        6 => Expiring::Grant(GrantId::from_bytes(id.try_into().ok()?)),
        _unknown => return None,
    };
    Some((LogTime(u64::from_be_bytes(*at)), what))
}

pub(crate) fn forget(at: LogTime, what: Forgotten) -> Vec<u8> {
    let key = Key::of(Table::Forget).number(at.0);
    match what {
        Forgotten::HeldOperation(id) => key.bytes(&[1]).bytes(id.as_bytes()),
        Forgotten::Hold(id) => key.bytes(&[2]).bytes(id.as_bytes()),
        Forgotten::Operation(id) => key.bytes(&[3]).bytes(id.as_bytes()),
        Forgotten::Session(id) => key.bytes(&[4]).bytes(id.as_bytes()),
        Forgotten::HoldBudget(digest) => key.bytes(&[5]).bytes(&digest),
        Forgotten::Grant(id) => key.bytes(&[6]).bytes(id.as_bytes()),
    }
    .0
}

/// What a key of the table of what is forgotten says.
pub(crate) fn read_forget(key: &[u8]) -> Option<(LogTime, Forgotten)> {
    let (_table, rest) = key.split_first()?;
    let (at, rest) = rest.split_first_chunk::<8>()?;
    let (kind, id) = rest.split_first()?;
    let what = match kind {
        1 => Forgotten::HeldOperation(HoldId::from_bytes(id.try_into().ok()?)),
        2 => Forgotten::Hold(HoldId::from_bytes(id.try_into().ok()?)),
        3 => Forgotten::Operation(OperationId::from_bytes(id.try_into().ok()?)),
        4 => Forgotten::Session(SessionId::from_bytes(id.try_into().ok()?)),
        5 => Forgotten::HoldBudget(id.try_into().ok()?),
        6 => Forgotten::Grant(GrantId::from_bytes(id.try_into().ok()?)),
        _unknown => return None,
    };
    Some((LogTime(u64::from_be_bytes(*at)), what))
}

/// What an agent's budget lies under: of one length, so that it can stand in the table of what is forgotten.
pub(crate) fn digest(agent: &Identity) -> [u8; 32] {
    Sha256::digest(Key::of(Table::HoldBudget).identity(agent).0).into()
}

/// Where the count of an agent's open holds lies.
pub(crate) fn open_hold_count(agent: &Identity) -> Vec<u8> {
    Key::of(Table::OpenHoldCount).bytes(&digest(agent)).0
}

/// Where the count of an agent's credentials lies that one revision of a provider vouches for.
pub(crate) fn credential_count(agent: &Identity, vouched: Revision) -> Vec<u8> {
    Key::of(Table::CredentialCount).bytes(&digest(agent)).number(vouched.0).0
}

/// The prefix of the keys of one role for SSH.
pub(crate) fn ssh_keys(role: SshRole) -> Vec<u8> {
    Key::of(Table::SshKey).bytes(&[role as u8]).0
}

pub(crate) fn ssh_key(role: SshRole, number: u64) -> Vec<u8> {
    Key::of(Table::SshKey).bytes(&[role as u8]).number(number).0
}

/// The prefix of everything that a session waits for.
pub(crate) fn waiting_of(session: SessionId) -> Vec<u8> {
    Key::of(Table::WaitingFor).bytes(session.as_bytes()).0
}

pub(crate) fn waiting_for(session: SessionId, hold: HoldId) -> Vec<u8> {
    Key::of(Table::WaitingFor).bytes(session.as_bytes()).bytes(hold.as_bytes()).0
}

pub(crate) fn hold_budget(digest: &[u8; 32]) -> Vec<u8> {
    Key::of(Table::HoldBudget).bytes(digest).0
}

/// The last eight bytes of a key as a number.
pub(crate) fn trailing_number(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The last sixteen bytes of a key as those of an id.
pub(crate) fn trailing_id(key: &[u8]) -> Option<[u8; 16]> {
    key.last_chunk::<16>().copied()
}

#[cfg(test)]
mod tests;
