//! What an account comes to, from what the target said and what it did not.

use super::*;

fn account(effect: Effect, undoing: Undoing) -> Account {
    Account {
        operation: OperationId::from_bytes([1; 16]),
        effect,
        undoing,
        rows: 0,
        bytes: 0,
        masked: MaskTally::default(),
        state: AccountState::NotForwarded,
    }
}

fn check(effect: Effect, undoing: Undoing, steps: &[fn(&mut Account)], expect: (Outcome, &str)) {
    let mut account = account(effect, undoing);
    for step in steps {
        step(&mut account);
    }
    let settled = account.settle();
    assert_eq!((settled.outcome, settled.word.as_str()), expect);
}

const FORWARDED: fn(&mut Account) = Account::forwarded;
const SAID: fn(&mut Account) = |account| account.said("DELETE 1");
const FAILED: fn(&mut Account) = |account| account.failed("23505");

#[test]
fn a_word_of_the_target_is_an_outcome_only_once_its_transaction_is_over() {
    let lasting = |steps: &[fn(&mut Account)], expect| {
        check(Effect::Lasting, Undoing::Certain, steps, expect);
    };
    lasting(&[], (Outcome::Refused, ""));
    lasting(&[FORWARDED], (Outcome::OutcomeUnknown, ""));
    lasting(&[FORWARDED, FAILED], (Outcome::Failed, "23505"));
    lasting(&[FORWARDED, SAID], (Outcome::OutcomeUnknown, "DELETE 1"));
    lasting(&[FORWARDED, SAID, Account::stands], (Outcome::Completed, "DELETE 1"));
    lasting(&[FORWARDED, SAID, Account::rolled_back], (Outcome::Failed, "ROLLBACK"));
    lasting(&[FORWARDED, SAID, Account::abandoned], (Outcome::Failed, "ROLLBACK"));
    lasting(&[FORWARDED, SAID, FAILED, SAID], (Outcome::Failed, "23505"));
    let committing = [FORWARDED, SAID, Account::committing];
    lasting(&committing, (Outcome::OutcomeUnknown, "DELETE 1"));
    lasting(
        &[&committing[..], &[Account::abandoned]].concat(),
        (Outcome::OutcomeUnknown, "DELETE 1"),
    );
    lasting(&[&committing[..], &[Account::rolled_back]].concat(), (Outcome::Failed, "ROLLBACK"));
    lasting(&[&committing[..], &[Account::stands]].concat(), (Outcome::Completed, "DELETE 1"));
}

#[test]
fn what_can_commit_by_itself_is_not_undone_by_a_rollback() {
    let uncertain = |steps: &[fn(&mut Account)], expect| {
        check(Effect::Lasting, Undoing::Uncertain, steps, expect);
    };
    uncertain(&[FORWARDED, SAID, Account::rolled_back], (Outcome::OutcomeUnknown, "DELETE 1"));
    uncertain(&[FORWARDED, SAID, FAILED], (Outcome::OutcomeUnknown, "23505"));
    uncertain(&[FORWARDED, FAILED], (Outcome::Failed, "23505"));
}

#[test]
fn what_was_read_was_read_whatever_becomes_of_the_transaction() {
    let steps = [FORWARDED, SAID, Account::rolled_back];
    check(Effect::Passing, Undoing::Certain, &steps, (Outcome::Completed, "DELETE 1"));
}
