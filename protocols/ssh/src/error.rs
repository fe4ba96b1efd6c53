//! Refusals as a program's exit status, which is all of an answer that a script reads, and as a status of SFTP's.

use crate::sftp::Status;
use countersign_core::refusal::Refusal;

/// What shells say of a command that was found and could not be run.
const REFUSED: u32 = 126;
/// `EX_TEMPFAIL` of `sysexits.h`: nothing was executed, and the same command may be sent again.
const LATER: u32 = 75;
/// What `ssh` says when it is not the command that failed: whether it was executed has to be looked at.
const LOST: u32 = 255;

/// The exit status of a program that was refused, or did not come to its end.
pub(crate) fn exit_status(refusal: &Refusal) -> u32 {
    match refusal {
        Refusal::Parked { .. }
        | Refusal::TooManyHolds
        | Refusal::NoQuorum
        | Refusal::Overloaded { .. }
        | Refusal::ShuttingDown
        | Refusal::PolicyChanged
        | Refusal::TargetUnavailable => LATER,
        Refusal::NotIdentified
        | Refusal::NoSuchTarget
        | Refusal::Denied { .. }
        | Refusal::Rejected { .. }
        | Refusal::Withdrawn { .. }
        | Refusal::HoldExpired { .. }
        | Refusal::TooLarge { .. }
        | Refusal::Protocol { .. }
        | Refusal::NotSupported { .. }
        | Refusal::MaskFailed => REFUSED,
        Refusal::SessionEnded { .. }
        | Refusal::AnswerWithheld { .. }
        | Refusal::NotRecorded
        | Refusal::OutcomeUnknown { .. }
        | Refusal::Internal => LOST,
    }
}

/// A refusal as the status of a request of SFTP's.
pub(crate) fn status(refusal: &Refusal) -> Status {
    if exit_status(refusal) == REFUSED { Status::PermissionDenied } else { Status::Failure }
}

/// A refusal as the last word on a connection, which a client shows.
pub(crate) fn last_word(refusal: &Refusal) -> String {
    let text: String = refusal.to_string();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
