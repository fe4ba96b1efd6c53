//! Policy: Cedar rules that allow, hold or deny. Compiling and judging are pure.
//!
//! A hold is a `permit` that carries annotations (`@hold`, `@quorum`, `@expires`, `@wait`, `@audit`, `@reason`). An
//! operation is judged once for each of its demands, and the strictest answer wins: any forbid, or a demand that no rule
//! permits, denies; otherwise any determining permit with `@hold` holds; otherwise it is allowed.
//! Who may decide about a hold is not judged here but in [`crate::hold`].

mod annotations;
mod compile;
mod entities;
mod evaluate;
mod explain;
mod extent;
mod findings;
mod levels;
mod matter;
mod question;
pub mod recorded;
mod schema;
mod slices;

pub use compile::{Policies, PolicyDocument, PolicyProblem};
pub use entities::place;
pub use evaluate::{DenyReason, Rules, Verdict, evaluate, evaluate_within, find, find_counted};
pub use explain::{DemandExplained, Part, RuleExplained, explain, who_decides};
pub use extent::{MAX_NESTING, MAX_OPERATORS, MAX_POLICY_BYTES, MAX_RULE_BYTES, MAX_WORK};
pub use findings::Finding;
pub use matter::{Asked, Matter, Who};
pub use schema::{SCHEMA, acts_on, schema_text};

#[cfg(test)]
mod tests;
