//! Policy: Cedar rules under a name. Whether the text compiles is checked by the node, against the whole set.

use super::Invalid;
use crate::policy::PolicyCase;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The longest policy text, in bytes.
const MAX_CEDAR: usize = 256 * 1024;
/// The most test cases beside a policy.
const MAX_TESTS: usize = 1000;

/// The body of a Policy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    /// Cedar.
    pub cedar: String,
    /// Test cases, kept beside the rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<PolicyCase>,
}

impl PolicySpec {
    pub(super) fn check(&self, found: &mut Vec<Invalid>) {
        if self.cedar.len() > MAX_CEDAR {
            found.push(Invalid::at("/cedar", format!("longer than {MAX_CEDAR} bytes")));
        }
        if self.tests.len() > MAX_TESTS {
            found.push(Invalid::at("/tests", format!("more than {MAX_TESTS} test cases")));
        }
        for (place, case) in self.tests.iter().enumerate() {
            if let Err(error) = case.given.matter() {
                found.push(Invalid::at(format!("/tests/{place}/given"), error.to_string()));
            }
        }
    }
}
