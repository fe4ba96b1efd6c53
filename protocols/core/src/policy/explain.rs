//! Why policies say what they say of a matter: for each demand the rules that its scope and conditions let decide, and those
//! that only a condition kept back. It decides nothing; what is decided is what `find` says.

use super::{
    annotations::InTransaction,
    compile::{Policies, Rule},
    extent::MAX_WORK,
    matter::Matter,
    question::{Question, Unanswered},
};
use crate::{
    hold::{HoldTerms, Requirement, Reviewers},
    operation::Demand,
};
use cedar_policy::{Effect, PolicyId};
use std::time::Duration;

/// What became of one demand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DemandExplained {
    /// The demand.
    pub demand: Demand,
    /// The rules that can be asked about it, by name.
    pub rules: Vec<RuleExplained>,
    /// Why the rules could not be asked, which denies.
    pub unanswered: Option<String>,
}

/// What one rule says to a demand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleExplained {
    /// Its name.
    pub name: String,
    /// What it does to the demand.
    pub part: Part,
    /// In words.
    pub words: String,
}

/// What a rule does to a demand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    /// It forbids.
    Forbids,
    /// It permits once humans approve.
    Holds,
    /// It permits.
    Permits,
    /// Its scope is right, its condition is not satisfied.
    KeptBack,
}

/// Who must approve, in words.
pub fn who_decides(terms: &HoldTerms) -> String {
    terms.requirements.iter().map(asked_of).collect::<Vec<_>>().join(" and ")
}

fn asked_of(needed: &Requirement) -> String {
    let Requirement { reviewers, quorum, escalation } = needed;
    let later = escalation.as_ref().map_or_else(String::new, |other| {
        let after = humantime::format_duration(Duration::from_millis(other.after_ms));
        format!(" (or {}, after {after})", other.group)
    });
    match reviewers {
        Reviewers::Group(_) => format!("{quorum} of {reviewers}{later}"),
        Reviewers::All(_) | Reviewers::Any(_) => format!("{quorum} of ({reviewers}){later}"),
    }
}

/// Explains what policies say of a matter, demand by demand.
pub fn explain(policies: &Policies, matter: &Matter) -> Vec<DemandExplained> {
    let demands = matter.asked.demands.iter();
    match Question::of(policies, matter, MAX_WORK) {
        Ok(mut question) => {
            demands.map(|demand| of_demand(policies, &mut question, demand)).collect()
        }
        Err(unanswered) => demands.map(|demand| without_answer(demand, unanswered)).collect(),
    }
}

fn without_answer(demand: &Demand, unanswered: Unanswered) -> DemandExplained {
    let demand = demand.clone();
    DemandExplained { demand, rules: Vec::new(), unanswered: Some(unanswered.to_string()) }
}

fn of_demand(policies: &Policies, question: &mut Question<'_>, demand: &Demand) -> DemandExplained {
    // Only of what was answered: what is too much to be asked is too much to be told.
    let asked =
        question.ask(demand).and_then(|answered| Ok((answered, question.in_reach(demand)?)));
    let (answered, in_reach) = match asked {
        Ok(asked) => asked,
        Err(unanswered) => return without_answer(demand, unanswered),
    };
    let is_satisfied =
        |id: &PolicyId| answered.permits.contains(id) || answered.forbids.contains(id);
    let known = in_reach.iter().filter_map(|id| Some((id, policies.rules.get(id)?)));
    // Where something is forbidden, Cedar names the permits beside it in some slices only.
    let mut rules: Vec<_> = known
        .filter(|(id, rule)| {
            answered.forbids.is_empty() || is_satisfied(id) || rule.effect == Effect::Forbid
        })
        .map(|(id, rule)| if is_satisfied(id) { satisfied(rule) } else { kept_back(rule) })
        .collect();
    rules.sort_by(|one, other| (one.part, &one.name).cmp(&(other.part, &other.name)));
    DemandExplained { demand: demand.clone(), rules, unanswered: None }
}

fn kept_back(rule: &Rule) -> RuleExplained {
    let words = match rule.effect {
        Effect::Forbid => "would forbid it, but its condition is not satisfied",
        Effect::Permit => "would permit it, but its condition is not satisfied",
    };
    RuleExplained { name: rule.name.clone(), part: Part::KeptBack, words: words.to_owned() }
}

fn satisfied(rule: &Rule) -> RuleExplained {
    let (part, words) = match (rule.effect, &rule.terms.hold) {
        (Effect::Forbid, _) => (Part::Forbids, "forbids it".to_owned()),
        (Effect::Permit, None) => (Part::Permits, "permits it".to_owned()),
        (Effect::Permit, Some(wish)) => {
            let within = match wish.in_transaction {
                InTransaction::Allowed => "",
                InTransaction::AtMost(_) => ", inside an open transaction for a short wait only",
                InTransaction::Refused => ", and not inside an open transaction",
            };
            let glass =
                wish.terms.break_glass.as_ref().map_or_else(String::new, |group| {
                    format!(", or one of {group} breaks the glass")
                });
            let who = who_decides(&wish.terms);
            let words = format!("permits it once {who} approve{glass}{within}");
            (Part::Holds, words)
        }
    };
    RuleExplained { name: rule.name.clone(), part, words }
}
