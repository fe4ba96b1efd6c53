//! Random histories: the state does not depend on how commands are gathered into batches, replicas agree byte for byte,
//! and the invariants hold after every step.

use super::harness::*;
use crate::{command::*, records::*, reply::Answer};
use countersign_core::{
    evidence::{Evidence, Plan},
    hold::Choice,
    id::NodeId,
    record::{EventKind, Outcome},
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Deed {
    Open(u8),
    Close(u8),
    Hold(u8, u8, u8),
    Decide(u8, u8, bool),
    Claim(u8, u8, u8),
    Withdraw(u8, u8),
    Park(u8, u8),
    Evidence(u8, u8),
    Intend(u8, u8),
    Settle(u8),
    Start(u8, u8),
    Policy(u8),
    Target(u8),
    Revoke(u8),
    Tick,
}

fn deed() -> impl Strategy<Value = Deed> {
    let n = 1..8u8;
    prop_oneof![
        4 => n.clone().prop_map(Deed::Open),
        1 => n.clone().prop_map(Deed::Close),
        6 => (n.clone(), n.clone(), 0..3u8).prop_map(|(a, b, c)| Deed::Hold(a, b, c)),
        8 => (n.clone(), 0..4u8, any::<bool>()).prop_map(|(a, b, c)| Deed::Decide(a, b, c)),
        8 => (n.clone(), 10..14u8, n.clone()).prop_map(|(a, b, c)| Deed::Claim(a, b, c)),
        1 => (n.clone(), n.clone()).prop_map(|(a, b)| Deed::Withdraw(a, b)),
        1 => (n.clone(), n.clone()).prop_map(|(a, b)| Deed::Park(a, b)),
        2 => (n.clone(), n.clone()).prop_map(|(a, b)| Deed::Evidence(a, b)),
        4 => (10..16u8, n.clone()).prop_map(|(a, b)| Deed::Intend(a, b)),
        2 => (10..16u8).prop_map(Deed::Settle),
        1 => (1..4u8, 0..4u8).prop_map(|(a, b)| Deed::Start(a, b)),
        1 => (0..3u8).prop_map(Deed::Policy),
        1 => (0..3u8).prop_map(Deed::Target),
        1 => (0..2u8).prop_map(Deed::Revoke),
        1 => Just(Deed::Tick),
    ]
}

const AGENTS: [&str; 2] = ["bot", "other"];
const HUMANS: [&str; 4] = ["dana", "rui", "olga", "bot"];

/// The command of a deed, as a node would make it from the state it sees; `None` when it names what is not there.
fn command(replica: &Replica, deed: &Deed) -> Option<Command> {
    let session = |n: u8| {
        crate::state::get::<SessionRecord>(&replica.state, &crate::key_space::session(ses(n)))
            .unwrap()
    };
    let hold_of = |n: u8| {
        crate::state::get::<HoldRecord>(&replica.state, &crate::key_space::hold(hold(n))).unwrap()
    };
    Some(match *deed {
        Deed::Open(n) => {
            let node = NodeId(u64::from(n % 3) + 1);
            open_session(n, AGENTS[usize::from(n % 2)], node, replica.incarnation(node))
        }
        Deed::Close(n) => {
            Command::CloseSession(CloseSession { id: ses(n), reason: "gone".to_owned() })
        }
        Deed::Hold(n, s, text) => {
            session(s)?;
            replica.open_hold(n, s, &format!("delete {text}"))
        }
        Deed::Decide(n, who, approve) => {
            hold_of(n)?;
            let choice = if approve { Choice::Approve } else { Choice::Reject };
            replica.decide(n, HUMANS[usize::from(who)], choice)
        }
        Deed::Claim(n, operation, s) => {
            hold_of(n)?;
            replica.claim(n, operation, s)
        }
        Deed::Withdraw(n, s) => Command::WithdrawHold(WithdrawHold {
            hold: hold(n),
            by: Withdrawer::Agent(ses(s)),
            comment: String::new(),
        }),
        Deed::Park(n, s) => Command::ParkHold(ParkHold {
            hold: hold(n),
            session: ses(s),
            leaves: if s % 2 == 0 { Leaves::Parked } else { Leaves::Void },
        }),
        Deed::Evidence(n, s) => Command::AttachEvidence(Box::new(AttachEvidence {
            hold: hold(n),
            session: ses(s),
            evidence: Evidence {
                plan: Plan::Absent("why".to_owned()),
                estimates: None,
                transaction: None,
            },
        })),
        Deed::Intend(operation, s) if operation % 2 == 0 => replica.intend(operation, s),
        Deed::Intend(operation, s) => replica.intend_ahead(operation, s),
        Deed::Settle(operation) => settlement(operation, Outcome::Completed),
        Deed::Start(node, boot) => replica.node_up(NodeId(u64::from(node)), 100 + boot),
        Deed::Policy(body) => {
            put(ResourceKind::Policy, "sample", &format!("{{{body}}}"), Expected::Anything)
        }
        Deed::Target(body) => {
            put(ResourceKind::Target, "orders", &format!("{{{body}}}"), Expected::Anything)
        }
        Deed::Revoke(n) => revoke(who(AGENTS[usize::from(n)])),
        Deed::Tick => Command::Tick,
    })
}

/// Every intent that came from a hold names another hold, and no operation is intended or settled twice.
fn check(replica: &Replica) {
    replica.check_chain();
    let events = replica.events();
    let all = |kind: EventKind, field: &str| -> Vec<String> {
        let of_kind = events.iter().filter(|event| event.kind == kind);
        of_kind.filter_map(|event| event.fields.get(field).cloned()).collect()
    };
    for (kind, field) in [
        (EventKind::Intent, "hold.id"),
        (EventKind::Intent, "operation.id"),
        (EventKind::Outcome, "operation.id"),
    ] {
        let mut found = all(kind, field);
        found.sort();
        let count = found.len();
        found.dedup();
        assert_eq!(found.len(), count, "{kind:?} {field}");
    }
    for kind in [EventKind::Expired, EventKind::Withdrawn, EventKind::Invalidated] {
        let mut ended = all(kind, "hold.id");
        let consumed = all(EventKind::Intent, "hold.id");
        ended.retain(|hold| consumed.contains(hold));
        assert!(ended.is_empty(), "{kind:?} ended a consumed hold");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_state_does_not_depend_on_how_commands_are_gathered(
        deeds in prop::collection::vec((deed(), 0..4u64), 1..60),
        cuts in prop::collection::vec(any::<bool>(), 60),
    ) {
        // One replica takes every command alone; the commands it saw are then gathered for two others.
        let mut alone = Replica::ready();
        alone.index += 1;
        let start = alone.clone();
        let (mut commands, mut replies) = (Vec::new(), Vec::new());
        for (deed, _) in &deeds {
            let Some(command) = command(&alone, deed) else { continue };
            replies.extend(alone.entry(std::slice::from_ref(&command)));
            commands.push(command);
        }
        for gather in [&cuts[..], &[false; 60][..]] {
            let mut gathered = start.clone();
            let mut answered = Vec::new();
            let mut entry = Vec::new();
            for (place, command) in commands.iter().enumerate() {
                entry.push(command.clone());
                if gather[place % 60] {
                    answered.extend(gathered.entry(&std::mem::take(&mut entry)));
                }
            }
            answered.extend(gathered.entry(&entry));
            prop_assert_eq!(&answered, &replies);
            prop_assert_eq!(&gathered.state, &alone.state);
            prop_assert_eq!(&gathered.effects, &alone.effects);
        }
    }

    #[test]
    fn invariants_hold_in_every_history(
        deeds in prop::collection::vec((deed(), 0..20_000u64), 1..80),
    ) {
        let (mut one, mut two) = (Replica::ready(), Replica::ready());
        for (deed, passes) in &deeds {
            one.now += passes;
            two.now = one.now;
            let Some(command) = command(&one, deed) else { continue };
            let settled = |replica: &Replica| -> Vec<HoldRecord> {
                (1..8).filter_map(|n| {
                    crate::state::get::<HoldRecord>(&replica.state, &crate::key_space::hold(hold(n))).unwrap()
                }).filter(|record| record.hold.state.is_settled()).collect()
            };
            let before = settled(&one);
            let answer = one.run(command.clone());
            prop_assert_eq!(&two.run(command.clone()), &answer);
            // one_decision_per_hold: what is settled stays as it is.
            for record in before {
                prop_assert_eq!(&one.hold(record.hold.id), &record);
            }
            // The same command again gives no second intent.
            if let Ok(Answer::Claimed { .. } | Answer::Intended { .. }) = &answer {
                let intents = one.count(EventKind::Intent);
                prop_assert_eq!(&one.run(command.clone()), &answer);
                two.run(command).unwrap();
                prop_assert_eq!(one.count(EventKind::Intent), intents);
            }
        }
        check(&one);
        prop_assert_eq!(one.state, two.state);
    }
}
