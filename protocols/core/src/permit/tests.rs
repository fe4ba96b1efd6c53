//! What does not belong together makes no permit. That a permit cannot be forged or used twice is shown by the
//! compile-fail tests.

#![expect(clippy::disallowed_methods, reason = "a test has no gate, no log and no adapter")]

use super::*;
use crate::{
    agent::{Agent, Identity, Workload},
    hold::{Approved, Consumption},
    id::SessionId,
    log_time::LogTime,
    mask::MaskRules,
    operation::{Classification, Effect, Transaction},
    session::{Opening, Session},
    target::{Protocol, Target, TargetName},
};
use std::{collections::BTreeSet, sync::Arc};

fn session() -> Session {
    Session::opened(Opening {
        id: SessionId::from_bytes([1; 16]),
        agent: Agent {
            identity: Identity { issuer: "i".to_owned(), subject: "s".to_owned() },
            name: "bot".to_owned(),
            owner: None,
            groups: BTreeSet::new(),
            workload: Workload::default(),
            expires_at: LogTime(9),
        },
        target: Target {
            name: TargetName::parse("orders").unwrap(),
            revision: Revision(1),
            protocol: Protocol::Postgres,
        },
        role: "app".to_owned(),
        opened_at: LogTime(1),
    })
}

fn operation(id: u8, text: &str) -> Operation {
    let classification = Classification {
        id: OperationId::from_bytes([id; 16]),
        text: Arc::from(text.as_bytes()),
        parameters: Vec::new(),
        settings: Arc::default(),
        summary: "".into(),
        demands: Arc::default(),
        columns: Arc::default(),
        commands: Arc::default(),
        shape: None,
        effect: Effect::Passing,
        transaction: Transaction::None,
        context: Arc::default(),
    };
    Operation::classified(&session(), classification)
}

fn cleared(operation: &Operation, audit: AuditLevel) -> Cleared {
    let basis = Basis {
        operation: operation.id(),
        fingerprint: *operation.fingerprint(),
        audit,
        revision: Revision(1),
        rules: Vec::new(),
        approval: None,
    };
    Cleared::new(basis, masks(1))
}

fn masks(revision: u64) -> MaskPlan {
    MaskRules::none(Revision(revision)).plan(&session())
}

fn receipt(id: u8) -> Receipt {
    Receipt::after_commit(OperationId::from_bytes([id; 16]), LogIndex(5))
}

fn leased() -> Leased {
    Leased::checked()
}

#[test]
fn a_permit_opens_the_operation_that_was_cleared() {
    let operation = operation(1, "select 1");
    let cleared = cleared(&operation, AuditLevel::BeforeForward);
    let (permit, release) = Permit::grant(cleared, receipt(1)).unwrap();
    assert_eq!(release.operation(), operation.id());
    assert_eq!(permit.ground(), Ground::Allowed);
    let forwardable = permit.open(&operation, leased()).unwrap();
    assert_eq!(forwardable.operation().text(), b"select 1");
}

#[test]
fn a_receipt_of_another_operation_makes_no_permit() {
    let cleared = cleared(&operation(1, "select 1"), AuditLevel::BeforeForward);
    assert!(matches!(Permit::grant(cleared, receipt(2)), Err(PermitError::OtherOperation)));
}

#[test]
fn a_permit_opens_no_other_bytes() {
    let cleared = |audit| cleared(&operation(1, "select 1"), audit);
    let grant = || Permit::grant(cleared(AuditLevel::BeforeForward), receipt(1)).unwrap().0;
    let other_text = operation(1, "select 2");
    let refused = grant().open(&other_text, leased()).map(|_| ());
    assert_eq!(refused, Err(PermitError::OtherFingerprint));
    let other_id = operation(2, "select 1");
    let refused = grant().open(&other_id, leased()).map(|_| ());
    assert_eq!(refused, Err(PermitError::OtherOperation));
}

#[test]
fn only_an_operation_audited_before_its_reply_runs_ahead_of_the_commit() {
    let operation = operation(1, "select 1");
    let early = Permit::ahead(cleared(&operation, AuditLevel::BeforeForward));
    assert!(matches!(early, Err(PermitError::CommitFirst)));
    let (_permit, awaited) = Permit::ahead(cleared(&operation, AuditLevel::BeforeReply)).unwrap();
    assert!(matches!(awaited.receive(receipt(2)), Err(PermitError::OtherOperation)));
    let (_permit, awaited) = Permit::ahead(cleared(&operation, AuditLevel::BeforeReply)).unwrap();
    assert_eq!(awaited.receive(receipt(1)).unwrap().operation(), operation.id());
}

#[test]
fn an_approval_clears_the_operation_that_claimed_it_and_is_audited_before_the_forward() {
    let claimed = operation(1, "delete");
    let approved = || {
        Approved::after_claim(Consumption {
            hold: HoldId::from_bytes([3; 16]),
            operation: claimed.id(),
            fingerprint: *claimed.fingerprint(),
            revision: Revision(1),
            rules: vec!["writes".to_owned()],
        })
    };
    let refused = |other: &Operation| approved().clear(other, masks(1)).map(|_| ()).unwrap_err();
    assert_eq!(refused(&operation(2, "delete")), PermitError::OtherOperation);
    assert_eq!(refused(&operation(1, "delete more")), PermitError::OtherFingerprint);
    let other_masks = approved().clear(&claimed, masks(2)).map(|_| ()).unwrap_err();
    assert_eq!(other_masks, PermitError::OtherMasks);
    let cleared = approved().clear(&claimed, masks(1)).unwrap();
    assert_eq!(cleared.basis().approval, Some(Approval::Hold(HoldId::from_bytes([3; 16]))));
    assert!(matches!(Permit::ahead(cleared), Err(PermitError::CommitFirst)));
    let cleared = approved().clear(&claimed, masks(1)).unwrap();
    assert_eq!(Permit::grant(cleared, receipt(1)).unwrap().0.ground(), Ground::Approved);
}

fn awaited(level: AuditLevel) -> AwaitedRelease {
    Permit::ahead(cleared(&operation(1, "select 1"), level)).unwrap().1
}

#[test]
fn a_note_releases_an_answer_only_at_the_level_that_lets_it() {
    let note = |id: u8| NoteReceipt::after_sync(OperationId::from_bytes([id; 16]));
    assert!(awaited(AuditLevel::Batched).receive_note(note(1)).is_ok());
    assert!(awaited(AuditLevel::Batched).receive(receipt(1)).is_ok());
    let only_noted = awaited(AuditLevel::BeforeReply).receive_note(note(1));
    assert_eq!(only_noted.unwrap_err(), PermitError::NoteIsNotEnough);
    let of_another = awaited(AuditLevel::Batched).receive_note(note(2));
    assert_eq!(of_another.unwrap_err(), PermitError::OtherOperation);
}
