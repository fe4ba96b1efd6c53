//! The invariants of the design, looked at in what a step has written: what it has not written is as it was.

use super::{super::harness::*, Touched};
use crate::{
    audit_row::AuditRow,
    format::Stored,
    key_space::{self, Single, Table},
    machine::View as _,
    records::{
        CredentialRecord, CredentialState, GrantRecord, HoldPhase, HoldRecord, OperationRecord,
        OperationState, SessionRecord,
    },
};
use countersign_core::{
    grant::GrantState,
    hold::{Choice, Decision, GLASS_MS, HoldState, HoldTerms, Reviewers},
    id::{HoldId, OperationId},
    log_time::LogTime,
    permit::Approval,
    record::{ChainHead, ChainWalk},
};
use std::collections::{BTreeMap, BTreeSet};

/// What was seen so far.
pub(super) struct Invariants {
    chain: ChainWalk,
    consumed: BTreeSet<HoldId>,
    broken: BTreeSet<HoldId>,
    intended: BTreeSet<OperationId>,
    seen: BTreeMap<&'static str, u64>,
}

fn get<T: Stored>(replica: &Replica, key: &[u8]) -> Option<T> {
    crate::state::get(&replica.state, key).unwrap()
}

fn now(replica: &Replica) -> LogTime {
    LogTime(crate::state::number(&replica.state, Single::LogTime).unwrap())
}

impl Invariants {
    pub(super) fn of(replica: &Replica) -> Self {
        let mut chain = ChainWalk::default();
        for event in replica.events() {
            chain.step(&event).unwrap();
        }
        let (consumed, broken, intended, seen) = Default::default();
        Self { chain, consumed, broken, intended, seen }
    }

    fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub(super) fn check(&mut self, replica: &Replica, touched: &Touched, told: &str) {
        self.count("steps");
        for (key, before) in touched {
            let after = replica.state.get(key).map(Vec::as_slice);
            let is = |table: Table| key.first() == Some(&(table as u8));
            if is(Table::Audit) {
                self.audit(before.as_deref(), after, told);
            } else if is(Table::Hold) {
                self.hold(replica, before.as_deref(), after, told);
            } else if is(Table::Grant) {
                self.grant(replica, before.as_deref(), after, told);
            } else if is(Table::Operation) {
                self.operation(replica, touched, (before.as_deref(), after), told);
            } else if *key == key_space::single(Single::LogTime) {
                assert!(before.as_deref() <= after, "log time ran back: {told}");
            }
        }
    }

    /// `no_lost_record`: an event follows the one before, and is never changed.
    fn audit(&mut self, before: Option<&[u8]>, after: Option<&[u8]>, told: &str) {
        assert!(before.is_none(), "an event was changed: {told}");
        for event in AuditRow::decode(after.unwrap()).unwrap().events().unwrap() {
            self.chain.step(&event).unwrap();
        }
    }

    /// `one_decision_per_hold`, and who counts.
    fn hold(&mut self, replica: &Replica, before: Option<&[u8]>, after: Option<&[u8]>, told: &str) {
        let before = before.map(|bytes| HoldRecord::decode(bytes).unwrap());
        let Some(after) = after.map(|bytes| HoldRecord::decode(bytes).unwrap()) else {
            assert!(before.unwrap().hold.state.is_settled(), "an open hold is gone: {told}");
            return;
        };
        let hold = &after.hold;
        if let Some(before) = &before {
            assert!(!before.hold.state.is_settled() || before.hold.state == hold.state, "{told}");
            assert_eq!(before.hold.fingerprint, hold.fingerprint, "{told}");
            assert_eq!(before.hold.terms, hold.terms, "{told}");
            let made = before.hold.state.decisions();
            assert_eq!(hold.state.decisions().get(..made.len()), Some(made), "{told}");
        }
        let made = hold.state.decisions();
        let counted = made.iter().filter(|made| made.choice != Choice::BreakGlass);
        let humans: BTreeSet<_> = counted.clone().map(|made| &made.reviewer.identity).collect();
        assert_eq!(humans.len(), counted.count(), "somebody decided twice: {told}");
        for decision in made {
            assert!(!decision.reviewer.may_be(&hold.requester.subject), "{told}");
            assert!(
                hold.owner.as_ref().is_none_or(|owner| !decision.reviewer.may_be(owner)),
                "{told}"
            );
            assert!(decision.at < hold.expires_at, "{told}");
        }
        let phase = HoldPhase::of(&hold.state);
        let changed =
            before.as_ref().map(|before| HoldPhase::of(&before.hold.state)) != Some(phase);
        let met = is_met(&hold.terms, hold.opened_at, made) || self.glass(&after, told);
        match phase {
            HoldPhase::Pending => assert!(!met, "it is met, and pending: {told}"),
            HoldPhase::Approved | HoldPhase::Consumed => assert!(met, "it is not met: {told}"),
            HoldPhase::Rejected
            | HoldPhase::Withdrawn
            | HoldPhase::Expired
            | HoldPhase::Invalidated => {}
        }
        if phase == HoldPhase::Consumed && changed {
            let was = before.map(|before| HoldPhase::of(&before.hold.state));
            assert_eq!(was, Some(HoldPhase::Approved), "{told}");
            assert!(self.consumed.insert(hold.id), "consumed twice: {told}");
            self.four_eyes(replica, &after, told);
        }
        let open = replica.state.contains_key(&key_space::numbered(Table::OpenHold, after.number));
        assert_eq!(open, !hold.state.is_settled(), "its index is wrong: {told}");
        assert!(!hold.state.is_settled() || after.attached.is_empty(), "{told}");
        if changed {
            self.count(phase.name());
        }
    }

    /// Nobody of whom the state says that they have a credential of the agent's key has let it through.
    fn four_eyes(&mut self, replica: &Replica, record: &HoldRecord, told: &str) {
        let rows = replica.state.scan(&key_space::table(Table::Credential), None, usize::MAX);
        let credentials: Vec<CredentialRecord> =
            rows.unwrap().iter().map(|(_, row)| CredentialRecord::decode(row).unwrap()).collect();
        let own = credentials.iter().filter(|known| {
            known.agent.identity == record.hold.requester && known.state == CredentialState::Valid
        });
        let keys: BTreeSet<[u8; 32]> = own.map(|known| known.proof_sha256).collect();
        let others = credentials.iter().filter(|known| keys.contains(&known.proof_sha256));
        for other in others {
            let let_through = record.hold.state.decisions().iter();
            let mut let_through = let_through.filter(|made| made.choice != Choice::Reject);
            let name = &other.agent.identity.subject;
            assert!(!let_through.any(|made| made.reviewer.may_be(name)), "by a sharer: {told}");
        }
        if !keys.is_empty() {
            self.count("consumed beside sharers");
        }
    }

    /// Whether somebody has let it through alone: a member of the group that is named for that, with a reason, as the last who
    /// decided, and for a short time.
    fn glass(&mut self, record: &HoldRecord, told: &str) -> bool {
        let hold = &record.hold;
        let Some(made) = hold.state.glass_broken() else { return false };
        assert!(made.reviewer.groups.contains(hold.terms.break_glass.as_ref().unwrap()), "{told}");
        assert!(!made.comment.is_empty() && made.grant_ms == 0, "{told}");
        assert_eq!(hold.state.decisions().last(), Some(made), "{told}");
        assert!(hold.expires_at <= made.at.after_ms(GLASS_MS), "{told}");
        self.broken.insert(hold.id);
        true
    }

    fn grant(
        &mut self,
        replica: &Replica,
        before: Option<&[u8]>,
        after: Option<&[u8]>,
        told: &str,
    ) {
        let before = before.map(|bytes| GrantRecord::decode(bytes).unwrap());
        let after = GrantRecord::decode(after.unwrap()).unwrap();
        let place = key_space::grant_in_force(
            &after.grant.agent,
            &after.grant.target,
            &after.grant.template,
        );
        match (&before, &after.grant.state) {
            (None, GrantState::InForce) => {
                let made = after.decisions.iter().filter(|made| made.choice == Choice::Approve);
                let shortest = made.map(|made| made.grant_ms).min().unwrap();
                assert!(shortest > 0, "somebody approved once: {told}");
                assert_eq!(after.grant.expires_at, after.granted_at.after_ms(shortest), "{told}");
                assert!(after.decisions.iter().all(|made| made.choice != Choice::BreakGlass));
                self.count("granted");
            }
            (Some(before), _) if before.uses != after.uses => {
                assert_eq!(before.grant.state, GrantState::InForce, "used, and over: {told}");
                assert_eq!(after.uses, before.uses + 1, "{told}");
                assert_eq!(after.grant, before.grant, "{told}");
                assert!(now(replica) < after.grant.expires_at, "used too late: {told}");
                self.count("used");
            }
            (Some(before), GrantState::Over { .. }) => {
                assert_eq!(before.grant.state, GrantState::InForce, "it ended twice: {told}");
                assert_ne!(
                    replica.state.get(&place),
                    Some(&after.grant.id.as_bytes().to_vec()),
                    "{told}"
                );
            }
            (None, GrantState::Over { .. }) | (Some(_), GrantState::InForce) => panic!("{told}"),
        }
    }

    /// `no_forward_without_intent`, `no_forward_without_approval`, `approval_consumed_once`, `revision_in_force` and
    /// `revoked_is_out`, at the moment from which on something can be forwarded.
    fn operation(
        &mut self,
        replica: &Replica,
        touched: &Touched,
        (before, after): (Option<&[u8]>, Option<&[u8]>),
        told: &str,
    ) {
        let before = before.map(|bytes| OperationRecord::decode(bytes).unwrap());
        let Some(after) = after.map(|bytes| OperationRecord::decode(bytes).unwrap()) else {
            return;
        };
        if let Some(before) = before {
            assert!(!matches!(before.state, OperationState::Settled(_)), "settled twice: {told}");
            assert!(matches!(after.state, OperationState::Settled(_)), "{told}");
            assert_eq!(before.approval, after.approval, "{told}");
            return;
        }
        if after.state == OperationState::Denied {
            // It was rejected lately: nothing is forwarded for it.
            assert!(after.approval.is_none() && self.intended.insert(after.id), "{told}");
            return;
        }
        assert_eq!(after.state, OperationState::Intended, "{told}");
        assert!(self.intended.insert(after.id), "intended twice: {told}");
        let session: SessionRecord = get(replica, &key_space::session(after.session)).unwrap();
        assert_eq!(session.state, crate::records::SessionState::Open, "{told}");
        let revoked = replica.state.contains_key(&key_space::revocation(&session.agent.identity));
        assert!(!revoked, "for somebody who is revoked: {told}");
        assert_eq!(session.incarnation, replica.incarnation(session.node), "{told}");
        let was_written = |key: Vec<u8>| touched.iter().any(|(written, _)| *written == key);
        match after.approval.unwrap() {
            Approval::Hold(id) => {
                let record: HoldRecord = get(replica, &key_space::hold(id)).unwrap();
                let HoldState::Consumed { operation, .. } = record.hold.state else {
                    panic!("not consumed: {told}")
                };
                assert_eq!(operation, after.id, "{told}");
                assert!(was_written(key_space::hold(id)), "consumed before: {told}");
                assert_eq!(record.hold.requester, session.agent.identity, "{told}");
                assert_eq!(record.agent.workload, session.agent.workload, "another branch: {told}");
                assert_eq!(record.hold.revision, replica.policy_revision(), "{told}");
                assert_eq!(record.target_revision, session.target_revision, "{told}");
                assert!(now(replica) < record.hold.expires_at, "{told}");
            }
            Approval::Grant(id) => {
                let record: GrantRecord = get(replica, &key_space::grant(id)).unwrap();
                assert!(was_written(key_space::grant(id)), "not counted: {told}");
                assert_eq!(record.grant.state, GrantState::InForce, "{told}");
                assert_eq!(record.grant.agent, session.agent.identity, "{told}");
                assert_eq!(record.grant.owner, session.agent.owner, "{told}");
                assert_eq!(record.grant.revision, replica.policy_revision(), "{told}");
                assert_eq!(record.grant.target_revision, session.target_revision, "{told}");
                let approved = |made: &Decision| {
                    let who = key_space::revocation(&made.reviewer.identity);
                    !replica.state.contains_key(&who)
                };
                assert!(record.decisions.iter().all(approved), "by somebody revoked: {told}");
            }
        }
    }

    /// What was seen, and that the end of the chain is where the state says.
    pub(super) fn finish(mut self, replica: &Replica) -> BTreeMap<&'static str, u64> {
        self.seen.insert("glass broken", self.broken.len() as u64);
        let head: ChainHead = get(replica, &key_space::single(Single::ChainHead)).unwrap();
        self.chain.finish(head).unwrap();
        self.seen
    }
}

/// Whether the approvals meet the terms, tried in every way there is: not as the product counts.
fn is_met(terms: &HoldTerms, opened_at: LogTime, decisions: &[Decision]) -> bool {
    let approvals: Vec<&Decision> =
        decisions.iter().filter(|made| made.choice == Choice::Approve).collect();
    let mut todo = Vec::new();
    for needed in &terms.requirements {
        for _ in 0..needed.quorum {
            todo.push((needed.reviewers.clone(), needed.escalation.clone()));
        }
    }
    let fits =
        |made: &Decision, group: &str, other: &Option<countersign_core::hold::Escalation>| {
            made.reviewer.groups.contains(group)
                || other.as_ref().is_some_and(|other| {
                    made.reviewer.groups.contains(&other.group)
                        && made.at.0 >= opened_at.0 + other.after_ms
                })
        };
    tried(todo, &approvals, &mut BTreeSet::new(), &fits)
}

type Asked = (Reviewers, Option<countersign_core::hold::Escalation>);
type Fits<'a> = &'a dyn Fn(&Decision, &str, &Option<countersign_core::hold::Escalation>) -> bool;

fn tried(
    mut todo: Vec<Asked>,
    approvals: &[&Decision],
    taken: &mut BTreeSet<usize>,
    fits: Fits<'_>,
) -> bool {
    let Some((next, other)) = todo.pop() else { return true };
    match next {
        Reviewers::Group(group) => (0..approvals.len()).any(|human| {
            if taken.contains(&human) || !fits(approvals[human], &group, &other) {
                return false;
            }
            taken.insert(human);
            let met = tried(todo.clone(), approvals, taken, fits);
            taken.remove(&human);
            met
        }),
        Reviewers::All(parts) => {
            todo.extend(parts.into_iter().map(|part| (part, other.clone())));
            tried(todo, approvals, taken, fits)
        }
        Reviewers::Any(parts) => parts.into_iter().any(|part| {
            let mut todo = todo.clone();
            todo.push((part, other.clone()));
            tried(todo, approvals, taken, fits)
        }),
    }
}
