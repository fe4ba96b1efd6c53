//! Policy as the API sees it: the published schema, and checking a text before it is applied.

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
