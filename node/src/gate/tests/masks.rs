//! What is masked in an answer is what the rules said where the operation's intent stands in the log.

use super::world::*;
use countersign_core::{
    gate::{Gate, HoldProgress},
    hold::Choice,
    mask::{ColumnName, MaskKind, MaskPlan},
    permit::Release,
    record::EventKind,
    refusal::Refusal,
    session::Session,
};
use countersign_raft_store::records::{HoldPhase, ResourceKind};

const REDACT: &str = r#"{"targets":["orders"],"columns":["public.orders.email"],"mask":"redact"}"#;
const NULL: &str = r#"{"targets":["*"],"columns":["*.*.email"],"mask":null}"#;
const ELSEWHERE: &str = r#"{"targets":["stock"],"columns":["*.*.email"],"mask":"null"}"#;
const NOT_FOR_CI: &str =
    r#"{"targets":["*"],"columns":["*.*.*"],"mask":"null","unless_groups":["ci"]}"#;

fn of_email(plan: &MaskPlan) -> Option<MaskKind> {
    plan.column(&ColumnName::new("public", "orders", "email")).whole()
}

async fn read(world: &World, session: &Session) -> Release {
    let operation = select(session);
    let cleared = world.clear(session, &operation).await;
    let admission = world.gate.admit(session, &operation, cleared).await.unwrap();
    admission.permit.open(&operation, world.gate.lease().unwrap()).unwrap();
    released(admission.reply).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_the_masks_of_its_target_and_its_agent() {
    let world = World::new().await;
    let session = world.open().await.session;
    assert!(read(&world, &session).await.masks().covers_nothing());
    world.mask_rule("elsewhere", ELSEWHERE).await;
    world.mask_rule("others", NOT_FOR_CI).await;
    assert!(read(&world, &session).await.masks().covers_nothing());
    world.mask_rule("emails", REDACT).await;
    assert_eq!(of_email(read(&world, &session).await.masks()), Some(MaskKind::Redact));
    world.mask_rule("everywhere", NULL).await;
    assert_eq!(of_email(read(&world, &session).await.masks()), Some(MaskKind::Null));
    assert_eq!(of_email(&world.gate.masks(&session)), Some(MaskKind::Null));
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_what_was_judged_before_a_new_rule_is_withheld() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = select(&session);
    let cleared = world.clear(&session, &operation).await;
    world.unnoticed(ResourceKind::MaskRule, "emails", REDACT).await;
    let admission = world.gate.admit(&session, &operation, cleared).await.unwrap();
    admission.permit.open(&operation, world.gate.lease().unwrap()).unwrap();
    released(admission.reply).await.unwrap_err();
    assert_eq!(world.event(EventKind::Intent).await.fields["verdict"], "withheld");
}

#[tokio::test(start_paused = true)]
async fn what_is_admitted_before_its_forward_is_judged_again_and_masked_by_the_new_rule() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = operation(&session, countersign_core::operation::Action::PostgresDdl, "CREATE");
    let cleared = world.clear(&session, &operation).await;
    world.unnoticed(ResourceKind::MaskRule, "emails", REDACT).await;
    let admission = world.gate.admit(&session, &operation, cleared).await.unwrap();
    let release = released(admission.reply).await.unwrap();
    assert_eq!(of_email(release.masks()), Some(MaskKind::Redact));
    assert_eq!(release.masks().revision(), world.view().policy_revision().unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_an_answer_is_not_given_under_rules_that_have_changed() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = select(&session);
    let cleared = world.clear(&session, &operation).await;
    let admission = world.gate.admit(&session, &operation, cleared).await.unwrap();
    let admitted = admission.permit.revision();
    assert!(world.gate.goes_on(admitted).is_ok());
    world.mask_rule("emails", REDACT).await;
    assert_eq!(world.gate.goes_on(admitted).unwrap_err(), Refusal::PolicyChanged);
}

#[tokio::test(start_paused = true)]
async fn an_approval_does_not_outlive_the_rules_that_it_was_given_under() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = delete(&session);
    let (first, mut held) = world.hold(&session, &operation).await;
    world.decide(first, "dana", Choice::Approve).await;
    assert!(matches!(held.next().await, HoldProgress::Approved));
    world.unnoticed(ResourceKind::MaskRule, "emails", REDACT).await;
    // Claiming finds out, and what is judged again is another hold.
    let HoldProgress::Changed(notice) = held.next().await else {
        panic!("it was to be held again")
    };
    assert_ne!(notice.hold, first);
    let phase = HoldPhase::of(&world.view().hold(first).unwrap().unwrap().hold.state);
    assert_eq!(phase, HoldPhase::Invalidated);
    world.decide(notice.hold, "dana", Choice::Approve).await;
    let release = released(admission(&mut held).await.reply).await.unwrap();
    assert_eq!(of_email(release.masks()), Some(MaskKind::Redact));
}
