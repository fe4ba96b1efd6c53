//! A replica in memory, and commands to feed it with.

use crate::{
    apply::StateMachine,
    audit_row::AuditRow,
    command::*,
    effect::Effect,
    format::{self, Stored},
    key_space::{self, Single, Table},
    machine::{Batch, Machine, View},
    records::*,
    reply::{Answer, Reply, StateRefusal},
};
use countersign_core::{
    agent::{Agent, Identity, Workload},
    fingerprint::{Fingerprint, Fingerprinted},
    gate::{CancelKey, Settlement},
    hold::{Choice, HoldTerms, ReasonRule, RejectionRule, Requirement, Reviewers},
    id::*,
    log_time::LogTime,
    mask::MaskTally,
    operation::{Action, Demand, Resource},
    permit::{AuditLevel, Basis},
    record::{AuditEvent, ChainHead, ChainWalk, EventKind, Outcome},
    reviewer::Reviewer,
    target::{Protocol, Target, TargetName},
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const MOST_OPEN: u64 = 100;
pub(super) const MOST_A_PERIOD: u64 = 500;
pub(super) const MOST_GRANTED_MS: u64 = 40_000;
pub(super) const START_MS: u64 = 1_000_000;

#[derive(Clone, Default)]
pub(super) struct Replica {
    pub(super) state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) index: u64,
    pub(super) now: u64,
    pub(super) effects: Vec<Effect>,
}

impl Replica {
    /// A cluster of three started nodes with a target and a policy.
    pub(super) fn ready() -> Self {
        let mut replica = Self { now: START_MS, ..Self::default() };
        for command in beginning() {
            replica.run(command).unwrap();
        }
        replica
    }

    pub(super) fn run(&mut self, command: Command) -> Reply {
        self.index += 1;
        self.entry(&[command]).remove(0)
    }

    /// Applies one entry at the present index.
    pub(super) fn entry(&mut self, commands: &[Command]) -> Vec<Reply> {
        let commands: Vec<_> = commands.iter().map(|c| c.encode().unwrap()).collect();
        let batch = Batch { index: self.index, term: 1, at_ms: self.now, commands: &commands };
        let applied = StateMachine.apply(&self.state, batch).unwrap();
        for (key, value) in applied.writes {
            match value {
                Some(value) => self.state.insert(key, value),
                None => self.state.remove(&key),
            };
        }
        self.effects.extend(applied.effects.iter().map(|e| Effect::decode(e).unwrap()));
        applied.replies.iter().map(|reply| format::decode_reply(reply).unwrap()).collect()
    }

    pub(super) fn policy_revision(&self) -> Revision {
        Revision(crate::state::number(&self.state, Single::PolicyRevision).unwrap())
    }

    pub(super) fn hold(&self, id: HoldId) -> HoldRecord {
        crate::state::get(&self.state, &key_space::hold(id)).unwrap().unwrap()
    }

    pub(super) fn phase(&self, id: HoldId) -> HoldPhase {
        HoldPhase::of(&self.hold(id).hold.state)
    }

    pub(super) fn request(&self, id: RequestId) -> Option<RequestRecord> {
        crate::state::get(&self.state, &key_space::request(id)).unwrap()
    }

    pub(super) fn session(&self, id: SessionId) -> SessionRecord {
        crate::state::get(&self.state, &key_space::session(id)).unwrap().unwrap()
    }

    pub(super) fn operation(&self, id: OperationId) -> OperationRecord {
        crate::state::get(&self.state, &key_space::operation(id)).unwrap().unwrap()
    }

    pub(super) fn events(&self) -> Vec<AuditEvent> {
        let rows = self.state.scan(&key_space::table(Table::Audit), None, usize::MAX).unwrap();
        rows.iter().flat_map(|(_, row)| AuditRow::decode(row).unwrap().events().unwrap()).collect()
    }

    pub(super) fn count(&self, kind: EventKind) -> usize {
        self.events().iter().filter(|event| event.kind == kind).count()
    }

    pub(super) fn check_chain(&self) {
        let head: ChainHead =
            crate::state::get(&self.state, &key_space::single(Single::ChainHead)).unwrap().unwrap();
        let mut walk = ChainWalk::default();
        for event in self.events() {
            walk.step(&event).unwrap();
        }
        walk.finish(head).unwrap();
    }

    pub(super) fn opened(&mut self, session: u8, agent: &str) -> SessionId {
        let node = NodeId(u64::from(session % 3) + 1);
        let command = open_session(session, agent, node, self.incarnation(node));
        self.run(command).unwrap();
        ses(session)
    }

    pub(super) fn incarnation(&self, node: NodeId) -> Incarnation {
        let record: NodeRecord =
            crate::state::get(&self.state, &key_space::node(node)).unwrap().unwrap();
        match record.state {
            NodeState::Started(start) => start.incarnation,
            other @ (NodeState::Admitted | NodeState::Removed { .. }) => panic!("{other:?}"),
        }
    }

    /// A start of a node that follows its present one.
    pub(super) fn node_up(&self, node: NodeId, boot: u8) -> Command {
        let record: Option<NodeRecord> =
            crate::state::get(&self.state, &key_space::node(node)).unwrap();
        let after = match record.map(|record| record.state) {
            Some(NodeState::Started(start)) => Some(start.incarnation),
            Some(NodeState::Admitted | NodeState::Removed { .. }) | None => None,
        };
        node_up(node, boot, after)
    }

    pub(super) fn started(&mut self, node: u64, boot: u8) -> Reply {
        let command = self.node_up(NodeId(node), boot);
        self.run(command)
    }

    /// How many rows a table has.
    pub(super) fn rows(&self, table: Table) -> usize {
        self.state.scan(&key_space::table(table), None, usize::MAX).unwrap().len()
    }

    /// Opens a hold in `session`; the ids of hold and operation are `n`.
    pub(super) fn held(&mut self, n: u8, session: u8, text: &str) -> Reply {
        let command = self.open_hold(n, session, text);
        self.run(command)
    }

    pub(super) fn open_hold(&self, n: u8, session: u8, text: &str) -> Command {
        let record = self.session(ses(session));
        let held = held(text);
        Command::OpenHold(Box::new(OpenHold {
            id: hold(n),
            operation: op(n),
            session: ses(session),
            fingerprint: fingerprint(&record, &held),
            held,
            terms: terms(2),
            revision: self.policy_revision(),
            most_open: MOST_OPEN,
            most_a_period: MOST_A_PERIOD,
        }))
    }

    pub(super) fn decided(&mut self, n: u8, reviewer: &str, choice: Choice) -> Reply {
        let command = self.decide(n, reviewer, choice);
        self.run(command)
    }

    pub(super) fn decide(&self, n: u8, reviewer: &str, choice: Choice) -> Command {
        Command::Decide(Box::new(Decide {
            hold: hold(n),
            reviewer: human(reviewer, &["dba"]),
            choice,
            grant_ms: 0,
            comment: "looked at it".to_owned(),
            seen: self.hold(hold(n)).hold.fingerprint,
            node: NodeId(3),
        }))
    }

    /// An approved hold.
    pub(super) fn approved(&mut self, n: u8, session: u8, text: &str) {
        self.held(n, session, text).unwrap();
        self.decided(n, "dana", Choice::Approve).unwrap();
        self.decided(n, "rui", Choice::Approve).unwrap();
        assert_eq!(self.phase(hold(n)), HoldPhase::Approved);
    }

    pub(super) fn claim(&self, n: u8, operation: u8, session: u8) -> Command {
        let claim = ClaimHold {
            hold: hold(n),
            operation: op(operation),
            session: ses(session),
            fingerprint: self.hold(hold(n)).hold.fingerprint,
            revision: self.policy_revision(),
        };
        Command::ClaimHold(claim, Attempt([operation; 16]))
    }

    pub(super) fn intend(&self, operation: u8, session: u8) -> Command {
        let intent = Intent {
            session: ses(session),
            basis: Basis {
                operation: op(operation),
                fingerprint: Fingerprint::from_bytes([9; 32]),
                audit: AuditLevel::BeforeForward,
                revision: self.policy_revision(),
                rules: vec!["reads".to_owned()],
                approval: None,
            },
            template: None,
            summary: "SELECT".to_owned(),
            text: AuditText::of(b"select 1"),
            actions: vec!["postgres:read".to_owned()],
            asked: "asks-1\tpassing\tnone".to_owned(),
        };
        Command::Intent(Box::new(intent), Attempt([operation; 16]))
    }

    /// The same for an operation that is forwarded ahead of it.
    pub(super) fn intend_ahead(&self, operation: u8, session: u8) -> Command {
        let Command::Intent(mut intent, attempt) = self.intend(operation, session) else {
            panic!("an intent")
        };
        intent.basis.audit = AuditLevel::BeforeReply;
        Command::Intent(intent, attempt)
    }

    pub(super) fn change(&mut self, kind: ResourceKind, name: &str, body: &str) -> Reply {
        self.run(put(kind, name, body, Expected::Anything))
    }
}

pub(super) fn put(kind: ResourceKind, name: &str, body: &str, expected: Expected) -> Command {
    // A request id a document: the same change is the same request.
    let mut id = [0; 16];
    for (place, byte) in format!("{kind}{name}{body}{expected:?}").bytes().enumerate() {
        id[place % 16] ^= byte.rotate_left(u32::try_from(place / 16).unwrap());
    }
    Command::ApplyResources(ApplyResources {
        id: RequestId(id),
        content: [0; 32],
        answer: "{}".to_owned(),
        changes: vec![ResourceChange {
            kind,
            name: name.to_owned(),
            expected,
            to: ResourceBody::Put(body.to_owned()),
        }],
        author: ada(),
        comment: String::new(),
    })
}

pub(super) fn beginning() -> Vec<Command> {
    let mut commands = vec![Command::Initialise(Box::new(Initialise {
        cluster_id: [1; 16],
        cluster_name: "test".to_owned(),
        ca_cert_pem: "pem".to_owned(),
        sealed_ca_key: vec![1, 2, 3],
        credential_ca_cert_pem: "pem".to_owned(),
        sealed_credential_ca_key: vec![4, 5, 6],
        ssh_keys: Vec::new(),
        bootstrap_token_sha256: [2; 32],
        bootstrap_expires_after_ms: 3_600_000,
        first: facts(1),
    }))];
    for n in 2..=3 {
        commands.push(Command::CreateJoinToken(CreateJoinToken {
            sha256: [n; 32],
            expires_after_ms: 60_000,
            author: ada(),
        }));
        commands.push(Command::UseJoinToken(UseJoinToken { sha256: [n; 32], facts: facts(n) }));
    }
    commands.extend((1..=3).map(|n| node_up(NodeId(u64::from(n)), n, None)));
    commands.push(put(ResourceKind::Target, "orders", "{}", Expected::Absent));
    commands.push(put(ResourceKind::Policy, "sample", "{}", Expected::Absent));
    commands
}

fn node_up(node: NodeId, boot: u8, after: Option<Incarnation>) -> Command {
    Command::NodeUp(Box::new(NodeUp {
        node,
        boot: [boot; 16],
        after,
        version: "0.1.0".to_owned(),
        api_url: format!("https://127.0.0.1:{node}"),
    }))
}

pub(super) fn open_session(n: u8, agent: &str, node: NodeId, incarnation: Incarnation) -> Command {
    Command::OpenSession(Box::new(OpenSession {
        id: ses(n),
        agent: robot(agent),
        credential: None,
        target: TargetName::parse("orders").unwrap(),
        protocol: Protocol::Postgres,
        role: "app".to_owned(),
        source: "127.0.0.1:5000".parse().unwrap(),
        client: "psql".to_owned(),
        node,
        incarnation,
        cancel: CancelKey { process: u32::from(n), secret: 7 },
    }))
}

pub(super) fn settlement(operation: u8, outcome: Outcome) -> Command {
    Command::Outcome(Settlement {
        operation: op(operation),
        outcome,
        rows: 1,
        bytes: 10,
        word: "DELETE 1".to_owned(),
        masked: MaskTally::default(),
    })
}

pub(super) fn revoke(who: Identity) -> Command {
    Command::Revoke(Revoke {
        what: Revocable::Identity(who),
        reason: "left".to_owned(),
        author: ada(),
    })
}

pub(super) fn ses(n: u8) -> SessionId {
    SessionId::from_bytes([n; 16])
}

pub(super) fn hold(n: u8) -> HoldId {
    HoldId::from_bytes([n; 16])
}

pub(super) fn op(n: u8) -> OperationId {
    OperationId::from_bytes([n; 16])
}

pub(super) fn who(subject: &str) -> Identity {
    Identity { issuer: "https://issuer".to_owned(), subject: subject.to_owned() }
}

pub(super) fn robot(name: &str) -> Agent {
    Agent {
        identity: who(name),
        name: name.to_owned(),
        owner: Some("olga".to_owned()),
        groups: BTreeSet::from(["ci".to_owned()]),
        workload: Workload::default(),
        expires_at: LogTime(START_MS + 3_600_000),
    }
}

pub(super) fn human(name: &str, groups: &[&str]) -> Reviewer {
    Reviewer {
        identity: who(name),
        name: name.to_owned(),
        also_known_as: BTreeSet::new(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    }
}

/// What node `n` joins with.
pub(super) fn facts(n: u8) -> JoinFacts {
    JoinFacts {
        key_sha256: [n; 32],
        address: format!("127.0.0.1:{n}"),
        api_url: format!("https://127.0.0.1:{n}"),
        storage: [n; 16],
    }
}

pub(super) fn ada() -> Author {
    Author { identity: who("ada"), name: "ada".to_owned() }
}

pub(super) fn asked(reviewers: &str, quorum: u32) -> Requirement {
    let reviewers = Reviewers::parse(reviewers).unwrap();
    Requirement { reviewers, quorum, escalation: None }
}

pub(super) fn terms(quorum: u32) -> HoldTerms {
    HoldTerms {
        requirements: vec![asked("dba", quorum)],
        expires_after_ms: 60_000,
        wait_ms: 10_000,
        reason: ReasonRule::Optional,
        rejection: RejectionRule::Ends,
        again_after_ms: 0,
        grantable_ms: Some(MOST_GRANTED_MS),
        rules: vec!["writes".to_owned()],
        break_glass: None,
    }
}

pub(super) fn held(text: &str) -> HeldOperation {
    HeldOperation {
        text: text.as_bytes().to_vec(),
        parameters: Vec::new(),
        settings: vec![("search_path".to_owned(), "public".to_owned())],
        summary: "DELETE".to_owned(),
        demands: BTreeSet::from([Demand {
            action: Action::PostgresWrite,
            resource: Resource::Target,
        }]),
        context: Vec::new(),
        asked: "asks-1\tlasting\tnone\ndemand\tpostgres:write\ttarget".to_owned(),
        shape: Some("delete from accounts where id = $1".to_owned()),
    }
}

pub(super) fn fingerprint(session: &SessionRecord, held: &HeldOperation) -> Fingerprint {
    Fingerprint::of(Fingerprinted {
        target: &Target {
            name: session.target.clone(),
            revision: session.target_revision,
            protocol: session.protocol,
        },
        agent: &session.agent.identity,
        workload: &session.agent.workload,
        settings: &held.settings,
        text: &held.text,
        parameters: &held.parameters,
    })
}

pub(super) fn refusal(reply: Reply) -> StateRefusal {
    reply.unwrap_err()
}

pub(super) fn is_attached(reply: &Reply) -> bool {
    matches!(reply, Ok(Answer::Attached(_)))
}
