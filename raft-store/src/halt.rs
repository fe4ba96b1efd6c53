//! The end of a node that must not go on: after a failed write or sync, or an entry it cannot apply. Nothing here retries
//! and nothing unwinds, because after a failed sync nobody knows what is on the disk.

/// The exit status of a node that halted itself (`EX_SOFTWARE` of sysexits.h).
pub const HALT_STATUS: i32 = 70;

/// Ends the process with [`HALT_STATUS`], after saying why.
#[expect(
    clippy::print_stderr,
    reason = "the last words of a process, which must not depend on a log subscriber"
)]
pub(crate) fn halt(during: &str, reason: &dyn std::fmt::Display) -> ! {
    tracing::error!(during, %reason, "the node halts");
    eprintln!("countersign: halted while {during}: {reason}");
    std::process::exit(HALT_STATUS)
}
