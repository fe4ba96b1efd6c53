//! Connections that come to their end at the wrong moment.

use super::{
    gate::TOKEN,
    raw::Anyone,
    world::{LONG, World},
};
use russh::client;
use std::{sync::Arc, time::Duration};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

#[tokio::test]
async fn a_session_that_is_opened_when_the_time_to_log_in_is_over_is_closed_again() {
    let world = World::new().await;
    let socket = TcpStream::connect(("127.0.0.1", world.port)).await.unwrap();
    world.gate.opening.send_replace(false);
    // The gate takes longer than is left of the thirty seconds, and opens the session all the same.
    sleep(Duration::from_secs(25)).await;
    let config = Arc::new(client::Config::default());
    let mut handle = client::connect_stream(config, socket, Anyone).await.unwrap();
    let logging_in = tokio::spawn(async move {
        drop(handle.authenticate_password("deploy@web1", TOKEN).await);
    });
    sleep(Duration::from_secs(8)).await;
    world.gate.opening.send_replace(true);
    let mut closed = world.gate.closed.subscribe();
    timeout(LONG, closed.wait_for(|closed| closed.len() == 1)).await.unwrap().unwrap();
    logging_in.abort();
}
