//! Commands that wait for humans.

use super::{
    gate::Decision,
    world::{LONG, World, came},
};
use countersign_core::{id::HoldId, refusal::Refusal};
use tokio::time::timeout;

const LINE: &str = "echo $((1)) ran";

#[tokio::test]
async fn a_rejected_command_is_refused_with_126_and_the_comment() {
    let world = World::new().await;
    let client = world.begin(LINE);
    let hold = HoldId::from_bytes([7; 16]);
    let comment = "not on a \u{1b}[31mFriday".to_owned();
    let refusal = Refusal::Rejected { hold, comment };
    world.gate.hold(0).await.decide.send_replace(Decision::Refuse(refusal));
    let ran = came(client, b"").await;
    assert_eq!((ran.out.as_str(), ran.status), ("", Some(126)));
    let last = ran.err.lines().last().unwrap();
    assert_eq!(
        last,
        format!("countersign: REFUSED rejected by a reviewer id={hold}: not on a  [31mFriday")
    );
}

#[tokio::test]
async fn a_parked_command_has_status_75() {
    let world = World::new().await;
    let client = world.begin(LINE);
    let refusal = Refusal::Parked { hold: HoldId::from_bytes([7; 16]) };
    world.gate.hold(0).await.decide.send_replace(Decision::Refuse(refusal));
    let ran = came(client, b"").await;
    assert_eq!((ran.out.as_str(), ran.status), ("", Some(75)));
    assert!(ran.err.contains("countersign: PARKED"), "{ran:?}");
}

#[tokio::test]
async fn an_agent_that_goes_away_parks_its_hold_and_nothing_runs() {
    let world = World::new().await;
    let mark = world.at("mark");
    let mut client = world.begin(&format!("touch {}", mark.display()));
    let hold = world.gate.hold(0).await;
    client.kill().await.unwrap();
    let mut ended = hold.ended.subscribe();
    let ended = timeout(LONG, ended.wait_for(|ended| !ended.is_empty())).await.unwrap().unwrap();
    assert_eq!(*ended, "parked");
    drop(ended);
    assert!(hold.decide.send(Decision::Approve).is_err() || !mark.exists());
}

#[tokio::test]
async fn input_that_came_while_it_was_held_is_the_commands() {
    let world = World::new().await;
    let ran = world.run_approved("wc -c; exit $((0))", &vec![b'x'; 300_000]).await;
    assert_eq!((ran.out.trim(), ran.status), ("300000", Some(0)), "{ran:?}");
}
