//! Policy as the API sees it: the published schema, checking, testing, explaining and simulating texts before they are
//! applied.

mod case;
mod explain;
mod given;
mod simulate;

pub use case::{CaseResult, PolicyCase, PolicyVerdict, TooMuchWork, VerdictName, run};
pub use explain::{
    ExplainRequest, ExplainedDemand, ExplainedRule, Explanation, RecordedVerdict, explained,
};
pub use given::{Given, GivenAgent, GivenDemand, GivenError};
pub use simulate::{Change, MAX_KINDS, SimulateRequest, Simulating, Simulation, VerdictCount};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/policy/check`: policy texts to be compiled together, without applying anything.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyCheckRequest {
    /// The texts, by name.
    pub policies: Vec<PolicyText>,
}

/// A policy text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyText {
    /// The resource's name.
    pub name: String,
    /// Cedar.
    pub cedar: String,
    /// Test cases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<PolicyCase>,
}

/// What a check found. No problem means that the set could be applied.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PolicyCheck {
    /// Whether there is no problem.
    pub ok: bool,
    /// The names of the rules, when there is no problem.
    pub rules: Vec<String>,
    /// Everything that is wrong.
    pub problems: Vec<PolicyProblem>,
}

/// What is wrong in a policy text, and where.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PolicyProblem {
    /// The policy's name.
    pub policy: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do, where that can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl From<countersign_core::policy::PolicyProblem> for PolicyProblem {
    fn from(problem: countersign_core::policy::PolicyProblem) -> Self {
        let countersign_core::policy::PolicyProblem { document, line, column, message, help } =
            problem;
        Self { policy: document, line, column, message, help }
    }
}

/// `GET /v1/policy/schema`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PolicySchema {
    /// The Cedar schema that policies are validated against.
    pub cedar_schema: String,
}

/// `POST /v1/policy/test`: the cases beside the policies in force, or beside these policies.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyTestRequest {
    /// The policies that are tested, together; those in force where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<PolicyText>>,
    /// Cases beside those of the policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<PolicyCase>,
}

/// What became of the cases.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PolicyTest {
    /// Whether all have passed.
    pub ok: bool,
    /// Each case.
    pub cases: Vec<CaseResult>,
}
