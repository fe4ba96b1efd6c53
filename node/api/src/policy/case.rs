//! Test cases beside a policy: an operation, and what the policies must say of it. They are run by whoever has the policies:
//! a node, or the command line without one.

use super::given::Given;
use countersign_core::policy::{Finding, Policies, find, who_decides};
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

/// Runs a case that stands beside `policy`.
pub fn run(policies: &Policies, policy: &str, case: &PolicyCase) -> CaseResult {
    let (found, problem) = match case.given.matter() {
        Ok(matter) => {
            let found = PolicyVerdict::from(find(policies, matter));
            let problem = case.problem(&found);
            (Some(found), problem)
        }
        Err(error) => (None, Some(error.to_string())),
    };
    let passed = problem.is_none();
    CaseResult { policy: policy.to_owned(), case: case.name.clone(), passed, found, problem }
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
