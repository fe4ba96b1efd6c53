//! What the waiting agent is told about its hold.

use countersign_core::{gate::HoldNotice, hold::Choice, key_words::key_words};
use countersign_raft_store::records::HoldRecord;

/// The notice of a hold as it stands; `api_url` is where it can be followed.
pub(super) fn notice(record: &HoldRecord, api_url: &str) -> HoldNotice {
    let hold = &record.hold;
    let reviewers = hold
        .terms
        .requirements
        .iter()
        .map(|needed| format!("{} of {}", needed.quorum, needed.reviewers))
        .collect::<Vec<_>>()
        .join(" and ");
    let approvals = hold.state.decisions();
    HoldNotice {
        hold: hold.id,
        reviewers,
        approvals: approvals.iter().filter(|made| made.choice == Choice::Approve).count(),
        expires_at: hold.expires_at,
        key: key_words(&hold.fingerprint),
        url: format!("{api_url}/v1/holds/{}", hold.id),
    }
}
