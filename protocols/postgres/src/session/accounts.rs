//! The accounts of a session's operations from the target's last word to the record: an outcome is settled once the
//! transaction that it hangs on is over, and a portal's once it has no rows left.

use super::{Session, meaning::Meaning};
use crate::{
    mask::Remaining,
    record::{Account, Shape},
    state::Block,
};
use countersign_core::{
    id::Revision,
    operation::Operation,
    permit::{Ground, Release},
};
use std::{collections::HashMap, sync::Arc};

/// Operations of one pipeline whose outcomes wait for its Sync, at most.
const MAX_UNCOMMITTED: usize = 10_000;

/// Accounts that no operation is being added to.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    /// They wait for the commit of a pipeline.
    uncommitted: Vec<Account>,
    /// Portals with rows left, by their names at the target.
    suspended: HashMap<String, Suspended>,
    /// They are over, and are going to be settled.
    over: Vec<Account>,
}

/// An admitted operation whose portal has rows left.
#[derive(Debug)]
pub(super) struct Suspended {
    pub(super) operation: Arc<Operation>,
    pub(super) meaning: Arc<Meaning>,
    pub(super) rest: Rest,
    pub(super) account: Account,
}

/// What going on with a portal needs of its admission.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) at_target: String,
    /// The policy revision that it was admitted under.
    pub(super) revision: Revision,
    pub(super) ground: Ground,
    pub(super) release: Release,
    /// What becomes of its rows.
    pub(super) remaining: Remaining,
    /// How they are recorded.
    pub(super) shape: Shape,
}

impl Accounts {
    pub(super) fn is_full(&self) -> bool {
        self.uncommitted.len() >= MAX_UNCOMMITTED
    }

    pub(super) fn suspend(&mut self, suspended: Suspended) {
        self.suspended.insert(suspended.rest.at_target.clone(), suspended);
    }

    pub(super) fn take_suspended(&mut self, at_target: &str) -> Option<Suspended> {
        self.suspended.remove(at_target)
    }

    /// The target has said its last word of an operation.
    pub(super) fn retire(&mut self, mut account: Account, block: Block) {
        if matches!(block, Block::Implicit(_)) && account.waits_for_commit() {
            self.uncommitted.push(account);
        } else {
            account.stands();
            self.over.push(account);
        }
    }

    /// Retires portals that no name means any more.
    pub(super) fn retire_portals(&mut self, is_known: impl Fn(&str) -> bool, block: Block) {
        let lost: Vec<_> = self.suspended.extract_if(|name, _| !is_known(name)).collect();
        for (_, Suspended { account, .. }) in lost {
            self.retire(account, block);
        }
    }

    /// The target is asked to end the transaction.
    pub(super) fn committing(&mut self) {
        self.uncommitted.iter_mut().for_each(Account::committing);
    }

    /// The transaction of a pipeline was rolled back.
    pub(super) fn rolled_back(&mut self) {
        for mut account in self.uncommitted.drain(..) {
            account.rolled_back();
            self.over.push(account);
        }
    }

    /// The transaction of a pipeline is committed, or has become a block.
    pub(super) fn stand(&mut self) {
        for mut account in self.uncommitted.drain(..) {
            account.stands();
            self.over.push(account);
        }
    }

    /// The session ends.
    pub(super) fn abandon(&mut self) {
        let suspended = self.suspended.drain().map(|(_, suspended)| suspended.account);
        for mut account in self.uncommitted.drain(..).chain(suspended) {
            account.abandoned();
            self.over.push(account);
        }
    }
}

impl Session {
    /// Records what is over.
    pub(super) async fn settle_what_is_over(&mut self) {
        for account in std::mem::take(&mut self.accounts.over) {
            self.around.gate.settle(&self.opened, account.settle()).await;
        }
    }

    /// The transaction is over, and not by a commit. What the gateway had set inside it is taken back with it.
    pub(super) fn rolled_back(&mut self, status: u8) {
        self.doubt_posture();
        self.accounts.rolled_back();
        self.set_block(status);
    }
}
