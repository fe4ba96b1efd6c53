//! Frozen keys: what lies somewhere is found there for ever. A failure here means that the state of a cluster would not be
//! found again by the next version.

use super::*;

/// Every key, by a name: at least one of each table, single value and thing that expires or is forgotten.
fn keys() -> Vec<(&'static str, Vec<u8>)> {
    let (hold_id, operation_id) = (HoldId::from_bytes([3; 16]), OperationId::from_bytes([4; 16]));
    let session_id = SessionId::from_bytes([5; 16]);
    let who = Identity { issuer: "iss".to_owned(), subject: "sub".to_owned() };
    let (node_id, start) = (NodeId(2), Incarnation(12));
    let orders = TargetName::parse("orders").unwrap();
    let at = LogTime(0x0102_0304);
    let mut all = vec![
        ("node", node(node_id)),
        ("session", session(session_id)),
        ("open-session", open_session(node_id, start, session_id)),
        ("open-sessions-of-node", open_sessions_of_node(node_id)),
        ("open-sessions-of-incarnation", open_sessions_of_incarnation(node_id, start)),
        ("hold", hold(hold_id)),
        ("held-operation", held_operation(hold_id)),
        ("open-hold-of-agent", open_hold_of_agent(&who, &Fingerprint::from_bytes([7; 32]))),
        ("operation", operation(operation_id)),
        ("open-operations-of-node", open_operations_of_node(node_id)),
        ("open-operation", open_operation(node_id, start, operation_id)),
        ("resources", resources(ResourceKind::Policy)),
        ("resource", resource(ResourceKind::Policy, "p")),
        ("cancel-key", cancel_key(CancelKey { process: 1, secret: 2 })),
        ("revocation", revocation(&who)),
        ("revoked-issuer", revoked_issuer("iss")),
        ("join-token", join_token(&[8; 32])),
        ("credential", credential(CredentialId::from_bytes([6; 16]))),
        ("audit", audit(9)),
        ("request", request(RequestId([6; 16]))),
        ("hold-budget", hold_budget(&digest(&who))),
        ("notes-taken", notes_taken(node_id)),
        ("evidence", evidence(hold_id)),
        ("open-hold-count", open_hold_count(&who)),
        ("credential-count", credential_count(&who, Revision(9))),
        ("ssh-keys", ssh_keys(SshRole::AgentAuthority)),
        ("ssh-key", ssh_key(SshRole::AgentAuthority, 9)),
        ("waiting-of", waiting_of(session_id)),
        ("waiting-for", waiting_for(session_id, hold_id)),
        ("recording", recording(session_id)),
        ("segments", segments(session_id)),
        ("segment", segment(session_id, 2)),
        ("grant", grant(GrantId::from_bytes([10; 16]))),
        ("grant-in-force", grant_in_force(&who, &orders, &Template::from_bytes([11; 32]))),
        ("rejected-hold", rejected_hold(&who, &Fingerprint::from_bytes([7; 32]))),
        ("holds-of-fingerprint", holds_of_fingerprint(&Fingerprint::from_bytes([7; 32]))),
        ("hold-of-fingerprint", hold_of_fingerprint(&Fingerprint::from_bytes([7; 32]), 9)),
        ("credentials-of-agent", credentials_of_agent(&who)),
        ("credential-of-agent", credential_of_agent(&who, CredentialId::from_bytes([6; 16]))),
        ("credentials-of-key", credentials_of_key(&[8; 32])),
        ("credential-of-key", credential_of_key(&[8; 32], CredentialId::from_bytes([6; 16]))),
        ("expiry-escalation", expiry(at, Expiring::Escalation(hold_id))),
        ("expiry-grant", expiry(at, Expiring::Grant(GrantId::from_bytes([10; 16])))),
        ("forget-grant", forget(at, Forgotten::Grant(GrantId::from_bytes([10; 16])))),
        ("expiry-hold", expiry(at, Expiring::Hold(hold_id))),
        ("expiry-join-token", expiry(at, Expiring::JoinToken([8; 32]))),
        ("expiry-credential", expiry(at, Expiring::Credential(CredentialId::from_bytes([6; 16])))),
        ("expiry-request", expiry(at, Expiring::Request(RequestId([6; 16])))),
        ("forget-held-operation", forget(at, Forgotten::HeldOperation(hold_id))),
        ("forget-hold", forget(at, Forgotten::Hold(hold_id))),
        ("forget-operation", forget(at, Forgotten::Operation(operation_id))),
        ("forget-session", forget(at, Forgotten::Session(session_id))),
        ("forget-hold-budget", forget(at, Forgotten::HoldBudget([8; 32]))),
    ];
    all.extend(singles().map(|(name, what)| (name, single(what))));
    all.extend(numbered_tables().map(|(name, table)| (name, numbered(table, 9))));
    all
}

fn singles() -> [(&'static str, Single); 12] {
    [
        ("single-cluster", Single::Cluster),
        ("single-log-time", Single::LogTime),
        ("single-policy-revision", Single::PolicyRevision),
        ("single-last-revision", Single::LastRevision),
        ("single-chain-head", Single::ChainHead),
        ("single-last-node", Single::LastNode),
        ("single-last-audit-key", Single::LastAuditKey),
        ("single-checkpoint", Single::Checkpoint),
        ("single-leader-term", Single::LeaderTerm),
        ("single-last-archive", Single::LastArchive),
        ("single-archive-kept", Single::ArchiveKept),
        ("single-epoch", Single::Epoch),
    ]
}

fn numbered_tables() -> [(&'static str, Table); 9] {
    [
        ("session-by-number", Table::SessionByNumber),
        ("hold-by-number", Table::HoldByNumber),
        ("open-hold", Table::OpenHold),
        ("open-session-by-number", Table::OpenSessionByNumber),
        ("audit-key", Table::AuditKey),
        ("archive-file", Table::Archive),
        ("archive-read", Table::ArchiveRead),
        ("opened-keys", Table::OpenedKeys),
        ("grant-by-number", Table::GrantByNumber),
    ]
}

#[test]
fn every_key_is_where_it_was_first() {
    let frozen: Vec<(&str, &str)> =
        include_str!("tests/frozen.txt").lines().filter_map(|line| line.split_once(' ')).collect();
    let keys: Vec<(&str, String)> =
        keys().into_iter().map(|(name, key)| (name, hex::encode(key))).collect();
    let now: Vec<(&str, &str)> = keys.iter().map(|(name, key)| (*name, key.as_str())).collect();
    assert_eq!(frozen, now);
}

#[test]
fn every_table_has_a_frozen_key() {
    let begin: std::collections::BTreeSet<u8> = keys().iter().map(|(_, key)| key[0]).collect();
    // Tables are numbered from 1 without a gap; the match makes a new one a question to whoever adds it.
    let last = |table: Table| match table {
        Table::Single
        | Table::Node
        | Table::Session
        | Table::SessionByNumber
        | Table::OpenSession
        | Table::Hold
        | Table::HeldOperation
        | Table::HoldByNumber
        | Table::OpenHold
        | Table::HoldByAgent
        | Table::Operation
        | Table::OpenOperation
        | Table::Resource
        | Table::CancelKey
        | Table::Revocation
        | Table::JoinToken
        | Table::Audit
        | Table::Expiry
        | Table::Request
        | Table::OpenSessionByNumber
        | Table::Forget
        | Table::HoldBudget
        | Table::NotesTaken
        | Table::Credential
        | Table::Evidence
        | Table::AuditKey
        | Table::OpenHoldCount
        | Table::WaitingFor
        | Table::Recording
        | Table::Segment
        | Table::CredentialCount
        | Table::Archive
        | Table::SshKey
        | Table::ArchiveRead
        | Table::OpenedKeys
        | Table::RevokedIssuer
        | Table::Grant
        | Table::GrantByNumber
        | Table::GrantInForce
        | Table::RejectedHold
        | Table::HoldByFingerprint
        | Table::CredentialOfAgent
        | Table::CredentialOfKey => 43,
    };
    assert!(begin.into_iter().eq(1..=last(Table::Single)));
}

#[test]
fn what_expires_and_is_forgotten_reads_back() {
    for (name, key) in keys() {
        if name.starts_with("expiry-") {
            let (at, what) = read_expiry(&key).unwrap();
            assert_eq!(expiry(at, what), key, "{name}");
        }
        if name.starts_with("forget-") {
            let (at, what) = read_forget(&key).unwrap();
            assert_eq!(forget(at, what), key, "{name}");
        }
    }
}

#[test]
fn one_identity_cannot_imitate_another() {
    let of = |issuer: &str, subject: &str| Identity {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
    };
    assert_ne!(revocation(&of("ab", "c")), revocation(&of("a", "bc")));
    assert_ne!(digest(&of("ab", "c")), digest(&of("a", "bc")));
}
