//! Each checker finds the counter-examples it is for, and is silent about a history without one.

mod good;

use super::*;
use crate::history::{Answer, End, Entry, Manner, Out, Row, Shape};
use countersign_core::record::EventKind;
use good::{BEGAN_MS, Fields, Trail, done, found, good, head, resources, sent, tell, watched};

/// What a good history violates once this is in its trail too.
fn with_events(add: impl FnOnce(&mut Trail)) -> Vec<&'static str> {
    let (mut history, mut trail) = good();
    add(&mut trail);
    tell(&mut history, &trail);
    found(&history)
}

/// What a good history violates once this is spoilt.
fn spoilt(spoil: impl FnOnce(&mut History)) -> Vec<&'static str> {
    let (mut history, _) = good();
    spoil(&mut history);
    found(&history)
}

/// A held write of which a row stands in the table, with the approvals it has.
fn held_write(
    approvals: &[(&str, &str)],
    agent: (&str, &str),
    policy: Fields<'_>,
) -> Vec<&'static str> {
    let (mut history, mut trail) = good();
    if !policy.is_empty() {
        trail.add(EventKind::ResourceChanged, policy);
    }
    trail.add(EventKind::Held, &[("hold.id", "h"), ("fingerprint", "f")]);
    for (place, (reviewer, fingerprint)) in approvals.iter().enumerate() {
        let state = if place + 1 == approvals.len() { "approved" } else { "pending" };
        let fields = [
            ("hold.id", "h"),
            ("decision", "approve"),
            ("state", state),
            ("fingerprint", *fingerprint),
            ("reviewer.subject", *reviewer),
        ];
        trail.add(EventKind::Decided, &fields);
    }
    let revision = if policy.is_empty() { "3" } else { "9" };
    let fields = [
        ("hold.id", "h"),
        ("operation.id", "o"),
        ("operation.text", "extra"),
        ("fingerprint", "f"),
        ("agent.subject", agent.0),
        ("agent.owner", agent.1),
        ("policy.revision", revision),
        ("target.name", "orders"),
        ("target.revision", "3"),
    ];
    trail.add(EventKind::Intent, &fields);
    trail.add(EventKind::Outcome, &[("operation.id", "o"), ("outcome", "completed")]);
    history.entries.push(sent("extra", (Shape::Write, Manner::Simple), agent.0, 1, 10));
    history.rows.push(Row { mark: "extra".to_owned(), written_ms: vec![BEGAN_MS + 5_000] });
    tell(&mut history, &trail);
    found(&history)
}

const NOBODY: &[&str] = &[];
const TWO: Fields<'_> = &[
    ("resource.kind", "Policy"),
    ("resource.name", "sample"),
    ("revision.after", "9"),
    ("diff", "- {}\n+ {\"cedar\":\"@hold(\\\"dba\\\") @quorum(\\\"2\\\")\"}"),
];

#[test]
fn a_history_without_a_counter_example_passes() {
    assert_eq!(check(&good().0), Vec::new());
}

#[test]
fn a_row_without_an_intent_is_found() {
    let found = spoilt(|history| {
        history.rows.push(Row { mark: "smuggled".to_owned(), written_ms: vec![BEGAN_MS + 1] });
    });
    let all =
        ["no_forward_without_intent", "no_forward_without_approval", "approval_consumed_once"];
    assert!(all.iter().all(|name| found.contains(name)), "{found:?}");
}

#[test]
fn a_row_that_is_older_than_its_intent_is_found() {
    let found = spoilt(|history| history.rows[3].written_ms = vec![BEGAN_MS - 5]);
    assert_eq!(found, ["no_forward_without_intent"]);
}

#[test]
fn an_answered_read_without_an_intent_is_found() {
    let found = spoilt(|history| history.entries.push(done("unseen", 1, 4, 5)));
    assert_eq!(found, ["no_forward_without_intent"]);
}

#[test]
fn an_answer_that_is_older_than_its_intent_is_found() {
    let found = spoilt(|history| {
        let answer = history.entries.iter_mut().find_map(|entry| {
            let Entry::Answered { at_ms, mark, .. } = entry else { return None };
            (mark == "r5-").then_some(at_ms)
        });
        *answer.unwrap() = 2;
    });
    assert_eq!(found, ["no_forward_without_intent"]);
}

#[test]
fn a_withheld_intent_may_be_late_and_releases_no_answer() {
    let withheld = |answered: bool| {
        let (mut history, mut trail) = good();
        let policy = [("resource.kind", "Policy"), ("revision.after", "9")];
        trail.add(EventKind::ResourceChanged, &policy);
        let fields = [("operation.text", "late-1"), ("verdict", "withheld")];
        trail.operation("late", "completed", &fields);
        history.entries.push(sent("late-1", (Shape::Read, Manner::Simple), "ci-bot", 1, 10));
        if answered {
            history.entries.push(done("late-1", 1, 10, 5_000));
        }
        tell(&mut history, &trail);
        found(&history)
    };
    assert_eq!(withheld(false), NOBODY);
    assert_eq!(withheld(true), ["no_forward_without_intent"]);
}

#[test]
fn only_enough_distinct_reviewers_of_the_group_who_are_neither_requester_nor_owner_approve() {
    let ci_bot = ("ci-bot", "sam");
    assert_eq!(held_write(&[("dana", "f")], ci_bot, &[]), NOBODY);
    assert_eq!(held_write(&[("dana", "f"), ("rui", "f")], ci_bot, TWO), NOBODY);
    let wrong = ["no_forward_without_approval"];
    assert_eq!(held_write(&[], ci_bot, &[]), wrong);
    assert_eq!(held_write(&[("dana", "another")], ci_bot, &[]), wrong);
    assert_eq!(held_write(&[("ada", "f")], ci_bot, &[]), wrong);
    assert_eq!(held_write(&[("rui", "f")], ("rui", ""), &[]), wrong);
    assert_eq!(held_write(&[("dana", "f")], ("bot", "dana"), &[]), wrong);
    assert_eq!(held_write(&[("dana", "f")], ci_bot, TWO), wrong);
    assert_eq!(held_write(&[("dana", "f"), ("dana", "f")], ci_bot, TWO), wrong);
}

#[test]
fn a_second_operation_of_an_approved_write_needs_an_approval_too() {
    let found = with_events(|trail| {
        trail.operation(
            "again",
            "failed",
            &[("operation.text", "w4-"), ("agent.subject", "ci-bot")],
        );
    });
    assert_eq!(found, ["no_forward_without_approval"]);
}

#[test]
fn having_a_statement_described_is_no_execution_of_it() {
    let described = |outcome: &'static str, rows: usize| {
        let (mut history, mut trail) = good();
        let fields = [("operation.text", "w4-"), ("operation.actions", "postgres:describe")];
        trail.operation("asked", outcome, &fields);
        history.rows[4].written_ms = vec![BEGAN_MS + 5_000; rows];
        tell(&mut history, &trail);
        found(&history)
    };
    assert_eq!(described("completed", 1), NOBODY);
    assert_eq!(described("completed", 2), ["approval_consumed_once"]);
}

#[test]
fn a_hold_that_admits_two_operations_is_found() {
    let found = with_events(|trail| {
        let fields = [
            ("hold.id", "hold_0"),
            ("operation.text", "w0-"),
            ("fingerprint", "f"),
            ("agent.subject", "ci-bot"),
        ];
        trail.operation("again", "failed", &fields);
    });
    assert_eq!(found, ["approval_consumed_once", "one_decision_per_hold"]);
}

#[test]
fn a_row_that_stands_more_often_than_it_was_executed_is_found() {
    let found = spoilt(|history| history.rows[2].written_ms.push(BEGAN_MS + 6_000));
    assert_eq!(found, ["approval_consumed_once"]);
}

#[test]
fn an_operation_that_was_refused_explains_no_row() {
    let (mut history, mut trail) = good();
    trail.add(EventKind::Held, &[("hold.id", "h"), ("fingerprint", "f")]);
    let decided = [
        ("hold.id", "h"),
        ("decision", "approve"),
        ("state", "approved"),
        ("fingerprint", "f"),
        ("reviewer.subject", "rui"),
    ];
    trail.add(EventKind::Decided, &decided);
    trail.operation(
        "again",
        "refused",
        &[
            ("hold.id", "h"),
            ("operation.text", "w2-"),
            ("fingerprint", "f"),
            ("agent.subject", "ci-bot"),
        ],
    );
    tell(&mut history, &trail);
    assert_eq!(found(&history), NOBODY);
    history.rows[2].written_ms.push(BEGAN_MS + 6_000);
    assert_eq!(found(&history), ["approval_consumed_once"]);
}

fn decided<'a>(decision: &'a str, state: &'a str, reviewer: &'a str) -> [(&'a str, &'a str); 4] {
    [("hold.id", "h"), ("decision", decision), ("state", state), ("reviewer.subject", reviewer)]
}

#[test]
fn a_hold_that_ends_twice_is_found() {
    let ends = |add: fn(&mut Trail)| {
        with_events(|trail| {
            trail.add(EventKind::Held, &[("hold.id", "h")]);
            add(trail);
        })
    };
    let hold: Fields<'_> = &[("hold.id", "h")];
    let wrong = ["one_decision_per_hold"];
    assert_eq!(
        wrong,
        *ends(|trail| {
            trail.add(EventKind::Decided, &decided("approve", "approved", "dana"));
            trail.add(EventKind::Decided, &decided("reject", "rejected", "rui"));
        })
    );
    assert_eq!(
        wrong,
        *ends(|trail| {
            trail.add(EventKind::Decided, &decided("approve", "approved", "dana"));
            trail.add(EventKind::Withdrawn, &[("hold.id", "h")]);
        })
    );
    assert_eq!(
        wrong,
        *ends(|trail| {
            trail.add(EventKind::Expired, &[("hold.id", "h")]);
            trail.add(EventKind::Decided, &decided("approve", "approved", "dana"));
        })
    );
    assert_eq!(
        NOBODY,
        ends(|trail| {
            trail.add(EventKind::Decided, &decided("approve", "pending", "dana"));
            trail.add(EventKind::Decided, &decided("reject", "rejected", "rui"));
        })
    );
    let expires = with_events(|trail| {
        trail.add(EventKind::Held, hold);
        trail.add(EventKind::Decided, &decided("approve", "approved", "dana"));
        trail.add(EventKind::Expired, hold);
    });
    assert_eq!(expires, NOBODY);
}

fn told(hold: &str, decision: &str, state: &str, reviewer: &str) -> Entry {
    Entry::Decided {
        sent_ms: 50,
        at_ms: 60,
        node: 2,
        hold: hold.to_owned(),
        reviewer: reviewer.to_owned(),
        decision: decision.to_owned(),
        status: 200,
        state: state.to_owned(),
    }
}

#[test]
fn opposite_decisions_that_the_api_told_are_found() {
    let tell_both = |first: &'static str| {
        spoilt(|history| {
            history.entries.push(told("hold_1", "approve", first, "dana"));
            history.entries.push(told("hold_1", "reject", "rejected", "rui"));
        })
    };
    assert_eq!(tell_both("approved"), ["one_decision_per_hold", "no_lost_record"]);
    assert_eq!(tell_both("consumed"), ["one_decision_per_hold", "no_lost_record"]);
    // One of two approvals, and then a rejection, is no contradiction; here only the trail does not know the rejection.
    assert_eq!(tell_both("pending"), ["no_lost_record"]);
}

#[test]
fn an_intent_under_an_old_revision_of_policy_or_target_is_found() {
    for kind in ["Policy", "Target"] {
        let found = with_events(|trail| {
            let fields =
                [("resource.kind", kind), ("resource.name", "orders"), ("revision.after", "9")];
            trail.add(EventKind::ResourceChanged, &fields);
            trail.operation("late", "completed", &[]);
        });
        assert_eq!(found, ["revision_in_force"], "{kind}");
    }
}

#[test]
fn whatever_is_admitted_for_what_was_revoked_is_found() {
    for (kind, fields) in [
        (EventKind::Held, [("agent.subject", "visitor-1"), ("x", "")]),
        (EventKind::SessionOpened, [("agent.subject", "visitor-1"), ("session.id", "s2")]),
        (EventKind::Held, [("agent.subject", "visitor-2"), ("session.id", "s3")]),
    ] {
        let found = with_events(|trail| {
            trail.add(EventKind::Revoked, &[("agent.subject", "visitor-2"), ("session.id", "s3")]);
            trail.add(kind, &fields);
        });
        assert_eq!(found, ["revoked_is_out"], "{fields:?}");
    }
}

#[test]
fn a_session_that_outlives_its_revocation_is_found() {
    let session = [("session.id", "s9"), ("agent.subject", "visitor-9")];
    let later = with_events(|trail| {
        trail.add(EventKind::SessionOpened, &session);
        trail.add(EventKind::Revoked, &[("agent.subject", "visitor-9")]);
        trail.add(EventKind::SessionClosed, &session);
    });
    assert_eq!(later, ["revoked_is_out"]);
    let seen = |at_ms, end| spoilt(|history| history.entries.push(watched(at_ms, end)));
    assert_eq!(seen(12_000, End::Closed), NOBODY);
    assert_eq!(seen(14_000, End::Closed), ["revoked_is_out"]);
    assert_eq!(seen(14_000, End::StillOpen), ["revoked_is_out"]);
}

#[test]
fn what_is_done_for_an_agent_after_its_revocation_was_acknowledged_is_found() {
    let (mut history, mut trail) = good();
    // As if its intent stood before the revocation.
    let event = trail.0.iter().position(|event| event.kind == EventKind::Intent).unwrap();
    let text = trail.0[event].fields.get_mut("operation.text").unwrap();
    text.push_str(" visitor-1-7");
    let events = std::mem::take(&mut trail.0);
    for event in events {
        let fields: Vec<_> =
            event.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        trail.add_at(event.index.0, event.kind, &fields);
    }
    history.entries.retain(|entry| !matches!(entry, Entry::HeadSeen { .. }));
    tell(&mut history, &trail);
    for sequence in 1..=10 {
        history.entries.push(head(&history, sequence, 1_000 + sequence * 10));
    }
    history.entries.push(sent("visitor-1-7", (Shape::Read, Manner::Simple), "visitor-1", 2, 6_500));
    assert_eq!(found(&history), NOBODY);
    history.entries.push(done("visitor-1-7", 2, 6_500, 6_600));
    assert_eq!(found(&history), ["revoked_is_out"]);
}

#[test]
fn a_revocation_that_the_trail_does_not_know_is_found() {
    let found = spoilt(|history| {
        let out = Out::Agent("somebody".to_owned());
        history.entries.push(Entry::Revoked { sent_ms: 1, at_ms: 2, node: 1, out, status: 200 });
    });
    assert_eq!(found, ["revoked_is_out"]);
}

#[test]
fn an_opaque_operation_without_a_hold_is_found() {
    let found = with_events(|trail| {
        trail.operation(
            "o",
            "completed",
            &[("operation.actions", "postgres:read,postgres:opaque"), ("verdict", "allow")],
        );
    });
    assert_eq!(found, ["opaque_is_not_allowed"]);
}

#[test]
fn an_opaque_text_that_was_taken_for_something_else_is_found() {
    let (mut history, mut trail) = good();
    let decided = [
        ("hold.id", "h"),
        ("decision", "approve"),
        ("state", "approved"),
        ("reviewer.subject", "rui"),
    ];
    trail.add(EventKind::Held, &[("hold.id", "h")]);
    trail.add(EventKind::Decided, &decided);
    trail.operation(
        "o",
        "failed",
        &[
            ("hold.id", "h"),
            ("operation.actions", "postgres:write"),
            ("operation.text", "DO 'odd-1'"),
            ("verdict", "hold"),
            ("agent.subject", "ci-bot"),
        ],
    );
    history.entries.push(sent("odd-1", (Shape::Opaque, Manner::Simple), "ci-bot", 1, 10));
    tell(&mut history, &trail);
    assert_eq!(found(&history), ["opaque_is_not_allowed"]);
}

#[test]
fn whatever_a_node_does_while_it_is_cut_off_is_found() {
    let (sent_ms, at_ms, node, status) = (30_000, 30_001, 3, 200);
    let out = Out::Agent("visitor-1".to_owned());
    let (kind, revision) = ("Policy".to_owned(), 3);
    let knows = good().0.trail().len() as u64;
    let Entry::HeadSeen { sequence, hash, .. } = head(&good().0, knows, 1) else { return };
    for entry in [
        done("r0-", node, sent_ms, at_ms),
        Entry::Decided {
            sent_ms,
            at_ms,
            node,
            hold: "hold_1".to_owned(),
            reviewer: "dana".to_owned(),
            decision: "approve".to_owned(),
            status,
            state: "approved".to_owned(),
        },
        Entry::Applied { sent_ms, at_ms, node, kind, status, revision },
        Entry::Revoked { sent_ms, at_ms, node, out, status },
        Entry::HeadSeen { sent_ms, at_ms, node, sequence, hash },
    ] {
        assert_eq!(
            spoilt(|history| history.entries.push(entry.clone())),
            ["minority_refuses"],
            "{entry:?}"
        );
    }
    // Within the lease it may.
    assert_eq!(
        spoilt(|history| {
            history
                .entries
                .retain(|entry| !matches!(entry, Entry::Fault { fault, .. } if fault == "freeze"));
            history.entries.push(done("r0-", node, 24_000, 24_001));
        }),
        ["coverage"]
    );
}

#[test]
fn an_answer_of_a_frozen_node_is_found() {
    let found = spoilt(|history| history.entries.push(done("r0-", 3, 21_000, 21_001)));
    assert_eq!(found, ["minority_refuses"]);
}

#[test]
fn an_acknowledged_write_without_its_row_is_found() {
    let found = spoilt(|history| drop(history.rows.pop()));
    assert_eq!(found, ["approval_consumed_once", "no_lost_record", "outcome_of_every_intent"]);
    // In a transaction a completed statement alone leaves no row, but the acknowledged commit does.
    let found = spoilt(|history| drop(history.rows.remove(1)));
    assert_eq!(found, ["no_lost_record"]);
}

#[test]
fn an_acknowledged_write_whose_operation_failed_is_found() {
    let (mut history, mut trail) = good();
    let place = trail.0.iter().position(|event| {
        event.kind == EventKind::Outcome && event.fields["operation.id"] == "op_4"
    });
    trail.0[place.unwrap()].fields.insert("outcome".to_owned(), "failed".to_owned());
    tell(&mut history, &trail);
    let found = found(&history);
    assert!(
        found.contains(&"no_lost_record") && found.contains(&"outcome_of_every_intent"),
        "{found:?}"
    );
}

#[test]
fn a_decision_or_a_change_that_the_trail_does_not_know_is_found() {
    for entry in [
        told("hold_1", "reject", "rejected", "dana"),
        told("hold_1", "approve", "approved", "rui"),
        Entry::Applied {
            sent_ms: 1,
            at_ms: 2,
            node: 1,
            kind: "Policy".to_owned(),
            status: 200,
            revision: 77,
        },
    ] {
        assert_eq!(
            spoilt(|history| history.entries.push(entry.clone())),
            ["no_lost_record"],
            "{entry:?}"
        );
    }
}

#[test]
fn a_head_that_is_not_in_the_final_chain_is_found() {
    let beyond = spoilt(|history| history.entries.push(head(history, 500, 5_000)));
    assert_eq!(beyond, ["no_lost_record"]);
    let another = spoilt(|history| {
        let Entry::HeadSeen { sent_ms, at_ms, node, sequence, .. } = head(history, 10, 5_000)
        else {
            return;
        };
        history.entries.push(Entry::HeadSeen {
            sent_ms,
            at_ms,
            node,
            sequence,
            hash: "00".to_owned(),
        });
    });
    assert_eq!(another, ["no_lost_record"]);
    let older = spoilt(|history| history.entries.push(head(history, 4, 5_000)));
    assert_eq!(older, ["no_lost_record"]);
}

#[test]
fn an_intent_without_an_outcome_is_found() {
    let found = with_events(|trail| {
        trail.operation("open", "completed", &[]);
        trail.0.pop();
    });
    assert_eq!(found, ["outcome_of_every_intent"]);
}

#[test]
fn an_outcome_without_or_before_its_intent_is_found() {
    let outcome: Fields<'_> = &[("operation.id", "none"), ("outcome", "completed")];
    assert_eq!(
        with_events(|trail| trail.add(EventKind::Outcome, outcome)),
        ["outcome_of_every_intent"]
    );
    let before = with_events(|trail| {
        trail.add(EventKind::Outcome, outcome);
        trail.operation("none", "completed", &[]);
    });
    assert_eq!(before, ["outcome_of_every_intent"]);
}

#[test]
fn a_node_that_tells_another_story_or_none_is_found() {
    let another = spoilt(|history| {
        let events = history.audit.get_mut(&2).unwrap();
        events[4].fields.insert("comment".to_owned(), "changed".to_owned());
    });
    assert_eq!(another, ["chain"]);
    assert_eq!(spoilt(|history| drop(history.audit.remove(&3))), ["chain"]);
    assert_eq!(spoilt(|history| drop(history.audit.get_mut(&3).unwrap().pop())), ["chain"]);
}

#[test]
fn a_run_in_which_something_did_not_happen_proves_nothing() {
    let without = |dropped: fn(&Entry) -> bool| {
        spoilt(|history| history.entries.retain(|entry| !dropped(entry)))
    };
    assert_eq!(without(|entry| matches!(entry, Entry::Fault { .. })), ["coverage"]);
    assert_eq!(without(|entry| matches!(entry, Entry::HeadSeen { .. })), ["coverage"]);
    assert_eq!(without(|entry| matches!(entry, Entry::Revoked { .. })), ["coverage"]);
    assert_eq!(
        without(|entry| matches!(entry, Entry::Sent { mark, .. } if mark == "cut-off")),
        ["coverage"]
    );
    assert_eq!(
        without(|entry| matches!(entry, Entry::Answered { answer: Answer::Done, .. })),
        ["coverage"]
    );
    let mut trail = Trail(Vec::new());
    resources(&mut trail, "3");
    let (mut history, _) = good();
    history.entries.retain(|entry| matches!(entry, Entry::Fault { .. }));
    history.rows.clear();
    tell(&mut history, &trail);
    assert_eq!(found(&history), ["coverage"]);
}
