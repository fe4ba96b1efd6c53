//! What an agent hears while its operation is held: notices for people, and a `ParameterStatus` for the wires between,
//! which no driver shows and which keeps read time-outs and load balancers from ending the wait.

use crate::{
    error::{Complaint, Severity, SqlState},
    frame,
};
use bytes::Bytes;
use countersign_core::{gate::HoldNotice, log_time::LogTime};
use std::time::Duration;

/// Between two heartbeats.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);
/// Between two reminders.
pub(crate) const REMINDER: Duration = Duration::from_mins(5);
/// The made-up setting of the heartbeat.
const HEARTBEAT_NAME: &str = "countersign.hold";

/// The `NoticeResponse`.
pub(crate) fn notice(notice: &HoldNotice) -> Bytes {
    let HoldNotice { hold, reviewers, approvals, expires_at, key, url } = notice;
    let expires_at = timestamp(*expires_at);
    Complaint::new(SqlState::HELD, "held for approval")
        .detail(format!(
            "Hold {hold}: {reviewers}, {approvals} so far; expires {expires_at}; key {key}."
        ))
        .hint(format!("Follow it at {url}"))
        .encode(Severity::Notice)
}

/// The silent heartbeat.
pub(crate) fn heartbeat(notice: &HoldNotice, beat: u64) -> Bytes {
    frame::text_pair(b'S', HEARTBEAT_NAME, &format!("pending;{};{beat}", notice.hold))
}

/// RFC 3339, in UTC.
fn timestamp(time: LogTime) -> String {
    i64::try_from(time.0)
        .ok()
        .and_then(|milliseconds| jiff::Timestamp::from_millisecond(milliseconds).ok())
        .map_or_else(|| "never".to_owned(), |time| format!("{time:.0}"))
}
