//! Every change that would leave the cluster without a quorum is refused, whoever is away, in clusters of up to five.

use super::*;

const LAST: LogIndex = LogIndex(1000);

/// A member that has everything, and answers.
fn voter() -> MemberStatus {
    let silent_for = Some(Duration::ZERO);
    let (matching, applied) = (Some(LAST), Some(LAST));
    MemberStatus { address: String::new(), voter: true, matching, applied, silent_for }
}

fn learner() -> MemberStatus {
    MemberStatus { voter: false, ..voter() }
}

fn away() -> MemberStatus {
    MemberStatus { silent_for: Some(AWAY_AFTER * 2), ..voter() }
}

fn may(members: &BTreeMap<NodeId, MemberStatus>, change: Change) -> Result<(), NotNow> {
    Look { leader: NodeId(1), last: LAST, members }.may(change)
}

/// Voters from 1, of which those above the second number are away, and one learner that is up.
fn cluster(voters: u64, up: u64) -> BTreeMap<NodeId, MemberStatus> {
    let voting = (1..=voters).map(|id| (NodeId(id), if id <= up { voter() } else { away() }));
    voting.chain([(NodeId(9), learner())]).collect()
}

#[test]
fn no_change_leaves_fewer_voters_up_than_a_majority_of_those_that_are_left() {
    for voters in 1..=5_u64 {
        for up in 1..=voters {
            let members = cluster(voters, up);
            let left = |gone: u64| up - u64::from(gone <= up);
            for gone in 2..=voters {
                let majority = (voters - 1) / 2 + 1;
                let allowed = may(&members, Change::Remove(NodeId(gone))).is_ok();
                assert_eq!(allowed, left(gone) >= majority, "remove {gone} of {voters}, {up} up");
                let swap = Change::Replace { old: NodeId(gone), new: NodeId(9) };
                let enough = left(gone) + 1 > voters / 2;
                assert_eq!(
                    may(&members, swap).is_ok(),
                    enough,
                    "replace {gone} of {voters}, {up} up"
                );
            }
            let promoted = may(&members, Change::Promote(NodeId(9))).is_ok();
            assert_eq!(promoted, up + 1 > voters.div_ceil(2), "promote at {voters}, {up} up");
        }
    }
}

#[test]
fn with_one_of_three_away_only_that_one_can_be_removed() {
    let members = cluster(3, 2);
    may(&members, Change::Remove(NodeId(3))).unwrap();
    let refused = may(&members, Change::Remove(NodeId(2))).unwrap_err();
    assert_eq!(refused, NotNow::NoQuorum { voters: 2, up: 1, majority: 2 });
}

#[test]
fn the_leader_and_the_last_voter_stay() {
    assert_eq!(may(&cluster(3, 3), Change::Remove(NodeId(1))), Err(NotNow::Leads(1)));
    assert_eq!(may(&cluster(1, 1), Change::Remove(NodeId(1))), Err(NotNow::LastVoter));
    may(&cluster(1, 1), Change::Remove(NodeId(9))).unwrap();
}

#[test]
fn who_is_away_or_behind_gets_no_vote() {
    let mut members = cluster(3, 3);
    let new = NodeId(9);
    let away = [
        MemberStatus { silent_for: Some(AWAY_AFTER), ..learner() },
        MemberStatus { silent_for: None, ..learner() },
        MemberStatus { matching: None, ..learner() },
        MemberStatus { matching: Some(LogIndex(LAST.0 - CAUGHT_UP - 1)), ..learner() },
    ];
    for away in away {
        members.insert(new, away);
        assert_eq!(may(&members, Change::Promote(new)), Err(NotNow::Behind(9)));
        let swap = Change::Replace { old: NodeId(2), new };
        assert_eq!(may(&members, swap), Err(NotNow::Behind(9)));
    }
    assert_eq!(may(&members, Change::Promote(NodeId(7))), Err(NotNow::NoMember(7)));
    assert_eq!(may(&members, Change::Remove(NodeId(7))), Err(NotNow::NoMember(7)));
    let itself = Change::Replace { old: NodeId(2), new: NodeId(2) };
    assert_eq!(may(&members, itself), Err(NotNow::Itself));
}

#[test]
fn a_voter_that_is_far_behind_is_not_counted_on() {
    let mut members = cluster(3, 3);
    members.insert(NodeId(3), MemberStatus { matching: Some(LogIndex(1)), ..voter() });
    let refused = may(&members, Change::Remove(NodeId(2))).unwrap_err();
    assert_eq!(refused, NotNow::NoQuorum { voters: 2, up: 1, majority: 2 });
}

#[test]
fn even_numbers_of_voters_are_warned_of() {
    let warned: Vec<_> = (0..=6).map(|voters| warning(voters).is_some()).collect();
    assert_eq!(warned, [false, true, true, false, true, false, true]);
}
