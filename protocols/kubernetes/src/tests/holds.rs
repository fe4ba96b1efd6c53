//! Requests that wait for humans.

use super::{
    gate::Decision,
    world::{LONG, World},
};
use countersign_core::{id::HoldId, record::Outcome, refusal::Refusal};
use hyper::StatusCode;
use tokio::time::timeout;

const POD: &str = "/k8s/prod/api/v1/namespaces/dev/pods/web";

#[tokio::test]
async fn an_approved_request_is_forwarded_once_and_says_that_it_was_approved() {
    let world = World::new().await;
    let (came, hold) = tokio::join!(world.ask("DELETE", POD), world.gate.approve(0));
    assert_eq!(came.status, StatusCode::OK, "{came:?}");
    let warning = came.header("warning").unwrap();
    assert!(warning.starts_with("299 - \"countersign: passed by approval"), "{warning}");
    let text = String::from_utf8(hold.operation.text().to_vec()).unwrap();
    assert_eq!(text, "DELETE /api/v1/namespaces/dev/pods/web\n");
    assert_eq!(world.server.count(), 1);
    assert_eq!(world.gate.settlement(0).await.outcome, Outcome::Completed);
}

#[tokio::test(start_paused = true)]
async fn what_is_still_held_after_a_while_is_to_be_repeated_and_names_the_hold() {
    let world = World::new().await;
    let mut client = world.client().await;
    let asked = tokio::spawn(async move { client.ask("DELETE", POD, &[], "").await });
    let hold = world.gate.hold(0).await;
    let came = timeout(LONG, asked).await.unwrap().unwrap();
    assert_eq!((came.status.as_u16(), came.header("retry-after")), (429, Some("1")));
    let status = came.json();
    assert!(came.message().contains("https://gateway.test/holds"), "{status}");
    assert_eq!(status["details"]["causes"][0]["reason"], "CountersignHold");
    assert_eq!(*hold.ended.borrow(), "parked");
    assert_eq!(world.server.count(), 0);
}

#[tokio::test]
async fn a_rejected_request_is_forbidden_with_the_comment() {
    let world = World::new().await;
    let hold = HoldId::from_bytes([7; 16]);
    let refusal = Refusal::Rejected { hold, comment: "not on a Friday".to_owned() };
    let reject = async {
        world.gate.hold(0).await.decide.send_replace(Decision::Refuse(refusal));
    };
    let (came, ()) = tokio::join!(world.ask("DELETE", POD), reject);
    assert_eq!(came.status, StatusCode::FORBIDDEN);
    assert!(came.message().contains("not on a Friday"), "{came:?}");
    assert_eq!((world.server.count(), came.header("retry-after")), (0, None));
}

#[tokio::test]
async fn an_agent_that_goes_away_parks_its_hold_and_nothing_is_forwarded() {
    for world in [World::new().await, World::new().await] {
        let clients = [world.client().await, world.client_1().await];
        for (n, mut client) in clients.into_iter().enumerate() {
            let asked = tokio::spawn(async move { client.ask("DELETE", POD, &[], "").await });
            let hold = world.gate.hold(n).await;
            asked.abort();
            let mut ended = hold.ended.subscribe();
            let ended = timeout(LONG, ended.wait_for(|ended| !ended.is_empty())).await;
            assert_eq!(*ended.unwrap().unwrap(), "parked");
            drop(hold.decide.send(Decision::Approve));
        }
        assert_eq!(world.server.count(), 0);
    }
}

#[tokio::test]
async fn an_approval_is_not_claimed_while_the_target_cannot_be_reached() {
    let world = World::new().await;
    let gone = super::server::Server {
        port: 1,
        certificate: world.server.certificate.clone(),
        seen: tokio::sync::watch::Sender::new(Vec::new()),
        events: tokio::sync::broadcast::channel(1).0,
        connections: tokio::sync::watch::Sender::new(0),
    };
    let world = World::before(std::sync::Arc::new(gone), None).await;
    let (came, hold) = tokio::join!(world.ask("DELETE", POD), world.gate.approve(0));
    assert_eq!((came.status.as_u16(), came.header("retry-after")), (503, Some("1")));
    assert_eq!(*hold.ended.borrow(), "parked");
}

#[tokio::test]
async fn the_outcome_of_what_went_up_is_known_though_its_agent_has_gone() {
    let world = World::new().await;
    let mut client = world.client().await;
    let path = "/k8s/prod/api/v1/namespaces/dev/pods/hang";
    let asked = tokio::spawn(async move { client.ask("DELETE", path, &[], "").await });
    drop(world.gate.approve(0).await);
    world.server.request(0).await;
    asked.abort();
    let settled = timeout(LONG, world.gate.settlement(0)).await.unwrap();
    assert_eq!(settled.outcome, Outcome::OutcomeUnknown);
    assert_eq!(world.server.count(), 1);
}
