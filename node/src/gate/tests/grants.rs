//! Grants: what one covers goes through at once and is recorded, and what it covers no more is held again.

use super::world::*;
use countersign_core::{
    gate::{Gate, Judged},
    hold::Choice,
    id::{GrantId, HoldId},
    operation::Action,
    permit::Approval,
    record::EventKind,
    refusal::Refusal,
    session::Session,
};
use countersign_raft_store::command::{Revocable, Revoke};

const FOR_MS: u64 = 60_000;

/// A world whose writes may be granted, with a session and the grant of its first write.
async fn granted() -> (World, Session, GrantId) {
    let world = World::new().await;
    world.policy(&POLICY.replace("@hold(\"dba\")", "@hold(\"dba\") @grantable(\"1h\")")).await;
    let session = world.open().await.session;
    let (hold, mut held) = world.hold(&session, &delete(&session)).await;
    world.decide_for(hold, "dana", Choice::Approve, FOR_MS).await;
    drop(admission(&mut held).await);
    (world, session, id_of(hold))
}

fn id_of(hold: HoldId) -> GrantId {
    GrantId::from_bytes(*hold.as_bytes())
}

async fn revoke(world: &World, grant: GrantId) {
    let what = Revocable::Grant(grant);
    world
        .store
        .revoke(Revoke { what, reason: "enough".to_owned(), author: author() })
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_grant_covers_goes_through_with_an_intent_that_names_it() {
    let (world, session, grant) = granted().await;
    for n in 1..=2_u64 {
        // Another value of the same shape.
        let again =
            operation(&session, Action::PostgresWrite, &format!("DELETE FROM orders -- {n}"));
        let cleared = world.clear(&session, &again).await;
        assert_eq!(cleared.basis().approval, Some(Approval::Grant(grant)));
        let admission = world.gate.admit(&session, &again, cleared).await.unwrap();
        let leased = world.gate.lease().unwrap();
        admission.permit.open(&again, leased).unwrap();
        assert_eq!(world.view().grant(grant).unwrap().unwrap().uses, n);
    }
    let intents = world.events(EventKind::Intent);
    let verdicts: Vec<_> = intents.iter().map(|event| event.fields["verdict"].as_str()).collect();
    assert_eq!(verdicts, ["hold", "grant", "grant"]);
    // A read is none of its business, and neither is what another rule holds.
    assert_eq!(world.clear(&session, &select(&session)).await.basis().approval, None);
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_was_revoked_after_the_judgement_admits_nothing() {
    let (world, session, grant) = granted().await;
    let again = delete(&session);
    let cleared = world.clear(&session, &again).await;
    revoke(&world, grant).await;
    let refused = world.gate.admit(&session, &again, cleared).await.unwrap_err();
    // It is held now, as without a grant.
    let Refusal::Parked { hold } = refused else { panic!("{refused:?}") };
    assert_ne!(id_of(hold), grant);
    assert_eq!(world.events(EventKind::Intent).len(), 1);
    assert!(matches!(world.judge(&session, &delete(&session)).await.unwrap(), Judged::Held(_)));
}

#[tokio::test(start_paused = true)]
async fn under_another_policy_what_was_granted_is_held_again() {
    let (world, session, grant) = granted().await;
    let again = delete(&session);
    let cleared = world.clear(&session, &again).await;
    let text = POLICY.replace("@hold(\"dba\")", "@hold(\"dba\") @grantable(\"2h\")");
    world.policy(&text).await;
    let refused = world.gate.admit(&session, &again, cleared).await.unwrap_err();
    assert!(matches!(refused, Refusal::Parked { .. }), "{refused:?}");
    assert_eq!(world.view().grant(grant).unwrap().unwrap().uses, 0);
    assert_eq!(world.events(EventKind::GrantEnded).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_word_of_policy_nothing_is_granted() {
    let world = World::new().await;
    let session = world.open().await.session;
    let (hold, _held) = world.hold(&session, &delete(&session)).await;
    let seen = world.view().hold(hold).unwrap().unwrap().hold.fingerprint;
    let refused = world.try_decide_for(hold, seen, FOR_MS).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(world.view().hold(hold).unwrap().unwrap().hold.state.decisions().is_empty());
}
