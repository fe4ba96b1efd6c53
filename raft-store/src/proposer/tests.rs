//! What a caller may believe of an answer that is none. The rest is tested with whole clusters.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::dispatch::take;
use super::{Entrance, Proposal, ProposeError, Proposer, Settled, Tried};
use crate::encoding::ForwardedReply;

fn proposer() -> (Proposer, mpsc::Receiver<Proposal>) {
    let (own, queue) = Entrance::new();
    let (peers, _) = Entrance::new();
    (Proposer { own, peers, stop: CancellationToken::new() }, queue)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

#[tokio::test]
async fn a_command_dropped_unanswered_found_no_quorum_unless_everything_stops() {
    let (proposer, mut queue) = proposer();
    let (proposed, ()) = tokio::join!(proposer.propose(vec![1], soon()), async {
        drop(queue.recv().await);
    });
    assert_eq!(proposed, Err(ProposeError::NoQuorum));
    let (proposed, ()) = tokio::join!(proposer.propose(vec![1], soon()), async {
        let proposal = queue.recv().await;
        proposer.stop.cancel();
        drop(proposal);
    });
    assert_eq!(proposed, Err(ProposeError::Stopping));
}

#[tokio::test]
async fn a_leader_without_room_refuses_only_what_no_leader_was_given_before() {
    let (entrance, mut queue) = Entrance::new();
    let mut first = entrance.enqueue(vec![1], soon()).unwrap();
    let proposal = queue.recv().await.unwrap();
    assert!(take(proposal, Tried::Never, ForwardedReply::Full).is_none());
    assert!(matches!(first.try_recv(), Ok(Settled::Refused(ProposeError::Full))));
    let mut again = entrance.enqueue(vec![1], soon()).unwrap();
    let proposal = queue.recv().await.unwrap();
    let left = take(proposal, Tried::Unsettled, ForwardedReply::Full).unwrap();
    assert!(again.try_recv().is_err(), "it was refused although it may be committed");
    assert_eq!(left.tried, Tried::Unsettled);
}
