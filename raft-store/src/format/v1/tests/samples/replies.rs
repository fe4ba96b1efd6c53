//! Every answer and every refusal.

use super::*;
use crate::{
    limits::Limit,
    reply::{Answer, CredentialLife, Reply, SessionOpened, StateRefusal},
};
use countersign_core::hold::{Consumption, DecisionError, HoldError};

pub(in crate::format::v1::tests) fn replies() -> Vec<(&'static str, Reply)> {
    let consumption = Consumption {
        hold: hold_id(),
        operation: op(),
        fingerprint: fingerprint(),
        revision: Revision(6),
        rules: vec![t("writes")],
    };
    let opened = SessionOpened { target_revision: Revision(5), opened_at: LogTime(6) };
    let mut all = vec![
        ("reply-done", Ok(Answer::Done)),
        ("reply-node-up", Ok(Answer::NodeUp(Incarnation(12)))),
        ("reply-session-opened", Ok(Answer::SessionOpened(opened))),
        ("reply-held", Ok(Answer::Held(Box::new(hold())))),
        ("reply-attached", Ok(Answer::Attached(Box::new(hold())))),
        ("reply-hold", Ok(Answer::Hold(Box::new(hold())))),
        ("reply-claimed", Ok(Answer::Claimed { consumption, index: LogIndex(8) })),
        ("reply-intended", Ok(Answer::Intended { index: LogIndex(8) })),
        ("reply-applied", Ok(Answer::Applied(Revision(6)))),
        ("reply-node-admitted", Ok(Answer::NodeAdmitted(NodeId(4)))),
        (
            "reply-credential-issued",
            Ok(Answer::CredentialIssued(CredentialLife {
                issued_at: LogTime(2),
                expires_at: LogTime(9),
            })),
        ),
    ];
    all.extend(refusals().into_iter().map(|(name, refusal)| (name, Err(refusal))));
    all
}

fn refusals() -> Vec<(&'static str, StateRefusal)> {
    let conflict = StateRefusal::Conflict {
        kind: ResourceKind::Policy,
        name: t("p"),
        found: Some(Revision(5)),
    };
    let hold = StateRefusal::Hold;
    let limits = Limit::ALL
        .iter()
        .map(|limit| (of_all("limit", limit.name()), StateRefusal::OverLimit { limit: *limit }));
    let mut all = vec![
        ("refusal-not-initialised", StateRefusal::NotInitialised),
        ("refusal-already-initialised", StateRefusal::AlreadyInitialised),
        ("refusal-unknown-node", StateRefusal::UnknownNode),
        ("refusal-stale-incarnation", StateRefusal::StaleIncarnation),
        ("refusal-no-such-target", StateRefusal::NoSuchTarget),
        ("refusal-revoked", StateRefusal::Revoked),
        ("refusal-identity-expired", StateRefusal::IdentityExpired),
        ("refusal-provider-changed", StateRefusal::ProviderChanged),
        ("refusal-rotation-under-way", StateRefusal::RotationUnderWay),
        ("refusal-wrapped-anew", StateRefusal::WrappedAnew),
        ("refusal-key-not-everywhere", StateRefusal::KeyNotEverywhere),
        ("refusal-no-such-credential", StateRefusal::NoSuchCredential),
        ("refusal-other-audience", StateRefusal::OtherAudience),
        ("refusal-session-gone", StateRefusal::SessionGone),
        ("refusal-stale-revision", StateRefusal::StaleRevision { in_force: Revision(6) }),
        ("refusal-no-such-grant", StateRefusal::NoSuchGrant),
        ("refusal-rejected-lately", StateRefusal::RejectedLately { hold: hold_id() }),
        ("refusal-grant-gone", StateRefusal::GrantGone),
        ("refusal-no-such-hold", StateRefusal::NoSuchHold),
        ("refusal-not-attached", StateRefusal::NotAttached),
        ("refusal-settled", hold(HoldError::Settled { state: "consumed" })),
        ("refusal-already-approved", hold(HoldError::AlreadyApproved)),
        ("refusal-decision", hold(HoldError::Decision(DecisionError::ReasonRequired))),
        ("refusal-requester", hold(HoldError::Decision(DecisionError::Requester))),
        ("refusal-owner", hold(HoldError::Decision(DecisionError::Owner))),
        ("refusal-not-in-group", hold(HoldError::Decision(DecisionError::NotInGroup))),
        ("refusal-sharer", hold(HoldError::Decision(DecisionError::Sharer))),
        ("refusal-no-glass", hold(HoldError::Decision(DecisionError::NoGlass))),
        ("refusal-already-decided", hold(HoldError::Decision(DecisionError::AlreadyDecided))),
        ("refusal-not-grantable", hold(HoldError::Decision(DecisionError::NotGrantable))),
        (
            "refusal-grant-too-long",
            hold(HoldError::Decision(DecisionError::GrantTooLong { most_ms: 1_000 })),
        ),
        ("refusal-hold-fingerprint", hold(HoldError::OtherFingerprint)),
        ("refusal-other-agent", hold(HoldError::OtherAgent)),
        ("refusal-not-approved", hold(HoldError::NotApproved)),
        ("refusal-other-revision", hold(HoldError::OtherRevision)),
        ("refusal-other-fingerprint", StateRefusal::OtherFingerprint),
        ("refusal-needs-claim", StateRefusal::NeedsClaim),
        ("refusal-id-used", StateRefusal::IdUsed),
        ("refusal-no-such-operation", StateRefusal::NoSuchOperation),
        ("refusal-already-settled", StateRefusal::AlreadySettled { outcome: Outcome::Failed }),
        ("refusal-conflict", conflict),
        ("refusal-bad-name", StateRefusal::BadName { name: t("A") }),
        ("refusal-bad-join-token", StateRefusal::BadJoinToken),
        ("refusal-closed", StateRefusal::Closed),
        ("refusal-intent-stands", StateRefusal::IntentStands),
        ("refusal-not-verified", StateRefusal::NotVerified),
        ("refusal-out-of-order", StateRefusal::OutOfOrder { expected: 3 }),
        ("refusal-recording-ended", StateRefusal::RecordingEnded),
        ("refusal-old-cluster", StateRefusal::OldCluster { needed: 2 }),
    ];
    all.extend(limits);
    all
}
