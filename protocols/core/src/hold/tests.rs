//! Every state with every event, the quorum, and random histories.

use super::*;
use crate::{
    fingerprint::Fingerprint,
    id::{HoldId, NodeId, OperationId, Revision},
    log_time::LogTime,
    reviewer::Reviewer,
    target::TargetName,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

const SEEN: Fingerprint = Fingerprint::from_bytes([1; 32]);
const EXPIRES: LogTime = LogTime(1_000);

fn who(subject: &str) -> Identity {
    Identity { issuer: "https://issuer".to_owned(), subject: subject.to_owned() }
}

fn decision(name: &str, groups: &[&str], choice: Choice) -> Decision {
    Decision {
        reviewer: Reviewer {
            identity: who(name),
            name: name.to_owned(),
            also_known_as: BTreeSet::from([format!("{name}@example.org")]),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        },
        choice,
        grant_ms: 0,
        comment: String::new(),
        at: LogTime(1),
        node: NodeId(1),
    }
}

fn terms(requirements: &[(&str, u32)]) -> HoldTerms {
    HoldTerms {
        requirements: requirements
            .iter()
            .map(|(group, quorum)| Requirement {
                reviewers: Reviewers::parse(group).unwrap(),
                quorum: *quorum,
                escalation: None,
            })
            .collect(),
        expires_after_ms: 1_000,
        wait_ms: 100,
        reason: ReasonRule::Optional,
        rejection: RejectionRule::Ends,
        again_after_ms: 0,
        grantable_ms: None,
        rules: vec!["writes".to_owned()],
        break_glass: Some("dba".to_owned()),
    }
}

fn pending(requirements: &[(&str, u32)]) -> Hold {
    Hold {
        id: HoldId::from_bytes([1; 16]),
        fingerprint: SEEN,
        requester: who("bot"),
        requester_name: "Build Bot".to_owned(),
        owner: Some("Olga@example.org".to_owned()),
        target: TargetName::parse("orders").unwrap(),
        terms: terms(requirements),
        revision: Revision(7),
        opened_at: LogTime(0),
        expires_at: EXPIRES,
        state: HoldState::Pending { decisions: Vec::new() },
    }
}

fn decide(decision: Decision) -> HoldEvent {
    HoldEvent::Decide { decision: Box::new(decision), seen: SEEN }
}

fn claim(operation: u8) -> HoldEvent {
    HoldEvent::Claim(Claim {
        operation: OperationId::from_bytes([operation; 16]),
        fingerprint: SEEN,
        agent: who("bot"),
        revision: Revision(7),
    })
}

/// One hold in each state.
fn every_state() -> Vec<Hold> {
    let decisions = vec![decision("dana", &["dba"], Choice::Approve)];
    let operation = OperationId::from_bytes([9; 16]);
    [
        HoldState::Pending { decisions: Vec::new() },
        HoldState::Approved { decisions: decisions.clone() },
        HoldState::Consumed { decisions: decisions.clone(), operation },
        HoldState::Rejected { decisions: decisions.clone() },
        HoldState::Withdrawn { decisions: decisions.clone() },
        HoldState::Expired { decisions: decisions.clone() },
        HoldState::Invalidated { decisions, reason: "the policy has changed".to_owned() },
    ]
    .map(|state| Hold { state, ..pending(&[("dba", 1)]) })
    .to_vec()
}

fn every_event() -> Vec<(&'static str, HoldEvent)> {
    vec![
        ("approve", decide(decision("rui", &["dba"], Choice::Approve))),
        ("reject", decide(decision("rui", &["dba"], Choice::Reject))),
        ("break glass", decide(breaks("rui", &["dba"]))),
        ("withdraw", HoldEvent::Withdraw),
        ("claim", claim(5)),
        ("invalidate", HoldEvent::Invalidate { reason: "changed".to_owned() }),
        ("elapse", HoldEvent::Elapse),
    ]
}

fn outcome(hold: Hold, event: HoldEvent, now: LogTime) -> String {
    match hold.handle(event, now) {
        Ok(hold) => hold.state.name().to_owned(),
        Err(HoldError::Settled { .. }) => "settled".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn every_state_takes_every_event_as_the_table_says() {
    let before = [
        // approve, reject, break the glass, withdraw, claim, invalidate, elapse
        (
            "pending",
            [
                "approved",
                "rejected",
                "approved",
                "withdrawn",
                "NotApproved",
                "invalidated",
                "pending",
            ],
        ),
        (
            "approved",
            [
                "AlreadyApproved",
                "AlreadyApproved",
                "AlreadyApproved",
                "withdrawn",
                "consumed",
                "invalidated",
                "approved",
            ],
        ),
        ("consumed", ["settled"; 7]),
        ("rejected", ["settled"; 7]),
        ("withdrawn", ["settled"; 7]),
        ("expired", ["settled"; 7]),
        ("invalidated", ["settled"; 7]),
    ];
    for (hold, (state, expected)) in every_state().into_iter().zip(before) {
        assert_eq!(hold.state.name(), state);
        for ((name, event), expected) in every_event().into_iter().zip(expected) {
            assert_eq!(outcome(hold.clone(), event, LogTime(5)), expected, "{state} × {name}");
        }
    }
}

#[test]
fn at_its_expiry_every_event_finds_an_open_hold_expired() {
    for hold in every_state() {
        let expected = if hold.state.is_settled() { "settled" } else { "expired" };
        for (name, event) in every_event() {
            let state = hold.state.name();
            assert_eq!(outcome(hold.clone(), event, EXPIRES), expected, "{state} × {name}");
        }
    }
}

#[test]
fn an_error_names_why_a_decision_is_refused() {
    let check = |decision: Decision, expected: DecisionError| {
        let refused = pending(&[("dba", 2)]).handle(decide(decision), LogTime(5)).unwrap_err();
        assert_eq!(refused, HoldError::Decision(expected));
    };
    check(decision("bot", &["dba"], Choice::Approve), DecisionError::Requester);
    check(decision("olga", &["dba"], Choice::Approve), DecisionError::Owner);
    check(decision("olga", &["dba"], Choice::Reject), DecisionError::Owner);
    check(decision("rui", &["ops"], Choice::Approve), DecisionError::NotInGroup);
    check(decision("rui", &[], Choice::Reject), DecisionError::NotInGroup);
    let mut held = pending(&[("dba", 2)]);
    held = held.handle(decide(decision("rui", &["dba"], Choice::Approve)), LogTime(5)).unwrap();
    let again = held.clone().handle(decide(decision("rui", &["dba"], Choice::Approve)), LogTime(6));
    assert_eq!(again, Err(HoldError::Decision(DecisionError::AlreadyDecided)));
    held.terms.reason = ReasonRule::Required;
    let mut silent = decision("dana", &["dba"], Choice::Approve);
    silent.comment = "  ".to_owned();
    assert_eq!(
        held.handle(decide(silent), LogTime(6)),
        Err(HoldError::Decision(DecisionError::ReasonRequired))
    );
}

#[test]
fn a_decision_about_another_fingerprint_is_refused() {
    let event = HoldEvent::Decide {
        decision: Box::new(decision("rui", &["dba"], Choice::Approve)),
        seen: Fingerprint::from_bytes([2; 32]),
    };
    assert_eq!(pending(&[("dba", 1)]).handle(event, LogTime(5)), Err(HoldError::OtherFingerprint));
}

#[test]
fn a_claim_must_bring_the_same_operation_agent_and_revision() {
    let approved = every_state().remove(1);
    let check = |change: &dyn Fn(&mut Claim), expected: HoldError| {
        let HoldEvent::Claim(mut claim) = claim(5) else { panic!("a claim") };
        change(&mut claim);
        assert_eq!(approved.clone().handle(HoldEvent::Claim(claim), LogTime(5)), Err(expected));
    };
    check(
        &|claim| claim.fingerprint = Fingerprint::from_bytes([2; 32]),
        HoldError::OtherFingerprint,
    );
    check(&|claim| claim.agent.subject = "other".to_owned(), HoldError::OtherAgent);
    check(&|claim| claim.agent.issuer = "https://other".to_owned(), HoldError::OtherAgent);
    check(&|claim| claim.revision = Revision(8), HoldError::OtherRevision);
}

#[test]
fn a_quorum_counts_distinct_humans_each_for_one_place() {
    let check = |needed: &[(&str, u32)], humans: &[(&str, &[&str])], expected: bool| {
        let made: Vec<_> =
            humans.iter().map(|(name, groups)| decision(name, groups, Choice::Approve)).collect();
        assert_eq!(
            is_reached(&terms(needed), LogTime(0), &made),
            expected,
            "{needed:?} {humans:?}"
        );
    };
    check(&[("dba", 1)], &[], false);
    check(&[], &[("a", &["dba"])], false);
    check(&[("dba", 1)], &[("a", &["dba"])], true);
    check(&[("dba", 1)], &[("a", &["ops"])], false);
    check(&[("dba", 2)], &[("a", &["dba"])], false);
    check(&[("dba", 2)], &[("a", &["dba"]), ("b", &["dba"])], true);
    // One human in two groups takes one place.
    check(&[("dba", 1), ("ops", 1)], &[("a", &["dba", "ops"])], false);
    check(&[("dba", 1), ("ops", 1)], &[("a", &["dba", "ops"]), ("b", &["dba"])], true);
    check(&[("dba", 1), ("ops", 1)], &[("b", &["dba"]), ("a", &["dba", "ops"])], true);
    // The first must give way twice.
    check(
        &[("dba", 1), ("ops", 1), ("sec", 1)],
        &[("a", &["dba", "ops"]), ("b", &["dba", "sec"]), ("c", &["dba"])],
        true,
    );
    check(
        &[("dba", 1), ("ops", 1), ("sec", 1)],
        &[("a", &["dba"]), ("b", &["dba"]), ("c", &["ops", "sec"])],
        false,
    );
    check(&[("dba", 2)], &[("a", &["ops"]), ("b", &["ops"]), ("c", &["dba"])], false);
}

#[test]
fn groups_joined_are_met_by_distinct_humans_on_each_side() {
    let check = |needed: &[(&str, u32)], humans: &[(&str, &[&str])], more: u32| {
        let made: Vec<_> =
            humans.iter().map(|(name, groups)| decision(name, groups, Choice::Approve)).collect();
        let terms = terms(needed);
        assert_eq!(missing(&terms, LogTime(0), &made), more, "{needed:?} {humans:?}");
        assert_eq!(is_reached(&terms, LogTime(0), &made), more == 0, "{needed:?} {humans:?}");
    };
    let either = [("dba", 1), ("security or on-call", 1)];
    check(&either, &[], 2);
    check(&either, &[("a", &["dba"])], 1);
    check(&either, &[("a", &["dba", "security", "on-call"])], 1);
    check(&either, &[("a", &["dba"]), ("b", &["on-call"])], 0);
    check(&either, &[("a", &["dba", "security"]), ("b", &["dba"])], 0);
    check(&either, &[("a", &["security"]), ("b", &["on-call"])], 1);
    check(&[("a or b", 2)], &[("x", &["a"]), ("y", &["b"])], 0);
    check(&[("a or b", 2)], &[("x", &["a", "b"])], 1);
    let chief = [("(dba and ops) or cto", 1)];
    check(&chief, &[], 1);
    check(&chief, &[("x", &["cto"])], 0);
    check(&chief, &[("x", &["dba", "ops"])], 1);
    check(&chief, &[("x", &["dba", "ops"]), ("y", &["ops"])], 0);
    // Twice over, in whichever way each time.
    check(&[("(dba and ops) or cto", 2)], &[("x", &["cto"]), ("y", &["dba"])], 1);
    check(&[("(dba and ops) or cto", 2)], &[("x", &["cto"]), ("y", &["dba"]), ("z", &["ops"])], 0);
    // More ways than are counted are never met, and so are terms that ask for nobody.
    check(&[("(a and b) or c", 7)], &[("x", &["c"])], u32::MAX);
    check(&[], &[("x", &["c"])], u32::MAX);
}

#[test]
fn one_human_in_two_groups_counts_once_for_groups_that_are_joined() {
    let hold = pending(&[("dba", 1), ("security", 1)]);
    let both = decide(decision("dana", &["dba", "security"], Choice::Approve));
    let once = hold.handle(both.clone(), LogTime(1)).unwrap();
    assert_eq!(once.state.name(), "pending");
    assert_eq!(
        once.clone().handle(both, LogTime(1)),
        Err(HoldError::Decision(DecisionError::AlreadyDecided))
    );
    let other = decide(decision("rui", &["dba"], Choice::Approve));
    assert_eq!(once.handle(other, LogTime(1)).unwrap().state.name(), "approved");
}

#[test]
fn a_rejection_that_policy_only_notes_leaves_the_hold_to_others() {
    let mut hold = pending(&[("dba", 1)]);
    hold.terms.rejection = RejectionRule::Noted;
    let noted =
        hold.handle(decide(decision("dana", &["dba"], Choice::Reject)), LogTime(1)).unwrap();
    assert_eq!(noted.state.name(), "pending");
    // Whoever has rejected has decided, and is no approval.
    let again = decide(decision("dana", &["dba"], Choice::Approve));
    assert_eq!(
        noted.clone().handle(again, LogTime(1)),
        Err(HoldError::Decision(DecisionError::AlreadyDecided))
    );
    let other = decide(decision("rui", &["dba"], Choice::Approve));
    assert_eq!(noted.handle(other, LogTime(1)).unwrap().state.name(), "approved");
}

#[test]
fn the_group_that_a_hold_escalates_to_decides_from_its_time_on_and_not_before() {
    let mut hold = pending(&[("dba", 2)]);
    hold.opened_at = LogTime(100);
    for needed in &mut hold.terms.requirements {
        needed.escalation = Some(Escalation { group: "leads".to_owned(), after_ms: 50 });
    }
    assert_eq!(hold.terms.escalates_at(hold.opened_at), BTreeSet::from([LogTime(150)]));
    let by = |name: &str, group: &str, at: u64| {
        decide(Decision { at: LogTime(at), ..decision(name, &[group], Choice::Approve) })
    };
    for choice in [Choice::Approve, Choice::Reject] {
        let early = Decision { at: LogTime(149), ..decision("lea", &["leads"], choice) };
        assert_eq!(
            hold.clone().handle(decide(early), LogTime(149)),
            Err(HoldError::Decision(DecisionError::NotInGroup))
        );
    }
    let first = hold.handle(by("dana", "dba", 120), LogTime(120)).unwrap();
    let second = first.clone().handle(by("lea", "leads", 150), LogTime(150)).unwrap();
    assert_eq!(second.state.name(), "approved");
    // Those who were asked first still may.
    assert_eq!(first.handle(by("rui", "dba", 151), LogTime(151)).unwrap().state.name(), "approved");
}

/// What a hold says that lets a member of `incident` through alone.
fn behind_glass() -> Hold {
    let mut hold = pending(&[("dba", 2)]);
    hold.terms.break_glass = Some("incident".to_owned());
    hold.opened_at = LogTime(5);
    hold.expires_at = LogTime(u64::MAX);
    hold
}

fn breaks(name: &str, groups: &[&str]) -> Decision {
    Decision {
        comment: "the site is down".to_owned(),
        ..decision(name, groups, Choice::BreakGlass)
    }
}

#[test]
fn one_member_of_the_group_breaks_the_glass_alone_with_a_reason_and_for_a_short_time() {
    let at = LogTime(20);
    let made = Decision { at, ..breaks("ina", &["incident"]) };
    let broken = behind_glass().handle(decide(made.clone()), at).unwrap();
    assert_eq!(broken.state.name(), "approved");
    assert_eq!(broken.state.glass_broken(), Some(&made));
    assert_eq!(broken.expires_at, at.after_ms(GLASS_MS));
    // A hold that ends sooner still does.
    let soon = Hold { expires_at: LogTime(30), ..behind_glass() };
    assert_eq!(soon.handle(decide(made.clone()), at).unwrap().expires_at, LogTime(30));
    let late = broken.clone().handle(claim(5), at.after_ms(GLASS_MS)).unwrap();
    assert_eq!(late.state.name(), "expired");
    assert_eq!(broken.handle(claim(5), LogTime(21)).unwrap().state.name(), "consumed");
}

#[test]
fn nobody_else_breaks_the_glass_and_nobody_without_a_reason() {
    let whole = || {
        let mut hold = behind_glass();
        hold.terms.break_glass = None;
        hold
    };
    let refused = |made: Decision, hold: Hold| match hold.handle(decide(made), LogTime(20)) {
        Err(HoldError::Decision(error)) => error,
        other => panic!("{other:?}"),
    };
    let all: &[&str] = &["dba", "incident"];
    assert_eq!(refused(breaks("bot", all), behind_glass()), DecisionError::Requester);
    assert_eq!(refused(breaks("olga", all), behind_glass()), DecisionError::Owner);
    assert_eq!(refused(breaks("dana", &["dba"]), behind_glass()), DecisionError::NotInGroup);
    assert_eq!(refused(breaks("ina", all), whole()), DecisionError::NoGlass);
    for comment in ["", " \t"] {
        let silent = Decision { comment: comment.to_owned(), ..breaks("ina", all) };
        assert_eq!(refused(silent, behind_glass()), DecisionError::ReasonRequired);
    }
    // Who may break the glass is not thereby one of those who approve.
    let approves = decision("ina", &["incident"], Choice::Approve);
    assert_eq!(refused(approves, behind_glass()), DecisionError::NotInGroup);
}

#[test]
fn who_has_approved_may_still_break_the_glass_and_who_has_rejected_may_not() {
    let all: &[&str] = &["dba", "incident"];
    let mut hold = behind_glass();
    hold.terms.rejection = RejectionRule::Noted;
    let after = |choice| {
        let first = decide(decision("ina", all, choice));
        hold.clone()
            .handle(first, LogTime(20))
            .unwrap()
            .handle(decide(breaks("ina", all)), LogTime(21))
    };
    assert_eq!(after(Choice::Approve).unwrap().state.name(), "approved");
    let already = HoldError::Decision(DecisionError::AlreadyDecided);
    assert_eq!(after(Choice::Reject), Err(already));
}

fn event() -> impl Strategy<Value = (HoldEvent, u64)> {
    let name = prop::sample::select(vec!["dana", "rui", "max", "bot", "olga"]);
    let groups = prop::sample::subsequence(vec!["dba", "ops"], 0..=2);
    let choice = prop_oneof![
        10 => Just(Choice::Approve),
        2 => Just(Choice::Reject),
        1 => Just(Choice::BreakGlass),
    ];
    let event = prop_oneof![
        8 => (name, groups, choice).prop_map(|(name, groups, choice)| {
            decide(Decision { comment: "said".to_owned(), ..decision(name, &groups, choice) })
        }),
        4 => (0..4u8).prop_map(claim),
        1 => Just(HoldEvent::Withdraw),
        1 => Just(HoldEvent::Invalidate { reason: "changed".to_owned() }),
        1 => Just(HoldEvent::Elapse),
    ];
    (event, 0..80u64)
}

proptest! {
    #[test]
    fn settled_states_absorb_everything_and_an_approval_is_consumed_once(
        events in prop::collection::vec(event(), 0..40),
    ) {
        let mut hold = pending(&[("dba", 1), ("ops", 1)]);
        let (mut now, mut consumed) = (0, 0);
        for (event, passes) in events {
            now += passes;
            let is_claim = matches!(event, HoldEvent::Claim(_));
            let before = hold.clone();
            if let Ok(after) = hold.clone().handle(event, LogTime(now)) {
                prop_assert!(!before.state.is_settled());
                if matches!(after.state, HoldState::Consumed { .. }) {
                    prop_assert!(is_claim);
                    prop_assert_eq!(before.state.name(), "approved");
                    consumed += 1;
                }
                hold = after;
            } else {
                prop_assert_eq!(&hold, &before);
            }
            let made = hold.state.decisions();
            let glass = hold.state.glass_broken();
            let counted = made.iter().filter(|made| made.choice != Choice::BreakGlass);
            let humans: BTreeSet<_> = counted.clone().map(|made| &made.reviewer.identity).collect();
            prop_assert_eq!(humans.len(), counted.count());
            prop_assert!(made.iter().all(|made| made.reviewer.name != "bot" && made.reviewer.name != "olga"));
            if ["approved", "consumed"].contains(&hold.state.name()) {
                let alone = glass.is_some_and(|made| made.reviewer.groups.contains("dba"));
                prop_assert!(alone || is_reached(&hold.terms, hold.opened_at, made));
            }
        }
        prop_assert!(consumed <= 1);
    }

    #[test]
    fn a_quorum_does_not_depend_on_the_order_of_decisions(
        humans in prop::collection::vec(prop::sample::subsequence(vec!["a", "b", "c"], 0..=3), 0..5),
        needed in prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c"]), 1..3u32, 1..3),
        turn in 0..5usize,
    ) {
        let needed: Vec<_> = needed.into_iter().collect();
        let mut made: Vec<_> = humans
            .iter()
            .enumerate()
            .map(|(n, groups)| decision(&format!("human{n}"), groups, Choice::Approve))
            .collect();
        let reached = is_reached(&terms(&needed), LogTime(0), &made);
        made.rotate_left(turn.min(humans.len()));
        prop_assert_eq!(is_reached(&terms(&needed), LogTime(0), &made), reached);
        made.reverse();
        prop_assert_eq!(is_reached(&terms(&needed), LogTime(0), &made), reached);
    }
}

/// A reviewer of another issuer, known by these names too.
fn elsewhere(subject: &str, also_known_as: &[&str]) -> Decision {
    let mut made = decision(subject, &["dba"], Choice::Approve);
    made.reviewer.identity.issuer = "https://second.example".to_owned();
    made.reviewer.name = format!("name of {subject}");
    made.reviewer.also_known_as = also_known_as.iter().map(|name| (*name).to_owned()).collect();
    made
}

#[test]
fn nobody_approves_their_own_request_by_a_second_identity() {
    let refused =
        |made: Decision| pending(&[("dba", 1)]).handle(decide(made), LogTime(1)).unwrap_err();
    let requester = HoldError::Decision(DecisionError::Requester);
    // The subject or the name of the agent, in whatever place the second issuer has it.
    assert_eq!(refused(elsewhere("bot", &[])), requester);
    assert_eq!(refused(elsewhere("17", &["BOT "])), requester);
    assert_eq!(refused(elsewhere("17", &["build bot"])), requester);
    assert_eq!(
        refused(elsewhere("17", &["olga@example.org"])),
        HoldError::Decision(DecisionError::Owner)
    );
    let other = elsewhere("bot-2", &["someone@example.org"]);
    assert!(pending(&[("dba", 1)]).handle(decide(other), LogTime(1)).is_ok());
}

#[test]
fn one_human_with_two_issuers_counts_once() {
    let first = decide(decision("dana", &["dba"], Choice::Approve));
    let once = pending(&[("dba", 2)]).handle(first, LogTime(1)).unwrap();
    let already = HoldError::Decision(DecisionError::AlreadyDecided);
    for again in
        [elsewhere("dana", &[]), elsewhere("17", &["Dana@Example.org"]), elsewhere("17", &["dana"])]
    {
        assert_eq!(once.clone().handle(decide(again), LogTime(1)), Err(already.clone()));
    }
    let second = once.handle(decide(elsewhere("rui", &[])), LogTime(1)).unwrap();
    assert_eq!(second.state.name(), "approved");
}

#[test]
fn names_beyond_ascii_are_compared_in_the_form_they_were_folded_to() {
    let mut made = elsewhere("17", &["JOS\u{c9}@example.org"]);
    made.reviewer = made.reviewer.folded();
    assert!(made.reviewer.may_be(&crate::reviewer::folded(" Jos\u{c9}@EXAMPLE.org")));
    // The Kelvin sign is a k only to Unicode's tables, which the log does not ask.
    assert!(!elsewhere("17", &["\u{212a}im"]).reviewer.may_be("kim"));
}
