//! The limit on open files. Systems start processes with a soft limit of about a thousand, for the sake of programs that
//! use `select`; a node needs two for each session and may have as many as the hard limit says. It is raised once, at the
//! start; the hard limit is the administrator's.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that a session takes: one for the agent's connection, and one for the target's, which is not there while a
/// first operation is held.
const PER_SESSION: u64 = 2;
/// What a node takes beside its sessions: listeners, other nodes, the store's files.
const BESIDE: u64 = 1024;

/// Raises the soft limit to the hard one, and says so, and whether it is enough for so many sessions.
pub fn raise(sessions: usize) {
    let before = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: before.maximum, ..before };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "the limit on open files could not be raised");
    }
    let Rlimit { current, .. } = getrlimit(Resource::Nofile);
    tracing::info!(before = before.current, now = current, "the limit on open files");
    let needed = needed(sessions);
    if current.is_some_and(|current| current < needed) {
        // No warning: most nodes never have so many, and one that comes near says so when it accepts no more.
        tracing::info!(
            now = current,
            needed,
            "the limit on open files is too low for all of limits.sessions: raise the hard limit (LimitNOFILE, ulimit -Hn)"
        );
    }
}

fn needed(sessions: usize) -> u64 {
    u64::try_from(sessions).unwrap_or(u64::MAX).saturating_mul(PER_SESSION).saturating_add(BESIDE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_the_hard_one_afterwards() {
        let before = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(256), ..before }).unwrap();
        raise(10);
        let after = getrlimit(Resource::Nofile);
        assert_eq!((after.current, after.maximum), (before.maximum, before.maximum));
        assert_eq!(needed(10_000), 21_024);
    }
}
