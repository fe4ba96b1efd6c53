//! How connections and sessions end.

use super::world::{LONG, World};
use countersign_core::{gate::CloseReason, refusal::Refusal};
use tokio::time::timeout;

const POD: &str = "/k8s/prod/api/v1/namespaces/dev/pods/web";

#[tokio::test]
async fn a_session_that_is_ended_ends_its_connection() {
    let world = World::new().await;
    for mut client in [world.client().await, world.client_1().await] {
        assert!(client.get(POD).await.status.is_success());
        let refusal = Refusal::SessionEnded { reason: "revoked".to_owned() };
        world.gate.end_all(refusal.clone()).await;
        let ended = async {
            while client.begin("GET", POD, &[], "").await.is_ok_and(|_| true) {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, ended).await.expect("the connection ends");
    }
    let closed =
        world.gate.closed.subscribe().wait_for(|closed| closed.len() >= 2).await.unwrap().clone();
    assert!(closed.iter().any(|reason| matches!(reason, CloseReason::Refused(_))), "{closed:?}");
}

#[tokio::test]
async fn a_node_that_stops_tells_who_waits_to_come_again() {
    let world = World::new().await;
    let stop = async {
        world.gate.hold(0).await;
        world.shutdown.cancel();
    };
    let (came, ()) = tokio::join!(world.ask("DELETE", POD), stop);
    assert_eq!((came.status.as_u16(), came.header("retry-after")), (503, Some("1")), "{came:?}");
    assert_eq!(world.server.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_identified_in_time_is_cut_off() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.token.clear();
    client.get(POD).await;
    let ended = async { while client.begin("GET", POD, &[], "").await.is_ok() {} };
    timeout(LONG, ended).await.expect("the connection ends");
}
