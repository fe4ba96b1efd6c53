//! What a waiting agent hears about its hold: a line on the error output of its program. It decides nothing.

use crate::inflow::Terminal;
use bytes::Bytes;
use countersign_core::{gate::HoldNotice, refusal::Refusal};
use std::time::Duration;

/// Between two notices when nothing changes.
pub(crate) const REMINDER: Duration = Duration::from_mins(5);

/// The line that says what is waited for.
pub(crate) fn held(notice: &HoldNotice, terminal: Terminal) -> Bytes {
    let HoldNotice { hold, key, url, .. } = notice;
    line(&format!("countersign: HELD id={hold} url={url} key={key}"), terminal)
}

/// The line that says why the program does not run, or not on.
pub(crate) fn refused(refusal: &Refusal, terminal: Terminal) -> Bytes {
    let more = match refusal {
        Refusal::Denied { message, .. } if !message.is_empty() => format!(": {message}"),
        Refusal::Rejected { hold, comment } if comment.is_empty() => format!(" id={hold}"),
        Refusal::Rejected { hold, comment } => format!(" id={hold}: {comment}"),
        Refusal::Withdrawn { hold } | Refusal::HoldExpired { hold } | Refusal::Parked { hold } => {
            format!(" id={hold}")
        }
        Refusal::Denied { .. }
        | Refusal::NotIdentified
        | Refusal::NoSuchTarget
        | Refusal::TooManyHolds
        | Refusal::NoQuorum
        | Refusal::Overloaded { .. }
        | Refusal::TooLarge { .. }
        | Refusal::ShuttingDown
        | Refusal::SessionEnded { .. }
        | Refusal::Protocol { .. }
        | Refusal::NotSupported { .. }
        | Refusal::PolicyChanged
        | Refusal::AnswerWithheld { .. }
        | Refusal::MaskFailed
        | Refusal::NotRecorded
        | Refusal::OutcomeUnknown { .. }
        | Refusal::TargetUnavailable
        | Refusal::Internal => String::new(),
    };
    let word = if matches!(refusal, Refusal::Parked { .. }) {
        "PARKED"
    } else if matches!(refusal, Refusal::OutcomeUnknown { .. } | Refusal::AnswerWithheld { .. }) {
        "ENDED"
    } else {
        "REFUSED"
    };
    line(&format!("countersign: {word} {refusal}{more}"), terminal)
}

/// One line, whatever a rule's message or a reviewer's comment has in it: it goes to a terminal.
fn line(text: &str, terminal: Terminal) -> Bytes {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let end = match terminal {
        Terminal::Some => "\r\n",
        Terminal::None => "\n",
    };
    Bytes::from(plain + end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::{id::HoldId, log_time::LogTime};

    #[test]
    fn a_notice_is_one_line_with_the_hold_where_it_is_followed_and_its_key() {
        let notice = HoldNotice {
            hold: HoldId::from_bytes([3; 16]),
            reviewers: "1 of ops".to_owned(),
            approvals: 0,
            expires_at: LogTime(5),
            key: "four short plain words".to_owned(),
            url: "https://node/holds/x".to_owned(),
        };
        let id = notice.hold;
        let line = format!(
            "countersign: HELD id={id} url=https://node/holds/x key=four short plain words\n"
        );
        assert_eq!(held(&notice, Terminal::None), line.as_bytes());
        assert!(held(&notice, Terminal::Some).ends_with(b"\r\n"));
    }

    #[test]
    fn what_people_wrote_moves_no_cursor() {
        let comment = "no\u{1b}[2J\u{9b}1A\r\nok".to_owned();
        let refusal = Refusal::Rejected { hold: HoldId::from_bytes([3; 16]), comment };
        let line = refused(&refusal, Terminal::None);
        let text = std::str::from_utf8(&line).unwrap().strip_suffix('\n').unwrap();
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}
