//! What policy asks for before a held operation may go on. Made by [`crate::policy::evaluate`].

/// The terms of a hold: the union of what every rule that holds asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldTerms {
    /// All must be met; one a group, ordered by group.
    pub requirements: Vec<Requirement>,
    /// How long the hold lives, in milliseconds of log time.
    pub expires_after_ms: u64,
    /// How long a client is kept waiting before the hold is parked, in milliseconds.
    pub wait_ms: u64,
    /// Whether a decision needs a comment.
    pub reason: ReasonRule,
    /// The rules that hold, ordered.
    pub rules: Vec<String>,
}

/// So many distinct humans of a group.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Requirement {
    /// The group.
    pub group: String,
    /// How many of its members must approve; at least 1.
    pub quorum: u32,
}

/// Whether a decision needs a comment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ReasonRule {
    /// It may have one.
    Optional,
    /// It is refused without one.
    Required,
}
