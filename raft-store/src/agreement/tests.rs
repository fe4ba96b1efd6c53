//! Who is the odd one out.

use super::{Verdict, judge};
use crate::raft_types::Mark;
use crate::state_hash::StateHash;

fn mark(index: u64, hash: u8) -> Mark {
    Mark { index, hash: StateHash::from_bytes([hash; 32]) }
}

/// Node 1 holds `own`; the others, from 2 on, hold what is given, if they spoke.
fn check(voters: u64, own: u8, others: &[Option<Mark>], expected: Verdict) {
    let marks = others.iter().zip(2..).filter_map(|(mark, peer)| mark.map(|mark| (peer, mark)));
    let voters: Vec<u64> = (1..=voters).collect();
    let found = judge((1, mark(10, own)), &marks.collect(), &voters);
    assert_eq!(found, expected, "{own} against {others:?} of {}", voters.len());
}

#[test]
fn what_a_majority_of_the_voters_holds_counts_and_nothing_else() {
    let (same, other, third) = (Some(mark(10, 1)), Some(mark(10, 2)), Some(mark(10, 3)));
    let earlier = Some(mark(9, 2));
    let held = Verdict::Held(mark(10, 1));
    check(1, 1, &[], held);
    check(3, 1, &[], Verdict::Open);
    check(3, 1, &[same], held);
    check(3, 1, &[same, other], held);
    check(3, 1, &[None, same], held);
    check(3, 1, &[earlier, None], Verdict::Open);
    check(3, 1, &[other, other], Verdict::Held(mark(10, 2)));
    check(3, 1, &[other], Verdict::Disputed(10));
    check(3, 1, &[other, third], Verdict::Disputed(10));
    check(2, 1, &[other], Verdict::Disputed(10));
    check(5, 1, &[same, other, other], Verdict::Disputed(10));
    check(5, 1, &[same, other, other, same], held);
    // The third is a learner.
    check(2, 1, &[same, other], held);
    check(2, 1, &[None, other], Verdict::Open);
}
