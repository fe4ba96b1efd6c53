//! What an agent hears of people's approval: on a request while it waits nothing, for HTTP has no word for it; with the answer, a
//! warning (RFC 7234, section 5.5), which clients show; on a stream a line on the channel of errors. A request whose time is over hears a `Status` ([`crate::status`]). It decides
//! nothing.

use countersign_core::{gate::HoldNotice, id::HoldId, permit::Ground};
use hyper::header::HeaderValue;

/// The warning beside an answer to what people have approved.
pub(crate) fn warning(ground: Ground, hold: Option<HoldId>) -> Option<HeaderValue> {
    let text = match (ground, hold) {
        (Ground::Allowed, _) => return None,
        (Ground::Approved, Some(hold)) => {
            format!("299 - \"countersign: passed by approval, hold {hold}\"")
        }
        (Ground::Approved, None) => "299 - \"countersign: passed by a grant\"".to_owned(),
    };
    HeaderValue::try_from(text).ok()
}

/// The line that says what a stream waits for.
pub(crate) fn line(notice: &HoldNotice) -> String {
    let HoldNotice { hold, key, url, .. } = notice;
    let line = format!("countersign: HELD id={hold} url={url} key={key}");
    // It goes to a terminal.
    let plain: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passed_by_approval_says_so_and_nothing_else_does() {
        let hold = HoldId::from_bytes([3; 16]);
        let said = warning(Ground::Approved, Some(hold)).unwrap();
        let wanted = format!("299 - \"countersign: passed by approval, hold {hold}\"");
        assert_eq!(said.to_str().unwrap(), wanted);
        assert!(warning(Ground::Approved, None).is_some());
        assert_eq!(warning(Ground::Allowed, Some(hold)), None);
    }
}
