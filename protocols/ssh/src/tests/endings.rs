//! How programs end, and what a client hears of it that closes its channel as early as it may.

use super::{
    raw::{heard, log_in, status},
    world::{LONG, World},
};
use russh::{Channel, ChannelMsg, client::Msg};
use tokio::time::timeout;

/// Waits for the end of the output, and closes the channel at once, as OpenSSH's client does on a shared connection. What
/// the channel said before that.
async fn close_at_the_end_of_output(channel: &mut Channel<Msg>) -> Vec<ChannelMsg> {
    let mut heard = Vec::new();
    while let Some(message) = timeout(LONG, channel.wait()).await.unwrap() {
        if matches!(message, ChannelMsg::Eof) {
            channel.close().await.unwrap();
            break;
        }
        heard.push(message);
    }
    heard
}

#[tokio::test]
async fn a_client_that_is_done_hears_the_status_before_the_end_of_output() {
    let world = World::new().await;
    let handle = log_in(&world).await;
    // Its output ends well before it does.
    let line = "exec >&- 2>&-; sleep 2; exit $((7))";
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.exec(true, line).await.unwrap();
    channel.eof().await.unwrap();
    world.gate.approve(0).await;
    assert_eq!(status(&close_at_the_end_of_output(&mut channel).await), Some(7));
    assert_eq!(world.gate.settlement(0).await.word, "exit 7");
}

#[tokio::test]
async fn a_client_that_is_refused_hears_the_status_before_the_end_of_output() {
    let world = World::new().await;
    let handle = log_in(&world).await;
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.exec(true, "reboot").await.unwrap();
    channel.eof().await.unwrap();
    assert_eq!(status(&close_at_the_end_of_output(&mut channel).await), Some(126));
}

#[tokio::test]
async fn a_program_that_says_no_more_still_listens() {
    let world = World::new().await;
    let handle = log_in(&world).await;
    let mark = world.at("mark");
    let line = format!("exec >&- 2>&-; cat > {}; exit $((3))", mark.display());
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.exec(true, line).await.unwrap();
    world.gate.approve(0).await;
    // The client has more to say, and says it only when it has seen the end of the output.
    let seen = async { while !matches!(channel.wait().await, Some(ChannelMsg::Eof) | None) {} };
    timeout(LONG, seen).await.unwrap();
    channel.data_bytes(&b"more\n"[..]).await.unwrap();
    channel.eof().await.unwrap();
    assert_eq!(status(&heard(&mut channel).await), Some(3));
    assert_eq!(std::fs::read_to_string(mark).unwrap(), "more\n");
}
