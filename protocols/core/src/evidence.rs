//! What is found out about a held operation before it is executed, for whoever decides about it: the target's plan, the rows
//! that it expects, the transaction that the operation waits in. It decides nothing. No rule, fingerprint or time depends on
//! it, and without it a hold is what it is with it.

/// The longest plan that is kept, in bytes.
pub const MAX_PLAN: usize = 32 * 1024;
/// Expected changes, and locks, that are listed at most.
pub const MAX_LISTED: usize = 64;
/// The longest single line beside the plan, in bytes.
pub const MAX_LINE: usize = 256;
/// All of it, in bytes.
pub const MAX_EVIDENCE: usize = MAX_PLAN + (2 * MAX_LISTED + 4) * (MAX_LINE + size_of::<u64>());

/// What was found out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// How the target would execute the operation.
    pub plan: Plan,
    /// The rows that the target expects, where it has said so.
    pub estimates: Option<Estimates>,
    /// The transaction that the operation waits in, where one is open.
    pub transaction: Option<OpenTransaction>,
}

/// How the target would execute an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Plan {
    /// The target's own document (PostgreSQL: the JSON of EXPLAIN).
    Known(String),
    /// There is none; why, for people.
    Absent(String),
}

/// The rows that a target expects. Estimates, of a target that may be wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Estimates {
    /// Rows of the answer.
    pub returned: u64,
    /// Rows that are changed, one entry a change that the plan has.
    pub changed: Vec<EstimatedChange>,
}

/// One change that a plan has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EstimatedChange {
    /// What is done to which relation, as `Delete on orders`.
    pub what: String,
    /// To how many rows.
    pub rows: u64,
}

/// An open transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenTransaction {
    /// How long it had been open when it was looked at, in milliseconds.
    pub age_ms: u64,
    /// What it kept from others then.
    pub locks: Locks,
}

/// The locks of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Locks {
    /// These, for people.
    Known {
        /// One line each.
        lines: Vec<String>,
        /// How many more there were.
        left_out: u64,
    },
    /// They could not be seen; why, for people.
    Unknown(String),
}

impl Evidence {
    /// Whether it stays within what is kept of it.
    pub fn fits(&self) -> bool {
        self.size() <= MAX_EVIDENCE
    }

    /// What is kept of it, in bytes, near enough.
    pub fn size(&self) -> usize {
        let counted = |text: &String| text.len() + size_of::<u64>();
        let plan = match &self.plan {
            Plan::Known(text) | Plan::Absent(text) => text.len(),
        };
        let changes = self.estimates.iter().flat_map(|estimates| &estimates.changed);
        let locks = self.transaction.iter().map(|transaction| match &transaction.locks {
            Locks::Known { lines, .. } => lines.iter().map(counted).sum(),
            Locks::Unknown(reason) => reason.len(),
        });
        plan + changes.map(|change| counted(&change.what)).sum::<usize>() + locks.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_to_every_single_limit_keeps_to_the_whole() {
        let line = || "x".repeat(MAX_LINE);
        let mut evidence = Evidence {
            plan: Plan::Known("x".repeat(MAX_PLAN)),
            estimates: Some(Estimates {
                returned: 0,
                changed: vec![EstimatedChange { what: line(), rows: 1 }; MAX_LISTED],
            }),
            transaction: Some(OpenTransaction {
                age_ms: 1,
                locks: Locks::Known { lines: vec![line(); MAX_LISTED], left_out: 7 },
            }),
        };
        assert!(evidence.fits(), "{} of {MAX_EVIDENCE}", evidence.size());
        evidence.plan = Plan::Absent("x".repeat(MAX_EVIDENCE));
        assert!(!evidence.fits());
    }
}
