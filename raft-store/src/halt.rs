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
    end_at_once(HALT_STATUS)
}

/// Ends the process without running exit handlers. RocksDB's would wait for the disk that has just failed, or abort when
/// they find the database open.
pub fn end_at_once(status: i32) -> ! {
    signal_hook::low_level::exit(status)
}

/// For tests about the end of a process: they run again in a process of their own.
#[cfg(test)]
pub(crate) mod child {
    /// Set in that process.
    const CHILD: &str = "COUNTERSIGN_TEST_CHILD";

    /// Whether this is that process. If not, starts it for `test` and expects it to halt for `reason`.
    pub(crate) fn expect_halt(test: &str, reason: &str) -> bool {
        if std::env::var_os(CHILD).is_some() {
            return true;
        }
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stderr);
        assert_eq!(child.status.code(), Some(super::HALT_STATUS), "{said}");
        assert!(said.contains(reason), "{said}");
        false
    }
}
