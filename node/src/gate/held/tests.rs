//! What each state of a hold asks of who waits.

use super::*;
use countersign_core::id::OperationId;

#[test]
fn every_state_of_a_hold_has_its_step() {
    let hold = HoldId::from_bytes([1; 16]);
    let decisions = Vec::new;
    let operation = OperationId::from_bytes([2; 16]);
    let table = [
        (HoldState::Pending { decisions: decisions() }, Step::Wait),
        (HoldState::Approved { decisions: decisions() }, Step::Claim),
        (HoldState::Consumed { decisions: decisions(), operation }, Step::JudgeAgain),
        (
            HoldState::Invalidated { decisions: decisions(), reason: String::new() },
            Step::JudgeAgain,
        ),
        (
            HoldState::Rejected { decisions: decisions() },
            Step::Refuse(Refusal::Rejected { hold, comment: String::new() }),
        ),
        (
            HoldState::Withdrawn { decisions: decisions() },
            Step::Refuse(Refusal::Withdrawn { hold }),
        ),
        (
            HoldState::Expired { decisions: decisions() },
            Step::Refuse(Refusal::HoldExpired { hold }),
        ),
    ];
    for (state, expected) in table {
        assert_eq!(step(hold, &state), expected, "{}", state.name());
    }
}
