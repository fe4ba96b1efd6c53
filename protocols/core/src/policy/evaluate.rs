//! Judging an operation. Fail closed: an error anywhere in an evaluation denies.

use super::{
    annotations::{self, HoldWish, InTransaction},
    compile::{Policies, Rule},
    extent::MAX_WORK,
    findings::Finding,
    levels::{default_audit, least_audit, weakest_audit},
    matter::Matter,
    question::{Answered, Question, Unanswered},
};
use crate::{
    hold::HoldTerms,
    id::Revision,
    mask::MaskRules,
    operation::{Demand, Operation, Transaction},
    permit::{AuditLevel, Basis, Cleared},
    session::Session,
};
use std::collections::{BTreeMap, BTreeSet};

/// What policy says about an operation.
#[derive(Debug)]
#[must_use = "an operation whose verdict is dropped is not forwarded"]
pub enum Verdict {
    /// It may be admitted.
    Allow(Cleared),
    /// Humans decide.
    Hold(HoldTerms),
    /// It does not go through.
    Deny(DenyReason),
}

/// Why policy denies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenyReason {
    /// The rules that forbid; empty when something is not permitted by any rule.
    pub rules: Vec<String>,
    /// What can be told to the agent.
    pub message: String,
}

/// What one demand came to.
enum Answer<'p> {
    Allow {
        rules: BTreeSet<String>,
        audit: AuditLevel,
    },
    /// The rules that hold, by name, with what each asks for.
    Hold(BTreeMap<&'p str, &'p HoldWish>),
    Deny(DenyReason),
}

/// The rules in force at one revision: what is allowed, held and denied, and what is masked in the answers.
#[derive(Debug)]
pub struct Rules {
    /// The policies.
    pub policies: Policies,
    /// The mask rules, which know the revision.
    pub masks: MaskRules,
}

impl Rules {
    /// The policy revision that they are of.
    pub fn revision(&self) -> Revision {
        self.masks.revision()
    }
}

/// Judges `operation` of `session` by the rules in force.
pub fn evaluate(rules: &Rules, session: &Session, operation: &Operation) -> Verdict {
    let finding = find(&rules.policies, Matter::of(session, operation));
    verdict(rules, (session, operation), finding)
}

/// The same, where it does not take more than so much work: what takes longer can be done where nobody else waits for it.
pub fn evaluate_within(
    rules: &Rules,
    session: &Session,
    operation: &Operation,
    most_work: u64,
) -> Option<Verdict> {
    let matter = Matter::of(session, operation);
    let finding = found_within(&rules.policies, matter, most_work.min(MAX_WORK))?;
    Some(verdict(rules, (session, operation), finding.0))
}

/// What a finding about the operation means for it.
fn verdict(
    rules: &Rules,
    (session, operation): (&Session, &Operation),
    finding: Finding,
) -> Verdict {
    match finding {
        Finding::Hold(terms) => Verdict::Hold(terms),
        Finding::Deny(reason) => Verdict::Deny(reason),
        Finding::Allow { rules: deciding, audit } => {
            let basis = Basis {
                operation: operation.id(),
                fingerprint: *operation.fingerprint(),
                audit,
                revision: rules.revision(),
                rules: deciding,
                approval: None,
            };
            Verdict::Allow(Cleared::new(basis, rules.masks.plan(session)))
        }
    }
}

/// What policies say of a matter: what the gate is told of an operation whose matter it is. It clears nothing.
pub fn find(policies: &Policies, matter: Matter) -> Finding {
    find_counted(policies, matter).0
}

/// The same, and what it cost: whoever has many judged for one request adds that up. Never nothing.
pub fn find_counted(policies: &Policies, matter: Matter) -> (Finding, u64) {
    found_within(policies, matter, MAX_WORK)
        .unwrap_or_else(|| (unanswered(Unanswered::TooMuch), MAX_WORK))
}

/// What policies say of a matter and the work of finding it, unless it takes more than `most_work`.
fn found_within(policies: &Policies, matter: Matter, most_work: u64) -> Option<(Finding, u64)> {
    let mut work = 0;
    let finding = policies.findings.get_or_find(matter, |matter| {
        let mut question = match Question::of(policies, matter, most_work) {
            Ok(question) => question,
            Err(Unanswered::TooMuch) => return None,
            Err(other) => return Some(unanswered(other)),
        };
        let finding = strictest(policies, matter, &mut question);
        work = most_work - question.work_left();
        finding
    })?;
    // What is known already still has to be told.
    let told = 1 + finding.rules().len() as u64;
    Some((finding, work.saturating_add(told)))
}

fn unanswered(why: Unanswered) -> Finding {
    Finding::Deny(DenyReason { rules: Vec::new(), message: why.to_string() })
}

/// The strictest answer of all demands; `None` where the question is too much for the work that it may take.
fn strictest(policies: &Policies, matter: &Matter, question: &mut Question<'_>) -> Option<Finding> {
    let mut allowed = (BTreeSet::new(), least_audit(matter.asked.effect));
    let mut held = BTreeMap::new();
    for demand in &matter.asked.demands {
        let answered = match question.ask(demand) {
            Ok(answered) => answered,
            Err(Unanswered::TooMuch) => return None,
            Err(other) => return Some(unanswered(other)),
        };
        match read(policies, demand, answered) {
            Answer::Deny(reason) => return Some(Finding::Deny(reason)),
            Answer::Hold(wishes) => held.extend(wishes),
            Answer::Allow { rules, audit } => {
                allowed.0.extend(rules);
                allowed.1 = allowed.1.max(audit);
            }
        }
    }
    Some(match annotations::union(held.into_values()) {
        Some(wish) => hold(wish, matter.asked.transaction),
        None => Finding::Allow { rules: allowed.0.into_iter().collect(), audit: allowed.1 },
    })
}

/// What is held waits with what its transaction has locked, so the rules say whether and how long it may.
fn hold(wish: HoldWish, transaction: Transaction) -> Finding {
    let HoldWish { terms, in_transaction } = wish;
    match (transaction, in_transaction) {
        (Transaction::None, _) | (Transaction::Open, InTransaction::Allowed) => {
            Finding::Hold(terms)
        }
        (Transaction::Open, InTransaction::AtMost(most_ms)) => {
            Finding::Hold(HoldTerms { wait_ms: terms.wait_ms.min(most_ms), ..terms })
        }
        (Transaction::Open, InTransaction::Refused) => Finding::Deny(DenyReason {
            rules: terms.rules,
            message: "it would wait for approval inside an open transaction, which is refused: end the transaction and send it by itself"
                .to_owned(),
        }),
    }
}

/// What the rules that decided about a demand come to.
fn read<'p>(policies: &'p Policies, demand: &Demand, answered: Answered) -> Answer<'p> {
    let Answered { permits, forbids } = answered;
    let deciding = if forbids.is_empty() { &permits } else { &forbids };
    // What a rule asks for is read beside it: one that is not found there may ask for a hold.
    let rules: Option<Vec<&Rule>> = deciding.iter().map(|id| policies.rules.get(id)).collect();
    let Some(rules) = rules else {
        return deny(Vec::new(), "a rule that decides is not known".to_owned());
    };
    if !forbids.is_empty() {
        let names = rules.iter().map(|rule| rule.name.clone()).collect();
        return deny(names, format!("{} is forbidden", demand.action.name()));
    }
    if permits.is_empty() {
        return deny(Vec::new(), format!("no rule permits {}", demand.action.name()));
    }
    permitted(demand, &rules)
}

fn permitted<'p>(demand: &Demand, deciding: &[&'p Rule]) -> Answer<'p> {
    let (holding, deciding): (Vec<&'p Rule>, Vec<&'p Rule>) =
        deciding.iter().copied().partition(|rule| rule.terms.hold.is_some());
    if demand.action.is_never_held() {
        if deciding.is_empty() {
            let message = format!(
                "{} is never held, and no rule permits it without a hold",
                demand.action.name()
            );
            return deny(holding.iter().map(|rule| rule.name.clone()).collect(), message);
        }
    } else if !holding.is_empty() {
        let wished = |rule: &'p Rule| Some((rule.name.as_str(), rule.terms.hold.as_ref()?));
        return Answer::Hold(holding.into_iter().filter_map(wished).collect());
    }
    // A rule written for what the gateway understands does not reach what it does not.
    if demand.action.is_opaque() && !deciding.iter().any(|rule| rule.names_actions) {
        return deny(
            Vec::new(),
            "the operation is not fully understood, and no rule names that action".to_owned(),
        );
    }
    // A rule can ask for more than the action needs, never for less than the weakest that it can have; and for less than
    // it has by default only where every rule beside it does.
    let of_rule = |rule: &&Rule| rule.terms.audit.unwrap_or(default_audit(demand.action));
    let audit = deciding.iter().map(of_rule).fold(weakest_audit(demand.action), AuditLevel::max);
    Answer::Allow { rules: deciding.iter().map(|rule| rule.name.clone()).collect(), audit }
}

fn deny<'p>(rules: Vec<String>, message: String) -> Answer<'p> {
    Answer::Deny(DenyReason { rules, message })
}
