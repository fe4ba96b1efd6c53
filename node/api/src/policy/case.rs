//! Test cases beside a policy: an operation, and what the policies must say of it. They are run by whoever has the policies:
//! a node, or the command line without one.

use super::{PolicyTest, PolicyText, given::Given};
use countersign_core::policy::{Finding, Policies, find_counted, who_decides};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Allow, hold or deny.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum VerdictName {
    /// It goes through.
    Allow,
    /// Humans decide.
    Hold,
    /// It does not go through.
    Deny,
}

impl VerdictName {
    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Deny => "deny",
        }
    }
}

/// What policies say of an operation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
pub struct PolicyVerdict {
    /// Allow, hold or deny.
    pub verdict: VerdictName,
    /// The rules that decide; a denial without any is that nothing permits it.
    pub rules: Vec<String>,
    /// Who must approve, such as `2 of dba`; empty where nobody is asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub decides: String,
    /// What the agent is told where it is denied.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl From<Finding> for PolicyVerdict {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::Allow { rules, audit: _ } => {
                let verdict = VerdictName::Allow;
                Self { verdict, rules, decides: String::new(), message: String::new() }
            }
            Finding::Hold(terms) => Self {
                verdict: VerdictName::Hold,
                decides: who_decides(&terms),
                rules: terms.rules,
                message: String::new(),
            },
            Finding::Deny(reason) => Self {
                verdict: VerdictName::Deny,
                rules: reason.rules,
                decides: String::new(),
                message: reason.message,
            },
        }
    }
}

/// One test case.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyCase {
    /// What it shows.
    pub name: String,
    /// The operation.
    pub given: Given,
    /// What the policies must say.
    pub expect: VerdictName,
    /// The rules that must decide, where that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<String>>,
    /// Who must have to approve, such as `2 of dba`, where that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decides: Option<String>,
}

/// What became of a case.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct CaseResult {
    /// The policy that the case stands beside.
    pub policy: String,
    /// The case's name.
    pub case: String,
    /// Whether the policies say what they must.
    pub passed: bool,
    /// What they say; null where the case cannot be read.
    pub found: Option<PolicyVerdict>,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The cases take more work than may be done for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("running these cases takes too much work")]
pub struct TooMuchWork;

/// Runs cases, each beside the policy of that name, as long as they take no more than so much work together.
pub fn run<'c>(
    policies: &Policies,
    cases: impl IntoIterator<Item = (&'c str, &'c PolicyCase)>,
    most_work: u64,
) -> Result<PolicyTest, TooMuchWork> {
    let (mut results, mut work) = (Vec::new(), 0_u64);
    for (policy, case) in cases {
        let (result, cost) = run_one(policies, policy, case);
        work = work.saturating_add(cost);
        if work > most_work {
            return Err(TooMuchWork);
        }
        results.push(result);
    }
    Ok(PolicyTest { ok: results.iter().all(|result| result.passed), cases: results })
}

impl PolicyText {
    /// The cases that stand beside the policy, with its name.
    pub fn cases(&self) -> impl Iterator<Item = (&str, &PolicyCase)> {
        self.tests.iter().map(|case| (self.name.as_str(), case))
    }
}

fn run_one(policies: &Policies, policy: &str, case: &PolicyCase) -> (CaseResult, u64) {
    let (found, problem, work) = match case.given.matter() {
        Ok(matter) => {
            let (found, work) = find_counted(policies, matter);
            let found = PolicyVerdict::from(found);
            let problem = case.problem(&found);
            (Some(found), problem, work)
        }
        Err(error) => (None, Some(error.to_string()), 1),
    };
    let passed = problem.is_none();
    let (policy, case) = (policy.to_owned(), case.name.clone());
    (CaseResult { policy, case, passed, found, problem }, work)
}

impl PolicyCase {
    fn problem(&self, found: &PolicyVerdict) -> Option<String> {
        let PolicyVerdict { verdict, rules, decides, message } = found;
        if *verdict != self.expect {
            let by =
                if rules.is_empty() { message.clone() } else { format!("by {}", rules.join(", ")) };
            return Some(format!(
                "expected {}, found {} ({by})",
                self.expect.name(),
                verdict.name()
            ));
        }
        if let Some(expected) =
            self.rules.as_ref().filter(|expected| sorted(expected) != sorted(rules))
        {
            return Some(format!(
                "expected by {}, found by {}",
                expected.join(", "),
                rules.join(", ")
            ));
        }
        let expected = self.decides.as_ref().filter(|expected| *expected != decides)?;
        Some(format!("expected {expected} to decide, found {decides}"))
    }
}

fn sorted(names: &[String]) -> Vec<&str> {
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::policy::PolicyDocument;

    #[test]
    fn cases_are_run_as_long_as_they_take_no_more_work_than_they_may() {
        let cedar = "permit(principal, action == Action::\"postgres:read\", resource);";
        let document = PolicyDocument { name: "a".to_owned(), text: cedar.to_owned() };
        let policies = Policies::compile(&[document]).unwrap();
        let case = |n: usize| -> PolicyCase {
            let given = serde_json::json!({"agent": {"subject": "bot"}, "target": "orders",
                "asks": [{"action": "postgres:read", "relation": format!("public.t{n}")}]});
            let case = serde_json::json!({"name": "reads", "expect": "allow", "given": given});
            serde_json::from_value(case).unwrap()
        };
        let cases: Vec<_> = (0..10).map(case).collect();
        let run = |most| run(&policies, cases.iter().map(|case| ("a", case)), most);
        assert!(run(1_000).unwrap().ok);
        // What is known by now costs what is told of it.
        assert_eq!(run(19), Err(TooMuchWork));
        assert_eq!(run(20).unwrap().cases.len(), 10);
    }
}
