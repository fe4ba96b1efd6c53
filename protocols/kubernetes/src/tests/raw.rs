//! An agent that writes what it likes.

use super::world::{LONG, World};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

/// Writes these bytes on a connection of HTTP/1.1, and gives what comes back until the end.
pub(crate) async fn said(world: &World, bytes: &[u8]) -> String {
    let mut stream = world.connect(b"http/1.1").await;
    // One that has heard enough reads no more.
    drop(stream.write_all(bytes).await);
    let mut heard = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut heard)).await;
    // An end without a farewell is an end.
    drop(read.expect("the connection ends"));
    String::from_utf8_lossy(&heard).into_owned()
}

/// The status lines in what came back.
pub(crate) fn statuses(heard: &str) -> Vec<&str> {
    heard.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).collect()
}
