//! Masked values: the only thing the writers towards the agent and the recording accept.
//!
//! Mask rules are a resource of their own; while a cluster has none for a target, nothing is covered and a value passes.

/// A value that may leave the gateway: every mask rule that covers it has been applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked<T>(T);

impl<T> Masked<T> {
    /// The value, to be written.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// A look at the value.
    pub fn get(&self) -> &T {
        &self.0
    }
}

/// What is masked in the answers of one session. There are no rules yet that could cover anything: the kind `MaskRule`
/// is refused when it is applied, so that nobody believes a value masked that is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaskPlan {
    rules: NoRules,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NoRules;

impl MaskPlan {
    /// The plan of a target that no mask rule names.
    pub const fn nothing_covered() -> Self {
        Self { rules: NoRules }
    }

    /// Applies the plan.
    pub fn apply<T>(self, value: T) -> Masked<T> {
        let NoRules = self.rules;
        Masked(value)
    }

    /// A message the gateway itself says: it holds nothing of the target's.
    pub fn own_words<T>(value: T) -> Masked<T> {
        Masked(value)
    }
}
