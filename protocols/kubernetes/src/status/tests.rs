//! What clients are told, and what they repeat by themselves.

use super::*;
use countersign_core::{id::HoldId, log_time::LogTime, operation::Effect};

fn hold() -> HoldId {
    HoldId::from_bytes([3; 16])
}

fn body(status: &Status) -> Value {
    serde_json::from_slice(&status.body()).unwrap()
}

#[test]
fn a_held_request_is_to_be_repeated_and_says_where_its_hold_is() {
    let notice = HoldNotice {
        hold: hold(),
        reviewers: "1 of ops".to_owned(),
        approvals: 0,
        expires_at: LogTime(1),
        key: "four words are here".to_owned(),
        url: "https://node/holds/x".to_owned(),
    };
    let status = Status::held(&notice);
    assert_eq!((status.code, status.retry_after), (429, Some(1)));
    let body = body(&status);
    assert_eq!(body["kind"], "Status");
    assert_eq!(body["details"]["retryAfterSeconds"], 1);
    let message = body["message"].as_str().unwrap();
    for part in [hold().to_string().as_str(), "https://node/holds/x", "four words are here"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_refusal_names_its_rule_and_is_not_repeated() {
    let denied = Refusal::Denied {
        rules: vec!["no-exec".to_owned()],
        message: "kubernetes:exec is forbidden".to_owned(),
    };
    let status = Status::from(&denied);
    assert_eq!((status.code, status.retry_after), (403, None));
    let body = body(&status);
    assert_eq!(body["reason"], "Forbidden");
    assert_eq!(body["details"]["causes"][0]["message"], "no-exec");
    assert!(body["message"].as_str().unwrap().contains("kubernetes:exec is forbidden"));
}

#[test]
fn what_may_have_been_executed_is_never_repeated_by_itself() {
    for refusal in [
        Refusal::NoQuorum,
        Refusal::TargetUnavailable,
        Refusal::ShuttingDown,
        Refusal::NotRecorded,
        Refusal::Parked { hold: hold() },
        Refusal::Internal,
    ] {
        let after = refusal.after_forward(Effect::Lasting);
        let status = Status::from(&after);
        assert_eq!((status.code, status.retry_after), (500, None), "{after:?}");
    }
}

#[test]
fn without_a_quorum_clients_hear_of_it_and_come_again() {
    let status = Status::from(&Refusal::NoQuorum);
    assert_eq!((status.code, status.retry_after), (503, Some(1)));
    let many = Status::from(&Refusal::TooManyHolds);
    assert_eq!((many.code, many.retry_after), (429, None));
}

#[test]
fn what_is_not_read_says_why_and_is_not_repeated() {
    for (status, code) in [
        (Status::from(Unclear::EmptySegment), 400),
        (Status::from(Unclear::Method), 405),
        (Status::from(Unclear::Body(Unreadable::Type)), 415),
        (Status::from(Unclear::Body(Unreadable::MaskedValue)), 422),
        (Status::from(BadHeader::Never), 403),
        (Status::from(BadHeader::NotAcceptable), 406),
    ] {
        assert_eq!((status.code, status.retry_after), (code, None));
        assert_eq!(body(&status)["code"], code);
    }
}
