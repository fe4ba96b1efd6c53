//! Every counter and histogram, in one place, with its name and its labels. A label's values are few and our own: never a
//! name, an id or a text that an agent or a person chose.

use crate::identify::{IdentifyError, Plane};
use countersign_core::{gate::Settlement, hold::Choice, refusal::Refusal};
use countersign_raft_store::records::HoldPhase;
use metrics::{counter, describe_counter, describe_histogram, histogram};
use std::time::Duration;

const LOGINS: &str = "countersign_identify_logins_total";
const REFUSALS: &str = "countersign_gate_refusals_total";
const SESSIONS: &str = "countersign_session_opened_sessions_total";
const VERDICTS: &str = "countersign_policy_verdicts_total";
const HOLD_CHANGES: &str = "countersign_hold_changes_total";
const DECISIONS: &str = "countersign_hold_decisions_total";
const COMMIT: &str = "countersign_raft_commit_seconds";
const OPERATIONS: &str = "countersign_forward_operations_total";
const ROWS: &str = "countersign_forward_rows_total";
const BYTES: &str = "countersign_forward_bytes_total";
const SEGMENTS: &str = "countersign_recording_segments_total";
const SEGMENT_BYTES: &str = "countersign_recording_bytes_total";
const RECORDINGS_LOST: &str = "countersign_recording_lost_recordings_total";
const MENDED: &str = "countersign_recording_mended_segments_total";
const DURABLE: &str = "countersign_recording_durable_seconds";
const API_REQUESTS: &str = "countersign_api_requests_total";
const API_TURNED_AWAY: &str = "countersign_api_turned_away_connections_total";
const UNANNOUNCED: &str = "countersign_listen_unannounced_connections_total";
const API_REFUSED: &str = "countersign_api_refused_accesses_total";

/// Says what each means.
pub(super) fn describe() {
    let counters = [
        (LOGINS, "Proofs of identity, by plane and outcome."),
        (REFUSALS, "What the gate refused, by reason."),
        (SESSIONS, "Sessions that this node opened."),
        (VERDICTS, "What the gate of this node judged, by verdict."),
        (HOLD_CHANGES, "Changes of holds in the cluster, by the state they led to."),
        (DECISIONS, "Decisions that this node took, by choice and outcome."),
        (OPERATIONS, "Operations that this node forwarded and settled, by outcome."),
        (ROWS, "Rows of the answers to forwarded operations."),
        (BYTES, "Bytes of the answers to forwarded operations."),
        (SEGMENTS, "Segments of recordings that this node made durable."),
        (SEGMENT_BYTES, "Bytes of these segments."),
        (
            MENDED,
            "Segments that were put back (healed), got a second place again (placed), or are nowhere (missing).",
        ),
        (RECORDINGS_LOST, "Recordings that could not be kept; their sessions were ended."),
        (API_REQUESTS, "Requests to the API, by route and status."),
        (API_TURNED_AWAY, "Connections to the API of sources that had their share."),
        (API_REFUSED, "Accesses to the API that were refused."),
        (UNANNOUNCED, "Connections turned away because no listed balancer said whose they are."),
    ];
    for (name, meaning) in counters {
        describe_counter!(name, meaning);
    }
    // What happens hardly ever must be there before it does, or nobody sees that it grew.
    counter!(DECISIONS, "choice" => Choice::BreakGlass.name(), "outcome" => "taken").increment(0);
    describe_histogram!(COMMIT, "How long proposals took until they were answered.");
    describe_histogram!(DURABLE, "How long segments of recordings took until they were durable.");
}

/// A proof of identity was looked at.
pub(crate) fn login<T>(plane: Plane, result: &Result<T, IdentifyError>) {
    let outcome = match result {
        Ok(_) => "accepted",
        Err(IdentifyError::NotAccepted(_)) => "refused",
        Err(IdentifyError::TooMany) => "refused_unheard",
        Err(IdentifyError::Unavailable { .. }) => "provider_unavailable",
    };
    counter!(LOGINS, "plane" => plane.name(), "outcome" => outcome).increment(1);
}

/// The gate answered; what it refused is counted.
pub(crate) fn answered<T>(result: Result<T, Refusal>) -> Result<T, Refusal> {
    if let Err(refusal) = &result {
        counter!(REFUSALS, "reason" => reason(refusal)).increment(1);
    }
    result
}

const fn reason(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotIdentified => "not_identified",
        Refusal::NoSuchTarget => "no_such_target",
        Refusal::Denied { .. } => "denied",
        Refusal::Rejected { .. } => "rejected",
        Refusal::Withdrawn { .. } => "withdrawn",
        Refusal::HoldExpired { .. } => "hold_expired",
        Refusal::Parked { .. } => "parked",
        Refusal::SessionEnded { .. } => "session_ended",
        Refusal::NoQuorum => "no_quorum",
        Refusal::Overloaded { .. } => "overloaded",
        Refusal::TooManyHolds => "too_many_holds",
        Refusal::ShuttingDown => "shutting_down",
        Refusal::TargetUnavailable => "target_unavailable",
        Refusal::TooLarge { .. } => "too_large",
        Refusal::Protocol { .. } => "protocol",
        Refusal::NotSupported { .. } => "not_supported",
        Refusal::PolicyChanged => "policy_changed",
        Refusal::AnswerWithheld { .. } => "answer_withheld",
        Refusal::OutcomeUnknown { .. } => "outcome_unknown",
        Refusal::MaskFailed => "mask_failed",
        Refusal::NotRecorded => "not_recorded",
        Refusal::Internal => "internal",
    }
}

/// A session was opened.
pub(crate) fn session_opened() {
    counter!(SESSIONS).increment(1);
}

/// An operation was judged.
pub(crate) fn judged(verdict: &'static str) {
    counter!(VERDICTS, "verdict" => verdict).increment(1);
}

/// A hold changed, somewhere in the cluster.
pub(crate) fn hold_changed(phase: HoldPhase) {
    counter!(HOLD_CHANGES, "state" => phase.name()).increment(1);
}

/// A reviewer decided here.
pub(crate) fn decided<T, E>(choice: &'static str, result: &Result<T, E>) {
    let outcome = if result.is_ok() { "taken" } else { "refused" };
    counter!(DECISIONS, "choice" => choice, "outcome" => outcome).increment(1);
}

/// A proposal was answered, or was given up.
pub(crate) fn proposed(took: Duration) {
    histogram!(COMMIT).record(took.as_secs_f64());
}

/// It is known what became of a forwarded operation.
pub(crate) fn settled(settlement: &Settlement) {
    counter!(OPERATIONS, "outcome" => settlement.outcome.name()).increment(1);
    counter!(ROWS).increment(settlement.rows);
    counter!(BYTES).increment(settlement.bytes);
}

/// A segment of a recording is durable.
pub(crate) fn segment_kept(size: u64, took: Duration) {
    counter!(SEGMENTS).increment(1);
    counter!(SEGMENT_BYTES).increment(size);
    histogram!(DURABLE).record(took.as_secs_f64());
}

/// Something became of a segment that was looked after: `healed`, `placed`, `uploaded`, `not_uploaded`,
/// `given_up`, `not_in_bucket`, `unnamed` or `missing`.
pub(crate) fn segment_mended(how: &'static str) {
    counter!(MENDED, "how" => how).increment(1);
}

/// A recording could not be kept.
pub(crate) fn recording_lost() {
    counter!(RECORDINGS_LOST).increment(1);
}

/// A request was answered. `route` is the route's pattern.
pub(crate) fn api_answered(route: &str, status: u16) {
    counter!(API_REQUESTS, "route" => route.to_owned(), "status" => status.to_string())
        .increment(1);
}

/// A source had its share of connections.
pub(crate) fn api_turned_away() {
    counter!(API_TURNED_AWAY).increment(1);
}

/// A connection came without the PROXY header that it must have.
pub(crate) fn unannounced() {
    counter!(UNANNOUNCED).increment(1);
}

/// An access to the API was refused.
pub(crate) fn api_refused() {
    counter!(API_REFUSED).increment(1);
}
