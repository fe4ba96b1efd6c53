//! What can happen next: sensible most of the time, and wrong often enough.

use super::{super::harness::*, dice::Dice};
use crate::{
    command::*,
    key_space,
    records::{
        Audience, CredentialForm, GrantRecord, HoldRecord, ResourceKind, ResourceRecord, Voucher,
    },
};
use countersign_core::{
    agent::Agent,
    fingerprint::Fingerprint,
    hold::{Choice, Escalation, HoldTerms, RejectionRule},
    id::{CredentialId, GrantId, NodeId},
    permit::Approval,
    record::Outcome,
};

const AGENTS: [&str; 2] = ["bot", "bot-2"];
const TEXTS: [&str; 4] = ["delete a", "delete b", "delete c", "delete d"];
/// A key that an agent and a human have credentials of, from some time on.
pub(super) const SHARED_KEY: [u8; 32] = [0xee; 32];
/// People and their groups. The agent and its owner try too.
pub(super) const PEOPLE: [(&str, &[&str]); 8] = [
    ("dana", &["dba"]),
    ("rui", &["dba", "security"]),
    ("sam", &["security"]),
    ("max", &["dba"]),
    ("carl", &["cto"]),
    ("lea", &["leads"]),
    ("bot", &["dba", "security", "cto", "leads"]),
    ("olga", &["dba", "security", "cto", "leads"]),
];

/// The ids that were given out.
#[derive(Default)]
pub(super) struct World {
    sessions: Vec<u8>,
    holds: Vec<u8>,
    operations: u8,
    last: Option<Command>,
    boots: u8,
}

fn every_terms(which: u64) -> HoldTerms {
    let mut all = terms(1);
    all.expires_after_ms = 40_000;
    all.again_after_ms = 4_000;
    all.requirements = match which {
        0 => vec![asked("dba", 2)],
        1 => vec![asked("dba", 1), asked("security", 1)],
        2 => vec![asked("(dba and security) or cto", 1)],
        _ => vec![asked("dba or security", 2)],
    };
    if which == 0 {
        all.requirements[0].escalation =
            Some(Escalation { group: "leads".to_owned(), after_ms: 10_000 });
    }
    if which == 1 {
        all.break_glass = Some("leads".to_owned());
    }
    if which == 3 {
        all.break_glass = Some("security".to_owned());
        all.rejection = RejectionRule::Noted;
    }
    all
}

impl World {
    pub(super) fn next(&mut self, dice: &mut Dice, replica: &Replica) -> Command {
        if let Some(last) = &self.last
            && dice.one_in(15)
        {
            // The engine proposes again what was answered already.
            return last.clone();
        }
        let command = self.fresh(dice, replica);
        self.last = Some(command.clone());
        command
    }

    fn fresh(&mut self, dice: &mut Dice, replica: &Replica) -> Command {
        if self.sessions.is_empty() || dice.one_in(20) {
            return self.session(dice, replica);
        }
        if self.holds.is_empty() {
            return self.hold(dice, replica);
        }
        match dice.below(100) {
            0..=21 => self.hold(dice, replica),
            22..=55 => self.decision(dice, replica),
            56..=72 => self.claim(dice, replica),
            73..=82 => self.use_of_grant(dice, replica),
            83..=88 => settlement(
                1 + u8::try_from(dice.below(u64::from(self.operations) + 1)).unwrap(),
                Outcome::Completed,
            ),
            89..=92 => Command::Tick,
            93 | 94 => self.withdrawal(dice),
            95 | 96 => self.parked(dice),
            _ => self.upheaval(dice, replica),
        }
    }

    fn session(&mut self, dice: &mut Dice, replica: &Replica) -> Command {
        let n = u8::try_from(self.sessions.len() + 1).unwrap();
        self.sessions.push(n);
        let node = NodeId(1 + dice.below(3));
        let Command::OpenSession(mut open) =
            open_session(n, dice.pick::<&str>(&AGENTS), node, replica.incarnation(node))
        else {
            panic!("a session")
        };
        // One agent acts for somebody, the other for nobody; now and then its claims change.
        let acts_for = (open.agent.name == "bot") != dice.one_in(20);
        if dice.one_in(8) {
            "evil".clone_into(&mut open.agent.workload.branch);
        }
        open.agent.owner = acts_for.then(|| "olga".to_owned());
        Command::OpenSession(open)
    }

    /// The session of a recent opening, as far as it was taken.
    fn recent(&self, dice: &mut Dice, replica: &Replica) -> Option<u8> {
        let taken = |n: &&u8| replica.state.contains_key(&key_space::session(ses(**n)));
        let recent: Vec<u8> = self.sessions.iter().rev().filter(taken).take(4).copied().collect();
        (!recent.is_empty()).then(|| *dice.pick(&recent))
    }

    fn hold(&mut self, dice: &mut Dice, replica: &Replica) -> Command {
        let Some(session) = self.recent(dice, replica) else { return Command::Tick };
        let n = u8::try_from(self.holds.len() + 1).unwrap();
        self.holds.push(n);
        let which = dice.below(TEXTS.len() as u64);
        let text = TEXTS[usize::try_from(which).unwrap()];
        let Command::OpenHold(mut open) = replica.open_hold(n, session, text) else {
            panic!("a hold")
        };
        // The operations of claims and grants have the other half of the ids.
        open.operation = countersign_core::id::OperationId::from_bytes([n; 16].map(|b| !b));
        // The same operation is held by the same rules, most of the time.
        open.terms = every_terms(if dice.one_in(6) { dice.below(4) } else { which });
        Command::OpenHold(open)
    }

    fn record(&self, dice: &mut Dice, replica: &Replica) -> Option<(u8, HoldRecord)> {
        let recent: Vec<u8> = self.holds.iter().rev().take(5).copied().collect();
        let n = *dice.pick(&recent);
        let found = crate::state::get(&replica.state, &key_space::hold(hold(n))).unwrap();
        found.map(|record| (n, record))
    }

    fn decision(&mut self, dice: &mut Dice, replica: &Replica) -> Command {
        let Some((n, record)) = self.record(dice, replica) else { return Command::Tick };
        let (name, groups) = *dice.pick(&PEOPLE);
        let choice = match dice.below(27) {
            0..=2 => Choice::Reject,
            3..=6 => Choice::BreakGlass,
            _ => Choice::Approve,
        };
        let grant_ms = match choice {
            Choice::Approve => *dice.pick(&[0, 20_000, 20_000, 20_000, MOST_GRANTED_MS + 1]),
            Choice::Reject => 0,
            Choice::BreakGlass => *dice.pick(&[0, 0, 0, 20_000]),
        };
        let seen = if dice.one_in(20) {
            Fingerprint::from_bytes([0; 32])
        } else {
            record.hold.fingerprint
        };
        Command::Decide(Box::new(Decide {
            hold: hold(n),
            reviewer: human(name, groups).folded(),
            choice,
            grant_ms,
            comment: "said".to_owned(),
            seen,
            node: NodeId(1 + dice.below(3)),
        }))
    }

    fn operation(&mut self, dice: &mut Dice) -> u8 {
        if self.operations == 0 || !dice.one_in(6) {
            self.operations += 1;
        }
        self.operations
    }

    fn claim(&mut self, dice: &mut Dice, replica: &Replica) -> Command {
        let Some((n, record)) = self.record(dice, replica) else { return Command::Tick };
        let Some(other) = self.recent(dice, replica) else { return Command::Tick };
        let session = match record.attached.first() {
            Some(waits) if !dice.one_in(6) => waits.session,
            Some(_) | None => ses(other),
        };
        let operation = self.operation(dice);
        let claim = ClaimHold {
            hold: hold(n),
            operation: op(operation),
            session,
            fingerprint: if dice.one_in(15) {
                Fingerprint::from_bytes([1; 32])
            } else {
                record.hold.fingerprint
            },
            revision: replica.policy_revision(),
        };
        let attempt = [u8::try_from(dice.below(256)).unwrap(); 16];
        Command::ClaimHold(claim, Attempt(attempt))
    }

    fn use_of_grant(&mut self, dice: &mut Dice, replica: &Replica) -> Command {
        let Some(session) = self.recent(dice, replica) else { return Command::Tick };
        let granted: Vec<u8> = self
            .holds
            .iter()
            .rev()
            .filter(|n| {
                replica.state.contains_key(&key_space::grant(GrantId::from_bytes([**n; 16])))
            })
            .take(3)
            .copied()
            .collect();
        let Some(n) = (!granted.is_empty()).then(|| *dice.pick(&granted)) else {
            return Command::Tick;
        };
        let id = GrantId::from_bytes([n; 16]);
        let record: GrantRecord =
            crate::state::get(&replica.state, &key_space::grant(id)).unwrap().unwrap();
        let operation = self.operation(dice);
        let Command::Intent(mut intent, _) = replica.intend(operation, session) else {
            panic!("an intent")
        };
        intent.basis.approval = Some(Approval::Grant(id));
        intent.basis.rules.clone_from(&record.grant.terms.rules);
        intent.template = (!dice.one_in(12)).then_some(record.grant.template);
        Command::Intent(intent, Attempt([operation; 16]))
    }

    fn withdrawal(&mut self, dice: &mut Dice) -> Command {
        let by = if dice.one_in(2) {
            Withdrawer::Author(ada())
        } else {
            Withdrawer::Agent(ses(*dice.pick(&self.sessions)))
        };
        Command::WithdrawHold(WithdrawHold {
            hold: hold(*dice.pick(&self.holds)),
            by,
            comment: String::new(),
        })
    }

    fn parked(&mut self, dice: &mut Dice) -> Command {
        Command::ParkHold(ParkHold {
            hold: hold(*dice.pick(&self.holds)),
            session: ses(*dice.pick(&self.sessions)),
            leaves: if dice.one_in(4) { Leaves::Void } else { Leaves::Parked },
        })
    }

    /// Of the agent `bot-2` and of `sam`, with one key.
    fn credential(&self, dice: &mut Dice, replica: &Replica) -> Command {
        let place = key_space::resource(ResourceKind::IdentityProvider, "ci");
        let Some(provider) = crate::state::get::<ResourceRecord>(&replica.state, &place).unwrap()
        else {
            return put(ResourceKind::IdentityProvider, "ci", "{}", Expected::Absent);
        };
        let agent = Agent { owner: None, ..robot(dice.pick::<&str>(&["bot-2", "sam"])) };
        Command::IssueCredential(Box::new(IssueCredential {
            id: CredentialId::from_bytes([self.boots; 16]),
            agent,
            voucher: Voucher { provider: provider.name, revision: provider.revision },
            form: CredentialForm::SshCertificate,
            audience: Audience::Cluster,
            proof_sha256: SHARED_KEY,
            source: "127.0.0.1:6000".parse().unwrap(),
            node: NodeId(1),
            most_live: 10,
        }))
    }

    /// What changes the ground that holds and grants stand on.
    fn upheaval(&mut self, dice: &mut Dice, replica: &Replica) -> Command {
        self.boots = self.boots.wrapping_add(1);
        let body = format!(r#"{{"n": {}}}"#, replica.index);
        match dice.below(14) {
            12 | 13 => self.credential(dice, replica),
            0..=3 => put(ResourceKind::Policy, "p", &body, Expected::Anything),
            4 => put(ResourceKind::Target, "orders", &body, Expected::Anything),
            5 | 6 => replica.node_up(NodeId(1 + dice.below(3)), 100 + self.boots),
            7 => Command::Revoke(Revoke {
                what: Revocable::Session(ses(*dice.pick(&self.sessions))),
                reason: "enough".to_owned(),
                author: ada(),
            }),
            8..=10 => Command::Revoke(Revoke {
                what: Revocable::Grant(GrantId::from_bytes([*dice.pick(&self.holds); 16])),
                reason: "enough".to_owned(),
                author: ada(),
            }),
            _ => revoke(who(dice.pick::<&str>(&["sam", "max", "bot-2"]))),
        }
    }
}
