//! Why policies say what they say of an operation: asking, and the answer in words.

use super::{PolicyText, case::PolicyVerdict, given::Given};
use countersign_core::policy::{
    DemandExplained, Matter, Part, Policies, RuleExplained, explain, find, place,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/policy/explain`: exactly one of `event`, `hold`, `operation` and `given`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// A recorded operation, by the sequence of the audit event in which it was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// A recorded operation, by its id, while the state knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// A held operation, by the hold's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// An operation that nobody has asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Given>,
    /// Policies to judge by instead of those in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<PolicyText>>,
}

/// What policies say of an operation, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// What they say now.
    pub verdict: PolicyVerdict,
    /// The policy revision in force, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_revision: Option<u64>,
    /// What was decided when it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<RecordedVerdict>,
    /// Each thing that it asks for, with the rules that could be asked about it.
    pub demands: Vec<ExplainedDemand>,
    /// The same in sentences.
    pub words: Vec<String>,
}

/// What was decided about a recorded operation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordedVerdict {
    /// The audit event.
    pub event: u64,
    /// What was decided.
    pub verdict: super::case::VerdictName,
    /// The rules that decided, with a comma between them.
    pub rules: String,
    /// Under which policy revision.
    pub policy_revision: String,
}

/// One thing that an operation asks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainedDemand {
    /// The action.
    pub action: String,
    /// What it acts on.
    pub resource: String,
    /// The rules whose scope reaches it, those that decide first.
    pub rules: Vec<ExplainedRule>,
    /// Why the rules could not be asked, which denies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What one rule says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainedRule {
    /// The rule.
    pub rule: String,
    /// Whether it is satisfied.
    pub decides: bool,
    /// What it says, in words.
    pub words: String,
}

/// Explains what policies say of a matter.
pub fn explained(policies: &Policies, matter: &Matter) -> Explanation {
    let verdict = PolicyVerdict::from(find(policies, matter.clone()));
    let demands: Vec<_> =
        explain(policies, matter).into_iter().map(|demand| shown(matter, demand)).collect();
    let mut words: Vec<String> = demands.iter().map(sentence).collect();
    words.push(conclusion(&verdict));
    Explanation { verdict, policy_revision: None, recorded: None, demands, words }
}

fn shown(matter: &Matter, explained: DemandExplained) -> ExplainedDemand {
    let DemandExplained { demand, rules, unanswered } = explained;
    let of_rule = |RuleExplained { name, part, words }| ExplainedRule {
        rule: name,
        decides: part != Part::KeptBack,
        words,
    };
    ExplainedDemand {
        action: demand.action.name().to_owned(),
        resource: place(&matter.who.target, &demand.resource),
        rules: rules.into_iter().map(of_rule).collect(),
        problem: unanswered,
    }
}

fn sentence(demand: &ExplainedDemand) -> String {
    let ExplainedDemand { action, resource, rules, problem } = demand;
    if let Some(problem) = problem {
        return format!("{action} on {resource}: {problem}");
    }
    let said: Vec<_> =
        rules.iter().map(|rule| format!("rule {} {}", rule.rule, rule.words)).collect();
    if said.is_empty() {
        return format!("{action} on {resource}: no rule reaches it");
    }
    format!("{action} on {resource}: {}", said.join("; "))
}

fn conclusion(verdict: &PolicyVerdict) -> String {
    let PolicyVerdict { verdict, rules, decides, message } = verdict;
    let by = if rules.is_empty() { String::new() } else { format!(" by {}", rules.join(", ")) };
    match verdict {
        super::case::VerdictName::Allow => format!("so it is allowed{by}"),
        super::case::VerdictName::Hold => {
            format!(
                "so it is held{by} until {decides} approve: what is asked for at once is judged by the strictest"
            )
        }
        super::case::VerdictName::Deny => format!("so it is denied{by}: {message}"),
    }
}
