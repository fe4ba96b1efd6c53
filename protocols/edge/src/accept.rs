//! The accept loop. It does no handshake and knows nothing of what is said on a connection.

use crate::places::{Place, Places, TurnedAway};
use countersign_core::gate::Source;
use std::{io, net::SocketAddr, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long the loop rests when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long connections may take to end when the node shuts down.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// Where connections come from: a listener, or what stands before one and knows better where a client is.
pub trait Incoming: Send {
    /// The next connection, and its client's address. Safe to drop and call again.
    fn next(&mut self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

/// Runs `connection` for each that comes, in a task of its own, with a place that it gives back once somebody is identified.
/// At `shutdown` it takes no more, and waits a short while for those that are open.
pub async fn accept<C: Future<Output = ()> + Send + 'static>(
    mut incoming: impl Incoming,
    shutdown: CancellationToken,
    connection: impl Fn(TcpStream, SocketAddr, Place) -> C + Send,
) {
    let (places, mut turned_away) = (Places::default(), TurnedAway::default());
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = incoming.next() => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((socket, address)) => match places.take(&Source { address }) {
                Ok(place) => drop(tasks.spawn(connection(socket, address, place))),
                Err(full) => turned_away.one_more(full),
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    tasks.close();
    if timeout(DRAIN_DEADLINE, tasks.wait()).await.is_err() {
        tracing::warn!("sessions were still open when the node shut down");
    }
}
