//! Clients that send much of what no window limits.

use super::{
    raw::{heard, log_in, status},
    world::{LONG, World},
};
use countersign_core::refusal::Refusal;
use russh::{ChannelMsg, Sig};
use std::time::Duration;
use tokio::time::timeout;

/// More than the library keeps for a channel before somebody takes it.
const MANY: usize = 100;

#[tokio::test]
async fn many_requests_before_the_command_do_not_block_the_connection() {
    let world = World::new().await;
    let handle = log_in(&world).await;
    let mut channel = handle.channel_open_session().await.unwrap();
    for n in 0..MANY {
        channel.set_env(false, format!("NAME{n}"), "value").await.unwrap();
        channel.signal(Sig::USR1).await.unwrap();
        channel.window_change(80, 24, 0, 0).await.unwrap();
    }
    channel.exec(true, "uptime").await.unwrap();
    assert_eq!(status(&heard(&mut channel).await), Some(0));
}

#[tokio::test]
async fn a_session_ends_whatever_its_channels_were_asked_for() {
    let world = World::new().await;
    let handle = log_in(&world).await;
    let channel = handle.channel_open_session().await.unwrap();
    for _ in 0..MANY {
        channel.signal(Sig::USR1).await.unwrap();
    }
    world.gate.end_all(Refusal::SessionEnded { reason: "revoked".to_owned() }).await;
    let mut closed = world.gate.closed.subscribe();
    timeout(LONG, closed.wait_for(|closed| closed.len() == 1)).await.unwrap().unwrap();
}

#[tokio::test]
async fn signals_with_endless_names_take_no_room_while_a_command_is_held() {
    let world = World::new().await;
    let handle = log_in(&world).await;
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.exec(true, "echo $((1)) ran").await.unwrap();
    let hold = world.gate.hold(0).await;
    // As many bytes as would be too much for the channel, were they kept.
    for _ in 0..MANY {
        channel.signal(Sig::Custom("x".repeat(200_000))).await.unwrap();
    }
    // All of it was read.
    assert!(handle.channel_open_session().await.is_ok());
    assert_eq!(*hold.ended.borrow(), "", "it is still held");
    world.gate.approve(0).await;
    assert_eq!(status(&heard(&mut channel).await), Some(0));
}

#[tokio::test]
async fn a_connection_has_no_more_programs_than_channels() {
    let world = World::new().await;
    let handle = log_in(&world).await;
    world.gate.settling.send_replace(false);
    for _ in 0..64 {
        let mut channel = handle.channel_open_session().await.unwrap();
        channel.exec(true, "uptime").await.unwrap();
        let ended = async {
            while !matches!(channel.wait().await, Some(ChannelMsg::ExitStatus { .. }) | None) {}
        };
        timeout(LONG, ended).await.unwrap();
        // The channel is gone; the program is not, until what became of it is recorded.
        channel.close().await.unwrap();
    }
    let mut one = handle.channel_open_session().await.unwrap();
    one.exec(true, "uptime").await.unwrap();
    let answer = timeout(Duration::from_secs(10), one.wait()).await.unwrap();
    assert!(matches!(answer, Some(ChannelMsg::Failure)), "{answer:?}");
    world.gate.settling.send_replace(true);
    world.gate.settlement(63).await;
    assert_eq!(world.gate.admitted.lock().unwrap().len(), 64);
}
